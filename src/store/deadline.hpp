// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dcache/duration.hpp"
#include "dcache/store.hpp"

namespace dcache::store {

/// The moment `duration` from now; `forever` and what lies beyond the clock's end are no deadline.
Deadline deadline_after(Duration duration) noexcept;

}  // namespace dcache::store
