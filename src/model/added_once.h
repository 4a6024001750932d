// AddedOnce: what producers called the records that they added to one topic lately, so that a
// record which is sent again under its name is known and not added again.
//
// Owner: the topic's Broker, on its core; made by the first name, dies with the topic. Pure: every
// change is a command of bytes that the broker journals and then hands to apply(); replay calls the
// same apply(), and the commands of snapshot() rebuild it. The formats: docs/formats/added-once.md.
//
// Invariants:
//   - a name is remembered for `keep` from when it was added, unless its producer has added
//     `per_producer` others since or all were forgotten by a new window;
//   - remembered_bytes() stays within remembered_bytes_max as long as what takes() refuses is not
//     added; expired names go when something is added, and with forget_expired().
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"

namespace trv::model {

class AddedOnce {
 public:
  static constexpr std::size_t remembered_bytes_max = std::size_t{64} << 20;
  static constexpr std::size_t name_size_max = std::size_t{128} << 10;  // also of a producer's

  struct Window {
    std::chrono::seconds keep{100};
    std::uint32_t per_producer = 100;  // names
    bool operator==(const Window&) const = default;
  };

  AddedOnce() = default;
  AddedOnce(const AddedOnce&) = delete;
  AddedOnce& operator=(const AddedOnce&) = delete;

  const Window& window() const { return window_; }
  std::size_t producer_count() const { return producers_.size(); }
  std::size_t name_count() const { return by_turn_.size(); }
  std::uint64_t added_count() const { return added_count_; }        // ever
  std::uint64_t repeated_count() const { return repeated_count_; }  // ever
  std::size_t remembered_bytes() const { return bytes_; }

  // The record that was added under this name.
  std::optional<RecordId> find(ByteView producer, ByteView name, WallTime now) const;
  // Whether there is room for one more, when what has expired is gone.
  bool takes(ByteView producer, ByteView name) const;
  // Changes nothing that find() tells.
  void forget_expired(WallTime now);

  // The record was added, once.
  static void encode_added(std::string& out, ByteView producer, ByteView name, RecordId id);
  // It was sent again.
  static void encode_repeated(std::string& out);
  // All names are forgotten; the counts stay.
  static void encode_window(std::string& out, const Window& window);

  // Errors: corrupt (not a command): nothing changes then.
  Status apply(ByteView command, WallTime now);
  // Calls `sink` with the commands that rebuild this state in an empty AddedOnce.
  void snapshot(const std::function<void(ByteView command)>& sink) const;

 private:
  struct Producer {
    std::map<ByteView, std::uint64_t> turns;  // by name; the views look at by_turn_
    std::set<std::uint64_t> order;            // the same turns
  };
  using Producers = std::map<std::string, Producer, std::less<>>;
  struct Remembered {
    Producers::iterator producer;
    std::string name;
    RecordId id;
    WallTime at;
  };
  using ByTurn = std::map<std::uint64_t, Remembered>;

  bool expired(const Remembered& one, WallTime now) const;
  void remember(ByteView producer, ByteView name, RecordId id, WallTime at);
  void forget(ByTurn::iterator at);
  void forget_all();
  Status apply_added(ByteReader& reader, WallTime now);
  Status apply_window(ByteReader& reader);
  Status apply_restore(ByteReader& reader);

  Window window_;
  Producers producers_;
  ByTurn by_turn_;  // oldest first
  std::uint64_t next_turn_ = 0;
  std::uint64_t added_count_ = 0;
  std::uint64_t repeated_count_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace trv::model
