// SPDX-License-Identifier: Apache-2.0
#include "board/board.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <exception>
#include <span>
#include <utility>

#include "board/generations.hpp"
#include "board/layout.hpp"
#include "board/new_file.hpp"
#include "dcache/bytes.hpp"
#include "dcache/error.hpp"
#include "platform/atomic.hpp"
#include "platform/clock.hpp"
#include "platform/file.hpp"
#include "platform/fork.hpp"
#include "platform/futex.hpp"
#include "platform/process.hpp"

namespace dcache::board {

namespace {

/// Nanoseconds between two looks whether the mapped file is still the one that others find.
constexpr std::int64_t kLookPeriod = 100'000'000;
/// After which everybody has looked: the coarse clock is some milliseconds late, and differently so.
constexpr std::int64_t kEverybodyLooked = 150'000'000;
/// And between two attempts to get a board.
constexpr std::int64_t kRetryPeriod = 1'000'000'000;

/// Another process may make or replace the file while we open it; it does not go on for ever.
constexpr int kTries = 3;

Header header_for(std::string_view uuid) {
  Header header{.magic = kMagic, .layout = kLayout, .bytes = kBytes};
  std::copy_n(uuid.begin(), std::min(uuid.size(), header.uuid.size()), header.uuid.begin());
  return header;
}

std::uint64_t mixed(std::uint64_t hash, std::uint64_t with) noexcept {
  hash = (hash ^ with) * 0x9E3779B97F4A7C15U;
  return hash ^ (hash >> 32);
}

platform::futex::Word& word_of(const platform::SharedMemory& memory, Board::Slot slot) noexcept {
  return memory.at<platform::futex::Word>(kWordsAt + slot * sizeof(platform::futex::Word));
}

using Counter = std::atomic<std::uint64_t>;
static_assert(Counter::is_always_lock_free);

Counter& counter_of(const platform::SharedMemory& memory, std::size_t counter) noexcept {
  return memory.at<Counter>(kCountersAt + counter % kCounters * sizeof(Counter));
}

/// `current_`: the id in the low bits, the end in milliseconds above.
constexpr unsigned kIdBits = 20;
constexpr std::uint64_t kIdMask = (1U << kIdBits) - 1;

constexpr std::int64_t kMillisecond = 1'000'000;
std::uint64_t in_ms(std::int64_t ns) noexcept { return static_cast<std::uint64_t>(ns / kMillisecond); }

}  // namespace

Board::Board(const std::filesystem::path& directory, std::string uuid, std::function<bool()> still_there)
    : directory_(directory),
      path_(directory / "board"),
      uuid_(std::move(uuid)),
      still_there_(std::move(still_there)),
      fork_generation_(platform::fork_generation()),
      visits_file_(directory, uuid_) {}

// Part of the layout: all processes must agree on it.
Board::Slot Board::slot_of(std::string_view session, std::uint64_t agent) noexcept {
  std::uint64_t hash = mixed(session.size(), agent);
  while (!session.empty()) {
    std::uint64_t part = 0;
    const std::size_t size = std::min(session.size(), sizeof(part));
    std::memcpy(&part, session.data(), size);
    hash = mixed(hash, part);
    session.remove_prefix(size);
  }
  return hash % kWords;
}

std::optional<std::uint32_t> Board::word(Slot slot) noexcept {
  const std::shared_ptr<platform::SharedMemory> memory = current();
  if (memory == nullptr) return std::nullopt;
  return word_of(*memory, slot).load(std::memory_order_acquire);
}

void Board::sleep(Slot slot, std::uint32_t seen, std::chrono::steady_clock::time_point until) noexcept {
  if (const std::shared_ptr<platform::SharedMemory> memory = current()) {
    platform::futex::wait(word_of(*memory, slot), seen, until);
  }
}

void Board::wake(Slot slot) noexcept {
  const std::shared_ptr<platform::SharedMemory> memory = current();
  if (memory == nullptr) return;
  platform::futex::Word& word = word_of(*memory, slot);
  word.fetch_add(1, std::memory_order_release);
  platform::futex::wake_all(word);
}

void Board::add(std::size_t counter, std::uint64_t amount) noexcept {
  if (const std::shared_ptr<platform::SharedMemory> memory = existing()) {
    counter_of(*memory, counter).fetch_add(amount, std::memory_order_relaxed);
  }
}

void Board::raise(std::size_t counter, std::uint64_t value) noexcept {
  if (const std::shared_ptr<platform::SharedMemory> memory = existing()) {
    platform::raise(counter_of(*memory, counter), value);
  }
}

std::uint64_t Board::counter(std::size_t counter) noexcept {
  const std::shared_ptr<platform::SharedMemory> memory = existing();
  return memory != nullptr ? counter_of(*memory, counter).load(std::memory_order_relaxed) : 0;
}

bool Board::can_be_had() noexcept {
  if (fork_generation_ != platform::fork_generation()) return false;
  platform::MutexLock lock(mutex_);
  return have(Make::no);
}

std::shared_ptr<platform::SharedMemory> Board::current() noexcept {
  // In a forked child the mutex may be held by a thread that is not there.
  if (fork_generation_ != platform::fork_generation()) return nullptr;
  platform::MutexLock lock(mutex_);
  return have(Make::yes) ? memory_ : nullptr;
}

/// The board if there is one: looked for ten times a second at most.
std::shared_ptr<platform::SharedMemory> Board::existing() noexcept {
  if (fork_generation_ != platform::fork_generation()) return nullptr;
  platform::MutexLock lock(mutex_);
  return have_existing() ? memory_ : nullptr;
}

bool Board::have_existing() noexcept {
  if (memory_ == nullptr) {
    const std::int64_t now = platform::coarse_monotonic_ns();
    if (now < look_for_one_) return false;
    look_for_one_ = now + kLookPeriod;
  }
  return have(Make::no) && memory_ != nullptr;
}

bool Board::have(Make make) noexcept {
  const std::int64_t now = platform::coarse_monotonic_ns();
  if (now < look_again_) return memory_ != nullptr;
  bool found = false;
  try {
    found = find(make);
  } catch (const std::exception&) {
    // Also for want of memory, or when another has made a directory of it meanwhile.
    forget();
  }
  if (memory_ != nullptr) {
    current_until(now + kLookPeriod);
  } else if (!found) {
    look_again_ = now + kRetryPeriod;
  }
  return found;
}

void Board::current_until(std::int64_t end) noexcept {
  // To the millisecond, as the other: between the two nobody would go by the board, nor look at it again.
  look_again_ = end - end % kMillisecond;
  const std::uint64_t current = still_there_() ? in_ms(end) << kIdBits | (mapping_id_ & kIdMask) : 0;
  current_.store(current, std::memory_order_release);
  try {
    visits_.store(visits_file_.look(), std::memory_order_release);
  } catch (const std::exception&) {
    // What was there stays in use.
  }
}

Visits* Board::visits_for(Policy policy, std::uint64_t size_limit) noexcept {
  const std::size_t slots = Visits::slots_for(policy, size_limit);
  const auto fits = [&](const Visits* visits) { return visits != nullptr && visits->serves(policy, slots); };
  if (Visits* const visits = this->visits(); fits(visits)) return visits;
  platform::MutexLock lock(mutex_);
  const std::int64_t now = platform::coarse_monotonic_ns();
  if (now < try_visits_again_) return nullptr;
  try {
    Visits* const visits = may_make() ? visits_file_.have(policy, slots) : visits_file_.look();
    visits_.store(visits, std::memory_order_release);
    if (fits(visits)) return visits;
  } catch (const std::exception&) {
    // No room for it.
  }
  try_visits_again_ = now + kRetryPeriod;
  return nullptr;
}

/// Whether the board is mapped or, with Make::no, whether it could be.
bool Board::find(Make make) {
  if (memory_ != nullptr && platform::file_info(path_).id == mapped_) return true;
  forget();
  for (int tries = 0; tries < kTries; ++tries) {
    found_ = Found::unusable;  // whatever open() throws
    found_ = open();
    if (found_ == Found::fit) return true;
    if (found_ == Found::unusable || !may_make()) return false;
    if (make == Make::no) return true;
    this->make(found_);
  }
  return false;
}

void Board::forget() noexcept {
  current_.store(0, std::memory_order_release);
  memory_.reset();  // who sleeps on it keeps it
}

Board::Mapping Board::mapping() noexcept {
  if (fork_generation_ != platform::fork_generation()) return {};
  platform::MutexLock lock(mutex_);
  if (!have_existing()) return {};
  return {memory_, mapping_id_ & kIdMask};
}

bool Board::is_current(std::uint64_t id) const noexcept {
  const std::uint64_t current = current_.load(std::memory_order_acquire);
  return (current & kIdMask) == id && in_ms(platform::coarse_monotonic_ns()) < current >> kIdBits;
}

std::shared_ptr<platform::SharedMemory> Board::for_writer() {
  for (;; platform::sleep_for(std::chrono::nanoseconds(kLookPeriod / 2))) {
    platform::MutexLock lock(mutex_);
    if (have(Make::yes) && memory_ != nullptr) return memory_;
    if (have_now()) return memory_;
    // What is no file at all, nobody else can use either.
    if (found_ == Found::unusable && platform::file_info(path_).type == platform::FileType::regular) {
      throw IoError("cannot write: '" + escape(path_.native()) +
                    "' cannot be used, and others that can would go on with old values; give this user "
                    "access to it, upgrade this program, or stop all users of the cache and remove it");
    }
    // In a longer time without a look there may have been one that others still go by.
    const std::int64_t now = platform::coarse_monotonic_ns();
    if (now - saw_none_ > kLookPeriod) none_since_ = now;
    saw_none_ = now;
    if (now - none_since_ >= kEverybodyLooked) return nullptr;
  }
}

/// Making one may not be due again, but whether another has made one is looked at.
bool Board::have_now() noexcept {
  const std::int64_t now = platform::coarse_monotonic_ns();
  try {
    static_cast<void>(find(Make::no));
  } catch (const std::exception&) {
    forget();
  }
  if (memory_ != nullptr) current_until(now + kLookPeriod);
  return memory_ != nullptr;
}

void Board::wait_for_others() {
  std::int64_t left = 0;
  {
    platform::MutexLock lock(mutex_);
    left = mapped_since_ + kEverybodyLooked - platform::coarse_monotonic_ns();
  }
  if (left > 0) platform::sleep_for(std::chrono::nanoseconds(left));
}

void Board::make_first() noexcept {
  try {
    platform::MutexLock lock(mutex_);
    if (may_make()) make(Found::unfit, Adopted::yes);
  } catch (const std::exception&) {
    // Then the first writer makes one.
  }
}

Board::Found Board::open() {
  const platform::ForkClosedFd file(platform::open_private_file(path_, false));
  if (file.get() < 0) {
    const int error = errno;
    if (error == ENOENT) return Found::missing;
    const platform::FileType type = platform::file_info(path_).type;
    // A file that is closed to us may be the board that others go by, unless it is ours to replace.
    const bool replaceable = type == platform::FileType::symlink || type == platform::FileType::other ||
                             (type == platform::FileType::regular && error == EACCES && may_make());
    return replaceable ? Found::unfit : Found::unusable;
  }
  const platform::FileInfo info = platform::file_info(file.get());
  if (info.type != platform::FileType::regular || info.owner != platform::file_info(directory_).owner ||
      info.size < sizeof(Header)) {
    return Found::unfit;
  }
  Header header;
  if (platform::read_descriptor(file.get(), reinterpret_cast<char*>(&header), sizeof(header)) !=
      sizeof(header)) {
    return Found::unfit;
  }
  const Header expected = header_for(uuid_);
  if (header.magic == expected.magic && header.layout > expected.layout) return Found::unusable;
  if (std::memcmp(&header, &expected, sizeof(header)) != 0 || info.size != kBytes) return Found::unfit;
  memory_ = platform::SharedMemory::map(file.get(), kBytes);
  if (memory_ == nullptr) return Found::unusable;
  mapped_ = info.id;
  ++mapping_id_;
  mapped_since_ = platform::coarse_monotonic_ns();
  return Found::fit;
}

bool Board::may_make() const { return still_there_() && may_put_files(directory_); }

void Board::make(Found instead_of, Adopted adopted) const {
  std::string bytes(kBytes, '\0');
  const Header header = header_for(uuid_);
  std::memcpy(bytes.data(), &header, sizeof(header));
  // So that a value read from the board before this one is hardly ever that of its word here.
  platform::random_bytes(std::as_writable_bytes(std::span(bytes).subspan(kWordsAt, kCountersAt - kWordsAt)));
  fill_generations(bytes, adopted == Adopted::yes);
  put_file(path_, bytes, instead_of == Found::missing ? Replace::nothing : Replace::whatever_is_there);
}

}  // namespace dcache::board
