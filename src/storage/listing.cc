#include "storage/listing.h"

#include <algorithm>
#include <optional>

#include "storage/durable_file.h"
#include "storage/format.h"
#include "storage/page_file.h"
#include "storage/segment_files.h"

namespace trv::storage {

void Listing::add(const std::string& name) {
  if (std::optional<SegmentId> id = parse_segment_name(name)) {
    lanes[{id->session, id->lane}].push_back(id->number);
    counted.push_back(name);
  } else if (auto session = parse_numbered_name(session_prefix, name, 8)) {
    sessions.insert(static_cast<std::uint32_t>(*session));
  } else if (auto checkpoint = parse_numbered_name(checkpoint_prefix, name, 16)) {
    checkpoints.insert(*checkpoint);
    counted.push_back(name);
  } else if (auto pages = parse_numbered_name(page_prefix, name, 16)) {
    page_files.insert(*pages);
    counted.push_back(name);
  } else if (auto slot = parse_numbered_name(free_prefix, name, 2)) {
    free_slots.insert(static_cast<std::uint32_t>(*slot));
    counted.push_back(name);
  } else if (parse_numbered_name(spare_prefix, name, 16)) {
    leftovers.push_back(name);
    counted.push_back(name);
  } else if (name.ends_with(unfinished_suffix)) {
    leftovers.push_back(name);
  }
}

Result<Listing> list(io::Directory& directory) {
  Result<std::vector<std::string>> names = directory.list();
  if (!names.ok()) return names.error();
  Listing listing;
  for (const std::string& name : *names) listing.add(name);
  for (auto& [key, numbers] : listing.lanes) std::sort(numbers.begin(), numbers.end());
  return listing;
}

}  // namespace trv::storage
