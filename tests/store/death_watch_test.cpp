// SPDX-License-Identifier: Apache-2.0
#include "store/death_watch.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <vector>

#include "cache/state.hpp"
#include "dcache/store.hpp"
#include "platform/byte_lock.hpp"
#include "platform/directory.hpp"
#include "support/check.hpp"
#include "support/threads.hpp"
#include "support/worker.hpp"

namespace fs = std::filesystem;

namespace {

using platform::ForkClosedFd;
using store::DeathWatch;
using Clock = std::chrono::steady_clock;

/// A `life` file, and sessions in it that end when they are told.
struct Life {
  TempDir dir;
  const std::shared_ptr<ForkClosedFd> file = open();

  [[nodiscard]] std::shared_ptr<ForkClosedFd> open() const {
    return std::make_shared<ForkClosedFd>(platform::open_private_file(dir / "life", true));
  }
  /// Lives until it is reset.
  [[nodiscard]] std::shared_ptr<ForkClosedFd> session(std::uint64_t byte) const {
    auto held = open();
    REQUIRE(platform::lock_byte(held->get(), byte));
    return held;
  }
};

Store& store_of(const Cache& cache) { return cache.state()->store(); }

/// Whether the agent's word moves away from `word` in time.
bool woken(Store& store, std::uint64_t agent, std::optional<std::uint32_t> word,
           std::chrono::milliseconds limit = 10s) {
  const auto until = Clock::now() + limit;
  while (store.wake_word(agent) == word && Clock::now() < until) store.sleep(agent, word.value(), until);
  return store.wake_word(agent) != word;
}

/// Another process with a session.
struct Other {
  explicit Other(const std::string& path) : worker({"shell", path}) {
    worker.line();
    REQUIRE(worker.ask("lock k").starts_with("held"));
    session = worker.ask("session");
  }

  Worker worker;
  std::string session;
};

}  // namespace

TEST_CASE_FIXTURE(Life, "the end of a session wakes once all who watch it, and nobody else") {
  DeathWatch watch;
  std::array<std::atomic<int>, 3> woken{};
  auto one = session(100);
  const auto other = session(101);
  const auto first = watch.watch(file, 100, [&] { ++woken[0]; });
  const auto second = watch.watch(file, 100, [&] { ++woken[1]; });
  const auto third = watch.watch(file, 101, [&] { ++woken[2]; });
  REQUIRE(first != nullptr);
  REQUIRE(second != nullptr);
  REQUIRE(third != nullptr);
  std::this_thread::sleep_for(20ms);
  CHECK(woken[0] + woken[1] + woken[2] == 0);
  one.reset();
  CHECK(eventually([&] { return woken[0] == 1 && woken[1] == 1; }));
  CHECK(woken[2] == 0);
  CHECK(platform::probe_byte(file->get(), 101) == platform::ByteState::locked);
}

TEST_CASE_FIXTURE(Life, "a watch for a session that is dead wakes in that call, and makes no thread") {
  DeathWatch watch;
  const auto before = thread_count();
  int woken = 0;
  CHECK(watch.watch(file, 100, [&] { ++woken; }) != nullptr);
  CHECK(woken == 1);
  CHECK(thread_count() == before);
}

TEST_CASE_FIXTURE(Life, "others who wait for the same byte, each in its own way, hold up nobody") {
  std::array<DeathWatch, 4> watches;
  std::array<std::shared_ptr<void>, 4> kept;
  std::atomic<int> woken{0};
  auto one = session(100);
  for (std::size_t i = 0; i < watches.size(); ++i) kept[i] = watches[i].watch(open(), 100, [&] { ++woken; });
  std::this_thread::sleep_for(20ms);
  const auto reader = open();
  one.reset();
  CHECK(eventually([&] { return woken == 4; }));
  CHECK(platform::lock_byte(reader->get(), 100));  // nobody kept anything
}

TEST_CASE_FIXTURE(Life, "who no longer watches is not woken") {
  DeathWatch watch;
  std::atomic<int> woken{0};
  std::atomic<int> still{0};
  auto one = session(100);
  auto gone = watch.watch(file, 100, [&] { ++woken; });
  const auto kept = watch.watch(file, 100, [&] { ++still; });
  gone.reset();
  one.reset();
  CHECK(eventually([&] { return still == 1; }));
  CHECK(woken == 0);
}

TEST_CASE_FIXTURE(Life, "watches of one session share a thread, which is kept for the next") {
  DeathWatch watch;
  const auto before = thread_count();
  std::atomic<int> woken{0};
  auto one = session(100);
  for (int i = 0; i < 5; ++i) {
    const auto first = watch.watch(file, 100, [] {});
    const auto second = watch.watch(file, 100, [] {});
    CHECK(thread_count() == before + 1);
  }
  CHECK(thread_count() == before + 1);
  const auto kept = watch.watch(file, 100, [&] { ++woken; });
  one.reset();
  CHECK(eventually([&] { return woken == 1; }));
}

