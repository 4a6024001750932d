// Proves: what each rule of ACL SETUSER says and how it is told again, which rules are refused with
// which words, that what is kept means what was said, and what an account may then do, also where
// it has rights of the other protocols beside its rules.
#include "redis/access/account.h"

#include <gtest/gtest.h>

#include "redis/access/categories.h"
#include "redis/access/denial_log.h"
#include "redis/session.h"

namespace trv::redis {
namespace {

using Words = std::vector<std::string>;

class AccountTest : public testing::Test {
 protected:
  UserRules rules(const Words& words) const {
    UserRules made(table_);
    EXPECT_EQ(made.change(table_, nullptr, words), "");
    return made;
  }
  std::string refused(const Words& words) const {
    return UserRules(table_).change(table_, nullptr, words);
  }
  std::string text(const Words& words) const { return rules(words).text(); }

  static std::vector<ByteView> views(const Words& words) { return {words.begin(), words.end()}; }
  // Empty when it may, else the error.
  std::string ask(const Account& account, const Words& words) const {
    const std::vector<ByteView> args = views(words);
    const Command* command = find_command(table_, args);
    if (!command) return "unknown";
    const Denial denial = account.check(table_, *command, args);
    return denial ? denial.error() : "";
  }
  std::string ask(const Words& said, const Words& words) const {
    return ask(Account("u", rules(said), std::nullopt), words);
  }
  static auth::Rights rights(const std::string& configure, const std::string& write,
                             const std::string& read) {
    auth::Rights rights;
    rights.patterns = {*Pattern::parse(configure), *Pattern::parse(write), *Pattern::parse(read)};
    rights.granted = true;
    return rights;
  }

