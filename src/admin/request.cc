#include "admin/request.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "auth/directory.h"
#include "base/mutant.h"
#include "base/utf8.h"

namespace trv::admin {

namespace {

namespace json = boost::json;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool decode(std::string_view text, bool plus_is_space, std::string& out) {
  out.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return false;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return false;
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else {
      out.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
    }
  }
  return true;
}

bool parse_query(std::string_view text, Request& out) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    std::string name;
    std::string value;
    if (!decode(pair.substr(0, equals), true, name)) return false;
    if (equals < pair.size() && !decode(pair.substr(equals + 1), true, value)) return false;
    out.query[name] = value;
  }
  return true;
}

}  // namespace

bool Request::has_rank(Rank rank) const {
  const auto tagged = [this](std::string_view tag) {
    return std::find(tags.begin(), tags.end(), tag) != tags.end();
  };
  if (tagged("administrator")) return true;
  switch (rank) {
    case Rank::management:
      return tagged("management") || tagged("policymaker") || tagged("monitoring");
    case Rank::policymaker:
      return tagged("policymaker");
    case Rank::monitoring:
      return tagged("monitoring");
    case Rank::administrator:
      return false;
  }
  return false;
}

bool Request::sees(std::string_view vhost) const {
  return access->rights(user, vhost) || has_rank(Rank::monitoring) ||
         TRV_MUTANT(http_vhost_right_not_checked);
}

bool knows_vhost(const Request& request, std::string_view vhost) {
  return request.access->find_vhost(vhost) != nullptr;
}

Reply ok(const json::value& value) { return {200, "application/json", json::serialize(value), {}}; }
Reply no_content() { return {204, "", "", {}}; }
Reply created() { return {201, "", "", {}}; }

Reply failure(int status, std::string_view error, std::string_view reason) {
  // Texts of refusals may be cut anywhere.
  Reply reply = ok(json::object{{"error", error}, {"reason", to_valid_utf8(reason)}});
  reply.status = status;
  return reply;
}

Reply bad_request(std::string_view reason) { return failure(400, "bad_request", reason); }
Reply not_found() { return failure(404, "Object Not Found", "Not Found"); }
Reply not_authorised(std::string_view reason) { return failure(401, "not_authorised", reason); }

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (!value || !value->is_string()) return {};
  return std::string(value->get_string());
}

std::string missing_keys(const json::object& object,
                         std::initializer_list<std::string_view> names) {
  std::string missing;
  for (const std::string_view name : names) {
    if (object.contains(name)) continue;
    missing += fmt::format("{}{{key_missing,{}}}", missing.empty() ? "[" : ",", name);
  }
  return missing.empty() ? missing : missing + "]";
}

bool parse_target(std::string_view target, Request& out) {
  const std::size_t mark = target.find('?');
  std::string_view path = target.substr(0, mark);
  if (mark != std::string_view::npos && !parse_query(target.substr(mark + 1), out)) return false;
  if (!path.starts_with('/')) return false;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::size_t end = std::min(path.find('/'), path.size());
    std::string segment;
    if (!decode(path.substr(0, end), false, segment) || !is_valid_utf8(segment)) return false;
    path.remove_prefix(end);
    // A slash at the end changes nothing.
    if (!path.empty() || !segment.empty()) out.path.push_back(std::move(segment));
  }
  return true;
}

}  // namespace trv::admin
