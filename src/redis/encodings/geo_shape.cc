#include "redis/encodings/geo_shape.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/mutant.h"

namespace trv::redis {

namespace {

constexpr double pole = 90;
constexpr std::size_t cells_max = 16;
// Wider than what rounding can take from a reach, in degrees.
constexpr double reach_slack = 1e-6;

struct Span {
  double low;
  double high;
};

// The longitudes around the center, which may go over the date line.
std::vector<Span> longitudes(double center, double reach) {
  if (reach >= longitude_max) return {{-longitude_max, longitude_max}};
  const double low = center - reach;
  const double high = center + reach;
  if (low < -longitude_max) {
    return {{-longitude_max, high}, {low + 2 * longitude_max, longitude_max}};
  }
  if (high > longitude_max) {
    return {{-longitude_max, high - 2 * longitude_max}, {low, longitude_max}};
  }
  return {{low, high}};
}

// The areas of a step that touch some longitudes and latitudes.
struct Block {
  GeoArea first;
  GeoArea last;

  Block(Span wide, Span high, unsigned step)
      : first(GeoArea::around({wide.low, high.low}, step)),
        last(GeoArea::around({wide.high, high.high}, step)) {}

  std::size_t count() const {
    return static_cast<std::size_t>((last.column - first.column + 1) * (last.row - first.row + 1));
  }

