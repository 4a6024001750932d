// Channels: who on this core has subscribed to which channels and patterns.
//
// Owner: the core's Service. A publication is handed to the Channels of every core; each tells its
// own clients. Nothing is stored: a message reaches those who are subscribed when it comes.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace trv::redis {

class Client;

class Channels {
 public:
  void subscribe(Client& client, const std::string& channel);
  void unsubscribe(Client& client, std::string_view channel);
  void subscribe_pattern(Client& client, const std::string& pattern);
  void unsubscribe_pattern(Client& client, std::string_view pattern);

  // Result: deliveries made, a client counts once for its channel and once for each pattern.
  std::size_t publish(std::string_view channel, std::string_view message);

  // Names with at least one subscriber.
  const std::map<std::string, std::set<Client*>, std::less<>>& channels() const {
    return channels_;
  }
  const std::map<std::string, std::set<Client*>, std::less<>>& patterns() const {
    return patterns_;
  }
  std::size_t subscriber_count(std::string_view channel) const;

 private:
  using Subscribers = std::map<std::string, std::set<Client*>, std::less<>>;
  static void remove(Subscribers& from, std::string_view name, Client& client);

  Subscribers channels_;
  Subscribers patterns_;
};

}  // namespace trv::redis
