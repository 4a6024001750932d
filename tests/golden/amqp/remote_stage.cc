#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

#include "amqp/wire/frame.h"
#include "base/base64.h"
#include "stage.h"

namespace trv::amqp::golden {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// How long an expected frame may take (errors of a handshake are held back for 3 s by RabbitMQ),
// and how long one is waited for that is not expected.
constexpr milliseconds answer_time{5000};
constexpr milliseconds silence_time{40};
constexpr milliseconds http_time{5000};

[[noreturn]] void give_up(const std::string& what) { throw std::runtime_error(what); }

sockaddr_in address_of(const std::string& host, const std::string& port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
  if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) give_up("no address: " + host);
  return address;
}

class Socket {
 public:
  explicit Socket(const sockaddr_in& server) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0) {
      ::close(fd_);
      give_up("cannot connect");
    }
  }
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // A server that has ended the connection hears no more.
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t done = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (done <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(done));
    }
  }
  // Appends what has come. False once the other side has ended.
  bool receive(std::string& out) {
    char buffer[65536];
    const ssize_t size = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (size > 0) out.append(buffer, static_cast<std::size_t>(size));
    return size > 0 || (size < 0 && (errno == EAGAIN || errno == EINTR));
  }
  std::uint16_t local_port() const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

// How many whole frames there are.
std::size_t frame_count(std::string_view bytes) {
  std::size_t count = 0;
  wire::Frame frame;
  if (bytes.starts_with("AMQP")) return 1;
  while (wire::parse_frame(bytes, 1u << 24, frame) == wire::FrameStatus::complete) {
    bytes.remove_prefix(frame.size);
    ++count;
  }
  return count;
}

class RemoteStage final : public Stage {
 public:
  explicit RemoteStage(const std::string& address) {
    const std::size_t first = address.find(':');
    const std::size_t second = address.find(':', first + 1);
    if (second == std::string::npos) give_up("not HOST:PORT:PORT: " + address);
    const std::string host = address.substr(0, first);
    port_ = address.substr(first + 1, second - first - 1);
    amqp_ = address_of(host, port_);
    http_ = address_of(host, address.substr(second + 1));
    for (const auto& [method, path, body] :
         {std::tuple("DELETE", "/api/vhosts/%2F", ""), std::tuple("PUT", "/api/vhosts/%2F", "{}"),
          std::tuple("PUT", "/api/permissions/%2F/guest",
                     R"({"configure":".*","write":".*","read":".*"})")}) {
      if (!succeeds(method, path, body)) give_up(std::string(method) + " " + path);
    }
  }

  void connect(const std::string& peer, bool loopback) override {
    if (!loopback) give_up("cannot be another machine");
    hang_up(peer);
    peers_[peer].socket = std::make_unique<Socket>(amqp_);
  }

  void hang_up(const std::string& peer) override {
    if (peers_.erase(peer) != 0) std::this_thread::sleep_for(silence_time);
  }

  void send(const std::string& peer, const std::string& bytes) override {
    if (peers_.at(peer).socket) peers_.at(peer).socket->send(bytes);
  }

  std::vector<Heard> listen(std::size_t frames) override {
    Clock::time_point deadline = Clock::now() + (frames > 0 ? answer_time : silence_time);
    for (bool complete = frames == 0; Clock::now() < deadline;) {
      receive(deadline);
      if (complete || count() < frames) continue;
      complete = true;
      deadline = Clock::now() + silence_time;
    }
    std::vector<Heard> all;
    for (auto& [name, peer] : peers_) {
      all.push_back({name, std::exchange(peer.heard, {}), std::exchange(peer.ended, false)});
    }
    return all;
  }

  void wait(int time) override { std::this_thread::sleep_for(milliseconds(time)); }

