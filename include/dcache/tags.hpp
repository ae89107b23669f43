// SPDX-License-Identifier: Apache-2.0
//
// Tags group values, so that they can be listed and evicted together.
#pragma once

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dcache {

/// A set of tags, owned. Made from one string (which is one tag, never its characters), a literal, a brace
/// list or any container of strings. Order and repeats do not matter. A value carries at most 64 tags of
/// 1 to 256 bytes each; more is InvalidArgument where they are stored.
class Tags {
 public:
  Tags() = default;

  // NOLINTBEGIN(google-explicit-constructor): conversions are the purpose of this class
  Tags(std::string tag) { names_.push_back(std::move(tag)); }
  Tags(std::string_view tag) : Tags(std::string(tag)) {}
  Tags(const char* tag) : Tags(std::string(tag)) {}
  Tags(std::initializer_list<std::string_view> tags) : names_(tags.begin(), tags.end()) {}

  template <std::ranges::input_range R>
  requires std::convertible_to<std::ranges::range_reference_t<R>, std::string_view> &&
      (!std::convertible_to<const R&, std::string_view>)&&(!std::same_as<std::remove_cvref_t<R>, Tags>)
          Tags(const R& tags) {
    for (std::string_view tag : tags) names_.emplace_back(tag);
  }
  // NOLINTEND(google-explicit-constructor)

  [[nodiscard]] bool empty() const noexcept { return names_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return names_.size(); }
  [[nodiscard]] const std::vector<std::string>& names() const noexcept { return names_; }
  [[nodiscard]] auto begin() const noexcept { return names_.begin(); }
  [[nodiscard]] auto end() const noexcept { return names_.end(); }

 private:
  std::vector<std::string> names_;
};

/// How several tags select: values that have any of them, or values that have all of them.
enum class Match { any, all };

}  // namespace dcache
