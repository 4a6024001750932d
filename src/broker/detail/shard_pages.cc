#include "broker/detail/shard_pages.h"

#include <utility>

#include "base/log.h"

namespace trv::broker::detail {
namespace {

// Positions in a section have 32 bits. What does not fit waits for the next checkpoint.
constexpr std::uint64_t section_size_max = 1u << 30;

storage::PageRange range_of(const model::PagePlace& place) {
  return {place.file, place.position, place.length};
}

}  // namespace

void ShardPages::begin(const storage::CheckpointPlan& plan, bool room) {
  file_ = plan.id;
  room_ = room && files_ != nullptr;
  leavers_ = plan.page_leavers;
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

Result<std::string> ShardPages::read(const model::PagePlace& place) {
  Result<std::string> page = files_->read(shard_, range_of(place));
  if (!page.ok() && told_.insert(place.file).second) {
    log::error("shard {}: pages of an index are lost: {}", shard_.value, page.error().message);
  }
  return page;
}

}  // namespace trv::broker::detail
