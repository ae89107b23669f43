// SPDX-License-Identifier: Apache-2.0
//
// All of dcache except the opt-in headers json.hpp and async.hpp.
#pragma once

#include "dcache/bytes.hpp"
#include "dcache/cache.hpp"
#include "dcache/check.hpp"
#include "dcache/deque.hpp"
#include "dcache/duration.hpp"
#include "dcache/entry.hpp"
#include "dcache/error.hpp"
#include "dcache/index.hpp"
#include "dcache/items.hpp"
#include "dcache/lock.hpp"
#include "dcache/lock_all.hpp"
#include "dcache/lock_log.hpp"
#include "dcache/options.hpp"
#include "dcache/queue.hpp"
#include "dcache/recipes.hpp"
#include "dcache/rw_lock.hpp"
#include "dcache/semaphore.hpp"
#include "dcache/tags.hpp"
#include "dcache/upkeep.hpp"
#include "dcache/version.hpp"
