// Proves each class of this folder by itself, over a store that answers each call once and over one
// that executes every call twice, or never says what came of it.
#include <gtest/gtest.h>

#include "io/memory_objects.h"
#include "objects/placement.h"
#include "objects/slot_journal.h"

namespace trv::objects {
namespace {

constexpr io::ObjectFaults fault_kinds[] = {
    {}, {.twice = 1000}, {.echo = 1000}, {.reply_lost = 400}, {.request_lost = 400}, {.late = 400},
};

// A process with everything that it keeps over the store.
struct Process {
  explicit Process(io::MemoryObjects& o, std::uint64_t seed)
      : objects(o), drawn(seed * 1000), writer(random()) {}

  template <class T, class Call>
  Result<T> wait(Call call) {
    std::optional<Result<T>> answer;
    call([&answer](Result<T> result) {
      EXPECT_FALSE(answer) << "answered twice";
      answer.emplace(std::move(result));
    });
    EXPECT_FALSE(answer) << "answered before the call returned";
    while (!answer && objects.step()) {
    }
    TRV_ASSERT(answer);
    return std::move(*answer);
  }
  Result<Cell> create_cell(const std::string& name, const std::string& value) {
    return wait<Cell>([&](Done<Cell> done) { cells.create(name, value, std::move(done)); });
  }
  Result<Cell> read_cell(const std::string& name) {
    return wait<Cell>([&](Done<Cell> done) { cells.read(name, std::move(done)); });
  }
  Result<Cell> change_cell(const Cell& seen, const std::string& value) {
    return wait<Cell>([&](Done<Cell> done) { cells.change(seen, value, std::move(done)); });
  }
  SessionId create_session() {
    return wait<SessionId>([&](Done<SessionId> done) { journals.create(std::move(done)); }).value();
  }
  Result<SessionRecord> seal(SessionId session) {
    return wait<SessionRecord>(
        [&](Done<SessionRecord> done) { journals.seal(session, std::move(done)); });
  }
  Result<Slot> trim(SessionId session, std::uint64_t below) {
    return wait<Slot>(
        [&](Done<Slot> done) { journals.trim(session, Slot(below), std::move(done)); });
  }
  Status replay(SessionId session, std::uint64_t first, std::uint64_t end, std::string& into) {
    return wait<void>([&](Done<void> done) {
      auto on_frame = [&into](Slot, ByteView frame) { into += frame; };
      journals.replay(session, {Slot(first), Slot(end)}, on_frame, std::move(done));
    });
  }
  Result<Placed> take(Claim claim, Rebuild& state) {
    return wait<Placed>([&](Done<Placed> done) { placement.take(claim, state, std::move(done)); });
  }

  io::MemoryObjects& objects;
  std::uint64_t drawn;
  Random random{[this] { return ++drawn; }};
  WriterId writer;
  std::unique_ptr<io::MemoryObjects::Connection> store = objects.connect();
  CellStore cells{*store, writer, random};
  BlobStore blobs{*store, writer, random};
  JournalStore journals{*store, cells, writer, random};
  Placement placement{cells, journals};
};

void settle(io::MemoryObjects& objects) {
  while (objects.step()) {
  }
}

std::string story_of(SlotJournal& journal, io::MemoryObjects& objects, const std::string& frames) {
  std::string story;
  for (char frame : frames) {
    Status taken = journal.append(std::string(1, frame), [&story, frame](Status s) {
      story += s.ok() ? std::string(1, frame) : s.error().code == Errc::fenced ? "F" : "U";
    });
    if (!taken.ok()) story += taken.error().code == Errc::fenced ? "f" : "o";
  }
  settle(objects);
  return story;
}

class EachFault : public ::testing::TestWithParam<io::ObjectFaults> {};
INSTANTIATE_TEST_SUITE_P(Faults, EachFault, ::testing::ValuesIn(fault_kinds));

TEST_P(EachFault, CellsChangeOnceAndOnlyFromWhatWasSeen) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    io::MemoryObjects objects(seed, GetParam());
    Process a(objects, 1), b(objects, 2);
    const Cell one = a.create_cell("cells/x", "1").value();
    EXPECT_EQ(b.create_cell("cells/x", "2").error().code, Errc::already_exists);
    const Cell two = a.change_cell(one, "2").value();
    EXPECT_EQ(two.revision, 2u);
    EXPECT_EQ(b.change_cell(one, "3").error().code, Errc::precondition_failed);
    // The same value again is another version: who saw `one` is not fooled.
    const Cell back = b.change_cell(two, "1").value();
    EXPECT_NE(back.version, one.version);
    EXPECT_EQ(a.change_cell(one, "4").error().code, Errc::precondition_failed);
    settle(objects);
    EXPECT_EQ(a.read_cell("cells/x").value().value, "1");
    EXPECT_EQ(a.read_cell("cells/x").value().revision, 3u);
  }
}

