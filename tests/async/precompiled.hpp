// SPDX-License-Identifier: Apache-2.0
//
// As support/precompiled.hpp, with Asio.
#include <asio.hpp>
#include <asio/experimental/awaitable_operators.hpp>

#include "support/precompiled.hpp"
