// Context: what routes work with: the broker's first core and what it can be asked.
//
// Owner: the Server. Lives on the API's own core; each ask is a message to the home core and one
// back. Suspends in every ask; after it the world may have changed.
//
// Closures and aggregates are named before they are handed to a coroutine: GCC 12 destroys such
// temporaries twice when they are made in the expression that is awaited.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/broker.h"
#include "broker/catalog.h"
#include "broker/operations.h"
#include "runtime/core.h"
#include "runtime/task.h"

namespace trv::admin {

// Where the process listens, for whoever asks.
struct ListeningPort {
  std::string protocol;
  std::uint16_t port = 0;
};

struct Facts {
  std::string version;
  std::string node;
  std::string cluster;
  std::string data_dir;
  std::string bind;
  std::vector<ListeningPort> ports;
  std::uint64_t disk_free_min = 0;  // as it was set: a hundredth of the disk at least, unless 0
  runtime::SteadyTime started{};
};

// What became of a change of the catalog: whether that which it is about was there before.
struct Changed {
  Status status;
  bool was_there = false;
};
using IsThere = std::function<bool(const broker::Catalog&)>;
// Of the Catalog: makes the change that is encoded in `command`.
using Execute = void (broker::Catalog::*)(ByteView command,
                                          UniqueFunction<void(Result<broker::Durable>)> visible);

class Context {
 public:
  // `home` is the Broker of the core on which `operations` lives. All outlive it.
  Context(runtime::Core& core, broker::Broker& home, broker::Operations& operations, Facts facts)
      : core_(core), home_(home), operations_(operations), facts_(std::move(facts)) {}

  // Each item is an object.
  runtime::Task<boost::json::array> list(broker::Operations::Subject subject);
  runtime::Task<broker::OperationResult> run(broker::Operation::Verb verb, std::string user,
                                             boost::json::object arguments);
  runtime::Task<int> close_connections(broker::Operations::Chosen chosen, std::string reason);
  // On the catalog's core, wherever that is. `there` is asked before the change, at the same
  // moment; nothing is done when it is about what must be there, and is not.
  runtime::Task<Changed> change_catalog(Execute execute, std::string command, IsThere there,
                                        bool only_if_there);
  // Runs `work(Broker&, UniqueFunction<void(T)> answer)` on the home core.
  template <class T, class Work>
  runtime::Task<T> ask(Work work);

  const Facts& facts() const { return facts_; }
  Facts& facts() { return facts_; }
  runtime::Core& core() const { return core_; }

 private:
  runtime::Core& core_;
  broker::Broker& home_;
  broker::Operations& operations_;
  Facts facts_;
};

template <class T, class Work>
runtime::Task<T> Context::ask(Work work) {
  struct Waiting {
    runtime::Event answered;
    std::optional<T> value;
  };
  // Shared with the answer, which may come when nobody waits any more.
  auto waiting = std::make_shared<Waiting>();
  UniqueFunction<void(T)> answer = [waiting, here = &core_](T value) {
    here->post([waiting, value = std::move(value)]() mutable {
      waiting->value.emplace(std::move(value));
      waiting->answered.set();
    });
  };
  home_.core().post([home = &home_, work = std::move(work), answer = std::move(answer)]() mutable {
    work(*home, std::move(answer));
  });
  co_await waiting->answered.wait();
  co_return std::move(*waiting->value);
}

}  // namespace trv::admin
