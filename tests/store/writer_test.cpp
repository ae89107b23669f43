// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/writer.hpp"

#include <atomic>
#include <fstream>
#include <optional>
#include <thread>

#include "platform/process.hpp"
#include "support/check.hpp"
#include "support/threads.hpp"

namespace {

using store::sqlite::WriterSlot;

bool taken_back(WriterSlot& slot) {
  const bool taken = slot.take_back();
  if (taken) slot.release();
  return taken;
}

/// How often this process has read from a file, where the system counts that.
std::optional<std::uint64_t> reads() {
  std::ifstream io("/proc/self/io");
  for (std::string name; io >> name;) {
    std::uint64_t number = 0;
    io >> number;
    if (name == "syscr:") return number;
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("only who had the slot last takes it back") {
  WriterSlot slot;
  CHECK_FALSE(taken_back(slot));
  REQUIRE(slot.acquire(kNoDeadline));
  CHECK_FALSE(slot.take_back());
  slot.release();
  CHECK(slot.take_back());
  CHECK(slot.mine());
  slot.release();
  CHECK_FALSE(slot.mine());
  std::thread([&] {
    CHECK_FALSE(taken_back(slot));
    CHECK(slot.acquire(kNoDeadline));
    slot.release();
  }).join();
  CHECK_FALSE(taken_back(slot));
}

TEST_CASE("nobody takes the slot back from those who wait for it") {
  for (int i = 0; i < 20; ++i) {
    WriterSlot slot;
    REQUIRE(slot.acquire(kNoDeadline));
    std::atomic<std::int64_t> waiter{0};
    std::thread other([&] {
      waiter = platform::tid();
      CHECK(slot.acquire(kNoDeadline));
      slot.release();
    });
    CHECK(eventually([&] { return waiter != 0 && has_state("self/task/" + std::to_string(waiter), 'S'); }));
    slot.release();
    const bool taken = slot.take_back();
    CHECK_FALSE(taken);
    if (taken) slot.release();
    other.join();
  }
}

TEST_CASE("who has no time to wait for writers still waits for a read") {
  const auto written_beside = [](bool reading) {
    WriterSlot slot;
    std::atomic<bool> taken{false};
    std::atomic<bool> trying{false};
    std::atomic<bool> tried{false};
    std::thread other([&] {
      CHECK(slot.acquire(kNoDeadline));
      slot.release();
      CHECK(slot.take_back());
      if (!reading) {
        slot.release();
        CHECK(slot.acquire(kNoDeadline));
      }
      taken = true;
      while (!trying) std::this_thread::yield();
      // Less than a read is waited for.
      eventually([&] { return tried.load(); }, 20ms);
      slot.release();
    });
    while (!taken) std::this_thread::yield();
    trying = true;
    const bool written = slot.acquire(std::chrono::steady_clock::now());
    tried = true;
    if (written) slot.release();
    other.join();
    return written;
  };
  // Any of the threads may be held up, on a slow machine.
  int beside_reads = 0;
  int beside_writes = 0;
  for (int i = 0; i < 10; ++i) {
    beside_reads += written_beside(true) ? 1 : 0;
    beside_writes += written_beside(false) ? 1 : 0;
  }
  CHECK(beside_reads > 5);
  CHECK(beside_writes < 5);
}

TEST_CASE_FIXTURE(OneCache, "who writes reads with what it knows of the database") {
  Cache quiet(path(), {.memory = 0});
  for (int i = 0; i < 1000; ++i) quiet.set("k" + std::to_string(i), "v");
  CHECK(quiet.get("k500") == "v");
  const std::optional<std::uint64_t> before = reads();
  if (!before) return;
  for (int i = 0; i < 100; ++i) {
    quiet.set("k1", "w");
    CHECK(quiet.get("k500") == "v");
  }
  // /proc/self/io itself is read in between.
  CHECK(reads().value() - *before < 20);
}

TEST_CASE_FIXTURE(OneCache, "reads of who wrote last wait for nobody's transaction") {
  Cache uncopied(path(), {.memory = 0});
  uncopied.set("k", "v");
  std::atomic<bool> open{false};
  std::atomic<bool> read{false};
  std::thread writer([&] {
    uncopied.transact([&](Transaction& transaction) {
      transaction.set("k", "w");
      open = true;
      while (!read) std::this_thread::sleep_for(1ms);
    });
  });
  while (!open) std::this_thread::sleep_for(1ms);
  CHECK(uncopied.get("k") == "v");
  read = true;
  writer.join();
  CHECK(uncopied.get("k") == "w");
}
