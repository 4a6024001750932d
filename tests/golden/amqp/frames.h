// Lines of a conversation as frames, and frames as lines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace trv::amqp::golden {

// What follows `A> `: a frame, or the bytes of `header`. Throws std::runtime_error on text that
// means nothing.
std::string encode_line(std::string_view text);

// What servers make up is remembered as it comes and can be said back: $queue is the last name
// given to a queue, $reply_to the last address of a reply, $tag the last name given to a consumer.
class Transcript {
 public:
  // Appends a line for each whole frame at the start of `bytes`, and takes those off.
  void print(const std::string& peer, std::string& bytes, std::vector<std::string>& out);
  std::string fill(std::string line) const;

 private:
  std::string print_frame(std::uint16_t channel, char type, std::string_view payload);
  void remember(std::string_view payload);

  std::string queue_;
  std::string reply_to_;
  std::string tag_;
};

}  // namespace trv::amqp::golden
