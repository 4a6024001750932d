// Proves that no command succeeds that the journal did not take: on a full disk whose reserve is
// used up, and after the journal has failed for good, every command is refused with an error,
// changes nothing that can be seen, and after a restart the state is what was acknowledged. And
// that a full disk with its reserve left refuses only what grows.
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "broker/broker_test_support.h"
#include "broker/claim_groups.h"
#include "broker/groups.h"
#include "broker/keyspaces.h"
#include "broker/transactions.h"
#include "model/batch.h"
#include "model/group_offsets.h"

namespace trv::broker {
namespace {

enum class Trouble : std::uint8_t { full_disk, used_up, failed };

class Refusal : public ::testing::Test {
 protected:
  static constexpr ConsumerId holder{77};

  void SetUp() override {
    broker_.round([&] {
      Topic& topic = *broker_->topics().create("t", {}).value().topic;
      EXPECT_TRUE(broker_->queues().declare("q", {}, {}).ok());
      EXPECT_TRUE(broker_->queues().declare("other", {}, {}).ok());
      for (int i = 0; i < 6; ++i) {
        ids_.push_back(broker_->topics().append(topic, message("a")).value().first_id);
        EXPECT_TRUE(broker_->topics().append(*broker_->topics().find("q"), message("b")).ok());
      }
      std::string put;
      model::Keyspace::encode_put(put, "key", "old", std::nullopt);
      EXPECT_TRUE(broker_->keyspaces().execute(Space::more, "key", put).ok());
      std::string create;
      model::ClaimGroups::encode_create(create, "g", {});
      EXPECT_TRUE(broker_->claim_groups().execute(topic, create).ok());
      EXPECT_TRUE(commit_offset(5));
    });
    broker_.round([&] {
      for (int i = 0; i < 3; ++i) {
        taken_.push_back((*broker_->queues().take("q", holder, false))->sequence);
      }
    });
  }

  bool commit_offset(std::int64_t offset) {
    model::OffsetCommit one;
    one.partition = {"t", PartitionIndex(0)};
    one.offset = Offset(offset);
    return std::holds_alternative<Commit>(broker_->groups().commit_offsets("offsets", {}, {one}));
  }

