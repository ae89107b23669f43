// SPDX-License-Identifier: Apache-2.0
//
// Threads of one process that wait for one lock stand in line in the process: only the first of them waits in
// the lock's record, so that sixteen threads do not cost sixteen write transactions at every release.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "dcache/store.hpp"

namespace dcache::locking {

/// A place in the line for a lock, from its making to its end. First come, first served.
class Place {
 public:
  /// `on_first` is called, perhaps by another thread, when nobody is before it any more.
  Place(const std::string& session, const std::string& key, std::function<void()> on_first = {});
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place();

  enum class Ended { first, deadline, stopped };
  /// Waits until nobody of this process is before it. A requested stop ends the wait if `wake` is called.
  Ended wait(Deadline until, const std::stop_token* stop);
  void wake();
  [[nodiscard]] bool is_first();

 private:
  struct Line;
  struct Turn;
  std::shared_ptr<Line> line_;
  std::unique_ptr<Turn> turn_;
};

}  // namespace dcache::locking
