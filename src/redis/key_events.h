// KeyEvents: what subscribers are told of changed keys, as the setting notify-keyspace-events asks.
//
// While a command runs, it notes in its Call which keys it touched and how (KeyTouch): execute()
// does that for the keyspace, handlers of streams name their event. Afterwards tell() makes Redis's
// events of it and publishes them to all cores when the change is durable. At most once: nothing
// is kept for who is not subscribed then.
//
// Owner: the core's Service.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "broker/broker.h"
#include "model/keyspace_command.h"

namespace trv::redis {

class Service;
struct Call;

namespace key_event {
inline constexpr std::uint32_t keyspace = 1u << 0;  // __keyspace@0__:KEY says the event
inline constexpr std::uint32_t keyevent = 1u << 1;  // __keyevent@0__:EVENT says the key
inline constexpr std::uint32_t generic = 1u << 2;
inline constexpr std::uint32_t string = 1u << 3;
inline constexpr std::uint32_t list = 1u << 4;
inline constexpr std::uint32_t set = 1u << 5;
inline constexpr std::uint32_t hash = 1u << 6;
inline constexpr std::uint32_t sorted_set = 1u << 7;
inline constexpr std::uint32_t expired = 1u << 8;
inline constexpr std::uint32_t evicted = 1u << 9;
inline constexpr std::uint32_t stream = 1u << 10;
inline constexpr std::uint32_t miss = 1u << 11;
inline constexpr std::uint32_t module = 1u << 12;
inline constexpr std::uint32_t created = 1u << 13;

// Nothing when a character means nothing.
std::optional<std::uint32_t> parse(std::string_view text);
std::string text(std::uint32_t flags);

inline constexpr std::string_view consumer_made = "xgroup-createconsumer";
}  // namespace key_event

// One change of one key, in the order of the command's changes.
struct KeyTouch {
  std::string key;
  std::uint32_t kind = 0;    // with `event`: told as it is
  std::string_view event{};  // static; empty: found by command and operation
  model::KeyspaceOp op{};    // without an event
  bool existed = false;      // before
  bool exists = false;       // after
  bool expires = false;      // after
};

class KeyEvents {
 public:
  explicit KeyEvents(Service& service) : service_(service) {}

  std::uint32_t flags() const { return flags_; }
  void set_flags(std::uint32_t flags) { flags_ = flags; }
  // Any of these kinds is asked for.
  bool wants(std::uint32_t kinds) const {
    return (flags_ & kinds) != 0 && (flags_ & (key_event::keyspace | key_event::keyevent)) != 0;
  }
  bool wants_any() const { return wants(~(key_event::keyspace | key_event::keyevent)); }

  // Notes an event under the name that subscribers know.
  void note(Call& call, std::uint32_t kind, std::string_view event, ByteView key);
  // A command that only reads has not found the key.
  void note_miss(Call& call, ByteView key);
  // The time of a key was over; `removal` has removed it.
  void on_expired(std::string_view name, broker::Commit removal);
  // Publishes what the call's command has noted.
  void tell(Call& call);

 private:
  struct Event {
    std::uint32_t kind;
    std::string_view name;
    std::string key;
  };
  static std::vector<Event> events_of(const Call& call);
  static std::vector<Event> renamed(const Call& call);
  void publish_after(broker::Commit commit, std::vector<Event> events);
  void publish(const Event& event);

  Service& service_;
  std::uint32_t flags_ = 0;
};

}  // namespace trv::redis
