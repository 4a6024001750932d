// BufferPool: buffers of one size that are used again, because touching fresh memory costs more
// than the bytes that go into it.
//
// A buffer is shared (slices of it travel to other cores and connections) and comes back by itself
// when its last share dies, on whatever thread. At most `spare_max` wait for re-use.
#pragma once

#include <cstddef>
#include <memory>

namespace trv::io {

class BufferPool {
 public:
  BufferPool(std::size_t buffer_size, std::size_t spare_max);
  // Contents are undefined. A `size` other than the pool's is served, but not kept afterwards.
  std::shared_ptr<char> get(std::size_t size);
  std::size_t buffer_size() const { return buffer_size_; }

 private:
  struct Spares;
  std::size_t buffer_size_;
  // Shared with every buffer given out, which may outlive the pool.
  std::shared_ptr<Spares> spares_;
};

}  // namespace trv::io
