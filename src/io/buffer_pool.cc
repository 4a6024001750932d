#include "io/buffer_pool.h"

#include <mutex>
#include <vector>

namespace trv::io {

struct BufferPool::Spares {
  std::mutex mutex;
  std::vector<std::unique_ptr<char[]>> buffers;
  std::size_t max = 0;
};

BufferPool::BufferPool(std::size_t buffer_size, std::size_t spare_max)
    : buffer_size_(buffer_size), spares_(std::make_shared<Spares>()) {
  spares_->max = spare_max;
}

std::shared_ptr<char> BufferPool::get(std::size_t size) {
  if (size != buffer_size_) {
    return {new char[size], [](char* p) { delete[] p; }};
  }
  std::unique_ptr<char[]> buffer;
  {
    std::lock_guard guard(spares_->mutex);
    if (!spares_->buffers.empty()) {
      buffer = std::move(spares_->buffers.back());
      spares_->buffers.pop_back();
    }
  }
  if (!buffer) buffer.reset(new char[size]);
  return {buffer.release(), [spares = spares_](char* p) {
            std::unique_ptr<char[]> back(p);
            std::lock_guard guard(spares->mutex);
            if (spares->buffers.size() < spares->max) spares->buffers.push_back(std::move(back));
          }};
}

}  // namespace trv::io
