// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/row_hints.hpp"

#include <algorithm>
#include <bit>
#include <exception>
#include <new>
#include <span>
#include <string>
#include <utility>

#include "board/new_file.hpp"
#include "platform/process.hpp"

namespace dcache::store::sqlite {

namespace {

using platform::WordFile;

constexpr unsigned kIdBits = 40;
constexpr WordFile::Word kIdMask = (WordFile::Word{1} << kIdBits) - 1;
constexpr unsigned kTagBits = 64 - kIdBits;
constexpr WordFile::Word kTagMask = (WordFile::Word{1} << kTagBits) - 1;

/// The file has whole parts of 64 KiB, which are split in one go: written so, the system looks them up faster
/// than single pages. Within a part a hash's lowest bits are the bucket's place.
constexpr unsigned kPartBits = 9;
constexpr std::uint64_t kPartBuckets = 1U << kPartBits;
constexpr std::uint64_t kPartWords = kPartBuckets * RowHints::kPlaces;
static_assert(RowHints::kMostBuckets <= std::uint64_t{1} << (kPartBits + kTagBits));
static_assert(RowHints::kMappedBuckets % kPartBuckets == 0);

constexpr unsigned kAskedInVain = 16;        ///< questions before the file is opened
constexpr unsigned kNotedBetweenLooks = 64;  ///< at its size
constexpr unsigned kCrowded = 16;            ///< hints that had to go for others, before there is more room
constexpr std::uint64_t kEntriesABucket = 6;

/// The bits of the hash above those of the place in a part.
WordFile::Word tag_of(std::uint64_t hash) noexcept { return hash >> kPartBits & kTagMask; }

WordFile::Word word_of(std::uint64_t hash, std::int64_t id) noexcept {
  return tag_of(hash) << kIdBits | static_cast<WordFile::Word>(id);
}

/// Whether the word is of a key with that hash, as far as it can tell.
bool is_of(WordFile::Word word, std::uint64_t hash) noexcept {
  return word != 0 && word >> kIdBits == tag_of(hash);
}

/// Buckets are split in their order: those before the next to be split have their other half behind the rest.
std::uint64_t bucket_of(std::uint64_t hash, std::uint64_t buckets) noexcept {
  const std::uint64_t unsplit = std::bit_floor(buckets);
  const std::uint64_t bucket = hash & (2 * unsplit - 1);
  return bucket < buckets ? bucket : bucket & (unsplit - 1);
}

}  // namespace

/// Null until it is there and was worth to be looked for.
WordFile* RowHints::look() noexcept {
  if (WordFile* const file = file_.load(std::memory_order_acquire)) return file;
  if (asked_.load(std::memory_order_relaxed) < kAskedInVain) return nullptr;
  std::call_once(looked_, [this] { open(); });
  return file_.load(std::memory_order_acquire);
}

WordFile* RowHints::have() noexcept {
  WordFile* const file = look();
  if (file != nullptr || asked_.load(std::memory_order_relaxed) < kAskedInVain) return file;
  std::call_once(made_, [this] {
    try {
      if (!board::may_put_files(path_.parent_path())) return;
      board::put_file(path_, std::string(kPartWords * sizeof(WordFile::Word), '\0'), board::Replace::nothing);
      open();
    } catch (const std::exception&) {
      // No room for it.
    }
  });
  return file_.load(std::memory_order_acquire);
}

void RowHints::open() noexcept {
  if (platform::file_size_is_limited()) return;  // a hint is not worth a SIGXFSZ
  std::unique_ptr<WordFile> file = WordFile::open(path_, kMappedBuckets * kPlaces);
  if (file == nullptr || !file->make_room(kPartWords)) return;
  opened_ = std::move(file);
  see_size(*opened_);
  file_.store(opened_.get(), std::memory_order_release);
}

void RowHints::see_size(const WordFile& file) noexcept {
  const std::uint64_t parts = file.size() / kPartWords;
  buckets_.store(std::clamp<std::uint64_t>(parts * kPartBuckets, kPartBuckets, kMostBuckets),
                 std::memory_order_relaxed);
}

void RowHints::read(const WordFile& file, Hint& hint) const noexcept {
  const std::uint64_t bucket = bucket_of(hint.hash, buckets_.load(std::memory_order_relaxed));
  // A read of the disk is what hints are to save.
  if (file.read_now(bucket * kPlaces, hint.words)) hint.bucket = bucket;
}

RowHints::Hint RowHints::find(std::uint64_t hash) noexcept {
  Hint hint{.hash = hash, .id = {}};
  const WordFile* const file = look();
  if (file == nullptr) {
    if (asked_.load(std::memory_order_relaxed) < kAskedInVain) asked_.fetch_add(1, std::memory_order_relaxed);
    return hint;
  }
  read(*file, hint);
  for (const WordFile::Word word : hint.words) {
    if (is_of(word, hash)) hint.id = static_cast<std::int64_t>(word & kIdMask);
  }
  return hint;
}

bool RowHints::note(const Hint& hint, std::int64_t id, By by) noexcept {
  if (id <= 0 || id >> kIdBits != 0) return false;
  WordFile* const file = by == By::writer ? have() : look();
  if (file == nullptr) return false;
  if (noted_.fetch_add(1, std::memory_order_relaxed) % kNotedBetweenLooks == 0) see_size(*file);
  Hint here = hint;
  if (!here.bucket) read(*file, here);
  if (!here.bucket) return false;
  const auto place_of = [&](const auto& wanted) {
    return static_cast<std::size_t>(std::find_if(here.words.begin(), here.words.end(), wanted) -
                                    here.words.begin());
  };
  std::size_t place = place_of([&](WordFile::Word word) { return is_of(word, hint.hash); });
  if (place == kPlaces) place = place_of([](WordFile::Word word) { return word == 0; });
  const bool crowded = place == kPlaces;
  if (crowded) place = static_cast<std::size_t>(id) % kPlaces;
  const WordFile::Word word = word_of(hint.hash, id);
  file->write(*here.bucket * kPlaces + place, {&word, 1});
  return crowded && crowded_.fetch_add(1, std::memory_order_relaxed) % kCrowded == kCrowded - 1;
}

void RowHints::forget(const Hint& hint) noexcept {
  WordFile* const file = look();
  if (file == nullptr || !hint.bucket) return;
  constexpr WordFile::Word kNothing = 0;
  for (std::size_t i = 0; i < kPlaces; ++i) {
    if (is_of(hint.words[i], hint.hash)) file->write(*hint.bucket * kPlaces + i, {&kNothing, 1});
  }
}

void RowHints::make_room(std::uint64_t entries) noexcept {
  WordFile* const file = look();
  if (file == nullptr || growing_.test_and_set(std::memory_order_acquire)) return;
  see_size(*file);
  const std::uint64_t needed = std::min(entries / kEntriesABucket, kMostBuckets);
  const std::uint64_t buckets = buckets_.load(std::memory_order_relaxed);
  if (buckets < needed && split(*file, buckets)) {
    buckets_.store(buckets + kPartBuckets, std::memory_order_relaxed);
  }
  growing_.clear(std::memory_order_release);
}

/// With so many buckets, those of the part whose turn it is; whether there was room.
bool RowHints::split(WordFile& file, std::uint64_t buckets) noexcept {
  const std::uint64_t unsplit = std::bit_floor(buckets);
  const std::uint64_t first = buckets - unsplit;
  const std::unique_ptr<WordFile::Word[]> both(new (std::nothrow) WordFile::Word[2 * kPartWords]());
  if (both == nullptr || !file.make_room((buckets + kPartBuckets) * kPlaces)) return false;
  const std::span<WordFile::Word> stays(both.get(), kPartWords);
  const std::span<WordFile::Word> goes(both.get() + kPartWords, kPartWords);
  file.read(first * kPlaces, stays);
  for (std::uint64_t i = 0; i < kPartWords; ++i) {
    const std::uint64_t hash = (stays[i] >> kIdBits) << kPartBits | i / kPlaces;
    if ((hash & (2 * unsplit - 1)) == first + i / kPlaces) continue;
    goes[i] = std::exchange(stays[i], 0);
  }
  return file.write(buckets * kPlaces, goes) && file.write(first * kPlaces, stays);
}

}  // namespace dcache::store::sqlite
