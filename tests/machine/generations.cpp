// SPDX-License-Identifier: Apache-2.0
#include "machine/generations.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace dcache::test {

namespace traffic {

namespace {

using Byte = std::uint8_t;

constexpr std::size_t kWriters = 3;
constexpr std::size_t kReaders = 2;
constexpr Byte kUncommitted = 99;  ///< no version that the database ever had

/// The steps of a transaction, in the order in which they are done right. What nobody else can see, or what
/// may as well happen together with the next step, is no step of its own.
enum class Write : Byte {
  idle,
  clear_word,  ///< of killed writers
  clear_all,
  announce,  ///< that there may be odd words
  mark,
  commit,
  settle,
  withdraw,
};

/// A read that finds its copy outdated is as one that begins later, without a copy.
enum class Look : Byte { idle, all, ask_word, read, keep };

struct Writer {
  Write at = Write::idle;
  Byte left = 0;
  Byte stamp = 0;
  Byte version = 0;  ///< that it has committed
  bool bulk = false;
  bool mends = false;
  bool ended = false;  ///< committed or rolled back

  [[nodiscard]] bool locks() const { return at != Write::idle && !ended; }
};

struct Reader {
  Look at = Look::idle;
  Byte need = 0;  ///< the oldest version that it may answer
  Byte word = 0;
  Byte all = 0;
  Byte version = 0;
  // The copy.
  bool has = false;
  Byte copy_word = 0;
  Byte copy_all = 0;
  Byte copy_version = 0;
};

struct World {
  Byte version = 0;  ///< committed
  Byte word = 2;
  Byte all = 2;
  Byte next = 3;
  Byte unsettled = 0;
  Byte floor = 0;  ///< the newest version that somebody knows of for sure
  Byte kills = 0;
  std::array<Writer, kWriters> writers{};
  std::array<Reader, kReaders> readers{};
};
static_assert(std::is_trivially_copyable_v<World> && alignof(World) == 1);

bool steady(Byte word) { return word % 2 == 0; }

template <class T, std::size_t n>
void sort(std::array<T, n>& all) {
  std::sort(all.begin(), all.end(),
            [](const T& a, const T& b) { return std::memcmp(&a, &b, sizeof(T)) < 0; });
}

class Search {
 public:
  explicit Search(const Traffic& traffic) : traffic_(traffic) {}

  Traffics run() {
    World first;
    first.kills = static_cast<Byte>(traffic_.kills);
    for (unsigned i = 0; i < traffic_.writers; ++i) {
      first.writers[i].left = static_cast<Byte>(traffic_.writes);
    }
    now_ = ~0U;
    emit(first, "");
    for (now_ = 0; now_ < states_.size() && wrong_.empty(); ++now_) {
      world_ = states_[now_];
      for (std::size_t i = 0; i < kWriters; ++i) steps_of_writer(i);
      for (std::size_t i = 0; i < traffic_.readers; ++i) steps_of_reader(i);
      look_at_end();
    }
    Traffics found{.states = states_.size(), .settles = settles_, .wrong = {}};
    if (!wrong_.empty()) found.wrong = wrong_ + ":" + trace();
    return found;
  }

 private:
  static constexpr std::uint32_t kNone = ~0U;

  [[nodiscard]] bool is(Fault fault) const { return traffic_.fault == fault; }

  void wrong(const char* what) {
    if (wrong_.empty()) wrong_ = what;
  }

  void settle(Byte& word, Byte stamp) const {
    if (is(Fault::settle_by_store) || word == stamp) word = static_cast<Byte>(stamp + 1);
  }
  static void settle_whatever(Byte& word) {
    if (!steady(word)) ++word;
  }

