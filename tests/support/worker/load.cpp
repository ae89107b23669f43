// SPDX-License-Identifier: Apache-2.0
//
// Work for many processes at once that notices when anything is lost.
#include <map>
#include <optional>
#include <random>

#include "dcache/dcache.hpp"
#include "support/history.hpp"
#include "support/worker/worker_program.hpp"

namespace dcache::test {

namespace {

constexpr std::uint64_t kOwnKeys = 100;
constexpr std::uint64_t kSharedKeys = 50;
constexpr std::uint64_t kClaims = 2000;

class Load {
 public:
  Load(const std::string& directory, std::string id, std::uint64_t seed)
      : cache_(directory), id_(std::move(id)), random_(seed) {}

  void run(int operations) {
    for (number_ = 0; number_ < operations; ++number_) {
      const std::uint64_t dice = random_() % 100;
      if (dice < 25) {
        set_own();
      } else if (dice < 50) {
        get_own();
      } else if (dice < 60) {
        erase_own();
      } else if (dice < 75) {
        cache_.incr("total");
        ++increments_;
      } else if (dice < 85) {
        if (cache_.add("claim" + std::to_string(random_() % kClaims), id_)) ++claims_;
      } else {
        shared();
      }
    }
    for (const auto& [key, value] : model_) check(key, value);
  }

  void report() {
    for (const std::string& wrong : wrong_) tell("wrong: " + wrong);
    tell("incremented " + std::to_string(increments_));
    tell("claimed " + std::to_string(claims_));
  }

 private:
  std::string own_key() { return "own:" + id_ + ':' + std::to_string(random_() % kOwnKeys); }

  void set_own() {
    const std::string key = own_key();
    const std::string value = key + ' ' + std::to_string(number_) + std::string(random_() % 300, '.');
    const Tags tags = random_() % 4 == 0 ? Tags{"own", id_} : Tags();
    cache_.set(key, value, {.tags = tags});
    model_[key] = value;
  }

  void get_own() {
    const std::string key = own_key();
    const auto known = model_.find(key);
    check(key, known == model_.end() ? std::nullopt : std::optional(known->second));
  }

  void erase_own() {
    const std::string key = own_key();
    if (cache_.erase(key) != (model_.erase(key) == 1)) wrong_.push_back("erase " + key);
  }

  /// Everybody writes these; a value that is read must be whole.
  void shared() {
    const std::string key = "shared" + std::to_string(random_() % kSharedKeys);
    if (random_() % 2 == 0) {
      const char fill = static_cast<char>('a' + random_() % 26);
      cache_.set(key, key + std::string(50 + random_() % 3000, fill));
    } else if (const auto value = cache_.get(key)) {
      const std::string_view rest = std::string_view(*value).substr(std::min(key.size(), value->size()));
      if (!value->starts_with(key) || rest.size() < 50 || rest.find_first_not_of(rest.front()) != rest.npos) {
        wrong_.push_back("shared " + *value);
      }
    }
  }

  void check(const std::string& key, const std::optional<std::string>& expected) {
    const std::optional<std::string> found = cache_.get(key);
    if (found != expected) {
      wrong_.push_back(key + ": " + found.value_or("nothing") + " instead of " +
                       expected.value_or("nothing"));
    }
  }

  Cache cache_;
  const std::string id_;
  std::mt19937_64 random_;
  int number_ = 0;
  std::map<std::string, std::string> model_;
  std::int64_t increments_ = 0;
  std::int64_t claims_ = 0;
  std::vector<std::string> wrong_;
};

}  // namespace

int load_mode(const Arguments& arguments) {
  Load load(arguments.at(0), arguments.at(1), std::stoull(arguments.at(3)));
  tell("ready");
  hear();
  load.run(std::stoi(arguments.at(2)));
  load.report();
  return 0;
}

int writer_mode(const Arguments& arguments) {
  const std::uint64_t seed = std::stoull(arguments.at(1));
  const std::string& prefix = arguments.at(2);
  Cache cache(arguments.at(0), {.shards = g_shards});
  SyncLock lock(cache, "writer");
  lock.lock();
  SyncRLock again(cache, "writer again");
  again.lock();
  again.lock();
  tell("fence " + std::to_string(lock.fence()));
  for (std::uint64_t i = 0;; ++i) {
    perform(operation(seed, i, prefix), cache);
    tell(std::to_string(i));
  }
}

}  // namespace dcache::test
