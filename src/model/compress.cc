// Compression of record batches that are written anew, in the forms that Kafka's clients read.
#include <lz4frame.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <memory>

#include "model/batch.h"

namespace trv::model {
namespace {

Error failed() { return Error{Errc::io_error, "records cannot be compressed"}; }

Result<std::string> gzip(ByteView bytes, std::int32_t level) {
  z_stream stream{};
  constexpr int window_bits_gzip = 15 + 16;
  constexpr int memory_level = 8;
  if (deflateInit2(&stream, level, Z_DEFLATED, window_bits_gzip, memory_level,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return failed();
  }
  std::unique_ptr<z_stream, int (*)(z_stream*)> guard(&stream, deflateEnd);
  std::string out(deflateBound(&stream, static_cast<uLong>(bytes.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) return failed();
  out.resize(out.size() - stream.avail_out);
  return out;
}

// Kafka's Java clients refuse frames whose blocks depend on each other.
Result<std::string> lz4(ByteView bytes, std::int32_t level) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockSizeID = LZ4F_max64KB;
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  preferences.compressionLevel = level;
  std::string out(LZ4F_compressFrameBound(bytes.size(), &preferences), '\0');
  std::size_t size =
      LZ4F_compressFrame(out.data(), out.size(), bytes.data(), bytes.size(), &preferences);
  if (LZ4F_isError(size)) return failed();
  out.resize(size);
  return out;
}

Result<std::string> zstd(ByteView bytes, std::int32_t level) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  std::size_t size = ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), level);
  if (ZSTD_isError(size)) return failed();
  out.resize(size);
  return out;
}

// In the framing of snappy-java: its magic, two version numbers, then sized blocks.
std::string snappy_framed(ByteView bytes) {
  constexpr std::size_t block_size = 32u << 10;
  constexpr std::int32_t framing_version = 1;
  std::string out("\x82SNAPPY\0", 8);
  ByteWriter writer(out);
  writer.i32(framing_version);
  writer.i32(framing_version);
  for (std::size_t at = 0; at < bytes.size(); at += block_size) {
    ByteView block = bytes.substr(at, block_size);
    std::string packed;
    snappy::Compress(block.data(), block.size(), &packed);
    writer.u32(static_cast<std::uint32_t>(packed.size()));
    writer.bytes(packed);
  }
  return out;
}

}  // namespace

Result<std::string> compress(Compression codec, ByteView bytes, std::optional<std::int32_t> level) {
  constexpr std::int32_t lz4_fast = 0;
  switch (codec) {
    case Compression::none:
      return std::string(bytes);
    case Compression::gzip:
      return gzip(bytes, level.value_or(Z_DEFAULT_COMPRESSION));
    case Compression::snappy:
      return snappy_framed(bytes);
    case Compression::lz4:
      return lz4(bytes, level.value_or(lz4_fast));
    case Compression::zstd:
      return zstd(bytes, level.value_or(ZSTD_CLEVEL_DEFAULT));
  }
  return Error{Errc::unsupported, "unknown compression codec"};
}

}  // namespace trv::model