TEST_P(EachFault, JournalAcknowledgesInOrderUntilItIsSealed) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    io::MemoryObjects objects(seed, GetParam());
    Process owner(objects, 1), other(objects, 2);
    const SessionId session = owner.create_session();
    SlotJournal journal(*owner.store, session, owner.writer, 4);
    EXPECT_EQ(story_of(journal, objects, "abcd"), "abcd");
    EXPECT_EQ(journal.acknowledged(), Slot(4));
    const SessionRecord sealed{SessionState::sealed, Slot(0), Slot(4)};
    EXPECT_EQ(other.seal(session).value(), sealed);
    EXPECT_EQ(owner.seal(session).value(), sealed);
    EXPECT_EQ(story_of(journal, objects, "ef"), "FF");
    EXPECT_EQ(story_of(journal, objects, "g"), "f");
    EXPECT_EQ(journal.state(), SlotJournal::State::fenced);
    std::string frames;
    ASSERT_TRUE(other.replay(session, 0, 4, frames).ok());
    EXPECT_EQ(frames, "abcd");
  }
}

TEST_P(EachFault, SlotsAreDroppedBelowTheTrimAndNeverTheSeal) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    io::MemoryObjects objects(seed, GetParam());
    Process owner(objects, 1), other(objects, 2);
    const SessionId session = owner.create_session();
    SlotJournal journal(*owner.store, session, owner.writer, 9);
    EXPECT_EQ(story_of(journal, objects, "abcdef"), "abcdef");
    EXPECT_EQ(owner.trim(session, 4).value(), Slot(4));
    EXPECT_EQ(owner.trim(session, 2).value(), Slot(4));  // it never goes back
    EXPECT_EQ(other.seal(session).value(), (SessionRecord{SessionState::sealed, Slot(4), Slot(6)}));
    std::string frames;
    EXPECT_EQ(other.replay(session, 0, 6, frames).error().code, Errc::not_found);
    ASSERT_TRUE(other.replay(session, 4, 6, frames).ok());
    EXPECT_EQ(frames, "ef");
    EXPECT_TRUE(other.replay(session, 6, 6, frames).ok());
    EXPECT_EQ(other.trim(session, 100).value(), Slot(6));
    const auto& left = objects.test_objects();
    ASSERT_TRUE(left.contains(slot_name(session, Slot(6))));
    EXPECT_EQ(parse_slot(left.at(slot_name(session, Slot(6)))).value().kind, SlotKind::seal);
    EXPECT_EQ(other.seal(session).value().end, Slot(6));
    EXPECT_EQ(story_of(journal, objects, "g"), "F");
  }
}

