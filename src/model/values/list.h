// List: the elements of a list key, in order. Both ends and every index are reached at once; what
// is inserted or erased in the middle moves the elements on its shorter side.
//
// Owner: the keyspace entry. Pure.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace trv::model {

class List {
 public:
  explicit List(std::uint64_t) {}

  std::size_t size() const { return elements_.size(); }
  std::size_t byte_size() const { return byte_size_; }
  // Requires: index < size().
  const std::string& at(std::size_t index) const { return elements_[index]; }
  const std::deque<std::string>& elements() const { return elements_; }

  void push_front(ByteView element);
  void push_back(ByteView element);
  // At most that many.
  void pop_front(std::size_t count);
  void pop_back(std::size_t count);
  // False when there is no such index (for insert: beyond the end): nothing happens then.
  bool set(std::size_t index, ByteView element);
  bool insert(std::size_t index, ByteView element);
  // Ascending indexes; those beyond the end are passed over.
  void erase(const std::vector<std::size_t>& indexes);

 private:
  std::deque<std::string> elements_;
  std::size_t byte_size_ = 0;
};

}  // namespace trv::model