  void make_user(const UserLine& user) override {
    // Of an earlier conversation, with limits of its own.
    if (users_.insert(user.name).second) succeeds("DELETE", "/api/users/" + user.name, "");
    const std::string rights = R"({"configure":")" + user.configure + R"(","write":")" +
                               user.write + R"(","read":")" + user.read + R"("})";
    if (!succeeds("PUT", "/api/users/" + user.name,
                  R"({"password":")" + user.name + R"(","tags":""})") ||
        !succeeds("PUT",
                  "/api/permissions/" + (user.vhost == "/" ? "%2F" : user.vhost) + "/" + user.name,
                  rights)) {
      give_up("cannot make user " + user.name);
    }
  }

  void set_limit(const LimitLine& limit) override {
    const std::string path =
        limit.of_user ? "/api/user-limits/" + limit.user : "/api/vhost-limits/%2F";
    if (!succeeds("PUT", path + "/" + limit.limit,
                  R"({"value":)" + std::to_string(limit.value) + "}")) {
      give_up("cannot limit " + limit.limit);
    }
  }

  void make_vhost(const std::string& name) override {
    succeeds("DELETE", "/api/vhosts/" + name, "");  // of an earlier conversation
    if (!succeeds("PUT", "/api/vhosts/" + name, "{}")) give_up("cannot make vhost " + name);
  }
  void delete_vhost(const std::string& name) override {
    if (!succeeds("DELETE", "/api/vhosts/" + name, "")) give_up("cannot delete vhost " + name);
  }

  void close_connection(const std::string& peer, const std::string& reason) override {
    const std::string name = "127.0.0.1%3A" + std::to_string(peers_.at(peer).socket->local_port()) +
                             "%20-%3E%20127.0.0.1%3A" + port_;
    // A server may know of a connection only some time after it has opened.
    const Clock::time_point deadline = Clock::now() + http_time;
    while (!succeeds("DELETE", "/api/connections/" + name, "", "X-Reason: " + reason + "\r\n")) {
      if (Clock::now() > deadline) give_up("cannot close " + name);
      std::this_thread::sleep_for(silence_time);
    }
  }

  bool make_topic(const std::string&) override { return false; }
  bool break_disk() override { return false; }
  bool crash() override { return false; }
  bool begin_to_delete(const std::string&) override { return false; }

 private:
  struct Peer {
    std::unique_ptr<Socket> socket;  // none once the server has ended it
    std::string heard;
    bool ended = false;
  };

  // Waits for the next bytes of anybody, up to the deadline.
  void receive(Clock::time_point deadline) {
    std::vector<pollfd> waited;
    std::vector<Peer*> whose;
    for (auto& [name, peer] : peers_) {
      if (!peer.socket) continue;
      waited.push_back({peer.socket->fd(), POLLIN, 0});
      whose.push_back(&peer);
    }
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
    ::poll(waited.data(), waited.size(), static_cast<int>(std::max(left, milliseconds(0)).count()));
    for (std::size_t i = 0; i < waited.size(); ++i) {
      if (waited[i].revents == 0 || whose[i]->socket->receive(whose[i]->heard)) continue;
      whose[i]->socket.reset();
      whose[i]->ended = true;
    }
  }

  std::size_t count() const {
    std::size_t frames = 0;
    for (const auto& [name, peer] : peers_)
      frames += frame_count(peer.heard) + (peer.ended ? 1 : 0);
    return frames;
  }

  bool succeeds(const std::string& method, const std::string& path, const std::string& body,
                const std::string& headers = {}) {
    Socket socket(http_);
    socket.send(method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" +
                "Authorization: Basic " + base64_encode("guest:guest") +
                "\r\nContent-Type: application/json\r\nContent-Length: " +
                std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body);
    std::string answer;
    const Clock::time_point deadline = Clock::now() + http_time;
    for (pollfd one{socket.fd(), POLLIN, 0}; socket.receive(answer) && Clock::now() < deadline;) {
      ::poll(&one, 1, static_cast<int>(silence_time.count()));
    }
    return answer.starts_with("HTTP/1.1 2");
  }

  sockaddr_in amqp_{};
  sockaddr_in http_{};
  std::string port_;
  std::set<std::string> users_;
  std::map<std::string, Peer> peers_;
};

}  // namespace

std::unique_ptr<Stage> make_remote_stage(const std::string& address) {
  return std::make_unique<RemoteStage>(address);
}

}  // namespace trv::amqp::golden