TEST_P(EachFault, BlobsAreReadBackWholeAndInParts) {
  io::MemoryObjects objects(1, GetParam());
  Process p(objects, 1);
  auto write = [&p](std::string bytes) {
    return p.wait<BlobRef>([&](Done<BlobRef> done) { p.blobs.write(bytes, std::move(done)); });
  };
  auto part = [&p](const BlobRef& blob, io::ObjectRange range) {
    return p.wait<std::string>(
        [&](Done<std::string> done) { p.blobs.read_part(blob, range, std::move(done)); });
  };
  auto read = [&p](const BlobRef& blob) {
    return p.wait<std::string>(
        [&](Done<std::string> done) { p.blobs.read(blob, std::move(done)); });
  };
  const BlobRef blob = write("0123456789").value();
  EXPECT_NE(write("0123456789").value().name, blob.name);
  EXPECT_EQ(read(blob).value(), "0123456789");
  EXPECT_EQ(part(blob, {3, 4}).value(), "3456");
  EXPECT_EQ(part(blob, {10, 0}).value(), "");
  EXPECT_EQ(part(blob, {8, 3}).error().code, Errc::out_of_range);
  EXPECT_EQ(part(blob, {11, 0}).error().code, Errc::out_of_range);
  BlobRef other = blob;
  ++other.checksum;
  EXPECT_EQ(read(other).error().code, Errc::corrupt);
  ASSERT_TRUE(p.wait<void>([&](Done<void> done) { p.blobs.remove(blob, std::move(done)); }).ok());
  EXPECT_EQ(read(blob).error().code, Errc::not_found);
}

TEST(SlotJournal, RefusesMoreThanItsWindow) {
  io::MemoryObjects objects(1, {});
  Process p(objects, 1);
  SlotJournal journal(*p.store, p.create_session(), p.writer, 2);
  EXPECT_EQ(story_of(journal, objects, "abc"), "oab");
  EXPECT_EQ(story_of(journal, objects, "c"), "c");
}

TEST(SlotJournal, EndsWhenASlotCannotBeWritten) {
  io::MemoryObjects objects(1, {});
  Process p(objects, 1);
  SlotJournal journal(*p.store, p.create_session(), p.writer, 4);
  objects.set_faults({.request_lost = 1000});
  EXPECT_EQ(story_of(journal, objects, "ab"), "UU");
  EXPECT_EQ(journal.state(), SlotJournal::State::broken);
  EXPECT_EQ(journal.append("c", [](Status) { FAIL(); }).error().code, Errc::closed);
}

TEST(SlotJournal, ASlotBehindAHoleIsNotAcknowledged) {
  io::MemoryObjects objects(1, {});
  Process owner(objects, 1), other(objects, 2);
  const SessionId session = owner.create_session();
  ASSERT_EQ(other.seal(session).value().end, Slot(0));
  SlotJournal journal(*owner.store, session, owner.writer, 4);
  EXPECT_EQ(story_of(journal, objects, "ab"), "FF");
  EXPECT_TRUE(objects.test_objects().contains(slot_name(session, Slot(1))));
  EXPECT_EQ(journal.acknowledged(), Slot(0));
}

TEST(JournalStore, DamageIsSaidAndNotSealedOver) {
  io::MemoryObjects objects(1, {});
  Process owner(objects, 1), other(objects, 2);
  const SessionId session = owner.create_session();
  (void)owner.wait<io::ObjectVersion>([&](Done<io::ObjectVersion> done) {
    owner.store->put(slot_name(session, Slot(0)), "rubbish", std::move(done));
  });
  EXPECT_EQ(other.seal(session).error().code, Errc::corrupt);
  EXPECT_EQ(other.seal(SessionId(99)).error().code, Errc::not_found);
  EXPECT_EQ(objects.test_objects().at(slot_name(session, Slot(0))), "rubbish");
}

TEST(JournalStore, TheTrimStandsStillWhileTheSessionIsBeingSealed) {
  io::MemoryObjects objects(1, {});
  Process owner(objects, 1);
  const SessionId session = owner.create_session();
  SlotJournal journal(*owner.store, session, owner.writer, 4);
  ASSERT_EQ(story_of(journal, objects, "abc"), "abc");
  const Cell cell = owner.read_cell(session_cell_name(session)).value();
  ASSERT_TRUE(owner.change_cell(cell, encode_session({SessionState::sealing, {}, {}})).ok());
  EXPECT_EQ(owner.trim(session, 2).error().code, Errc::precondition_failed);
  EXPECT_TRUE(objects.test_objects().contains(slot_name(session, Slot(0))));
  EXPECT_EQ(owner.seal(session).value().end, Slot(3));
}

