// Listing: gathers facts on all cores; making JSON of them is left to the asker's thread.
#include <algorithm>
#include <iterator>

#include "amqp/management/management.h"
#include "amqp/management/render.h"
#include "amqp/stream_queue.h"
#include "amqp/wire/table.h"
#include "auth/directory.h"
#include "base/scoped_name.h"
#include "broker/catalog.h"
#include "broker/queues.h"
#include "broker/topics.h"

namespace trv::amqp {

namespace {

using broker::Broker;
using Facts = std::pair<std::vector<SessionFacts>, std::vector<ListedQueue>>;

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
    one.consumers = queue.consumer_count;
    one.policy = std::move(queue.policy);
    one.operator_policy = std::move(queue.operator_policy);
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
    listed.push_back(std::move(one));
  }
  return listed;
}

// Readers of streams are the sessions' own; the log does not count them.
void count_readers(Facts& facts) {
  for (ListedQueue& queue : facts.second) {
    if (queue.type != "stream") continue;
    for (const SessionFacts& session : facts.first) {
      for (const ChannelFacts& channel : session.channels) {
        queue.consumers += static_cast<std::uint32_t>(
            std::count_if(channel.consumers.begin(), channel.consumers.end(),
                          [&queue](const ConsumerFacts& one) { return one.queue == queue.name; }));
      }
    }
  }
}

Facts merge(std::vector<Facts> by_core) {
  Facts all;
  for (Facts& facts : by_core) {
    std::move(facts.first.begin(), facts.first.end(), std::back_inserter(all.first));
    std::move(facts.second.begin(), facts.second.end(), std::back_inserter(all.second));
  }
  const auto by_name = [](const ListedQueue& a, const ListedQueue& b) {
    return std::pair(scope_of(a.name), local_name(a.name)) <
           std::pair(scope_of(b.name), local_name(b.name));
  };
  std::sort(all.second.begin(), all.second.end(), by_name);
  const auto by_time = [](const SessionFacts& a, const SessionFacts& b) {
    return a.opened_at_ms < b.opened_at_ms;
  };
  std::sort(all.first.begin(), all.first.end(), by_time);
  count_readers(all);
  return all;
}

boost::json::array render(broker::Operations::Subject subject, std::vector<Facts> by_core,
                          const model::Router& router, const auth::Directory& directory) {
  using Subject = broker::Operations::Subject;
  const Facts facts = merge(std::move(by_core));
  switch (subject) {
    case Subject::connections:
      return render_connections(facts.first);
    case Subject::channels:
      return render_channels(facts.first);
    case Subject::consumers:
      return render_consumers(facts.first, facts.second);
    case Subject::exchanges:
      return render_exchanges(router, directory);
    case Subject::queues:
      return render_queues(facts.second);
    case Subject::bindings:
      return render_bindings(router, facts.second);
  }
  return {};
}

}  // namespace

void Management::list(Subject subject, UniqueFunction<void(Rendering)> done) {
  const bool with_queues =
      subject == Subject::queues || subject == Subject::bindings || subject == Subject::consumers;
  const bool with_sessions = subject != Subject::exchanges && subject != Subject::bindings;
  services_.broker.gather(
      [with_queues, with_sessions, sessions = services_.all_sessions](Broker& broker) {
        Facts facts;
        if (with_sessions) {
          facts.first = sessions_of(*sessions[broker.core().index().value]);
        }
        if (with_queues) facts.second = queues_of(broker);
        return facts;
      },
      [subject, router = services_.broker.catalog().snapshot(),
       directory = services_.broker.catalog().access(),
       done = std::move(done)](std::vector<Facts> by_core) mutable {
        done([subject, router, directory, by_core = std::move(by_core)]() mutable {
          return render(subject, std::move(by_core), *router, *directory);
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
