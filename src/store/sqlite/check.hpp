// SPDX-License-Identifier: Apache-2.0
//
// One check of a store, beside its users. Rows are judged by what one statement sees, in pages, with nothing
// open in between. What takes several looks (a row and its file) is judged again before it is reported; and
// all that is mended is looked at once more in the transaction that mends it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dcache/check.hpp"
#include "dcache/error.hpp"
#include "store/sqlite/sqlite_store.hpp"
#include "store/sqlite/value_files.hpp"

namespace dcache::store::sqlite {

class Check {
 public:
  Check(SqliteStore& store, const CheckOptions& options)
      : store_(store), options_(options), fix_(options.fix) {}

  CheckReport run();

 private:
  using Kind = Problem::Kind;

  // The database as a whole, and what is stored about it (check.cpp).
  void count();
  void database();
  void mend_indexes();
  void look_at_database_again();
  void settings();
  void fence();
  void totals();

  // Rows of `entries` and `tags` (check_rows.cpp).

  /// A row that seems wrong, by itself or because of its file.
  struct Suspect {
    std::int64_t id = 0;
    std::optional<FileRef> file = {};
    std::string why = {};  ///< what is wrong with the file
    bool readable = true;  ///< false if the file could not be read, so that nobody knows what is in it
  };
  /// A value in a file, to be read when no statement is open.
  struct FileToRead {
    std::int64_t id;
    FileRef file;
    std::uint64_t hash;
    bool lacks_tags = false;  ///< some are not in the table of tags
  };
  /// A row that is wrong.
  struct BadRow {
    std::int64_t id = 0;
    std::string key = {};
    std::string why = {};                        ///< empty if only tags are missing
    std::vector<std::string> missing_tags = {};  ///< those without a row in `tags`
    std::uint64_t fingerprint = 0;               ///< of the whole row
    std::string value = {};
    std::optional<FileRef> file = {};
    std::size_t problem = 0;                         ///< where it is reported
    std::vector<std::filesystem::path> copies = {};  ///< what was put below DIR/damaged
  };
  struct BadTag {
    std::string tag;
    std::int64_t id = 0;
    std::size_t problem = 0;
  };

  void rows();
  bool page_of_rows(std::int64_t& after, std::vector<Suspect>& suspects);
  void read_file(const FileToRead& value, std::vector<Suspect>& suspects);
  std::optional<BadRow> look_again(const Suspect& suspect);
  void set_aside(BadRow& row);
  void mend(std::vector<BadRow>& rows);
  static bool mend_row(SqliteStore& store, Connection& connection, const BadRow& row);
  void tag_rows();
  void mend(std::vector<BadTag>& rows);

  // Value files (check_files.cpp).
  void leftovers();
  void files();
  std::vector<FileRef> files_below(const std::filesystem::path& name);
  void look_for_rows(const std::vector<FileRef>& found);

  // Reporting.
  std::size_t add(Kind kind, std::string text, std::optional<std::string> key = std::nullopt);
  void foreign(const std::filesystem::path& path);
  void fixed(std::size_t problem) { report_.problems[problem].fixed = true; }
  /// Notes that mending failed; if it would fail again and again, none is tried from now on.
  void not_fixed(std::size_t problem, const Error& error);
  /// Runs one part. Where SQLite gives up over damage that is reported, and nothing is mended from then on.
  void part(void (Check::*what)());
  void progress(std::uint64_t steps);

  SqliteStore& store_;
  const CheckOptions& options_;
  CheckReport report_;
  bool fix_;                             ///< still mending
  bool believable_ = true;               ///< false: no row found does not mean that there is none
  std::vector<std::size_t> to_confirm_;  ///< problems of the database that another look may find gone
  std::uint64_t entries_ = 0;            ///< as counted at the start
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace dcache::store::sqlite
