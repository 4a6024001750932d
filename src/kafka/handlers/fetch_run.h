// FetchRun: one fetch from its request to its answer. It reads all its partitions, and when there
// is too little and time is left, it waits until something new is visible and reads again.
//
// Owner: Service::fetches, on the connection's core; ends with its answer, with its connection, or
// at its deadline. Closures on other cores know it by its id only.
//
// Invariants: at most one round of reading is under way (missing_ > 0); each topic is watched at
// most once; every watch has fired or is taken back when the run ends.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/topics.h"
#include "kafka/reply.h"
#include "kafka/wire/fetch.gen.h"
#include "runtime/core.h"

namespace trv::kafka {

using FetchId = std::uint64_t;

struct FetchPartition {
  std::int32_t index = 0;
  std::int32_t leader_epoch = -1;
  std::int64_t offset = 0;
  std::int32_t bytes_max = 0;
};

struct FetchTopic {
  std::string name;  // empty: of an id that no topic has
  // When that was asked for: of another topic of the name nothing is read.
  std::optional<wire::Uuid> id;
  std::vector<FetchPartition> partitions;
};

struct FetchTerms {
  std::size_t bytes_min = 1;
  std::size_t bytes_max = 0;
  broker::Isolation isolation = broker::Isolation::uncommitted;
  std::chrono::milliseconds wait{0};
};

class FetchRun {
 public:
  FetchRun(const Reply& reply, FetchId id, FetchTerms terms, std::vector<FetchTopic> topics);
  ~FetchRun();
  FetchRun(const FetchRun&) = delete;
  FetchRun& operator=(const FetchRun&) = delete;

  // Reads all partitions; may end the run, and with it *this.
  void start();
  void on_woken(std::size_t place);
  ConnectionId connection() const { return reply_.connection(); }

  struct TopicResult {
    std::vector<wire::FetchResponse::Topic::Partition> partitions;
    std::size_t size = 0;
    bool failed = false;
    std::optional<broker::WatchId> watch;
  };
  void on_read(std::size_t place, TopicResult result);

 private:
  void read_all();
  void read_topic(std::size_t place);
  void decide();
  void read_soon();
  void on_pause_over();
  void send();
  void on_deadline();
  void end();

  Reply reply_;
  FetchId id_;
  FetchTerms terms_;
  std::vector<FetchTopic> topics_;
  std::vector<TopicResult> results_;
  std::vector<std::optional<broker::WatchId>> watches_;  // by topic
  std::size_t size_ = 0;                                 // of what this round has read
  int missing_ = 0;
  bool failed_ = false;
  bool read_again_ = false;
  bool may_wait_ = false;
  runtime::Timer deadline_;
  runtime::Timer pause_;
};

}  // namespace trv::kafka
