// One question to an HTTP server and its answer, for commands that ask and leave: it blocks.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace trv::cli {

// "http://user:password@host:port"; what is left out is guest, guest, 127.0.0.1 and 15672.
struct HttpServer {
  std::string host = "127.0.0.1";
  std::string port = "15672";
  std::string user = "guest";
  std::string password = "guest";
};
// Errors: invalid_argument.
Result<HttpServer> parse_url(std::string_view url);

struct HttpQuestion {
  std::string method;
  std::string path;  // with its query, encoded
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};

struct HttpAnswer {
  int status = 0;
  std::string body;
};

// Errors: invalid_argument (a header that is none), io_error (nobody there, no answer in time, no
// HTTP).
Result<HttpAnswer> ask(const HttpServer& server, const HttpQuestion& question,
                       std::chrono::seconds time_max);

// A name as a part of a path.
std::string path_part(std::string_view name);

}  // namespace trv::cli
