// Proves that changes of share cursors are noted by topic, group and partition, and that the notes
// survive their snapshot.
#include "model/share_changes.h"

#include <gtest/gtest.h>

namespace trv::model {
namespace {

using Kind = FeedStep::Kind;

std::string keys_of(const ShareChanges& state) {
  std::string keys;
  for (const auto& [number, key] : state.changes().oldest(100)) {
    keys += std::to_string(key.topic.value) + key.group + std::to_string(key.partition.value) + " ";
  }
  return keys;
}

TEST(ShareChanges, AreNotedWhileSomebodyFollows) {
  ShareChanges state;
  ShareCursors cursors;
  auto change = [&](const std::string& command) {
    Status applied = cursors.apply(command, [&](std::string_view group, PartitionIndex partition) {
      state.note({TopicId(7), std::string(group), partition});
    });
    ASSERT_TRUE(applied.ok());
  };
  change(ShareCursors::encode_start("g", PartitionIndex(1), Offset(5)));
  EXPECT_EQ(keys_of(state), "") << "nobody follows";
  Result<bool> begun = state.apply(ShareChanges::encode_feed({Kind::begin}));
  ASSERT_TRUE(begun.ok());
  EXPECT_TRUE(*begun);
  state.note_all(TopicId(7), cursors);
  EXPECT_EQ(keys_of(state), "7g1 ");
  change(ShareCursors::encode_start("g", PartitionIndex(0), Offset(0)));
  const ShareOutcome settled{Offset(5), Offset(6), 0};
  change(ShareCursors::encode_outcomes("g", PartitionIndex(1), {&settled, 1}));
  change(ShareCursors::encode_outcomes("g", PartitionIndex(9), {&settled, 1}));
  EXPECT_EQ(keys_of(state), "7g0 7g1 ") << "there is no partition 9";
  ShareChanges copy;
  ASSERT_TRUE(copy.restore(state.snapshot()).ok());
  EXPECT_EQ(copy, state);
  begun = state.apply(ShareChanges::encode_feed({Kind::settle, 3}));
  ASSERT_TRUE(begun.ok());
  EXPECT_FALSE(*begun);
  EXPECT_EQ(keys_of(state), "");
  change(ShareCursors::encode_forget("g"));
  EXPECT_EQ(keys_of(state), "7g0 7g1 ") << "those that are gone";
}

TEST(ShareChanges, DamageChangesNothing) {
  ShareChanges state;
  ASSERT_TRUE(state.apply(ShareChanges::encode_feed({Kind::begin})).ok());
  state.note({TopicId(1), "g", PartitionIndex(0)});
  const std::string bytes = state.snapshot();
  const ShareChanges before = state;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(state.restore(bytes.substr(0, size)).error().code, Errc::corrupt) << size;
  }
  EXPECT_EQ(state.apply(std::string("\7\0", 2)).error().code, Errc::corrupt);
  EXPECT_EQ(state.apply("").error().code, Errc::corrupt);
  EXPECT_EQ(state, before);
}

}  // namespace
}  // namespace trv::model
