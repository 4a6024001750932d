#include "admin/listing.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <optional>

namespace trv::admin {

namespace {

namespace json = boost::json;

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t end = std::min(text.find(separator), text.size());
    parts.emplace_back(text.substr(0, end));
    if (end == text.size()) return parts;
    text.remove_prefix(end + 1);
  }
}

// "a.b" is member b of member a; null when there is none.
const json::value* find_path(const json::object& object, const std::vector<std::string>& path) {
  const json::object* at = &object;
  const json::value* value = nullptr;
  for (const std::string& name : path) {
    value = at ? at->if_contains(name) : nullptr;
    if (!value) return nullptr;
    at = value->if_object();
  }
  return value;
}

void put_path(json::object& object, const std::vector<std::string>& path,
              const json::value& value) {
  json::object* at = &object;
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    json::value& inner = (*at)[path[i]];
    if (!inner.is_object()) inner = json::object();
    at = &inner.get_object();
  }
  (*at)[path.back()] = value;
}

class Columns {
 public:
  explicit Columns(const Request& request) {
    const std::string text = request.query_value("columns");
    if (text.empty()) return;
    for (const std::string& name : split(text, ',')) paths_.push_back(split(name, '.'));
  }
  json::object of(json::object item) const {
    if (paths_.empty()) return item;
    json::object kept;
    for (const auto& path : paths_) {
      if (const json::value* value = find_path(item, path)) put_path(kept, path, *value);
    }
    return kept;
  }

 private:
  std::vector<std::vector<std::string>> paths_;
};

// Numbers before texts before everything else.
bool less(const json::value* a, const json::value* b) {
  const auto kind = [](const json::value* value) {
    if (!value) return 3;
    if (value->is_number()) return 0;
    return value->is_string() ? 1 : 2;
  };
  if (kind(a) != kind(b)) return kind(a) < kind(b);
  if (kind(a) == 0) return a->to_number<double>() < b->to_number<double>();
  if (kind(a) == 1) return a->get_string() < b->get_string();
  return kind(a) == 2 && json::serialize(*a) < json::serialize(*b);
}

void sort(const Request& request, json::array& items) {
  const std::string key = request.query_value("sort");
  if (key.empty()) return;
  const std::vector<std::string> path = split(key, '.');
  const bool reverse = request.query_value("sort_reverse") == "true";
  std::stable_sort(items.begin(), items.end(), [&](const json::value& a, const json::value& b) {
    const json::value* left = find_path(a.get_object(), path);
    const json::value* right = find_path(b.get_object(), path);
    return reverse ? less(right, left) : less(left, right);
  });
}

// Nothing when it is no number.
std::optional<std::size_t> number_of(const std::string& text) {
  std::size_t number = 0;
  const char* end = text.data() + text.size();
  const auto [at, failed] = std::from_chars(text.data(), end, number);
  if (failed != std::errc() || at != end) return std::nullopt;
  return number;
}

// Nothing when the expression is malformed.
std::optional<json::array> filtered(const Request& request, json::array items) {
  const std::string wanted = request.query_value("name");
  if (wanted.empty()) return items;
  re2::RE2::Options options(re2::RE2::Quiet);
  options.set_case_sensitive(false);
  options.set_literal(request.query_value("use_regex") != "true");
  const re2::RE2 expression(wanted, options);
  if (!expression.ok()) return std::nullopt;
  json::array kept;
  for (json::value& item : items) {
    const json::value* name = item.get_object().if_contains("name");
    if (!name || !name->is_string()) continue;
    const json::string& text = name->get_string();
    if (re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), expression)) {
      kept.push_back(std::move(item));
    }
  }
  return kept;
}

}  // namespace

std::optional<Reply> reply_without_list(const Request& request) {
  if (request.params.contains("vhost") && !known_vhost(request)) return not_found();
  return std::nullopt;
}

bool in_sight(const Request& request, const json::value& item) {
  const json::value* vhost = item.get_object().if_contains("vhost");
  if (!vhost) vhost = &item.at("queue").at("vhost");  // a consumer
  const std::string_view name = vhost->get_string();
  const auto wanted = request.params.find("vhost");
  if (wanted != request.params.end() && wanted->second != name) return false;
  return knows_vhost(request, name) && request.sees(name);
}

json::array in_sight(const Request& request, json::array items) {
  json::array kept;
  for (json::value& item : items) {
    if (in_sight(request, item)) kept.push_back(std::move(item));
  }
  return kept;
}

Reply shown(const Request& request, json::object item) {
  return ok(Columns(request).of(std::move(item)));
}

Reply listed(const Request& request, json::array items) {
  const Columns columns(request);
  const std::string page_text = request.query_value("page");
  sort(request, items);
  if (page_text.empty()) {
    json::array all;
    for (json::value& item : items) all.push_back(columns.of(std::move(item.get_object())));
    return ok(all);
  }
  const std::string size_text = request.query_value("page_size");
  const std::optional<std::size_t> page = number_of(page_text);
  const std::optional<std::size_t> size =
      size_text.empty() ? page_size_default : number_of(size_text);
  if (!page || *page == 0 || !size || *size == 0 || *size > page_size_max) {
    return failure(400, "invalid_pagination_parameters",
                   fmt::format("Invalid pagination parameters: page number {}, page size {}",
                               page_text, size_text.empty() ? "undefined" : size_text));
  }
  const std::size_t total = items.size();
  auto kept = filtered(request, std::move(items));
  if (!kept) return bad_request("the name is no regular expression");
  const std::size_t pages = std::max<std::size_t>((kept->size() + *size - 1) / *size, 1);
  if (*page > pages) {
    return failure(400, "page_out_of_range",
                   fmt::format("Page out of range, page: {} page size: {}, len: {}", *page, *size,
                               kept->size()));
  }
  json::array one;
  const std::size_t first = (*page - 1) * *size;
  for (std::size_t i = first; i < std::min(kept->size(), first + *size); ++i) {
    one.push_back(columns.of(std::move((*kept)[i].get_object())));
  }
  const std::size_t count = one.size();
  return ok(json::object{{"filtered_count", kept->size()},
                         {"item_count", count},
                         {"items", std::move(one)},
                         {"page", *page},
                         {"page_count", pages},
                         {"page_size", *size},
                         {"total_count", total}});
}

}  // namespace trv::admin
