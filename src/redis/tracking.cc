#include "redis/tracking.h"

#include <algorithm>
#include <utility>

#include "base/mutant.h"
#include "broker/keyspaces.h"
#include "broker/topics.h"
#include "redis/command_table.h"
#include "redis/service.h"

namespace trv::redis {

namespace {

constexpr ConnectionId nobody{};
constexpr std::string_view channel = "__redis__:invalidate";

void write_keys(ReplyWriter& writer, const Tracking::Keys& keys) {
  if (keys.empty()) return writer.null();
  writer.array(keys.size());
  for (const std::string& key : keys) writer.bulk(key);
}

// RESP2 has no place for it but a message to a subscriber of the channel.
enum class Order : std::uint8_t { at_once, behind_replies };
void tell(Client& client, const Tracking::Keys& keys, bool redirected, Order order) {
  const Session& session = client.session();
  const bool resp3 = session.protocol == Protocol::resp3;
  if (!resp3 && (!redirected || session.subscription_count() == 0)) return;
  std::string bytes;
  ReplyWriter writer(bytes, session.protocol);
  if (resp3) {
    writer.push(2);
    writer.bulk("invalidate");
  } else {
    writer.array(3);
    writer.bulk("message");
    writer.bulk(channel);
  }
  write_keys(writer, keys);
  const Slice out = Slice::own(std::move(bytes));
  order == Order::at_once ? client.push(out) : client.push_behind(out);
}

bool has_prefix_of(const TrackingOptions& options, const std::string& key) {
  return std::any_of(options.prefixes.begin(), options.prefixes.end(),
                     [&](const std::string& prefix) { return key.starts_with(prefix); });
}

}  // namespace

Tracking::~Tracking() {
  for (auto& [key, entry] : table_) {
    if (entry.watch) service_.broker().topics().unwatch(key, *entry.watch);
  }
}

// --- keys ----------------------------------------------------------------------------------------

void Tracking::remember(const Call& call, std::span<const ByteView> args, const Command& command) {
  CommandTable::each_key(command, args, [&](std::size_t i) { remember_key(call, args[i]); });
}

void Tracking::remember_key(const Call& call, ByteView key) {
  // A script may name keys that lie elsewhere only if it does not touch them.
  if (!service_.broker().owns(key)) return;
  const ConnectionId reader = call.caller.connection;
  const bool broadcast = call.caller.tracks == Tracks::broadcast;
  const bool is_key = service_.broker().keyspaces().of(key).find(key, call.now) != nullptr;
  if (!is_key && service_.broker().topics().find(key) && !TRV_MUTANT(tracking_keeps_streams)) {
    return send({reader, broadcast}, {std::string(key)}, nobody);
  }
  // Its changes are told to all who listen to the prefix.
  if (is_key && broadcast) return;
  auto [at, fresh] = table_.try_emplace(std::string(key));
  Entry& entry = at->second;
  if (!fresh) bytes_ -= size_of(at->first, entry);
  auto known = std::find_if(entry.readers.begin(), entry.readers.end(),
                            [reader](const Reader& one) { return one.client == reader; });
  if (known == entry.readers.end()) {
    entry.readers.push_back({reader, broadcast});
    ++items_;
  } else {
    known->broadcast = broadcast;
  }
  bytes_ += size_of(at->first, entry);
  if (!is_key && !entry.watch) watch(at->first, entry);
  make_room();
}

void Tracking::watch(const std::string& key, Entry& entry) {
  entry.watch = service_.broker().topics().watch(key, [this, key] { on_appeared(key); });
}

// What was not there may be a stream now, of whatever protocol.
void Tracking::on_appeared(const std::string& key) {
  auto at = table_.find(key);
  if (at == table_.end()) return;
  at->second.watch.reset();  // it has run
  std::vector<Reader> readers = at->second.readers;
  forget(at);
  for (const Reader& one : readers) send(one, {key}, nobody);
}

std::size_t Tracking::size_of(const std::string& key, const Entry& entry) {
  constexpr std::size_t overhead = 128;
  return overhead + 2 * key.size() + entry.readers.size() * sizeof(Reader);
}

void Tracking::forget(Table::iterator at) {
  bytes_ -= size_of(at->first, at->second);
  items_ -= at->second.readers.size();
  if (at->second.watch) service_.broker().topics().unwatch(at->first, *at->second.watch);
  table_.erase(at);
}

void Tracking::make_room() {
  while (!table_.empty() && ((keys_max_ != 0 && table_.size() > keys_max_) || bytes_ > bytes_max)) {
    auto at = table_.begin();
    const std::string key = at->first;
    const std::vector<Reader> readers = at->second.readers;
    forget(at);
    if (TRV_MUTANT(tracking_forgets_silently)) continue;
    for (const Reader& one : readers) send(one, {key}, nobody);
  }
}

void Tracking::set_keys_max(std::uint64_t keys_max) {
  keys_max_ = keys_max;
  make_room();
}

void Tracking::on_changed(std::string_view key, ConnectionId by) {
  if (!prefixes_.empty()) broadcast(key, by);
  if (table_.empty()) return;
  auto at = table_.find(std::string(key));
  if (at == table_.end() || TRV_MUTANT(tracked_change_not_told)) return;
  const std::vector<Reader> readers = at->second.readers;
  forget(at);
  for (const Reader& one : readers) {
    if (!one.broadcast) send(one, {std::string(key)}, by);
  }
}

void Tracking::on_flush() {
  while (!table_.empty()) forget(table_.begin());
  // Who has read here may be anywhere.
  service_.each_core([](Service& there) { there.tracking().flush_clients(); });
}

Tracking::Figures Tracking::figures() const { return {table_.size(), items_, prefixes_.size()}; }

// --- prefixes ------------------------------------------------------------------------------------

void Tracking::add_prefixes(ConnectionId client, const std::vector<std::string>& prefixes) {
  for (const std::string& prefix : prefixes) prefixes_[prefix].clients.insert(client);
}

void Tracking::remove_prefixes(ConnectionId client, const std::vector<std::string>& prefixes) {
  for (const std::string& prefix : prefixes) {
    auto at = prefixes_.find(prefix);
    if (at == prefixes_.end()) continue;
    at->second.clients.erase(client);
    if (at->second.clients.empty()) prefixes_.erase(at);
  }
}

void Tracking::remove_prefixes(ConnectionId client) {
  for (auto& [prefix, state] : prefixes_) state.clients.erase(client);
  std::erase_if(prefixes_, [](const auto& one) { return one.second.clients.empty(); });
}

void Tracking::broadcast(std::string_view key, ConnectionId by) {
  for (auto& [prefix, state] : prefixes_) {
    if (!key.starts_with(prefix)) continue;
    auto [at, fresh] = state.changed.try_emplace(std::string(key), by);
    if (!fresh && at->second != by) at->second = nobody;
    if (std::exchange(broadcasts_due_, true)) continue;
    // What one command or transaction changes is told in one message.
    service_.broker().core().post([this] { send_broadcasts(); });
  }
}

void Tracking::send_broadcasts() {
  broadcasts_due_ = false;
  // One message a prefix, but who does not want to hear of its own changes gets those of others.
  struct Message {
    std::set<ConnectionId> clients;
    std::map<ConnectionId, Keys> by_changer;
  };
  std::vector<Message> messages;  // who is told may leave, and take its prefixes away
  for (auto& [prefix, state] : prefixes_) {
    if (state.changed.empty()) continue;
    Message& message = messages.emplace_back(Message{state.clients, {}});
    for (const auto& [key, by] : std::exchange(state.changed, {})) {
      message.by_changer[by].push_back(key);
    }
  }
  for (const Message& message : messages) {
    for (ConnectionId client : message.clients) {
      service_.at_home(client, [client, changed = message.by_changer](Service& home) {
        home.tracking().deliver_broadcast(client, changed);
      });
    }
  }
}

void Tracking::deliver_broadcast(ConnectionId client,
                                 const std::map<ConnectionId, Keys>& by_changer) {
  Client* found = service_.find_client(client);
  if (!found || !found->session().tracking.broadcast) return;
  Keys keys;
  for (const auto& [by, some] : by_changer) {
    if (by == client && found->session().tracking.no_loop) continue;
    keys.insert(keys.end(), some.begin(), some.end());
  }
  if (!keys.empty()) tell_client(*found, keys, by_changer.contains(client) ? client : nobody);
}

// --- clients -------------------------------------------------------------------------------------

void Tracking::send(Reader reader, Keys keys, ConnectionId by) {
  service_.at_home(reader.client, [reader, keys = std::move(keys), by](Service& home) {
    home.tracking().deliver(reader, keys, by);
  });
}

void Tracking::deliver(Reader reader, const Keys& keys, ConnectionId by) {
  Client* found = service_.find_client(reader.client);
  if (!found) return;
  const TrackingOptions& options = found->session().tracking;
  if (!options.on || options.broadcast != reader.broadcast) return;
  if (options.no_loop && by == reader.client) return;
  if (options.broadcast && !has_prefix_of(options, keys.front())) return;
  tell_client(*found, keys, by);
}

void Tracking::flush_clients() {
  // Who is told may turn out to be gone.
  std::vector<ConnectionId> tracking;
  for (const auto& [id, client] : service_.clients()) {
    if (client->session().tracking.on) tracking.push_back(id);
  }
  for (ConnectionId id : tracking) {
    if (Client* client = service_.find_client(id)) tell_client(*client, {}, nobody);
  }
}

void Tracking::tell_client(Client& client, const Keys& keys, ConnectionId by) {
  const ConnectionId from = client.session().id;
  const ConnectionId to = client.session().tracking.redirect;
  // The reply to what it has changed itself comes first.
  if (to == nobody) {
    return tell(client, keys, false, by == from ? Order::behind_replies : Order::at_once);
  }
  service_.at_home(to, [from, to, keys](Service& home) {
    if (Client* target = home.find_client(to)) return tell(*target, keys, true, Order::at_once);
    home.at_home(from,
                 [from, to](Service& there) { there.tracking().on_redirect_broken(from, to); });
  });
}

void Tracking::on_redirect_broken(ConnectionId client, ConnectionId target) {
  Client* found = service_.find_client(client);
  if (!found || found->session().tracking.redirect != target) return;
  found->session().tracking.broken = true;
  if (found->session().protocol != Protocol::resp3) return;
  std::string bytes;
  ReplyWriter writer(bytes, Protocol::resp3);
  writer.push(2);
  writer.bulk("tracking-redir-broken");
  writer.count(target.value);
  found->push(Slice::own(std::move(bytes)));
}

}  // namespace trv::redis
