// SPDX-License-Identifier: Apache-2.0
//
// Value files that no row refers to.
#include <algorithm>
#include <set>

#include "dcache/bytes.hpp"
#include "store/sqlite/check.hpp"

namespace dcache::store::sqlite {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kHexBytes = 2 * FileRef::kNameBytes;

bool is_hex_pair(std::string_view name) {
  return name.size() == 2 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_real_directory(const fs::path& path) {
  return platform::file_info(path).type == platform::FileType::directory;
}

/// Whether the first file at or behind `file`, which a statement looks for, is that one, whatever its size.
bool is_first(Connection& connection, Sql which, int column, const FileRef& file) {
  const std::string from = file.packed();
  Statement row = connection.use(which);
  return connection.step(row.bind(1, from), "look for a file's row") &&
         row.bytes(column).substr(0, FileRef::kNameBytes) == from.substr(0, FileRef::kNameBytes);
}

}  // namespace

/// Files that writers were about to store when they died.
void Check::leftovers() {
  std::vector<std::size_t> found;
  for (const ValueFiles::InFlight& file : store_.files_.in_flight()) {
    if (store_.session_->alive(file.session) != Liveness::dead) continue;
    found.push_back(add(Kind::leftover, "a writer that died left 'values/new/" + escape(file.name) + "'"));
  }
  if (!fix_ || !believable_) return;
  try {
    store_.sweep_files();
    for (const std::size_t problem : found) fixed(problem);
  } catch (const Error& error) {
    for (const std::size_t problem : found) not_fixed(problem, error);
  }
}

void Check::files() {
  const fs::path values = store_.directory_.path / "values";
  for (const std::string& name : platform::names_in(values / "new")) {
    const bool ours =
        name.size() > kHexBytes && name[kHexBytes] == '-' && FileRef::from_hex(name.substr(0, kHexBytes));
    if (!ours) foreign(values / "new" / name);
  }
  for (const std::string& name : platform::names_in(values)) {
    if (name == "new" || name == "held") continue;
    if (is_hex_pair(name) && is_real_directory(values / name)) {
      look_for_rows(files_below(name));
    } else {
      foreign(values / name);
    }
  }
}

std::vector<FileRef> Check::files_below(const fs::path& name) {
  const fs::path directory = store_.directory_.path / "values" / name;
  std::vector<FileRef> found;
  for (const std::string& second : platform::names_in(directory)) {
    if (!is_hex_pair(second) || !is_real_directory(directory / second)) {
      foreign(directory / second);
      continue;
    }
    for (const std::string& rest : platform::names_in(directory / second)) {
      if (const std::optional<FileRef> file =
              FileRef::from_hex(std::string(name.native()).append(second).append(rest))) {
        found.push_back(*file);
      } else {
        foreign(directory / second / rest);
      }
    }
  }
  report_.files += found.size();
  return found;
}

/// Each step sees what it needs only after the one before. A writer's file is in flight from before it is
/// seen here until after the commit of its row, so one that is no longer in flight has had its row. A row
/// that went since leaves the file in `trash` until the file has gone.
void Check::look_for_rows(const std::vector<FileRef>& found) {
  if (!believable_ || found.empty()) return;
  std::set<std::array<char, FileRef::kNameBytes>> in_flight;
  for (const ValueFiles::InFlight& file : store_.files_.in_flight()) in_flight.insert(file.ref.name);
  Read read(store_);
  for (const FileRef& file : found) {
    if (in_flight.contains(file.name) || is_first(*read, Sql::file_row, 1, file) ||
        is_first(*read, Sql::trash_row, 0, file)) {
      continue;
    }
    const fs::path path = store_.files_.path(file);
    const platform::FileType type = platform::file_info(path).type;
    if (type == platform::FileType::missing) continue;
    if (type != platform::FileType::regular) {
      foreign(path);
      continue;
    }
    const std::size_t problem =
        add(Kind::leftover, "no value refers to the file '" + escape(path.native()) + "'");
    if (!fix_) continue;
    store_.files_.remove(file);
    if (platform::file_info(path).type == platform::FileType::missing) {
      fixed(problem);
    } else {
      report_.problems[problem].text += "; it cannot be removed";
    }
  }
}

}  // namespace dcache::store::sqlite
