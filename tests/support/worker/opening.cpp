// SPDX-License-Identifier: Apache-2.0
//
// Modes that open caches, in good and bad circumstances.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>

#include "dcache/dcache.hpp"
#include "support/database.hpp"
#include "support/worker/worker_program.hpp"

namespace dcache::test {

namespace {

/// Opens files until the process may have no more.
std::vector<int> take_all_descriptors() {
  std::vector<int> taken;
  for (int fd = 0; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) taken.push_back(fd);
  return taken;
}

void give_back(std::vector<int>& descriptors, std::size_t number) {
  for (; number > 0 && !descriptors.empty(); --number) {
    ::close(descriptors.back());
    descriptors.pop_back();
  }
}

}  // namespace

int open_mode(const Arguments& arguments) {
  const std::string how = arguments.size() > 1 ? arguments[1] : "";
  Options options{.timeout = std::chrono::milliseconds(g_timeout_ms.value_or(20000)), .shards = g_shards};
  if (how == "never") options.create = Create::never;
  if (how == "parents") options.create = Create::parents;
  if (how == "shared") options.allow_shared = true;
  Cache cache(arguments.at(0), options);
  tell("opened " + cache.directory().native());
  if (how == "look") {
    tell("found " + cache.get("k").value_or("nothing"));
    return 0;
  }
  cache.set("k", "v");
  tell("stored " + cache.get("k").value_or("nothing"));
  return 0;
}

int fill_mode(const Arguments& arguments) {
  Cache cache(arguments.at(0));
  const int number = std::stoi(arguments.at(1));
  for (int i = 0; i < number; ++i)
    cache.set("key" + std::to_string(i), std::string(100, 'v'), {.tags = "filled"});
  return 0;
}

int read_mode(const Arguments& arguments) {
  const Cache cache(arguments.at(0));
  std::size_t seen = 0;
  if (cache.get("key1") && cache.entry("key2") && cache.contains("key3") && !cache.get("absent")) ++seen;
  for (const Entry& entry : cache.entries()) seen += entry.size;
  for (const Entry& entry : cache.entries({.prefix = "key1", .tags = "filled"})) seen += entry.size;
  seen += cache.size() + cache.stats().entries + locks(cache).size();
  tell("read " + std::to_string(seen));
  return 0;
}

int exclusive_mode(const Arguments& arguments) {
  Database database(arguments.at(0));
  database.run("PRAGMA locking_mode=EXCLUSIVE");
  database.run("BEGIN EXCLUSIVE; UPDATE meta SET value = value; COMMIT");
  tell("locked");
  hear();
  return 0;
}

int exhaust_mode(const Arguments& arguments) {
  const std::string& directory = arguments.at(0);
  std::vector<int> taken = take_all_descriptors();
  // Whatever number is left over, opening either works or says what is wrong.
  std::optional<Cache> cache;
  for (std::size_t left = 0; !cache && left < 32; ++left) {
    try {
      cache.emplace(directory);
      tell("opened with " + std::to_string(left));
    } catch (const Error& error) {
      tell(describe(error));
    }
    if (!cache) give_back(taken, 1);
  }
  if (!cache) return 1;
  // The first write and the first lock need more files. They fail by name, and work when there are some.
  give_back(taken, taken.size());
  for (const bool full : {true, false}) {
    if (full) taken = take_all_descriptors();
    try {
      cache->set("k", "v");
      SyncLock lock(*cache, "lock");
      lock.lock();
      lock.unlock();
      tell("stored " + cache->get("k").value_or("nothing"));
    } catch (const Error& error) {
      tell(describe(error));
    }
    if (full) give_back(taken, taken.size());
  }
  return 0;
}

int blind_mode(const Arguments& arguments) {
  Cache cache(arguments.at(0));
  // So that all that looking at locks needs is open, except the proof of life.
  static_cast<void>(clear_lock(cache, "absent"));
  SyncLock lock(cache, arguments.at(1));
  std::vector<int> taken = take_all_descriptors();
  std::string answer = lock.locked() ? "locked" : "free";
  answer += clear_lock(cache, arguments.at(1)) == Cleared::refused ? " refused" : " cleared";
  give_back(taken, taken.size());
  tell(answer);
  return 0;
}

}  // namespace dcache::test
