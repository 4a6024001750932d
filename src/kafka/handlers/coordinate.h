// Asking the owner of a transactional id, and what its answers are called in Kafka.
#pragma once

#include <string>
#include <utility>

#include "broker/transactions.h"
#include "kafka/errors.h"
#include "kafka/service.h"

namespace trv::kafka {

// Producers of older versions know a fenced producer as one with an old epoch.
ErrorCode outcome_code(const broker::Transactions::Outcome& outcome, bool knows_fenced);

// Runs `work(transactions, done)` on the owner of the transactional id and `answer(outcome)` here.
template <class Work, class Answer>
void coordinate(Service& service, const std::string& transactional_id, Work work, Answer answer) {
  service.broker().at(transactional_id, [home = service.home(), work = std::move(work),
                                         answer =
                                             std::move(answer)](broker::Broker& owner) mutable {
    work(owner.transactions(), [&owner, home, answer = std::move(answer)](
                                   broker::Transactions::Outcome outcome) mutable {
      back_home(owner, home, [answer = std::move(answer), outcome = std::move(outcome)]() mutable {
        answer(outcome);
      });
    });
  });
}

}  // namespace trv::kafka
