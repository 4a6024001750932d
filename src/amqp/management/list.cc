// Listing: gathers facts on all cores; making JSON of them is left to the asker's thread.
#include <algorithm>
#include <iterator>
#include <map>
#include <string_view>
#include <unordered_map>

#include "amqp/management/json_table.h"
#include "amqp/management/management.h"
#include "amqp/management/message_stats.h"
#include "amqp/management/render.h"
#include "amqp/stream_queue.h"
#include "amqp/wire/table.h"
#include "auth/directory.h"
#include "base/scoped_name.h"
#include "broker/catalog.h"
#include "broker/queues.h"
#include "broker/topics.h"
#include "model/policies.h"

namespace trv::amqp {

namespace {

using broker::Broker;
using VhostTraffic = Traffic::Named<MessageCounts>;

// Of a core, or of all together: what was asked for.
struct Facts {
  std::vector<SessionFacts> sessions;
  std::vector<ListedQueue> queues;
  ExchangeTraffic exchanges;
  VhostTraffic vhosts;
  ChurnCounts::Totals churn;
  EventCounts<broker::QueuesEvent>::Totals queue_churn;
};

std::vector<SessionFacts> sessions_of(const Sessions& sessions) {
  std::vector<SessionFacts> facts;
  for (const auto& [id, session] : sessions.all()) {
    const bool open =
        session->state() == Session::State::running || session->state() == Session::State::closing;
    if (!open) continue;
    SessionFacts one = session->facts();
    if (!one.peer.empty()) facts.push_back(std::move(one));  // else an operation's
  }
  return facts;
}

std::vector<ListedQueue> queues_of(Broker& broker) {
  std::vector<ListedQueue> listed;
  for (broker::QueueFacts& queue : broker.queues().list()) {
    ListedQueue one;
    one.name = std::move(queue.name);
    one.type = queue.settings.strict ? "quorum" : "classic";
    one.arguments = std::move(queue.settings.arguments);
    one.durable = queue.settings.durable;
    one.exclusive = queue.settings.exclusive;
    one.auto_delete = queue.settings.auto_delete;
    one.single_active = queue.settings.single_active;
    one.active = queue.active;
    one.ready = queue.ready_count;
    one.unacknowledged = queue.outstanding_count;
    one.memory_bytes = queue.memory_bytes;
    one.consumers = queue.consumer_count;
    one.policy = std::move(queue.policy);
    one.operator_policy = std::move(queue.operator_policy);
    one.traffic = queue.traffic;
    one.length_rates = queue.length_rates;
    listed.push_back(std::move(one));
  }
  for (const broker::TopicFacts& topic : broker.topics().list()) {
    const auto arguments = stream_arguments(topic.settings);
    broker::Topic* log = arguments ? broker.topics().find(topic.name) : nullptr;
    if (!log || broker.queues().find(topic.name)) continue;
    ListedQueue one;
    one.name = topic.name;
    one.type = "stream";
    one.arguments = *arguments;
    one.ready = broker.topics().live_count(*log);
    one.memory_bytes = broker.topics().state(*log).index_bytes();
    const broker::Queues::LogTraffic traffic = broker.queues().log_traffic(topic.name);
    one.traffic = traffic.counts;
    one.length_rates = traffic.length_rates;
    const broker::Topics::Governing by = broker.topics().governing(*log);
    if (by.policy) one.policy = by.policy->name;
    if (by.operator_policy) one.operator_policy = by.operator_policy->name;
    listed.push_back(std::move(one));
  }
  return listed;
}

// Readers of streams are the sessions' own; the log does not count them.
void add_consumer(ListedQueue& queue, const ConsumerFacts& consumer) {
  if (queue.type == "stream") ++queue.consumers;
  if (consumer.exclusive) queue.exclusive_tag = consumer.tag;
  if (queue.single_active && consumer.id == queue.active) queue.active_tag = consumer.tag;
}

void add_consumers(Facts& facts) {
  if (facts.queues.empty()) return;
  std::unordered_map<std::string_view, ListedQueue*> by_name;
  for (ListedQueue& queue : facts.queues) by_name.emplace(queue.name, &queue);
  for (const SessionFacts& session : facts.sessions) {
    for (const ChannelFacts& channel : session.channels) {
      for (const ConsumerFacts& consumer : channel.consumers) {
        const auto found = by_name.find(consumer.queue);
        if (found != by_name.end()) add_consumer(*found->second, consumer);
      }
    }
  }
}

template <class Totals>
void add(std::map<std::string, Totals>& all, const std::map<std::string, Totals>& some) {
  for (const auto& [name, totals] : some) all[name] += totals;
}

Facts merge(std::vector<Facts> by_core) {
  Facts all;
  for (Facts& facts : by_core) {
    std::move(facts.sessions.begin(), facts.sessions.end(), std::back_inserter(all.sessions));
    std::move(facts.queues.begin(), facts.queues.end(), std::back_inserter(all.queues));
    add(all.exchanges, facts.exchanges);
    add(all.vhosts, facts.vhosts);
    all.churn += facts.churn;
    all.queue_churn += facts.queue_churn;
  }
  const auto by_name = [](const ListedQueue& a, const ListedQueue& b) {
    return std::pair(scope_of(a.name), local_name(a.name)) <
           std::pair(scope_of(b.name), local_name(b.name));
  };
  std::sort(all.queues.begin(), all.queues.end(), by_name);
  const auto by_time = [](const SessionFacts& a, const SessionFacts& b) {
    return a.opened_at_ms < b.opened_at_ms;
  };
  std::sort(all.sessions.begin(), all.sessions.end(), by_time);
  add_consumers(all);
  return all;
}

boost::json::array render_traffic(const VhostTraffic& traffic) {
  boost::json::array out;
  for (const auto& [vhost, totals] : traffic) {
    out.push_back({{"vhost", text_to_json(vhost)}, {"message_stats", message_stats(totals)}});
  }
  return out;
}

using Subject = broker::Operations::Subject;

// What the catalog showed when it was asked.
struct Tables {
  std::shared_ptr<const model::Router> router;
  std::shared_ptr<const auth::Directory> directory;
  std::shared_ptr<const model::Policies> policies;
};

boost::json::array render(Subject subject, std::vector<Facts> by_core, const Tables& tables) {
  const Facts facts = merge(std::move(by_core));
  switch (subject) {
    case Subject::connections:
      return render_connections(facts.sessions);
    case Subject::channels:
      return render_channels(facts.sessions);
    case Subject::consumers:
      return render_consumers(facts.sessions, facts.queues);
    case Subject::exchanges:
      return render_exchanges(*tables.router, *tables.directory, *tables.policies, facts.exchanges);
    case Subject::queues:
      return render_queues(facts.queues);
    case Subject::bindings:
      return render_bindings(*tables.router, facts.queues);
    case Subject::traffic:
      return render_traffic(facts.vhosts);
    case Subject::churn:
      return {churn_rates(facts.churn, facts.queue_churn)};
  }
  return {};
}

bool needs_sessions(Subject subject) {
  return subject == Subject::connections || subject == Subject::channels ||
         subject == Subject::consumers || subject == Subject::queues;
}

bool needs_queues(Subject subject) {
  return subject == Subject::queues || subject == Subject::bindings ||
         subject == Subject::consumers;
}

// On its core.
Facts facts_of(Subject subject, Broker& broker, const Sessions& sessions, Traffic& traffic) {
  const runtime::SteadyTime now = broker.core().now();
  Facts facts;
  if (needs_sessions(subject)) facts.sessions = sessions_of(sessions);
  if (needs_queues(subject)) facts.queues = queues_of(broker);
  if (subject == Subject::exchanges) {
    facts.exchanges = traffic.exchanges(*broker.catalog().snapshot(), now);
  }
  if (subject == Subject::traffic) facts.vhosts = traffic.vhosts(*broker.catalog().access(), now);
  if (subject == Subject::churn) {
    facts.churn = traffic.churn(now);
    facts.queue_churn = broker.queues().churn();
  }
  return facts;
}

}  // namespace

void Management::list(Subject subject, UniqueFunction<void(Rendering)> done) {
  const broker::Catalog& catalog = services_.broker.catalog();
  services_.broker.gather(
      [subject, sessions = services_.all_sessions,
       traffic = services_.all_traffic](Broker& broker) {
        const std::size_t core = broker.core().index().value;
        return facts_of(subject, broker, *sessions[core], *traffic[core]);
      },
      [subject, tables = Tables{catalog.snapshot(), catalog.access(), catalog.policies()},
       done = std::move(done)](std::vector<Facts> by_core) mutable {
        done([subject, tables, by_core = std::move(by_core)]() mutable {
          return render(subject, std::move(by_core), tables);
        });
      });
}

void Management::close_connections(Chosen chosen, std::string reason,
                                   UniqueFunction<void(int)> done) {
  close_sessions(
      [chosen = std::move(chosen)](const Session& session) {
        const SessionFacts facts = session.facts();
        return !facts.peer.empty() && chosen(facts.name(), facts.user);
      },
      std::move(reason), std::move(done));
}

void Management::close_sessions(std::function<bool(const Session&)> chosen, std::string reason,
                                UniqueFunction<void(int)> done) {
  services_.broker.gather(
      [chosen = std::move(chosen), reason = std::move(reason),
       sessions = services_.all_sessions](Broker& broker) {
        std::vector<ConnectionId> ids;
        const Sessions& here = *sessions[broker.core().index().value];
        for (const auto& [id, session] : here.all()) {
          if (session->state() == Session::State::running && chosen(*session)) ids.push_back(id);
        }
        for (const ConnectionId id : ids) {
          if (Session* session = here.find(id)) {
            session->fail_connection(wire::MethodId{}, {ReplyCode::connection_forced, reason});
          }
        }
        return static_cast<int>(ids.size());
      },
      [done = std::move(done)](const std::vector<int>& by_core) mutable {
        int count = 0;
        for (const int one : by_core) count += one;
        done(count);
      });
}

}  // namespace trv::amqp
