// The Redis connections of two clients over one broker in memory, under programs of requests: any
// command with arguments that mean something to many, transactions, scripts, subscriptions, blocked
// readers, either protocol, several requests in one reading or none whole. The RedisWitness of each
// holds the server to the protocol; a third client asks whether what is there is what it says it
// is; and when all is flushed, nothing is left and nothing is counted.
//
// The broker stays from one input to the next, empty, and is made anew now and then.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/assert.h"
#include "broker/broker_test_support.h"
#include "broker/keyspaces.h"
#include "redis/connection.h"
#include "redis/service.h"
#include "redis_program.h"
#include "redis_witness.h"
#include "runtime/stream.h"

namespace {

using namespace trv;
using namespace trv::redis;
using fuzz::Program;
using fuzz::RedisProgram;
using fuzz::RedisWitness;
using fuzz::Reply;
using fuzz::Words;

constexpr int steps_max = 60;
// What takes longer will not end. (A journal file that is full waits for the next one, which
// another thread prepares.)
constexpr std::chrono::seconds settling_max{3};
// What nobody waits for may come so much later.
constexpr int quiet_rounds_max = 4;

class Peer {
 public:
  explicit Peer(Service& service) {
    int ends[2];
    TRV_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    socket_ = ends[0];
    auto stream = runtime::Stream::adopt(service.broker().core(), ends[1]);
    TRV_ASSERT(stream.ok());
    connection_ = std::make_unique<Connection>(service, std::move(*stream));
    id_ = connection_->session().id;
    service.broker().core().spawn(serve());
  }
  ~Peer() {
    TRV_ASSERT(!connection_);
    hang_up();
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void hang_up() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }
  bool gone() const { return !connection_; }
  ConnectionId id() const { return id_; }

  void send(ByteView bytes) { output_ += bytes; }
  // Result: whether anything happened.
  bool run() {
    if (socket_ < 0) return !gone();
    bool moved = false;
    if (!output_.empty()) {
      const auto sent = ::send(socket_, output_.data(), output_.size(), MSG_NOSIGNAL);
      moved = sent > 0;
      if (sent > 0) output_.erase(0, static_cast<std::size_t>(sent));
    }
    char buffer[16384];
    const auto got = ::recv(socket_, buffer, sizeof buffer, 0);
    if (got > 0) hear(ByteView(buffer, static_cast<std::size_t>(got)));
    if (got == 0) {
      hang_up();
      if (!asks_) witness.hear_end();
    }
    return moved || got > 0 || (!asks_ && witness.waits()) || (asks_ && answers_due_ > 0);
  }

  // For who looks at the answers.
  void ask(const Words& words) {
    asks_ = true;
    ++answers_due_;
    send(fuzz::encode_request(words));
  }
  bool answered() const { return answers_due_ == 0; }
  std::vector<Reply> take_answers() { return std::exchange(answers_, {}); }

  RedisWitness witness;

 private:
  void hear(ByteView bytes) {
    if (!asks_) return witness.hear_server(bytes);
    heard_ += bytes;
    ByteView rest = heard_;
    for (;;) {
      ByteView after = rest;
      Reply reply;
      if (!fuzz::take_reply(after, reply)) break;
      rest = after;
      answers_.push_back(std::move(reply));
      --answers_due_;
    }
    heard_ = std::string(rest);
  }
  runtime::Task<> serve() {
    co_await connection_->run();
    connection_.reset();
  }

  int socket_ = -1;
  std::unique_ptr<Connection> connection_;  // null when it has ended
  ConnectionId id_;
  std::string output_;  // not taken yet
  bool asks_ = false;
  int answers_due_ = 0;
  std::string heard_;
  std::vector<Reply> answers_;
};

ServiceSettings settings() {
  ServiceSettings settings;
  settings.port = 6379;
  settings.script_time_max = std::chrono::milliseconds(50);
  settings.bulk_size_max = 1 << 20;
  settings.key_events = key_event::parse("KEA").value_or(0);
  return settings;
}

class Stage {
 public:
  Stage() : service_(*broker_, settings()), requests_(service_.table()) {
    service_.connect({&service_});
    run_there([this] { inspector_ = std::make_unique<Peer>(service_); });
  }
  ~Stage() { leave(inspector_); }

  void run(Program& program) {
    run_there([this] {
      for (auto& peer : peers_) peer = std::make_unique<Peer>(service_);
    });
    for (int steps = 0; steps < steps_max && !program.at_end(); ++steps) step(program);
    settle();
    run_there([this] {
      for (auto& peer : peers_) peer->hang_up();
    });
    for (auto& peer : peers_) leave(peer);
    TRV_ASSERT(service_.waiters().size() == 0);
    TRV_ASSERT(service_.channels().channels().empty());
    TRV_ASSERT(service_.channels().patterns().empty());
    check_keys();
    clear();
    waited_ = false;
  }

