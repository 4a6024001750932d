// BlobStore: immutable objects. A blob's name is fresh and never used again, so what a BlobRef
// names is either those bytes or gone, for ever.
//
// The order is the caller's: write the blob, change the root that names it, and only when that is
// durable remove the blob that the root named before.
//
// One shard. The object store and the source of random numbers outlive it; it outlives its calls.
#pragma once

#include <string>

#include "objects/format.h"
#include "objects/resolve.h"

namespace trv::objects {

class BlobStore {
 public:
  BlobStore(io::ObjectStore& store, WriterId writer, Random& random);

  // After an error there may be a blob that nothing names.
  void write(std::string bytes, Done<BlobRef> done);
  // The whole blob, checked. Errors: not_found, corrupt, timed_out.
  void read(const BlobRef& blob, Done<std::string> done);
  // A part, not checked. Errors: out_of_range (it does not lie inside), not_found, corrupt (the
  // object is shorter than the blob), timed_out.
  void read_part(const BlobRef& blob, io::ObjectRange part, Done<std::string> done);
  // Requires: no root names it, and none will. Errors: timed_out.
  void remove(const BlobRef& blob, Done<void> done);

 private:
  io::ObjectStore& store_;
  WriterId writer_;
  Random& random_;
  std::uint64_t number_next_ = 0;
};

}  // namespace trv::objects
