// Plays conversations between clients and the AMQP front-end, over a broker on a disk in memory,
// and compares what is answered with what the files say. With --rewrite the files get what was
// answered.
//
// A file is a list of lines; each file starts with an empty broker:
//   # a comment
//   connect A [remote]       a new connection (of a peer that is not on this machine)
//   open A                   the same, and its handshake and channel 1, unseen
//   A> header 41 4d 51 50 .. bytes in hex
//   A> 1 queue.declare ...   a method on channel 1 (text.h)
//   A> 1 content 5 delivery_mode=2    a content header: body size and properties
//   A> 1 body "hello"        a body frame
//   A> hangup                the socket breaks
//   wait 30                  milliseconds
//   bad disk                 no sync succeeds from here on
//   crash                    the broker dies and comes back with what was synced, on a good disk
//   topic T                  makes a log that is no queue
//   A< ...                   what the server sends: written by --rewrite
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

#include "amqp/convert.h"
#include "amqp/reader.h"
#include "amqp/session.h"
#include "broker/broker_test_support.h"
#include "text.h"

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

// Which file the bad disk struck first is a matter of time.
std::string without_file(std::string text) {
  constexpr std::string_view fault = "injected fault";
  const std::size_t at = text.find(fault);
  if (at == std::string::npos) return text;
  const std::size_t begin = at + fault.size();
  return text.erase(begin, text.find('"', begin) - begin);
}

std::string print_frame(const wire::Frame& frame) {
  std::string out = std::to_string(frame.channel) + " ";
  wire::ContentHeader header;
  switch (frame.type) {
    case wire::FrameType::method:
      return out + print_method(frame.payload);
    case wire::FrameType::header:
      if (!wire::parse_content_header(frame.payload, header)) return out + "content MALFORMED";
      return out + "content " + std::to_string(header.body_size) +
             print_properties(header.properties);
    case wire::FrameType::body:
      return out + "body " +
             (frame.payload.size() > 200 ? std::to_string(frame.payload.size()) + " bytes"
                                         : print_string(frame.payload));
    case wire::FrameType::heartbeat:
      return out + "heartbeat";
  }
  return out;
}

class Player {
 public:
  Player() {
    options_.version = "0.0.0";
    broker_ = std::make_unique<broker::TestBroker>(&codec_);
    start();
  }
  ~Player() {
    broker_->round([&] { peers_.clear(); });
    readers_.reset();
  }

