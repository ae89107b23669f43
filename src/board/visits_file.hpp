// SPDX-License-Identifier: Apache-2.0
//
// The file `visits`: a Visits that all processes share. Made by the first writer under a size limit, and anew
// when limit or policy ask for another.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "board/visits.hpp"
#include "platform/directory.hpp"

namespace dcache::board {

class VisitsFile {
 public:
  VisitsFile(const std::filesystem::path& directory, std::string uuid);

  /// What the file holds now; null if there is none, or none that fits. What it once returned stays good.
  Visits* look();
  /// The same after it has made a file with so many slots for that policy, unless it was there. Throws Error
  /// if that fails.
  Visits* have(Policy policy, std::size_t slots);

 private:
  std::unique_ptr<Visits> open(platform::FileId& id) const;

  const std::filesystem::path path_;
  const std::string uuid_;
  platform::FileId mapped_;
  Visits* current_ = nullptr;
  /// Others may be using an older one: all stay. A limit changes seldom.
  std::vector<std::unique_ptr<Visits>> all_;
};

}  // namespace dcache::board
