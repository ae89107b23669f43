// SPDX-License-Identifier: Apache-2.0
#include "dcache/get_or_set.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "dcache/error.hpp"
#include "dcache/lock.hpp"
#include "recipes/late.hpp"
#include "recipes/names.hpp"

namespace dcache {

void detail::throw_wrong_type(ByteView key, const char* type) {
  throw WrongType("the value of key '" + escape(key.view(), 200) + "' is no " + type);
}

namespace recipes {
namespace {

/// From one look for the result to the next, of one who has waited so long: at most 5 ms, or a hundredth of
/// it.
std::chrono::nanoseconds pause(std::chrono::nanoseconds waited) {
  constexpr std::chrono::nanoseconds kShortest = std::chrono::microseconds(500);
  constexpr std::chrono::nanoseconds kUsual = std::chrono::milliseconds(5);
  constexpr std::chrono::nanoseconds kLongest = std::chrono::milliseconds(250);
  return std::clamp(waited / 16, kShortest, std::clamp(waited / 100, kUsual, kLongest));
}

void check(ByteView key, const GetOrSetOptions& options) {
  const std::string what = named("get_or_set", key.view()) + ": ";
  const bool ends = options.expire && !options.expire->is_forever();
  if (options.stale_ok < Duration()) throw InvalidArgument(what + "stale_ok cannot be negative");
  if (options.stale_ok > Duration() && !ends) {
    throw InvalidArgument(what + "stale_ok needs an expire: a value without end never gets stale");
  }
  if (!(options.beta >= 0 && std::isfinite(options.beta))) {
    throw InvalidArgument(what + "beta must be 0 or more");
  }
  if (options.beta > 0 && !ends) {
    throw InvalidArgument(what + "beta needs an expire: a value without end need not be computed early");
  }
}

/// -ln of a random number of (0, 1].
double random_haste() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return -std::log(1 - std::uniform_real_distribution<double>()(random));
}

/// What this thread computes at the moment: the outermost first.
struct Running {
  std::string cache;
  std::string lock;
};
thread_local std::vector<Running> t_running;

/// The computation of one key by one caller.
class Computing {
 public:
  Computing(Cache& cache, ByteView key, const detail::Factory& factory, const GetOrSetOptions& options)
      : cache_(cache),
        key_(key.view()),
        factory_(factory),
        options_(options),
        lock_(cache, derived_key("get_or_set", key_),
              {.timeout = options.timeout, .lease = options.max_hold, .max_tries = options.max_tries}) {}

  std::optional<std::string> run() {
    Look look = look_up();
    if (look.usable()) return std::move(look.value);
    refuse_to_wait_for_oneself();
    // Who has something to give in the meantime waits for nobody.
    if (look.value && !lock_.try_lock()) return std::move(look.value);
    if (!look.value && !lock_.try_lock()) {
      if (auto made = wait()) return made;
    }
    const std::unique_lock<SyncLock> held(lock_, std::adopt_lock);
    // Whether somebody else has just done it; not whether it is stale, as a die is cast for that (beta).
    Look again = look_up();
    if (again.value && (!look.value || again.stored != look.stored)) return std::move(again.value);
    return make();
  }

 private:
  struct Look {
    std::optional<std::string> value;
    Timestamp stored;
    bool stale = false;
    [[nodiscard]] bool usable() const noexcept { return value && !stale; }
  };

  [[nodiscard]] Look look_up() const {
    if (options_.if_present == IfPresent::fail && cache_.contains(key_)) {
      throw AlreadyExists(named("get_or_set", key_) + ": there is a value already; erase it first");
    }
    if (options_.plain()) return {.value = cache_.get(key_), .stored = {}};
    std::optional<Entry> entry = cache_.entry(key_);
    if (!entry) return {};
    Look look{.value = std::move(entry->value), .stored = entry->stored};
    if (entry->expires) look.stale = is_stale(*entry->expires);
    return look;
  }

  /// Whether a value that is given until `expires` is to be computed anew.
  [[nodiscard]] bool is_stale(Timestamp expires) const {
    const auto now = Timestamp(std::chrono::system_clock::now()).unix_nanoseconds();
    const double left = static_cast<double>(expires.unix_nanoseconds() - now) -
                        static_cast<double>(options_.stale_ok.nanoseconds().count());
    if (left <= 0) return true;
    if (options_.beta == 0) return false;
    const std::optional<std::string> took = cache_.get(took_key());
    return took &&
           detail::decode<double>(took_key(), std::string(*took)) * options_.beta * random_haste() >= left;
  }