  std::vector<std::string> play(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
      const bool answer = line.size() > 1 && line[1] == '<';
      if (answer) continue;
      out_.push_back(line);
      if (line.empty() || line[0] == '#') continue;
      act(line);
      for (int i = 0; i < 3; ++i) settle();
      print_answers();
    }
    return std::move(out_);
  }

 private:
  void start() {
    readers_ = std::make_unique<StreamReaders>(**broker_);
    services_ =
        std::make_unique<Services>(Services{**broker_, sessions_, {readers_.get()}, {&sessions_}});
  }

  void crash() {
    broker_->round([&] { peers_.clear(); });
    readers_.reset();
    broker_->faults().disarm();
    broker_->crash();
    start();
  }

  void act(const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    std::string name;
    words >> verb >> name;
    if (verb == "connect" || verb == "open") {
      std::string where;
      words >> where;
      connect(name, where != "remote");
      if (verb == "open") open(name);
    } else if (verb == "topic") {
      broker_->round([&] { TRV_ASSERT((*broker_)->topics().create(name, {}).ok()); });
    } else if (line == "bad disk") {
      broker_->faults().arm({io::Operation::sync, 0, Errc::io_error, 0, true});
    } else if (line == "crash") {
      crash();
    } else if (verb == "wait") {
      broker_->run_for(std::chrono::milliseconds(std::stoi(name)));
    } else if (verb.size() == 2 && verb[1] == '>') {
      const auto peer = peers_.find(verb.substr(0, 1));
      if (peer == peers_.end()) throw std::runtime_error("no such connection: " + line);
      if (name == "hangup") {
        broker_->round([&] { peers_.erase(peer); });
        return;
      }
      send(*peer->second, line.substr(3));
    } else {
      throw std::runtime_error("cannot read: " + line);
    }
  }

  void connect(const std::string& name, bool loopback) {
    broker_->round([&] {
      peers_.erase(name);
      peers_[name] = std::make_unique<Peer>(*services_, ++last_id_, options_, loopback);
    });
  }

  void open(const std::string& name) {
    Peer& peer = *peers_.at(name);
    peer.input = wire::protocol_header;
    for (const char* line :
         {"0 connection.start-ok mechanism=\"PLAIN\" response=\"\\x00guest\\x00guest\" "
          "client_properties={capabilities:F{consumer_cancel_notify:t1}}",
          "0 connection.tune-ok channel_max=2047 frame_max=131072 heartbeat=60",
          "0 connection.open virtual_host=\"/\"", "1 channel.open"}) {
      send(peer, line);
      settle();
    }
    peer.output.take();
  }

  void send(Peer& peer, std::string_view text) {
    if (text.starts_with("header ")) {
      peer.input += parse_hex(text.substr(7));
      return;
    }
    unsigned channel = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), channel).ptr;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
    wire::FrameType type = wire::FrameType::method;
    std::string payload;
    if (text.starts_with("content ")) {
      type = wire::FrameType::header;
      std::uint64_t size = 0;
      text.remove_prefix(8);
      const auto after = std::from_chars(text.data(), text.data() + text.size(), size).ptr;
      text.remove_prefix(static_cast<std::size_t>(after - text.data()));
      ByteWriter w(payload);
      w.u16(60);
      w.u16(0);
      w.u64(size);
      w.bytes(parse_properties_text(text));
    } else if (text.starts_with("body ")) {
      type = wire::FrameType::body;
      payload = parse_string(text.substr(5));
    } else if (text.starts_with("heartbeat")) {
      type = wire::FrameType::heartbeat;
    } else {
      payload = parse_method(text);
    }
    wire::write_frame_head(peer.input, type, static_cast<std::uint16_t>(channel), payload.size());
    peer.input += payload;
    wire::write_frame_end(peer.input);
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

  void print_answers() {
    for (const auto& [name, peer] : peers_) {
      const std::string bytes = peer->output.take();
      ByteView rest = bytes;
      while (!rest.empty()) {
        wire::Frame frame;
        if (rest.starts_with("AMQP")) {
          out_.push_back(name + "< header " + print_string(rest.substr(0, 8)));
          rest.remove_prefix(8);
        } else if (wire::parse_frame(rest, 1u << 24, frame) == wire::FrameStatus::complete) {
          out_.push_back(name + "< " + without_file(print_frame(frame)));
          rest.remove_prefix(frame.size);
        } else {
          out_.push_back(name + "< MALFORMED");
          break;
        }
      }
      if (peer->session.state() == Session::State::finished && !peer->told_end) {
        peer->told_end = true;
        out_.push_back(name + "< end");
      }
    }
  }

  AmqpCodec codec_;
  SessionOptions options_;
  Sessions sessions_;
  std::unique_ptr<broker::TestBroker> broker_;
  std::unique_ptr<StreamReaders> readers_;
  std::unique_ptr<Services> services_;
  std::map<std::string, std::unique_ptr<Peer>> peers_;
  std::uint64_t last_id_ = 0;
  std::vector<std::string> out_;
};

std::vector<std::string> read_lines(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// Prints the first difference. False when there is one.
bool same(const std::string& name, const std::vector<std::string>& expected,
          const std::vector<std::string>& got) {
  const auto [e, g] = std::mismatch(expected.begin(), expected.end(), got.begin(), got.end());
  if (e == expected.end() && g == got.end()) return true;
  std::printf("%s:%td\n  expected: %s\n  got:      %s\n", name.c_str(), e - expected.begin() + 1,
              e == expected.end() ? "(end)" : e->c_str(), g == got.end() ? "(end)" : g->c_str());
  return false;
}

int run(const std::filesystem::path& folder, bool rewrite) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".txt" && entry.path().filename() != "CMakeLists.txt") {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  int different = 0;
  for (const auto& path : files) {
    const std::vector<std::string> expected = read_lines(path);
    std::vector<std::string> got;
    try {
      got = Player().play(expected);
    } catch (const std::exception& error) {
      std::printf("%s: %s\n", path.filename().c_str(), error.what());
      ++different;
      continue;
    }
    if (rewrite) {
      std::ofstream file(path);
      for (const std::string& line : got) file << line << '\n';
    } else if (!same(path.filename(), expected, got)) {
      ++different;
    }
  }
  std::printf("%zu conversations, %d different\n", files.size(), different);
  return files.empty() || different > 0 ? 1 : 0;
}

}  // namespace
}  // namespace trv::amqp::golden

int main(int argc, char** argv) {
  bool rewrite = false;
  std::filesystem::path folder = ".";
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--rewrite") {
      rewrite = true;
    } else {
      folder = argv[i];
    }
  }
  return trv::amqp::golden::run(folder, rewrite);
}
