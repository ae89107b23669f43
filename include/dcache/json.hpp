// SPDX-License-Identifier: Apache-2.0
//
// JSON values: the calls of Cache that take or give nlohmann::json. Only text crosses the library's border,
// so that a program may use another version of nlohmann_json than the library was built with.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "dcache/cache.hpp"
#include "dcache/codec.hpp"
#include "dcache/error.hpp"

namespace dcache {

inline void Cache::set_json(ByteView key, const nlohmann::json& json, const SetOptions& options) {
  std::string text;
  try {
    text = json.dump();
  } catch (const nlohmann::json::exception& failed) {
    throw InvalidArgument("the JSON for key '" + escape(key.view(), 200) +
                          "' cannot be stored: " + failed.what());
  }
  set(key, ByteView(text).as(Format::json), options);
}

inline std::optional<nlohmann::json> Cache::get_json(ByteView key) const {
  const std::optional<std::string> text = get(key);
  if (!text) return std::nullopt;
  nlohmann::json json = nlohmann::json::parse(*text, nullptr, false);
  if (json.is_discarded()) throw WrongType("the value of key '" + escape(key.view(), 200) + "' is not JSON");
  return json;
}

template <class T>
std::optional<T> Cache::get_as(ByteView key) const {
  const std::optional<nlohmann::json> json = get_json(key);
  if (!json) return std::nullopt;
  try {
    return json->template get<T>();
  } catch (const nlohmann::json::exception& failed) {
    throw WrongType("the value of key '" + escape(key.view(), 200) +
                    "' is JSON of another type: " + failed.what());
  }
}

/// For recipes: a T by nlohmann's conversions. The text is the same for equal documents.
template <class T>
struct detail::JsonText {
  static std::string write(const T& value) {
    try {
      return nlohmann::json(value).dump();
    } catch (const nlohmann::json::exception& failed) {
      throw InvalidArgument(std::string("the value cannot be written as JSON: ") + failed.what());
    }
  }
  static T read(ByteView key, const std::string& text) {
    const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
    if (json.is_discarded()) throw_wrong_type(key, "JSON document");
    try {
      return json.template get<T>();
    } catch (const nlohmann::json::exception&) {
      throw_wrong_type(key, "JSON document of the type that is asked for");
    }
  }
};

}  // namespace dcache
