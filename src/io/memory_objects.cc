#include "io/memory_objects.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace trv::io {

// One call of a client. Shared by its request, that request's repetitions, and the reply.
struct MemoryObjects::Call {
  explicit Call(std::uint64_t c) : client(c) {}
  virtual ~Call() = default;
  virtual void execute(Objects& objects) = 0;
  // Executes and keeps the result for the answer.
  virtual void settle(Objects& objects) = 0;
  virtual void settle_unknown() = 0;
  virtual void answer() = 0;
  // The client is gone.
  virtual void forget() = 0;
  std::uint64_t client;
};

template <class T>
struct MemoryObjects::CallOf final : Call {
  using Work = std::function<Result<T>(Objects&)>;
  CallOf(std::uint64_t c, Work w, ObjectStore::Done<T> d)
      : Call(c), work(std::move(w)), done(std::move(d)) {}
  void execute(Objects& objects) override { (void)work(objects); }
  void settle(Objects& objects) override { result = work(objects); }
  void settle_unknown() override { result = Error{Errc::timed_out, "no answer came"}; }
  void answer() override { std::exchange(done, nullptr)(std::move(result)); }
  void forget() override { done = nullptr; }

  Work work;
  ObjectStore::Done<T> done;
  Result<T> result = Error{Errc::timed_out, "not answered yet"};
};

struct MemoryObjects::Event {
  enum class Kind : std::uint8_t {
    request,  // its fate is not drawn yet
    repeat,   // a request that is executed and answered without fail
    echo,     // a request that is executed and not answered
    reply,
  } kind;
  std::shared_ptr<Call> call;
};

namespace {

using Objects = std::map<std::string, std::string>;

Result<ObjectVersion> create_in(Objects& objects, const std::string& name,
                                const std::string& bytes) {
  if (!objects.emplace(name, bytes).second) return Error{Errc::already_exists, name};
  return version_of(bytes);
}

Result<ObjectVersion> cas_in(Objects& objects, const std::string& name,
                             const ObjectVersion& expected, const std::string& bytes) {
  auto it = objects.find(name);
  if (it == objects.end()) return Error{Errc::not_found, name};
  if (version_of(it->second) != expected) return Error{Errc::precondition_failed, name};
  it->second = bytes;
  return version_of(bytes);
}

Result<Object> get_from(const Objects& objects, const std::string& name, ObjectRange range) {
  auto it = objects.find(name);
  if (it == objects.end()) return Error{Errc::not_found, name};
  const std::string& all = it->second;
  const std::size_t from = std::min<std::uint64_t>(range.position, all.size());
  return Object{all.substr(from, range.length), range.whole() ? version_of(all) : ObjectVersion{}};
}

ObjectPage list_of(const Objects& objects, const std::string& prefix, const std::string& after) {
  ObjectPage page;
  for (auto it = after < prefix ? objects.lower_bound(prefix) : objects.upper_bound(after);
       it != objects.end() && it->first.starts_with(prefix); ++it) {
    if (page.names.size() == object_page_size) {
      page.more = true;
      break;
    }
    page.names.push_back(it->first);
  }
  return page;
}

}  // namespace

class MemoryObjects::Client final : public Connection {
 public:
  Client(MemoryObjects& store, std::uint64_t id) : store_(store), id_(id) {}
  ~Client() override { store_.forget(id_); }

  void create_if_absent(std::string name, std::string bytes, Done<ObjectVersion> done) override {
    begin<ObjectVersion>(name, std::move(done), [name, bytes = std::move(bytes)](Objects& objects) {
      return create_in(objects, name, bytes);
    });
  }
  void cas(std::string name, ObjectVersion expected, std::string bytes,
           Done<ObjectVersion> done) override {
    begin<ObjectVersion>(name, std::move(done),
                         [name, expected = std::move(expected), bytes = std::move(bytes)](
                             Objects& objects) { return cas_in(objects, name, expected, bytes); });
  }
  void get(std::string name, ObjectRange range, Done<Object> done) override {
    begin<Object>(name, std::move(done),
                  [name, range](Objects& objects) { return get_from(objects, name, range); });
  }
  void put(std::string name, std::string bytes, Done<ObjectVersion> done) override {
    begin<ObjectVersion>(name, std::move(done), [name, bytes = std::move(bytes)](Objects& objects) {
      objects[name] = bytes;
      return Result<ObjectVersion>(version_of(bytes));
    });
  }
  void list(std::string prefix, std::string after, Done<ObjectPage> done) override {
    store_.begin(std::make_shared<CallOf<ObjectPage>>(
        id_,
        [prefix = std::move(prefix), after = std::move(after)](Objects& objects) {
          return Result<ObjectPage>(list_of(objects, prefix, after));
        },
        std::move(done)));
  }
  void remove(std::string name, Done<void> done) override {
    begin<void>(name, std::move(done), [name](Objects& objects) {
      objects.erase(name);
      return Status();
    });
  }
  void pause() override { store_.paused_.insert(id_); }
  void resume() override { store_.paused_.erase(id_); }

