// Operations: a front-end as its operator sees it: who is connected, what is there, and changes
// that are made by the front-end's own rules, with its own texts when they are refused.
//
// A front-end fills it, `server` hands it to `admin`. One object for all cores; it lives on the
// core that home() names, and all calls come from there. Answers come there, too, later or at once.
//
// What is told is JSON in the front-end's own words. Listing gathers plain facts on the cores;
// turning them into JSON is left to the caller, so that a long list costs the cores little.
#pragma once

#include <boost/json/value.hpp>
#include <functional>
#include <string>

#include "base/function.h"
#include "runtime/core.h"

namespace trv::broker {

struct Operation {
  enum class Verb : std::uint8_t {
    declare_queue,
    delete_queue,
    purge_queue,
    declare_exchange,
    delete_exchange,
    bind,
    unbind,
    publish,
    take,  // some messages of a queue
    put_vhost,
    delete_vhost,  // and all that is in it
  };
  Verb verb;
  std::string user;  // on whose behalf
  boost::json::object arguments;
};

struct OperationResult {
  enum class Kind : std::uint8_t {
    done,            // and there before, if it was about making something
    created,         // it was not there before
    refused,         // `reason` says why
    access_refused,  // the user may not do this
    not_found,       // what it is about is not there
    timed_out,       // nobody knows whether it was done
  };
  Kind kind = Kind::done;
  std::string reason;
  boost::json::value value;  // of what was asked for
};

class Operations {
 public:
  enum class Subject : std::uint8_t {
    connections,
    channels,
    consumers,
    exchanges,
    queues,
    bindings,
    traffic,  // of messages, by "vhost"
    churn     // of connections and the like: one for the whole broker
  };
  // To be run on any one thread, once.
  using Rendering = UniqueFunction<boost::json::array()>;

  virtual ~Operations() = default;
  virtual runtime::Core& home() = 0;
  virtual void list(Subject subject, UniqueFunction<void(Rendering)> done) = 0;
  virtual void run(Operation operation, UniqueFunction<void(OperationResult)> done) = 0;
  // Ends every connection that `chosen` picks by its name and user. How many that were.
  using Chosen = std::function<bool(const std::string& name, const std::string& user)>;
  virtual void close_connections(Chosen chosen, std::string reason,
                                 UniqueFunction<void(int)> done) = 0;
};

}  // namespace trv::broker
