// Feeds arbitrary bytes to recovery as the files of a data directory: segments of one lane, a
// session file, a checkpoint. It must end, without a crash, and whatever it accepts must lie inside
// the files.
//
// The first byte says what the rest is. Segment input is read as pairs of (position, bytes) laid
// over two well-made segments, so that mutations get past the checksums' first line; frames in the
// input are sealed again when the second byte asks for it, so that the code behind the checksums is
// reached too.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "io/memory.h"
#include "storage/checkpoint_file.h"
#include "storage/format.h"
#include "storage/lane_replay.h"
#include "storage/session_file.h"
#include "storage/store.h"

namespace {

using namespace trv;
using namespace trv::storage;

constexpr std::uint32_t size = 16384;
constexpr Uuid uuid = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

class CheckingVisitor final : public RecoveryVisitor {
 public:
  Status on_checkpoint(ShardId, ByteView) override { return {}; }
  Status on_entry(EntryKind, ShardId, ByteView payload, BlobRange where) override {
    TRV_ASSERT(where.length == payload.size());
    TRV_ASSERT(std::uint64_t{where.position} + where.length <= size);
    TRV_ASSERT(where.position >= segment_header_size + frame_header_size + entry_header_size);
    return {};
  }
};

void put(io::MemoryDirectory& disk, const std::string& name, std::string bytes) {
  disk.open(name, io::OpenMode::create).value();
  disk.set_contents(name, std::move(bytes));
}

void recover(io::MemoryDirectory& disk) {
  auto store = Store::open(disk, {});
  TRV_ASSERT(store.ok());
  CheckingVisitor visitor;
  auto report = (*store)->recover(visitor);
  TRV_ASSERT(report.ok());
}

// A segment whose frames are described by the input: for each frame, an entry number, what it says
// is synced, and raw bytes as its body.
std::string sealed_segment(SegmentId id, ByteReader& in) {
  std::string bytes = encode_segment_header({uuid, id, size});
  bytes.resize(size, '\0');
  FrameSeal seal(uuid);
  std::uint32_t position = segment_header_size;
  while (in.remaining() > 4) {
    FrameHeader header;
    header.entry_first = in.u8();
    header.synced = {in.u8() % 3u, in.u8() * 64u};
    header.entry_count = in.u8() % 8;
    ByteView body = in.bytes(std::min<std::size_t>(in.u8(), in.remaining()));
    header.length = align_frame(frame_header_size + static_cast<std::uint32_t>(body.size()));
    std::uint32_t skip = in.u8() % 16 == 0 ? 8 : 0;  // a hole now and then
    if (position + skip + header.length > size) break;
    position += skip;
    body.copy(&bytes[position + frame_header_size], body.size());
    seal_frame(&bytes[position], header, seal, position);
    position += header.length;
    if (in.u8() % 32 == 0) break;  // the rest goes into the next segment
  }
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t length) {
  ByteReader in(ByteView(reinterpret_cast<const char*>(data), length));
  const std::uint8_t kind = in.u8();
  io::MemoryDirectory disk;
  switch (kind % 5) {
    case 0:  // raw segment files
      put(disk, segment_name({1, 0, 0}), std::string(in.bytes(in.remaining() / 2)));
      put(disk, segment_name({1, 0, 1}), std::string(in.rest()));
      break;
    case 1:  // frames with right checksums, and wrong contents
    case 2:  // the same, with bytes damaged afterwards
      for (std::uint32_t number = 0; number < 3; ++number) {
        std::size_t damage_at = kind % 5 == 2 ? in.u16() : size;
        std::string bytes = sealed_segment({1, 0, number}, in);
        if (damage_at < bytes.size()) bytes[damage_at] ^= 0x40;
        put(disk, segment_name({1, 0, number}), std::move(bytes));
      }
      if (kind >= 128) {
        LaneSeal seal{1, 0, {in.u8() % 3u, in.u8() * 64u}, in.u8()};
        put(disk, session_name(2), encode_session({2, {seal}}));
      }
      break;
    case 3:
      put(disk, session_name(2), std::string(in.rest()));
      (void)parse_session(in.rest());
      break;
    default:
      put(disk, checkpoint_name(1), std::string(in.rest()));
      break;
  }
  recover(disk);
  return 0;
}