  void bring(Trouble trouble) {
    if (trouble == Trouble::failed) {
      broker_.faults().arm({io::Operation::sync, 0, Errc::io_error, 0, true});
      broker_.round([&] { EXPECT_TRUE(append("t", "lost").ok()); });
      return;
    }
    broker_.directory().set_capacity(0);
    for (int i = 0; i < 500 && broker_->writable(); ++i) {
      broker_.round([&] { (void)append("other", std::string(20'000, 'x')).ok(); });
    }
    EXPECT_FALSE(broker_->writable());
    if (trouble == Trouble::full_disk) return;
    std::string put;
    for (std::size_t size : {50'000u, 1'000u, 1u}) {
      int tries = 0;
      for (bool taken = true; taken; ++tries) {
        ASSERT_LT(tries, 10'000) << "it never gets full";
        put.clear();
        model::Keyspace::encode_put(put, "filler", std::string(size, 'x'), std::nullopt);
        broker_.round(
            [&] { taken = broker_->keyspaces().execute(Space::less, "filler", put).ok(); });
      }
    }
  }

  Result<Appended> append(const std::string& topic, const std::string& body) {
    return broker_->topics().append(*broker_->topics().find(topic), message(body));
  }

  // Each command: whether it was accepted.
  using Commands = std::map<std::string, std::function<bool()>>;
  Commands growing() {
    return {
        {"create", [&] { return broker_->topics().create("new", {}).ok(); }},
        {"declare", [&] { return broker_->queues().declare("new", {}, {}).ok(); }},
        {"append", [&] { return append("t", "x").ok(); }},
        {"append_batch",
         [&] {
           model::BatchBuilder builder;
           builder.add(1000, "k", "v", std::vector<model::Header>{});
           return broker_->topics()
               .append_batch(*topic(), PartitionIndex(0), builder.take(Offset(0), 0))
               .ok();
         }},
        {"change_settings",
         [&] {
           model::TopicSettings settings = Topics::settings(*topic());
           settings.retention_ms = 5;
           return broker_->topics().change_settings(*topic(), settings).ok();
         }},
        {"set_id",
         [&] {
           return broker_->topics().set_id(*topic(), {1ull << 60, 0}, {}, {}).ok();
         }},
        {"put",
         [&] {
           std::string put;
           model::Keyspace::encode_put(put, "key", "new", std::nullopt);
           return broker_->keyspaces().execute(Space::more, "key", put).ok();
         }},
        {"catalog",
         [&] {
           bool ok = true;
           model::Exchange exchange;
           exchange.name = "e";
           exchange.durable = true;
           broker_->catalog().execute(model::encode(model::DeclareExchange{exchange}),
                                      [&ok](Result<Durable> done) { ok = done.ok(); });
           return ok;
         }},
        {"init",
         [&] {
           bool ok = true;
           broker_->transactions().init("tx", std::chrono::seconds(60), std::nullopt,
                                        [&ok](const auto& outcome) { ok = !outcome.failure; });
           return ok;
         }},
    };
  }
  Commands freeing() {
    return {
        {"settle", [&] { return settle(0, Settlement::complete); }},
        {"discard", [&] { return settle(1, Settlement::discard); }},
        {"purge", [&] { return broker_->queues().purge("q").ok(); }},
        {"take", [&] { return broker_->queues().take("other", holder, true).ok(); }},
        {"trim_to", [&] { return broker_->topics().trim_to(*topic(), Sequence(2)).ok(); }},
        {"erase", [&] { return broker_->topics().erase(*topic(), std::span(&ids_[4], 1)).ok(); }},
        {"claim_group",
         [&] {
           std::string command;
           model::ClaimGroups::encode_create_consumer(command, "g", "c");
           return broker_->claim_groups().execute(*topic(), command).ok();
         }},
        {"remove_key",
         [&] {
           std::string command;
           model::Keyspace::encode_remove(command, "key");
           return broker_->keyspaces().execute(Space::less, "key", command).ok();
         }},
        {"commit_offsets", [&] { return commit_offset(6); }},
        {"remove_group", [&] { return broker_->groups().remove("offsets").ok(); }},
    };
  }
  bool settle(std::size_t index, Settlement how) {
    return broker_->queues().settle("q", holder, std::span(&taken_[index], 1), how).ok();
  }
  Topic* topic() { return broker_->topics().find("t"); }

  // What outsiders see of the state.
  std::string seen() {
    std::string text;
    for (const TopicFacts& facts : broker_->topics().list()) text += facts.name + " ";
    broker_->topics().state(*topic()).encode_state(text);
    text += std::to_string(Topics::settings(*topic()).retention_ms);
    for (const char* name : {"q", "other"}) {
      auto facts = broker_->queues().find(name);
      text +=
          " " + std::to_string(facts->ready_count) + "/" + std::to_string(facts->outstanding_count);
    }
    auto* entry = broker_->keyspaces().of("key").find("key", broker_->wall_now());
    text += entry ? entry->value.text() : "none";
    auto* group = broker_->claim_groups().of(*topic()).find("g");
    text += group && group->find_consumer("c") ? "consumer" : "";
    text += broker_->catalog().state().find("e") ? "exchange" : "";
    auto found = broker_->groups().find_offsets("offsets", std::nullopt);
    for (const auto& one : found.offsets) text += std::to_string(one.committed->offset.value);
    return text;
  }

  TestBroker broker_;
  std::vector<RecordId> ids_;
  std::vector<Sequence> taken_;
};

TEST_F(Refusal, AFullDiskRefusesWhatGrowsAndTakesWhatFrees) {
  bring(Trouble::full_disk);
  std::string before;
  broker_.round([&] { before = seen(); });
  for (const auto& [name, run] : growing()) {
    broker_.round([&, &run = run, &name = name] { EXPECT_FALSE(run()) << name; });
    broker_.round([&, &name = name] { EXPECT_EQ(seen(), before) << name; });
  }
  for (const auto& [name, run] : freeing()) {
    broker_.round([&, &run = run, &name = name] { EXPECT_TRUE(run()) << name; });
  }
  std::string after;
  broker_.round([&] { after = seen(); });
  EXPECT_NE(after, before);
}

TEST_F(Refusal, AUnitIsNotDoneByHalves) {
  // Its settlement alone would still have a place.
  bring(Trouble::full_disk);
  std::string before;
  broker_.round([&] { before = seen(); });
  Unit unit;
  Unit::Publication publication;
  publication.targets = {"t"};
  publication.value = "x";
  publication.envelope = "-1;k";
  unit.publications.push_back(publication);
  unit.settlings.push_back({"q", holder, {taken_[0]}, Settlement::complete});
  std::optional<UnitOutcome> outcome;
  broker_.round([&] {
    broker_->publisher().commit(std::move(unit),
                                [&](UnitOutcome told) { outcome = std::move(told); });
  });
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->status.error().code, Errc::no_space);
  broker_.round([&] { EXPECT_EQ(seen(), before); });
}

TEST_F(Refusal, AUnitIsWholeAlsoWhenTheDiskFillsInItsMiddle) {
  // Nothing more can be reserved, but a segment is in reserve; the unit's records lead into it.
  broker_.directory().set_capacity(0);
  constexpr std::size_t count = 7;
  std::size_t whole = 0;
  std::optional<UnitOutcome> outcome;
  while (broker_->writable() && whole < 100) {
    Unit unit;
    Unit::Publication publication;
    publication.targets = {"t"};
    publication.value = std::string(20'000, 'x');
    publication.envelope = "-1;k";
    unit.publications.assign(count, publication);
    outcome.reset();
    broker_.round([&] {
      broker_->publisher().commit(std::move(unit),
                                  [&](UnitOutcome told) { outcome = std::move(told); });
    });
    // Another thread syncs that much.
    for (int i = 0; i < 5000 && !outcome; ++i) broker_.run_for(std::chrono::milliseconds(1));
    ASSERT_TRUE(outcome.has_value());
    ASSERT_TRUE(outcome->status.ok()) << outcome->status.error().message;
    EXPECT_EQ(outcome->routed, std::vector<std::uint32_t>(count, 1));
    ++whole;
  }
  EXPECT_LT(whole, 100u);
  broker_.round(
      [&] { EXPECT_EQ(broker_->topics().state(*topic()).live_count(), 6 + whole * count); });
}

TEST_F(Refusal, NothingIsAppliedThatTheJournalDoesNotTake) {
  for (Trouble trouble : {Trouble::used_up, Trouble::failed}) {
    if (trouble == Trouble::failed) {
      broker_.directory().set_capacity(1ull << 40);
      broker_.crash();
      broker_.round([&] {
        for (Sequence& one : taken_) one = (*broker_->queues().take("q", holder, false))->sequence;
      });
    }
    bring(trouble);
    std::string before;
    broker_.round([&] { before = seen(); });
    Commands all = growing();
    all.merge(freeing());
    for (const auto& [name, run] : all) {
      broker_.round([&, &run = run, &name = name] { EXPECT_FALSE(run()) << name; });
      broker_.round([&, &name = name] { EXPECT_EQ(seen(), before) << name; });
    }
    broker_.faults().disarm();
  }
  // What was outstanding is ready again; all else is as it was acknowledged.
  broker_.directory().set_capacity(1ull << 40);
  broker_.crash();
  EXPECT_TRUE(broker_.report().damaged.empty());
  broker_.round([&] {
    EXPECT_EQ(broker_->queues().find("q")->ready_count, 6u);
    EXPECT_EQ(broker_->keyspaces().of("key").find("key", broker_->wall_now())->value.text(), "old");
  });
}

}  // namespace
}  // namespace trv::broker
