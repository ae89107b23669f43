// SPDX-License-Identifier: Apache-2.0
#include "dcache/barrier.hpp"

#include <algorithm>
#include <mutex>
#include <thread>

#include "dcache/codec.hpp"
#include "dcache/error.hpp"
#include "recipes/names.hpp"

namespace dcache {

namespace {

/// From one look to the next, doubled up to this: all who wait are woken by their own clocks.
constexpr std::chrono::nanoseconds kFirstLook = std::chrono::microseconds(200);
constexpr std::chrono::nanoseconds kLastLook = std::chrono::milliseconds(5);

}  // namespace

Barrier::Barrier(Cache& cache, ByteView key, std::ptrdiff_t parties)
    : cache_(&cache),
      key_(key.view()),
      stored_key_(recipes::derived_key("barrier", key_)),
      parties_(parties) {
  if (parties < 1) {
    throw InvalidArgument(recipes::named("barrier", key_) + ": the number of parties is " +
                          std::to_string(parties) + ", and must be at least 1");
  }
}

std::int64_t Barrier::round() const {
  std::optional<std::string> stored = cache_->get(stored_key_);
  return stored ? detail::decode<std::int64_t>(stored_key_, *std::move(stored)) : 0;
}

std::string Barrier::place(std::int64_t round) const {
  return recipes::derived_key("barrier", key_ + ":" + std::to_string(round));
}

std::size_t Barrier::arrived(std::int64_t round) const {
  const std::string name = place(round);
  std::size_t count = 0;
  for (const LockInfo& lock : locks(*cache_, {.prefix = name})) {
    if (lock.key != name) continue;
    count += static_cast<std::size_t>(std::ranges::count_if(
        lock.holders, [](const Holder& holder) { return holder.state != Liveness::dead; }));
  }
  return count;
}

std::size_t Barrier::waiting() const { return arrived(round()); }

bool Barrier::arrive_and_wait(Duration limit) {
  const recipes::Countdown left(limit);
  std::chrono::nanoseconds look = kFirstLook;
  const auto sleep = [&] {
    std::this_thread::sleep_for(std::min(look, left.left().nanoseconds()));
    look = std::min(look * 2, kLastLook);
  };
  // Coming, going and counting exclude each other, so that nobody is counted who has just given up.
  SyncLock counting(*cache_, stored_key_, {.timeout = forever});
  std::optional<Semaphore> here;
  std::int64_t mine = 0;
  for (;;) {
    {
      const std::scoped_lock counts(counting);
      mine = round();
      here.emplace(*cache_, place(mine), parties_);
      if (here->try_acquire()) {
        if (arrived(mine) < static_cast<std::size_t>(parties_)) break;
        cache_->incr(stored_key_);
        return true;
      }
    }
    // Some of the round before still have their places, as the round has begun anew (`clear`).
    if (left.left() <= Duration()) break;
    sleep();
  }
  while (left.left() > Duration()) {
    if (round() != mine) return false;
    sleep();
  }
  const std::scoped_lock counts(counting);
  if (round() != mine) return false;
  here.reset();
  throw Timeout(recipes::named("barrier", key_) + ": of " + std::to_string(parties_) + " only " +
                std::to_string(arrived(mine)) + " besides this one came in time; allow a longer wait");
}

}  // namespace dcache
