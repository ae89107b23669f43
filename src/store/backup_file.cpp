// SPDX-License-Identifier: Apache-2.0
#include "store/backup_file.hpp"

#include "dcache/bytes.hpp"
#include "dcache/error.hpp"
#include "platform/directory.hpp"
#include "platform/file.hpp"
#include "platform/process.hpp"

namespace dcache::store {

namespace {

namespace fs = std::filesystem;

std::string quoted(const fs::path& path) { return "'" + escape(path.native()) + "'"; }

}  // namespace

fs::path checked_place(const fs::path& file, bool overwrite) {
  if (file.empty() || !file.has_filename()) {
    throw InvalidArgument("a backup needs the name of a file, not " + quoted(file));
  }
  const fs::path place = platform::real_directory(file.parent_path()) / file.filename();
  const platform::FileType type = platform::file_info(place).type;
  if (type == platform::FileType::directory) {
    throw InvalidArgument(quoted(file) + " is a directory; a backup is one file: give its name");
  }
  if (!overwrite && type != platform::FileType::missing) {
    throw AlreadyExists(quoted(file) +
                        " is there already and was left as it is; choose another name, or "
                        "set BackupOptions::overwrite");
  }
  return place;
}

Temporary::Temporary(const fs::path& place)
    : path_(place.parent_path() / (".dcache-" + platform::random_id())) {
  platform::create_file(path_);
}

Temporary::~Temporary() {
  if (!path_.empty() && fork_generation_ == platform::fork_generation()) platform::remove_file(path_);
}

void Temporary::place(const fs::path& at, bool overwrite) {
  platform::File file;
  if (!file.open(path_.native())) throw IoError("the copy in " + quoted(path_) + " was removed meanwhile");
  file.sync();
  file.close();
  if (overwrite ? !platform::rename_file(path_, at) : !platform::rename_new(path_, at)) {
    throw AlreadyExists(quoted(at) + " could not be made: something of that name is in the way");
  }
  path_.clear();
  platform::sync_directory(at.parent_path());
}

}  // namespace dcache::store
