// SPDX-License-Identifier: Apache-2.0
#include "platform/mutex.hpp"

#include <utility>

#include "platform/fork.hpp"

namespace dcache::platform {

Condition::Condition()
    : condition_(std::make_unique<std::condition_variable_any>()), fork_generation_(fork_generation()) {}

Condition::~Condition() {
  if (fork_generation_ != fork_generation()) keep_for_parent(std::move(condition_));
}

}  // namespace dcache::platform