TEST_CASE_FIXTURE(Life, "a few idle threads are kept, all in use are, and none is left at the end") {
  const auto before = thread_count();
  const auto idle = static_cast<std::ptrdiff_t>(DeathWatch::kIdleThreads);
  std::vector<std::shared_ptr<ForkClosedFd>> sessions;
  for (std::uint64_t byte = 0; byte < 20; ++byte) sessions.push_back(session(byte));
  std::vector<std::shared_ptr<void>> kept;
  {
    DeathWatch watch;
    std::atomic<int> woken{0};
    for (std::uint64_t byte = 0; byte < 20; ++byte) kept.push_back(watch.watch(file, byte, [&] { ++woken; }));
    CHECK(thread_count() == before + 20);
    for (std::size_t i = 0; i < 15; ++i) kept[i].reset();
    CHECK(eventually([&] { return thread_count() == before + 5 + idle; }));
    // The oldest of them went: those that were let go last are still there.
    for (std::uint64_t byte = 14; byte >= 7; --byte) kept[byte] = watch.watch(file, byte, [&] { ++woken; });
    CHECK(thread_count() == before + 5 + idle);
    // The end of a session that nobody watches just now ends its thread too.
    kept[14].reset();
    sessions[14].reset();
    CHECK(eventually([&] { return thread_count() == before + 5 + idle - 1; }));
    CHECK(woken == 0);
    sessions[19].reset();
    CHECK(eventually([&] { return woken == 1; }));
  }
  CHECK(eventually([&] { return thread_count() == before; }));
  kept.clear();  // after the watch, which is no harm
}

TEST_CASE_FIXTURE(Life, "watching, letting go and dying at the same time wake whoever still watches") {
  DeathWatch watch;
  constexpr std::uint64_t kSessions = 40;
  for (int round = 0; round < rounds(3); ++round) {
    std::vector<std::shared_ptr<ForkClosedFd>> sessions;
    for (std::uint64_t byte = 0; byte < kSessions; ++byte) sessions.push_back(session(byte));
    std::vector<std::thread> watchers;
    std::atomic<int> missed{0};
    for (int i = 0; i < 3; ++i) {
      watchers.emplace_back([&] {
        for (std::uint64_t byte = 0; byte < kSessions; ++byte) {
          auto woken = std::make_shared<std::atomic<bool>>(false);
          for (int again = 0; again < 3; ++again) {
            static_cast<void>(watch.watch(file, byte, [] {}));
          }
          const auto kept = watch.watch(file, byte, [woken] { *woken = true; });
          if (!eventually([&] { return woken->load(); })) ++missed;
        }
      });
    }
    for (auto& one : sessions) {
      one.reset();
      std::this_thread::sleep_for(500us);
    }
    for (std::thread& watcher : watchers) watcher.join();
    CHECK(missed == 0);
  }
}

TEST_SUITE("process") {
  TEST_CASE_FIXTURE(OneCache,
                    "a killed process wakes all agents that watch it, and who sleeps for all handles") {
    Store& store = store_of(cache);
    Other other(path());
    const auto handle = store.wake_word(3);
    const auto any_handle = store.wake_word(kAnyHandle);
    const auto thread = store.wake_word(2);
    REQUIRE(handle.has_value());
    const auto watch = store.watch(other.session, 3);
    const auto same = store.watch(other.session, 2);
    REQUIRE(watch != nullptr);
    REQUIRE(same != nullptr);
    // Stopped is not dead.
    other.worker.signal(SIGSTOP);
    CHECK_FALSE(woken(store, 3, handle, 50ms));
    other.worker.kill();
    CHECK(woken(store, 3, handle));
    CHECK(woken(store, 2, thread));
    CHECK(woken(store, kAnyHandle, any_handle));
    CHECK(store.alive(other.session) == Liveness::dead);
  }

  TEST_CASE_FIXTURE(OneCache, "a process that is dead already wakes at once, through any Cache object") {
    Other other(path());
    other.worker.kill();
    Cache second(path());
    for (const Cache* one : {&cache, &second}) {
      Store& store = store_of(*one);
      const auto word = store.wake_word(1);
      CHECK(store.watch(other.session, 1) != nullptr);
      CHECK(store.wake_word(1) == *word + 1);
    }
  }

  TEST_CASE_FIXTURE(OneCache, "a watch may outlive the cache, and one that was let go wakes nobody") {
    Other other(path());
    auto kept = store_of(cache).watch(other.session, 1);
    auto let_go = store_of(cache).watch(other.session, 2);
    REQUIRE(kept != nullptr);
    const auto word = store_of(cache).wake_word(2);
    let_go.reset();
    {
      // The session goes on, the board of this Cache object with it.
      Cache second(path());
      { const Cache closed = std::move(cache); }
      other.worker.kill();
      std::this_thread::sleep_for(50ms);
      CHECK(store_of(second).wake_word(2) == word);
    }
    kept.reset();
  }

  TEST_CASE_FIXTURE(OneCache, "what the kernel cannot tell, or nobody wants to know, is not watched") {
    Other other(path());
    Cache blind(path(), {.watch_deaths = false});
    CHECK(store_of(blind).watch(other.session, 1) == nullptr);
    const Cache elsewhere(dir / "elsewhere");
    CHECK(store_of(elsewhere).watch(other.session, 1) == nullptr);
    CHECK(store_of(cache).watch(store_of(blind).session(), 1) == nullptr);  // ourselves
    fs::create_directory(dir / "no");
    Cache without(dir / "no");
    fs::remove(dir / "no" / "board");
    fs::create_directory(dir / "no" / "board");
    Other there((dir / "no").native());
    CHECK(store_of(without).watch(there.session, 1) == nullptr);
  }

  TEST_CASE_FIXTURE(OneCache, "a forked child forgets the watches of its parent, whose go on") {
    Store& store = store_of(cache);
    Other other(path());
    const auto word = store.wake_word(1);
    auto watch = store.watch(other.session, 1);
    REQUIRE(watch != nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      watch.reset();
      { const Cache closed = std::move(cache); }
      ::_exit(0);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
    CHECK(store.wake_word(1) == word);
    other.worker.kill();
    CHECK(woken(store, 1, word));
  }
}
