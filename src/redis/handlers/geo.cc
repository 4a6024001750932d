// GEOADD, GEOPOS, GEODIST, GEOHASH: places as members of sorted sets.
#include "redis/handlers/geo.h"

#include <fmt/format.h>

#include "redis/handlers/families.h"
#include "redis/wire/number.h"

namespace trv::redis {

using model::SortedSet;

std::optional<std::uint64_t> cell_of(double score) {
  constexpr double limit = 9.0e18;  // what is converted must fit
  if (!(score >= 0 && score < limit)) return std::nullopt;
  return static_cast<std::uint64_t>(score);
}

std::optional<GeoPoint> place_of(const SortedSet* sorted, ByteView member) {
  const model::SortedMember* found = sorted ? sorted->find(member) : nullptr;
  std::optional<std::uint64_t> cell = found ? cell_of(found->score) : std::nullopt;
  return cell ? std::optional(geo_point(*cell)) : std::nullopt;
}

std::optional<double> unit_arg(Call& call, ByteView text) {
  if (is_word(text, "m")) return 1;
  if (is_word(text, "km")) return 1000;
  if (is_word(text, "ft")) return 0.3048;
  if (is_word(text, "mi")) return 1609.34;
  call.reply.error("ERR unsupported unit provided. please use M, KM, FT, MI");
  return std::nullopt;
}

std::optional<GeoPoint> point_arg(Call& call, std::size_t index) {
  std::optional<double> longitude = real_arg(call, index);
  std::optional<double> latitude = longitude ? real_arg(call, index + 1) : std::nullopt;
  if (!latitude) return std::nullopt;
  GeoPoint point{*longitude, *latitude};
  if (point.valid()) return point;
  call.reply.error(
      fmt::format("ERR invalid longitude,latitude pair {:f},{:f}", *longitude, *latitude));
  return std::nullopt;
}

void write_distance(ReplyWriter& reply, double distance) {
  reply.bulk(fmt::format("{:.4f}", distance));
}

void write_point(ReplyWriter& reply, GeoPoint point) {
  reply.array(2);
  reply.long_real(point.longitude);
  reply.long_real(point.latitude);
}

namespace {

// As ZADD with the cells for scores.
void geoadd(Call& call) {
  bool if_none = false;
  bool if_present = false;
  std::size_t at = 2;
  for (; at < call.args.size(); ++at) {
    bool none = is_word(call.args[at], "nx");
    bool present = is_word(call.args[at], "xx");
    if (!none && !present && !is_word(call.args[at], "ch")) break;
    if_none = if_none || none;
    if_present = if_present || present;
  }
  if ((call.args.size() - at) % 3 != 0 || (if_none && if_present)) {
    return call.reply.error(text::syntax);
  }
  std::vector<ByteView> args(call.args.begin(), call.args.begin() + static_cast<long>(at));
  std::vector<std::string> scores;
  scores.reserve((call.args.size() - at) / 3);
  for (; at < call.args.size(); at += 3) {
    std::optional<GeoPoint> point = point_arg(call, at);
    if (!point) return;
    scores.push_back(std::to_string(geo_cell(*point)));
    args.push_back(scores.back());
    args.push_back(call.args[at + 2]);
  }
  const Command* zadd = call.service.table().find("zadd");
  std::span<const ByteView> own = std::exchange(call.args, args);
  zadd->run(call);
  call.args = own;
}

void geopos(Call& call) {
  Found<SortedSet> found = find_collection<SortedSet>(call, call.args[1]);
  if (found.refused) return;
  call.reply.array(call.args.size() - 2);
  for (ByteView member : call.args.subspan(2)) {
    if (std::optional<GeoPoint> point = place_of(found.value, member)) {
      write_point(call.reply, *point);
    } else {
      call.reply.null_array();
    }
  }
}

void geodist(Call& call) {
  if (call.args.size() > 5) return call.reply.error(text::syntax);
  std::optional<double> unit = call.args.size() == 5 ? unit_arg(call, call.args[4]) : 1;
  if (!unit) return;
  Found<SortedSet> found = find_collection<SortedSet>(call, call.args[1]);
  if (found.refused) return;
  std::optional<GeoPoint> from = place_of(found.value, call.args[2]);
  std::optional<GeoPoint> to = place_of(found.value, call.args[3]);
  if (!from || !to) return call.reply.null();
  write_distance(call.reply, geo_distance(*from, *to) / *unit);
}

void geohash(Call& call) {
  Found<SortedSet> found = find_collection<SortedSet>(call, call.args[1]);
  if (found.refused) return;
  call.reply.array(call.args.size() - 2);
  for (ByteView member : call.args.subspan(2)) {
    const model::SortedMember* one = found.value ? found.value->find(member) : nullptr;
    std::optional<std::uint64_t> cell = one ? cell_of(one->score) : std::nullopt;
    if (cell) {
      call.reply.bulk(geo_text(*cell));
    } else {
      call.reply.null();
    }
  }
}

constexpr Command rows[] = {
    {"geoadd", -5, flag::write | flag::deny_oom, Where::keys, KeyRule::range, 1, 1, 1, "geo",
     "3.2.0", "Adds places to a sorted set.", geoadd},
    {"geopos", -2, flag::read_only, Where::keys, KeyRule::range, 1, 1, 1, "geo", "3.2.0",
     "Returns the longitude and latitude of members.", geopos},
    {"geodist", -4, flag::read_only, Where::keys, KeyRule::range, 1, 1, 1, "geo", "3.2.0",
     "Returns the distance between two members.", geodist},
    {"geohash", -2, flag::read_only, Where::keys, KeyRule::range, 1, 1, 1, "geo", "3.2.0",
     "Returns the places of members as geohash strings.", geohash},
};

}  // namespace

std::span<const Command> geo_commands() { return rows; }

}  // namespace trv::redis
