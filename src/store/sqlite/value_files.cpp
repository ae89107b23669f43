// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/value_files.hpp"

#include <cstring>
#include <span>
#include <utility>

#include "dcache/error.hpp"
#include "platform/directory.hpp"
#include "platform/process.hpp"

namespace dcache::store::sqlite {

namespace {

constexpr std::size_t kReadBytes = std::size_t{256} << 10;
constexpr std::size_t kNameDigits = 2 * FileRef::kNameBytes;
constexpr std::string_view kDigits = "0123456789abcdef";

std::optional<unsigned> digit(char c) {
  const std::size_t at = kDigits.find(c);
  return at == std::string_view::npos ? std::nullopt : std::optional(static_cast<unsigned>(at));
}

}  // namespace

std::string FileRef::packed() const {
  std::string out(name.data(), name.size());
  for (unsigned shift = 0; shift < 64; shift += 8) out += static_cast<char>((size >> shift) & 0xFFU);
  return out;
}

std::string FileRef::hex() const {
  std::string out;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    out.append(1, kDigits[byte >> 4]).append(1, kDigits[byte & 15U]);
  }
  return out;
}

std::optional<FileRef> FileRef::unpack(std::string_view packed) {
  if (packed.size() != kPackedBytes) return std::nullopt;
  FileRef ref;
  std::memcpy(ref.name.data(), packed.data(), ref.name.size());
  for (unsigned i = 0; i < 8; ++i) {
    ref.size |= std::uint64_t{static_cast<unsigned char>(packed[kNameBytes + i])} << (8 * i);
  }
  return ref;
}

std::optional<FileRef> FileRef::from_hex(std::string_view hex) {
  if (hex.size() != 2 * kNameBytes) return std::nullopt;
  FileRef ref;
  for (std::size_t i = 0; i < kNameBytes; ++i) {
    const std::optional<unsigned> high = digit(hex[2 * i]);
    const std::optional<unsigned> low = digit(hex[2 * i + 1]);
    if (!high || !low) return std::nullopt;
    ref.name[i] = static_cast<char>((*high << 4) | *low);
  }
  return ref;
}

ValueFiles::Draft::Draft(const ValueFiles& files, std::string_view session)
    : names_(std::make_unique<Names>()) {
  platform::random_bytes(std::as_writable_bytes(std::span(ref_.name)));
  names_->base = files.base_;
  names_->draft = files.new_directory() / (ref_.hex() + "-" + std::string(session));
  names_->place = files.path(ref_);
  if (!file_.create(names_->draft)) {
    platform::make_directories(files.base_, std::filesystem::path("values") / "new");
    if (!file_.create(names_->draft))
      throw IoError("cannot make a value file: " + platform::errno_text(names_->draft, ENOENT));
  }
}

ValueFiles::Draft::~Draft() {
  // In a forked child it is the parent's.
  if (names_ == nullptr || names_->fork_generation != platform::fork_generation()) return;
  if (names_->placed) platform::remove_file(names_->place);
  platform::remove_file(names_->draft);
}

void ValueFiles::Draft::write(std::string_view bytes) {
  file_.write(bytes);
  hash_.add(bytes);
  ref_.size += bytes.size();
}

void ValueFiles::Draft::place(Durability durability) {
  if (durability == Durability::full) file_.sync();
  file_.close();
  if (!platform::link_file(names_->draft, names_->place)) {
    platform::make_directories(names_->base, names_->place.parent_path().lexically_relative(names_->base));
    if (!platform::link_file(names_->draft, names_->place)) {
      throw IoError("cannot place a value file: " + platform::errno_text(names_->place, ENOENT));
    }
  }
  names_->placed = true;
  if (durability != Durability::full) return;
  // The name, too, must survive a power loss before the row does.
  const std::filesystem::path values = names_->base / "values";
  for (std::filesystem::path at = names_->place.parent_path(); at != values.parent_path();
       at = at.parent_path()) {
    platform::sync_directory(at);
  }
}

