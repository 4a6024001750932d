// Catalog: exchanges, bindings, the places of queues that read another topic's log, who may do what
// (auth::Directory), policies (model::Policies), and quotas (model::Quotas).
//
// The state lives on the core that owns shard_of(Catalog::home). Every core has an immutable
// snapshot of it, which is replaced once a change is durable; publishing reads the snapshot only.
// Changes are made on the home core:
//   broker.at(Catalog::home, [..](Broker& owner) { owner.catalog().execute(command); ... });
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "broker/broker.h"
#include "model/router.h"

namespace trv::auth {
class Directory;
}
namespace trv::model {
class Policies;
class Quotas;
}  // namespace trv::model

namespace trv::broker {

class Catalog {
 public:
  static constexpr std::string_view home = "/catalog";

  explicit Catalog(Broker& broker);
  ~Catalog();

  // This core's view. shared_ptr: readers keep the one they hold while a newer one takes its place.
  const std::shared_ptr<const model::Router>& snapshot() const { return snapshot_; }

  // The same of users and their rights, and of policies. Never null.
  const std::shared_ptr<const auth::Directory>& access() const { return shown_.access; }
  const std::shared_ptr<const model::Policies>& policies() const { return shown_.policies; }
  const std::shared_ptr<const model::Quotas>& quotas() const { return shown_.quotas; }

  // `changed` runs on this core when access() has become another; before those who wait for the
  // change (execute_access) are told.
  void watch_access(std::function<void()> changed) { access_changed_ = std::move(changed); }

  // On the home core: the state to validate a change against, newer than any snapshot.
  const model::Router& state() const { return router_; }
  const auth::Directory& access_state() const { return *newest_.access; }
  const model::Policies& policies_state() const { return *newest_.policies; }
  const model::Quotas& quotas_state() const { return *newest_.quotas; }
  // On the home core: journals the encoded command and applies it; `visible` runs here once every
  // core's snapshot shows the change, or with the error when it cannot be made. No snapshot shows
  // it before it is durable.
  void execute(ByteView command, UniqueFunction<void(Result<Durable>)> visible);

  // On the home core: as execute(), with a command of auth::Directory, of model::Policies or of
  // model::Quotas.
  void execute_access(ByteView command, UniqueFunction<void(Result<Durable>)> visible);
  void execute_policy(ByteView command, UniqueFunction<void(Result<Durable>)> visible);
  void execute_quota(ByteView command, UniqueFunction<void(Result<Durable>)> visible);

  // On the home core: the same for what has lost its sense already (the bindings of a queue that is
  // gone), so nobody waits; tried again until there is place for it.
  void clean_up(std::string command);

  // Where a queue lives: the name to give to Broker::at. The queue's own name for most.
  std::string locate(std::string_view queue) const;
  // Only for queues that read another topic's log.
  void place_queue(const std::string& queue, const std::string& source);

  // --- for the broker ---------------------------------------------------------------------------
  void start();
  // In replay: what is journaled is durable.
  Status apply(ByteView command);
  Status apply_access(ByteView command);
  Status apply_policy(ByteView command);
  Status apply_quota(ByteView command);
  void apply_place(const std::string& queue, const std::string& source);
  const std::map<std::string, std::string, std::less<>>& places() const { return places_; }

 private:
  // The exchanges and bindings as one round's changes left them, which become durable together.
  struct RouterStep {
    std::uint64_t round = 0;
    std::shared_ptr<const model::Router> router;  // null until somebody else needs it
  };

  // Each is replaced as a whole by a change.
  struct Tables {
    std::shared_ptr<const auth::Directory> access;
    std::shared_ptr<const model::Policies> policies;
    std::shared_ptr<const model::Quotas> quotas;

    // Of the one that the kind of entry is about.
    Status apply(storage::EntryKind kind, ByteView command);
  };

  Status replay(storage::EntryKind kind, ByteView command);
  void show(const Tables& tables);
  void execute(Space space, storage::EntryKind kind, ByteView command,
               UniqueFunction<void(Result<Durable>)> visible);
  // Of this round; a step before it keeps what it has.
  std::shared_ptr<RouterStep> begin_step();
  // Gives every core what the last durable change made of it; `everywhere` runs here when all have
  // it.
  void share(UniqueFunction<void()> everywhere);

  using Places = std::map<std::string, std::string, std::less<>>;
  Broker& broker_;
  // On the home core only.
  model::Router router_;
  // The newest; shared with those who wait for it to be durable.
  std::shared_ptr<RouterStep> step_;
  Places places_;  // queue -> source, where they differ
  Tables newest_;
  // What this core reads: on the home core as the last durable change made it.
  std::shared_ptr<const model::Router> snapshot_;
  std::vector<std::string> retries_;  // of clean_up()
  runtime::Timer retry_timer_;
  std::shared_ptr<const Places> places_snapshot_;  // shared with the other cores, like snapshot_
  std::function<void()> access_changed_;
  Tables shown_;  // those of the home core as its last durable change made them
};

}  // namespace trv::broker
