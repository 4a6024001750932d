#include "redis/encodings/geo_cell.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace trv::redis {

namespace {

constexpr double longitude_max = 180;
constexpr double latitude_max = 85.05112878;  // of the Mercator square
constexpr double text_latitude_max = 90;
constexpr double earth_radius = 6372797.560856;  // metres
constexpr double degree = std::numbers::pi / 180;
constexpr unsigned steps = 26;
constexpr std::size_t cells_max = 16;
// Wider than what rounding can take from a reach, in degrees.
constexpr double reach_slack = 1e-6;

std::uint64_t spread(std::uint64_t bits) {
  std::uint64_t out = 0;
  for (unsigned i = 0; i < 32; ++i) out |= (bits >> i & 1u) << (2 * i);
  return out;
}

std::uint64_t gather(std::uint64_t bits) {
  std::uint64_t out = 0;
  for (unsigned i = 0; i < 32; ++i) out |= (bits >> (2 * i) & 1u) << i;
  return out;
}

// Which of 2^step parts of [-limit, limit] the value lies in. The upper limit has one of its own.
std::uint64_t part_of(double value, double limit, unsigned step) {
  const double offset = (value + limit) / (limit + limit);
  return static_cast<std::uint32_t>(offset * static_cast<double>(std::uint64_t{1} << step));
}

double middle_of(std::uint64_t part, double limit) {
  const double scale = limit + limit;
  const auto parts = static_cast<double>(std::uint64_t{1} << steps);
  const double low = -limit + static_cast<double>(part) / parts * scale;
  const double high = -limit + static_cast<double>(part + 1) / parts * scale;
  return std::clamp((low + high) / 2, -limit, limit);
}

std::uint64_t cell_in(GeoPoint point, double latitude_limit) {
  return spread(part_of(point.latitude, latitude_limit, steps)) |
         spread(part_of(point.longitude, longitude_max, steps)) << 1;
}

double latitude_distance(double a, double b) {
  return earth_radius * std::fabs(b * degree - a * degree);
}

struct Span {
  double low;
  double high;
};

struct Parts {
  std::uint64_t first;
  std::uint64_t last;
  std::size_t count() const { return static_cast<std::size_t>(last - first + 1); }
};

Parts parts_of(Span span, double limit, unsigned step) {
  return {part_of(span.low, limit, step), part_of(span.high, limit, step)};
}

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

}  // namespace

bool GeoPoint::valid() const {
  return longitude >= -longitude_max && longitude <= longitude_max && latitude >= -latitude_max &&
         latitude <= latitude_max;
}

std::uint64_t geo_cell(GeoPoint point) { return cell_in(point, latitude_max); }

GeoPoint geo_point(std::uint64_t cell) {
  return {middle_of(gather(cell >> 1), longitude_max), middle_of(gather(cell), latitude_max)};
}

std::string geo_text(std::uint64_t cell) {
  constexpr char alphabet[] = "0123456789bcdefghjkmnpqrstuvwxyz";
  constexpr unsigned characters = 11;
  constexpr unsigned bits = 5;  // of a character
  // Elsewhere the latitudes end at the poles.
  const std::uint64_t number = cell_in(geo_point(cell), text_latitude_max);
  std::string text;
  for (unsigned used = bits; used < 2 * steps; used += bits) {
    text += alphabet[number >> (2 * steps - used) & 0x1fu];
  }
  // Two bits are left, which Redis does not tell.
  text.resize(characters, alphabet[0]);
  return text;
}

double geo_distance(GeoPoint a, GeoPoint b) {
  const double v = std::sin((b.longitude * degree - a.longitude * degree) / 2);
  if (v == 0) return latitude_distance(a.latitude, b.latitude);
  const double first = a.latitude * degree;
  const double second = b.latitude * degree;
  const double u = std::sin((second - first) / 2);
  return 2 * earth_radius *
         std::asin(std::sqrt(u * u + std::cos(first) * std::cos(second) * v * v));
}

std::optional<double> GeoShape::distance_inside(GeoPoint point) const {
  if (box) {
    if (latitude_distance(point.latitude, center.latitude) > height / 2) return std::nullopt;
    const GeoPoint beside{center.longitude, point.latitude};
    if (geo_distance(point, beside) > width / 2) return std::nullopt;
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
  if (farthest >= text_latitude_max) return longitude_max;
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

std::vector<GeoShape::Cells> GeoShape::cells() const {
  const double reach = latitude_reach();
  const Span latitudes{std::clamp(center.latitude - reach, -latitude_max, latitude_max),
                       std::clamp(center.latitude + reach, -latitude_max, latitude_max)};
  const std::vector<Span> spans = longitudes(center.longitude, longitude_reach());
  // The smallest cells of which few cover it.
  unsigned step = steps;
  for (; step > 0; --step) {
    std::size_t count = 0;
    for (const Span& span : spans) count += parts_of(span, longitude_max, step).count();
    if (count * parts_of(latitudes, latitude_max, step).count() <= cells_max) break;
  }
  std::vector<Cells> found;
  const Parts rows = parts_of(latitudes, latitude_max, step);
  for (const Span& span : spans) {
    const Parts columns = parts_of(span, longitude_max, step);
    for (std::uint64_t row = rows.first; row <= rows.last; ++row) {
      for (std::uint64_t column = columns.first; column <= columns.last; ++column) {
        const std::uint64_t cell = spread(row) | spread(column) << 1;
        const unsigned below = 2 * (steps - step);
        found.push_back({cell << below, (cell + 1) << below});
      }
    }
  }
  std::sort(found.begin(), found.end(),
            [](const Cells& a, const Cells& b) { return a.first < b.first; });
  std::vector<Cells> apart;
  for (const Cells& one : found) {
    if (apart.empty() || one.first > apart.back().end) {
      apart.push_back(one);
    } else {
      apart.back().end = std::max(apart.back().end, one.end);
    }
  }
  return apart;
}

}  // namespace trv::redis
