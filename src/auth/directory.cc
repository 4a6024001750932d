#include "auth/directory.h"

#include <algorithm>

#include "base/mutant.h"
#include "base/scoped_name.h"

namespace trv::auth {

namespace {

// The first user's password is known to everybody; its salt need not be a secret.
constexpr ByteView first_salt = "trv0";

User make_first_user() {
  User user;
  user.name = Directory::first_user;
  user.hashing = Hashing::sha256;
  user.hash = hash_password(Hashing::sha256, first_salt, Directory::first_user);
  user.tags = {"administrator"};
  return user;
}

Vhost make_first_vhost() {
  Vhost vhost;
  vhost.name = first_scope;
  vhost.description = "Default virtual host";
  vhost.queue_type = "classic";
  return vhost;
}

Rights all_rights_there() {
  Rights all;
  for (Pattern& pattern : all.patterns) pattern = *Pattern::parse(".*");
  all.granted = true;
  return all;
}

}  // namespace

bool User::has_tag(std::string_view tag) const {
  return std::find(tags.begin(), tags.end(), tag) != tags.end();
}

bool Rights::allow_key(Right right, std::string_view exchange, std::string_view key) const {
  const auto found = topics.find(exchange);
  if (found == topics.end()) return true;
  return (right == Right::write ? found->second.write : found->second.read).matches(key);
}

Directory::Directory() {
  const std::string name(first_user);
  users_[name] = std::make_shared<const User>(make_first_user());
  const std::string vhost(first_scope);
  vhosts_[vhost] = std::make_shared<const Vhost>(make_first_vhost());
  rights_[name][vhost] = all_rights_there();
}

const User* Directory::find(std::string_view name) const {
  const auto found = users_.find(name);
  return found == users_.end() ? nullptr : found->second.get();
}

const Vhost* Directory::find_vhost(std::string_view name) const {
  const auto found = vhosts_.find(name);
  if (found == vhosts_.end()) return nullptr;
  const bool live = found->second->state == Vhost::State::live || TRV_MUTANT(leaving_vhost_is_open);
  return live ? found->second.get() : nullptr;
}

const Rights* Directory::rights(std::string_view user, std::string_view vhost) const {
  const auto found = rights_.find(user);
  if (found == rights_.end()) return nullptr;
  const auto there = found->second.find(vhost);
  return there == found->second.end() || !there->second.granted ? nullptr : &there->second;
}

const User* Directory::log_in(std::string_view name, std::string_view password) const {
  const User* user = find(name);
  if (!user) return nullptr;
  const Terms* terms = this->terms(name);
  if (terms && terms->locked && !TRV_MUTANT(locked_user_logs_in)) return nullptr;
  if (password_fits(user->hashing, user->hash, password)) return user;
  const bool fits =
      terms && std::any_of(terms->digests.begin(), terms->digests.end(),
                           [&](const std::string& one) { return digest_fits(one, password); });
  return fits ? user : nullptr;
}

const Terms* Directory::terms(std::string_view user) const {
  const auto found = terms_.find(user);
  return found == terms_.end() ? nullptr : found->second.get();
}

const std::string* Directory::parameter(std::string_view name) const {
  const auto found = parameters_.find(name);
  return found == parameters_.end() ? nullptr : &found->second;
}

bool Directory::operator==(const Directory& other) const {
  const auto same = [](const auto& a, const auto& b) {
    return a.first == b.first && *a.second == *b.second;
  };
  return std::equal(users_.begin(), users_.end(), other.users_.begin(), other.users_.end(), same) &&
         std::equal(terms_.begin(), terms_.end(), other.terms_.begin(), other.terms_.end(), same) &&
         std::equal(vhosts_.begin(), vhosts_.end(), other.vhosts_.begin(), other.vhosts_.end(),
                    same) &&
         rights_ == other.rights_ && user_limits_ == other.user_limits_ &&
         vhost_limits_ == other.vhost_limits_ && parameters_ == other.parameters_;
}

Status Directory::apply(ByteView bytes) {
  auto command = parse_command(bytes);
  if (!command) return command.error();
  if (auto* put = std::get_if<PutUser>(&*command)) {
    apply(std::move(*put));
  } else if (const auto* gone = std::get_if<DeleteUser>(&*command)) {
    remove(*gone);
  } else if (auto* terms = std::get_if<PutTerms>(&*command)) {
    apply(std::move(*terms));
  } else if (const auto* set = std::get_if<SetRights>(&*command)) {
    return apply(*set);
  } else if (const auto* cleared = std::get_if<ClearRights>(&*command)) {
    clear(*cleared);
  } else if (const auto* topic = std::get_if<SetTopicRights>(&*command)) {
    return apply(*topic);
  } else if (const auto* no_topic = std::get_if<ClearTopicRights>(&*command)) {
    clear(*no_topic);
  } else if (const auto* limit = std::get_if<SetLimit>(&*command)) {
    return apply(*limit);
  } else if (const auto* no_limit = std::get_if<ClearLimit>(&*command)) {
    clear(*no_limit);
  } else if (auto* vhost = std::get_if<PutVhost>(&*command)) {
    apply(std::move(*vhost));
  } else if (const auto* no_vhost = std::get_if<DeleteVhost>(&*command)) {
    remove(*no_vhost);
  } else if (auto* parameter = std::get_if<PutParameter>(&*command)) {
    parameters_[std::move(parameter->name)] = std::move(parameter->value);
  } else if (const auto* no_parameter = std::get_if<DeleteParameter>(&*command)) {
    parameters_.erase(no_parameter->name);
  }
  return {};
}

void Directory::apply(PutUser command) {
  const std::string name = command.user.name;
  const User* before = find(name);
  const auto found = terms_.find(name);
  // Whoever sets the password sets all there are: what was the password is so no longer.
  if (before && found != terms_.end() && before->hash != command.user.hash &&
      !TRV_MUTANT(former_passwords_stay)) {
    auto terms = std::make_shared<Terms>(*found->second);
    terms->digests.clear();
    terms->open = false;
    found->second = std::move(terms);
  }
  users_[name] = std::make_shared<const User>(std::move(command.user));
}

void Directory::apply(PutTerms command) {
  const std::string& name = command.name;
  if (!name.empty() && (!find(name) || command.only_these)) {
    User user = find(name) ? *find(name) : User{name, Hashing::none, {}, {}};
    user.hashing = Hashing::none;
    user.hash.clear();
    users_[name] = std::make_shared<const User>(std::move(user));
  }
  terms_[name] = std::make_shared<const Terms>(std::move(command.terms));
}

void Directory::remove(const DeleteUser& command) {
  const std::string& name = command.name;
  if (!TRV_MUTANT(deleted_user_logs_in)) users_.erase(name);
  if (!TRV_MUTANT(rights_outlive_their_user)) rights_.erase(name);
  if (!name.empty() && !TRV_MUTANT(terms_outlive_their_user)) terms_.erase(name);
  user_limits_.erase(name);
}

void Directory::apply(PutVhost command) {
  std::string name = command.vhost.name;
  const bool is_new = !vhosts_.contains(name);
  vhosts_[name] = std::make_shared<const Vhost>(std::move(command.vhost));
  const bool has_owner = !command.owner.empty() && find(command.owner);
  if (is_new && has_owner) rights_[command.owner][name] = all_rights_there();
}

void Directory::remove(const DeleteVhost& command) {
  if (command.name == first_scope || vhosts_.erase(command.name) == 0) return;
  if (!TRV_MUTANT(limits_outlive_their_vhost)) vhost_limits_.erase(command.name);
  if (TRV_MUTANT(rights_outlive_their_vhost)) return;
  for (auto user = rights_.begin(); user != rights_.end();) {
    user->second.erase(command.name);
    user = user->second.empty() ? rights_.erase(user) : std::next(user);
  }
}

Status Directory::apply(const SetRights& command) {
  std::array<Pattern, 3> patterns;
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    auto parsed = Pattern::parse(command.patterns[i]);
    if (!parsed) return Error{Errc::corrupt, "rights: " + parsed.error().message};
    patterns[i] = std::move(*parsed);
  }
  if (!find(command.user) || !vhosts_.contains(command.vhost)) return {};
  Rights& rights = rights_[command.user][command.vhost];
  rights.patterns = std::move(patterns);
  rights.granted = true;
  return {};
}

