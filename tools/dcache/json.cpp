// SPDX-License-Identifier: Apache-2.0
//
// The only file of the command that includes nlohmann_json, which takes seconds to compile.
#include "json.hpp"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base64.hpp"
#include "dcache/bytes.hpp"

namespace dcache::cli {

namespace {

using Json = nlohmann::ordered_json;

std::string base64(std::string_view bytes) {
  std::string text;
  append_base64(bytes, text);
  return text;
}

double json_seconds(std::int64_t nanoseconds) {
  // Microseconds are what a double keeps of a time since 1970.
  const auto rounded =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::nanoseconds(nanoseconds));
  return std::chrono::duration<double>(rounded).count();
}

struct Adder {
  Json& object;
  std::string name;

  void operator()(std::monostate) const { object[name] = nullptr; }
  void operator()(bool value) const { object[name] = value; }
  void operator()(std::int64_t value) const { object[name] = value; }
  void operator()(std::uint64_t value) const { object[name] = value; }
  void operator()(double value) const { object[name] = value; }
  void operator()(Size size) const { object[name] = size.bytes; }
  void operator()(Timestamp time) const { object[name] = json_seconds(time.unix_nanoseconds()); }
  void operator()(Duration time) const {
    if (time.is_forever()) {
      object[name] = nullptr;
    } else {
      object[name] = json_seconds(time.nanoseconds().count());
    }
  }
  void operator()(const std::string& bytes) const {
    if (is_utf8(bytes)) {
      object[name] = bytes;
    } else {
      object[name + "_b64"] = base64(bytes);
    }
  }
  void operator()(const std::vector<std::string>& texts) const {
    const bool text = std::all_of(texts.begin(), texts.end(), is_utf8);
    Json list = Json::array();
    for (const std::string& one : texts) list.push_back(text ? one : base64(one));
    object[text ? name : name + "_b64"] = std::move(list);
  }
};

}  // namespace

std::string to_json(const Record& record) {
  Json object = Json::object();
  for (const Field& field : record) std::visit(Adder{object, std::string(field.name)}, field.value.data());
  return object.dump() + "\n";
}

}  // namespace dcache::cli
