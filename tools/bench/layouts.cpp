// SPDX-License-Identifier: Apache-2.0
//
// The study behind the choice of tables: SQLite by hand under several layouts, the same random work on each,
// in slices that take turns. All but raw run each change in BEGIN IMMEDIATE … COMMIT, as dcache does.
#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "layouts.hpp"
#include "raw.hpp"
#include "support.hpp"
#include "table.hpp"
#include "workload.hpp"

namespace {

using bench::fixed;
using bench::Layout;

constexpr std::string_view kUsage =
    "usage: bench-layouts [--quick] [--dir DIR] [--runs N] [--value BYTES,...] [--entries N] [--group NAME]";

constexpr std::size_t kSlice = 1000;
constexpr int kTagNames = 50;

/// What the parameters of a layout's statements stand for, in one operation.
struct Given {
  std::string_view key;
  std::string_view value;
  std::string tags;
  std::vector<std::string> tag_names;
  std::int64_t id = 0;
  std::int64_t sequence = 0;
};

/// A prepared statement that binds by name.
class Named {
 public:
  Named(const bench::raw::Database& database, const std::string& sql)
      : statement_(database, sql), each_tag_(sql.find(":tag,") != sql.npos || sql.find(":tag ") != sql.npos) {
    for (std::size_t i = 0; i < kNames.size(); ++i) at_.at(i) = statement_.index(kNames.at(i));
  }

  bench::raw::Statement& bind(const Given& given, bool expires, const std::string* tag = nullptr) {
    constexpr std::int64_t kNow = 1'763'676'301'123'456'789;
    text(0, given.key);
    text(1, given.value);
    if (!given.tags.empty()) text(2, given.tags);
    if (tag != nullptr) text(3, *tag);
    number(4, kNow + given.sequence);
    if (expires) number(5, kNow + given.sequence * 1000);
    number(6, given.sequence * 0x5bd1e995);
    number(7, given.sequence);
    number(8, given.id);
    return statement_;
  }
  void run(const Given& given, bool expires) {
    if (!each_tag_) return bind(given, expires).run();
    for (const std::string& tag : given.tag_names) bind(given, expires, &tag).run();
  }

 private:
  static constexpr std::array kNames{":key",     ":value", ":tags",     ":tag", ":stored",
                                     ":expires", ":sum",   ":sequence", ":id"};
  void text(std::size_t name, std::string_view bytes) {
    if (at_.at(name) != 0) statement_.bind(at_.at(name), bytes);
  }
  void number(std::size_t name, std::int64_t value) {
    if (at_.at(name) != 0) statement_.bind(at_.at(name), value);
  }

  bench::raw::Statement statement_;
  std::array<int, kNames.size()> at_{};
  bool each_tag_;
};

/// A database in one layout.
class Subject {
 public:
  Subject(const std::filesystem::path& path, Layout layout)
      : layout_(std::move(layout)), path_(path), database_(path) {
    database_.run("PRAGMA page_size=" + std::to_string(layout_.page_size));
    database_.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=OFF");
    database_.run("PRAGMA cache_size=-" + std::to_string(layout_.cache_kib));
    database_.run("PRAGMA wal_autocheckpoint=" + std::to_string(layout_.checkpoint_pages));
    database_.run(layout_.schema);
    if (!layout_.find.empty()) find_.emplace(database_, layout_.find);
    for (const std::string& sql : layout_.insert) insert_.push_back(prepared(sql));
    for (const std::string& sql : layout_.update) update_.push_back(prepared(sql));
    for (const std::string& sql : layout_.erase) erase_.push_back(prepared(sql));
    get_.emplace(database_, layout_.get);
    begin_.emplace(database_, "BEGIN IMMEDIATE");
    commit_.emplace(database_, "COMMIT");
  }

  void begin() { begin_->run(); }
  void commit() { commit_->run(); }

  void set(std::string_view key, std::string_view value) {
    Given given = given_for(key);
    given.value = value;
    const bool found = find(given);
    for (const auto& statement : found ? update_ : insert_) {
      statement->run(given, layout_.expires);
      if (!found && find_) given.id = sqlite3_last_insert_rowid(database_.handle());
    }
  }
  void erase(std::string_view key) {
    Given given = given_for(key);
    if (find_ && !find(given)) return;
    for (const auto& statement : erase_) statement->run(given, layout_.expires);
  }
  std::string get(std::string_view key) {
    Given given;
    given.key = key;
    bench::raw::Statement& row = get_->bind(given, false);
    std::string value;
    if (row.step()) {
      // Whoever reads an entry looks at all of it.
      for (int column = 0; column + 1 < row.columns(); ++column) total_ += row.number(column);
      value = row.bytes(row.columns() - 1);
    }
    row.reset();
    return value;
  }

  [[nodiscard]] const Layout& layout() const noexcept { return layout_; }
  [[nodiscard]] double mebibytes() {
    database_.run("PRAGMA wal_checkpoint(TRUNCATE)");
    return static_cast<double>(std::filesystem::file_size(path_)) / 1048576;
  }

 private:
  [[nodiscard]] std::unique_ptr<Named> prepared(const std::string& sql) const {
    return std::make_unique<Named>(database_, sql);
  }

  [[nodiscard]] Given given_for(std::string_view key) {
    Given given;
    given.key = key;
    given.sequence = ++sequence_;
    // Which tags a key has, the key itself says, so that they stay the same.
    for (int i = 0; i < layout_.tags; ++i) {
      const auto digit = static_cast<unsigned char>(key[key.size() - 1 - static_cast<std::size_t>(i)]);
      given.tag_names.push_back("tag" + std::to_string((digit * 7 + i) % kTagNames));
      given.tags += given.tag_names.back() + '\n';
    }
    return given;
  }
  bool find(Given& given) {
    if (!find_) return false;
    bench::raw::Statement& row = find_->bind(given, false);
    const bool found = row.step();
    if (found) {
      given.id = row.number(0);
      if (row.columns() > 2) total_ += static_cast<std::int64_t>(row.bytes(2).size());
    }
    row.reset();
    return found;
  }

