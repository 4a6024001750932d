#include "broker/catalog.h"

#include "auth/directory.h"
#include "base/assert.h"
#include "base/mutant.h"
#include "broker/entry.h"
#include "broker/queues.h"
#include "model/policies.h"
#include "model/quotas.h"

namespace trv::broker {
namespace {

constexpr std::chrono::milliseconds retry_delay{500};

// Replaces the state by a changed copy: readers may hold the old one.
template <class State>
Status change(std::shared_ptr<const State>& state, ByteView command) {
  auto changed = std::make_shared<State>(*state);
  if (Status applied = changed->apply(command); !applied) return applied;
  state = std::move(changed);
  return {};
}

}  // namespace

Catalog::Catalog(Broker& broker)
    : broker_(broker),
      newest_{std::make_shared<const auth::Directory>(), std::make_shared<const model::Policies>(),
              std::make_shared<const model::Quotas>()},
      snapshot_(router_.freeze()),
      places_snapshot_(std::make_shared<const Places>()),
      shown_(newest_) {}

Catalog::~Catalog() = default;

void Catalog::start() {
  router_.drop_transient();
  if (broker_.owns(home)) {
    snapshot_ = router_.freeze();
    // The other cores may not run yet: what is posted waits for them.
    share([] {});
  }
}

Status Catalog::apply(ByteView command) { return router_.apply(command); }

Status Catalog::Tables::apply(storage::EntryKind kind, ByteView command) {
  if (kind == entry::access) return change(access, command);
  if (kind == entry::policy) return change(policies, command);
  TRV_ASSERT(kind == entry::quota);
  return change(quotas, command);
}

void Catalog::show(const Tables& tables) {
  const bool other_access = shown_.access != tables.access;
  shown_ = tables;
  if (other_access && access_changed_) access_changed_();
}

Status Catalog::replay(storage::EntryKind kind, ByteView command) {
  Status applied = newest_.apply(kind, command);
  shown_ = newest_;
  return applied;
}

Status Catalog::apply_access(ByteView command) { return replay(entry::access, command); }

Status Catalog::apply_policy(ByteView command) { return replay(entry::policy, command); }

Status Catalog::apply_quota(ByteView command) { return replay(entry::quota, command); }

void Catalog::apply_place(const std::string& queue, const std::string& source) {
  if (source.empty()) {
    places_.erase(queue);
  } else {
    places_[queue] = source;
  }
}

void Catalog::execute(ByteView command, UniqueFunction<void(Result<Durable>)> visible) {
  execute(Space::more, entry::catalog, command, std::move(visible));
}

void Catalog::execute_access(ByteView command, UniqueFunction<void(Result<Durable>)> visible) {
  execute(Space::more, entry::access, command, std::move(visible));
}

void Catalog::execute_policy(ByteView command, UniqueFunction<void(Result<Durable>)> visible) {
  execute(Space::more, entry::policy, command, std::move(visible));
}

void Catalog::execute_quota(ByteView command, UniqueFunction<void(Result<Durable>)> visible) {
  execute(Space::more, entry::quota, command, std::move(visible));
}

void Catalog::clean_up(std::string command) {
  std::string again = command;
  execute(Space::less, entry::catalog, command,
          [this, again = std::move(again)](Result<Durable> done) mutable {
            if (done || done.error().code == Errc::closed) return;
            retries_.push_back(std::move(again));
            if (retries_.size() > 1) return;
            retry_timer_ = broker_.core().schedule(retry_delay, [this] {
              for (std::string& one : std::exchange(retries_, {})) clean_up(std::move(one));
            });
          });
}

void Catalog::execute(Space space, storage::EntryKind kind, ByteView command,
                      UniqueFunction<void(Result<Durable>)> visible) {
  TRV_ASSERT(broker_.owns(home));
  auto kept = broker_.journal(space, kind, broker_.shard_of(home), command);
  if (!kept) {
    visible(kept.error());
    return;
  }
  std::shared_ptr<RouterStep> step = begin_step();
  Status applied = kind == entry::catalog ? apply(command) : newest_.apply(kind, command);
  TRV_ASSERT(applied.ok());
  if (TRV_MUTANT(user_shown_before_durable)) shown_.access = newest_.access;
  // As this change made them: a later one may not be durable when it is.
  broker_.when_durable(broker_.tail(),
                       [this, kind, step, tables = newest_,
                        visible = std::move(visible)](Result<Durable> durable) mutable {
                         if (!durable) {
                           visible(durable.error());
                           return;
                         }
                         // Without a step behind it, nothing was changed since.
                         if (!step->router) step->router = router_.freeze();
                         snapshot_ = step->router;
                         show(tables);
                         if (kind == entry::policy) broker_.queues().on_policies();
                         // The token outlives the hop: it says what has happened already.
                         Durable token = *durable;
                         share([visible = std::move(visible), token]() mutable { visible(token); });
                       });
}

std::shared_ptr<Catalog::RouterStep> Catalog::begin_step() {
  const std::uint64_t round = broker_.tail().round;
  if (!step_ || step_->round != round) {
    if (step_ && !step_->router) step_->router = router_.freeze();
    step_ = std::make_shared<RouterStep>(RouterStep{round, nullptr});
  }
  return step_;
}

void Catalog::place_queue(const std::string& queue, const std::string& source) {
  broker_.at(home, [queue, source](Broker& owner) {
    auto known = owner.catalog().places_.find(queue);
    if (known != owner.catalog().places_.end() && known->second == source) return;
    std::string payload;
    ByteWriter writer(payload);
    writer.sized(queue);
    writer.sized(source);
    // The queue is there, or gone, already. Unwritten, the place is told again at the next start.
    static_cast<void>(
        owner.journal(Space::less, entry::queue_placed, owner.shard_of(home), payload));
    owner.catalog().apply_place(queue, source);
    owner.catalog().share([] {});
  });
}

std::string Catalog::locate(std::string_view queue) const {
  auto it = places_snapshot_->find(queue);
  return std::string(it == places_snapshot_->end() ? queue : std::string_view(it->second));
}

void Catalog::share(UniqueFunction<void()> everywhere) {
  if (TRV_MUTANT(exchange_shown_before_durable)) snapshot_ = router_.freeze();
  std::shared_ptr<const model::Router> router = snapshot_;
  auto places = std::make_shared<const Places>(places_);
  places_snapshot_ = places;
  int others = broker_.core_count() - 1;
  if (others == 0) {
    everywhere();
    return;
  }
  struct Progress {
    int missing;
    UniqueFunction<void()> everywhere;
  };
  // Shared by the answers of the other cores; only this core touches it.
  auto progress = std::make_shared<Progress>(Progress{others, std::move(everywhere)});
  CoreIndex here = broker_.core().index();
  for (int i = 0; i < broker_.core_count(); ++i) {
    CoreIndex index(static_cast<std::uint16_t>(i));
    if (index == here) continue;
    broker_.at_core(index, [router, places, tables = shown_, progress, here](Broker& other) {
      Catalog& catalog = other.catalog();
      catalog.snapshot_ = router;
      catalog.places_snapshot_ = places;
      const bool other_policies = catalog.policies() != tables.policies;
      catalog.show(tables);
      if (other_policies) other.queues().on_policies();
      other.post(here, [progress] {
        if (--progress->missing == 0) progress->everywhere();
      });
    });
  }
}

}  // namespace trv::broker
