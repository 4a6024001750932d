// SORT: the elements of a list, set or sorted set in the order of themselves or of other keys.
#include <algorithm>

#include "redis/handlers/change.h"
#include "redis/handlers/families.h"
#include "redis/handlers/set_members.h"
#include "redis/handlers/sorted.h"
#include "redis/wire/number.h"

namespace trv::redis {

namespace {

struct SortOptions {
  bool descending = false;
  bool by_text = false;  // ALPHA
  std::optional<ByteView> by;
  std::vector<ByteView> gets;
  std::optional<ByteView> store;
  std::int64_t first = 0;
  std::int64_t count = -1;  // negative: all

  // A pattern that names one key only leaves the order as it is.
  bool unsorted() const { return by && by->find('*') == ByteView::npos; }
};

bool parse_limit(Call& call, std::size_t at, SortOptions& options) {
  std::optional<std::int64_t> first = integer_arg(call, at);
  std::optional<std::int64_t> count = first ? integer_arg(call, at + 1) : std::nullopt;
  if (!count) return false;
  options.first = *first;
  options.count = *count;
  return true;
}

bool parse_sort(Call& call, bool may_store, SortOptions& options) {
  for (std::size_t i = 2; i < call.args.size(); ++i) {
    std::size_t left = call.args.size() - i - 1;
    ByteView word = call.args[i];
    if (is_word(word, "asc")) {
      options.descending = false;
    } else if (is_word(word, "desc")) {
      options.descending = true;
    } else if (is_word(word, "alpha")) {
      options.by_text = true;
    } else if (is_word(word, "limit") && left >= 2) {
      if (!parse_limit(call, i + 1, options)) return false;
      i += 2;
    } else if (may_store && is_word(word, "store") && left >= 1) {
      options.store = call.args[++i];
    } else if (is_word(word, "by") && left >= 1) {
      options.by = call.args[++i];
    } else if (is_word(word, "get") && left >= 1) {
      options.gets.push_back(call.args[++i]);
    } else {
      call.reply.error(text::syntax);
      return false;
    }
  }
  return true;
}

// With several shards, the keys that patterns name may lie anywhere.
bool patterns_are_here(Call& call, const SortOptions& options) {
  bool elsewhere = options.by && !options.unsorted();
  for (ByteView get : options.gets) elsewhere = elsewhere || get != "#";
  if (!elsewhere || call.service.single_core()) return true;
  call.reply.error("ERR BY and GET patterns of SORT need a server with one shard");
  return false;
}

// What a pattern says of an element: the string under the key that it makes, or, with `->field`
// behind, a field of the hash there. Null when there is none. Valid until a key changes.
const std::string* value_of_pattern(Call& call, ByteView pattern, const std::string& element) {
  if (pattern == "#") return &element;
  std::size_t star = pattern.find('*');
  if (star == ByteView::npos) return nullptr;
  std::size_t arrow = pattern.find("->", star + 1);
  if (arrow != ByteView::npos && arrow + 2 == pattern.size()) arrow = ByteView::npos;
  ByteView behind = pattern.substr(star + 1, arrow == ByteView::npos ? arrow : arrow - star - 1);
  std::string key = std::string(pattern.substr(0, star)) + element + std::string(behind);
  model::Keyspace& keyspace = call.broker.keyspaces().of(key);
  const KeyEntry* entry = keyspace.find(key, call.now);
  shows(call, keyspace, key, entry);
  if (!entry) return nullptr;
  if (arrow == ByteView::npos) return entry->value.is_string() ? &entry->value.text() : nullptr;
  const auto* hash = entry->value.as<model::Hash>();
  return hash ? hash->find(pattern.substr(arrow + 2)) : nullptr;
}

struct Sorted {
  const KeyEntry* entry = nullptr;
  bool refused = false;
};

Sorted find_sortable(Call& call) {
  ByteView key = call.args[1];
  model::Keyspace& keyspace = call.broker.keyspaces().of(key);
  const KeyEntry* entry = keyspace.find(key, call.now);
  bool fits = entry ? !entry->value.is_string() && !entry->value.as<model::Hash>()
                    : !call.broker.topics().find(key);
  if (!fits) {
    call.reply.error(text::wrong_type);
    return {nullptr, true};
  }
  shows(call, keyspace, key, entry);
  return {entry, false};
}

std::vector<std::string> elements_of(const model::Value& value, bool backwards) {
  std::vector<std::string> elements;
  if (const auto* list = value.as<model::List>()) {
    elements.assign(list->elements().begin(), list->elements().end());
  } else if (const auto* set = value.as<model::Set>()) {
    for (ByteView name : ordered_members(*set)) elements.emplace_back(name);
  } else {
    const auto& sorted = *value.as<model::SortedSet>();
    each_ranked(sorted, {0, sorted.size()}, backwards,
                [&](const model::SortedMember& member) { elements.push_back(member.name); });
  }
  return elements;
}

struct Weighed {
  std::string element;
  double number = 0;
  std::optional<std::string> text;
};

// False when a weight is no number.
bool weigh(Call& call, const SortOptions& options, std::vector<std::string> elements,
           std::vector<Weighed>& weighed) {
  for (std::string& element : elements) {
    Weighed one;
    const std::string* value = options.by ? value_of_pattern(call, *options.by, element) : &element;
    if (options.by_text) {
      if (value) one.text = *value;
    } else if (value) {
      std::optional<double> number = parse_real(*value);
      if (!number) return false;
      one.number = *number;
    }
    one.element = std::move(element);
    weighed.push_back(std::move(one));
  }
  return true;
}

// False after an error reply.
bool sort_elements(Call& call, const SortOptions& options, std::vector<std::string>& elements) {
  std::vector<Weighed> weighed;
  if (!weigh(call, options, std::move(elements), weighed)) {
    call.reply.error("ERR One or more scores can't be converted into double");
    return false;
  }
  auto before = [&](const Weighed& a, const Weighed& b) {
    // Nothing sorts before everything; equal weights leave the order to the elements.
    if (options.by_text) {
      if (a.text != b.text) return a.text < b.text;
      return !options.by && a.element < b.element;
    }
    return a.number != b.number ? a.number < b.number : a.element < b.element;
  };
  std::stable_sort(weighed.begin(), weighed.end(), [&](const Weighed& a, const Weighed& b) {
    return options.descending ? before(b, a) : before(a, b);
  });
  elements.clear();
  for (Weighed& one : weighed) elements.push_back(std::move(one.element));
  return true;
}

void limit(const SortOptions& options, std::vector<std::string>& elements) {
  auto size = static_cast<std::int64_t>(elements.size());
  std::int64_t first = std::clamp<std::int64_t>(options.first, 0, size);
  std::int64_t count = options.count < 0 ? size - first : std::min(options.count, size - first);
  elements.erase(elements.begin() + first + count, elements.end());
  elements.erase(elements.begin(), elements.begin() + first);
}

// What is answered: the elements, or what the patterns say of them, empty where that is nothing.
std::vector<std::optional<std::string>> results_of(Call& call, const SortOptions& options,
                                                   const std::vector<std::string>& elements) {
  std::vector<std::optional<std::string>> results;
  for (const std::string& element : elements) {
    if (options.gets.empty()) results.emplace_back(element);
    for (ByteView get : options.gets) {
      const std::string* value = value_of_pattern(call, get, element);
      results.push_back(value ? std::optional(*value) : std::nullopt);
    }
  }
  return results;
}

void store_results(Call& call, ByteView key,
                   const std::vector<std::optional<std::string>>& results) {
  Change change(call);
  if (!replace_key(call, change, key)) return;
  for (const auto& result : results) {
    ByteWriter(change.command(Op::push_back, key)).sized(result.value_or(""));
  }
  broker::Space space = results.empty() ? broker::Space::less : broker::Space::more;
  if (change.store(space)) call.reply.count(results.size());
}

void sort_key(Call& call, bool may_store) {
  SortOptions options;
  if (!parse_sort(call, may_store, options) || !patterns_are_here(call, options)) return;
  Sorted found = find_sortable(call);
  if (found.refused) return;
  std::vector<std::string> elements;
  if (found.entry) {
    bool unsorted = options.unsorted();
    const model::Value& value = found.entry->value;
    // A stored set must not depend on how the set is kept; nor does what a script sees, in Redis.
    if (unsorted && (options.store || call.scripted) && value.as<model::Set>()) {
      unsorted = false;
      options.by_text = true;
      options.by.reset();
    }
    elements = elements_of(value, unsorted && options.descending);
    if (!unsorted && !sort_elements(call, options, elements)) return;
    limit(options, elements);
  }
  std::vector<std::optional<std::string>> results = results_of(call, options, elements);
  if (options.store) return store_results(call, *options.store, results);
  std::size_t start = call.reply.out().size();
  call.reply.array(results.size());
  for (const auto& result : results) {
    if (result) {
      call.reply.bulk(*result);
    } else {
      call.reply.null();
    }
  }
  reply_too_large(call, start);
}

void sort(Call& call) { sort_key(call, true); }
void sort_ro(Call& call) { sort_key(call, false); }

constexpr Command rows[] = {
    {"sort", -2, flag::write | flag::deny_oom, Where::keys, KeyRule::sorted, 1, 1, 1, "generic",
     "1.0.0", "Sorts the elements of a list, set or sorted set, and may store the result.", sort},
    {"sort_ro", -2, flag::read_only, Where::keys, KeyRule::range, 1, 1, 1, "generic", "7.0.0",
     "Sorts the elements of a list, set or sorted set.", sort_ro},
};

}  // namespace

std::span<const Command> sorting_commands() { return rows; }

}  // namespace trv::redis
