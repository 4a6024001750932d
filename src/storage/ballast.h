// Ballast: space kept for the day on which the disk is full. What is dead is only given back after
// a checkpoint, and a checkpoint needs a file; a start needs a segment to write acknowledgements
// to. Both come out of the ballast then, and it is made up for with the first space that is given
// back.
//
// It lies in pieces: files with fixed names, whole or not there, so that taking one is one rename
// that nobody else on the disk can get between. Their contents mean nothing.
//
// Any thread, but fill_ballast on one at a time.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/file.h"

namespace trv::storage {

inline constexpr std::uint32_t ballast_pieces_max = 8;
std::string ballast_name(std::uint32_t piece);
// Eight of them make a segment; one is a segment that is large enough for acknowledgements.
std::uint32_t ballast_piece_size(std::uint32_t segment_size);

// Makes what is missing of `pieces` pieces of `piece_size` bytes; on a full disk out of files that
// are free. Errors: io_error. That there is no space for all of it is none.
Status fill_ballast(io::Directory& directory, std::uint32_t pieces, std::uint32_t piece_size);
// Gives one piece the name `name`. False: there is none.
bool take_ballast(io::Directory& directory, const std::string& name);
// write_durably(), and on a full disk with what of the ballast it takes.
Status write_durably_on_full_disk(io::Directory& directory, const std::string& name,
                                  std::span<const std::string_view> parts);

}  // namespace trv::storage
