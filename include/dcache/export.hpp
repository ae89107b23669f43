// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Marks a name that the shared library exports; everything else is hidden.
#if defined(__GNUC__)
#define DCACHE_EXPORT __attribute__((visibility("default")))
#else
#define DCACHE_EXPORT
#endif
