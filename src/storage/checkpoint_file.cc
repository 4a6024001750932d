#include "storage/checkpoint_file.h"

#include "base/crc32c.h"
#include "base/mutant.h"
#include "storage/ballast.h"
#include "storage/format.h"

namespace trv::storage {
namespace {

constexpr ByteView checkpoint_magic = "TRVCKPT1";
constexpr std::size_t head_size = 24;     // magic, version, section count, id
constexpr std::size_t section_size = 40;  // one row of the table
constexpr std::uint32_t sections_max = shard_count;
constexpr std::uint32_t checkpoint_version = 2;
constexpr std::uint32_t checkpoint_version_without_pages = 1;

Error corrupt(std::uint64_t id, const char* what) {
  return {Errc::corrupt, checkpoint_name(id) + ": " + what};
}

}  // namespace

std::string checkpoint_name(std::uint64_t id) { return numbered_name(checkpoint_prefix, id, 16); }

Status write_checkpoint_file(io::Directory& directory, std::uint64_t id,
                             const std::vector<CheckpointSection>& sections,
                             const std::set<std::uint64_t>& page_files) {
  std::string table;
  ByteWriter writer(table);
  writer.bytes(checkpoint_magic);
  writer.u32_le(checkpoint_version);
  writer.u32_le(static_cast<std::uint32_t>(sections.size()));
  writer.u64_le(id);
  std::uint64_t position =
      head_size + sections.size() * section_size + 4 + page_files.size() * 8 + 4;
  for (const CheckpointSection& section : sections) {
    writer.u32_le(section.shard.value);
    writer.u32_le(crc32c(0, section.state));
    writer.u64_le(section.mark.blob);
    writer.u32_le(section.mark.position);
    writer.u32_le(section.mark.length);
    writer.u64_le(position);
    writer.u64_le(section.state.size());
    position += section.state.size();
  }
  writer.u32_le(static_cast<std::uint32_t>(page_files.size()));
  for (std::uint64_t file : page_files) writer.u64_le(file);
  writer.u32_le(crc32c(0, table));
  std::vector<std::string_view> parts;
  parts.push_back(table);
  for (const CheckpointSection& section : sections) parts.push_back(section.state);
  return write_durably_on_full_disk(directory, checkpoint_name(id), parts);
}

Result<CheckpointFile> CheckpointFile::open(io::Directory& directory, std::uint64_t id) {
  CheckpointFile checkpoint;
  checkpoint.id_ = id;
  Result<std::unique_ptr<io::File>> file = directory.open(checkpoint_name(id), io::OpenMode::read);
  if (!file.ok()) return file.error();
  checkpoint.file_ = std::move(*file);
  Result<std::uint64_t> size = checkpoint.file_->size();
  if (!size.ok()) return size.error();
  if (*size < head_size + 4) return corrupt(id, "too short");
  std::string table(head_size, '\0');
  if (Status s = checkpoint.file_->read_at(0, table); !s.ok()) return s.error();
  if (!ByteView(table).starts_with(checkpoint_magic)) return corrupt(id, "not a checkpoint");
  const auto version = load_le<std::uint32_t>(table.data() + 8);
  const auto count = load_le<std::uint32_t>(table.data() + 12);
  const bool has_pages = version != checkpoint_version_without_pages;
  if ((has_pages && version != checkpoint_version) || count > sections_max) {
    return corrupt(id, "unknown version or too many sections");
  }
  std::uint64_t table_size = head_size + count * section_size + 4;
  if (*size < table_size) return corrupt(id, "too short");
  if (has_pages) {
    char raw[4];
    if (Status s = checkpoint.file_->read_at(table_size - 4, raw); !s.ok()) return s.error();
    table_size += load_le<std::uint32_t>(raw) * std::uint64_t{8} + 4;
    if (*size < table_size) return corrupt(id, "too short");
  }
  table.resize(table_size);
  if (Status s = checkpoint.file_->read_at(0, table); !s.ok()) return s.error();
  ByteView checked = ByteView(table).substr(0, table.size() - 4);
  if (load_le<std::uint32_t>(table.data() + checked.size()) != crc32c(0, checked)) {
    return corrupt(id, "the table's checksum is wrong");
  }
  ByteReader reader(checked.substr(16));
  if (reader.u64_le() != id) return corrupt(id, "it is another one");
  for (std::uint32_t i = 0; i < count; ++i) {
    Section section;
    section.shard = ShardId(static_cast<std::uint8_t>(reader.u32_le()));
    section.crc = reader.u32_le();
    section.mark.blob = reader.u64_le();
    section.mark.position = reader.u32_le();
    section.mark.length = reader.u32_le();
    section.position = reader.u64_le();
    section.size = reader.u64_le();
    checkpoint.sections_.push_back(section);
  }
  if (!has_pages) return checkpoint;
  for (std::uint32_t n = reader.u32_le(); n > 0; --n)
    checkpoint.page_files_.insert(reader.u64_le());
  return checkpoint;
}

Result<std::string> CheckpointFile::read(const Section& section) const {
  Result<std::uint64_t> size = file_->size();
  if (!size.ok()) return size.error();
  if (section.position > *size || section.size > *size - section.position) {
    return corrupt(id_, "a section lies beyond its end");
  }
  std::string state(static_cast<std::size_t>(section.size), '\0');
  if (Status s = file_->read_at(section.position, state); !s.ok()) return s.error();
  if (crc32c(0, state) != section.crc && !TRV_MUTANT(checkpoint_checksum_not_checked))
    return corrupt(id_, "a section's checksum is wrong");
  return state;
}

}  // namespace trv::storage
