// ShardPages: where one shard's topics leave the pages of their indexes.
//
// Owner: the ShardState; used on its core only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/ids.h"
#include "model/page_store.h"
#include "storage/page_file.h"
#include "storage/store.h"

namespace trv::broker::detail {

class ShardPages final : public model::PageStore {
 public:
  // `files` may be null: then nothing leaves memory.
  ShardPages(ShardId shard, std::shared_ptr<storage::PageFiles> files)
      : shard_(shard), files_(std::move(files)) {}

  // Between the two the shard's state is taken. `room`: pages may be written.
  void begin(const storage::CheckpointPlan& plan, bool room);
  storage::PageSection end();

  std::optional<model::PagePlace> add(ByteView page) override;
  void refer(const model::PagePlace& place) override;
  bool leaving(std::uint64_t file) const override;
  bool joins(std::uint64_t young, std::uint64_t placed) override;
  Result<model::PageBytes> read(const model::PagePlace& place) override;

 private:
  ShardId shard_;
  std::shared_ptr<storage::PageFiles> files_;
  std::uint64_t file_ = 0;  // of the checkpoint that is being taken
  bool room_ = false;
  std::set<std::uint64_t> leavers_;
  std::uint64_t joinable_ = 0;  // bytes that this checkpoint may still write anew
  storage::PageSection section_;
  std::set<std::uint64_t> told_;  // files with pages of which it was said that they are lost
};

}  // namespace trv::broker::detail
