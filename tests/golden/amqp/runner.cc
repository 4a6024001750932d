// Plays conversations between clients and the AMQP front-end, over a broker on a disk in memory,
// and compares what is answered with what the files say.
//
//   amqp_golden DIR                     compares
//   amqp_golden --rewrite DIR           the files get what was answered
//   amqp_golden --against HOST:PORT:HTTP-PORT FILE     plays with a server, and prints what it
//   answered
//
// A file is a list of lines; each conversation starts with an empty broker:
//   == title                 a conversation begins (what is before the first is one, too)
//   # a comment
//   connect A [remote]       a new connection (of a peer that is not on this machine)
//   open A [USER [VHOST]]    the same, and its handshake and channel 1, unseen
//   A> header 41 4d 51 50 .. bytes in hex
//   A> 1 queue.declare ...   a method on channel 1 (text.h)
//   A> 1 content 5 delivery_mode=2    a content header: body size and properties
//   A> 1 body "hello"        a body frame
//   A> hangup                the socket breaks
//   wait 30                  milliseconds
//   user U CONFIGURE WRITE READ [VHOST]       makes a user, whose password is its name
//   limit NAME VALUE [U]     limits the virtual host, or user U
//   vhost V                  makes a virtual host, in which guest may everything
//   delete V                 deletes it
//   leaving V                begins to, and does no more
//   close A REASON           an operator closes the connection
//   bad disk                 no sync succeeds from here on
//   crash                    the broker dies and comes back with what was synced, on a good disk
//   topic T                  makes a log that is no queue
//   A< ...                   what the server sends: written by --rewrite
// Lines that begin with #~ say what another server does instead
// (tests/conformance/amqp_golden_diff.py).
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include "amqp/wire/frame.h"
#include "frames.h"
#include "stage.h"

namespace trv::amqp::golden {
namespace {

using Lines = std::vector<std::string>;

bool is_answer(const std::string& line) { return line.size() > 1 && line[1] == '<'; }
bool is_title(const std::string& line) { return line.starts_with("== "); }

class Player {
 public:
  explicit Player(std::unique_ptr<Stage> stage) : stage_(std::move(stage)) {}

  Lines play(Lines::const_iterator begin, Lines::const_iterator end) {
    for (auto at = begin; at != end; ++at) {
      if (is_answer(*at)) continue;
      out_.push_back(*at);
      if (at->empty() || (*at)[0] == '#' || is_title(*at)) continue;
      act(*at);
      const auto answers = std::find_if_not(at + 1, end, is_answer) - at - 1;
      print_answers(static_cast<std::size_t>(answers));
    }
    return std::move(out_);
  }

 private:
  void act(const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    std::string name;
    words >> verb >> name;
    if (verb == "connect" || verb == "open") {
      std::string who;
      std::string vhost = "/";
      words >> who >> vhost;
      stage_->connect(name, who != "remote");
      if (verb == "open") open(name, who.empty() ? "guest" : who, vhost.empty() ? "/" : vhost);
    } else if (verb == "user") {
      UserLine user;
      user.name = name;
      words >> user.configure >> user.write >> user.read;
      if (std::string vhost; words >> vhost) user.vhost = vhost;
      stage_->make_user(user);
    } else if (verb == "limit") {
      LimitLine limit;
      limit.limit = name;
      words >> limit.value >> limit.user;
      limit.of_user = !limit.user.empty();
      stage_->set_limit(limit);
    } else if (verb == "vhost") {
      stage_->make_vhost(name);
    } else if (verb == "delete") {
      stage_->delete_vhost(name);
    } else if (verb == "close") {
      std::string reason;
      std::getline(words >> std::ws, reason);
      stage_->close_connection(name, reason);
    } else if (verb == "wait") {
      stage_->wait(std::stoi(name));
    } else if (verb.size() == 2 && verb[1] == '>') {
      const std::string peer = verb.substr(0, 1);
      if (name == "hangup") {
        stage_->hang_up(peer);
      } else {
        stage_->send(peer, encode_line(transcript_.fill(line.substr(3))));
      }
    } else {
      act_here(line, verb, name);
    }
  }

