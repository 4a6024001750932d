#include "runtime/input_buffer.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/assert.h"

namespace trv::runtime {
namespace {

// Larger requests grow their block each time.
constexpr std::size_t next_capacity_max = 2u << 20;

}  // namespace

InputBlock InputBlockPool::take(std::size_t capacity) {
  InputBlock block = find(capacity);
  in_use_ += block.capacity;
  return block;
}

InputBlock InputBlockPool::find(std::size_t capacity) {
  // The smallest that fits, but no giant for a small wish.
  auto best = spare_.end();
  for (auto block = spare_.begin(); block != spare_.end(); ++block) {
    if (block->capacity < capacity || block->capacity / 4 > capacity) continue;
    if (best == spare_.end() || block->capacity < best->capacity) best = block;
  }
  if (best == spare_.end()) return {std::make_unique_for_overwrite<char[]>(capacity), capacity};
  std::swap(*best, spare_.back());
  InputBlock block = std::move(spare_.back());
  spare_.pop_back();
  spare_bytes_ -= block.capacity;
  return block;
}

void InputBlockPool::give_back(InputBlock block) {
  TRV_ASSERT(in_use_ >= block.capacity);
  in_use_ -= block.capacity;
  if (spare_bytes_ + block.capacity > spare_bytes_max) return;
  spare_bytes_ += block.capacity;
  spare_.push_back(std::move(block));
}

InputBuffer::~InputBuffer() {
  if (block_.bytes) pool_.give_back(std::move(block_));
}

void InputBuffer::consume(std::size_t size) {
  TRV_ASSERT(size <= end_ - begin_);
  begin_ += size;
  used_max_ = std::max(used_max_, size);
}

std::span<char> InputBuffer::room() {
  std::size_t held = size();
  if (!block_.bytes) {
    block_ = pool_.take(next_capacity_);
  } else if (held == 0) {
    begin_ = end_ = 0;
  } else if (block_.capacity - end_ < block_.capacity / 4) {
    if (held <= block_.capacity / 2) {
      std::memmove(block_.bytes.get(), block_.bytes.get() + begin_, held);
      begin_ = 0;
      end_ = held;
    } else {
      move_to(pool_.take(block_.capacity * 2));
    }
  }
  return {block_.bytes.get() + end_, block_.capacity - end_};
}

void InputBuffer::move_to(InputBlock block) {
  std::size_t held = size();
  std::memcpy(block.bytes.get(), block_.bytes.get() + begin_, held);
  pool_.give_back(std::exchange(block_, std::move(block)));
  begin_ = 0;
  end_ = held;
}

void InputBuffer::filled(std::size_t size) {
  TRV_ASSERT(size <= block_.capacity - end_);
  end_ += size;
}

void InputBuffer::append(ByteView bytes) {
  while (!bytes.empty()) {
    std::span<char> to = room();
    std::size_t size = std::min(to.size(), bytes.size());
    std::memcpy(to.data(), bytes.data(), size);
    filled(size);
    bytes.remove_prefix(size);
  }
}

// Room for as much again, before room() would move it.
void InputBuffer::learn() {
  std::size_t wanted = std::bit_ceil(used_max_ + used_max_ / 3);
  if (wanted > next_capacity_) {
    next_capacity_ = std::min(wanted, next_capacity_max);
  } else if (wanted <= next_capacity_ / 4) {
    next_capacity_ = std::max(next_capacity_ / 2, block_size);
  }
  used_max_ = 0;
}

void InputBuffer::release_if_empty() {
  if (empty() && block_.bytes) pool_.give_back(take_block());
}

InputBlock InputBuffer::take_block() {
  TRV_ASSERT(empty());
  learn();
  begin_ = end_ = 0;
  return std::exchange(block_, {});
}

}  // namespace trv::runtime
