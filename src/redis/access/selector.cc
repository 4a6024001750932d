#include "redis/access/selector.h"

#include <algorithm>

#include "base/mutant.h"
#include "redis/access/categories.h"
#include "redis/wire/glob.h"

namespace trv::redis {

namespace {

constexpr std::uint8_t read_and_write = need::read | need::write;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower_case(ByteView text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  return out;
}

std::string word_of(const Selector::KeyPattern& pattern) {
  if (pattern.needs == read_and_write) return "~" + pattern.glob;
  return (pattern.needs == need::read ? "%R~" : "%W~") + pattern.glob;
}

}  // namespace

bool has_blank(ByteView text) {
  constexpr std::string_view blanks(" \t\n\v\f\r\0", 7);
  return text.find_first_of(blanks) != ByteView::npos;
}

std::string_view text_of(RuleError error) {
  switch (error) {
    case RuleError::none:
      return "";
    case RuleError::unknown_command:
      return "Unknown command or category name in ACL";
    case RuleError::malformed:
      return "Syntax error";
    case RuleError::keys_after_all:
      return "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does "
             "not have any effect. Try 'resetkeys' to start with an empty list of patterns";
    case RuleError::channels_after_all:
      return "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and "
             "does not have any effect. Try 'resetchannels' to start with an empty list of "
             "channels";
    case RuleError::no_such_password:
      return "The password you are trying to remove from the user does not exist";
    case RuleError::malformed_hash:
      return "The password hash must be exactly 64 characters and contain only lowercase "
             "hexadecimal characters";
    case RuleError::argument_of_subcommand:
      return "Allowing first-arg of a subcommand is not supported";
  }
  return "";
}

std::string_view text_of(Lacks lacks) {
  switch (lacks) {
    case Lacks::nothing:
      return "";
    case Lacks::command:
      return "no permission to execute the command or subcommand";
    case Lacks::key:
      return "no permission to touch the specified keys";
    case Lacks::channel:
      return "no permission to access one of the channels used as arguments";
  }
  return "no permission";
}

// --- rules ---------------------------------------------------------------------------------------

RuleError Selector::apply(const CommandTable& table, ByteView rule) {
  if (rule.empty()) return RuleError::none;
  if (is_word(rule, "allkeys") || rule == "~*") {
    all_keys_ = true;
    keys_.clear();
  } else if (is_word(rule, "resetkeys")) {
    all_keys_ = false;
    keys_.clear();
  } else if (is_word(rule, "allchannels") || rule == "&*") {
    all_channels_ = true;
    channels_.clear();
  } else if (is_word(rule, "resetchannels")) {
    all_channels_ = false;
    channels_.clear();
  } else if (is_word(rule, "allcommands") || is_word(rule, "+@all")) {
    set_all(true);
  } else if (is_word(rule, "nocommands") || is_word(rule, "-@all")) {
    set_all(false);
  } else if (rule[0] == '~' || rule[0] == '%') {
    return apply_keys(rule);
  } else if (rule[0] == '&') {
    return apply_channel(rule);
  } else if (rule.starts_with("+@") || rule.starts_with("-@")) {
    return apply_category(table, rule);
  } else if (rule[0] == '+') {
    return allow(table, rule.substr(1));
  } else if (rule[0] == '-') {
    return forbid(table, rule.substr(1));
  } else {
    return RuleError::malformed;
  }
  return RuleError::none;
}

RuleError Selector::apply_keys(ByteView rule) {
  if (all_keys_) return RuleError::keys_after_all;
  std::uint8_t needs = 0;
  std::size_t at = 1;
  if (rule[0] == '~') {
    needs = read_and_write;
  } else {
    for (; at < rule.size() && rule[at] != '~'; ++at) {
      const char letter = lower(rule[at]);
      const std::uint8_t one = letter == 'r' ? need::read : letter == 'w' ? need::write : 0;
      if (one == 0 || (needs & one) != 0) return RuleError::malformed;
      needs |= one;
    }
    // Unlike Redis: a pattern without a letter or without ~ would let nobody do anything.
    if (at == rule.size() || needs == 0) return RuleError::malformed;
    ++at;
  }
  const ByteView glob = rule.substr(at);
  if (has_blank(glob)) return RuleError::malformed;
  const auto known = std::find_if(keys_.begin(), keys_.end(),
                                  [&](const KeyPattern& one) { return one.glob == glob; });
  if (known == keys_.end()) {
    keys_.push_back({std::string(glob), needs});
  } else {
    known->needs |= needs;
  }
  return RuleError::none;
}

RuleError Selector::apply_channel(ByteView rule) {
  if (all_channels_) return RuleError::channels_after_all;
  const ByteView glob = rule.substr(1);
  if (has_blank(glob)) return RuleError::malformed;
  if (std::find(channels_.begin(), channels_.end(), glob) == channels_.end()) {
    channels_.emplace_back(glob);
  }
  return RuleError::none;
}

RuleError Selector::allow(const CommandTable& table, ByteView name) {
  if (const std::size_t bar = name.rfind('|'); bar != ByteView::npos) {
    return allow_with_argument(table, name, bar);
  }
  const Command* command = table.find(name);
  if (!command) return RuleError::unknown_command;
  set(table, *command, true);
  remember(command->name, true);
  return RuleError::none;
}

// A subcommand, or a command with a first argument, where it has no subcommands.
RuleError Selector::allow_with_argument(const CommandTable& table, ByteView name, std::size_t bar) {
  const Command* command = table.find(name.substr(0, bar));
  if (!command) return RuleError::unknown_command;
  const bool is_subcommand = command->name.find('|') != std::string_view::npos;
  if (is_subcommand) return RuleError::argument_of_subcommand;
  const ByteView argument = name.substr(bar + 1);
  if (argument.empty() || has_blank(argument)) return RuleError::malformed;
  if (command->has(flag::container)) {
    const Command* subcommand = table.find(name);
    if (!subcommand) return RuleError::unknown_command;
    set(table, *subcommand, true);
  } else {
    std::vector<std::string>& arguments = first_arguments_[table.index_of(*command)];
    std::string word = lower_case(argument);
    if (std::find(arguments.begin(), arguments.end(), word) == arguments.end()) {
      arguments.push_back(std::move(word));
    }
  }
  remember(lower_case(name), true);
  return RuleError::none;
}

RuleError Selector::forbid(const CommandTable& table, ByteView name) {
  const Command* command = table.find(name);
  if (!command) return RuleError::unknown_command;
  set(table, *command, false);
  remember(command->name, false);
  return RuleError::none;
}

RuleError Selector::apply_category(const CommandTable& table, ByteView rule) {
  const std::optional<std::uint32_t> category = find_category(rule.substr(2));
  if (!category) return RuleError::unknown_command;
  const bool on = rule[0] == '+';
  remember(lower_case(rule.substr(1)), on);
  for (const Command* command : table.all()) {
    if ((categories_of(*command) & *category) != 0) set(table, *command, on);
  }
  return RuleError::none;
}

void Selector::set_all(bool on) {
  allowed_.assign(allowed_.size(), on);
  from_all_ = on;
  command_rules_.clear();
  first_arguments_.clear();
}

void Selector::set(const CommandTable& table, const Command& command, bool on) {
  const std::size_t index = table.index_of(command);
  allowed_[index] = on;
  first_arguments_.erase(index);
  if (!command.has(flag::container)) return;
  for (const Command* sub : table.subcommands_of(command)) allowed_[table.index_of(*sub)] = on;
}

// The order of the rules is kept; a newer one about a command takes the place of those about it and
// about its subcommands.
void Selector::remember(std::string_view name, bool on) {
  std::erase_if(command_rules_, [&](const std::string& rule) {
    const std::string_view known = std::string_view(rule).substr(1);
    return known == name || (known.starts_with(name) && known[name.size()] == '|');
  });
  command_rules_.push_back((on ? "+" : "-") + std::string(name));
}

// --- checks --------------------------------------------------------------------------------------

bool Selector::allows(const CommandTable& table, const Command& command,
                      std::span<const ByteView> args) const {
  if (command.has(flag::no_auth)) return true;
  const std::size_t index = table.index_of(command);
  if (allowed_[index]) return true;
  const auto found = first_arguments_.find(index);
  if (found == first_arguments_.end() || args.size() < 2) return false;
  return std::any_of(found->second.begin(), found->second.end(),
                     [&](const std::string& word) { return is_word(args[1], word); });
}

bool Selector::allows_key(ByteView key, std::uint8_t needs) const {
  const std::uint8_t wanted = needs & read_and_write;
  return std::any_of(keys_.begin(), keys_.end(), [&](const KeyPattern& pattern) {
    return (pattern.needs & wanted) == wanted && glob_match(pattern.glob, key);
  });
}

// A pattern to listen by could match more than a pattern that it matches: only the same will do.
bool Selector::allows_channel(ByteView name, bool is_pattern) const {
  if (all_channels_ || TRV_MUTANT(channels_not_checked)) return true;
  return std::any_of(channels_.begin(), channels_.end(), [&](const std::string& pattern) {
    return is_pattern ? pattern == name : glob_match(pattern, name);
  });
}

Refusal Selector::check(const CommandTable& table, const Command& command,
                        std::span<const ByteView> args) const {
  if (!allows(table, command, args)) return {Lacks::command, 0};
  Refusal refusal;
  if (!all_keys_ && !TRV_MUTANT(keys_not_checked)) {
    each_key_use(command, args, [&](const KeyUse& use) {
      if (refusal.lacks != Lacks::nothing) return;
      if (!allows_key(args[use.index], use.needs)) refusal = {Lacks::key, use.index};
    });
  }
  if (refusal.lacks != Lacks::nothing || all_channels_) return refusal;
  each_channel_use(command, args, [&](const ChannelUse& use) {
    if (refusal.lacks != Lacks::nothing) return;
    if (!allows_channel(args[use.index], use.is_pattern)) refusal = {Lacks::channel, use.index};
  });
  return refusal;
}

bool Selector::reads_all_keys() const {
  return all_keys_ || std::any_of(keys_.begin(), keys_.end(), [](const KeyPattern& pattern) {
           return (pattern.needs & need::read) != 0 && pattern.glob == "*";
         });
}

bool Selector::unlimited() const {
  return all_keys_ && all_channels_ &&
         std::all_of(allowed_.begin(), allowed_.end(), [](bool one) { return one; });
}

// --- as text -------------------------------------------------------------------------------------

std::string Selector::keys_text() const {
  if (all_keys_) return "~*";
  std::vector<std::string> words;
  for (const KeyPattern& pattern : keys_) words.push_back(word_of(pattern));
  return joined(words);
}

std::string Selector::channels_text() const {
  if (all_channels_) return "&*";
  std::vector<std::string> words;
  for (const std::string& channel : channels_) words.push_back("&" + channel);
  return joined(words);
}

std::string Selector::commands_text() const {
  std::vector<std::string> words = {from_all_ ? "+@all" : "-@all"};
  words.insert(words.end(), command_rules_.begin(), command_rules_.end());
  return joined(words);
}

std::string Selector::text() const {
  std::string keys = keys_text();
  if (!keys.empty()) keys += ' ';
  std::string channels = channels_text();
  if (!channels.empty()) channels += ' ';
  return keys + (all_channels_ ? "" : "resetchannels ") + channels + commands_text();
}

}  // namespace trv::redis