  [[nodiscard]] std::string took_key() const { return derived_key("took", key_); }

  void refuse_to_wait_for_oneself() const {
    const std::string cache = lock_.guard().cache();
    for (const Running& running : t_running) {
      if (running.cache != cache || running.lock != lock_.key()) continue;
      throw Deadlock(named("get_or_set", key_) +
                     ": its own factory asks for the same key; let it compute the value instead");
    }
  }

  /// Waits for whoever computes. Returns the result, or nothing when there is none and the lock is held here.
  std::optional<std::string> wait() {
    // The first who waits does so in the lock's queue: it is woken at once, also when the computing one dies.
    // If all did they would come by one after the other; so the others look by themselves, with reads only.
    SyncLock next(cache_, derived_key("get_or_set-next", key_));
    if (!next.try_lock()) return watch();
    lock_.lock();
    return std::nullopt;
  }

  std::optional<std::string> watch() {
    const Countdown limit(options_.timeout);
    for (std::uint64_t tries = 1;; ++tries) {
      if (Look found = look_up(); found.value) return std::move(found.value);
      if (!lock_.locked() && lock_.try_lock()) return std::nullopt;
      if (options_.max_tries != 0 && tries >= options_.max_tries) {
        throw Timeout(named("get_or_set", key_) + ": another one still computes it, after " +
                      std::to_string(tries) + " tries; allow more");
      }
      const std::chrono::nanoseconds left = limit.left().nanoseconds();
      if (left <= std::chrono::nanoseconds()) break;
      std::this_thread::sleep_for(std::min(left, pause(limit.elapsed())));
    }
    SyncLock last(cache_, lock_.key(), {.timeout = Duration(), .lease = options_.max_hold});
    last.lock();  // names who has it
    lock_ = std::move(last);
    return std::nullopt;
  }

  std::optional<std::string> make() {
    t_running.push_back({.cache = lock_.guard().cache(), .lock = lock_.key()});
    struct Ended {
      ~Ended() { t_running.pop_back(); }
    };
    const Countdown clock(forever);
    std::optional<detail::Encoded> made;
    {
      const Ended ended;
      made = factory_();
    }
    if (!made) return std::nullopt;
    keep(*made, clock.elapsed());
    return std::move(made->bytes);
  }

  void keep(const detail::Encoded& made, std::chrono::nanoseconds took) {
    try {
      write_even_late(lock_, [&] { store(made, took); });
    } catch (const LockLost&) {
      throw LockLost(named("get_or_set", key_) +
                     ": the computation was taken over before it was done, so its result was not stored; " +
                     "allow a longer max_hold");
    }
  }

  void store(const detail::Encoded& made, std::chrono::nanoseconds took) {
    SetOptions with{.expire = options_.expire, .tags = options_.tags, .guard = lock_};
    if (options_.stale_ok > Duration()) with.expire = sum(*options_.expire, options_.stale_ok);
    const ByteView value = ByteView(made.bytes).as(made.format);
    // The two keys may be in different shards. A time without its value does no harm.
    if (options_.beta != 0) {
      cache_.set(took_key(), detail::encode(static_cast<double>(took.count())).bytes, with);
    }
    cache_.set(key_, value, with);
  }

  Cache& cache_;
  const std::string key_;
  const detail::Factory& factory_;
  const GetOrSetOptions& options_;
  SyncLock lock_;
};

}  // namespace
}  // namespace recipes

std::optional<std::string> detail::get_or_make(Cache& cache, ByteView key, const Factory& factory,
                                               const GetOrSetOptions& options) {
  recipes::check(key, options);
  return recipes::Computing(cache, key, factory, options).run();
}

Computation computation(Cache& cache, ByteView key) {
  const SyncLock lock(cache, recipes::derived_key("get_or_set", key.view()));
  if (lock.locked()) return Computation::running;
  return cache.contains(key) ? Computation::done : Computation::absent;
}

}  // namespace dcache
