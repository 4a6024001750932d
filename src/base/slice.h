// Slice: an immutable view of bytes together with a share in their owner.
//
// shared_ptr, because the same stored bytes are at once in the journal's tail cache, in several
// connections' output queues and on other cores, and die with the last of them. Copying a Slice
// never copies bytes.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace trv {

class Slice {
 public:
  Slice() = default;
  Slice(std::shared_ptr<const void> owner, std::string_view view)
      : owner_(std::move(owner)), view_(view) {}

  static Slice own(std::string bytes) {
    auto owner = std::make_shared<const std::string>(std::move(bytes));
    std::string_view view = *owner;
    return {std::move(owner), view};
  }
  // For bytes that live as long as the program: literals and constant tables.
  static Slice of_static(std::string_view view) { return {nullptr, view}; }

  std::string_view view() const { return view_; }
  const char* data() const { return view_.data(); }
  std::size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }

  // Requires: position <= size().
  Slice sub(std::size_t position, std::size_t length = std::string_view::npos) const {
    return {owner_, view_.substr(position, length)};
  }
  // A slice of the same owner. Requires: `part` lies inside view().
  Slice share(std::string_view part) const { return {owner_, part}; }

 private:
  std::shared_ptr<const void> owner_;
  std::string_view view_;
};

}  // namespace trv
