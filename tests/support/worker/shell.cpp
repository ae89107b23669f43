// SPDX-License-Identifier: Apache-2.0
//
// A process that does what it is told: for tests of what one process sees of another.
#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <map>
#include <memory>

#include "cache/state.hpp"
#include "dcache/dcache.hpp"
#include "dcache/store.hpp"
#include "support/worker/worker_program.hpp"

namespace dcache::test {

namespace {

std::string text(Release release) {
  switch (release) {
    case Release::released:
      return "released";
    case Release::not_owner:
      return "not_owner";
    case Release::lost:
      return "lost";
  }
  return "?";
}

class Shell {
 public:
  explicit Shell(const std::string& directory) : cache_(directory) {}

  std::string run(const Arguments& line) {
    const std::string& verb = line.at(0);
    if (verb == "lock" || verb == "rlock") return lock(line);
    if (verb == "try") return held(handles_.at(line.at(1))->try_lock(), *handles_.at(line.at(1)));
    if (verb == "release") return text(handles_.at(line.at(1))->release());
    if (verb == "unlock") return handles_.at(line.at(1))->unlock(), "ok";
    if (verb == "renew") return handles_.at(line.at(1))->renew(), "ok";
    if (verb == "locks") return listed();
    if (verb == "owned") return handles_.at(line.at(1))->owned() ? "yes" : "no";
    if (verb == "lost") return handles_.at(line.at(1))->lost() ? "yes" : "no";
    if (verb == "word") return word(line.at(1));
    if (verb == "sleep") return sleep(line);
    if (verb == "wake") return store().wake(line.at(1), std::stoull(line.at(2))), "ok";
    if (verb == "session") return store().session();
    if (verb == "guarded")
      return cache_.set(line.at(2), line.at(3), {.guard = *handles_.at(line.at(1))}), "ok";
    if (verb == "set") return cache_.set(line.at(1), line.at(2)), "ok";
    if (verb == "get") return cache_.get(line.at(1)).value_or("(nothing)");
    if (verb == "incr") return std::to_string(cache_.incr(line.at(1)));
    if (verb == "read") return read(line.at(1));
    if (verb == "permits") return permits(line);
    if (verb == "heir") return heir();
    if (verb == "exit") _exit(0);
    return "what?";
  }

 private:
  [[nodiscard]] Store& store() const { return cache_.state()->store(); }

  /// Starts a process that has our proof of life, and nothing else of us.
  [[nodiscard]] std::string heir() const {
    const int proof = proof_of_life(cache_);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    for (const int standard : {0, 1, 2}) {
      posix_spawn_file_actions_addopen(&files, standard, "/dev/null", O_RDWR, 0);
    }
    posix_spawn_file_actions_adddup2(&files, proof, proof);
    const char* const words[] = {"sleep", "60", nullptr};
    pid_t pid = 0;
    const int failed = posix_spawnp(&pid, words[0], &files, nullptr, const_cast<char**>(words), environ);
    posix_spawn_file_actions_destroy(&files);
    return failed != 0 ? "failed" : "heir " + std::to_string(pid);
  }

  std::string word(const std::string& agent) {
    const auto word = store().wake_word(std::stoull(agent));
    return word ? std::to_string(*word) : "none";
  }

  /// sleep AGENT SEEN MILLISECONDS
  std::string sleep(const Arguments& line) {
    const std::uint64_t agent = std::stoull(line.at(1));
    const auto seen = static_cast<std::uint32_t>(std::stoul(line.at(2)));
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(std::stoi(line.at(3)));
    while (store().wake_word(agent) == seen && std::chrono::steady_clock::now() < until) {
      store().sleep(agent, seen, until);
    }
    return store().wake_word(agent) == seen ? "late" : "woken";
  }

  /// lock|rlock KEY [LEASE in ms] [fair] [keep] [renew]
  std::string lock(const Arguments& line) {
    LockOptions options{.timeout = std::chrono::seconds(20)};
    for (std::size_t i = 2; i < line.size(); ++i) {
      if (line[i] == "fair") {
        options.fair = true;
      } else if (line[i] == "keep") {
        options.keep = true;
      } else if (line[i] == "renew") {
        options.renew = true;
      } else {
        options.lease = std::chrono::milliseconds(std::stoi(line[i]));
      }
    }
    std::unique_ptr<LockHandle>& handle = handles_[line.at(1)];
    if (line[0] == "lock") {
      handle = std::make_unique<SyncLock>(cache_, line.at(1), options);
    } else if (handle == nullptr) {
      handle = std::make_unique<SyncRLock>(cache_, line.at(1), options);
    }
    handle->lock();
    return held(true, *handle);
  }

  /// read KEY
  std::string read(const std::string& key) {
    auto lock = std::make_unique<SyncRWLock>(cache_, key, LockOptions{.timeout = std::chrono::seconds(20)});
    lock->lock_shared();
    const std::string answer = held(true, *lock);
    handles_[key] = std::move(lock);
    return answer;
  }

  /// permits KEY LIMIT COUNT
  std::string permits(const Arguments& line) {
    auto semaphore = std::make_unique<Semaphore>(cache_, line.at(1), std::stol(line.at(2)),
                                                 LockOptions{.timeout = std::chrono::seconds(20)});
    semaphore->acquire(std::stol(line.at(3)));
    const std::string answer = held(true, *semaphore);
    handles_[line.at(1)] = std::move(semaphore);
    return answer;
  }

  /// KEY-STATE of each lock that somebody holds.
  std::string listed() const {
    std::string all;
    for (const LockInfo& info : locks(cache_)) {
      for (const Holder& holder : info.holders) {
        all +=
            (all.empty() ? "" : " ") + info.key + '-' + (holder.state == Liveness::alive ? "alive" : "dead");
      }
    }
    return all;
  }

  static std::string held(bool got, const LockHandle& handle) {
    if (!got) return "busy";
    return "held " + std::to_string(handle.fence()) + (handle.previous_owner_died() ? " died" : "");
  }

  Cache cache_;
  std::map<std::string, std::unique_ptr<LockHandle>> handles_;
};

}  // namespace

int shell_mode(const Arguments& arguments) {
  Shell shell(arguments.at(0));
  tell("ready");
  answer_lines([&](const Arguments& line) { return shell.run(line); });
  return 0;
}

}  // namespace dcache::test
