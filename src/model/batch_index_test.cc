#include "model/batch_index.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <vector>

namespace trv::model {
namespace {

// Batches as they come, and with anything that a client may have put into them.
class Batches {
 public:
  explicit Batches(unsigned seed) : random_(seed) {}

  BatchEntry next() {
    BatchEntry entry;
    entry.first_sequence = end_ + (one_in(9) ? one_to(1000) : 0);
    entry.base_offset = Offset(one_in(9) ? one_to(1 << 30) : entry.first_sequence.value);
    id_ = one_in(3)
              ? RecordId{id_.ms + any(1 << 20), any(std::numeric_limits<std::uint64_t>::max())}
              : RecordId{id_.ms + 1, 0};
    entry.first_id = id_;
    entry.max_timestamp = one_in(9) ? extreme() : static_cast<std::int64_t>(id_.ms);
    entry.blob = {any(1ull << 50), static_cast<std::uint32_t>(any(~0u)),
                  static_cast<std::uint32_t>(any(~0u))};
    entry.producer_id = ProducerId(one_in(2) ? -1 : one_to(100));
    entry.count = static_cast<std::int32_t>(one_in(2) ? 1 : one_to(500));
    entry.kept = one_in(9) ? 0 : entry.count;
    entry.partition = PartitionIndex(static_cast<std::int32_t>(one_to(3)));
    entry.origin = one_in(2) ? Origin::batch : Origin::fields;
    entry.control = one_in(9);
    entry.transactional = one_in(3);
    entry.aborted = one_in(9);
    end_ = entry.end_sequence();
    return entry;
  }
  bool one_in(std::uint64_t n) { return any(n) == 0; }
  std::uint64_t any(std::uint64_t n) { return random_() % n; }

 private:
  std::int64_t one_to(std::int64_t n) { return 1 + static_cast<std::int64_t>(any(bits(n))); }
  static std::uint64_t bits(std::int64_t n) { return static_cast<std::uint64_t>(n); }
  std::int64_t extreme() {
    return one_in(2) ? std::numeric_limits<std::int64_t>::min()
                     : std::numeric_limits<std::int64_t>::max();
  }

  std::mt19937_64 random_;
  Sequence end_;
  RecordId id_;
};

void expect_same(const BatchIndex& index, const std::vector<BatchEntry>& plain) {
  ASSERT_EQ(index.size(), plain.size());
  std::vector<BatchEntry> all;
  index.each([&](const BatchEntry& entry) { all.push_back(entry); });
  ASSERT_EQ(all, plain);
  EXPECT_EQ(index.empty(), plain.empty());
  ASSERT_TRUE(plain.empty() || index.front() == plain.front());
}

void expect_found(const BatchIndex& index, const std::vector<BatchEntry>& plain, Sequence sequence,
                  RecordId id) {
  std::size_t behind = 0;
  while (behind < plain.size() && plain[behind].end_sequence() <= sequence) ++behind;
  ASSERT_EQ(index.first_behind(sequence), behind);
  std::size_t until = 0;
  while (until < plain.size() && plain[until].first_id <= id) ++until;
  ASSERT_EQ(index.count_until(id), until);
}

// Against a plain vector, with everything that can be done to it.
TEST(BatchIndex, IsTheSameAsAPlainOne) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    Batches batches(seed);
    BatchIndex index;
    std::vector<BatchEntry> plain;
    for (int step = 0; step < 600; ++step) {
      const bool grows = step < 400 ? !batches.one_in(4) : batches.one_in(4);
      if (grows || plain.empty()) {
        plain.push_back(batches.next());
        index.push_back(plain.back());
      } else {
        plain.erase(plain.begin());
        index.pop_front();
      }
      if (plain.empty()) continue;
      const std::size_t chosen = batches.any(plain.size());
      ASSERT_EQ(index.at(chosen), plain[chosen]);
      expect_found(index, plain, plain[chosen].first_sequence, plain[chosen].first_id);
      expect_found(index, plain, plain[chosen].end_sequence(), plain[chosen].first_id.next());
      if (batches.one_in(10)) {
        plain[chosen].aborted = !plain[chosen].aborted;
        plain[chosen].blob.position += 1;
        index.replace(chosen, plain[chosen]);
      }
      if (batches.one_in(100)) {
        const auto goes = [](const BatchEntry& entry) { return entry.control; };
        EXPECT_EQ(index.erase_if(goes), std::erase_if(plain, goes) > 0);
      }
    }
    expect_same(index, plain);
    expect_found(index, plain, Sequence(0), RecordId{0, 0});
    expect_found(index, plain, Sequence(std::numeric_limits<std::int64_t>::max()), RecordId::max());
  }
}

TEST(BatchIndex, EachNextOneIsFoundBehindTheOneBefore) {
  Batches batches(1);
  BatchIndex index;
  std::vector<BatchEntry> plain;
  for (int i = 0; i < 500; ++i) {
    plain.push_back(batches.next());
    index.push_back(plain.back());
  }
  for (const BatchEntry& entry : plain) {
    const std::size_t place = index.first_behind(entry.first_sequence);
    ASSERT_EQ(index.at(place), entry);
  }
  for (auto it = plain.rbegin(); it != plain.rend(); ++it) {
    ASSERT_EQ(index.at(index.first_behind(it->first_sequence)), *it);
  }
}

}  // namespace
}  // namespace trv::model
