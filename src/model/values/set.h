// Set: the members of a set key. Owner: the keyspace entry. Pure.
#pragma once

#include "model/values/member_table.h"

namespace trv::model {

struct SetMember : TableMember<SetMember> {};

class Set {
 public:
  explicit Set(std::uint64_t seed) : members_(seed) {}

  std::size_t size() const { return members_.size(); }
  std::size_t byte_size() const { return members_.name_bytes(); }
  const MemberTable<SetMember>& members() const { return members_; }
  bool contains(ByteView member) const { return members_.find(member) != nullptr; }

  // Whether it was not there before.
  bool add(ByteView member) { return members_.insert(member).second; }
  // Whether it was there.
  bool remove(ByteView member) {
    const SetMember* found = members_.find(member);
    if (found) members_.erase(*found);
    return found != nullptr;
  }

 private:
  MemberTable<SetMember> members_;
};

}  // namespace trv::model
