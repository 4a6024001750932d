#include "broker/detail/shard_pages.h"

#include <utility>

#include "base/log.h"

namespace trv::broker::detail {
namespace {

// Positions in a section have 32 bits. What does not fit waits for the next checkpoint.
constexpr std::uint64_t section_size_max = 1u << 30;
// What one checkpoint writes anew to have larger pages: of each shard that much, and of what is
// young so many times its size. All shards together are kept in memory till they are written.
constexpr std::uint64_t joined_size_min = 32u << 10;
constexpr std::uint64_t joined_per_young = 4;

storage::PageRange range_of(const model::PagePlace& place) {
  return {place.file, place.position, place.length};
}

}  // namespace

void ShardPages::begin(const storage::CheckpointPlan& plan, bool room) {
  file_ = plan.id;
  room_ = room && files_ != nullptr;
  leavers_ = plan.page_leavers;
  joinable_ = joined_size_min;
  section_ = {};
}

storage::PageSection ShardPages::end() {
  room_ = false;
  leavers_.clear();
  return std::exchange(section_, {});
}

std::optional<model::PagePlace> ShardPages::add(ByteView page) {
  if (!room_ || section_.size() + page.size() > section_size_max) return std::nullopt;
  const storage::PageRange range = section_.add(file_, page);
  return model::PagePlace{range.file, range.position, range.length};
}

void ShardPages::refer(const model::PagePlace& place) { section_.refer(range_of(place)); }

bool ShardPages::leaving(std::uint64_t file) const { return room_ && leavers_.contains(file); }

bool ShardPages::joins(std::uint64_t young, std::uint64_t placed) {
  joinable_ += young * joined_per_young;
  if (placed > joinable_) return false;
  joinable_ -= placed;
  return true;
}

Result<model::PageBytes> ShardPages::read(const model::PagePlace& place) {
  Result<model::PageBytes> page = files_->read(shard_, range_of(place));
  if (!page.ok() && told_.insert(place.file).second) {
    log::error("shard {}: pages of an index are lost: {}", shard_.value, page.error().message);
  }
  return page;
}

}  // namespace trv::broker::detail
