// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace dcache {

/// Whether the process behind a session still runs, as far as can be proven. In doubt nothing is dead.
enum class Liveness { alive, dead, unknown };

}  // namespace dcache
