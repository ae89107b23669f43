// SPDX-License-Identifier: Apache-2.0
#include "support/temp_dir.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>

#include "support/outcome.hpp"

namespace dcache::test {

TempDir::TempDir() : exceptions_(std::uncaught_exceptions()) {
  const char* base = std::getenv("TMPDIR");
  std::string name = std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/dcache-test-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
  path_ = std::filesystem::canonical(name);
}

TempDir::~TempDir() {
  if (failed_so_far() || std::uncaught_exceptions() > exceptions_) {
    std::fprintf(stderr, "kept for a look: %s\n", path_.c_str());
    return;
  }
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace dcache::test
