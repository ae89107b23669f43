// SPDX-License-Identifier: Apache-2.0
//
// Several stores as one: each keeps the values of some keys, the first also all records. It knows only their
// interface.
//
// A transaction of a thread is one of the shard whose key it meets first. What must hold beside it, a lock,
// is in the first shard: there it opens a second transaction, which changes nothing and keeps others from
// changing the lock until the first one has ended. Nobody waits for another shard who has the first, so that
// no circle of waiting can be.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dcache/store.hpp"

namespace dcache::store::sharded {

class ShardedStore final : public Store {
 public:
  /// Two or more; the order counts.
  explicit ShardedStore(std::vector<std::unique_ptr<Store>> shards);

  std::optional<std::string> get(std::string_view key) override;
  std::optional<Entry> entry(std::string_view key) override;
  bool contains(std::string_view key) override;
  bool put(std::string_view key, const NewValue& value, Put mode) override;
  bool erase(std::string_view key, const Guard* guard) override;
  void put_from(std::string_view key, const NewValue& value, Source source) override;
  bool get_to(std::string_view key, Sink sink) override;
  std::optional<Entry> pop(std::string_view key, const Guard* guard) override;
  bool replace(std::string_view key, std::string_view expected, const NewValue& desired) override;
  void update(std::string_view key, FunctionRef<Change(const Entry*)> f, const Guard* guard) override;
  void hold_to(const Guard& guard) override;

  std::unique_ptr<Scan> scan(const EntryFilter& filter) override;
  std::vector<std::string> keys(std::string_view low, std::string_view high, Direction direction,
                                std::size_t limit) override;

  std::uint64_t evict(const Tags& tags, Match match, Timestamp start, const OnProgress& on_progress) override;
  std::uint64_t clear(Timestamp start, const OnProgress& on_progress) override;
  std::uint64_t expire() override;
  std::uint64_t cull() override;
  std::uint64_t size() override;
  std::uint64_t bytes() override;
  Settings settings() override { return first().settings(); }
  void change_settings(FunctionRef<void(Settings&)> change) override;
  Stats stats() override;
  std::vector<std::string> tags() override;
  CheckReport check(const CheckOptions& options) override;
  void backup(const std::filesystem::path& file, const BackupOptions& options) override;
  CompactReport compact(const CompactOptions& options) override;

  std::optional<std::string> record(Space space, std::string_view key) override;
  bool add_record(Space space, std::string_view key, FunctionRef<std::string(std::uint64_t)> make,
                  Deadline deadline) override;
  bool erase_record(Space space, std::string_view key, std::string_view expected, Deadline deadline) override;
  void update_record(Space space, std::string_view key,
                     FunctionRef<RecordChange(const std::string*, std::uint64_t)> f,
                     Deadline deadline) override;
  std::vector<Record> records(Space space, const std::optional<std::string>& after,
                              std::size_t limit) override;

  [[nodiscard]] std::size_t shards() const noexcept override { return shards_.size(); }
  [[nodiscard]] std::size_t shard_of(std::string_view key) const noexcept override;
  [[nodiscard]] bool spreads(std::string_view prefix) const noexcept override;
  Store& home_of(std::string_view key) override;

  void begin() override;
  void commit() override;
  void rollback() noexcept override;
  [[nodiscard]] bool in_transaction() const noexcept override { return mine() != nullptr; }

  std::string session() override { return first().session(); }
  std::string uuid() override { return first().uuid(); }
  Liveness alive(std::string_view session) override { return first().alive(session); }
  int proof_of_life() override { return first().proof_of_life(); }
  std::string command(std::string_view session) override { return first().command(session); }
  std::optional<std::uint32_t> wake_word(std::uint64_t agent) override { return first().wake_word(agent); }
  void sleep(std::uint64_t agent, std::uint32_t seen, Deadline until) override {
    first().sleep(agent, seen, until);
  }
  void wake(std::string_view session, std::uint64_t agent) noexcept override { first().wake(session, agent); }
  std::optional<std::uint32_t> topic_word(std::string_view topic) override {
    return first().topic_word(topic);
  }
  void sleep_on(std::string_view topic, std::uint32_t seen, Deadline until) override {
    first().sleep_on(topic, seen, until);
  }
  void wake_topic(std::string_view topic) noexcept override { first().wake_topic(topic); }
  void count(LockCounter counter, std::uint64_t amount) noexcept override { first().count(counter, amount); }
  std::uint64_t counted(LockCounter counter) noexcept override { return first().counted(counter); }
  std::shared_ptr<void> watch(std::string_view session, std::uint64_t agent) override {
    return first().watch(session, agent);
  }

 private:
  struct Open;

  [[nodiscard]] Store& first() const noexcept { return *shards_.front(); }

  // The calling thread's transaction (transaction.cpp).
  [[nodiscard]] Open* mine() const noexcept;
  static std::unique_ptr<Open> unlink(Open* ended) noexcept;
  void settle_in(Open& open, std::size_t shard, std::string what);
  static void doom(Open& open) noexcept;
  void keep_locks(Open& open);
  void let_go_of_locks(const Open& open) noexcept;
  Store& home_of_records(std::string_view key);
  void refuse_inside(const char* call) const;

  /// Runs `f(home, guard)`, where the shard that keeps `key` obeys `guard` itself if it can, or it is obeyed
  /// here, in the same transaction.
  template <class F>
  auto guarded(std::string_view key, const Guard* guard, F f);
  /// The same for what must work on a full disk.
  template <class F>
  auto removing(std::string_view key, const Guard* guard, F f);

  void check_places(std::size_t at, bool fix, CheckReport& report);
  void check_settings(std::size_t at, bool fix, CheckReport& report);
  [[nodiscard]] std::optional<std::size_t> only_shard(std::string_view prefix) const noexcept;

  const std::vector<std::unique_ptr<Store>> shards_;
  const std::uint64_t id_;  ///< of this object; unlike an address it is not used again
};

}  // namespace dcache::store::sharded
