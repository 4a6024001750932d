// Pattern: a regular expression over names, not anchored, as rights and policies have them. Its
// matching takes linear time, whatever it says: there is no look-around and no back-reference.
//
// Immutable, and cheap to copy; copies may be used by several threads.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace re2 {
class RE2;
}

namespace trv {

class Pattern {
 public:
  static constexpr std::size_t size_max = 4096;

  // Matches the empty name only.
  Pattern() = default;
  // Errors: invalid_argument, with what is wrong with it.
  static Result<Pattern> parse(const std::string& text);

  bool matches(std::string_view name) const;
  const std::string& text() const { return text_; }
  bool operator==(const Pattern& other) const { return text_ == other.text_; }

 private:
  std::string text_;
  bool all_ = false;  // ".*", which most are
  // Null for the empty pattern and that of all. Shared, since it never changes and is large.
  std::shared_ptr<const re2::RE2> expression_;
};

}  // namespace trv
