#include "kafka_value.h"

#include <algorithm>

#include "base/assert.h"

namespace trv::fuzz {

namespace {

using Kind = SchemaField::Kind;

constexpr std::int16_t api_versions_key = 18;

void write_tags_end(ByteWriter& out, bool flexible) {
  if (flexible) out.varint(0);
}

class RequestWriter {
 public:
  RequestWriter(std::string& out, std::int16_t version, bool flexible)
      : out_(out), version_(version), flexible_(flexible) {}

  void fields(SchemaFields place, const Value& owner) {
    std::string tagged;
    std::uint64_t tags = 0;
    for (const SchemaField& field : fields_of(place)) {
      if (!field.in(version_)) continue;
      if (field.tag < 0) {
        write(field, owner);
      } else if (owner.has(field.name)) {
        std::string content;
        RequestWriter(content, version_, flexible_).write(field, owner);
        ByteWriter out(tagged);
        out.varint(static_cast<std::uint64_t>(field.tag));
        out.sized(content);
        ++tags;
      }
    }
    if (!flexible_) return;
    out_.varint(tags);
    out_.bytes(tagged);
  }

 private:
  void write(const SchemaField& field, const Value& owner) {
    const bool given = owner.has(field.name);
    const Value& value = owner[field.name];
    const bool is_null = value.is_null() && field.nullable_in(version_);
    if (field.is_array) {
      length(is_null ? -1 : static_cast<std::int64_t>(value.items().size()), false);
      for (const Value& item : value.items()) element(field, item, false);
    } else if (!given && field.kind <= Kind::i64) {
      element(field, Value(field.value), false);
    } else {
      element(field, value, is_null);
    }
  }

  void element(const SchemaField& field, const Value& value, bool is_null) {
    const std::int64_t number = value.number();
    switch (field.kind) {
      case Kind::boolean:
      case Kind::i8:
        return out_.i8(static_cast<std::int8_t>(number));
      case Kind::i16:
        return out_.i16(static_cast<std::int16_t>(number));
      case Kind::i32:
        return out_.i32(static_cast<std::int32_t>(number));
      case Kind::i64:
      case Kind::f64:
        return out_.i64(number);
      case Kind::uuid:
        return out_.bytes(value.text().size() == 16 ? value.text() : no_uuid());
      case Kind::string:
        return text(value, is_null, true);
      case Kind::bytes:
      case Kind::records:
        return text(value, is_null, false);
      case Kind::record:
        if (may_be_null(field)) out_.i8(is_null ? -1 : 1);
        if (!is_null) fields(field.fields(), value);
    }
  }

  // An array that may be null has no elements that may be.
  bool may_be_null(const SchemaField& field) const {
    return !field.is_array && field.nullable_in(version_);
  }
  void text(const Value& value, bool is_null, bool is_short) {
    length(is_null ? -1 : static_cast<std::int64_t>(value.text().size()), is_short);
    if (!is_null) out_.bytes(value.text());
  }
  void length(std::int64_t size, bool is_short) {
    if (flexible_) {
      out_.varint(static_cast<std::uint64_t>(size + 1));
    } else if (is_short) {
      out_.i16(static_cast<std::int16_t>(size));
    } else {
      out_.i32(static_cast<std::int32_t>(size));
    }
  }

  ByteWriter out_;
  std::int16_t version_;
  bool flexible_;
};

class AnswerReader {
 public:
  AnswerReader(ByteReader& in, std::int16_t version, bool flexible)
      : in_(in), version_(version), flexible_(flexible) {}

  Value fields(SchemaFields place) {
    Value out;
    for (const SchemaField& field : fields_of(place)) {
      if (!field.in(version_)) continue;
      out.set(field.name, field.tag < 0 ? read(field) : Value(field.value));
    }
    if (flexible_) tags(place, out);
    return out;
  }

 private:
  // Kafka protocol, KIP-482: ascending, each once, of the size that it says.
  void tags(SchemaFields place, Value& out) {
    std::int64_t last = -1;
    for (std::uint64_t left = in_.varint(); left > 0 && in_.ok(); --left) {
      const auto tag = static_cast<std::int64_t>(in_.varint());
      TRV_ASSERT(tag > last);
      last = tag;
      ByteReader content(in_.bytes(in_.varint()));
      AnswerReader inner(content, version_, flexible_);
      for (const SchemaField& field : fields_of(place)) {
        if (field.tag == tag && field.in(version_)) out.set(field.name, inner.read(field));
      }
      TRV_ASSERT(content.done());
    }
  }

