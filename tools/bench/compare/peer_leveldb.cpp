// SPDX-License-Identifier: Apache-2.0
#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>
#include <leveldb/write_batch.h>

#include <stdexcept>

#include "compare/peer.hpp"

namespace bench::compare {

namespace {

constexpr std::size_t kCacheBytes = 64U << 20U;
constexpr int kBloomBits = 10;

void check(const leveldb::Status& status) {
  if (!status.ok()) throw std::runtime_error("LevelDB: " + status.ToString());
}

leveldb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }

class LevelDb final : public Peer {
 public:
  explicit LevelDb(const std::filesystem::path& directory) {
    leveldb::Options options;
    options.create_if_missing = true;
    options.block_cache = cache_.get();
    options.filter_policy = bloom_.get();
    leveldb::DB* opened = nullptr;
    check(leveldb::DB::Open(options, (directory / "leveldb").native(), &opened));
    store_.reset(opened);
  }

  std::string version() override {
    return std::to_string(leveldb::kMajorVersion) + "." + std::to_string(leveldb::kMinorVersion);
  }

  std::optional<std::string> get(std::string_view key) override {
    std::optional<std::string> found{std::in_place};
    const leveldb::Status status = store_->Get({}, slice(key), &*found);
    if (status.IsNotFound()) return std::nullopt;
    check(status);
    return found;
  }
  void set(std::string_view key, std::string_view value) override {
    check(store_->Put({}, slice(key), slice(value)));
  }
  bool add(std::string_view key, std::string_view value) override {
    if (get(key)) return false;
    set(key, value);
    return true;
  }
  bool erase(std::string_view key) override {
    check(store_->Delete({}, slice(key)));
    return true;
  }
  void set_all(std::span<const Key> keys, Values& values) override {
    leveldb::WriteBatch batch;
    for (const Key& key : keys) batch.Put(key.text, slice(values.next_of(key.number)));
    check(store_->Write({}, &batch));
  }
  void settle() override { store_->CompactRange(nullptr, nullptr); }

 private:
  const std::unique_ptr<leveldb::Cache> cache_{leveldb::NewLRUCache(kCacheBytes)};
  const std::unique_ptr<const leveldb::FilterPolicy> bloom_{leveldb::NewBloomFilterPolicy(kBloomBits)};
  std::unique_ptr<leveldb::DB> store_;
};

}  // namespace

Kind leveldb_kind() {
  return {
      .id = "leveldb",
      .title = "LevelDB",
      .settings =
          "log without sync, cache of 64 MiB, Bloom filter of 10 bits, compacted after it is filled; one "
          "process only; add is get and put, not atomic; delete does not tell whether there was one",
      .abilities = {.processes = false},
      .open = [](const std::filesystem::path& directory) { return std::make_unique<LevelDb>(directory); }};
}

}  // namespace bench::compare
