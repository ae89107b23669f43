// SPDX-License-Identifier: Apache-2.0
#include "platform/thread.hpp"

namespace dcache::platform {

NoSignals::NoSignals() noexcept {
  sigset_t all;
  sigfillset(&all);
  // What a thread's own fault raises would end the process without its handler.
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) sigdelset(&all, fault);
  pthread_sigmask(SIG_SETMASK, &all, &before_);
}

NoSignals::~NoSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

}  // namespace dcache::platform
