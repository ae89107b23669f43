// SPDX-License-Identifier: Apache-2.0
//
// What works on both sides of fork(2).
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "dcache/dcache.hpp"
#include "support/worker/worker_program.hpp"

namespace dcache::test {

namespace {

/// What `f` throws, or "fine".
template <class F>
std::string outcome(F&& f) {
  try {
    f();
    return "fine";
  } catch (const Error& error) {
    return describe(error).substr(0, describe(error).find(':'));
  }
}

void wait_for(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  tell("child ended with " +
       std::to_string(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)));
}

/// The parent's objects in the child: refused by name, and nothing of the parent's is let go at its exit.
int inherited(const std::string& directory) {
  Cache cache(directory, {.background_checkpoints = true});
  for (int i = 0; i < 300; ++i) cache.set("key" + std::to_string(i), std::string(16000, 'v'));
  // By then the cache's own thread sleeps. The child does not have it, but what it sleeps on.
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  cache.set("k", "v");
  SyncLock lock(cache, "lock");
  lock.lock();
  const Entries entries = cache.entries();
  const pid_t child = ::fork();
  if (child == 0) {
    tell("get " + outcome([&] { static_cast<void>(cache.get("k")); }));
    tell("set " + outcome([&] { cache.set("k", "child"); }));
    tell("transact " + outcome([&] { cache.transact([](Transaction&) {}); }));
    tell("entries " + outcome([&] { static_cast<void>(entries.begin()); }));
    tell("lock " + outcome([&] { lock.lock(); }));
    tell("release " + outcome([&] { static_cast<void>(lock.release()); }));
    tell("owned " + outcome([&] { static_cast<void>(lock.owned()); }));
    return 0;  // through all destructors
  }
  wait_for(child);
  tell(lock.owned() ? "still owned" : "gone");
  hear();
  tell(lock.release() == Release::released ? "released" : "not released");
  return 0;
}

/// The child opens the directory again, as it should.
int reopened(const std::string& directory) {
  Cache cache(directory, {.background_checkpoints = true});
  // So much that the cache's own thread is at work when the fork comes.
  for (int i = 0; i < 300; ++i) cache.set("key" + std::to_string(i), std::string(16000, 'v'));
  cache.set("parent", "1");
  SyncLock lock(cache, "lock");
  lock.lock();
  const pid_t child = ::fork();
  if (child == 0) {
    Cache own(directory);
    own.set("child", "2");
    SyncLock same(own, "lock");
    SyncLock other(own, "other");
    tell("sees " + own.get("parent").value_or("nothing"));
    tell(same.try_lock() ? "took the parent's lock" : "busy");
    tell(other.try_lock() ? "took its own" : "no lock");
    return 0;
  }
  wait_for(child);
  tell("sees " + cache.get("child").value_or("nothing"));
  tell(lock.owned() ? "still owned" : "gone");
  SyncLock other(cache, "other");
  tell(other.try_lock() ? "the child's lock is free" : "the child's lock is held");
  return 0;
}

/// The parent goes away while the child works with a cache that it has opened itself.
int orphan(const std::string& directory) {
  Cache cache(directory);
  cache.set("parent", "1");
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child != 0) _exit(0);
  Cache own(directory);
  while (::getppid() == parent) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  own.set("child", "0");
  tell("orphan");
  for (int i = 0; const auto line = hear();) {
    if (*line == "work") {
      // Writes without a break, until told otherwise.
      std::atomic<bool> stop{false};
      std::thread writer([&] {
        for (; !stop; ++i) own.set("child" + std::to_string(i), std::to_string(i));
      });
      hear();
      stop = true;
      writer.join();
      tell(std::to_string(i));
    } else {
      tell(own.get(*line).value_or("nothing"));
    }
  }
  return 0;
}

