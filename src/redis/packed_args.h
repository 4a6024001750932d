// PackedArgs: the words of a request, kept in one piece: what another core is sent is freed there,
// and each piece of memory that is has its cost on both.
//
// Owner: whoever is to run the request. Views point into it, and end with it.
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstddef>
#include <span>
#include <string>

#include "base/bytes.h"

namespace trv::redis {

class PackedArgs {
 public:
  // Requests of so many words are kept without another piece.
  static constexpr std::size_t usual_max = 6;
  using Views = boost::container::small_vector<ByteView, usual_max>;

  explicit PackedArgs(std::span<const ByteView> args) {
    std::size_t size = 0;
    for (ByteView one : args) size += one.size();
    bytes_.reserve(size);
    sizes_.reserve(args.size());
    for (ByteView one : args) {
      bytes_ += one;
      sizes_.push_back(one.size());
    }
  }

  Views views() const {
    Views views;
    views.reserve(sizes_.size());
    std::size_t at = 0;
    for (std::size_t size : sizes_) {
      views.push_back(ByteView(bytes_).substr(at, size));
      at += size;
    }
    return views;
  }

 private:
  std::string bytes_;
  boost::container::small_vector<std::size_t, usual_max> sizes_;
};

}  // namespace trv::redis
