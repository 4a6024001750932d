// Scoped names: things of many scopes under one flat name each (docs/formats/names.md).
//
//   flat name   in the first scope, "/": the name itself, unless it begins with the mark
//               else: mark, scope, mark, name                         (mark: the octet 1)
//
// Invariants: two different pairs of scope and name never have the same flat name, as long as
// scopes are valid; split_scoped() gives back what scoped() was given.
#pragma once

#include <string>
#include <string_view>

namespace trv {

inline constexpr std::string_view first_scope = "/";

struct ScopedName {
  std::string_view scope;
  std::string_view name;
  bool operator==(const ScopedName&) const = default;
};

// Not empty, at most 255 bytes, and without control characters.
bool valid_scope(std::string_view scope);

std::string scoped(std::string_view scope, std::string_view name);
// The same into `flat`, of which the capacity is used again.
void assign_scoped(std::string& flat, std::string_view scope, std::string_view name);
// Views into `flat`, or of static storage. What no scope would call so is a name of the first one.
ScopedName split_scoped(std::string_view flat);

inline std::string_view local_name(std::string_view flat) { return split_scoped(flat).name; }
inline std::string_view scope_of(std::string_view flat) { return split_scoped(flat).scope; }

}  // namespace trv
