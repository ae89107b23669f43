// SPDX-License-Identifier: Apache-2.0
//
// The helper program of the tests of Cache::check: another process that writes, or that dies at a bad moment.
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <random>
#include <string_view>

#include "cache/state.hpp"
#include "check/values.hpp"
#include "dcache/store.hpp"
#include "store/sqlite/value_files.hpp"

namespace dcache::test {

namespace {

void say(std::string_view line) {
  const std::string text = std::string(line) + '\n';
  static_cast<void>(::write(STDOUT_FILENO, text.data(), text.size()));
}

/// Overwrites, adds and removes values until it is killed.
void write_for_ever(Cache& cache, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  say("ready");
  for (std::uint64_t i = 0;; ++i) {
    const std::string key = key_of(random() % kKeys);
    const Tags tags = random() % 2 == 0 ? Tags{"some", "tag" + std::to_string(random() % 3)} : Tags();
    switch (random() % 8) {
      case 0:
        cache.erase(key);
        break;
      case 1:
        cache.set(key, value_of(key, random(), 100), {.tags = tags});
        break;
      case 2:
        cache.transact([&](Transaction& transaction) {
          transaction.set(key, value_of(key, random(), 40'000), {.tags = tags});
          const std::string other = key_of(random() % kKeys);
          transaction.set(other, value_of(other, random(), 40'000));
        });
        break;
      default:
        cache.set(key, value_of(key, random(), 40'000), {.tags = tags});
    }
  }
}

/// Dies after its value file was placed, and before its row was committed or after.
void die(Cache& cache, std::string_view when) {
  const store::sqlite::ValueFiles files(cache.directory());
  store::sqlite::ValueFiles::Draft draft(files, cache.state()->store().session());
  draft.write(std::string(40'000, 'x'));
  if (when == "writing") std::raise(SIGKILL);
  draft.place(Durability::normal);
  if (when == "placed") std::raise(SIGKILL);
  if (when == "alive") {
    say("ready");
    for (;;) ::pause();
  }
}

/// Stores a large value and dies as if SIGKILL had come when the commit was written to the log, but not yet
/// announced in the shared memory: nobody sees it until the log is read anew.
void die_unannounced(Cache& cache) {
  constexpr std::size_t kHeaderBytes = 96;
  cache.set("small", "v");
  // This process's locks on the file go with the descriptor; it is not needed any more.
  const int shm = ::open((cache.directory() / "cache.db-shm").c_str(), O_RDWR | O_CLOEXEC);
  std::array<char, kHeaderBytes> header{};
  if (::pread(shm, header.data(), header.size(), 0) != kHeaderBytes) std::raise(SIGABRT);
  cache.set("large", value_of("large", 7, 40'000));
  const std::filesystem::path values = cache.directory() / "values";
  for (const auto& file : std::filesystem::recursive_directory_iterator(values)) {
    if (!file.is_regular_file()) continue;
    std::string name = file.path().lexically_relative(values);
    std::erase(name, '/');
    std::filesystem::create_hard_link(file, values / "new" / (name + "-" + cache.state()->store().session()));
    break;
  }
  if (::pwrite(shm, header.data(), header.size(), 0) != kHeaderBytes) std::raise(SIGABRT);
  std::raise(SIGKILL);
}

}  // namespace

}  // namespace dcache::test

/// DIR write SEED, or DIR writing|placed|alive|unannounced
int main(int argc, char** argv) {
  if (argc < 3) return 64;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // not to outlive the test
  try {
    dcache::Cache cache(argv[1]);
    const std::string_view mode = argv[2];
    if (mode == "write" && argc == 4) dcache::test::write_for_ever(cache, std::stoull(argv[3]));
    if (mode == "unannounced") dcache::test::die_unannounced(cache);
    dcache::test::die(cache, mode);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "test_check_writer: %s\n", error.what());
    return 5;
  }
  return 0;
}
