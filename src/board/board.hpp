// SPDX-License-Identifier: Apache-2.0
//
// The board of a cache: a small file `board` that all its processes have mapped, with words to sleep on. It
// holds hints only. It is made when first needed and again when it is gone or unfit; where it cannot be had
// (read-only, full disk), there is none, and everything works without.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "board/visits_file.hpp"
#include "platform/directory.hpp"
#include "platform/mutex.hpp"
#include "platform/shared_memory.hpp"

namespace dcache::board {

/// This process's use of the board in one directory. Safe from any thread; of no use in a forked child.
class Board {
 public:
  /// `still_there` tells whether the directory still holds the cache named `uuid`: only then is a board made.
  Board(const std::filesystem::path& directory, std::string uuid, std::function<bool()> still_there);

  /// Which word an agent of a session sleeps on, perhaps together with others.
  using Slot = std::size_t;
  static Slot slot_of(std::string_view session, std::uint64_t agent) noexcept;

  /// The word as it is now; none without a board.
  std::optional<std::uint32_t> word(Slot slot) noexcept;
  /// Sleeps while the word is `seen`, at most until `until`; not at all without a board.
  void sleep(Slot slot, std::uint32_t seen, std::chrono::steady_clock::time_point until) noexcept;
  /// Moves the word, then wakes all who sleep on it.
  void wake(Slot slot) noexcept;

  /// Counters that all processes share, as long as the board stays. Without one nothing is counted, and none
  /// is made for that.
  void add(std::size_t counter, std::uint64_t amount) noexcept;
  /// Makes it `value` if it is less.
  void raise(std::size_t counter, std::uint64_t value) noexcept;
  /// As it is now; 0 if there is no board yet, and none is made.
  std::uint64_t counter(std::size_t counter) noexcept;

  /// Whether there is a board or one could be made. Makes none.
  bool can_be_had() noexcept;

  // For the words that tell whether a copy is still good (generations.hpp).

  struct Mapping {
    std::shared_ptr<platform::SharedMemory> memory;  ///< null without a board; none is made
    std::uint64_t id = 0;                            ///< grows with every file that is mapped
  };
  Mapping mapping() noexcept;
  /// Whether the mapping of this id was found to be the file that all others find, 100 ms ago at most.
  [[nodiscard]] bool is_current(std::uint64_t id) const noexcept;

  /// The board that a writer must mark before it commits, made if need be; to be called in its transaction.
  /// Null if there is none that anybody could go by, and none can be made. Throws IoError if there is one
  /// that this process cannot use.
  std::shared_ptr<platform::SharedMemory> for_writer();
  /// Sleeps until nobody can go by another board than the one that is mapped now.
  void wait_for_others();

  /// Where uses of entries are noted; null where none are. As of the last look at the board.
  [[nodiscard]] Visits* visits() const noexcept { return visits_.load(std::memory_order_acquire); }
  /// The same for a writer that must choose by them: made if need be. Null if it cannot be had.
  Visits* visits_for(Policy policy, std::uint64_t size_limit) noexcept;

  /// Makes a board that may be used at once, in place of whatever is there. For who has just given the cache
  /// its name, so that nobody can have had a board of it before. A failure leaves none.
  void make_first() noexcept;

 private:
  enum class Make { no, yes };
  enum class Found { fit, missing, unfit, unusable };
  enum class Adopted { no, yes };

  std::shared_ptr<platform::SharedMemory> current() noexcept;
  std::shared_ptr<platform::SharedMemory> existing() noexcept;
  bool have(Make make) noexcept DCACHE_REQUIRES(mutex_);
  bool have_existing() noexcept DCACHE_REQUIRES(mutex_);
  bool have_now() noexcept DCACHE_REQUIRES(mutex_);
  void current_until(std::int64_t end) noexcept DCACHE_REQUIRES(mutex_);
  bool find(Make make) DCACHE_REQUIRES(mutex_);
  void forget() noexcept DCACHE_REQUIRES(mutex_);
  Found open() DCACHE_REQUIRES(mutex_);
  [[nodiscard]] bool may_make() const;
  void make(Found instead_of, Adopted adopted = Adopted::no) const;

  const std::filesystem::path directory_;
  const std::filesystem::path path_;
  const std::string uuid_;
  const std::function<bool()> still_there_;
  const std::uint64_t fork_generation_;

  platform::Mutex mutex_;
  std::shared_ptr<platform::SharedMemory> memory_ DCACHE_GUARDED_BY(mutex_);
  platform::FileId mapped_ DCACHE_GUARDED_BY(mutex_);
  std::int64_t look_again_ DCACHE_GUARDED_BY(mutex_) = 0;  ///< of the coarse clock
  std::int64_t look_for_one_ DCACHE_GUARDED_BY(mutex_) = 0;
  Found found_ DCACHE_GUARDED_BY(mutex_) = Found::missing;  ///< by the last look
  std::uint64_t mapping_id_ DCACHE_GUARDED_BY(mutex_) = 0;
  std::int64_t mapped_since_ DCACHE_GUARDED_BY(mutex_) = 0;
  std::int64_t none_since_ DCACHE_GUARDED_BY(mutex_) = 0;
  std::int64_t saw_none_ DCACHE_GUARDED_BY(mutex_) = 0;
  VisitsFile visits_file_ DCACHE_GUARDED_BY(mutex_);
  std::atomic<Visits*> visits_{nullptr};
  std::int64_t try_visits_again_ DCACHE_GUARDED_BY(mutex_) = 0;
  /// The mapping's id and until when it may be gone by, in one word as they belong together.
  std::atomic<std::uint64_t> current_{0};
};

}  // namespace dcache::board
