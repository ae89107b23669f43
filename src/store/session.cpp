// SPDX-License-Identifier: Apache-2.0
#include "store/session.hpp"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "dcache/error.hpp"
#include "platform/byte_lock.hpp"
#include "platform/process.hpp"

namespace dcache::store {

namespace {

constexpr std::uint64_t kFirstLifeByte = std::uint64_t{1} << 32;
constexpr std::uint64_t kLifeByteMask = (std::uint64_t{1} << 62) - 1;

/// What a token says: enough to prove its session dead, by the kernel's lock or by boot, pid and start time.
struct Identity {
  std::array<std::uint64_t, 2> nonce{};
  platform::FileId life;
  std::string boot;
  std::uint64_t pid_namespace = 0;
  std::int64_t pid = 0;
  std::uint64_t started = 0;
};

std::uint64_t life_byte(const Identity& who) noexcept {
  return kFirstLifeByte + (who.nonce[0] & kLifeByteMask);
}

void append_hex(std::string& out, std::uint64_t number) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
  out.append(digits.data(), end);
}

std::string print(const Identity& who) {
  std::string out = "1";
  for (const std::uint64_t number : {who.nonce[0], who.nonce[1], who.life.device, who.life.inode}) {
    out += ':';
    append_hex(out, number);
  }
  out += ':' + who.boot;
  for (const std::uint64_t number : {who.pid_namespace, static_cast<std::uint64_t>(who.pid), who.started}) {
    out += ':';
    append_hex(out, number);
  }
  return out;
}

std::optional<Identity> parse(std::string_view token) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= token.size();) {
    const std::size_t end = std::min(token.find(':', at), token.size());
    parts.push_back(token.substr(at, end - at));
    at = end + 1;
  }
  if (parts.size() != 9 || parts[0] != "1") return std::nullopt;
  const auto hex = [&](std::size_t part, std::uint64_t& out) {
    const std::string_view text = parts[part];
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out, 16);
    return failed == std::errc{} && end == text.data() + text.size();
  };
  Identity who;
  std::uint64_t pid = 0;
  if (!hex(1, who.nonce[0]) || !hex(2, who.nonce[1]) || !hex(3, who.life.device) || !hex(4, who.life.inode) ||
      !hex(6, who.pid_namespace) || !hex(7, pid) || !hex(8, who.started)) {
    return std::nullopt;
  }
  who.boot = parts[5];
  who.pid = static_cast<std::int64_t>(pid);
  return who;
}

/// The proof where the life byte cannot serve: another file, or a system without such locks.
Liveness judge_by_pid(const Identity& who) {
  if (who.boot.empty() || who.boot != platform::boot_id() || who.pid_namespace == 0 ||
      who.pid_namespace != platform::pid_namespace()) {
    return Liveness::unknown;
  }
  const std::optional<std::uint64_t> started = platform::start_time(who.pid);
  if (!started) return platform::is_gone(who.pid) ? Liveness::dead : Liveness::unknown;
  return *started == who.started ? Liveness::alive : Liveness::dead;
}

struct Registered {
  std::uint64_t generation;
  std::weak_ptr<Session> session;
};

using Registry = std::map<std::pair<std::uint64_t, std::uint64_t>, Registered>;

Registry& registry() {
  static auto* const sessions = new Registry;
  return *sessions;
}

}  // namespace

std::shared_ptr<Session> Session::of(const platform::Directory& directory) {
  platform::MutexLock lock(platform::registry_mutex());
  Registered& known = registry()[{directory.id.device, directory.id.inode}];
  const std::uint64_t generation = platform::fork_generation();
  if (known.generation == generation) {
    if (std::shared_ptr<Session> session = known.session.lock()) return session;
  }
  auto session = std::make_shared<Session>(directory);
  known = {generation, session};
  return session;
}

void Session::open_life_file() {
  if (opened_) return;
  const std::filesystem::path path = directory_.path / "life";
  held_.reset(platform::open_private_file(path, true));
  if (held_.get() < 0) platform::throw_errno("cannot open the proof-of-life file", path, errno);
  probe_->reset(platform::open_private_file(path, false));
  if (probe_->get() < 0) platform::throw_errno("cannot open the proof-of-life file", path, errno);
  life_id_ = platform::file_id(held_.get());
  if (platform::file_id(probe_->get()) != life_id_) {
    throw IoError("the proof-of-life file " + platform::errno_text(path, 0) +
                  " was replaced while opening it");
  }
  opened_ = true;
}

bool Session::try_open_life_file() {
  try {
    open_life_file();
  } catch (const Error&) {
    return false;
  }
  return true;
}

void Session::start() {
  open_life_file();
  Identity who;
  platform::random_bytes(std::as_writable_bytes(std::span(who.nonce)));
  who.boot = platform::boot_id();
  who.pid_namespace = platform::pid_namespace();
  who.pid = platform::pid();
  who.started = platform::start_time(who.pid).value_or(0);
  if (platform::lock_byte(held_.get(), life_byte(who))) {
    who.life = life_id_;
  } else if (errno != EINVAL && errno != ENOLCK && errno != EOPNOTSUPP) {
    platform::throw_errno("cannot take the proof of life in", directory_.path / "life", errno);
  }
  token_ = print(who);
  started_ = true;
}

const std::string& Session::token() {
  // Once made it never changes, so a reference may be handed out.
  platform::MutexLock lock(mutex_);
  if (!started_) start();
  return token_;
}

int Session::proof() {
  static_cast<void>(token());
  platform::MutexLock lock(mutex_);
  return held_.get();
}

std::string Session::command(std::string_view token) {
  const std::optional<Identity> who = parse(token);
  return who && judge_by_pid(*who) == Liveness::alive ? platform::command_name(who->pid) : std::string();
}

Liveness Session::alive(std::string_view token) {
  platform::MutexLock lock(mutex_);
  if (started_ && token == token_) return Liveness::alive;
  const std::optional<Identity> who = parse(token);
  if (!who) return Liveness::unknown;
  if (!who->boot.empty() && !platform::boot_id().empty() && who->boot != platform::boot_id())
    return Liveness::dead;
  // A reader that may not make files still knows what the pid tells.
  if (!try_open_life_file()) return judge_by_pid(*who);
  if (who->life == life_id_ && life_id_ != platform::FileId{}) {
    switch (platform::probe_byte(probe_->get(), life_byte(*who))) {
      case platform::ByteState::locked:
        return Liveness::alive;
      case platform::ByteState::free:
        return Liveness::dead;
      case platform::ByteState::unknown:
        break;
    }
  }
  return judge_by_pid(*who);
}

std::shared_ptr<void> Session::watch(std::string_view token, DeathWatch::Wake wake) {
  const std::optional<Identity> who = parse(token);
  if (!who) return nullptr;
  {
    platform::MutexLock lock(mutex_);
    if (started_ && token == token_) return nullptr;
    if (!try_open_life_file() || who->life != life_id_ || life_id_ == platform::FileId{}) return nullptr;
  }
  return deaths_.watch(probe_, life_byte(*who), std::move(wake));
}

}  // namespace dcache::store
