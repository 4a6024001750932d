// InputBuffer: the bytes that a connection has received and not yet used, in one piece; or those of
// one message that came in parts.
//
// Owner: the connection, on one core; Stream::read() fills it. A buffer without bytes holds no
// memory between two reads, so that an idle connection costs none: blocks come from the core's pool
// when the socket has something.
//
// Invariant: capacity grows with what has arrived, never with what a peer announces. A connection
// whose last requests were large gets its next block in their size, so that it need not grow again.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/bytes.h"

namespace trv::runtime {

struct InputBlock {
  std::unique_ptr<char[]> bytes;
  std::size_t capacity = 0;
};

// Spare blocks of one core: memory that was touched before is much cheaper than fresh pages.
class InputBlockPool {
 public:
  static constexpr std::size_t spare_bytes_max = 16u << 20;
  // A block of at least `capacity` bytes.
  InputBlock take(std::size_t capacity);
  // Requires: it was taken from here.
  void give_back(InputBlock block);
  // Bytes of all that are taken.
  std::size_t in_use() const { return in_use_; }

 private:
  InputBlock find(std::size_t capacity);

  std::vector<InputBlock> spare_;
  std::size_t spare_bytes_ = 0;
  std::size_t in_use_ = 0;
};

class InputBuffer {
 public:
  static constexpr std::size_t block_size = 64u << 10;

  // `pool` outlives the buffer; see Core::input_blocks().
  explicit InputBuffer(InputBlockPool& pool) : pool_(pool) {}
  ~InputBuffer();
  InputBuffer(const InputBuffer&) = delete;
  InputBuffer& operator=(const InputBuffer&) = delete;

  // Valid until the next room() or release_if_empty(), also for bytes consumed meanwhile.
  ByteView unread() const { return {block_.bytes.get() + begin_, end_ - begin_}; }
  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  std::size_t capacity() const { return block_.capacity; }
  // Requires: size <= size().
  void consume(std::size_t size);

  // Where to receive more: a good part of a block at least, so that no call is spent on crumbs.
  std::span<char> room();
  // `size` bytes were received there.
  void filled(std::size_t size);
  // As if they had been received, into as much room as they need.
  void append(ByteView bytes);
  void release_if_empty();
  // What was consumed stays valid with the block, which goes back to the pool. Requires: empty().
  InputBlock take_block();

 private:
  void move_to(InputBlock block);
  void learn();

  InputBlockPool& pool_;
  InputBlock block_;
  std::size_t next_capacity_ = block_size;
  std::size_t used_max_ = 0;  // consumed at once from this block
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace trv::runtime
