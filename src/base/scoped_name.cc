#include "base/scoped_name.h"

#include <algorithm>

#include "base/mutant.h"

namespace trv {

namespace {

constexpr char mark = '\x01';
constexpr std::size_t scope_size_max = 255;

}  // namespace

bool valid_scope(std::string_view scope) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  return !scope.empty() && scope.size() <= scope_size_max &&
         std::none_of(scope.begin(), scope.end(), control);
}

std::string scoped(std::string_view scope, std::string_view name) {
  std::string flat;
  assign_scoped(flat, scope, name);
  return flat;
}

void assign_scoped(std::string& flat, std::string_view scope, std::string_view name) {
  const bool plain = !name.starts_with(mark) || TRV_MUTANT(first_scope_names_others);
  if (scope == first_scope && plain) {
    flat.assign(name);
    return;
  }
  flat.clear();
  flat.reserve(scope.size() + name.size() + 2);
  flat += mark;
  flat += scope;
  flat += mark;
  flat += name;
}

ScopedName split_scoped(std::string_view flat) {
  if (!flat.starts_with(mark)) return {first_scope, flat};
  const std::size_t end = flat.find(mark, 1);
  if (end == std::string_view::npos) return {first_scope, flat};
  return {flat.substr(1, end - 1), flat.substr(end + 1)};
}

}  // namespace trv
