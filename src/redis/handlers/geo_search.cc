// GEOSEARCH, GEOSEARCHSTORE and the GEORADIUS commands: the members of a sorted set that lie within
// a circle or a box.
#include <algorithm>

#include "redis/handlers/families.h"
#include "redis/handlers/geo.h"
#include "redis/wire/number.h"

namespace trv::redis {

namespace {

using model::SortedMember;
using model::SortedSet;

enum class Form : std::uint8_t { search, search_store, radius, radius_of_member };
enum class Order : std::uint8_t { none, ascending, descending };

struct Request {
  Form form;
  bool may_store;  // GEORADIUS but not GEORADIUS_RO
  const SortedSet* sorted = nullptr;
  GeoShape shape;
  bool center_given = false;
  bool size_given = false;
  double unit = 1;
  bool with_distance = false;
  bool with_cell = false;
  bool with_point = false;
  Order order = Order::none;
  std::size_t count = 0;  // 0: all
  bool any = false;
  std::optional<ByteView> store;
  bool store_distances = false;
};

struct Place {
  const SortedMember* member;
  double distance;
  GeoPoint point;
};

bool length_arg(Call& call, std::size_t index, std::string_view what, double& length) {
  std::optional<double> given = parse_real(call.args[index]);
  if (given) length = *given;
  if (!given) call.reply.error("ERR need numeric " + std::string(what));
  return given.has_value();
}

bool radius_arg(Call& call, std::size_t index, Request& request) {
  double radius = 0;
  if (!length_arg(call, index, "radius", radius)) return false;
  if (radius < 0) {
    call.reply.error("ERR radius cannot be negative");
    return false;
  }
  std::optional<double> unit = unit_arg(call, call.args[index + 1]);
  if (!unit) return false;
  request.unit = *unit;
  request.shape.box = false;
  request.shape.radius = radius * *unit;
  return true;
}

bool box_arg(Call& call, std::size_t index, Request& request) {
  double width = 0;
  double height = 0;
  if (!length_arg(call, index, "width", width)) return false;
  if (!length_arg(call, index + 1, "height", height)) return false;
  if (width < 0 || height < 0) {
    call.reply.error("ERR height or width cannot be negative");
    return false;
  }
  std::optional<double> unit = unit_arg(call, call.args[index + 2]);
  if (!unit) return false;
  request.unit = *unit;
  request.shape.box = true;
  request.shape.width = width * *unit;
  request.shape.height = height * *unit;
  return true;
}

// Where there is no key, there is nothing to find the member in, and nothing to find.
bool member_center(Call& call, ByteView member, Request& request) {
  request.center_given = true;
  if (!request.sorted) return true;
  std::optional<GeoPoint> point = place_of(request.sorted, member);
  if (point) request.shape.center = *point;
  if (!point) call.reply.error("ERR could not decode requested zset member");
  return point.has_value();
}

bool count_arg(Call& call, std::size_t index, Request& request) {
  std::optional<std::int64_t> count = integer_arg(call, index);
  if (!count) return false;
  if (*count <= 0) {
    call.reply.error("ERR COUNT must be > 0");
    return false;
  }
  request.count = static_cast<std::size_t>(*count);
  return true;
}

enum class Word : std::uint8_t { taken, unknown, failed };

Word taken_if(bool sound) { return sound ? Word::taken : Word::failed; }

// What only the search commands have.
Word search_word(Call& call, std::size_t& i, Request& request) {
  ByteView word = call.args[i];
  const std::size_t behind = call.args.size() - i - 1;
  if (is_word(word, "frommember") && behind >= 1 && !request.center_given) {
    return taken_if(member_center(call, call.args[++i], request));
  }
  if (is_word(word, "fromlonlat") && behind >= 2 && !request.center_given) {
    std::optional<GeoPoint> point = point_arg(call, i + 1);
    if (point) request.shape.center = *point;
    request.center_given = true;
    i += 2;
    return taken_if(point.has_value());
  }
  if (is_word(word, "byradius") && behind >= 2 && !request.size_given) {
    request.size_given = true;
    i += 2;
    return taken_if(radius_arg(call, i - 1, request));
  }
  if (is_word(word, "bybox") && behind >= 3 && !request.size_given) {
    request.size_given = true;
    i += 3;
    return taken_if(box_arg(call, i - 2, request));
  }
  if (request.form == Form::search_store && is_word(word, "storedist")) {
    request.store_distances = true;
    return Word::taken;
  }
  return Word::unknown;
}

Word radius_word(Call& call, std::size_t& i, Request& request) {
  const bool distances = is_word(call.args[i], "storedist");
  if (!request.may_store || i + 1 >= call.args.size()) return Word::unknown;
  if (!distances && !is_word(call.args[i], "store")) return Word::unknown;
  request.store = call.args[++i];
  request.store_distances = distances;
  return Word::taken;
}

Word any_word(Call& call, std::size_t& i, Request& request) {
  ByteView word = call.args[i];
  if (is_word(word, "withdist")) {
    request.with_distance = true;
  } else if (is_word(word, "withhash")) {
    request.with_cell = true;
  } else if (is_word(word, "withcoord")) {
    request.with_point = true;
  } else if (is_word(word, "any")) {
    request.any = true;
  } else if (is_word(word, "asc")) {
    request.order = Order::ascending;
  } else if (is_word(word, "desc")) {
    request.order = Order::descending;
  } else if (is_word(word, "count") && i + 1 < call.args.size()) {
    return taken_if(count_arg(call, ++i, request));
  } else {
    const bool searches = request.form == Form::search || request.form == Form::search_store;
    return searches ? search_word(call, i, request) : radius_word(call, i, request);
  }
  return Word::taken;
}

bool parse_words(Call& call, std::size_t from, Request& request) {
  for (std::size_t i = from; i < call.args.size(); ++i) {
    Word word = any_word(call, i, request);
    if (word == Word::taken) continue;
    if (word == Word::unknown) call.reply.error(text::syntax);
    return false;
  }
  const std::string name(call.args[0]);
  if (request.store && (request.with_distance || request.with_cell || request.with_point)) {
    call.reply.error(
        std::string("ERR ") +
        (request.form == Form::search_store ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS") +
        " is not compatible with WITHDIST, WITHHASH and WITHCOORD options");
  } else if (!request.center_given) {
    call.reply.error("ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for " + name);
  } else if (!request.size_given) {
    call.reply.error("ERR exactly one of BYRADIUS and BYBOX can be specified for " + name);
  } else if (request.any && request.count == 0) {
    call.reply.error("ERR the ANY argument requires COUNT argument");
  } else {
    return true;
  }
  return false;
}

// What stands before the words. False after an error reply.
bool parse_head(Call& call, Request& request) {
  if (request.form == Form::radius) {
    std::optional<GeoPoint> point = point_arg(call, 2);
    if (!point) return false;
    request.shape.center = *point;
    request.center_given = request.size_given = true;
    return radius_arg(call, 4, request);
  }
  if (request.form == Form::radius_of_member) {
    request.size_given = true;
    if (!member_center(call, call.args[2], request)) return false;
    return !request.sorted || radius_arg(call, 3, request);
  }
  if (request.form == Form::search_store) request.store = call.args[1];
  return true;
}

std::vector<Place> places_in(const Request& request) {
  std::vector<Place> places;
  const SortedSet& sorted = *request.sorted;
  for (const GeoCells& cells : request.shape.cells()) {
    auto before = [&](std::uint64_t cell) {
      return sorted.count_while(
          [&](const SortedMember& member) { return member.score < static_cast<double>(cell); });
    };
    const RankRange range{before(cells.first), before(cells.end)};
    each_ranked(sorted, range, false, [&](const SortedMember& member) {
      if (request.any && places.size() == request.count) return;
      std::optional<std::uint64_t> cell = cell_of(member.score);
      if (!cell) return;
      const GeoPoint point = geo_point(*cell);
      std::optional<double> distance = request.shape.distance_inside(point);
      if (distance) places.push_back({&member, *distance / request.unit, point});
    });
  }
  // Only the nearest are asked for, unless any will do.
  Order order = request.order;
  if (order == Order::none && request.count > 0 && !request.any) order = Order::ascending;
  if (order != Order::none) {
    std::stable_sort(places.begin(), places.end(), [order](const Place& a, const Place& b) {
      return order == Order::ascending ? a.distance < b.distance : a.distance > b.distance;
    });
  }
  if (request.count > 0 && places.size() > request.count) places.resize(request.count);
  return places;
}

void show(Call& call, const Request& request, const std::vector<Place>& places) {
  const std::size_t start = call.reply.out().size();
  const std::size_t more = static_cast<std::size_t>(request.with_distance) +
                           static_cast<std::size_t>(request.with_cell) +
                           static_cast<std::size_t>(request.with_point);
  call.reply.array(places.size());
  for (const Place& place : places) {
    if (more > 0) call.reply.array(1 + more);
    call.reply.bulk(place.member->name);
    if (request.with_distance) write_distance(call.reply, place.distance);
    if (request.with_cell) call.reply.integer(static_cast<std::int64_t>(place.member->score));
    if (request.with_point) write_point(call.reply, place.point);
  }
  reply_too_large(call, start);
}

void store(Call& call, const Request& request, const std::vector<Place>& places) {
  ByteView into = *request.store;
  Change change(call);
  if (!replace_key(call, change, into)) return;
  for (const Place& place : places) {
    const double score = request.store_distances ? place.distance : place.member->score;
    model::append_scored(change.command(Op::sorted_add, into), score, place.member->name);
  }
  broker::Space space = places.empty() ? broker::Space::less : broker::Space::more;
  if (change.store(space)) call.reply.count(places.size());
}

void search(Call& call, Form form, bool may_store) {
  Request request;
  request.form = form;
  request.may_store = may_store;
  const std::size_t key = form == Form::search_store ? 2 : 1;
  Found<SortedSet> found = find_collection<SortedSet>(call, call.args[key]);
  if (found.refused) return;
  request.sorted = found.value;
  if (!parse_head(call, request)) return;
  const std::size_t words = form == Form::search             ? 2
                            : form == Form::search_store     ? 3
                            : form == Form::radius_of_member ? 5
                                                             : 6;
  if (!parse_words(call, words, request)) return;
  std::vector<Place> places;
  if (request.sorted) places = places_in(request);
  if (request.store) return store(call, request, places);
  show(call, request, places);
}

void geosearch(Call& call) { search(call, Form::search, false); }
void geosearchstore(Call& call) { search(call, Form::search_store, true); }
void georadius(Call& call) { search(call, Form::radius, true); }
void georadius_ro(Call& call) { search(call, Form::radius, false); }
void georadiusbymember(Call& call) { search(call, Form::radius_of_member, true); }
void georadiusbymember_ro(Call& call) { search(call, Form::radius_of_member, false); }

constexpr std::uint32_t stores = flag::write | flag::deny_oom;

constexpr Command rows[] = {
    {"geosearch", -7, flag::read_only, Where::keys, KeyRule::range, 1, 1, 1, "geo", "6.2.0",
     "Finds the members within a circle or a box.", geosearch},
    {"geosearchstore", -8, stores, Where::keys, KeyRule::range, 1, 2, 1, "geo", "6.2.0",
     "Stores the members within a circle or a box.", geosearchstore},
    {"georadius", -6, stores, Where::keys, KeyRule::sorted, 1, 1, 1, "geo", "3.2.0",
     "Finds or stores the members within a distance from a point.", georadius},
    {"georadius_ro", -6, flag::read_only, Where::keys, KeyRule::range, 1, 1, 1, "geo", "3.2.10",
     "Finds the members within a distance from a point.", georadius_ro},
    {"georadiusbymember", -5, stores, Where::keys, KeyRule::sorted, 1, 1, 1, "geo", "3.2.0",
     "Finds or stores the members within a distance from a member.", georadiusbymember},
    {"georadiusbymember_ro", -5, flag::read_only, Where::keys, KeyRule::range, 1, 1, 1, "geo",
     "3.2.10", "Finds the members within a distance from a member.", georadiusbymember_ro},
};

}  // namespace

std::span<const Command> geo_search_commands() { return rows; }

}  // namespace trv::redis
