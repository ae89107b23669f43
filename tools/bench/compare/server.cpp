// SPDX-License-Identifier: Apache-2.0
#include "compare/server.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support.hpp"

namespace bench::compare {

namespace {

constexpr double kStartSeconds = 10;

std::vector<std::string> words_of(Server server, const std::filesystem::path& directory) {
  if (server == Server::redis) {
    return {"redis-server",
            "--port",
            "0",
            "--unixsocket",
            socket_in(directory),
            "--dir",
            directory,
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "everysec",
            "--auto-aof-rewrite-percentage",
            "0",
            "--daemonize",
            "no",
            "--logfile",
            directory / "redis.log"};
  }
  // It refuses to be root unless told to be.
  std::vector<std::string> words{"memcached", "-s", socket_in(directory), "-a", "0700", "-m", "6144",
                                 "-I",        "4m"};
  if (::geteuid() == 0) words.insert(words.end(), {"-u", "root"});
  return words;
}

bool answers(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) throw std::invalid_argument("too long for a socket: " + path);
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  ::close(fd);
  return connected;
}

}  // namespace

std::string socket_in(const std::filesystem::path& directory) { return directory / "socket"; }

std::unique_ptr<Process> start_server(Server server, const std::filesystem::path& directory) {
  if (server == Server::none) return nullptr;
  auto process = std::make_unique<Process>(words_of(server, directory));
  for (const Stopwatch watch; !answers(socket_in(directory));) {
    if (watch.seconds() > kStartSeconds) throw std::runtime_error("its server does not come up");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return process;
}

}  // namespace bench::compare
