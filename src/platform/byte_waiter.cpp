// SPDX-License-Identifier: Apache-2.0
#include "platform/byte_waiter.hpp"

#include "platform/byte_lock.hpp"
#include "platform/fork.hpp"
#include "platform/thread.hpp"

namespace dcache::platform {

namespace {

/// Much more than waiting and waking needs; sanitizers and thread-local variables of others take some of it.
constexpr std::size_t kStackBytes = 256 << 10;

}  // namespace

bool ByteWaiter::start(int fd, std::uint64_t byte, Ended ended, void* context) noexcept {
  fd_ = fd;
  byte_ = byte;
  ended_ = ended;
  context_ = context;
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  // Refused where more is needed; then it is the usual size.
  pthread_attr_setstacksize(&attributes, kStackBytes);
  const NoSignals none;
  const bool started = pthread_create(&thread_, &attributes, &run, this) == 0;
  pthread_attr_destroy(&attributes);
  if (started) fork_generation_ = fork_generation();
  return started;
}

// The thread may be cancelled in here: see wait_for_byte.
void* ByteWaiter::run(void* self) {
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
  auto* const waiter = static_cast<ByteWaiter*>(self);
  waiter->ended_(waiter->context_, wait_for_byte(waiter->fd_, waiter->byte_));
  return nullptr;
}

ByteWaiter::~ByteWaiter() {
  if (fork_generation_ != fork_generation()) return;
  pthread_cancel(thread_);
  void* result = nullptr;
  pthread_join(thread_, &result);
  if (result == PTHREAD_CANCELED) unlock_byte(fd_, byte_);
}

}  // namespace dcache::platform
