// TopicTrie: patterns of dot-separated words and what they select. `*` stands for one word, `#` for
// any number of words, none too. An empty key has no words; "a..b" has three, one of them empty.
//
// Owner: the router's table of one exchange. Matching keeps the set of trie nodes that can be
// reached after each word, so it costs at most words x nodes, whatever the patterns are: no
// backtracking that a hostile pattern could make exponential.
//
// It stores numbers that its owner chose; adding the same (pattern, number) twice is the owner's
// mistake.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace trv::model {

class TopicTrie {
 public:
  TopicTrie();

  void add(std::string_view pattern, std::uint32_t value);
  void remove(std::string_view pattern, std::uint32_t value);
  // Appends the values of every pattern that matches. A value that was added under several patterns
  // can appear several times.
  void match(std::string_view key, std::vector<std::uint32_t>& out) const;
  // Patterns removed so far: their nodes stay, so the owner rebuilds the trie when there are many.
  std::size_t removed_count() const { return removed_count_; }

 private:
  using NodeIndex = std::uint32_t;
  static constexpr NodeIndex none = 0xffffffff;
  struct Node {
    NodeIndex star = none;
    NodeIndex hash = none;
    bool words = false;    // has children by literal word
    bool is_hash = false;  // reached by `#`: stays reachable whatever word follows
    std::vector<std::uint32_t> values;
  };
  struct EdgeView {
    NodeIndex from;
    std::string_view word;
  };
  struct Edge {
    NodeIndex from;
    std::string word;
    operator EdgeView() const { return {from, word}; }
  };
  struct EdgeHash {
    using is_transparent = void;
    std::size_t operator()(EdgeView e) const {
      return std::hash<std::string_view>{}(e.word) * 31 + e.from;
    }
  };
  struct EdgeEqual {
    using is_transparent = void;
    bool operator()(EdgeView a, EdgeView b) const { return a.from == b.from && a.word == b.word; }
  };

  NodeIndex find_end(std::string_view pattern) const;
  void enter(NodeIndex node, std::vector<NodeIndex>& active) const;
  void step(std::string_view word, const std::vector<NodeIndex>& from,
            std::vector<NodeIndex>& to) const;

  std::vector<Node> nodes_;  // [0] is the root
  std::unordered_map<Edge, NodeIndex, EdgeHash, EdgeEqual> edges_;
  std::size_t removed_count_ = 0;
};

}  // namespace trv::model
