// SPDX-License-Identifier: Apache-2.0
//
// The log is one record: a line of JSON an event, the newest last. It changes rarely, so it is written whole.
#include "locks/log.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "dcache/bytes.hpp"
#include "dcache/store.hpp"
#include "locks/access.hpp"

namespace dcache {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kLog = "log";
constexpr std::size_t kMostEvents = 256;
constexpr std::size_t kMostText = 500;
constexpr auto kPatience = std::chrono::milliseconds(100);

constexpr std::array kKinds = {LockEvent::Kind::taken_over, LockEvent::Kind::lost, LockEvent::Kind::cleared,
                               LockEvent::Kind::deadlock};

/// JSON knows no bytes that are not UTF-8: those become numbers.
Json to_json(const std::string& bytes) {
  if (is_utf8(bytes)) return bytes;
  Json numbers = Json::array();
  for (const char c : bytes) numbers.push_back(static_cast<unsigned char>(c));
  return numbers;
}

std::string to_bytes(const Json& json) {
  if (json.is_string()) return json.get<std::string>();
  std::string bytes;
  for (const Json& number : json) bytes += static_cast<char>(number.get<unsigned char>());
  return bytes;
}

std::string line_of(const LockEvent& event) {
  return Json{{"number", event.number},   {"time", event.time.unix_nanoseconds()},
              {"kind", name(event.kind)}, {"key", to_json(event.key)},
              {"owner", event.owner},     {"fence", event.fence},
              {"other", event.other}}
             .dump(-1, ' ', false, Json::error_handler_t::replace) +
         "\n";
}

/// Nothing for a damaged line, which is then left out.
std::optional<LockEvent> parse(std::string_view line) {
  try {
    const Json json = Json::parse(line);
    LockEvent event{.number = json.at("number").get<std::uint64_t>(),
                    .time = Timestamp::from_unix_nanoseconds(json.at("time").get<std::int64_t>()),
                    .key = to_bytes(json.at("key")),
                    .owner = json.at("owner").get<std::string>(),
                    .fence = json.at("fence").get<std::uint64_t>(),
                    .other = json.at("other").get<std::string>()};
    const auto kind = json.at("kind").get<std::string>();
    const auto known =
        std::find_if(kKinds.begin(), kKinds.end(), [&](LockEvent::Kind one) { return name(one) == kind; });
    if (known == kKinds.end()) return std::nullopt;
    event.kind = *known;
    return event;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

std::vector<LockEvent> read(std::string_view log) {
  std::vector<LockEvent> events;
  while (!log.empty()) {
    const std::size_t end = std::min(log.find('\n'), log.size() - 1) + 1;
    if (auto event = parse(log.substr(0, end))) events.push_back(std::move(*event));
    log.remove_prefix(end);
  }
  return events;
}

/// The number of the newest event that can be read; 0 if there is none.
std::uint64_t last_number(std::string_view log) {
  while (!log.empty()) {
    const std::size_t before = log.rfind('\n', log.size() - 2);
    const std::size_t start = log.size() < 2 || before == std::string_view::npos ? 0 : before + 1;
    if (const auto event = parse(log.substr(start))) return event->number;
    log = log.substr(0, start);
  }
  return 0;
}

}  // namespace

std::string_view name(LockEvent::Kind kind) noexcept {
  switch (kind) {
    case LockEvent::Kind::lost:
      return "lost";
    case LockEvent::Kind::cleared:
      return "cleared";
    case LockEvent::Kind::deadlock:
      return "deadlock";
    default:
      return "taken_over";
  }
}

std::vector<LockEvent> lock_events(const Cache& cache, std::uint64_t after) {
  const std::optional<std::string> log = cache.state()->store().record(Space::lock_log, kLog);
  std::vector<LockEvent> events = log ? read(*log) : std::vector<LockEvent>();
  std::erase_if(events, [&](const LockEvent& event) { return event.number <= after; });
  return events;
}

void locking::log_event(const detail::CacheState& state, LockEvent::Kind kind, std::string_view key,
                        std::uint64_t fence, std::string other) noexcept {
  try {
    Store& store = state.store();
    if (store.in_transaction()) return;
    other.resize(std::min(other.size(), kMostText));
    LockEvent event{.time = Timestamp::from_unix_nanoseconds(wall_us() * 1000),
                    .kind = kind,
                    .key = std::string(key),
                    .owner = owner_name(),
                    .fence = fence,
                    .other = std::move(other)};
    store.update_record(
        Space::lock_log, kLog,
        [&](const std::string* old, std::uint64_t) -> RecordChange {
          std::string log = old != nullptr ? *old : std::string();
          event.number = last_number(log) + 1;
          auto lines = static_cast<std::size_t>(std::count(log.begin(), log.end(), '\n'));
          for (; lines >= kMostEvents; --lines) log.erase(0, log.find('\n') + 1);
          return {.kind = RecordChange::Kind::put, .bytes = std::move(log) + line_of(event)};
        },
        deadline_after(kPatience));
  } catch (const std::exception&) {
    // It is only a log.
  }
}

}  // namespace dcache
