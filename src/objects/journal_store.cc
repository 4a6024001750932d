#include "objects/journal_store.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace trv::objects {
namespace {

Result<SessionRecord> record_of(const Cell& cell) {
  std::optional<SessionRecord> record = parse_session(cell.value);
  if (!record) return Error{Errc::corrupt, cell.name};
  return *record;
}

// What is at its place in this session's chain; nothing when that is damage.
std::optional<SlotContent> parse_at(ByteView bytes, SessionId session, Slot slot) {
  std::optional<SlotContent> content = parse_slot(bytes);
  if (content && (content->session != session || content->slot != slot)) return {};
  return content;
}

// One attempt to seal; handed from callback to callback.
class Sealing {
 public:
  using Ptr = std::unique_ptr<Sealing>;
  Sealing(io::ObjectStore& store, CellStore& cells, WriterId writer, SessionId session,
          Done<SessionRecord> done)
      : store_(store), cells_(cells), writer_(writer), session_(session), done_(std::move(done)) {}

  static void look(Ptr self) {
    CellStore& cells = self->cells_;
    std::string name = session_cell_name(self->session_);
    cells.read(std::move(name), [self = std::move(self)](Result<Cell> cell) mutable {
      on_cell(std::move(self), std::move(cell));
    });
  }

 private:
  static void on_cell(Ptr self, Result<Cell> cell) {
    if (!cell.ok()) return self->done_(cell.error());
    Result<SessionRecord> record = record_of(*cell);
    if (!record.ok()) return self->done_(record.error());
    self->cell_ = std::move(*cell);
    self->record_ = *record;
    switch (record->state) {
      case SessionState::open:
        self->record_.state = SessionState::sealing;
        return store_record(std::move(self));
      case SessionState::sealing:
        self->slot_ = self->record_.trim;
        return walk(std::move(self));
      case SessionState::sealed:
        return self->done_(self->record_);
    }
  }

  // Writes the record into the cell and goes on from what the cell holds then.
  static void store_record(Ptr self) {
    Sealing& s = *self;
    s.cells_.change(s.cell_, encode_session(s.record_),
                    [self = std::move(self)](Result<Cell> cell) mutable {
                      if (cell.ok()) return on_cell(std::move(self), std::move(cell));
                      // Somebody else went on with it.
                      const bool overtaken = cell.error().code == Errc::precondition_failed;
                      overtaken ? look(std::move(self)) : self->done_(cell.error());
                    });
  }

  static void walk(Ptr self) {
    Sealing& s = *self;
    write_once(s.store_, slot_name(s.session_, s.slot_),
               encode_slot({SlotKind::seal, s.session_, s.slot_, s.writer_, {}}),
               [self = std::move(self)](Result<Written> written) mutable {
                 on_slot(std::move(self), std::move(written));
               });
  }

  static void on_slot(Ptr self, Result<Written> written) {
    if (!written.ok()) return self->done_(written.error());
    if (written->other) {
      const auto content = parse_at(*written->other, self->session_, self->slot_);
      if (!content) {
        return self->done_(Error{Errc::corrupt, slot_name(self->session_, self->slot_)});
      }
      if (content->kind == SlotKind::frame) {
        ++self->slot_;
        return walk(std::move(self));
      }
    }
    self->record_.state = SessionState::sealed;
    self->record_.end = self->slot_;
    store_record(std::move(self));
  }

