// GeoCell: a place on the earth as the number that sorted sets hold as its score, as Redis does:
// longitude and latitude halved 26 times each, their bits by turns, so that near places mostly have
// near numbers.
//
// Pure. Distances are on a sphere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace trv::redis {

struct GeoPoint {
  double longitude = 0;
  double latitude = 0;

  bool valid() const;
};

// The cell of a valid point, and the middle of a cell.
std::uint64_t geo_cell(GeoPoint point);
GeoPoint geo_point(std::uint64_t cell);
// Eleven characters of the alphabet that geohash.org has.
std::string geo_text(std::uint64_t cell);
// In metres.
double geo_distance(GeoPoint a, GeoPoint b);

// What is searched: a circle, or a box of which each parallel is as long.
struct GeoShape {
  GeoPoint center;
  bool box = false;
  double radius = 0;  // metres, as the next two
  double width = 0;
  double height = 0;

  // The distance to the center; nothing when the point is outside.
  std::optional<double> distance_inside(GeoPoint point) const;

  // Ranges of cells, ascending and apart, outside of which nothing is inside the shape.
  struct Cells {
    std::uint64_t first;
    std::uint64_t end;
  };
  std::vector<Cells> cells() const;

 private:
  double latitude_reach() const;
  double longitude_reach() const;
};

}  // namespace trv::redis
