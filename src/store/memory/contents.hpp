// SPDX-License-Identifier: Apache-2.0
//
// All that a transaction covers, and one call's share in changing it.
#pragma once

#include <map>
#include <string>

#include "dcache/options.hpp"
#include "dcache/store.hpp"
#include "store/memory/table.hpp"
#include "store/memory/versions.hpp"

namespace dcache::store::memory {

struct Contents {
  Table values;
  std::map<Space, VersionedMap<std::string>> records;
  Versioned<Settings> settings{.committed = Settings{}, .pending = {}, .changed = false};

  void settle(Settle how) noexcept {
    values.settle(how);
    for (auto& [space, rows] : records) rows.settle(how, [](const std::string&, const std::string*) {});
    if (settings.changed && how == Settle::commit) settings.committed = settings.pending;
    settings.changed = false;
  }
};

/// What one call changes: undone when this goes, unless committed. As a part of an open transaction it is
/// committed and undone with that; a part that fails after it has changed something dooms the whole. It must
/// not outlive the hold on the store's mutex under which it was made.
class Step {
 public:
  /// `doomed` is the mark of the open transaction, or null if there is none.
  Step(Contents& contents, bool* doomed) noexcept : contents_(contents), doomed_(doomed) {}
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;
  ~Step() {
    if (!open_) return;
    if (doomed_ == nullptr) {
      contents_.settle(Settle::rollback);
    } else if (changed_) {
      *doomed_ = true;
    }
  }

  /// Says that from here on there is something to undo.
  void changing() noexcept { changed_ = true; }
  void commit() noexcept {
    if (doomed_ == nullptr) contents_.settle(Settle::commit);
    open_ = false;
  }

 private:
  Contents& contents_;
  bool* const doomed_;
  bool changed_ = false;
  bool open_ = true;
};

}  // namespace dcache::store::memory