  void steps_of_writer(std::size_t i) {
    const Writer& old = world_.writers[i];
    if (old.at == Write::idle) return begin(i);
    if (world_.kills > 0) {
      World next = world_;
      if (next.kills != kAnyNumber) --next.kills;
      over(next.writers[i]);
      emit(next, "a writer is killed");
    }
    World next = world_;
    Writer& writer = next.writers[i];
    switch (old.at) {
      case Write::idle:
        return;
      case Write::clear_word:
        settle_whatever(next.word);
        writer.at = Write::clear_all;
        return emit(next, "settles the word of whoever was killed");
      case Write::clear_all:
        settle_whatever(next.all);
        writer.at = Write::announce;
        return emit(next, "settles the word for all of whoever was killed");
      case Write::announce:
        announce(next, writer);
        return emit(next, "announces its stamp");
      case Write::mark:
        mark(next, writer);
        writer.at = writer.ended || is(Fault::settle_before_commit) ? Write::settle : Write::commit;
        return emit(next, "marks");
      case Write::commit:
        if (is(Fault::keep_uncommitted) && !old.mends) keep_uncommitted();
        writer.ended = true;
        writer.at = is(Fault::settle_before_commit) ? Write::withdraw
                    : is(Fault::mark_after_commit)  ? Write::mark
                                                    : Write::settle;
        emit(next, "rolls back");
        if (old.mends) return;
        writer.version = ++next.version;
        return emit(next, "commits");
      case Write::settle:
        if (!old.mends) settle_own(old.bulk ? next.all : next.word, writer);
        writer.at = writer.ended ? Write::withdraw : Write::commit;
        return emit(next, "settles");
      case Write::withdraw:
        if (is(Fault::stamp_again)) next.next = std::max(next.next, static_cast<Byte>(writer.stamp + 2));
        if (next.unsettled == writer.stamp) next.unsettled = 0;
        next.floor = std::max(next.floor, writer.version);
        over(writer);
        return emit(next, "is done");
    }
  }

  void begin(std::size_t i) {
    const bool odd = !(steady(world_.word) && steady(world_.all));
    if (is(Fault::settle_without_lock) && odd) {
      World next = world_;
      settle_whatever(next.word);
      settle_whatever(next.all);
      emit(next, "settles without the lock");
    }
    const bool locked = std::any_of(world_.writers.begin(), world_.writers.end(),
                                    [](const Writer& writer) { return writer.locks(); });
    if (world_.writers[i].left == 0 || locked) return;
    const bool clears = world_.unsettled != 0 && !is(Fault::mark_without_clearing);
    const auto emit_begun = [&](bool bulk, bool mends, const char* words) {
      World next = world_;
      Writer& writer = next.writers[i];
      writer.bulk = bulk;
      writer.mends = mends;
      writer.stamp = next.next;
      if (!is(Fault::stamp_again)) next.next = static_cast<Byte>(next.next + 2);
      writer.at = Write::clear_word;
      if (!clears) announce(next, writer);
      emit(next, words);
    };
    emit_begun(false, false, "begins a write");
    if (traffic_.bulk) emit_begun(true, false, "begins a bulk write");
    if (traffic_.mends && odd) emit_begun(false, true, "begins to settle what is odd");
  }

  void announce(World& world, Writer& writer) const {
    world.unsettled = writer.stamp;
    if (writer.mends) {
      settle_whatever(world.word);
      settle_whatever(world.all);
    }
    writer.at = is(Fault::mark_after_commit) || writer.mends ? Write::commit : Write::mark;
  }

  /// It ended or was killed; another may come.
  static void over(Writer& writer) {
    writer = {.left = writer.left == kAnyNumber ? writer.left : static_cast<Byte>(writer.left - 1)};
  }

  void mark(World& world, const Writer& writer) const {
    Byte& word = writer.bulk ? world.all : world.word;
    word = is(Fault::count) ? static_cast<Byte>(word + 1) : writer.stamp;
  }

  void settle_own(Byte& word, const Writer& writer) const {
    if (is(Fault::count)) {
      ++word;
    } else {
      settle(word, writer.stamp);
    }
  }

