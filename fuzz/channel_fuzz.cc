// The AMQP sessions of two clients over one broker in memory, under programs of frames: what they
// declare, publish, consume, settle and close, in any order, in one reading or in several, and
// whatever else may come in their place. The Witness of each holds the server to the protocol; and
// when both have gone, nothing of theirs is left in any queue.
//
// The broker stays from one input to the next, without what was made in it, and is made anew now
// and then: what names and numbers it has given does not show.
#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "amqp/census.h"
#include "amqp/convert.h"
#include "amqp/reader.h"
#include "amqp/session.h"
#include "amqp/stream_queue.h"
#include "base/assert.h"
#include "broker/broker_test_support.h"
#include "channel_program.h"
#include "channel_witness.h"

namespace {

using namespace trv;
using namespace trv::amqp;
using fuzz::Program;
using fuzz::Saying;
using fuzz::Witness;

constexpr int steps_max = 60;
// What takes longer will not end. (A journal file that is full waits for the next one, which
// another thread prepares.)
constexpr std::chrono::seconds settling_max{3};
// What nobody waits for may come so much later.
constexpr int quiet_rounds_max = 4;

class Peer final : public Output {
 public:
  Peer(Services& services, std::uint64_t id, const SessionOptions& options, bool greeted)
      : witness(greeted), session(services, ConnectionId(id), *this, options, true) {
    if (greeted) session.open_directly("guest", "/");
  }
  void write(std::string_view bytes) override { heard_ += bytes; }
  void write(Slice slice) override { heard_ += slice.view(); }
  std::size_t unsent() const override { return full_ ? std::size_t{1} << 30 : 0; }
  void wait_drained() override { drain_asked_ = true; }
  void resume() override {}

  void say(const std::string& bytes) {
    if (session.state() == Session::State::finished) return;
    input_ += bytes;
    witness.hear_client(bytes);
  }
  // Result: whether anything happened.
  bool run() {
    bool moved = false;
    if (!session.waiting() && !input_.empty()) {
      const std::string bytes = std::exchange(input_, {});
      const std::size_t taken = session.on_bytes(bytes);
      moved = taken > 0;
      input_.insert(0, bytes, taken);
    }
    moved |= !heard_.empty() || session.waiting();
    witness.hear_server(std::exchange(heard_, {}), session.frame_max());
    // Much that is published at once becomes durable on another thread.
    return moved || witness.awaits_confirms();
  }
  // The client takes nothing for a while.
  void fill(bool full) {
    full_ = full;
    if (!full_ && std::exchange(drain_asked_, false)) session.on_drained();
  }

  Witness witness;
  Session session;

 private:
  std::string input_;  // not looked at yet
  std::string heard_;
  bool full_ = false;
  bool drain_asked_ = false;
};

class Stage {
 public:
  Stage() {
    options_.version = "0.0.0";
    options_.frame_max = 4096;
    broker_ = std::make_unique<broker::TestBroker>(&codec_);
    readers_ = std::make_unique<StreamReaders>(**broker_);
    govern_streams((*broker_)->topics());
    census_ = std::make_unique<Census>(**broker_);
    services_ = std::make_unique<Services>(
        Services{**broker_, sessions_, {readers_.get()}, {&sessions_}, census_.get()});
    exchanges_at_first_ = (*broker_)->catalog().state().exchanges().size();
  }
  ~Stage() { readers_.reset(); }

  void run(Program& program) {
    const std::uint8_t how = program.byte();
    connect(0, (how & 1) == 0);
    connect(1, (how & 2) == 0);
    for (int steps = 0; steps < steps_max && !program.at_end(); ++steps) step(program);
    run_there([&] {
      for (auto& peer : peers_) peer->fill(false);
    });
    settle();
    run_there([&] {
      for (auto& peer : peers_) peer.reset();
    });
    settle();
    clear();
  }

 private:
  enum Step : std::uint8_t { settling, answering, leaving, filling, waiting, saying };

  void step(Program& program) {
    const std::uint8_t what = program.byte();
    const std::uint8_t where = program.byte();
    Peer& peer = *peers_[where & 1];
    const auto channel = static_cast<std::uint16_t>(1 + (where >> 1 & 3) % 3);
    const auto flags = static_cast<std::uint8_t>(where >> 3);
    const std::size_t kind = what % (saying + static_cast<std::size_t>(Saying::count_));
    switch (kind) {
      case settling:
        settle();
        break;
      case answering:
        settle();
        go_on(where & 1, flags);
        break;
      case leaving:
        run_there([&] { peers_[where & 1].reset(); });
        connect(where & 1, (flags & 1) == 0);
        break;
      case filling:
        run_there([&] { peer.fill((flags & 1) != 0); });
        break;
      case waiting:
        settle();
        if (!std::exchange(waited_, true)) broker_->run_for(std::chrono::milliseconds(1));
        break;
      default: {
        std::string bytes;
        fuzz::say(bytes, static_cast<Saying>(kind - saying), channel, flags, program);
        peer.say(bytes);
      }
    }
  }

