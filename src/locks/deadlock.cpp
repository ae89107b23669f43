// SPDX-License-Identifier: Apache-2.0
#include "locks/deadlock.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "dcache/bytes.hpp"

namespace dcache::locking {

namespace {

constexpr std::size_t kShownOfKey = 200;

using Thread = std::pair<std::string, std::string>;  // session, "pid-tid"

struct Waiting {
  const NamedRecord* at = nullptr;
  const Wait* wait = nullptr;
};

/// Who is in somebody's way.
struct Blocker {
  Thread thread;
  std::uint64_t number = 0;
  std::uint64_t permits = 0;
};

class Graph {
 public:
  Graph(const std::vector<NamedRecord>& records, const World& world) : world_(world) {
    for (const NamedRecord& one : records) {
      for (const Wait& wait : one.record.waiters) {
        if (!is_dead(wait)) waiting_[{wait.who.session, wait.owner}] = {&one, &wait};
      }
    }
    drop_who_can_move();
  }

  [[nodiscard]] std::vector<Link> circle_through(std::uint64_t ticket) const {
    const auto self = std::find_if(waiting_.begin(), waiting_.end(),
                                   [&](const auto& one) { return one.second.wait->ticket == ticket; });
    if (self == waiting_.end()) return {};
    std::vector<Link> path;
    std::set<Thread> seen;
    return leads_back(self->first, self->first, path, seen) ? path : std::vector<Link>();
  }

 private:
  [[nodiscard]] bool is_dead(const Wait& wait) const {
    return world_.alive(wait.who.session) == Liveness::dead;
  }

  [[nodiscard]] std::vector<Blocker> blockers(const Waiting& one) const {
    std::vector<Blocker> all;
    const Wait& wait = *one.wait;
    const auto excludes = [&](Mode mode) { return wait.mode != Mode::shared || mode != Mode::shared; };
    for (const Hold& hold : one.at->record.holders) {
      if (hold.lease || hold.keep || ended(hold, world_) || !excludes(hold.mode)) continue;
      all.push_back({{hold.who.session, hold.owner}, hold.fence, hold.count});
    }
    // A reader waits behind a writer, who waits for all holders. Others wait for the holders themselves.
    if (wait.mode != Mode::shared) return all;
    for (const Wait* before = &wait; before != one.at->record.waiters.data();) {
      --before;
      if (before->late || !excludes(before->mode) || is_dead(*before)) continue;
      all.push_back({{before->who.session, before->owner}, before->ticket, 0});
      break;
    }
    return all;
  }

  /// Whether it would get what it waits for if all did go on who are not known to be stuck.
  [[nodiscard]] bool can_move(const Waiting& one) const {
    std::uint64_t stuck = 0;
    for (const Blocker& blocker : blockers(one)) {
      if (waiting_.find(blocker.thread) == waiting_.end()) continue;
      if (one.wait->mode != Mode::permits) return false;
      stuck += blocker.permits;
    }
    return one.wait->mode != Mode::permits || stuck + one.wait->count <= one.at->record.limit;
  }

  void drop_who_can_move() {
    for (bool more = true; more;) {
      more = std::erase_if(waiting_, [&](const auto& one) { return can_move(one.second); }) > 0;
    }
  }

  bool leads_back(const Thread& from, const Thread& to, std::vector<Link>& path,
                  std::set<Thread>& seen) const {
    const Waiting& one = waiting_.at(from);
    for (const Blocker& blocker : blockers(one)) {
      if (waiting_.find(blocker.thread) == waiting_.end()) continue;
      path.push_back({.key = one.at->key,
                      .waiter = one.wait->owner,
                      .ticket = one.wait->ticket,
                      .blocker = blocker.thread.second,
                      .blocked = blocker.number});
      if (blocker.thread == to) return true;
      if (seen.insert(blocker.thread).second && leads_back(blocker.thread, to, path, seen)) return true;
      path.pop_back();
    }
    return false;
  }

  const World& world_;
  std::map<Thread, Waiting> waiting_;
};

}  // namespace

std::vector<Link> find_circle(const std::vector<NamedRecord>& records, std::uint64_t ticket,
                              const World& world) {
  std::vector<Link> circle = Graph(records, world).circle_through(ticket);
  const bool youngest =
      std::all_of(circle.begin(), circle.end(), [&](const Link& link) { return link.ticket <= ticket; });
  // One thread that waits for what it holds by another handle: another one may still give that back.
  if (!youngest || circle.size() < 2) circle.clear();
  return circle;
}

std::string in_words(const std::vector<Link>& circle) {
  std::string text;
  for (const Link& link : circle) {
    const std::string key = "'" + escape(link.key, kShownOfKey) + "'";
    text += text.empty() ? key + " is held by " : ", who waits for " + key + ", which is held by ";
    text += escape(link.blocker);
  }
  return text;
}

}  // namespace dcache::locking
