#include <map>
#include <utility>

#include "amqp/census.h"
#include "amqp/convert.h"
#include "amqp/management/management.h"
#include "amqp/reader.h"
#include "amqp/session.h"
#include "amqp/stream_queue.h"
#include "auth/directory.h"
#include "base/assert.h"
#include "broker/broker_test_support.h"
#include "stage.h"

namespace trv::amqp::golden {
namespace {

class Recorder final : public Output {
 public:
  void write(std::string_view bytes) override { bytes_.append(bytes); }
  void write(Slice slice) override { bytes_.append(slice.view()); }
  std::size_t unsent() const override { return 0; }
  void wait_drained() override {}
  void resume() override {}
  std::string take() { return std::exchange(bytes_, {}); }

 private:
  std::string bytes_;
};

struct Peer {
  Peer(Services& services, std::uint64_t id, const SessionOptions& options, bool loopback)
      : session(services, ConnectionId(id), output, options, loopback) {}
  Recorder output;
  Session session;
  std::string input;  // not looked at yet
  bool told_end = false;
};

class LocalStage final : public Stage {
 public:
  LocalStage() {
    options_.version = "0.0.0";
    broker_ = std::make_unique<broker::TestBroker>(&codec_);
    start();
  }
  ~LocalStage() override {
    broker_->round([&] { peers_.clear(); });
    management_.reset();
    readers_.reset();
  }

  void connect(const std::string& peer, bool loopback) override {
    broker_->round([&] {
      peers_.erase(peer);
      peers_[peer] = std::make_unique<Peer>(*services_, ++last_id_, options_, loopback);
    });
  }

  void hang_up(const std::string& peer) override {
    broker_->round([&] { peers_.erase(peer); });
  }

  void send(const std::string& peer, const std::string& bytes) override {
    peers_.at(peer)->input += bytes;
  }

  std::vector<Heard> listen(std::size_t) override {
    for (int i = 0; i < 3; ++i) settle();
    std::vector<Heard> all;
    for (const auto& [name, peer] : peers_) {
      const bool ended = peer->session.state() == Session::State::finished;
      all.push_back({name, peer->output.take(), ended && !std::exchange(peer->told_end, ended)});
    }
    return all;
  }

  void wait(int milliseconds) override {
    broker_->run_for(std::chrono::milliseconds(milliseconds));
  }

  void make_user(const UserLine& user) override {
    auth::PutUser put;
    put.user.name = user.name;
    put.user.hashing = auth::Hashing::sha256;
    put.user.hash = auth::hash_password(put.user.hashing, "salt", user.name);
    for (const auth::Command& command :
         {auth::Command(put),
          auth::Command(
              auth::SetRights{user.name, user.vhost, {user.configure, user.write, user.read}})}) {
      execute(command);
    }
  }

  void set_limit(const LimitLine& line) override {
    const auto scope = line.of_user ? auth::LimitScope::user : auth::LimitScope::vhost;
    const auto limit = line.limit == "max-connections" ? auth::Limit::connections
                       : line.limit == "max-channels"  ? auth::Limit::channels
                                                       : auth::Limit::queues;
    execute(auth::SetLimit{scope, line.of_user ? line.user : "/", limit, line.value});
  }

  void close_connection(const std::string& peer, const std::string& reason) override {
    broker_->round([&] {
      peers_.at(peer)->session.fail_connection(wire::MethodId{},
                                               {ReplyCode::connection_forced, reason});
    });
  }

  void make_vhost(const std::string& name) override {
    operate(broker::Operation::Verb::put_vhost, name, broker::OperationResult::Kind::created);
  }
  void delete_vhost(const std::string& name) override {
    operate(broker::Operation::Verb::delete_vhost, name, broker::OperationResult::Kind::done);
  }
  bool begin_to_delete(const std::string& name) override {
    auth::Vhost vhost = *(*broker_)->catalog().access()->find_vhost(name);
    vhost.state = auth::Vhost::State::leaving;
    execute(auth::PutVhost{vhost, ""});
    return true;
  }

  bool make_topic(const std::string& name) override {
    broker_->round([&] { TRV_ASSERT((*broker_)->topics().create(name, {}).ok()); });
    return true;
  }

  bool break_disk() override {
    broker_->faults().arm({io::Operation::sync, 0, Errc::io_error, 0, true});
    return true;
  }

  bool crash() override {
    broker_->round([&] { peers_.clear(); });
    management_.reset();
    readers_.reset();
    broker_->faults().disarm();
    broker_->crash();
    start();
    return true;
  }

 private:
  // What it waits for, and what is said meanwhile, comes in later rounds.
  void operate(broker::Operation::Verb verb, const std::string& name,
               broker::OperationResult::Kind expected) {
    bool done = false;
    broker_->round([&] {
      management_->run({verb, "guest", {{"name", name}}},
                       [&done, expected](const broker::OperationResult& result) {
                         TRV_ASSERT(result.kind == expected);
                         done = true;
                       });
    });
    for (int i = 0; i < 100 && !done; ++i) broker_->round([] {});
    TRV_ASSERT(done);
  }

  void execute(const auth::Command& command) {
    broker_->round([&] {
      (*broker_)->catalog().execute_access(
          auth::encode(command),
          [](const Result<broker::Durable>& done) { TRV_ASSERT(done.ok()); });
    });
  }

  void start() {
    readers_ = std::make_unique<StreamReaders>(**broker_);
    govern_streams((*broker_)->topics());
    census_ = std::make_unique<Census>(**broker_);
    services_ = std::make_unique<Services>(
        Services{**broker_, sessions_, {readers_.get()}, {&sessions_}, census_.get()});
    management_ = std::make_unique<Management>(*services_, options_);
  }

  void settle() {
    broker_->round([&] {
      for (const auto& [name, peer] : peers_) {
        if (!peer->session.waiting()) {
          peer->input.erase(0, peer->session.on_bytes(peer->input));
        }
      }
    });
  }

  AmqpCodec codec_;
  SessionOptions options_;
  Sessions sessions_;
  std::unique_ptr<broker::TestBroker> broker_;
  std::unique_ptr<StreamReaders> readers_;
  std::unique_ptr<Census> census_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<Management> management_;
  std::map<std::string, std::unique_ptr<Peer>> peers_;
  std::uint64_t last_id_ = 0;
};

}  // namespace

std::unique_ptr<Stage> make_local_stage() { return std::make_unique<LocalStage>(); }

}  // namespace trv::amqp::golden
