#include "kafka/handlers/coordinate.h"

namespace trv::kafka {

ErrorCode outcome_code(const broker::Transactions::Outcome& outcome, bool knows_fenced) {
  using model::TransactionError;
  // The disk: the client looks for the coordinator and tries again.
  if (outcome.failure) return ErrorCode::coordinator_not_available;
  switch (outcome.error) {
    case TransactionError::none:
      return ErrorCode::none;
    case TransactionError::invalid_request:
      return ErrorCode::invalid_request;
    case TransactionError::invalid_timeout:
      return ErrorCode::invalid_transaction_timeout;
    case TransactionError::concurrent:
      return ErrorCode::concurrent_transactions;
    case TransactionError::fenced:
      return knows_fenced ? ErrorCode::producer_fenced : ErrorCode::invalid_producer_epoch;
    case TransactionError::wrong_producer:
      return ErrorCode::invalid_producer_id_mapping;
    case TransactionError::invalid_state:
      return ErrorCode::invalid_txn_state;
    case TransactionError::too_many_partitions:
      return ErrorCode::invalid_request;
    case TransactionError::too_many_ids:
      return ErrorCode::coordinator_not_available;
  }
  return ErrorCode::unknown_server_error;
}

}  // namespace trv::kafka
