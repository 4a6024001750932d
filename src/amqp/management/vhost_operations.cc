// The operations about virtual hosts, and what is left to do for them after a start.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "amqp/census.h"
#include "amqp/management/management.h"
#include "amqp/management/vhosts.h"
#include "base/log.h"
#include "base/scoped_name.h"

namespace trv::amqp {

namespace {

namespace json = boost::json;
using broker::OperationResult;
using Kind = OperationResult::Kind;

constexpr std::chrono::seconds removal_retry_time{5};

std::optional<std::string> text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (!value) return std::nullopt;
  return std::string(value->as_string());
}

VhostChange::Wanted wanted_of(const broker::Operation& operation) {
  VhostChange::Wanted wanted;
  wanted.description = text_of(operation.arguments, "description");
  wanted.queue_type = text_of(operation.arguments, "default_queue_type");
  if (const json::value* tags = operation.arguments.if_contains("tags")) {
    wanted.tags.emplace();
    for (const json::value& tag : tags->as_array()) wanted.tags->emplace_back(tag.as_string());
  }
  wanted.owner = operation.user;
  return wanted;
}

OperationResult failed(const Status& status) {
  return {Kind::timed_out, status.error().message, {}};
}

}  // namespace

void Management::change_vhost(const std::string& name,
                              std::function<void(std::shared_ptr<VhostChange>)> begin,
                              UniqueFunction<void(Status, bool)> done) {
  Census* census = services_.census;
  census->take_turn([this, census, name, begin = std::move(begin),
                     done = std::move(done)]() mutable {
    begin(std::make_shared<VhostChange>(
        services_, name, [census, done = std::move(done)](VhostChange::Outcome outcome) mutable {
          census->end_turn();
          done(std::move(outcome.status), outcome.was_there);
        }));
  });
}

void Management::put_vhost(const broker::Operation& operation, Done done) {
  const std::string name = *text_of(operation.arguments, "name");
  change_vhost(
      name,
      [wanted = wanted_of(operation)](const std::shared_ptr<VhostChange>& change) {
        change->put(wanted);
      },
      [done = std::move(done)](const Status& status, bool was_there) mutable {
        if (!status) return done(failed(status));
        done({was_there ? Kind::done : Kind::created, "", {}});
      });
}

void Management::delete_vhost(const broker::Operation& operation, Done done) {
  const std::string name = *text_of(operation.arguments, "name");
  const auto end_sessions = [this](const std::string& vhost, UniqueFunction<void()> then) {
    close_sessions([vhost](const Session& session) { return session.vhost() == vhost; },
                   "vhost '" + vhost + "' is deleted",
                   [then = std::move(then)](int) mutable { then(); });
  };
  change_vhost(
      name,
      [end_sessions](const std::shared_ptr<VhostChange>& change) { change->remove(end_sessions); },
      [this, done = std::move(done)](const Status& status, bool was_there) mutable {
        if (!status) {
          finish_removals_later();
          return done(failed(status));
        }
        done({was_there ? Kind::done : Kind::not_found, was_there ? "" : "Not Found", {}});
      });
}

void Management::finish_removals() {
  services_.broker.at(broker::Catalog::home, [this](broker::Broker& owner) {
    std::vector<std::string> leaving;
    for (const auto& [name, vhost] : owner.catalog().access_state().vhosts()) {
      if (vhost->state == auth::Vhost::State::leaving) leaving.push_back(name);
    }
    owner.post(home().index(), [this, leaving] {
      for (const std::string& name : leaving) {
        change_vhost(
            name, [](const std::shared_ptr<VhostChange>& change) { change->remove_leaving(); },
            [this, name](const Status& status, bool) {
              if (status) return log::info("virtual host {} is removed at last", name);
              log::warn("virtual host {} cannot be removed: {}", name, status.error().message);
              finish_removals_later();
            });
      }
    });
  });
}

void Management::finish_removals_later() {
  if (stopping_) return;
  removal_retry_ = home().schedule(removal_retry_time, [this] { finish_removals(); });
}

}  // namespace trv::amqp
