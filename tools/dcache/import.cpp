// SPDX-License-Identifier: Apache-2.0
//
// The verb import.
#include <unistd.h>

#include <memory>
#include <span>

#include "context.hpp"
#include "dcache/error.hpp"
#include "entry_lines.hpp"
#include "errors.hpp"
#include "lines.hpp"
#include "progress.hpp"
#include "text.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

using Times = Argument::Times;

constexpr std::size_t kBatchItems = 1000;
/// Bytes of values after which a batch ends early.
constexpr std::size_t kBatchBytes = std::size_t{16} << 20;

struct ImportArguments {
  std::optional<std::string> file;
  std::optional<std::uint64_t> from;
  std::vector<std::string> tags;
  bool if_absent = false;
};

struct Numbered {
  Item item;
  std::uint64_t line = 0;
};

/// One item of a batch cannot be stored; the batch is undone.
struct Refused {
  std::size_t at;
  std::string why;
};

class Import {
 public:
  Import(Cache& cache, const ImportArguments& given)
      : cache_(cache), given_(given), lines_(given.file.value_or("-")), first_(given.from.value_or(1)) {
    stored_to_ = first_ - 1;
  }

  void run(Progress& progress) {
    try {
      while (const auto line = lines_.next()) {
        progress.update(lines_.total_bytes() > 0 ? lines_.bytes() : lines_.count(), lines_.total_bytes());
        if (lines_.count() >= first_) take(*line);
        if (used_ == kBatchItems || batch_bytes_ >= kBatchBytes) store_batch();
      }
      store_batch();
    } catch (const Interrupted& signal) {
      throw Interrupted(signal.signal(), "interrupted" + how_to_go_on());
    } catch (const Failure& failure) {
      throw Failure(failure.code(), failure.what() + how_to_go_on());
    } catch (const Error& error) {
      throw with_more(error, how_to_go_on());
    }
  }

  void tell(Context& context) const {
    std::string text = std::to_string(imported_);
    if (kept_ > 0) text += ", " + std::to_string(kept_) + " there already";
    if (expired_ > 0) text += ", " + std::to_string(expired_) + " skipped as their time is over";
    context.tell({{"imported", imported_}, {"kept", kept_}, {"expired", expired_}, {"lines", lines_.count()}},
                 text);
  }

 private:
  void take(std::string_view line) {
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
    if (used_ == batch_.size()) batch_.emplace_back();
    Numbered& next = batch_[used_];
    next.line = lines_.count();
    try {
      read_entry(line, next.item);
    } catch (const BadLine& bad) {
      store_batch();
      fail_line(next.line, bad.what());
    }
    if (next.item.expires && left_until(*next.item.expires) <= Duration()) {
      ++expired_;
      return;
    }
    next.item.tags.insert(next.item.tags.end(), given_.tags.begin(), given_.tags.end());
    batch_bytes_ += next.item.value.size();
    ++used_;
  }

  void store_batch() {
    const std::span<const Numbered> items(batch_.data(), used_);
    try {
      store(items);
    } catch (const Refused& refused) {
      store(items.first(refused.at));
      fail_line(items[refused.at].line, refused.why);
    }
    stored_to_ = lines_.count();
    used_ = 0;
    // What one huge value took is not kept for all that follow.
    if (batch_bytes_ >= kBatchBytes) batch_.clear();
    batch_bytes_ = 0;
  }

  void store(std::span<const Numbered> items) {
    if (items.empty()) return;
    std::uint64_t added = 0;
    cache_.transact([&](Transaction& transaction) {
      for (std::size_t i = 0; i < items.size(); ++i) {
        Interruptible::check();
        const Item& item = items[i].item;
        const ByteView value = ByteView(item.value).as(item.format);
        const SetOptions options{.expire_at = item.expires, .tags = item.tags};
        try {
          if (!given_.if_absent) {
            transaction.set(item.key, value, options);
          } else if (!transaction.add(item.key, value, options)) {
            continue;
          }
        } catch (const InvalidArgument& error) {
          throw Refused{i, error.what()};
        }
        ++added;
      }
    });
    imported_ += added;
    kept_ += items.size() - added;
  }

  [[noreturn]] void fail_line(std::uint64_t line, const std::string& why) {
    stored_to_ = line - 1;
    throw Failure(kBadData, "line " + std::to_string(line) + ": " + why);
  }

  [[nodiscard]] std::string how_to_go_on() const {
    if (stored_to_ == 0) return "; nothing was stored";
    const std::string next = std::to_string(stored_to_ + 1);
    return "; all before line " + next + " is stored: go on with --from " + next;
  }

  Cache& cache_;
  const ImportArguments& given_;
  Lines lines_;
  const std::uint64_t first_;
  std::vector<Numbered> batch_;  ///< kept for its memory; `used_` of them count
  std::size_t used_ = 0;
  std::size_t batch_bytes_ = 0;
  std::uint64_t stored_to_ = 0;  ///< all up to this line is stored
  std::uint64_t imported_ = 0;
  std::uint64_t kept_ = 0;
  std::uint64_t expired_ = 0;
};

int run_import(Context& context, const ImportArguments& given) {
  if (!given.file && ::isatty(STDIN_FILENO) == 1) {
    throw UsageError("FILE is missing; give it, or - to type lines here and end them with Ctrl-D");
  }
  if (given.from == 0) throw UsageError("--from 0 is no line: they are counted from 1");
  Progress progress(context, "importing");
  Cache cache = context.open(Context::Missing::make);
  Import import(cache, given);
  import.run(progress);
  import.tell(context);
  return kDone;
}

}  // namespace

Command build_import() {
  const auto given = std::make_shared<ImportArguments>();
  return {.about =
              "Stores what `dcache export` wrote, in steps of 1000 entries, and prints how many;\n"
              "the cache is made if it is missing. Entries whose time is over and blank lines\n"
              "are skipped. A line needs `key` and `value` (or key_b64, value_b64); format, tags\n"
              "and expires may be absent, stored is ignored: see `dcache export --help`.\n"
              "\n"
              "If a line is damaged (65), or the import is interrupted or fails, nothing of the\n"
              "step in question is stored, and the message names the line from which to go on\n"
              "with --from. Running it again from the start does no harm either.",
          .examples =
              "  dcache import values.jsonl\n"
              "  dcache import values.jsonl --from 24001\n"
              "  zcat values.jsonl.gz | dcache import --if-absent --add-tag imported\n"
              "  dcache export --dir old | dcache import --dir new\n",
          .arguments = {positional("FILE", given->file, Times::optional, "from where; - or nothing is stdin"),
                        flag("-k,--if-absent", given->if_absent, "keep values of keys that are there"),
                        option("-t,--add-tag", "TAG", given->tags, "a tag for each value, with its own"),
                        option("--from", "LINE", given->from, "begin with this line (default 1)")},
          .run = [given](Context& context) { return run_import(context, *given); }};
}

}  // namespace dcache::cli
