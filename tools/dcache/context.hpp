// SPDX-License-Identifier: Apache-2.0
//
// What every verb works with: the options that all of them share, the cache, and where to write.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "color.hpp"
#include "command.hpp"
#include "dcache/cache.hpp"
#include "output.hpp"
#include "record.hpp"
#include "render.hpp"

namespace dcache::cli {

struct Globals {
  std::optional<std::string> dir = {};
  std::optional<Duration> timeout = {};
  Color color = Color::automatic;
  bool json = false;
  bool plain = false;
  bool quiet = false;
  bool allow_shared = false;
  bool allow_network = false;
  bool help = false;
  bool version = false;
};

/// The options that stand before or after any verb. `globals` must outlive them.
[[nodiscard]] std::vector<Argument> global_options(Globals& globals);

class Context {
 public:
  explicit Context(const Globals& globals) : globals_(globals) {}

  enum class Missing { fail, make };
  /// Opens the cache that the options, the environment or the custom name. Throws Failure with the code that
  /// tells a missing cache from a foreign one and from one that cannot be made.
  /// With `shards` it must be of as many.
  [[nodiscard]] Cache open(Missing missing, std::uint32_t shards = 0) const;
  /// Makes that cache from a backup. Throws likewise.
  [[nodiscard]] Cache restore(const std::string& file, const OnProgress& on_progress) const;

  /// The directory that the options, the environment or the custom name, as it was written.
  [[nodiscard]] std::string directory() const;

  [[nodiscard]] const Globals& globals() const noexcept { return globals_; }
  [[nodiscard]] bool json() const noexcept { return globals_.json; }
  [[nodiscard]] bool plain() const noexcept { return globals_.plain; }
  /// Whether a program reads what is written, in all fields and in a form that stays.
  [[nodiscard]] bool for_programs() const noexcept { return json() || plain(); }
  [[nodiscard]] Output& out() noexcept { return out_; }

  /// The verb that is about to run, of which the form of `--plain` depends; and what is only known now that
  /// all options are. Throws UsageError if they exclude each other.
  void use(const Command& command);

  /// Other columns than the verb's own for `--plain`.
  void choose_fields(const std::vector<Column>& columns);

  /// The one record that a verb has to show: as JSON, or as lines of `name: value`.
  void show(const Record& record);
  /// One of many records, for programs: a line of JSON, or of the fields that the verb's `--plain` has.
  void show_row(const Record& record);
  /// The outcome of a verb that changes things: as `show` for programs, or as `text` unless quiet.
  void tell(const Record& record, const std::string& text);
  /// Something that helps a person who looks on, and that no script waits for.
  /// It stands behind what was written before.
  void note(const std::string& text) const;

 private:
  const Globals& globals_;
  mutable Output out_;
  std::vector<std::string_view> fields_;
};

/// Rows as JSON Lines, between tabs, or as a table.
class Listing {
 public:
  Listing(Context& context, std::vector<Column> columns, Table::Layout layout)
      : context_(context), table_(context.out(), std::move(columns), layout) {}

  void add(const Record& record);
  void end() { table_.end(); }

 private:
  Context& context_;
  Table table_;
};

}  // namespace dcache::cli
