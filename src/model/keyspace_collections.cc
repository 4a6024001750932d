// Commands about lists, sets, hashes and sorted sets: their form, and what they do.
#include <cmath>
#include <vector>

#include "base/mutant.h"
#include "model/keyspace.h"

namespace trv::model {

namespace {

using Op = KeyspaceOp;

// A checkpoint's commands are of about this size.
constexpr std::size_t copy_chunk_size = 64u << 10;

Error corrupt(const char* what) {
  return {Errc::corrupt, std::string("keyspace command: ") + what};
}

double read_score(ByteReader& reader) { return std::bit_cast<double>(reader.u64_le()); }

// Whether what follows the key is of the operation's form.
bool has_form(Op op, ByteReader reader) {
  switch (op) {
    case Op::push_front:
    case Op::push_back:
    case Op::set_add:
    case Op::set_remove:
    case Op::hash_remove:
    case Op::sorted_remove:
      while (reader.ok() && reader.remaining() > 0) reader.sized();
      return reader.ok();
    case Op::hash_set:
      while (reader.ok() && reader.remaining() > 0) {
        reader.sized();
        reader.sized();
      }
      return reader.ok();
    case Op::sorted_add:
      while (reader.ok() && reader.remaining() > 0) {
        if (std::isnan(read_score(reader))) return false;
        reader.sized();
      }
      return reader.ok();
    case Op::list_erase:
      while (reader.ok() && reader.remaining() > 0) reader.varint();
      return reader.ok();
    case Op::pop_front:
    case Op::pop_back:
      reader.varint();
      return reader.done();
    case Op::list_set:
    case Op::list_insert:
      reader.varint();
      return reader.ok();
    default:
      return false;
  }
}

bool makes_key(Op op) {
  return op == Op::push_front || op == Op::push_back || op == Op::set_add || op == Op::hash_set ||
         op == Op::sorted_add;
}

// Requires: the reader has the operation's form. What is not there does not matter: the key may
// have expired since the change was decided.
void change(Op op, ByteReader& reader, List& list) {
  if (op == Op::push_front) {
    while (reader.remaining() > 0) list.push_front(reader.sized());
  } else if (op == Op::push_back) {
    while (reader.remaining() > 0) list.push_back(reader.sized());
  } else if (op == Op::pop_front) {
    if (!TRV_MUTANT(list_pop_not_applied)) list.pop_front(reader.varint());
  } else if (op == Op::pop_back) {
    list.pop_back(reader.varint());
  } else if (op == Op::list_set) {
    std::uint64_t index = reader.varint();
    list.set(index, reader.rest());
  } else if (op == Op::list_insert) {
    std::uint64_t index = reader.varint();
    list.insert(index, reader.rest());
  } else {
    std::vector<std::size_t> indexes;
    std::uint64_t index = 0;
    while (reader.remaining() > 0) indexes.push_back(index += reader.varint());
    list.erase(indexes);
  }
}

void change(Op op, ByteReader& reader, Set& set) {
  while (reader.remaining() > 0) {
    ByteView member = reader.sized();
    if (op == Op::set_add) {
      set.add(member);
    } else {
      set.remove(member);
    }
  }
}

void change(Op op, ByteReader& reader, Hash& hash) {
  while (reader.remaining() > 0) {
    ByteView field = reader.sized();
    if (op == Op::hash_set) {
      hash.set(field, reader.sized());
    } else {
      hash.remove(field);
    }
  }
}

void change(Op op, ByteReader& reader, SortedSet& sorted) {
  while (reader.remaining() > 0) {
    if (op == Op::sorted_add) {
      double score = read_score(reader);
      sorted.set(reader.sized(), score);
    } else {
      sorted.remove(reader.sized());
    }
  }
}

}  // namespace

template <class T>
Status Keyspace::change_collection(Op op, ByteView key, ByteReader& reader, WallTime now,
                                   std::uint64_t mark) {
  std::uint64_t hash = hash_of(key);
  Entry* entry = find_entry(key, hash);
  bool expired = entry && entry->expires && *entry->expires <= now &&
                 !TRV_MUTANT(expired_collection_comes_back);
  if (entry && !expired && !entry->value.as<T>()) return corrupt("another type");
  if (!entry || expired) {
    if (!makes_key(op)) return {};
    if (entry) {
      forget_value(*entry);
    } else {
      entry = &insert(key, hash);
    }
    entry->value.reset<T>(seed_);
  }
  T& value = *entry->value.as<T>();
  byte_size_ -= value.byte_size();
  change(op, reader, value);
  byte_size_ += value.byte_size();
  if (value.size() > 0) {
    touch(*entry, mark);
  } else {
    removal_mark_ = mark;
    // The key is copied: it dies with its entry.
    bool removed = remove(std::string(key));
    TRV_ASSERT(removed);
  }
  return {};
}

Status Keyspace::apply_collection(Op op, ByteReader& reader, WallTime now, std::uint64_t mark) {
  ByteView key = reader.sized();
  if (!reader.ok() || !has_form(op, reader)) return corrupt("bad form");
  if (op <= Op::list_erase) return change_collection<List>(op, key, reader, now, mark);
  if (op <= Op::set_remove) return change_collection<Set>(op, key, reader, now, mark);
  if (op <= Op::hash_remove) return change_collection<Hash>(op, key, reader, now, mark);
  return change_collection<SortedSet>(op, key, reader, now, mark);
}

void Keyspace::encode_copy(const Entry& entry, ByteView key,
                           const std::function<void(ByteView)>& sink) {
  std::string command;
  const Value& value = entry.value;
  if (value.is_string()) {
    encode_put(command, key, value.text(), entry.expires);
    return sink(command);
  }
  Op op = Op::push_back;
  auto add = [&](auto&& write) {
    if (command.size() >= copy_chunk_size) {
      sink(command);
      command.clear();
    }
    if (command.empty()) begin_command(command, op, key);
    write();
  };
  if (auto* list = value.as<List>()) {
    for (const std::string& element : list->elements()) {
      add([&] { ByteWriter(command).sized(element); });
    }
  } else if (auto* set = value.as<Set>()) {
    op = Op::set_add;
    for (std::size_t i = 0; i < set->size(); ++i) {
      add([&] { ByteWriter(command).sized(set->members().at(i).name); });
    }
  } else if (auto* hash = value.as<Hash>()) {
    op = Op::hash_set;
    for (std::size_t i = TRV_MUTANT(hash_field_lost_in_checkpoint) ? 1 : 0; i < hash->size(); ++i) {
      const HashField& field = hash->fields().at(i);
      add([&] {
        ByteWriter(command).sized(field.name);
        ByteWriter(command).sized(field.value);
      });
    }
  } else {
    op = Op::sorted_add;
    const MemberTable<SortedMember>& members = value.as<SortedSet>()->members();
    for (std::size_t i = 0; i < members.size(); ++i) {
      add([&] { append_scored(command, members.at(i).score, members.at(i).name); });
    }
  }
  sink(command);
  if (!entry.expires) return;
  command.clear();
  encode_expire(command, key, *entry.expires);
  sink(command);
}

}  // namespace trv::model
