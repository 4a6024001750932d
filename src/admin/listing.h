// Listing: the parameters that every list of the API takes: columns, sort, sort_reverse, name,
// use_regex, page, page_size.
#pragma once

#include <boost/json/value.hpp>
#include <optional>

#include "admin/request.h"

namespace trv::admin {

inline constexpr std::size_t page_size_default = 100;
inline constexpr std::size_t page_size_max = 500;

// The list as asked for: with `page` an object that holds one page of it.
Reply listed(const Request& request, boost::json::array items);
// What a list of the virtual host's things answers where there is nothing to ask for: a virtual
// host that is none. Nothing: the list is to be made.
std::optional<Reply> reply_without_list(const Request& request);
// Whether it is in the virtual host that the path names, or in any that the user sees.
bool in_sight(const Request& request, const boost::json::value& item);
boost::json::array in_sight(const Request& request, boost::json::array items);
// One object, with the columns that were asked for.
Reply shown(const Request& request, boost::json::object item);

}  // namespace trv::admin
