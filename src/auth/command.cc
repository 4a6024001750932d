// Encoding of commands: docs/formats/access.md.
#include "auth/directory.h"

namespace trv::auth {

namespace {

enum class Op : std::uint8_t {
  put_user = 1,
  delete_user = 2,
  set_rights = 3,
  clear_rights = 4,
  set_topic_rights = 5,
  clear_topic_rights = 6,
  set_limit = 7,
  clear_limit = 8,
  put_vhost = 9,
  delete_vhost = 10,
  put_terms = 11,
  put_parameter = 12,
  delete_parameter = 13,
};

constexpr std::uint64_t tags_max = 1000;
constexpr std::uint64_t digests_max = 1000;

// The bits of what is so of a user's terms.
constexpr std::uint8_t terms_locked = 1;
constexpr std::uint8_t terms_open = 2;
constexpr std::uint8_t terms_only_these = 4;

User read_user(ByteReader& r) {
  User user;
  user.name = r.sized();
  const std::uint8_t hashing = r.u8();
  if (hashing > static_cast<std::uint8_t>(Hashing::sha512)) r.fail();
  user.hashing = static_cast<Hashing>(hashing);
  user.hash = r.sized();
  const std::uint64_t count = r.varint();
  if (count > tags_max) r.fail();
  for (std::uint64_t i = 0; i < count && r.ok(); ++i) user.tags.emplace_back(r.sized());
  return user;
}

PutTerms read_terms(ByteReader& r) {
  PutTerms put;
  put.name = r.sized();
  put.terms.rules = r.sized();
  const std::uint64_t count = r.varint();
  if (count > digests_max) r.fail();
  for (std::uint64_t i = 0; i < count && r.ok(); ++i) {
    put.terms.digests.emplace_back(r.sized());
    if (put.terms.digests.back().size() != digest_size) r.fail();
  }
  const std::uint8_t bits = r.u8();
  if (bits > (terms_locked | terms_open | terms_only_these)) r.fail();
  put.terms.locked = (bits & terms_locked) != 0;
  put.terms.open = (bits & terms_open) != 0;
  put.only_these = (bits & terms_only_these) != 0;
  return put;
}

void write_terms(ByteWriter& w, const PutTerms& put) {
  w.sized(put.name);
  w.sized(put.terms.rules);
  w.varint(put.terms.digests.size());
  for (const std::string& digest : put.terms.digests) w.sized(digest);
  w.u8(static_cast<std::uint8_t>((put.terms.locked ? terms_locked : 0) |
                                 (put.terms.open ? terms_open : 0) |
                                 (put.only_these ? terms_only_these : 0)));
}

Vhost read_vhost(ByteReader& r) {
  Vhost vhost;
  vhost.name = r.sized();
  vhost.description = r.sized();
  const std::uint64_t count = r.varint();
  if (count > tags_max) r.fail();
  for (std::uint64_t i = 0; i < count && r.ok(); ++i) vhost.tags.emplace_back(r.sized());
  vhost.queue_type = r.sized();
  const std::uint8_t state = r.u8();
  if (state > static_cast<std::uint8_t>(Vhost::State::leaving)) r.fail();
  vhost.state = static_cast<Vhost::State>(state);
  return vhost;
}

void write_vhost(ByteWriter& w, const Vhost& vhost) {
  w.sized(vhost.name);
  w.sized(vhost.description);
  w.varint(vhost.tags.size());
  for (const std::string& tag : vhost.tags) w.sized(tag);
  w.sized(vhost.queue_type);
  w.u8(static_cast<std::uint8_t>(vhost.state));
}

LimitScope read_scope(ByteReader& r) {
  const std::uint8_t scope = r.u8();
  if (scope > static_cast<std::uint8_t>(LimitScope::vhost)) r.fail();
  return static_cast<LimitScope>(scope);
}

// 0 is none.
std::optional<Limit> read_limit(ByteReader& r) {
  const std::uint8_t limit = r.u8();
  if (limit > static_cast<std::uint8_t>(Limit::queues)) r.fail();
  if (limit == 0) return std::nullopt;
  return static_cast<Limit>(limit);
}

// Sized texts in their order; braces around this fix the order of evaluation.
std::string text(ByteReader& r) { return std::string(r.sized()); }

SetLimit read_set_limit(ByteReader& r) {
  SetLimit set;
  set.scope = read_scope(r);
  set.name = text(r);
  const auto limit = read_limit(r);
  if (!limit) r.fail();
  set.limit = limit.value_or(Limit::connections);
  set.value = r.varint_signed();
  return set;
}

}  // namespace

std::string encode(const Command& command) {
  std::string out;
  ByteWriter w(out);
  const auto op = [&](Op code) { w.u8(static_cast<std::uint8_t>(code)); };
  const auto texts = [&](std::initializer_list<std::string_view> all) {
    for (const std::string_view one : all) w.sized(one);
  };
  if (const auto* put = std::get_if<PutUser>(&command)) {
    op(Op::put_user);
    w.sized(put->user.name);
    w.u8(static_cast<std::uint8_t>(put->user.hashing));
    w.sized(put->user.hash);
    w.varint(put->user.tags.size());
    for (const std::string& tag : put->user.tags) w.sized(tag);
  } else if (const auto* gone = std::get_if<DeleteUser>(&command)) {
    op(Op::delete_user);
    texts({gone->name});
  } else if (const auto* set = std::get_if<SetRights>(&command)) {
    op(Op::set_rights);
    texts({set->user, set->vhost, set->patterns[0], set->patterns[1], set->patterns[2]});
  } else if (const auto* cleared = std::get_if<ClearRights>(&command)) {
    op(Op::clear_rights);
    texts({cleared->user, cleared->vhost});
  } else if (const auto* topic = std::get_if<SetTopicRights>(&command)) {
    op(Op::set_topic_rights);
    texts({topic->user, topic->vhost, topic->exchange, topic->write, topic->read});
  } else if (const auto* no_topic = std::get_if<ClearTopicRights>(&command)) {
    op(Op::clear_topic_rights);
    texts({no_topic->user, no_topic->vhost, no_topic->exchange});
  } else if (const auto* limit = std::get_if<SetLimit>(&command)) {
    op(Op::set_limit);
    w.u8(static_cast<std::uint8_t>(limit->scope));
    w.sized(limit->name);
    w.u8(static_cast<std::uint8_t>(limit->limit));
    w.varint_signed(limit->value);
  } else if (const auto* no_limit = std::get_if<ClearLimit>(&command)) {
    op(Op::clear_limit);
    w.u8(static_cast<std::uint8_t>(no_limit->scope));
    w.sized(no_limit->name);
    w.u8(no_limit->limit ? static_cast<std::uint8_t>(*no_limit->limit) : 0);
  } else if (const auto* vhost = std::get_if<PutVhost>(&command)) {
    op(Op::put_vhost);
    write_vhost(w, vhost->vhost);
    w.sized(vhost->owner);
  } else if (const auto* no_vhost = std::get_if<DeleteVhost>(&command)) {
    op(Op::delete_vhost);
    texts({no_vhost->name});
  } else if (const auto* terms = std::get_if<PutTerms>(&command)) {
    op(Op::put_terms);
    write_terms(w, *terms);
  } else if (const auto* parameter = std::get_if<PutParameter>(&command)) {
    op(Op::put_parameter);
    texts({parameter->name, parameter->value});
  } else if (const auto* no_parameter = std::get_if<DeleteParameter>(&command)) {
    op(Op::delete_parameter);
    texts({no_parameter->name});
  }
  return out;
}

Result<Command> parse_command(ByteView bytes) {
  ByteReader r(bytes);
  Command command;
  switch (static_cast<Op>(r.u8())) {
    case Op::put_user:
      command = PutUser{read_user(r)};
      break;
    case Op::delete_user:
      command = DeleteUser{text(r)};
      break;
    case Op::set_rights: {
      SetRights set;
      set.user = text(r);
      set.vhost = text(r);
      for (std::string& pattern : set.patterns) pattern = text(r);
      command = std::move(set);
      break;
    }
    case Op::clear_rights:
      command = ClearRights{text(r), text(r)};
      break;
    case Op::set_topic_rights:
      command = SetTopicRights{text(r), text(r), text(r), text(r), text(r)};
      break;
    case Op::clear_topic_rights:
      command = ClearTopicRights{text(r), text(r), text(r)};
      break;
    case Op::set_limit:
      command = read_set_limit(r);
      break;
    case Op::clear_limit: {
      ClearLimit clear;
      clear.scope = read_scope(r);
      clear.name = text(r);
      clear.limit = read_limit(r);
      command = std::move(clear);
      break;
    }
    case Op::put_vhost: {
      PutVhost put;
      put.vhost = read_vhost(r);
      put.owner = text(r);
      command = std::move(put);
      break;
    }
    case Op::delete_vhost:
      command = DeleteVhost{text(r)};
      break;
    case Op::put_terms:
      command = read_terms(r);
      break;
    case Op::put_parameter:
      command = PutParameter{text(r), text(r)};
      break;
    case Op::delete_parameter:
      command = DeleteParameter{text(r)};
      break;
    default:
      r.fail();
  }
  if (!r.done()) return Error{Errc::corrupt, "malformed command about users"};
  return command;
}

}  // namespace trv::auth
