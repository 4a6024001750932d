#include "redis/channels.h"

#include "redis/service.h"
#include "redis/wire/glob.h"

namespace trv::redis {

void Channels::subscribe(Client& client, const std::string& channel) {
  channels_[channel].insert(&client);
}

void Channels::unsubscribe(Client& client, std::string_view channel) {
  remove(channels_, channel, client);
}

void Channels::subscribe_pattern(Client& client, const std::string& pattern) {
  patterns_[pattern].insert(&client);
}

void Channels::unsubscribe_pattern(Client& client, std::string_view pattern) {
  remove(patterns_, pattern, client);
}

void Channels::remove(Subscribers& from, std::string_view name, Client& client) {
  auto at = from.find(name);
  if (at == from.end()) return;
  at->second.erase(&client);
  if (at->second.empty()) from.erase(at);
}

std::size_t Channels::subscriber_count(std::string_view channel) const {
  auto at = channels_.find(channel);
  return at == channels_.end() ? 0 : at->second.size();
}

namespace {

// The bytes of one message, encoded at most once for each protocol version.
class Encoded {
 public:
  template <class Write>
  const Slice& get(Protocol protocol, Write&& write) {
    Slice& bytes = protocol == Protocol::resp3 ? resp3_ : resp2_;
    if (bytes.empty()) {
      std::string text;
      ReplyWriter writer(text, protocol);
      write(writer);
      bytes = Slice::own(std::move(text));
    }
    return bytes;
  }

 private:
  Slice resp2_;
  Slice resp3_;
};

}  // namespace

std::size_t Channels::publish(std::string_view channel, std::string_view message) {
  std::size_t delivered = 0;
  if (auto at = channels_.find(channel); at != channels_.end()) {
    Encoded encoded;
    for (Client* client : at->second) {
      client->push(encoded.get(client->session().protocol, [&](ReplyWriter& writer) {
        writer.push(3);
        writer.bulk("message");
        writer.bulk(channel);
        writer.bulk(message);
      }));
      ++delivered;
    }
  }
  for (const auto& entry : patterns_) {
    const auto& pattern = entry.first;
    if (!glob_match(pattern, channel)) continue;
    Encoded encoded;
    for (Client* client : entry.second) {
      client->push(encoded.get(client->session().protocol, [&](ReplyWriter& writer) {
        writer.push(4);
        writer.bulk("pmessage");
        writer.bulk(pattern);
        writer.bulk(channel);
        writer.bulk(message);
      }));
      ++delivered;
    }
  }
  return delivered;
}

}  // namespace trv::redis
