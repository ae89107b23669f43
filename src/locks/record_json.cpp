// SPDX-License-Identifier: Apache-2.0
#include "locks/record_json.hpp"

#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

namespace dcache::locking {

namespace {

// Writing is by hand because it is part of every uncontended lock: a JSON library takes 3 us for it, this
// 0.2.

void put_number(std::string& out, auto number) {
  std::array<char, 20> digits{};
  out.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr);
}

void put_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      constexpr std::string_view kDigits = "0123456789abcdef";
      out.append("\\u00").append(1, kDigits[byte >> 4]).append(1, kDigits[byte & 15U]);
    } else {
      out += c;
    }
  }
  out += '"';
}

void put_hold(std::string& out, const Hold& hold) {
  out += R"({"owner":)";
  put_string(out, hold.owner);
  out += R"(,"session":)";
  put_string(out, hold.who.session);
  out += R"(,"agent":)";
  put_number(out, hold.who.agent);
  out += R"(,"mode":"x","count":)";
  put_number(out, hold.count);
  out += R"(,"fence":)";
  put_number(out, hold.fence);
  out += R"(,"since":)";
  put_number(out, hold.since);
  out += R"(,"lease":)";
  if (hold.lease) {
    put_number(out, *hold.lease);
  } else {
    out += "null";
  }
  if (!hold.label.empty()) {
    out += R"(,"label":)";
    put_string(out, hold.label);
  }
  if (!hold.tags.empty()) {
    out += R"(,"tags":[)";
    for (const std::string& tag : hold.tags) {
      if (&tag != &hold.tags.front()) out += ',';
      put_string(out, tag);
    }
    out += ']';
  }
  out += '}';
}

// Numbers are taken by reference, which refuses fractions: converting one that is too large is undefined.
Hold read_hold(const nlohmann::json& json) {
  Hold hold;
  hold.owner = json.at("owner").get<std::string>();
  hold.who.session = json.at("session").get<std::string>();
  hold.who.agent = json.at("agent").get_ref<const std::uint64_t&>();
  hold.count = json.at("count").get_ref<const std::uint64_t&>();
  hold.fence = json.at("fence").get_ref<const std::uint64_t&>();
  hold.since = json.at("since").get_ref<const std::int64_t&>();
  if (!json.at("lease").is_null()) hold.lease = json.at("lease").get_ref<const std::int64_t&>();
  hold.label = json.value("label", std::string());
  hold.tags = json.value("tags", std::vector<std::string>());
  return hold;
}

}  // namespace

std::string_view name(Kind kind) noexcept { return kind == Kind::rlock ? "rlock" : "lock"; }

std::string print(const LockRecord& record) {
  std::string out;
  out.reserve(384);
  out += R"({"kind":)";
  put_string(out, name(record.kind));
  out += R"(,"fence":)";
  put_number(out, record.fence);
  out += R"(,"limit":1,"holders":[)";
  for (const Hold& hold : record.holders) {
    if (&hold != &record.holders.front()) out += ',';
    put_hold(out, hold);
  }
  out += R"(],"waiters":[],"turn":null})";
  return out;
}

std::optional<LockRecord> parse(std::string_view text) {
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    LockRecord record;
    const auto kind = json.at("kind").get<std::string>();
    if (kind != name(Kind::lock) && kind != name(Kind::rlock)) return std::nullopt;
    record.kind = kind == name(Kind::rlock) ? Kind::rlock : Kind::lock;
    record.fence = json.at("fence").get_ref<const std::uint64_t&>();
    for (const nlohmann::json& hold : json.at("holders")) record.holders.push_back(read_hold(hold));
    // What does not print the same was written by somebody else, or damaged: better no lock than a wrong one.
    if (record.holders.size() > 1 || print(record) != text) return std::nullopt;
    return record;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

}  // namespace dcache::locking
