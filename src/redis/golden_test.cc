// Runs the conversations in tests/golden/redis against the handlers over a broker whose disk is in
// memory, without sockets. TRV_GOLDEN_REWRITE=1 writes what was answered into the files.
//
// - `# comment`: kept
// - `> COMMAND words`: sent; quotes and escapes as in an inline request
// - `+OK`: the reply, CRLF shown as line ends, bytes that are not text as \xNN
// - `! restart`: the broker stops and recovers
// - `! crash`: the same without stopping, and what was not synced is lost
// - `! bad disk`: no sync succeeds until the next crash
// - `! client NAME`: goes on as another client, new when the name is
// - `! gone NAME`: that client leaves
// - `! sleep`: 2 ms pass
// - `! late`: shows what came for the client since
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>

#include "broker/broker_test_support.h"
#include "redis/service.h"
#include "redis/wire/request_parser.h"

namespace trv::redis {
namespace {

// A client without a connection: replies are kept until they are asked for.
class GoldenClient final : public Client {
 public:
  explicit GoldenClient(Service& service) : service_(service) {
    session_.id = service.add_client(*this);
    service.accounts().begin(session_);
  }
  ~GoldenClient() override {
    for (const auto& name : session_.channels) service_.channels().unsubscribe(*this, name);
    for (const auto& name : session_.patterns) {
      service_.channels().unsubscribe_pattern(*this, name);
    }
    service_.waiters().cancel(session_.id);
    service_.forget_client(session_);
    service_.remove_client(session_.id);
  }

  Session& session() override { return session_; }
  ClientFacts facts() const override {
    ClientFacts facts;
    facts.peer_address = "peer:1";
    return facts;
  }
  bool is_near() const override { return true; }
  void push(const Slice& bytes) override { late_ += bytes.view(); }
  void push_behind(const Slice& bytes) override { late_ += bytes.view(); }
  std::uint64_t defer() override { return 1; }
  void fulfil(std::uint64_t, std::string bytes, broker::Commit commit) override {
    if (commit.round == 0) {
      out_ += bytes;
      return;
    }
    service_.broker().when_durable(commit,
                                   [this, bytes = std::move(bytes)](Result<broker::Durable> done) {
                                     out_ += done ? bytes : "-not durable\r\n";
                                   });
  }
  void on_durable(std::uint64_t, bool) override {}
  void resume() override {}
  bool unblock(bool) override { return false; }
  void await(std::uint64_t, CoreIndex, bool) override {}
  bool may_answer(UniqueFunction<void()>) override { return true; }
  void kill(bool) override { late_ += "killed\r\n"; }

  void send(std::span<const ByteView> args) {
    std::string out;
    ReplyWriter reply(out, session_.protocol);
    Denial denial;
    const Command* command = admit(service_.table(), session_, args, reply, denial);
    broker::Commit commit;
    if (denial) service_.accounts().note(caller(), denial, DenialLog::Context::toplevel);
    if (command) commit = run(*command, args, reply);
    end_command(session_, command);
    fulfil(0, std::move(out), commit);
  }
  // Replies, and behind them what came that is none.
  std::string take() { return std::exchange(out_, {}) + std::exchange(late_, {}); }

 private:
  Caller caller() const {
    return {session_.id,       service_.broker().core().index(),
            session_.protocol, session_.tracking.tracks(),
            "peer:1",          session_.account->name()};
  }

  broker::Commit run(const Command& command, std::span<const ByteView> args, ReplyWriter& reply) {
    const Caller caller = this->caller();
    if (command.where == Where::transaction && session_.transaction != TransactionState::none) {
      bool broken = session_.transaction == TransactionState::broken;
      auto queue = std::exchange(session_.queue, {});
      auto watched = std::exchange(session_.watched, {});
      session_.end_transaction();
      if (!broken) return service_.run_transaction(queue, watched, caller, reply, this);
      reply.error(text::exec_abort);
      return {};
    }
    Call call{service_, service_.broker(),           command, args, reply,
              caller,   service_.broker().wall_now()};
    call.session = &session_;
    call.client = this;
    service_.run(call);
    if (call.block) service_.block(call, 1);
    return call.waits ? call.commit : broker::Commit{};
  }

