#include "redis/wire/request_parser.h"

#include "base/mutant.h"
#include "redis/wire/number.h"

namespace trv::redis {

namespace {

// Capacity kept between requests; one huge request does not cost its connection memory for ever.
constexpr std::size_t arguments_kept = 1024;

bool blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0' || c == '\v' || c == '\f';
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Takes one escaped character; `at` is at the backslash and moves behind it.
char take_escape(ByteView line, std::size_t& at) {
  if (at + 3 < line.size() && line[at + 1] == 'x') {
    int high = hex_digit(line[at + 2]);
    int low = hex_digit(line[at + 3]);
    if (high >= 0 && low >= 0) {
      at += 4;
      return static_cast<char>(high * 16 + low);
    }
  }
  char c = line[at + 1];
  at += 2;
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// Takes a quoted part; `at` is behind the opening quote and moves behind the closing one.
// False when it does not end, or something follows it directly.
bool take_quoted(ByteView line, std::size_t& at, char quote, std::string& out) {
  while (at < line.size()) {
    char c = line[at];
    if (c == quote) {
      ++at;
      return at == line.size() || blank(line[at]);
    }
    if (c == '\\' && at + 1 < line.size()) {
      if (quote == '"') {
        out.push_back(take_escape(line, at));
        continue;
      }
      if (line[at + 1] == '\'') {
        out.push_back('\'');
        at += 2;
        continue;
      }
    }
    out.push_back(c);
    ++at;
  }
  return false;
}

// Of a line that is `kind` and at most three digits. `at` comes to be behind it.
std::optional<std::size_t> peek_size(ByteView input, std::size_t& at, char kind) {
  constexpr std::size_t line_size_max = 6;
  if (at + line_size_max > input.size() || input[at] != kind) return std::nullopt;
  std::size_t size = 0;
  const std::size_t digits_end = ++at + 3;
  while (at < digits_end && input[at] >= '0' && input[at] <= '9') {
    size = size * 10 + static_cast<std::size_t>(input[at++] - '0');
  }
  if (at + 2 > input.size() || input[at] != '\r') return std::nullopt;
  at += 2;
  return size;
}

}  // namespace

void RequestParser::reset() {
  left_ = -1;
  bulk_size_ = -1;
  at_ = 0;
  wanted_ = 1;
  if (places_.capacity() > arguments_kept) std::vector<Place>().swap(places_);
  places_.clear();
}

RequestParser::Step RequestParser::fail(std::string_view reason) {
  error_ = "ERR Protocol error: ";
  error_ += reason;
  return Step::failed;
}

RequestParser::Outcome RequestParser::next(ByteView input, bool authenticated) {
  consumed_ = 0;
  if (args_.capacity() > arguments_kept) std::vector<ByteView>().swap(args_);
  args_.clear();
  for (;;) {
    ByteView rest = input.substr(consumed_);
    wanted_ = 1;
    if (rest.empty()) return Outcome::need_more;
    Step step = rest[0] == '*' ? parse_array(rest, authenticated) : parse_inline(rest);
    if (step == Step::more) return Outcome::need_more;
    if (step == Step::failed) return Outcome::error;
    for (const Place& place : places_) args_.push_back(rest.substr(place.position, place.size));
    consumed_ += at_;
    reset();
    if (step == Step::done) return Outcome::request;
  }
}

ByteView RequestParser::peek_key(ByteView input) {
  std::size_t at = 0;
  if (!peek_size(input, at, '*')) return {};
  const std::optional<std::size_t> command = peek_size(input, at, '$');
  if (!command) return {};
  at += *command + 2;
  const std::optional<std::size_t> key = peek_size(input, at, '$');
  if (!key || input.size() - at < *key) return {};
  return input.substr(at, *key);
}

RequestParser::Step RequestParser::parse_inline(ByteView input) {
  std::size_t end = input.find('\n');
  if (end == ByteView::npos) {
    if (input.size() > limits_.line_size_max) return fail("too big inline request");
    wanted_ = input.size() + 1;
    return Step::more;
  }
  if (end > limits_.line_size_max) return fail("too big inline request");
  ByteView line = input.substr(0, end);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  at_ = end + 1;
  if (!split_words(line)) return fail("unbalanced quotes in request");
  return args_.empty() ? Step::skip : Step::done;
}

bool RequestParser::split_words(ByteView line) {
  std::vector<Place> words;  // in unquoted_, which may still move
  unquoted_.clear();
  std::size_t at = 0;
  for (;;) {
    while (at < line.size() && blank(line[at])) ++at;
    if (at == line.size()) break;
    std::size_t start = unquoted_.size();
    while (at < line.size() && !blank(line[at])) {
      char c = line[at++];
      if (c != '"' && c != '\'') {
        unquoted_.push_back(c);
      } else if (!take_quoted(line, at, c, unquoted_)) {
        return false;
      }
    }
    words.push_back({start, unquoted_.size() - start});
  }
  for (const Place& word : words) {
    args_.push_back(ByteView(unquoted_).substr(word.position, word.size));
  }
  return true;
}

RequestParser::Step RequestParser::parse_array(ByteView input, bool authenticated) {
  if (left_ < 0) {
    Step step = parse_array_header(input, authenticated);
    if (step != Step::done) return step;
  }
  while (left_ > 0) {
    Step step = parse_bulk(input, authenticated);
    if (step != Step::done) return step;
  }
  return Step::done;
}

RequestParser::Step RequestParser::parse_array_header(ByteView input, bool authenticated) {
  std::size_t end = input.find('\r');
  if (end == ByteView::npos) {
    if (input.size() > limits_.line_size_max) return fail("too big mbulk count string");
    wanted_ = input.size() + 2;
    return Step::more;
  }
  if (end + 2 > input.size()) {
    wanted_ = end + 2;
    return Step::more;
  }
  std::optional<std::int64_t> count = parse_integer(input.substr(1, end - 1));
  const bool too_many = count && *count > limits_.argument_count_max;
  if (!count || (too_many && !TRV_MUTANT(argument_count_unchecked)))
    return fail("invalid multibulk length");
  if (!authenticated && *count > limits_.unauthenticated_argument_count_max) {
    return fail("unauthenticated multibulk length");
  }
  at_ = end + 2;
  if (*count <= 0) return Step::skip;
  left_ = *count;
  return Step::done;
}

// The usual header: `$`, one to six digits without a leading zero, the line's end.
bool RequestParser::take_usual_bulk_header(ByteView input) {
  constexpr std::size_t digits_max = 6;
  if (input.size() - at_ < digits_max + 3 || input[at_] != '$') return false;
  const char* p = input.data() + at_ + 1;
  const char* begin = p;
  std::int64_t size = 0;
  while (*p >= '0' && *p <= '9' && p < begin + digits_max) size = size * 10 + (*p++ - '0');
  if (p == begin || p[0] != '\r' || (*begin == '0' && p != begin + 1)) return false;
  if (size > limits_.unauthenticated_bulk_size_max || size > limits_.bulk_size_max) return false;
  std::size_t behind = at_ + static_cast<std::size_t>(p - begin) + 3;
  if (behind + static_cast<std::size_t>(size) > limits_.request_size_max) return false;
  at_ = behind;
  bulk_size_ = size;
  return true;
}

RequestParser::Step RequestParser::parse_bulk(ByteView input, bool authenticated) {
  if (bulk_size_ < 0 && !take_usual_bulk_header(input)) {
    std::size_t end = input.find('\r', at_);
    if (end == ByteView::npos) {
      if (input.size() - at_ > limits_.line_size_max) return fail("too big bulk count string");
      wanted_ = input.size() + 2;
      return Step::more;
    }
    if (end + 2 > input.size()) {
      wanted_ = end + 2;
      return Step::more;
    }
    if (input[at_] != '$') {
      return fail(std::string("expected '$', got '") + input[at_] + "'");
    }
    std::optional<std::int64_t> size = parse_integer(input.substr(at_ + 1, end - at_ - 1));
    if (!size || *size < 0 || *size > limits_.bulk_size_max) return fail("invalid bulk length");
    if (!authenticated && !TRV_MUTANT(unauthenticated_bulk_unchecked) &&
        *size > limits_.unauthenticated_bulk_size_max) {
      return fail("unauthenticated bulk length");
    }
    at_ = end + 2;
    bulk_size_ = *size;
    if (at_ + static_cast<std::size_t>(bulk_size_) > limits_.request_size_max) {
      return fail("too big request");
    }
  }
  std::size_t end = at_ + static_cast<std::size_t>(bulk_size_) + 2;
  if (end > input.size()) {
    wanted_ = end;
    return Step::more;
  }
  places_.push_back({at_, static_cast<std::size_t>(bulk_size_)});
  at_ = end;
  bulk_size_ = -1;
  --left_;
  return Step::done;
}

}  // namespace trv::redis
