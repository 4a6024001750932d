#include "redis/access/accounts.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/mutant.h"
#include "base/scoped_name.h"
#include "broker/catalog.h"
#include "redis/handlers/client.h"
#include "redis/service.h"

namespace trv::redis {

namespace {

// The directory has the terms of who gives no name under no name.
std::string_view directory_name(std::string_view name) {
  return name == Account::nobody ? std::string_view() : name;
}

template <class Map>
auto shared_of(const Map& map, std::string_view name) {
  const auto found = map.find(name);
  return found == map.end() ? typename Map::mapped_type() : found->second;
}

std::optional<auth::Rights> rights_of(const auth::Directory& directory, std::string_view name) {
  const auth::Rights* rights = directory.rights(name, first_scope);
  return rights ? std::optional(*rights) : std::nullopt;
}

UserRules rules_of(Service& service, const auth::Directory& directory, std::string_view name) {
  const CommandTable& table = service.table();
  const std::string_view known_as = directory_name(name);
  if (const auth::Terms* terms = directory.terms(known_as)) return UserRules::parse(table, *terms);
  if (known_as.empty()) return Account::implied_for_nobody(table, service.settings().password);
  const auth::User* user = directory.find(name);
  if (!user) return UserRules(table);
  return Account::implied(table, *user, directory.rights(name, first_scope));
}

}  // namespace

Accounts::Accounts(Service& service)
    : service_(service), directory_(service.broker().catalog().access()) {
  service.broker().catalog().watch_access([this] { follow(); });
}

Accounts::~Accounts() { service_.broker().catalog().watch_access({}); }

Accounts::Made Accounts::make(std::string_view name) const {
  const std::string_view known_as = directory_name(name);
  Made made{shared_of(directory_->users(), known_as), shared_of(directory_->all_terms(), known_as),
            std::nullopt, nullptr};
  const bool nobody = known_as.empty();
  if (!nobody && !made.user) return made;
  if (!nobody) made.rights = rights_of(*directory_, name);
  made.account = std::make_shared<const Account>(
      std::string(name), rules_of(service_, *directory_, name), made.rights);
  return made;
}

bool Accounts::is_current(const std::string& name, const Made& made) const {
  const std::string_view known_as = directory_name(name);
  return shared_of(directory_->users(), known_as) == made.user &&
         shared_of(directory_->all_terms(), known_as) == made.terms &&
         rights_of(*directory_, known_as) == made.rights;
}

Accounts::Ref Accounts::find(std::string_view name) {
  if (name.empty()) return nullptr;
  follow();
  if (auto at = made_.find(name); at != made_.end()) return at->second.account;
  Made made = make(name);
  Ref account = made.account;
  if (account) made_.emplace(name, std::move(made));
  return account;
}

void Accounts::look_ahead() {
  TRV_ASSERT(service_.single_core());
  if (!behind_) behind_ = Known{directory_, std::move(made_)};
  made_.clear();
  directory_ = std::make_shared<const auth::Directory>(service_.broker().catalog().access_state());
}

void Accounts::come_back() {
  if (!behind_) return;
  directory_ = std::move(behind_->directory);
  made_ = std::move(behind_->made);
  behind_.reset();
}

void Accounts::follow() {
  if (behind_) return;
  const auto& newest = service_.broker().catalog().access();
  if (newest == directory_) return;
  directory_ = newest;
  std::erase_if(made_, [&](const auto& one) { return !is_current(one.first, one.second); });
  // Whoever is disconnected may leave the list.
  std::vector<ConnectionId> all;
  for (const auto& [id, client] : service_.clients()) all.push_back(id);
  for (ConnectionId id : all) {
    if (Client* client = service_.find_client(id)) take_up(client->session());
  }
}

void Accounts::take_up(Session& session) {
  const Ref before = session.account;
  const Ref now = before ? find(before->name()) : nobody();
  if (now == before) return;
  Client* client = service_.find_client(session.id);
  if (!now) {
    session.become(nobody());
    session.authenticated = false;
    // Who removes itself is still told so.
    if (!TRV_MUTANT(removed_users_stay_connected)) client->kill(session.awaits_removal);
    return;
  }
  session.become(now);
  if (now->name() == Account::nobody && now->rules().open() && now->rules().enabled()) {
    session.authenticated = true;
  }
  bool allowed = true;
  for (const std::string& channel : session.channels) {
    allowed = allowed && now->allows_channel(channel, false);
  }
  for (const std::string& pattern : session.patterns) {
    allowed = allowed && now->allows_channel(pattern, true);
  }
  if (!allowed && !TRV_MUTANT(lost_channels_are_still_heard)) client->kill(false);
}

void Accounts::begin(Session& session) {
  session.become(nobody());
  const UserRules& rules = session.account->rules();
  session.authenticated = rules.open() && rules.enabled();
}

Accounts::Ref Accounts::log_in(ByteView name, ByteView password, bool from_this_machine) {
  Ref account = find(name);
  if (!account || !account->rules().enabled()) return nullptr;
  // Its password is known to everybody.
  if (name == auth::Directory::first_user && !from_this_machine) return nullptr;
  if (account->rules().open()) return account;
  for (const std::string& digest : account->rules().digests()) {
    if (auth::digest_fits(digest, password)) return account;
  }
  if (name == Account::nobody) return nullptr;
  return directory_->log_in(name, password) ? account : nullptr;
}

std::vector<std::string> Accounts::names() {
  follow();
  std::vector<std::string> names = {std::string(Account::nobody)};
  for (const auto& [name, user] : directory_->users()) {
    if (name != Account::nobody) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Denial Accounts::check(const Call& call, DenialLog::Context context) {
  Ref account = call.session ? call.session->account : find(call.caller.user);
  if (behind_ && account) account = find(account->name());
  Denial denial;
  if (account) {
    denial = account->check(service_.table(), call.command, call.args);
  } else {
    // Removed while its command was on its way.
    denial = {Lacks::command, std::string(call.command.name), "NOPERM", "the user is not there"};
  }
  if (denial) note(call.caller, denial, context);
  return denial;
}

void Accounts::note(const Caller& caller, const Denial& denial, DenialLog::Context context) {
  note(caller, {reason_of(denial.lacks), context, denial.object, caller.user, {}});
}

void Accounts::note(const Caller& caller, DenialLog::Event event) {
  service_.counters().denied.add(event.reason);
  service_.at_home(caller.connection,
                   [id = caller.connection, event = std::move(event)](Service& home) {
                     DenialLog::Event whole = event;
                     if (Client* client = home.find_client(id)) {
                       whole.client = describe_client(*client);
                       whole.client.pop_back();  // the line's end
                     }
                     Service& first = home.peer(CoreIndex(0));
                     home.broker().at_core(CoreIndex(0), [&first, whole](broker::Broker& broker) {
                       first.accounts().log().add(whole, broker.wall_now());
                     });
                   });
}

void Accounts::set_log_size_max(std::size_t size_max) {
  log_size_max_ = size_max;
  log_.set_size_max(size_max);
}

Result<std::string> Accounts::change(Service& service, const std::string& name,
                                     const std::vector<std::string>& rules) {
  const auth::Directory& directory = service.broker().catalog().access_state();
  const std::string known_as(directory_name(name));
  UserRules changed = rules_of(service, directory, name);
  std::string why = changed.change(service.table(), directory.find(known_as), rules);
  if (!why.empty()) return Error{Errc::invalid_argument, std::move(why)};
  return auth::encode(auth::PutTerms{known_as, changed.terms(), changed.forgets_own_password()});
}

}  // namespace trv::redis
