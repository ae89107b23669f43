// SPDX-License-Identifier: Apache-2.0
//
// The SQLite engine: one database in WAL mode, one writing connection and a pool of reading ones.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "board/board.hpp"
#include "board/generations.hpp"
#include "dcache/error.hpp"
#include "dcache/options.hpp"
#include "dcache/store.hpp"
#include "platform/directory.hpp"
#include "platform/mutex.hpp"
#include "store/copies.hpp"
#include "store/engines.hpp"
#include "store/hash.hpp"
#include "store/session.hpp"
#include "store/sqlite/checkpointer.hpp"
#include "store/sqlite/connection.hpp"
#include "store/sqlite/in_use.hpp"
#include "store/sqlite/row.hpp"
#include "store/sqlite/row_hints.hpp"
#include "store/sqlite/turn.hpp"
#include "store/sqlite/value_files.hpp"
#include "store/sqlite/writer.hpp"

namespace dcache::store::sqlite {

class Lookup;

/// Between two looks at what hardly ever changes, in nanoseconds.
inline constexpr std::int64_t kLookPeriod = 100'000'000;

class SqliteStore final : public Store {
 public:
  SqliteStore(platform::Directory directory, const Options& options, MakeLayout layout);
  ~SqliteStore() override;

  std::optional<std::string> get(std::string_view key) override;
  std::optional<Entry> entry(std::string_view key) override;
  bool contains(std::string_view key) override;
  bool put(std::string_view key, const NewValue& value, Put mode) override;
  bool erase(std::string_view key, const Guard* guard) override;
  void put_from(std::string_view key, const NewValue& value, Source source) override;
  bool get_to(std::string_view key, Sink sink) override;
  std::optional<Entry> pop(std::string_view key, const Guard* guard) override;
  bool replace(std::string_view key, std::string_view expected, const NewValue& desired) override;
  void update(std::string_view key, FunctionRef<Change(const Entry*)> f, const Guard* guard) override;
  std::unique_ptr<Scan> scan(const EntryFilter& filter) override;
  std::vector<std::string> keys(std::string_view low, std::string_view high, Direction direction,
                                std::size_t limit) override;
  std::uint64_t evict(const Tags& tags, Match match, Timestamp start, const OnProgress& on_progress) override;
  std::uint64_t clear(Timestamp start, const OnProgress& on_progress) override;
  std::uint64_t expire() override;
  std::uint64_t cull() override;
  std::uint64_t size() override;
  std::uint64_t bytes() override;
  Settings settings() override;
  void change_settings(FunctionRef<void(Settings&)> change) override;
  Stats stats() override;
  std::vector<std::string> tags() override;
  [[nodiscard]] bool make_way(int tries) override;
  CheckReport check(const CheckOptions& options) override;
  void backup(const std::filesystem::path& file, const BackupOptions& options) override;
  CompactReport compact(const CompactOptions& options) override;

  std::optional<std::string> record(Space space, std::string_view key) override;
  bool add_record(Space space, std::string_view key, FunctionRef<std::string(std::uint64_t)> make,
                  Deadline deadline) override;
  bool erase_record(Space space, std::string_view key, std::string_view expected, Deadline deadline) override;
  void update_record(Space space, std::string_view key,
                     FunctionRef<RecordChange(const std::string*, std::uint64_t)> f,
                     Deadline deadline) override;
  std::vector<Record> records(Space space, const std::optional<std::string>& after,
                              std::size_t limit) override;

  void begin() override;
  void commit() override;
  void rollback() noexcept override;
  [[nodiscard]] bool in_transaction() const noexcept override { return writer_slot_.mine() && depth_ > 0; }

