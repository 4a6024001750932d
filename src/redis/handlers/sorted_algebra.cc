// Sorted sets: intersections, unions and differences of several keys, which may also be sets.
#include <algorithm>
#include <cmath>
#include <limits>

#include "redis/handlers/families.h"
#include "redis/handlers/sorted.h"
#include "redis/wire/number.h"

namespace trv::redis {

namespace {

using model::Set;
using model::SortedMember;
using model::SortedSet;

// `count`: how many the intersection has.
enum class Combination : std::uint8_t { sum, intersection, difference, count };
enum class Aggregate : std::uint8_t { sum, least, most };

// One of the keys. Members of a set have score 1.
struct Source {
  const SortedSet* sorted = nullptr;
  const Set* set = nullptr;
  double weight = 1;

  std::size_t size() const { return sorted ? sorted->size() : set ? set->size() : 0; }
  std::optional<double> score_of(ByteView name) const {
    if (sorted) {
      const SortedMember* member = sorted->find(name);
      return member ? std::optional(member->score) : std::nullopt;
    }
    return set && set->contains(name) ? std::optional(1.0) : std::nullopt;
  }
  template <class Visit>
  void each(Visit visit) const {
    for (std::size_t i = 0; i < size(); ++i) {
      if (sorted) {
        visit(ByteView(sorted->members().at(i).name), sorted->members().at(i).score);
      } else {
        visit(ByteView(set->members().at(i).name), 1.0);
      }
    }
  }
};

struct Request {
  std::vector<Source> sources;
  Aggregate aggregate = Aggregate::sum;
  bool with_scores = false;
  std::size_t limit = std::numeric_limits<std::size_t>::max();
};

// Infinity times zero, and infinities that cancel out, count as 0.
double number_or_zero(double value) { return std::isnan(value) ? 0 : value; }

double combine(double a, double b, Aggregate aggregate) {
  if (aggregate == Aggregate::least) return std::min(a, b);
  if (aggregate == Aggregate::most) return std::max(a, b);
  return number_or_zero(a + b);
}

bool find_sources(Call& call, std::span<const ByteView> keys, Request& request) {
  for (ByteView key : keys) {
    const KeyEntry* entry = call.broker.keyspaces().of(key).find(key, call.now);
    if (entry && entry->value.as<Set>()) {
      shows(call, call.broker.keyspaces().of(key), key, entry);
      request.sources.push_back({nullptr, entry->value.as<Set>()});
      continue;
    }
    Found<SortedSet> found = find_collection<SortedSet>(call, key);
    if (found.refused) return false;
    request.sources.push_back({found.value, nullptr});
  }
  return true;
}

bool parse_aggregate(Call& call, ByteView word, Aggregate& aggregate) {
  if (is_word(word, "sum")) {
    aggregate = Aggregate::sum;
  } else if (is_word(word, "min")) {
    aggregate = Aggregate::least;
  } else if (is_word(word, "max")) {
    aggregate = Aggregate::most;
  } else {
    call.reply.error(text::syntax);
    return false;
  }
  return true;
}

bool parse_weights(Call& call, std::size_t& i, Request& request) {
  for (Source& source : request.sources) {
    std::optional<double> weight = parse_real(call.args[++i]);
    if (!weight) {
      call.reply.error("ERR weight value is not a float");
      return false;
    }
    source.weight = *weight;
  }
  return true;
}

bool parse_limit(Call& call, ByteView text, std::size_t& limit) {
  std::optional<std::int64_t> given = parse_integer(text);
  if (!given || *given < 0) {
    call.reply.error("ERR LIMIT can't be negative");
    return false;
  }
  if (*given > 0) limit = static_cast<std::size_t>(*given);
  return true;
}

// What follows the keys.
bool parse_rest(Call& call, std::size_t i, Combination combination, bool stores, Request& request) {
  bool counts = combination == Combination::count;
  bool weighs = !counts && combination != Combination::difference;
  for (; i < call.args.size(); ++i) {
    std::size_t left = call.args.size() - i - 1;
    ByteView word = call.args[i];
    if (weighs && is_word(word, "weights") && left >= request.sources.size()) {
      if (!parse_weights(call, i, request)) return false;
    } else if (weighs && is_word(word, "aggregate") && left >= 1) {
      if (!parse_aggregate(call, call.args[++i], request.aggregate)) return false;
    } else if (!stores && !counts && is_word(word, "withscores")) {
      request.with_scores = true;
    } else if (counts && is_word(word, "limit") && left >= 1) {
      if (!parse_limit(call, call.args[++i], request.limit)) return false;
    } else {
      call.reply.error(text::syntax);
      return false;
    }
  }
  return true;
}

std::optional<Request> parse(Call& call, std::size_t count_index, Combination combination) {
  std::optional<std::int64_t> count = integer_arg(call, count_index);
  if (!count) return std::nullopt;
  if (*count < 1) {
    call.reply.error("ERR at least 1 input key is needed for '" + std::string(call.command.name) +
                     "' command");
    return std::nullopt;
  }
  std::size_t first = count_index + 1;
  if (static_cast<std::uint64_t>(*count) > call.args.size() - first) {
    call.reply.error(text::syntax);
    return std::nullopt;
  }
  auto size = static_cast<std::size_t>(*count);
  Request request;
  if (!find_sources(call, call.args.subspan(first, size), request)) return std::nullopt;
  if (!parse_rest(call, first + size, combination, count_index != 1, request)) return std::nullopt;
  return request;
}

void intersect(std::vector<Source> sources, Aggregate aggregate, SortedSet& result) {
  std::stable_sort(sources.begin(), sources.end(),
                   [](const Source& a, const Source& b) { return a.size() < b.size(); });
  sources[0].each([&](ByteView name, double first) {
    double score = number_or_zero(first * sources[0].weight);
    for (std::size_t i = 1; i < sources.size(); ++i) {
      std::optional<double> other = sources[i].score_of(name);
      if (!other) return;
      score = combine(score, number_or_zero(*other * sources[i].weight), aggregate);
    }
    result.set(name, score);
  });
}

void unite(const std::vector<Source>& sources, Aggregate aggregate, SortedSet& result) {
  for (const Source& source : sources) {
    source.each([&](ByteView name, double score) {
      score = number_or_zero(score * source.weight);
      const SortedMember* present = result.find(name);
      result.set(name, present ? combine(present->score, score, aggregate) : score);
    });
  }
}

void subtract(const std::vector<Source>& sources, SortedSet& result) {
  sources[0].each([&](ByteView name, double score) {
    bool elsewhere = std::any_of(sources.begin() + 1, sources.end(), [&](const Source& source) {
      return source.score_of(name).has_value();
    });
    if (!elsewhere) result.set(name, score);
  });
}

void combine_all(const Request& request, Combination combination, SortedSet& result) {
  if (combination == Combination::sum) return unite(request.sources, request.aggregate, result);
  if (combination == Combination::difference) return subtract(request.sources, result);
  intersect(request.sources, request.aggregate, result);
}

void show(Call& call, Combination combination) {
  std::optional<Request> request = parse(call, 1, combination);
  if (!request) return;
  SortedSet result(call.service.random()());
  combine_all(*request, combination, result);
  write_range(call, result, {0, result.size()}, false, request->with_scores);
}

void store(Call& call, Combination combination) {
  std::optional<Request> request = parse(call, 2, combination);
  if (!request) return;
  SortedSet result(call.service.random()());
  combine_all(*request, combination, result);
  Change change(call);
  if (!replace_key(call, change, call.args[1])) return;
  add_range(change, call.args[1], result, {0, result.size()});
  broker::Space space = result.size() == 0 ? broker::Space::less : broker::Space::more;
  if (change.store(space)) call.reply.count(result.size());
}

void zunion(Call& call) { show(call, Combination::sum); }
void zinter(Call& call) { show(call, Combination::intersection); }
void zdiff(Call& call) { show(call, Combination::difference); }
void zunionstore(Call& call) { store(call, Combination::sum); }
void zinterstore(Call& call) { store(call, Combination::intersection); }
void zdiffstore(Call& call) { store(call, Combination::difference); }

void zintercard(Call& call) {
  std::optional<Request> request = parse(call, 1, Combination::count);
  if (!request) return;
  std::vector<Source>& sources = request->sources;
  std::stable_sort(sources.begin(), sources.end(),
                   [](const Source& a, const Source& b) { return a.size() < b.size(); });
  std::size_t count = 0;
  sources[0].each([&](ByteView name, double) {
    if (count == request->limit) return;
    bool everywhere = std::all_of(sources.begin() + 1, sources.end(), [&](const Source& source) {
      return source.score_of(name).has_value();
    });
    if (everywhere) ++count;
  });
  call.reply.count(count);
}

constexpr std::uint32_t reads = flag::read_only;
constexpr std::uint32_t stores = flag::write | flag::deny_oom;

constexpr Command rows[] = {
    {"zunion", -3, reads, Where::keys, KeyRule::counted, 1, 0, 0, "sorted-set", "6.2.0",
     "Returns the members of all sorted sets together.", zunion},
    {"zinter", -3, reads, Where::keys, KeyRule::counted, 1, 0, 0, "sorted-set", "6.2.0",
     "Returns the members that all sorted sets have.", zinter},
    {"zdiff", -3, reads, Where::keys, KeyRule::counted, 1, 0, 0, "sorted-set", "6.2.0",
     "Returns the members of the first sorted set that no other has.", zdiff},
    {"zunionstore", -4, stores, Where::keys, KeyRule::counted, 2, 1, 0, "sorted-set", "2.0.0",
     "Stores the members of all sorted sets together.", zunionstore},
    {"zinterstore", -4, stores, Where::keys, KeyRule::counted, 2, 1, 0, "sorted-set", "2.0.0",
     "Stores the members that all sorted sets have.", zinterstore},
    {"zdiffstore", -4, stores, Where::keys, KeyRule::counted, 2, 1, 0, "sorted-set", "6.2.0",
     "Stores the members of the first sorted set that no other has.", zdiffstore},
    {"zintercard", -3, reads, Where::keys, KeyRule::counted, 1, 0, 0, "sorted-set", "7.0.0",
     "Returns how many members all sorted sets have.", zintercard},
};

}  // namespace

std::span<const Command> sorted_algebra_commands() { return rows; }

}  // namespace trv::redis
