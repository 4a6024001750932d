#include "cli/http_client.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "base/base64.h"

namespace trv::cli {

namespace {

constexpr std::size_t answer_size_max = std::size_t{1} << 30;

Error failed(std::string what) { return {Errc::io_error, std::move(what)}; }

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&&) = delete;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  bool connect(const addrinfo& to) const { return ::connect(fd_, to.ai_addr, to.ai_addrlen) == 0; }
  void limit_time(std::chrono::seconds time_max) const {
    timeval time{};
    time.tv_sec = time_max.count();
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
  }
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  // Up to the end of the stream. False when it broke, or was too long.
  bool receive_all(std::string& out) const {
    char buffer[65536];
    for (;;) {
      const ssize_t got = ::recv(fd_, buffer, sizeof buffer, 0);
      if (got <= 0) return got == 0;
      out.append(buffer, static_cast<std::size_t>(got));
      if (out.size() > answer_size_max) return false;
    }
  }

 private:
  int fd_;
};

Result<Socket> connect(const HttpServer& server, std::chrono::seconds time_max) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int why = ::getaddrinfo(server.host.c_str(), server.port.c_str(), &wanted, &found);
  if (why != 0) return failed(server.host + ": " + ::gai_strerror(why));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(found, ::freeaddrinfo);
  for (const addrinfo* one = found; one; one = one->ai_next) {
    Socket socket(::socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol));
    socket.limit_time(time_max);
    if (socket.connect(*one)) return socket;
  }
  return failed(fmt::format("nobody listens on {}:{}", server.host, server.port));
}

bool is_one_line(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

Result<HttpAnswer> parse_answer(std::string_view bytes) {
  HttpAnswer answer;
  const std::size_t space = bytes.find(' ');
  const std::size_t head_end = bytes.find("\r\n\r\n");
  if (!bytes.starts_with("HTTP/1.") || head_end == std::string_view::npos || space > head_end) {
    return failed("what answers does not speak HTTP");
  }
  const char* digits = bytes.data() + space + 1;
  if (std::from_chars(digits, bytes.data() + head_end, answer.status).ec != std::errc()) {
    return failed("what answers does not speak HTTP");
  }
  answer.body = bytes.substr(head_end + 4);
  return answer;
}

}  // namespace

Result<HttpServer> parse_url(std::string_view url) {
  constexpr std::string_view scheme = "http://";
  const Error wrong{Errc::invalid_argument,
                    "not http://user:password@host:port: " + std::string(url)};
  if (!url.starts_with(scheme)) return wrong;
  url.remove_prefix(scheme.size());
  while (url.ends_with('/')) url.remove_suffix(1);
  HttpServer server;
  if (const std::size_t at = url.rfind('@'); at != std::string_view::npos) {
    const std::string_view login = url.substr(0, at);
    const std::size_t colon = login.find(':');
    if (colon == std::string_view::npos) return wrong;
    server.user = login.substr(0, colon);
    server.password = login.substr(colon + 1);
    url.remove_prefix(at + 1);
  }
  if (url.find('/') != std::string_view::npos) return wrong;
  if (const std::size_t colon = url.rfind(':'); colon != std::string_view::npos) {
    server.port = url.substr(colon + 1);
    url = url.substr(0, colon);
  }
  if (url.empty() || server.port.empty()) return wrong;
  server.host = url;
  return server;
}

Result<HttpAnswer> ask(const HttpServer& server, const HttpQuestion& question,
                       std::chrono::seconds time_max) {
  // The end of the connection is the end of the answer.
  std::string text = fmt::format(
      "{} {} HTTP/1.0\r\nHost: {}\r\nAuthorization: Basic {}\r\nContent-Type: application/json\r\n"
      "Content-Length: {}\r\n",
      question.method, question.path, server.host,
      base64_encode(server.user + ":" + server.password), question.body.size());
  for (const auto& [name, value] : question.headers) {
    if (!is_one_line(value)) return Error{Errc::invalid_argument, name + " is not one line"};
    text += name + ": " + value + "\r\n";
  }
  text += "\r\n" + question.body;
  const Result<Socket> socket = connect(server, time_max);
  if (!socket) return socket.error();
  std::string answer;
  // Who is refused early may not have been heard to the end.
  const bool sent = socket->send(text);
  const bool received = socket->receive_all(answer);
  if (!received && answer.empty()) return failed(sent ? "no answer" : "the connection broke");
  return parse_answer(answer);
}

std::string path_part(std::string_view name) {
  static constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~";
  std::string out;
  for (const char c : name) {
    if (plain.find(c) != std::string_view::npos) {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace trv::cli
