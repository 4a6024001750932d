// Proves that the object stores keep the contract of io/object_store.h: the one in a directory also
// when any operation of its disk fails and power is lost right after; and that the one in memory
// does to its callers everything that a network may do, and the same for the same seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <optional>

#include "io/directory_objects.h"
#include "io/faulty.h"
#include "io/memory.h"
#include "io/memory_objects.h"

namespace trv::io {
namespace {

using Works = std::deque<UniqueFunction<void()>>;

// A store in a directory, and the calls to it made one by one.
class DirectoryStore {
 public:
  explicit DirectoryStore(Directory& directory)
      : store_(directory, [this](DirectoryObjects::When when, UniqueFunction<void()> work) {
          if (when == DirectoryObjects::When::later && while_waiting_) while_waiting_();
          works_.push_back(std::move(work));
        }) {}

  DirectoryObjects& operator*() { return store_; }
  void run() {
    while (!works_.empty()) {
      UniqueFunction<void()> work = std::move(works_.front());
      works_.pop_front();
      work();
    }
  }
  void set_while_waiting(UniqueFunction<void()> f) { while_waiting_ = std::move(f); }

 private:
  Works works_;
  UniqueFunction<void()> while_waiting_;
  DirectoryObjects store_;
};

// Where the answer of a call goes.
template <class T>
auto into(std::optional<Result<T>>& answer) {
  return [&answer](Result<T> result) {
    EXPECT_FALSE(answer.has_value()) << "answered twice";
    answer.emplace(std::move(result));
  };
}

class AnyStore : public ::testing::TestWithParam<bool> {
 protected:
  ObjectStore& store() { return GetParam() ? *directory_store_ : *connection_; }
  template <class T>
  Result<T> wait(std::optional<Result<T>>& answer) {
    EXPECT_FALSE(answer.has_value()) << "answered before the call returned";
    directory_store_.run();
    while (memory_.step()) {
    }
    TRV_ASSERT(answer.has_value());
    return std::move(*answer);
  }
  Result<ObjectVersion> create(const std::string& name, const std::string& bytes) {
    std::optional<Result<ObjectVersion>> answer;
    store().create_if_absent(name, bytes, into(answer));
    return wait(answer);
  }
  Result<ObjectVersion> put(const std::string& name, const std::string& bytes) {
    std::optional<Result<ObjectVersion>> answer;
    store().put(name, bytes, into(answer));
    return wait(answer);
  }
  Result<ObjectVersion> cas(const std::string& name, const ObjectVersion& expected,
                            const std::string& bytes) {
    std::optional<Result<ObjectVersion>> answer;
    store().cas(name, expected, bytes, into(answer));
    return wait(answer);
  }
  Result<Object> get(const std::string& name, ObjectRange range = {}) {
    std::optional<Result<Object>> answer;
    store().get(name, range, into(answer));
    return wait(answer);
  }
  Result<ObjectPage> list(const std::string& prefix, const std::string& after = {}) {
    std::optional<Result<ObjectPage>> answer;
    store().list(prefix, after, into(answer));
    return wait(answer);
  }
  Status remove(const std::string& name) {
    std::optional<Status> answer;
    store().remove(name, into(answer));
    return wait(answer);
  }

