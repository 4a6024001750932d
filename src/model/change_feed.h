// ChangeFeed: which keys of a durable state have changed and were not yet told to who follows it,
// so that a copy that is kept elsewhere misses nothing, whatever crashes.
//
// Owner: the state that the keys are of. It is rebuilt with that state: its steps are commands of
// the state, and it is part of the state's snapshots (docs/formats/change-feed.md).
//
// Invariants:
//   - nothing is noted while nobody follows;
//   - a key is in it once, by its latest change; whether it is still there, and as what, the state
//     tells;
//   - numbers only grow, also from one follower to the next.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace trv::model {

struct FeedStep {
  enum class Kind : std::uint8_t {
    end = 0,     // nobody follows any more
    begin = 1,   // somebody does, who has nothing so far
    settle = 2,  // who follows has everything up to and with `number`
  };
  Kind kind = Kind::end;
  std::uint64_t number = 0;
};

inline void write_feed_step(ByteWriter& out, FeedStep step) {
  out.u8(static_cast<std::uint8_t>(step.kind));
  out.varint(step.number);
}

inline FeedStep read_feed_step(ByteReader& in) {
  FeedStep step;
  step.kind = static_cast<FeedStep::Kind>(in.u8());
  step.number = in.varint();
  if (step.kind > FeedStep::Kind::settle) in.fail();
  return step;
}

template <class Key>
class ChangeFeed {
 public:
  struct Change {
    std::uint64_t number = 0;
    Key key;
  };

  bool is_followed() const { return followed_; }
  bool empty() const { return keys_.empty(); }
  // Ascending by number.
  std::vector<Change> oldest(std::size_t count_max) const;

  void note(const Key& key);
  // A step that begins is followed by a note() of every key that there is.
  void apply(FeedStep step);

  // `write_key(ByteWriter&, const Key&)`, `read_key(ByteReader&) -> Key`. What is read is damaged
  // when the reader has failed.
  template <class WriteKey>
  void write(ByteWriter& out, WriteKey write_key) const;
  template <class ReadKey>
  void read(ByteReader& in, ReadKey read_key);

  bool operator==(const ChangeFeed&) const = default;

 private:
  bool followed_ = false;
  std::uint64_t next_ = 1;
  std::map<std::uint64_t, Key> keys_;
  std::map<Key, std::uint64_t> numbers_;
};

template <class Key>
std::vector<typename ChangeFeed<Key>::Change> ChangeFeed<Key>::oldest(std::size_t count_max) const {
  std::vector<Change> changes;
  for (const auto& [number, key] : keys_) {
    if (changes.size() == count_max) break;
    changes.push_back({number, key});
  }
  return changes;
}

template <class Key>
void ChangeFeed<Key>::note(const Key& key) {
  if (!followed_) return;
  auto [it, added] = numbers_.try_emplace(key, next_);
  if (!added) keys_.erase(std::exchange(it->second, next_));
  keys_.emplace_hint(keys_.end(), next_++, key);
}

template <class Key>
void ChangeFeed<Key>::apply(FeedStep step) {
  followed_ = step.kind != FeedStep::Kind::end;
  const auto end =
      step.kind == FeedStep::Kind::settle ? keys_.upper_bound(step.number) : keys_.end();
  for (auto it = keys_.begin(); it != end; it = keys_.erase(it)) numbers_.erase(it->second);
}

template <class Key>
template <class WriteKey>
void ChangeFeed<Key>::write(ByteWriter& out, WriteKey write_key) const {
  out.u8(followed_ ? 1 : 0);
  out.varint(next_);
  out.varint(keys_.size());
  for (const auto& [number, key] : keys_) {
    out.varint(number);
    write_key(out, key);
  }
}

template <class Key>
template <class ReadKey>
void ChangeFeed<Key>::read(ByteReader& in, ReadKey read_key) {
  *this = {};
  followed_ = in.u8() != 0;
  next_ = in.varint();
  std::uint64_t last = 0;
  for (std::uint64_t count = in.varint(); count > 0 && in.ok(); --count) {
    const std::uint64_t number = in.varint();
    Key key = read_key(in);
    const bool in_order = number > last && number < next_;
    if (!in_order || !numbers_.try_emplace(key, number).second) in.fail();
    keys_.emplace_hint(keys_.end(), number, std::move(key));
    last = number;
  }
}

}  // namespace trv::model
