// Units: what a unit holds is dealt out to the cores that it concerns, and each does its part in
// one step.
#include <map>

#include "base/mutant.h"
#include "broker/catalog.h"
#include "broker/delays.h"
#include "broker/publisher.h"
#include "broker/topic_state.h"
#include "broker/topics.h"

namespace trv::broker {
namespace {

// What one core does of a unit, as indexes into it.
struct Part {
  struct Target {
    std::size_t publication;
    std::string name;
  };
  std::vector<Target> targets;
  std::vector<std::size_t> delayed;  // publications that are kept back
  std::vector<std::size_t> settlings;
};

struct PartOutcome {
  std::vector<std::size_t> routed;  // publications, once a destination
  bool refused = false;
  Status status;
};

void give(Broker& owner, const Unit& unit, const Part::Target& target, PartOutcome& outcome) {
  Topic* topic = owner.topics().find(target.name);
  if (!topic) return;  // gone: no failure
  const Unit::Publication& publication = unit.publications[target.publication];
  model::NewRecord record;
  record.origin = model::Origin::message;
  record.value = publication.value;
  record.envelope = publication.envelope;
  record.partition_key = publication.partition_key;
  record.level = publication.level;
  outcome.routed.push_back(target.publication);
  if (topic->gate && !owner.queues().admits(*topic, record)) {
    outcome.refused = true;
    return;
  }
  Result<Appended> appended = owner.topics().append(*topic, record);
  if (!appended) outcome.status = appended.error();
}

Publication delayed_publication(const Unit::Publication& from,
                                std::span<const std::string_view> more_keys) {
  Publication publication;
  publication.routing_key = from.routing_key;
  publication.more_keys = more_keys;
  publication.record.value = from.value;
  publication.record.envelope = from.envelope;
  publication.record.partition_key = from.partition_key;
  publication.record.level = from.level;
  return publication;
}

void keep_back(Broker& owner, const Unit& unit, std::size_t index, PartOutcome& outcome) {
  const Unit::Publication& planned = unit.publications[index];
  const std::vector<std::string_view> more_keys(planned.more_keys.begin(), planned.more_keys.end());
  const Publication publication = delayed_publication(planned, more_keys);
  for (const std::string& exchange : planned.delaying) {
    outcome.routed.push_back(index);
    Result<Commit> kept = owner.delays().add(publication, exchange, planned.delay_ms);
    if (!kept) outcome.status = kept.error();
  }
}

// What a publication takes in the journal beside its bytes, generously.
constexpr std::uint64_t publication_overhead_max = 512;

// The journal has room for all of it, so that it is not done by halves.
Status has_room(Broker& owner, const Unit& unit, const Part& part) {
  std::uint64_t size = 0;
  for (const Part::Target& target : part.targets) {
    const Unit::Publication& publication = unit.publications[target.publication];
    size += publication.value.size() + publication.envelope.size() +
            publication.partition_key.size() + publication_overhead_max;
  }
  for (std::size_t index : part.delayed) {
    const Unit::Publication& planned = unit.publications[index];
    const std::vector<std::string_view> more_keys(planned.more_keys.begin(),
                                                  planned.more_keys.end());
    size += planned.delaying.size() * Delays::added_size(delayed_publication(planned, more_keys));
  }
  for (std::size_t index : part.settlings) {
    const Unit::Settling& settling = unit.settlings[index];
    size += Queues::settled_size(settling.queue, settling.sequences.size());
  }
  Space space = part.targets.empty() && part.delayed.empty() ? Space::less : Space::more;
  Status room = owner.promise(space, size);
  if (room) owner.take_back(size);
  return room;
}

// The core's part, within one round: what a round wrote is whole or absent after a crash.
PartOutcome apply_part(Broker& owner, const Unit& unit, const Part& part) {
  PartOutcome outcome;
  outcome.status = has_room(owner, unit, part);
  if (!outcome.status && !TRV_MUTANT(unit_done_by_halves)) return outcome;
  const Broker::Whole whole(owner);
  for (const Part::Target& target : part.targets) give(owner, unit, target, outcome);
  for (std::size_t index : part.delayed) keep_back(owner, unit, index, outcome);
  for (std::size_t index : part.settlings) {
    const Unit::Settling& settling = unit.settlings[index];
    auto settled =
        owner.queues().settle(settling.queue, settling.holder, settling.sequences, settling.how);
    if (!settled) outcome.status = settled.error();
  }
  return outcome;
}

struct Progress {
  std::size_t missing = 0;
  UnitOutcome outcome;
  UniqueFunction<void(UnitOutcome)> done;

  void finish(const PartOutcome& part) {
    for (std::size_t index : part.routed) ++outcome.routed[index];
    outcome.refused |= part.refused;
    if (!part.status) outcome.status = part.status;
    if (--missing == 0) done(std::move(outcome));
  }
};

}  // namespace

void Publisher::commit(Unit unit, UniqueFunction<void(UnitOutcome)> done) {
  std::map<CoreIndex, Part> parts;
  const auto core_of = [this](const std::string& name) {
    return broker_.owner_of(broker_.catalog().locate(name));
  };
  for (std::size_t i = 0; i < unit.publications.size(); ++i) {
    for (std::string& target : unit.publications[i].targets) {
      std::string place = broker_.catalog().locate(target);
      parts[broker_.owner_of(place)].targets.push_back({i, std::move(place)});
    }
    if (!unit.publications[i].delaying.empty()) {
      parts[broker_.core().index()].delayed.push_back(i);
    }
  }
  for (std::size_t i = 0; i < unit.settlings.size(); ++i) {
    parts[core_of(unit.settlings[i].queue)].settlings.push_back(i);
  }
  // Shared by the answers of all cores; only this core touches it.
  auto progress = std::make_shared<Progress>();
  progress->outcome.routed.resize(unit.publications.size());
  progress->done = std::move(done);
  progress->missing = parts.size();
  if (parts.empty()) {
    progress->done(std::move(progress->outcome));
    return;
  }
  // Read by all cores, changed by none.
  auto shared = std::make_shared<const Unit>(std::move(unit));
  CoreIndex home = broker_.core().index();
  for (auto& [core, part] : parts) {
    broker_.at_core(core, [shared, part = std::move(part), progress, home](Broker& owner) {
      PartOutcome outcome = apply_part(owner, *shared, part);
      owner.when_durable(owner.tail(), [&owner, outcome, progress, home](Result<Durable> durable) {
        PartOutcome told = outcome;
        if (!durable) told.status = durable.error();
        owner.post(home, [told, progress] { progress->finish(told); });
      });
    });
  }
}

}  // namespace trv::broker
