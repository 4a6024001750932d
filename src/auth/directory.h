// Directory: virtual hosts; users, their passwords and tags, what each may do where, and how much
// of it; global parameters, which are values that somebody wants kept beside them.
//
// Owner: the catalog's core changes it by apply() alone, live and in recovery; every core reads an
// immutable copy. Copies share what did not change.
//
// Invariants:
//   - rights, terms, and limits of users, belong to users that exist, and go with them;
//   - terms of the empty name are of who gives no name, who is no user, and stay;
//   - rights in virtual hosts and their limits go with those; the first one is always there;
//   - applying snapshot() to a new Directory gives an equal one;
//   - apply() of a command about a user or virtual host that is not there changes nothing.
//
// It does not know which resources exist or how many, what an operation needs, or how errors are
// worded.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "auth/password.h"
#include "base/bytes.h"
#include "base/pattern.h"
#include "base/result.h"

namespace trv::auth {

struct User {
  std::string name;
  Hashing hashing = Hashing::none;
  std::string hash;  // salt and digest
  std::vector<std::string> tags;

  bool has_tag(std::string_view tag) const;
  bool operator==(const User&) const = default;
};

// On which terms a user is let in, beside its password, and what a front-end has said of it in
// rules that have a meaning to that front-end only.
struct Terms {
  std::string rules;
  std::vector<std::string> digests;  // of further passwords, each as good as the user's own
  bool locked = false;               // nobody logs in by this name
  bool open = false;  // to front-ends that know such users, any password is the right one

  bool operator==(const Terms&) const = default;
};

// A virtual host: users have rights in it.
struct Vhost {
  enum class State : std::uint8_t {
    live = 0,
    leaving = 1,  // nobody gets in; what it holds is being removed, and then it goes
  };
  std::string name;
  std::string description;
  std::vector<std::string> tags;
  std::string queue_type;  // of queues that are declared without one
  State state = State::live;
  bool operator==(const Vhost&) const = default;
};

enum class Right : std::uint8_t { configure = 0, write = 1, read = 2 };

// What one user may do in one virtual host.
class Rights {
 public:
  struct Topic {
    Pattern write;
    Pattern read;
    bool operator==(const Topic&) const = default;
  };

  bool allow(Right right, std::string_view name) const {
    return patterns[static_cast<std::size_t>(right)].matches(name);
  }
  // Of messages with this key at this exchange, where that is looked at.
  bool allow_key(Right right, std::string_view exchange, std::string_view key) const;
  bool operator==(const Rights&) const = default;

  std::array<Pattern, 3> patterns;                   // by Right
  bool granted = false;                              // else there are only topic rights
  std::map<std::string, Topic, std::less<>> topics;  // by exchange
};

// Of what a user or a virtual host may have only so many.
enum class Limit : std::uint8_t { connections = 1, channels = 2, queues = 3 };
// As they were set: a negative number limits nothing.
using Limits = std::map<Limit, std::int64_t>;
enum class LimitScope : std::uint8_t { user = 0, vhost = 1 };

// Commands. Their encoding is docs/formats/access.md.
struct PutUser {
  User user;
};
struct DeleteUser {
  std::string name;
};
struct PutTerms {
  std::string name;  // of the user, which is made if it is not there; or empty
  Terms terms;
  bool only_these = false;  // the user's own password is forgotten
};
struct SetRights {
  std::string user;
  std::string vhost;
  std::array<std::string, 3> patterns;  // by Right; must parse
};
struct ClearRights {
  std::string user;
  std::string vhost;
};
struct SetTopicRights {
  std::string user;
  std::string vhost;
  std::string exchange;
  std::string write;
  std::string read;
};
struct ClearTopicRights {
  std::string user;
  std::string vhost;
  std::string exchange;  // empty: all of them
};
struct SetLimit {
  LimitScope scope = LimitScope::user;
  std::string name;
  Limit limit = Limit::connections;
  std::int64_t value = 0;
};
struct ClearLimit {
  LimitScope scope = LimitScope::user;
  std::string name;
  std::optional<Limit> limit;  // none: all of them
};
struct PutVhost {
  Vhost vhost;
  std::string owner;  // is given all rights in it when it is new; empty: nobody
};
struct DeleteVhost {
  std::string name;
};
struct PutParameter {
  std::string name;
  std::string value;  // what it means, and in which form, is the front-ends' business
};
struct DeleteParameter {
  std::string name;
};
using Command = std::variant<PutUser, DeleteUser, SetRights, ClearRights, SetTopicRights,
                             ClearTopicRights, SetLimit, ClearLimit, PutVhost, DeleteVhost,
                             PutTerms, PutParameter, DeleteParameter>;

std::string encode(const Command& command);
Result<Command> parse_command(ByteView bytes);

class Directory {
 public:
  static constexpr std::string_view first_user = "guest";

  // With its first virtual host (base/scoped_name.h), and its first user, who may everything there.
  Directory();

  // Errors: corrupt (not a command, or a pattern that does not parse).
  Status apply(ByteView command);
  std::vector<std::string> snapshot() const;

  // Null when there is none. Valid as long as this Directory.
  const User* find(std::string_view name) const;
  // Null when there is none, or it is leaving.
  const Vhost* find_vhost(std::string_view name) const;
  // Null when the user was granted none.
  const Rights* rights(std::string_view user, std::string_view vhost) const;
  // Null when nothing was said of it.
  const Terms* terms(std::string_view user) const;
  // The user, when the password is one of its own and it is not locked.
  const User* log_in(std::string_view name, std::string_view password) const;

  using AllLimits = std::map<std::string, Limits, std::less<>>;  // by name; none is empty
  // Of all users, or of all virtual hosts.
  const AllLimits& limits(LimitScope scope) const {
    return scope == LimitScope::user ? user_limits_ : vhost_limits_;
  }
  // How many there may be; nothing where that is not limited.
  std::optional<std::uint64_t> limit(LimitScope scope, std::string_view name, Limit limit) const;

  using Users = std::map<std::string, std::shared_ptr<const User>, std::less<>>;
  // By user and virtual host.
  using AllRights = std::map<std::string, std::map<std::string, Rights, std::less<>>, std::less<>>;
  using Vhosts = std::map<std::string, std::shared_ptr<const Vhost>, std::less<>>;
  using Parameters = std::map<std::string, std::string, std::less<>>;
  using AllTerms = std::map<std::string, std::shared_ptr<const Terms>, std::less<>>;
  const Users& users() const { return users_; }
  const AllTerms& all_terms() const { return terms_; }
  const Vhosts& vhosts() const { return vhosts_; }
  const AllRights& all_rights() const { return rights_; }
  const Parameters& parameters() const { return parameters_; }
  // Null when there is none.
  const std::string* parameter(std::string_view name) const;
  bool operator==(const Directory& other) const;

 private:
  Status apply(const SetRights& command);
  Status apply(const SetTopicRights& command);
  void clear(const ClearRights& command);
  void clear(const ClearTopicRights& command);
  Status apply(const SetLimit& command);
  void clear(const ClearLimit& command);
  void apply(PutUser command);
  void apply(PutTerms command);
  void remove(const DeleteUser& command);
  void apply(PutVhost command);
  void remove(const DeleteVhost& command);
  // Forgets what grants nothing.
  void tidy(const std::string& user, const std::string& vhost);

  Users users_;     // shared with copies, which never change them
  AllTerms terms_;  // the same
  Vhosts vhosts_;   // the same
  AllRights rights_;
  AllLimits user_limits_;
  AllLimits vhost_limits_;
  Parameters parameters_;
};

}  // namespace trv::auth
