// Proves who gets in where the Kafka listener demands a login, and which requests are worked on
// before that.
#include "kafka/login.h"

#include <gtest/gtest.h>

namespace trv::kafka {
namespace {

using namespace std::string_view_literals;

constexpr std::int16_t produce = 0;
constexpr std::int16_t handshake = 17;
constexpr std::int16_t api_versions = 18;
constexpr std::int16_t authenticate = 36;
constexpr std::string_view wrong = "Authentication failed: Invalid username or password";

class LoginTest : public testing::Test {
 protected:
  void put_user(const std::string& name, std::string_view password) {
    auth::User user;
    user.name = name;
    user.hashing = auth::Hashing::sha256;
    user.hash = auth::hash_password(user.hashing, "salt", password);
    apply(auth::PutUser{user});
  }
  void apply(const auth::Command& command) {
    ASSERT_TRUE(directory_.apply(auth::encode(command)).ok());
  }
  std::string prove(std::string_view token, bool near = true) {
    Login login(true);
    login.begin(false);
    std::string refusal = login.prove(directory_, token, near);
    EXPECT_EQ(refusal.empty(), login.state() == Login::State::done);
    return refusal;
  }

  auth::Directory directory_;
};

TEST_F(LoginTest, WhatIsWorkedOnWhen) {
  Login unneeded(false);
  EXPECT_TRUE(unneeded.admits(produce));
  Login login(true);
  EXPECT_FALSE(login.admits(produce));
  EXPECT_FALSE(login.admits(authenticate));
  EXPECT_TRUE(login.admits(api_versions));
  EXPECT_TRUE(login.admits(handshake));
  login.begin(false);
  EXPECT_FALSE(login.admits(produce));
  EXPECT_FALSE(login.admits(handshake));
  EXPECT_TRUE(login.admits(authenticate));
  EXPECT_EQ(login.prove(directory_, "\0guest\0guest"sv, true), "");
  EXPECT_TRUE(login.admits(produce));
  Login bare(true);
  bare.begin(true);
  EXPECT_FALSE(bare.admits(authenticate));
  bare.refuse();
  EXPECT_FALSE(bare.admits(api_versions));
}

TEST_F(LoginTest, WhoGetsIn) {
  put_user("lara", "secret");
  apply(auth::SetRights{"lara", "/", {".*", ".*", ".*"}});
  EXPECT_EQ(prove("\0lara\0secret"sv), "");
  EXPECT_EQ(prove("\0lara\0secret"sv, false), "");
  EXPECT_EQ(prove("lara\0lara\0secret"sv), "");
  EXPECT_EQ(prove("\0lara\0other"sv), wrong);
  EXPECT_EQ(prove("\0nobody\0secret"sv), wrong);
  EXPECT_NE(prove("guest\0lara\0secret"sv), "");
  // The first user's password is known to everybody.
  EXPECT_EQ(prove("\0guest\0guest"sv), "");
  EXPECT_EQ(prove("\0guest\0guest"sv, false), wrong);
}

TEST_F(LoginTest, NobodyWhoMayLessThanEverything) {
  put_user("lara", "secret");
  EXPECT_NE(prove("\0lara\0secret"sv), "");
  apply(auth::SetRights{"lara", "/", {".*", ".*", "orders"}});
  EXPECT_NE(prove("\0lara\0secret"sv), "");
  apply(auth::SetRights{"lara", "elsewhere", {".*", ".*", ".*"}});
  EXPECT_NE(prove("\0lara\0secret"sv), "");
  apply(auth::SetRights{"lara", "/", {".*", ".*", ".*"}});
  apply(auth::SetTopicRights{"lara", "/", "amq.topic", "a", ".*"});
  EXPECT_NE(prove("\0lara\0secret"sv), "");
  apply(auth::ClearTopicRights{"lara", "/", ""});
  EXPECT_EQ(prove("\0lara\0secret"sv), "");
}

TEST_F(LoginTest, TokensThatAreNone) {
  for (std::string_view token : {""sv, "\0"sv, "guest"sv, "\0guest"sv, "\0\0guest"sv, "\0guest\0"sv,
                                 "\0guest\0guest\0"sv, "\0\0\0\0"sv}) {
    EXPECT_NE(prove(token), "");
  }
}

}  // namespace
}  // namespace trv::kafka
