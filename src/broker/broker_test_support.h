// A Broker on one core over a file system in memory, driven round by round on the test's thread.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "broker/broker.h"
#include "broker/catalog.h"
#include "broker/cold_reads.h"
#include "broker/compactor.h"
#include "broker/publisher.h"
#include "broker/queues.h"
#include "broker/shard_state.h"
#include "broker/topics.h"
#include "io/faulty.h"
#include "io/memory.h"
#include "model/cleaning.h"
#include "runtime/core.h"
#include "storage/store.h"

namespace trv::broker {

// Envelopes of this codec are "ttl;routing key".
class TestMessageCodec final : public MessageCodec {
 public:
  model::Message to_message(const model::StoredRecord& record) const override {
    model::Message message;
    message.value = record.value;
    message.owners.push_back(record.owner);
    message.timestamp_ms = record.timestamp_ms;
    return message;
  }
  Envelope dead_letter(const model::StoredRecord& record, const model::Message&,
                       const Death& death) const override {
    std::string envelope(record.envelope);
    std::string key = envelope.substr(envelope.find(';') + 1);
    static constexpr const char* marks[] = {"+rejected", "+expired", "+overflow", "+failures"};
    const std::string to = death.routing_key.empty() ? key : death.routing_key;
    return {"-1;" + key + marks[static_cast<std::size_t>(death.reason)], to, {}, {}};
  }
  std::uint8_t priority(const model::StoredRecord& record) const override {
    // Envelopes may end with "!" and a digit.
    bool given = record.envelope.size() > 1 && record.envelope[record.envelope.size() - 2] == '!';
    return given ? static_cast<std::uint8_t>(record.envelope.back() - '0') : 0;
  }
  std::int64_t time_to_live(const model::StoredRecord& record) const override {
    return std::stoll(std::string(record.envelope));
  }
  std::unique_ptr<model::HeaderLookup> header_lookup(ByteView) const override { return nullptr; }
  std::string after_delay(ByteView envelope) const override { return std::string(envelope); }
};

// `body` and `envelope` outlive the record.
inline model::NewRecord message(std::string_view body, std::string_view envelope = "-1;k") {
  model::NewRecord record;
  record.origin = model::Origin::message;
  record.value = body;
  record.envelope = envelope;
  return record;
}

// A consumer that keeps what it is given.
struct Inbox {
  ConsumerId id;  // for settle()
  std::vector<Delivery> deliveries;
  ConsumerSpec spec(std::uint32_t credit) {
    ConsumerSpec spec;
    spec.credit = credit;
    spec.sink = [this](std::vector<Delivery> batch) {
      for (Delivery& delivery : batch) deliveries.push_back(std::move(delivery));
    };
    return spec;
  }
  std::vector<std::string> bodies() const {
    std::vector<std::string> out;
    for (const Delivery& delivery : deliveries) out.emplace_back(*delivery.record.value);
    return out;
  }
};

class TestBroker {
 public:
  // `codec`, when given, outlives it and takes the place of the test's own.
  explicit TestBroker(const MessageCodec* codec = nullptr)
      : message_codec_(codec ? codec : &codec_) {
    open();
  }
  ~TestBroker() { close(); }

  Broker& operator*() { return *broker_; }
  Broker* operator->() { return broker_.get(); }

  // Runs `work` inside a round and then rounds until everything that it caused has settled.
  void round(const std::function<void()>& work) {
    core_->post([&work] { work(); });
    drain(rounds_to_settle);
    core_->run();
  }
  // Runs the loop for about this long, for timers.
  void run_for(std::chrono::milliseconds duration) {
    runtime::Timer timer = core_->schedule(duration, [this] { core_->stop(); });
    core_->run();
  }
  void restart() {
    close();
    open();
  }
  // After it nothing of the disk is in memory, and reads beside the core wait for run_reads().
  void restart_cold() {
    restart();
    forget_what_was_read();
    broker_->cold_reads().use([this](UniqueFunction<void()> blocking, UniqueFunction<void()> done) {
      reads_.push_back({std::move(blocking), std::move(done)});
    });
  }
  void forget_what_was_read() { directory_.forget_what_was_read(); }
  std::size_t read_count() const { return reads_.size(); }
  // The one that was asked for first.
  void run_read() {
    round([this] {
      HeldRead read = std::move(reads_.front());
      reads_.pop_front();
      read.blocking();
      read.done();
    });
  }
  void run_reads() {
    while (!reads_.empty()) run_read();
  }
  // As by kill -9 and a power cut: what was not synced is gone.
  void crash() {
    broker_.reset();
    core_.reset();
    store_.reset();
    directory_.crash({});
    open();
  }
  // A state that refers to pages is the same as one that has them in memory, but not its bytes.
  void keep_pages_in_memory() { takes_pages_ = false; }
  void checkpoint() {
    Status written = try_checkpoint([] {});
    if (!written) std::fprintf(stderr, "checkpoint: %s\n", written.error().message.c_str());
    TRV_ASSERT(written.ok());
  }
  // `before_write` may arm a fault.
  Status try_checkpoint(const std::function<void()>& before_write) {
    storage::CheckpointPlan plan = store_->begin_checkpoint();
    plan.takes_pages = takes_pages_;
    std::vector<storage::CheckpointSection> sections;
    bool durable = false;
    round([&] {
      for (int shard = 0; shard < shard_count; ++shard) {
        ShardId shard_id(static_cast<std::uint8_t>(shard));
        auto section = broker_->checkpoint_shard(shard_id, plan);
        TRV_ASSERT(section.ok());
        sections.push_back(std::move(*section));
      }
      broker_->when_durable({broker_->tail().round, Durability::fsync},
                            [&durable](Result<Durable> done) { durable = done.ok(); });
    });
    // A sync of much may run on another thread.
    for (int tries = 0; tries < 1000 && !durable; ++tries) run_for(std::chrono::milliseconds(1));
    TRV_ASSERT(durable);
    before_write();
    if (Status written = store_->write_checkpoint(plan.id, std::move(sections)); !written) {
      return written;
    }
    round([&] { broker_->on_checkpoint_written(plan.id, store_->page_files()); });
    return {};
  }
  // One turn of what Checkpointer does for space.
  void free_space() {
    bool done = false;
    begin_moving(chosen_segments(), [&done] { done = true; });
    for (int tries = 0; tries < 1000 && !done; ++tries) run_for(std::chrono::milliseconds(1));
    TRV_ASSERT(done);
  }
  // Up to the first slice of moving; the rest goes on with whatever runs the loop.
  void free_space_until_moving() {
    begin_moving(chosen_segments(), [] {});
  }
  // One pass over everything that is due for cleaning by key.
  void clean() {
    round([&] { broker_->compactor().test_clean(); });
    for (int tries = 0; tries < 1000 && broker_->compactor().test_busy(); ++tries) {
      run_for(std::chrono::milliseconds(1));
    }
    TRV_ASSERT(!broker_->compactor().test_busy());
  }
  const storage::RecoveryReport& report() const { return report_; }
  io::MemoryDirectory& directory() { return directory_; }
  io::FaultyDirectory& faults() { return faulty_; }
  storage::Store& store() { return *store_; }

