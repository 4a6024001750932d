// GeoCell: cells and texts are Redis's, and the cells that a search looks through leave nothing
// out.
#include "redis/encodings/geo_cell.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace trv::redis {
namespace {

TEST(GeoCell, IsRedisScore) {
  const GeoPoint palermo{13.361389, 38.115556};
  EXPECT_EQ(geo_cell(palermo), 3479099956230698u);
  EXPECT_EQ(geo_text(geo_cell(palermo)), "sqc8b49rny0");
  const GeoPoint middle = geo_point(3479099956230698u);
  EXPECT_DOUBLE_EQ(middle.longitude, 13.36138933897018433);
  EXPECT_DOUBLE_EQ(middle.latitude, 38.11555639549629859);
  EXPECT_NEAR(geo_distance(middle, geo_point(geo_cell({15.087269, 37.502669}))), 166274.1516, 1e-3);
}

TEST(GeoCell, TheEdgesAreValid) {
  for (double longitude : {-180.0, 0.0, 180.0}) {
    for (double latitude : {-85.05112878, 0.0, 85.05112878}) {
      const GeoPoint point{longitude, latitude};
      ASSERT_TRUE(point.valid());
      const GeoPoint again = geo_point(geo_cell(point));
      EXPECT_NEAR(again.longitude, longitude, 1e-5);
      EXPECT_NEAR(again.latitude, latitude, 1e-5);
    }
  }
  EXPECT_FALSE((GeoPoint{180.1, 0}).valid());
  EXPECT_FALSE((GeoPoint{0, -85.1}).valid());
  EXPECT_FALSE((GeoPoint{std::nan(""), 0}).valid());
}

bool covers(const std::vector<GeoShape::Cells>& ranges, std::uint64_t cell) {
  for (const GeoShape::Cells& range : ranges) {
    if (range.first <= cell && cell < range.end) return true;
  }
  return false;
}

TEST(GeoShape, ItsCellsCoverIt) {
  std::mt19937_64 random(7);
  auto between = [&](double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random);
  };
  int inside = 0;
  for (int round = 0; round < 3000; ++round) {
    GeoShape shape;
    shape.center = {between(-180, 180), between(-85, 85)};
    const double size = std::pow(10, between(0, 7.5));
    shape.box = round % 2 == 1;
    shape.radius = size;
    shape.width = size;
    shape.height = size * between(0.1, 3);
    const std::vector<GeoShape::Cells> ranges = shape.cells();
    ASSERT_LE(ranges.size(), 16u);
    const double reach = size / 111'000;
    for (int i = 0; i < 60; ++i) {
      double longitude = shape.center.longitude + between(-reach, reach) * (i % 3 == 0 ? 10 : 1);
      longitude = std::remainder(longitude, 360);
      double latitude = shape.center.latitude + between(-reach, reach);
      latitude = std::min(85.05, std::max(-85.05, std::remainder(latitude, 180)));
      const std::uint64_t cell = geo_cell({longitude, latitude});
      if (!shape.distance_inside(geo_point(cell))) continue;
      ++inside;
      ASSERT_TRUE(covers(ranges, cell))
          << longitude << " " << latitude << " around " << shape.center.longitude << " "
          << shape.center.latitude << " size " << size;
    }
  }
  EXPECT_GT(inside, 10'000);
}

TEST(GeoShape, AnythingEndsTheSearch) {
  for (double size : {0.0, 1e300, std::numeric_limits<double>::infinity()}) {
    for (bool box : {false, true}) {
      const GeoShape shape{{180, 85.05112878}, box, size, size, size};
      EXPECT_TRUE(covers(shape.cells(), geo_cell(shape.center)));
    }
  }
}

}  // namespace
}  // namespace trv::redis
