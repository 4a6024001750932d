// GeoCell: cells and texts are Redis's.
#include "redis/encodings/geo_cell.h"

#include <gtest/gtest.h>

#include <cmath>

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

}  // namespace
}  // namespace trv::redis
