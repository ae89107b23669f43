// SPDX-License-Identifier: Apache-2.0
//
// Taking turns, transactions, and waking.
#include "store/memory/memory_store.hpp"

#include <functional>
#include <utility>

#include "dcache/error.hpp"
#include "platform/atomic.hpp"
#include "platform/clock.hpp"
#include "store/deadline.hpp"
#include "store/engines.hpp"

namespace dcache::store::memory {

MemoryStore::MemoryStore(const Options& options)
    : timeout_(options.timeout), session_("memory:" + platform::random_id()) {}

// A step needs nothing but that no transaction is open. A transaction also lets those go first who were
// waiting before it, so that a thread that opens one after another keeps nobody out.
void MemoryStore::wait_for_turn(Wish wish, std::optional<Deadline> until) {
  if (owner_.load(std::memory_order_relaxed) == 0 && (wish == Wish::step || waiting_.empty())) return;
  const Deadline deadline = until ? *until : deadline_after(timeout_);
  const std::uint64_t ticket = ++last_ticket_;
  waiting_.insert(ticket);
  bool in_time = true;
  const auto my_turn = [&]() DCACHE_REQUIRES(mutex_) {
    return owner_.load(std::memory_order_relaxed) == 0 && (wish == Wish::step || *waiting_.begin() == ticket);
  };
  while (!my_turn() && in_time) {
    if (deadline == kNoDeadline) {
      freed_.wait(mutex_);
    } else {
      in_time = freed_.wait_until(mutex_, deadline) == std::cv_status::no_timeout;
    }
  }
  in_time = in_time || my_turn();
  waiting_.erase(ticket);
  if (!waiting_.empty()) freed_.notify_all();
  if (!in_time) {
    throw Timeout(
        "cannot write in 'memory:': a transaction of another thread was open for all of the time allowed");
  }
}

Step MemoryStore::start_step(std::optional<Deadline> deadline) {
  const bool joins = in_transaction();
  if (!joins) {
    wait_for_turn(Wish::step, deadline);
  } else if (doomed_) {
    throw Misuse("this transaction was already undone by an earlier failure; leave its body");
  }
  return {contents_, joins ? &doomed_ : nullptr};
}

void MemoryStore::begin() {
  platform::MutexLock lock(mutex_);
  if (!in_transaction()) {
    wait_for_turn(Wish::transaction, std::nullopt);
    owner_.store(platform::thread_agent(), std::memory_order_relaxed);
    begun_ = platform::now();
    doomed_ = false;
  }
  ++depth_;
}

void MemoryStore::commit() {
  platform::MutexLock lock(mutex_);
  if (!in_transaction()) throw Misuse("commit without a transaction on this thread");
  if (--depth_ > 0) return;
  contents_.settle(doomed_ ? Settle::rollback : Settle::commit);
  owner_.store(0, std::memory_order_relaxed);
  freed_.notify_all();
  if (doomed_)
    throw Misuse("the transaction was undone: a call inside it failed, and the error was swallowed");
}

void MemoryStore::rollback() noexcept {
  platform::MutexLock lock(mutex_);
  if (!in_transaction()) return;
  doomed_ = true;
  if (--depth_ > 0) return;
  contents_.settle(Settle::rollback);
  owner_.store(0, std::memory_order_relaxed);
  freed_.notify_all();
}

void MemoryStore::count(LockCounter counter, std::uint64_t amount) noexcept {
  std::atomic<std::uint64_t>& own = counters_[static_cast<std::size_t>(counter)];
  if (keeps_longest(counter)) {
    platform::raise(own, amount);
  } else {
    own.fetch_add(amount, std::memory_order_relaxed);
  }
}

std::optional<std::uint32_t> MemoryStore::wake_word(std::uint64_t agent) {
  return words_[agent % words_.size()].load(std::memory_order_acquire);
}

void MemoryStore::sleep(std::uint64_t agent, std::uint32_t seen, Deadline until) {
  platform::futex::wait(words_[agent % words_.size()], seen, until);
}

void MemoryStore::wake(std::string_view session, std::uint64_t agent) noexcept {
  if (session != session_) return;
  wake_word_of(agent);
  if (wakes_any_handle(agent)) wake_word_of(kAnyHandle);
}

void MemoryStore::wake_word_of(std::uint64_t number) noexcept {
  platform::futex::Word& word = words_[number % words_.size()];
  word.fetch_add(1, std::memory_order_release);
  platform::futex::wake_all(word);
}

std::optional<std::uint32_t> MemoryStore::topic_word(std::string_view topic) {
  return wake_word(std::hash<std::string_view>{}(topic));
}

void MemoryStore::sleep_on(std::string_view topic, std::uint32_t seen, Deadline until) {
  sleep(std::hash<std::string_view>{}(topic), seen, until);
}

void MemoryStore::wake_topic(std::string_view topic) noexcept {
  wake_word_of(std::hash<std::string_view>{}(topic));
}

}  // namespace dcache::store::memory

namespace dcache::store {

std::unique_ptr<Store> open_memory(const Options& options) {
  return std::make_unique<memory::MemoryStore>(options);
}

}  // namespace dcache::store
