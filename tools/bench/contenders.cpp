// SPDX-License-Identifier: Apache-2.0
#include "contenders.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "dcache/dcache.hpp"
#include "raw.hpp"
#include "workload.hpp"

namespace bench {

namespace {

/// Enough for all workers.
constexpr std::ptrdiff_t kPermits = 256;

void check(int result, const char* what) {
  if (result != 0) throw std::runtime_error(std::string(what) + " failed");
}

class CacheContender final : public Contender {
 public:
  CacheContender(const std::filesystem::path& directory, bool fair)
      : cache_(directory / "cache"), lock_(cache_, "report", {.timeout = dcache::forever, .fair = fair}) {}
  void lock() override { lock_.lock(); }
  void unlock() override { lock_.unlock(); }

 private:
  dcache::Cache cache_;
  dcache::SyncLock lock_;
};

class FlockContender final : public Contender {
 public:
  explicit FlockContender(const std::filesystem::path& directory)
      : fd_(::open((directory / "flock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {}
  ~FlockContender() override { ::close(fd_); }
  void lock() override { check(::flock(fd_, LOCK_EX), "flock"); }
  void unlock() override { check(::flock(fd_, LOCK_UN), "flock"); }

 private:
  int fd_;
};

class MutexContender final : public Contender {
 public:
  explicit MutexContender(pthread_mutex_t& mutex) : mutex_(mutex) {}
  void lock() override {
    const int result = ::pthread_mutex_lock(&mutex_);
    check(result == EOWNERDEAD ? ::pthread_mutex_consistent(&mutex_) : result, "pthread_mutex_lock");
  }
  void unlock() override { check(::pthread_mutex_unlock(&mutex_), "pthread_mutex_unlock"); }

 private:
  pthread_mutex_t& mutex_;
};

/// The least that SQLite can do. Without naps whoever is not first tries again at once; with them it does
/// after 1 ms, and waits for a busy database as SQLite itself would: both as python-diskcache does.
class SqliteContender final : public Contender {
 public:
  SqliteContender(const std::filesystem::path& directory, bool naps)
      : database_(directory / "spin.db"), naps_(naps) {
    const auto again = [](void*, int) -> int { return ::sched_yield() == 0 ? 1 : 0; };
    if (naps) {
      sqlite3_busy_timeout(database_.handle(), 60'000);
    } else {
      sqlite3_busy_handler(database_.handle(), again, nullptr);
    }
    database_.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=OFF");
    database_.run("CREATE TABLE IF NOT EXISTS locks(key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID");
    add_ = std::make_unique<raw::Statement>(database_,
                                            "INSERT INTO locks VALUES(?1, ?2) ON CONFLICT DO NOTHING");
    erase_ = std::make_unique<raw::Statement>(database_, "DELETE FROM locks WHERE key = ?1");
  }
  void lock() override {
    for (;;) {
      add_->bind(1, "report").bind(2, value_).run();
      if (database_.changed()) return;
      if (naps_) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      } else {
        ::sched_yield();
      }
    }
  }
  void unlock() override { erase_->bind(1, "report").run(); }

 private:
  raw::Database database_;
  const bool naps_;
  const std::string value_ = std::string(128, 'x');
  std::unique_ptr<raw::Statement> add_;
  std::unique_ptr<raw::Statement> erase_;
};

/// What the writers write.
class Writes {
 public:
  std::string_view key() { return keys_[random_() % keys_.size()]; }
  std::string_view value() { return values_.next(); }

 private:
  static constexpr std::size_t kKeys = 10'000;
  Random same_{1};
  const std::vector<std::string> keys_ = random_keys(kKeys, same_);
  Random random_{std::random_device{}()};
  Values values_{128};
};

class UpsertContender final : public Contender {
 public:
  explicit UpsertContender(const std::filesystem::path& directory) : database_(directory / "writes.db") {
    sqlite3_busy_timeout(database_.handle(), 60'000);
    database_.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=OFF");
    database_.run("CREATE TABLE IF NOT EXISTS entries(key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID");
    set_ = std::make_unique<raw::Statement>(database_, "INSERT OR REPLACE INTO entries VALUES(?1, ?2)");
  }
  void lock() override { set_->bind(1, writes_.key()).bind(2, writes_.value()).run(); }
  void unlock() override {}

 private:
  raw::Database database_;
  Writes writes_;
  std::unique_ptr<raw::Statement> set_;
};

class SetContender final : public Contender {
 public:
  SetContender(const std::filesystem::path& directory, std::uint32_t shards,
               dcache::Durability durability = dcache::Durability::normal)
      : cache_(directory / ("writes" + std::to_string(shards)),
               {.durability = durability, .shards = shards}) {}
  void lock() override { cache_.set(writes_.key(), writes_.value()); }
  void unlock() override {}

 private:
  dcache::Cache cache_;
  Writes writes_;
};

/// A lock of any kind, by the two calls that take it and give it back.
template <class Lock, class Take, class Give>
class PairContender final : public Contender {
 public:
  template <class... More>
  PairContender(const std::filesystem::path& directory, Take take, Give give, std::string_view key,
                More... more)
      : cache_(directory / "cache"),
        lock_(cache_, key, more..., dcache::LockOptions{.timeout = dcache::forever}),
        take_(take),
        give_(give) {}
  void lock() override { take_(lock_); }
  void unlock() override { give_(lock_); }

 private:
  dcache::Cache cache_;
  Lock lock_;
  const Take take_;
  const Give give_;
};

template <class Lock, class Take, class Give, class... More>
std::unique_ptr<Contender> make_pair(const std::filesystem::path& directory, Take take, Give give,
                                     More... more) {
  return std::make_unique<PairContender<Lock, Take, Give>>(directory, take, give, more...);
}

}  // namespace

const char* name_of(Kind kind) noexcept {
  switch (kind) {
    case Kind::flock:
      return "flock(2)";
    case Kind::mutex:
      return "robust mutex";
    case Kind::sqlite:
      return "SQLite spin";
    case Kind::naive:
      return "SQLite, naps";
    case Kind::dcache:
      return "SyncLock";
    case Kind::upsert:
      return "SQLite, busy timeout";
    case Kind::set:
      return "Cache::set";
    case Kind::set4:
      return "Cache::set, 4 shards";
    case Kind::set8:
      return "Cache::set, 8 shards";
    case Kind::full:
      return "synced, 1 shard";
    case Kind::full4:
      return "synced, 4 shards";
    case Kind::full8:
      return "synced, 8 shards";
    case Kind::exclusive:
      return "SyncLock";
    case Kind::writing:
      return "SyncRWLock";
    case Kind::shared:
      return "SyncRWLock, shared";
    case Kind::permits:
      return "Semaphore";
    case Kind::fair:
      break;
  }
  return "SyncLock fair";
}

std::unique_ptr<Contender> make_contender(Kind kind, const std::filesystem::path& directory,
                                          pthread_mutex_t& mutex) {
  switch (kind) {
    case Kind::flock:
      return std::make_unique<FlockContender>(directory);
    case Kind::mutex:
      return std::make_unique<MutexContender>(mutex);
    case Kind::sqlite:
    case Kind::naive:
      return std::make_unique<SqliteContender>(directory, kind == Kind::naive);
    case Kind::upsert:
      return std::make_unique<UpsertContender>(directory);
    case Kind::set:
      return std::make_unique<SetContender>(directory, 1);
    case Kind::set4:
      return std::make_unique<SetContender>(directory, 4);
    case Kind::set8:
      return std::make_unique<SetContender>(directory, 8);
    case Kind::full:
      return std::make_unique<SetContender>(directory, 1, dcache::Durability::full);
    case Kind::full4:
      return std::make_unique<SetContender>(directory, 4, dcache::Durability::full);
    case Kind::full8:
      return std::make_unique<SetContender>(directory, 8, dcache::Durability::full);
    case Kind::exclusive:
      return make_pair<dcache::SyncLock>(
          directory, [](auto& lock) { lock.lock(); }, [](auto& lock) { lock.unlock(); }, "exclusive");
    case Kind::writing:
      return make_pair<dcache::SyncRWLock>(
          directory, [](auto& lock) { lock.lock(); }, [](auto& lock) { lock.unlock(); }, "writing");
    case Kind::shared:
      return make_pair<dcache::SyncRWLock>(
          directory, [](auto& lock) { lock.lock_shared(); }, [](auto& lock) { lock.unlock_shared(); },
          "shared");
    case Kind::permits:
      return make_pair<dcache::Semaphore>(
          directory, [](auto& semaphore) { semaphore.acquire(); },
          [](auto& semaphore) { semaphore.release(); }, "permits", kPermits);
    case Kind::dcache:
    case Kind::fair:
      break;
  }
  return std::make_unique<CacheContender>(directory, kind == Kind::fair);
}

void make_robust(pthread_mutex_t& mutex) {
  pthread_mutexattr_t attributes;
  check(::pthread_mutexattr_init(&attributes), "pthread_mutexattr_init");
  check(::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), "pthread_mutexattr_setpshared");
  check(::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST), "pthread_mutexattr_setrobust");
  check(::pthread_mutex_init(&mutex, &attributes), "pthread_mutex_init");
  ::pthread_mutexattr_destroy(&attributes);
}

}  // namespace bench