 private:
  void step(Program& program) {
    const std::uint8_t what = program.byte();
    const std::size_t index = what >> 7;
    switch (what & 15) {
      case 0:
        settle();
        break;
      case 1:
        leave(peers_[index]);
        run_there([&] { peers_[index] = std::make_unique<Peer>(service_); });
        break;
      case 2:
        unblock(index, (what & 16) != 0);
        break;
      case 3:
        settle();
        if (!std::exchange(waited_, true)) broker_.run_for(std::chrono::milliseconds(2));
        break;
      case 4:
        peers_[index]->witness.hear_gibberish();
        peers_[index]->send(program.bytes(program.below(64)));
        break;
      case 5:
        ask(*peers_[index], {"hello", (what & 16) != 0 ? "3" : "2"});
        break;
      case 6:
        ask(*peers_[index], {(what & 16) != 0 ? "multi" : "exec"});
        break;
      default:
        ask(*peers_[index], requests_.pick_request(program));
    }
  }

  void ask(Peer& peer, const Words& request) {
    const Command* command = requests_.find_allowed(request);
    if (!command) return;
    RedisWitness::Asked asked;
    asked.command = command->name;
    asked.blocking = command->has(flag::blocking);
    if (command->has(flag::pubsub) && command->has(flag::subscriber)) {
      // As with Redis, confirmations inside the answer of a transaction are more than it says.
      if (peer.witness.queueing()) return;
      asked.of_all = request.size() == 1;
      asked.confirmations = std::max<std::size_t>(request.size() - 1, 1);
    }
    peer.witness.hear_client(std::move(asked));
    peer.send(fuzz::encode_request(request));
  }

  // On the core's thread, as everything that touches the connections.
  void run_there(const std::function<void()>& work) {
    runtime::Core& core = broker_->core();
    core.post([&] {
      work();
      core.stop();
    });
    core.run();
  }

  void leave(std::unique_ptr<Peer>& peer) {
    pump_until([&] {
      peer->hang_up();
      return peer->gone();
    });
    peer.reset();
  }
  void unblock(std::size_t index, bool with_error) {
    settle();
    inspector_->ask({"client", "unblock", std::to_string(peers_[index]->id().value),
                     with_error ? "error" : "timeout"});
    settle();
    inspector_->take_answers();
  }

  // Until nothing happens any more.
  void settle() {
    int quiet_rounds = 0;
    pump_until([&] {
      bool moved = inspector_->run();
      for (auto& peer : peers_) moved |= peer && peer->run();
      quiet_rounds = moved ? 0 : quiet_rounds + 1;
      return quiet_rounds >= quiet_rounds_max;
    });
    for (auto& peer : peers_) {
      if (peer) peer->witness.check_settled();
    }
  }
  void pump_until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + settling_max;
    runtime::Core& core = broker_->core();
    core.post([&] { pump(done, end); });
    core.run();
  }
  void pump(const std::function<bool()>& done, runtime::SteadyTime end) {
    runtime::Core& core = broker_->core();
    if (done()) return core.stop();
    TRV_ASSERT(core.now() < end);
    core.post([this, &done, end] { pump(done, end); });
  }

  std::vector<Reply> inspect(const std::vector<Words>& requests) {
    for (const Words& request : requests) inspector_->ask(request);
    pump_until([this] {
      inspector_->run();
      return inspector_->answered();
    });
    std::vector<Reply> answers = inspector_->take_answers();
    TRV_ASSERT(answers.size() == requests.size());
    return answers;
  }

  // A key may expire at any moment.
  void check_keys() {
    const auto known = inspect({{"keys", "*"}, {"dbsize"}});
    TRV_ASSERT(known[0].kind == '*');
    TRV_ASSERT(known[1].number >= known[0].number);
    std::vector<Words> questions;
    for (const Reply& key : known[0].items) {
      for (const char* command : {"type", "strlen", "llen", "hlen", "scard", "zcard", "xlen"}) {
        questions.push_back({command, key.text});
      }
    }
    if (questions.empty()) return;
    const auto answers = inspect(questions);
    static constexpr std::array<std::string_view, 6> types{"string", "list", "hash",
                                                           "set",    "zset", "stream"};
    for (std::size_t i = 0; i < answers.size(); i += 1 + types.size()) {
      const std::string& type = answers[i].text;
      for (std::size_t j = 0; j < types.size(); ++j) {
        const Reply& size = answers[i + 1 + j];
        if (size.kind == ':' && size.number == 0) continue;
        TRV_ASSERT((size.kind == ':') == (type == types[j]));
        TRV_ASSERT(size.kind == ':' || size.text.starts_with("WRONGTYPE "));
      }
      // Only strings and streams may be empty.
      for (std::size_t j = 1; j + 1 < types.size(); ++j) {
        const bool expired = answers[i + types.size()].number == 0 && answers[i + 2].kind == ':';
        if (type == types[j] && !expired) TRV_ASSERT(answers[i + 1 + j].number > 0);
      }
    }
  }

  void clear() {
    const auto cleared = inspect({{"flushall"}, {"dbsize"}});
    TRV_ASSERT(cleared[0].text == "OK");
    TRV_ASSERT(cleared[1].number == 0);
    run_there([this] {
      broker_->keyspaces().each([](model::Keyspace& keyspace) {
        TRV_ASSERT(keyspace.size() == 0);
        TRV_ASSERT(keyspace.byte_size() == 0);
      });
      TRV_ASSERT(broker_->topics().list().empty());
    });
  }

  broker::TestBroker broker_;
  Service service_;
  RedisProgram requests_;
  std::unique_ptr<Peer> inspector_;
  std::array<std::unique_ptr<Peer>, 2> peers_;
  bool waited_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fuzz::Stages<Stage> stages;
  stages.run(data, size);
  return 0;
}
