#include "redis/convert.h"

#include <algorithm>

#include "redis/wire/number.h"

namespace trv::redis {

namespace {

constexpr std::string_view null_headers_field = "trivium.null-headers";
constexpr std::string_view null_value_field = "trivium.null-value";
constexpr std::string_view id_header = "redis.id";
constexpr std::string_view replacement = "\xef\xbf\xbd";  // U+FFFD

// Size of the well-formed UTF-8 sequence at the front (RFC 3629), or 0.
std::size_t utf8_sequence(ByteView bytes) {
  auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  unsigned char first = at(0);
  if (first < 0x80) return 1;
  std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || bytes.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  if (first == 0xe0 && at(1) < 0xa0) return 0;  // over-long
  if (first == 0xed && at(1) > 0x9f) return 0;  // surrogates
  if (first == 0xf0 && at(1) < 0x90) return 0;  // over-long
  if (first == 0xf4 && at(1) > 0x8f) return 0;  // beyond U+10FFFF
  return size;
}

void append_json_string(std::string& out, ByteView text) {
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    char c = text[at];
    std::size_t size = utf8_sequence(text.substr(at));
    if (size == 0) {
      out += replacement;
      ++at;
    } else if (size > 1) {
      out += text.substr(at, size);
      at += size;
    } else {
      ++at;
      if (c == '"' || c == '\\') {
        out += '\\';
        out += c;
      } else if (static_cast<unsigned char>(c) >= 0x20) {
        out += c;
      } else {
        constexpr std::string_view hex = "0123456789abcdef";
        switch (c) {
          case '\n':
            out += "\\n";
            break;
          case '\r':
            out += "\\r";
            break;
          case '\t':
            out += "\\t";
            break;
          default:
            out += "\\u00";
            out += hex[static_cast<unsigned char>(c) >> 4];
            out += hex[c & 15];
        }
      }
    }
  }
  out += '"';
}

void append_json_value(std::string& out, ByteView name, ByteView value) {
  if (is_utf8(name) && is_utf8(value)) {
    append_json_string(out, value);
  } else {
    out += "null";
  }
}

// The fields as a JSON object; a repeated name is an array in the place of its first.
std::string json_of(const FieldList& fields) {
  std::string out = "{";
  for (std::size_t i = 0; i < fields.size(); ++i) {
    ByteView name = fields[i].first;
    auto same = [&](const auto& field) { return field.first == name; };
    auto here = fields.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::find_if(fields.begin(), here, same) != here) continue;
    if (out.size() > 1) out += ',';
    append_json_string(out, name);
    out += ':';
    if (std::count_if(here, fields.end(), same) == 1) {
      append_json_value(out, name, fields[i].second);
      continue;
    }
    char separator = '[';
    for (auto field = here; field != fields.end(); ++field) {
      if (!same(*field)) continue;
      out += separator;
      separator = ',';
      append_json_value(out, name, field->second);
    }
    out += ']';
  }
  return out + "}";
}

const FieldList::value_type* find_first(const FieldList& fields, std::string_view name) {
  auto at = std::find_if(fields.begin(), fields.end(),
                         [&](const auto& field) { return field.first == name; });
  return at == fields.end() ? nullptr : &*at;
}

}  // namespace

bool is_utf8(ByteView bytes) {
  while (!bytes.empty()) {
    std::size_t size = utf8_sequence(bytes);
    if (size == 0) return false;
    bytes.remove_prefix(size);
  }
  return true;
}

model::Message FieldsCodec::to_message(const model::StoredRecord& record) const {
  model::Message message;
  message.timestamp_ms = record.timestamp_ms;
  message.owners.push_back(record.owner);
  FieldList fields;
  // The list was encoded by us and lies under the batch's checksum.
  bool sound = model::read_fields(record.value.value_or(ByteView()),
                                  [&](ByteView n, ByteView v) { fields.emplace_back(n, v); });
  TRV_DCHECK(sound);
  (void)sound;
  const auto* value = find_first(fields, "value");
  const auto* key = value ? find_first(fields, "key") : nullptr;
  if (value) {
    message.value = value->second;
    if (key) message.key = key->second;
    for (const auto& field : fields) {
      if (&field != value && &field != key) message.headers.push_back({field.first, field.second});
    }
  } else {
    message.value = message.keep(json_of(fields));
    for (const auto& [name, bytes] : fields) {
      if (!is_utf8(name) || !is_utf8(bytes)) message.headers.push_back({name, bytes});
    }
  }
  message.headers.push_back({id_header, message.keep(id_text(record.id))});
  return message;
}

FieldList fields_of(model::Message& message) {
  FieldList fields;
  fields.reserve(message.headers.size() + 3);
  if (message.key) fields.emplace_back("key", *message.key);
  if (message.value) fields.emplace_back("value", *message.value);
  std::string nulls;
  for (const model::Header& header : message.headers) {
    std::string_view name = header.name;
    if (name == "key") name = "header.key";
    if (name == "value") name = "header.value";
    fields.emplace_back(name, header.value.value_or(ByteView()));
    if (header.value) continue;
    if (!nulls.empty()) nulls += ',';
    nulls += name;
  }
  if (!nulls.empty()) fields.emplace_back(null_headers_field, message.keep(std::move(nulls)));
  if (fields.empty()) fields.emplace_back(null_value_field, "1");
  return fields;
}

void write_fields(ReplyWriter& reply, const broker::Broker& broker,
                  const model::StoredRecord& record, std::string_view payload_field) {
  if (record.origin == model::Origin::fields && record.value) {
    ByteReader reader(*record.value);
    reply.array(static_cast<std::size_t>(reader.varint()) * 2);
    model::read_fields(*record.value, [&](ByteView name, ByteView value) {
      reply.bulk(name);
      reply.bulk(value);
    });
    return;
  }
  model::Message message = broker.message_of(record);
  FieldList fields = fields_of(message);
  if (!payload_field.empty() && message.value && !find_first(fields, payload_field)) {
    fields.emplace_back(payload_field, *message.value);
  }
  reply.array(fields.size() * 2);
  for (const auto& [name, value] : fields) {
    reply.bulk(name);
    reply.bulk(value);
  }
}

}  // namespace trv::redis