  std::string session() override;
  std::string uuid() override;
  int proof_of_life() override { return session_->proof(); }
  void count(LockCounter counter, std::uint64_t amount) noexcept override;
  [[nodiscard]] std::uint64_t counted(LockCounter counter) noexcept override;
  [[nodiscard]] Liveness alive(std::string_view session) override { return session_->alive(session); }
  [[nodiscard]] std::string command(std::string_view session) override { return Session::command(session); }
  std::optional<std::uint32_t> wake_word(std::uint64_t agent) override;
  void sleep(std::uint64_t agent, std::uint32_t seen, Deadline until) override;
  void wake(std::string_view session, std::uint64_t agent) noexcept override;
  std::optional<std::uint32_t> topic_word(std::string_view topic) override;
  void sleep_on(std::string_view topic, std::uint32_t seen, Deadline until) override;
  void wake_topic(std::string_view topic) noexcept override;
  std::shared_ptr<void> watch(std::string_view session, std::uint64_t agent) override;

 private:
  friend class Read;
  friend class Write;
  friend class PagedScan;
  friend class Check;
  friend class Lookup;

  [[nodiscard]] Deadline deadline_from_now() const;
  [[nodiscard]] std::string file(const char* name) const { return (directory_.path / name).native(); }
  [[nodiscard]] std::string database_path() const { return file("cache.db"); }

  // A database that was removed or replaced under us would still take writes, which nobody would ever see.
  void note_files(Connection& connection);
  [[noreturn]] void throw_replaced() const;
  void check_moved();
  void check_log_sometimes();
  void check_moved_sometimes();

  /// Made at its first use, as it needs the cache's name (waking.cpp).
  const std::shared_ptr<board::Board>& board();

  /// Null before its first use, or where there is none.
  std::shared_ptr<platform::SharedMemory> mapped_board() noexcept;

  /// Null where none are to be used: none are wanted, or the thread has a transaction open.
  Copies* copies();
  void settle_for_the_killed() noexcept;
  void look_at_board() noexcept;
  /// Null where uses are not noted, or nobody has looked yet.
  [[nodiscard]] board::Visits* visits() const noexcept {
    const board::Board* const board = board_if_made_.load(std::memory_order_acquire);
    return board != nullptr ? board->visits() : nullptr;
  }

  /// What of a row to select: all that an entry has, or only id, expires, tags and file.
  enum class Columns { entry, place };
  /// The statement with the row of `key`, if there is one.
  std::optional<Statement> select(Connection& connection, Columns columns, std::string_view key,
                                  const char* doing);
  void note_row(Connection& connection, const RowHints::Hint& hint, std::int64_t id,
                RowHints::By by) noexcept;
  bool read_value(std::string_view key, Entry* head, std::string& bytes, const Sink* sink,
                  Lookup* lookup = nullptr);

  // Says what the open transaction changes, before it commits: copies of it are no good any more.
  void mark(std::string_view key) { stamps_.mark(*board(), hash_of(key)); }
  void mark_all() { stamps_.mark_all(*board()); }

  // Fork (forked.cpp): the connections of a parent live on in its child's memory, and with them SQLite's idea
  // of which locks this process has. They must be gone before the child may open the same database.
  void enlist();
  void leave_list() noexcept;
  // In a child, which has one thread.
  void close_all() noexcept DCACHE_TSA(no_thread_safety_analysis);
  void abandon_all() noexcept DCACHE_TSA(no_thread_safety_analysis);
  static void settle_after_fork(const platform::Directory& directory);
  [[nodiscard]] static bool quiet_at_fork() noexcept;

  [[nodiscard]] bool take_slot(Deadline deadline);
  void free_slot();
  [[noreturn]] void throw_no_turn() const;

  // The writing connection; only who has the slot may call these.
  Connection& writer(Deadline deadline);
  void begin_writing(Deadline deadline, bool to_disk = false);
  void commit_writing();
  void end_writing(bool to_disk = false) noexcept;
  void lower_durability() noexcept;
  void after_commit();
  void call_for_checkpoint(int pages);
  bool others_copy(int pages);
  std::shared_ptr<std::atomic<int>> copied_at() noexcept;
  void checkpoint_early();
  void look_at_spare_sometimes();
  void cover(int pages);
  void trim_log() noexcept;
  void cut_log();

  // Upkeep (backup.cpp, compact.cpp).
  void copy_rows(const std::filesystem::path& to, const OnProgress& on_progress, std::uint64_t total);
  void copy_files(Connection& to, const OnProgress& on_progress, std::uint64_t total);
  void check_room_to_compact();
  void vacuum(const OnProgress& on_progress);
  [[nodiscard]] bool empty_log(const OnProgress& on_progress);
  std::uint64_t bytes_on_disk();

