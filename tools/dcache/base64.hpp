// SPDX-License-Identifier: Apache-2.0
//
// Base64 as RFC 4648 has it, with padding: bytes that are no text, in JSON.
#pragma once

#include <string>
#include <string_view>

namespace dcache::cli {

/// Appends `bytes` to `text`. Parts of a multiple of three bytes may be appended one after another.
void append_base64(std::string_view bytes, std::string& text);

/// Replaces `bytes` by what `text` stands for; false if it is not base64.
[[nodiscard]] bool from_base64(std::string_view text, std::string& bytes);

}  // namespace dcache::cli