  Layout layout_;
  std::filesystem::path path_;
  bench::raw::Database database_;
  std::optional<Named> find_;
  std::optional<Named> get_;
  std::optional<bench::raw::Statement> begin_;
  std::optional<bench::raw::Statement> commit_;
  std::vector<std::unique_ptr<Named>> insert_;
  std::vector<std::unique_ptr<Named>> update_;
  std::vector<std::unique_ptr<Named>> erase_;
  std::int64_t sequence_ = 0;
  std::int64_t total_ = 0;
};

enum Op : std::size_t { kErase, kNew, kOverwrite, kGet, kOps };

/// One operation on each key, in a transaction of its own; microseconds for one.
double slice(Subject& subject, Op op, const std::vector<std::string_view>& keys, bench::Values& values) {
  const bool transaction = subject.layout().transaction && op != kGet;
  const bench::Stopwatch watch;
  for (const std::string_view key : keys) {
    if (transaction) subject.begin();
    if (op == kErase) subject.erase(key);
    if (op == kNew || op == kOverwrite) subject.set(key, values.next());
    if (op == kGet && subject.get(key).empty()) throw std::runtime_error("a value is missing");
    if (transaction) subject.commit();
  }
  return watch.microseconds() / static_cast<double>(keys.size());
}

struct Plan {
  std::vector<std::size_t> values{64, 1024, 16384};
  std::size_t entries = 20'000;
  std::size_t runs = 5;
  std::size_t rounds = 3;  ///< slices of one operation in one run
  std::string group;
  std::optional<std::string> parent;
};

void measure(const Plan& plan, std::size_t value_size, const bench::Table& table) {
  const bench::Scratch scratch(plan.parent);
  // So that the largest values take gigabytes of nobody's disk.
  const std::size_t entries = value_size > 4096 ? plan.entries / 4 : plan.entries;
  bench::Random random(value_size);
  bench::Values values(value_size);
  const std::vector<std::string> keys = bench::random_keys(entries, random);
  std::vector<std::unique_ptr<Subject>> subjects;
  for (Layout& layout : bench::layouts()) {
    if (!layout.group.starts_with(plan.group) && !subjects.empty()) continue;
    const std::string name = std::to_string(subjects.size()) + ".db";
    Subject& subject = *subjects.emplace_back(std::make_unique<Subject>(scratch.path() / name, layout));
    for (std::size_t at = 0; at < keys.size(); ++at) {
      if (at % 1000 == 0) subject.begin();
      subject.set(keys[at], values.next());
      if (at % 1000 == 999 || at + 1 == keys.size()) subject.commit();
    }
  }

  std::vector<std::array<std::vector<double>, kOps>> times(subjects.size());
  for (std::size_t run = 0; run < plan.runs; ++run) {
    std::vector<std::array<double, kOps>> sums(subjects.size());
    for (std::size_t round = 0; round < plan.rounds; ++round) {
      // What is removed comes back as new.
      const std::vector<std::string_view> removed = bench::choose(keys, kSlice, random);
      std::vector<std::string_view> back = removed;
      std::shuffle(back.begin(), back.end(), random);
      const std::vector<std::string_view> changed = bench::choose(keys, kSlice, random);
      const std::vector<std::string_view> read = bench::choose(keys, 3 * kSlice, random);
      for (const Op op : {kErase, kNew, kOverwrite, kGet}) {
        const auto& chosen = op == kErase ? removed : op == kNew ? back : op == kOverwrite ? changed : read;
        for (std::size_t i = 0; i < subjects.size(); ++i)
          sums[i].at(op) += slice(*subjects[i], op, chosen, values);
      }
    }
    for (std::size_t i = 0; i < subjects.size(); ++i) {
      for (std::size_t op = 0; op < kOps; ++op)
        times[i].at(op).push_back(sums[i].at(op) / static_cast<double>(plan.rounds));
    }
  }

  for (std::size_t i = 0; i < subjects.size(); ++i) {
    const auto of = [&](Op op) { return fixed(bench::median(times[i].at(op)), op == kGet ? 2 : 1); };
    table.row({subjects[i]->layout().group, subjects[i]->layout().name, std::to_string(value_size), of(kNew),
               of(kOverwrite), of(kGet), of(kErase), fixed(subjects[i]->mebibytes(), 1)});
  }
  table.rule();
}

int run(bench::Arguments& arguments) {
  Plan plan;
  if (arguments.flag("--quick")) {
    plan.values = {64, 1024};
    plan.entries = 5000;
    plan.runs = 3;
    plan.rounds = 1;
  }
  plan.values = arguments.numbers("--value", plan.values);
  plan.entries = arguments.numbers("--entries", {plan.entries}).front();
  plan.runs = arguments.numbers("--runs", {plan.runs}).front();
  plan.group = arguments.text("--group").value_or("");
  plan.parent = arguments.text("--dir");
  arguments.finish(kUsage);

  std::printf("SQLite %s, %zu entries (a quarter of that above 4 KiB); us, medians of %zu runs\n\n",
              sqlite3_libversion(), plan.entries, plan.runs);
  const bench::Table table({{"question", -12},
                            {"layout", -41},
                            {"value", 6},
                            {"new", 7},
                            {"overwrite", 9},
                            {"get", 6},
                            {"erase", 7},
                            {"MiB", 6}});
  for (const std::size_t value : plan.values) measure(plan, value, table);
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return bench::guarded_main(argc, argv, &run); }
