// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string_view>

namespace bench::compare {

/// What a process does that is measured in: says hello, then does the jobs that come as lines on its standard
/// input until there are no more.
int serve(std::string_view id, const std::filesystem::path& directory);

}  // namespace bench::compare
