// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>

#include "compare/peer.hpp"
#include "contenders.hpp"
#include "raw_table.hpp"

namespace bench::compare {

namespace {

class Sqlite final : public Peer {
 public:
  explicit Sqlite(const std::filesystem::path& directory) : directory_(directory), table_(directory) {}

  std::string version() override { return sqlite3_libversion(); }

  std::optional<std::string> get(std::string_view key) override { return table_.get(key); }
  void set(std::string_view key, std::string_view value) override { table_.set(key, value); }
  bool add(std::string_view key, std::string_view value) override { return table_.add(key, value); }
  bool erase(std::string_view key) override { return table_.erase(key); }
  void set_all(std::span<const Key> keys, Values& values) override {
    table_.begin();
    for (const Key& key : keys) set(key.text, values.next_of(key.number));
    table_.commit();
  }

  void lock() override {
    if (!contender_) contender_ = make_contender(bench::Kind::sqlite, directory_, unused_);
    contender_->lock();
  }
  void unlock() override { contender_->unlock(); }

 private:
  const std::filesystem::path directory_;
  raw::Table table_;
  pthread_mutex_t unused_{};
  std::unique_ptr<Contender> contender_;
};

}  // namespace

Kind sqlite_kind() {
  return {.id = "sqlite",
          .title = "raw SQLite",
          .settings =
              "two columns WITHOUT ROWID, prepared statements, WAL, synchronous=NORMAL, SQLite's default "
              "cache of 2 MB; its lock is a row, added and deleted, tried again at once",
          .abilities = {.locks = true},
          .open = [](const std::filesystem::path& directory) { return std::make_unique<Sqlite>(directory); }};
}

}  // namespace bench::compare
