// SPDX-License-Identifier: Apache-2.0
#include <libmemcached/memcached.h>

#include <cstdlib>
#include <stdexcept>

#include "compare/peer.hpp"
#include "compare/server.hpp"

namespace bench::compare {

namespace {

struct Freed {
  void operator()(memcached_st* client) const { memcached_free(client); }
  void operator()(char* bytes) const { std::free(bytes); }
};
using Client = std::unique_ptr<memcached_st, Freed>;

void check(memcached_return_t code) {
  if (code != MEMCACHED_SUCCESS && code != MEMCACHED_BUFFERED) {
    throw std::runtime_error(std::string("memcached: ") + memcached_strerror(nullptr, code));
  }
}

Client connected(const std::filesystem::path& directory) {
  Client client(memcached_create(nullptr));
  check(memcached_server_add_unix_socket(client.get(), socket_in(directory).c_str()));
  return client;
}

void put(memcached_st& client, std::string_view key, std::string_view value) {
  check(memcached_set(&client, key.data(), key.size(), value.data(), value.size(), 0, 0));
}

std::optional<std::string> value_of(memcached_st& client, std::string_view key) {
  std::size_t size = 0;
  std::uint32_t flags = 0;
  memcached_return_t code{};
  const std::unique_ptr<char, Freed> found(
      memcached_get(&client, key.data(), key.size(), &size, &flags, &code));
  if (code == MEMCACHED_NOTFOUND) return std::nullopt;
  check(code);
  return std::string(found.get(), size);
}

class Memcached final : public Peer {
 public:
  explicit Memcached(const std::filesystem::path& directory)
      : directory_(directory), client_(connected(directory)) {}

  std::string version() override {
    check(memcached_version(client_.get()));
    const auto* server = memcached_server_instance_by_position(client_.get(), 0);
    return std::to_string(memcached_server_major_version(server)) + "." +
           std::to_string(memcached_server_minor_version(server)) + "." +
           std::to_string(memcached_server_micro_version(server));
  }

  std::optional<std::string> get(std::string_view key) override { return value_of(*client_, key); }
  void set(std::string_view key, std::string_view value) override { put(*client_, key, value); }
  bool add(std::string_view key, std::string_view value) override {
    const memcached_return_t code =
        memcached_add(client_.get(), key.data(), key.size(), value.data(), value.size(), 0, 0);
    if (code == MEMCACHED_NOTSTORED || code == MEMCACHED_DATA_EXISTS) return false;
    check(code);
    return true;
  }
  bool erase(std::string_view key) override {
    const memcached_return_t code = memcached_delete(client_.get(), key.data(), key.size(), 0);
    if (code == MEMCACHED_NOTFOUND) return false;
    check(code);
    return true;
  }

  /// Without waiting for answers: it takes a fiftieth of the time. What got lost shows when it is read.
  void fill(std::span<const Key> keys, Values& values) override {
    const Client quick = connected(directory_);
    check(memcached_behavior_set(quick.get(), MEMCACHED_BEHAVIOR_NOREPLY, 1));
    check(memcached_behavior_set(quick.get(), MEMCACHED_BEHAVIOR_BUFFER_REQUESTS, 1));
    for (const Key& key : keys) put(*quick, key.text, values.next_of(key.number));
    check(memcached_flush_buffers(quick.get()));
    // Its commands are done in order, and this one is answered.
    if (!keys.empty()) value_of(*quick, keys.back().text);
  }

 private:
  const std::filesystem::path directory_;
  const Client client_;
};

}  // namespace

Kind memcached_kind() {
  return {
      .id = "memcached",
      .title = "memcached",
      .settings =
          "libmemcached over a Unix socket, 4 threads; all values in memory, nothing is kept when it ends; "
          "no transactions",
      .abilities = {.batches = false},
      .server = Server::memcached,
      .open = [](const std::filesystem::path& directory) { return std::make_unique<Memcached>(directory); }};
}

}  // namespace bench::compare
