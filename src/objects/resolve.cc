#include "objects/resolve.h"

#include <memory>
#include <utility>

namespace trv::objects {
namespace {

// Counts the tries of one call, and remembers whether any of them may have taken effect.
class Tries {
 public:
  // Whether to try again after this error; when not, refusal() is the answer.
  bool again(const Error& error) {
    error_ = error;
    const bool certain = io::is_certain(error.code);
    unknown_ = unknown_ || !certain;
    if (certain && error.code != Errc::overloaded) return false;
    return ++count_ < resolve_tries_max;
  }
  Error refusal() const {
    if (!unknown_) return error_;
    return {Errc::timed_out, "what came of it is not known: " + error_.message};
  }

 private:
  int count_ = 0;
  bool unknown_ = false;
  Error error_{Errc::timed_out, {}};
};

// A conditional write on its way. Handed from callback to callback.
struct Writing {
  io::ObjectStore& store;
  std::string name;
  std::string bytes;
  std::optional<io::ObjectVersion> expected;  // none: the name must be free
  Done<Written> done;
  Tries tries;
};
using WritingPtr = std::unique_ptr<Writing>;

void attempt(WritingPtr writing);

void read_back(WritingPtr writing) {
  Writing& w = *writing;
  w.store.get(w.name, {}, [writing = std::move(writing)](Result<io::Object> found) mutable {
    if (found.ok()) {
      Written written{std::move(found->version), {}};
      if (found->bytes != writing->bytes) written.other = std::move(found->bytes);
      return writing->done(std::move(written));
    }
    // Gone again: a name that must be free is free once more.
    const bool gone = found.error().code == Errc::not_found && !writing->expected;
    const Error error = gone ? Error{Errc::timed_out, "removed meanwhile"} : found.error();
    if (!writing->tries.again(error)) return writing->done(writing->tries.refusal());
    gone ? attempt(std::move(writing)) : read_back(std::move(writing));
  });
}

void on_written(WritingPtr writing, Result<io::ObjectVersion> result) {
  if (result.ok()) return writing->done(Written{std::move(*result), {}});
  const Errc in_the_way = writing->expected ? Errc::precondition_failed : Errc::already_exists;
  if (result.error().code == in_the_way) return read_back(std::move(writing));
  if (!writing->tries.again(result.error())) return writing->done(writing->tries.refusal());
  attempt(std::move(writing));
}

void attempt(WritingPtr writing) {
  Writing& w = *writing;
  auto then = [writing = std::move(writing)](Result<io::ObjectVersion> result) mutable {
    on_written(std::move(writing), std::move(result));
  };
  if (w.expected) {
    w.store.cas(w.name, *w.expected, w.bytes, std::move(then));
  } else {
    w.store.create_if_absent(w.name, w.bytes, std::move(then));
  }
}

// A call that may be made any number of times.
template <class T>
struct Repeating {
  UniqueFunction<void(Done<T>)> call;
  Done<T> done;
  Tries tries;
};

template <class T>
void repeat(std::unique_ptr<Repeating<T>> repeating) {
  Repeating<T>& r = *repeating;
  r.call([repeating = std::move(repeating)](Result<T> result) mutable {
    if (result.ok() || !repeating->tries.again(result.error())) {
      return repeating->done(std::move(result));
    }
    repeat<T>(std::move(repeating));
  });
}

template <class T, class Call>
void repeat(Call call, Done<T> done) {
  repeat<T>(std::make_unique<Repeating<T>>(Repeating<T>{std::move(call), std::move(done), {}}));
}

}  // namespace

void write_once(io::ObjectStore& store, std::string name, std::string bytes, Done<Written> done) {
  attempt(std::make_unique<Writing>(
      Writing{store, std::move(name), std::move(bytes), {}, std::move(done), {}}));
}

void replace(io::ObjectStore& store, std::string name, io::ObjectVersion expected,
             std::string bytes, Done<Written> done) {
  attempt(std::make_unique<Writing>(
      Writing{store, std::move(name), std::move(bytes), std::move(expected), std::move(done), {}}));
}

void fetch(io::ObjectStore& store, std::string name, io::ObjectRange range, Done<io::Object> done) {
  repeat<io::Object>([&store, name = std::move(name), range](
                         Done<io::Object> answer) { store.get(name, range, std::move(answer)); },
                     std::move(done));
}

void list(io::ObjectStore& store, std::string prefix, std::string after,
          Done<io::ObjectPage> done) {
  repeat<io::ObjectPage>(
      [&store, prefix = std::move(prefix), after = std::move(after)](Done<io::ObjectPage> answer) {
        store.list(prefix, after, std::move(answer));
      },
      std::move(done));
}

void remove(io::ObjectStore& store, std::string name, Done<void> done) {
  repeat<void>([&store, name = std::move(name)](
                   Done<void> answer) { store.remove(name, std::move(answer)); },
               std::move(done));
}

}  // namespace trv::objects
