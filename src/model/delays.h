// Delays: what a shard keeps back until its time has come, as an index of journaled bytes. Pure
// state: the bytes stay where the journal has them, so waiting costs memory for the index alone.
//
// Owner: the shard; changed by apply_* only, live and in replay. What is kept, and what becomes of
// it when it is due, is the broker's business (docs/formats/delays.md).
//
// Invariants:
//   - numbers are given once and ascend, so what is due at the same time leaves in its order;
//   - each entry is waiting or taken; a taken one is part of the snapshot still, and waits again
//     after a restart.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"

namespace trv::model {

struct DelayKey {
  std::int64_t due_ms = 0;
  std::uint64_t number = 0;
  auto operator<=>(const DelayKey&) const = default;
};

struct Delayed {
  DelayKey key;
  BlobRange where;
};

class Delays {
 public:
  // The number for the next entry.
  std::uint64_t next_number() const { return next_number_; }
  // A key that waits already has been stored again: from now on it lies there.
  void apply_add(DelayKey key, BlobRange where);
  // It is done with. Unknown keys change nothing.
  void apply_end(DelayKey key);

  // The first that waits.
  std::optional<Delayed> first() const;
  // The first that waits behind `key`, whether or not that is there.
  std::optional<Delayed> after(DelayKey key) const;
  // It is no longer waiting; ends with apply_end(), or put_back(). Requires: it waits.
  void take(DelayKey key);
  void put_back(DelayKey key);

  std::size_t count() const { return waiting_.size() + taken_.size(); }
  // Where everything lies that is kept; `visit(const BlobRange&)`.
  template <class Visit>
  void each(Visit&& visit) const {
    for (const auto& [key, where] : waiting_) visit(where);
    for (const auto& [key, where] : taken_) visit(where);
  }

  // restore() is for a fresh Delays. Errors: corrupt.
  void encode_state(std::string& out) const;
  Status restore_state(ByteView bytes);

 private:
  std::map<DelayKey, BlobRange> waiting_;
  std::map<DelayKey, BlobRange> taken_;
  std::uint64_t next_number_ = 1;
};

}  // namespace trv::model