  Service& service_;
  Session session_;
  std::string out_;
  std::string late_;
};

// Values that differ from run to run.
std::string normalize(std::string text) {
  static const std::regex clock_id(R"(\b1[0-9]{12}-[0-9]+\b)");
  text = std::regex_replace(text, clock_id, "<id>");
  static const std::regex monitored(R"(\+1[0-9]{9}\.[0-9]{6} )");
  text = std::regex_replace(text, monitored, "+<time> ");
  static const std::regex usec(R"(usec=[0-9]+,usec_per_call=[0-9.]+)");
  text = std::regex_replace(text, usec, "usec=<us>,usec_per_call=<us>");
  static const std::regex counted(R"(\$[0-9]+\n# Commandstats)");
  text = std::regex_replace(text, counted, "$$<size>\n# Commandstats");
  // Else it would be taken for a comment.
  static const std::regex section(R"(\n# )");
  text = std::regex_replace(text, section, "\n(#) ");
  static const std::regex idle(R"(((idle|inactive)\n):\d+)");
  return std::regex_replace(text, idle, "$1:<ms>");
}

std::string show(const std::string& bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    char c = bytes[i];
    if (c == '\r' && i + 1 < bytes.size() && bytes[i + 1] == '\n') continue;
    if (c == '\n' || (c >= ' ' && c <= '~')) {
      text += c;
    } else {
      constexpr char hex[] = "0123456789abcdef";
      text += "\\x";
      text += hex[static_cast<unsigned char>(c) >> 4];
      text += hex[c & 15];
    }
  }
  return normalize(std::move(text));
}

class Conversation {
 public:
  Conversation() { start(); }

  std::string run(std::istream& script) {
    std::string out;
    std::string line;
    while (std::getline(script, line)) {
      if (line.starts_with("> ")) {
        out += line + "\n";
        send(line.substr(2));
        out += show(client().take());
      } else if (line.starts_with("! ")) {
        out += line + "\n";
        direct(line.substr(2), out);
      } else if (line.starts_with("#")) {
        out += line + "\n";
      }
    }
    return out;
  }

 private:
  void start() {
    ServiceSettings settings;
    settings.port = 6379;
    service_ = std::make_unique<Service>(*broker_, settings);
    service_->connect({service_.get()});
    name_ = "first";
  }
  GoldenClient& client() {
    auto& client = clients_[name_];
    if (!client) client = std::make_unique<GoldenClient>(*service_);
    return *client;
  }
  void send(const std::string& line) {
    RequestParser parser;
    std::string input = line + "\n";
    broker_.round([&] {
      if (parser.next(input, true) == RequestParser::Outcome::request) client().send(parser.args());
    });
  }
  void direct(const std::string& what, std::string& out) {
    if (what == "bad disk") {
      broker_.faults().arm({io::Operation::sync, 0, Errc::io_error, 0, true});
    } else if (what == "restart" || what == "crash") {
      broker_.faults().disarm();
      clients_.clear();
      service_.reset();
      if (what == "restart") {
        broker_.restart();
      } else {
        broker_.crash();
      }
      start();
    } else if (what.starts_with("client ")) {
      name_ = what.substr(7);
    } else if (what.starts_with("gone ")) {
      clients_.erase(what.substr(5));
    } else if (what == "sleep") {
      broker_.run_for(std::chrono::milliseconds(2));
    } else if (what == "late") {
      broker_.round([] {});
      out += show(client().take());
    } else {
      out += "unknown directive\n";
    }
  }

  broker::TestBroker broker_;
  std::unique_ptr<Service> service_;
  std::map<std::string, std::unique_ptr<GoldenClient>> clients_;
  std::string name_;
};

TEST(RedisGolden, Conversations) {
  bool rewrite = std::getenv("TRV_GOLDEN_REWRITE") != nullptr;
  int files = 0;
  for (const auto& file : std::filesystem::directory_iterator(TRV_REDIS_GOLDEN_DIR)) {
    if (file.path().extension() != ".txt") continue;
    ++files;
    std::ifstream in(file.path());
    std::stringstream wanted;
    wanted << in.rdbuf();
    std::string got = Conversation().run(wanted);
    if (rewrite) {
      std::ofstream(file.path()) << got;
    } else {
      EXPECT_EQ(got, wanted.str()) << file.path();
    }
  }
  EXPECT_GE(files, 5);
}

}  // namespace
}  // namespace trv::redis
