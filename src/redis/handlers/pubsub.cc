// PUBLISH and SUBSCRIBE: messages to whoever listens now.
#include <map>

#include "redis/handlers/families.h"
#include "redis/service.h"
#include "redis/wire/glob.h"

namespace trv::redis {

namespace {

void publish(Call& call) {
  if (call.service.single_core()) {
    return call.reply.count(call.service.channels().publish(call.args[1], call.args[2]));
  }
  call.service.gather(
      call,
      [channel = std::string(call.args[1]), message = std::string(call.args[2])](Service& service) {
        return service.channels().publish(channel, message);
      },
      [](std::vector<std::size_t> parts, ReplyWriter& reply) {
        std::size_t delivered = 0;
        for (std::size_t part : parts) delivered += part;
        reply.count(delivered);
      });
}

void confirm(Call& call, std::string_view kind, std::optional<ByteView> name) {
  call.reply.push(3);
  call.reply.bulk(kind);
  if (name) {
    call.reply.bulk(*name);
  } else {
    call.reply.null();
  }
  call.reply.count(call.session->subscription_count());
}

void subscribe(Call& call) {
  for (ByteView name : call.args.subspan(1)) {
    auto [at, fresh] = call.session->channels.emplace(name);
    if (fresh) call.service.channels().subscribe(*call.client, *at);
    confirm(call, "subscribe", name);
  }
}

void psubscribe(Call& call) {
  for (ByteView name : call.args.subspan(1)) {
    auto [at, fresh] = call.session->patterns.emplace(name);
    if (fresh) call.service.channels().subscribe_pattern(*call.client, *at);
    confirm(call, "psubscribe", name);
  }
}

// Without names: all of them. Each gets its answer, and there is always one.
template <class Leave>
void unsubscribe_from(Call& call, std::set<std::string, std::less<>>& names, std::string_view kind,
                      Leave&& leave) {
  std::vector<std::string> wanted(call.args.begin() + 1, call.args.end());
  if (wanted.empty()) wanted.assign(names.begin(), names.end());
  for (const std::string& name : wanted) {
    auto at = names.find(name);
    if (at != names.end()) {
      names.erase(at);
      leave(name);
    }
    confirm(call, kind, name);
  }
  if (wanted.empty()) confirm(call, kind, std::nullopt);
}

void unsubscribe(Call& call) {
  unsubscribe_from(call, call.session->channels, "unsubscribe", [&](const std::string& name) {
    call.service.channels().unsubscribe(*call.client, name);
  });
}

void punsubscribe(Call& call) {
  unsubscribe_from(call, call.session->patterns, "punsubscribe", [&](const std::string& name) {
    call.service.channels().unsubscribe_pattern(*call.client, name);
  });
}

using Names = std::vector<std::string>;

void pubsub_channels(Call& call) {
  if (call.args.size() > 3) {
    return call.reply.error(wrong_subcommand("PUBSUB", call.args[1]));
  }
  std::string pattern(call.args.size() == 3 ? call.args[2] : ByteView("*"));
  call.service.gather(
      call,
      [pattern](Service& service) {
        Names names;
        for (const auto& [name, subscribers] : service.channels().channels()) {
          if (glob_match(pattern, name)) names.push_back(name);
        }
        return names;
      },
      [](std::vector<Names> parts, ReplyWriter& reply) {
        std::set<std::string> names;
        for (Names& part : parts) names.insert(part.begin(), part.end());
        reply.array(names.size());
        for (const std::string& name : names) reply.bulk(name);
      });
}

void pubsub_numsub(Call& call) {
  Names names(call.args.begin() + 2, call.args.end());
  call.service.gather(
      call,
      [names](Service& service) {
        std::vector<std::size_t> counts;
        for (const std::string& name : names) {
          counts.push_back(service.channels().subscriber_count(name));
        }
        return counts;
      },
      [names](std::vector<std::vector<std::size_t>> parts, ReplyWriter& reply) {
        reply.array(names.size() * 2);
        for (std::size_t i = 0; i < names.size(); ++i) {
          std::size_t count = 0;
          for (const auto& part : parts) count += part[i];
          reply.bulk(names[i]);
          reply.count(count);
        }
      });
}

void pubsub_numpat(Call& call) {
  call.service.gather(
      call,
      [](Service& service) {
        Names names;
        for (const auto& [name, subscribers] : service.channels().patterns()) names.push_back(name);
        return names;
      },
      [](std::vector<Names> parts, ReplyWriter& reply) {
        std::set<std::string> names;
        for (Names& part : parts) names.insert(part.begin(), part.end());
        reply.count(names.size());
      });
}

constexpr std::uint32_t listens =
    flag::pubsub | flag::loading | flag::stale | flag::subscriber | flag::no_script;
constexpr std::uint32_t tells = flag::pubsub | flag::loading | flag::stale;

constexpr Command rows[] = {
    {"publish", 3, tells | flag::fast | flag::may_write, Where::every_core, KeyRule::none, 0, 0, 0,
     "pubsub", "2.0.0", "Sends a message to a channel's subscribers.", publish},
    {"subscribe", -2, listens, Where::session, KeyRule::none, 0, 0, 0, "pubsub", "2.0.0",
     "Listens to channels.", subscribe},
    {"unsubscribe", -1, listens, Where::session, KeyRule::none, 0, 0, 0, "pubsub", "2.0.0",
     "Stops listening to channels.", unsubscribe},
    {"psubscribe", -2, listens, Where::session, KeyRule::none, 0, 0, 0, "pubsub", "2.0.0",
     "Listens to the channels that match patterns.", psubscribe},
    {"punsubscribe", -1, listens, Where::session, KeyRule::none, 0, 0, 0, "pubsub", "2.0.0",
     "Stops listening by patterns.", punsubscribe},
    {"pubsub", -2, flag::container | tells, Where::session, KeyRule::none, 0, 0, 0, "pubsub",
     "2.8.0", "A container for Pub/Sub introspection commands.", nullptr},
    {"pubsub|channels", -2, tells, Where::every_core, KeyRule::none, 0, 0, 0, "pubsub", "2.8.0",
     "Lists the channels that have subscribers.", pubsub_channels},
    {"pubsub|numsub", -2, tells, Where::every_core, KeyRule::none, 0, 0, 0, "pubsub", "2.8.0",
     "Counts the subscribers of channels.", pubsub_numsub},
    {"pubsub|numpat", 2, tells, Where::every_core, KeyRule::none, 0, 0, 0, "pubsub", "2.8.0",
     "Counts the patterns that are listened to.", pubsub_numpat},
};

}  // namespace

std::span<const Command> pubsub_commands() { return rows; }

}  // namespace trv::redis
