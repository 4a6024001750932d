// What rabbitmqctl asks of the API, what it prints of the answers, and its exit codes.
#include "cli/rabbitmqctl.h"

#include <gtest/gtest.h>

#include <map>

namespace trv::cli {
namespace {

// A server of answers by "METHOD path"; what is not there is 404.
struct Fake {
  std::map<std::string, HttpAnswer> answers;
  std::vector<std::string> asked;

  Outcome run(const std::vector<std::string>& words) {
    asked.clear();
    return rabbitmqctl(
        words,
        [this](const HttpServer& server, const HttpQuestion& question) -> Result<HttpAnswer> {
          std::string text = question.method + " " + question.path;
          const auto found = answers.find(text);
          for (const auto& [name, value] : question.headers) text += " " + name + ": " + value;
          asked.push_back(server.user + "@" + server.host + ":" + server.port + " " + text + " " +
                          question.body);
          return found == answers.end() ? HttpAnswer{404, R"({"reason":"Not Found"})"}
                                        : found->second;
        });
  }
};

constexpr const char* two_queues =
    R"([{"name":"a","messages":1,"arguments":{"x-max-length":5,"x-overflow":"drop-head"}},
        {"name":"b\tc","messages":0,"arguments":{}}])";

TEST(Rabbitmqctl, PrintsTables) {
  Fake fake;
  fake.answers["GET /api/queues/%2F"] = {200, two_queues};
  EXPECT_EQ(fake.run({"list_queues"}).out,
            "Timeout: 60.0 seconds ...\nListing queues for vhost / ...\nname\tmessages\na\t1\n"
            "b\\011c\t0\n");
  EXPECT_EQ(
      fake.run({"-q", "list_queues", "messages", "arguments"}).out,
      "messages\targuments\n1\t[{\"x-max-length\",5}, {\"x-overflow\",\"drop-head\"}]\n0\t[]\n");
  EXPECT_EQ(fake.run({"list_queues", "-s", "name"}).out, "a\nb\\011c\n");
  EXPECT_EQ(fake.run({"list_queues", "--formatter", "json", "name", "messages"}).out,
            "[\n{\"name\":\"a\",\"messages\":1}\n,{\"name\":\"b\\tc\",\"messages\":0}\n]\n");
  const Outcome unknown = fake.run({"list_queues", "nonsense", "name"});
  EXPECT_EQ(unknown.exit_code, 64);
  EXPECT_EQ(unknown.errors,
            "Error (argument validation): Info key(s) nonsense are not supported\n");
  EXPECT_TRUE(fake.asked.empty());
}

constexpr const char* one_consumer =
    R"([{"queue":{"name":"q"},"channel_details":{"name":"c 1"},"consumer_tag":"t",
        "ack_required":true,"prefetch_count":7,"active":true,"arguments":{}}])";

TEST(Rabbitmqctl, PrintsNestedMembersTagsAndNothing) {
  Fake fake;
  fake.answers["GET /api/consumers/%2F"] = {200, one_consumer};
  EXPECT_EQ(fake.run({"-s", "list_consumers"}).out, "q\tc 1\tt\ttrue\t7\ttrue\t[]\n");
  fake.answers["GET /api/users"] = {200, R"([{"name":"u","tags":["a","b"]}])"};
  EXPECT_EQ(fake.run({"-s", "list_users"}).out, "u\t[a, b]\n");
  fake.answers["GET /api/policies/%2F"] = {200, "[]"};
  EXPECT_EQ(fake.run({"list_policies"}).out, "Listing policies for vhost \"/\" ...\n\n");
}

TEST(Rabbitmqctl, PrintsLimitsAsTheyAre) {
  Fake fake;
  fake.answers["GET /api/vhost-limits/%2F"] = {200, "[]"};
  EXPECT_EQ(fake.run({"list_vhost_limits"}).out, "Listing limits for vhost \"/\" ...\n\n");
  const HttpAnswer some = {200, R"([{"vhost":"/","value":{"max-queues":5}}])"};
  fake.answers["GET /api/vhost-limits/%2F"] = some;
  fake.answers["GET /api/vhost-limits"] = some;
  EXPECT_EQ(fake.run({"-q", "list_vhost_limits"}).out, "{\"max-queues\":5}\n");
  EXPECT_EQ(fake.run({"-q", "list_vhost_limits", "--global"}).out,
            "vhost\tlimits\n/\t{\"max-queues\":5}\n");
  EXPECT_EQ(fake.run({"-q", "list_user_limits", "--user", "u"}).exit_code, 69);
  fake.answers["GET /api/users/u"] = {200, "{}"};
  fake.answers["GET /api/user-limits/u"] = {200, "[]"};
  EXPECT_EQ(fake.run({"-q", "list_user_limits", "--user", "u"}).out, "{}\n");
}

