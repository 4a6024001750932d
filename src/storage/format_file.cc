#include "storage/format_file.h"

#include <array>
#include <span>
#include <string>

#include "base/bytes.h"
#include "storage/durable_file.h"

namespace trv::storage {

namespace {

constexpr char file_name[] = "FORMAT";
constexpr std::uint64_t file_size_max = 4096;
constexpr std::array<ByteView, format_newest> texts = {"trivium data directory, format 1\n",
                                                       "trivium data directory, format 2\n"};

}  // namespace

Result<int> ensure_format(io::Directory& directory) {
  Result<std::string> text = read_whole(directory, file_name, file_size_max);
  if (text.ok()) {
    for (int format = 1; format <= format_newest; ++format) {
      if (*text == texts[static_cast<std::size_t>(format - 1)]) return format;
    }
    return Error{Errc::corrupt, "the data directory has a format that this version does not know"};
  }
  if (text.error().code == Errc::too_large) {
    return Error{Errc::corrupt, "the data directory's FORMAT file is not ours"};
  }
  if (text.error().code != Errc::not_found) return text.error();
  Status written = write_durably(directory, file_name, std::span(&texts.back(), 1));
  if (!written) return written.error();
  return format_newest;
}

}  // namespace trv::storage
