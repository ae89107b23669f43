// SPDX-License-Identifier: Apache-2.0
//
// Items on lease. A lease is a lock on the item's key, so that the death of workers, leases that end, fences
// and looking from outside are what locks have.
#include <utility>

#include "dcache/queue.hpp"
#include "recipes/late.hpp"
#include "recipes/passed.hpp"
#include "recipes/waiting.hpp"

namespace dcache {

namespace {

std::unique_ptr<SyncLock> lock_on(Cache& cache, const std::string& key, const LeaseOptions& options) {
  return std::make_unique<SyncLock>(
      cache, key,
      LockOptions{
          .lease = options.lease, .label = options.label, .renew = options.renew, .keep = options.keep});
}

}  // namespace

bool Queue::Passed::on_lease(const std::string& key) {
  if (cache.state()->store().in_transaction()) return true;
  try {
    return SyncLock(cache, key).locked();
  } catch (const Corrupt& error) {
    damaged(key, error);
    return true;
  }
}

std::optional<LeasedItem> Queue::lease_now(const LeaseOptions& options) {
  Passed passed(cache_);
  while (const std::optional<Candidate> first = candidate(options.side, passed)) {
    const std::string& key = first->key;
    passed.keys.insert(key);
    std::unique_ptr<SyncLock> lock = lock_on(cache_, key, options);
    if (!lock->try_lock()) continue;
    // It may have been acked between the two looks, or have expired.
    std::optional<Entry> entry;
    try {
      entry = read(key, passed);
    } catch (...) {
      static_cast<void>(lock->release());
      throw;
    }
    if (entry) {
      LeasedItem item(cache_.share(), name_, std::move(lock), *std::move(entry));
      item.again_ = item.again_ || first->was_leased;  // the end of a kept lease is nobody's death
      return item;
    }
    static_cast<void>(lock->release());
    if (!passed.is_damaged(key)) cache_.erase(key);
  }
  return std::nullopt;
}

std::optional<LeasedItem> Queue::lease(const LeaseOptions& options) {
  static_cast<void>(lock_on(cache_, name_, options));  // what makes no sense is refused without an item too
  return recipes::wait_for(*cache_.state(), name_, options.wait, options.stop,
                           [&] { return lease_now(options); });
}

std::optional<LeasedItem> Queue::adopt(std::string_view token, Duration lease) {
  const std::size_t mark = token.find('-');
  if (mark == std::string_view::npos) return std::nullopt;
  const std::string key = name_ + '#' + std::string(token.substr(0, mark));
  if (!has_key(key)) return std::nullopt;
  std::unique_ptr<SyncLock> lock = lock_on(cache_, key, {.lease = lease});
  if (!lock->adopt(token.substr(mark + 1))) return std::nullopt;
  // The item itself may have gone or be damaged: it can be acked all the same.
  Entry entry;
  entry.key = key;
  try {
    if (auto found = cache_.entry(key)) entry = *std::move(found);
  } catch (const Corrupt& error) {
    recipes::tell_damage(*cache_.state(), error);
  }
  return LeasedItem(cache_.share(), name_, std::move(lock), std::move(entry));
}

LeasedItem::LeasedItem(Cache cache, std::string topic, std::unique_ptr<SyncLock> lock, Entry entry)
    : cache_(std::move(cache)),
      topic_(std::move(topic)),
      lock_(std::move(lock)),
      entry_(std::move(entry)),
      again_(lock_->previous_owner_died()) {}

LeasedItem::LeasedItem(LeasedItem&&) noexcept = default;

LeasedItem& LeasedItem::operator=(LeasedItem&& other) noexcept {
  if (this != &other) {
    give_back();
    cache_ = std::move(other.cache_);
    topic_ = std::move(other.topic_);
    lock_ = std::move(other.lock_);
    entry_ = std::move(other.entry_);
    again_ = other.again_;
  }
  return *this;
}

LeasedItem::~LeasedItem() { give_back(); }

void LeasedItem::give_back() noexcept {
  if (lock_ == nullptr) return;
  lock_.reset();
  if (!cache_.state()->forked()) cache_.state()->store().wake_topic(topic_);
}

bool LeasedItem::ack() {
  if (lock_ == nullptr) throw Misuse("the item '" + escape(key(), 200) + "' was acked or given back before");
  const bool was = recipes::write_even_late(*lock_, [&] { return cache_.erase(key(), {.guard = *lock_}); });
  end_lease();
  lock_.reset();
  return was;
}

/// Inside a transaction a lease ends with it, whatever becomes of it.
void LeasedItem::end_lease() {
  if (cache_.state()->store().in_transaction()) {
    lock_->unlock();
    return;
  }
  try {
    static_cast<void>(lock_->release());
  } catch (const Error& error) {
    // It cannot be committed now: the end of the lock tries it again, or its own lease ends it.
    cache_.state()->report(error);
  }
}

void LeasedItem::nack() {
  if (lock_ == nullptr) return;
  end_lease();
  give_back();
}

namespace {

SyncLock& still_held(const std::unique_ptr<SyncLock>& lock) {
  if (lock == nullptr) throw Misuse("an item that was acked or given back is on lease no more");
  return *lock;
}

}  // namespace

void LeasedItem::renew() { still_held(lock_).renew(); }
Guard LeasedItem::guard() const { return still_held(lock_).guard(); }

std::string LeasedItem::token() const {
  const std::string lock = still_held(lock_).token();
  return entry_.key.substr(topic_.size() + 1) + '-' + lock;
}

}  // namespace dcache
