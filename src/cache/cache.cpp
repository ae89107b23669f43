// SPDX-License-Identifier: Apache-2.0
#include "dcache/cache.hpp"

#include <charconv>
#include <system_error>
#include <utility>

#include "cache/limits.hpp"
#include "cache/state.hpp"
#include "dcache/error.hpp"
#include "dcache/store.hpp"
#include "platform/directory.hpp"
#include "store/engines.hpp"

namespace dcache {

namespace {

/// Whether `name` is "scheme:" or "scheme://…" of an engine, rather than a directory.
bool is_engine_address(std::string_view name) {
  return name == "memory:" || name.find("://") != std::string_view::npos;
}

void check_options(const Options& options) {
  if (options.timeout < Duration(std::chrono::seconds(0))) {
    throw InvalidArgument("Options::timeout cannot be negative; 0 means one try, dcache::forever no limit");
  }
}

std::shared_ptr<detail::CacheState> open_directory_state(const std::filesystem::path& path, Options options) {
  check_options(options);
  platform::Directory directory = platform::open_directory(path, options);
  std::filesystem::path real = directory.path;
  std::unique_ptr<Store> store = store::open_sqlite(std::move(directory), options);
  return std::make_shared<detail::CacheState>(std::move(real), std::move(options), std::move(store));
}

}  // namespace

Cache::Cache(const std::filesystem::path& directory, Options options) {
  if (is_engine_address(directory.native())) {
    throw InvalidArgument("'" + escape(directory.native()) +
                          "' is not a directory but the address of an engine: use "
                          "Cache::open for it");
  }
  state_ = open_directory_state(directory, std::move(options));
}

Cache::Cache(std::shared_ptr<detail::CacheState> state) : state_(std::move(state)) {}

Cache Cache::open(std::string_view address, Options options) {
  if (is_engine_address(address)) {
    throw Unsupported("'" + escape(address) +
                      "' names an engine that this build does not have; it has directories");
  }
  return Cache(open_directory_state(std::filesystem::path(address), std::move(options)));
}

Cache::Cache(Cache&&) noexcept = default;
Cache& Cache::operator=(Cache&&) noexcept = default;
Cache::~Cache() = default;

void Cache::set(ByteView key, ByteView value, const SetOptions& options) {
  check_key(key.view());
  check_value(key.view(), value.view());
  const std::vector<std::string> tags =
      options.tags.empty() ? std::vector<std::string>() : checked_tags(options.tags);
  const NewValue stored{
      .bytes = value.view(), .format = value.format(), .expires = expiry(options), .tags = tags};
  state_->store().put(key.view(), stored, Store::Put::always);
}

bool Cache::add(ByteView key, ByteView value, const SetOptions& options) {
  check_key(key.view());
  check_value(key.view(), value.view());
  const std::vector<std::string> tags =
      options.tags.empty() ? std::vector<std::string>() : checked_tags(options.tags);
  const NewValue stored{
      .bytes = value.view(), .format = value.format(), .expires = expiry(options), .tags = tags};
  return state_->store().put(key.view(), stored, Store::Put::if_absent);
}

std::optional<std::string> Cache::get(ByteView key) const {
  check_key(key.view());
  return state_->store().get(key.view());
}

std::optional<Entry> Cache::entry(ByteView key) const {
  check_key(key.view());
  return state_->store().entry(key.view());
}

bool Cache::contains(ByteView key) const {
  check_key(key.view());
  return state_->store().contains(key.view());
}

bool Cache::erase(ByteView key) {
  check_key(key.view());
  return state_->store().erase(key.view());
}

bool Cache::touch(ByteView key, Duration expire) {
  check_key(key.view());
  const std::optional<Timestamp> expires = expiry(expire);
  bool live = false;
  state_->store().update(key.view(), [&](const Entry* old) -> Change {
    live = old != nullptr;
    if (!live) return {};
    return {.kind = Change::Kind::retime, .value = {.bytes = {}, .expires = expires}};
  });
  return live;
}

std::int64_t Cache::incr(ByteView key, std::int64_t delta, std::int64_t initial, const SetOptions& options) {
  check_key(key.view());
  const std::vector<std::string> new_tags = checked_tags(options.tags);
  const std::optional<Timestamp> new_expires = expiry(options);
  std::int64_t sum = 0;
  std::string text;
  state_->store().update(key.view(), [&](const Entry* old) -> Change {
    std::int64_t base = initial;
    if (old != nullptr) {
      const char* const end = old->value.data() + old->value.size();
      const auto [stop, failed] = std::from_chars(old->value.data(), end, base);
      if (failed != std::errc{} || stop != end) {
        throw WrongType("cannot increment key '" + escape(key.view(), 200) +
                        "': its value is not an integer of 64 bits; set it to one first");
      }
    }
    if (__builtin_add_overflow(base, delta, &sum)) {
      throw InvalidArgument("cannot increment key '" + escape(key.view(), 200) +
                            "': " + std::to_string(base) + " + " + std::to_string(delta) +
                            " does not fit 64 bits; the value stays");
    }
    text = std::to_string(sum);
    NewValue value{.bytes = text, .format = Format::integer};
    value.expires = old != nullptr ? old->expires : new_expires;
    value.tags = old != nullptr ? old->tags : new_tags;
    return {.kind = Change::Kind::put, .value = value};
  });
  return sum;
}

std::uint64_t Cache::evict(const Tags& tags, Match match) {
  if (tags.empty()) throw InvalidArgument("evict needs at least one tag; use clear to remove everything");
  return state_->store().evict(Tags(checked_tags(tags)), match);
}

std::uint64_t Cache::expire() { return state_->store().expire(); }
std::uint64_t Cache::clear() { return state_->store().clear(); }
std::uint64_t Cache::size() const { return state_->store().size(); }
Stats Cache::stats() const { return state_->store().stats(); }
const std::filesystem::path& Cache::directory() const { return state_->directory(); }

Transaction::Transaction(Cache& cache) : cache_(cache) { cache_.state()->store().begin(); }

Transaction::~Transaction() {
  if (!open_ || cache_.state()->forked()) return;
  Store& store = cache_.state()->store();
  store.rollback();
  if (!store.in_transaction()) cache_.state()->retry_kept();
}

void Transaction::commit() {
  open_ = false;
  Store& store = cache_.state()->store();
  store.commit();
  // A guard of a lock that ended inside could not release it there.
  if (!store.in_transaction()) cache_.state()->retry_kept();
}

}  // namespace dcache
