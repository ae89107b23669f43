// SPDX-License-Identifier: Apache-2.0
#include "locks/options.hpp"

#include "cache/limits.hpp"
#include "dcache/error.hpp"
#include "locks/access.hpp"

namespace dcache::locking {

namespace {

constexpr std::size_t kMaxLabelBytes = 256;

}  // namespace

void check_options(std::string_view key, LockOptions& options) {
  const std::string what = name_of(key) + ": ";
  if (options.timeout < Duration()) {
    throw InvalidArgument(what + "the timeout cannot be negative; 0 means one try, dcache::forever no limit");
  }
  if (options.lease && *options.lease <= Duration()) {
    throw InvalidArgument(
        what + "the lease must be longer than 0; leave it out for a lock that ends with its holder");
  }
  if (options.max_hold && *options.max_hold <= Duration()) {
    throw InvalidArgument(what +
                          "the longest hold must be longer than 0; leave it out for one without limit");
  }
  if (options.lease && options.lease->is_forever()) options.lease.reset();
  if (options.max_hold && options.max_hold->is_forever()) options.max_hold.reset();
  if (options.keep && !options.lease) {
    throw InvalidArgument(what + "a grant that is kept needs a lease, which ends it");
  }
  if (options.renew && !options.lease) {
    throw InvalidArgument(what + "there is nothing to renew without a lease");
  }
  if (options.label.size() > kMaxLabelBytes) {
    throw InvalidArgument(what + "the label has " + std::to_string(options.label.size()) +
                          " bytes, at most " + std::to_string(kMaxLabelBytes));
  }
  if (options.backoff.base <= Duration() || options.backoff.cap < options.backoff.base) {
    throw InvalidArgument(what + "the backoff needs 0 < base <= cap");
  }
  options.tags = Tags(checked_tags(options.tags));
  for (const std::string& text : options.tags) {
    if (!is_utf8(text)) throw InvalidArgument(what + "the tag '" + escape(text) + "' is not valid UTF-8");
  }
  if (!is_utf8(options.label)) {
    throw InvalidArgument(what + "the label '" + escape(options.label) + "' is not valid UTF-8");
  }
}

}  // namespace dcache::locking
