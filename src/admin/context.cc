#include "admin/context.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace trv::admin {

using broker::Broker;
using broker::OperationResult;
using broker::Operations;

namespace {

// Where it is: the front-end does not know what its node is called.
void name_node(Operations::Subject subject, const std::string& node, boost::json::object& item) {
  using Subject = Operations::Subject;
  switch (subject) {
    case Subject::consumers:
      item["channel_details"].as_object()["node"] = node;
      return;
    case Subject::queues:
      if (item["type"] != "classic") {
        item["leader"] = node;
        item["members"] = boost::json::array{node};
        item["online"] = boost::json::array{node};
      }
      item["node"] = node;
      return;
    case Subject::connections:
    case Subject::channels:
      item["node"] = node;
      return;
    case Subject::exchanges:
    case Subject::bindings:
    case Subject::traffic:
    case Subject::churn:
      return;
  }
}

}  // namespace

runtime::Task<boost::json::array> Context::list(Operations::Subject subject) {
  using Answer = UniqueFunction<void(Operations::Rendering)>;
  auto work = [operations = &operations_, subject](Broker&, Answer answer) {
    operations->list(subject, std::move(answer));
  };
  Operations::Rendering rendering = co_await ask<Operations::Rendering>(std::move(work));
  boost::json::array items = rendering();
  for (boost::json::value& item : items) name_node(subject, facts_.node, item.as_object());
  co_return items;
}

runtime::Task<OperationResult> Context::run(broker::Operation::Verb verb, std::string user,
                                            boost::json::object arguments) {
  broker::Operation operation{verb, std::move(user), std::move(arguments)};
  using Answer = UniqueFunction<void(OperationResult)>;
  auto work = [operations = &operations_, operation = std::move(operation)](Broker&,
                                                                            Answer answer) mutable {
    operations->run(std::move(operation), std::move(answer));
  };
  co_return co_await ask<OperationResult>(std::move(work));
}

runtime::Task<int> Context::close_connections(Operations::Chosen chosen, std::string reason) {
  auto work = [operations = &operations_, chosen = std::move(chosen), reason = std::move(reason)](
                  Broker&, UniqueFunction<void(int)> answer) mutable {
    operations->close_connections(std::move(chosen), std::move(reason), std::move(answer));
  };
  co_return co_await ask<int>(std::move(work));
}

runtime::Task<Changed> Context::change_catalog(Execute execute, std::string command, IsThere there,
                                               bool only_if_there) {
  auto work = [execute, command = std::move(command), there = std::move(there), only_if_there](
                  Broker& home, UniqueFunction<void(Changed)> answer) {
    const CoreIndex first = home.core().index();
    home.at(broker::Catalog::home, [first, execute, command, there, only_if_there,
                                    answer = std::move(answer)](Broker& owner) mutable {
      const bool was_there = there(owner.catalog());
      auto tell = [first, was_there, &owner, answer = std::move(answer)](Status status) mutable {
        owner.post(first,
                   [was_there, status = std::move(status), answer = std::move(answer)]() mutable {
                     answer({std::move(status), was_there});
                   });
      };
      if (only_if_there && !was_there) return tell({});
      (owner.catalog().*execute)(command,
                                 [tell = std::move(tell)](Result<broker::Durable> visible) mutable {
                                   tell(visible ? Status() : Status(visible.error()));
                                 });
    });
  };
  co_return co_await ask<Changed>(std::move(work));
}

}  // namespace trv::admin
