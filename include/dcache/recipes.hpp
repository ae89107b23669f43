// SPDX-License-Identifier: Apache-2.0
//
// All recipes: what is often made from values and locks.
#pragma once

#include "dcache/averager.hpp"
#include "dcache/barrier.hpp"
#include "dcache/get_or_set.hpp"
#include "dcache/key_of.hpp"
#include "dcache/once.hpp"
#include "dcache/throttle.hpp"
#include "dcache/with_lock.hpp"
#include "dcache/wrap.hpp"
