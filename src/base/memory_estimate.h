// How much memory containers take, near enough to be told: what the allocator and the containers
// themselves add is taken as what is usual.
#pragma once

#include <cstddef>

namespace trv {

// A std::map, std::set or the like: what they add to each element, allocation included.
inline constexpr std::size_t node_overhead = 48;

template <class Map>
std::size_t estimate_nodes(const Map& map) {
  return map.size() * (sizeof(typename Map::value_type) + node_overhead);
}

template <class Vector>
std::size_t estimate_array(const Vector& elements) {
  return elements.size() * sizeof(typename Vector::value_type);
}

}  // namespace trv
