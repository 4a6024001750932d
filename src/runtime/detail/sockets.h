// Socket addresses and errors, for Stream and Listener.
#pragma once

#include <sys/socket.h>

#include <string>

#include "base/result.h"

namespace trv::runtime::detail {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  sockaddr* raw() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage); }
  // "127.0.0.1:5672", "[::1]:5672"; "local" for sockets without addresses.
  std::string text() const;
  bool is_loopback() const;
  std::uint16_t port() const;
};

SocketAddress local_address_of(int socket);
SocketAddress peer_address_of(int socket);

// A numeric address or a host name, of which the first IPv4 address is preferred.
// Errors: invalid_argument.
Result<SocketAddress> resolve(const std::string& address, std::uint16_t port);

// What the system says about an errno value, with `what` before it.
Error socket_error(int number, const std::string& what);

}  // namespace trv::runtime::detail