void ValueFiles::Draft::keep() noexcept {
  platform::remove_file(names_->draft);
  names_.reset();
}

ValueFiles::Hold::Hold(const ValueFiles& files, std::string_view session)
    : path_(files.held_directory() / (platform::random_id() + "-" + std::string(session))) {
  platform::make_directories(files.base_, std::filesystem::path("values") / "held");
  platform::create_file(path_);
}

ValueFiles::Hold::~Hold() {
  if (fork_generation_ == platform::fork_generation()) platform::remove_file(path_);
}

std::vector<ValueFiles::Held> ValueFiles::holds() const {
  std::vector<Held> found;
  for (std::string& name : platform::names_in(held_directory())) {
    if (name.size() <= kNameDigits || name[kNameDigits] != '-') continue;
    Held hold{.session = name.substr(kNameDigits + 1), .name = {}};
    hold.name = std::move(name);
    found.push_back(std::move(hold));
  }
  return found;
}

void ValueFiles::remove_hold(const Held& hold) const noexcept {
  platform::remove_file(held_directory() / hold.name);
}

std::string ValueFiles::path(const FileRef& ref) const {
  const std::string hex = ref.hex();
  const std::string_view name = hex;
  std::string path = base_.native();
  path.append("/values/").append(name.substr(0, 2)).append(1, '/').append(name.substr(2, 2));
  return path.append(1, '/').append(name.substr(4));
}

bool ValueFiles::open(const FileRef& ref, platform::File& file) const {
  if (!file.open(path(ref))) return false;
  if (file.size() != ref.size) {
    throw Corrupt("the value file " + platform::errno_text(path(ref), 0) + " has " +
                  std::to_string(file.size()) + " bytes instead of " + std::to_string(ref.size) +
                  "; set or delete its key");
  }
  return true;
}

std::uint64_t ValueFiles::read(platform::File& file, Sink sink) {
  RunningHash hash;
  const std::unique_ptr<char[]> buffer(new char[kReadBytes]);
  for (std::uint64_t left = file.size(); left > 0;) {
    const std::size_t n =
        file.read(buffer.get(), static_cast<std::size_t>(std::min<std::uint64_t>(left, kReadBytes)));
    if (n == 0) break;
    const std::string_view bytes(buffer.get(), n);
    hash.add(bytes);
    sink(bytes);
    left -= n;
  }
  return hash.value();
}

std::uint64_t ValueFiles::read(platform::File& file, std::string& bytes) {
  bytes.resize(file.size());
  // In parts that are still in the processor's cache when they are hashed.
  std::size_t at = file.read(bytes.data(), std::min(bytes.size(), kReadBytes));
  if (at == bytes.size()) return hash_of(bytes);
  RunningHash hash;
  hash.add(std::string_view(bytes).substr(0, at));
  for (std::size_t n = 0; at < bytes.size(); at += n) {
    n = file.read(bytes.data() + at, std::min(bytes.size() - at, kReadBytes));
    if (n == 0) break;
    hash.add(std::string_view(bytes).substr(at, n));
  }
  bytes.resize(at);
  return hash.value();
}

std::vector<ValueFiles::InFlight> ValueFiles::in_flight() const {
  std::vector<InFlight> found;
  for (std::string& name : platform::names_in(new_directory())) {
    if (name.size() <= kNameDigits || name[kNameDigits] != '-') continue;
    const std::optional<FileRef> ref = FileRef::from_hex(std::string_view(name).substr(0, kNameDigits));
    if (!ref) continue;
    InFlight file{.ref = *ref, .session = name.substr(kNameDigits + 1), .name = {}};
    file.name = std::move(name);
    found.push_back(std::move(file));
  }
  return found;
}

void ValueFiles::remove_in_flight(const InFlight& file) const noexcept {
  platform::remove_file(new_directory() / file.name);
}

}  // namespace dcache::store::sqlite
