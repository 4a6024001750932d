#include "amqp/management/vhosts.h"

#include <algorithm>

#include "amqp/census.h"
#include "amqp/stream_queue.h"
#include "base/mutant.h"
#include "base/scoped_name.h"
#include "broker/queues.h"
#include "broker/topics.h"
#include "model/policies.h"
#include "model/router.h"

namespace trv::amqp {

namespace {

using broker::Broker;
using broker::Catalog;

// Removed in one go, so that a virtual host with very many queues does not keep its core for long.
constexpr std::size_t step_count_max = 500;

// Takes what is in a virtual host off one core.
class CoreSweep : public std::enable_shared_from_this<CoreSweep> {
 public:
  CoreSweep(Broker& owner, UniqueFunction<void(Status)> done)
      : owner_(owner), done_(std::move(done)) {}

  void begin(std::string_view vhost) {
    for (broker::QueueFacts& queue : owner_.queues().list()) {
      if (scope_of(queue.name) == vhost) queues_.push_back(std::move(queue.name));
    }
    // Logs that were not declared here are not the virtual host's to remove.
    for (const broker::TopicFacts& topic : owner_.topics().list()) {
      const bool is_stream = scope_of(topic.name) == vhost && stream_arguments(topic.settings);
      if (is_stream && !owner_.queues().find(topic.name)) streams_.push_back(topic.name);
    }
    step();
  }

 private:
  void step() {
    for (std::size_t i = 0; i < step_count_max; ++i) {
      if (!queues_.empty()) {
        auto removed = owner_.queues().remove(queues_.back(), {});
        queues_.pop_back();
        note(removed ? Result<broker::Commit>(removed->commit) : removed.error());
      } else if (!streams_.empty()) {
        note(owner_.topics().remove(streams_.back()));
        streams_.pop_back();
      } else {
        return finish();
      }
    }
    owner_.core().post([self = shared_from_this()] { self->step(); });
  }

  void note(const Result<broker::Commit>& removed) {
    if (removed) {
      commit_ = commit_ | *removed;
    } else if (removed.error().code != Errc::not_found) {
      status_ = removed.error();
    }
  }

  void finish() {
    owner_.when_durable(commit_, [self = shared_from_this()](Result<broker::Durable> durable) {
      if (!durable) self->status_ = durable.error();
      self->done_(std::move(self->status_));
    });
  }

  Broker& owner_;
  UniqueFunction<void(Status)> done_;
  std::vector<std::string> queues_;
  std::vector<std::string> streams_;
  broker::Commit commit_;
  Status status_;
};

// Waits for a number of answers on one core.
struct Gathered {
  std::size_t missing = 0;
  Status status;
  UniqueFunction<void(Status)> then;

