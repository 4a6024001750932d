// The checkpoint file: a section per shard, each with its own checksum, and the place in the
// journal where it was taken. docs/formats/checkpoint.md is the specification.
//
// A checkpoint is a hint. A section that is damaged is left out; the shard is then taken from the
// checkpoint before, or from the whole journal.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "io/file.h"
#include "storage/store.h"

namespace trv::storage {

std::string checkpoint_name(std::uint64_t id);

// Requires: shards are unique.
Status write_checkpoint_file(io::Directory& directory, std::uint64_t id,
                             const std::vector<CheckpointSection>& sections,
                             const std::set<std::uint64_t>& page_files);

class CheckpointFile {
 public:
  struct Section {
    ShardId shard;
    BlobRange mark;
    std::uint64_t position = 0;
    std::uint64_t size = 0;
    std::uint32_t crc = 0;
  };
  // Errors: corrupt (its table cannot be trusted), io_error.
  static Result<CheckpointFile> open(io::Directory& directory, std::uint64_t id);

  std::uint64_t id() const { return id_; }
  const std::vector<Section>& sections() const { return sections_; }
  // That the states refer to.
  const std::set<std::uint64_t>& page_files() const { return page_files_; }
  // Errors: corrupt, io_error.
  Result<std::string> read(const Section& section) const;

 private:
  std::uint64_t id_ = 0;
  std::unique_ptr<io::File> file_;
  std::vector<Section> sections_;
  std::set<std::uint64_t> page_files_;
};

}  // namespace trv::storage
