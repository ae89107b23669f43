// SPDX-License-Identifier: Apache-2.0
#include "dcache/cache.hpp"

#include <charconv>
#include <system_error>
#include <utility>

#include "cache/limits.hpp"
#include "cache/state.hpp"
#include "dcache/error.hpp"
#include "dcache/store.hpp"
#include "platform/clock.hpp"
#include "platform/directory.hpp"
#include "platform/file.hpp"
#include "store/engines.hpp"

namespace dcache {

namespace {

/// Whether `name` is "scheme:" or "scheme://…" of an engine, rather than a directory.
bool is_engine_address(std::string_view name) {
  return name == "memory:" || name.find("://") != std::string_view::npos;
}

void check_directory_name(const std::filesystem::path& directory) {
  if (!is_engine_address(directory.native())) return;
  throw InvalidArgument("'" + escape(directory.native()) +
                        "' is not a directory but the address of an engine: use Cache::open for it");
}

void check_options(const Options& options) {
  if (options.timeout < Duration(std::chrono::seconds(0))) {
    throw InvalidArgument("Options::timeout cannot be negative; 0 means one try, dcache::forever no limit");
  }
  if (options.file_threshold < 1024 || options.file_threshold > (1U << 20)) {
    throw InvalidArgument("Options::file_threshold must be between 1 KiB and 1 MiB, not " +
                          std::to_string(options.file_threshold) + " bytes");
  }
  if (options.shards > kMaxShards) {
    throw InvalidArgument("Options::shards must be at most " + std::to_string(kMaxShards) + ", not " +
                          std::to_string(options.shards) + "; 0 means as many as the cache has");
  }
}

std::shared_ptr<detail::CacheState> open_directory_state(const std::filesystem::path& path, Options options) {
  check_options(options);
  platform::Directory directory = platform::open_directory(path, options);
  std::filesystem::path real = directory.path;
  std::unique_ptr<Store> store = store::open_directory(std::move(directory), options);
  return std::make_shared<detail::CacheState>(std::move(real), std::move(options), std::move(store));
}

void check_function(bool given, const char* call) {
  if (!given)
    throw InvalidArgument(std::string(call) + " needs a function that can be called, not an empty one");
}

const Guard* address(const std::optional<Guard>& guard) { return guard ? &*guard : nullptr; }

/// The arguments of a call that stores a value, checked, with the expiry as a moment.
class Checked {
 public:
  Checked(ByteView key, ByteView value, const SetOptions& options)
      : bytes_(value), expires_(expiry(options)), guard_(address(options.guard)) {
    check_key(key.view());
    check_value_size(key.view(), value.size());
    if (!options.tags.empty()) tags_ = checked_tags(options.tags);
  }
  [[nodiscard]] NewValue value() const {
    return {.bytes = bytes_.view(),
            .format = bytes_.format(),
            .expires = expires_,
            .tags = tags_,
            .guard = guard_};
  }

