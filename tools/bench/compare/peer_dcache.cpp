// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>

#include <utility>

#include "compare/peer.hpp"
#include "contenders.hpp"
#include "dcache/dcache.hpp"

namespace bench::compare {

namespace {

class Ours final : public Peer {
 public:
  Ours(const std::filesystem::path& directory, const dcache::Options& options)
      : directory_(directory), cache_(directory / "cache", options) {}

  std::string version() override { return DCACHE_VERSION; }

  std::optional<std::string> get(std::string_view key) override { return cache_.get(key); }
  void set(std::string_view key, std::string_view value) override { cache_.set(key, value); }
  bool add(std::string_view key, std::string_view value) override { return cache_.add(key, value); }
  bool erase(std::string_view key) override { return cache_.erase(key); }
  void set_all(std::span<const Key> keys, Values& values) override {
    cache_.transact([&](dcache::Transaction& transaction) {
      for (const Key& key : keys) transaction.set(key.text, values.next_of(key.number));
    });
  }

  void fill_tagged(std::span<const Key> keys, Values& values, std::string_view tag) override {
    cache_.transact([&](dcache::Transaction& transaction) {
      for (const Key& key : keys)
        transaction.set(key.text, values.next_of(key.number), {.tags = dcache::Tags(std::string(tag))});
    });
  }
  std::uint64_t evict(std::string_view tag) override { return cache_.evict(dcache::Tags(std::string(tag))); }

  void lock() override { contender().lock(); }
  void unlock() override { contender().unlock(); }

 private:
  Contender& contender() {
    if (!contender_) contender_ = make_contender(bench::Kind::dcache, directory_, unused_);
    return *contender_;
  }

  const std::filesystem::path directory_;
  dcache::Cache cache_;
  pthread_mutex_t unused_{};
  std::unique_ptr<Contender> contender_;
};

Kind kind_with(std::string id, std::string title, std::string settings, const dcache::Options& options) {
  return {.id = std::move(id),
          .title = std::move(title),
          .settings = std::move(settings),
          .abilities = {.tags = true, .locks = true},
          .open = [options](const std::filesystem::path& directory) {
            return std::make_unique<Ours>(directory, options);
          }};
}

}  // namespace

std::vector<Kind> dcache_kinds() {
  Kind without = kind_with("dcache-0", "dcache, memory = 0", "the same, but nothing is answered from memory",
                           {.memory = 0});
  without.abilities.locks = false;  // they are the same
  return {kind_with("dcache", "dcache", "default options (WAL, synchronous=NORMAL); SyncLock", {}),
          std::move(without)};
}

}  // namespace bench::compare
