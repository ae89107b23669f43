// SPDX-License-Identifier: Apache-2.0
#include "support/witness.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <stdexcept>
#include <unordered_map>
#include <unordered_set>

namespace dcache::test {

namespace {

constexpr std::size_t kHeadBytes = 4096;
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kAlways = std::numeric_limits<std::int64_t>::min();
constexpr std::size_t kMostWrong = 10;

/// A value with its write and its reads.
struct Cluster {
  std::int64_t write_start = kAlways;
  std::int64_t write_end = kNever;
  std::int64_t first_end = kNever;    ///< of all: it was there by then
  std::int64_t last_start = kAlways;  ///< of all: it was there still, or could have been
};

/// For each moment the greatest `what` of those whose `when` was before.
class Latest {
 public:
  void add(std::int64_t when, std::int64_t what) { all_.emplace_back(when, what); }
  void sort() {
    std::sort(all_.begin(), all_.end());
    std::int64_t greatest = kAlways;
    for (auto& [when, what] : all_) what = greatest = std::max(greatest, what);
  }
  [[nodiscard]] std::int64_t before(std::int64_t moment) const {
    const auto at = std::lower_bound(all_.begin(), all_.end(), std::pair(moment, kAlways));
    return at == all_.begin() ? kAlways : std::prev(at)->second;
  }

 private:
  std::vector<std::pair<std::int64_t, std::int64_t>> all_;
};

class Key {
 public:
  Key(std::uint32_t number, Verdict& verdict) : number_(number), verdict_(verdict) {}

  void add(const Did& did) { all_.push_back(&did); }

  void judge(bool removed) {
    gather();
    if (removed) {
      judge_by_ends();
    } else {
      judge_exactly();
    }
  }

 private:
  void wrong(const std::string& what, std::uint64_t value, const Did* read = nullptr) {
    if (verdict_.wrong.size() >= kMostWrong) return;
    std::string text = "key " + std::to_string(number_) + ": " + what + ": " + std::to_string(value);
    if (read != nullptr) text += " read " + std::to_string(read->start) + " to " + std::to_string(read->end);
    verdict_.wrong.push_back(text);
  }

  static std::int64_t end_of(const Did& did) { return did.end == 0 ? kNever : did.end; }

  void gather() {
    std::unordered_set<std::uint64_t> undone;
    std::size_t unknown = 0;
    for (const Did* did : all_) {
      if (did->what == Did::What::undone) undone.insert(did->value);
      if (did->what != Did::What::write) continue;
      ++verdict_.writes;
      if (did->value == 0) {
        ++unknown;
        continue;
      }
      Cluster& cluster = clusters_[did->value];
      if (cluster.write_start != kAlways) wrong("written twice", did->value);
      cluster = {did->start, end_of(*did), end_of(*did), did->start};
    }
    std::unordered_set<std::uint64_t> found;
    for (const Did* did : all_) {
      if (did->what != Did::What::read || did->end == 0) continue;
      ++verdict_.reads;
      if (did->value == 0) continue;
      const auto at = clusters_.find(did->value);
      if (undone.contains(did->value)) wrong("was never committed", did->value, did);
      // A count that somebody was killed over has a value that nobody has told.
      if (at == clusters_.end() && !undone.contains(did->value)) found.insert(did->value);
      Cluster& cluster = clusters_[did->value];
      if (did->end < cluster.write_start) wrong("read before it was written", did->value, did);
      cluster.first_end = std::min(cluster.first_end, did->end);
      cluster.last_start = std::max(cluster.last_start, did->start);
    }
    if (found.size() > unknown) wrong("was never written", *found.begin());
  }

  /// What is written of one value has a zone in which it was certainly there, or one in which it may have
  /// been for a moment.
  void judge_exactly() {
    std::vector<const Cluster*> sure;
    std::vector<const Cluster*> moments;
    for (const auto& [value, cluster] : clusters_) {
      if (cluster.first_end == kNever) continue;  // killed, and never seen
      (cluster.first_end < cluster.last_start ? sure : moments).push_back(&cluster);
    }
    const auto by_first_end = [](const Cluster* a, const Cluster* b) { return a->first_end < b->first_end; };
    std::sort(sure.begin(), sure.end(), by_first_end);
    for (std::size_t i = 1; i < sure.size(); ++i) {
      if (sure[i]->first_end < sure[i - 1]->last_start)
        wrong("seen, then another, then seen again", name(sure[i - 1]));
    }
    for (const Cluster* moment : moments) {
      const auto next = std::upper_bound(
          sure.begin(), sure.end(), moment->last_start,
          [](std::int64_t start, const Cluster* cluster) { return start <= cluster->first_end; });
      if (next != sure.begin() && moment->first_end < (*std::prev(next))->last_start) {
        wrong("seen again when another had been written or seen", name(*std::prev(next)));
      }
    }
    for (const Did* did : all_) {
      // From when the first write is over.
      if (did->what == Did::What::read && did->end != 0 && did->value == 0 &&
          did->start > first_write_end()) {
        wrong("missed", 0, did);
        return;
      }
    }
  }