  // As a client does whose channel or connection was closed, when it wants to go on.
  void go_on(std::size_t index, std::uint8_t flags) {
    Peer& peer = *peers_[index];
    if (peer.witness.ended()) {
      std::string answer;
      wire::write_method_frame(answer, 0, wire::ConnectionCloseOk{});
      peer.say(answer);
      settle();
      run_there([&] { peers_[index].reset(); });
      connect(index, true);
      return;
    }
    std::string bytes;
    for (std::uint16_t channel = 1; channel <= 3; ++channel) {
      if (peer.witness.is_closed_by_server(channel)) {
        wire::write_method_frame(bytes, channel, wire::ChannelCloseOk{});
      } else if (peer.witness.is_open(channel)) {
        continue;
      }
      if ((flags >> channel & 1) == 0) {
        wire::write_method_frame(bytes, channel, wire::ChannelOpen{});
      }
    }
    peer.say(bytes);
  }

  void connect(std::size_t index, bool greeted) {
    run_there(
        [&] { peers_[index] = std::make_unique<Peer>(*services_, ++last_id_, options_, greeted); });
  }

  // On the core's thread, as everything that touches the sessions.
  void run_there(const std::function<void()>& work) {
    runtime::Core& core = (*broker_)->core();
    core.post([&] {
      work();
      core.stop();
    });
    core.run();
  }

  // Until nothing happens any more.
  void settle() {
    runtime::Core& core = (*broker_)->core();
    core.post([this, end = std::chrono::steady_clock::now() + settling_max] { pump(end, 0); });
    core.run();
    for (auto& peer : peers_) {
      if (peer) peer->witness.check_settled();
    }
  }
  void pump(runtime::SteadyTime end, int quiet_rounds) {
    bool moved = false;
    for (auto& peer : peers_) moved |= peer && peer->run();
    if (sessions_.count() == 0) moved = is_something_outstanding();
    quiet_rounds = moved ? 0 : quiet_rounds + 1;
    runtime::Core& core = (*broker_)->core();
    if (quiet_rounds == quiet_rounds_max) return core.stop();
    TRV_ASSERT(core.now() < end);
    core.post([this, end, quiet_rounds] { pump(end, quiet_rounds); });
  }

  // Nobody is there any more: what is left belongs to nobody, and goes.
  void clear() {
    run_there([this] {
      TRV_ASSERT(services_->assembling_bytes == 0);
      TRV_ASSERT(sessions_.count() == 0);
      remove_queues();
    });
    settle();
    run_there([this] { remove_topics(); });
    settle();
    const model::Router& router = (*broker_)->catalog().state();
    TRV_ASSERT(router.bindings().empty());
    TRV_ASSERT(router.exchanges().size() == exchanges_at_first_);
    waited_ = false;
  }
  // What waits until its dead letter has arrived is so for a moment, or stays with its queue.
  bool is_something_outstanding() {
    for (const broker::QueueFacts& queue : (*broker_)->queues().list()) {
      if (queue.outstanding_count > 0 && !queue.settings.dead_letters_stay.value_or(false))
        return true;
    }
    return false;
  }
  void remove_queues() {
    broker::Queues& queues = (*broker_)->queues();
    for (const broker::QueueFacts& queue : queues.list()) {
      TRV_ASSERT(queue.consumer_count == 0);
      TRV_ASSERT(!queue.settings.exclusive);
      // One that reads another's log has gone with it.
      const auto removed = queues.remove(queue.name, {});
      TRV_ASSERT(removed.ok() || removed.error().code == Errc::not_found);
    }
  }
  void remove_topics() {
    broker::Topics& topics = (*broker_)->topics();
    for (const broker::TopicFacts& topic : topics.list()) {
      TRV_ASSERT(topics.remove(topic.name).ok());
    }
    // From a copy: each change is one of what is looked at.
    const model::Router router = (*broker_)->catalog().state();
    for (const model::Binding& binding : router.bindings()) execute(model::Unbind{binding});
    for (const model::Exchange* exchange : router.exchanges()) {
      const bool is_first = exchange->name.empty() || exchange->name.starts_with("amq.");
      if (!is_first) execute(model::DeleteExchange{exchange->name});
    }
  }
  void execute(const model::RouterCommand& command) {
    (*broker_)->catalog().execute(
        model::encode(command), [](const Result<broker::Durable>& done) { TRV_ASSERT(done.ok()); });
  }

  AmqpCodec codec_;
  SessionOptions options_;
  Sessions sessions_;
  std::unique_ptr<broker::TestBroker> broker_;
  std::unique_ptr<StreamReaders> readers_;
  std::unique_ptr<Census> census_;
  std::unique_ptr<Services> services_;
  std::array<std::unique_ptr<Peer>, 2> peers_;
  std::uint64_t last_id_ = 0;
  std::size_t exchanges_at_first_ = 0;
  bool waited_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fuzz::Stages<Stage> stages;
  stages.run(data, size);
  return 0;
}
