#include "model/hash_choice.h"

#include <xxhash.h>

#include <bit>
#include <charconv>
#include <cmath>

namespace trv::model {

namespace {

std::string bytes_of(const HeaderValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* real = std::get_if<double>(&value)) {
    return std::to_string(std::bit_cast<std::uint64_t>(*real));
  }
  return {};
}

}  // namespace

std::uint32_t hash_weight(std::string_view key) {
  if (key.starts_with('+')) key.remove_prefix(1);
  std::uint32_t weight = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), weight);
  return error == std::errc() && end == key.data() + key.size() ? weight : 0;
}

std::string hashed_bytes(const HashSource& source, std::span<const std::string_view> keys,
                         const HeaderLookup* headers) {
  std::string out;
  HeaderValue value;
  switch (source.what) {
    case HashSource::What::key:
      for (const std::string_view key : keys) out += key;
      return out;
    case HashSource::What::header:
      return headers && headers->find(source.name, value) ? bytes_of(value) : out;
    case HashSource::What::property:
      return headers && headers->find_property(source.name, value) ? bytes_of(value) : out;
  }
  return out;
}

HashChoice::HashChoice(std::string_view hashed) : seed_(XXH64(hashed.data(), hashed.size(), 0)) {}

bool HashChoice::offer(std::string_view target, bool to_exchange, std::uint32_t weight) {
  if (weight == 0) return false;
  const std::uint64_t drawn = XXH64(target.data(), target.size(), seed_ + (to_exchange ? 1 : 0));
  // Between 0 and 1, neither included; then an exponential draw, whose least one wins by weight.
  const double unit = (static_cast<double>(drawn >> 11) + 0.5) * 0x1p-53;
  const double score = weight / -std::log(unit);
  if (score <= best_) return false;
  best_ = score;
  return true;
}

}  // namespace trv::model
