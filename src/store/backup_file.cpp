// SPDX-License-Identifier: Apache-2.0
#include "store/backup_file.hpp"

#include "dcache/error.hpp"
#include "platform/directory.hpp"
#include "platform/file.hpp"
#include "platform/process.hpp"

namespace dcache::store {

namespace fs = std::filesystem;

void throw_damaged_backup(const fs::path& file) {
  throw Corrupt("the backup " + platform::in_quotes(file) + " is damaged; nothing was made: use another one");
}

void throw_no_room_for_backup(const fs::path& file) {
  throw Full("no space left for the backup " + platform::in_quotes(file) +
             "; what was written of it was removed: free space, or choose another place");
}

void throw_cache_is_there(const fs::path& directory, const fs::path& name) {
  throw AlreadyExists("there is a cache in " + platform::in_quotes(directory) + ", or what is left of one (" +
                      name.native() +
                      "); nothing was changed: restore into another directory, or move this one away");
}

fs::path checked_place(const fs::path& file, bool overwrite) {
  if (file.empty() || !file.has_filename()) {
    throw InvalidArgument("a backup needs the name of a file, not " + platform::in_quotes(file));
  }
  const fs::path place = platform::real_directory(file.parent_path()) / file.filename();
  const platform::FileType type = platform::file_info(place).type;
  if (type == platform::FileType::directory) {
    throw InvalidArgument(platform::in_quotes(file) + " is a directory; a backup is one file: give its name");
  }
  if (!overwrite && type != platform::FileType::missing) {
    throw AlreadyExists(platform::in_quotes(file) +
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
  if (!file.open(path_.native()))
    throw IoError("the copy in " + platform::in_quotes(path_) + " was removed meanwhile");
  file.sync();
  file.close();
  if (overwrite ? !platform::rename_file(path_, at) : !platform::rename_new(path_, at)) {
    throw AlreadyExists(platform::in_quotes(at) + " could not be made: something of that name is in the way");
  }
  path_.clear();
  platform::sync_directory(at.parent_path());
}

}  // namespace dcache::store
