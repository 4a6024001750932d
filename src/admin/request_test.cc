// Paths, routes, ranks and lists, without a socket.
#include "admin/request.h"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "admin/listing.h"
#include "admin/routes.h"

namespace trv::admin {
namespace {

namespace json = boost::json;

Request request_of(const std::string& method, const std::string& target) {
  Request request;
  request.method = method;
  EXPECT_TRUE(parse_target(target, request)) << target;
  return request;
}

TEST(Target, IsSplitBeforeItIsDecoded) {
  const Request request = request_of("GET", "/api/queues/%2F/a%2Fb+c?name=x%26y+z&page=1&flag");
  EXPECT_EQ(request.path, (std::vector<std::string>{"api", "queues", "/", "a/b+c"}));
  EXPECT_EQ(request.query_value("name"), "x&y z");
  EXPECT_EQ(request.query_value("page"), "1");
  EXPECT_TRUE(request.query.contains("flag"));
  EXPECT_EQ(request_of("GET", "/api/queues/").path.size(), 2u);
}

TEST(Target, RefusesWhatIsMalformed) {
  Request request;
  for (const char* target : {"", "api", "*", "/a%2", "/a%zz", "/a?x=%", "/a?%g1=1", "/a/%ff"}) {
    EXPECT_FALSE(parse_target(target, request)) << target;
  }
}

Found found(const std::string& method, const std::string& target, Request& request) {
  request = request_of(method, target);
  return find_route(request);
}

TEST(Routes, AreFoundByPathAndMethod) {
  Request request;
  EXPECT_EQ(found("GET", "/queues/%2F/q", request).route->pattern, "/queues/{vhost}/{name}");
  EXPECT_EQ(request.param("name"), "q");
  EXPECT_NE(found("HEAD", "/overview", request).route, nullptr);
  EXPECT_EQ(found("GET", "/queues/detailed", request).route->pattern, "/queues/detailed");
  const Found none = found("PATCH", "/queues/%2F/q", request);
  EXPECT_EQ(none.route, nullptr);
  EXPECT_NE(none.allowed.find("DELETE"), std::string::npos);
  EXPECT_TRUE(found("GET", "/queues/%2F/q/x/y", request).allowed.empty());
}

TEST(Ranks, AdministratorsMayAllAndEveryTagLetsIn) {
  const auto may = [](std::vector<std::string> tags, Rank rank) {
    Request request;
    request.tags = std::move(tags);
    return request.has_rank(rank);
  };
  for (Rank rank : {Rank::management, Rank::policymaker, Rank::monitoring, Rank::administrator}) {
    EXPECT_TRUE(may({"x", "administrator"}, rank));
    EXPECT_FALSE(may({}, rank));
    EXPECT_FALSE(may({"Administrator"}, rank));
  }
  EXPECT_TRUE(may({"monitoring"}, Rank::management));
  EXPECT_FALSE(may({"monitoring"}, Rank::policymaker));
  EXPECT_FALSE(may({"policymaker"}, Rank::monitoring));
  EXPECT_FALSE(may({"management"}, Rank::monitoring));
}

json::array items() {
  return json::parse(R"([{"name":"b","n":2,"d":{"x":1,"y":2}},{"name":"a","n":10},
                         {"name":"c","n":"text"},{"name":"d"}])")
      .as_array();
}

json::value body(const std::string& query) {
  return json::parse(listed(request_of("GET", "/x?" + query), items()).body);
}

TEST(Lists, AreSortedWithNumbersFirst) {
  const auto names = [](const json::value& list) {
    std::string all;
    for (const json::value& item : list.as_array()) all += item.at("name").as_string().c_str();
    return all;
  };
  EXPECT_EQ(names(body("")), "bacd");
  EXPECT_EQ(names(body("sort=name")), "abcd");
  EXPECT_EQ(names(body("sort=n")), "bacd");
  EXPECT_EQ(names(body("sort=n&sort_reverse=true")), "dcab");
  EXPECT_EQ(names(body("sort=d.x")), "bacd");
}

TEST(Lists, ShowTheColumnsAskedFor) {
  EXPECT_EQ(body("columns=name,d.y").at(0), json::parse(R"({"name":"b","d":{"y":2}})"));
  EXPECT_EQ(body("columns=none").at(0), json::object());
}

TEST(Lists, ArePaged) {
  const json::value page = body("page=2&page_size=3&sort=name&columns=name");
  EXPECT_EQ(page, json::parse(R"({"filtered_count":4,"item_count":1,"items":[{"name":"d"}],"page":2,
                                  "page_count":2,"page_size":3,"total_count":4})"));
  EXPECT_EQ(body("page=1&name=A").at("filtered_count"), 1);
  EXPECT_EQ(body("page=1&name=.").at("filtered_count"), 0);
  EXPECT_EQ(body("page=1&name=.&use_regex=true").at("filtered_count"), 4);
  for (const char* bad : {"page=0", "page=x", "page=-1", "page=1&page_size=0",
                          "page=1&page_size=501", "page=99999999999999999999"}) {
    EXPECT_EQ(body(bad).at("error"), "invalid_pagination_parameters") << bad;
  }
  EXPECT_EQ(body("page=3&page_size=3").at("error"), "page_out_of_range");
}

}  // namespace
}  // namespace trv::admin
