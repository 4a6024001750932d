// Result<T>: a value or an Error, must be looked at. No exceptions cross a module's front door.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/assert.h"

namespace trv {

// The kinds of failure that a caller can act on. Detail belongs in Error::message.
// Each front-end maps every kind once, in a switch without `default`.
enum class Errc : unsigned char {
  not_found,            // the named thing does not exist
  already_exists,       // a thing of that name exists
  invalid_argument,     // the request can never succeed as it is
  precondition_failed,  // the request contradicts the present state
  access_refused,       // the principal may not do this
  locked,               // owned exclusively by somebody else
  in_use,               // refused because others use it
  wrong_type,           // the name holds another kind of thing
  out_of_range,         // an offset, sequence or id that is not (or no longer) there
  too_large,            // above a configured size
  unsupported,          // known to the protocol, not built here
  corrupt,              // a checksum or format check failed
  no_space,             // the disk is full
  io_error,             // the operating system failed an operation
  overloaded,           // a named limit is reached; try later
  fenced,               // an older epoch of a producer, member or owner
  sequence_gap,         // an idempotent producer's sequence does not follow
  invalid_state,        // a transaction or group is not in a state that allows this
  concurrent_update,    // another change of the same thing is under way; try again
  timed_out,
  closed,  // the peer, the service or the process is going away
};

struct Error {
  Errc code;
  std::string message;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Requires: ok().
  T& value() & {
    TRV_ASSERT(ok());
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    TRV_ASSERT(ok());
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    TRV_ASSERT(ok());
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // Requires: !ok().
  const Error& error() const {
    TRV_ASSERT(!ok());
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    TRV_ASSERT(error_);
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace trv
