#include "admin/context.h"

#include <boost/json/array.hpp>

namespace trv::admin {

using broker::Broker;
using broker::OperationResult;
using broker::Operations;

runtime::Task<boost::json::array> Context::list(Operations::Subject subject) {
  using Answer = UniqueFunction<void(Operations::Rendering)>;
  auto work = [operations = &operations_, subject](Broker&, Answer answer) {
    operations->list(subject, std::move(answer));
  };
  Operations::Rendering rendering = co_await ask<Operations::Rendering>(std::move(work));
  co_return rendering();
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

}  // namespace trv::admin
