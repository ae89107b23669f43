// SPDX-License-Identifier: Apache-2.0
//
// What a verb has to say, before anybody decides how it looks: named values in order. Renderers for people
// (render.hpp) and for programs (json.hpp) know what to do with each kind of value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dcache/duration.hpp"

namespace dcache::cli {

/// A number of bytes.
struct Size {
  std::uint64_t bytes = 0;
};

/// Nothing, or one thing. A string is any bytes, and never reaches a terminal as it is.
class Value {
 public:
  using Data = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string,
                            std::vector<std::string>, Timestamp, Duration, Size>;

  // NOLINTBEGIN(google-explicit-constructor): conversions are the purpose of this class
  Value();
  Value(bool value);
  Value(std::int64_t value);
  Value(std::uint64_t value);
  Value(double value);
  Value(const char* text);
  Value(std::string bytes);
  Value(std::vector<std::string> texts);
  Value(Timestamp time);
  Value(Duration time);
  Value(Size size);
  template <class T>
  Value(const std::optional<T>& value) : Value(value ? Value(*value) : Value()) {}
  // NOLINTEND(google-explicit-constructor)

  // Not inline: g++ 12 takes an inlined variant for uninitialised and warns.
  Value(const Value& other);
  Value(Value&& other) noexcept;
  Value& operator=(const Value& other);
  Value& operator=(Value&& other) noexcept;
  ~Value();

  [[nodiscard]] const Data& data() const noexcept { return data_; }

 private:
  Data data_;
};

struct Field {
  std::string_view name;  ///< snake_case; part of what `--json` and `--plain` promise
  Value value;
};

using Record = std::vector<Field>;

}  // namespace dcache::cli
