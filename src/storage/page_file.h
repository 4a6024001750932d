// Page files: pages of state that checkpoints refer to instead of repeating them.
// docs/formats/pages.md is the specification.
//
// A page file is written with the checkpoint whose id it bears, and never changed.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "io/file.h"

namespace trv::storage {

inline constexpr std::string_view page_prefix = "pages-";
std::string page_file_name(std::uint64_t id);

// In the section of one shard; `length` includes what the page is checked by.
struct PageRange {
  std::uint64_t file = 0;
  std::uint32_t position = 0;
  std::uint32_t length = 0;
};

// What one shard adds to the page file of a checkpoint, and which pages the checkpoint refers to.
class PageSection {
 public:
  // Requires: size() + page.size() fits 32 bits.
  PageRange add(std::uint64_t file, ByteView page);
  void refer(const PageRange& page) { live_[page.file] += page.length; }

  std::uint64_t size() const { return bytes_.size(); }
  const std::string& bytes() const { return bytes_; }
  // Bytes of pages that the checkpoint refers to, by file.
  const std::map<std::uint64_t, std::uint64_t>& live() const { return live_; }

 private:
  std::string bytes_;
  std::map<std::uint64_t, std::uint64_t> live_;
};

struct ShardPages {
  ShardId shard;
  ByteView bytes;
};
// Errors: no_space, io_error.
Status write_page_file(io::Directory& directory, std::uint64_t id,
                       const std::vector<ShardPages>& sections);

// Reads pages, and keeps those that were read last: who reads on in them has them at hand, and of
// all others together they take a bounded room. What was opened is kept open, so that a read cannot
// fail for want of a descriptor. One thread at a time.
class PageFiles {
 public:
  // `directory` outlives it.
  explicit PageFiles(io::Directory& directory) : directory_(directory) {}

  // Errors: not_found, corrupt (its table cannot be trusted), io_error.
  Status open(std::uint64_t id);
  void close_unless(const std::set<std::uint64_t>& wanted);
  // Errors: as open().
  Result<std::shared_ptr<const std::string>> read(ShardId shard, const PageRange& page);

 private:
  struct Section {
    std::uint64_t position = 0;
    std::uint64_t size = 0;
  };
  struct Opened {
    std::unique_ptr<io::File> file;
    std::map<ShardId, Section> sections;
  };

  // File, shard, position, length.
  using Key = std::tuple<std::uint64_t, ShardId, std::uint32_t, std::uint32_t>;
  struct Kept {
    Key key;
    std::shared_ptr<const std::string> page;
  };

  Result<std::string> load(ShardId shard, const PageRange& page);
  void keep(const Key& key, std::shared_ptr<const std::string> page);
  void drop(std::list<Kept>::iterator kept);

  io::Directory& directory_;
  std::map<std::uint64_t, Opened> opened_;
  std::list<Kept> kept_;  // the last one read first
  std::map<Key, std::list<Kept>::iterator> places_;
  std::uint64_t kept_size_ = 0;
};

using FileSizes = std::map<std::uint64_t, std::uint64_t>;  // bytes of pages, by file

// Without those that cannot be opened: whoever reads them is told.
Result<FileSizes> page_file_sizes(io::Directory& directory, const std::set<std::uint64_t>& files);

// Those of which less than half is needed, and those that are small beside all newer ones: with
// every checkpoint writing one there would be very many.
std::set<std::uint64_t> choose_page_files_to_empty(const FileSizes& sizes, const FileSizes& live);

}  // namespace trv::storage
