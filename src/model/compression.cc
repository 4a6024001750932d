// Decompression of record batches, bounded by the caller's maximum whatever the input claims.
#include <lz4frame.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <memory>

#include "base/mutant.h"
#include "model/batch.h"

namespace trv::model {
namespace {

constexpr std::size_t chunk_size = 64u << 10;

Error damaged() { return Error{Errc::corrupt, "records cannot be decompressed"}; }
Error oversized() { return Error{Errc::too_large, "decompressed records are too large"}; }

Result<std::string> gunzip(ByteView bytes, std::size_t size_max) {
  z_stream stream{};
  constexpr int window_bits_gzip = 15 + 32;  // detects gzip and zlib headers
  if (inflateInit2(&stream, window_bits_gzip) != Z_OK) return damaged();
  std::unique_ptr<z_stream, int (*)(z_stream*)> guard(&stream, inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  for (int state = Z_OK; state != Z_STREAM_END;) {
    std::size_t begin = out.size();
    if (begin >= size_max) return oversized();
    out.resize(begin + chunk_size);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + begin);
    stream.avail_out = chunk_size;
    state = inflate(&stream, Z_NO_FLUSH);
    out.resize(begin + chunk_size - stream.avail_out);
    if (state != Z_OK && state != Z_STREAM_END) return damaged();
    if (state == Z_OK && stream.avail_in == 0 && stream.avail_out != 0) return damaged();
  }
  return out;
}

Result<std::string> unlz4(ByteView bytes, std::size_t size_max) {
  LZ4F_dctx* context = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION))) return damaged();
  std::unique_ptr<LZ4F_dctx, std::size_t (*)(LZ4F_dctx*)> guard(context,
                                                                LZ4F_freeDecompressionContext);
  std::string out;
  std::size_t hint = 1;
  while (hint != 0) {
    std::size_t begin = out.size();
    if (begin >= size_max) return oversized();
    out.resize(begin + chunk_size);
    std::size_t produced = chunk_size;
    std::size_t consumed = bytes.size();
    hint =
        LZ4F_decompress(context, out.data() + begin, &produced, bytes.data(), &consumed, nullptr);
    if (LZ4F_isError(hint)) return damaged();
    out.resize(begin + produced);
    bytes.remove_prefix(consumed);
    if (hint != 0 && consumed == 0 && produced == 0) return damaged();
  }
  return out;
}

// No more than this can come out of a zstd frame (RFC 8878): 128 KiB for each of its blocks. Walks
// the block headers from `bytes`, which stand after the frame's magic number, to the frame's end
// and advances over it. Zero at damage.
std::size_t zstd_frame_bound(ByteReader& in) {
  constexpr std::size_t block_size_max = 128u << 10;
  std::uint8_t descriptor = in.u8();
  bool single_segment = (descriptor & 0x20) != 0;
  static constexpr std::size_t dictionary_id_sizes[] = {0, 1, 2, 4};
  static constexpr std::size_t content_size_sizes[] = {0, 2, 4, 8};
  std::size_t content_size_size = content_size_sizes[descriptor >> 6];
  if (single_segment && content_size_size == 0) content_size_size = 1;
  in.skip((single_segment ? 0u : 1u) + dictionary_id_sizes[descriptor & 3] + content_size_size);
  std::size_t bound = 0;
  for (bool last = false; !last && in.ok();) {
    std::uint32_t header = in.u8();
    header |= static_cast<std::uint32_t>(in.u16_le()) << 8;
    last = (header & 1) != 0;
    bool repeats_one_byte = (header >> 1 & 3) == 1;
    in.skip(repeats_one_byte ? 1 : header >> 3);
    bound += block_size_max;
  }
  if ((descriptor & 4) != 0) in.skip(4);  // checksum
  return in.ok() ? bound : 0;
}

// Decoded in one go into memory that the blocks which are there can fill, so that neither the
// window nor the content size that a frame claims costs anything.
Result<std::string> unzstd(ByteView bytes, std::size_t size_max) {
  std::size_t bound = 0;
  for (ByteReader in(bytes); in.remaining() > 0;) {
    std::uint32_t magic = in.u32_le();
    if ((magic & 0xfffffff0) == ZSTD_MAGIC_SKIPPABLE_START) {
      in.skip(in.u32_le());
      if (!in.ok()) return damaged();
      continue;
    }
    std::size_t frame = magic == ZSTD_MAGICNUMBER ? zstd_frame_bound(in) : 0;
    if (frame == 0) return damaged();
    bound += frame;
  }
  std::string out(std::min(bound, size_max), '\0');
  std::size_t size = ZSTD_decompress(out.data(), out.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(size)) return out.size() < bound ? oversized() : damaged();
  out.resize(size);
  return out;
}

Status unsnappy_block(ByteView block, std::size_t size_max, std::string& out) {
  std::size_t size = 0;
  if (!snappy::GetUncompressedLength(block.data(), block.size(), &size)) return damaged();
  if (size > size_max - std::min(size_max, out.size())) return oversized();
  // One literal or copy of a snappy block makes at most 64 bytes from at least one byte (and a
  // little more), so a larger claim is a lie and is not worth the allocation.
  if (size > block.size() * 64 + 64) return damaged();
  std::size_t begin = out.size();
  out.resize(begin + size);
  if (!snappy::RawUncompress(block.data(), block.size(), out.data() + begin)) return damaged();
  return {};
}

Result<std::string> unsnappy(ByteView bytes, std::size_t size_max) {
  static constexpr ByteView framing_magic("\x82SNAPPY\0", 8);
  std::string out;
  if (!bytes.starts_with(framing_magic)) {
    Status status = unsnappy_block(bytes, size_max, out);
    if (!status) return status.error();
    return out;
  }
  ByteReader reader(bytes);
  reader.skip(framing_magic.size() + 8);  // two version integers
  while (reader.ok() && reader.remaining() > 0) {
    std::uint32_t size = reader.u32();
    ByteView block = reader.bytes(size);
    if (!reader.ok()) break;
    Status status = unsnappy_block(block, size_max, out);
    if (!status) return status.error();
  }
  if (!reader.ok()) return damaged();
  return out;
}

}  // namespace

Result<std::string> decompress(Compression codec, ByteView bytes, std::size_t size_max) {
  if (TRV_MUTANT(decompressed_size_unchecked)) size_max = std::size_t{1} << 30;
  Result<std::string> out = [&]() -> Result<std::string> {
    switch (codec) {
      case Compression::none:
        return std::string(bytes);
      case Compression::gzip:
        return gunzip(bytes, size_max);
      case Compression::snappy:
        return unsnappy(bytes, size_max);
      case Compression::lz4:
        return unlz4(bytes, size_max);
      case Compression::zstd:
        return unzstd(bytes, size_max);
    }
    return Error{Errc::unsupported, "unknown compression codec"};
  }();
  if (out && out->size() > size_max) return oversized();
  return out;
}

}  // namespace trv::model