  [[nodiscard]] std::uint64_t name(const Cluster* of) const {
    for (const auto& [value, cluster] : clusters_) {
      if (&cluster == of) return value;
    }
    return 0;
  }

  std::int64_t first_write_end() {
    if (!first_write_end_) {
      first_write_end_ = kNever;
      for (const auto& [value, cluster] : clusters_) {
        first_write_end_ = std::min(*first_write_end_, cluster.first_end);
      }
    }
    return *first_write_end_;
  }

  void judge_by_ends() {
    Latest starts;      // of what had come to its end
    Latest set_starts;  // of those that were no removals
    Latest removed;     // ends of removals by their starts
    removed.add(kAlways, kAlways + 1);
    for (const auto& [value, cluster] : clusters_) {
      if (cluster.first_end == kNever || cluster.write_start == kAlways) continue;
      starts.add(cluster.first_end, cluster.write_start);
      set_starts.add(cluster.first_end, cluster.write_start);
    }
    for (const Did* did : all_) {
      if (did->what != Did::What::remove) continue;
      ++verdict_.writes;
      removed.add(did->start, end_of(*did));
      if (did->end != 0) starts.add(did->end, did->start);
    }
    starts.sort();
    set_starts.sort();
    removed.sort();
    for (const Did* did : all_) {
      if (did->what != Did::What::read || did->end == 0) continue;
      if (did->value == 0) {
        if (removed.before(did->end) < set_starts.before(did->start)) wrong("missed", 0, did);
      } else if (clusters_[did->value].first_end < starts.before(did->start)) {
        wrong("old", did->value, did);
      }
    }
  }

  const std::uint32_t number_;
  Verdict& verdict_;
  std::vector<const Did*> all_;
  std::unordered_map<std::uint64_t, Cluster> clusters_;
  std::optional<std::int64_t> first_write_end_;
};

}  // namespace

Witness::Witness(const std::filesystem::path& path, std::size_t records) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (records > 0) {
    static_cast<void>(::ftruncate(fd, static_cast<off_t>(kHeadBytes + records * sizeof(Did))));
  }
  struct stat info {};
  if (fd < 0 || ::fstat(fd, &info) != 0) throw std::runtime_error("no file for a witness");
  bytes_ = static_cast<std::size_t>(info.st_size);
  size_ = (bytes_ - kHeadBytes) / sizeof(Did) / kChunk * kChunk;
  void* const memory = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (memory == MAP_FAILED) throw std::runtime_error("no memory for a witness");
  head_ = static_cast<Head*>(memory);
  records_ = reinterpret_cast<Did*>(static_cast<std::byte*>(memory) + kHeadBytes);
}

Witness::~Witness() { ::munmap(head_, bytes_); }

std::span<Did> Witness::take_chunk() noexcept {
  if (head_->stopped) return {};
  const std::uint64_t at = head_->taken.fetch_add(kChunk);
  if (at + kChunk > size_) return {};
  return {records_ + at, kChunk};
}

std::uint64_t Witness::number() noexcept { return ++head_->numbers; }
void Witness::stop() noexcept { head_->stopped = true; }
bool Witness::full() const noexcept { return head_->taken >= size_; }

std::span<const Did> Witness::all() const noexcept { return {records_, size_}; }

Verdict judge(std::span<const Did> all, std::uint32_t keys, std::uint32_t never_removed) {
  Verdict verdict;
  for (std::uint32_t number = 0; number < keys; ++number) {
    Key key(number, verdict);
    for (const Did& did : all) {
      if (did.start == 0 || did.key != number) continue;
      if (did.what == Did::What::read && did.value == kTorn) {
        verdict.wrong.push_back("key " + std::to_string(number) + ": bytes that nobody has written");
      }
      key.add(did);
    }
    key.judge(number >= never_removed);
  }
  return verdict;
}

}  // namespace dcache::test
