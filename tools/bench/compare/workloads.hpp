// SPDX-License-Identifier: Apache-2.0
//
// What is measured, of one peer in one process. What it reads and is told is looked at, so that a peer that
// fails without a word is noticed.
#pragma once

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compare/job.hpp"
#include "compare/material.hpp"
#include "compare/peer.hpp"
#include "support.hpp"

namespace bench::compare {

/// What the clock itself takes, which is taken off each call.
[[nodiscard]] std::uint64_t clock_ns();

[[noreturn]] void wrong(const std::string& what);
void expect(bool right, const char* what);

class Workshop {
 public:
  Workshop(const Kind& kind, std::filesystem::path directory);

  Peer& peer() { return *peer_; }
  /// Does a job. Throws if it is unknown, or if an answer is wrong.
  std::vector<Series> run(const Job& job);

 private:
  using Result = std::vector<Series>;
  using Method = Result (Workshop::*)(const Job&);

  Result prepare(const Job& job);
  Result get_hot(const Job& job);
  Result get_cold(const Job& job);
  Result get_miss(const Job& job);
  Result overwrite(const Job& job);
  Result set_new(const Job& job);
  Result add_erase(const Job& job);
  Result batch(const Job& job);
  Result ycsb(const Job& job);
  Result open(const Job& job);
  Result evict(const Job& job);
  Result lock_pair(const Job& job);
  Result mixed(const Job& job);
  Result locks(const Job& job);

  /// Calls `call` with 0, 1, 2 … until there were enough or the time is over. The clock is read once a call.
  template <class Call>
  Series time(std::string work, const Job& job, std::size_t calls, Call call) const;
  void check_value(const Key& key, const std::optional<std::string>& found, const Job& job) const;
  void check_last(const Key& key, std::string_view wanted);
  /// So many stored keys by chance, each as likely as any.
  [[nodiscard]] std::vector<Key> stored_keys(const Job& job, std::size_t count) const;
  std::uint64_t new_numbers(const Job& job, std::size_t count);

  const Kind& kind_;
  const std::filesystem::path directory_;
  const std::uint64_t clock_ns_ = clock_ns();
  std::unique_ptr<Peer> peer_;
  std::uint64_t used_ = 0;  ///< numbers of keys behind the stored ones that are used up
  std::optional<Zipf> zipf_;
  std::size_t zipf_entries_ = 0;
};

template <class Call>
Series Workshop::time(std::string work, const Job& job, std::size_t calls, Call call) const {
  std::vector<std::uint64_t> times;
  times.reserve(calls);
  const std::uint64_t begin = now_ns();
  const std::uint64_t end = begin + static_cast<std::uint64_t>(job.seconds * 1e9);
  for (std::uint64_t last = begin; times.size() < calls && last < end;) {
    call(times.size());
    const std::uint64_t now = now_ns();
    times.push_back(now - last);
    last = now;
  }
  Series series{.work = std::move(work)};
  for (const std::uint64_t ns : times) series.add(ns - std::min(ns, clock_ns_));
  return series;
}

}  // namespace bench::compare
