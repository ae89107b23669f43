// SPDX-License-Identifier: Apache-2.0
//
// A map that one writer changes bit by bit, while all others go on seeing what was committed.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dcache::store::memory {

/// Whose eyes look: those of a reader, or those of the writer, who sees his own changes.
enum class View { committed, writer };

/// How what the writer began comes to its end.
enum class Settle { commit, rollback };

/// One thing as it is, and as it is to become.
template <class T>
struct Versioned {
  std::optional<T> committed;
  std::optional<T> pending;  ///< what becomes of it; means something only if `changed`
  bool changed = false;

  [[nodiscard]] const T* seen(View view) const noexcept {
    const std::optional<T>& version = changed && view == View::writer ? pending : committed;
    return version ? &*version : nullptr;
  }
};

template <class T>
class VersionedMap {
 public:
  using Rows = std::map<std::string, Versioned<T>, std::less<>>;
  using Row = typename Rows::iterator;

  /// All rows, also such as nobody or not everybody sees.
  [[nodiscard]] const Rows& rows() const noexcept { return rows_; }

  [[nodiscard]] const T* seen(std::string_view key, View view) const {
    const auto row = rows_.find(key);
    return row == rows_.end() ? nullptr : row->second.seen(view);
  }

  /// Changes what the writer sees under `key`; nothing = removed. `gone(old, stays)` is called with a version
  /// that this drops, and with the one beside it. If this throws, nothing has changed.
  template <class Gone>
  Row write(std::string_view key, std::optional<T> value, Gone&& gone) {
    auto row = rows_.find(key);
    if (row == rows_.end() || !row->second.changed) {
      changed_.push_back(rows_.end());
      if (row == rows_.end()) row = rows_.emplace(key, Versioned<T>{}).first;
      changed_.back() = row;
      row->second.changed = true;
    } else if (row->second.pending) {
      gone(*row->second.pending, row->second.seen(View::committed));
    }
    row->second.pending = std::move(value);
    return row;
  }

  /// Makes what the writer sees what all see, or the other way round.
  template <class Gone>
  void settle(Settle how, Gone&& gone) noexcept {
    for (const Row row : changed_) {
      if (row == rows_.end()) continue;  // of a write that threw
      Versioned<T>& value = row->second;
      std::optional<T>& dropped = how == Settle::commit ? value.committed : value.pending;
      const std::optional<T>& kept = how == Settle::commit ? value.pending : value.committed;
      if (dropped) gone(*dropped, kept ? &*kept : nullptr);
      if (how == Settle::commit) value.committed = std::move(value.pending);
      value.pending.reset();
      value.changed = false;
      if (!value.committed) rows_.erase(row);
    }
    changed_.clear();
  }

 private:
  Rows rows_;
  std::vector<Row> changed_;
};

}  // namespace dcache::store::memory
