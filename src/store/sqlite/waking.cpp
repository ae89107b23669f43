// SPDX-License-Identifier: Apache-2.0
//
// Waiting for other processes: words to sleep on are on the board of the directory.
#include <exception>

#include "store/sqlite/sqlite_store.hpp"

namespace dcache::store::sqlite {

const std::shared_ptr<board::Board>& SqliteStore::board() {
  std::call_once(board_made_, [this] {
    // Watches may use the board for longer than there is a store.
    auto still_there = [file = database_file_, id = files_seen_[0]] {
      return platform::file_info(file).id == id;
    };
    board_ = std::make_shared<board::Board>(directory_.path, uuid(), std::move(still_there));
    board_if_made_.store(board_.get(), std::memory_order_release);
  });
  return board_;
}

std::shared_ptr<platform::SharedMemory> SqliteStore::mapped_board() noexcept {
  board::Board* const board = board_if_made_.load(std::memory_order_acquire);
  return board != nullptr ? board->mapping().memory : nullptr;
}

Copies* SqliteStore::copies() {
  if (options_.memory == 0 || in_transaction()) return nullptr;
  try {
    std::call_once(copies_made_,
                   [this] { copies_ = std::make_unique<Copies>(board(), own_part(options_.memory)); });
  } catch (const std::exception&) {
    return nullptr;  // the database cannot even tell its name
  }
  return copies_.get();
}

/// A look now and then, for who has no copies that would need one.
void SqliteStore::look_at_board() noexcept {
  if (in_transaction()) return;
  try {
    static_cast<void>(board()->mapping());
  } catch (const std::exception&) {
    // Then nothing is noted there.
  }
}

/// A writer was killed before it could settle what it had marked. Whoever can begin a write may do so, and
/// nothing is written in it.
void SqliteStore::settle_for_the_killed() noexcept {
  try {
    const Write write(*this, std::chrono::steady_clock::now());
    stamps_.mend(*board());
  } catch (const std::exception&) {
    // Others are writing, and will do it; or nobody can, and reads stay as they are.
  }
}

std::optional<std::uint32_t> SqliteStore::wake_word(std::uint64_t agent) {
  return board()->word(board::Board::slot_of(session(), agent));
}

void SqliteStore::sleep(std::uint64_t agent, std::uint32_t seen, Deadline until) {
  board()->sleep(board::Board::slot_of(session(), agent), seen, until);
}

void SqliteStore::wake(std::string_view session, std::uint64_t agent) noexcept {
  try {
    board()->wake(board::Board::slot_of(session, agent));
    if (wakes_any_handle(agent)) board()->wake(board::Board::slot_of(session, kAnyHandle));
  } catch (const std::exception&) {
    // It looks again by itself.
  }
}

// A topic's word is that of the first agent of a session with its name, which no session has.

std::optional<std::uint32_t> SqliteStore::topic_word(std::string_view topic) {
  return board()->word(board::Board::slot_of(topic, 0));
}

void SqliteStore::sleep_on(std::string_view topic, std::uint32_t seen, Deadline until) {
  board()->sleep(board::Board::slot_of(topic, 0), seen, until);
}

void SqliteStore::wake_topic(std::string_view topic) noexcept { wake(topic, 0); }

void SqliteStore::count(LockCounter counter, std::uint64_t amount) noexcept {
  try {
    if (keeps_longest(counter)) {
      board()->raise(static_cast<std::size_t>(counter), amount);
    } else {
      board()->add(static_cast<std::size_t>(counter), amount);
    }
  } catch (const std::exception&) {
    // It is only a count.
  }
}

std::uint64_t SqliteStore::counted(LockCounter counter) noexcept {
  try {
    return board()->counter(static_cast<std::size_t>(counter));
  } catch (const std::exception&) {
    return 0;
  }
}

std::shared_ptr<void> SqliteStore::watch(std::string_view session, std::uint64_t agent) {
  if (!options_.watch_deaths) return nullptr;
  const board::Board::Slot slot = board::Board::slot_of(this->session(), agent);
  if (!board()->word(slot)) return nullptr;
  // Not this store, which may be gone by then.
  std::optional<board::Board::Slot> any;
  if (wakes_any_handle(agent)) any = board::Board::slot_of(this->session(), kAnyHandle);
  return session_->watch(session, [board = board(), slot, any] {
    board->wake(slot);
    if (any) board->wake(*any);
  });
}

}  // namespace dcache::store::sqlite
