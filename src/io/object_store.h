// ObjectStore: a shared store of whole objects with atomic conditional writes. It is all that
// brokers share beyond one machine (ARCHITECTURE 7). Implementations: memory_objects (a simulated
// store that delays, repeats and loses), directory_objects (`dir://`, one machine); S3 comes later.
//
// Contract, for every implementation:
// - Calls return at once and never call `done` before they have returned. `done` is called at most
//   once: not at all when the store object is destroyed before, as when its process dies. Calls
//   overlap and may take effect in any order.
// - An error is certain (the call changed nothing and never will) or unknown (it may have taken
//   effect, may yet take effect at any later time, or never): see is_certain().
// - A call may take effect twice. So a conditional write that succeeded can be answered with
//   already_exists or precondition_failed: its own first execution was in the way.
// - What was answered, or could be read, survives everything.
// - Versions are made from the contents alone (an ETag): equal contents, equal version. Who relies
//   on cas() never writes the same contents to one name twice.
//
// It does not retry, order or resolve anything: that is src/objects.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/function.h"
#include "base/result.h"

namespace trv::io {

struct ObjectVersion {
  std::string tag;
  bool operator==(const ObjectVersion&) const = default;
};

struct Object {
  std::string bytes;
  ObjectVersion version;  // empty when only a part was asked for
};

// A part of an object. What lies behind its end is left out of the answer.
struct ObjectRange {
  std::uint64_t position = 0;
  std::uint64_t length = object_size_max;
  static constexpr std::uint64_t object_size_max = std::uint64_t{1} << 30;
  constexpr bool whole() const { return position == 0 && length >= object_size_max; }
};

struct ObjectPage {
  std::vector<std::string> names;  // ascending; at most object_page_size
  bool more = false;               // there are names behind the last one
};
inline constexpr std::size_t object_page_size = 1000;

class ObjectStore {
 public:
  template <class T>
  using Done = UniqueFunction<void(Result<T>)>;

  virtual ~ObjectStore() = default;
  // Certain errors: already_exists.
  virtual void create_if_absent(std::string name, std::string bytes, Done<ObjectVersion> done) = 0;
  // Replaces the object if its version is `expected`. Certain errors: precondition_failed,
  // not_found.
  virtual void cas(std::string name, ObjectVersion expected, std::string bytes,
                   Done<ObjectVersion> done) = 0;
  // Certain errors: not_found.
  virtual void get(std::string name, ObjectRange range, Done<Object> done) = 0;
  // Replaces whatever there is. An earlier put may take effect after a later one.
  virtual void put(std::string name, std::string bytes, Done<ObjectVersion> done) = 0;
  // Names that begin with `prefix`, behind `after` in order.
  virtual void list(std::string prefix, std::string after, Done<ObjectPage> done) = 0;
  // Ok too when there is no such object.
  virtual void remove(std::string name, Done<void> done) = 0;
};

// Whether a call that was answered with `code` changed nothing and never will.
bool is_certain(Errc code);

// Lower-case letters, digits, `-`, `.` and `/`; 1 to 200 of them; neither the first nor the last is
// a `/`. Other names are refused with invalid_argument.
bool is_object_name(std::string_view name);

// The version of an object with these contents.
ObjectVersion version_of(ByteView bytes);

}  // namespace trv::io
