// Directory: logins, rights, replay of its own snapshot, and commands that are none.
#include "auth/directory.h"

#include <gtest/gtest.h>

#include "base/base64.h"

namespace trv::auth {
namespace {

void run(Directory& directory, const Command& command) {
  ASSERT_TRUE(directory.apply(encode(command)).ok());
}

User user_with(const std::string& name, const std::string& password) {
  return {name, Hashing::sha256, hash_password(Hashing::sha256, "salt", password), {"management"}};
}

Directory rebuilt(const Directory& directory) {
  Directory again;
  for (const std::string& command : directory.snapshot()) {
    EXPECT_TRUE(again.apply(command).ok());
  }
  return again;
}

Vhost vhost_named(const std::string& name) {
  Vhost vhost;
  vhost.name = name;
  vhost.queue_type = "classic";
  return vhost;
}

TEST(Directory, BeginsWithOneUserWhoMayEverything) {
  const Directory directory;
  ASSERT_NE(directory.log_in("guest", "guest"), nullptr);
  EXPECT_TRUE(directory.log_in("guest", "guest")->has_tag("administrator"));
  EXPECT_EQ(directory.log_in("guest", "other"), nullptr);
  EXPECT_EQ(directory.log_in("guest", ""), nullptr);
  EXPECT_EQ(directory.log_in("nobody", "guest"), nullptr);
  EXPECT_TRUE(directory.rights("guest", "/")->allow(Right::configure, "anything"));
  EXPECT_TRUE(directory.snapshot().empty());
}

// The example of RabbitMQ's documentation of password hashes.
TEST(Directory, KnowsRabbitMqsHashes) {
  const std::string hash = *base64_decode("kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR");
  EXPECT_TRUE(password_fits(Hashing::sha256, hash, "test12"));
  EXPECT_FALSE(password_fits(Hashing::sha256, hash, "test13"));
  EXPECT_FALSE(password_fits(Hashing::sha512, hash, "test12"));
  EXPECT_FALSE(password_fits(Hashing::none, "", ""));
  EXPECT_EQ(hash_size(Hashing::sha512), 68u);
}

TEST(Directory, RightsAreExpressionsThatAreNotAnchored) {
  Directory directory;
  run(directory, PutUser{user_with("u", "p")});
  EXPECT_EQ(directory.rights("u", "/"), nullptr);
  run(directory, SetRights{"u", "/", {"^a", "", "x$|^y"}});
  const Rights* rights = directory.rights("u", "/");
  EXPECT_TRUE(rights->allow(Right::configure, "abc"));
  EXPECT_FALSE(rights->allow(Right::configure, "ba"));
  EXPECT_FALSE(rights->allow(Right::write, "a"));
  EXPECT_TRUE(rights->allow(Right::write, ""));
  EXPECT_TRUE(rights->allow(Right::read, "box"));
  EXPECT_EQ(directory.rights("u", "other"), nullptr);
  run(directory, ClearRights{"u", "/"});
  EXPECT_EQ(directory.rights("u", "/"), nullptr);
}

TEST(Directory, AVhostOfNobodyGivesNoRightsToAUserWithoutAName) {
  Directory directory;
  run(directory, PutVhost{vhost_named("v"), ""});
  run(directory, PutUser{user_with("", "p")});
  run(directory, PutVhost{vhost_named("w"), ""});
  EXPECT_EQ(directory.rights("", "w"), nullptr);
  EXPECT_EQ(rebuilt(directory), directory);
}

TEST(Directory, TopicRightsLimitKeysOfTheirExchangeOnly) {
  Directory directory;
  run(directory, SetTopicRights{"guest", "/", "amq.topic", "^a\\.", ""});
  const Rights* rights = directory.rights("guest", "/");
  EXPECT_TRUE(rights->allow_key(Right::write, "amq.topic", "a.b"));
  EXPECT_FALSE(rights->allow_key(Right::write, "amq.topic", "b.a"));
  EXPECT_FALSE(rights->allow_key(Right::read, "amq.topic", "a.b"));
  EXPECT_TRUE(rights->allow_key(Right::write, "other", "b.a"));
  EXPECT_EQ(rebuilt(directory), directory);
  run(directory, ClearTopicRights{"guest", "/", ""});
  EXPECT_EQ(directory, Directory());
}

TEST(Directory, LimitsOfUsersGoWithThemAndNegativeOnesLimitNothing) {
  Directory directory;
  const auto of_guest = [&](Limit limit) {
    return directory.limit(LimitScope::user, "guest", limit);
  };
  EXPECT_EQ(of_guest(Limit::connections), std::nullopt);
  run(directory, SetLimit{LimitScope::user, "guest", Limit::connections, 2});
  run(directory, SetLimit{LimitScope::user, "guest", Limit::channels, -1});
  run(directory, PutVhost{vhost_named("guest"), ""});
  run(directory, SetLimit{LimitScope::vhost, "guest", Limit::channels, 0});
  run(directory, SetLimit{LimitScope::user, "nobody", Limit::channels, 0});
  EXPECT_EQ(of_guest(Limit::connections), 2u);
  EXPECT_EQ(of_guest(Limit::channels), std::nullopt);
  EXPECT_EQ(directory.limit(LimitScope::vhost, "guest", Limit::channels), 0u);
  EXPECT_EQ(directory.limits(LimitScope::user).at("guest").at(Limit::channels), -1);
  EXPECT_EQ(directory.limits(LimitScope::user).size(), 1u);
  EXPECT_EQ(rebuilt(directory), directory);
  run(directory, ClearLimit{LimitScope::user, "guest", Limit::connections});
  EXPECT_EQ(of_guest(Limit::connections), std::nullopt);
  run(directory, DeleteUser{"guest"});
  EXPECT_TRUE(directory.limits(LimitScope::user).empty());
  EXPECT_EQ(rebuilt(directory), directory);
  run(directory, ClearLimit{LimitScope::vhost, "guest", std::nullopt});
  EXPECT_TRUE(directory.limits(LimitScope::vhost).empty());
}

TEST(Directory, VirtualHostsTakeRightsAndLimitsWithThem) {
  Directory directory;
  Vhost shop = vhost_named("shop");
  shop.description = "A shop";
  shop.tags = {"a", "b"};
  shop.queue_type = "quorum";
  // Nothing is kept for one that is not there.
  run(directory, SetRights{"guest", "shop", {"a", "b", "c"}});
  run(directory, SetLimit{LimitScope::vhost, "shop", Limit::queues, 1});
  EXPECT_EQ(directory, Directory());
  EXPECT_EQ(directory.find_vhost("shop"), nullptr);
  run(directory, PutUser{user_with("u", "p")});
  run(directory, PutVhost{shop, "u"});
  EXPECT_EQ(*directory.find_vhost("shop"), shop);
  EXPECT_TRUE(directory.rights("u", "shop")->allow(Right::write, "anything"));
  EXPECT_EQ(directory.rights("guest", "shop"), nullptr);
  // A change gives no rights.
  run(directory, PutVhost{shop, "guest"});
  EXPECT_EQ(directory.rights("guest", "shop"), nullptr);
  run(directory, SetTopicRights{"guest", "shop", "e", "w", "r"});
  run(directory, SetLimit{LimitScope::vhost, "shop", Limit::queues, 1});
  EXPECT_EQ(rebuilt(directory), directory);
  run(directory, DeleteVhost{"shop"});
  EXPECT_EQ(directory.rights("u", "shop"), nullptr);
  run(directory, PutVhost{shop, ""});
  EXPECT_EQ(directory.rights("u", "shop"), nullptr);
  EXPECT_EQ(directory.limit(LimitScope::vhost, "shop", Limit::queues), std::nullopt);
  EXPECT_TRUE(directory.rights("guest", "/")->allow(Right::write, "anything"));
  EXPECT_EQ(rebuilt(directory), directory);
  run(directory, DeleteVhost{"/"});
  EXPECT_NE(directory.find_vhost("/"), nullptr);
}

TEST(Directory, WhatLeavesIsOpenToNobodyAndIsStillThere) {
  Directory directory;
  Vhost shop = vhost_named("shop");
  run(directory, PutVhost{shop, "guest"});
  shop.state = Vhost::State::leaving;
  run(directory, PutVhost{shop, ""});
  EXPECT_EQ(directory.find_vhost("shop"), nullptr);
  EXPECT_TRUE(directory.vhosts().contains("shop"));
  EXPECT_EQ(rebuilt(directory), directory);
}

TEST(Directory, ASnapshotGivesAnEqualOneAlsoWithoutTheFirstUser) {
  Directory directory;
  run(directory, PutUser{user_with("u", "p")});
  run(directory, SetRights{"u", "/", {".*", "b", ""}});
  run(directory, SetTopicRights{"u", "/", "e", "w", "r"});
  run(directory, PutVhost{vhost_named("other"), ""});
  run(directory, SetTopicRights{"u", "other", "e", "w", "r"});
  EXPECT_EQ(rebuilt(directory), directory);
  run(directory, DeleteUser{"guest"});
  EXPECT_EQ(rebuilt(directory), directory);
  EXPECT_EQ(rebuilt(directory).find("guest"), nullptr);
  EXPECT_EQ(directory.rights("guest", "/"), nullptr);
  run(directory, DeleteUser{"u"});
  EXPECT_EQ(rebuilt(directory), directory);
  EXPECT_TRUE(directory.all_rights().empty());
}

TEST(Directory, NothingChangesForUsersThatAreNotThere) {
  Directory directory;
  run(directory, SetRights{"u", "/", {"", "", ""}});
  run(directory, SetTopicRights{"u", "/", "e", "", ""});
  run(directory, ClearRights{"u", "/"});
  run(directory, ClearTopicRights{"u", "/", ""});
  run(directory, DeleteUser{"u"});
  EXPECT_EQ(directory, Directory());
}

TEST(Directory, RefusesWhatIsNoCommand) {
  Directory directory;
  for (const Command& command :
       {Command(PutUser{user_with("u", "p")}), Command(SetRights{"guest", "/", {"a", "b", "c"}}),
        Command(SetTopicRights{"guest", "/", "e", "w", "r"}),
        Command(SetLimit{LimitScope::user, "guest", Limit::channels, 5}),
        Command(ClearLimit{LimitScope::user, "guest", Limit::channels})}) {
    const std::string whole = encode(command);
    EXPECT_FALSE(directory.apply(whole + "x").ok());
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_FALSE(directory.apply(ByteView(whole).substr(0, size)).ok()) << size;
    }
  }
  EXPECT_FALSE(directory.apply("\x09").ok());
  const std::string limit = encode(ClearLimit{LimitScope::user, "u", Limit::queues});
  for (const auto& [place, byte] : {std::pair<std::size_t, char>{1, 2}, {limit.size() - 1, 4}}) {
    std::string wrong = limit;
    wrong[place] = byte;
    EXPECT_FALSE(directory.apply(wrong).ok()) << place;
  }
  EXPECT_FALSE(
      directory.apply(encode(ClearLimit{LimitScope::user, "u", {}}) + std::string(1, '\0')).ok());
  EXPECT_FALSE(directory.apply(encode(SetRights{"guest", "/", {"(", "", ""}})).ok());
  EXPECT_EQ(directory, Directory());
}

PutTerms terms_of(const std::string& name) {
  return {name, {"rules", {digest_of("one"), digest_of("two")}, false, false}, false};
}

TEST(Directory, FurtherPasswordsAreAsGoodAsTheUsersOwn) {
  Directory directory;
  run(directory, PutUser{user_with("u", "own")});
  run(directory, terms_of("u"));
  EXPECT_NE(directory.log_in("u", "own"), nullptr);
  EXPECT_NE(directory.log_in("u", "one"), nullptr);
  EXPECT_NE(directory.log_in("u", "two"), nullptr);
  EXPECT_EQ(directory.log_in("u", "three"), nullptr);
  EXPECT_EQ(directory.log_in("u", ""), nullptr);
  EXPECT_EQ(directory.terms("u")->rules, "rules");
  EXPECT_TRUE(directory.find("u")->has_tag("management"));
  PutTerms only = terms_of("u");
  only.only_these = true;
  run(directory, only);
  EXPECT_EQ(directory.log_in("u", "own"), nullptr);
  EXPECT_NE(directory.log_in("u", "one"), nullptr);
  EXPECT_TRUE(directory.find("u")->has_tag("management"));
  EXPECT_EQ(rebuilt(directory), directory);
}

TEST(Directory, NobodyLogsInAsALockedUserAndAnOpenOneStillNeedsAPasswordHere) {
  Directory directory;
  run(directory, PutUser{user_with("u", "own")});
  PutTerms locked = terms_of("u");
  locked.terms.locked = true;
  run(directory, locked);
  EXPECT_EQ(directory.log_in("u", "own"), nullptr);
  EXPECT_EQ(directory.log_in("u", "one"), nullptr);
  EXPECT_EQ(rebuilt(directory), directory);
  PutTerms open = terms_of("u");
  open.terms.open = true;
  run(directory, open);
  EXPECT_EQ(directory.log_in("u", "any"), nullptr);
  EXPECT_NE(directory.log_in("u", "own"), nullptr);
  EXPECT_EQ(rebuilt(directory), directory);
}

TEST(Directory, WhoSetsThePasswordTakesAwayTheOthers) {
  Directory directory;
  run(directory, PutUser{user_with("u", "own")});
  PutTerms open = terms_of("u");
  open.terms.open = true;
  run(directory, open);
  run(directory, PutUser{user_with("u", "own")});  // its tags, maybe
  EXPECT_NE(directory.log_in("u", "one"), nullptr);
  EXPECT_TRUE(directory.terms("u")->open);
  run(directory, PutUser{user_with("u", "new")});
  EXPECT_EQ(directory.log_in("u", "one"), nullptr);
  EXPECT_FALSE(directory.terms("u")->open);
  EXPECT_EQ(directory.terms("u")->rules, "rules");
}

TEST(Directory, TermsMakeTheirUserAndGoWithIt) {
  Directory directory;
  run(directory, terms_of("new"));
  EXPECT_NE(directory.log_in("new", "one"), nullptr);
  EXPECT_EQ(directory.rights("new", "/"), nullptr);
  EXPECT_EQ(rebuilt(directory), directory);
  run(directory, DeleteUser{"new"});
  EXPECT_EQ(directory.terms("new"), nullptr);
  run(directory, PutUser{user_with("new", "p")});
  EXPECT_EQ(directory.log_in("new", "one"), nullptr);
  // Those of who gives no name are of no user.
  run(directory, terms_of(""));
  EXPECT_EQ(directory.find(""), nullptr);
  EXPECT_EQ(directory.log_in("", "one"), nullptr);
  run(directory, DeleteUser{""});
  ASSERT_NE(directory.terms(""), nullptr);
  EXPECT_EQ(rebuilt(directory), directory);
}

TEST(Directory, RefusesTermsThatAreNone) {
  Directory directory;
  std::string command = encode(terms_of("u"));
  EXPECT_FALSE(directory.apply(command + "x").ok());
  command.back() = 8;
  EXPECT_FALSE(directory.apply(command).ok());
  PutTerms shortened = terms_of("u");
  shortened.terms.digests[0].pop_back();
  EXPECT_FALSE(directory.apply(encode(shortened)).ok());
  EXPECT_EQ(directory, Directory());
}

TEST(Directory, ParametersAreKeptAsTheyAreGiven) {
  Directory directory;
  EXPECT_EQ(directory.parameter("a"), nullptr);
  run(directory, PutParameter{"a", "1"});
  run(directory, PutParameter{"b", std::string("\0x", 2)});
  run(directory, PutParameter{"a", "2"});
  ASSERT_NE(directory.parameter("a"), nullptr);
  EXPECT_EQ(*directory.parameter("a"), "2");
  EXPECT_NE(directory, Directory());
  EXPECT_EQ(rebuilt(directory), directory);
  run(directory, DeleteParameter{"a"});
  run(directory, DeleteParameter{"none"});
  EXPECT_EQ(directory.parameters().size(), 1u);
  run(directory, DeleteParameter{"b"});
  EXPECT_EQ(directory, Directory());
}

}  // namespace
}  // namespace trv::auth
