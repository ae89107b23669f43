// SPDX-License-Identifier: Apache-2.0
//
// What most files include, compiled once for each of the larger targets. Files name what they need all the
// same: `meson setup -Db_pch=false`, which `tools/test.sh --tidy` uses, compiles without this.
#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>