  /// Runs what must work on a full disk, such as a removal: one write transaction or none.
  template <class F>
  auto removing(F f) {
    for (int tries = 0;; ++tries) {
      try {
        return f();
      } catch (const Full&) {
        if (!make_way(tries)) throw;
      }
    }
  }

  // The same for values in parts, on the connection that has a transaction open.
  struct Found {
    std::string key;
    std::int64_t id = 0;
    bool live = false;
    std::string tags;  ///< packed
    std::string file;  ///< packed
  };
  std::optional<Found> find(Connection& connection, std::string_view key, std::int64_t now);
  bool put_row(Connection& connection, std::string_view key, const RowHead& head, std::string_view bytes,
               Put mode);
  bool erase_live_row(Connection& connection, std::string_view key, std::int64_t now);
  bool erase_once(std::string_view key, const Guard* guard);
  std::optional<Entry> pop_once(std::string_view key, const Guard* guard);
  void obey(Connection& connection, const Guard* guard);
  void bind_place(Statement& insert, int at, Connection& connection, std::int64_t now) const;
  static void erase_tags(Connection& connection, std::int64_t id, std::string_view packed_tags);
  void erase_row(Connection& connection, const Found& row);
  void store_row(Connection& connection, std::string_view key, const NewValue& value,
                 std::optional<ValueFiles::Draft> draft, std::int64_t now, const std::optional<Found>& old);

  // Value files and the transaction that refers to them (files.cpp).
  ValueFiles::Draft new_draft();
  std::optional<ValueFiles::Draft> draft_for(std::string_view bytes);
  void sweep_once();
  void add_file(ValueFiles::Draft draft);
  void drop_file(Connection& connection, std::string_view packed);
  void files_before_commit(Connection& connection);
  void files_after_commit() noexcept;
  void files_after_rollback() noexcept;
  void give_up_dead_files();
  void note_as_trash(const std::vector<ValueFiles::InFlight>& dead);
  void sweep_files();
  [[nodiscard]] bool files_held() noexcept;

  // The size limit (limit.cpp).
  const Settings& current_settings(Connection& connection);
  static Settings read_settings(Connection& connection);
  std::uint64_t bytes_used(Connection& connection);
  static std::uint64_t most_entries(Connection& connection);
  std::uint64_t file_bytes(Connection& connection);
  void check_fits(std::uint64_t size);
  void make_room(Connection& connection);
  void sweep_now_and_then(Connection& connection);
  [[nodiscard]] bool goes_by_visits(Connection& connection);
  void note_stored(Connection& connection, std::int64_t id, bool anew);
  bool remove_some(Connection& connection, const Settings& settings, std::uint64_t& removed);

  struct Selected {
    Found row;
    std::int64_t stored = 0;
  };
  [[nodiscard]] bool stored_here(const Selected& row) const;
  std::vector<Selected> candidates(Connection& connection, board::Visits& visits);
  std::vector<Selected> least_used(Connection& connection, const Settings& settings);
  static std::vector<Selected> collect(Connection& connection, Statement& statement);

  /// Where a walk over values to remove has come to.
  struct Walk {
    std::size_t tag = 0;     ///< which of the tags
    std::int64_t after = 0;  ///< id of the last row
  };
  enum class Step { more, done };
  /// Runs `step`, which looks at `rows` rows, in one write transaction after another, so that others get in
  /// between. Returns the sum of what it says it has removed.
  std::uint64_t in_steps(
      FunctionRef<Step(Connection&, Walk& walk, std::int64_t rows, std::uint64_t& removed)> step,
      const OnProgress& on_progress = {});

  bool add_record_once(Space space, std::string_view key, FunctionRef<std::string(std::uint64_t)> make,
                       Deadline deadline);
  bool erase_record_once(Space space, std::string_view key, std::string_view expected, Deadline deadline);
  void update_record_once(Space space, std::string_view key,
                          FunctionRef<RecordChange(const std::string*, std::uint64_t)> f, Deadline deadline);
  void reserve_fences(Deadline deadline);

