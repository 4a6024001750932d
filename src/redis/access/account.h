// Account: who a client is, and what it may do: its ACL rules and, where it has both, its rights as
// they count for the other protocols. Pure, and immutable once made.
//
// Owner: shared by the sessions of one core and its Accounts; replaced when something of it
// changes.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "auth/directory.h"
#include "redis/access/user_rules.h"

namespace trv::redis {

// Why a command was not run, in the words of ACL LOG.
struct Denial {
  Lacks lacks = Lacks::nothing;
  std::string object;  // the command, key or channel
  std::string_view kind = "NOPERM";
  std::string text;  // of the error, behind its kind

  explicit operator bool() const { return lacks != Lacks::nothing; }
  std::string error() const { return std::string(kind) + " " + text; }
};

class Account {
 public:
  static constexpr std::string_view nobody = "default";  // who has not said who it is

  Account(std::string name, UserRules rules, std::optional<auth::Rights> rights);

  const std::string& name() const { return name_; }
  const UserRules& rules() const { return rules_; }
  // Whether there is anything that it may not do. Else nothing has to be checked.
  bool limited() const { return limited_; }

  Denial check(const CommandTable& table, const Command& command,
               std::span<const ByteView> args) const;
  // The same without words.
  Refusal refusal(const CommandTable& table, const Command& command,
                  std::span<const ByteView> args) const;
  bool allows_channel(ByteView name, bool is_pattern) const;
  // As an error of a command tells it, or at length, as ACL DRYRUN does.
  std::string text_of(const Refusal& refusal, const Command& command,
                      std::span<const ByteView> args, bool at_length) const;

  // The rules of a user of whom ACL SETUSER has said nothing.
  static UserRules implied(const CommandTable& table, const auth::User& user,
                           const auth::Rights* rights);
  // The same of who gives no name. An empty password means that none is needed.
  static UserRules implied_for_nobody(const CommandTable& table, ByteView password);

 private:
  // SORT's BY and GET read keys that are found only as it runs.
  Denial check_sorting(const CommandTable& table, const Command& command,
                       std::span<const ByteView> args) const;
  bool may_look_everywhere(const CommandTable& table, const Command& command,
                           std::span<const ByteView> args) const;
  Refusal rights_refusal(const Command& command, std::span<const ByteView> args) const;

  std::string name_;
  UserRules rules_;
  std::optional<auth::Rights> rights_;  // those that do not allow everything
  bool limited_;
};

}  // namespace trv::redis