  void act_here(const std::string& line, const std::string& verb, const std::string& name) {
    const bool done = verb == "topic"      ? stage_->make_topic(name)
                      : verb == "leaving"  ? stage_->begin_to_delete(name)
                      : line == "bad disk" ? stage_->break_disk()
                      : line == "crash"    ? stage_->crash()
                                           : false;
    if (!done) throw std::runtime_error("cannot play: " + line);
  }

  void open(const std::string& name, const std::string& user, const std::string& vhost) {
    stage_->send(name, std::string(wire::protocol_header));
    stage_->listen(1);
    const std::string start =
        "0 connection.start-ok mechanism=\"PLAIN\" response=\"\\x00" + user + "\\x00" + user +
        "\" client_properties={capabilities:F{consumer_cancel_notify:t1, basic.nack:t1, "
        "publisher_confirms:t1}}";
    stage_->send(name, encode_line(start));
    stage_->listen(1);
    for (const std::string& line :
         {std::string("0 connection.tune-ok channel_max=2047 frame_max=131072 heartbeat=60"),
          "0 connection.open virtual_host=\"" + vhost + "\"", std::string("1 channel.open")}) {
      stage_->send(name, encode_line(line));
      stage_->listen(line.find("tune") != std::string::npos ? 0 : 1);
    }
  }

  void print_answers(std::size_t expected) {
    for (Heard& heard : stage_->listen(expected)) {
      transcript_.print(heard.peer, heard.bytes, out_);
      if (!heard.bytes.empty()) out_.push_back(heard.peer + "< MALFORMED");
      if (heard.ended) out_.push_back(heard.peer + "< end");
    }
  }

  std::unique_ptr<Stage> stage_;
  Transcript transcript_;
  Lines out_;
};

Lines read_lines(const std::filesystem::path& path) {
  std::ifstream file(path);
  Lines lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// Plays conversation after conversation, each on a stage of its own.
template <class MakeStage>
Lines play_all(const Lines& lines, int& conversations, MakeStage make_stage) {
  Lines out;
  for (auto begin = lines.begin(); begin != lines.end();) {
    const auto end = std::find_if(begin + 1, lines.end(), is_title);
    Lines got;
    const bool empty = std::all_of(begin, end, [](const std::string& line) {
      return line.empty() || line[0] == '#' || is_title(line);
    });
    if (empty) {
      got.assign(begin, end);
    } else {
      got = Player(make_stage()).play(begin, end);
      ++conversations;
    }
    out.insert(out.end(), std::make_move_iterator(got.begin()), std::make_move_iterator(got.end()));
    begin = end;
  }
  return out;
}

// Prints the first difference. False when there is one.
bool same(const std::string& name, const Lines& expected, const Lines& got) {
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
  int conversations = 0;
  int different = 0;
  for (const auto& path : files) {
    const Lines expected = read_lines(path);
    Lines got;
    try {
      got = play_all(expected, conversations, make_local_stage);
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
  std::printf("%d conversations in %zu files, %d files differ\n", conversations, files.size(),
              different);
  return conversations == 0 || different > 0 ? 1 : 0;
}

int run_against(const std::string& address, const std::filesystem::path& path) {
  int conversations = 0;
  try {
    const Lines got = play_all(read_lines(path), conversations,
                               [&address] { return make_remote_stage(address); });
    for (const std::string& line : got) std::printf("%s\n", line.c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", path.filename().c_str(), error.what());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace trv::amqp::golden

int main(int argc, char** argv) {
  bool rewrite = false;
  std::string address;
  std::filesystem::path path = ".";
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--rewrite") {
      rewrite = true;
    } else if (argument == "--against" && i + 1 < argc) {
      address = argv[++i];
    } else {
      path = argument;
    }
  }
  if (!address.empty()) return trv::amqp::golden::run_against(address, path);
  return trv::amqp::golden::run(path, rewrite);
}
