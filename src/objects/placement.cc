#include "objects/placement.h"

#include <algorithm>
#include <utility>

namespace trv::objects {
namespace {

Done<Cell> placed_or_error(Done<Placed> done) {
  return [done = std::move(done)](Result<Cell> cell) mutable {
    if (!cell.ok()) return done(cell.error());
    std::optional<Root> root = parse_root(cell->value);
    if (!root) return done(Error{Errc::corrupt, cell->name});
    done(Placed{std::move(*cell), std::move(*root)});
  };
}

// One takeover; handed from callback to callback.
class Taking {
 public:
  using Ptr = std::unique_ptr<Taking>;
  Taking(CellStore& cells, JournalStore& journals, Claim claim, Rebuild& state, Done<Placed> done)
      : cells_(cells), journals_(journals), claim_(claim), state_(state), done_(std::move(done)) {}

  static void on_located(Ptr self, Result<Placed> seen) {
    if (seen.ok()) {
      if (seen->root.session == self->claim_.session) {
        return self->done_(Error{Errc::in_use, "the root names this session already"});
      }
      self->seen_ = std::move(*seen);
      return seal(std::move(self));
    }
    const bool is_new = seen.error().code == Errc::not_found;
    is_new ? load(std::move(self)) : self->done_(seen.error());
  }

 private:
  // A step's callback: goes on with `next` when the step went well.
  template <class T, class Next>
  static Done<T> then(Ptr self, Next next) {
    return [self = std::move(self), next](Result<T> result) mutable {
      result.ok() ? next(std::move(self), std::move(result)) : self->done_(result.error());
    };
  }

  static void seal(Ptr self) {
    Taking& t = *self;
    t.journals_.seal(t.seen_->root.session,
                     then<SessionRecord>(std::move(self), [](Ptr s, Result<SessionRecord> record) {
                       s->sealed_ = *record;
                       load(std::move(s));
                     }));
  }

  static void load(Ptr self) {
    Taking& t = *self;
    t.state_.load(t.seen_ ? t.seen_->root.checkpoint : std::nullopt,
                  then<void>(std::move(self), [](Ptr s, Status) {
                    s->seen_ ? replay(std::move(s)) : save(std::move(s));
                  }));
  }

  static void replay(Ptr self) {
    Taking& t = *self;
    const Root& root = t.seen_->root;
    // Slots are trimmed only when no root needs them; an owner whose claim came through after it
    // had been sealed never wrote for the shard.
    const SlotRange range{std::max(root.first, t.sealed_.trim), t.sealed_.end};
    t.journals_.replay(
        root.session, range,
        [&t, epoch = root.epoch](Slot slot, ByteView frame) { t.state_.apply(epoch, slot, frame); },
        then<void>(std::move(self), [](Ptr s, Status) { save(std::move(s)); }));
  }

  static void save(Ptr self) {
    Taking& t = *self;
    t.state_.save(then<std::optional<BlobRef>>(
        std::move(self),
        [](Ptr s, Result<std::optional<BlobRef>> b) { store_root(std::move(s), std::move(*b)); }));
  }

  static void store_root(Ptr self, std::optional<BlobRef> checkpoint) {
    Taking& t = *self;
    Root root{Epoch(1), t.claim_.node, t.claim_.session, t.claim_.first, std::move(checkpoint)};
    if (t.seen_) {
      root.epoch = t.seen_->root.epoch + 1;
      t.cells_.change(t.seen_->cell, encode_root(root), placed_or_error(std::move(t.done_)));
    } else {
      t.cells_.create(root_cell_name(t.claim_.shard), encode_root(root), created(std::move(self)));
    }
  }

  // That another was first to create the root is told like any other race that was lost.
  static Done<Cell> created(Ptr self) {
    return [done = placed_or_error(std::move(self->done_))](Result<Cell> cell) mutable {
      const bool raced = !cell.ok() && cell.error().code == Errc::already_exists;
      raced ? done(Error{Errc::precondition_failed, cell.error().message}) : done(std::move(cell));
    };
  }

  CellStore& cells_;
  JournalStore& journals_;
  Claim claim_;
  Rebuild& state_;
  Done<Placed> done_;
  std::optional<Placed> seen_;
  SessionRecord sealed_;
};

}  // namespace

Placement::Placement(CellStore& cells, JournalStore& journals)
    : cells_(cells), journals_(journals) {}

void Placement::locate(ShardId shard, Done<Placed> done) {
  cells_.read(root_cell_name(shard), placed_or_error(std::move(done)));
}

void Placement::take(Claim claim, Rebuild& state, Done<Placed> done) {
  auto taking = std::make_unique<Taking>(cells_, journals_, claim, state, std::move(done));
  locate(claim.shard, [taking = std::move(taking)](Result<Placed> seen) mutable {
    Taking::on_located(std::move(taking), std::move(seen));
  });
}

void Placement::advance(const Placed& seen, Slot first, BlobRef checkpoint, Done<Placed> done) {
  Root root = seen.root;
  root.first = first;
  root.checkpoint = std::move(checkpoint);
  cells_.change(seen.cell, encode_root(root), placed_or_error(std::move(done)));
}

}  // namespace trv::objects
