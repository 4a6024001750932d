// rabbitmqctl: RabbitMQ's command for operators, with its columns and its words, over the HTTP API
// of a broker that runs.
//
//   trivium rabbitmqctl [--url http://user:password@host:port] [-q] [-s] [-p VHOST] [--formatter
//   json] COMMAND ...
//
// It knows no more than the API tells, and does nothing that the API does not do. Exit codes are
// RabbitMQ's: 0; 64 wrong words, 67 no such user, 69 refused, 70 there already; 69, too, when
// nobody answers.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/http_client.h"

namespace trv::cli {

struct Outcome {
  std::string out;
  std::string errors;
  int exit_code = 0;
};

// How a server is asked; in tests not over the network.
using AskServer = std::function<Result<HttpAnswer>(const HttpServer&, const HttpQuestion&)>;

// `words` follow the verb. `ask_server` may block; no question lasts longer than a minute.
Outcome rabbitmqctl(const std::vector<std::string>& words, const AskServer& ask_server);

}  // namespace trv::cli
