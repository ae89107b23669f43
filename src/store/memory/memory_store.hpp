// SPDX-License-Identifier: Apache-2.0
//
// The memory engine: the promises of a store inside one process, gone with the object. Each object is a store
// of its own.
//
// One mutex guards everything and is held for moments: never while a transaction is open, nor while bytes go
// in or out or a page of a scan is handled. An open transaction changes versions that only its thread sees;
// other writers wait for it, readers never do.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "board/visits.hpp"
#include "dcache/options.hpp"
#include "dcache/store.hpp"
#include "platform/futex.hpp"
#include "platform/mutex.hpp"
#include "platform/process.hpp"
#include "store/memory/contents.hpp"

namespace dcache::store::memory {

class MemoryStore final : public Store {
 public:
  explicit MemoryStore(const Options& options);

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
  std::unique_ptr<Scan> scan(const EntryFilter& filter) override;
  std::vector<std::string> keys(std::string_view low, std::string_view high, Direction direction,
                                std::size_t limit) override;
  std::uint64_t evict(const Tags& tags, Match match, Timestamp start, const OnProgress& on_progress) override;
  std::uint64_t clear(Timestamp start, const OnProgress& on_progress) override;
  std::uint64_t expire() override;
  std::uint64_t cull() override;
  std::uint64_t size() override;
  std::uint64_t bytes() override;
  Settings settings() override;
  void change_settings(FunctionRef<void(Settings&)> change) override;
  Stats stats() override;
  std::vector<std::string> tags() override;

  std::optional<std::string> record(Space space, std::string_view key) override;
  bool add_record(Space space, std::string_view key, FunctionRef<std::string(std::uint64_t)> make,
                  Deadline deadline) override;
  bool erase_record(Space space, std::string_view key, std::string_view expected, Deadline deadline) override;
  void update_record(Space space, std::string_view key,
                     FunctionRef<RecordChange(const std::string*, std::uint64_t)> f,
                     Deadline deadline) override;
  std::vector<Record> records(Space space, const std::optional<std::string>& after,
                              std::size_t limit) override;

  void begin() override;
  void commit() override;
  void rollback() noexcept override;
  [[nodiscard]] bool in_transaction() const noexcept override {
    return owner_.load(std::memory_order_relaxed) == platform::thread_agent();
  }

  // Neither takes the mutex: the functions given to `update_record` ask.
  std::string session() override { return session_; }
  std::string uuid() override { return session_; }
  int proof_of_life() override { return -1; }
  void count(LockCounter counter, std::uint64_t amount) noexcept override;
  [[nodiscard]] std::uint64_t counted(LockCounter counter) noexcept override {
    return counters_[static_cast<std::size_t>(counter)].load(std::memory_order_relaxed);
  }
  [[nodiscard]] Liveness alive(std::string_view session) override {
    return session == session_ ? Liveness::alive : Liveness::unknown;
  }
  [[nodiscard]] std::string command(std::string_view session) override {
    return session == session_ ? platform::command_name(platform::pid()) : std::string();
  }
  std::optional<std::uint32_t> wake_word(std::uint64_t agent) override;
  void sleep(std::uint64_t agent, std::uint32_t seen, Deadline until) override;
  void wake(std::string_view session, std::uint64_t agent) noexcept override;
  std::optional<std::uint32_t> topic_word(std::string_view topic) override;
  void sleep_on(std::string_view topic, std::uint32_t seen, Deadline until) override;
  void wake_topic(std::string_view topic) noexcept override;
  // There is no other session whose death could be noticed.
  std::shared_ptr<void> watch(std::string_view /*session*/, std::uint64_t /*agent*/) override {
    return nullptr;
  }

 private:
  friend class MemoryScan;

  void wake_word_of(std::uint64_t number) noexcept;

  enum class Wish { step, transaction };
  void wait_for_turn(Wish wish, std::optional<Deadline> until) DCACHE_REQUIRES(mutex_);
  /// Begins to change something, in the thread's transaction if it has one. Without a deadline it waits for
  /// others as Options::timeout says.
  Step start_step(std::optional<Deadline> deadline = {}) DCACHE_REQUIRES(mutex_);
  [[nodiscard]] View view() const noexcept { return in_transaction() ? View::writer : View::committed; }

  std::optional<Item> find_live(std::string_view key);
  bool put_item(std::string_view key, Item item, Put mode, const Guard* guard);
  void obey(const Guard* guard) DCACHE_REQUIRES(mutex_);
  void store(Step& step, std::string_view key, Item item, Timestamp now) DCACHE_REQUIRES(mutex_);
  void sweep_now_and_then(Timestamp now) DCACHE_REQUIRES(mutex_);
  [[nodiscard]] std::vector<std::string_view> victims(std::string_view key, const Item& item, Timestamp now)
      DCACHE_REQUIRES(mutex_);
  /// What was used of late, where the policy goes by that; null elsewhere.
  [[nodiscard]] board::Visits* visits() DCACHE_REQUIRES(mutex_);
  void note_used(const Item& item) DCACHE_REQUIRES(mutex_);
  [[nodiscard]] std::vector<std::uint64_t> candidates(board::Visits& visits) const DCACHE_REQUIRES(mutex_);
  template <class Enough, class Take>
  void walk_least_used(Enough enough, Take take) DCACHE_REQUIRES(mutex_);
  [[nodiscard]] std::uint64_t next_fence() const DCACHE_REQUIRES(mutex_);

  enum class More { yes, no };
  /// Runs `some` in one step after another, so that others get in between.
  std::uint64_t in_steps(FunctionRef<More(Table& values, std::uint64_t& removed)> some,
                         const OnProgress& on_progress = {});

  const Duration timeout_;
  const std::string session_;

  platform::Mutex mutex_;
  platform::Condition freed_;
  Contents contents_ DCACHE_GUARDED_BY(mutex_);
  std::uint64_t last_fence_ DCACHE_GUARDED_BY(mutex_) = 0;  ///< never taken back, by no rollback
  std::set<std::uint64_t> waiting_ DCACHE_GUARDED_BY(mutex_);
  std::uint64_t last_ticket_ DCACHE_GUARDED_BY(mutex_) = 0;
  std::uint32_t puts_ DCACHE_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<board::Visits> visits_ DCACHE_GUARDED_BY(mutex_);
  int depth_ DCACHE_GUARDED_BY(mutex_) = 0;
  bool doomed_ DCACHE_GUARDED_BY(mutex_) = false;
  Timestamp begun_ DCACHE_GUARDED_BY(mutex_);  ///< of the open transaction
  /// The thread whose transaction is open; 0 = none. Changed under the mutex.
  std::atomic<std::uint64_t> owner_{0};

  /// What waiting agents sleep on; several may share a word.
  std::array<platform::futex::Word, 256> words_{};

  std::atomic<std::uint64_t> hits_{0};
  std::atomic<std::uint64_t> misses_{0};
  std::array<std::atomic<std::uint64_t>, 8> counters_{};
};

}  // namespace dcache::store::memory
