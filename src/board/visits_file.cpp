// SPDX-License-Identifier: Apache-2.0
#include "board/visits_file.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "board/new_file.hpp"
#include "platform/directory.hpp"
#include "platform/file.hpp"
#include "platform/fork.hpp"
#include "platform/shared_memory.hpp"

namespace dcache::board {

namespace {

struct VisitsHeader {
  std::array<char, 16> magic{"dcache visits\n"};
  std::uint32_t layout = 1;
  std::uint32_t policy = 0;
  std::uint64_t slots = 0;
  std::array<char, 64> uuid{};  ///< of the cache, filled up with NUL
};

constexpr std::size_t kSharedAt = 1024;
constexpr std::size_t kSlotsAt = 4096;
constexpr std::size_t kMostMapped = std::size_t{1} << 28;

std::size_t bytes_of(const VisitsHeader& header) {
  return kSlotsAt + Visits::bytes_for(static_cast<Policy>(header.policy), header.slots);
}

VisitsHeader header_of(std::string_view uuid, Policy policy, std::size_t slots) {
  VisitsHeader header{.policy = static_cast<std::uint32_t>(policy), .slots = slots};
  std::copy_n(uuid.begin(), std::min(uuid.size(), header.uuid.size()), header.uuid.begin());
  return header;
}

}  // namespace

VisitsFile::VisitsFile(const std::filesystem::path& directory, std::string uuid)
    : path_(directory / "visits"), uuid_(std::move(uuid)) {}

Visits* VisitsFile::look() {
  const platform::FileInfo info = platform::file_info(path_);
  if (info.type != platform::FileType::regular) return current_ = nullptr;
  if (current_ != nullptr && info.id == mapped_) return current_;
  current_ = nullptr;
  if (std::unique_ptr<Visits> visits = open(mapped_)) {
    current_ = visits.get();
    all_.push_back(std::move(visits));
  }
  return current_;
}

std::unique_ptr<Visits> VisitsFile::open(platform::FileId& id) const {
  const platform::ForkClosedFd file(platform::open_private_file(path_, false));
  if (file.get() < 0) return nullptr;
  const platform::FileInfo info = platform::file_info(file.get());
  VisitsHeader header;
  if (platform::read_descriptor(file.get(), reinterpret_cast<char*>(&header), sizeof(header)) !=
      sizeof(header)) {
    return nullptr;
  }
  const auto policy = static_cast<Policy>(header.policy);
  const VisitsHeader expected = header_of(uuid_, policy, header.slots);
  if (std::memcmp(&header, &expected, sizeof(header)) != 0 || !goes_by_visits(policy) ||
      header.slots > kMostMapped || !std::has_single_bit(header.slots) || info.size != bytes_of(header)) {
    return nullptr;
  }
  const std::shared_ptr<platform::SharedMemory> memory =
      platform::SharedMemory::map(file.get(), bytes_of(header));
  if (memory == nullptr) return nullptr;
  id = info.id;
  return std::make_unique<Visits>(memory, policy, memory->at<Visits::Shared>(kSharedAt),
                                  &memory->at<std::byte>(kSlotsAt), header.slots);
}

Visits* VisitsFile::have(Policy policy, std::size_t slots) {
  if (look() != nullptr && current_->serves(policy, slots)) return current_;
  const VisitsHeader header = header_of(uuid_, policy, slots);
  std::string bytes(bytes_of(header), '\0');
  std::memcpy(bytes.data(), &header, sizeof(header));
  put_file(path_, bytes, Replace::whatever_is_there);
  return look();
}

}  // namespace dcache::board
