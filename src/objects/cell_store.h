// CellStore: small registers in an object store, changed by compare-and-set.
//
// - A cell holds a value and a revision that grows by one with each change. No two changes ever
//   write the same bytes, so a version that was seen never comes back.
// - After ok, the change happened once, on exactly the value that was seen.
//
// One shard. The object store and the source of random numbers outlive it; it outlives its calls.
// It keeps nothing: every read asks the store. Cells are never removed.
#pragma once

#include <string>

#include "objects/identity.h"
#include "objects/resolve.h"

namespace trv::objects {

// A cell as it was seen.
struct Cell {
  std::string name;
  std::string value;
  std::uint64_t revision = 0;
  io::ObjectVersion version;
};

class CellStore {
 public:
  CellStore(io::ObjectStore& store, WriterId writer, Random& random);

  // Errors: already_exists; timed_out (it may have been created, or yet be).
  void create(std::string name, std::string value, Done<Cell> done);
  // Errors: not_found, corrupt, timed_out.
  void read(std::string name, Done<Cell> done);
  // Errors: precondition_failed: the cell has changed since it was seen. (In rare cases this change
  // was made too, and then overwritten by somebody who had seen it. Read the cell to learn what
  // holds now.) Also not_found, timed_out (it may have been changed, or yet be).
  void change(const Cell& seen, std::string value, Done<Cell> done);

 private:
  io::ObjectStore& store_;
  WriterId writer_;
  Random& random_;
};

}  // namespace trv::objects