TEST(Rabbitmqctl, SetsLimitsAsAWholeOrNotAtAll) {
  Fake fake;
  fake.answers["PUT /api/vhost-limits/%2F/max-connections"] = {204, ""};
  fake.answers["DELETE /api/vhost-limits/%2F/max-queues"] = {204, ""};
  EXPECT_EQ(fake.run({"set_vhost_limits", R"({"max-connections":7})"}).exit_code, 0);
  ASSERT_EQ(fake.asked.size(), 2u);
  EXPECT_EQ(fake.asked[0],
            "guest@127.0.0.1:15672 PUT /api/vhost-limits/%2F/max-connections {\"value\":7}");
  EXPECT_EQ(fake.run({"set_vhost_limits", R"({"max-connections":7,"x":1})"}).exit_code, 69);
  ASSERT_EQ(fake.asked.size(), 1u);
  EXPECT_EQ(fake.run({"set_vhost_limits", "7"}).exit_code, 69);
  EXPECT_TRUE(fake.asked.empty());
}

TEST(Rabbitmqctl, KeepsWhatItDoesNotChangeOfAUser) {
  Fake fake;
  fake.answers["GET /api/users/u"] = {
      200, R"({"name":"u","tags":["x"],"password_hash":"aa","hashing_algorithm":"h"})"};
  fake.answers["PUT /api/users/u"] = {204, ""};
  EXPECT_EQ(fake.run({"change_password", "u", "p"}).exit_code, 0);
  EXPECT_EQ(fake.asked.back(),
            "guest@127.0.0.1:15672 PUT /api/users/u {\"password\":\"p\",\"tags\":[\"x\"]}");
  EXPECT_EQ(fake.run({"set_user_tags", "u", "m", "n"}).out,
            "Setting tags for user \"u\" to [m, n] ...\n");
  EXPECT_EQ(
      fake.asked.back(),
      "guest@127.0.0.1:15672 PUT /api/users/u {\"password_hash\":\"aa\",\"hashing_algorithm\":"
      "\"h\",\"tags\":[\"m\",\"n\"]}");
  EXPECT_EQ(fake.run({"add_user", "u", "p"}).exit_code, 70);
  EXPECT_EQ(fake.run({"change_password", "v", "p"}).exit_code, 67);
  EXPECT_EQ(fake.run({"delete_user", "v"}).errors, "Error:\nUser \"v\" does not exist\n");
}

TEST(Rabbitmqctl, ReadsItsOptionsWhereverTheyStand) {
  Fake fake;
  fake.answers["PUT /api/policies/a%20b/p"] = {201, ""};
  const Outcome done = fake.run({"--url", "http://x:y:z@there:99/", "set_policy", "-p", "a b", "p",
                                 "^a", R"({"max-length":2})", "--priority", "-3"});
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  EXPECT_EQ(
      fake.asked.back(),
      "x@there:99 PUT /api/policies/a%20b/p {\"pattern\":\"^a\",\"definition\":{\"max-length\":2},"
      "\"priority\":-3,\"apply-to\":\"all\"}");
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{"nonsense"},
                                             {"list_users", "--priority", "1"},
                                             {"add_user", "u"},
                                             {"delete_user", "u", "v"},
                                             {"list_users", "-p"},
                                             {"--url", "ftp://x", "list_users"},
                                             {"--formatter", "xml", "list_users"},
                                             {"set_policy", "p", "^a", "{", "--priority", "1"},
                                             {"set_policy", "p", "^a", "{}", "--priority", "1x"},
                                             {}}) {
    EXPECT_EQ(fake.run(wrong).exit_code, 64);
  }
}

TEST(Rabbitmqctl, TellsWhatTheServerRefuses) {
  Fake fake;
  fake.answers["PUT /api/vhosts/v"] = {400, R"({"error":"bad_request","reason":"only one"})"};
  const Outcome refused = fake.run({"add_vhost", "v"});
  EXPECT_EQ(refused.exit_code, 69);
  EXPECT_EQ(refused.errors, "Error:\nonly one\n");
  fake.answers["PUT /api/vhosts/w"] = {201, ""};
  EXPECT_EQ(fake.run({"add_vhost", "w", "--tags", "a,b"}).exit_code, 0);
  EXPECT_EQ(fake.asked.back(), "guest@127.0.0.1:15672 PUT /api/vhosts/w {\"tags\":\"a,b\"}");
  fake.answers["DELETE /api/vhosts/w"] = {404, R"({"error":"Object Not Found"})"};
  const Outcome missing = fake.run({"delete_vhost", "w"});
  EXPECT_EQ(missing.exit_code, 65);
  EXPECT_EQ(missing.errors, "Error:\nVirtual host 'w' does not exist\n");
  fake.answers["DELETE /api/connections/a%3A1%20-%3E%20b"] = {204, ""};
  EXPECT_EQ(fake.run({"close_connection", "a:1 -> b", "for repair"}).exit_code, 0);
  EXPECT_NE(fake.asked.back().find("X-Reason: for repair"), std::string::npos);
  fake.answers["GET /api/users"] = {401, R"({"reason":"Login failed"})"};
  EXPECT_EQ(fake.run({"list_users"}).errors, "Error:\nLogin failed\n");
  fake.answers["GET /api/users"] = {200, R"({"no":"list"})"};
  EXPECT_EQ(fake.run({"list_users"}).exit_code, 70);
}

