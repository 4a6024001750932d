// Accounts: the users of one core's Redis clients, made of what the catalog says of them.
//
// Owner: the core's Service. The catalog's snapshot (auth::Directory) is the only truth; an Account
// is made of it when somebody needs it, and again when something of it has changed.
//
// Invariants:
//   - no session holds an account of a former snapshot once follow() has run;
//   - who is no user any more, or listens to what it may not, is disconnected by then.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "redis/access/account.h"
#include "redis/access/denial_log.h"
#include "redis/command.h"

namespace trv::redis {

struct Session;

class Accounts {
 public:
  using Ref = std::shared_ptr<const Account>;
  static constexpr std::size_t name_size_max = 255;

  explicit Accounts(Service& service);
  ~Accounts();
  Accounts(const Accounts&) = delete;
  Accounts& operator=(const Accounts&) = delete;

  // Takes what has changed in the catalog. Cheap when nothing has.
  void follow();
  // Null when there is no such user.
  Ref find(std::string_view name);
  // Of who has not said who it is; never null.
  Ref nobody() { return find(Account::nobody); }
  // Null when the password is not the user's, or it may not log in (from where it is).
  Ref log_in(ByteView name, ByteView password, bool from_this_machine);
  // All names there are, in their order.
  std::vector<std::string> names();

  // From look_ahead() to come_back(), users are as the transaction that is being run has changed
  // them: for itself only, and before that is durable. Both may be called once more than needed.
  // Requires: one core.
  void look_ahead();
  void come_back();
  bool looks_ahead() const { return behind_.has_value(); }

  // What a new connection is, and one that begins anew.
  void begin(Session& session);
  // Whether the caller may do this; when not, that is noted.
  Denial check(const Call& call, DenialLog::Context context);
  // Has it noted at the first core, with what the caller's own knows of it.
  void note(const Caller& caller, DenialLog::Event event);
  void note(const Caller& caller, const Denial& denial, DenialLog::Context context);

  // Only that of the first core is written to.
  DenialLog& log() { return log_; }
  std::size_t log_size_max() const { return log_size_max_; }
  void set_log_size_max(std::size_t size_max);

  // What ACL SETUSER makes of a user. On the catalog's core, where changes follow each other.
  // Errors: invalid_argument, with the text of the reply.
  static Result<std::string> change(Service& service, const std::string& name,
                                    const std::vector<std::string>& rules);

 private:
  // What an account was made of.
  struct Made {
    std::shared_ptr<const auth::User> user;
    std::shared_ptr<const auth::Terms> terms;
    std::optional<auth::Rights> rights;
    Ref account;
  };
  Made make(std::string_view name) const;
  bool is_current(const std::string& name, const Made& made) const;
  void take_up(Session& session);

  using MadeByName = std::map<std::string, Made, std::less<>>;
  struct Known {
    std::shared_ptr<const auth::Directory> directory;
    MadeByName made;
  };

  Service& service_;
  std::shared_ptr<const auth::Directory> directory_;
  MadeByName made_;
  std::optional<Known> behind_;  // what is durable, while it looks ahead
  DenialLog log_;
  std::size_t log_size_max_ = DenialLog::size_max_usual;
};

}  // namespace trv::redis
