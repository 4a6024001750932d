// DirectoryObjects: an object store in a directory of one machine (`dir://`), which several
// processes may share. An object is a file; `/` in its name becomes `+`.
//
// - Every call works under the directory's lock, so calls are atomic among processes. A kernel lets
//   go of the lock when its holder dies.
// - A change is written to one side, synced, renamed into place; then the directory is synced. Only
//   then is ok answered, and the lock let go: nobody is shown what a power failure could take back.
// - A process that is killed between the rename and the sync leaves a mark, by which the next one
//   knows that it must sync before it believes what it sees.
// - When a sync of the directory fails, nothing is known any more: this store answers io_error from
//   then on, for ever.
//
// Calls block on the disk, so the owner says where they run.
#pragma once

#include <memory>

#include "io/file.h"
#include "io/object_store.h"

namespace trv::io {

class DirectoryObjects final : public ObjectStore {
 public:
  enum class When : std::uint8_t {
    soon,
    later,  // another process holds the lock; in a millisecond or so
  };
  // Runs the work after it has returned, one piece at a time; `done` of a call is called there.
  using Post = UniqueFunction<void(When when, UniqueFunction<void()> work)>;

  // `directory` outlives it. It outlives the work that it posts.
  DirectoryObjects(Directory& directory, Post post);
  ~DirectoryObjects() override;

  void create_if_absent(std::string name, std::string bytes, Done<ObjectVersion> done) override;
  void cas(std::string name, ObjectVersion expected, std::string bytes,
           Done<ObjectVersion> done) override;
  void get(std::string name, ObjectRange range, Done<Object> done) override;
  void put(std::string name, std::string bytes, Done<ObjectVersion> done) override;
  void list(std::string prefix, std::string after, Done<ObjectPage> done) override;
  void remove(std::string name, Done<void> done) override;

 private:
  template <class T>
  using Work = UniqueFunction<Result<T>()>;

  // Posts `work` to be run under the lock, and `done` with its result.
  template <class T>
  void begin(Work<T> work, Done<T> done);
  template <class T>
  void attempt(Work<T> work, Done<T> done, int tries);
  // Whether what the directory shows is durable. Requires: the lock is held, as in all below.
  Status settle();
  Status mark();
  Status publish();
  Result<std::string> read(const std::string& file_name, ObjectRange range);
  Result<ObjectVersion> write(const std::string& file_name, const std::string& bytes);
  Status erase(const std::string& file_name);

  Directory& directory_;
  Post post_;
  bool ended_ = false;  // a sync of the directory has failed
};

}  // namespace trv::io
