// How CLIENT LIST tells of a client.
#pragma once

#include <string>

namespace trv::redis {

class Client;

// One line, with its end.
std::string describe_client(Client& client);

}  // namespace trv::redis