/// A child is forked off while another thread of the parent is in the middle of a transaction.
int amid(const std::string& directory) {
  Cache cache(directory);
  std::atomic<bool> inside{false};
  std::atomic<bool> done{false};
  std::thread writer([&] {
    cache.transact([&](Transaction& transaction) {
      transaction.set("parent", "1");
      inside = true;
      while (!done) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
  });
  while (!inside) std::this_thread::yield();
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string result = outcome([&] {
      Cache own(directory, {.timeout = std::chrono::seconds(3)});
      own.set("child", "2");
    });
    tell("child " + result);
    _exit(0);  // the writing thread does not exist here
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  done = true;
  writer.join();
  wait_for(child);
  tell("sees " + cache.get("child").value_or("nothing"));
  return 0;
}

/// A child that has inherited the parent's locks and does what it is told, whatever becomes of the parent.
/// `waiting`: a thread of the parent is in the queue for the lock, and has not got it.
int outlived(const std::string& directory, bool waiting) {
  Cache cache(directory);
  SyncLock lock(cache, "k", {.timeout = std::chrono::minutes(1), .fair = true});
  std::thread waiter;
  if (waiting) {
    waiter = std::thread([&] {
      lock.lock();
      tell("got it");
    });
    while (locks(cache).at(0).waiters.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    // The thread is asleep by then, and not inside the store: its child could not open it otherwise.
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  } else {
    lock.lock();
  }
  const pid_t child = ::fork();
  if (child == 0) {
    tell("child");
    while (const auto line = hear()) {
      if (*line == "own") {
        bool got = false;
        {
          Cache own(directory);
          got = SyncLock(own, "k").try_lock();
        }
        tell(got ? "took it" : "busy");
      } else if (*line == "exit") {
        break;
      } else {
        tell(outcome([&] { lock.lock(); }));
      }
    }
    _exit(0);  // the waiting thread does not exist here
  }
  if (waiting) waiter.join();
  wait_for(child);
  // What the parent said to be held is held, however the child ended.
  tell(lock.owned() ? "still owned" : "gone");
  return 0;
}

/// Children that come and go while the parent holds.
int first(const std::string& directory) {
  Cache cache(directory);
  SyncLock lock(cache, "k");
  SyncRLock rlock(cache, "r");
  lock.lock();
  rlock.lock();
  for (const std::string_view end : {"return", "exit", "kill"}) {
    const pid_t child = ::fork();
    if (child == 0) {
      if (end == "kill") ::raise(SIGKILL);
      if (end == "exit") std::exit(0);
      return 0;
    }
    wait_for(child);
    tell(lock.owned() && rlock.owned() ? "still owned" : "gone");
    hear();
  }
  return 0;
}

/// All that the parent's handles can be asked, in the child.
int asked(const std::string& directory) {
  Cache cache(directory);
  SyncLock lock(cache, "k", {.lease = std::chrono::minutes(10)});
  SyncRLock rlock(cache, "r");
  lock.lock();
  rlock.lock();
  const pid_t child = ::fork();
  if (child == 0) {
    tell("lock " + outcome([&] { rlock.lock(); }));
    tell("try_lock " + outcome([&] { static_cast<void>(lock.try_lock()); }));
    tell("try_lock_for " + outcome([&] { static_cast<void>(rlock.try_lock_for(std::chrono::seconds(1))); }));
    tell("release " + outcome([&] { static_cast<void>(rlock.release()); }));
    tell("renew " + outcome([&] { lock.renew(); }));
    tell("locked " + outcome([&] { static_cast<void>(lock.locked()); }));
    tell("owned " + outcome([&] { static_cast<void>(rlock.owned()); }));
    tell("holder " + outcome([&] { static_cast<void>(lock.holder()); }));
    tell("locks " + outcome([&] { static_cast<void>(locks(cache)); }));
    tell("clear_lock " + outcome([&] { static_cast<void>(clear_lock(cache, "k")); }));
    tell("guard " + outcome([&] { cache.set("v", "child", {.guard = lock}); }));
    // A guard of the standard library ends in it, and must not take the child along.
    tell("unlock " + outcome([&] { lock.unlock(); }));
    return 0;
  }
  wait_for(child);
  tell(lock.owned() && rlock.owned() ? "still owned" : "gone");
  return 0;
}

/// Leases on both sides are renewed, each by a thread of its own process.
int renewing(const std::string& directory) {
  const auto held_on = [](SyncLock& lock) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    return lock.owned() && !lock.lost();
  };
  const LockOptions options{.lease = std::chrono::milliseconds(900), .renew = true};
  Cache cache(directory);
  SyncLock lock(cache, "k", options);
  lock.lock();
  const pid_t child = ::fork();
  if (child == 0) {
    Cache own(directory);
    SyncLock mine(own, "own", options);
    mine.lock();
    tell(held_on(mine) ? "child holds" : "child lost it");
    tell(mine.release() == Release::released ? "child released" : "child could not release");
    return 0;
  }
  wait_for(child);
  tell(held_on(lock) ? "parent holds" : "parent lost it");
  return 0;
}

}  // namespace

int fork_mode(const Arguments& arguments) {
  const std::string& what = arguments.at(0);
  const std::string& directory = arguments.at(1);
  if (what == "inherited") return inherited(directory);
  if (what == "reopened") return reopened(directory);
  if (what == "orphan") return orphan(directory);
  if (what == "amid") return amid(directory);
  if (what == "outlived") return outlived(directory, false);
  if (what == "waiting") return outlived(directory, true);
  if (what == "first") return first(directory);
  if (what == "asked") return asked(directory);
  if (what == "renewing") return renewing(directory);
  return 64;
}

}  // namespace dcache::test
