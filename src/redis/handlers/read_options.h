// The options that XREAD and XREADGROUP share.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>

#include "redis/command.h"

namespace trv::redis {

struct ReadOptions {
  std::size_t count = static_cast<std::size_t>(-1);
  std::size_t total_count = static_cast<std::size_t>(-1);  // of all streams together
  std::size_t total_size = static_cast<std::size_t>(-1);   // bytes of the reply, or one entry
  std::optional<std::chrono::milliseconds> block;          // 0: for ever
  bool no_ack = false;
  std::optional<std::chrono::milliseconds> claim_idle;  // XREADGROUP: of what is pending, too
  ByteView group;
  ByteView consumer;
  std::size_t keys_at = 0;  // index of the first key; the ids follow the keys
  std::size_t stream_count = 0;
};

// False after an error reply.
bool parse_read_options(Call& call, bool with_group, ReadOptions& options);

// What the entries of one reply may still take, over all its streams.
class ReadBudget {
 public:
  // `out` is what the entries are written to; it stays where it is. What it holds does not count.
  ReadBudget(const ReadOptions& options, const std::string& out)
      : options_(options), out_(out), begin_(out.size()), left_(options.total_count) {}

  // An entry was written. Result: whether another one may follow.
  bool took_one() {
    --left_;
    any_ = true;
    return !spent();
  }
  bool spent() const {
    return left_ == 0 || (any_ && out_.size() - begin_ - left_out_ >= options_.total_size);
  }
  // So many bytes of what was written do not count for now.
  void leave_out(std::size_t size) { left_out_ = size; }
  // How many entries the next stream may have, at most.
  std::size_t of_stream() const { return spent() ? 0 : std::min(options_.count, left_); }

 private:
  const ReadOptions& options_;
  const std::string& out_;
  std::size_t begin_;
  std::size_t left_out_ = 0;
  std::size_t left_;
  bool any_ = false;
};

}  // namespace trv::redis
