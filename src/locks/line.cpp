// SPDX-License-Identifier: Apache-2.0
#include "locks/line.hpp"

#include <deque>
#include <map>
#include <utility>

#include "platform/fork.hpp"
#include "platform/mutex.hpp"

namespace dcache::locking {

struct Place::Line {
  explicit Line(std::pair<std::string, std::string> of) : name(std::move(of)) {}

  const std::pair<std::string, std::string> name;
  platform::Mutex mutex;
  std::deque<Place::Turn*> waiting DCACHE_GUARDED_BY(mutex);
};

/// Each has its own, as waking a thousand to see that one may go takes a second.
struct Place::Turn {
  platform::Condition come;
  std::shared_ptr<const std::function<void()>> on_first;  ///< shared, to be called without the mutex
};

namespace {

/// By session, not only by key: a forked child has a session of its own and so never meets a line of its
/// parent's. Guarded by the registry mutex, which is held across a fork.
auto& lines() {
  static auto* const all = new std::map<std::pair<std::string, std::string>, std::weak_ptr<void>>;
  return *all;
}

}  // namespace

Place::Place(const std::string& session, const std::string& key, std::function<void()> on_first) {
  {
    platform::MutexLock lock(platform::registry_mutex());
    std::weak_ptr<void>& known = lines()[{session, key}];
    line_ = std::static_pointer_cast<Line>(known.lock());
    if (line_ == nullptr) known = line_ = std::make_shared<Line>(std::pair(session, key));
  }
  platform::MutexLock lock(line_->mutex);
  turn_ = std::make_unique<Turn>();
  if (on_first) turn_->on_first = std::make_shared<const std::function<void()>>(std::move(on_first));
  line_->waiting.push_back(turn_.get());
}

Place::~Place() {
  std::shared_ptr<const std::function<void()>> next;
  {
    platform::MutexLock lock(line_->mutex);
    std::erase(line_->waiting, turn_.get());
    if (!line_->waiting.empty()) {
      line_->waiting.front()->come.notify_all();
      next = line_->waiting.front()->on_first;
    }
  }
  if (next != nullptr) (*next)();
  // Whoever holds the last one finds nobody else coming to it: that takes the same mutex.
  platform::MutexLock lock(platform::registry_mutex());
  if (line_.use_count() == 1) lines().erase(line_->name);
  line_.reset();
}

void Place::wake() {
  platform::MutexLock lock(line_->mutex);
  turn_->come.notify_all();
}

bool Place::is_first() {
  platform::MutexLock lock(line_->mutex);
  return line_->waiting.front() == turn_.get();
}

Place::Ended Place::wait(Deadline until, const std::stop_token* stop) {
  platform::MutexLock lock(line_->mutex);
  while (line_->waiting.front() != turn_.get()) {
    if (stop != nullptr && stop->stop_requested()) return Ended::stopped;
    if (until == kNoDeadline) {
      turn_->come.wait(line_->mutex);
    } else if (turn_->come.wait_until(line_->mutex, until) == std::cv_status::timeout) {
      if (line_->waiting.front() == turn_.get()) break;
      return Ended::deadline;
    }
  }
  return Ended::first;
}

}  // namespace dcache::locking
