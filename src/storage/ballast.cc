#include "storage/ballast.h"

#include <algorithm>
#include <memory>

#include "base/mutant.h"
#include "storage/durable_file.h"
#include "storage/format.h"
#include "storage/segment_files.h"

namespace trv::storage {
namespace {

bool whole(io::Directory& directory, const std::string& name, std::uint32_t size) {
  Result<std::unique_ptr<io::File>> file = directory.open(name, io::OpenMode::read);
  if (!file.ok()) return false;
  Result<std::uint64_t> found = (*file)->size();
  return found.ok() && *found >= size;
}

Status make_piece(io::Directory& directory, const std::string& name, std::uint32_t size) {
  const std::string unfinished = name + std::string(unfinished_suffix);
  Result<std::unique_ptr<io::File>> file = directory.open(unfinished, io::OpenMode::create);
  if (!file.ok()) return file.error();
  Status s = (*file)->allocate(size);
  if (s.ok()) s = directory.rename(unfinished, name);
  if (!s.ok()) (void)directory.remove(unfinished);  // the first error is the one to tell
  return s;
}

bool remove_free_file(io::Directory& directory) {
  for (std::uint32_t slot = 0; slot < free_files_max; ++slot) {
    if (directory.remove(free_name(slot)).ok()) return true;
  }
  return false;
}

}  // namespace

std::string ballast_name(std::uint32_t piece) { return numbered_name(ballast_prefix, piece, 2); }

std::uint32_t ballast_piece_size(std::uint32_t segment_size) {
  return std::max(segment_size / ballast_pieces_max, segment_size_min);
}

Status fill_ballast(io::Directory& directory, std::uint32_t pieces, std::uint32_t piece_size) {
  for (std::uint32_t piece = 0; piece < std::min(pieces, ballast_pieces_max); ++piece) {
    const std::string name = ballast_name(piece);
    if (whole(directory, name, piece_size) || TRV_MUTANT(ballast_not_refilled)) continue;
    Status s = make_piece(directory, name, piece_size);
    while (!s.ok() && s.error().code == Errc::no_space && remove_free_file(directory)) {
      s = make_piece(directory, name, piece_size);
    }
    if (!s.ok()) return s.error().code == Errc::no_space ? Status() : s;
  }
  return {};
}

bool take_ballast(io::Directory& directory, const std::string& name) {
  if (TRV_MUTANT(start_without_ballast)) return false;
  for (std::uint32_t piece = ballast_pieces_max; piece-- > 0;) {
    if (directory.rename(ballast_name(piece), name).ok()) return true;
  }
  return false;
}

// A piece that was too small is gone after the try, and its space is there for the next one.
Status write_durably_on_full_disk(io::Directory& directory, const std::string& name,
                                  std::span<const std::string_view> parts) {
  Status s = write_durably(directory, name, parts);
  if (TRV_MUTANT(checkpoint_without_ballast)) return s;
  for (std::uint32_t piece = ballast_pieces_max; piece-- > 0;) {
    if (s.ok() || s.error().code != Errc::no_space) break;
    s = write_durably(directory, name, parts, ballast_name(piece));
  }
  return s;
}

}  // namespace trv::storage
