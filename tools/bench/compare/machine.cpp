// SPDX-License-Identifier: Apache-2.0
#include "compare/machine.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>

namespace bench::compare {

namespace {

/// What is behind the first line that begins so, without separators around it. Empty if there is none.
std::string value_in(const char* file, std::string_view name) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(name)) continue;
    constexpr std::string_view kSeparators = " \t:=\"";
    const std::size_t begin = line.find_first_not_of(kSeparators, name.size());
    if (begin == std::string::npos) return {};
    return line.substr(begin, line.find_last_not_of(kSeparators) + 1 - begin);
  }
  return {};
}

double gib_in(std::string_view name) {
  const std::string kib = value_in("/proc/meminfo", name);
  return kib.empty() ? 0 : std::stod(kib) / (1 << 20);
}

/// Of the mount with the longest path that the directory is below: there need be none in a changed root.
std::string file_system_of(const std::filesystem::path& directory) {
  const std::string path = std::filesystem::canonical(directory).native() + "/";
  std::ifstream in("/proc/self/mounts");
  std::string found = "unknown file system";
  std::size_t longest = 0;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string device;
    std::string where;
    std::string type;
    words >> device >> where >> type;
    if (!where.ends_with('/')) where += '/';
    if (where.size() >= longest && path.starts_with(where)) {
      longest = where.size();
      found = type;
    }
  }
  return found;
}

}  // namespace

nlohmann::json describe_machine(const std::filesystem::path& directory) {
  utsname system{};
  ::uname(&system);
  const std::string release = system.release;
  const bool guest = value_in("/proc/cpuinfo", "flags").find("hypervisor") != std::string::npos;
  return {{"processor", value_in("/proc/cpuinfo", "model name")},
          {"cores", ::sysconf(_SC_NPROCESSORS_ONLN)},
          {"virtual", guest},
          {"memory_gib", std::round(gib_in("MemTotal:"))},
          {"file_system", file_system_of(directory)},
          {"system", value_in("/etc/os-release", "PRETTY_NAME=")},
          {"kernel", "Linux " + release.substr(0, release.find_first_not_of("0123456789."))}};
}

double load() {
  double average = 0;
  std::ifstream("/proc/loadavg") >> average;
  return average;
}

double free_memory_gib() { return gib_in("MemAvailable:"); }

}  // namespace bench::compare
