// The bytes of share group records: docs/formats/share-groups.md.
#include "model/share_group.h"

namespace trv::model {
namespace {

// First byte of each command; numbers are never used again for something else.
enum class Kind : std::uint8_t { create = 1, forget = 2, settings = 3 };
constexpr std::uint8_t snapshot_version = 1;

std::string begin(Kind kind, std::string_view group) {
  std::string bytes;
  ByteWriter out(bytes);
  out.u8(static_cast<std::uint8_t>(kind));
  out.sized(group);
  return bytes;
}

void write_settings(ByteWriter& out, const ShareGroupRecords::Settings& settings) {
  out.varint(settings.size());
  for (const auto& [name, value] : settings) {
    out.sized(name);
    out.sized(value);
  }
}

// Counts are only believed as far as the bytes reach.
ShareGroupRecords::Settings read_settings(ByteReader& in) {
  ShareGroupRecords::Settings settings;
  for (std::uint64_t count = in.varint(); count > 0 && in.ok(); --count) {
    std::string name(in.sized());
    settings.insert_or_assign(std::move(name), std::string(in.sized()));
  }
  return settings;
}

}  // namespace

bool ShareGroupRecords::exists(std::string_view group) const {
  auto it = records_.find(group);
  return it != records_.end() && it->second.exists;
}

const ShareGroupRecords::Settings& ShareGroupRecords::settings(std::string_view group) const {
  static const Settings none;
  auto it = records_.find(group);
  return it == records_.end() ? none : it->second.settings;
}

std::vector<std::string> ShareGroupRecords::names() const {
  std::vector<std::string> names;
  for (const auto& [name, record] : records_) {
    if (record.exists) names.push_back(name);
  }
  return names;
}

std::vector<std::string> ShareGroupRecords::names_with_settings() const {
  std::vector<std::string> names;
  for (const auto& [name, record] : records_) {
    if (!record.settings.empty()) names.push_back(name);
  }
  return names;
}

std::string ShareGroupRecords::encode_create(std::string_view group) {
  return begin(Kind::create, group);
}

std::string ShareGroupRecords::encode_forget(std::string_view group) {
  return begin(Kind::forget, group);
}

std::string ShareGroupRecords::encode_settings(std::string_view group, const Settings& settings) {
  std::string bytes = begin(Kind::settings, group);
  ByteWriter out(bytes);
  write_settings(out, settings);
  return bytes;
}

Status ShareGroupRecords::apply(ByteView command) {
  ByteReader in(command);
  auto kind = static_cast<Kind>(in.u8());
  std::string group(in.sized());
  Settings settings;
  if (kind == Kind::settings) {
    settings = read_settings(in);
  } else if (kind != Kind::create && kind != Kind::forget) {
    in.fail();
  }
  if (!in.done()) return Error{Errc::corrupt, "share groups: damaged or unknown command"};
  auto at = records_.try_emplace(std::move(group)).first;
  if (kind == Kind::settings) {
    at->second.settings = std::move(settings);
  } else {
    at->second.exists = kind == Kind::create;
  }
  if (!at->second.exists && at->second.settings.empty()) records_.erase(at);
  return {};
}

std::string ShareGroupRecords::snapshot() const {
  std::string bytes;
  ByteWriter out(bytes);
  out.u8(snapshot_version);
  out.varint(records_.size());
  for (const auto& [name, record] : records_) {
    out.sized(name);
    out.u8(record.exists ? 1 : 0);
    write_settings(out, record.settings);
  }
  return bytes;
}

Status ShareGroupRecords::restore(ByteView snapshot) {
  ByteReader in(snapshot);
  if (in.u8() != snapshot_version) {
    return Error{Errc::corrupt, "share groups: unknown snapshot version"};
  }
  ShareGroupRecords fresh;
  for (std::uint64_t count = in.varint(); count > 0 && in.ok(); --count) {
    std::string name(in.sized());
    Record record;
    record.exists = in.u8() != 0;
    record.settings = read_settings(in);
    if (!record.exists && record.settings.empty()) continue;
    fresh.records_.insert_or_assign(std::move(name), std::move(record));
  }
  if (!in.done()) return Error{Errc::corrupt, "share groups: damaged snapshot"};
  *this = std::move(fresh);
  return {};
}

}  // namespace trv::model
