// What the commands about places share: sorted sets whose scores are cells.
#pragma once

#include "redis/encodings/geo_shape.h"
#include "redis/handlers/sorted.h"

namespace trv::redis {

// The cell that a score tells; nothing when it tells none.
std::optional<std::uint64_t> cell_of(double score);
// The place of a member; nothing when it is missing or its score tells none.
std::optional<GeoPoint> place_of(const model::SortedSet* sorted, ByteView member);

// The next functions: nothing after an error reply.
// How many metres the unit has.
std::optional<double> unit_arg(Call& call, ByteView text);
// Longitude and latitude at `index` and behind it.
std::optional<GeoPoint> point_arg(Call& call, std::size_t index);

void write_distance(ReplyWriter& reply, double distance);
// An array of longitude and latitude.
void write_point(ReplyWriter& reply, GeoPoint point);

}  // namespace trv::redis
