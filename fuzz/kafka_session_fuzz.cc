// The Kafka sessions of three clients over one broker in memory, under programs of requests of most
// kinds: topics come, grow, change and go, batches of all codecs, good and bad ones, are produced,
// fetched and deleted, transactions begin and end, members of the three kinds of groups join,
// commit, acquire and leave; meanwhile time passes, the compactor runs, reads of the disk come
// late, clients vanish, and the broker is stopped or killed and comes back. The KafkaWitness holds
// it to the protocol, and an inspector looks again and again at whether all is there that was said.
//
// The broker stays for some inputs, whose names differ, and is made anew then. Its clocks are
// moved.
#include <array>
#include <chrono>
#include <ctime>
#include <functional>
#include <memory>
#include <string>

#include "base/assert.h"
#include "base/log.h"
#include "broker/broker_test_support.h"
#include "kafka/service.h"
#include "kafka_inspector.h"
#include "kafka_peer.h"
#include "runtime/test_time.h"

namespace {

using namespace trv;
using namespace trv::fuzz;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr int steps_max = 60;
// What takes more of the processor's time will not end; the machine may be busy with something
// else.
constexpr std::clock_t settling_max = 3 * CLOCKS_PER_SEC;
constexpr int quiet_rounds_max = 3;
// What somebody may wait for takes no longer: a fetch, and a round of a group.
constexpr seconds waiting_max{61};

constexpr std::array<milliseconds, 10> durations{
    milliseconds(10),    milliseconds(150), milliseconds(3100), milliseconds(5100), seconds(11),
    milliseconds(16000), seconds(31),       waiting_max,        minutes(16),        hours(24 * 8)};

class Stage {
 public:
  Stage() {
    runtime::test_set_time_passed({});
    broker_ = std::make_unique<broker::TestBroker>();
    open();
  }
  ~Stage() { close_in_order(); }

  void run(Program& program) {
    begin(program.byte());
    for (int steps = 0; steps < steps_max && !program.at_end(); ++steps) step(program);
    end();
  }

 private:
  enum Step : std::uint8_t {
    settling,
    passing,
    looking,
    leaving,
    compacting,
    restarting,
    crashing,
    reading,
    checkpointing,
    gibberish,
    asking
  };

  // --- one input
  // ----------------------------------------------------------------------------------

  void begin(std::uint8_t how) {
    const std::string mark = "-" + std::to_string(++inputs_);
    facts_ = {};
    for (std::size_t i = 0; i < facts_.topics.size(); ++i) {
      facts_.topics[i] = "t" + std::to_string(i) + mark;
    }
    for (std::size_t i = 0; i < facts_.groups.size(); ++i) {
      facts_.groups[i] = "g" + std::to_string(i) + mark;
    }
    facts_.producers[2].transactional_id = "x0" + mark;
    facts_.producers[3].transactional_id = "x1" + mark;
    witness_ = std::make_unique<KafkaWitness>(facts_);
    passed_here_ = {};
    tell_time();
    connect();
    // What most programs would have to begin with.
    constexpr std::size_t create_topics = 5;
    constexpr std::size_t alter_configs = 9;
    constexpr std::size_t init_producer_id = 11;
    const auto ask_first = [&](std::size_t kind, const auto& octets) {
      Program program(octets.data(), octets.size());
      peers_[0]->ask(pick_request(kind, 0, program, facts_));
    };
    ask_first(create_topics, std::array<std::uint8_t, 3>{0, 0, 1});
    ask_first(create_topics,
              std::array<std::uint8_t, 5>{0, 1, static_cast<std::uint8_t>(how % 3 * 64),
                                          static_cast<std::uint8_t>(how / 3),
                                          static_cast<std::uint8_t>(how / 7)});
    ask_first(init_producer_id, std::array<std::uint8_t, 2>{0, 0});
    ask_first(init_producer_id, std::array<std::uint8_t, 2>{0, 2});
    ask_first(init_producer_id, std::array<std::uint8_t, 2>{0, 3});
    // Share groups read from the beginning.
    ask_first(alter_configs, std::array<std::uint8_t, 2>{0, 0});
    settle();
  }

  void step(Program& program) {
    const std::uint8_t what = program.byte();
    const std::size_t peer = what / 64 % peers_max;
    // Three of four steps ask something.
    const std::size_t kind = what % 64;
    if (kind >= asking) {
      peers_[peer]->ask(pick_request((kind - asking) % asking_count(), peer, program, facts_));
      round();
      return;
    }
    switch (static_cast<Step>(kind)) {
      case settling:
        return settle();
      case passing:
        return pass(program.pick(durations));
      case looking:
        return look();
      case leaving:
        run_there([&] { peers_[peer].reset(); });
        return connect();
      case compacting:
        run_reads();
        return broker_->clean();
      case restarting:
        return what < 128 ? settle() : restart(program.byte());
      case crashing:
        return what < 128 ? settle() : restart(255);
      case reading:
        if (broker_->read_count() > 0) broker_->run_read();
        return;
      case checkpointing:
        run_reads();
        return peer == 0 ? broker_->checkpoint() : broker_->free_space();
      case gibberish:
        // Rarely, since little is judged after it.
        return what < 192 ? look() : say_gibberish(program, peer);
      case asking:
        return;
    }
  }

  // A request with some octets changed, or octets as they are.
  void say_gibberish(Program& program, std::size_t peer) {
    const std::uint8_t how = program.byte();
    if (how >= 224) {
      peers_[peer]->ask_gibberish(std::string(program.bytes(program.below(64))));
    } else {
      const Asked asked = pick_request(how % asking_count(), peer, program, facts_);
      std::string frame = encode_request(*asked.api, asked.version, -1, asked.request);
      for (int changes = 1 + how / 64; changes > 0; --changes) {
        const std::size_t place = program.byte() * 256u + program.byte();
        const auto octet = static_cast<char>(program.byte());
        if (how % 8 == 7) {
          frame.resize(place % frame.size());
          if (frame.empty()) frame = "x";
        } else {
          frame[place % frame.size()] = octet;
        }
      }
      peers_[peer]->ask_gibberish(std::move(frame));
    }
    round();
  }