  const std::string no_key_ = "NOPERM No permissions to access a key";
  const std::string no_channel_ = "NOPERM No permissions to access a channel";
  CommandTable table_;
};

TEST_F(AccountTest, TellsTheRulesThatWereGiven) {
  EXPECT_EQ(text({}), "off sanitize-payload resetchannels -@all");
  EXPECT_EQ(text({"on", "nopass", "allkeys", "allchannels", "allcommands"}),
            "on nopass sanitize-payload ~* &* +@all");
  EXPECT_EQ(text({"%R~r*", "%W~w*", "%RW~b*", "~x", "%R~w*", "&ch.*", "+@read", "-get"}),
            "off sanitize-payload %R~r* ~w* ~b* ~x resetchannels &ch.* -@all +@read -get");
  EXPECT_EQ(
      text({"+@all", "-@dangerous", "+KEYS", "-keys", "+config|GET", "skip-sanitize-payload"}),
      "off skip-sanitize-payload resetchannels +@all -@dangerous -keys +config|get");
  // A rule about a command takes the place of those about it and its subcommands.
  EXPECT_EQ(text({"+client|id", "+client|info", "-client", "+client|id"}),
            "off sanitize-payload resetchannels -@all -client +client|id");
  EXPECT_EQ(text({"+select|0", "+SELECT|1"}),
            "off sanitize-payload resetchannels -@all +select|0 +select|1");
  EXPECT_EQ(text({"~a", "(~b +get)", "(%R~c", "&d", "-@all", "+@set)"}),
            "off sanitize-payload ~a resetchannels -@all (~b resetchannels -@all +get) "
            "(%R~c resetchannels &d -@all +@set)");
  EXPECT_EQ(text({"(~b +get)", "clearselectors"}), "off sanitize-payload resetchannels -@all");
  EXPECT_EQ(text({"on", ">p", "~*", "&*", "+@all", "(~b)", "reset"}),
            "off sanitize-payload resetchannels -@all");
}

TEST_F(AccountTest, WhatIsKeptMeansWhatWasSaid) {
  for (const Words& words :
       {Words{}, Words{"on", ">one", ">two", "~a", "~b)", "&c", "+@all", "-@admin", "+select|0"},
        Words{"nopass", "skip-sanitize-payload", "(~x) +get)", "(allkeys", "+@all)", "(&*)"}}) {
    const UserRules said = rules(words);
    const UserRules kept = UserRules::parse(table_, said.terms());
    EXPECT_EQ(kept.text(), said.text());
    EXPECT_EQ(kept.terms(), said.terms());
  }
  // Of a version that knows more: what is not known grants nothing.
  auth::Terms later;
  later.rules = "~* &* -@all +get +fancy\n~* +@all -@fancy";
  EXPECT_EQ(UserRules::parse(table_, later).text(), "on ~* &* -@all +get (resetchannels -@all)");
  EXPECT_EQ(UserRules::parse(table_, {}).text(), "on resetchannels -@all");
}

TEST_F(AccountTest, RefusesRulesInRedissWords) {
  const auto error = [](const std::string& rule, RuleError why) {
    return "Error in ACL SETUSER modifier '" + rule + "': " + std::string(text_of(why));
  };
  for (const std::string rule : {"foo", "%~x", "%X~x", "%RR~x", "%R", "~a b", "&a b", "+debug|"}) {
    const bool unknown = rule == "+debug|";
    EXPECT_EQ(refused({rule}),
              error(rule, unknown ? RuleError::unknown_command : RuleError::malformed));
  }
  for (const std::string rule :
       {"+nocommand", "-nocommand", "+@nocategory", "+config|foo", "-get|a"})
    EXPECT_EQ(refused({rule}), error(rule, RuleError::unknown_command));
  EXPECT_EQ(refused({"+get|"}), error("+get|", RuleError::malformed));
  EXPECT_EQ(refused({"+config|get|x"}), error("+config|get|x", RuleError::argument_of_subcommand));
  EXPECT_EQ(refused({"~*", "~a"}), error("~a", RuleError::keys_after_all));
  EXPECT_EQ(refused({"&*", "&a"}), error("&a", RuleError::channels_after_all));
  EXPECT_EQ(refused({"<a"}), error("<a", RuleError::no_such_password));
  EXPECT_EQ(refused({"#abc"}), error("#abc", RuleError::malformed_hash));
  EXPECT_EQ(refused({"!" + std::string(64, 'F')}),
            error("!" + std::string(64, 'F'), RuleError::malformed_hash));
  EXPECT_EQ(refused({"(~a +foo)"}), error("(~a +foo)", RuleError::unknown_command));
  EXPECT_EQ(refused({"on", "(~a", "+get"}),
            "Unmatched parenthesis in acl selector starting at '(~a'.");
}

TEST_F(AccountTest, PasswordsComeAndGo) {
  const std::string one = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
  EXPECT_EQ(rules({">one", ">one", "#" + one}).password_hashes(), Words{one});
  EXPECT_TRUE(rules({">one", "<one"}).digests().empty());
  EXPECT_TRUE(rules({">one", "!" + one}).digests().empty());
  EXPECT_TRUE(rules({">one", "nopass"}).open());
  EXPECT_TRUE(rules({">one", "nopass"}).digests().empty());
  EXPECT_FALSE(rules({"nopass", ">one"}).open());
  EXPECT_FALSE(rules({"nopass", "resetpass"}).open());

  // The password that the other protocols know.
  const auth::User user{
      "u", auth::Hashing::sha256, auth::hash_password(auth::Hashing::sha256, "salt", "own"), {}};
  UserRules changed(table_);
  EXPECT_EQ(changed.change(table_, &user, {">two"}), "");
  EXPECT_FALSE(changed.forgets_own_password());
  EXPECT_EQ(changed.change(table_, &user, {"<own"}), "");
  EXPECT_TRUE(changed.forgets_own_password());
  EXPECT_NE(changed.change(table_, &user, {"<own"}), "");
  for (const std::string rule : {"resetpass", "nopass", "reset"}) {
    UserRules other(table_);
    EXPECT_EQ(other.change(table_, &user, {rule}), "");
    EXPECT_TRUE(other.forgets_own_password()) << rule;
  }
}

TEST_F(AccountTest, CommandsAreAllowedOneByOneAndByCategory) {
  const std::string no_get = "NOPERM User u has no permissions to run the 'get' command";
  EXPECT_EQ(ask({"~*"}, {"GET", "a"}), no_get);
  EXPECT_EQ(ask({"~*", "+get"}, {"GET", "a"}), "");
  EXPECT_EQ(ask({"~*", "+@all", "-get"}, {"GET", "a"}), no_get);
  EXPECT_EQ(ask({"~*", "+@read"}, {"GET", "a"}), "");
  EXPECT_NE(ask({"~*", "+@read"}, {"SET", "a", "b"}), "");
  EXPECT_NE(ask({"~*", "+@all", "-@write"}, {"SET", "a", "b"}), "");
  EXPECT_NE(ask({"+@all", "-@dangerous"}, {"FLUSHALL"}), "");
  EXPECT_NE(ask({"+@all", "-@admin"}, {"ACL", "SETUSER", "u", "+@all"}), "");
  EXPECT_EQ(ask({"+config|get"}, {"CONFIG", "GET", "a"}), "");
  EXPECT_EQ(ask({"+config|get"}, {"CONFIG", "SET", "a", "b"}),
            "NOPERM User u has no permissions to run the 'config|set' command");
  EXPECT_EQ(ask({"+config"}, {"CONFIG", "SET", "a", "b"}), "");
  EXPECT_NE(ask({"+config", "-config|set"}, {"CONFIG", "SET", "a", "b"}), "");
  EXPECT_EQ(ask({"+select|0"}, {"SELECT", "0"}), "");
  EXPECT_NE(ask({"+select|0"}, {"SELECT", "1"}), "");
  EXPECT_NE(ask({"+select|0", "-select"}, {"SELECT", "0"}), "");
  // To become another, nobody needs to be allowed anything.
  for (const Words& words : {Words{"AUTH", "a"}, Words{"HELLO"}, Words{"QUIT"}, Words{"RESET"}})
    EXPECT_EQ(ask(Words{}, words), "");
}

TEST_F(AccountTest, KeysAreAllowedByWhatIsDoneToThem) {
  const Words reads = {"+@all", "%R~a*"};
  EXPECT_EQ(ask(reads, {"GET", "a1"}), "");
  EXPECT_EQ(ask(reads, {"GET", "b1"}), no_key_);
  EXPECT_EQ(ask(reads, {"SET", "a1", "v"}), no_key_);
  EXPECT_EQ(ask(reads, {"MGET", "a1", "a2", "b"}), no_key_);
  EXPECT_EQ(ask(reads, {"EXISTS", "a1"}), "");
  EXPECT_EQ(ask(reads, {"INCR", "a1"}), no_key_);
  const Words writes = {"+@all", "%W~a*"};
  EXPECT_EQ(ask(writes, {"SET", "a1", "v"}), "");
  EXPECT_EQ(ask(writes, {"SET", "a1", "v", "GET"}), no_key_);
  EXPECT_EQ(ask(writes, {"INCR", "a1"}), no_key_);
  EXPECT_EQ(ask(writes, {"STRLEN", "a1"}), "");
  EXPECT_EQ(ask(writes, {"BITFIELD", "a1", "GET", "u8", "0"}), no_key_);
  EXPECT_EQ(ask(writes, {"XADD", "a1", "*", "f", "v"}), "");
  EXPECT_EQ(ask(writes, {"XREAD", "COUNT", "1", "STREAMS", "a1", "0"}), no_key_);
  const Words each = {"+@all", "%R~src*", "%W~dst*"};
  EXPECT_EQ(ask(each, {"COPY", "src", "dst"}), "");
  EXPECT_EQ(ask(each, {"COPY", "dst", "src"}), no_key_);
  EXPECT_EQ(ask(each, {"SUNIONSTORE", "dst", "src1", "src2"}), "");
  EXPECT_EQ(ask(each, {"SUNIONSTORE", "src1", "dst"}), no_key_);
  EXPECT_EQ(ask(each, {"ZUNIONSTORE", "dst", "2", "src1", "src2"}), "");
  EXPECT_EQ(ask(each, {"ZUNIONSTORE", "dst", "2", "src1", "dst2"}), no_key_);
  EXPECT_EQ(ask(each, {"SORT", "src", "STORE", "dst"}), "");
  EXPECT_EQ(ask(each, {"SORT", "src", "STORE", "src"}), no_key_);
  EXPECT_EQ(ask(each, {"LMOVE", "src", "dst", "LEFT", "LEFT"}), no_key_);
  EXPECT_EQ(ask(each, {"EVAL_RO", "return 1", "1", "src"}), "");
  EXPECT_EQ(ask(each, {"EVAL", "return 1", "1", "src"}), no_key_);
  EXPECT_EQ(ask(each, {"EVAL", "return 1", "0"}), "");
  // What SORT finds as it runs could be any key.
  EXPECT_EQ(ask({"+@all", "~a"}, {"SORT", "a", "BY", "w_*"}),
            "ERR BY option of SORT denied due to insufficient ACL permissions.");
  EXPECT_EQ(ask({"+@all", "~a"}, {"SORT", "a", "BY", "nosort", "GET", "w_*"}),
            "ERR GET option of SORT denied due to insufficient ACL permissions.");
  EXPECT_EQ(ask({"+@all", "%R~*"}, {"SORT", "a", "BY", "w_*", "GET", "v_*"}), "");
}

TEST_F(AccountTest, ChannelsAreAllowedByNameAndPatternsByTheirText) {
  const Words said = {"+@all", "&news.*"};
  EXPECT_EQ(ask(said, {"PUBLISH", "news.a", "m"}), "");
  EXPECT_EQ(ask(said, {"PUBLISH", "other", "m"}), no_channel_);
  EXPECT_EQ(ask(said, {"SUBSCRIBE", "news.a", "news.b"}), "");
  EXPECT_EQ(ask(said, {"SUBSCRIBE", "news.a", "other"}), no_channel_);
  EXPECT_EQ(ask(said, {"PSUBSCRIBE", "news.*"}), "");
  EXPECT_EQ(ask(said, {"PSUBSCRIBE", "news.a*"}), no_channel_);
  EXPECT_EQ(ask(said, {"UNSUBSCRIBE", "other"}), "");
  EXPECT_EQ(ask(said, {"PUNSUBSCRIBE", "other"}), "");
}

TEST_F(AccountTest, OneSelectorMustAllowAll) {
  const Words said = {"+get", "~a", "(+set ~b)", "(%R~c %W~d +copy)"};
  EXPECT_EQ(ask(said, {"GET", "a"}), "");
  EXPECT_EQ(ask(said, {"SET", "b", "v"}), "");
  EXPECT_EQ(ask(said, {"GET", "b"}), no_key_);
  EXPECT_EQ(ask(said, {"SET", "a", "v"}), no_key_);
  EXPECT_EQ(ask(said, {"DEL", "a"}), "NOPERM User u has no permissions to run the 'del' command");
  EXPECT_EQ(ask(said, {"COPY", "c", "d"}), "");
}

TEST_F(AccountTest, WhoMayEverythingIsNotLookedAt) {
  EXPECT_FALSE(Account("u", rules({"~*", "&*", "+@all"}), std::nullopt).limited());
  EXPECT_FALSE(Account("u", rules({"(~* &* +@all)"}), std::nullopt).limited());
  EXPECT_FALSE(Account("u", rules({"~*", "&*", "+@all"}), rights(".*", ".*", ".*")).limited());
  EXPECT_TRUE(Account("u", rules({"~*", "&*", "+@all"}), rights(".*", ".*", "x")).limited());
  EXPECT_TRUE(Account("u", rules({"~*", "&*", "+@all", "-get"}), std::nullopt).limited());
  EXPECT_TRUE(Account("u", rules({"~*", "+@all"}), std::nullopt).limited());
  EXPECT_TRUE(Account("u", rules({"&*", "+@all"}), std::nullopt).limited());
}

TEST_F(AccountTest, RightsAndRulesMustBothAllow) {
  const Account account("u", rules({"~*", "&*", "+@all"}), rights("^c", "^(c|w)", "^(c|r)"));
  EXPECT_EQ(ask(account, {"GET", "r1"}), "");
  EXPECT_EQ(ask(account, {"GET", "w1"}), no_key_);
  EXPECT_EQ(ask(account, {"EXISTS", "w1"}), no_key_);
  EXPECT_EQ(ask(account, {"SET", "w1", "v"}), "");
  EXPECT_EQ(ask(account, {"SET", "r1", "v"}), no_key_);
  EXPECT_EQ(ask(account, {"XADD", "w1", "*", "f", "v"}), "");
  EXPECT_EQ(ask(account, {"DEL", "w1"}), no_key_);
  EXPECT_EQ(ask(account, {"DEL", "c1"}), "");
  EXPECT_NE(ask(account, {"FLUSHALL"}), "");
  EXPECT_EQ(ask(account, {"PUBLISH", "w1", "m"}), "");
  EXPECT_EQ(ask(account, {"PUBLISH", "r1", "m"}), no_channel_);
  EXPECT_EQ(ask(account, {"SUBSCRIBE", "r1"}), "");
  EXPECT_EQ(ask(account, {"PSUBSCRIBE", "r*"}), no_channel_);
  const Account both("u", rules({"~r1", "+@all"}), rights("", "", "^r"));
  EXPECT_EQ(ask(both, {"GET", "r1"}), "");
  EXPECT_EQ(ask(both, {"GET", "r2"}), no_key_);
}

TEST_F(AccountTest, UsersOfTheOtherProtocolsMayWhatTheirRightsGive) {
  const auth::User plain{"u", auth::Hashing::none, {}, {}};
  const auth::User administrator{"u", auth::Hashing::none, {}, {"administrator"}};
  const auth::Rights some = rights("", "", "^r");
  EXPECT_EQ(Account::implied(table_, plain, nullptr).text(),
            "on sanitize-payload resetchannels -@all");
  EXPECT_EQ(Account::implied(table_, plain, &some).text(),
            "on sanitize-payload ~* &* +@all -@admin -@dangerous");
  EXPECT_EQ(Account::implied(table_, administrator, &some).text(),
            "on sanitize-payload ~* &* +@all");
  EXPECT_EQ(Account::implied_for_nobody(table_, "").text(), "on nopass ~* &* +@all");
  EXPECT_FALSE(Account::implied_for_nobody(table_, "secret").open());
}

TEST_F(AccountTest, EveryCommandHasCategoriesAndOneOfFastAndSlow) {
  const std::uint32_t fast = *find_category("fast");
  const std::uint32_t slow = *find_category("SLOW");
  for (const Command* command : table_.all()) {
    const std::uint32_t categories = categories_of(*command);
    EXPECT_EQ((categories & fast) != 0, (categories & slow) == 0) << command->name;
  }
  EXPECT_EQ(find_category("all"), std::nullopt);
}

TEST(DenialLog, CountsWhatIsAlikeAndKeepsSoMany) {
  using Reason = DenialLog::Reason;
  DenialLog log;
  const DenialLog::Event get{Reason::command, DenialLog::Context::toplevel, "get", "u", "one"};
  log.add(get, WallTime{1000});
  log.add({Reason::key, DenialLog::Context::toplevel, "get", "u", "one"}, WallTime{2000});
  log.add(get, WallTime{3000});
  ASSERT_EQ(log.entries().size(), 2u);
  EXPECT_EQ(log.entries()[0].count, 2u);
  EXPECT_EQ(log.entries()[0].id, 0u);
  EXPECT_EQ(log.entries()[0].created, WallTime{1000});
  EXPECT_EQ(log.entries()[0].updated, WallTime{3000});
  log.add(get, WallTime{64'000});
  EXPECT_EQ(log.entries().size(), 3u);
  log.set_size_max(1);
  ASSERT_EQ(log.entries().size(), 1u);
  EXPECT_EQ(log.entries()[0].id, 2u);
  log.set_size_max(0);
  log.add(get, WallTime{65'000});
  EXPECT_TRUE(log.entries().empty());
}

}  // namespace
}  // namespace trv::redis
