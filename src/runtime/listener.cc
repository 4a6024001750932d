#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>

#include "base/log.h"
#include "runtime/detail/core_state.h"
#include "runtime/detail/sockets.h"
#include "runtime/stream.h"

namespace trv::runtime {

namespace {

constexpr int backlog_max = 1024;
// Connections taken at one wake-up; then others have their turn.
constexpr int accepts_max = 64;
// Pause after a failure, mostly for lack of file descriptors.
constexpr std::chrono::milliseconds retry_delay{100};

// A descriptor that closes itself unless it is released.
class OwnedSocket {
 public:
  explicit OwnedSocket(int socket) : socket_(socket) {}
  ~OwnedSocket() {
    if (socket_ >= 0) ::close(socket_);
  }
  OwnedSocket(const OwnedSocket&) = delete;
  OwnedSocket& operator=(const OwnedSocket&) = delete;
  int get() const { return socket_; }
  int release() { return std::exchange(socket_, -1); }

 private:
  int socket_;
};

bool enable(int socket, int level, int name, int value = 1) {
  return ::setsockopt(socket, level, name, &value, sizeof value) == 0;
}

// The address is taken from `address`; the socket listens when this returns.
Status bind_and_listen(int socket, const detail::SocketAddress& address, bool shared) {
  std::string what = "listening on " + address.text();
  bool set = enable(socket, SOL_SOCKET, SO_REUSEADDR);
  if (shared) set = set && enable(socket, SOL_SOCKET, SO_REUSEPORT);
  if (address.storage.ss_family == AF_INET6) {
    set = set && enable(socket, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  }
  if (!set || ::bind(socket, address.raw(), address.size) != 0 ||
      ::listen(socket, backlog_max) != 0) {
    return detail::socket_error(errno, what);
  }
  return {};
}

int open_socket(const detail::SocketAddress& address) {
  return ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

// SO_REUSEPORT would also share the port with another process of the same user, which nobody means:
// so first take it alone, and give it back.
Status check_port_is_free(const detail::SocketAddress& address) {
  OwnedSocket probe(open_socket(address));
  if (probe.get() < 0) return detail::socket_error(errno, "opening a socket");
  return bind_and_listen(probe.get(), address, false);
}

}  // namespace

struct Listener::State final : std::enable_shared_from_this<Listener::State> {
  Core& core;
  Core::State& loop;
  boost::asio::posix::stream_descriptor descriptor;
  OnAccept on_accept;
  std::string address;
  std::uint16_t port = 0;
  bool closed = false;
  bool paused = false;  // after a failure; said once in the log
  Timer retry;

  State(Core& c, Core::State& l, OnAccept accept)
      : core(c), loop(l), descriptor(l.io), on_accept(std::move(accept)) {}

  void await_connection() {
    descriptor.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                          [self = shared_from_this()](const boost::system::error_code& failure) {
                            if (!failure) self->accept_waiting();
                          });
  }

  void accept_waiting() {
    for (int i = 0; i < accepts_max && !closed; ++i) {
      int socket =
          ::accept4(descriptor.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (socket < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) break;
        if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
        return pause(errno);
      }
      if (std::exchange(paused, false)) log::info("accepting on {} again", address);
      Result<std::unique_ptr<Stream>> stream = Stream::adopt(core, socket);
      if (!stream) {
        log::warn("{}: {}", address, stream.error().message);
        continue;
      }
      on_accept(std::move(*stream));
    }
    if (!closed) await_connection();
  }

  // The connections that wait stay in the kernel's queue.
  void pause(int number) {
    if (!std::exchange(paused, true)) {
      log::warn("{}; trying every {} ms",
                detail::socket_error(number, "accepting on " + address).message,
                retry_delay.count());
    }
    // Not shared, which would be a cycle.
    retry = core.schedule(retry_delay, [weak = weak_from_this()] {
      if (auto self = weak.lock()) self->accept_waiting();
    });
  }

  void close() {
    if (closed) return;
    closed = true;
    retry.cancel();
    boost::system::error_code ignored;  // the descriptor is gone in any case
    descriptor.close(ignored);
  }
};

Result<std::unique_ptr<Listener>> Listener::open(Core& core, const std::string& address,
                                                 std::uint16_t port, bool shared,
                                                 OnAccept on_accept) {
  auto resolved = detail::resolve(address, port);
  if (!resolved) return resolved.error();
  if (shared && port != 0 && core.index() == CoreIndex(0)) {
    if (Status free = check_port_is_free(*resolved); !free) return free.error();
  }
  OwnedSocket socket(open_socket(*resolved));
  if (socket.get() < 0) return detail::socket_error(errno, "opening a socket");
  if (Status bound = bind_and_listen(socket.get(), *resolved, shared); !bound) {
    return bound.error();
  }
  auto state = std::make_shared<State>(core, *core.state_, std::move(on_accept));
  boost::system::error_code failure;
  state->descriptor.assign(socket.get(), failure);
  if (failure) return Error{Errc::io_error, "watching a listener: " + failure.message()};
  detail::SocketAddress bound = detail::local_address_of(socket.release());
  state->address = bound.text();
  state->port = bound.port();
  state->await_connection();
  return std::unique_ptr<Listener>(new Listener(std::move(state)));
}

Listener::Listener(std::shared_ptr<State> state) : state_(std::move(state)) {}
Listener::~Listener() { close(); }
std::uint16_t Listener::port() const { return state_->port; }
const std::string& Listener::address() const { return state_->address; }
void Listener::close() { state_->close(); }

}  // namespace trv::runtime