 private:
  static constexpr int rounds_to_settle = 8;
  struct HeldRead {
    UniqueFunction<void()> blocking;
    UniqueFunction<void()> done;
  };
  std::deque<HeldRead> reads_;
  bool takes_pages_ = true;

  // After a checkpoint that has freed what it could.
  std::vector<std::uint64_t> chosen_segments() {
    round([&] { broker_->queues().trim_settled(); });
    checkpoint();
    Broker::SegmentBytes live;
    round([&] { broker_->count_segments(live); });
    std::vector<std::uint64_t> blobs;
    for (const auto& [blob, bytes] : live) blobs.push_back(blob);
    auto kept = store_->reclaim(blobs);
    TRV_ASSERT(kept.ok());
    std::vector<model::SegmentUse> uses;
    for (const auto& segment : *kept)
      uses.push_back({segment.blob, segment.size, live[segment.blob]});
    return model::choose_segments(std::move(uses), 64u << 20);
  }
  void begin_moving(const std::vector<std::uint64_t>& segments, UniqueFunction<void()> done) {
    core_->post([this, segments, done = std::move(done)]() mutable {
      broker_->compactor().empty_segments({segments.begin(), segments.end()}, std::move(done));
      core_->post([this] { core_->stop(); });
    });
    core_->run();
  }

  struct Visitor final : storage::RecoveryVisitor {
    explicit Visitor(Broker& b) : broker(b) {}
    Status on_checkpoint(ShardId shard, ByteView state) override {
      return broker.restore_shard(shard, state);
    }
    Status on_entry(storage::EntryKind kind, ShardId shard, ByteView payload,
                    BlobRange where) override {
      return broker.apply(kind, shard, payload, where);
    }
    Broker& broker;
  };

  void drain(int rounds) {
    core_->post([this, rounds] {
      if (rounds == 0) {
        core_->stop();
      } else {
        drain(rounds - 1);
      }
    });
  }
  void open() {
    storage::JournalOptions options;
    options.segment_size = 1u << 20;
    options.inline_sync_waiters_max = 1u << 20;
    auto store = storage::Store::open(faulty_, options);
    TRV_ASSERT(store.ok());
    store_ = std::move(*store);
    core_ = std::make_unique<runtime::Core>(CoreIndex(0));
    broker_ =
        std::make_unique<Broker>(*core_, BrokerOptions{}, Codecs{nullptr, message_codec_, nullptr});
    broker_->use_pages(std::make_shared<storage::PageFiles>(faulty_));
    broker_->connect({broker_.get()});
    Visitor visitor(*broker_);
    auto report = store_->recover(visitor);
    if (!report) std::fprintf(stderr, "recovery: %s\n", report.error().message.c_str());
    TRV_ASSERT(report.ok());
    report_ = *report;
    broker_->open_pages(store_->page_files());
    auto lane = store_->open_lane(CoreIndex(0), [this](auto blocking, auto done) {
      core_->offload(std::move(blocking), std::move(done));
    });
    TRV_ASSERT(lane.ok());
    broker_->start(std::move(*lane));
  }
  void close() {
    if (!broker_) return;
    auto stopped = broker_->stop();
    TRV_ASSERT(stopped.ok());
    broker_.reset();
    for (HeldRead& read : std::exchange(reads_, {})) {
      read.blocking();
      read.done();
    }
    core_.reset();
    store_.reset();
  }

  io::MemoryDirectory directory_;
  io::FaultyDirectory faulty_{directory_};
  TestMessageCodec codec_;
  const MessageCodec* message_codec_;
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<runtime::Core> core_;
  std::unique_ptr<Broker> broker_;
  storage::RecoveryReport report_;
};

}  // namespace trv::broker
