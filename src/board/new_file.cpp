// SPDX-License-Identifier: Apache-2.0
#include "board/new_file.hpp"

#include <cerrno>
#include <string>

#include "dcache/error.hpp"
#include "platform/clock.hpp"
#include "platform/directory.hpp"
#include "platform/file.hpp"
#include "platform/fork.hpp"
#include "platform/process.hpp"

namespace dcache::board {

namespace {

constexpr std::int64_t kLeftoverSeconds = 60;

/// A name that goes with this object.
class TemporaryName {
 public:
  explicit TemporaryName(const std::filesystem::path& base)
      : path_(base.native() + "." + platform::random_id()) {}
  TemporaryName(const TemporaryName&) = delete;
  TemporaryName& operator=(const TemporaryName&) = delete;
  ~TemporaryName() { platform::remove_file(path_); }

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

/// Files in the making that a killed process left behind. Making one takes moments.
void remove_leftovers(const std::filesystem::path& of) {
  const std::string prefix = of.filename().native() + ".";
  const std::int64_t now = platform::now().unix_nanoseconds() / 1'000'000'000;
  for (const std::string& name : platform::names_in(of.parent_path())) {
    if (!name.starts_with(prefix)) continue;
    const std::filesystem::path path = of.parent_path() / name;
    const platform::FileInfo info = platform::file_info(path);
    if (info.type == platform::FileType::regular && now - info.changed > kLeftoverSeconds)
      platform::remove_file(path);
  }
}

}  // namespace

bool may_put_files(const std::filesystem::path& directory) {
  return platform::file_info(directory).owner == platform::effective_user() &&
         platform::may_change(directory) && !platform::file_size_is_limited();
}

void put_file(const std::filesystem::path& path, std::string_view bytes, Replace replace) {
  remove_leftovers(path);
  const TemporaryName name(path);
  if (!platform::create_file(name.path())) return;
  const platform::ForkClosedFd file(platform::open_private_file(name.path(), false));
  if (file.get() < 0) platform::throw_errno("cannot open", name.path(), errno);
  platform::write_descriptor(file.get(), bytes);
  if (replace == Replace::nothing) {
    // If another was first, its file is the one to open.
    try {
      static_cast<void>(platform::link_file(name.path(), path));
    } catch (const Error&) {
      if (platform::file_info(path).type == platform::FileType::missing) throw;
    }
  } else if (!platform::rename_file(name.path(), path)) {
    platform::throw_errno("cannot replace", path, errno);
  }
}

}  // namespace dcache::board
