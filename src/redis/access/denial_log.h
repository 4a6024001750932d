// DenialLog: what was refused to users lately (ACL LOG).
//
// Owner: Accounts of the first core, for all cores. What is alike and follows within a minute is
// one entry with a count.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "base/ids.h"
#include "redis/access/account.h"

namespace trv::redis {

class DenialLog {
 public:
  enum class Reason : std::uint8_t { command, key, channel, login };
  enum class Context : std::uint8_t { toplevel, transaction, script };
  struct Event {
    Reason reason = Reason::command;
    Context context = Context::toplevel;
    std::string object;
    std::string user;
    std::string client;  // as CLIENT LIST tells it
  };
  struct Entry {
    Event event;
    std::uint64_t count = 1;
    std::uint64_t id = 0;
    WallTime created{};
    WallTime updated{};
  };
  struct Counts {
    std::uint64_t command = 0;
    std::uint64_t key = 0;
    std::uint64_t channel = 0;
    std::uint64_t login = 0;

    void add(Reason reason);
    void add(const Counts& other);
  };
  static constexpr std::size_t size_max_usual = 128;
  static constexpr std::size_t size_limit = 100'000;
  static constexpr std::size_t object_size_max = 1024;  // more of it is not kept

  void add(Event event, WallTime now);
  void clear() { entries_.clear(); }
  void set_size_max(std::size_t size_max);
  // The newest first.
  const std::deque<Entry>& entries() const { return entries_; }

 private:
  std::deque<Entry> entries_;
  std::size_t size_max_ = size_max_usual;
  std::uint64_t next_id_ = 0;
};

DenialLog::Reason reason_of(Lacks lacks);
std::string_view text_of(DenialLog::Reason reason);
std::string_view text_of(DenialLog::Context context);

}  // namespace trv::redis
