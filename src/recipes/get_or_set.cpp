// SPDX-License-Identifier: Apache-2.0
#include "dcache/get_or_set.hpp"

#include <cmath>
#include <mutex>
#include <random>
#include <vector>

#include "dcache/error.hpp"
#include "dcache/lock.hpp"
#include "recipes/computing.hpp"
#include "recipes/late.hpp"
#include "recipes/names.hpp"
#include "recipes/waiting.hpp"

namespace dcache {

void detail::throw_wrong_type(ByteView key, const char* type) {
  throw WrongType("the value of key '" + escape(key.view(), 200) + "' is no " + type);
}

namespace recipes {

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

namespace {

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

}  // namespace

Computing::Computing(Cache& cache, ByteView key, const GetOrSetOptions& options)
    : cache_(cache),
      key_(key.view()),
      options_(options),
      lock_(cache, derived_key("get_or_set", key_),
            {.timeout = options.timeout, .lease = options.max_hold, .max_tries = options.max_tries}) {}

Computing::Look Computing::look_up() const {
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

std::optional<std::string> Computing::done_since(const Look& before) const {
  Look again = look_up();
  if (again.value && before.value && again.stored == before.stored) return std::nullopt;
  return std::move(again.value);
}

/// Whether a value that is given until `expires` is to be computed anew.
bool Computing::is_stale(Timestamp expires) const {
  const auto now = Timestamp(std::chrono::system_clock::now()).unix_nanoseconds();
  const double left = static_cast<double>(expires.unix_nanoseconds() - now) -
                      static_cast<double>(options_.stale_ok.nanoseconds().count());
  if (left <= 0) return true;
  if (options_.beta == 0) return false;
  const std::optional<std::string> took = cache_.get(took_key());
  return took &&
         detail::decode<double>(took_key(), std::string(*took)) * options_.beta * random_haste() >= left;
}

std::string Computing::took_key() const { return derived_key("took", key_); }

void Computing::refuse_to_wait_for_oneself() const {
  const std::string cache = lock_.guard().cache();
  for (const Running& running : t_running) {
    if (running.cache != cache || running.lock != lock_.key()) continue;
    throw Deadlock(named("get_or_set", key_) +
                   ": its own factory asks for the same key; let it compute the value instead");
  }
}

SyncLock Computing::next() const { return {cache_, derived_key("get_or_set-next", key_)}; }

std::optional<std::string> Computing::wait() {
  // The first who waits does so in the lock's queue: it is woken at once, also when the computing one dies.
  // If all did they would come by one after the other; so the others are woken when there is a value, all at
  // once, and only read.
  SyncLock first = next();
  if (!first.try_lock()) return watch(first);
  lock_.lock();
  return std::nullopt;
}

void Computing::tell() { cache_.state()->store().wake_topic(lock_.key()); }

void Computing::check_tries(std::uint64_t tries) const {
  if (options_.max_tries == 0 || tries < options_.max_tries) return;
  throw Timeout(named("get_or_set", key_) + ": another one still computes it, after " +
                std::to_string(tries) + " tries; allow more");
}

std::optional<std::string> Computing::watch(SyncLock& first) {
  struct Seen {
    std::optional<std::string> value = {};
    bool computes = false;  ///< has the lock
    bool is_first = false;  ///< of those who wait
    explicit operator bool() const noexcept { return value || computes || is_first; }
  };
  const Countdown limit(options_.timeout);
  std::uint64_t tries = 0;
  const auto look = [&]() -> Seen {
    if (Look found = look_up(); found.value) return {.value = std::move(found.value)};
    if (!lock_.locked() && lock_.try_lock()) return {.computes = true};
    check_tries(++tries);
    // When the first has gone on to compute, another is to be woken by his death.
    return {.is_first = !first.locked() && first.try_lock()};
  };
  Seen seen = wait_for(*cache_.state(), lock_.key(), options_.timeout, {}, look);
  if (seen.value || seen.computes) return std::move(seen.value);
  SyncLock last(cache_, lock_.key(),
                {.timeout = limit.left(), .lease = options_.max_hold, .max_tries = options_.max_tries});
  last.lock();  // or names who has it
  lock_ = std::move(last);
  return std::nullopt;
}

std::optional<std::string> Computing::make(const detail::Factory& factory) {
  t_running.push_back({.cache = lock_.guard().cache(), .lock = lock_.key()});
  struct Ended {
    ~Ended() { t_running.pop_back(); }
  };
  const Countdown clock(forever);
  std::optional<detail::Encoded> made;
  {
    const Ended ended;
    made = factory();
  }
  if (!made) return std::nullopt;
  keep(*made, clock.elapsed());
  return std::move(made->bytes);
}

void Computing::keep(const detail::Encoded& made, std::chrono::nanoseconds took) {
  try {
    write_even_late(lock_, [&] { store(made, took); });
  } catch (const LockLost&) {
    throw LockLost(named("get_or_set", key_) +
                   ": the computation was taken over before it was done, so its result was not stored; " +
                   "allow a longer max_hold");
  }
}

void Computing::store(const detail::Encoded& made, std::chrono::nanoseconds took) {
  SetOptions with{.expire = options_.expire, .tags = options_.tags, .guard = lock_};
  if (options_.stale_ok > Duration()) with.expire = sum(*options_.expire, options_.stale_ok);
  const ByteView value = ByteView(made.bytes).as(made.format);
  // The two keys may be in different shards. A time without its value does no harm.
  if (options_.beta != 0) {
    cache_.set(took_key(), detail::encode(static_cast<double>(took.count())).bytes, with);
  }
  cache_.set(key_, value, with);
}

}  // namespace recipes

std::optional<std::string> detail::get_or_make(Cache& cache, ByteView key, const Factory& factory,
                                               const GetOrSetOptions& options) {
  recipes::check(key, options);
  recipes::Computing computing(cache, key, options);
  recipes::Computing::Look look = computing.look_up();
  if (look.usable()) return std::move(look.value);
  computing.refuse_to_wait_for_oneself();
  if (!computing.lock().try_lock()) {
    // Who has something to give in the meantime waits for nobody.
    if (look.value) return std::move(look.value);
    if (auto made = computing.wait()) return made;
  }
  std::optional<std::string> made;
  {
    const std::unique_lock<SyncLock> held(computing.lock(), std::adopt_lock);
    if (auto done = computing.done_since(look)) return done;
    made = computing.make(factory);
  }
  if (made) computing.tell();
  return made;
}

Computation computation(Cache& cache, ByteView key) {
  const SyncLock lock(cache, recipes::derived_key("get_or_set", key.view()));
  if (lock.locked()) return Computation::running;
  return cache.contains(key) ? Computation::done : Computation::absent;
}

}  // namespace dcache
