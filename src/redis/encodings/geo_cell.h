// GeoCell: a place on the earth as the number that sorted sets hold as its score, as Redis does:
// longitude and latitude halved 26 times each, their bits by turns, so that near places mostly have
// near numbers.
//
// Pure. Distances are on a sphere.
#pragma once

#include <cstdint>
#include <numbers>
#include <string>

namespace trv::redis {

struct GeoPoint {
  double longitude = 0;
  double latitude = 0;

  bool valid() const;
};

constexpr double earth_radius = 6372797.560856;  // metres
constexpr double degree = std::numbers::pi / 180;
constexpr double longitude_max = 180;
constexpr double latitude_max = 85.05112878;  // of the Mercator square
constexpr unsigned geo_steps = 26;            // to a cell

// The cells from `first` up to the one before `end`.
struct GeoCells {
  std::uint64_t first;
  std::uint64_t end;
};

// One of the 4^step areas that `step` halvings make of the earth. What lies on the upper limit of
// the longitudes or latitudes is in a column or row of its own behind the last.
struct GeoArea {
  std::uint64_t column;
  std::uint64_t row;
  unsigned step;

  static GeoArea around(GeoPoint point, unsigned step);

  // The cells in it, and its edges.
  GeoCells cells() const;
  GeoPoint low() const;
  GeoPoint high() const;
};

// The cell of a valid point, and the middle of a cell.
std::uint64_t geo_cell(GeoPoint point);
GeoPoint geo_point(std::uint64_t cell);
// Eleven characters of the alphabet that geohash.org has.
std::string geo_text(std::uint64_t cell);
// In metres.
double geo_distance(GeoPoint a, GeoPoint b);
double geo_latitude_distance(double a, double b);

}  // namespace trv::redis
