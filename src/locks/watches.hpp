// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dcache/store.hpp"
#include "locks/record.hpp"

namespace dcache::locking {

/// Whose death wakes one who waits.
class Watches {
 public:
  /// From now on these sessions, but for the waiter's own. Who was watched before goes on being so.
  void set(Store& store, const Agent& waiter, const std::vector<std::string>& sessions);

 private:
  std::vector<std::pair<std::string, std::shared_ptr<void>>> watched_;
};

}  // namespace dcache::locking
