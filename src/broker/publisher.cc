#include "broker/publisher.h"

#include <algorithm>

#include "broker/catalog.h"
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

  void finish(bool routed, const Status& status) {
    if (routed) ++published.routed;
    if (!status) published.status = status;
    if (--missing == 0) done(std::move(published));
  }
};

// A destination that is gone takes nothing; that is no failure.
bool gone(const Error& error) { return error.code == Errc::not_found; }

Result<Appended> append_to(Broker& owner, std::string_view topic_name,
                           const model::NewRecord& record) {
  Topic* topic = owner.topics().find(topic_name);
  if (!topic) return Error{Errc::not_found, "no such topic"};
  return owner.topics().append(*topic, record);
}

void send_parcel(Broker& here, const std::string& target, std::shared_ptr<const Parcel> parcel,
                 std::shared_ptr<Progress> progress) {
  CoreIndex home = here.core().index();
  here.at(target, [target, parcel, progress, home](Broker& owner) {
    Result<Appended> appended = append_to(owner, target, parcel->record);
    if (!appended) {
      bool routed = !gone(appended.error());
      Status status = routed ? Status(appended.error()) : Status();
      owner.post(home, [progress, routed, status] { progress->finish(routed, status); });
      return;
    }
    owner.when_durable(appended->commit, [&owner, progress, home](Result<Durable> durable) {
      Status status = durable ? Status() : Status(durable.error());
      owner.post(home, [progress, status] { progress->finish(true, status); });
    });
  });
}

}  // namespace

Publisher::Publisher(Broker& broker) : broker_(broker) {}
Publisher::~Publisher() = default;

Result<Publisher::Outcome> Publisher::publish(const Publication& publication,
                                              UniqueFunction<void(Published)> done) {
  const model::Router& router = *broker_.catalog().snapshot();
  targets_.clear();
  keys_.clear();
  keys_.push_back(publication.routing_key);
  keys_.insert(keys_.end(), publication.more_keys.begin(), publication.more_keys.end());
  if (!router.route(publication.exchange, keys_, publication.headers, targets_)) {
    return Error{Errc::not_found, "no such exchange"};
  }
  Outcome outcome;
  std::vector<std::string> remote;
  for (std::string_view target : targets_) {
    std::string place = broker_.catalog().locate(target);
    if (!broker_.owns(place)) {
      remote.push_back(std::move(place));
      continue;
    }
    Result<Appended> appended = append_to(broker_, place, publication.record);
    if (appended) {
      ++outcome.published.routed;
      outcome.commit = outcome.commit | appended->commit;
    } else if (!gone(appended.error())) {
      ++outcome.published.routed;
      outcome.published.status = appended.error();
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
    progress->finish(false, durable ? Status() : Status(durable.error()));
  });
  return outcome;
}

}  // namespace trv::broker
