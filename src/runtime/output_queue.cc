#include "runtime/output_queue.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/assert.h"
#include "base/mutant.h"

namespace trv::runtime {

namespace {
// Unowned bytes above this size get a string of their own rather than a row of blocks.
constexpr std::size_t block_bytes_max = 4 * OutputBlock::size_max;
// Sent parts are erased from the front of the vector once there are this many.
constexpr std::size_t sent_parts_max = 256;
}  // namespace

std::unique_ptr<OutputBlock> OutputBlockPool::take() {
  // Not make_unique: that would clear the bytes.
  if (spare_.empty()) return std::unique_ptr<OutputBlock>(new OutputBlock);
  std::unique_ptr<OutputBlock> block = std::move(spare_.back());
  spare_.pop_back();
  return block;
}

void OutputBlockPool::give_back(std::unique_ptr<OutputBlock> block) {
  if (spare_.size() == spare_max) return;
  block->used = 0;
  block->parts = 0;
  spare_.push_back(std::move(block));
}

void OutputQueue::add(std::string_view bytes) {
  if (bytes.size() > block_bytes_max) {
    add(Slice::own(std::string(bytes)));
  } else {
    copy(bytes);
  }
}

void OutputQueue::add(Slice slice) {
  if (slice.size() <= copy_size_max) {
    copy(slice.view());
    return;
  }
  size_ += slice.size();
  pool_.held += slice.size();
  parts_.push_back({std::move(slice), nullptr});
}

void OutputQueue::copy(std::string_view bytes) {
  size_ += bytes.size();
  pool_.held += bytes.size();
  // The last block may have been sent wholly while slices behind it were not.
  if (!blocks_.empty() && blocks_.back()->parts == 0) blocks_.back()->used = 0;
  while (!bytes.empty()) {
    if (blocks_.empty() || blocks_.back()->used == OutputBlock::size_max) {
      blocks_.push_back(pool_.take());
    }
    OutputBlock& block = *blocks_.back();
    std::size_t count = std::min(bytes.size(), OutputBlock::size_max - block.used);
    char* place = block.bytes.data() + block.used;
    std::memcpy(place, bytes.data(), count);
    block.used += count;
    bytes.remove_prefix(count);

    Part* last = parts_.size() > sent_parts_ ? &parts_.back() : nullptr;
    if (last != nullptr && last->block == &block) {
      std::string_view before = last->bytes.view();
      last->bytes = Slice::of_static({before.data(), before.size() + count});
    } else {
      parts_.push_back({Slice::of_static({place, count}), &block});
      ++block.parts;
    }
  }
}

OutputQueue::Gathered OutputQueue::gather(std::span<iovec> into) const {
  Gathered gathered;
  for (std::size_t i = sent_parts_; i < parts_.size() && gathered.parts < into.size(); ++i) {
    std::string_view bytes = parts_[i].bytes.view();
    // writev does not write through the pointer; iovec has no const form.
    into[gathered.parts++] = {const_cast<char*>(bytes.data()), bytes.size()};
    gathered.size += bytes.size();
  }
  return gathered;
}

void OutputQueue::consume(std::size_t sent) {
  TRV_ASSERT(sent <= size_);
  size_ -= sent;
  while (sent > 0) {
    Part& part = parts_[sent_parts_];
    if (sent < part.bytes.size()) {
      if (TRV_MUTANT(partly_sent_is_sent_again)) break;
      part.bytes = part.bytes.sub(sent);
      front_sent_ += sent;
      break;
    }
    sent -= part.bytes.size();
    pool_.held -= part.bytes.size() + std::exchange(front_sent_, 0);
    OutputBlock* block = part.block;
    part.bytes = {};
    ++sent_parts_;
    if (block != nullptr) release(block);
  }
  if (size_ == 0) {
    clear();
  } else if (sent_parts_ >= sent_parts_max && sent_parts_ > parts_.size() / 2) {
    parts_.erase(parts_.begin(), parts_.begin() + static_cast<std::ptrdiff_t>(sent_parts_));
    sent_parts_ = 0;
  }
}

void OutputQueue::release(OutputBlock* block) {
  if (--block->parts > 0 || block == blocks_.back().get()) return;
  // Parts are sent in the order of their blocks.
  TRV_ASSERT(blocks_.front().get() == block);
  pool_.give_back(std::move(blocks_.front()));
  blocks_.erase(blocks_.begin());
}

void OutputQueue::clear() {
  for (auto& block : blocks_) pool_.give_back(std::move(block));
  blocks_.clear();
  parts_.clear();
  sent_parts_ = 0;
  pool_.held -= held();
  size_ = 0;
  front_sent_ = 0;
  if (parts_.capacity() > sent_parts_max) parts_ = {};
}

}  // namespace trv::runtime
