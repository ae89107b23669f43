// SPDX-License-Identifier: Apache-2.0
#include "dcache/averager.hpp"

#include <cmath>
#include <string_view>
#include <utility>

#include "dcache/codec.hpp"
#include "dcache/error.hpp"
#include "recipes/names.hpp"

namespace dcache {

namespace {

struct Sum {
  double sum = 0;
  std::int64_t count = 0;

  [[nodiscard]] double mean() const noexcept { return sum / static_cast<double>(count); }
};

std::optional<Sum> parse(const std::string& key, std::optional<std::string> stored) {
  if (!stored) return std::nullopt;
  const std::string_view text = *stored;
  const std::size_t comma = text.find(',');
  if (comma == std::string_view::npos || !text.starts_with('[') || !text.ends_with(']')) {
    detail::throw_wrong_type(key, "sum and count of an Averager");
  }
  const Sum sum{.sum = detail::decode<double>(key, std::string(text.substr(1, comma - 1))),
                .count = detail::decode<std::int64_t>(
                    key, std::string(text.substr(comma + 1, text.size() - comma - 2)))};
  if (sum.count < 1) detail::throw_wrong_type(key, "sum and count of an Averager");
  return sum;
}

std::optional<double> mean(const std::optional<Sum>& sum) {
  return sum ? std::optional(sum->mean()) : std::nullopt;
}

}  // namespace

Averager::Averager(Cache& cache, ByteView key, SetOptions options)
    : cache_(&cache), key_(key.view()), options_(std::move(options)) {}

void Averager::add(double number) {
  if (!std::isfinite(number)) {
    throw InvalidArgument(recipes::named("average", key_) + ": " + std::to_string(number) +
                          " has no mean with other numbers");
  }
  cache_->transact([&](Transaction& transaction) {
    Sum sum = parse(key_, transaction.get(key_)).value_or(Sum{});
    sum.sum += number;
    ++sum.count;
    std::string text = "[";
    text += detail::encode(sum.sum).bytes + "," + std::to_string(sum.count) + "]";
    transaction.set(key_, ByteView(text).as(Format::json), options_);
  });
}

std::optional<double> Averager::get() const { return mean(parse(key_, cache_->get(key_))); }
std::optional<double> Averager::pop() { return mean(parse(key_, cache_->pop(key_))); }

Counter::Counter(Cache& cache, ByteView key, SetOptions options)
    : cache_(&cache), key_(key.view()), options_(std::move(options)) {}

std::int64_t Counter::add(std::int64_t number) { return cache_->incr(key_, number, 0, options_); }

std::int64_t Counter::get() const {
  std::optional<std::string> stored = cache_->get(key_);
  return stored ? detail::decode<std::int64_t>(key_, *std::move(stored)) : 0;
}

std::int64_t Counter::pop() {
  std::optional<std::string> stored = cache_->pop(key_);
  return stored ? detail::decode<std::int64_t>(key_, *std::move(stored)) : 0;
}

}  // namespace dcache
