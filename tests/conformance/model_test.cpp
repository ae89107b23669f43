// SPDX-License-Identifier: Apache-2.0
//
// Random calls on each engine, compared with a model. DCACHE_STEPS says how many; DCACHE_TEST_SEED repeats a
// run.
#include "conformance/model.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <random>

#include "conformance/engines.hpp"
#include "support/outcome.hpp"

namespace {

struct Undone {};

class Run {
 public:
  Run(Cache& cache, std::uint64_t seed) : cache_(cache), random_(seed) {}

  void step() {
    if (number(40) == 0) {
      transact();
    } else {
      call();
    }
  }

  /// Compares everything.
  void look() {
    CHECK(cache_.size() == model_.count().least);
    for (const Order order : {Order::inserted, Order::key}) {
      for (const bool reverse : {false, true}) compare({.order = order, .reverse = reverse});
    }
    const Stats stats = cache_.stats();
    CHECK(stats.entries == model_.count().least);
    CHECK(stats.entries + stats.expired <= model_.count().most);
    check_within(stats.value_bytes, model_.value_bytes());
    check_within(stats.tags, model_.tags());
  }

  std::string last;  ///< what was called last

 private:
  std::uint64_t number(std::uint64_t below) { return random_() % below; }
  bool coin() { return number(2) == 0; }

  std::string key() {
    static const Keys prefixes = {"", "a", "a:", "b", "\xFF", std::string("\0", 1)};
    return prefixes[number(prefixes.size())] + (number(8) == 0 ? "" : std::to_string(number(8)));
  }

  std::string value() {
    // No digits: an engine need not look whether so large a value is an integer.
    if (number(200) == 0) return std::string(33'000 + number(60'000), static_cast<char>('a' + number(26)));
    if (number(3) == 0) return std::to_string(static_cast<std::int64_t>(number(2000)) - 1000);
    std::string bytes(number(30), '\0');
    for (char& byte : bytes) byte = static_cast<char>(number(256));
    return bytes;
  }

  std::vector<std::string> tags() {
    std::vector<std::string> some;
    for (const char* tag : {"r", "s", "t", "u"}) {
      if (number(4) == 0) some.emplace_back(tag);
    }
    return some;
  }

  /// Options, and what the model makes of them.
  SetOptions options(Model::Row& row) {
    SetOptions options;
    row.tags = tags();
    options.tags = row.tags;
    switch (number(5)) {
      case 0:
        options.expire_at = row.expires =
            std::chrono::system_clock::now() + std::chrono::hours(1 + number(100));
        break;
      case 1:
        options.expire_at = std::chrono::system_clock::now() - std::chrono::hours(number(2));
        row.dead = true;
        break;
      default:
        break;
    }
    return options;
  }

  void set() {
    const std::string key = this->key();
    Model::Row row;
    row.value = value();
    const SetOptions options = this->options(row);
    last = "set";
    switch (number(5)) {
      case 0: {
        last = "add";
        const bool added = cache_.add(key, row.value, options);
        CHECK(added == (model_.find(key) == nullptr));
        if (!added) return;
        break;
      }
      case 1: {
        last = "replace";
        const Model::Row* const old = model_.find(key);
        const std::string expected = old != nullptr && number(4) != 0 ? old->value : value();
        const bool replaced = cache_.replace(key, expected, row.value, options);
        CHECK(replaced == (old != nullptr && old->value == expected));
        if (!replaced) return;
        break;
      }
      case 2: {
        last = "set_from";
        row.format = Format::bytes;
        std::size_t at = 0;
        cache_.set_from(
            key,
            [&](std::span<std::byte> room) {
              const std::size_t n =
                  row.value.copy(reinterpret_cast<char*>(room.data()), 1 + room.size() / 3, at);
              at += n;
              return n;
            },
            options);
        break;
      }
      default:
        cache_.set(key, row.value, options);
    }
    model_.put(key, std::move(row));
  }

  void incr(bool may_fail) {
    const std::string key = this->key();
    const Model::Row* const old = model_.find(key);
    Model::Row row;
    const SetOptions options = this->options(row);
    row.format = Format::integer;
    std::int64_t base = 10;
    if (old != nullptr) {
      const char* const end = old->value.data() + old->value.size();
      const auto [stop, failed] = std::from_chars(old->value.data(), end, base);
      if (failed != std::errc{} || stop != end) {
        if (may_fail) CHECK_THROWS_AS(cache_.incr(key), WrongType);
        return;
      }
      row.tags = old->tags;
      row.expires = old->expires;
      row.dead = false;
    }
    const auto delta = static_cast<std::int64_t>(number(100)) - 50;
    row.value = std::to_string(base + delta);
    CHECK(std::to_string(cache_.incr(key, delta, 10, options)) == row.value);
    model_.put(key, std::move(row));
  }

  void touch() {
    const std::string key = this->key();
    const bool live = model_.find(key) != nullptr;
    switch (number(4)) {
      case 0:
        CHECK(cache_.touch(key, 0s) == live);
        if (live) model_.expire(key);
        break;
      case 1:
        CHECK(cache_.touch(key, forever) == live);
        if (live) model_.retime(key, std::nullopt);
        break;
      default: {
        const auto before = std::chrono::system_clock::now();
        CHECK(cache_.touch(key, 1h) == live);
        if (!live) break;
        const std::optional<Timestamp> expires = cache_.entry(key).value().expires;
        CHECK((expires >= Timestamp(before + 1h) &&
               expires <= Timestamp(std::chrono::system_clock::now() + 1h)));
        model_.retime(key, expires);
      }
    }
  }

