// SPDX-License-Identifier: Apache-2.0
//
// What every verb works with: the options that all of them share, the cache, and where to write.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "command.hpp"
#include "dcache/cache.hpp"
#include "output.hpp"
#include "record.hpp"
#include "render.hpp"

namespace dcache::cli {

struct Globals {
  std::optional<std::string> dir = {};
  std::optional<Duration> timeout = {};
  bool json = false;
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
  [[nodiscard]] Cache open(Missing missing) const;
  /// Makes that cache from a backup. Throws likewise.
  [[nodiscard]] Cache restore(const std::string& file, const OnProgress& on_progress) const;

  [[nodiscard]] const Globals& globals() const noexcept { return globals_; }
  [[nodiscard]] bool json() const noexcept { return globals_.json; }
  [[nodiscard]] Output& out() noexcept { return out_; }

  /// One record: as JSON, or as lines of `name: value`.
  void show(const Record& record);
  /// The outcome of a verb that changes things: as JSON, or as `text` unless quiet.
  void tell(const Record& record, const std::string& text);
  /// Something that helps a person who looks on, and that no script waits for.
  void note(const std::string& text) const;

 private:
  const Globals& globals_;
  Output out_;
};

/// Rows as JSON Lines or as a table.
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
