// SPDX-License-Identifier: Apache-2.0
#include "rivals.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <stdexcept>

#include "dcache/dcache.hpp"
#include "raw_table.hpp"

namespace bench {

namespace {

class Raw final : public Rival {
 public:
  explicit Raw(const std::filesystem::path& directory) : table_(directory) {}

  std::optional<std::string> get(std::string_view key) override { return table_.get(key); }
  void set(std::string_view key, std::string_view value) override { table_.set(key, value); }
  bool add(std::string_view key, std::string_view value) override { return table_.add(key, value); }
  bool erase(std::string_view key) override { return table_.erase(key); }
  std::int64_t incr(std::string_view key) override {
    incr_.bind(1, key).step();
    const std::int64_t sum = incr_.number(0);
    incr_.run();
    return sum;
  }
  void set_all(std::span<const std::string_view> keys, Values& values) override {
    table_.begin();
    for (const std::string_view key : keys) set(key, values.next());
    table_.commit();
  }
  void erase_all(std::span<const std::string_view> keys) override {
    table_.begin();
    for (const std::string_view key : keys) erase(key);
    table_.commit();
  }
  void lock_pair() override {
    add(kLock, lock_value_);
    erase(kLock);
  }
  void rlock_pair() override { lock_pair(); }
  void queue_pair(std::string_view key, std::string_view value) override {
    add(key, value);
    erase(key);
  }
  void lease_pair(std::string_view key, std::string_view value) override { queue_pair(key, value); }

 private:
  static constexpr std::string_view kLock = "report";

  raw::Table table_;
  const std::string lock_value_ = std::string(128, 'x');
  raw::Statement incr_ = {
      table_.database(),
      "INSERT INTO entries VALUES(?1, 1) ON CONFLICT(key) DO UPDATE SET value = value + 1 "
      "RETURNING value"};
};

/// What people write by hand. Only the calls that files can do in one step.
class Files final : public Rival {
 public:
  explicit Files(const std::filesystem::path& directory) : directory_(directory / "files") {
    std::filesystem::create_directory(directory_);
  }

  std::optional<std::string> get(std::string_view key) override {
    const int fd = ::open(path(key).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return std::nullopt;
    struct stat info {};
    ::fstat(fd, &info);
    std::string value(static_cast<std::size_t>(info.st_size), '\0');
    for (std::size_t at = 0; at < value.size();) {
      const ssize_t n = ::read(fd, value.data() + at, value.size() - at);
      if (n <= 0) break;
      at += static_cast<std::size_t>(n);
    }
    ::close(fd);
    return value;
  }
  void set(std::string_view key, std::string_view value) override {
    const std::string draft = path("draft");
    const int fd = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    while (!value.empty()) {
      const ssize_t n = ::write(fd, value.data(), value.size());
      if (n <= 0) throw std::runtime_error("cannot write " + draft);
      value.remove_prefix(static_cast<std::size_t>(n));
    }
    ::close(fd);
    if (::rename(draft.c_str(), path(key).c_str()) != 0) throw std::runtime_error("cannot rename " + draft);
  }
  bool erase(std::string_view key) override { return ::unlink(path(key).c_str()) == 0; }
  bool add(std::string_view /*key*/, std::string_view /*value*/) override { return false; }
  std::int64_t incr(std::string_view /*key*/) override { return 0; }
  void set_all(std::span<const std::string_view> keys, Values& values) override {
    for (const std::string_view key : keys) set(key, values.next());
  }
  void erase_all(std::span<const std::string_view> keys) override {
    for (const std::string_view key : keys) erase(key);
  }
  void lock_pair() override {}
  void rlock_pair() override {}
  void queue_pair(std::string_view /*key*/, std::string_view /*value*/) override {}
  void lease_pair(std::string_view /*key*/, std::string_view /*value*/) override {}

 private:
  [[nodiscard]] std::string path(std::string_view key) const { return (directory_ / key).native(); }

  std::filesystem::path directory_;
};

class Ours final : public Rival {
 public:
  Ours(const std::filesystem::path& directory, const dcache::Options& options)
      : cache_(directory / "cache", options) {}

  std::optional<std::string> get(std::string_view key) override { return cache_.get(key); }
  void set(std::string_view key, std::string_view value) override { cache_.set(key, value); }
  bool add(std::string_view key, std::string_view value) override { return cache_.add(key, value); }
  bool erase(std::string_view key) override { return cache_.erase(key); }
  std::int64_t incr(std::string_view key) override { return cache_.incr(key); }
  void set_all(std::span<const std::string_view> keys, Values& values) override {
    cache_.transact([&](dcache::Transaction& transaction) {
      for (const std::string_view key : keys) transaction.set(key, values.next());
    });
  }
  void erase_all(std::span<const std::string_view> keys) override {
    cache_.transact([&](dcache::Transaction& transaction) {
      for (const std::string_view key : keys) transaction.erase(key);
    });
  }
  void lock_pair() override {
    lock_.lock();
    lock_.unlock();
  }
  void rlock_pair() override {
    rlock_.lock();
    rlock_.unlock();
  }
  void queue_pair(std::string_view /*key*/, std::string_view value) override {
    queue_.push(value);
    static_cast<void>(queue_.pull());
  }
  void lease_pair(std::string_view /*key*/, std::string_view value) override {
    queue_.push(value);
    queue_.lease()->ack();
  }

 private:
  dcache::Cache cache_;
  dcache::SyncLock lock_{cache_, "report"};
  dcache::SyncRLock rlock_{cache_, "rreport"};
  dcache::Queue queue_{cache_, "jobs"};
};

}  // namespace

std::unique_ptr<Rival> make_raw(const std::filesystem::path& directory) {
  return std::make_unique<Raw>(directory);
}

std::unique_ptr<Rival> make_files(const std::filesystem::path& directory) {
  return std::make_unique<Files>(directory);
}

std::unique_ptr<Rival> make_dcache(const std::filesystem::path& directory, const dcache::Options& options) {
  return std::make_unique<Ours>(directory, options);
}

}  // namespace bench
