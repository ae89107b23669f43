// SPDX-License-Identifier: Apache-2.0
#include "lock_asking.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "errors.hpp"
#include "lock_words.hpp"
#include "text.hpp"

namespace dcache::cli {

namespace {

constexpr std::uint64_t kMostPermits = 1'000'000'000;

/// Tells a person who looks on, once, for whom this waits.
class Teller {
 public:
  Teller(const Context& context, const Cache& cache, const std::string& key)
      : context_(context), cache_(cache), key_(key) {}

  void operator()(const Holder& holder, Duration waited) {
    if (told_ || waited < Duration(kPatience)) return;
    told_ = true;
    context_.note("waiting for " + lock_name(key_) + ", " + describe(holder) + ahead());
  }

 private:
  [[nodiscard]] std::string ahead() const {
    const std::optional<LockInfo> lock = find_lock(cache_, key_);
    if (!lock) return {};
    const auto own = std::find_if(lock->waiters.begin(), lock->waiters.end(),
                                  [](const Waiter& waiter) { return waiter.pid == ::getpid(); });
    const auto count = own - lock->waiters.begin();
    if (count == 0) return {};
    return ", " + std::to_string(count) + (count == 1 ? " waiter" : " waiters") + " ahead";
  }

  const Context& context_;
  const Cache& cache_;
  const std::string& key_;
  bool told_ = false;
};

}  // namespace

std::vector<Argument> Asking::arguments() {
  return {
      positional("KEY", key, Argument::Times::required, "the name of the lock"),
      flag("-s,--shared", shared, "together with others that ask for it shared"),
      flag("-x,--exclusive", exclusive, "alone: the default"),
      option("--permits", "N", permits, "together with others, at most N in all; all must name the same N"),
      flag("-n,--nonblock", no_wait, "do not wait: give up at once if it is held"),
      option("-w,--wait", "TIME", wait, "wait at most so long; a plain number is seconds"),
      option("-E,--conflict-exit-code", "N", busy_code,
             "the exit status when the lock was not to be had (default 1)"),
      flag("--fair", fair, "first come, first served: overtake nobody who waits"),
      option("--lease", "TIME", lease, "end the grant after this time"),
      option("--label", "TEXT", label, "what `dcache locks` shows beside the owner"),
      option("-t,--tag", "TAG", tags, "a tag of the grant, to select by in `dcache locks`"),
      flag("-v,--verbose", verbose, "say on stderr how long it waited and what it got")};
}

void Asking::check() const {
  if (shared && exclusive) throw UsageError("-s and -x exclude each other");
  if (permits && (shared || exclusive)) throw UsageError("--permits excludes -s and -x");
  if (permits && (*permits == 0 || *permits > kMostPermits)) {
    throw UsageError("--permits " + std::to_string(*permits) + " is not a number from 1 to " +
                     std::to_string(kMostPermits));
  }
  if (no_wait && wait) throw UsageError("-n and -w exclude each other");
  if (busy_code.value_or(0) > 255)
    throw UsageError("-E " + std::to_string(*busy_code) + " is not an exit status: a number from 0 to 255");
}

Grip::Grip(const Context& context, Cache& cache, const Asking& asking, bool keep)
    : context_(context), asking_(asking) {
  LockOptions options{.timeout = forever,
                      .lease = asking.lease.time,
                      .fair = asking.fair,
                      .tags = asking.tags,
                      .label = asking.label,
                      .keep = keep};
  if (is_watched() && !context.globals().quiet) options.on_wait = Teller(context, cache, asking.key);
  if (asking.shared) {
    shared_.emplace(cache, asking.key, std::move(options));
  } else if (asking.permits) {
    counted_.emplace(cache, asking.key, static_cast<std::ptrdiff_t>(*asking.permits), std::move(options));
  } else {
    exclusive_.emplace(cache, asking.key, std::move(options));
  }
}

bool Grip::take() {
  const auto began = std::chrono::steady_clock::now();
  const Duration limit = asking_.no_wait ? Duration() : asking_.wait.value_or(forever);
  const bool taken = shared_ ? shared_->try_lock_shared_for(limit) : lock().try_lock_for(limit);
  if (!taken) {
    context_.note(lock_name(asking_.key) + " is " + describe(lock().holder()));
  } else if (asking_.verbose) {
    remark("got " + lock_name(asking_.key) + " after " +
           short_duration(std::chrono::steady_clock::now() - began) + ", fence " +
           std::to_string(lock().fence()));
  }
  return taken;
}

std::vector<std::string> split_tokens(const std::string& list) {
  std::vector<std::string> tokens;
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    if (end > at) tokens.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  return tokens;
}

std::vector<std::string> tokens_above() {
  const char* const list = std::getenv("DCACHE_LOCK_TOKEN");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  return split_tokens(list != nullptr ? list : "");
}

bool adopt_from_above(const Cache& cache, LockHandle& lock, const Asking& asking) {
  for (const std::string& token : tokens_above()) {
    if (!lock.adopt(token)) continue;
    const std::optional<LockInfo> info = find_lock(cache, lock.key());
    const bool only_shared =
        info && std::any_of(info->holders.begin(), info->holders.end(), [&](const Holder& holder) {
          return holder.fence == lock.fence() && holder.mode == LockMode::shared;
        });
    if (only_shared && !asking.shared) {
      throw Failure(kRefused, lock_name(lock.key()) +
                                  " is held shared by the command that this one runs under, so that waiting "
                                  "for it alone would never end; use -s here, or -x there");
    }
    return true;
  }
  return false;
}

}  // namespace dcache::cli
