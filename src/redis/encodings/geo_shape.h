// GeoShape: what a search for places looks through.
//
// Pure. A shape says which points are inside, and in which cells (geo_cell.h) to look for them, in
// which order: that of Redis, which shows in replies without a sort and in what COUNT with ANY
// takes.
#pragma once

#include <optional>
#include <vector>

#include "redis/encodings/geo_cell.h"

namespace trv::redis {

// A circle, or a box of which each parallel is as long.
struct GeoShape {
  GeoPoint center;
  bool box = false;
  double radius = 0;  // metres, as the next two
  double width = 0;
  double height = 0;

  // The distance to the center; nothing when the point is outside.
  std::optional<double> distance_inside(GeoPoint point) const;

  // Ranges of cells, apart, outside of which nothing is inside the shape. Those in which Redis
  // looks come first, in its order. Some that it leaves out are last: cells near a pole, and on the
  // upper limits of longitude and latitude.
  std::vector<GeoCells> cells() const;

 private:
  struct Bounds {
    GeoPoint low;
    GeoPoint high;
  };

  double latitude_reach() const;
  double longitude_reach() const;
  std::vector<GeoCells> cover() const;
  // The next three are Redis's, whose estimates decide its order.
  Bounds bounds() const;
  unsigned step() const;
  std::vector<GeoArea> areas() const;
};

}  // namespace trv::redis
