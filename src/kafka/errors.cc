#include "kafka/errors.h"

namespace trv::kafka {

ErrorCode error_code(Errc code) {
  switch (code) {
    case Errc::not_found:
      return ErrorCode::unknown_topic_or_partition;
    case Errc::already_exists:
      return ErrorCode::topic_already_exists;
    case Errc::invalid_argument:
    case Errc::precondition_failed:
      return ErrorCode::invalid_request;
    case Errc::access_refused:
      return ErrorCode::topic_authorization_failed;
    case Errc::locked:
    case Errc::in_use:
    case Errc::wrong_type:
      return ErrorCode::policy_violation;
    case Errc::out_of_range:
      return ErrorCode::offset_out_of_range;
    case Errc::too_large:
      return ErrorCode::message_too_large;
    case Errc::unsupported:
      return ErrorCode::unsupported_version;
    case Errc::corrupt:
      return ErrorCode::corrupt_message;
    case Errc::no_space:
    case Errc::io_error:
      return ErrorCode::kafka_storage_error;
    case Errc::overloaded:
      return ErrorCode::throttling_quota_exceeded;
    case Errc::fenced:
      return ErrorCode::invalid_producer_epoch;
    case Errc::sequence_gap:
      return ErrorCode::out_of_order_sequence_number;
    case Errc::invalid_state:
      return ErrorCode::invalid_txn_state;
    case Errc::concurrent_update:
      return ErrorCode::concurrent_transactions;
    case Errc::timed_out:
      return ErrorCode::request_timed_out;
    case Errc::closed:
      return ErrorCode::coordinator_not_available;
  }
  return ErrorCode::unknown_server_error;
}

ErrorCode produce_error_code(Errc code) {
  switch (code) {
    case Errc::invalid_argument:
      return ErrorCode::invalid_record;
    case Errc::out_of_range:
      return ErrorCode::invalid_timestamp;
    case Errc::unsupported:
      return ErrorCode::unsupported_compression_type;
    case Errc::closed:
    case Errc::overloaded:
      return ErrorCode::kafka_storage_error;  // retriable, and about the log
    case Errc::not_found:
    case Errc::already_exists:
    case Errc::precondition_failed:
    case Errc::access_refused:
    case Errc::locked:
    case Errc::in_use:
    case Errc::wrong_type:
    case Errc::too_large:
    case Errc::corrupt:
    case Errc::no_space:
    case Errc::io_error:
    case Errc::fenced:
    case Errc::sequence_gap:
    case Errc::invalid_state:
    case Errc::concurrent_update:
    case Errc::timed_out:
      return error_code(code);
  }
  return ErrorCode::unknown_server_error;
}

ErrorCode error_code(model::GroupError error) {
  using model::GroupError;
  switch (error) {
    case GroupError::none:
      return ErrorCode::none;
    case GroupError::unknown_member:
      return ErrorCode::unknown_member_id;
    case GroupError::illegal_generation:
      return ErrorCode::illegal_generation;
    case GroupError::inconsistent_protocol:
      return ErrorCode::inconsistent_group_protocol;
    case GroupError::rebalance_in_progress:
      return ErrorCode::rebalance_in_progress;
    case GroupError::member_id_required:
      return ErrorCode::member_id_required;
    case GroupError::fenced_instance:
      return ErrorCode::fenced_instance_id;
    case GroupError::group_full:
      return ErrorCode::group_max_size_reached;
    case GroupError::invalid_session_timeout:
      return ErrorCode::invalid_session_timeout;
    case GroupError::unavailable:
      return ErrorCode::coordinator_not_available;
    case GroupError::group_not_empty:
      return ErrorCode::non_empty_group;
    case GroupError::invalid_request:
      return ErrorCode::invalid_request;
    case GroupError::fenced_epoch:
      return ErrorCode::fenced_member_epoch;
    case GroupError::stale_epoch:
      return ErrorCode::stale_member_epoch;
    case GroupError::instance_in_use:
      return ErrorCode::unreleased_instance_id;
    case GroupError::unknown_assignor:
      return ErrorCode::unsupported_assignor;
    case GroupError::invalid_pattern:
      return ErrorCode::invalid_regular_expression;
    case GroupError::other_protocol:
      return ErrorCode::group_id_not_found;
    case GroupError::epoch_required:
      return ErrorCode::unsupported_version;
  }
  return ErrorCode::unknown_server_error;
}

}  // namespace trv::kafka
