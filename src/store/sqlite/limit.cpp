// SPDX-License-Identifier: Apache-2.0
//
// The size limit and the settings stored with the cache.
#include <array>
#include <charconv>
#include <iterator>
#include <limits>

#include "dcache/error.hpp"
#include "platform/clock.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace dcache::store::sqlite {

namespace {

constexpr std::string_view kSettingsName = "settings";
constexpr std::int64_t kRowsAtATime = 10;

/// Rows that are looked at in search of one to remove, at most: about a millisecond.
constexpr std::size_t kMostLookedAt = 2048;

struct Named {
  Policy policy;
  std::string_view name;
};
// As they are stored.
constexpr std::array kPolicies{Named{Policy::none, "none"}, Named{Policy::oldest, "oldest"},
                               Named{Policy::sieve, "sieve"}, Named{Policy::lru, "lru"},
                               Named{Policy::lfu, "lfu"}};

std::string print(const Settings& settings) {
  std::string text = std::to_string(settings.size_limit);
  for (const Named& one : kPolicies) {
    if (one.policy == settings.policy) text.append(" ").append(one.name);
  }
  return text;
}

/// Stored settings; nothing if they cannot be read.
std::optional<Settings> understood(std::string_view text) {
  Settings settings;
  if (text.empty()) return settings;
  const char* const end = text.data() + text.size();
  const auto limit = std::from_chars(text.data(), end, settings.size_limit);
  const std::string_view policy(limit.ptr, static_cast<std::size_t>(end - limit.ptr));
  if (limit.ec != std::errc{} || !policy.starts_with(' ')) return std::nullopt;
  for (const Named& one : kPolicies) {
    if (policy.substr(1) != one.name) continue;
    settings.policy = one.policy;
    return settings;
  }
  return std::nullopt;
}

std::int64_t number_of(Connection& connection, Sql which) {
  Statement row = connection.use(which);
  return connection.step(row, "read the size of the database") ? row.number(0) : 0;
}

std::string meta(Connection& connection, std::string_view name) {
  Statement row = connection.use(Sql::meta_get);
  return connection.step(row.bind_text(1, name), "read a setting") ? std::string(row.bytes(0))
                                                                   : std::string();
}

}  // namespace

Settings SqliteStore::read_settings(Connection& connection) {
  const std::optional<Settings> settings = understood(meta(connection, kSettingsName));
  if (settings) return *settings;
  throw Corrupt("the settings stored in '" + escape(connection.path()) +
                "' are damaged or of a newer version; set them anew");
}

/// The settings as of the open transaction; read again only when another connection has committed something.
const Settings& SqliteStore::current_settings(Connection& connection) {
  std::uint32_t version = 0;
  sqlite3_file_control(connection.handle(), "main", SQLITE_FCNTL_DATA_VERSION, &version);
  if (settings_version_ != version) {
    settings_ = own_part(read_settings(connection));
    settings_version_ = version;
  }
  return settings_;
}

Settings SqliteStore::settings() {
  Read read(*this);
  return read_settings(*read);
}

void SqliteStore::change_settings(FunctionRef<void(Settings&)> change) {
  for (;;) {
    // `change` is the caller's code, so it runs outside of the transaction.
    std::string seen;
    {
      Read read(*this);
      seen = meta(*read, kSettingsName);
    }
    // Damaged ones are set anew here, as their error says.
    Settings wanted = understood(seen).value_or(Settings{});
    change(wanted);
    Write write(*this, deadline_from_now());
    if (meta(*write, kSettingsName) != seen) continue;
    const std::string text = print(wanted);
    write.changing();
    {
      Statement put = write->use(Sql::meta_put);
      write->run(put.bind_text(1, kSettingsName).bind(2, text), "store the settings");
    }
    settings_version_.reset();
    write.commit();
    return;
  }
}

std::uint64_t SqliteStore::file_bytes(Connection& connection) {
  const std::string text = meta(connection, "file_bytes");
  std::int64_t total = 0;
  std::from_chars(text.data(), text.data() + text.size(), total);
  if (connection.in_transaction()) total += file_bytes_change_;
  return static_cast<std::uint64_t>(std::max<std::int64_t>(total, 0));
}

