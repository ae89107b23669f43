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

std::string_view name(Mode mode) noexcept {
  if (mode == Mode::exclusive) return "x";
  return mode == Mode::shared ? "s" : "p";
}

/// One member, after others.
void put(std::string& out, std::string_view key, auto number) {
  out += ",\"";
  out += key;
  out += "\":";
  put_number(out, number);
}

void put(std::string& out, std::string_view key, std::string_view text) {
  out += ",\"";
  out += key;
  out += "\":";
  put_string(out, text);
}

void put_if(std::string& out, std::string_view key, bool value) {
  if (value) out.append(",\"").append(key).append("\":true");
}

void put_agent(std::string& out, const std::string& owner, const Agent& who, Mode mode, std::uint64_t count) {
  out += R"("owner":)";
  put_string(out, owner);
  put(out, "session", std::string_view(who.session));
  put(out, "agent", who.agent);
  put(out, "mode", name(mode));
  put(out, "count", count);
}

void put_hold(std::string& out, const Hold& hold) {
  out += '{';
  put_agent(out, hold.owner, hold.who, hold.mode, hold.count);
  put(out, "fence", hold.fence);
  put(out, "since", hold.since);
  if (hold.lease) {
    put(out, "lease", *hold.lease);
  } else {
    out += R"(,"lease":null)";
  }
  if (hold.most) put(out, "most", *hold.most);
  put_if(out, "keep", hold.keep);
  if (!hold.label.empty()) put(out, "label", std::string_view(hold.label));
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

void put_wait(std::string& out, const Wait& wait) {
  out += R"({"ticket":)";
  put_number(out, wait.ticket);
  out += ',';
  put_agent(out, wait.owner, wait.who, wait.mode, wait.count);
  put(out, "since", wait.since);
  put_if(out, "fair", wait.fair);
  put_if(out, "late", wait.late);
  out += '}';
}

// Numbers are taken by reference, which refuses fractions: converting one that is too large is undefined.

std::uint64_t read_count(const nlohmann::json& json, const char* key) {
  return json.at(key).get_ref<const std::uint64_t&>();
}

std::int64_t read_time(const nlohmann::json& json, const char* key) {
  return json.at(key).get_ref<const std::int64_t&>();
}

std::optional<std::int64_t> read_end(const nlohmann::json& json, const char* key) {
  if (!json.contains(key) || json.at(key).is_null()) return std::nullopt;
  return read_time(json, key);
}

Agent read_agent(const nlohmann::json& json) {
  return {.session = json.at("session").get<std::string>(), .agent = read_count(json, "agent")};
}

Mode read_mode(const nlohmann::json& json) {
  const auto text = json.at("mode").get<std::string>();
  if (text == name(Mode::shared)) return Mode::shared;
  return text == name(Mode::permits) ? Mode::permits : Mode::exclusive;
}

Hold read_hold(const nlohmann::json& json) {
  Hold hold;
  hold.owner = json.at("owner").get<std::string>();
  hold.who = read_agent(json);
  hold.mode = read_mode(json);
  hold.count = read_count(json, "count");
  hold.fence = read_count(json, "fence");
  hold.since = read_time(json, "since");
  hold.lease = read_end(json, "lease");
  hold.most = read_end(json, "most");
  hold.keep = json.value("keep", false);
  hold.label = json.value("label", std::string());
  hold.tags = json.value("tags", std::vector<std::string>());
  return hold;
}

Wait read_wait(const nlohmann::json& json) {
  Wait wait;
  wait.ticket = read_count(json, "ticket");
  wait.owner = json.at("owner").get<std::string>();
  wait.who = read_agent(json);
  wait.mode = read_mode(json);
  wait.count = read_count(json, "count");
  wait.since = read_time(json, "since");
  wait.fair = json.value("fair", false);
  wait.late = json.value("late", false);
  return wait;
}

std::optional<Kind> read_kind(const nlohmann::json& json) {
  const auto text = json.at("kind").get<std::string>();
  for (const Kind kind : {Kind::lock, Kind::rlock, Kind::rwlock, Kind::semaphore}) {
    if (text == name(kind)) return kind;
  }
  return std::nullopt;
}

/// Whether the machine could have made it: at most one exclusive grant, and that alone; no more permits out
/// than there are.
bool makes_sense(const LockRecord& record) {
  std::uint64_t out = 0;
  for (const Hold& hold : record.holders) {
    if (hold.count == 0 || (hold.mode == Mode::permits) != (record.kind == Kind::semaphore)) return false;
    if (hold.mode == Mode::exclusive && record.holders.size() > 1) return false;
    if (hold.mode == Mode::shared && record.kind != Kind::rwlock) return false;
    if (hold.mode == Mode::permits && hold.count > record.limit - out) return false;
    if (hold.mode == Mode::permits) out += hold.count;
  }
  return true;
}

}  // namespace

std::string_view name(Kind kind) noexcept {
  switch (kind) {
    case Kind::rlock:
      return "rlock";
    case Kind::rwlock:
      return "rwlock";
    case Kind::semaphore:
      return "semaphore";
    default:
      return "lock";
  }
}

std::string print(const LockRecord& record) {
  std::string out;
  out.reserve(384 + 256 * record.waiters.size());
  out += R"({"kind":)";
  put_string(out, name(record.kind));
  put(out, "fence", record.fence);
  put(out, "limit", record.limit);
  out += R"(,"holders":[)";
  for (const Hold& hold : record.holders) {
    if (&hold != &record.holders.front()) out += ',';
    put_hold(out, hold);
  }
  out += R"(],"waiters":[)";
  for (const Wait& wait : record.waiters) {
    if (&wait != &record.waiters.front()) out += ',';
    put_wait(out, wait);
  }
  if (record.turn) {
    out += R"(],"turn":{"ticket":)";
    put_number(out, record.turn->ticket);
    put(out, "until", record.turn->until);
    out += "}}";
  } else {
    out += R"(],"turn":null})";
  }
  return out;
}

std::optional<LockRecord> parse(std::string_view text) {
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    LockRecord record;
    const std::optional<Kind> kind = read_kind(json);
    if (!kind) return std::nullopt;
    record.kind = *kind;
    record.fence = read_count(json, "fence");
    record.limit = read_count(json, "limit");
    for (const nlohmann::json& hold : json.at("holders")) record.holders.push_back(read_hold(hold));
    for (const nlohmann::json& wait : json.at("waiters")) record.waiters.push_back(read_wait(wait));
    if (const nlohmann::json& turn = json.at("turn"); !turn.is_null()) {
      record.turn = Turn{.ticket = read_count(turn, "ticket"), .until = read_time(turn, "until")};
    }
    // What does not print the same was written by somebody else, or damaged: better no lock than a wrong one.
    if (!makes_sense(record) || print(record) != text) return std::nullopt;
    return record;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

}  // namespace dcache::locking