  void read() {
    const std::string key = this->key();
    const Model::Row* const row = model_.find(key);
    const std::optional<std::string> expected = row != nullptr ? std::optional(row->value) : std::nullopt;
    CHECK(cache_.contains(key) == expected.has_value());
    CHECK((cache_.get(key) == expected));
    std::string parts;
    const auto add = [&](std::span<const std::byte> part) {
      parts.append(reinterpret_cast<const char*>(part.data()), part.size());
    };
    CHECK(cache_.get_to(key, add) == expected.has_value());
    CHECK((parts == expected.value_or("")));
    const std::optional<Entry> entry = cache_.entry(key);
    CHECK(entry.has_value() == expected.has_value());
    if (entry && row != nullptr) compare(*entry, *row);
  }

  void erase() {
    const std::string key = this->key();
    const Model::Row* const row = model_.find(key);
    if (coin()) {
      last = "erase";
      CHECK(cache_.erase(key) == (row != nullptr));
    } else {
      last = "pop";
      const std::optional<std::string> expected = row != nullptr ? std::optional(row->value) : std::nullopt;
      CHECK((cache_.pop(key) == expected));
    }
    if (row != nullptr) model_.erase(key);
  }

  void remove_many() {
    switch (number(8)) {
      case 0:
        last = "clear";
        return check_within(cache_.clear(), model_.clear());
      case 1:
      case 2:
        last = "expire";
        return check_within(coin() ? cache_.expire() : cache_.cull(), model_.sweep());
      default: {
        last = "evict";
        std::vector<std::string> wanted = tags();
        if (wanted.empty()) wanted.emplace_back("t");
        const Match match = coin() ? Match::any : Match::all;
        check_within(cache_.evict(wanted, match), model_.evict(wanted, match));
      }
    }
  }

  void list() {
    EntryFilter filter;
    if (coin()) filter.prefix = key().substr(0, 1);
    if (coin()) filter.tags = tags();
    filter.match = coin() ? Match::any : Match::all;
    filter.order = coin() ? Order::inserted : Order::key;
    filter.reverse = coin();
    filter.values = number(4) != 0;
    compare(filter);
  }

  void call(bool may_fail = true) {
    const std::uint64_t what = number(100);
    if (what < 45) return set();
    if (what < 60) return last = "read", read();
    if (what < 75) return erase();
    if (what < 85) return last = "incr", incr(may_fail);
    if (what < 92) return last = "touch", touch();
    if (what < 98) return last = "list", list();
    return remove_many();
  }

  void transact() {
    // Of several shards it could not have any keys.
    if (cache_.state()->store().shards() > 1) return call();
    const Model before = model_;
    const bool undo = number(3) == 0;
    try {
      cache_.transact([&](Transaction&) {
        for (std::uint64_t calls = number(12); calls > 0; --calls) {
          call(false);
          last += " in a transaction";
        }
        if (number(4) == 0) {
          cache_.transact([&](Transaction&) { call(false); });
          last += " in a transaction inside another";
        }
        if (number(10) == 0) look();
        if (undo) throw Undone();
      });
      CHECK_FALSE(undo);
    } catch (const Undone&) {
      model_ = before;
      last += ", undone";
    }
    if (number(10) == 0) look();
  }

  static void compare(const Entry& entry, const Model::Row& row) {
    CHECK((entry.value == row.value));
    CHECK(entry.size == row.value.size());
    CHECK(entry.format == row.format);
    CHECK(entry.tags == row.tags);
    CHECK(entry.expires == row.expires);
  }

  void compare(const EntryFilter& filter) {
    const std::vector<Model::Listed> expected = model_.list(filter);
    Keys found;
    Keys placed;  // without those whose place may be one of two
    for (const Entry& entry : cache_.entries(filter)) {
      found.push_back(entry.key);
      const Model::Row* const row = model_.find(entry.key);
      REQUIRE(row != nullptr);
      if (!row->loose) placed.push_back(entry.key);
      Entry whole = entry;
      if (!filter.values) {
        CHECK(entry.value.empty());
        whole.value = row->value;
      }
      compare(whole, *row);
    }
    Keys wanted;
    Keys wanted_placed;
    for (const Model::Listed& listed : expected) {
      wanted.push_back(listed.key);
      if (!listed.row.loose) wanted_placed.push_back(listed.key);
    }
    if (filter.order == Order::inserted) {
      CHECK(placed == wanted_placed);
      std::sort(found.begin(), found.end());
      std::sort(wanted.begin(), wanted.end());
    }
    CHECK(found == wanted);
  }

  static void check_within(std::uint64_t number, const Model::Bounds& bounds) {
    CHECK(number >= bounds.least);
    CHECK(number <= bounds.most);
  }

  Cache& cache_;
  Model model_;
  std::mt19937_64 random_;
};

}  // namespace

ENGINE_TEST("random calls do what a map would do") {
  const std::uint64_t seed = new_seed();
  const char* const given = std::getenv("DCACHE_STEPS");
  const std::uint64_t steps = given != nullptr ? std::strtoull(given, nullptr, 10) : 20'000;
  Run run(cache, seed);
  for (std::uint64_t step = 0; step < steps && !failed_so_far(); ++step) {
    INFO("DCACHE_TEST_SEED=" << seed << ", step " << step << ", last: " << run.last);
    run.step();
    if (step % 500 == 0) run.look();
  }
  run.look();
}