  /// As a reader of the same process would then find it.
  void keep_uncommitted() {
    World next = world_;
    Reader& reader = next.readers[0];
    reader.has = true;
    reader.copy_word = next.word;
    reader.copy_all = next.all;
    reader.copy_version = kUncommitted;
    emit(next, "keeps what it has not committed");
  }

  void steps_of_reader(std::size_t i) {
    World next = world_;
    Reader& reader = next.readers[i];
    switch (reader.at) {
      case Look::idle:
        if (reader.has && reader.copy_word == next.word) {
          reader.need = next.floor;
          reader.at = Look::all;
          emit(next, "finds the word of its copy unchanged");
        }
        return is(Fault::keep_older_snapshot) ? read(i) : ask_all(i);
      case Look::all:
        if (reader.copy_all != next.all && !is(Fault::ignore_all)) {
          forget_look(reader);
          return emit(next, "finds the word for all changed");
        }
        return answer(next, i, reader.copy_version, "answers from its copy");
      case Look::ask_word:
        reader.word = next.word;
        reader.at = is(Fault::keep_older_snapshot) ? Look::keep : Look::read;
        return emit(next, "loads the word");
      case Look::read:
        return is(Fault::keep_older_snapshot) ? ask_all(i) : read(i);
      case Look::keep:
        return keep(next, i);
    }
  }

  void ask_all(std::size_t i) {
    World next = world_;
    next.readers[i].all = next.all;
    next.readers[i].at = Look::ask_word;
    emit(next, "loads the word for all");
  }

  void read(std::size_t i) {
    World next = world_;
    Reader& reader = next.readers[i];
    reader.version = next.version;
    if (is(Fault::keep_older_snapshot) || is(Fault::keep_under_later_word)) {
      reader.at = is(Fault::keep_older_snapshot) ? Look::read : Look::keep;
      return emit(next, "reads the database");
    }
    keep(next, i);
  }

  void keep(World& next, std::size_t i) {
    Reader& reader = next.readers[i];
    if (is(Fault::keep_under_later_word)) {
      reader.word = next.word;
      reader.all = next.all;
    }
    if (steady(reader.word) && steady(reader.all)) {
      reader.has = true;
      reader.copy_word = reader.word;
      reader.copy_all = reader.all;
      reader.copy_version = reader.version;
    }
    answer(next, i, reader.version, "answers from the database, and keeps a copy");
  }

  static void forget_look(Reader& reader) {
    reader = {.has = reader.has,
              .copy_word = reader.copy_word,
              .copy_all = reader.copy_all,
              .copy_version = reader.copy_version};
  }

  void answer(World next, std::size_t i, Byte version, const char* words) {
    Reader& reader = next.readers[i];
    if (version == kUncommitted) {
      wrong("an answer that was never committed");
    } else if (version < reader.need) {
      wrong("an old answer");
    } else {
      next.floor = std::max(next.floor, version);
    }
    forget_look(reader);
    emit(next, words);
  }

  /// Where nobody writes any more, and nobody was killed last of all, nothing is odd.
  void look_at_end() {
    const bool calm = std::all_of(world_.writers.begin(), world_.writers.end(),
                                  [](const Writer& writer) { return writer.at == Write::idle; }) &&
                      world_.unsettled == 0;
    if (calm && !(steady(world_.word) && steady(world_.all))) settles_ = false;
  }

  void emit(World next, const char* words) {
    if (whole()) shrink(next);
    sort(next.writers);
    // With a reader in the process of the writers, readers are not alike.
    if (!is(Fault::keep_uncommitted)) sort(next.readers);
    if (number(next)) {
      parents_.push_back(now_);
      words_.push_back(words);
    }
    if (!wrong_.empty() && last_ == nullptr) last_ = words;
  }

  /// Whether all of the protocol is kept that makes words grow only.
  [[nodiscard]] bool whole() const { return is(Fault::none) || is(Fault::mark_without_clearing); }

