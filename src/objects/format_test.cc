// Proves that shared objects have the bytes of docs/formats/objects.md (the golden bytes were made
// from that page, not by this code), and that nothing damaged is taken for whole.
#include "objects/format.h"

#include <gtest/gtest.h>

namespace trv::objects {
namespace {

constexpr SessionId session(0x0123456789abcdef);
constexpr WriterId writer(0xa1a2a3a4a5a6a7a8);

std::string hex(ByteView bytes) {
  std::string text;
  for (unsigned char c : bytes) {
    text += "0123456789abcdef"[c / 16];
    text += "0123456789abcdef"[c % 16];
  }
  return text;
}

// Cut short, prolonged, or with one bit turned, `bytes` is nothing to `parse`.
template <class Parse>
void expect_damage_is_seen(const std::string& bytes, Parse parse) {
  ASSERT_TRUE(parse(bytes));
  EXPECT_FALSE(parse(bytes + '\0'));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(parse(bytes.substr(0, size))) << size;
  }
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string turned = bytes;
    turned[bit / 8] = static_cast<char>(turned[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(parse(turned)) << bit;
  }
}

TEST(ObjectsFormat, Names) {
  EXPECT_EQ(slot_name(session, Slot(26)), "slots/0123456789abcdef/000000000000001a");
  EXPECT_EQ(session_cell_name(session), "cells/session-0123456789abcdef");
  EXPECT_EQ(root_cell_name(ShardId(10)), "cells/shard-0a");
}

TEST(ObjectsFormat, Frame) {
  const std::string bytes = encode_slot({SlotKind::frame, session, Slot(0x1a), writer, "hello"});
  EXPECT_EQ(hex(bytes),
            "545256534c4f5431697e942001000000efcdab89674523011a00000000000000"
            "a8a7a6a5a4a3a2a1050000000000000068656c6c6f");
  const SlotContent content = parse_slot(bytes).value();
  EXPECT_EQ(content.kind, SlotKind::frame);
  EXPECT_EQ(content.session, session);
  EXPECT_EQ(content.slot, Slot(0x1a));
  EXPECT_EQ(content.writer, writer);
  EXPECT_EQ(content.payload, "hello");
  expect_damage_is_seen(bytes, [](ByteView b) { return parse_slot(b).has_value(); });
}

TEST(ObjectsFormat, Seal) {
  const std::string bytes = encode_slot({SlotKind::seal, session, Slot(0x1b), writer, {}});
  EXPECT_EQ(hex(bytes),
            "545256534c4f543192fee65b02000000efcdab89674523011b00000000000000"
            "a8a7a6a5a4a3a2a10000000000000000");
  EXPECT_EQ(parse_slot(bytes).value().kind, SlotKind::seal);
  expect_damage_is_seen(bytes, [](ByteView b) { return parse_slot(b).has_value(); });
  EXPECT_FALSE(parse_slot(encode_slot({SlotKind::seal, session, Slot(1), writer, "x"})));
  EXPECT_FALSE(parse_slot(encode_slot({SlotKind(3), session, Slot(1), writer, {}})));
}

TEST(ObjectsFormat, Cell) {
  const std::string bytes = encode_cell({2, writer, 0x55, "v"});
  EXPECT_EQ(hex(bytes),
            "54525643454c4c313b5ae804010000000200000000000000a8a7a6a5a4a3a2a1550000000000000076");
  const CellContent content = parse_cell(bytes).value();
  EXPECT_EQ(content.revision, 2u);
  EXPECT_EQ(content.writer, writer);
  EXPECT_EQ(content.nonce, 0x55u);
  EXPECT_EQ(content.value, "v");
  expect_damage_is_seen(bytes, [](ByteView b) { return parse_cell(b).has_value(); });
  EXPECT_FALSE(parse_cell(encode_cell({0, writer, 1, "v"})));
}

TEST(ObjectsFormat, Session) {
  const SessionRecord sealed{SessionState::sealed, Slot(5), Slot(9)};
  const std::string bytes = encode_session(sealed);
  EXPECT_EQ(hex(bytes), "030000000000000005000000000000000900000000000000");
  EXPECT_EQ(parse_session(bytes), sealed);
  EXPECT_FALSE(parse_session(bytes + '\0'));
  EXPECT_FALSE(parse_session(ByteView(bytes).substr(1)));
  for (const SessionRecord& wrong : {SessionRecord{SessionState(0), Slot(0), Slot(0)},
                                     SessionRecord{SessionState(4), Slot(0), Slot(0)},
                                     SessionRecord{SessionState::open, Slot(0), Slot(1)},
                                     SessionRecord{SessionState::sealing, Slot(0), Slot(1)},
                                     SessionRecord{SessionState::sealed, Slot(2), Slot(1)}}) {
    EXPECT_FALSE(parse_session(encode_session(wrong)));
  }
}

TEST(ObjectsFormat, Root) {
  const Root root{Epoch(7), NodeId(2), session, Slot(0x11), BlobRef{"blobs/x", 3, 0x11223344}};
  const std::string bytes = encode_root(root);
  EXPECT_EQ(hex(bytes),
            "07000000000000000200000000000000efcdab89674523011100000000000000"
            "0300000000000000443322110000000007626c6f62732f78");
  EXPECT_EQ(parse_root(bytes), root);
  const Root bare{Epoch(1), NodeId(2), session, Slot(0), {}};
  EXPECT_EQ(hex(encode_root(bare)),
            "01000000000000000200000000000000efcdab89674523010000000000000000"
            "00000000000000000000000000000000"
            "00");
  EXPECT_EQ(parse_root(encode_root(bare)), bare);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(parse_root(ByteView(bytes).substr(0, size))) << size;
  }
  EXPECT_FALSE(parse_root(bytes + '\0'));
  Root wrong = root;
  wrong.epoch = Epoch(0);
  EXPECT_FALSE(parse_root(encode_root(wrong)));
  wrong = root;
  wrong.checkpoint->name.clear();
  EXPECT_FALSE(parse_root(encode_root(wrong)));
}

}  // namespace
}  // namespace trv::objects
