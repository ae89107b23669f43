// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace dcache::test {

/// Whether the running test case has failed a check so far.
bool failed_so_far() noexcept;

}  // namespace dcache::test
