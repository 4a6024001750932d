#include "runtime/detail/sockets.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

namespace trv::runtime::detail {

namespace {

const sockaddr_in& as_v4(const SocketAddress& address) {
  return reinterpret_cast<const sockaddr_in&>(address.storage);
}
const sockaddr_in6& as_v6(const SocketAddress& address) {
  return reinterpret_cast<const sockaddr_in6&>(address.storage);
}

}  // namespace

std::string SocketAddress::text() const {
  char host[INET6_ADDRSTRLEN] = {};
  if (storage.ss_family == AF_INET) {
    inet_ntop(AF_INET, &as_v4(*this).sin_addr, host, sizeof host);
    return std::string(host) + ":" + std::to_string(port());
  }
  if (storage.ss_family == AF_INET6) {
    inet_ntop(AF_INET6, &as_v6(*this).sin6_addr, host, sizeof host);
    return "[" + std::string(host) + "]:" + std::to_string(port());
  }
  return "local";
}

bool SocketAddress::is_loopback() const {
  if (storage.ss_family == AF_INET) return (ntohl(as_v4(*this).sin_addr.s_addr) >> 24) == 127;
  if (storage.ss_family == AF_INET6) {
    const in6_addr& v6 = as_v6(*this).sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
  }
  return true;  // a socket pair
}

std::uint16_t SocketAddress::port() const {
  if (storage.ss_family == AF_INET) return ntohs(as_v4(*this).sin_port);
  if (storage.ss_family == AF_INET6) return ntohs(as_v6(*this).sin6_port);
  return 0;
}

SocketAddress local_address_of(int socket) {
  SocketAddress address;
  if (::getsockname(socket, address.raw(), &address.size) != 0) address = {};
  return address;
}

SocketAddress peer_address_of(int socket) {
  SocketAddress address;
  if (::getpeername(socket, address.raw(), &address.size) != 0) address = {};
  return address;
}

Result<SocketAddress> resolve(const std::string& address, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  int failure = address.empty()
                    ? EAI_NONAME
                    : ::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (failure != 0) {
    return Error{Errc::invalid_argument,
                 "cannot resolve the address '" + address + "': " + ::gai_strerror(failure)};
  }
  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, ::freeaddrinfo);
  const addrinfo* chosen = found;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    if (each->ai_family == AF_INET) {
      chosen = each;
      break;
    }
  }
  SocketAddress resolved;
  TRV_ASSERT(chosen->ai_addrlen <= sizeof resolved.storage);
  std::memcpy(&resolved.storage, chosen->ai_addr, chosen->ai_addrlen);
  resolved.size = chosen->ai_addrlen;
  return resolved;
}

Error socket_error(int number, const std::string& what) {
  Errc code = Errc::io_error;
  if (number == EADDRINUSE) code = Errc::in_use;
  if (number == EACCES || number == EPERM) code = Errc::access_refused;
  if (number == EADDRNOTAVAIL || number == EAFNOSUPPORT) code = Errc::invalid_argument;
  if (number == ECONNRESET || number == EPIPE) code = Errc::closed;
  if (number == ETIMEDOUT) code = Errc::timed_out;
  return Error{code, what + ": " + std::generic_category().message(number)};
}

}  // namespace trv::runtime::detail
