// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/writer.hpp"

#include <atomic>
#include <fstream>
#include <thread>

#include "support/check.hpp"
#include "support/database.hpp"

namespace {

using store::sqlite::WriterSlot;

bool taken_back(WriterSlot& slot) {
  const bool taken = slot.take_back();
  if (taken) slot.release();
  return taken;
}

/// How often this process has read from a file.
std::uint64_t reads() {
  std::ifstream io("/proc/self/io");
  for (std::string name; io >> name;) {
    std::uint64_t number = 0;
    io >> number;
    if (name == "syscr:") return number;
  }
  throw std::runtime_error("no syscr in /proc/self/io");
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
  constexpr int kTries = 20;
  int taken = 0;
  for (int i = 0; i < kTries; ++i) {
    WriterSlot slot;
    REQUIRE(slot.acquire(kNoDeadline));
    std::thread other([&] {
      CHECK(slot.acquire(kNoDeadline));
      slot.release();
    });
    std::this_thread::sleep_for(2ms);  // by then it waits, unless the machine is slow
    slot.release();
    if (slot.take_back()) {
      ++taken;
      slot.release();
    }
    other.join();
  }
  CHECK(taken <= kTries / 4);
}

TEST_CASE_FIXTURE(OneCache, "who writes reads with what it knows of the database") {
  Cache quiet(path(), {.memory = 0});
  for (int i = 0; i < 1000; ++i) quiet.set("k" + std::to_string(i), "v");
  CHECK(quiet.get("k500") == "v");
  const std::uint64_t before = reads();
  for (int i = 0; i < 100; ++i) {
    quiet.set("k1", "w");
    CHECK(quiet.get("k500") == "v");
  }
  // /proc/self/io itself is read in between.
  CHECK(reads() - before < 20);
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
