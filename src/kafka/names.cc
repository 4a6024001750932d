#include "kafka/names.h"

#include "kafka/service.h"

namespace trv::kafka {
namespace {

// Any constant but zero does: the lower half alone is unique.
constexpr std::uint64_t uuid_high = 0x5472'6976'6975'4d00;

bool valid_topic_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

}  // namespace

bool valid_topic_name(std::string_view name) {
  if (name.empty() || name.size() > topic_name_size_max || name == "." || name == "..")
    return false;
  for (char c : name) {
    if (!valid_topic_character(c)) return false;
  }
  return true;
}

wire::Uuid topic_uuid(TopicId id) { return {uuid_high, id.value}; }

TopicId topic_id(const wire::Uuid& uuid) {
  return uuid.high == uuid_high ? TopicId(uuid.low) : TopicId();
}

}  // namespace trv::kafka
