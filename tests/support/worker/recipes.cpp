// SPDX-License-Identifier: Apache-2.0
//
// A process that does recipes, as it is told, for tests of what several processes do together.
#include <chrono>
#include <stdexcept>
#include <thread>

#include "dcache/dcache.hpp"
#include "support/worker/worker_program.hpp"

namespace dcache::test {

namespace {

std::chrono::milliseconds ms(const std::string& number) {
  return std::chrono::milliseconds(std::stol(number));
}

std::string monotonic_us() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

class RecipesShell {
 public:
  explicit RecipesShell(const std::string& directory) : cache_(directory) {}

  std::string run(const Arguments& line) {
    const std::string& verb = line.at(0);
    if (verb == "get_or_set") return compute(line);
    if (verb == "once") return once(line);
    if (verb == "throttle") return throttle(line);
    if (verb == "barrier") return barrier(line);
    if (verb == "average") return average(line);
    return "what?";
  }

 private:
  /// get_or_set KEY MILLISECONDS VALUE|throw|nothing [hold=MS] [expire=MS] [stale=MS] [timeout=MS]
  /// Tells "computing" and "computed TIME", and answers with the value and the time.
  std::string compute(const Arguments& line) {
    GetOrSetOptions options{.timeout = std::chrono::seconds(50)};
    for (std::size_t i = 4; i < line.size(); ++i) {
      const std::string name = line[i].substr(0, line[i].find('='));
      const auto value = ms(line[i].substr(name.size() + 1));
      if (name == "hold") options.max_hold = value;
      if (name == "expire") options.expire = value;
      if (name == "stale") options.stale_ok = value;
      if (name == "timeout") options.timeout = value;
    }
    const auto factory = [&]() -> std::optional<std::string> {
      cache_.incr("runs:" + line.at(1));
      tell("computing");
      std::this_thread::sleep_for(ms(line.at(2)));
      tell("computed " + monotonic_us());
      if (line.at(3) == "throw") throw std::runtime_error("no luck");
      if (line.at(3) == "nothing") return std::nullopt;
      return line.at(3);
    };
    const auto value = cache_.get_or_set(line.at(1), factory, options);
    return value.value_or("(nothing)") + ' ' + monotonic_us();
  }

  /// once KEY MILLISECONDS [PERIOD]: answers with "ran" or "skipped".
  std::string once(const Arguments& line) {
    const auto body = [&] {
      cache_.incr("runs:" + line.at(1));
      tell("running");
      std::this_thread::sleep_for(ms(line.at(2)));
    };
    const OnceOptions options{.timeout = std::chrono::seconds(50)};
    const bool ran = line.size() > 3 ? once_per(cache_, line.at(1), ms(line.at(3)), body, options)
                                     : dcache::once(cache_, line.at(1), body, options);
    return ran ? "ran" : "skipped";
  }

  /// throttle KEY COUNT PERIOD TIMES: how many of so many tries without waiting got a token.
  std::string throttle(const Arguments& line) {
    Throttle bucket(cache_, line.at(1), std::stol(line.at(2)), ms(line.at(3)));
    int got = 0;
    for (int i = 0; i < std::stoi(line.at(4)); ++i) got += bucket.try_acquire() ? 1 : 0;
    return std::to_string(got);
  }

  /// barrier KEY PARTIES TIMES: how often it was the last.
  std::string barrier(const Arguments& line) {
    Barrier barrier(cache_, line.at(1), std::stol(line.at(2)));
    int last = 0;
    for (int i = 0; i < std::stoi(line.at(3)); ++i) {
      cache_.incr("before:" + std::to_string(i));
      if (barrier.arrive_and_wait(std::chrono::seconds(50))) ++last;
      // All must have come before the first goes on.
      if (cache_.get("before:" + std::to_string(i)) != line.at(2)) return "too early";
    }
    return std::to_string(last);
  }

  /// average KEY FROM TO
  std::string average(const Arguments& line) {
    Averager averager(cache_, line.at(1));
    for (int i = std::stoi(line.at(2)); i < std::stoi(line.at(3)); ++i) averager.add(i);
    return "ok";
  }

  Cache cache_;
};

}  // namespace

int recipes_mode(const Arguments& arguments) {
  RecipesShell shell(arguments.at(0));
  tell("ready");
  answer_lines([&](const Arguments& line) { return shell.run(line); });
  return 0;
}

}  // namespace dcache::test
