// Tracking: who must be told when a key of this core changes, for CLIENT TRACKING.
//
// Owner: the core's Service. Two parts that meet in messages only:
//
//   the keys' part     what clients of any core have read of this core's keys, and the prefixes
//                      that they listen to (every core has all of those)
//   the clients' part  tells a client of this core, or where that sends its invalidations
//
// Invariants:
//   - what a client was shown of a key is told to be invalid when the key changes, after the reply
//     that showed it. A stream, which other protocols change too, is so at once: it can not be
//     kept. What was not there is watched at the broker as well, for it may become a stream;
//   - the table has at most `keys_max` keys, and `bytes_max` bytes. A key that has to make way is
//     told to be invalid.
//
// What only grows: a client that is gone stays noted until its keys change or make way; ids are
// never used again.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "redis/command.h"

namespace trv::redis {

class Client;
class Service;

class Tracking {
 public:
  static constexpr std::uint64_t keys_max_usual = 1'000'000;
  static constexpr std::size_t bytes_max = std::size_t{256} << 20;

  explicit Tracking(Service& service) : service_(service) {}
  ~Tracking();

  // --- the keys' part ---
  // The command has read its keys for a client that wants to hear of them.
  void remember(const Call& call, std::span<const ByteView> args, const Command& command);
  // Nothing: nobody's command, or one that its own client is to hear of.
  void on_changed(std::string_view key, ConnectionId by);
  // All keys of this core are gone.
  void on_flush();
  // Of this core; 0 for no limit.
  void set_keys_max(std::uint64_t keys_max);
  void add_prefixes(ConnectionId client, const std::vector<std::string>& prefixes);
  void remove_prefixes(ConnectionId client, const std::vector<std::string>& prefixes);
  void remove_prefixes(ConnectionId client);  // all of them

  struct Figures {
    std::uint64_t keys = 0;
    std::uint64_t items = 0;
    std::uint64_t prefixes = 0;
  };
  Figures figures() const;

  // --- the clients' part ---
  // What became invalid; empty: everything.
  using Keys = std::vector<std::string>;
  // `by`: who has changed it. Requires: a client of this core, or one that is gone.
  // Not told to who has changed the mode since (`reader.broadcast`).
  struct Reader {
    ConnectionId client;
    bool broadcast = false;  // hears of changes by its prefixes
  };
  void deliver(Reader reader, const Keys& keys, ConnectionId by);
  // The same for the keys under one of its prefixes, by who has changed them.
  void deliver_broadcast(ConnectionId client, const std::map<ConnectionId, Keys>& by_changer);
  void flush_clients();

 private:
  struct Entry {
    std::vector<Reader> readers;
    std::optional<std::uint64_t> watch;  // at the broker
  };
  // Keys under a prefix that have changed in this round, and by whom; 0: by several.
  struct Prefix {
    std::set<ConnectionId> clients;
    std::map<std::string, ConnectionId, std::less<>> changed;
  };
  using Table = std::unordered_map<std::string, Entry>;

  void remember_key(const Call& call, ByteView key);
  void watch(const std::string& key, Entry& entry);
  void on_appeared(const std::string& key);
  void broadcast(std::string_view key, ConnectionId by);
  void send_broadcasts();
  void forget(Table::iterator at);
  void make_room();
  static std::size_t size_of(const std::string& key, const Entry& entry);
  void send(Reader reader, Keys keys, ConnectionId by);
  void tell_client(Client& client, const Keys& keys, ConnectionId by);
  void on_redirect_broken(ConnectionId client, ConnectionId target);

  Service& service_;
  Table table_;
  std::size_t bytes_ = 0;
  std::uint64_t items_ = 0;
  std::uint64_t keys_max_ = keys_max_usual;
  std::map<std::string, Prefix, std::less<>> prefixes_;
  bool broadcasts_due_ = false;
};

}  // namespace trv::redis
