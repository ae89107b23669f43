// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "dcache/lock.hpp"
#include "support/check.hpp"

namespace {

std::string refusal(Cache& cache, const LockOptions& options) {
  CHECK_THROWS_AS(SyncRLock(cache, "k", options), InvalidArgument);
  return thrown<InvalidArgument>([&] { SyncLock lock(cache, "k", options); });
}

}  // namespace

TEST_CASE_FIXTURE(OneCache, "a negative timeout is refused; 0, for ever and very long are not") {
  CHECK(has(refusal(cache, {.timeout = -1ns}), "timeout"));
  CHECK(has(refusal(cache, {.timeout = std::chrono::hours::min()}), "'k'"));
  for (const Duration timeout :
       {Duration(0s), forever, Duration(std::chrono::hours::max()), Duration(100000h)}) {
    SyncLock lock(cache, "k", {.timeout = timeout});
    lock.lock();
    lock.unlock();
  }
  CHECK_THROWS_AS(SyncLock(cache, "k", {.timeout = std::chrono::duration<double>(std::nan(""))}),
                  InvalidArgument);
}

TEST_CASE_FIXTURE(OneCache, "a lease of 0 or less is refused; one without end is none") {
  CHECK(has(refusal(cache, {.lease = 0s}), "lease"));
  CHECK(has(refusal(cache, {.lease = -1h}), "lease"));
  SyncLock endless(cache, "k", {.lease = forever});
  endless.lock();
  CHECK(endless.holder()->lease_left == std::nullopt);
  endless.unlock();
  SyncLock tiny(cache, "k", {.lease = 1ns});
  tiny.lock();
  CHECK(eventually([&] { return !tiny.locked(); }));
  CHECK(tiny.release() == Release::released);
  // Very long ones do not overflow.
  SyncLock longest(cache, "k", {.lease = std::chrono::nanoseconds::max() - 1ns});
  longest.lock();
  CHECK(longest.owned());
  CHECK(longest.holder()->lease_left > Duration(std::chrono::years(200)));
}

TEST_CASE_FIXTURE(OneCache, "a backoff needs 0 < base <= cap") {
  CHECK(has(refusal(cache, {.backoff = {.base = 0s}}), "backoff"));
  CHECK(has(refusal(cache, {.backoff = {.base = -1s}}), "backoff"));
  CHECK(has(refusal(cache, {.backoff = {.base = 2s, .cap = 1s}}), "backoff"));
  CHECK_NOTHROW(SyncLock(cache, "k", {.backoff = {.base = 1s, .cap = 1s}}));
}

TEST_CASE_FIXTURE(OneCache, "a label has at most 256 bytes of valid UTF-8") {
  CHECK(has(refusal(cache, {.label = std::string(257, 'l')}), "257"));
  CHECK(has(refusal(cache, {.label = "bad \xFF"}), "\\xff"));
  SyncLock lock(cache, "k", {.label = std::string(256, 'l')});
  lock.lock();
  CHECK(lock.holder()->label.size() == 256);
}

TEST_CASE_FIXTURE(OneCache, "hostile labels, tags and keys are stored and read back, and can be released") {
  for (const std::string& text : {std::string("\"}],\"holders\":[{"), std::string("\x01\x1b[31m\n"),
                                  std::string("nul\0", 4), std::string("\\\\"), std::string("世界 \u202E")}) {
    CAPTURE(text);
    SyncLock lock(cache, text, {.tags = {text, "t"}, .label = text});
    lock.lock();
    const LockInfo info = locks(cache).at(0);
    CHECK(info.key == text);
    CHECK(info.holders.at(0).label == text);
    CHECK(info.holders.at(0).tags.size() == 2);
    CHECK(lock.owned());
    CHECK(lock.release() == Release::released);
  }
}

TEST_CASE_FIXTURE(OneCache, "tags obey the limits of values' tags and must be UTF-8") {
  CHECK(has(refusal(cache, {.tags = ""}), "empty"));
  CHECK(has(refusal(cache, {.tags = std::string(257, 't')}), "257"));
  CHECK(has(refusal(cache, {.tags = "\xFF"}), "\\xff"));
  std::vector<std::string> many;
  for (int i = 0; i < 65; ++i) many.push_back(std::to_string(i));
  CHECK(has(refusal(cache, {.tags = many}), "65"));
}

TEST_CASE_FIXTURE(OneCache, "a key of 4097 bytes is refused, one of 4096 of any bytes is a lock") {
  CHECK_THROWS_AS(SyncLock(cache, std::string(4097, 'k')), InvalidArgument);
  CHECK_THROWS_AS(static_cast<void>(clear_lock(cache, std::string(4097, 'k'))), InvalidArgument);
  SyncLock lock(cache, std::string(4096, '\xFF'));
  SyncLock rival(cache, std::string(4096, '\xFF'));
  lock.lock();
  CHECK_FALSE(rival.try_lock());
  lock.unlock();
}