  /// Numbers are only ever compared: small ones in the same order do as well, and then any number of writes
  /// comes back to the same states. What can never match again is forgotten.
  void shrink(World& world) {
    if (world.word < world_.word || world.all < world_.all) wrong("a word went back");
    std::uint64_t versions = 1;
    std::uint64_t words = 1;
    const auto each = [&world](auto&& version, auto&& word) {
      version(world.version);
      version(world.floor);
      word(world.word);
      word(world.all);
      word(world.next);
      word(world.unsettled);
      for (Writer& writer : world.writers) {
        version(writer.version);
        word(writer.stamp);
      }
      for (Reader& reader : world.readers) {
        version(reader.need);
        version(reader.version);
        version(reader.copy_version);
        word(reader.word);
        word(reader.all);
        word(reader.copy_word);
        word(reader.copy_all);
      }
    };
    for (Reader& reader : world.readers) {
      const bool dead = reader.copy_word < world.word || reader.copy_all < world.all;
      if (dead && reader.at != Look::all) reader.has = false;
      if (dead && reader.at == Look::all && reader.copy_all == world.all) reader.copy_word = 0;
      if (!reader.has) reader.copy_word = reader.copy_all = reader.copy_version = 0;
      if (reader.all % 2 != 0 || reader.all < world.all) reader.all = reader.all == 0 ? 0 : 1;
      if (reader.word % 2 != 0 || reader.word < world.word) reader.word = reader.word == 0 ? 0 : 1;
      if (reader.at != Look::ask_word && (reader.all == 1 || reader.word == 1)) reader.all = reader.word = 1;
    }
    Byte lowest = world.floor;
    for (const Reader& reader : world.readers) {
      if (reader.at == Look::all) lowest = std::min(lowest, reader.need);
    }
    each([&](Byte& version) { version = version < lowest ? 0 : version; }, [](Byte) {});
    each([&](Byte version) { versions |= std::uint64_t{1} << version; },
         [&](Byte word) { words |= std::uint64_t{1} << (word / 2); });
    const auto rank = [](std::uint64_t of, unsigned at) {
      return static_cast<Byte>(std::popcount(of & ((std::uint64_t{1} << at) - 1)));
    };
    each([&](Byte& version) { version = rank(versions, version); },
         [&](Byte& word) { word = static_cast<Byte>(2 * rank(words, word / 2) + word % 2); });
  }

  /// Whether it is new.
  bool number(const World& world) {
    if (2 * (states_.size() + 1) > table_.size()) {
      table_.assign(4 * table_.size(), kNone);
      for (std::uint32_t i = 0; i < states_.size(); ++i) *slot(states_[i]) = i;
    }
    std::uint32_t* const at = slot(world);
    if (*at != kNone) return false;
    *at = static_cast<std::uint32_t>(states_.size());
    states_.push_back(world);
    return true;
  }

  std::uint32_t* slot(const World& world) {
    const std::string_view bytes(reinterpret_cast<const char*>(&world), sizeof(world));
    std::size_t at = std::hash<std::string_view>()(bytes);
    for (;; ++at) {
      std::uint32_t& place = table_[at & (table_.size() - 1)];
      if (place == kNone || std::memcmp(&states_[place], &world, sizeof(world)) == 0) return &place;
    }
  }

  [[nodiscard]] std::string trace() const {
    std::vector<std::string> steps{last_ != nullptr ? last_ : ""};
    for (std::uint32_t at = now_ - 1; at != kNone; at = parents_[at]) steps.emplace_back(words_[at]);
    std::string text;
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) text += "\n  " + *step;
    return text;
  }

  const Traffic traffic_;
  std::vector<World> states_;
  std::vector<std::uint32_t> parents_;
  std::vector<const char*> words_;
  std::vector<std::uint32_t> table_ = std::vector<std::uint32_t>(1U << 16U, kNone);
  World world_;
  std::uint32_t now_ = 0;
  std::string wrong_;
  const char* last_ = nullptr;
  bool settles_ = true;
};

}  // namespace

}  // namespace traffic

Traffics explore(const Traffic& setting) { return traffic::Search(setting).run(); }

}  // namespace dcache::test