 private:
  ByteView bytes_;
  std::optional<Timestamp> expires_;
  std::vector<std::string> tags_;
  const Guard* guard_;
};

}  // namespace

Cache::Cache(const std::filesystem::path& directory, Options options) {
  check_directory_name(directory);
  state_ = open_directory_state(directory, std::move(options));
}

Cache::Cache(std::shared_ptr<detail::CacheState> state) : state_(std::move(state)) {}

Cache Cache::open(std::string_view address, Options options) {
  if (address == "memory:") {
    check_options(options);
    std::unique_ptr<Store> store = store::open_memory_shards(options);
    return Cache(std::make_shared<detail::CacheState>("memory:", std::move(options), std::move(store)));
  }
  if (is_engine_address(address)) {
    throw Unsupported("'" + escape(address) +
                      "' names an engine that this build does not have; it has directories");
  }
  return Cache(open_directory_state(std::filesystem::path(address), std::move(options)));
}

Cache Cache::restore(const std::filesystem::path& file, const std::filesystem::path& directory,
                     Options options, const OnProgress& on_progress) {
  check_directory_name(directory);
  check_options(options);
  store::restore_directory(file, directory, options, on_progress);
  return Cache(directory, std::move(options));
}

Cache::Cache(Cache&&) noexcept = default;
Cache& Cache::operator=(Cache&&) noexcept = default;
Cache::~Cache() = default;

void Cache::set(ByteView key, ByteView value, const SetOptions& options) {
  const Checked checked(key, value, options);
  state_->store().put(key.view(), checked.value(), Store::Put::always);
}

bool Cache::add(ByteView key, ByteView value, const SetOptions& options) {
  const Checked checked(key, value, options);
  return state_->store().put(key.view(), checked.value(), Store::Put::if_absent);
}

bool Cache::replace(ByteView key, ByteView expected, ByteView desired, const SetOptions& options) {
  const Checked checked(key, desired, options);
  return state_->store().replace(key.view(), expected.view(), checked.value());
}

void Cache::set_many(std::span<const std::pair<ByteView, ByteView>> items, const SetOptions& options) {
  // All are checked before the first is stored.
  std::vector<Checked> checked;
  checked.reserve(items.size());
  for (const auto& [key, value] : items) checked.emplace_back(key, value, options);
  Store& store = state_->store();
  std::vector<std::vector<std::size_t>> by_shard(store.shards());
  for (std::size_t i = 0; i < items.size(); ++i) by_shard[store.shard_of(items[i].first.view())].push_back(i);
  for (const std::vector<std::size_t>& chosen : by_shard) {
    if (chosen.empty() && by_shard.size() > 1) continue;
    const auto store_all = [&](Transaction&) {
      for (const std::size_t i : chosen) {
        NewValue value = checked[i].value();
        value.guard = nullptr;  // looked at once
        store.put(items[i].first.view(), value, Store::Put::always);
      }
    };
    transact(store_all, {.guard = options.guard});
  }
}

void Cache::set_from(ByteView key, const std::function<std::size_t(std::span<std::byte>)>& source,
                     const SetOptions& options) {
  const Checked checked(key, ByteView(std::span<const std::byte>()), options);
  check_function(source != nullptr, "set_from");
  std::uint64_t total = 0;
  state_->store().put_from(key.view(), checked.value(), [&](char* buffer, std::size_t size) {
    const std::size_t n = source(std::span(reinterpret_cast<std::byte*>(buffer), size));
    if (n > size)
      throw InvalidArgument("a source of bytes says that it wrote more than it was given room for");
    check_value_size(key.view(), total += n);
    return n;
  });
}

void Cache::set_from(ByteView key, int descriptor, const SetOptions& options) {
  const auto source = [&](std::span<std::byte> room) {
    return platform::read_descriptor(descriptor, reinterpret_cast<char*>(room.data()), room.size());
  };
  set_from(key, source, options);
}

bool Cache::get_to(ByteView key, const std::function<void(std::span<const std::byte>)>& sink) const {
  check_key(key.view());
  check_function(sink != nullptr, "get_to");
  return state_->store().get_to(key.view(),
                                [&](std::string_view bytes) { sink(std::as_bytes(std::span(bytes))); });
}

bool Cache::get_to(ByteView key, int descriptor) const {
  check_key(key.view());
  return state_->store().get_to(
      key.view(), [&](std::string_view bytes) { platform::write_descriptor(descriptor, bytes); });
}

std::vector<std::optional<std::string>> Cache::get_many(std::span<const ByteView> keys) const {
  for (const ByteView& key : keys) check_key(key.view());
  std::vector<std::optional<std::string>> values;
  values.reserve(keys.size());
  for (const ByteView& key : keys) values.push_back(state_->store().get(key.view()));
  return values;
}

std::optional<std::string> Cache::pop(ByteView key, const WriteOptions& options) {
  check_key(key.view());
  std::optional<Entry> entry = state_->store().pop(key.view(), address(options.guard));
  if (!entry) return std::nullopt;
  return std::move(entry->value);
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

bool Cache::erase(ByteView key, const WriteOptions& options) {
  check_key(key.view());
  return state_->store().erase(key.view(), address(options.guard));
}

bool Cache::touch(ByteView key, Duration expire, const WriteOptions& options) {
  check_key(key.view());
  const std::optional<Timestamp> expires = expiry(expire);
  bool live = false;
  const auto retime = [&](const Entry* old) -> Change {
    live = old != nullptr;
    if (!live) return {};
    return {.kind = Change::Kind::retime, .value = {.bytes = {}, .expires = expires}};
  };
  state_->store().update(key.view(), retime, address(options.guard));
  return live;
}

std::int64_t Cache::incr(ByteView key, std::int64_t delta, std::int64_t initial, const SetOptions& options) {
  check_key(key.view());
  const std::vector<std::string> new_tags = checked_tags(options.tags);
  const std::optional<Timestamp> new_expires = expiry(options);
  std::int64_t sum = 0;
  std::string text;
  const auto add = [&](const Entry* old) -> Change {
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
  };
  state_->store().update(key.view(), add, address(options.guard));
  return sum;
}

std::uint64_t Cache::evict(const Tags& tags, Match match, const OnProgress& on_progress) {
  if (tags.empty()) throw InvalidArgument("evict needs at least one tag; use clear to remove everything");
  return state_->store().evict(Tags(checked_tags(tags)), match, platform::now(), on_progress);
}

std::uint64_t Cache::expire() { return state_->store().expire(); }
std::uint64_t Cache::clear(const OnProgress& on_progress) {
  return state_->store().clear(platform::now(), on_progress);
}
std::uint64_t Cache::cull() { return state_->store().cull(); }
std::uint64_t Cache::bytes() const { return state_->store().bytes(); }
Settings Cache::settings() const { return state_->store().settings(); }

void Cache::configure(const std::function<void(Settings&)>& change) {
  check_function(change != nullptr, "configure");
  state_->store().change_settings([&](Settings& settings) { change(settings); });
}

std::uint64_t Cache::size() const { return state_->store().size(); }
Stats Cache::stats() const {
  Store& store = state_->store();
  Stats stats = store.stats();
  stats.lock_grants = store.counted(LockCounter::grants);
  stats.lock_contended = store.counted(LockCounter::contended);
  stats.lock_takeovers = store.counted(LockCounter::takeovers);
  stats.lock_lost = store.counted(LockCounter::lost);
  stats.lock_longest_wait = std::chrono::microseconds(store.counted(LockCounter::longest_wait));
  stats.lock_longest_hold = std::chrono::microseconds(store.counted(LockCounter::longest_hold));
  return stats;
}
std::size_t Cache::shards() const { return state_->store().shards(); }
const std::filesystem::path& Cache::directory() const { return state_->directory(); }

Guard::Guard(std::string cache, std::string key, std::function<bool(const std::string*)> holds)
    : cache_(std::move(cache)), key_(std::move(key)), holds_(std::move(holds)) {}

Transaction::Transaction(Cache& cache, const WriteOptions& options) : cache_(cache) {
  Store& store = cache_.state()->store();
  store.begin();
  if (!options.guard) return;
  try {
    store.hold_to(*options.guard);
  } catch (...) {
    store.rollback();
    throw;
  }
}

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
