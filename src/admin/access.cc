#include "admin/access.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <random>

#include "admin/limits.h"
#include "base/base64.h"
#include "broker/catalog.h"

namespace trv::admin {

namespace {

namespace json = boost::json;
using auth::Hashing;
using runtime::Task;

constexpr std::string_view sha256_name = "rabbit_password_hashing_sha256";
constexpr std::string_view sha512_name = "rabbit_password_hashing_sha512";
constexpr std::size_t name_size_max = 255;
constexpr std::size_t tags_max = 100;

Error invalid(std::string reason) { return {Errc::invalid_argument, std::move(reason)}; }

std::string random_salt() {
  std::random_device random;
  std::string salt;
  for (std::size_t i = 0; i < auth::salt_size; ++i) salt.push_back(static_cast<char>(random()));
  return salt;
}

Status read_password(const json::object& body, auth::User& user) {
  if (const json::value* hash = body.if_contains("password_hash"); hash && hash->is_string()) {
    const std::string algorithm = text_of(body, "hashing_algorithm");
    if (!algorithm.empty() && algorithm != sha256_name && algorithm != sha512_name) {
      return invalid("unknown hashing_algorithm " + algorithm);
    }
    // A hash of nothing means that nobody can log in.
    if (hash->get_string().empty()) return {};
    user.hashing = algorithm == sha512_name ? Hashing::sha512 : Hashing::sha256;
    auto bytes = base64_decode(std::string_view(hash->get_string()));
    if (!bytes || bytes->size() != auth::hash_size(user.hashing)) {
      return invalid("password_hash is no such hash");
    }
    user.hash = std::move(*bytes);
    return {};
  }
  const json::value* password = body.if_contains("password");
  if (!password) return {};
  if (!password->is_string()) return invalid("the password is no text");
  user.hashing = Hashing::sha256;
  user.hash =
      auth::hash_password(user.hashing, random_salt(), std::string_view(password->get_string()));
  return {};
}

Result<std::string> pattern_of(const json::object& body, std::string_view name) {
  const json::value* value = body.if_contains(name);
  if (!value || !value->is_string()) return invalid(std::string(name) + " is no text");
  std::string text(value->get_string());
  auto pattern = Pattern::parse(text);
  if (!pattern) return invalid("invalid_regexp: " + pattern.error().message);
  return text;
}

}  // namespace

Task<AccessView> access_view(Context& context) {
  co_return co_await context.ask<AccessView>(
      [](broker::Broker& home, UniqueFunction<void(AccessView)> answer) {
        answer(home.catalog().access());
      });
}

Task<Changed> change_access(Context& context, auth::Command command,
                            std::function<bool(const auth::Directory&)> there, bool only_if_there) {
  IsThere in_catalog = [there = std::move(there)](const broker::Catalog& catalog) {
    return there(catalog.access_state());
  };
  co_return co_await context.change_catalog(&broker::Catalog::execute_access, auth::encode(command),
                                            std::move(in_catalog), only_if_there);
}

json::object user_to_json(const auth::Directory& directory, const auth::User& user) {
  json::array tags;
  for (const std::string& tag : user.tags) tags.push_back(json::string(tag));
  json::object object;
  object["name"] = user.name;
  object["password_hash"] = base64_encode(user.hash);
  object["hashing_algorithm"] = user.hashing == Hashing::sha512 ? sha512_name : sha256_name;
  object["tags"] = std::move(tags);
  object["limits"] = user_limits_to_json(directory, user.name);
  return object;
}

json::object rights_to_json(const std::string& user, const std::string& vhost,
                            const auth::Rights& rights) {
  using auth::Right;
  const auto text = [&rights](Right right) {
    return rights.patterns[static_cast<std::size_t>(right)].text();
  };
  return {{"user", user},
          {"vhost", vhost},
          {"configure", text(Right::configure)},
          {"write", text(Right::write)},
          {"read", text(Right::read)}};
}

json::object topic_rights_to_json(const std::string& user, const std::string& vhost,
                                  const std::string& exchange, const auth::Rights::Topic& topic) {
  return {{"user", user},
          {"vhost", vhost},
          {"exchange", exchange},
          {"write", topic.write.text()},
          {"read", topic.read.text()}};
}

json::array users_to_json(const auth::Directory& directory) {
  json::array users;
  for (const auto& [name, user] : directory.users()) {
    users.push_back(user_to_json(directory, *user));
  }
  return users;
}

json::array rights_to_json(const auth::Directory& directory) {
  json::array all;
  for (const auto& [user, by_vhost] : directory.all_rights()) {
    for (const auto& [vhost, rights] : by_vhost) {
      if (rights.granted) all.push_back(rights_to_json(user, vhost, rights));
    }
  }
  return all;
}

json::array topic_rights_to_json(const auth::Directory& directory) {
  json::array all;
  for (const auto& [user, by_vhost] : directory.all_rights()) {
    for (const auto& [vhost, rights] : by_vhost) {
      for (const auto& [exchange, topic] : rights.topics) {
        all.push_back(topic_rights_to_json(user, vhost, exchange, topic));
      }
    }
  }
  return all;
}

Result<std::vector<std::string>> tags_of(const json::value& value) {
  std::vector<std::string> tags;
  if (value.is_array()) {
    for (const json::value& one : value.get_array()) {
      if (!one.is_string()) return invalid("tags hold what is no text");
      tags.emplace_back(one.get_string());
    }
  } else if (value.is_string()) {
    std::string_view text = value.get_string();
    while (!text.empty()) {
      const std::size_t end = std::min(text.find(','), text.size());
      std::string_view tag = text.substr(0, end);
      while (tag.starts_with(' ')) tag.remove_prefix(1);
      while (tag.ends_with(' ')) tag.remove_suffix(1);
      if (!tag.empty()) tags.emplace_back(tag);
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  } else {
    return invalid("tags are neither text nor a list");
  }
  if (tags.size() > tags_max) return invalid("too many tags");
  for (const std::string& tag : tags) {
    if (tag.size() > name_size_max) return invalid("a tag is too long");
  }
  return tags;
}

Result<std::vector<auth::Command>> user_from_json(const std::string& name,
                                                  const json::object& body) {
  if (name.empty() || name.size() > name_size_max) return invalid("the name is empty or too long");
  const json::value* given = body.if_contains("tags");
  if (!given) return invalid("[{key_missing,tags}]");
  auto tags = tags_of(*given);
  if (!tags) return tags.error();
  auth::PutUser put;
  put.user.name = name;
  put.user.tags = std::move(*tags);
  if (Status read = read_password(body, put.user); !read) return read.error();
  std::vector<auth::Command> commands;
  commands.emplace_back(std::move(put));
  if (const json::value* limits = body.if_contains("limits")) {
    auto more = limits_from_json(auth::LimitScope::user, name, *limits);
    if (!more) return more.error();
    for (auth::Command& one : *more) commands.push_back(std::move(one));
  }
  return commands;
}

Result<auth::Command> rights_from_json(const std::string& user, const std::string& vhost,
                                       const json::object& body) {
  constexpr std::array<std::string_view, 3> names = {"configure", "write", "read"};
  const std::string missing = missing_keys(body, {names[0], names[1], names[2]});
  if (!missing.empty()) return invalid(missing);
  auth::SetRights set;
  set.user = user;
  set.vhost = vhost;
  for (std::size_t i = 0; i < names.size(); ++i) {
    auto pattern = pattern_of(body, names[i]);
    if (!pattern) return pattern.error();
    set.patterns[i] = std::move(*pattern);
  }
  return auth::Command(std::move(set));
}

Result<auth::Command> topic_rights_from_json(const std::string& user, const std::string& vhost,
                                             const json::object& body) {
  const std::string missing = missing_keys(body, {"exchange", "write", "read"});
  if (!missing.empty()) return invalid(missing);
  auth::SetTopicRights set;
  set.user = user;
  set.vhost = vhost;
  set.exchange = text_of(body, "exchange");
  auto write = pattern_of(body, "write");
  auto read = pattern_of(body, "read");
  if (!write) return write.error();
  if (!read) return read.error();
  if (set.exchange.empty()) return invalid("the exchange has no name");
  set.write = std::move(*write);
  set.read = std::move(*read);
  return auth::Command(std::move(set));
}

}  // namespace trv::admin