std::uint64_t SqliteStore::bytes_used(Connection& connection) {
  const std::int64_t pages = number_of(connection, Sql::page_count) - number_of(connection, Sql::free_pages);
  return static_cast<std::uint64_t>(pages) * kPageBytes + file_bytes(connection);
}

/// At least as many as there are: to count them would take a walk over all.
std::uint64_t SqliteStore::most_entries(Connection& connection) {
  constexpr std::int64_t kLeastBytes = 64;  ///< with the key's place in its tree
  const std::int64_t in_pages = number_of(connection, Sql::page_count) * (kPageBytes / kLeastBytes);
  return static_cast<std::uint64_t>(
      std::clamp<std::int64_t>(number_of(connection, Sql::span_of_ids), 0, in_pages));
}

std::uint64_t SqliteStore::bytes() {
  Read read(*this);
  return bytes_used(*read);
}

/// Before a large value is written out: one that can never fit is refused at once.
void SqliteStore::check_fits(std::uint64_t size) {
  const Settings limit = own_part(settings());
  constexpr std::uint64_t kEmptyCache = std::uint64_t{16} * kPageBytes;
  if (limit.size_limit == 0 || size + kEmptyCache <= limit.size_limit) return;
  throw Full("a value of " + std::to_string(size) + " bytes does not fit the size limit of '" +
             escape(directory_.path.native()) + "', " + std::to_string(limit.size_limit) +
             " bytes; raise the limit or leave the value out");
}

bool SqliteStore::goes_by_visits(Connection& connection) {
  const Settings& settings = current_settings(connection);
  return settings.size_limit != 0 && board::goes_by_visits(settings.policy);
}

void SqliteStore::note_stored(Connection& connection, std::int64_t id, bool anew) {
  if (!goes_by_visits(connection)) return;
  board::Visits* const visits = board()->visits_for(settings_.policy, settings_.size_limit);
  if (visits == nullptr) return;
  const auto place = static_cast<std::uint64_t>(id);
  anew ? visits->stored(place) : visits->used(place);
}

/// Whether the open transaction has stored it. Later than now: before the clock was set back.
bool SqliteStore::stored_here(const Selected& row) const {
  return row.stored >= writing_since_ && row.stored <= platform::now().unix_nanoseconds();
}

/// Those among which the policy chooses next.
std::vector<SqliteStore::Selected> SqliteStore::candidates(Connection& connection, board::Visits& visits) {
  const auto run = [&](std::uint64_t behind, std::int64_t rows) {
    Statement select = connection.use(Sql::batch);
    select.bind(1, static_cast<std::int64_t>(behind)).bind(2, std::numeric_limits<std::int64_t>::max());
    select.bind(3, rows);
    return collect(connection, select);
  };
  if (visits.policy() == Policy::sieve) {
    std::vector<Selected> next = run(visits.hand(), kRowsAtATime);
    if (next.empty()) visits.move_hand(0);
    return next;
  }
  const auto last = static_cast<std::uint64_t>(number_of(connection, Sql::last_id));
  const std::vector<Selected> oldest = run(0, 1);
  const std::uint64_t first = oldest.empty() ? 0 : static_cast<std::uint64_t>(oldest.front().row.id - 1);
  std::vector<Selected> sample = run(visits.hand(), board::kPlacesARun);
  visits.move_hand(sample.size() < board::kPlacesARun ? 0 : static_cast<std::uint64_t>(sample.back().row.id));
  for (std::size_t i = 1; i < board::kRunsASample; ++i) {
    std::vector<Selected> some = run(board::random_place(first, last), board::kPlacesARun);
    std::move(some.begin(), some.end(), std::back_inserter(sample));
  }
  return sample;
}

