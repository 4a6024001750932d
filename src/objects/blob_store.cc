#include "objects/blob_store.h"

#include <fmt/format.h>

#include "base/crc32c.h"

namespace trv::objects {

BlobStore::BlobStore(io::ObjectStore& store, WriterId writer, Random& random)
    : store_(store), writer_(writer), random_(random) {}

void BlobStore::write(std::string bytes, Done<BlobRef> done) {
  BlobRef blob{
      fmt::format("blobs/{:016x}-{:016x}-{:016x}", writer_.value, number_next_++, random_()),
      bytes.size(), crc32c(0, bytes)};
  std::string name = blob.name;
  auto then = [blob = std::move(blob), done = std::move(done)](Result<Written> written) mutable {
    if (!written.ok()) return done(written.error());
    if (written->other) return done(Error{Errc::already_exists, "not fresh: " + blob.name});
    done(std::move(blob));
  };
  write_once(store_, std::move(name), std::move(bytes), std::move(then));
}

void BlobStore::read(const BlobRef& blob, Done<std::string> done) {
  fetch(store_, blob.name, {}, [blob, done = std::move(done)](Result<io::Object> found) mutable {
    if (!found.ok()) return done(found.error());
    const std::string& bytes = found->bytes;
    if (bytes.size() != blob.size || crc32c(0, bytes) != blob.checksum) {
      return done(Error{Errc::corrupt, blob.name});
    }
    done(std::move(found->bytes));
  });
}

void BlobStore::read_part(const BlobRef& blob, io::ObjectRange part, Done<std::string> done) {
  const bool inside = part.position <= blob.size && part.length <= blob.size - part.position;
  // Asked for even so: an answer never comes before the call has returned.
  fetch(store_, blob.name, part,
        [name = blob.name, part, inside, done = std::move(done)](Result<io::Object> found) mutable {
          if (!found.ok()) return done(found.error());
          if (!inside) return done(Error{Errc::out_of_range, name});
          if (found->bytes.size() != part.length) return done(Error{Errc::corrupt, name});
          done(std::move(found->bytes));
        });
}

void BlobStore::remove(const BlobRef& blob, Done<void> done) {
  objects::remove(store_, blob.name, std::move(done));
}

}  // namespace trv::objects
