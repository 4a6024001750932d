// Calls to an object store that are repeated until what came of them is known. Everything else in
// this folder speaks to the store through these.
//
// - An answer of `unknown` is never taken for a failure, nor for a success: the same call is made
//   again, with the same bytes.
// - "It is there already" is never taken for somebody else's deed before the bytes have been read
//   back: the call may have met its own first execution, or a duplicate of itself.
// - Tries are bounded (resolve_tries_max). Then the answer is timed_out: the call may have taken
//   effect, or yet take effect. How long to wait between tries is the store's business.
// - A certain error is answered as it is if no earlier try was unknown, else as timed_out.
//
// Callers: one shard. The store outlives the calls; `done` is dropped with the store.
#pragma once

#include <optional>
#include <string>

#include "io/object_store.h"

namespace trv::objects {

inline constexpr int resolve_tries_max = 16;

template <class T>
using Done = io::ObjectStore::Done<T>;

// What a name holds after a conditional write.
struct Written {
  io::ObjectVersion version;
  // The contents, when they are not ours. Empty: ours are in place.
  std::optional<std::string> other;
};

// Creates the object, or finds what is there in its stead. Requires: only this caller ever writes
// these bytes to this name.
void write_once(io::ObjectStore& store, std::string name, std::string bytes, Done<Written> done);

// Replaces the version `expected`, or finds what is there in its stead: then ours may have been
// there for a while. Errors: not_found. Requires: as write_once().
void replace(io::ObjectStore& store, std::string name, io::ObjectVersion expected,
             std::string bytes, Done<Written> done);

// Errors: not_found.
void fetch(io::ObjectStore& store, std::string name, io::ObjectRange range, Done<io::Object> done);
void list(io::ObjectStore& store, std::string prefix, std::string after, Done<io::ObjectPage> done);
// Requires: nobody ever writes this name again.
void remove(io::ObjectStore& store, std::string name, Done<void> done);

}  // namespace trv::objects
