#include "kafka/handlers/share_run.h"

#include <algorithm>

#include "base/mutant.h"
#include "broker/groups.h"
#include "kafka/wire/share_acknowledge.gen.h"

namespace trv::kafka {
namespace {

// On the owner's core: has the run woken when something new is there, or something came back.
broker::WatchId watch_topic(broker::Broker& owner, const std::string& name, Service* service,
                            CoreIndex home, ShareRun::Id id, std::size_t place) {
  return owner.topics().watch(name, [&owner, service, home, id, place] {
    back_home(owner, home, [service, id, place] {
      if (ShareRun* run = service->find_share_run(id)) run->on_woken(place);
    });
  });
}

wire::ShareAcknowledgeResponse acknowledge_response(wire::ShareFetchResponse fetched) {
  wire::ShareAcknowledgeResponse response;
  response.acquisition_lock_timeout_ms = fetched.acquisition_lock_timeout_ms;
  for (auto& from : fetched.topics) {
    auto& topic = response.topics.emplace_back();
    topic.topic_id = from.topic_id;
    for (auto& partition : from.partitions) {
      topic.partitions.push_back({partition.index,
                                  partition.acknowledge_error_code,
                                  std::move(partition.acknowledge_error_message),
                                  {}});
    }
  }
  return response;
}

}  // namespace

ShareRun::ShareRun(const Reply& reply, Id id, ShareRequest request)
    : reply_(reply),
      id_(id),
      request_(std::move(request)),
      told_(request_.topics.size()),
      watches_(request_.topics.size()) {}

ShareRun::~ShareRun() {
  for (std::size_t place = 0; place < watches_.size(); ++place) {
    if (watches_[place]) {
      unwatch(reply_.service().broker(), request_.topics[place].name, *watches_[place]);
    }
  }
}

void ShareRun::start() {
  Service* service = &reply_.service();
  CoreIndex home = service->home();
  std::string group = request_.group;
  service->broker().at(group, [service, home, group, id = id_](broker::Broker& owner) {
    std::optional<ShareTerms> terms;
    broker::ShareGroups& shares = owner.groups().shares();
    if (shares.exists(group)) terms = share_terms(shares.settings(group));
    back_home(owner, home, [service, id, terms] {
      if (ShareRun* run = service->find_share_run(id)) run->on_terms(terms);
    });
  });
}

void ShareRun::on_terms(std::optional<ShareTerms> terms) {
  group_exists_ = terms.has_value();
  if (terms) terms_ = *terms;
  may_wait_ = group_exists_ && request_.gives && request_.wait.count() > 0 &&
              request_.records_max > 0 && request_.bytes_max > 0;
  if (may_wait_) {
    Service* service = &reply_.service();
    deadline_ = service->broker().core().schedule(request_.wait, [service, id = id_] {
      if (ShareRun* run = service->find_share_run(id)) run->on_deadline();
    });
  }
  begin_round();
}

void ShareRun::begin_round() {
  next_ = 0;
  woken_ = false;
  go_on();
}

// Visits one topic after the other. Those of this core are done within the call, so it is a loop.
void ShareRun::go_on() {
  if (looping_) return;
  looping_ = true;
  Service* service = &reply_.service();
  const Id id = id_;
  while (!visiting_ && next_ < request_.topics.size()) {
    visiting_ = true;
    enter_and_visit(next_++);
    if (service->find_share_run(id) == nullptr) return;
  }
  looping_ = false;
  if (!visiting_) decide();
}

void ShareRun::enter_and_visit(std::size_t place) {
  Service* service = &reply_.service();
  runtime::AnswerRoom& room = service->answer_room();
  const ShareTopic& topic = request_.topics[place];
  const std::size_t left = request_.bytes_max - std::min(request_.bytes_max, size_);
  const std::size_t bytes_max =
      topic.wanted.empty() ? 0 : service->broker().core().unsent_limit(left);
  if (bytes_max == 0 || room.try_enter(bytes_max)) return visit(place, bytes_max);
  room.enter_later(bytes_max, [service, place, bytes_max, id = id_] {
    ShareRun* run = service->find_share_run(id);
    if (run == nullptr) return false;
    run->visit(place, bytes_max);
    return true;
  });
}

// Leaves `bytes_max` of the room when the result is back.
void ShareRun::visit(std::size_t place, std::size_t bytes_max) {
  ShareVisit visit;
  visit.group = request_.group;
  visit.member = request_.member;
  visit.topic = request_.topics[place];
  visit.terms = terms_;
  visit.records_max = request_.records_max - std::min(request_.records_max, record_count_);
  visit.bytes_max = bytes_max;
  visit.exact = request_.exact;
  visit.range_max = request_.range_max;
  const std::vector<std::int32_t> wanted = visit.topic.wanted;
  if (!group_exists_) visit.topic.wanted.clear();
  // They are for the first round.
  request_.topics[place].acks.clear();
  request_.topics[place].released.clear();
  for (std::int32_t index : group_exists_ ? std::vector<std::int32_t>() : wanted) {
    auto& told = told_[place][index];
    told.index = index;
    told.error_code = wire_code(ErrorCode::unknown_topic_or_partition);
  }
  const bool watch_wanted = may_wait_ && !watches_[place] && !wanted.empty();
  Service* service = &reply_.service();
  CoreIndex home = service->home();
  std::string name = visit.topic.name;
  service->broker().at(name, [service, home, id = id_, place, watch_wanted, bytes_max,
                              visit = std::move(visit)](broker::Broker& owner) {
    ShareVisitResult result = visit_shared(owner, visit);
    std::optional<broker::WatchId> watch;
    if (watch_wanted && !result.failed && result.record_count == 0) {
      watch = watch_topic(owner, visit.topic.name, service, home, id, place);
    }
    const bool changed = result.changed;
    const broker::Commit commit = result.commit;
    auto tell = [&owner, service, home, id, place, watch, bytes_max,
                 name = visit.topic.name](ShareVisitResult done) {
      back_home(owner, home,
                [service, id, place, watch, bytes_max, name, done = std::move(done)]() mutable {
                  if (ShareRun* run = service->find_share_run(id)) {
                    run->on_visited(place, std::move(done), watch);
                  } else {
                    // The run ended meanwhile.
                    if (watch) unwatch(service->broker(), name, *watch);
                    done.partitions.clear();
                  }
                  service->answer_room().leave(bytes_max);
                });
    };
    if (!changed) return tell(std::move(result));
    owner.when_durable(commit, [tell = std::move(tell), result = std::move(result)](
                                   Result<broker::Durable> durable) mutable {
      if (!durable) fail_visit(result);
      tell(std::move(result));
    });
  });
}

void ShareRun::on_visited(std::size_t place, ShareVisitResult result,
                          std::optional<broker::WatchId> watch) {
  visiting_ = false;
  if (watch) watches_[place] = watch;
  record_count_ += result.record_count;
  size_ += result.size;
  failed_ = failed_ || result.failed;
  for (auto& [index, partition] : result.partitions) {
    // What acknowledgements came to stays when the partition is visited again.
    auto [known, added] = told_[place].try_emplace(index, std::move(partition));
    if (added) continue;
    partition.acknowledge_error_code = known->second.acknowledge_error_code;
    partition.acknowledge_error_message = std::move(known->second.acknowledge_error_message);
    known->second = std::move(partition);
  }
  go_on();
}

void ShareRun::decide() {
  if (!may_wait_ || failed_ || record_count_ > 0 || request_.topics.empty()) {
    return count_and_send();
  }
  if (woken_) begin_round();
}

void ShareRun::on_woken(std::size_t place) {
  watches_[place].reset();
  if (visiting_ || looping_) {
    woken_ = true;
  } else {
    begin_round();
  }
}

void ShareRun::on_deadline() {
  may_wait_ = false;
  if (!visiting_ && !looping_) send();
}

// What is too much is given all the same, since it is locked for its member, and the pause is as
// long as it takes.
void ShareRun::count_and_send() {
  if (!request_.quota || size_ == 0 || TRV_MUTANT(shared_records_not_counted)) return send();
  visiting_ = true;
  Service* service = &reply_.service();
  service->broker().quotas().use(*request_.quota, size_,
                                 [service, id = id_](broker::Quotas::Outcome used) {
                                   ShareRun* run = service->find_share_run(id);
                                   if (run != nullptr) run->on_counted(used);
                                 });
}

void ShareRun::on_counted(broker::Quotas::Outcome used) {
  throttle_ms_ = static_cast<std::int32_t>(used.wait.count());
  reply_.mute(used.wait);
  send();
}

void ShareRun::send() {
  wire::ShareFetchResponse response;
  response.throttle_time_ms = throttle_ms_;
  response.acquisition_lock_timeout_ms = static_cast<std::int32_t>(terms_.lock.count());
  for (std::size_t place = 0; place < request_.topics.size(); ++place) {
    if (told_[place].empty()) continue;
    auto& topic = response.topics.emplace_back();
    topic.topic_id = *request_.topics[place].id;
    for (auto& [index, partition] : told_[place]) topic.partitions.push_back(std::move(partition));
  }
  if (request_.gives) {
    reply_.send(response);
  } else {
    reply_.send(acknowledge_response(std::move(response)));
  }
  end();
}

void ShareRun::end() { reply_.service().forget_share_run(id_); }

}  // namespace trv::kafka
