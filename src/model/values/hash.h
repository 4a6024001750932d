// Hash: the fields of a hash key. Owner: the keyspace entry. Pure.
#pragma once

#include "model/values/member_table.h"

namespace trv::model {

struct HashField : TableMember<HashField> {
  std::string value;
};

class Hash {
 public:
  explicit Hash(std::uint64_t seed) : fields_(seed) {}

  std::size_t size() const { return fields_.size(); }
  std::size_t byte_size() const { return fields_.name_bytes() + value_bytes_; }
  const MemberTable<HashField>& fields() const { return fields_; }
  // Null when there is none. Valid until the field changes.
  const std::string* find(ByteView field) const {
    const HashField* found = fields_.find(field);
    return found ? &found->value : nullptr;
  }

  void set(ByteView field, ByteView value) {
    HashField* at = fields_.insert(field).first;
    value_bytes_ += value.size();
    value_bytes_ -= at->value.size();
    at->value = std::string(value);
  }
  // Whether it was there.
  bool remove(ByteView field) {
    const HashField* found = fields_.find(field);
    if (!found) return false;
    value_bytes_ -= found->value.size();
    fields_.erase(*found);
    return true;
  }

 private:
  MemberTable<HashField> fields_;
  std::size_t value_bytes_ = 0;
};

}  // namespace trv::model
