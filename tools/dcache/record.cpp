// SPDX-License-Identifier: Apache-2.0
#include "record.hpp"

#include <utility>

namespace dcache::cli {

Value::Value() = default;
Value::Value(bool value) : data_(value) {}
Value::Value(std::int64_t value) : data_(value) {}
Value::Value(std::uint64_t value) : data_(value) {}
Value::Value(double value) : data_(value) {}
Value::Value(const char* text) : data_(std::string(text)) {}
Value::Value(std::string bytes) : data_(std::move(bytes)) {}
Value::Value(std::vector<std::string> texts) : data_(std::move(texts)) {}
Value::Value(Timestamp time) : data_(time) {}
Value::Value(Duration time) : data_(time) {}
Value::Value(Size size) : data_(size) {}

Value::Value(const Value& other) = default;
Value::Value(Value&& other) noexcept = default;
Value& Value::operator=(const Value& other) = default;
Value& Value::operator=(Value&& other) noexcept = default;
Value::~Value() = default;

}  // namespace dcache::cli
