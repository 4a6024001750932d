// Node: one running broker process: its data directory, its cores and all that lives on them.
//
// Owner: main. start() builds everything in order and returns when all ports are open; stop() takes
// it down in reverse. Both are called from the main thread, which does nothing else meanwhile.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "config/config.h"

namespace trv::server {

struct Ports {
  std::uint16_t amqp = 0;
  std::uint16_t redis = 0;
  std::uint16_t kafka = 0;
  std::uint16_t management = 0;
};

class Node {
 public:
  // The error's message tells a person what to do about it.
  static Result<std::unique_ptr<Node>> start(const config::Config& config);
  // Requires: stop() was called.
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  const Ports& ports() const;
  // Stops accepting, lets connections drain for a moment, makes everything durable that was
  // promised, and ends the cores. Errors: the journal could not be closed in good order.
  Status stop();

 private:
  struct State;
  explicit Node(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trv::server
