// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/fetch.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, FetchRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  if (version <= 14) {
    out.replica_id = in.i32();
  }
  out.max_wait_ms = in.i32();
  out.min_bytes = in.i32();
  out.max_bytes = in.i32();
  out.isolation_level = in.i8();
  if (version >= 7) {
    out.session_id = in.i32();
  }
  if (version >= 7) {
    out.session_epoch = in.i32();
  }
  std::size_t count1 = in.array(1);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    auto& item2 = out.topics.emplace_back();
    if (version <= 12) {
      item2.name = in.string();
    }
    if (version >= 13) {
      item2.topic_id = in.uuid();
    }
    std::size_t count4 = in.array(16);
    for (std::size_t i6 = 0; i6 < count4 && in.ok(); ++i6) {
      auto& item5 = item2.partitions.emplace_back();
      item5.index = in.i32();
      if (version >= 9) {
        item5.current_leader_epoch = in.i32();
      }
      item5.fetch_offset = in.i64();
      if (version >= 12) {
        item5.last_fetched_epoch = in.i32();
      }
      if (version >= 5) {
        item5.log_start_offset = in.i64();
      }
      item5.max_bytes = in.i32();
      if (version >= 12) {
        in.skip_tags();
      }
    }
    if (version >= 12) {
      in.skip_tags();
    }
  }
  if (version >= 7) {
    std::size_t count7 = in.array(1);
    for (std::size_t i9 = 0; i9 < count7 && in.ok(); ++i9) {
      auto& item8 = out.forgotten_topics.emplace_back();
      if (version <= 12) {
        item8.name = in.string();
      }
      if (version >= 13) {
        item8.topic_id = in.uuid();
      }
      std::size_t count10 = in.array(4);
      for (std::size_t i12 = 0; i12 < count10 && in.ok(); ++i12) {
        item8.partitions.push_back(in.i32());
      }
      if (version >= 12) {
        in.skip_tags();
      }
    }
  }
  if (version >= 11) {
    out.rack_id = in.string();
  }
  if (version >= 12) {
    in.tags([&](std::uint64_t tag, Decoder& part) {
      if (tag == 0) {
        out.cluster_id = part.nullable_string();
      }
    });
  }
}

void encode(Encoder& out, const FetchResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  if (version >= 7) {
    out.i16(in.error_code);
  }
  if (version >= 7) {
    out.i32(in.session_id);
  }
  out.array(in.topics.size());
  for (const auto& item13 : in.topics) {
    if (version <= 12) {
      out.string(item13.name);
    }
    if (version >= 13) {
      out.uuid(item13.topic_id);
    }
    out.array(item13.partitions.size());
    for (const auto& item14 : item13.partitions) {
      out.i32(item14.index);
      out.i16(item14.error_code);
      out.i64(item14.high_watermark);
      out.i64(item14.last_stable_offset);
      if (version >= 5) {
        out.i64(item14.log_start_offset);
      }
      if (!item14.aborted_transactions) {
        out.null_array();
      } else {
        out.array((*item14.aborted_transactions).size());
        for (const auto& item15 : (*item14.aborted_transactions)) {
          out.i64(item15.producer_id);
          out.i64(item15.first_offset);
          if (version >= 12) {
            out.tag_count(0);
          }
        }
      }
      if (version >= 11) {
        out.i32(item14.preferred_read_replica);
      }
      out.records(item14.records);
      if (version >= 12) {
        out.tag_count(0);
      }
    }
    if (version >= 12) {
      out.tag_count(0);
    }
  }
  if (version >= 12) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
