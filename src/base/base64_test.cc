// Base64: the vectors of RFC 4648, every octet, and what is refused.
#include "base/base64.h"

#include <gtest/gtest.h>

namespace trv {
namespace {

TEST(Base64, KnowsTheVectorsOfTheStandard) {
  const std::pair<const char*, const char*> rows[] = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
  };
  for (const auto& [plain, encoded] : rows) {
    EXPECT_EQ(base64_encode(plain), encoded);
    EXPECT_EQ(*base64_decode(encoded), plain);
  }
  EXPECT_EQ(*base64_decode("Zg"), "f");
}

TEST(Base64, KeepsEveryOctet) {
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  EXPECT_EQ(*base64_decode(base64_encode(all)), all);
}

TEST(Base64, RefusesWhatIsNone) {
  for (const char* text : {"Z", "Zg=x", "Zm9v*", "Zh==", "====", "Zm 9"}) {
    EXPECT_FALSE(base64_decode(text).ok()) << text;
  }
}

}  // namespace
}  // namespace trv