  io::ObjectStore& store_;
  CellStore& cells_;
  WriterId writer_;
  SessionId session_;
  Done<SessionRecord> done_;
  Cell cell_;
  SessionRecord record_;
  Slot slot_;
};

struct Replaying {
  io::ObjectStore& store;
  SessionId session;
  SlotRange range;
  JournalStore::FrameVisitor on_frame;
  Done<void> done;
};

void replay_next(std::unique_ptr<Replaying> replaying) {
  Replaying& r = *replaying;
  if (r.range.first >= r.range.end) return r.done({});
  fetch(r.store, slot_name(r.session, r.range.first), {},
        [replaying = std::move(replaying)](Result<io::Object> found) mutable {
          Replaying& here = *replaying;
          if (!found.ok()) return here.done(found.error());
          const Slot slot = here.range.first;
          const auto content = parse_at(found->bytes, here.session, slot);
          if (!content) return here.done(Error{Errc::corrupt, slot_name(here.session, slot)});
          // A late walker's seal, in the place of a slot that was dropped.
          if (content->kind == SlotKind::seal) {
            return here.done(Error{Errc::not_found, slot_name(here.session, slot)});
          }
          here.on_frame(slot, content->payload);
          ++here.range.first;
          replay_next(std::move(replaying));
        });
}

// Removes all objects of a prefix whose names are below a limit.
struct Dropping {
  io::ObjectStore& store;
  std::string prefix;
  std::string limit;
  std::vector<std::string> names;  // those to remove next, last one first
  bool more = true;
  std::string after;
  Done<void> done;
};

void drop_next(std::unique_ptr<Dropping> dropping);

void on_page(std::unique_ptr<Dropping> dropping, Result<io::ObjectPage> page) {
  if (!page.ok()) return dropping->done(page.error());
  std::vector<std::string>& names = page->names;
  dropping->more = page->more && names.back() < dropping->limit;
  if (dropping->more) dropping->after = names.back();
  std::erase_if(names, [&](const std::string& name) { return name >= dropping->limit; });
  std::reverse(names.begin(), names.end());
  dropping->names = std::move(names);
  drop_next(std::move(dropping));
}

void drop_next(std::unique_ptr<Dropping> dropping) {
  Dropping& d = *dropping;
  if (!d.names.empty()) {
    std::string name = std::move(d.names.back());
    d.names.pop_back();
    return remove(d.store, std::move(name), [dropping = std::move(dropping)](Status s) mutable {
      s.ok() ? drop_next(std::move(dropping)) : dropping->done(s);
    });
  }
  if (!d.more) return d.done({});
  list(d.store, d.prefix, d.after,
       [dropping = std::move(dropping)](Result<io::ObjectPage> page) mutable {
         on_page(std::move(dropping), std::move(page));
       });
}

void drop(io::ObjectStore& store, SessionId session, Slot below, Done<Slot> done) {
  auto then = [below, done = std::move(done)](Status s) mutable {
    s.ok() ? done(below) : done(s.error());
  };
  drop_next(std::make_unique<Dropping>(Dropping{
      store, slot_prefix(session), slot_name(session, below), {}, true, {}, std::move(then)}));
}

}  // namespace

JournalStore::JournalStore(io::ObjectStore& store, CellStore& cells, WriterId writer,
                           Random& random)
    : store_(store), cells_(cells), writer_(writer), random_(random) {}

void JournalStore::create(Done<SessionId> done) {
  const SessionId session(random_());
  cells_.create(session_cell_name(session), encode_session({}),
                [session, done = std::move(done)](Result<Cell> cell) mutable {
                  cell.ok() ? done(session) : done(cell.error());
                });
}

void JournalStore::seal(SessionId session, Done<SessionRecord> done) {
  Sealing::look(std::make_unique<Sealing>(store_, cells_, writer_, session, std::move(done)));
}

void JournalStore::replay(SessionId session, SlotRange range, FrameVisitor on_frame,
                          Done<void> done) {
  auto replaying = std::make_unique<Replaying>(
      Replaying{store_, session, range, std::move(on_frame), std::move(done)});
  if (range.first < range.end) return replay_next(std::move(replaying));
  // Nothing to read; but an answer never comes before the call has returned.
  cells_.read(session_cell_name(session),
              [replaying = std::move(replaying)](Result<Cell> cell) mutable {
                cell.ok() ? replay_next(std::move(replaying)) : replaying->done(cell.error());
              });
}

void JournalStore::trim(SessionId session, Slot below, Done<Slot> done) {
  auto on_cell = [this, session, below, done = std::move(done)](Result<Cell> cell) mutable {
    if (!cell.ok()) return done(cell.error());
    Result<SessionRecord> record = record_of(*cell);
    if (!record.ok()) return done(record.error());
    if (record->state == SessionState::sealing) {
      return done(Error{Errc::precondition_failed, "the session is being sealed"});
    }
    if (record->state == SessionState::sealed) below = std::min(below, record->end);
    below = std::max(below, record->trim);
    // Slots go only when it is durable that nobody looks for them there.
    auto then = [this, session, below, done = std::move(done)](Result<Cell> stored) mutable {
      if (!stored.ok()) return done(stored.error());
      drop(store_, session, below, std::move(done));
    };
    if (below == record->trim) return then(std::move(cell));
    record->trim = below;
    cells_.change(*cell, encode_session(*record), std::move(then));
  };
  cells_.read(session_cell_name(session), std::move(on_cell));
}

}  // namespace trv::objects