  const platform::Directory directory_;
  const Options options_;
  std::shared_ptr<Session> session_;
  const ValueFiles files_;
  const std::filesystem::path database_file_;
  std::array<platform::FileId, 3> files_seen_;

  WriterSlot writer_slot_;
  // What follows belongs to whoever has the slot.
  Turn turn_;
  std::unique_ptr<Connection> writer_;
  int depth_ = 0;
  bool doomed_ = false;
  board::Stamps stamps_;
  int checkpoint_after_ = 0;
  Checkpointer::Haste checkpoint_due_ = Checkpointer::Haste::none;
  int spare_pages_ = 0;  ///< of the log, as many as the spare room can take
  int spare_retry_at_ = 0;
  std::int64_t looked_at_spare_ = 0;
  std::int64_t writing_since_ = 0;  ///< wall clock at the begin of the open transaction
  std::vector<ValueFiles::Draft> added_files_;
  std::vector<FileRef> dropped_files_;
  std::vector<FileRef> removed_files_;  ///< gone, but still noted in `trash`
  std::int64_t file_bytes_change_ = 0;
  std::uint32_t puts_ = 0;
  Settings settings_;
  std::optional<std::uint32_t> settings_version_;

  platform::Mutex readers_mutex_;
  std::vector<std::unique_ptr<Connection>> idle_readers_ DCACHE_GUARDED_BY(readers_mutex_);

  RowHints hints_;

  const std::uint64_t fork_generation_;
  /// How many threads are in the middle of something with a connection, a transaction included.
  std::atomic<int> in_use_{0};
  Checkpointer checkpointer_;
  std::atomic<bool> swept_{false};
  std::atomic<std::int64_t> looked_for_move_{0};
  std::atomic<std::int64_t> looked_at_log_{0};
  std::once_flag uuid_read_;
  std::string uuid_;
  std::once_flag board_made_;
  std::shared_ptr<board::Board> board_;
  std::atomic<board::Board*> board_if_made_{nullptr};
  std::once_flag copies_made_;
  std::unique_ptr<Copies> copies_;
  std::atomic<std::uint64_t> hits_{0};
  std::atomic<std::uint64_t> misses_{0};
};

/// A connection to read with: the thread's own transaction if it has one, otherwise mostly one from the pool.
class Read {
 public:
  /// A single row is read with the writing connection if the thread was the last to write and nobody wants
  /// it: SQLite empties the page cache of every other connection at each commit. No write may begin until the
  /// Read is gone.
  enum class Extent { rows, single_row };

  explicit Read(SqliteStore& store, Extent extent = Extent::rows);
  Read(const Read&) = delete;
  Read& operator=(const Read&) = delete;
  ~Read();

  Connection& operator*() noexcept { return *connection_; }
  Connection* operator->() noexcept { return connection_; }

 private:
  SqliteStore& store_;
  std::optional<InUse> using_;
  std::unique_ptr<Connection> borrowed_;
  bool has_slot_ = false;
  Connection* connection_ = nullptr;
};

/// One write transaction, or a part of the thread's open one. Rolls back if it is not committed; a part that
/// fails after it has changed something takes the whole transaction with it. Make it before the statements
/// that it covers: the connection stays this thread's until it goes, and they must be reset before.
class Write {
 public:
  /// With Durability::full the commit survives a power loss, whatever the cache's own durability.
  Write(SqliteStore& store, Deadline deadline, Durability durability = Durability::normal);
  Write(const Write&) = delete;
  Write& operator=(const Write&) = delete;
  ~Write();

  Connection& operator*() noexcept { return *store_.writer_; }
  Connection* operator->() noexcept { return store_.writer_.get(); }

  /// Says that from here on there is something to undo.
  void changing() noexcept { changed_ = true; }
  /// Takes that back: what was tried has changed nothing.
  void nothing_done() noexcept { changed_ = false; }
  void commit();

 private:
  SqliteStore& store_;
  const bool joined_;
  const bool to_disk_;
  bool changed_ = false;
  bool committed_ = false;
};

}  // namespace dcache::store::sqlite
