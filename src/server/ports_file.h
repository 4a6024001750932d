// The ports that a node has opened, for programs that start it on free ones.
#pragma once

#include <string>

#include "server/node.h"

namespace trv::server {

// "amqp=5672\nredis=6379\nkafka=9092\n"; a reader sees all of it or no file. Errors: io_error.
Status write_ports_file(const std::string& path, const Ports& ports);

}  // namespace trv::server
