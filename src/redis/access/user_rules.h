// UserRules: all that ACL SETUSER can say of a user, as it is changed and as it is kept. Pure.
//
// It is kept in auth::Terms: passwords and the lock are understood by everybody, the rest is a text
// that is read here only (docs/formats/access.md).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "auth/directory.h"
#include "redis/access/selector.h"

namespace trv::redis {

class UserRules {
 public:
  enum class Sanitizing : std::uint8_t { unsaid, on, off };
  static constexpr std::size_t passwords_max = 1000;
  static constexpr std::size_t text_size_max = 1u << 20;

  // What ACL SETUSER begins with: may not log in, nor do anything.
  explicit UserRules(const CommandTable& table) : selectors_{Selector(table)} {}
  // What is kept. Rules about commands that are not known any more grant nothing; when they have
  // taken something away, the selector does not grant anything.
  static UserRules parse(const CommandTable& table, const auth::Terms& terms);
  auth::Terms terms() const;

  // `user`: who it is about, if it is there: it has a password of its own.
  // Result: empty, or why one of the rules was not taken; what was changed until then is to be
  // thrown away.
  std::string change(const CommandTable& table, const auth::User* user,
                     const std::vector<std::string>& rules);
  RuleError apply(const CommandTable& table, const auth::User* user, ByteView rule);

  // What the user's own password is good for is decided with the others.
  bool forgets_own_password() const { return forgets_own_password_; }
  bool enabled() const { return enabled_; }
  bool open() const { return open_; }
  const std::vector<std::string>& digests() const { return digests_; }  // as bytes
  std::vector<std::string> password_hashes() const;                     // the same in hex
  // The first is the user's own, the others stand in parentheses. Never empty.
  const std::vector<Selector>& selectors() const { return selectors_; }
  std::vector<std::string> flags() const;
  // As ACL LIST tells it, behind the name.
  std::string text() const;

 private:
  RuleError add_password(ByteView rule);
  RuleError remove_password(const auth::User* user, ByteView rule);
  RuleError add_selector(const CommandTable& table, ByteView rule);
  void forget_passwords();
  void reset(const CommandTable& table);

  bool enabled_ = false;
  bool open_ = false;  // any password is right
  bool forgets_own_password_ = false;
  Sanitizing sanitizing_ = Sanitizing::on;
  std::vector<std::string> digests_;
  std::vector<Selector> selectors_;
};

// Which arguments belong together: selectors may be spread over several. Nothing when one is not
// closed: `unclosed` is then where it begins.
std::optional<std::vector<std::string>> merge_selectors(const std::vector<std::string>& args,
                                                        std::string& unclosed);

}  // namespace trv::redis
