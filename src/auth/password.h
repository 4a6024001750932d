// Passwords as RabbitMQ keeps them: 4 bytes of salt, then the digest of salt and password.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace trv::auth {

enum class Hashing : std::uint8_t {
  none = 0,  // there is no password, and none fits
  sha256 = 1,
  sha512 = 2,
};
inline constexpr std::size_t salt_size = 4;

// Of a whole hash; 0 for none.
std::size_t hash_size(Hashing hashing);
// Requires: a salt of salt_size bytes; hashing is not none.
std::string hash_password(Hashing hashing, ByteView salt, ByteView password);
// Compares without telling by its duration how much was right.
bool password_fits(Hashing hashing, ByteView hash, ByteView password);

// What is kept of further passwords (Terms): SHA-256 without a salt, which whoever has one can make
// again and compare.
inline constexpr std::size_t digest_size = 32;
std::string digest_of(ByteView password);
// As password_fits().
bool digest_fits(ByteView digest, ByteView password);

}  // namespace trv::auth
