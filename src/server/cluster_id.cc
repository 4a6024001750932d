#include "server/cluster_id.h"

#include <algorithm>
#include <random>
#include <span>

#include "storage/durable_file.h"

namespace trv::server {

namespace {

constexpr const char* file_name = "cluster-id";
constexpr std::size_t id_size = 22;
constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string make_id() {
  std::random_device random;
  std::string id;
  for (std::size_t i = 0; i < id_size; ++i) id += alphabet[random() % alphabet.size()];
  // Clients show it as it is, but command lines take a leading dash for a flag.
  if (id.front() == '-') id.front() = 'A';
  return id;
}

}  // namespace

Result<std::string> ensure_cluster_id(io::Directory& directory) {
  Result<std::string> kept = storage::read_whole(directory, file_name, id_size);
  if (kept) {
    bool ours = kept->size() == id_size && std::all_of(kept->begin(), kept->end(), [](char c) {
                  return alphabet.find(c) != std::string_view::npos;
                });
    if (!ours) return Error{Errc::corrupt, "the file cluster-id does not hold an id"};
    return kept;
  }
  if (kept.error().code != Errc::not_found) return kept.error();
  std::string id = make_id();
  std::string_view part = id;
  Status written = storage::write_durably(directory, file_name, std::span(&part, 1));
  if (!written) return written.error();
  return id;
}

}  // namespace trv::server