  void add(const Status& one) {
    if (!one) status = one;
    if (--missing == 0) then(std::move(status));
  }
};

std::vector<model::Exchange> first_exchanges(std::string_view vhost) {
  std::vector<model::Exchange> all;
  const model::Router fresh;
  for (const model::Exchange* one : fresh.exchanges()) {
    if (one->name.empty()) continue;  // the default exchange, which all share
    all.push_back(*one);
    all.back().name = scoped(vhost, one->name);
  }
  return all;
}

}  // namespace

void VhostChange::put(Wanted wanted) {
  services_.broker.at(Catalog::home, [self = shared_from_this(),
                                      wanted = std::move(wanted)](Broker& owner) {
    const auth::Directory& directory = owner.catalog().access_state();
    const auto found = directory.vhosts().find(self->name_);
    const bool is_new = found == directory.vhosts().end();
    const bool leaving = !is_new && !directory.find_vhost(self->name_);
    std::optional<auth::Vhost> current;
    if (!is_new && !leaving) current = *found->second;
    owner.post(self->services_.census->home(), [self, wanted, current, leaving] {
      if (current) return self->update(*current, wanted);
      // One that is leaving goes first: its removal could not come to its end.
      if (!leaving) return self->create(wanted);
      self->sweep([self, wanted](const Status& swept) {
        if (!swept) return self->end(swept, false);
        self->execute({{&Catalog::execute_access, auth::encode(auth::DeleteVhost{self->name_})}},
                      [self, wanted](const Status& gone) {
                        if (!gone) return self->end(gone, false);
                        self->create(wanted);
                      });
      });
    });
  });
}

void VhostChange::update(auth::Vhost vhost, const Wanted& wanted) {
  if (wanted.description) vhost.description = *wanted.description;
  if (wanted.tags) vhost.tags = *wanted.tags;
  if (wanted.queue_type) vhost.queue_type = *wanted.queue_type;
  const auth::Command command = auth::PutVhost{std::move(vhost), ""};
  execute({{&Catalog::execute_access, auth::encode(command)}},
          [self = shared_from_this()](const Status& done) { self->end(done, true); });
}

void VhostChange::create(const Wanted& wanted) {
  auth::PutVhost put;
  put.vhost.name = name_;
  put.vhost.description = wanted.description.value_or("");
  put.vhost.tags = wanted.tags.value_or(std::vector<std::string>());
  put.vhost.queue_type = wanted.queue_type.value_or("classic");
  put.owner = wanted.owner;
  // Of an attempt before this one, exchanges and what was set meanwhile may be there.
  sweep([self = shared_from_this(), put](const Status& swept) {
    if (!swept) return self->end(swept, false);
    std::vector<Command> exchanges;
    for (const model::Exchange& one : first_exchanges(self->name_)) {
      exchanges.push_back({&Catalog::execute, model::encode(model::DeclareExchange{one})});
    }
    self->execute(std::move(exchanges), [self, put](const Status& made) {
      if (!made) return self->end(made, false);
      self->execute({{&Catalog::execute_access, auth::encode(put)}},
                    [self](const Status& done) { self->end(done, false); });
    });
  });
}

void VhostChange::remove(EndSessions end_sessions) {
  services_.broker.at(Catalog::home, [self = shared_from_this(), end_sessions](Broker& owner) {
    const auth::Directory& directory = owner.catalog().access_state();
    const auto found = directory.vhosts().find(self->name_);
    const bool there = found != directory.vhosts().end() && self->name_ != first_scope;
    std::optional<auth::Vhost> leaving;
    if (there) leaving = *found->second;
    owner.post(self->services_.census->home(), [self, leaving, end_sessions]() mutable {
      if (!leaving) return self->end({}, false);
      leaving->state = auth::Vhost::State::leaving;
      const auth::Command command = auth::PutVhost{std::move(*leaving), ""};
      self->execute({{&Catalog::execute_access, auth::encode(command)}},
                    [self, end_sessions](const Status& told) {
                      if (!told) return self->end(told, true);
                      end_sessions(self->name_, [self] { self->finish_removal(); });
                    });
    });
  });
}

void VhostChange::remove_leaving() {
  services_.broker.at(Catalog::home, [self = shared_from_this()](Broker& owner) {
    const auth::Directory& directory = owner.catalog().access_state();
    const bool is_leaving =
        directory.vhosts().contains(self->name_) && !directory.find_vhost(self->name_);
    owner.post(self->services_.census->home(),
               [self, is_leaving] { is_leaving ? self->finish_removal() : self->end({}, false); });
  });
}

void VhostChange::finish_removal() {
  sweep([self = shared_from_this()](const Status& swept) {
    if (!swept) return self->end(swept, true);
    self->execute({{&Catalog::execute_access, auth::encode(auth::DeleteVhost{self->name_})}},
                  [self](const Status& gone) { self->end(gone, true); });
  });
}

void VhostChange::sweep(Then then) {
  Broker& first = services_.broker;
  auto all = std::make_shared<Gathered>();  // shared by the answers of all cores
  all->missing = static_cast<std::size_t>(first.core_count());
  all->then = [self = shared_from_this(), then = std::move(then)](Status status) mutable {
    if (!status) return then(std::move(status));
    self->sweep_catalog(std::move(then));
  };
  for (int core = 0; core < first.core_count(); ++core) {
    first.at_core(CoreIndex(static_cast<std::uint16_t>(core)),
                  [all, home = first.core().index(), vhost = name_](Broker& owner) {
                    auto swept = [all, home, &owner](Status status) {
                      owner.post(home, [all, status = std::move(status)] { all->add(status); });
                    };
                    std::make_shared<CoreSweep>(owner, std::move(swept))->begin(vhost);
                  });
  }
}

void VhostChange::sweep_catalog(Then then) {
  services_.broker.at(Catalog::home, [self = shared_from_this(),
                                      then = std::move(then)](Broker& owner) mutable {
    std::vector<Command> commands;
    for (const model::Exchange* one : owner.catalog().state().exchanges()) {
      if (scope_of(one->name) != self->name_ || TRV_MUTANT(exchanges_outlive_their_vhost)) {
        continue;
      }
      commands.push_back({&Catalog::execute, model::encode(model::DeleteExchange{one->name})});
    }
    for (const auto& [key, policy] : owner.catalog().policies_state().all()) {
      if (scope_of(policy.name) != self->name_ || TRV_MUTANT(policies_outlive_their_vhost)) {
        continue;
      }
      commands.push_back({&Catalog::execute_policy, model::encode_delete(policy.of, policy.name)});
    }
    owner.post(self->services_.census->home(),
               [self, commands = std::move(commands), then = std::move(then)]() mutable {
                 self->execute(std::move(commands), std::move(then));
               });
  });
}

void VhostChange::execute(std::vector<Command> commands, Then then) {
  if (commands.empty()) return then({});
  services_.broker.at(
      Catalog::home, [home = services_.broker.core().index(), commands = std::move(commands),
                      then = std::move(then)](Broker& owner) mutable {
        auto all = std::make_shared<Gathered>();  // shared by the completions of all commands
        all->missing = commands.size();
        all->then = [home, &owner, then = std::move(then)](Status status) mutable {
          owner.post(home, [status = std::move(status), then = std::move(then)]() mutable {
            then(std::move(status));
          });
        };
        for (const Command& one : commands) {
          (owner.catalog().*one.execute)(one.bytes, [all](Result<broker::Durable> visible) {
            all->add(visible ? Status() : Status(visible.error()));
          });
        }
      });
}

void VhostChange::end(Status status, bool was_there) { done_({std::move(status), was_there}); }

}  // namespace trv::amqp
