#include "redis/encodings/hyper_log.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace trv::redis {

namespace {

constexpr std::string_view magic = "HYLL";
constexpr std::size_t header_size = 16;
constexpr std::size_t count_at = 8;
constexpr unsigned register_bits = 6;
constexpr std::uint8_t register_max = (1u << register_bits) - 1;
constexpr std::size_t dense_size = HyperLog::register_count * register_bits / 8;
constexpr unsigned index_bits = 14;
constexpr unsigned rank_bits = 64 - index_bits;  // of the hash, behind the index
constexpr std::uint64_t stale_bit = std::uint64_t{1} << 63;
constexpr std::size_t short_run_max = 64;
constexpr std::size_t value_run_max = 4;
constexpr std::uint8_t sparse_value_max = 32;
static_assert(std::size_t{1} << index_bits == HyperLog::register_count);

// MurmurHash64A with Redis's seed: which register an element belongs to is part of the format.
std::uint64_t hash_of(ByteView element) {
  constexpr std::uint64_t multiplier = 0xc6a4a7935bd1e995u;
  constexpr std::uint64_t seed = 0xadc83b19u;
  constexpr unsigned shift = 47;
  std::uint64_t hash = seed ^ (element.size() * multiplier);
  const std::size_t whole = element.size() / 8 * 8;
  for (std::size_t at = 0; at < whole; at += 8) {
    std::uint64_t word = ByteReader(element.substr(at, 8)).u64_le() * multiplier;
    word = (word ^ word >> shift) * multiplier;
    hash = (hash ^ word) * multiplier;
  }
  if (whole < element.size()) {
    std::uint64_t rest = 0;
    for (std::size_t at = element.size(); at > whole; --at) {
      rest = rest << 8 | static_cast<unsigned char>(element[at - 1]);
    }
    hash = (hash ^ rest) * multiplier;
  }
  hash = (hash ^ hash >> shift) * multiplier;
  return hash ^ hash >> shift;
}

// The two series of Otmar Ertl's estimator: "New cardinality estimation algorithms for HyperLogLog
// sketches", 2017.
double sigma(double x) {
  if (x == 1.0) return std::numeric_limits<double>::infinity();
  double weight = 1;
  double sum = x;
  for (double before = -1; sum != before;) {
    x *= x;
    before = sum;
    sum += x * weight;
    weight += weight;
  }
  return sum;
}

double tau(double x) {
  if (x == 0.0 || x == 1.0) return 0;
  double weight = 1;
  double sum = 1 - x;
  for (double before = -1; sum != before;) {
    x = std::sqrt(x);
    before = sum;
    weight *= 0.5;
    sum -= (1 - x) * (1 - x) * weight;
  }
  return sum / 3;
}

}  // namespace

bool HyperLog::is_one(ByteView text) {
  if (text.size() < header_size || !text.starts_with(magic)) return false;
  const auto form = static_cast<unsigned char>(text[magic.size()]);
  return form == 1 || (form == 0 && text.size() == header_size + dense_size);
}

std::optional<HyperLog> HyperLog::decode(ByteView text) {
  HyperLog log;
  log.dense_ = text[magic.size()] == 0;
  const std::uint64_t count = ByteReader(text.substr(count_at, 8)).u64_le();
  log.known_count_.reset();
  if ((count & stale_bit) == 0) log.known_count_ = count;
  ByteView bytes = text.substr(header_size);
  const bool whole = log.dense_ ? decode_dense(bytes, log) : decode_sparse(bytes, log);
  if (!whole) return std::nullopt;
  return log;
}

bool HyperLog::decode_dense(ByteView bytes, HyperLog& into) {
  // Three bytes hold four registers.
  for (std::size_t at = 0; at < register_count; at += 4) {
    std::uint32_t four = 0;
    for (std::size_t i = 3; i > 0; --i) {
      four = four << 8 | static_cast<unsigned char>(bytes[at / 4 * 3 + i - 1]);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      into.registers_[at + i] = static_cast<std::uint8_t>(four & register_max);
      four >>= register_bits;
    }
  }
  return true;
}