  void add_to(std::vector<GeoCells>& cells) const {
    for (std::uint64_t row = first.row; row <= last.row; ++row) {
      for (std::uint64_t column = first.column; column <= last.column; ++column) {
        cells.push_back(GeoArea{column, row, first.step}.cells());
      }
    }
  }
};

std::vector<GeoCells> joined(std::vector<GeoCells> cells) {
  std::sort(cells.begin(), cells.end(),
            [](const GeoCells& a, const GeoCells& b) { return a.first < b.first; });
  std::vector<GeoCells> apart;
  for (const GeoCells& one : cells) {
    if (apart.empty() || one.first > apart.back().end) {
      apart.push_back(one);
    } else {
      apart.back().end = std::max(apart.back().end, one.end);
    }
  }
  return apart;
}

// Adds what is in none of those found, from the one at `index` on.
void add_new(std::vector<GeoCells>& found, GeoCells more, std::size_t index = 0) {
  for (; index < found.size(); ++index) {
    const GeoCells old = found[index];
    if (more.end <= old.first || old.end <= more.first) continue;
    if (more.first < old.first) add_new(found, {more.first, old.first}, index + 1);
    if (old.end < more.end) add_new(found, {old.end, more.end}, index + 1);
    return;
  }
  found.push_back(more);
}

std::uint64_t moved(std::uint64_t part, int by, unsigned step) {
  if (by == 0) return part;
  return (part + static_cast<std::uint64_t>(by)) & ((std::uint64_t{1} << step) - 1);
}

// Around the earth in both directions: north of the last row is the first.
GeoArea beside(const GeoArea& area, int east, int north) {
  return {moved(area.column, east, area.step), moved(area.row, north, area.step), area.step};
}

}  // namespace

std::optional<double> GeoShape::distance_inside(GeoPoint point) const {
  if (box) {
    if (geo_latitude_distance(point.latitude, center.latitude) > height / 2) return std::nullopt;
    const GeoPoint same_parallel{center.longitude, point.latitude};
    if (geo_distance(point, same_parallel) > width / 2) return std::nullopt;
    return geo_distance(center, point);
  }
  const double distance = geo_distance(center, point);
  if (distance > radius) return std::nullopt;
  return distance;
}

double GeoShape::latitude_reach() const {
  return (box ? height / 2 : radius) / earth_radius / degree + reach_slack;
}

double GeoShape::longitude_reach() const {
  // Where the meridians are nearest to each other within the shape.
  const double farthest = std::fabs(center.latitude) + latitude_reach();
  if (farthest >= pole) return longitude_max;
  double ratio = 0;
  if (box) {
    const double angle = width / 4 / earth_radius;
    if (angle >= std::numbers::pi / 2) return longitude_max;
    ratio = std::sin(angle) / std::cos(farthest * degree);
  } else {
    // The circle ends before a pole: its meridians of least and greatest longitude touch it.
    ratio = std::sin(radius / earth_radius) / std::cos(center.latitude * degree);
  }
  if (ratio >= 1) return longitude_max;
  return (box ? 2 : 1) * std::asin(ratio) / degree + reach_slack;
}

// The smallest areas of which few cover the shape.
std::vector<GeoCells> GeoShape::cover() const {
  const double reach = latitude_reach();
  const Span latitudes{std::clamp(center.latitude - reach, -latitude_max, latitude_max),
                       std::clamp(center.latitude + reach, -latitude_max, latitude_max)};
  const std::vector<Span> spans = longitudes(center.longitude, longitude_reach());
  unsigned step = geo_steps;
  for (; step > 0; --step) {
    std::size_t count = 0;
    for (const Span& span : spans) count += Block(span, latitudes, step).count();
    if (count <= cells_max) break;
  }
  std::vector<GeoCells> cells;
  for (const Span& span : spans) Block(span, latitudes, step).add_to(cells);
  return joined(std::move(cells));
}

// Where Redis takes the shape to end: the meridians are those at the parallel that is farthest from
// the equator. Beyond a pole, and with what is no number, this means little, but is what it
// compares.
GeoShape::Bounds GeoShape::bounds() const {
  const double tall = (box ? height / 2 : radius) / earth_radius / degree;
  const double farthest = center.latitude < 0 ? center.latitude - tall : center.latitude + tall;
  const double wide =
      (box ? width / 2 : radius) / earth_radius / std::cos(farthest * degree) / degree;
  return {{center.longitude - wide, center.latitude - tall},
          {center.longitude + wide, center.latitude + tall}};
}

// How small areas can be for nine of them to hold the shape.
unsigned GeoShape::step() const {
  constexpr double half_equator = 20037726.37;
  constexpr double high_latitude = 66;  // from there on meridians are near each other
  constexpr double highest_latitude = 80;
  double range = box ? std::sqrt((width / 2) * (width / 2) + (height / 2) * (height / 2)) : radius;
  if (range == 0) return geo_steps;
  int step = -1;
  for (; range < half_equator; range *= 2) ++step;
  const double latitude = std::fabs(center.latitude);
  step -=
      static_cast<int>(latitude > high_latitude) + static_cast<int>(latitude > highest_latitude);
  return static_cast<unsigned>(std::clamp(step, 1, static_cast<int>(geo_steps)));
}

// The area of the center and those around it, in Redis's order, without those that it takes to be
// beside the shape.
std::vector<GeoArea> GeoShape::areas() const {
  const Bounds ends = bounds();
  GeoArea middle = GeoArea::around(center, step());
  const bool too_small = beside(middle, 0, 1).high().latitude < ends.high.latitude ||
                         beside(middle, 0, -1).low().latitude > ends.low.latitude ||
                         beside(middle, 1, 0).high().longitude < ends.high.longitude ||
                         beside(middle, -1, 0).low().longitude > ends.low.longitude;
  if (too_small && middle.step > 1) middle = GeoArea::around(center, middle.step - 1);
  const GeoPoint low = middle.low();
  const GeoPoint high = middle.high();
  auto useless = [&](int east, int north) {
    if (middle.step < 2) return false;
    return (north < 0 && low.latitude < ends.low.latitude) ||
           (north > 0 && high.latitude > ends.high.latitude) ||
           (east < 0 && low.longitude < ends.low.longitude) ||
           (east > 0 && high.longitude > ends.high.longitude);
  };
  struct Way {
    int east;
    int north;
  };
  constexpr Way ways[] = {{0, 0}, {0, 1},  {0, -1}, {1, 0},  {-1, 0},
                          {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};
  std::vector<GeoArea> found;
  for (const Way& way : ways) {
    if (!useless(way.east, way.north)) found.push_back(beside(middle, way.east, way.north));
  }
  return found;
}

std::vector<GeoCells> GeoShape::cells() const {
  const std::vector<GeoCells> all = cover();
  std::vector<GeoCells> found;
  // With two areas around the earth, east is west: add_new() passes over what comes again.
  for (const GeoArea& area : areas()) {
    const GeoCells within = area.cells();
    for (const GeoCells& range : all) {
      const GeoCells both{std::max(range.first, within.first), std::min(range.end, within.end)};
      if (both.first < both.end) add_new(found, both);
    }
  }
  for (const GeoCells& range : all) {
    if (!TRV_MUTANT(places_left_out_as_by_redis)) add_new(found, range);
  }
  return found;
}

}  // namespace trv::redis
