// Selector: one set of ACL rules of a user: the commands that it may run, and on which keys and
// channels. Pure.
//
// Owner: UserRules. A set of commands is kept twice: as the rules that were given, which say it
// again (also to a later version, with more commands), and as a bit of each command, which checks
// look at.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "redis/access/key_needs.h"
#include "redis/command_table.h"

namespace trv::redis {

// What neither names of users nor patterns may have, since their rules are told in one line.
bool has_blank(ByteView text);

// Why a rule was not taken.
enum class RuleError : std::uint8_t {
  none,
  unknown_command,
  malformed,
  keys_after_all,
  channels_after_all,
  no_such_password,
  malformed_hash,
  argument_of_subcommand,
};
std::string_view text_of(RuleError error);

// What a user lacks. The larger one is what is told when several selectors refuse.
enum class Lacks : std::uint8_t { nothing, command, key, channel };

// As EXEC says it.
std::string_view text_of(Lacks lacks);

struct Refusal {
  Lacks lacks = Lacks::nothing;
  std::size_t index = 0;  // of the key or channel among the arguments

  bool operator==(const Refusal&) const = default;
};

class Selector {
 public:
  struct KeyPattern {
    std::string glob;
    std::uint8_t needs;  // what it lets be done: read, write
    bool operator==(const KeyPattern&) const = default;
  };

  // Lets nobody do anything.
  explicit Selector(const CommandTable& table) : allowed_(table.all().size()) {}

  RuleError apply(const CommandTable& table, ByteView rule);

  // Whether the command may be run with these arguments.
  Refusal check(const CommandTable& table, const Command& command,
                std::span<const ByteView> args) const;
  bool allows_channel(ByteView name, bool is_pattern) const;
  // Whether every key may be read.
  bool reads_all_keys() const;
  // Whether there is nothing that it refuses.
  bool unlimited() const;

  // As ACL GETUSER and ACL LIST tell them.
  std::string keys_text() const;
  std::string channels_text() const;
  std::string commands_text() const;
  std::string text() const;

 private:
  RuleError apply_keys(ByteView rule);
  RuleError apply_channel(ByteView rule);
  RuleError allow(const CommandTable& table, ByteView name);
  RuleError allow_with_argument(const CommandTable& table, ByteView name, std::size_t bar);
  RuleError forbid(const CommandTable& table, ByteView name);
  RuleError apply_category(const CommandTable& table, ByteView rule);
  void set_all(bool on);
  void set(const CommandTable& table, const Command& command, bool on);
  void remember(std::string_view name, bool on);
  bool allows(const CommandTable& table, const Command& command,
              std::span<const ByteView> args) const;
  bool allows_key(ByteView key, std::uint8_t needs) const;

  std::vector<bool> allowed_;  // by CommandTable::index_of
  bool from_all_ = false;      // the rules take away from all commands; else they add to none
  std::vector<std::string> command_rules_;
  // Commands that may be run with these first arguments only.
  std::map<std::size_t, std::vector<std::string>> first_arguments_;
  std::vector<KeyPattern> keys_;
  std::vector<std::string> channels_;
  bool all_keys_ = false;
  bool all_channels_ = false;
};

}  // namespace trv::redis
