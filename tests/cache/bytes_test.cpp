// SPDX-License-Identifier: Apache-2.0
//
// What arguments may be made from, and what must not compile.
#include "dcache/bytes.hpp"

#include <array>
#include <list>
#include <set>
#include <span>
#include <type_traits>
#include <vector>

#include "dcache/lock.hpp"
#include "support/check.hpp"

namespace {

template <class T>
constexpr bool kIsBytes = std::is_convertible_v<T, ByteView>;

static_assert(kIsBytes<const char*> && kIsBytes<const char (&)[4]> && kIsBytes<std::string> &&
              kIsBytes<std::string_view> && kIsBytes<std::vector<std::byte>> &&
              kIsBytes<std::vector<unsigned char>> && kIsBytes<std::span<const std::byte>> &&
              kIsBytes<std::span<unsigned char>> && kIsBytes<std::array<std::byte, 3>> &&
              kIsBytes<const unsigned char (&)[4]>);
static_assert(!kIsBytes<int> && !kIsBytes<bool> && !kIsBytes<char> && !kIsBytes<double> && !kIsBytes<long> &&
              !kIsBytes<std::nullptr_t> && !kIsBytes<void*> && !kIsBytes<std::vector<int>> &&
              !kIsBytes<std::list<std::byte>> && !kIsBytes<std::optional<std::string>>);
static_assert(!std::is_constructible_v<ByteView, int> && !std::is_constructible_v<ByteView, std::nullptr_t> &&
              !std::is_default_constructible_v<ByteView>);

template <class C>
concept SetsZero = requires(C& cache) {
  cache.set("n", 0);
};
template <class C>
concept SetsNullptr = requires(C& cache) {
  cache.set("k", nullptr);
};
template <class C>
concept SetsBraces = requires(C& cache) {
  cache.set("k", {});
};
template <class C>
concept SetsNumber = requires(C& cache) {
  cache.set("k", 1.5);
};
template <class C>
concept GetsZero = requires(C& cache) {
  cache.get(0);
};
template <class C>
concept SetsText = requires(C& cache) {
  cache.set("k", "v");
};
static_assert(SetsText<Cache> && SetsText<Transaction>);
static_assert(!SetsZero<Cache> && !SetsNullptr<Cache> && !SetsBraces<Cache> && !SetsNumber<Cache> &&
              !GetsZero<Cache>);
static_assert(!SetsZero<Transaction> && !SetsNullptr<Transaction> && !SetsBraces<Transaction>);
static_assert(!SetsText<const Cache>);

// A lock would outlive a temporary cache's object; it takes one that has a name.
static_assert(std::is_constructible_v<SyncLock, Cache&, const char*>);
static_assert(!std::is_constructible_v<SyncLock, Cache, const char*>);
static_assert(!std::is_constructible_v<SyncRLock, Cache, const char*>);
static_assert(!std::is_constructible_v<SyncLock, const Cache&, const char*>);
static_assert(!std::is_constructible_v<SyncLock, Cache&, int>);
static_assert(!std::is_copy_constructible_v<SyncLock> && std::is_nothrow_move_constructible_v<SyncLock>);
static_assert(!std::is_constructible_v<LockHandle, Cache&, const char*>);

static_assert(!std::is_copy_constructible_v<Cache> && std::is_nothrow_move_constructible_v<Cache>);
static_assert(!std::is_convertible_v<const char*, Cache>);
static_assert(!std::is_constructible_v<Transaction, Cache&>);

static_assert(!std::is_convertible_v<int, Duration> && !std::is_convertible_v<int, Timestamp>);
static_assert(!std::is_convertible_v<std::chrono::steady_clock::time_point, Timestamp>);
static_assert(std::is_convertible_v<std::chrono::seconds, Duration>);

}  // namespace

TEST_CASE("a ByteView sees the bytes it was made from, under the format of their type") {
  const ByteView literal = "a literal";
  CHECK(literal.view() == "a literal");
  CHECK(literal.format() == Format::text);
  const std::string with_nul("a\0b", 3);
  CHECK(ByteView(with_nul).size() == 3);
  CHECK(ByteView(std::string_view(with_nul)).view() == with_nul);
  const std::array<unsigned char, 3> raw{0, 1, 255};
  CHECK(ByteView(raw).view() == std::string("\0\1\xFF", 3));
  CHECK(ByteView(raw).format() == Format::bytes);
  const std::vector<std::byte> none;
  CHECK(ByteView(none).size() == 0);
  CHECK(ByteView(std::string_view()).size() == 0);
  CHECK(literal.as(Format::json).format() == Format::json);
  CHECK(literal.as(Format::json).data() == literal.data());
}

TEST_CASE("Tags of one string are one tag, never its characters") {
  CHECK(Tags("abc").names() == std::vector<std::string>{"abc"});
  CHECK(Tags(std::string("abc")).size() == 1);
  CHECK(Tags(std::string_view("abc")).size() == 1);
  const SetOptions options{.tags = "abc"};
  CHECK(options.tags.names() == std::vector<std::string>{"abc"});
}

TEST_CASE("Tags may be made from a brace list or any container of strings") {
  const std::vector<std::string> expected{"a", "c"};
  CHECK(Tags{"a", "c"}.names() == expected);
  CHECK(Tags{std::string("a"), std::string_view("c")}.names() == expected);
  const SetOptions options{.tags = {"a", "c"}};
  CHECK(options.tags.names() == expected);
  CHECK(Tags(expected).names() == expected);
  CHECK(Tags(std::set<std::string>{"c", "a"}).names() == expected);
  CHECK(Tags(std::vector<std::string_view>{"a", "c"}).names() == expected);
  CHECK(Tags(std::list<const char*>{"a", "c"}).names() == expected);
  CHECK(Tags(std::array<const char*, 2>{"a", "c"}).names() == expected);
  CHECK(Tags{"a"}.size() == 1);
  CHECK(Tags().empty());
  CHECK(Tags{}.empty());
  const Tags copy = options.tags;
  CHECK(copy.names() == expected);
}
