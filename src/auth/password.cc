#include "auth/password.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/assert.h"

namespace trv::auth {

namespace {

const EVP_MD* algorithm_of(Hashing hashing) {
  switch (hashing) {
    case Hashing::none:
      return nullptr;
    case Hashing::sha256:
      return EVP_sha256();
    case Hashing::sha512:
      return EVP_sha512();
  }
  return nullptr;
}

}  // namespace

std::size_t hash_size(Hashing hashing) {
  const EVP_MD* digest = algorithm_of(hashing);
  return digest ? salt_size + static_cast<std::size_t>(EVP_MD_get_size(digest)) : 0;
}

std::string hash_password(Hashing hashing, ByteView salt, ByteView password) {
  const EVP_MD* digest = algorithm_of(hashing);
  TRV_ASSERT(digest != nullptr);
  TRV_ASSERT(salt.size() == salt_size);
  std::string input(salt);
  input += password;
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  TRV_ASSERT(EVP_Digest(input.data(), input.size(), bytes, &size, digest, nullptr) == 1);
  std::string hash(salt);
  hash.append(reinterpret_cast<const char*>(bytes), size);
  return hash;
}

bool password_fits(Hashing hashing, ByteView hash, ByteView password) {
  if (hashing == Hashing::none || hash.size() != hash_size(hashing)) return false;
  const std::string given = hash_password(hashing, hash.substr(0, salt_size), password);
  return CRYPTO_memcmp(given.data(), hash.data(), hash.size()) == 0;
}

std::string digest_of(ByteView password) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  TRV_ASSERT(EVP_Digest(password.data(), password.size(), bytes, &size, EVP_sha256(), nullptr) ==
             1);
  return std::string(reinterpret_cast<const char*>(bytes), size);
}

bool digest_fits(ByteView digest, ByteView password) {
  if (digest.size() != digest_size) return false;
  return CRYPTO_memcmp(digest_of(password).data(), digest.data(), digest_size) == 0;
}

}  // namespace trv::auth
