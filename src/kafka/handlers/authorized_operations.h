// What a client may do, as bits by Kafka's numbers for operations: everything that there is, since
// there are no access rules.
#pragma once

#include <cstdint>

namespace trv::kafka {

enum class AclOperation : std::uint8_t {
  read = 3,
  write = 4,
  create = 5,
  remove = 6,
  alter = 7,
  describe = 8,
  cluster_action = 9,
  describe_configs = 10,
  alter_configs = 11,
  idempotent_write = 12,
};

template <class... Operations>
constexpr std::int32_t operation_bits(Operations... operations) {
  return ((std::int32_t{1} << static_cast<int>(operations)) | ...);
}

inline constexpr std::int32_t topic_operations =
    operation_bits(AclOperation::read, AclOperation::write, AclOperation::create,
                   AclOperation::remove, AclOperation::alter, AclOperation::describe,
                   AclOperation::describe_configs, AclOperation::alter_configs);
inline constexpr std::int32_t group_operations =
    operation_bits(AclOperation::read, AclOperation::remove, AclOperation::describe,
                   AclOperation::describe_configs, AclOperation::alter_configs);
inline constexpr std::int32_t cluster_operations = operation_bits(
    AclOperation::create, AclOperation::alter, AclOperation::describe, AclOperation::cluster_action,
    AclOperation::describe_configs, AclOperation::alter_configs, AclOperation::idempotent_write);

}  // namespace trv::kafka
