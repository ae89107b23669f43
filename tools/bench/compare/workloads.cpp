// SPDX-License-Identifier: Apache-2.0
#include "compare/workloads.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <span>
#include <stdexcept>
#include <utility>

namespace bench::compare {

namespace {

constexpr std::size_t kHotKeys = 1000;
constexpr std::size_t kBatch = 100;
constexpr std::size_t kFillBatch = 1000;

/// Large stores are filled in the order of their keys, or else those that keep an order would take hours; but
/// every second key first and then the others between them, so that no page is as full as it could be.
std::vector<std::uint64_t> fill_order(std::size_t entries) {
  constexpr std::size_t kMostInNoOrder = 100'000;
  std::vector<std::uint64_t> numbers(entries);
  std::iota(numbers.begin(), numbers.end(), std::uint64_t{0});
  if (entries <= kMostInNoOrder) return numbers;
  std::sort(numbers.begin(), numbers.end(), [](std::uint64_t a, std::uint64_t b) { return mix(a) < mix(b); });
  std::vector<std::uint64_t> order;
  order.reserve(entries);
  for (const std::size_t first : {0U, 1U}) {
    for (std::size_t i = first; i < entries; i += 2) order.push_back(numbers[i]);
  }
  return order;
}

}  // namespace

void wrong(const std::string& what) { throw std::runtime_error("wrong answer: " + what); }

void expect(bool right, const char* what) {
  if (!right) wrong(what);
}

std::uint64_t clock_ns() {
  constexpr std::uint64_t kReads = 1000;
  std::uint64_t least = ~std::uint64_t{0};
  for (int round = 0; round < 20; ++round) {
    const std::uint64_t begin = now_ns();
    std::uint64_t end = begin;
    for (std::uint64_t i = 0; i < kReads; ++i) end = now_ns();
    least = std::min(least, (end - begin) / kReads);
  }
  return least;
}

Workshop::Workshop(const Kind& kind, std::filesystem::path directory)
    : kind_(kind), directory_(std::move(directory)), peer_(kind.open(directory_)) {}

std::vector<Series> Workshop::run(const Job& job) {
  static const std::map<std::string_view, Method> kMethods{
      {"prepare", &Workshop::prepare},     {"get hot", &Workshop::get_hot},
      {"get cold", &Workshop::get_cold},   {"get miss", &Workshop::get_miss},
      {"overwrite", &Workshop::overwrite}, {"set new", &Workshop::set_new},
      {"add erase", &Workshop::add_erase}, {"batch", &Workshop::batch},
      {"ycsb a", &Workshop::ycsb},         {"ycsb b", &Workshop::ycsb},
      {"ycsb c", &Workshop::ycsb},         {"ycsb d", &Workshop::ycsb},
      {"ycsb f", &Workshop::ycsb},         {"open", &Workshop::open},
      {"evict", &Workshop::evict},         {"lock pair", &Workshop::lock_pair},
      {"mixed", &Workshop::mixed},         {"locks", &Workshop::locks}};
  const auto found = kMethods.find(job.work);
  if (found == kMethods.end()) throw std::invalid_argument("unknown work '" + job.work + "'");
  return (this->*found->second)(job);
}

void Workshop::check_value(const Key& key, const std::optional<std::string>& found, const Job& job) const {
  if (!found) wrong("no value for " + key.text);
  if (!belongs_to(*found, key.number, job.value)) wrong("not the value of " + key.text);
}

void Workshop::check_last(const Key& key, std::string_view wanted) {
  const std::optional<std::string> found = peer_->get(key.text);
  if (!found || *found != wanted) wrong("the value written last is not what is read for " + key.text);
}

std::vector<Key> Workshop::stored_keys(const Job& job, std::size_t count) const {
  Random random(job.seed);
  std::vector<std::uint64_t> numbers(count);
  for (std::uint64_t& number : numbers) number = random() % job.entries;
  return keys_of(numbers);
}

std::uint64_t Workshop::new_numbers(const Job& job, std::size_t count) {
  return job.entries + std::exchange(used_, used_ + count);
}

std::vector<Series> Workshop::prepare(const Job& job) {
  Values values(job.value);
  const std::vector<std::uint64_t> numbers = fill_order(job.entries);
  const std::size_t most = std::clamp((std::size_t{8} << 20U) / job.value, std::size_t{1}, kFillBatch);
  for (std::size_t at = 0; at < numbers.size(); at += most) {
    const auto part = std::span(numbers).subspan(at, std::min(most, numbers.size() - at));
    peer_->fill(std::vector<Key>(part.begin(), part.end()), values);
  }
  peer_->settle();
  for (const Key& key : stored_keys(job, kBatch)) check_value(key, peer_->get(key.text), job);
  return {};
}

std::vector<Series> Workshop::get_hot(const Job& job) {
  const std::vector<Key> keys = stored_keys(job, std::min(kHotKeys, job.entries));
  for (const Key& key : keys) check_value(key, peer_->get(key.text), job);
  return {time("get, hot", job, job.calls, [&](std::size_t i) {
    const Key& key = keys[i % keys.size()];
    check_value(key, peer_->get(key.text), job);
  })};
}

std::vector<Series> Workshop::get_cold(const Job& job) {
  Random random(job.seed);
  std::set<std::uint64_t> chosen;
  while (chosen.size() < std::min(job.calls, job.entries / 2)) chosen.insert(random() % job.entries);
  std::vector<std::uint64_t> numbers(chosen.begin(), chosen.end());
  std::shuffle(numbers.begin(), numbers.end(), random);
  const std::vector<Key> keys = keys_of(numbers);
  return {time("get, cold", job, keys.size(),
               [&](std::size_t i) { check_value(keys[i], peer_->get(keys[i].text), job); })};
}

std::vector<Series> Workshop::get_miss(const Job& job) {
  const std::vector<Key> keys = keys_from(kAbsent + job.seed * job.calls, job.calls);
  return {time("get, miss", job, keys.size(), [&](std::size_t i) {
    expect(!peer_->get(keys[i].text), "a value for a key that is not there");
  })};
}

std::vector<Series> Workshop::overwrite(const Job& job) {
  Values values(job.value);
  const std::vector<Key> keys = stored_keys(job, job.calls);
  std::string_view value;
  Series series = time("set, overwrite", job, keys.size(), [&](std::size_t i) {
    value = values.next_of(keys[i].number);
    peer_->set(keys[i].text, value);
  });
  check_last(keys.at(series.calls - 1), value);
  return {std::move(series)};
}

std::vector<Series> Workshop::set_new(const Job& job) {
  Values values(job.value);
  std::vector<Key> keys = keys_from(new_numbers(job, job.calls), job.calls);
  std::string_view value;
  Series set = time("set, new", job, keys.size(), [&](std::size_t i) {
    value = values.next_of(keys[i].number);
    peer_->set(keys[i].text, value);
  });
  check_last(keys.at(set.calls - 1), value);
  keys.erase(keys.begin() + static_cast<std::ptrdiff_t>(set.calls), keys.end());
  // All of them, so that the store is as it was: in no order, and however long it takes.
  std::shuffle(keys.begin(), keys.end(), Random(job.seed));
  Job whole = job;
  whole.seconds = 60;
  Series erase = time("delete", whole, keys.size(),
                      [&](std::size_t i) { expect(peer_->erase(keys[i].text), "nothing there to delete"); });
  expect(!peer_->get(keys.front().text), "a value that was deleted");
  return {std::move(set), std::move(erase)};
}

std::vector<Series> Workshop::add_erase(const Job& job) {
  Values values(job.value);
  const std::vector<Key> keys = keys_from(new_numbers(job, job.calls), job.calls);
  expect(!peer_->add(Key(0).text, values.next_of(0)), "an add in the place of a value");
  return {time("add + delete", job, keys.size(), [&](std::size_t i) {
    expect(peer_->add(keys[i].text, values.next_of(keys[i].number)), "no add where there is nothing");
    expect(peer_->erase(keys[i].text), "nothing there to delete");
  })};
}

std::vector<Series> Workshop::batch(const Job& job) {
  Values values(job.value);
  const std::size_t calls = std::max(job.calls / kBatch, std::size_t{1});
  const std::vector<Key> keys = stored_keys(job, calls * kBatch);
  Series series = time("100 sets in one transaction", job, calls, [&](std::size_t i) {
    peer_->set_all(std::span(keys).subspan(i * kBatch, kBatch), values);
  });
  const Key& last = keys.at(series.calls * kBatch - 1);
  check_value(last, peer_->get(last.text), job);
  return {std::move(series)};
}

std::vector<Series> Workshop::lock_pair(const Job& job) {
  const auto pair = [&](std::size_t) {
    peer_->lock();
    peer_->unlock();
  };
  pair(0);
  return {time("lock + unlock", job, job.calls, pair)};
}

}  // namespace bench::compare
