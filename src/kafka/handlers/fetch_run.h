// FetchRun: one fetch from its request to its answer. It reads all its partitions, and when there
// is too little and time is left, it waits until something new is visible and reads again. What
// lies on the disk only is not waited for on the core: the answer tells what is in memory, and when
// that is nothing, or too little and time is left, the run reads again once the disk has given it.
//
// Owner: Service::fetches, on the connection's core; ends with its answer, with its connection, or
// at its deadline. Closures on other cores know it by its id only.
//
// Invariants: at most one round of reading is under way (missing_ > 0); each topic is watched at
// most once; every watch has fired or is taken back when the run ends. The disk is waited for at
// most once for each topic at a time.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/quotas.h"
#include "broker/topics.h"
#include "kafka/handlers/fetch_topic.h"
#include "kafka/reply.h"
#include "kafka/wire/fetch.gen.h"
#include "runtime/core.h"

namespace trv::kafka {

using FetchId = std::uint64_t;

struct FetchTerms {
  std::size_t bytes_min = 1;
  std::size_t bytes_max = 0;
  broker::Isolation isolation = broker::Isolation::uncommitted;
  std::chrono::milliseconds wait{0};
  std::optional<model::Quotas::Found> quota = {};  // of the client, where there is one
};

// Of which session the fetch is, if of any.
struct FetchContext {
  enum class Kind {
    single,     // of none
    opening,    // its answer opens one
    continuing  // one that there is
  };
  Kind kind = Kind::single;
  bool by_id = false;
  // Of one that there is.
  std::int32_t session = 0;
  std::int32_t epoch = 0;
};

class FetchRun {
 public:
  FetchRun(const Reply& reply, FetchId id, FetchTerms terms, FetchContext context,
           std::vector<FetchTopic> topics);
  ~FetchRun();
  FetchRun(const FetchRun&) = delete;
  FetchRun& operator=(const FetchRun&) = delete;

  // Reads all partitions; may end the run, and with it *this.
  void start();
  void on_woken(std::size_t place);
  // The disk has given what one read of a topic ended at.
  void on_warm(std::size_t place);
  ConnectionId connection() const { return reply_.connection(); }

  struct TopicResult {
    std::vector<wire::FetchResponse::Topic::Partition> partitions;
    std::size_t size = 0;
    bool failed = false;
    std::optional<broker::WatchId> watch;
    std::optional<BlobRange> cold;  // the first that was not in memory
    bool awaits_disk = false;       // on_warm() will come
  };
  void on_read(std::size_t place, TopicResult result);

 private:
  void read_all();
  std::size_t count_remote() const;
  std::size_t remote_budget() const;
  void read_topics(std::size_t held);
  void read_topic(std::size_t place);
  void decide();
  void read_soon();
  void on_pause_over();
  void count_and_send();
  void on_counted(broker::Quotas::Outcome used);
  void send();
  void tell_session(wire::FetchResponse& response);
  void on_deadline();
  void end();

  Reply reply_;
  FetchId id_;
  FetchTerms terms_;
  FetchContext context_;
  std::vector<FetchTopic> topics_;
  std::vector<TopicResult> results_;
  std::vector<std::optional<broker::WatchId>> watches_;  // by topic
  std::vector<char> awaits_disk_;                        // by topic; of this round or one before
  std::size_t bytes_max_ = 0;                            // of this round
  std::size_t held_ = 0;                                 // of the room, for what is read here
  std::size_t size_ = 0;                                 // of what it has read
  bool cold_ = false;                                    // and some of it is on the disk only
  int missing_ = 0;
  std::int32_t throttle_ms_ = 0;
  bool withheld_ = false;  // the client's quota does not allow what was read
  bool failed_ = false;
  bool read_again_ = false;
  bool may_wait_ = false;
  runtime::Timer deadline_;
  runtime::Timer pause_;
};

}  // namespace trv::kafka
