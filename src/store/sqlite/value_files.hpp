// SPDX-License-Identifier: Apache-2.0
//
// Large values in files of their own: values/hh/hh/<rest>, the name being random and never made from a key.
//
// A file is written under values/new/, where its name tells the writing session, then linked to its place;
// then the row that refers to it is committed; then the name in values/new/ goes. So whatever a crash leaves
// behind is found by looking at values/new/ alone. A file that a commit no longer refers to was noted in the
// table `trash` by that very commit, and is removed after it.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dcache/options.hpp"
#include "dcache/store.hpp"
#include "platform/file.hpp"
#include "platform/fork.hpp"
#include "store/hash.hpp"

namespace dcache::store::sqlite {

/// The name and size of a value file, as a row holds them: 16 random bytes, then the size, low byte first.
struct FileRef {
  static constexpr std::size_t kNameBytes = 16;
  static constexpr std::size_t kPackedBytes = kNameBytes + 8;

  std::array<char, kNameBytes> name{};
  std::uint64_t size = 0;

  [[nodiscard]] std::string packed() const;
  [[nodiscard]] std::string hex() const;
  /// From a row; nothing if the row's bytes are damaged.
  static std::optional<FileRef> unpack(std::string_view packed);
  /// From the name as `hex` gives it, without a size; nothing if it is no such name.
  static std::optional<FileRef> from_hex(std::string_view hex);
  friend bool operator==(const FileRef&, const FileRef&) = default;
};

class ValueFiles {
 public:
  explicit ValueFiles(std::filesystem::path directory) : base_(std::move(directory)) {}

  /// A file on its way in. Unless it is kept, nothing of it remains.
  class Draft {
   public:
    Draft(const ValueFiles& files, std::string_view session);
    Draft(Draft&&) noexcept = default;
    Draft& operator=(Draft&&) noexcept = default;
    Draft(const Draft&) = delete;
    Draft& operator=(const Draft&) = delete;
    ~Draft();

    void write(std::string_view bytes);
    /// Ends the writing and puts the file in its place.
    void place(Durability durability);
    /// After the commit that refers to it.
    void keep() noexcept;

    [[nodiscard]] const FileRef& ref() const noexcept { return ref_; }
    [[nodiscard]] std::uint64_t hash() const { return hash_.value(); }

   private:
    struct Names {
      std::filesystem::path base;
      std::filesystem::path draft;
      std::filesystem::path place;
      bool placed = false;
      std::uint64_t fork_generation = platform::fork_generation();
    };
    std::unique_ptr<Names> names_;  ///< none once it is kept, or moved from
    platform::File file_;
    FileRef ref_;
    RunningHash hash_;
  };

  /// While it lives, no process removes a value file that a commit after its making has dropped: a backup
  /// still reads it. It is an empty file in values/held/ whose name tells the session; who drops a file looks
  /// there after the commit.
  class Hold {
   public:
    Hold(const ValueFiles& files, std::string_view session);
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold();

   private:
    std::filesystem::path path_;
    std::uint64_t fork_generation_ = platform::fork_generation();
  };
  struct Held {
    std::string session;
    std::string name;
  };
  [[nodiscard]] std::vector<Held> holds() const;
  /// One whose session is dead.
  void remove_hold(const Held& hold) const noexcept;

  /// Opens a value's file. False if there is none; throws Corrupt if it has another size than the row says.
  [[nodiscard]] bool open(const FileRef& ref, platform::File& file) const;
  /// Hands out the bytes of an open file and returns their hash.
  static std::uint64_t read(platform::File& file, Sink sink);
  /// All of them at once.
  static std::uint64_t read(platform::File& file, std::string& bytes);

  void remove(const FileRef& ref) const noexcept { platform::remove_file(path(ref)); }
  [[nodiscard]] std::string path(const FileRef& ref) const;

  /// What is under values/new/: files in flight, and what crashes left.
  struct InFlight {
    FileRef ref;  ///< without a size
    std::string session;
    std::string name;
  };
  [[nodiscard]] std::vector<InFlight> in_flight() const;
  void remove_in_flight(const InFlight& file) const noexcept;

 private:
  [[nodiscard]] std::filesystem::path new_directory() const { return base_ / "values" / "new"; }

  [[nodiscard]] std::filesystem::path held_directory() const { return base_ / "values" / "held"; }

  std::filesystem::path base_;
};

}  // namespace dcache::store::sqlite
