#include "io/directory_objects.h"

#include <algorithm>
#include <utility>

namespace trv::io {
namespace {

// Names that no object has: `~` is not allowed in them.
constexpr const char* lock_name = "~lock";
constexpr const char* unfinished_name = "~unfinished";
constexpr const char* mark_name = "~unsynced";
constexpr int lock_tries_max = 30'000;  // half a minute of When::later

std::string file_of(std::string name) {
  std::replace(name.begin(), name.end(), '/', '+');
  return name;
}
std::string object_of(std::string file_name) {
  std::replace(file_name.begin(), file_name.end(), '+', '/');
  return file_name;
}

Status refuse_name(const std::string& name) {
  if (is_object_name(name)) return {};
  return Error{Errc::invalid_argument, "not a name for an object: " + name};
}

Status write_and_sync(Directory& directory, std::string_view bytes) {
  Result<std::unique_ptr<File>> file = directory.open(unfinished_name, OpenMode::create);
  if (!file.ok()) return file.error();
  if (Status s = (*file)->write_at(0, std::span(&bytes, 1)); !s.ok()) return s;
  return (*file)->sync();
}

}  // namespace

DirectoryObjects::DirectoryObjects(Directory& directory, Post post)
    : directory_(directory), post_(std::move(post)) {}
DirectoryObjects::~DirectoryObjects() = default;

template <class T>
void DirectoryObjects::begin(Work<T> work, Done<T> done) {
  post_(When::soon, [this, work = std::move(work), done = std::move(done)]() mutable {
    attempt<T>(std::move(work), std::move(done), 1);
  });
}

template <class T>
void DirectoryObjects::attempt(Work<T> work, Done<T> done, int tries) {
  Result<T> result = Error{Errc::io_error, "a sync of the directory has failed before"};
  if (!ended_) {
    Result<std::unique_ptr<Lock>> lock = directory_.lock(lock_name);
    if (lock.ok()) {
      Status settled = settle();
      result = settled.ok() ? work() : Result<T>(settled.error());
    } else if (lock.error().code != Errc::in_use) {
      result = lock.error();
    } else if (tries < lock_tries_max) {
      auto again = [this, work = std::move(work), done = std::move(done), tries]() mutable {
        attempt<T>(std::move(work), std::move(done), tries + 1);
      };
      return post_(When::later, std::move(again));
    } else {
      result = Error{Errc::overloaded, lock.error().message};
    }
  }
  done(std::move(result));  // after the lock is let go
}

void DirectoryObjects::create_if_absent(std::string name, std::string bytes,
                                        Done<ObjectVersion> done) {
  begin<ObjectVersion>(
      [this, name = std::move(name), bytes = std::move(bytes)]() -> Result<ObjectVersion> {
        if (Status s = refuse_name(name); !s.ok()) return s.error();
        Result<std::unique_ptr<File>> there = directory_.open(file_of(name), OpenMode::read);
        if (there.ok()) return Error{Errc::already_exists, name};
        if (there.error().code != Errc::not_found) return there.error();
        return write(file_of(name), bytes);
      },
      std::move(done));
}

void DirectoryObjects::cas(std::string name, ObjectVersion expected, std::string bytes,
                           Done<ObjectVersion> done) {
  begin<ObjectVersion>(
      [this, name = std::move(name), expected = std::move(expected),
       bytes = std::move(bytes)]() -> Result<ObjectVersion> {
        if (Status s = refuse_name(name); !s.ok()) return s.error();
        Result<std::string> present = read(file_of(name), {});
        if (!present.ok()) return present.error();
        if (version_of(*present) != expected) return Error{Errc::precondition_failed, name};
        return write(file_of(name), bytes);
      },
      std::move(done));
}

void DirectoryObjects::get(std::string name, ObjectRange range, Done<Object> done) {
  begin<Object>(
      [this, name = std::move(name), range]() -> Result<Object> {
        if (Status s = refuse_name(name); !s.ok()) return s.error();
        Result<std::string> bytes = read(file_of(name), range);
        if (!bytes.ok()) return bytes.error();
        ObjectVersion version = range.whole() ? version_of(*bytes) : ObjectVersion{};
        return Object{std::move(*bytes), std::move(version)};
      },
      std::move(done));
}

void DirectoryObjects::put(std::string name, std::string bytes, Done<ObjectVersion> done) {
  begin<ObjectVersion>(
      [this, name = std::move(name), bytes = std::move(bytes)]() -> Result<ObjectVersion> {
        if (Status s = refuse_name(name); !s.ok()) return s.error();
        return write(file_of(name), bytes);
      },
      std::move(done));
}

void DirectoryObjects::list(std::string prefix, std::string after, Done<ObjectPage> done) {
  begin<ObjectPage>(
      [this, prefix = std::move(prefix), after = std::move(after)]() -> Result<ObjectPage> {
        Result<std::vector<std::string>> files = directory_.list();
        if (!files.ok()) return files.error();
        ObjectPage page;
        for (std::string& file : *files) {
          std::string name = object_of(std::move(file));
          const bool wanted = is_object_name(name) && name.starts_with(prefix) && name > after;
          if (wanted) page.names.push_back(std::move(name));
        }
        std::sort(page.names.begin(), page.names.end());
        page.more = page.names.size() > object_page_size;
        if (page.more) page.names.resize(object_page_size);
        return page;
      },
      std::move(done));
}

void DirectoryObjects::remove(std::string name, Done<void> done) {
  begin<void>(
      [this, name = std::move(name)]() -> Status {
        if (Status s = refuse_name(name); !s.ok()) return s;
        return erase(file_of(name));
      },
      std::move(done));
}

Status DirectoryObjects::settle() {
  Result<std::unique_ptr<File>> marked = directory_.open(mark_name, OpenMode::read);
  if (marked.ok()) return publish();
  if (marked.error().code == Errc::not_found) return {};
  return marked.error();
}

// The mark need not survive power failure: then there is nothing left that is seen and not durable.
Status DirectoryObjects::mark() {
  Result<std::unique_ptr<File>> made = directory_.open(mark_name, OpenMode::create);
  if (made.ok() || made.error().code == Errc::already_exists) return {};
  return made.error();
}

Status DirectoryObjects::publish() {
  if (Status s = directory_.sync(); !s.ok()) {
    ended_ = true;
    return Error{Errc::io_error, s.error().message};
  }
  // A mark that stays costs the next call a sync.
  (void)directory_.remove(mark_name);
  return {};
}

Result<std::string> DirectoryObjects::read(const std::string& file_name, ObjectRange range) {
  Result<std::unique_ptr<File>> file = directory_.open(file_name, OpenMode::read);
  if (!file.ok()) return file.error();
  Result<std::uint64_t> size = (*file)->size();
  if (!size.ok()) return size.error();
  if (range.whole() && *size > range.length) return Error{Errc::too_large, file_name};
  const std::uint64_t from = std::min(range.position, *size);
  std::string bytes(std::min(range.length, *size - from), '\0');
  if (Status s = (*file)->read_at(from, bytes); !s.ok()) return s.error();
  return bytes;
}

Result<ObjectVersion> DirectoryObjects::write(const std::string& file_name,
                                              const std::string& bytes) {
  if (bytes.size() > ObjectRange::object_size_max) return Error{Errc::too_large, file_name};
  // Whatever was begun before and not finished. It must be gone for good: if power failed and only
  // the rename below survived, the old bytes would get the name.
  Status cleared = directory_.remove(unfinished_name);
  if (cleared.ok()) cleared = directory_.sync();
  if (!cleared.ok() && cleared.error().code != Errc::not_found) return cleared.error();
  if (Status s = write_and_sync(directory_, bytes); !s.ok()) return s.error();
  if (Status s = mark(); !s.ok()) return s.error();
  // After a rename that failed it is not known which file has the name; the mark stays.
  if (Status s = directory_.rename(unfinished_name, file_name); !s.ok()) {
    return Error{Errc::io_error, s.error().message};
  }
  if (Status s = publish(); !s.ok()) return s.error();
  return version_of(bytes);
}

Status DirectoryObjects::erase(const std::string& file_name) {
  if (Status s = mark(); !s.ok()) return s;
  Status removed = directory_.remove(file_name);
  if (!removed.ok() && removed.error().code != Errc::not_found) {
    return Error{Errc::io_error, removed.error().message};
  }
  return publish();
}

}  // namespace trv::io
