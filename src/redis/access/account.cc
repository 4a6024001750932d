#include "redis/access/account.h"

#include <algorithm>

#include "base/mutant.h"

namespace trv::redis {

namespace {

constexpr std::string_view everything = ".*";

bool allows_all(const auth::Rights& rights) {
  return std::all_of(rights.patterns.begin(), rights.patterns.end(),
                     [](const Pattern& pattern) { return pattern.text() == everything; });
}

bool allows(const auth::Rights& rights, ByteView key, std::uint8_t needs) {
  using auth::Right;
  // That a key is there is something about it, too.
  if ((needs & need::read) != 0 || needs == need::nothing) {
    if (!rights.allow(Right::read, key)) return false;
  }
  if ((needs & need::write) != 0 && !rights.allow(Right::write, key)) return false;
  return (needs & need::remove) == 0 || rights.allow(Right::configure, key);
}

// By the pattern's text alone nobody knows what a pattern to listen by matches.
bool allows_channel_by(const auth::Rights& rights, auth::Right right, ByteView name,
                       bool is_pattern) {
  const Pattern& pattern = rights.patterns[static_cast<std::size_t>(right)];
  return is_pattern ? pattern.text() == everything : pattern.matches(name);
}

}  // namespace

Account::Account(std::string name, UserRules rules, std::optional<auth::Rights> rights)
    : name_(std::move(name)), rules_(std::move(rules)), rights_(std::move(rights)) {
  if (rights_ && allows_all(*rights_)) rights_.reset();
  const auto& selectors = rules_.selectors();
  limited_ = rights_ || std::none_of(selectors.begin(), selectors.end(),
                                     [](const Selector& one) { return one.unlimited(); });
}

UserRules Account::implied(const CommandTable& table, const auth::User& user,
                           const auth::Rights* rights) {
  UserRules rules(table);
  std::vector<std::string> words = {"on"};
  if (rights) {
    words.insert(words.end(), {"allkeys", "allchannels", "allcommands"});
    if (!user.has_tag("administrator")) words.insert(words.end(), {"-@admin", "-@dangerous"});
  }
  for (const std::string& word : words) rules.apply(table, nullptr, word);
  return rules;
}

UserRules Account::implied_for_nobody(const CommandTable& table, ByteView password) {
  auth::Terms terms;
  terms.rules = "~* &* +@all";
  terms.open = password.empty();
  if (!password.empty()) terms.digests.push_back(auth::digest_of(password));
  return UserRules::parse(table, terms);
}

Refusal Account::refusal(const CommandTable& table, const Command& command,
                         std::span<const ByteView> args) const {
  // What tells most: a key or channel that no selector allows, rather than the command.
  Refusal worst{Lacks::command, 0};
  bool allowed = false;
  for (const Selector& selector : rules_.selectors()) {
    const Refusal one = selector.check(table, command, args);
    allowed = allowed || one.lacks == Lacks::nothing;
    const bool worse =
        one.lacks > worst.lacks || (one.lacks == worst.lacks && one.index > worst.index);
    if (worse) worst = one;
  }
  if (!allowed) return worst;
  return rights_ && !command.has(flag::no_auth) ? rights_refusal(command, args) : Refusal{};
}

Refusal Account::rights_refusal(const Command& command, std::span<const ByteView> args) const {
  if (TRV_MUTANT(redis_rights_ignored)) return {};
  // They remove whatever there is.
  const bool removes_all = command.name == "flushall" || command.name == "flushdb";
  const auto configure = static_cast<std::size_t>(auth::Right::configure);
  if (removes_all && rights_->patterns[configure].text() != everything) return {Lacks::command, 0};
  Refusal refusal;
  each_key_use(command, args, [&](const KeyUse& use) {
    if (refusal.lacks == Lacks::nothing && !allows(*rights_, args[use.index], use.needs)) {
      refusal = {Lacks::key, use.index};
    }
  });
  const auth::Right right = command.name == "publish" ? auth::Right::write : auth::Right::read;
  each_channel_use(command, args, [&](const ChannelUse& use) {
    if (refusal.lacks == Lacks::nothing &&
        !allows_channel_by(*rights_, right, args[use.index], use.is_pattern)) {
      refusal = {Lacks::channel, use.index};
    }
  });
  return refusal;
}

// Whether there is a selector that lets the command be run and every key be read.
bool Account::may_look_everywhere(const CommandTable& table, const Command& command,
                                  std::span<const ByteView> args) const {
  const auto read = static_cast<std::size_t>(auth::Right::read);
  if (rights_ && rights_->patterns[read].text() != everything) return false;
  const auto& selectors = rules_.selectors();
  return std::any_of(selectors.begin(), selectors.end(), [&](const Selector& one) {
    return one.reads_all_keys() && one.check(table, command, args).lacks == Lacks::nothing;
  });
}

Denial Account::check(const CommandTable& table, const Command& command,
                      std::span<const ByteView> args) const {
  Denial denial;
  if (!limited_) return denial;
  const Refusal refused = refusal(table, command, args);
  if (refused.lacks != Lacks::nothing) {
    denial.lacks = refused.lacks;
    denial.object = refused.lacks == Lacks::command ? command.name : args[refused.index];
    denial.text = text_of(refused, command, args, false);
    return denial;
  }
  const bool sorts = command.name == "sort" || command.name == "sort_ro";
  return sorts ? check_sorting(table, command, args) : denial;
}

Denial Account::check_sorting(const CommandTable& table, const Command& command,
                              std::span<const ByteView> args) const {
  for (std::size_t i = 2; i + 1 < args.size(); ++i) {
    const bool by = is_word(args[i], "by") && args[i + 1].find('*') != ByteView::npos;
    if (!by && !is_word(args[i], "get")) continue;
    if (may_look_everywhere(table, command, args)) return {};
    return {Lacks::key, std::string(args[i + 1]), "ERR",
            std::string(by ? "BY" : "GET") +
                " option of SORT denied due to insufficient ACL permissions."};
  }
  return {};
}

bool Account::allows_channel(ByteView name, bool is_pattern) const {
  if (rights_ && !allows_channel_by(*rights_, auth::Right::read, name, is_pattern)) return false;
  const auto& selectors = rules_.selectors();
  return std::any_of(selectors.begin(), selectors.end(),
                     [&](const Selector& one) { return one.allows_channel(name, is_pattern); });
}

std::string Account::text_of(const Refusal& refusal, const Command& command,
                             std::span<const ByteView> args, bool at_length) const {
  const std::string who = "User " + name_ + " has no permissions to ";
  if (refusal.lacks == Lacks::command) {
    return who + "run the '" + std::string(command.name) + "' command";
  }
  const std::string what = refusal.lacks == Lacks::key ? "key" : "channel";
  if (!at_length) return "No permissions to access a " + what;
  return who + "access the '" + std::string(args[refusal.index]) + "' " + what;
}

}  // namespace trv::redis
