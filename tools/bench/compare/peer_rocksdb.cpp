// SPDX-License-Identifier: Apache-2.0
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/version.h>

#include <chrono>
#include <stdexcept>
#include <thread>

#include "compare/peer.hpp"

namespace bench::compare {

namespace {

constexpr std::size_t kBlockCacheBytes = 64U << 20U;
constexpr double kFilterBits = 10;

void check(const rocksdb::Status& status) {
  if (!status.ok()) throw std::runtime_error("RocksDB: " + status.ToString());
}

class RocksDb final : public Peer {
 public:
  explicit RocksDb(const std::filesystem::path& directory) {
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes);
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kFilterBits));
    rocksdb::Options options;
    options.create_if_missing = true;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    rocksdb::DB* opened = nullptr;
    check(rocksdb::DB::Open(options, (directory / "rocksdb").native(), &opened));
    store_.reset(opened);
  }

  std::string version() override { return rocksdb::GetRocksVersionAsString(); }

  std::optional<std::string> get(std::string_view key) override {
    std::optional<std::string> found{std::in_place};
    const rocksdb::Status status = store_->Get({}, key, &*found);
    if (status.IsNotFound()) return std::nullopt;
    check(status);
    return found;
  }
  void set(std::string_view key, std::string_view value) override { check(store_->Put({}, key, value)); }
  bool add(std::string_view key, std::string_view value) override {
    if (get(key)) return false;
    set(key, value);
    return true;
  }
  bool erase(std::string_view key) override {
    check(store_->Delete({}, key));
    return true;
  }
  void set_all(std::span<const Key> keys, Values& values) override {
    rocksdb::WriteBatch batch;
    for (const Key& key : keys) check(batch.Put(key.text, values.next_of(key.number)));
    check(store_->Write({}, &batch));
  }
  void settle() override {
    check(store_->CompactRange({}, nullptr, nullptr));
    for (std::uint64_t busy = 1; busy > 0;) {
      std::uint64_t flushes = 0;
      store_->GetIntProperty("rocksdb.num-running-compactions", &busy);
      store_->GetIntProperty("rocksdb.num-running-flushes", &flushes);
      busy += flushes;
      if (busy > 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }

 private:
  std::unique_ptr<rocksdb::DB> store_;
};

}  // namespace

Kind rocksdb_kind() {
  return {
      .id = "rocksdb",
      .title = "RocksDB",
      .settings =
          "log without sync, cache of 64 MiB, Bloom filter of 10 bits, compacted after it is filled; one "
          "process only; add is get and put, not atomic; delete does not tell whether there was one",
      .abilities = {.processes = false},
      .open = [](const std::filesystem::path& directory) { return std::make_unique<RocksDb>(directory); }};
}

}  // namespace bench::compare
