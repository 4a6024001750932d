// Gathering: one answer that is put together from the work of several cores.
//
// Shared by the closures that work on its parts, since the last of them sends it; read and written
// on the home core only, other cores just hand it back.
#pragma once

#include <memory>

#include "kafka/reply.h"

namespace trv::kafka {

template <class Response>
struct Gathering {
  explicit Gathering(const Reply& reply_in) : reply(reply_in) {}

  // One more part is under way. Its end calls done().
  void expect() { ++missing; }
  void done() {
    if (--missing > 0) return;
    if (send != nullptr) {
      send(reply, std::move(response));
    } else {
      reply.send(response);
    }
  }

  Reply reply;
  Response response;
  // Sends the answer in another form.
  void (*send)(const Reply&, Response) = nullptr;
  int missing = 1;  // the handler itself, until it has started all parts
};

template <class Response>
std::shared_ptr<Gathering<Response>> gather_answer(const Reply& reply) {
  return std::make_shared<Gathering<Response>>(reply);
}

}  // namespace trv::kafka
