#include "admin/totals.h"

#include <string>

namespace trv::admin {

namespace json = boost::json;

void add_stats(json::object& sum, const json::object& stats) {
  for (const auto& [name, value] : stats) {
    if (const json::object* details = value.if_object()) {
      json::value& old = sum[name];
      if (!old.is_object()) old = json::object{{"rate", 0.0}};
      old.at("rate") = old.at("rate").as_double() + details->at("rate").as_double();
    } else {
      json::value& old = sum[name];
      const std::uint64_t before = old.is_null() ? 0 : old.to_number<std::uint64_t>();
      old = before + value.to_number<std::uint64_t>();
    }
  }
}

void LengthTotals::add(const json::object& queue) {
  json::object lengths;
  for (const std::string name : {"messages", "messages_ready", "messages_unacknowledged"}) {
    for (const std::string& key : {name, name + "_details"}) lengths[key] = queue.at(key);
  }
  add_stats(sums_, lengths);
}

void LengthTotals::put(json::object& into) const {
  for (const auto& [name, value] : sums_) into[name] = value;
}

}  // namespace trv::admin
