// Keyspaces: the key-value state of this core's shards, one model::Keyspace a shard.
//
// A name is either a key here or a topic, never both: check Topics::find as well.
#pragma once

#include <functional>
#include <string>

#include "broker/broker.h"
#include "model/keyspace.h"

namespace trv::broker {

class Keyspaces {
 public:
  explicit Keyspaces(Broker& broker) : broker_(broker) {}

  // The keyspace of the shard that owns `key`. Requires: this core owns it.
  model::Keyspace& of(std::string_view key);
  // As model::Keyspace::prefetch(), where this core owns the key.
  void prefetch(std::string_view key);
  // Journals an encoded command of that keyspace and applies it. Errors: no_space, io_error: then
  // it is not applied.
  Result<Commit> execute(Space space, std::string_view key, ByteView command);
  // Removes from memory what has expired, some of it when that is much. Called once a tick.
  void drop_expired();
  // `told` runs when something has been removed because its time was over, a key or a topic, once
  // for each. What runs later must ask again what is there.
  using Expired = std::function<void(std::string_view name, Commit removal)>;
  void watch_expired(Expired told) { expired_ = std::move(told); }
  void tell_expired(std::string_view name, Commit removal);
  // Every keyspace of this core.
  void each(const std::function<void(model::Keyspace&)>& visit);

 private:
  Result<Commit> execute_in(Space space, ShardState& shard, ByteView command);

  Broker& broker_;
  Expired expired_;
};

}  // namespace trv::broker
