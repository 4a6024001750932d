#include "redis/encodings/geo_cell.h"

#include <algorithm>
#include <cmath>

namespace trv::redis {

namespace {

constexpr double text_latitude_max = 90;

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

double low_of(std::uint64_t part, double limit, unsigned step) {
  const auto parts = static_cast<double>(std::uint64_t{1} << step);
  return -limit + static_cast<double>(part) / parts * (limit + limit);
}

double middle_of(std::uint64_t part, double limit) {
  const double low = low_of(part, limit, geo_steps);
  const double high = low_of(part + 1, limit, geo_steps);
  return std::clamp((low + high) / 2, -limit, limit);
}

std::uint64_t cell_in(GeoPoint point, double latitude_limit) {
  return spread(part_of(point.latitude, latitude_limit, geo_steps)) |
         spread(part_of(point.longitude, longitude_max, geo_steps)) << 1;
}

}  // namespace

bool GeoPoint::valid() const {
  return longitude >= -longitude_max && longitude <= longitude_max && latitude >= -latitude_max &&
         latitude <= latitude_max;
}

GeoArea GeoArea::around(GeoPoint point, unsigned step) {
  return {part_of(point.longitude, longitude_max, step),
          part_of(point.latitude, latitude_max, step), step};
}

GeoCells GeoArea::cells() const {
  const std::uint64_t area = spread(row) | spread(column) << 1;
  const unsigned below = 2 * (geo_steps - step);
  return {area << below, (area + 1) << below};
}

GeoPoint GeoArea::low() const {
  return {low_of(column, longitude_max, step), low_of(row, latitude_max, step)};
}

GeoPoint GeoArea::high() const {
  return {low_of(column + 1, longitude_max, step), low_of(row + 1, latitude_max, step)};
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
  for (unsigned used = bits; used < 2 * geo_steps; used += bits) {
    text += alphabet[number >> (2 * geo_steps - used) & 0x1fu];
  }
  // Two bits are left, which Redis does not tell.
  text.resize(characters, alphabet[0]);
  return text;
}

double geo_latitude_distance(double a, double b) {
  return earth_radius * std::fabs(b * degree - a * degree);
}

double geo_distance(GeoPoint a, GeoPoint b) {
  const double v = std::sin((b.longitude * degree - a.longitude * degree) / 2);
  if (v == 0) return geo_latitude_distance(a.latitude, b.latitude);
  const double first = a.latitude * degree;
  const double second = b.latitude * degree;
  const double u = std::sin((second - first) / 2);
  return 2 * earth_radius *
         std::asin(std::sqrt(u * u + std::cos(first) * std::cos(second) * v * v));
}

}  // namespace trv::redis
