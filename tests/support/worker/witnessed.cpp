// SPDX-License-Identifier: Apache-2.0
//
// Random calls on a few keys, each noted in a file before it begins and when it has ended: see
// support/witness.hpp.
#include <time.h>
#include <unistd.h>

#include <array>
#include <future>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

#include "dcache/dcache.hpp"
#include "support/witness.hpp"
#include "support/worker/worker_program.hpp"

namespace dcache::test {

namespace {

using What = Did::What;

// The first of those that stay and of those that go is a count.
constexpr std::uint32_t kStays = 4;
constexpr std::uint32_t kKeyCount = 8;
constexpr std::uint64_t kWritesOf = 24;  ///< one of so many calls writes

std::int64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

std::string name_of(std::uint32_t key) { return "key" + std::to_string(key); }

bool is_count(std::uint32_t key) { return key == 0 || key == kStays; }

/// The text of a value: mostly small, now and then a page, or a file of its own.
std::string text_of(std::uint64_t value, std::uint32_t key) {
  std::string text = std::to_string(value);
  if (is_count(key)) return text;
  if (value % 16 == 3) text += std::string(value % 4000, '.');
  if (value % 128 == 5) text += std::string(33'000 + value % 30'000, '.');
  return text;
}

std::uint64_t value_of(const std::optional<std::string>& text, std::uint32_t key) {
  if (!text) return 0;
  const std::uint64_t value = std::strtoull(text->c_str(), nullptr, 10);
  return value != 0 && *text == text_of(value, key) ? value : kTorn;
}

struct Undone {};

class Caller {
 public:
  Caller(Cache& cache, Witness& witness, bool clears, std::uint64_t seed)
      : cache_(cache), witness_(witness), clears_(clears), random_(seed) {}

  /// False when there is no room to note more.
  bool call() {
    key_ = static_cast<std::uint32_t>(below(kKeyCount));
    if (left_.size() < kKeyCount + 2) left_ = witness_.take_chunk();
    if (left_.empty()) return false;
    if (below(kWritesOf) == 0) {
      write();
    } else {
      read();
    }
    return true;
  }

 private:
  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  Did& note(What what, std::uint32_t key, std::uint64_t value) {
    Did& did = left_.front();
    left_ = left_.subspan(1);
    did.end = 0;
    did.value = value;
    did.key = key;
    did.what = what;
    return did;
  }

  /// Notes one call: what it may do to its key, and what it has read or done.
  template <class F>
  void noted(What what, std::uint64_t value, F&& f) {
    Did& did = note(what, key_, value);
    did.start = monotonic_ns();
    f(did);
    did.end = monotonic_ns();
  }

  void read() {
    const std::string name = name_of(key_);
    switch (below(16)) {
      case 0:
        return noted(What::read, 0, [&](Did& did) {
          const auto entry = cache_.entry(name);
          did.value = value_of(entry ? std::optional(entry->value) : std::nullopt, key_);
        });
      case 1:
        return noted(What::read, 0, [&](Did& did) {
          // That it is there says nothing of which value it is.
          if (cache_.contains(name)) did.what = What::nothing;
        });
      case 2:
        return read_all();
      default:
        return noted(What::read, 0, [&](Did& did) { did.value = value_of(cache_.get(name), key_); });
    }
  }

  void read_all() {
    std::vector<std::string> names;
    for (std::uint32_t key = 0; key < kKeyCount; ++key) names.push_back(name_of(key));
    const std::vector<ByteView> views(names.begin(), names.end());
    each(What::read, 0, kKeyCount, [&](std::span<Did> all) {
      const auto values = cache_.get_many(views);
      for (std::uint32_t key = 0; key < kKeyCount; ++key) all[key].value = value_of(values[key], key);
    });
  }

  /// The same for the keys from `first` on, together.
  template <class F>
  void each(What what, std::uint32_t first, std::uint32_t end, F&& f) {
    const std::span<Did> all = left_.first(end - first);
    for (std::uint32_t key = first; key < end; ++key) note(what, key, 0);
    const std::int64_t start = monotonic_ns();
    for (Did& did : all) did.start = start;
    f(all);
    const std::int64_t now = monotonic_ns();
    for (Did& did : all) did.end = now;
  }

