// The contents of a disk that has a volatile write cache: what is written waits in memory until a
// flush, and a loss of power takes any part of what waits. Owned by pldisk, which serves it as a
// block file; one thread.
//
//        write --> pending --flush--> durable --cut--> the image file
//                     \_______ some sectors __________/
//
// - The image file is not touched before the cut, so while it lives it is the disk as the last loss
// of
//   power left it; what was written since is in memory, and only grows.
// - A flush covers every write that was taken before it, and nothing else makes a write durable.
// - Readers see what was written, durable or not, also after the cut: the file system above can
// then be
//   unmounted in peace. What is written after the cut reaches nothing.
//
// A write may survive in part, by sectors, and may survive where an earlier one does not, as on
// disks that reorder. A sector is old or new. What the disk does not do: damage sectors, or lose
// what was flushed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trv::power {

// Which of the sectors that wait for a flush a cut leaves on the disk.
enum class Survivors {
  none,  // the cache is gone
  half,  // each sector with probability 1/2
  most,  // each sector with probability 9/10
  torn,  // all but the end of the last write, which breaks off at a sector of it
};

std::optional<Survivors> parse_survivors(std::string_view name);

// What a cut found: to tell cuts that hurt from cuts of a disk at rest.
struct CutReport {
  std::size_t pending_writes = 0;
  std::size_t pending_sectors = 0;
  std::size_t surviving_sectors = 0;
};

class VolatileDisk {
 public:
  // Throws std::system_error when the image cannot be opened, or is not made of whole sectors.
  VolatileDisk(const std::string& image_path, std::size_t sector_size);
  ~VolatileDisk();
  VolatileDisk(const VolatileDisk&) = delete;
  VolatileDisk& operator=(const VolatileDisk&) = delete;

  std::size_t size() const { return seen_.size(); }
  // Whether a request lies within the disk and consists of whole sectors. All others are refused.
  bool accepts(std::size_t offset, std::size_t bytes) const;

  // Requires: accepts(). The view is valid until the next write.
  std::string_view read(std::size_t offset, std::size_t bytes) const;
  void write(std::size_t offset, std::string_view bytes);
  void flush();
  std::size_t pending_count() const { return pending_.size(); }  // writes that wait for a flush

  // The loss of power: writes to the image what was flushed, and of the rest what `survivors` and
  // the seed choose. Throws std::system_error when the image cannot be written. Requires: not cut
  // before.
  CutReport cut(Survivors survivors, std::uint64_t seed);
  bool is_cut() const { return cut_; }

 private:
  struct Write {
    std::size_t offset;
    std::string bytes;
  };

  void store(std::size_t offset, std::string_view bytes);
  std::size_t store_chosen(const Write& write, Survivors survivors, bool last,
                           std::mt19937_64& random);

  const std::size_t sector_size_;
  int fd_ = -1;
  std::span<char> seen_;  // a private mapping of the image, and every write
  std::vector<Write> durable_;
  std::vector<Write> pending_;
  bool cut_ = false;
};

}  // namespace trv::power
