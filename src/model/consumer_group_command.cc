// The bytes of consumer group commands and snapshots: docs/formats/consumer-groups.md.
#include <algorithm>

#include "model/consumer_group.h"

namespace trv::model {
namespace {

// First byte of each command; numbers are never used again for something else.
enum class Kind : std::uint8_t { change = 1, forget = 2 };
constexpr std::uint8_t snapshot_version = 1;

constexpr std::uint8_t has_epoch = 1;
constexpr std::uint8_t has_topics = 2;
constexpr std::uint8_t has_patterns = 4;
constexpr std::uint8_t has_target_epoch = 8;
constexpr std::uint8_t has_instance = 1;
constexpr std::uint8_t has_rack = 2;

void write_texts(ByteWriter& out, const std::vector<std::string>& texts) {
  out.varint(texts.size());
  for (const std::string& text : texts) out.sized(text);
}

// Counts are only believed as far as the bytes reach.
std::vector<std::string> read_texts(ByteReader& in) {
  std::vector<std::string> texts;
  for (std::uint64_t count = in.varint(); count > 0 && in.ok(); --count) {
    texts.emplace_back(in.sized());
  }
  return texts;
}

std::int32_t read_number(ByteReader& in) { return static_cast<std::int32_t>(in.varint_signed()); }

void write_partitions(ByteWriter& out, const TopicPartitions& partitions) {
  out.varint(partitions.size());
  for (const auto& [topic, indexes] : partitions) {
    out.varint(topic.value);
    out.varint(indexes.size());
    std::int32_t last = 0;
    for (std::int32_t index : indexes) {
      out.varint(static_cast<std::uint64_t>(index - last));
      last = index;
    }
  }
}

TopicPartitions read_partitions(ByteReader& in) {
  TopicPartitions partitions;
  for (std::uint64_t topics = in.varint(); topics > 0 && in.ok(); --topics) {
    std::vector<std::int32_t>& indexes = partitions[TopicId(in.varint())];
    if (!indexes.empty()) in.fail();
    std::int64_t last = 0;
    for (std::uint64_t count = in.varint(); count > 0 && in.ok(); --count) {
      const std::uint64_t step = in.varint();
      if (step > INT32_MAX || (step == 0 && !indexes.empty())) {
        in.fail();
        break;
      }
      last += static_cast<std::int64_t>(step);
      if (last > INT32_MAX) in.fail();
      indexes.push_back(static_cast<std::int32_t>(last));
    }
    if (indexes.empty()) in.fail();
  }
  return partitions;
}

void write_member(ByteWriter& out, const ConsumerMember& member) {
  out.u8(static_cast<std::uint8_t>((member.instance_id ? has_instance : 0) |
                                   (member.rack_id ? has_rack : 0)));
  if (member.instance_id) out.sized(*member.instance_id);
  if (member.rack_id) out.sized(*member.rack_id);
  out.sized(member.client_id);
  out.sized(member.client_host);
  out.varint_signed(member.rebalance_timeout.count());
  write_texts(out, member.topics);
  out.sized(member.pattern);
  out.sized(member.assignor);
  out.varint_signed(member.epoch);
  out.varint_signed(member.previous_epoch);
  out.u8(static_cast<std::uint8_t>(member.state));
  write_partitions(out, member.assigned);
  write_partitions(out, member.revoking);
}

ConsumerMember read_member(ByteReader& in) {
  ConsumerMember member;
  std::uint8_t flags = in.u8();
  if (flags & has_instance) member.instance_id = in.sized();
  if (flags & has_rack) member.rack_id = in.sized();
  member.client_id = in.sized();
  member.client_host = in.sized();
  member.rebalance_timeout = std::chrono::milliseconds(in.varint_signed());
  member.topics = read_texts(in);
  member.pattern = in.sized();
  member.assignor = in.sized();
  member.epoch = read_number(in);
  member.previous_epoch = read_number(in);
  std::uint8_t state = in.u8();
  if (state > static_cast<std::uint8_t>(ConsumerMember::State::unreleased)) in.fail();
  member.state = static_cast<ConsumerMember::State>(state);
  member.assigned = read_partitions(in);
  member.revoking = read_partitions(in);
  return member;
}

KnownTopics read_topics(ByteReader& in) {
  KnownTopics topics;
  for (std::uint64_t count = in.varint(); count > 0 && in.ok(); --count) {
    KnownTopic& topic = topics[std::string(in.sized())];
    topic.id = TopicId(in.varint());
    topic.partition_count = read_number(in);
  }
  return topics;
}

TopicPatterns read_patterns(ByteReader& in) {
  TopicPatterns patterns;
  for (std::uint64_t count = in.varint(); count > 0 && in.ok(); --count) {
    std::vector<std::string>& names = patterns[std::string(in.sized())];
    names = read_texts(in);
  }
  return patterns;
}

ConsumerGroupChange read_change(ByteReader& in) {
  ConsumerGroupChange change;
  std::uint8_t flags = in.u8();
  if (flags & has_epoch) change.epoch = read_number(in);
  if (flags & has_topics) change.topics = read_topics(in);
  if (flags & has_patterns) change.patterns = read_patterns(in);
  if (flags & has_target_epoch) change.target_epoch = read_number(in);
  change.removed = read_texts(in);
  for (std::uint64_t count = in.varint(); count > 0 && in.ok(); --count) {
    std::string id(in.sized());
    change.members.emplace_back(std::move(id), read_member(in));
  }
  for (std::uint64_t count = in.varint(); count > 0 && in.ok(); --count) {
    std::string id(in.sized());
    change.targets.emplace_back(std::move(id), read_partitions(in));
  }
  return change;
}

std::uint8_t flags_of(const ConsumerGroupChange& change) {
  return static_cast<std::uint8_t>(
      (change.epoch ? has_epoch : 0) | (change.topics ? has_topics : 0) |
      (change.patterns ? has_patterns : 0) | (change.target_epoch ? has_target_epoch : 0));
}

}  // namespace

std::string ConsumerGroups::encode_change(std::string_view group,
                                          const ConsumerGroupChange& change) {
  std::string bytes;
  ByteWriter out(bytes);
  out.u8(static_cast<std::uint8_t>(Kind::change));
  out.sized(group);
  out.u8(flags_of(change));
  if (change.epoch) out.varint_signed(*change.epoch);
  if (change.topics) {
    out.varint(change.topics->size());
    for (const auto& [name, topic] : *change.topics) {
      out.sized(name);
      out.varint(topic.id.value);
      out.varint_signed(topic.partition_count);
    }
  }
  if (change.patterns) {
    out.varint(change.patterns->size());
    for (const auto& [pattern, names] : *change.patterns) {
      out.sized(pattern);
      write_texts(out, names);
    }
  }
  if (change.target_epoch) out.varint_signed(*change.target_epoch);
  write_texts(out, change.removed);
  out.varint(change.members.size());
  for (const auto& [id, member] : change.members) {
    out.sized(id);
    write_member(out, member);
  }
  out.varint(change.targets.size());
  for (const auto& [id, target] : change.targets) {
    out.sized(id);
    write_partitions(out, target);
  }
  return bytes;
}

std::string ConsumerGroups::encode_forget(std::string_view group) {
  std::string bytes;
  ByteWriter out(bytes);
  out.u8(static_cast<std::uint8_t>(Kind::forget));
  out.sized(group);
  return bytes;
}

Status ConsumerGroups::apply(ByteView command) {
  ByteReader in(command);
  auto kind = static_cast<Kind>(in.u8());
  std::string group(in.sized());
  ConsumerGroupChange change;
  if (kind == Kind::change) {
    change = read_change(in);
  } else if (kind != Kind::forget) {
    in.fail();
  }
  if (!in.done()) return Error{Errc::corrupt, "consumer groups: damaged or unknown command"};
  if (kind == Kind::change) {
    groups_[std::move(group)].apply(change);
  } else {
    groups_.erase(group);
  }
  return {};
}

std::string ConsumerGroups::snapshot() const {
  std::string bytes;
  ByteWriter out(bytes);
  out.u8(snapshot_version);
  out.varint(groups_.size());
  for (const auto& [name, group] : groups_) out.sized(encode_change(name, group.whole()));
  return bytes;
}

Status ConsumerGroups::restore(ByteView snapshot) {
  ByteReader in(snapshot);
  if (in.u8() != snapshot_version) {
    return Error{Errc::corrupt, "consumer groups: unknown snapshot version"};
  }
  ConsumerGroups fresh;
  for (std::uint64_t count = in.varint(); count > 0 && in.ok(); --count) {
    ByteView command = in.sized();
    if (!in.ok()) break;
    if (Status applied = fresh.apply(command); !applied) return applied;
  }
  if (!in.done()) return Error{Errc::corrupt, "consumer groups: damaged snapshot"};
  *this = std::move(fresh);
  return {};
}

}  // namespace trv::model
