// OutputQueue: what a Stream still has to send, as parts for a gathered write. Small writes are
// copied together into pooled blocks; larger slices are held until sent. An empty queue holds no
// memory.
//
// Owner: a Stream's State. Knows no sockets.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/slice.h"

namespace trv::runtime {

struct OutputBlock {
  static constexpr std::size_t size_max = 16 * 1024;
  std::size_t used = 0;
  int parts = 0;  // queued parts that lie in this block
  std::array<char, size_max> bytes;
};

// Spare blocks of one core.
class OutputBlockPool {
 public:
  static constexpr std::size_t spare_max = 64;
  std::unique_ptr<OutputBlock> take();
  void give_back(std::unique_ptr<OutputBlock> block);

  // What all the queues together hold; kept by them.
  std::size_t held = 0;

 private:
  std::vector<std::unique_ptr<OutputBlock>> spare_;
};

class OutputQueue {
 public:
  // Slices up to this size are copied: cheaper than a part of their own.
  static constexpr std::size_t copy_size_max = 512;

  explicit OutputQueue(OutputBlockPool& pool) : pool_(pool) {}
  ~OutputQueue() { clear(); }
  OutputQueue(const OutputQueue&) = delete;
  OutputQueue& operator=(const OutputQueue&) = delete;

  void add(std::string_view bytes);
  void add(Slice slice);

  // Bytes to be sent.
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Bytes in memory: a part gives its own back when all of it is sent.
  std::size_t held() const { return size_ + front_sent_; }

  struct Gathered {
    std::size_t parts = 0;
    std::size_t size = 0;  // bytes
  };
  // Fills `into` with the first parts, in order; valid until the queue changes.
  Gathered gather(std::span<iovec> into) const;
  // Drops the first `sent` bytes. Requires: sent <= size().
  void consume(std::size_t sent);
  void clear();

 private:
  struct Part {
    Slice bytes;
    OutputBlock* block;  // null: `bytes` has an owner of its own
  };
  void copy(std::string_view bytes);
  void release(OutputBlock* block);

  OutputBlockPool& pool_;
  std::vector<Part> parts_;  // [0, sent_parts_) are sent
  std::size_t sent_parts_ = 0;
  std::vector<std::unique_ptr<OutputBlock>> blocks_;  // in order of use; the last one has room
  std::size_t size_ = 0;
  std::size_t front_sent_ = 0;  // of the first part that is not all sent
};

}  // namespace trv::runtime
