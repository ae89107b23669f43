// SPDX-License-Identifier: Apache-2.0
//
// Leases that are renewed by themselves, by one thread for all of the process, which runs only while there
// are any.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "cache/state.hpp"
#include "dcache/duration.hpp"
#include "locks/record.hpp"

namespace dcache::locking {

/// What is kept alive.
struct RenewedGrant {
  std::weak_ptr<detail::CacheState> state;
  std::string key;
  Agent who;
  std::uint64_t fence = 0;
  Duration lease;
  std::function<void(const std::string& key, std::uint64_t fence)> on_lost = {};
};

/// The renewal of one grant: at every third of its lease. What cannot be renewed is told as lost before the
/// lease is over, while there is a tenth of it left to stop in, and not renewed any more.
class Renewal {
 public:
  using Clock = std::chrono::steady_clock;

  /// Begins it. Throws std::system_error if there can be no thread.
  static std::shared_ptr<Renewal> start(RenewedGrant grant);

  explicit Renewal(RenewedGrant grant);

  /// For good. To be called while it is paused; from then on nothing is renewed, and nobody told.
  void end() noexcept { ended_ = true; }

  /// Whether the grant was told as lost.
  [[nodiscard]] bool lost() const noexcept { return lost_; }

 private:
  friend class Renewer;
  friend class PausedRenewal;

  /// Renews it if it is time; when to come again, or nothing when it is over.
  std::optional<Clock::time_point> work() noexcept;
  [[nodiscard]] bool renew();
  void give_up() noexcept;

  const RenewedGrant grant_;
  std::recursive_mutex turn_;  ///< before that of the handle
  Clock::time_point end_;      ///< of the lease
  bool last_ = false;          ///< it cannot be made longer any more
  std::atomic<bool> ended_{false};
  std::atomic<bool> lost_{false};
};

/// Nothing is renewed, and nobody told, while this is held: for who changes the grant. Whoever is told of a
/// loss may come back here from there. The renewal stays while it is paused, whoever lets go of it meanwhile.
class PausedRenewal {
 public:
  explicit PausedRenewal(std::shared_ptr<Renewal> renewal) : renewal_(std::move(renewal)) {
    if (renewal_ != nullptr) turn_ = std::unique_lock(renewal_->turn_);
  }

  void resume() {
    if (turn_) turn_.unlock();
  }

 private:
  std::shared_ptr<Renewal> renewal_;
  std::unique_lock<std::recursive_mutex> turn_;  // let go of before the renewal
};

}  // namespace dcache::locking