Status Directory::apply(const SetTopicRights& command) {
  auto write = Pattern::parse(command.write);
  auto read = Pattern::parse(command.read);
  if (!write || !read) return Error{Errc::corrupt, "malformed topic rights"};
  if (!find(command.user) || !vhosts_.contains(command.vhost)) return {};
  rights_[command.user][command.vhost].topics[command.exchange] = {std::move(*write),
                                                                   std::move(*read)};
  return {};
}

void Directory::clear(const ClearRights& command) {
  const auto found = rights_.find(command.user);
  if (found == rights_.end() || !found->second.contains(command.vhost)) return;
  Rights& rights = found->second[command.vhost];
  rights.patterns = {};
  rights.granted = false;
  tidy(command.user, command.vhost);
}

void Directory::clear(const ClearTopicRights& command) {
  const auto found = rights_.find(command.user);
  if (found == rights_.end() || !found->second.contains(command.vhost)) return;
  auto& topics = found->second[command.vhost].topics;
  if (command.exchange.empty()) {
    topics.clear();
  } else {
    topics.erase(command.exchange);
  }
  tidy(command.user, command.vhost);
}

Status Directory::apply(const SetLimit& command) {
  if (command.scope == LimitScope::vhost) {
    if (vhosts_.contains(command.name)) {
      vhost_limits_[command.name][command.limit] = command.value;
    }
  } else if (find(command.name)) {
    user_limits_[command.name][command.limit] = command.value;
  }
  return {};
}

