#include "kafka/handlers/share_visit.h"

#include <algorithm>

#include "broker/groups.h"
#include "kafka/convert.h"
#include "kafka/names.h"

namespace trv::kafka {
namespace {

using Partition = ShareVisitResult::Partition;

class Visitor {
 public:
  Visitor(broker::Broker& owner, const ShareVisit& visit)
      : owner_(owner),
        visit_(visit),
        cursors_(owner.groups().share_cursors()),
        topic_(find_topic()),
        records_left_(visit.records_max),
        bytes_left_(visit.bytes_max) {}

  ShareVisitResult run() {
    for (const ShareAcks& acks : visit_.topic.acks) acknowledge(acks);
    for (std::int32_t index : visit_.topic.released) {
      if (has(index)) {
        cursors_.release(*topic_, visit_.group, visit_.member, PartitionIndex(index));
      }
    }
    for (std::int32_t index : visit_.topic.wanted) give(index);
    return std::move(result_);
  }

 private:
  broker::Topic* find_topic() {
    broker::Topic* topic = owner_.topics().find(visit_.topic.name);
    if (topic == nullptr || topic_uuid(owner_.topics().state(*topic).id()) != *visit_.topic.id) {
      return nullptr;
    }
    return topic;
  }
  bool has(std::int32_t index) const {
    return topic_ != nullptr && index >= 0 &&
           index < broker::Topics::settings(*topic_).partition_count;
  }
  ErrorCode missing() const {
    return topic_ == nullptr ? ErrorCode::unknown_topic_id : ErrorCode::unknown_topic_or_partition;
  }
  Partition& answer(std::int32_t index) {
    Partition& partition = result_.partitions[index];
    partition.index = index;
    return partition;
  }
  void note(broker::Commit commit) {
    result_.commit = result_.commit | commit;
    result_.changed = true;
  }

  void acknowledge(const ShareAcks& said) {
    Partition& told = answer(said.partition);
    if (!has(said.partition)) return refuse(told, missing(), "");
    if (said.wrong != ErrorCode::none) {
      return refuse(told, said.wrong, "The acknowledgement batches are not good.");
    }
    if (said.acks.empty()) return;
    if (renews(said) && !visit_.terms.renews) {
      return refuse(told, ErrorCode::invalid_record_state,
                    "Renewing acquisition locks is not enabled for the group.");
    }
    Result<broker::Commit> done =
        cursors_.acknowledge(*topic_, visit_.group, visit_.member, PartitionIndex(said.partition),
                             said.acks, visit_.terms.lock);
    if (done) return note(*done);
    refuse(told, code_of(done.error().code), done.error().message);
  }
  static bool renews(const ShareAcks& said) {
    return std::any_of(said.acks.begin(), said.acks.end(), [](const auto& ack) {
      return ack.as == model::ShareCursor::Ack::As::renewed;
    });
  }
  static ErrorCode code_of(Errc code) {
    if (code == Errc::invalid_state) return ErrorCode::invalid_record_state;
    return error_code(code);
  }
  void refuse(Partition& told, ErrorCode code, const std::string& message) {
    told.acknowledge_error_code = wire_code(code);
    if (!message.empty()) told.acknowledge_error_message = message;
    result_.failed = true;
  }
  void fail(std::int32_t index, ErrorCode code) {
    answer(index).error_code = wire_code(code);
    result_.failed = true;
  }

  void give(std::int32_t index) {
    if (!has(index)) return fail(index, missing());
    if (records_left_ == 0 || bytes_left_ == 0) return;
    broker::ShareCursors::Wanted wanted;
    wanted.group = visit_.group;
    wanted.member = visit_.member;
    wanted.partition = PartitionIndex(index);
    wanted.records_max = records_left_;
    wanted.exact = visit_.exact;
    wanted.bytes_max = bytes_left_;
    wanted.range_max = visit_.range_max;
    wanted.isolation = visit_.terms.isolation;
    wanted.start = visit_.terms.start;
    wanted.lock = visit_.terms.lock;
    Result<broker::ShareCursors::Acquired> acquired = cursors_.acquire(*topic_, wanted);
    if (!acquired) return fail(index, error_code(acquired.error().code));
    if (acquired->shown.round > 0) note(acquired->shown);
    if (acquired->record_count == 0) return;
    Partition& told = answer(index);
    for (const broker::FetchedBatch& batch : acquired->batches) {
      Status added = add_fetched(owner_, *topic_, batch, told.records);
      if (!added) return fail(index, error_code(added.error().code));
    }
    for (const model::ShareCursor::Acquired& range : acquired->ranges) {
      told.acquired_records.push_back(
          {range.first.value, range.last.value, static_cast<std::int16_t>(range.deliveries)});
    }
    result_.record_count += acquired->record_count;
    result_.size += told.records.size;
    records_left_ -= std::min(records_left_, acquired->record_count);
    bytes_left_ -= std::min(bytes_left_, told.records.size);
  }

  broker::Broker& owner_;
  const ShareVisit& visit_;
  broker::ShareCursors& cursors_;
  broker::Topic* topic_;
  std::size_t records_left_;
  std::size_t bytes_left_;
  ShareVisitResult result_;
};

}  // namespace

model::ShareCursor::Ack::As ack_of_type(std::int8_t type) {
  using As = model::ShareCursor::Ack::As;
  constexpr std::int8_t type_release = 2;
  constexpr std::int8_t type_renew = 4;
  if (type == type_release) return As::released;
  // Gaps, accepted and rejected records are done with.
  return type == type_renew ? As::renewed : As::settled;
}

void order_acks(ShareAcks& said) {
  using Ack = model::ShareCursor::Ack;
  std::sort(said.acks.begin(), said.acks.end(),
            [](const Ack& a, const Ack& b) { return a.first < b.first; });
  for (std::size_t i = 1; i < said.acks.size(); ++i) {
    if (said.acks[i].first < said.acks[i - 1].end) said.wrong = ErrorCode::invalid_record_state;
  }
}

ShareVisitResult visit_shared(broker::Broker& owner, const ShareVisit& visit) {
  return Visitor(owner, visit).run();
}

void fail_visit(ShareVisitResult& result) {
  result.failed = true;
  for (auto& [index, partition] : result.partitions) {
    Partition failed;
    failed.index = index;
    failed.error_code = wire_code(ErrorCode::kafka_storage_error);
    failed.acknowledge_error_code = failed.error_code;
    partition = std::move(failed);
  }
}

}  // namespace trv::kafka
