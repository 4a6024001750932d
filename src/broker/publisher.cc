#include "broker/publisher.h"

#include <algorithm>

#include "base/mutant.h"
#include "broker/catalog.h"
#include "broker/delays.h"
#include "broker/topic_state.h"
#include "broker/topics.h"

namespace trv::broker {
namespace {

// The part of a publication that travels to destinations on other cores.
struct Parcel {
  std::string value;
  std::string envelope;
  std::string partition_key;
  model::NewRecord record;

  explicit Parcel(const model::NewRecord& from)
      : value(from.value),
        envelope(from.envelope),
        partition_key(from.partition_key),
        record(from) {
    record.value = value;
    record.envelope = envelope;
    record.partition_key = partition_key;
  }
};

struct Progress {
  int missing = 0;
  Published published;
  UniqueFunction<void(Published)> done;

  void finish(bool routed, bool refused, const Status& status) {
    if (routed) ++published.routed;
    if (refused) published.refused = true;
    if (!status) published.status = status;
    if (--missing == 0) done(std::move(published));
  }
};

// A destination that is gone takes nothing; that is no failure.
bool gone(const Error& error) { return error.code == Errc::not_found; }

struct Taken {
  bool refused = false;
  Commit commit;
};

Result<Taken> give_to(Broker& owner, std::string_view topic_name, const model::NewRecord& record) {
  Topic* topic = owner.topics().find(topic_name);
  if (!topic) return Error{Errc::not_found, "no such topic"};
  if (topic->gate && !owner.queues().admits(*topic, record)) return Taken{true, {}};
  Result<Appended> appended = owner.topics().append(*topic, record);
  if (!appended) return appended.error();
  return Taken{false, appended->commit};
}

void send_parcel(Broker& here, const std::string& target, std::shared_ptr<const Parcel> parcel,
                 std::shared_ptr<Progress> progress) {
  CoreIndex home = here.core().index();
  here.at(target, [target, parcel, progress, home](Broker& owner) {
    Result<Taken> taken = give_to(owner, target, parcel->record);
    if (!taken) {
      bool routed = !gone(taken.error());
      Status status = routed ? Status(taken.error()) : Status();
      owner.post(home, [progress, routed, status] { progress->finish(routed, false, status); });
      return;
    }
    bool refused = taken->refused;
    owner.when_durable(taken->commit, [&owner, progress, home, refused](Result<Durable> durable) {
      Status status = durable ? Status() : Status(durable.error());
      owner.post(home, [progress, status, refused] { progress->finish(true, refused, status); });
    });
  });
}

// Whether a queue that must not get it reads the log at `place`: what is added there, all of its
// queues get.
bool was_left(const Catalog& catalog, const Publication& publication, std::string_view place) {
  const auto& left = publication.left_queues;
  return std::ranges::any_of(left, [&](const std::string& queue) {
    return place ==
           (TRV_MUTANT(dead_letter_comes_back_by_another_name) ? queue : catalog.locate(queue));
  });
}

}  // namespace

Publisher::Publisher(Broker& broker) : broker_(broker) {}
Publisher::~Publisher() = default;

bool Publisher::find_targets(const Publication& publication) {
  targets_.clear();
  keys_.clear();
  keys_.push_back(publication.routing_key);
  keys_.insert(keys_.end(), publication.more_keys.begin(), publication.more_keys.end());
  const model::Router& router = *broker_.catalog().snapshot();
  delaying_.clear();
  return router.route(publication.exchange, keys_, publication.headers, targets_,
                      publication.waited ? nullptr : &delaying_,
                      broker_.catalog().policies().get());
}

Unit::Publication Publisher::plan(const Publication& publication) {
  Unit::Publication planned;
  planned.value = publication.record.value;
  planned.envelope = publication.record.envelope;
  planned.partition_key = publication.record.partition_key;
  planned.level = publication.record.level;
  if (!find_targets(publication)) return planned;
  planned.targets.assign(targets_.begin(), targets_.end());
  if (delaying_.empty()) return planned;
  planned.delaying.assign(delaying_.begin(), delaying_.end());
  planned.delay_ms = publication.headers->delay_ms();
  planned.routing_key = publication.routing_key;
  planned.more_keys.assign(publication.more_keys.begin(), publication.more_keys.end());
  return planned;
}

void Publisher::keep_back(const Publication& publication, Outcome& outcome) {
  for (std::string_view exchange : delaying_) {
    const std::int64_t delay_ms = publication.headers->delay_ms();
    Result<Commit> kept = broker_.delays().add(publication, exchange, delay_ms);
    ++outcome.published.routed;
    if (kept) {
      outcome.commit = outcome.commit | *kept;
    } else {
      outcome.published.status = kept.error();
    }
  }
}

Result<Publisher::Outcome> Publisher::publish(const Publication& publication,
                                              UniqueFunction<void(Published)> done) {
  if (!find_targets(publication)) return Error{Errc::not_found, "no such exchange"};
  Outcome outcome;
  keep_back(publication, outcome);
  std::vector<std::string> remote;
  for (std::string_view target : targets_) {
    std::string place = broker_.catalog().locate(target);
    if (was_left(broker_.catalog(), publication, place) && !TRV_MUTANT(dead_letters_go_round))
      continue;
    if (!broker_.owns(place)) {
      remote.push_back(std::move(place));
      continue;
    }
    Result<Taken> taken = give_to(broker_, place, publication.record);
    if (taken) {
      ++outcome.published.routed;
      outcome.published.refused |= taken->refused;
      outcome.commit = outcome.commit | taken->commit;
    } else if (!gone(taken.error())) {
      ++outcome.published.routed;
      outcome.published.status = taken.error();
    }
  }
  if (remote.empty()) return outcome;

  outcome.pending = true;
  auto parcel = std::make_shared<const Parcel>(publication.record);
  // Shared by the answers of all destinations; only this core touches it.
  auto progress = std::make_shared<Progress>();
  progress->missing = static_cast<int>(remote.size()) + 1;
  progress->published = outcome.published;
  progress->done = std::move(done);
  for (const std::string& target : remote) send_parcel(broker_, target, parcel, progress);
  broker_.when_durable(outcome.commit, [progress](Result<Durable> durable) {
    progress->finish(false, false, durable ? Status() : Status(durable.error()));
  });
  return outcome;
}

}  // namespace trv::broker
