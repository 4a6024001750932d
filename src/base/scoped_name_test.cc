// That a scope and a name come back from the flat name, and that no two pairs share one.
#include "base/scoped_name.h"

#include <gtest/gtest.h>

#include <map>

namespace trv {
namespace {

using namespace std::string_literals;

TEST(ScopedName, NamesOfTheFirstScopeStay) {
  EXPECT_EQ(scoped("/", "orders"), "orders");
  EXPECT_EQ(scoped("/", ""), "");
  EXPECT_EQ(split_scoped("orders"), (ScopedName{"/", "orders"}));
}

TEST(ScopedName, OthersSayTheirScope) {
  EXPECT_EQ(scoped("shop", "orders"), "\x01shop\x01orders");
  EXPECT_EQ(split_scoped("\x01shop\x01orders"), (ScopedName{"shop", "orders"}));
  EXPECT_EQ(local_name(scoped("shop", "")), "");
  EXPECT_EQ(scope_of(scoped("shop", "")), "shop");
}

TEST(ScopedName, PairsNeverMeet) {
  const std::string scopes[] = {"/", "a", "b", "//", "a/b"};
  const std::string names[] = {"",
                               "q",
                               "a",
                               "/",
                               "\x01",
                               "\x01q",
                               "\x01"
                               "a\x01q",
                               "\x01/\x01q",
                               "q\x01",
                               "\x01\x01"};
  std::map<std::string, std::pair<std::string, std::string>> seen;
  for (const std::string& scope : scopes) {
    for (const std::string& name : names) {
      const std::string flat = scoped(scope, name);
      const auto [entry, fresh] = seen.try_emplace(flat, scope, name);
      EXPECT_TRUE(fresh) << scope << " " << name;
      EXPECT_EQ(split_scoped(flat), (ScopedName{scope, name}));
    }
  }
}

TEST(ScopedName, WhatNoScopeSaysIsOfTheFirst) {
  EXPECT_EQ(split_scoped("\x01odd"), (ScopedName{"/", "\x01odd"}));
}

TEST(ScopedName, ValidScopes) {
  EXPECT_TRUE(valid_scope("/"));
  EXPECT_TRUE(valid_scope("caf\xc3\xa9 1"));
  EXPECT_FALSE(valid_scope(""));
  EXPECT_FALSE(
      valid_scope("a\x01"
                  "b"));
  EXPECT_FALSE(valid_scope("a\nb"));
  EXPECT_FALSE(valid_scope(std::string(256, 'a')));
}

}  // namespace
}  // namespace trv
