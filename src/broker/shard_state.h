// ShardState: everything that one virtual shard holds. Owned by the Broker of the core that owns
// the shard; changed only by Broker::apply and the services, in the order of the journal.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/ids.h"
#include "broker/detail/shard_pages.h"
#include "broker/topic_state.h"
#include "model/consumer_group.h"
#include "model/delays.h"
#include "model/group_offsets.h"
#include "model/keyspace.h"
#include "model/share_changes.h"
#include "model/share_group.h"
#include "model/transaction.h"

namespace trv::broker {

struct NameHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view name) const {
    return std::hash<std::string_view>{}(name);
  }
};
template <class T>
using NameMap = std::unordered_map<std::string, T, NameHash, std::equal_to<>>;

struct Queue;
struct QueueDeleter {
  void operator()(Queue* queue) const;
};

struct ShardState {
  ShardState(ShardId shard_id, std::uint64_t hash_seed, std::shared_ptr<storage::PageFiles> files)
      : id(shard_id),
        pages(shard_id, std::move(files)),
        keyspace(hash_seed),
        transactions(shard_id, {}) {}

  ShardId id;
  detail::ShardPages pages;
  NameMap<std::unique_ptr<Topic>> topics;
  std::unordered_map<TopicId, Topic*> topics_by_id;
  NameMap<std::unique_ptr<Queue, QueueDeleter>> queues;
  model::Keyspace keyspace;
  model::GroupOffsets group_offsets;
  model::ConsumerGroups consumer_groups;
  model::ShareGroupRecords share_groups;
  model::ShareChanges share_changes;
  model::Transactions transactions;
  model::Delays delays;

  Topic* find_topic(TopicId topic_id) const {
    auto it = topics_by_id.find(topic_id);
    return it == topics_by_id.end() ? nullptr : it->second;
  }
};

}  // namespace trv::broker
