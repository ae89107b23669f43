// SPDX-License-Identifier: Apache-2.0
//
// How fast a disk and a machine are for dcache, beside SQLite used by hand in the same run: bench.
#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <memory>

#include "bench/arena.hpp"
#include "bench/support.hpp"
#include "context.hpp"
#include "errors.hpp"
#include "text.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

/// What is measured: the work's name there, and here.
struct Measured {
  std::string_view work;
  std::string_view shown;
};
constexpr std::array kMeasured = {Measured{"get", "get"},
                                  Measured{"set new", "set, new key"},
                                  Measured{"set overwrite", "set, overwrite"},
                                  Measured{"erase", "delete"},
                                  Measured{"add + erase", "add + delete"},
                                  Measured{"100 sets, 1 tx", "100 sets at once"},
                                  Measured{"lock + unlock", "lock + unlock"}};

constexpr std::size_t kEntries = 10'000;
constexpr std::size_t kValueBytes = 128;
constexpr int kRuns = 5;
/// What is shorter takes as long: a slice of each operation on each side, a few times.
constexpr double kShortest = 1;

using Align = Column::Align;

std::atomic<int> interrupted_by{0};
static_assert(std::atomic<int>::is_always_lock_free);

/// Until its end, what would end the process is only noted, so that the scratch directory can be removed.
class NotedSignals {
 public:
  NotedSignals() noexcept {
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
      before_[i] = std::signal(kSignals[i], [](int signal) { interrupted_by = signal; });
      if (before_[i] == SIG_IGN) std::signal(kSignals[i], SIG_IGN);
    }
  }
  NotedSignals(const NotedSignals&) = delete;
  NotedSignals& operator=(const NotedSignals&) = delete;
  /// A signal that came does now what it would have done.
  ~NotedSignals() {
    for (std::size_t i = 0; i < kSignals.size(); ++i) std::signal(kSignals[i], before_[i]);
    if (interrupted_by != 0) std::raise(interrupted_by);
  }

 private:
  static constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP};
  std::array<void (*)(int), kSignals.size()> before_{};
};

/// The directory of the cache, or the nearest one above that is there: where the disk is the same.
std::filesystem::path place_on_disk(const Context& context) {
  std::error_code failed;
  std::filesystem::path place = std::filesystem::absolute(context.directory(), failed);
  while (!std::filesystem::exists(place, failed) && place.has_relative_path()) place = place.parent_path();
  if (!std::filesystem::is_directory(place, failed)) {
    throw UsageError(in_quotes(place.native()) + " is not a directory; give --dir one");
  }
  return place;
}

std::unique_ptr<bench::Scratch> make_scratch(const std::filesystem::path& place) {
  try {
    return std::make_unique<bench::Scratch>(place.native());
  } catch (const std::runtime_error&) {
    throw Failure(kCannotMake, "cannot make a directory in " + in_quotes(place.native()) +
                                   "; give --dir a directory on the disk in question that you may write");
  }
}

void measure(Context& context, double seconds, const std::filesystem::path& scratch) {
  Listing listing(context,
                  {{"operation", "OPERATION", Align::left, 16},
                   {"per_second", "PER SECOND", Align::right, 10},
                   {"microseconds", "US", Align::right, 8},
                   {"raw_microseconds", "RAW SQLITE US", Align::right, 13},
                   {"ratio", "RATIO", Align::right, 6}},
                  Table::Layout::stream);
  bench::Arena arena(scratch, kEntries, kValueBytes, {.allow_network = context.globals().allow_network});
  const std::vector<bench::Work> works = bench::works();
  const int runs = seconds < 2 * kShortest ? 1 : kRuns;
  const double run = seconds / (kMeasured.size() * static_cast<double>(runs));
  for (const Measured& measured : kMeasured) {
    const auto work = std::find_if(works.begin(), works.end(),
                                   [&](const bench::Work& one) { return one.name == measured.work; });
    if (work == works.end()) continue;
    bench::Times times;
    arena.prepare(*work);
    for (int i = 0; i < runs; ++i) {
      if (interrupted_by != 0) return;
      arena.run(*work, run, times);
    }
    const double ours = bench::median(times.ours);
    listing.add({{"operation", std::string(measured.shown)},
                 {"per_second", static_cast<std::uint64_t>(1e6 / ours)},
                 {"microseconds", ours},
                 {"raw_microseconds", bench::median(times.raw)},
                 {"ratio", bench::median(times.ratios)}});
    context.out().flush();
  }
  listing.end();
}

int run_bench(Context& context, double seconds) {
  const std::filesystem::path place = place_on_disk(context);
  const NotedSignals noted;
  const std::unique_ptr<bench::Scratch> scratch = make_scratch(place);
  context.note("measuring in " + in_quotes(place.native()) + "; this takes about " +
               short_duration(std::chrono::duration<double>(std::max(seconds, kShortest))));
  try {
    measure(context, seconds, scratch->path());
  } catch (const Error&) {
    throw;
  } catch (const Failure&) {
    throw;
  } catch (const std::runtime_error& error) {
    throw Failure(kIo, error.what());  // raw SQLite's
  }
  return kDone;
}

}  // namespace

Command build_bench() {
  const auto length = std::make_shared<std::optional<Duration>>();
  return {.about =
              "Measures for about ten seconds what dcache does on this disk, beside SQLite used\n"
              "by hand for the same work in the same run, in turns of a few milliseconds:\n"
              "10,000 values of 128 bytes, one thread, nobody else. RATIO says how many times\n"
              "as long dcache takes. It works in a directory of its own beside the cache's\n"
              "files (or above, if there is no cache), which is removed at the end; the\n"
              "values and locks of the cache are not touched. What else the machine does\n"
              "shows: let it be idle.\n"
              "\n"
              "Raw SQLite is a table of two columns with prepared statements in WAL mode,\n"
              "synchronous=NORMAL; its lock is a row that is inserted and deleted.",
          .examples =
              "  dcache bench\n"
              "  dcache bench --dir /mnt/fast/cache --seconds 30\n"
              "  dcache bench --json | jq 'select(.ratio > 1.5)'\n",
          .arguments = {option("--seconds", "TIME", *length,
                               "how long to measure (default 10s; takes 1s at least)")},
          .run = [length](Context& context) -> int {
            constexpr Duration kLongest = std::chrono::hours(1);
            const Duration time = length->value_or(std::chrono::seconds(10));
            if (time <= Duration() || time > kLongest) {
              throw UsageError("--seconds must be more than 0 and at most 1h");
            }
            return run_bench(context, std::chrono::duration<double>(time.nanoseconds()).count());
          },
          .fields = "operation per_second microseconds raw_microseconds ratio"};
}

}  // namespace dcache::cli
