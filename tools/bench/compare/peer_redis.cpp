// SPDX-License-Identifier: Apache-2.0
#include <hiredis/hiredis.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

#include "compare/peer.hpp"
#include "compare/server.hpp"

namespace bench::compare {

namespace {

constexpr std::string_view kLock = "lock";
constexpr std::string_view kLockMs = "30000";
/// A lock is given back only by whom it belongs to.
constexpr std::string_view kUnlock =
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end";

class Redis final : public Peer {
 public:
  explicit Redis(const std::filesystem::path& directory)
      : connection_(redisConnectUnix(socket_in(directory).c_str())),
        token_(std::to_string(::getpid()) + " at " + std::to_string(reinterpret_cast<std::uintptr_t>(this))) {
    if (!connection_ || connection_->err != 0) throw std::runtime_error("Redis: cannot connect");
  }

  std::string version() override {
    const std::string info = text_of(*ask(std::array<std::string_view, 2>{"INFO", "server"}));
    constexpr std::string_view kName = "redis_version:";
    const std::size_t at = info.find(kName);
    if (at == std::string::npos) return "?";
    return info.substr(at + kName.size(), info.find('\r', at) - at - kName.size());
  }

  std::optional<std::string> get(std::string_view key) override {
    const Reply reply = ask(std::array{std::string_view("GET"), key});
    if (reply->type == REDIS_REPLY_NIL) return std::nullopt;
    return text_of(*reply);
  }
  void set(std::string_view key, std::string_view value) override {
    ask(std::array{std::string_view("SET"), key, value});
  }
  bool add(std::string_view key, std::string_view value) override {
    return ask(std::array{std::string_view("SET"), key, value, std::string_view("NX")})->type !=
           REDIS_REPLY_NIL;
  }
  bool erase(std::string_view key) override {
    return ask(std::array{std::string_view("DEL"), key})->integer > 0;
  }
  void set_all(std::span<const Key> keys, Values& values) override {
    append(std::array<std::string_view, 1>{"MULTI"});
    for (const Key& key : keys) {
      append(std::array{std::string_view("SET"), std::string_view(key.text), values.next_of(key.number)});
    }
    append(std::array<std::string_view, 1>{"EXEC"});
    for (std::size_t i = 0; i < keys.size() + 2; ++i) reply();
  }

  void lock() override {
    const std::array words{std::string_view("SET"), kLock,  std::string_view(token_), std::string_view("NX"),
                           std::string_view("PX"),  kLockMs};
    while (ask(words)->type == REDIS_REPLY_NIL) ::sched_yield();
  }
  void unlock() override {
    if (script_.empty())
      script_ = text_of(*ask(std::array{std::string_view("SCRIPT"), std::string_view("LOAD"), kUnlock}));
    const Reply given = ask(std::array{std::string_view("EVALSHA"), std::string_view(script_),
                                       std::string_view("1"), kLock, std::string_view(token_)});
    if (given->integer != 1) throw std::runtime_error("Redis: the lock was not ours any more");
  }

 private:
  struct Freed {
    void operator()(redisContext* context) const { redisFree(context); }
    void operator()(redisReply* reply) const { freeReplyObject(reply); }
  };
  using Reply = std::unique_ptr<redisReply, Freed>;

  static std::string text_of(const redisReply& reply) { return {reply.str, reply.len}; }

  void append(std::span<const std::string_view> words) {
    std::array<const char*, 8> texts{};
    std::array<std::size_t, 8> sizes{};
    for (std::size_t i = 0; i < words.size(); ++i) {
      texts.at(i) = words[i].data();
      sizes.at(i) = words[i].size();
    }
    redisAppendCommandArgv(connection_.get(), static_cast<int>(words.size()), texts.data(), sizes.data());
  }
  Reply reply() {
    void* found = nullptr;
    if (redisGetReply(connection_.get(), &found) != REDIS_OK) {
      throw std::runtime_error(std::string("Redis: ") + connection_->errstr);
    }
    Reply reply(static_cast<redisReply*>(found));
    if (reply->type == REDIS_REPLY_ERROR) throw std::runtime_error("Redis: " + text_of(*reply));
    return reply;
  }
  Reply ask(std::span<const std::string_view> words) {
    append(words);
    return reply();
  }

  const std::unique_ptr<redisContext, Freed> connection_;
  const std::string token_;
  std::string script_;
};

}  // namespace

Kind redis_kind() {
  return {.id = "redis",
          .title = "Redis",
          .settings =
              "hiredis over a Unix socket, append-only file flushed once a second, no snapshots; all values "
              "in memory; its lock is SET NX PX, tried again at once, given back by a script",
          .abilities = {.locks = true},
          .server = Server::redis,
          .open = [](const std::filesystem::path& directory) { return std::make_unique<Redis>(directory); }};
}

}  // namespace bench::compare
