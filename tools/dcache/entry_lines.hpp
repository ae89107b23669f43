// SPDX-License-Identifier: Apache-2.0
//
// Entries as lines of JSON, exact in every byte: what `export` writes and `import` reads. A line is an object
// with `key`, `value`, `format`, `tags`, `expires` and `stored`; what is not UTF-8 is base64 in `key_b64`,
// `value_b64`, `tags_b64` instead. Times are seconds since 1970 with a fraction; null = never.
#pragma once

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "dcache/entry.hpp"

namespace dcache::cli {

/// Writes lines to `sink`, in parts: a large value is never held twice.
class EntryWriter {
 public:
  using Sink = std::function<void(std::string_view)>;

  explicit EntryWriter(Sink sink) : sink_(std::move(sink)) {}

  void write(const Entry& entry);
  /// Hands over what is still kept.
  void flush();

 private:
  void add_text(std::string_view text);
  void add_base64(std::string_view bytes);
  void add_bytes(std::string_view name, std::string_view bytes);
  void add_tags(const std::vector<std::string>& tags);
  void add_time(Timestamp time);
  void flush_if_much();

  const Sink sink_;
  std::string kept_;
};

/// What a line says is to be stored.
struct Item {
  std::string key;
  std::string value;
  Format format = Format::bytes;
  std::vector<std::string> tags;
  std::optional<Timestamp> expires;
};

/// A line is damaged; the text says how, in words that follow "line 17: ".
class BadLine : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Replaces `item` by what the line says. Throws BadLine.
void read_entry(std::string_view line, Item& item);

}  // namespace dcache::cli
