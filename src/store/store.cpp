// SPDX-License-Identifier: Apache-2.0
#include "dcache/store.hpp"

namespace dcache {

Store::~Store() = default;

}  // namespace dcache
