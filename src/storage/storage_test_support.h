// What the storage tests share: an offload pool that runs jobs when told, a visitor that remembers,
// and small journals.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <iostream>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "io/memory.h"
#include "storage/format.h"
#include "storage/journal.h"
#include "storage/store.h"

namespace trv::storage {

inline JournalOptions small_options() {
  JournalOptions options;
  options.segment_size = 16u << 10;
  options.cache_size = 32u << 10;
  options.ballast_pieces = 2;
  options.zeroes_gap = 512;
  options.zeroes_lead = 8u << 10;
  options.zeroes_step = 4u << 10;
  return options;
}

// Keeps what the journal says of a great many injected faults out of a test's output.
class QuietLog {
 public:
  QuietLog() { ::testing::internal::CaptureStderr(); }
  QuietLog(const QuietLog&) = delete;
  QuietLog& operator=(const QuietLog&) = delete;
  ~QuietLog() {
    std::istringstream lines(::testing::internal::GetCapturedStderr());
    for (std::string line; std::getline(lines, line);) {
      const bool expected = line.find("is given up: injected fault") != std::string::npos ||
                            line.find("is safe in another file") != std::string::npos;
      if (!expected) std::cerr << line << "\n";
    }
  }
};

// A pool whose threads are as slow as the test wants. Jobs run in any order; what is done comes
// back in the order in which it was done.
class TestOffload {
 public:
  Offload offload() {
    return [this](UniqueFunction<void()> blocking, UniqueFunction<void()> done) {
      waiting_.push_back({std::move(blocking), std::move(done)});
    };
  }
  bool idle() const { return waiting_.empty() && finished_.empty(); }
  void run_one(std::size_t index = 0) {
    if (waiting_.empty()) return;
    auto it = waiting_.begin() + static_cast<std::ptrdiff_t>(index % waiting_.size());
    Job job = std::move(*it);
    waiting_.erase(it);
    job.blocking();
    finished_.push_back(std::move(job.done));
  }
  void deliver_one() {
    if (finished_.empty()) return;
    UniqueFunction<void()> done = std::move(finished_.front());
    finished_.pop_front();
    done();
  }
  void run_all() {
    while (!idle()) {
      run_one();
      deliver_one();
    }
  }

 private:
  struct Job {
    UniqueFunction<void()> blocking;
    UniqueFunction<void()> done;
  };
  std::deque<Job> waiting_;
  std::deque<UniqueFunction<void()>> finished_;
};

struct SeenEntry {
  EntryKind kind;
  std::uint8_t shard;
  std::string payload;
  BlobRange where;
};

class RememberingVisitor final : public RecoveryVisitor {
 public:
  Status on_checkpoint(ShardId shard, ByteView state) override {
    checkpoints.emplace_back(shard.value, std::string(state));
    return {};
  }
  Status on_entry(EntryKind kind, ShardId shard, ByteView payload, BlobRange where) override {
    entries.push_back({kind, shard.value, std::string(payload), where});
    return {};
  }
  std::vector<std::string> payloads() const {
    std::vector<std::string> all;
    for (const SeenEntry& entry : entries) all.push_back(entry.payload);
    return all;
  }

  std::vector<SeenEntry> entries;
  std::vector<std::pair<std::uint8_t, std::string>> checkpoints;
};

// A started process life on `directory`, recovered, with one lane.
struct Life {
  std::unique_ptr<Store> store;
  RememberingVisitor visitor;
  RecoveryReport report;
  TestOffload pool;
  std::unique_ptr<Journal> journal;

  // The first error, or ok.
  Status start(io::Directory& directory, JournalOptions options = small_options()) {
    Result<std::unique_ptr<Store>> opened = Store::open(directory, options);
    if (!opened.ok()) return opened.error();
    store = std::move(*opened);
    Result<RecoveryReport> recovered = store->recover(visitor);
    if (!recovered.ok()) return recovered.error();
    report = std::move(*recovered);
    Result<std::unique_ptr<Journal>> lane = store->open_lane(CoreIndex(0), pool.offload());
    if (!lane.ok()) return lane.error();
    journal = std::move(*lane);
    return {};
  }
};

inline std::string random_payload(std::mt19937_64& random, std::size_t size_max) {
  std::string payload(random() % (size_max + 1), '\0');
  for (char& c : payload) c = static_cast<char>(random());
  return payload;
}

}  // namespace trv::storage
