// Listing: the files of the data directory, by what their names say (docs/formats/journal.md).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "io/file.h"

namespace trv::storage {

using LaneKey = std::pair<std::uint32_t, std::uint8_t>;  // session, lane

struct Listing {
  std::map<LaneKey, std::vector<std::uint32_t>> lanes;  // segment numbers, ascending
  std::set<std::uint32_t> sessions;
  std::set<std::uint64_t> checkpoints;
  std::set<std::uint64_t> page_files;
  std::set<std::uint32_t> free_slots;
  std::vector<std::string> leftovers;  // of interrupted work
  std::vector<std::string> counted;    // segments, checkpoints and page files

  void add(const std::string& name);
};

Result<Listing> list(io::Directory& directory);

}  // namespace trv::storage
