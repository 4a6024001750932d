#include "model/topic_trie.h"

#include <algorithm>

#include "base/assert.h"

namespace trv::model {

namespace {

// Takes the first word off `rest`. Requires: !done; sets `done` with the last word.
std::string_view next_word(std::string_view& rest, bool& done) {
  const std::size_t dot = rest.find('.');
  const std::string_view word = rest.substr(0, dot);
  done = dot == std::string_view::npos;
  rest = done ? std::string_view() : rest.substr(dot + 1);
  return word;
}

}  // namespace

TopicTrie::TopicTrie() : nodes_(1) {}

void TopicTrie::add(std::string_view pattern, std::uint32_t value) {
  NodeIndex at = 0;
  bool done = pattern.empty();
  const auto grow = [this] {
    nodes_.emplace_back();
    return static_cast<NodeIndex>(nodes_.size() - 1);
  };
  while (!done) {
    const std::string_view word = next_word(pattern, done);
    if (word == "#") {
      // "#.#" selects what "#" selects.
      if (nodes_[at].is_hash) continue;
      if (nodes_[at].hash == none) {
        const NodeIndex child = grow();
        nodes_[child].is_hash = true;
        nodes_[at].hash = child;
      }
      at = nodes_[at].hash;
    } else if (word == "*") {
      if (nodes_[at].star == none) {
        const NodeIndex child = grow();
        nodes_[at].star = child;
      }
      at = nodes_[at].star;
    } else {
      const auto found = edges_.find(EdgeView{at, word});
      if (found != edges_.end()) {
        at = found->second;
      } else {
        const NodeIndex child = grow();
        nodes_[at].words = true;
        edges_.emplace(Edge{at, std::string(word)}, child);
        at = child;
      }
    }
  }
  nodes_[at].values.push_back(value);
}

TopicTrie::NodeIndex TopicTrie::find_end(std::string_view pattern) const {
  NodeIndex at = 0;
  bool done = pattern.empty();
  while (!done && at != none) {
    const std::string_view word = next_word(pattern, done);
    if (word == "#") {
      if (!nodes_[at].is_hash) at = nodes_[at].hash;
    } else if (word == "*") {
      at = nodes_[at].star;
    } else {
      const auto found = edges_.find(EdgeView{at, word});
      at = found == edges_.end() ? none : found->second;
    }
  }
  return at;
}

void TopicTrie::remove(std::string_view pattern, std::uint32_t value) {
  const NodeIndex at = find_end(pattern);
  TRV_ASSERT(at != none);
  auto& values = nodes_[at].values;
  const auto found = std::find(values.begin(), values.end(), value);
  TRV_ASSERT(found != values.end());
  values.erase(found);
  ++removed_count_;
}

// A node other than a `#` node has one parent and is entered from it once per word, so only `#`
// nodes, which also stay from the word before, can be met twice.
void TopicTrie::enter(NodeIndex node, std::vector<NodeIndex>& active) const {
  active.push_back(node);
  const NodeIndex hash = nodes_[node].hash;
  if (hash == none) return;
  if (std::find(active.begin(), active.end(), hash) == active.end()) enter(hash, active);
}

void TopicTrie::step(std::string_view word, const std::vector<NodeIndex>& from,
                     std::vector<NodeIndex>& to) const {
  for (const NodeIndex at : from) {
    const Node& node = nodes_[at];
    if (node.is_hash && std::find(to.begin(), to.end(), at) == to.end()) enter(at, to);
    if (node.star != none) enter(node.star, to);
    if (!node.words) continue;
    const auto found = edges_.find(EdgeView{at, word});
    if (found != edges_.end()) enter(found->second, to);
  }
}

void TopicTrie::match(std::string_view key, std::vector<std::uint32_t>& out) const {
  std::vector<NodeIndex> active;
  std::vector<NodeIndex> next;
  enter(0, active);
  bool done = key.empty();
  while (!done && !active.empty()) {
    next.clear();
    step(next_word(key, done), active, next);
    active.swap(next);
  }
  for (const NodeIndex at : active) {
    const auto& values = nodes_[at].values;
    out.insert(out.end(), values.begin(), values.end());
  }
}

}  // namespace trv::model
