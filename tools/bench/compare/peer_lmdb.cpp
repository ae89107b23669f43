// SPDX-License-Identifier: Apache-2.0
#include <lmdb.h>

#include <stdexcept>
#include <utility>

#include "compare/peer.hpp"

namespace bench::compare {

namespace {

/// Addresses only; the file grows as it is filled.
constexpr std::size_t kMapSize = 64ULL << 30U;

void check(int code, const char* what) {
  if (code != MDB_SUCCESS) throw std::runtime_error(std::string("LMDB: ") + what + ": " + mdb_strerror(code));
}

MDB_val bytes_of(std::string_view text) { return {text.size(), const_cast<char*>(text.data())}; }

class Lmdb final : public Peer {
 public:
  explicit Lmdb(const std::filesystem::path& directory) {
    check(mdb_env_create(&env_), "create");
    check(mdb_env_set_mapsize(env_, kMapSize), "map");
    check(mdb_env_open(env_, directory.c_str(), MDB_NOSYNC, 0600), "open");
    Write write(env_);
    check(mdb_dbi_open(write.transaction(), nullptr, 0, &table_), "table");
    write.commit();
    check(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &read_), "begin");
    mdb_txn_reset(read_);
  }
  ~Lmdb() override {
    if (read_ != nullptr) mdb_txn_abort(read_);
    mdb_env_close(env_);
  }

  std::string version() override {
    int major = 0;
    int minor = 0;
    int patch = 0;
    mdb_version(&major, &minor, &patch);
    return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
  }

  std::optional<std::string> get(std::string_view key) override {
    check(mdb_txn_renew(read_), "renew");
    MDB_val wanted = bytes_of(key);
    MDB_val value{};
    const int code = mdb_get(read_, table_, &wanted, &value);
    std::optional<std::string> found;
    if (code == MDB_SUCCESS) found.emplace(static_cast<const char*>(value.mv_data), value.mv_size);
    mdb_txn_reset(read_);
    if (code != MDB_NOTFOUND) check(code, "get");
    return found;
  }
  void set(std::string_view key, std::string_view value) override {
    Write write(env_);
    write.put(table_, key, value);
    write.commit();
  }
  bool add(std::string_view key, std::string_view value) override {
    Write write(env_);
    if (!write.put(table_, key, value, MDB_NOOVERWRITE)) return false;
    write.commit();
    return true;
  }
  bool erase(std::string_view key) override {
    Write write(env_);
    MDB_val wanted = bytes_of(key);
    const int code = mdb_del(write.transaction(), table_, &wanted, nullptr);
    if (code == MDB_NOTFOUND) return false;
    check(code, "delete");
    write.commit();
    return true;
  }
  void set_all(std::span<const Key> keys, Values& values) override {
    Write write(env_);
    for (const Key& key : keys) write.put(table_, key.text, values.next_of(key.number));
    write.commit();
  }

 private:
  /// Undone unless committed.
  class Write {
   public:
    explicit Write(MDB_env* env) { check(mdb_txn_begin(env, nullptr, 0, &transaction_), "begin"); }
    Write(const Write&) = delete;
    Write& operator=(const Write&) = delete;
    ~Write() {
      if (transaction_ != nullptr) mdb_txn_abort(transaction_);
    }
    [[nodiscard]] MDB_txn* transaction() const noexcept { return transaction_; }
    /// Whether it was stored, which only MDB_NOOVERWRITE prevents.
    bool put(MDB_dbi table, std::string_view key, std::string_view value, unsigned flags = 0) {
      MDB_val name = bytes_of(key);
      MDB_val stored = bytes_of(value);
      const int code = mdb_put(transaction_, table, &name, &stored, flags);
      if (code == MDB_KEYEXIST) return false;
      check(code, "put");
      return true;
    }
    void commit() { check(mdb_txn_commit(std::exchange(transaction_, nullptr)), "commit"); }

   private:
    MDB_txn* transaction_ = nullptr;
  };

  MDB_env* env_ = nullptr;
  MDB_dbi table_ = 0;
  MDB_txn* read_ = nullptr;
};

}  // namespace

Kind lmdb_kind() {
  return {.id = "lmdb",
          .title = "LMDB",
          .settings =
              "MDB_NOSYNC: nothing is flushed at a commit, as with the others (MDB_NOMETASYNC flushes the "
              "data each time); reads renew one transaction and copy the value",
          .abilities = {},
          .open = [](const std::filesystem::path& directory) { return std::make_unique<Lmdb>(directory); }};
}

}  // namespace bench::compare
