#include "server/ports_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <system_error>

namespace trv::server {

Status write_ports_file(const std::string& path, const Ports& ports) {
  std::string unfinished = path + ".new";
  std::ofstream file(unfinished, std::ios::trunc);
  file << fmt::format("amqp={}\nredis={}\nkafka={}\nmanagement={}\n", ports.amqp, ports.redis,
                      ports.kafka, ports.management);
  file.close();
  if (!file || std::rename(unfinished.c_str(), path.c_str()) != 0) {
    return Error{Errc::io_error, fmt::format("ports-file: cannot write {}: {}", path,
                                             std::generic_category().message(errno))};
  }
  return {};
}

}  // namespace trv::server
