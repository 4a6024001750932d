#include "admin/vhosts.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "admin/access.h"
#include "base/scoped_name.h"

namespace trv::admin {

namespace {

namespace json = boost::json;

constexpr std::size_t description_size_max = 4096;
constexpr std::string_view queue_types[] = {"classic", "quorum", "stream"};

Error invalid(std::string reason) { return {Errc::invalid_argument, std::move(reason)}; }

json::array tags_to_json(const auth::Vhost& vhost) {
  json::array tags;
  for (const std::string& tag : vhost.tags) tags.push_back(json::string(tag));
  return tags;
}

// A member of the body, or of its member "metadata", as definitions have it, too.
const json::value* member(const json::object& body, std::string_view name) {
  if (const json::value* value = body.if_contains(name)) return value;
  const json::value* metadata = body.if_contains("metadata");
  const json::object* inner = metadata ? metadata->if_object() : nullptr;
  return inner ? inner->if_contains(name) : nullptr;
}

Status read_type(const json::value& value, json::object& out) {
  const std::string_view type = value.is_string() ? std::string_view(value.get_string()) : "";
  // How RabbitMQ writes that none was said.
  if (value.is_null() || type == "undefined") return {};
  for (const std::string_view known : queue_types) {
    if (type != known && type != "rabbit_" + std::string(known) + "_queue") continue;
    out["default_queue_type"] = known;
    return {};
  }
  return invalid("unknown default_queue_type " + json::serialize(value));
}

}  // namespace

json::object vhost_definition(const auth::Vhost& vhost) {
  json::object metadata = {{"description", vhost.description},
                           {"tags", tags_to_json(vhost)},
                           {"default_queue_type", vhost.queue_type}};
  json::object object;
  object["name"] = vhost.name;
  object["description"] = vhost.description;
  object["tags"] = tags_to_json(vhost);
  object["default_queue_type"] = vhost.queue_type;
  object["metadata"] = std::move(metadata);
  return object;
}

json::object vhost_to_json(const auth::Vhost& vhost, const std::string& node) {
  json::object object = vhost_definition(vhost);
  object["tracing"] = false;
  object["cluster_state"] = {{node, "running"}};
  return object;
}

Result<json::object> vhost_from_json(const std::string& name, const json::object& body) {
  if (!valid_scope(name)) {
    return invalid("the name is empty, longer than 255 bytes, or has control characters");
  }
  json::object out;
  out["name"] = name;
  if (const json::value* description = member(body, "description")) {
    const bool fits =
        description->is_string() && description->get_string().size() <= description_size_max;
    if (!fits) return invalid("the description is no text, or too long");
    out["description"] = *description;
  }
  if (const json::value* given = member(body, "tags")) {
    auto tags = tags_of(*given);
    if (!tags) return tags.error();
    json::array list;
    for (const std::string& tag : *tags) list.push_back(json::string(tag));
    out["tags"] = std::move(list);
  }
  if (const json::value* type = member(body, "default_queue_type")) {
    if (Status read = read_type(*type, out); !read) return read.error();
  }
  const json::value* tracing = body.if_contains("tracing");
  if (tracing && *tracing != json::value(false)) return invalid("tracing is not implemented");
  return out;
}

}  // namespace trv::admin
