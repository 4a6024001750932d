// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/metadata.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, MetadataRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  std::optional<std::size_t> count1 = version >= 1
      ? in.nullable_array(1)
      : std::optional<std::size_t>(in.array(1));
  if (count1) {
    out.topics.emplace();
    for (std::size_t i3 = 0; i3 < *count1 && in.ok(); ++i3) {
      auto& item2 = (*out.topics).emplace_back();
      if (version >= 10) {
        item2.topic_id = in.uuid();
      }
      if (version >= 10) {
        item2.name = in.nullable_string();
      } else {
        item2.name = in.string();
      }
      if (version >= 9) {
        in.skip_tags();
      }
    }
  }
  if (version >= 4) {
    out.allow_auto_topic_creation = in.boolean();
  }
  if (version >= 8 && version <= 10) {
    out.include_cluster_authorized_operations = in.boolean();
  }
  if (version >= 8) {
    out.include_topic_authorized_operations = in.boolean();
  }
  if (version >= 9) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const MetadataResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  if (version >= 3) {
    out.i32(in.throttle_time_ms);
  }
  out.array(in.brokers.size());
  for (const auto& item4 : in.brokers) {
    out.i32(item4.node_id);
    out.string(item4.host);
    out.i32(item4.port);
    if (version >= 1) {
      out.nullable_string(item4.rack);
    }
    if (version >= 9) {
      out.tag_count(0);
    }
  }
  if (version >= 2) {
    out.nullable_string(in.cluster_id);
  }
  if (version >= 1) {
    out.i32(in.controller_id);
  }
  out.array(in.topics.size());
  for (const auto& item5 : in.topics) {
    out.i16(item5.error_code);
    if (version >= 12) {
      out.nullable_string(item5.name);
    } else {
      out.string(item5.name ? ByteView(*item5.name) : ByteView());
    }
    if (version >= 10) {
      out.uuid(item5.topic_id);
    }
    if (version >= 1) {
      out.boolean(item5.is_internal);
    }
    out.array(item5.partitions.size());
    for (const auto& item6 : item5.partitions) {
      out.i16(item6.error_code);
      out.i32(item6.index);
      out.i32(item6.leader_id);
      if (version >= 7) {
        out.i32(item6.leader_epoch);
      }
      out.array(item6.replica_nodes.size());
      for (const auto& item7 : item6.replica_nodes) {
        out.i32(item7);
      }
      out.array(item6.isr_nodes.size());
      for (const auto& item8 : item6.isr_nodes) {
        out.i32(item8);
      }
      if (version >= 5) {
        out.array(item6.offline_replicas.size());
        for (const auto& item9 : item6.offline_replicas) {
          out.i32(item9);
        }
      }
      if (version >= 9) {
        out.tag_count(0);
      }
    }
    if (version >= 8) {
      out.i32(item5.authorized_operations);
    }
    if (version >= 9) {
      out.tag_count(0);
    }
  }
  if (version >= 8 && version <= 10) {
    out.i32(in.cluster_authorized_operations);
  }
  if (version >= 13) {
    out.i16(in.error_code);
  }
  if (version >= 9) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
