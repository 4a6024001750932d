// ShareRun: one ShareFetch or ShareAcknowledge that is under way. It visits its topics one after
// the other, wherever they are; when nothing was there to be given out it waits, as long as its
// client said, for something new, or for something that comes back.
//
// Owner: Service, by id, so that what other cores bring back finds it or nothing. It ends with its
// answer or its connection. What was given out to a connection that ended meanwhile comes back with
// its session, which is closed behind every visit.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "broker/quotas.h"
#include "broker/topics.h"
#include "kafka/handlers/share_visit.h"
#include "kafka/reply.h"
#include "runtime/core.h"

namespace trv::kafka {

struct ShareRequest {
  bool gives = true;  // a ShareFetch
  std::string group;
  std::string member;
  std::vector<ShareTopic> topics;
  std::size_t records_max = 0;
  bool exact = false;  // records_max
  std::size_t bytes_max = 0;
  std::size_t range_max = 1;
  std::chrono::milliseconds wait{0};
  std::optional<model::Quotas::Found> quota = {};  // of the client, where there is one
};

class ShareRun {
 public:
  using Id = std::uint64_t;

  ShareRun(const Reply& reply, Id id, ShareRequest request);
  ~ShareRun();
  ShareRun(const ShareRun&) = delete;
  ShareRun& operator=(const ShareRun&) = delete;

  // May end the run, and with it *this; so may the others.
  void start();
  // Nothing: there is no such group.
  void on_terms(std::optional<ShareTerms> terms);
  void on_visited(std::size_t place, ShareVisitResult result, std::optional<broker::WatchId> watch);
  void on_woken(std::size_t place);
  ConnectionId connection() const { return reply_.connection(); }

 private:
  void begin_round();
  void go_on();
  void enter_and_visit(std::size_t place);
  void visit(std::size_t place, std::size_t bytes_max);
  void decide();
  void on_deadline();
  void count_and_send();
  void on_counted(broker::Quotas::Outcome used);
  void send();
  void end();

  Reply reply_;
  Id id_;
  ShareRequest request_;
  ShareTerms terms_ = share_terms({});
  bool group_exists_ = true;
  // Of each topic: what was told so far. Acknowledgements are told of in the first round only.
  std::vector<std::map<std::int32_t, ShareVisitResult::Partition>> told_;
  std::vector<std::optional<broker::WatchId>> watches_;
  std::size_t next_ = 0;  // the topic to be visited next
  std::size_t record_count_ = 0;
  std::size_t size_ = 0;
  std::int32_t throttle_ms_ = 0;
  bool visiting_ = false;  // a topic; or what was read is being counted
  bool looping_ = false;   // go_on() is under way
  bool failed_ = false;
  bool woken_ = false;  // during a round
  bool may_wait_ = false;
  runtime::Timer deadline_;
};

}  // namespace trv::kafka
