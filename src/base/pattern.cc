#include "base/pattern.h"

#include <re2/re2.h>

namespace trv {

namespace {

constexpr std::int64_t memory_max = 1 << 20;

}  // namespace

Result<Pattern> Pattern::parse(const std::string& text) {
  if (text.size() > size_max) return Error{Errc::invalid_argument, "the expression is too long"};
  Pattern pattern;
  pattern.text_ = text;
  pattern.all_ = text == ".*";
  if (pattern.all_ || text.empty()) return pattern;
  re2::RE2::Options options(re2::RE2::Quiet);
  options.set_max_mem(memory_max);
  auto expression = std::make_shared<const re2::RE2>(text, options);
  if (!expression->ok()) return Error{Errc::invalid_argument, expression->error()};
  pattern.expression_ = std::move(expression);
  return pattern;
}

bool Pattern::matches(std::string_view name) const {
  if (all_) return true;
  if (!expression_) return name.empty();
  return re2::RE2::PartialMatch(re2::StringPiece(name.data(), name.size()), *expression_);
}

}  // namespace trv
