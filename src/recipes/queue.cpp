// SPDX-License-Identifier: Apache-2.0
//
// Queues without leases. The order of items is that of their keys, so there is nothing to keep besides them.
#include "dcache/queue.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "cache/state.hpp"
#include "dcache/error.hpp"
#include "platform/clock.hpp"
#include "recipes/passed.hpp"
#include "recipes/queue_keys.hpp"
#include "recipes/waiting.hpp"

namespace dcache {

namespace {

constexpr std::uint64_t kMiddleOfKeys = 5'000'000'000'000'000'000;
constexpr std::uint64_t kLastOfKeys = 9'999'999'999'999'999'999ULL;

/// Most items removed in one transaction.
constexpr std::uint64_t kItemsAStep = 200;

std::string queue_digits(std::uint64_t number) {
  std::array<char, queues::kDigits> digits{};
  const char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  const auto length = static_cast<std::size_t>(end - digits.data());
  return std::string(queues::kDigits - length, '0').append(digits.data(), length);
}

std::uint64_t queue_number(std::string_view key) {
  std::uint64_t number = 0;
  std::from_chars(key.data() + key.size() - queues::kDigits, key.data() + key.size(), number);
  return number;
}

}  // namespace

struct Queue::Taken {
  std::optional<Entry> entry;
  bool look_again = false;
};

Queue::Queue(Cache& cache, ByteView name) : cache_(cache.share()), name_(name.view()) {
  if (name_.size() + 1 + queues::kDigits > kMaxKeyBytes) {
    throw InvalidArgument("the name of a queue, '" + escape(name_, 60) +
                          "', is too long: " + std::to_string(name_.size()) + " bytes, at most " +
                          std::to_string(kMaxKeyBytes - 1 - queues::kDigits));
  }
}

bool Queue::has_key(std::string_view key) const noexcept { return queues::is_item(name_, key); }

std::string Queue::next_key(Side side) const {
  const std::int64_t wall = platform::now().unix_nanoseconds() / 1000;
  const auto now = static_cast<std::uint64_t>(std::max<std::int64_t>(wall, 0));
  std::uint64_t number = side == Side::back ? kMiddleOfKeys + now : kMiddleOfKeys - now;
  walk(side, [&](const std::string& key) {
    const std::uint64_t outermost = queue_number(key);
    if (outermost == (side == Side::back ? kLastOfKeys : 0)) {
      throw Full("the queue '" + escape(name_, 200) + "' takes nothing more at this end, as '" +
                 escape(key, 200) + "' has the last key that there is: remove that value");
    }
    number = side == Side::back ? std::max(number, outermost + 1) : std::min(number, outermost - 1);
    return false;
  });
  return name_ + queues::kMark + queue_digits(number);
}

/// Stores a value at an end. Who waits for one is still to be woken, when it has been committed.
std::string Queue::put(Side side, ByteView value, const SetOptions& options) {
  return cache_.transact([&](Transaction& tx) {
    std::string key = next_key(side);
    tx.set(key, value, options);
    return key;
  });
}

void Queue::wake() { cache_.state()->store().wake_topic(name_); }

std::string Queue::push(ByteView value, const PushOptions& options) {
  std::string key = put(options.side, value, {.expire = options.expire, .tags = options.tags});
  wake();
  return key;
}

/// The entry of an item, which is passed if it cannot be had.
std::optional<Entry> Queue::read(const std::string& key, Passed& passed) const {
  try {
    std::optional<Entry> entry = cache_.entry(key);
    if (!entry) passed.keys.insert(key);
    return entry;
  } catch (const Corrupt& error) {
    passed.damaged(key, error);
    return std::nullopt;
  }
}

/// The first key that has not been passed and is on no lease, or on one whose worker is gone.
std::optional<Queue::Candidate> Queue::candidate(Side side, Passed& passed) const {
  std::optional<Candidate> found;
  Store& store = cache_.state()->store();
  walk(side, [&](const std::string& key) {
    if (passed.keys.contains(key)) return true;
    const bool leased = store.record(Space::locks, key).has_value();
    if (leased && passed.on_lease(key)) {
      passed.keys.insert(key);
      return true;
    }
    found = Candidate{key, leased};
    return false;
  });
  return found;
}

/// Takes the first item that nobody has ever leased or that was given back. What has expired goes on the way.
Queue::Taken Queue::take_first(Side side, Passed& passed) {
  Store& store = cache_.state()->store();
  const auto take = [&](Transaction& tx) {
    Taken taken;
    std::uint64_t removed = 0;
    walk(side, [&](const std::string& key) {
      if (passed.keys.contains(key)) return true;
      taken.look_again = removed == kItemsAStep || store.record(Space::locks, key).has_value();
      if (taken.look_again) return false;
      taken.entry = read(key, passed);
      if (!passed.is_damaged(key)) tx.erase(key);
      ++removed;
      return !taken.entry.has_value();
    });
    return taken;
  };
  for (int tries = 0;; ++tries) {
    try {
      return cache_.transact(take);
    } catch (const Full&) {
      // As with every removal, a full disk must not be in the way.
      if (store.in_transaction() || !store.home_of(queues::any_item(name_)).make_way(tries)) throw;
    }
  }
}

/// Takes an item whose worker is gone.
std::optional<Entry> Queue::take_over(const std::string& key, Passed& passed) {
  passed.keys.insert(key);
  SyncLock lock(cache_, key);
  if (!lock.try_lock()) return std::nullopt;
  std::optional<Entry> entry = read(key, passed);
  // Only here is it certain that nobody else has it, and only while the lock is held.
  if (entry && !cache_.erase(key, {.guard = lock})) entry.reset();
  lock.unlock();
  return entry;
}

std::optional<Entry> Queue::pull_now(Side side) {
  Passed passed(cache_);
  // Each round takes something, passes another key, or finds that somebody else has taken one.
  while (const std::optional<Candidate> first = candidate(side, passed)) {
    if (first->was_leased) {
      if (auto entry = take_over(first->key, passed)) return entry;
    } else {
      Taken taken = take_first(side, passed);
      if (taken.entry) return std::move(taken.entry);
      if (!taken.look_again) break;
    }
  }
  return std::nullopt;
}

std::optional<Entry> Queue::pull(const PullOptions& options) {
  return recipes::wait_for(*cache_.state(), name_, options.wait, options.stop,
                           [&] { return pull_now(options.side); });
}

std::optional<Entry> Queue::peek(Side side) const {
  Passed passed(cache_);
  while (const std::optional<Candidate> first = candidate(side, passed)) {
    if (std::optional<Entry> entry = read(first->key, passed)) return entry;
  }
  return std::nullopt;
}

Items Queue::items(Side from) const {
  EntryFilter filter{.prefix = name_ + queues::kMark, .order = Order::key, .reverse = from == Side::back};
  return {cache_, std::move(filter), [name = name_](std::string_view key) {
            return queues::is_item(name, key) ? key : std::string_view();
          }};
}

std::uint64_t Queue::size() const {
  std::uint64_t count = 0;
  const EntryFilter filter{.prefix = name_ + queues::kMark, .order = Order::key, .values = false};
  for (const Entry& entry : cache_.entries(filter)) count += has_key(entry.key) ? 1 : 0;
  return count;
}

std::uint64_t Queue::clear() {
  std::uint64_t count = 0;
  for (std::uint64_t step = kItemsAStep; step == kItemsAStep;) {
    step = 0;
    cache_.transact([&](Transaction& tx) {
      walk(Side::front, [&](const std::string& key) {
        count += tx.erase(key) ? 1 : 0;
        return ++step < kItemsAStep;
      });
    });
  }
  return count;
}

std::optional<Entry> peekitem(const Cache& cache, Side side, Order order) {
  const EntryFilter filter{.order = order, .reverse = side == Side::back, .values = false};
  for (const Entry& found : cache.entries(filter)) {
    try {
      if (std::optional<Entry> entry = cache.entry(found.key)) return entry;
    } catch (const Corrupt& error) {
      recipes::tell_damage(*cache.state(), error);
    }
  }
  return std::nullopt;
}

}  // namespace dcache