  /// A value that nobody else writes, with room behind it to count.
  std::uint64_t new_value() { return witness_.number() << 24U; }
  std::uint64_t new_value_of_key() { return new_value() + below(1U << 23U); }

  void write() {
    const std::string name = name_of(key_);
    if (below(64) == 0) return remove_many();
    if (is_count(key_) && below(4) != 0) {
      const std::uint64_t first = new_value();
      return noted(What::write, 0, [&](Did& did) {
        did.value = static_cast<std::uint64_t>(cache_.incr(name, 1, static_cast<std::int64_t>(first)));
      });
    }
    if (key_ >= kStays && below(3) == 0) {
      return noted(What::remove, 0, [&](Did&) {
        if (below(4) == 0) {
          static_cast<void>(cache_.pop(name));
        } else {
          cache_.erase(name);
        }
      });
    }
    if (is_count(key_)) return;
    switch (below(4)) {
      case 0:
        return transact();
      case 1:
        return replace();
      default: {
        const std::uint64_t value = new_value_of_key();
        return noted(What::write, value, [&](Did&) { set(value, key_); });
      }
    }
  }

  static SetOptions options_of(std::uint64_t value, std::uint32_t key) {
    SetOptions options;
    if (key > kStays) options.tags = "goes";
    if (value % 8 == 0) options.expire = std::chrono::hours(1);
    return options;
  }

  void set(std::uint64_t value, std::uint32_t key) {
    cache_.set(name_of(key), text_of(value, key), options_of(value, key));
  }

  void replace() {
    const std::string name = name_of(key_);
    const std::uint64_t value = new_value_of_key();
    const auto now = cache_.get(name);
    if (!now) return;
    noted(What::write, value, [&](Did& did) {
      if (!cache_.replace(name, *now, text_of(value, key_), options_of(value, key_)))
        did.what = What::nothing;
    });
  }

  /// Two keys at once; every other time it is undone.
  void transact() {
    const std::uint32_t other = 1 + (key_ + 1) % 3;
    const bool undo = below(2) == 0;
    const What what = undo ? What::undone : What::write;
    const std::uint64_t first = new_value_of_key();
    const std::uint64_t second = new_value_of_key();
    Did& one = note(what, key_, first);
    Did* const two = other != key_ ? &note(what, other, second) : nullptr;
    one.start = monotonic_ns();
    if (two != nullptr) two->start = one.start;
    try {
      cache_.transact([&](Transaction&) {
        static_cast<void>(cache_.get(name_of(key_)));
        set(first, key_);
        if (value_of(cache_.get(name_of(key_)), key_) != first)
          throw std::runtime_error("its own value is not there");
        if (two != nullptr) set(second, other);
        if (undo) throw Undone();
      });
    } catch (const Undone&) {
    }
    one.end = monotonic_ns();
    if (two != nullptr) two->end = one.end;
  }

  void remove_many() {
    if (clears_ && below(8) == 0) {
      return each(What::remove, 0, kKeyCount, [&](std::span<Did>) { cache_.clear(); });
    }
    // The count has no tag.
    each(What::remove, kStays + 1, kKeyCount, [&](std::span<Did>) { cache_.evict("goes"); });
  }

  Cache& cache_;
  Witness& witness_;
  const bool clears_;
  std::mt19937_64 random_;
  std::span<Did> left_;
  std::uint32_t key_ = 0;
};

}  // namespace

int witnessed_mode(const Arguments& arguments) {
  Witness witness(arguments.at(1));
  Options options;
  options.memory = std::stoull(arguments.at(3));
  Cache cache(arguments.at(0), options);
  const std::uint64_t seed = std::stoull(arguments.at(2));
  const bool clears = arguments.at(4) == "clears";
  tell("ready");
  const pid_t parent = ::getppid();
  std::array<std::future<void>, 2> threads;
  for (std::size_t thread = 0; thread < threads.size(); ++thread) {
    threads[thread] = std::async(std::launch::async, [&, thread] {
      Caller caller(cache, witness, clears, seed * 2 + thread);
      while (::getppid() == parent && caller.call()) {
      }
    });
  }
  for (std::future<void>& thread : threads) thread.get();
  tell("done");
  return 0;
}

}  // namespace dcache::test
