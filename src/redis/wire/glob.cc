#include "redis/wire/glob.h"

#include <utility>

namespace trv::redis {

namespace {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Matches `c` against the class at `at` (behind its '['). Moves `at` behind the class. A class that
// does not end ends with the pattern.
bool match_class(ByteView pattern, std::size_t& at, char c, bool ignore_case) {
  bool negated = at < pattern.size() && pattern[at] == '^';
  if (negated) ++at;
  bool found = false;
  auto fold = [&](char x) { return static_cast<unsigned char>(ignore_case ? lower(x) : x); };
  for (; at < pattern.size(); ++at) {
    if (pattern[at] == '\\' && at + 1 < pattern.size()) {
      ++at;
      found |= fold(pattern[at]) == fold(c);
    } else if (pattern[at] == ']') {
      ++at;
      return found != negated;
    } else if (at + 2 < pattern.size() && pattern[at + 1] == '-') {
      auto from = fold(pattern[at]);
      auto to = fold(pattern[at + 2]);
      if (from > to) std::swap(from, to);
      found |= fold(c) >= from && fold(c) <= to;
      at += 2;
    } else {
      found |= fold(pattern[at]) == fold(c);
    }
  }
  return found != negated;
}

// Matches one character against the part of the pattern at `at`, which is not a star and moves on.
bool match_one(ByteView pattern, std::size_t& at, char c, bool ignore_case) {
  char p = pattern[at++];
  if (p == '?') return true;
  if (p == '[') return match_class(pattern, at, c, ignore_case);
  if (p == '\\' && at < pattern.size()) p = pattern[at++];
  return p == c || (ignore_case && lower(p) == lower(c));
}

}  // namespace

bool glob_match(ByteView pattern, ByteView text, bool ignore_case) {
  std::size_t p = 0;
  std::size_t t = 0;
  // Where to go on when a try fails: behind the last star, one character later. Stars before the
  // last one never need another try.
  std::size_t star = ByteView::npos;
  std::size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_text = t;
      continue;
    }
    if (p < pattern.size() && match_one(pattern, p, text[t], ignore_case)) {
      ++t;
      continue;
    }
    if (star == ByteView::npos) return false;
    p = star;
    t = ++star_text;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace trv::redis