void Directory::clear(const ClearLimit& command) {
  AllLimits& all = command.scope == LimitScope::user ? user_limits_ : vhost_limits_;
  const auto found = all.find(command.name);
  if (found == all.end()) return;
  if (command.limit) {
    found->second.erase(*command.limit);
  } else {
    found->second.clear();
  }
  if (found->second.empty()) all.erase(found);
}

std::optional<std::uint64_t> Directory::limit(LimitScope scope, std::string_view name,
                                              Limit limit) const {
  const AllLimits& all = limits(scope);
  const auto found = all.find(name);
  if (found == all.end()) return std::nullopt;
  const auto set = found->second.find(limit);
  if (set == found->second.end() || set->second < 0) return std::nullopt;
  return static_cast<std::uint64_t>(set->second);
}

void Directory::tidy(const std::string& user, const std::string& vhost) {
  auto& by_vhost = rights_[user];
  const Rights& rights = by_vhost[vhost];
  if (!rights.granted && rights.topics.empty()) by_vhost.erase(vhost);
  if (by_vhost.empty()) rights_.erase(user);
}

std::vector<std::string> Directory::snapshot() const {
  if (*this == Directory()) return {};
  std::vector<std::string> commands;
  if (!TRV_MUTANT(first_user_comes_back)) {
    commands.push_back(encode(DeleteUser{std::string(first_user)}));
  }
  for (const auto& [name, user] : users_) commands.push_back(encode(PutUser{*user}));
  for (const auto& [name, terms] : terms_) {
    if (!TRV_MUTANT(terms_lost_in_checkpoint))
      commands.push_back(encode(PutTerms{name, *terms, false}));
  }
  for (const auto& [name, vhost] : vhosts_) {
    if (!TRV_MUTANT(vhosts_lost_in_checkpoint)) commands.push_back(encode(PutVhost{*vhost, ""}));
  }
  for (const auto& [user, by_vhost] : rights_) {
    for (const auto& [vhost, rights] : by_vhost) {
      if (rights.granted) {
        commands.push_back(encode(SetRights{
            user,
            vhost,
            {rights.patterns[0].text(), rights.patterns[1].text(), rights.patterns[2].text()}}));
      }
      for (const auto& [exchange, topic] : rights.topics) {
        if (TRV_MUTANT(topic_rights_lost_in_checkpoint)) continue;
        commands.push_back(
            encode(SetTopicRights{user, vhost, exchange, topic.write.text(), topic.read.text()}));
      }
    }
  }
  for (const LimitScope scope : {LimitScope::user, LimitScope::vhost}) {
    if (TRV_MUTANT(limits_lost_in_checkpoint)) break;
    for (const auto& [name, set] : limits(scope)) {
      for (const auto& [limit, value] : set) {
        commands.push_back(encode(SetLimit{scope, name, limit, value}));
      }
    }
  }
  for (const auto& [name, value] : parameters_) {
    if (TRV_MUTANT(parameters_lost_in_checkpoint)) break;
    commands.push_back(encode(PutParameter{name, value}));
  }
  return commands;
}

}  // namespace trv::auth