 private:
  template <class T>
  void begin(const std::string& name, Done<T> done, typename CallOf<T>::Work work) {
    if (!is_object_name(name)) {
      work = [name](Objects&) { return Result<T>(Error{Errc::invalid_argument, name}); };
    }
    store_.begin(std::make_shared<CallOf<T>>(id_, std::move(work), std::move(done)));
  }

  MemoryObjects& store_;
  std::uint64_t id_;
};

MemoryObjects::MemoryObjects(std::uint64_t seed, ObjectFaults faults)
    : random_(seed), faults_(faults) {}
MemoryObjects::~MemoryObjects() = default;

std::unique_ptr<MemoryObjects::Connection> MemoryObjects::connect() {
  return std::make_unique<Client>(*this, ++client_last_);
}

void MemoryObjects::begin(std::shared_ptr<Call> call) {
  events_.push_back({Event::Kind::request, std::move(call)});
}

bool MemoryObjects::may_happen(const Event& event) const {
  return event.kind != Event::Kind::reply || !paused_.contains(event.call->client);
}

bool MemoryObjects::step() {
  const auto count = static_cast<std::size_t>(std::count_if(
      events_.begin(), events_.end(), [&](const Event& event) { return may_happen(event); }));
  if (count == 0) return false;
  std::size_t skip = random_() % count;
  auto chosen = std::find_if(events_.begin(), events_.end(),
                             [&](const Event& event) { return may_happen(event) && skip-- == 0; });
  Event event = std::move(*chosen);
  events_.erase(chosen);
  switch (event.kind) {
    case Event::Kind::request:
      arrive(std::move(event.call));
      break;
    case Event::Kind::repeat:
      event.call->settle(objects_);
      events_.push_back({Event::Kind::reply, std::move(event.call)});
      break;
    case Event::Kind::echo:
      event.call->execute(objects_);
      break;
    case Event::Kind::reply:
      event.call->answer();
      break;
  }
  return true;
}

void MemoryObjects::arrive(std::shared_ptr<Call> call) {
  std::uint32_t drawn = static_cast<std::uint32_t>(random_() % 1000);
  auto strikes = [&drawn](std::uint32_t share) {
    const bool here = drawn < share;
    drawn = here ? 1000 : drawn - share;  // 1000: no later share can strike
    return here;
  };
  if (strikes(faults_.twice)) {
    call->execute(objects_);
    events_.push_back({Event::Kind::repeat, std::move(call)});
    return;
  }
  if (strikes(faults_.request_lost)) {
    call->settle_unknown();
  } else if (strikes(faults_.reply_lost)) {
    call->execute(objects_);
    call->settle_unknown();
  } else if (strikes(faults_.late)) {
    call->settle_unknown();
    events_.push_back({Event::Kind::echo, call});
  } else {
    call->settle(objects_);
    if (strikes(faults_.echo)) events_.push_back({Event::Kind::echo, call});
  }
  events_.push_back({Event::Kind::reply, std::move(call)});
}

void MemoryObjects::forget(std::uint64_t client) {
  paused_.erase(client);
  std::erase_if(events_, [client](const Event& event) {
    return event.call->client == client && event.kind == Event::Kind::reply;
  });
  for (Event& event : events_) {
    if (event.call->client != client) continue;
    event.call->forget();
    if (event.kind != Event::Kind::request || random_() % 2 == 0) event.kind = Event::Kind::echo;
  }
  std::erase_if(events_, [client](const Event& event) {
    return event.call->client == client && event.kind != Event::Kind::echo;
  });
}

}  // namespace trv::io