 private:
  MemoryDirectory disk_;
  DirectoryStore directory_store_{disk_};
  MemoryObjects memory_{1, {}};
  std::unique_ptr<ObjectStore> connection_ = memory_.connect();
};

TEST_P(AnyStore, CreatesOnlyWhatIsAbsent) {
  ASSERT_TRUE(create("a/b", "one").ok());
  EXPECT_EQ(create("a/b", "two").error().code, Errc::already_exists);
  EXPECT_EQ(get("a/b").value().bytes, "one");
  EXPECT_EQ(get("a").error().code, Errc::not_found);
  ASSERT_TRUE(remove("a/b").ok());
  ASSERT_TRUE(remove("a/b").ok());
  EXPECT_EQ(get("a/b").error().code, Errc::not_found);
  EXPECT_TRUE(create("a/b", "two").ok());
}

TEST_P(AnyStore, ReplacesOnlyTheVersionThatWasSeen) {
  EXPECT_EQ(cas("cell", version_of("x"), "y").error().code, Errc::not_found);
  const ObjectVersion first = create("cell", "1").value();
  EXPECT_EQ(get("cell").value().version, first);
  const ObjectVersion second = cas("cell", first, "2").value();
  EXPECT_NE(first, second);
  EXPECT_EQ(cas("cell", first, "3").error().code, Errc::precondition_failed);
  EXPECT_EQ(get("cell").value().bytes, "2");
  EXPECT_EQ(put("cell", "4").value(), version_of("4"));
  EXPECT_EQ(cas("cell", second, "5").error().code, Errc::precondition_failed);
  EXPECT_EQ(get("cell").value().bytes, "4");
}

TEST_P(AnyStore, ReadsRanges) {
  ASSERT_TRUE(create("o", "0123456789").ok());
  EXPECT_EQ(get("o", {2, 3}).value().bytes, "234");
  EXPECT_EQ(get("o", {8, 5}).value().bytes, "89");
  EXPECT_EQ(get("o", {11, 5}).value().bytes, "");
  EXPECT_EQ(get("o", {2, 3}).value().version, ObjectVersion{});
}

TEST_P(AnyStore, ListsInOrderPageByPage) {
  for (std::size_t i = 0; i < object_page_size + 2; ++i) {
    ASSERT_TRUE(create("p/" + std::to_string(10000 + i), "").ok());
  }
  ASSERT_TRUE(create("o", "").ok());
  ASSERT_TRUE(create("q", "").ok());
  ObjectPage first = list("p/").value();
  EXPECT_TRUE(first.more);
  ASSERT_EQ(first.names.size(), object_page_size);
  EXPECT_EQ(first.names.front(), "p/10000");
  ObjectPage second = list("p/", first.names.back()).value();
  EXPECT_FALSE(second.more);
  EXPECT_EQ(second.names, (std::vector<std::string>{"p/11000", "p/11001"}));
  EXPECT_EQ(list("o").value().names, std::vector<std::string>{"o"});
  EXPECT_TRUE(list("p/", "q").value().names.empty());
}

TEST_P(AnyStore, RefusesNames) {
  for (const char* name : {"", "/a", "a/", "A", "a+b", "a~", "a b"}) {
    EXPECT_EQ(create(name, "").error().code, Errc::invalid_argument) << name;
    EXPECT_EQ(get(name).error().code, Errc::invalid_argument) << name;
    EXPECT_EQ(remove(name).error().code, Errc::invalid_argument) << name;
  }
  EXPECT_FALSE(is_object_name(std::string(201, 'a')));
  EXPECT_TRUE(is_object_name(std::string(200, 'a')));
}

INSTANTIATE_TEST_SUITE_P(Stores, AnyStore, ::testing::Bool(),
                         [](const auto& each) { return each.param ? "directory" : "memory"; });

// One change of each kind, on a store that holds `cell` = "old".
enum class Change : std::uint8_t { create, cas, put, remove };

std::optional<std::string> contents(MemoryDirectory& disk, const std::string& name) {
  DirectoryStore store(disk);
  std::optional<Result<Object>> answer;
  (*store).get(name, {}, into(answer));
  store.run();
  if (answer->ok()) return (*answer)->bytes;
  EXPECT_EQ(answer->error().code, Errc::not_found) << answer->error().message;
  return {};
}

// Makes the change; whether it was answered with ok, or the error.
std::optional<Errc> run_change(DirectoryStore& store, Change change) {
  std::optional<Result<ObjectVersion>> version;
  std::optional<Status> status;
  switch (change) {
    case Change::create:
      (*store).create_if_absent("new", "new", into(version));
      break;
    case Change::cas:
      (*store).cas("cell", version_of("old"), "new", into(version));
      break;
    case Change::put:
      (*store).put("cell", "new", into(version));
      break;
    case Change::remove:
      (*store).remove("cell", into(status));
      break;
  }
  store.run();
  if (status) return status->ok() ? std::optional<Errc>() : status->error().code;
  return version->ok() ? std::optional<Errc>() : version->error().code;
}

struct CrashCase {
  Change change;
  CrashOptions crash;
  std::uint64_t nth;
};

// Fails the n-th disk operation of a change (with even seeds: and all later ones), then crashes.
// False when there is no n-th.
bool crash_at(const CrashCase& c) {
  MemoryDirectory disk;
  {
    DirectoryStore store(disk);
    std::optional<Result<ObjectVersion>> made;
    (*store).create_if_absent("cell", "old", into(made));
    store.run();
    TRV_ASSERT(made->ok());
  }
  FaultyDirectory faulty(disk);
  DirectoryStore store(faulty);
  faulty.arm({.operation = {}, .nth = c.nth, .written_before = 1, .sticky = c.crash.seed % 2 == 0});
  const std::optional<Errc> error = run_change(store, c.change);
  const bool struck = faulty.struck();
  disk.crash(c.crash);
  const std::string name = c.change == Change::create ? "new" : "cell";
  const std::optional<std::string> seen = contents(disk, name);
  const std::optional<std::string> before =
      c.change == Change::create ? std::nullopt : std::optional<std::string>("old");
  const std::optional<std::string> after =
      c.change == Change::remove ? std::nullopt : std::optional<std::string>("new");
  EXPECT_TRUE(seen == before || seen == after) << seen.value_or("nothing");
  if (!error) {
    EXPECT_EQ(seen, after) << "answered ok, and lost";
  }
  if (error && is_certain(*error)) {
    EXPECT_EQ(seen, before) << "refused for certain, and done";
  }
  EXPECT_EQ(faulty.syncs_after_failure(), 0u);
  // What was shown once stays, and the store goes on.
  disk.crash({CrashOptions::Unsynced::lost, 0});
  EXPECT_EQ(contents(disk, name), seen) << "shown, and lost";
  DirectoryStore again(disk);
  EXPECT_EQ(run_change(again, Change::put), std::nullopt);
  disk.crash({CrashOptions::Unsynced::lost, 0});
  EXPECT_EQ(contents(disk, "cell"), "new");
  return struck;
}

TEST(DirectoryObjects, KeepsItsWordWhereverItsDiskFails) {
  using Unsynced = CrashOptions::Unsynced;
  int states = 0;
  for (Change change : {Change::create, Change::cas, Change::put, Change::remove}) {
    for (std::uint64_t nth = 0;; ++nth) {
      bool struck = crash_at({change, {Unsynced::lost, 0}, nth});
      crash_at({change, {Unsynced::kept, 0}, nth});
      for (std::uint64_t seed = 1; seed <= 64; ++seed) {
        SCOPED_TRACE("change " + std::to_string(static_cast<int>(change)) + ", operation " +
                     std::to_string(nth) + ", seed " + std::to_string(seed));
        crash_at({change, {Unsynced::part, seed}, nth});
        if (::testing::Test::HasFailure()) return;
      }
      states += 66;
      if (!struck) break;
      ASSERT_LT(nth, 100u);
    }
  }
  EXPECT_GT(states, 1000);
}

TEST(DirectoryObjects, WaitsForTheProcessThatHoldsTheLock) {
  MemoryDirectory disk;
  DirectoryStore store(disk);
  std::unique_ptr<Lock> held = disk.lock("~lock").value();
  int waits = 0;
  store.set_while_waiting([&] {
    if (++waits == 3) held.reset();
  });
  std::optional<Result<ObjectVersion>> answer;
  (*store).create_if_absent("a", "1", into(answer));
  store.run();
  EXPECT_EQ(waits, 3);
  EXPECT_TRUE(answer->ok());
}

TEST(DirectoryObjects, SaysWhenTheLockIsNeverLetGo) {
  MemoryDirectory disk;
  DirectoryStore store(disk);
  std::unique_ptr<Lock> held = disk.lock("~lock").value();
  std::optional<Result<ObjectVersion>> answer;
  (*store).create_if_absent("a", "1", into(answer));
  store.run();
  EXPECT_EQ(answer->error().code, Errc::overloaded);
}

TEST(DirectoryObjects, BelievesNothingAfterAFailedSync) {
  MemoryDirectory disk;
  FaultyDirectory faulty(disk);
  DirectoryStore store(faulty);
  faulty.arm({.operation = Operation::sync_directory, .nth = 0});
  std::optional<Result<ObjectVersion>> made;
  (*store).create_if_absent("a", "1", into(made));
  store.run();
  EXPECT_EQ(made->error().code, Errc::io_error);
  EXPECT_FALSE(is_certain(made->error().code));
  std::optional<Result<Object>> read;
  (*store).get("a", {}, into(read));
  store.run();
  EXPECT_EQ(read->error().code, Errc::io_error);
  EXPECT_EQ(faulty.count(Operation::sync_directory), 1u);
}

TEST(MemoryObjects, DoesEverythingANetworkMay) {
  int unknown_done = 0, unknown_not_done = 0, own_ghost = 0, late = 0, overtaken = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    MemoryObjects store(seed, {100, 100, 100, 100, 100});
    auto client = store.connect();
    std::vector<int> order;
    for (int i = 0; i < 4; ++i) {
      const std::string name = "o" + std::to_string(i);
      client->create_if_absent(name, "x", [&, i, name](Result<ObjectVersion> result) {
        const bool there = store.test_objects().contains(name);
        order.push_back(i);
        if (result.ok()) return;
        if (result.error().code == Errc::already_exists) ++own_ghost;
        if (result.error().code == Errc::timed_out) ++(there ? unknown_done : unknown_not_done);
      });
    }
    std::size_t there = 0;
    while (store.step()) {
      if (order.size() == 4 && there == 0) there = store.test_objects().size() + 1;
    }
    EXPECT_EQ(order.size(), 4u);
    if (there != 0 && store.test_objects().size() + 1 > there) ++late;
    if (!std::is_sorted(order.begin(), order.end())) ++overtaken;
  }
  for (int count : {unknown_done, unknown_not_done, own_ghost, late, overtaken})
    EXPECT_GT(count, 5);
}

TEST(MemoryObjects, SameSeedSameRun) {
  auto run = [](std::uint64_t seed) {
    MemoryObjects store(seed, {100, 100, 100, 100, 100});
    auto client = store.connect();
    std::string story;
    for (int i = 0; i < 50; ++i) {
      client->put("o" + std::to_string(i % 5), std::to_string(i), [&story, i](auto result) {
        story += std::to_string(i) + (result.ok() ? "+ " : "- ");
      });
    }
    while (store.step()) {
    }
    for (const auto& [name, bytes] : store.test_objects()) story += name + bytes;
    return story;
  };
  EXPECT_EQ(run(5), run(5));
  EXPECT_NE(run(5), run(6));
}

TEST(MemoryObjects, APausedProcessIsAnsweredLateAndACrashedOneNever) {
  MemoryObjects store(1, {});
  auto paused = store.connect();
  auto crashed = store.connect();
  int answers = 0;
  auto count = [&answers](auto) { ++answers; };
  paused->put("a", "1", count);
  crashed->put("b", "1", count);
  paused->pause();
  crashed.reset();
  while (store.step()) {
  }
  EXPECT_EQ(answers, 0);
  EXPECT_TRUE(store.test_objects().contains("a"));
  paused->resume();
  EXPECT_TRUE(store.step());
  EXPECT_EQ(answers, 1);
  EXPECT_FALSE(store.step());
}

}  // namespace
}  // namespace trv::io
