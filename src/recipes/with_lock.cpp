// SPDX-License-Identifier: Apache-2.0
#include "dcache/with_lock.hpp"

#include "dcache/error.hpp"
#include "recipes/names.hpp"

namespace dcache::detail {

Holding::~Holding() {
  if (over_) return;
  if (!lock_.options().keep || keep_ == KeepOn::end) {
    try {
      lock_.unlock();
    } catch (const Error&) {  // the function has given it back itself
    }
    return;
  }
  try {
    lock_.release();
  } catch (const Error&) {
    // It stays until its lease ends. What the function threw matters more.
  }
}

void Holding::done() {
  over_ = true;
  bool lost = false;
  if (lock_.options().keep) {
    lost = !lock_.owned() && lock_.lost();
    if (!lost) lock_.unlock();
  } else {
    lost = lock_.release() == Release::lost;
  }
  if (lost) {
    throw LockLost("lock '" + escape(lock_.key(), 200) +
                   "' was lost while a function ran under it: its lease ended or somebody cleared it; " +
                   "what it protects may have been changed by two at once");
  }
}

}  // namespace dcache::detail
