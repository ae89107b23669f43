// SPDX-License-Identifier: Apache-2.0
#include <csignal>

#include "dcache/lock.hpp"
#include "support/check.hpp"
#include "support/database.hpp"
#include "support/worker.hpp"

TEST_CASE_FIXTURE(OneCache, "a grant is taken up by its token, renewed and released through another handle") {
  SyncLock owner(cache, "k", {.lease = 60s});
  CHECK(owner.token().empty());
  owner.lock();
  SyncLock other(cache, "k", {.lease = 1h});
  CHECK(other.adopt(owner.token()));
  CHECK(other.owned());
  CHECK(other.fence() == owner.fence());
  CHECK(other.token() == owner.token());
  other.renew();
  CHECK(*other.holder()->lease_left > Duration(30min));
  CHECK(other.release() == Release::released);
  CHECK_FALSE(owner.locked());
  CHECK(owner.release() == Release::lost);
}

TEST_CASE_FIXTURE(OneCache, "the end of a handle does not give back what it adopted") {
  SyncLock owner(cache, "k");
  owner.lock();
  {
    SyncLock other(cache, "k");
    CHECK(other.adopt(owner.token()));
  }
  CHECK(owner.owned());
  owner.unlock();
}

TEST_CASE_FIXTURE(OneCache, "a kept grant is adopted with the clock of its own lease") {
  std::string token;
  {
    SyncLock owner(cache, "k", {.lease = 60s, .keep = true});
    owner.lock();
    token = owner.token();
  }
  SyncLock other(cache, "k", {.lease = 1h});
  REQUIRE(other.adopt(token));
  other.renew();
  CHECK(*other.holder()->lease_left > Duration(59min));
  CHECK(*other.holder()->lease_left <= Duration(1h));
  CHECK(other.release() == Release::released);
  CHECK(locks(cache).empty());
}

TEST_CASE_FIXTURE(OneCache, "no other text than its token takes up a grant") {
  SyncLock owner(cache, "k");
  owner.lock();
  const std::string old = owner.token();
  owner.unlock();
  owner.lock();
  SyncLock other(cache, "k");
  const std::string token = owner.token();
  for (const std::string& wrong : {old, std::string(), token + " ", token.substr(1), std::string("-"),
                                   std::to_string(owner.fence()), std::string("k\0", 2)}) {
    CAPTURE(wrong);
    CHECK_FALSE(other.adopt(wrong));
  }
  CHECK(other.release() == Release::not_owner);
  SyncLock elsewhere(cache, "k2");
  CHECK_FALSE(elsewhere.adopt(token));
}

TEST_CASE_FIXTURE(OneCache, "a handle that holds a lock adopts none, and one that adopted may lock anew") {
  SyncLock owner(cache, "k");
  owner.lock();
  CHECK_THROWS_AS(static_cast<void>(owner.adopt(owner.token())), Misuse);
  SyncLock other(cache, "k");
  CHECK(other.adopt(owner.token()));
  CHECK_FALSE(other.try_lock());
  CHECK_FALSE(other.owned());
  owner.unlock();
  CHECK(other.try_lock());
  CHECK(other.owned());
}

TEST_CASE_FIXTURE(OneCache, "an adopted grant guards values as the owner's does") {
  SyncLock owner(cache, "k");
  owner.lock();
  SyncLock other(cache, "k");
  REQUIRE(other.adopt(owner.token()));
  cache.set("v", "1", {.guard = other});
  owner.unlock();
  CHECK_THROWS_AS(cache.set("v", "2", {.guard = other}), LockLost);
  CHECK(cache.get("v") == "1");
}

TEST_CASE("a cache in memory has no proof of life to hand on") {
  Cache cache = Cache::open("memory:");
  CHECK_THROWS_AS(static_cast<void>(proof_of_life(cache)), Unsupported);
}

TEST_SUITE("process") {
  TEST_CASE_FIXTURE(OneCache, "who inherits the proof of life keeps the locks of a killed process held") {
    Worker worker({"shell", path()});
    REQUIRE(worker.line() == "ready");
    REQUIRE(worker.ask("lock k").starts_with("held "));
    const std::string heir = worker.ask("heir");
    REQUIRE(heir.starts_with("heir "));
    worker.kill();
    SyncLock lock(cache, "k");
    CHECK_FALSE(lock.try_lock_for(300ms));
    ::kill(std::stoi(heir.substr(5)), SIGKILL);
    CHECK(lock.try_lock_for(20s));
    CHECK(lock.previous_owner_died());
  }
}
