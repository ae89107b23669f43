// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <sys/utsname.h>

#include "compare/peer.hpp"
#include "contenders.hpp"

namespace bench::compare {

namespace {

class Flock final : public Peer {
 public:
  explicit Flock(const std::filesystem::path& directory)
      : contender_(make_contender(bench::Kind::flock, directory, unused_)) {}

  /// Linux's, without what a distribution or an owner puts behind it.
  std::string version() override {
    utsname system{};
    ::uname(&system);
    const std::string release = system.release;
    return "Linux " + release.substr(0, release.find_first_not_of("0123456789."));
  }
  void lock() override { contender_->lock(); }
  void unlock() override { contender_->unlock(); }

 private:
  pthread_mutex_t unused_{};
  const std::unique_ptr<Contender> contender_;
};

}  // namespace

Kind flock_kind() {
  return {.id = "flock",
          .title = "flock(2)",
          .settings = "on a file that stays open",
          .abilities = {.values = false, .locks = true},
          .open = [](const std::filesystem::path& directory) { return std::make_unique<Flock>(directory); }};
}

}  // namespace bench::compare