// A shard whose state is the text of its frames.
class TextState final : public Rebuild {
 public:
  explicit TextState(BlobStore& blobs) : blobs_(blobs) {}
  void load(std::optional<BlobRef> checkpoint, Done<void> done) override {
    if (!checkpoint) return blobs_.write({}, [done = std::move(done)](auto) mutable { done({}); });
    blobs_.read(*checkpoint, [this, done = std::move(done)](Result<std::string> bytes) mutable {
      if (!bytes.ok()) return done(bytes.error());
      text = *bytes;
      done({});
    });
  }
  void apply(Epoch, Slot, ByteView frame) override { text += frame; }
  void save(Done<std::optional<BlobRef>> done) override {
    blobs_.write(text, [done = std::move(done)](Result<BlobRef> blob) mutable {
      blob.ok() ? done(std::optional<BlobRef>(*blob)) : done(blob.error());
    });
  }
  std::string text;

 private:
  BlobStore& blobs_;
};

TEST_P(EachFault, AShardGoesFromOwnerToOwnerWithAllItHas) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    io::MemoryObjects objects(seed, GetParam());
    Process a(objects, 1), b(objects, 2);
    const ShardId shard(3);
    SlotJournal first(*a.store, a.create_session(), a.writer, 8);
    TextState state_a(a.blobs);
    const Claim claim_a{shard, NodeId(1), first.session(), first.next()};
    const Placed placed = a.take(claim_a, state_a).value();
    EXPECT_EQ(placed.root.epoch, Epoch(1));
    EXPECT_EQ(a.take(claim_a, state_a).error().code, Errc::in_use);
    ASSERT_EQ(story_of(first, objects, "abc"), "abc");

    SlotJournal second(*b.store, b.create_session(), b.writer, 8);
    ASSERT_EQ(story_of(second, objects, "x"), "x");  // not the shard's: before it was taken
    TextState state_b(b.blobs);
    const Placed taken =
        b.take({shard, NodeId(2), second.session(), second.next()}, state_b).value();
    EXPECT_EQ(taken.root.epoch, Epoch(2));
    EXPECT_EQ(taken.root.node, NodeId(2));
    EXPECT_EQ(taken.root.first, Slot(1));
    EXPECT_EQ(state_b.text, "abc");
    // The first owner can neither write nor change the root.
    EXPECT_EQ(story_of(first, objects, "d"), "F");
    Result<Placed> late = a.wait<Placed>([&](Done<Placed> done) {
      a.placement.advance(placed, Slot(3), {"blobs/none", 0, 0}, std::move(done));
    });
    EXPECT_EQ(late.error().code, Errc::precondition_failed);
    Result<Placed> now =
        a.wait<Placed>([&](Done<Placed> done) { a.placement.locate(shard, std::move(done)); });
    EXPECT_EQ(now.value().root, taken.root);
  }
}

// A claim of a sealed session can come through late, when its slots have been dropped already.
TEST(Placement, TakesAShardFromASessionWhoseSlotsAreGone) {
  io::MemoryObjects objects(1, {});
  Process a(objects, 1), b(objects, 2);
  SlotJournal first(*a.store, a.create_session(), a.writer, 8);
  ASSERT_EQ(story_of(first, objects, "abc"), "abc");
  ASSERT_EQ(b.seal(first.session()).value().end, Slot(3));
  ASSERT_EQ(b.trim(first.session(), 3).value(), Slot(3));
  const ShardId shard(3);
  const Root late{Epoch(1), NodeId(1), first.session(), Slot(0), {}};
  ASSERT_TRUE(a.create_cell(root_cell_name(shard), encode_root(late)).ok());
  TextState state(b.blobs);
  const Claim claim{shard, NodeId(2), b.create_session(), Slot(0)};
  EXPECT_EQ(b.take(claim, state).value().root.epoch, Epoch(2));
  EXPECT_EQ(state.text, "");
}

}  // namespace
}  // namespace trv::objects
