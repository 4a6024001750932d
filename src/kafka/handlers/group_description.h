// What the two kinds of groups that have a describe request of their own share in answering it.
#pragma once

#include <memory>
#include <utility>

#include "broker/broker.h"
#include "kafka/errors.h"
#include "kafka/handlers/gathering.h"
#include "kafka/handlers/handlers.h"

namespace trv::kafka {

// On the group's owner: puts the described group into its place of the answer when `shown` is
// durable, since what is on its way to the disk must not be shown before it is there.
template <class Response, class Group>
void answer_when_durable(broker::Broker& owner, broker::Commit shown,
                         std::shared_ptr<Gathering<Response>> answer, std::size_t place,
                         Group group, CoreIndex home) {
  owner.when_durable(shown, [&owner, home, answer = std::move(answer), place,
                             group = std::move(group)](Result<broker::Durable> result) mutable {
    if (!result) {
      Group failed;
      failed.group_id = std::move(group.group_id);
      failed.error_code = wire_code(ErrorCode::coordinator_not_available);
      group = std::move(failed);
    }
    back_home(owner, home, [answer = std::move(answer), place, group = std::move(group)]() mutable {
      answer->response.groups[place] = std::move(group);
      answer->done();
    });
  });
}

}  // namespace trv::kafka
