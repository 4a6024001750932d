#include "kafka/handlers/fetch_run.h"

#include <algorithm>
#include <utility>

#include "base/mutant.h"
#include "broker/cold_reads.h"
#include "kafka/convert.h"
#include "kafka/errors.h"
#include "kafka/handlers/fetch_sessions.h"
#include "kafka/names.h"

namespace trv::kafka {
namespace {

using AnswerPartition = wire::FetchResponse::Topic::Partition;
using TopicResult = FetchRun::TopicResult;

// What one topic may contribute when topics are read on several cores at once.
constexpr std::size_t remote_topic_size_min = 64u << 10;
constexpr std::chrono::milliseconds partial_read_pause(5);

struct Budget {
  std::size_t bytes = 0;
  // Nothing was read so far: the first batch is given even when it is larger than the limits.
  bool at_least_one = true;
};

void fail(AnswerPartition& answer, TopicResult& result, ErrorCode code) {
  answer.error_code = wire_code(code);
  result.failed = true;
}

// Of what does not exist: no transactions either, as Kafka has it; else they are null when unasked
// for.
void fail_unknown(AnswerPartition& answer, TopicResult& result, ErrorCode code) {
  answer.aborted_transactions.emplace();
  fail(answer, result, code);
}

void read_partition(broker::Broker& owner, broker::Topic* topic, const FetchPartition& asked,
                    broker::Isolation isolation, Budget& budget, TopicResult& result) {
  AnswerPartition& answer = result.partitions.emplace_back();
  answer.index = asked.index;
  if (TRV_MUTANT(uncommitted_records_fetched)) isolation = broker::Isolation::uncommitted;
  if (isolation == broker::Isolation::committed) answer.aborted_transactions.emplace();
  if (topic == nullptr || asked.index < 0 ||
      asked.index >= broker::Topics::settings(*topic).partition_count) {
    return fail_unknown(answer, result, ErrorCode::unknown_topic_or_partition);
  }
  if (asked.leader_epoch > 0) return fail(answer, result, ErrorCode::unknown_leader_epoch);
  PartitionIndex partition(asked.index);
  broker::FetchLimits limits;
  limits.bytes_max = std::min(budget.bytes, static_cast<std::size_t>(std::max(asked.bytes_max, 0)));
  limits.at_least_one = budget.at_least_one;
  limits.waits = false;
  Result<broker::Fetched> fetched =
      owner.topics().fetch(*topic, partition, Offset(asked.offset), limits, isolation);
  if (!fetched) return fail(answer, result, error_code(fetched.error().code));
  if (!result.cold) result.cold = fetched->cold;
  answer.high_watermark = fetched->high_watermark.value;
  answer.last_stable_offset = fetched->last_stable_offset.value;
  answer.log_start_offset = fetched->log_start.value;
  for (const broker::AbortedTransaction& aborted : fetched->aborted) {
    answer.aborted_transactions->push_back({aborted.producer_id.value, aborted.first_offset.value});
  }
  for (const broker::FetchedBatch& batch : fetched->batches) {
    Status added = add_fetched(owner, *topic, batch, answer.records);
    if (!added) return fail(answer, result, error_code(added.error().code));
  }
  result.size += answer.records.size;
  budget.bytes -= std::min(budget.bytes, answer.records.size);
  if (answer.records.size > 0) budget.at_least_one = false;
}

TopicResult refuse_partitions(const FetchTopic& asked, ErrorCode code) {
  TopicResult result;
  for (const FetchPartition& partition : asked.partitions) {
    AnswerPartition& answer = result.partitions.emplace_back();
    answer.index = partition.index;
    fail_unknown(answer, result, code);
  }
  return result;
}

// On the owner's core.
TopicResult read_partitions(broker::Broker& owner, const FetchTopic& asked,
                            broker::Isolation isolation, Budget budget) {
  TopicResult result;
  result.partitions.reserve(asked.partitions.size());
  broker::Topic* topic = owner.topics().find(asked.name);
  bool other = !TRV_MUTANT(topic_id_not_compared) && asked.id &&
               (topic == nullptr || topic_uuid(owner.topics().state(*topic).id()) != *asked.id);
  if (other) return refuse_partitions(asked, ErrorCode::unknown_topic_id);
  for (const FetchPartition& partition : asked.partitions) {
    read_partition(owner, topic, partition, isolation, budget, result);
  }
  return result;
}

void wake(Service& service, FetchId id, std::size_t place) {
  if (FetchRun* run = service.find_fetch(id)) run->on_woken(place);
}

// On the owner's core: has the run woken when something new is visible in the topic.
broker::WatchId watch_topic(broker::Broker& owner, const std::string& name, Service* service,
                            CoreIndex home, FetchId id, std::size_t place) {
  return owner.topics().watch(name, [&owner, service, home, id, place] {
    back_home(owner, home, [service, id, place] { wake(*service, id, place); });
  });
}

// What a round of reading has to come back for.
struct Interest {
  Service* service;
  CoreIndex home;
  FetchId id;
  std::size_t place;
  bool watch;            // unless there is a watch already
  bool disk;             // unless the disk is waited for already
  std::size_t size_min;  // what is enough
};

// On the owner's core.
void come_back(broker::Broker& owner, const std::string& name, const Interest& interest,
               TopicResult& result) {
  if (result.failed || result.size >= interest.size_min) return;
  if (!result.cold) {
    if (!interest.watch) return;
    result.watch =
        watch_topic(owner, name, interest.service, interest.home, interest.id, interest.place);
  } else if (interest.disk) {
    result.awaits_disk = true;
    owner.cold_reads().wait(*result.cold, [&owner, interest] {
      back_home(owner, interest.home, [interest] {
        FetchRun* run = interest.service->find_fetch(interest.id);
        if (run != nullptr) run->on_warm(interest.place);
      });
    });
  }
}

}  // namespace

FetchRun::FetchRun(const Reply& reply, FetchId id, FetchTerms terms, FetchContext context,
                   std::vector<FetchTopic> topics)
    : reply_(reply),
      id_(id),
      terms_(terms),
      context_(context),
      topics_(std::move(topics)),
      results_(topics_.size()),
      watches_(topics_.size()),
      awaits_disk_(topics_.size()) {}

FetchRun::~FetchRun() {
  reply_.service().answer_room().leave(held_);
  for (std::size_t place = 0; place < topics_.size(); ++place) {
    if (watches_[place]) unwatch(reply_.service().broker(), topics_[place].name, *watches_[place]);
  }
}

void FetchRun::start() {
  may_wait_ = terms_.wait.count() > 0 && !topics_.empty();
  if (may_wait_) {
    Service* service = &reply_.service();
    deadline_ = service->broker().core().schedule(terms_.wait, [service, id = id_] {
      if (FetchRun* run = service->find_fetch(id)) run->on_deadline();
    });
  }
  read_all();
}

void FetchRun::read_all() {
  size_ = 0;
  cold_ = false;
  failed_ = false;
  read_again_ = false;
  missing_ = static_cast<int>(topics_.size()) + 1;
  Service* service = &reply_.service();
  runtime::AnswerRoom& room = service->answer_room();
  bytes_max_ = service->broker().core().unsent_limit(terms_.bytes_max);
  const std::size_t remote_count = count_remote();
  const std::size_t local = remote_count < topics_.size() ? bytes_max_ : 0;
  const std::size_t remote = remote_count * remote_budget();
  if (room.try_enter(local + remote)) return read_topics(local);
  room.enter_later(local + remote, [service, local, id = id_] {
    FetchRun* run = service->find_fetch(id);
    if (run == nullptr) return false;
    run->read_topics(local);
    return true;
  });
}

std::size_t FetchRun::count_remote() const {
  const broker::Broker& here = reply_.service().broker();
  auto is_remote = [&here](const FetchTopic& topic) { return !here.owns(topic.name); };
  return static_cast<std::size_t>(std::count_if(topics_.begin(), topics_.end(), is_remote));
}

// Of each topic on another core: they are read at the same time.
std::size_t FetchRun::remote_budget() const {
  return std::max(bytes_max_ / std::max<std::size_t>(topics_.size(), 1), remote_topic_size_min);
}

// `held` of the room is for what is read here; the rest is left by what comes from other cores.
void FetchRun::read_topics(std::size_t held) {
  held_ = held;
  for (std::size_t place = 0; place < topics_.size(); ++place) read_topic(place);
  if (--missing_ == 0) decide();
}

void FetchRun::read_topic(std::size_t place) {
  broker::Broker& here = reply_.service().broker();
  const FetchTopic& topic = topics_[place];
  Service* service = &reply_.service();
  CoreIndex home = service->home();
  const Interest interest{service,
                          home,
                          id_,
                          place,
                          may_wait_ && !watches_[place],
                          awaits_disk_[place] == 0,
                          std::max<std::size_t>(terms_.bytes_min, 1)};
  if (here.owns(topic.name)) {
    Budget budget{bytes_max_ - std::min(bytes_max_, size_), size_ == 0};
    TopicResult result = read_partitions(here, topic, terms_.isolation, budget);
    come_back(here, topic.name, interest, result);
    on_read(place, std::move(result));
    return;
  }
  Budget budget{remote_budget(), true};
  here.at(topic.name, [topic, place, budget, home, service, id = id_, interest,
                       terms = terms_](broker::Broker& owner) {
    TopicResult result = read_partitions(owner, topic, terms.isolation, budget);
    come_back(owner, topic.name, interest, result);
    owner.post(home, [service, id, place, name = topic.name, room = budget.bytes,
                      result = std::move(result)]() mutable {
      if (FetchRun* run = service->find_fetch(id)) {
        run->on_read(place, std::move(result));
      } else {
        // The run ended meanwhile.
        if (result.watch) unwatch(service->broker(), name, *result.watch);
        result.partitions.clear();
      }
      service->answer_room().leave(room);
    });
  });
}

void FetchRun::on_read(std::size_t place, TopicResult result) {
  size_ += result.size;
  failed_ = failed_ || result.failed;
  if (result.watch) watches_[place] = result.watch;
  if (result.awaits_disk) awaits_disk_[place] = 1;
  cold_ = cold_ || result.cold.has_value();
  results_[place] = std::move(result);
  if (--missing_ == 0) decide();
}

void FetchRun::decide() {
  // Who has no time left still gets what is there: an answer without it would say that it is not.
  const bool enough = size_ >= terms_.bytes_min || !may_wait_;
  const bool disk_comes = cold_ && size_ == 0 && !TRV_MUTANT(cold_record_told_as_none);
  if (failed_ || (enough && !disk_comes)) return count_and_send();
  // What was read is read again: the answer must show one moment, and slices pin memory.
  for (TopicResult& result : results_) result.partitions.clear();
  reply_.service().answer_room().leave(std::exchange(held_, 0));
  if (read_again_) read_soon();
}

// Who waits for many bytes that come in small pieces must not have all of them read for each piece.
void FetchRun::read_soon() {
  if (size_ == 0) return read_all();
  if (pause_.armed()) return;
  Service* service = &reply_.service();
  pause_ = service->broker().core().schedule(partial_read_pause, [service, id = id_] {
    if (FetchRun* run = service->find_fetch(id)) run->on_pause_over();
  });
}

void FetchRun::on_pause_over() {
  if (missing_ == 0) read_all();
}

void FetchRun::on_woken(std::size_t place) {
  watches_[place].reset();
  if (missing_ > 0) {
    read_again_ = true;
  } else {
    read_soon();
  }
}

void FetchRun::on_warm(std::size_t place) {
  awaits_disk_[place] = 0;
  if (missing_ > 0) {
    read_again_ = true;
  } else {
    read_soon();
  }
}

void FetchRun::on_deadline() {
  may_wait_ = false;
  if (missing_ == 0) read_all();
}

void FetchRun::count_and_send() {
  if (!terms_.quota || size_ == 0) return send();
  // Nothing is read again while it is being counted, on whichever core.
  ++missing_;
  Service* service = &reply_.service();
  service->broker().quotas().try_use(*terms_.quota, size_,
                                     [service, id = id_](broker::Quotas::Outcome used) {
                                       FetchRun* run = service->find_fetch(id);
                                       if (run != nullptr) run->on_counted(used);
                                     });
}

// What is too much is not sent: the client is told to ask later, and is not listened to until then.
void FetchRun::on_counted(broker::Quotas::Outcome used) {
  throttle_ms_ = static_cast<std::int32_t>(used.wait.count());
  reply_.mute(used.wait);
  withheld_ = !used.counted;
  // A session is opened by an answer that has something in it.
  if (withheld_ && context_.kind == FetchContext::Kind::opening) {
    context_.kind = FetchContext::Kind::single;
  }
  send();
}

void FetchRun::send() {
  wire::FetchResponse response;
  response.throttle_time_ms = throttle_ms_;
  if (!withheld_) response.topics.resize(topics_.size());
  for (std::size_t place = 0; place < response.topics.size(); ++place) {
    response.topics[place].name = std::move(topics_[place].name);
    topics_[place].name = response.topics[place].name;
    response.topics[place].topic_id = topics_[place].id.value_or(wire::Uuid());
    response.topics[place].partitions = std::move(results_[place].partitions);
  }
  tell_session(response);
  reply_.send(response);
  end();
}

void FetchRun::tell_session(wire::FetchResponse& response) {
  Service& service = reply_.service();
  FetchSessions& sessions = service.fetch_sessions();
  switch (context_.kind) {
    case FetchContext::Kind::single:
      return;
    case FetchContext::Kind::opening:
      response.session_id =
          sessions.open(topics_, context_.by_id, response, service.broker().core().now());
      return;
    case FetchContext::Kind::continuing: {
      ErrorCode error = sessions.settle(context_.session, context_.epoch, response);
      response.error_code = wire_code(error);
      if (error != ErrorCode::none) response.topics.clear();
      if (error != ErrorCode::fetch_session_id_not_found) response.session_id = context_.session;
      return;
    }
  }
}

void FetchRun::end() { reply_.service().forget_fetch(id_); }

}  // namespace trv::kafka
