#include "storage/page_file.h"

#include <iterator>
#include <utility>

#include "base/crc32c.h"
#include "base/mutant.h"
#include "storage/ballast.h"
#include "storage/format.h"

namespace trv::storage {
namespace {

constexpr ByteView page_magic = "TRVPAGES";
constexpr std::uint32_t page_version = 1;
constexpr std::size_t head_size = 24;     // magic, version, section count, id
constexpr std::size_t section_size = 24;  // one row of the table
constexpr std::uint32_t sections_max = shard_count;
constexpr std::size_t checksum_size = 4;
// Larger files are left alone while half of them is needed.
constexpr std::uint64_t merged_size_max = 8u << 20;
// What of mostly dead files is written anew at a time: it is in memory till then.
constexpr std::uint64_t emptied_size_max = 8u << 20;
// Of pages that were read.
constexpr std::uint64_t kept_size_max = 4u << 20;

std::uint32_t checksum(std::uint64_t file, std::uint32_t position, ByteView page) {
  std::string place;
  ByteWriter writer(place);
  writer.u64_le(file);
  writer.u32_le(position);
  return crc32c(crc32c(0, place), page);
}

Error corrupt(std::uint64_t id, const char* what) {
  return {Errc::corrupt, page_file_name(id) + ": " + what};
}

}  // namespace

std::string page_file_name(std::uint64_t id) { return numbered_name(page_prefix, id, 16); }

PageRange PageSection::add(std::uint64_t file, ByteView page) {
  const auto position = static_cast<std::uint32_t>(bytes_.size());
  // All shards' sections are in memory together: none takes twice what it needs.
  const std::size_t needed = bytes_.size() + page.size() + checksum_size;
  if (needed > bytes_.capacity()) bytes_.reserve(needed + needed / 8);
  ByteWriter writer(bytes_);
  writer.bytes(page);
  writer.u32_le(checksum(file, position, page));
  return {file, position, static_cast<std::uint32_t>(page.size() + checksum_size)};
}

Status write_page_file(io::Directory& directory, std::uint64_t id,
                       const std::vector<ShardPages>& sections) {
  std::string table;
  ByteWriter writer(table);
  writer.bytes(page_magic);
  writer.u32_le(page_version);
  writer.u32_le(static_cast<std::uint32_t>(sections.size()));
  writer.u64_le(id);
  std::uint64_t position = head_size + sections.size() * section_size + checksum_size;
  for (const ShardPages& section : sections) {
    writer.u32_le(section.shard.value);
    writer.u32_le(0);
    writer.u64_le(position);
    writer.u64_le(section.bytes.size());
    position += section.bytes.size();
  }
  writer.u32_le(crc32c(0, table));
  std::vector<std::string_view> parts;
  parts.push_back(table);
  for (const ShardPages& section : sections) parts.push_back(section.bytes);
  return write_durably_on_full_disk(directory, page_file_name(id), parts);
}

Status PageFiles::open(std::uint64_t id) {
  if (opened_.contains(id)) return {};
  Result<std::unique_ptr<io::File>> file = directory_.open(page_file_name(id), io::OpenMode::read);
  if (!file.ok()) return file.error();
  Opened opened;
  opened.file = std::move(*file);
  Result<std::uint64_t> size = opened.file->size();
  if (!size.ok()) return size.error();
  std::string table(head_size, '\0');
  if (*size < table.size()) return corrupt(id, "too short");
  if (Status s = opened.file->read_at(0, table); !s.ok()) return s;
  const auto count = load_le<std::uint32_t>(table.data() + 12);
  if (!ByteView(table).starts_with(page_magic)) return corrupt(id, "not a page file");
  if (load_le<std::uint32_t>(table.data() + 8) != page_version || count > sections_max) {
    return corrupt(id, "unknown version or too many sections");
  }
  table.resize(head_size + count * section_size + checksum_size);
  if (*size < table.size()) return corrupt(id, "too short");
  if (Status s = opened.file->read_at(0, table); !s.ok()) return s;
  const ByteView checked = ByteView(table).substr(0, table.size() - checksum_size);
  if (load_le<std::uint32_t>(table.data() + checked.size()) != crc32c(0, checked)) {
    return corrupt(id, "the table's checksum is wrong");
  }
  ByteReader reader(checked.substr(16));
  if (reader.u64_le() != id) return corrupt(id, "it is another one");
  for (std::uint32_t i = 0; i < count; ++i) {
    const ShardId shard(static_cast<std::uint8_t>(reader.u32_le()));
    reader.u32_le();
    Section& section = opened.sections[shard];
    section.position = reader.u64_le();
    section.size = reader.u64_le();
    if (section.position > *size || section.size > *size - section.position) {
      return corrupt(id, "a section lies beyond its end");
    }
  }
  opened_.emplace(id, std::move(opened));
  return {};
}

void PageFiles::close_unless(const std::set<std::uint64_t>& wanted) {
  std::erase_if(opened_, [&](const auto& entry) { return !wanted.contains(entry.first); });
  for (auto it = kept_.begin(); it != kept_.end();) {
    const auto kept = it++;
    if (!wanted.contains(std::get<0>(kept->key))) drop(kept);
  }
}

Result<std::shared_ptr<const std::string>> PageFiles::read(ShardId shard, const PageRange& page) {
  const Key key{page.file, shard, page.position, page.length};
  if (const auto place = places_.find(key); place != places_.end()) {
    kept_.splice(kept_.begin(), kept_, place->second);
    return kept_.front().page;
  }
  Result<std::string> bytes = load(shard, page);
  if (!bytes.ok()) return bytes.error();
  auto loaded = std::make_shared<const std::string>(std::move(*bytes));
  keep(key, loaded);
  return loaded;
}

void PageFiles::keep(const Key& key, std::shared_ptr<const std::string> page) {
  kept_size_ += page->size();
  kept_.push_front({key, std::move(page)});
  places_[key] = kept_.begin();
  while (kept_size_ > kept_size_max && kept_.size() > 1) drop(std::prev(kept_.end()));
}

void PageFiles::drop(std::list<Kept>::iterator kept) {
  kept_size_ -= kept->page->size();
  places_.erase(kept->key);
  kept_.erase(kept);
}

Result<std::string> PageFiles::load(ShardId shard, const PageRange& page) {
  if (Status s = open(page.file); !s.ok()) return s.error();
  const Opened& opened = opened_.at(page.file);
  const auto section = opened.sections.find(shard);
  if (section == opened.sections.end() || page.length < checksum_size ||
      std::uint64_t{page.position} + page.length > section->second.size) {
    return corrupt(page.file, "a page lies beyond its section's end");
  }
  std::string bytes(page.length, '\0');
  Status s = opened.file->read_at(section->second.position + page.position, bytes);
  if (!s.ok()) return s.error();
  const std::size_t size = bytes.size() - checksum_size;
  const auto told = load_le<std::uint32_t>(bytes.data() + size);
  bytes.resize(size);
  if (told != checksum(page.file, page.position, bytes) && !TRV_MUTANT(page_checksum_not_checked)) {
    return corrupt(page.file, "a page's checksum is wrong");
  }
  return bytes;
}

Result<FileSizes> page_file_sizes(io::Directory& directory, const std::set<std::uint64_t>& files) {
  FileSizes sizes;
  for (std::uint64_t id : files) {
    Result<std::unique_ptr<io::File>> file = directory.open(page_file_name(id), io::OpenMode::read);
    if (!file.ok()) continue;
    Result<std::uint64_t> size = (*file)->size();
    if (!size.ok()) return size.error();
    sizes.emplace(id, *size);
  }
  return sizes;
}

// As a counter in binary carries: a file joins the newer ones once they are as large together, so
// that each page is written anew a few times in its life.
std::set<std::uint64_t> choose_page_files_to_empty(const FileSizes& sizes, const FileSizes& live) {
  std::set<std::uint64_t> chosen;
  std::set<std::uint64_t> newer_ones;
  std::uint64_t newer = 0;
  std::uint64_t emptied = 0;
  for (auto it = sizes.rbegin(); it != sizes.rend(); ++it) {
    const auto& [file, size] = *it;
    const auto found = live.find(file);
    if (found == live.end()) continue;  // the older checkpoint alone needs it
    const std::uint64_t needed = found->second;
    if (needed * 2 < size && (emptied == 0 || emptied + needed <= emptied_size_max)) {
      chosen.insert(file);
      emptied += needed;
    }
    if (size >= merged_size_max) continue;
    newer_ones.insert(file);
    if (newer > 0 && size <= newer) chosen.insert(newer_ones.begin(), newer_ones.end());
    newer += size;
  }
  return chosen;
}

}  // namespace trv::storage