  Value read(const SchemaField& field) {
    if (!field.is_array) return element(field);
    const std::int64_t count = length(false);
    TRV_ASSERT(count >= 0 || field.nullable_in(version_));
    if (count < 0) return {};
    TRV_ASSERT(static_cast<std::uint64_t>(count) <= in_.remaining());
    std::vector<Value> items;
    for (std::int64_t i = 0; i < count; ++i) items.push_back(element(field));
    return items;
  }

  Value element(const SchemaField& field) {
    switch (field.kind) {
      case Kind::boolean: {
        const std::int8_t flag = in_.i8();
        TRV_ASSERT(flag == 0 || flag == 1);
        return static_cast<std::int64_t>(flag);
      }
      case Kind::i8:
        return static_cast<std::int64_t>(in_.i8());
      case Kind::i16:
        return static_cast<std::int64_t>(in_.i16());
      case Kind::i32:
        return static_cast<std::int64_t>(in_.i32());
      case Kind::i64:
      case Kind::f64:
        return in_.i64();
      case Kind::uuid:
        return in_.bytes(16);
      case Kind::string:
        return text(field, true);
      case Kind::bytes:
      case Kind::records:
        return text(field, false);
      case Kind::record:
        if (may_be_null(field) && in_.i8() < 0) return {};
        return fields(field.fields());
    }
    return {};
  }

  Value text(const SchemaField& field, bool is_short) {
    const std::int64_t size = length(is_short);
    TRV_ASSERT(size >= 0 || may_be_null(field));
    if (size < 0) return {};
    return in_.bytes(static_cast<std::size_t>(size));
  }
  bool may_be_null(const SchemaField& field) const {
    return !field.is_array && field.nullable_in(version_);
  }
  // -1 when null.
  std::int64_t length(bool is_short) {
    std::int64_t size;
    if (flexible_) {
      size = static_cast<std::int64_t>(in_.varint()) - 1;
    } else {
      size = is_short ? in_.i16() : in_.i32();
    }
    TRV_ASSERT(in_.ok());
    TRV_ASSERT(size >= -1);
    return size;
  }

  ByteReader& in_;
  std::int16_t version_;
  bool flexible_;
};

}  // namespace

const std::string& no_uuid() {
  static const std::string zeros(16, '\0');
  return zeros;
}

Value& Value::set(std::string_view name, Value value) {
  kind_ = Kind::record;
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found != names_.end()) {
    items_[static_cast<std::size_t>(found - names_.begin())] = std::move(value);
  } else {
    names_.push_back(name);
    items_.push_back(std::move(value));
  }
  return *this;
}

bool Value::has(std::string_view name) const {
  return std::find(names_.begin(), names_.end(), name) != names_.end();
}

const Value& Value::operator[](std::string_view name) const {
  static const Value null;
  const auto found = std::find(names_.begin(), names_.end(), name);
  return found == names_.end() ? null : items_[static_cast<std::size_t>(found - names_.begin())];
}

std::string encode_request(const SchemaApi& api, std::int16_t version, std::int32_t correlation,
                           const Value& request) {
  std::string frame;
  ByteWriter out(frame);
  out.i16(api.key);
  out.i16(version);
  out.i32(correlation);
  out.i16(6);
  out.bytes("client");
  const bool flexible = version >= api.flexible_from;
  write_tags_end(out, flexible);
  RequestWriter(frame, version, flexible).fields(api.request, request);
  return frame;
}

Value decode_answer(const SchemaApi& api, std::int16_t version, std::int32_t correlation,
                    ByteView answer) {
  ByteReader in(answer);
  TRV_ASSERT(in.u32() == answer.size() - 4);
  TRV_ASSERT(in.i32() == correlation);
  const bool flexible = version >= api.flexible_from;
  // The answer to ApiVersions never has tagged fields in its header (KIP-511).
  if (flexible && api.key != api_versions_key) TRV_ASSERT(in.varint() == 0);
  Value value = AnswerReader(in, version, flexible).fields(api.response);
  TRV_ASSERT(in.done());
  return value;
}

std::string to_text(const Value& value) {
  if (value.is_null()) return "null";
  if (!value.names().empty()) {
    std::string out = "{";
    for (std::string_view name : value.names()) {
      out += std::string(name) + ": " + to_text(value[name]) + ", ";
    }
    return out + "}";
  }
  if (!value.items().empty()) {
    std::string out = "[";
    for (const Value& item : value.items()) out += to_text(item) + ", ";
    return out + "]";
  }
  if (value.text().empty()) return std::to_string(value.number());
  std::string out = "'";
  for (const char c : value.text().substr(0, 60)) out += c >= ' ' && c <= '~' ? c : '.';
  return out + "'(" + std::to_string(value.text().size()) + ")";
}

}  // namespace trv::fuzz
