// Value: what a key holds: a string, or a collection of one of the types.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>

#include "model/values/hash.h"
#include "model/values/list.h"
#include "model/values/set.h"
#include "model/values/sorted_set.h"

namespace trv::model {

enum class ValueType : std::uint8_t { string, list, set, hash, sorted_set };

class Value {
 public:
  ValueType type() const { return static_cast<ValueType>(held_.index()); }
  bool is_string() const { return held_.index() == 0; }
  // Requires: it is a string.
  const std::string& text() const { return *std::get_if<std::string>(&held_); }
  std::string& text() { return *std::get_if<std::string>(&held_); }
  // Null when it is of another type.
  template <class T>
  const T* as() const {
    auto* found = std::get_if<std::unique_ptr<T>>(&held_);
    return found ? found->get() : nullptr;
  }
  template <class T>
  T* as() {
    auto* found = std::get_if<std::unique_ptr<T>>(&held_);
    return found ? found->get() : nullptr;
  }
  // Of what the client stored, without what keeping it takes.
  std::size_t byte_size() const;
  // Elements or members; bytes of a string.
  std::size_t size() const;

  // Makes it an empty one of that type.
  void reset_string() { held_ = std::string(); }
  template <class T>
  T& reset(std::uint64_t seed) {
    return *held_.template emplace<std::unique_ptr<T>>(std::make_unique<T>(seed));
  }

 private:
  std::variant<std::string, std::unique_ptr<List>, std::unique_ptr<Set>, std::unique_ptr<Hash>,
               std::unique_ptr<SortedSet>>
      held_;
};

inline std::size_t Value::byte_size() const {
  if (is_string()) return text().size();
  if (auto* list = as<List>()) return list->byte_size();
  if (auto* set = as<Set>()) return set->byte_size();
  if (auto* hash = as<Hash>()) return hash->byte_size();
  return as<SortedSet>()->byte_size();
}

inline std::size_t Value::size() const {
  if (is_string()) return text().size();
  if (auto* list = as<List>()) return list->size();
  if (auto* set = as<Set>()) return set->size();
  if (auto* hash = as<Hash>()) return hash->size();
  return as<SortedSet>()->size();
}

}  // namespace trv::model
