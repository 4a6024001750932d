// ACL SETUSER and DELUSER: users are changed on the catalog's core, one change behind the other,
// and the reply is sent when the change is durable and every core goes by it.
//
// Who makes users here need not be somebody whom the other protocols know, so it gets no say over
// those who have rights or tags there: these are changed by an administrator only.
#include "redis/access/changes.h"

#include "auth/directory.h"
#include "base/mutant.h"
#include "broker/catalog.h"
#include "redis/access/selector.h"
#include "redis/handlers/families.h"
#include "redis/service.h"

namespace trv::redis {

namespace {

using broker::Broker;
using broker::Catalog;

constexpr std::string_view administrators_only =
    "NOPERM only a user with the tag 'administrator' may change one that has tags or rights";
constexpr std::string_view default_stays = "ERR The 'default' user cannot be removed";

bool may_change(const auth::Directory& directory, const std::string& who, const std::string& name) {
  const auth::User* user = directory.find(name);
  if (!user || name == Account::nobody) return true;
  const bool has_rights = directory.all_rights().contains(name);
  if (user->tags.empty() && !has_rights) return true;
  const auth::User* changer = who == Account::nobody ? nullptr : directory.find(who);
  return (changer && changer->has_tag("administrator")) ||
         TRV_MUTANT(anybody_changes_administrators);
}

std::string error_line(std::string_view text) { return "-" + std::string(text) + "\r\n"; }

// Takes the place of the reply; what becomes of it is known later.
ReplyPlace later(Call& call) {
  call.deferred = true;
  return {call.caller.home, call.caller.connection, call.client->defer()};
}

// In a transaction, which is not interrupted: the change is made here and now, the commands behind
// it go by it, and the reply of EXEC waits for it. False after an error reply.
bool execute_at_once(Call& call, const std::string& command) {
  const auto refused = std::make_shared<std::string>();
  // It is told what stands in the way at once, or what becomes of it when nobody asks any more.
  call.broker.catalog().execute_access(command, [refused](const Result<broker::Durable>& done) {
    if (!done) *refused = error_text(done.error());
  });
  if (!refused->empty()) {
    call.reply.error(*refused);
    return false;
  }
  call.wait_for(call.broker.tail());
  if (!TRV_MUTANT(transaction_goes_by_former_users)) call.service.accounts().look_ahead();
  return true;
}

// What makes of the users what ACL SETUSER says. Errors: the text of the reply.
Result<std::string> command_for(Broker& owner, Service& there, const std::string& who,
                                const std::string& name, const std::vector<std::string>& rules) {
  if (!may_change(owner.catalog().access_state(), who, name)) {
    return Error{Errc::access_refused, std::string(administrators_only)};
  }
  Result<std::string> command = Accounts::change(there, name, rules);
  if (command) return command;
  return Error{command.error().code, "ERR " + command.error().message};
}

bool is_name(Call& call, const std::string& name) {
  if (has_blank(name) || name.empty()) {
    call.reply.error("ERR Usernames can't contain spaces or null characters");
    return false;
  }
  if (name.size() <= Accounts::name_size_max) return true;
  call.reply.error("ERR Usernames can't have more than 255 characters");
  return false;
}

void setuser(Call& call) {
  const std::string name(call.args[2]);
  if (!is_name(call, name)) return;
  const std::vector<std::string> rules(call.args.begin() + 3, call.args.end());
  change_user(call, name, rules, [](Service&) {});
}

// Of the users that are removed in one go.
struct Removal {
  std::size_t missing = 1;  // answers, and the end of the list
  std::int64_t removed = 0;
  std::string error;
};

void deluser_at_once(Call& call, const std::vector<std::string>& names) {
  std::int64_t removed = 0;
  for (const std::string& name : names) {
    const auth::Directory& directory = call.broker.catalog().access_state();
    if (!directory.find(name)) continue;
    if (!may_change(directory, call.caller.user, name)) {
      return call.reply.error(administrators_only);
    }
    if (!execute_at_once(call, auth::encode(auth::DeleteUser{name}))) return;
    ++removed;
  }
  call.reply.integer(removed);
}

void deluser(Call& call) {
  const std::vector<std::string> names(call.args.begin() + 2, call.args.end());
  for (const std::string& name : names) {
    if (name == Account::nobody) return call.reply.error(default_stays);
  }
  if (call.transaction && !call.service.single_core()) return call.reply.error(text::several_cores);
  if (call.transaction) return deluser_at_once(call, names);
  const ReplyPlace place = later(call);
  call.session->awaits_removal = true;
  Service& service = call.service;
  call.broker.at(Catalog::home, [&service, place, names, who = call.caller.user](Broker& owner) {
    Service& there = service.peer_of(owner);
    auto removal = std::make_shared<Removal>();
    const auto one_less = [&there, place, removal] {
      if (--removal->missing > 0) return;
      std::string out = ":" + std::to_string(removal->removed) + "\r\n";
      if (!removal->error.empty()) out = error_line(removal->error);
      there.fulfil(place, std::move(out), {});
    };
    for (const std::string& name : names) {
      const auth::Directory& directory = owner.catalog().access_state();
      if (!directory.find(name) || !removal->error.empty()) continue;
      if (!may_change(directory, who, name)) {
        removal->error = administrators_only;
        continue;
      }
      ++removal->missing;
      owner.catalog().execute_access(auth::encode(auth::DeleteUser{name}),
                                     [removal, one_less](const Result<broker::Durable>& done) {
                                       if (done) ++removal->removed;
                                       if (!done) removal->error = error_text(done.error());
                                       one_less();
                                     });
    }
    one_less();
  });
}

constexpr std::uint32_t changes = flag::loading | flag::stale | flag::no_script | flag::admin;

constexpr Command rows[] = {
    {"acl|setuser", -3, changes, Where::every_core, KeyRule::none, 0, 0, 0, "server", "6.0.0",
     "Makes a user, or changes its rules.", setuser},
    {"acl|deluser", -3, changes, Where::every_core, KeyRule::none, 0, 0, 0, "server", "6.0.0",
     "Removes users, for all protocols.", deluser},
};

}  // namespace

std::span<const Command> acl_change_commands() { return rows; }

void change_user(Call& call, const std::string& name, const std::vector<std::string>& rules,
                 std::function<void(Service&)> then) {
  if (call.transaction) {
    if (!call.service.single_core()) return call.reply.error(text::several_cores);
    const auto command = command_for(call.broker, call.service, call.caller.user, name, rules);
    if (!command) return call.reply.error(command.error().message);
    if (!execute_at_once(call, *command)) return;
    then(call.service);
    return call.reply.ok();
  }
  const ReplyPlace place = later(call);
  Service& service = call.service;
  call.broker.at(Catalog::home,
                 [&service, place, name, rules, who = call.caller.user,
                  protocol = call.reply.protocol(), then = std::move(then)](Broker& owner) {
                   Service& there = service.peer_of(owner);
                   const auto answer = [&there, place, protocol](std::string_view error) {
                     std::string out;
                     ReplyWriter reply(out, protocol);
                     if (error.empty()) {
                       reply.ok();
                     } else {
                       reply.error(error);
                     }
                     there.fulfil(place, std::move(out), {});
                   };
                   const auto command = command_for(owner, there, who, name, rules);
                   if (!command) return answer(command.error().message);
                   owner.catalog().execute_access(
                       *command, [answer, then, &there](const Result<broker::Durable>& done) {
                         if (done) then(there);
                         answer(done ? std::string() : error_text(done.error()));
                       });
                 });
}

}  // namespace trv::redis
