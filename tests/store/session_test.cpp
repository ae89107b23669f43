// SPDX-License-Identifier: Apache-2.0
#include "store/session.hpp"

#include <csignal>
#include <filesystem>

#include "cache/state.hpp"
#include "dcache/store.hpp"
#include "platform/process.hpp"
#include "support/check.hpp"
#include "support/worker.hpp"

namespace {

std::string session_of(const Cache& cache) { return cache.state()->store().session(); }

Liveness alive(const Cache& cache, std::string_view session) { return cache.state()->store().alive(session); }

/// The parts of a token between its colons.
std::vector<std::string> parts(const std::string& token) {
  std::vector<std::string> all{""};
  for (const char c : token) {
    if (c == ':') {
      all.emplace_back();
    } else {
      all.back() += c;
    }
  }
  return all;
}

std::string joined(const std::vector<std::string>& all) {
  std::string token;
  for (const std::string& part : all) token += (token.empty() ? "" : ":") + part;
  return token;
}

}  // namespace

TEST_CASE_FIXTURE(OneCache, "all Cache objects of one process and directory share a session") {
  Cache second(path());
  CHECK(session_of(cache) == session_of(second));
  CHECK(session_of(cache) == session_of(cache));
  const TempDir elsewhere;
  CHECK(session_of(Cache(elsewhere / "cache")) != session_of(cache));
}

TEST_CASE_FIXTURE(OneCache, "a session ends with the last Cache object, and its name never comes back") {
  std::string first;
  {
    Cache one(path());
    first = session_of(one);
    const Cache closed = std::move(cache);
  }
  Cache again(path());
  CHECK(alive(again, first) == Liveness::dead);
  CHECK(session_of(again) != first);
  CHECK(alive(again, session_of(again)) == Liveness::alive);
}

TEST_CASE_FIXTURE(OneCache, "nothing is dead that cannot be proven dead") {
  const std::string mine = session_of(cache);
  CHECK(alive(cache, "") == Liveness::unknown);
  CHECK(alive(cache, "garbage") == Liveness::unknown);
  CHECK(alive(cache, mine + ":0") == Liveness::unknown);
  CHECK(alive(cache, "2" + mine.substr(1)) == Liveness::unknown);
  std::vector<std::string> part = parts(mine);
  REQUIRE(part.size() == 9);

  // Of another life file, in another pid namespace: nobody can tell.
  std::vector<std::string> foreign = part;
  foreign[4] = "1";
  foreign[6] = "1";
  CHECK(alive(cache, joined(foreign)) == Liveness::unknown);
  // In this one the pid and its start tell: we live, and nobody else has had our number.
  foreign[6] = part[6];
  CHECK(alive(cache, joined(foreign)) == Liveness::alive);
  foreign[8] = "1";
  CHECK(alive(cache, joined(foreign)) == Liveness::dead);
  // Nothing outlives a boot.
  std::vector<std::string> rebooted = part;
  rebooted[5] = "0123456789abcdef0123456789abcdef";
  CHECK(alive(cache, joined(rebooted)) == Liveness::dead);
  // Another nonce in our own life file: nobody holds that byte.
  std::vector<std::string> other = part;
  other[1] = other[1] == "1" ? "2" : "1";
  CHECK(alive(cache, joined(other)) == Liveness::dead);
}

TEST_SUITE("process") {
  TEST_CASE_FIXTURE(OneCache,
                    "another process is alive until it ends, however it ends, and while it is stopped") {
    for (const char* end : {"kill", "exit", "quit"}) {
      CAPTURE(std::string(end));
      Worker worker({"shell", path()});
      worker.line();
      const std::string session = worker.ask("session");
      CHECK(session != session_of(cache));
      CHECK(alive(cache, session) == Liveness::alive);
      worker.signal(SIGSTOP);
      std::this_thread::sleep_for(50ms);
      CHECK(alive(cache, session) == Liveness::alive);
      worker.signal(SIGCONT);
      if (end == std::string("kill")) worker.kill();
      if (end == std::string("exit")) worker.say("exit");
      if (end != std::string("kill")) worker.wait();
      CHECK(alive(cache, session) == Liveness::dead);
    }
  }

  TEST_CASE_FIXTURE(OneCache, "a life file that was removed and made anew proves nobody dead who lives") {
    Worker worker({"shell", path()});
    worker.line();
    const std::string session = worker.ask("session");
    std::filesystem::remove(dir / "cache" / "life");
    Worker late({"shell", path()});
    late.line();
    CHECK(late.ask("session") != session);
    CHECK(alive(cache, session) == Liveness::alive);
    worker.kill();
    CHECK(alive(cache, session) == Liveness::dead);
  }

  TEST_CASE_FIXTURE(OneCache, "a process that can open no more files does not take the living for dead" *
                doctest::skip(kAddressSanitizer)) {
    Worker holder({"shell", path()});
    holder.line();
    REQUIRE(holder.ask("lock report").starts_with("held"));
    const std::vector<std::string> answer = run_worker({"--files=64", "blind", path(), "report"});
    CHECK(answer == std::vector<std::string>{"locked refused"});
    CHECK(holder.ask("owned report") == "yes");
  }
}