TEST(HttpClient, ReadsAddresses) {
  const auto server = parse_url("http://me:a:b@host:1");
  ASSERT_TRUE(server.ok());
  EXPECT_EQ(server->user, "me");
  EXPECT_EQ(server->password, "a:b");
  EXPECT_EQ(server->host, "host");
  EXPECT_EQ(server->port, "1");
  EXPECT_EQ(parse_url("http://h")->port, "15672");
  for (const char* wrong : {"", "http://", "h:1", "http://a@h", "http://h:", "http://h:1/x"}) {
    EXPECT_FALSE(parse_url(wrong).ok()) << wrong;
  }
  EXPECT_EQ(path_part("a/b c%"), "a%2Fb%20c%25");
}

TEST(HttpClient, SendsNoHeaderOfTwoLines) {
  EXPECT_EQ(
      ask({}, {"GET", "/", {}, {{"X-Reason", "a\r\nb"}}}, std::chrono::seconds(1)).error().code,
      Errc::invalid_argument);
}

TEST(Rabbitmqctl, Parameters) {
  Fake fake;
  fake.answers["GET /api/parameters"] = {
      200, R"([{"component":"vhost-limits","vhost":"/","name":"limits","value":{"max-queues":5}},
               {"component":"vhost-limits","vhost":"o","name":"limits","value":{"max-queues":6}}])"};
  fake.answers["GET /api/global-parameters"] = {200, R"([{"name":"a","value":"x"}])"};
  EXPECT_EQ(fake.run({"list_parameters"}).out,
            "Listing runtime parameters for vhost \"/\" ...\ncomponent\tname\tvalue\n"
            "vhost-limits\tlimits\t{\"max-queues\":5}\n");
  EXPECT_EQ(fake.run({"-p", "none", "list_parameters"}).out,
            "Listing runtime parameters for vhost \"none\" ...\n\n");
  EXPECT_EQ(fake.run({"list_global_parameters"}).out,
            "Listing global runtime parameters ...\nname\tvalue\na\t\"x\"\n");
  EXPECT_EQ(fake.run({"list_global_parameters", "--formatter", "json"}).out,
            "[\n{\"name\":\"a\",\"value\":\"\\\"x\\\"\"}\n]\n");
  fake.answers["PUT /api/global-parameters/a%20b"] = {201, ""};
  EXPECT_EQ(fake.run({"set_global_parameter", "a b", "{\"n\":1}"}).exit_code, 0);
  EXPECT_EQ(fake.asked.back(),
            "guest@127.0.0.1:15672 PUT /api/global-parameters/a%20b {\"value\":{\"n\":1}}");
  const Outcome bad = fake.run({"set_global_parameter", "a", "{bad"});
  EXPECT_EQ(bad.exit_code, 69);
  EXPECT_EQ(bad.errors, "Error:\nJSON decoding error. Reason: badarg\n");
  EXPECT_TRUE(fake.asked.empty());
  const Outcome none = fake.run({"clear_global_parameter", "a"});
  EXPECT_EQ(none.exit_code, 69);
  EXPECT_EQ(none.errors, "Error:\nParameter does not exist\n");
  fake.answers["PUT /api/cluster-name"] = {204, ""};
  EXPECT_EQ(fake.run({"set_cluster_name", "my"}).out, "Setting cluster name to my ...\n");
  EXPECT_EQ(fake.asked.back(), "guest@127.0.0.1:15672 PUT /api/cluster-name {\"name\":\"my\"}");
  fake.answers["PUT /api/parameters/c/%2F/n"] = {
      400, "{\"reason\":\"Validation failed\\n\\ncomponent c not found\\n\"}"};
  EXPECT_EQ(fake.run({"set_parameter", "c", "n", "5"}).errors,
            "Error:\nValidation failed\n\ncomponent c not found\n\n");
  EXPECT_EQ(fake.asked.back(), "guest@127.0.0.1:15672 PUT /api/parameters/c/%2F/n {\"value\":5}");
}

TEST(Rabbitmqctl, PoliciesOfTheOperator) {
  Fake fake;
  fake.answers["PUT /api/operator-policies/%2F/op"] = {201, ""};
  EXPECT_EQ(fake.run({"set_operator_policy", "op", "^x", "{\"message-ttl\":5}"}).out,
            "Setting operator policy override \"op\" for pattern \"^x\" to \"{\"message-ttl\":5}\" "
            "with priority \"0\" for vhost \"/\" ...\n");
  const Outcome none = fake.run({"clear_operator_policy", "op"});
  EXPECT_EQ(none.out, "Clearing operator policy \"op\" on vhost \"/\" ...\n");
  EXPECT_EQ(none.errors, "Error:\nParameter does not exist\n");
}

}  // namespace
}  // namespace trv::cli
