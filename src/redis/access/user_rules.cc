#include "redis/access/user_rules.h"

#include <algorithm>

#include "auth/password.h"
#include "base/log.h"
#include "base/mutant.h"
#include "redis/wire/number.h"

namespace trv::redis {

namespace {

constexpr std::string_view skips_sanitizing = "skip-sanitize-payload";
constexpr std::string_view sanitizes = "sanitize-payload";

constexpr std::string_view hex_digits = "0123456789abcdef";

std::optional<std::string> bytes_of(ByteView hex) {
  if (hex.size() != 2 * auth::digest_size) return std::nullopt;
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const std::size_t high = hex_digits.find(hex[i]);
    const std::size_t low = hex_digits.find(hex[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    bytes += static_cast<char>(high << 4 | low);
  }
  return bytes;
}

std::vector<std::string_view> split(std::string_view text, char between) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(between), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

// The password of `>p` and `<p`, or the hash of `#h` and `!h`, as it is kept.
std::optional<std::string> digest_in(ByteView rule) {
  if (rule[0] == '>' || rule[0] == '<') return auth::digest_of(rule.substr(1));
  return bytes_of(rule.substr(1));
}

Selector parse_selector(const CommandTable& table, std::string_view rules) {
  Selector selector(table);
  for (std::string_view rule : split(rules, ' ')) {
    const RuleError error = selector.apply(table, rule);
    const bool granted_or_gone =
        error == RuleError::unknown_command && (rule[0] == '+' || !rule.starts_with("-@"));
    if (error == RuleError::none || granted_or_gone) continue;
    log::warn("redis: a user's rule is not understood, and its selector grants nothing: {}", rule);
    return Selector(table);
  }
  return selector;
}

}  // namespace

// The first line is the user's own selector, behind words about the user; each further one is a
// selector of its own.
UserRules UserRules::parse(const CommandTable& table, const auth::Terms& terms) {
  UserRules rules(table);
  rules.enabled_ = !terms.locked;
  rules.open_ = terms.open;
  rules.digests_ = terms.digests;
  rules.selectors_.clear();
  rules.sanitizing_ = Sanitizing::unsaid;
  for (std::string_view line : split(terms.rules, '\n')) {
    for (std::string_view word : {skips_sanitizing, sanitizes}) {
      if (!line.starts_with(word) || !rules.selectors_.empty()) continue;
      rules.sanitizing_ = word == sanitizes ? Sanitizing::on : Sanitizing::off;
      line.remove_prefix(word.size());
    }
    rules.selectors_.push_back(parse_selector(table, line));
  }
  if (rules.selectors_.empty()) rules.selectors_.emplace_back(table);
  return rules;
}

auth::Terms UserRules::terms() const {
  auth::Terms terms;
  terms.locked = !enabled_;
  terms.open = open_;
  terms.digests = digests_;
  if (sanitizing_ != Sanitizing::unsaid) {
    terms.rules = sanitizing_ == Sanitizing::on ? sanitizes : skips_sanitizing;
    terms.rules += ' ';
  }
  for (std::size_t i = 0; i < selectors_.size(); ++i) {
    if (i > 0 && TRV_MUTANT(selectors_are_not_kept)) break;
    terms.rules += (i == 0 ? "" : "\n") + selectors_[i].text();
  }
  return terms;
}

std::string UserRules::change(const CommandTable& table, const auth::User* user,
                              const std::vector<std::string>& rules) {
  std::string unclosed;
  const auto merged = merge_selectors(rules, unclosed);
  if (!merged) return "Unmatched parenthesis in acl selector starting at '" + unclosed + "'.";
  for (const std::string& rule : *merged) {
    const RuleError error = apply(table, user, rule);
    if (error == RuleError::none) continue;
    return "Error in ACL SETUSER modifier '" + rule + "': " + std::string(text_of(error));
  }
  if (digests_.size() > passwords_max) return "A user can not have so many passwords";
  if (terms().rules.size() > text_size_max) return "The rules of a user can not be so long";
  return {};
}

RuleError UserRules::apply(const CommandTable& table, const auth::User* user, ByteView rule) {
  if (rule.empty()) return RuleError::none;
  if (is_word(rule, "on") || is_word(rule, "off")) {
    enabled_ = is_word(rule, "on");
  } else if (is_word(rule, skips_sanitizing)) {
    sanitizing_ = Sanitizing::off;
  } else if (is_word(rule, sanitizes)) {
    sanitizing_ = Sanitizing::on;
  } else if (is_word(rule, "nopass") || is_word(rule, "resetpass")) {
    forget_passwords();
    open_ = is_word(rule, "nopass");
  } else if (rule[0] == '>' || rule[0] == '#') {
    return add_password(rule);
  } else if (rule[0] == '<' || rule[0] == '!') {
    return remove_password(user, rule);
  } else if (rule[0] == '(' && rule.back() == ')') {
    return add_selector(table, rule);
  } else if (is_word(rule, "clearselectors")) {
    selectors_.erase(selectors_.begin() + 1, selectors_.end());
  } else if (is_word(rule, "reset")) {
    reset(table);
  } else {
    return selectors_.front().apply(table, rule);
  }
  return RuleError::none;
}

RuleError UserRules::add_password(ByteView rule) {
  std::optional<std::string> digest = digest_in(rule);
  if (!digest) return RuleError::malformed_hash;
  if (std::find(digests_.begin(), digests_.end(), *digest) == digests_.end()) {
    digests_.push_back(std::move(*digest));
  }
  open_ = false;
  return RuleError::none;
}

RuleError UserRules::remove_password(const auth::User* user, ByteView rule) {
  const std::optional<std::string> digest = digest_in(rule);
  if (!digest) return RuleError::malformed_hash;
  const bool was_own = user && rule[0] == '<' && !forgets_own_password_ &&
                       auth::password_fits(user->hashing, user->hash, rule.substr(1));
  forgets_own_password_ = forgets_own_password_ || was_own;
  return std::erase(digests_, *digest) > 0 || was_own ? RuleError::none
                                                      : RuleError::no_such_password;
}

RuleError UserRules::add_selector(const CommandTable& table, ByteView rule) {
  Selector selector(table);
  for (std::string_view one : split(rule.substr(1, rule.size() - 2), ' ')) {
    const RuleError error = selector.apply(table, one);
    if (error != RuleError::none) return error;
  }
  selectors_.push_back(std::move(selector));
  return RuleError::none;
}

void UserRules::forget_passwords() {
  digests_.clear();
  open_ = false;
  forgets_own_password_ = true;
}

void UserRules::reset(const CommandTable& table) {
  *this = UserRules(table);
  forgets_own_password_ = true;
}

std::vector<std::string> UserRules::flags() const {
  std::vector<std::string> words = {enabled_ ? "on" : "off"};
  if (open_) words.emplace_back("nopass");
  if (sanitizing_ == Sanitizing::off) words.emplace_back(skips_sanitizing);
  if (sanitizing_ == Sanitizing::on) words.emplace_back(sanitizes);
  return words;
}

std::vector<std::string> UserRules::password_hashes() const {
  std::vector<std::string> hashes;
  for (const std::string& digest : digests_) hashes.push_back(hex_text(digest));
  return hashes;
}

std::string UserRules::text() const {
  std::string out;
  for (const std::string& flag : flags()) out += flag + " ";
  for (const std::string& hash : password_hashes()) out += "#" + hash + " ";
  for (std::size_t i = 0; i < selectors_.size(); ++i) {
    out += i == 0 ? selectors_[i].text() : " (" + selectors_[i].text() + ")";
  }
  return out;
}

std::optional<std::vector<std::string>> merge_selectors(const std::vector<std::string>& args,
                                                        std::string& unclosed) {
  std::vector<std::string> merged;
  std::optional<std::string> open;
  for (const std::string& arg : args) {
    if (open) {
      *open += " " + arg;
      if (!arg.ends_with(')')) continue;
      merged.push_back(std::move(*open));
      open.reset();
    } else if (arg.starts_with('(') && !arg.ends_with(')')) {
      open = unclosed = arg;
    } else {
      merged.push_back(arg);
    }
  }
  if (open) return std::nullopt;
  return merged;
}

}  // namespace trv::redis
