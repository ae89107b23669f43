// SPDX-License-Identifier: Apache-2.0
#include "cache/state.hpp"

#include <utility>

#include "dcache/bytes.hpp"
#include "dcache/error.hpp"
#include "platform/fork.hpp"

namespace dcache::detail {

CacheState::CacheState(std::filesystem::path directory, Options options, std::unique_ptr<Store> store)
    : directory_(std::move(directory)),
      options_(std::move(options)),
      store_(std::move(store)),
      fork_generation_(platform::fork_generation()) {}

CacheState::~CacheState() {
  if (!forked()) retry_kept();
}

bool CacheState::forked() const noexcept { return fork_generation_ != platform::fork_generation(); }

Store& CacheState::store() const {
  if (forked()) {
    throw Forked("the cache in '" + escape(directory_.native()) +
                 "' was opened before fork(); open it again in the child");
  }
  return *store_;
}

void CacheState::keep(std::function<bool(CacheState&)> work) {
  platform::MutexLock lock(kept_mutex_);
  kept_.push_back(std::move(work));
  anything_kept_ = true;
}

void CacheState::retry_kept() noexcept {
  if (!anything_kept_.load(std::memory_order_relaxed)) return;
  std::vector<std::function<bool(CacheState&)>> work;
  {
    platform::MutexLock lock(kept_mutex_);
    work.swap(kept_);
    anything_kept_ = false;
  }
  for (std::function<bool(CacheState&)>& one : work) {
    if (!one(*this)) keep(std::move(one));
  }
}

void CacheState::report(const Error& error) const noexcept {
  if (options_.on_error) options_.on_error(error);
}

}  // namespace dcache::detail
