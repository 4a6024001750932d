// UTF-8: what is well-formed, and what replaces the rest.
#include "base/utf8.h"

#include <gtest/gtest.h>

namespace trv {
namespace {

TEST(Utf8, KnowsWhatIsWellFormed) {
  for (const char* text : {"", "a", "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x98\x80"}) {
    EXPECT_TRUE(is_valid_utf8(text)) << text;
    EXPECT_EQ(to_valid_utf8(text), text);
  }
  for (const char* text :
       {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80"}) {
    EXPECT_FALSE(is_valid_utf8(text)) << text;
    EXPECT_TRUE(is_valid_utf8(to_valid_utf8(text))) << text;
  }
  EXPECT_EQ(to_valid_utf8("a\xc3"
                          "b"),
            "a\xef\xbf\xbd"
            "b");
}

}  // namespace
}  // namespace trv
