#include "model/values/list.h"

#include <algorithm>
#include <utility>

namespace trv::model {

void List::push_front(ByteView element) {
  elements_.emplace_front(element);
  byte_size_ += element.size();
}

void List::push_back(ByteView element) {
  elements_.emplace_back(element);
  byte_size_ += element.size();
}

void List::pop_front(std::size_t count) {
  for (; count > 0 && !elements_.empty(); --count) {
    byte_size_ -= elements_.front().size();
    elements_.pop_front();
  }
}

void List::pop_back(std::size_t count) {
  for (; count > 0 && !elements_.empty(); --count) {
    byte_size_ -= elements_.back().size();
    elements_.pop_back();
  }
}

bool List::set(std::size_t index, ByteView element) {
  if (index >= elements_.size()) return false;
  byte_size_ += element.size();
  byte_size_ -= elements_[index].size();
  elements_[index] = std::string(element);
  return true;
}

bool List::insert(std::size_t index, ByteView element) {
  if (index > elements_.size()) return false;
  elements_.emplace(elements_.begin() + static_cast<std::ptrdiff_t>(index), element);
  byte_size_ += element.size();
  return true;
}

void List::erase(const std::vector<std::size_t>& indexes) {
  if (indexes.empty() || indexes.front() >= elements_.size()) return;
  std::size_t kept = indexes.front();
  auto next = indexes.begin();
  for (std::size_t i = kept; i < elements_.size(); ++i) {
    if (next != indexes.end() && *next == i) {
      byte_size_ -= elements_[i].size();
      ++next;
    } else {
      if (kept != i) elements_[kept] = std::move(elements_[i]);
      ++kept;
    }
  }
  elements_.resize(kept);
}

}  // namespace trv::model