  void end() {
    settle();
    look();
    // Nobody waits for ever.
    for (int i = 0; i < 3; ++i) pass(waiting_max);
    settle();
    for (const auto& peer : peers_) TRV_ASSERT(!peer->waits());
    look();
    run_there([&] {
      for (auto& peer : peers_) peer.reset();
    });
    pass(minutes(16));
    // Also those that gibberish has named.
    std::vector<std::string> topics;
    for (const auto& topic : (*broker_)->topics().list()) topics.push_back(topic.name);
    inspector_->remove(facts_, topics);
    run_there([&] { TRV_ASSERT((*broker_)->topics().list().empty()); });
    witness_.reset();
  }

  // --- the broker and its clients
  // -----------------------------------------------------------------

  void open() {
    service_ = std::make_unique<kafka::Service>(**broker_, kafka::Options{});
    inspector_ = std::make_unique<KafkaInspector>(
        *service_, ConnectionId(++last_id_),
        [this](const std::function<bool()>& done) { settle_until(done); });
  }
  void close() {
    run_there([&] {
      for (auto& peer : peers_) peer.reset();
      inspector_.reset();
    });
  }
  // What waits for the disk comes back to the service, which outlives it.
  void close_in_order() {
    close();
    bool durable = false;
    run_there([&] {
      (*broker_)->when_durable({(*broker_)->tail().round, Durability::fsync},
                               [&durable](const Result<broker::Durable>&) { durable = true; });
    });
    while (!durable) broker_->run_for(milliseconds(1));
    run_reads();
    service_.reset();
  }
  void connect() {
    run_there([&] {
      for (std::size_t i = 0; i < peers_.size(); ++i) {
        if (peers_[i]) continue;
        facts_.fetch_sessions[i] = {};
        for (Member& member : facts_.members[i]) {
          member.share_session_epoch = 0;
          member.acquired.clear();
        }
        peers_[i] =
            std::make_unique<KafkaPeer>(*service_, ConnectionId(++last_id_), i, facts_, *witness_);
      }
    });
  }
  void restart(std::uint8_t how) {
    run_reads();
    if (how % 4 != 0) settle();
    if (how == 255) {
      close();
      service_.reset();
      broker_->crash();
    } else {
      close_in_order();
      if (how % 2 == 0) broker_->restart_cold();
      if (how % 2 != 0) broker_->restart();
    }
    witness_->groups.on_restart();
    open();
    connect();
    look();
  }

  void tell_time() {
    facts_.now_ms = (*broker_)->core().wall_now().ms;
    witness_->groups.on_time_passed(facts_.now_ms);
  }
  void move_clocks(milliseconds duration) {
    passed_ += duration;
    passed_here_ += duration;
    if (passed_here_ >= milliseconds(500)) witness_->logs.on_some_time();
    if (passed_here_ > hours(20)) witness_->logs.on_long_time();
    if (passed_here_ > hours(24 * 6)) witness_->groups.on_long_time();
    runtime::test_set_time_passed(passed_);
    // Locks may end from now on.
    tell_time();
    broker_->run_for(milliseconds(1));
    tell_time();
  }
  void pass(milliseconds duration) {
    move_clocks(duration);
    round();
  }

  void run_there(const std::function<void()>& work) { broker_->round(work); }
  // Result: whether anything happened.
  bool round() {
    bool moved = false;
    bool ended = false;
    run_there([&] {
      for (auto& peer : peers_) {
        if (!peer) continue;
        moved |= peer->run();
        if (!peer->ended()) continue;
        ended = true;
        peer.reset();
      }
    });
    if (ended) connect();
    return moved;
  }
  void run_reads() {
    while (broker_->read_count() > 0) broker_->run_read();
  }

  void settle() {
    int quiet_rounds = 0;
    settle_until([&] {
      bool moved = broker_->read_count() > 0;
      for (auto& peer : peers_) {
        if (peer) moved |= peer->run() || peer->is_due();
      }
      quiet_rounds = moved ? 0 : quiet_rounds + 1;
      return quiet_rounds >= quiet_rounds_max;
    });
    round();
  }
  // `done` is asked on the core's thread.
  void settle_until(const std::function<bool()>& done) {
    const std::clock_t end = std::clock() + settling_max;
    for (int rounds = 0;; ++rounds) {
      bool is_done = false;
      run_there([&] { is_done = done(); });
      if (is_done) return;
      TRV_ASSERT(std::clock() < end);
      run_reads();
      // What is tried again after a while, or runs on another thread.
      if (rounds % 32 == 31) move_clocks(milliseconds(50));
    }
  }

  void look() {
    settle();
    inspector_->look(facts_, *witness_);
  }

  std::unique_ptr<broker::TestBroker> broker_;
  std::unique_ptr<kafka::Service> service_;
  std::unique_ptr<KafkaInspector> inspector_;
  KafkaFacts facts_;
  std::unique_ptr<KafkaWitness> witness_;
  std::array<std::unique_ptr<KafkaPeer>, peers_max> peers_;
  std::uint64_t last_id_ = 0;
  std::uint64_t inputs_ = 0;
  milliseconds passed_{0};
  milliseconds passed_here_{0};
};

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  // Transactions that time out are nothing to tell of.
  trv::log::set_level(trv::log::Level::error);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fuzz::Stages<Stage, 50> stages;
  stages.run(data, size);
  return 0;
}
