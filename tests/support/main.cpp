// SPDX-License-Identifier: Apache-2.0
//
// The main of every test program: doctest's, except that a filter which matches nothing is a failure, and
// that tests can ask whether they have failed so far.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <atomic>
#include <cstdio>

#include "support/outcome.hpp"

namespace dcache::test {

namespace {

std::atomic<bool> g_failed{false};
unsigned g_cases_run = 0;

struct Watch final : doctest::IReporter {
  explicit Watch(const doctest::ContextOptions&) {}

  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats& stats) override {
    g_cases_run = stats.numTestCasesPassingFilters;
  }
  void test_case_start(const doctest::TestCaseData&) override { g_failed = false; }
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override { g_failed = true; }
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData& assertion) override {
    if (assertion.m_failed) g_failed = true;
  }
  void log_message(const doctest::MessageData& message) override {
    if ((message.m_severity & doctest::assertType::is_warn) == 0) g_failed = true;
  }
  void test_case_skipped(const doctest::TestCaseData&) override {}
};

REGISTER_LISTENER("watch", 1, Watch);

}  // namespace

bool failed_so_far() noexcept { return g_failed; }

}  // namespace dcache::test

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  const int result = context.run();
  if (context.shouldExit()) return result;
  if (result == 0 && dcache::test::g_cases_run == 0) {
    std::fputs("no test case ran: does the filter match anything?\n", stderr);
    return 1;
  }
  return result;
}
