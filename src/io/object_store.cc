#include "io/object_store.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>

namespace trv::io {

namespace {
constexpr std::size_t name_size_max = 200;
}

bool is_certain(Errc code) {
  switch (code) {
    case Errc::not_found:
    case Errc::already_exists:
    case Errc::invalid_argument:
    case Errc::precondition_failed:
    case Errc::access_refused:
    case Errc::too_large:
    case Errc::unsupported:
    case Errc::no_space:
    case Errc::overloaded:
      return true;
    case Errc::locked:
    case Errc::in_use:
    case Errc::wrong_type:
    case Errc::out_of_range:
    case Errc::corrupt:
    case Errc::io_error:
    case Errc::fenced:
    case Errc::sequence_gap:
    case Errc::invalid_state:
    case Errc::concurrent_update:
    case Errc::timed_out:
    case Errc::closed:
      return false;
  }
  return false;
}

bool is_object_name(std::string_view name) {
  auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '/';
  };
  return !name.empty() && name.size() <= name_size_max && name.front() != '/' &&
         name.back() != '/' && std::all_of(name.begin(), name.end(), allowed);
}

ObjectVersion version_of(ByteView bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {fmt::format("{:016x}{:016x}", hash.high64, hash.low64)};
}

}  // namespace trv::io
