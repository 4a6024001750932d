#include "redis/handlers/stream_once.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/mutant.h"
#include "broker/added_once.h"

namespace trv::redis {

namespace {

using Once = model::AddedOnce;

// What a remembered name takes in the journal besides its bytes, generously.
constexpr std::uint64_t name_overhead_max = 128;

constexpr std::int64_t keep_seconds_max = 86'400;
constexpr std::int64_t names_max = 10'000;

bool check_part(Call& call, ByteView text, const char* option, const char* part) {
  if (text.empty()) {
    call.reply.error(std::string("ERR ") + option + " requires a non-empty " + part + " ID");
    return false;
  }
  if (text.size() > Once::name_size_max) {
    call.reply.error(std::string("ERR ") + option + " has too long a " + part + " ID");
    return false;
  }
  return true;
}

bool is_second(Call& call, const EntryName& name) {
  if (name.wanted()) call.reply.error("ERR IDMP/IDMPAUTO specified multiple times");
  return name.wanted();
}

}  // namespace

Parsed parse_name_option(Call& call, std::size_t& i, EntryName& name) {
  const std::size_t more = call.args.size() - i - 1;
  if (is_word(call.args[i], "idmpauto") && more >= 1) {
    if (is_second(call, name)) return Parsed::refused;
    name.kind = EntryName::Kind::content;
    name.producer = call.args[++i];
    return check_part(call, name.producer, "IDMPAUTO", "producer") ? Parsed::yes : Parsed::refused;
  }
  if (!is_word(call.args[i], "idmp") || more < 2) return Parsed::no;
  if (is_second(call, name)) return Parsed::refused;
  name.kind = EntryName::Kind::chosen;
  name.producer = call.args[++i];
  name.name = call.args[++i];
  const bool sound = check_part(call, name.producer, "IDMP", "producer") &&
                     check_part(call, name.name, "IDMP", "idempotent");
  return sound ? Parsed::yes : Parsed::refused;
}

void name_by_content(std::span<const ByteView> fields, EntryName& name) {
  if (name.kind != EntryName::Kind::content) return;
  std::vector<std::pair<ByteView, ByteView>> pairs;
  for (std::size_t i = 0; i < fields.size(); i += 2) pairs.emplace_back(fields[i], fields[i + 1]);
  std::sort(pairs.begin(), pairs.end());
  std::string content;
  ByteWriter writer(content);
  for (const auto& [field, value] : pairs) {
    writer.sized(field);
    writer.sized(value);
  }
  constexpr std::size_t digest_size = 16;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  const bool done =
      EVP_Digest(content.data(), content.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1;
  TRV_ASSERT(done);
  name.name.assign(digest.begin(), digest.begin() + digest_size);
}

bool answered_by_name(Call& call, broker::Topic& topic, const EntryName& name) {
  broker::AddedOnce names(call.broker);
  const Once* once = names.find(topic);
  if (!once) return false;
  const std::optional<RecordId> id = once->find(name.producer, name.name, call.now);
  if (!id) {
    if (once->takes(name.producer, name.name)) return false;
    call.reply.error("ERR no more idempotent IDs can be remembered for this stream");
    return true;
  }
  // The reply waits for this entry, and so for the one that was added before it.
  std::string& command = call.service.scratch();
  Once::encode_repeated(command);
  if (call.wait_for(names.execute(topic, broker::Space::less, command))) call.reply.id(*id);
  return true;
}

Result<std::uint64_t> promise_name(Call& call, const EntryName& name) {
  const std::uint64_t size = name_overhead_max + name.producer.size() + name.name.size();
  if (Status room = call.broker.promise(broker::Space::more, size); !room) return room.error();
  return size;
}

bool remember_added(Call& call, broker::Topic& topic, const EntryName& name, RecordId id) {
  if (TRV_MUTANT(name_of_entry_not_remembered)) return true;
  std::string& command = call.service.scratch();
  Once::encode_added(command, name.producer, name.name, id);
  return call.wait_for(broker::AddedOnce(call.broker).execute(topic, broker::Space::more, command));
}

namespace {

// The number at `at`, from 1 to `max`. Nothing after an error reply.
std::optional<std::int64_t> window_arg(Call& call, std::size_t at, const char* name,
                                       std::int64_t max, const char* unit) {
  std::optional<std::int64_t> value = integer_arg(call, at);
  if (!value || (*value >= 1 && *value <= max)) return value;
  call.reply.error(std::string("ERR ") + name + " must be between 1 and " + std::to_string(max) +
                   " " + unit);
  return std::nullopt;
}

struct WindowOptions {
  std::optional<std::int64_t> seconds;
  std::optional<std::int64_t> names;
};

bool parse_window(Call& call, WindowOptions& options) {
  for (std::size_t i = 2; i < call.args.size(); i += 2) {
    const bool more = i + 1 < call.args.size();
    if (more && is_word(call.args[i], "idmp-duration") && !options.seconds) {
      options.seconds = window_arg(call, i + 1, "IDMP-DURATION", keep_seconds_max, "seconds");
      if (!options.seconds) return false;
    } else if (more && is_word(call.args[i], "idmp-maxsize") && !options.names) {
      options.names = window_arg(call, i + 1, "IDMP-MAXSIZE", names_max, "entries");
      if (!options.names) return false;
    } else {
      call.reply.error(text::syntax);
      return false;
    }
  }
  if (options.seconds || options.names) return true;
  call.reply.error("ERR At least one parameter must be specified");
  return false;
}

}  // namespace

void xcfgset(Call& call) {
  WindowOptions options;
  if (!parse_window(call, options)) return;
  FoundStream found = find_stream(call, call.args[1]);
  if (found.refused) return;
  if (!found.topic) return call.reply.error(text::no_such_key);
  broker::AddedOnce names(call.broker);
  const Once* once = names.find(*found.topic);
  const Once::Window before = once ? once->window() : Once::Window{};
  Once::Window window = before;
  if (options.seconds) window.keep = std::chrono::seconds(*options.seconds);
  if (options.names) window.per_producer = static_cast<std::uint32_t>(*options.names);
  if (window == before) return call.reply.ok();
  std::string& command = call.service.scratch();
  Once::encode_window(command, window);
  if (call.wait_for(names.execute(*found.topic, broker::Space::less, command))) call.reply.ok();
}

}  // namespace trv::redis
