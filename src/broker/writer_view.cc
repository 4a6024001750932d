#include "broker/writer_view.h"

#include "base/mutant.h"
#include "broker/broker.h"
#include "broker/shard_state.h"
#include "broker/topic_state.h"

namespace trv::broker {

WriterView::~WriterView() {
  if (TRV_MUTANT(writer_view_stays_open)) return;
  for (const auto& [shard, id] : opened_) {
    if (Topic* topic = broker_.shard(shard).find_topic(id)) topic->shown_to_writer = false;
  }
}

void WriterView::open(Topic& topic) {
  if (topic.shown_to_writer || TRV_MUTANT(writer_sees_only_what_is_durable)) return;
  topic.shown_to_writer = true;
  opened_.emplace_back(topic.shard, topic.state.id());
}

bool WriterView::is_open(const Topic& topic) { return topic.shown_to_writer; }

}  // namespace trv::broker