/// The one that is to go by its use, if such a one is found soon.
std::vector<SqliteStore::Selected> SqliteStore::least_used(Connection& connection, const Settings& settings) {
  board::Visits* const visits = board()->visits_for(settings.policy, settings.size_limit);
  if (visits == nullptr) return {};
  int found_none = 0;
  for (std::size_t looked_at = 0; looked_at < kMostLookedAt && found_none <= 2;) {
    std::vector<Selected> rows = candidates(connection, *visits);
    looked_at += rows.size();
    if (rows.empty()) {
      ++found_none;
      continue;
    }
    const auto last = static_cast<std::uint64_t>(rows.back().row.id);
    std::erase_if(rows, [&](const Selected& row) { return stored_here(row); });
    std::vector<std::uint64_t> places;
    places.reserve(rows.size());
    for (const Selected& row : rows) places.push_back(static_cast<std::uint64_t>(row.row.id));
    if (const std::optional<std::size_t> victim = visits->victim(places)) {
      std::vector<Selected> one;
      one.push_back(std::move(rows[*victim]));
      return one;
    }
    visits->move_hand(last);
  }
  return {};
}

/// Removes some values, expired ones first, then by policy, until the cache is within its limit; false if
/// there is none to remove. What the open transaction has stored stays.
bool SqliteStore::remove_some(Connection& connection, const Settings& settings, std::uint64_t& removed) {
  const std::int64_t now = platform::now().unix_nanoseconds();
  std::vector<Selected> rows;
  {
    Statement select = connection.use(Sql::expired_batch);
    select.bind(1, now).bind(2, kRowsAtATime);
    rows = collect(connection, select);
  }
  std::erase_if(rows, [&](const Selected& row) { return stored_here(row); });
  if (rows.empty() && board::goes_by_visits(settings.policy)) rows = least_used(connection, settings);
  if (rows.empty()) {
    Statement select = connection.use(Sql::oldest_batch);
    select.bind(1, writing_since_).bind(2, kRowsAtATime).bind(3, now);
    rows = collect(connection, select);
  }
  for (const Selected& selected : rows) {
    erase_row(connection, selected.row);
    ++removed;
    if (bytes_used(connection) <= settings.size_limit) break;
  }
  return !rows.empty();
}

/// Brings the cache within its limit, inside the transaction that has stored something.
void SqliteStore::make_room(Connection& connection) {
  const Settings& settings = current_settings(connection);
  if (settings.size_limit == 0 || bytes_used(connection) <= settings.size_limit) return;
  const std::string limit = "the size limit of '" + escape(directory_.path.native()) + "', " +
                            std::to_string(settings.size_limit) + " bytes";
  if (settings.policy == Policy::none) {
    throw Full("the value does not fit " + limit +
               ", and its policy is to remove nothing; delete or evict values, or raise the limit");
  }
  std::uint64_t removed = 0;
  while (bytes_used(connection) > settings.size_limit) {
    if (!remove_some(connection, settings, removed)) {
      throw Full("what is stored here alone is more than " + limit + "; raise the limit or store less");
    }
  }
}

/// Expired values go by themselves while others are stored: a few of them, at one write in 32.
void SqliteStore::sweep_now_and_then(Connection& connection) {
  constexpr std::uint32_t kPeriod = 32;
  if (++puts_ % kPeriod != 0) return;
  std::vector<Selected> rows;
  {
    Statement select = connection.use(Sql::expired_batch);
    select.bind(1, platform::now().unix_nanoseconds()).bind(2, std::int64_t{2} * kPeriod);
    rows = collect(connection, select);
  }
  for (const Selected& selected : rows) erase_row(connection, selected.row);
}

std::uint64_t SqliteStore::cull() {
  std::uint64_t removed = expire();
  removed += in_steps([&](Connection& connection, Walk&, std::int64_t rows, std::uint64_t& count) {
    const Settings& settings = current_settings(connection);
    if (settings.size_limit == 0 || settings.policy == Policy::none) return Step::done;
    for (std::int64_t i = 0; i < rows; i += kRowsAtATime) {
      if (bytes_used(connection) <= settings.size_limit || !remove_some(connection, settings, count))
        return Step::done;
    }
    return Step::more;
  });
  return removed;
}

}  // namespace dcache::store::sqlite
