// Trial: an attempt to read with what is in memory. While it lives, reads of this core's Topics by
// sequence and id do not wait for the disk: what is not there is noted, and the read fails.
//
// Owner: whoever tries, on its stack; one at a time on a core. How it goes:
//   1. what is about to be done is done up to, and not with, its first change;
//   2. met_cold(): all of that is forgotten, whatever it looks like, and nobody is told anything;
//      what is noted is read by ColdReads::fetch(), and then it is tried again from the beginning;
//   3. else it was done as if there had been no trial.
//
// It can not be told how much will be wanted before it has been read. So who fails goes on looking
// for more as long as may_note(), and says with note_range() what would have come next. Each trial
// of the same thing may note more than the one before, so there are few. Whoever has tried often
// enough must do without, and wait: else nobody would end on a machine that is short of memory.
#pragma once

#include <cstddef>
#include <limits>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "storage/journal.h"

namespace trv::broker {

class Broker;
class ColdReads;
struct Topic;

class Trial {
 public:
  // What the first trial notes at most: places that do not lie near each other, and bytes.
  static constexpr std::size_t places_first_max = 1024;
  static constexpr std::size_t size_first_max = 16u << 20;
  // How often these limits grow, to four times what they were.
  static constexpr int growths_max = 2;

  // `tries`: how often the same was tried before.
  Trial(Broker& broker, int tries);
  ~Trial();
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  bool met_cold() const { return met_cold_; }
  // Reads wait from here on. Requires: not met_cold().
  void stop();

  // As Broker::read_blob(); what is not in memory is noted, and told as an error.
  Result<storage::Journal::Blob> read(BlobRange where);
  void note(BlobRange where);
  bool may_note() const { return places_.size() < places_max_ && size_ < size_max_; }

  struct Range {
    RecordId first;
    RecordId last;
    std::size_t count = std::numeric_limits<std::size_t>::max();  // of records
  };
  // What a reader of the range needs, beginning with its first batch; what comes behind is read in
  // advance.
  void note_range(const Topic& topic, const Range& range);
  // The same beginning with the last batch, and going back.
  void note_range_back(const Topic& topic, const Range& range);

  // What was noted, in the order in which it was; neighbours are one. Once.
  std::vector<BlobRange> take() { return std::move(places_); }

 private:
  Broker& broker_;
  std::size_t places_max_;
  std::size_t size_max_;
  std::vector<BlobRange> places_;
  std::size_t size_ = 0;
  bool met_cold_ = false;
};

}  // namespace trv::broker