bool HyperLog::decode_sparse(ByteView bytes, HyperLog& into) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const unsigned code = static_cast<unsigned char>(bytes[i]);
    std::size_t size = 0;
    std::uint8_t value = 0;
    if ((code & 0x80u) != 0) {
      value = static_cast<std::uint8_t>((code >> 2 & 0x1fu) + 1);
      size = (code & 3u) + 1;
    } else if ((code & 0x40u) == 0) {
      size = (code & 0x3fu) + 1;
    } else {
      if (++i == bytes.size()) return false;
      size = ((code & 0x3fu) << 8 | static_cast<unsigned char>(bytes[i])) + 1;
    }
    if (size > register_count - at) return false;
    std::fill_n(into.registers_.begin() + static_cast<std::ptrdiff_t>(at), size, value);
    at += size;
  }
  return at == register_count;
}

std::string HyperLog::sparse_bytes() const {
  std::string out;
  ByteWriter writer(out);
  for (std::size_t at = 0; at < register_count;) {
    const std::uint8_t value = registers_[at];
    std::size_t end = at;
    while (end < register_count && registers_[end] == value) ++end;
    std::size_t size = end - at;
    at = end;
    if (value == 0 && size > short_run_max) {
      writer.u8(static_cast<std::uint8_t>(0x40u | (size - 1) >> 8));
      writer.u8(static_cast<std::uint8_t>((size - 1) & 0xffu));
    } else if (value == 0) {
      writer.u8(static_cast<std::uint8_t>(size - 1));
    }
    for (; value != 0 && size > 0;) {
      const std::size_t run = std::min(size, value_run_max);
      writer.u8(static_cast<std::uint8_t>(0x80u | (value - 1u) << 2 | (run - 1)));
      size -= run;
    }
  }
  return out;
}

std::string HyperLog::dense_bytes() const {
  std::string out;
  ByteWriter writer(out);
  for (std::size_t at = 0; at < register_count; at += 4) {
    std::uint32_t four = 0;
    for (std::size_t i = 4; i > 0; --i) four = four << register_bits | registers_[at + i - 1];
    for (std::size_t i = 0; i < 3; ++i) writer.u8(static_cast<std::uint8_t>(four >> (8 * i)));
  }
  return out;
}

std::string HyperLog::encode() const {
  std::string bytes;
  bool dense = dense_ || *std::max_element(registers_.begin(), registers_.end()) > sparse_value_max;
  if (!dense) bytes = sparse_bytes();
  if (header_size + bytes.size() > sparse_size_max) dense = true;
  if (dense) bytes = dense_bytes();
  std::string out(magic);
  ByteWriter writer(out);
  writer.u32_le(dense ? 0 : 1);
  writer.u64_le(known_count_.value_or(stale_bit));
  writer.bytes(bytes);
  return out;
}

bool HyperLog::add(ByteView element) {
  std::uint64_t hash = hash_of(element);
  const auto index = static_cast<std::size_t>(hash & (register_count - 1));
  // A bit behind the last one ends the count.
  hash = hash >> index_bits | std::uint64_t{1} << rank_bits;
  const auto rank = static_cast<std::uint8_t>(std::countr_zero(hash) + 1);
  if (registers_[index] >= rank) return false;
  registers_[index] = rank;
  known_count_.reset();
  return true;
}

void HyperLog::merge(const HyperLog& other) {
  for (std::size_t i = 0; i < register_count; ++i) {
    registers_[i] = std::max(registers_[i], other.registers_[i]);
  }
  dense_ = dense_ || other.dense_;
  known_count_.reset();
}

std::uint64_t HyperLog::count() const {
  constexpr double alpha = 0.721347520444481703680;  // 1 / (2 ln 2)
  constexpr auto all = static_cast<double>(register_count);
  std::array<std::uint32_t, register_max + 1> histogram{};
  for (std::uint8_t value : registers_) ++histogram[value];
  double sum = all * tau((all - histogram[rank_bits + 1]) / all);
  for (unsigned rank = rank_bits; rank >= 1; --rank) {
    sum += histogram[rank];
    sum *= 0.5;
  }
  sum += all * sigma(histogram[0] / all);
  return static_cast<std::uint64_t>(std::llround(alpha * all * all / sum));
}

}  // namespace trv::redis
