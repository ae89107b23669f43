// SPDX-License-Identifier: Apache-2.0
//
// Works of several sorts of calls, of several processes, and those that open or evict.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <thread>

#include "compare/workloads.hpp"

namespace bench::compare {

namespace {

/// Those that began earlier than the others do not count alone.
constexpr std::uint64_t kWarmUpNs = 100'000'000;
constexpr std::size_t kMostOpenings = 50;

void sleep_until(std::uint64_t ns) {
  const std::uint64_t now = now_ns();
  if (ns > now) std::this_thread::sleep_for(std::chrono::nanoseconds(ns - now));
}

/// From when to when what several processes do at once counts.
struct Period {
  explicit Period(const Job& job)
      : begin(std::max(job.begin_ns, now_ns()) + kWarmUpNs),
        end(begin + static_cast<std::uint64_t>(job.seconds * 1e9)) {
    sleep_until(job.begin_ns);
  }
  /// Whether a call that ended at `now` does, even if it began before: a long wait is not left out for that.
  [[nodiscard]] bool counts(std::uint64_t now) const noexcept { return now >= begin; }
  /// It is not over before something has come to its end in it, however slow the disk is.
  [[nodiscard]] bool over(std::uint64_t now, const Series& series) const noexcept {
    return now >= end && series.calls > 0;
  }
  /// How long it was, if it was over at `now`.
  [[nodiscard]] std::uint64_t length(std::uint64_t now) const noexcept { return std::max(now, end) - begin; }
  std::uint64_t begin;
  std::uint64_t end;
};

/// A number in a file that processes share.
class Guarded {
 public:
  explicit Guarded(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    void* memory = fd < 0 ? MAP_FAILED
                          : ::mmap(nullptr, sizeof(std::uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0) ::close(fd);
    if (memory == MAP_FAILED) throw std::runtime_error("cannot map " + path);
    number_ = static_cast<volatile std::uint64_t*>(memory);
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() { ::munmap(const_cast<std::uint64_t*>(number_), sizeof(std::uint64_t)); }

  [[nodiscard]] volatile std::uint64_t& operator*() const noexcept { return *number_; }

 private:
  volatile std::uint64_t* number_;
};

/// One of YCSB's mixes, without its scans.
struct Mix {
  double reads;
  enum class Else { update, insert, modify } else_;
};

Mix mix_of(char name) {
  switch (name) {
    case 'a':
      return {.reads = 0.5, .else_ = Mix::Else::update};
    case 'b':
      return {.reads = 0.95, .else_ = Mix::Else::update};
    case 'd':
      return {.reads = 0.95, .else_ = Mix::Else::insert};
    case 'f':
      return {.reads = 0.5, .else_ = Mix::Else::modify};
    default:
      return {.reads = 1, .else_ = Mix::Else::update};
  }
}

}  // namespace

std::vector<Series> Workshop::ycsb(const Job& job) {
  const Mix mix = mix_of(job.work.back());
  if (zipf_entries_ != job.entries) zipf_.emplace(job.entries);
  zipf_entries_ = job.entries;
  Random random(job.seed);
  Values values(job.value);

  struct Ask {
    bool read;
    Key key;
  };
  std::vector<Ask> steps;
  steps.reserve(job.calls);
  const bool inserts = mix.else_ == Mix::Else::insert;
  const std::uint64_t first = new_numbers(job, inserts ? job.calls : 0);
  std::uint64_t inserted = 0;
  for (std::size_t i = 0; i < job.calls; ++i) {
    const bool read = fraction(random) < mix.reads;
    const std::uint64_t rank = (*zipf_)(random);
    if (!inserts) {
      steps.push_back({read, Key(compare::mix(rank) % job.entries)});
    } else if (!read) {
      steps.push_back({read, Key(first + inserted++)});
    } else {
      // The newest are read most.
      steps.push_back(
          {read, Key(rank < inserted ? first + inserted - 1 - rank : job.entries - 1 - (rank - inserted))});
    }
  }
  const char letter = static_cast<char>(job.work.back() - 'a' + 'A');
  Series series = time(std::string("YCSB ") + letter, job, steps.size(), [&](std::size_t i) {
    const auto& [read, key] = steps[i];
    if (read || mix.else_ == Mix::Else::modify) check_value(key, peer_->get(key.text), job);
    if (!read) peer_->set(key.text, values.next_of(key.number));
  });
  for (std::size_t i = 0; inserts && i < series.calls; ++i) {
    if (!steps[i].read) expect(peer_->erase(steps[i].key.text), "nothing there to delete");
  }
  return {std::move(series)};
}

std::vector<Series> Workshop::open(const Job& job) {
  const std::vector<Key> keys = stored_keys(job, kMostOpenings);
  Series series{.work = "open + get"};
  for (std::size_t i = 0; i < std::min(kMostOpenings, job.calls); ++i) {
    peer_.reset();
    const std::uint64_t begin = now_ns();
    peer_ = kind_.open(directory_);
    const std::optional<std::string> found = peer_->get(keys[i].text);
    series.add(now_ns() - begin);
    check_value(keys[i], found, job);
  }
  return {std::move(series)};
}

std::vector<Series> Workshop::evict(const Job& job) {
  Values values(job.value);
  const std::vector<Key> keys = keys_from(kTagged, job.calls);
  peer_->fill_tagged(keys, values, "tag");
  const std::uint64_t begin = now_ns();
  const std::uint64_t count = peer_->evict("tag");
  const std::uint64_t took = now_ns() - begin;
  expect(count == keys.size(), "not all that have the tag were evicted, or more");
  expect(!peer_->get(keys.front().text), "a value that was evicted");
  return {{.work = "evict by tag, each", .calls = count, .total_ns = took, .longest_ns = took}};
}

std::vector<Series> Workshop::mixed(const Job& job) {
  constexpr std::size_t kSteps = 10'000;
  const std::vector<Key> keys = stored_keys(job, kSteps);
  Random random(job.seed);
  std::vector<double> choices(kSteps);
  for (double& choice : choices) choice = fraction(random);
  Values values(job.value);
  Series series{.work = "mixed 90/9/1"};
  const Period period(job);
  std::uint64_t last = now_ns();
  for (std::size_t i = 0; !period.over(last, series); i = (i + 1) % kSteps) {
    const Key& key = keys[i];
    if (choices[i] < 0.9) {
      // It may be gone at the moment, but it is no other's.
      const std::optional<std::string> found = peer_->get(key.text);
      if (found) check_value(key, found, job);
    } else if (choices[i] < 0.99) {
      peer_->set(key.text, values.next_of(key.number));
    } else {
      peer_->erase(key.text);
    }
    const std::uint64_t now = now_ns();
    if (period.counts(now)) series.add(now - last - std::min(now - last, clock_ns_));
    last = now;
  }
  series.wall_ns = period.length(last);
  return {std::move(series)};
}

std::vector<Series> Workshop::locks(const Job& job) {
  const Guarded guarded(job.guarded);
  Series series{.work = "one lock"};
  const Period period(job);
  std::uint64_t asked = now_ns();
  for (; !period.over(asked, series); asked = now_ns()) {
    peer_->lock();
    const std::uint64_t granted = now_ns();
    const std::uint64_t seen = *guarded;
    while (now_ns() - granted < job.hold_us * 1000) {
    }
    *guarded = seen + 1;
    peer_->unlock();
    ++series.guarded;
    if (period.counts(granted)) series.add(granted - asked);
  }
  series.wall_ns = period.length(asked);
  return {std::move(series)};
}

}  // namespace bench::compare
