// SPDX-License-Identifier: Apache-2.0
//
// Re-entrant locks that belong to a LockOwner instead of a thread.
#include <shared_mutex>
#include <thread>

#include "dcache/dcache.hpp"
#include "support/check.hpp"

TEST_CASE("owners are unlike each other, and copies are the same one") {
  const LockOwner one;
  const LockOwner two;
  const LockOwner copy = one;
  CHECK(copy == one);
  CHECK(one != two);
  CHECK(one.agent() != two.agent());
  CHECK(has(one.name(), "/" + std::to_string(one.agent())));
}

TEST_CASE_FIXTURE(OneCache,
                  "any thread may go deeper in an owner's lock and release it, no other owner may") {
  const LockOwner owner;
  SyncRLock lock(cache, "k", {.owner = owner});
  SyncRLock same(cache, "k", {.owner = owner});
  SyncRLock other(cache, "k", {.owner = LockOwner()});
  SyncRLock of_thread(cache, "k");
  lock.lock();
  elsewhere([&] { same.lock(); });
  CHECK(lock.holder()->count == 2);
  CHECK(lock.holder()->owner == owner.name());
  CHECK(!other.try_lock());
  CHECK(!of_thread.try_lock());
  CHECK(of_thread.release() == Release::not_owner);
  CHECK(other.release() == Release::not_owner);
  CHECK_THROWS_AS(other.unlock(), NotOwner);
  CHECK(elsewhere([&] { return lock.owned(); }));
  elsewhere([&] { lock.unlock(); });
  CHECK(same.owned());
  CHECK(!of_thread.try_lock());
  elsewhere([&] { same.unlock(); });
  CHECK(!lock.locked());
  CHECK(of_thread.try_lock());
}

TEST_CASE_FIXTURE(OneCache, "a thread that ends leaves an owner's lock to its owner") {
  SyncRLock lock(cache, "k", {.owner = LockOwner()});
  elsewhere([&] { lock.lock(); });
  CHECK(lock.owned());
  CHECK(!SyncRLock(cache, "k").try_lock());
  lock.unlock();
  CHECK(SyncRLock(cache, "k").try_lock());
}

TEST_CASE_FIXTURE(OneCache, "readers of one owner are one reader, in whichever threads") {
  const LockOwner owner;
  SyncRWLock lock(cache, "k", {.owner = owner});
  SyncRWLock writer(cache, "k", {.owner = LockOwner()});
  lock.lock_shared();
  elsewhere([&] { lock.lock_shared(); });
  CHECK(locks(cache).front().holders.size() == 1);
  CHECK(!writer.try_lock());
  elsewhere([&] { lock.unlock(); });
  lock.unlock();
  CHECK(writer.try_lock());
  writer.unlock();
  lock.lock_shared();
  CHECK(elsewhere([&] { return lock.try_upgrade_for(0s); }));
  CHECK(!writer.try_lock_shared());
  lock.unlock();
}

TEST_CASE_FIXTURE(OneCache, "a handle's owner has a kept grant and a lease as a thread has") {
  SyncRLock kept(cache, "k", {.lease = 60s, .owner = LockOwner(), .keep = true});
  kept.lock();
  elsewhere([&] { kept.unlock(); });
  CHECK(kept.locked());
  SyncRLock late(cache, "l", {.lease = 10ms, .owner = LockOwner()});
  late.lock();
  SyncRLock next(cache, "l");
  next.lock();
  CHECK(next.previous_owner_died());
  elsewhere([&] { late.unlock(); });
  CHECK(late.lost());
  CHECK(next.owned());
}
