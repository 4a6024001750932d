// How long several queues are together, and how fast they become longer.
#pragma once

#include <boost/json/object.hpp>

namespace trv::admin {

// Of queues as they are listed: "messages", "messages_ready" and "messages_unacknowledged", each
// with its rate beside it. Nothing is there before a queue was added.
class LengthTotals {
 public:
  void add(const boost::json::object& queue);
  // Into what is told of all of them.
  void put(boost::json::object& into) const;

 private:
  boost::json::object sums_;
};

// Adds counts, and the rates that their details tell.
void add_stats(boost::json::object& sum, const boost::json::object& stats);

}  // namespace trv::admin
