// SPDX-License-Identifier: Apache-2.0
//
// A file system of a few MiB, in a mount namespace of this process's own. Ends the program with status 77,
// which means "skipped", where that is not permitted.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "support/check.hpp"

namespace dcache::test {

class SmallDisk {
 public:
  explicit SmallDisk(const std::string& size) {
    own_namespace();
    std::filesystem::create_directory(path());
    const std::string options = "mode=0700,size=" + size;
    if (::mount("none", path().c_str(), "tmpfs", 0, options.c_str()) != 0) skip("mount a file system");
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() { ::umount2(path().c_str(), MNT_DETACH); }

  [[nodiscard]] std::filesystem::path path() const { return dir_ / "disk"; }

  [[nodiscard]] std::uint64_t free_bytes() const {
    struct statvfs info {};
    ::statvfs(path().c_str(), &info);
    return info.f_bavail * info.f_frsize;
  }

  /// Takes all that is free but `but` bytes.
  void fill(std::uint64_t but = 0) const {
    const int file = ::open(ballast().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const std::string block(4096, 'x');
    while (free_bytes() > but && ::write(file, block.data(), block.size()) > 0) {
    }
    ::close(file);
  }
  void empty() const { std::filesystem::remove(ballast()); }

 private:
  [[nodiscard]] std::filesystem::path ballast() const { return path() / "ballast"; }

  static void own_namespace() {
    static bool done = false;
    if (done) return;
    const uid_t user = ::getuid();
    const gid_t group = ::getgid();
    if (user == 0) {
      if (::unshare(CLONE_NEWNS) != 0) skip("have a mount namespace");
    } else {
      if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) skip("have a user namespace");
      std::ofstream("/proc/self/setgroups") << "deny";
      std::ofstream("/proc/self/uid_map") << "0 " << user << " 1";
      std::ofstream("/proc/self/gid_map") << "0 " << group << " 1";
    }
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) skip("keep mounts to ourselves");
    done = true;
  }

  [[noreturn]] static void skip(const char* what) {
    std::fprintf(stderr, "skipped: not permitted to %s (%s)\n", what, std::strerror(errno));
    std::exit(77);
  }

  TempDir dir_;
};

}  // namespace dcache::test
