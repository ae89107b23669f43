// SPDX-License-Identifier: Apache-2.0
#include "support/hooked_vfs.hpp"

#include <sqlite3.h>

#include <memory>
#include <new>
#include <utility>

namespace dcache::test {

namespace {

/// The second of the lock bytes of a log's shared memory: who checkpoints has it.
constexpr int kCheckpointLock = 1;

struct Hooks {
  sqlite3_vfs* real = nullptr;
  sqlite3_vfs vfs{};
  sqlite3_io_methods methods{};
  std::function<void()> before;
  std::function<void()> amid;
  std::function<void()> around;
  std::function<void(int)> before_sync;
  bool in_around = false;
  const sqlite3_file* checkpointed = nullptr;  ///< through which file `before` came by
  int ran = 0;
};

Hooks& hooks() {
  static Hooks all;
  return all;
}

void fire(std::function<void()>& hook) {
  if (!hook) return;
  ++hooks().ran;
  std::exchange(hook, nullptr)();
}

void look_around() {
  Hooks& all = hooks();
  if (!all.around || std::exchange(all.in_around, true)) return;
  ++all.ran;
  all.around();
  all.in_around = false;
}

/// Between the two, the call itself.
class Around {
 public:
  Around() { look_around(); }
  Around(const Around&) = delete;
  Around& operator=(const Around&) = delete;
  ~Around() { look_around(); }
};

struct File {
  sqlite3_file base;
  sqlite3_file* real;
  bool is_database;
  int unsynced;  ///< writes
};

sqlite3_file* real(sqlite3_file* file) { return reinterpret_cast<File*>(file)->real; }
const sqlite3_io_methods& of(sqlite3_file* file) { return *real(file)->pMethods; }

int x_close(sqlite3_file* file) {
  const int code = real(file)->pMethods != nullptr ? of(file).xClose(real(file)) : SQLITE_OK;
  ::operator delete(real(file));
  return code;
}

int x_shm_lock(sqlite3_file* file, int offset, int number, int flags) {
  const Around around;
  const bool checkpoints = offset == kCheckpointLock && flags == (SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE);
  if (checkpoints && number == 1 && hooks().before) {
    hooks().checkpointed = file;
    fire(hooks().before);
  }
  return of(file).xShmLock(real(file), offset, number, flags);
}

// Without mapped files a checkpoint that finds the log changed gives up all mappings: with a null pointer.
int x_unfetch(sqlite3_file* file, sqlite3_int64, void* page) {
  const Around around;
  const sqlite3_file* only = hooks().checkpointed;
  if (page == nullptr && (only == nullptr || only == file)) fire(hooks().amid);
  return SQLITE_OK;
}

int x_open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
  auto* mine = reinterpret_cast<File*>(file);
  mine->is_database = (flags & SQLITE_OPEN_MAIN_DB) != 0;
  mine->unsynced = 0;
  const auto size = static_cast<std::size_t>(hooks().real->szOsFile);
  mine->real = new (::operator new(size)) sqlite3_file{};
  const int code = hooks().real->xOpen(hooks().real, name, mine->real, flags, out);
  if (code != SQLITE_OK) ::operator delete(mine->real);
  file->pMethods = code == SQLITE_OK ? &hooks().methods : nullptr;
  return code;
}

sqlite3_io_methods make_methods() {
  sqlite3_io_methods m{};
  m.iVersion = 3;
  m.xClose = x_close;
  m.xRead = [](sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
    return of(f).xRead(real(f), to, n, at);
  };
  m.xWrite = [](sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
    const Around around;
    ++reinterpret_cast<File*>(f)->unsynced;
    return of(f).xWrite(real(f), from, n, at);
  };
  m.xTruncate = [](sqlite3_file* f, sqlite3_int64 size) { return of(f).xTruncate(real(f), size); };
  m.xSync = [](sqlite3_file* f, int flags) {
    const Around around;
    auto& file = *reinterpret_cast<File*>(f);
    const int ended = std::exchange(file.unsynced, 0);
    if (file.is_database && hooks().before_sync) hooks().before_sync(ended);
    return of(f).xSync(real(f), flags);
  };
  m.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) { return of(f).xFileSize(real(f), size); };
  m.xLock = [](sqlite3_file* f, int level) { return of(f).xLock(real(f), level); };
  m.xUnlock = [](sqlite3_file* f, int level) { return of(f).xUnlock(real(f), level); };
  m.xCheckReservedLock = [](sqlite3_file* f, int* out) { return of(f).xCheckReservedLock(real(f), out); };
  m.xFileControl = [](sqlite3_file* f, int what, void* with) {
    return of(f).xFileControl(real(f), what, with);
  };
  m.xSectorSize = [](sqlite3_file* f) { return of(f).xSectorSize(real(f)); };
  m.xDeviceCharacteristics = [](sqlite3_file* f) { return of(f).xDeviceCharacteristics(real(f)); };
  m.xShmMap = [](sqlite3_file* f, int region, int size, int extend, void volatile** to) {
    return of(f).xShmMap(real(f), region, size, extend, to);
  };
  m.xShmLock = x_shm_lock;
  m.xShmBarrier = [](sqlite3_file* f) { of(f).xShmBarrier(real(f)); };
  m.xShmUnmap = [](sqlite3_file* f, int remove) { return of(f).xShmUnmap(real(f), remove); };
  m.xFetch = [](sqlite3_file*, sqlite3_int64, int, void** to) {
    *to = nullptr;
    return SQLITE_OK;
  };
  m.xUnfetch = x_unfetch;
  return m;
}

}  // namespace

HookedVfs::HookedVfs() {
  Hooks& all = hooks();
  all.real = sqlite3_vfs_find(nullptr);
  all.vfs = *all.real;
  all.vfs.zName = "hooked";
  all.vfs.szOsFile = static_cast<int>(sizeof(File));
  all.vfs.xOpen = x_open;
  all.vfs.pNext = nullptr;
  all.methods = make_methods();
  all.before = all.amid = nullptr;
  all.checkpointed = nullptr;
  all.ran = 0;
  sqlite3_vfs_register(&all.vfs, 1);
}

HookedVfs::~HookedVfs() {
  sqlite3_vfs_unregister(&hooks().vfs);
  hooks().before = hooks().amid = hooks().around = nullptr;
  hooks().before_sync = nullptr;
}

void HookedVfs::before_checkpoint(std::function<void()> hook) { hooks().before = std::move(hook); }
void HookedVfs::amid_checkpoint(std::function<void()> hook) { hooks().amid = std::move(hook); }
void HookedVfs::around_each_call(std::function<void()> hook) { hooks().around = std::move(hook); }
void HookedVfs::before_database_sync(std::function<void(int)> hook) { hooks().before_sync = std::move(hook); }
int HookedVfs::ran() const noexcept { return hooks().ran; }

}  // namespace dcache::test
