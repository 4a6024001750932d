// Pattern: matching anywhere in a name, the empty pattern, and what is refused.
#include "base/pattern.h"

#include <gtest/gtest.h>

namespace trv {
namespace {

TEST(Pattern, MatchesAnywhereUnlessAnchored) {
  EXPECT_TRUE(Pattern::parse("b")->matches("abc"));
  EXPECT_FALSE(Pattern::parse("^b")->matches("abc"));
  EXPECT_TRUE(Pattern::parse(".*")->matches(""));
  EXPECT_TRUE(Pattern::parse("")->matches(""));
  EXPECT_FALSE(Pattern::parse("")->matches("a"));
  EXPECT_FALSE(Pattern().matches("a"));
}

TEST(Pattern, RefusesWhatItCannotMatchInLinearTime) {
  EXPECT_FALSE(Pattern::parse("(").ok());
  EXPECT_FALSE(Pattern::parse("(?!a)").ok());
  EXPECT_FALSE(Pattern::parse("(a)\\1").ok());
  EXPECT_FALSE(Pattern::parse(std::string(Pattern::size_max + 1, 'a')).ok());
  EXPECT_TRUE(Pattern::parse("(a+)+$")->matches(std::string(50, 'a')));
  EXPECT_FALSE(Pattern::parse("^(a+)+$")->matches(std::string(5000, 'a') + "b"));
}

}  // namespace
}  // namespace trv
