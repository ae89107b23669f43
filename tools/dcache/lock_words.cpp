// SPDX-License-Identifier: Apache-2.0
#include "lock_words.hpp"

#include <algorithm>

#include "text.hpp"

namespace dcache::cli {

namespace {

Value text_or_nothing(const std::string& text) { return text.empty() ? Value() : Value(text); }

}  // namespace

std::string state_of(const Holder& holder) {
  if (holder.lease_left && *holder.lease_left <= Duration()) return "expired";
  if (holder.keep) return "kept";
  switch (holder.state) {
    case Liveness::dead:
      return "dead";
    case Liveness::unknown:
      return "unknown";
    case Liveness::alive:
      break;
  }
  return holder.lease_left ? "leased" : "live";
}

bool is_over(const Holder& holder) {
  const std::string state = state_of(holder);
  return state == "expired" || state == "dead";
}

bool is_held(const LockInfo& lock) { return !std::all_of(lock.holders.begin(), lock.holders.end(), is_over); }

std::uint64_t waiting(const LockInfo& lock) {
  const auto runs = [](const Waiter& waiter) { return waiter.state != Liveness::dead; };
  return static_cast<std::uint64_t>(std::count_if(lock.waiters.begin(), lock.waiters.end(), runs));
}

Record record_of(const LockInfo& lock, const Holder& holder) {
  return {{"key", lock.key},
          {"kind", lock.kind},
          {"mode", std::string(name(holder.mode))},
          {"state", state_of(holder)},
          {"owner", holder.owner},
          {"pid", holder.pid},
          {"tid", holder.tid},
          {"command", text_or_nothing(holder.command)},
          {"since", holder.since},
          {"age", age_of(holder.since)},
          {"lease_left", holder.lease_left},
          {"fence", holder.fence},
          {"count", holder.count},
          {"waiters", waiting(lock)},
          {"label", text_or_nothing(holder.label)},
          {"tags", holder.tags},
          {"session", holder.session},
          {"agent", holder.agent}};
}

Record record_of(const LockInfo& lock, const Waiter& waiter) {
  return {{"key", lock.key},
          {"kind", lock.kind},
          {"mode", std::string(name(waiter.mode))},
          {"state", waiter.state == Liveness::dead ? "dead" : "waits"},
          {"owner", waiter.owner},
          {"pid", waiter.pid},
          {"tid", waiter.tid},
          {"command", text_or_nothing(waiter.command)},
          {"age", waiter.waited},
          {"fair", waiter.fair},
          {"late", waiter.late},
          {"session", waiter.session},
          {"agent", waiter.agent}};
}

std::optional<LockInfo> find_lock(const Cache& cache, const std::string& key) {
  for (LockInfo& lock : locks(cache, {.prefix = key})) {
    if (lock.key == key) return std::move(lock);
  }
  return std::nullopt;
}

std::string lock_name(const std::string& key) { return "lock " + in_quotes(key); }

std::string describe(const std::optional<Holder>& holder) {
  if (!holder) return "held by somebody a moment ago";
  std::string text = "held by " + escape(holder->owner);
  if (!holder->label.empty()) text += " (" + escape(holder->label) + ")";
  return text + " for " + short_duration(age_of(holder->since));
}

}  // namespace dcache::cli
