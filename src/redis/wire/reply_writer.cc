#include "redis/wire/reply_writer.h"

#include "redis/wire/number.h"

namespace trv::redis {

namespace {

constexpr std::size_t large_size_min = 4096;
constexpr std::size_t line_size_max = 32;  // a header and the end of what it announces

}  // namespace

void ReplyWriter::header(char kind, std::uint64_t count) {
  char text[integer_text_max + 3];
  text[0] = kind;
  std::size_t size = 1 + print_unsigned(text + 1, count);
  text[size++] = '\r';
  text[size++] = '\n';
  out_.append(text, size);
}

void ReplyWriter::simple(ByteView text) {
  out_ += '+';
  out_ += text;
  out_ += "\r\n";
}

void ReplyWriter::error(ByteView text) {
  out_ += '-';
  for (char c : text) out_ += c == '\r' || c == '\n' ? ' ' : c;
  out_ += "\r\n";
}

void ReplyWriter::integer(std::int64_t value) {
  char text[integer_text_max + 3];
  text[0] = ':';
  std::size_t size = 1 + print_integer(text + 1, value);
  text[size++] = '\r';
  text[size++] = '\n';
  out_.append(text, size);
}

void ReplyWriter::bulk(ByteView bytes) {
  // Else its line's end could make all of it move.
  if (bytes.size() >= large_size_min) out_.reserve(out_.size() + bytes.size() + line_size_max);
  header('$', bytes.size());
  out_ += bytes;
  out_ += "\r\n";
}

void ReplyWriter::bulk_integer(std::int64_t value) {
  char text[integer_text_max];
  bulk({text, print_integer(text, value)});
}

void ReplyWriter::id(RecordId id) {
  char text[id_text_max];
  bulk({text, print_id(text, id)});
}

void ReplyWriter::null() { out_ += resp3() ? "_\r\n" : "$-1\r\n"; }

void ReplyWriter::null_array() { out_ += resp3() ? "_\r\n" : "*-1\r\n"; }

void ReplyWriter::boolean(bool value) {
  if (resp3()) {
    out_ += value ? "#t\r\n" : "#f\r\n";
  } else {
    integer(value ? 1 : 0);
  }
}

void ReplyWriter::real(double value) { real_digits(real_text(value)); }

void ReplyWriter::long_real(long double value) { real_digits(long_real_text(value)); }

void ReplyWriter::real_digits(ByteView text) {
  if (!resp3()) return bulk(text);
  out_ += ',';
  out_ += text;
  out_ += "\r\n";
}

void ReplyWriter::verbatim(ByteView text) {
  if (!resp3()) return bulk(text);
  header('=', text.size() + 4);
  out_ += "txt:";
  out_ += text;
  out_ += "\r\n";
}

void ReplyWriter::map(std::size_t pairs) {
  if (resp3()) {
    header('%', pairs);
  } else {
    header('*', std::uint64_t{2} * pairs);
  }
}

std::size_t ReplyWriter::open_array() { return out_.size(); }

void ReplyWriter::close_array(std::size_t place, std::size_t count) {
  std::string text;
  ReplyWriter(text, protocol_).array(count);
  out_.insert(place, text);
}

ReplyWriter::Guess ReplyWriter::guess_array(std::size_t count) {
  const std::size_t place = out_.size();
  array(count);
  return {place, out_.size() - place};
}

ReplyWriter::Guess ReplyWriter::guess_map_of_streams(std::size_t pairs) {
  const std::size_t place = out_.size();
  map_of_streams(pairs);
  return {place, out_.size() - place};
}

void ReplyWriter::correct(Guess guess, std::size_t count) {
  std::string text;
  ReplyWriter(text, protocol_).header(out_[guess.place], count);
  out_.replace(guess.place, guess.size, text);
}

}  // namespace trv::redis
