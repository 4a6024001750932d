#include "objects/cell_store.h"

#include "objects/format.h"

namespace trv::objects {
namespace {

// Turns what became of a write into the cell that it wrote, or `lost`: another's is there.
Done<Written> cell_or(Errc lost, Cell cell, Done<Cell> done) {
  return [lost, cell = std::move(cell), done = std::move(done)](Result<Written> written) mutable {
    if (!written.ok()) return done(written.error());
    if (written->other) return done(Error{lost, cell.name});
    cell.version = std::move(written->version);
    done(std::move(cell));
  };
}

}  // namespace

CellStore::CellStore(io::ObjectStore& store, WriterId writer, Random& random)
    : store_(store), writer_(writer), random_(random) {}

void CellStore::create(std::string name, std::string value, Done<Cell> done) {
  Cell cell{name, std::move(value), 1, {}};
  std::string bytes = encode_cell({cell.revision, writer_, random_(), cell.value});
  write_once(store_, std::move(name), std::move(bytes),
             cell_or(Errc::already_exists, std::move(cell), std::move(done)));
}

void CellStore::read(std::string name, Done<Cell> done) {
  auto then = [name, done = std::move(done)](Result<io::Object> found) mutable {
    if (!found.ok()) return done(found.error());
    const std::optional<CellContent> content = parse_cell(found->bytes);
    if (!content) return done(Error{Errc::corrupt, name});
    done(Cell{name, std::string(content->value), content->revision, found->version});
  };
  fetch(store_, std::move(name), {}, std::move(then));
}

void CellStore::change(const Cell& seen, std::string value, Done<Cell> done) {
  Cell cell{seen.name, std::move(value), seen.revision + 1, {}};
  std::string bytes = encode_cell({cell.revision, writer_, random_(), cell.value});
  replace(store_, seen.name, seen.version, std::move(bytes),
          cell_or(Errc::precondition_failed, std::move(cell), std::move(done)));
}

}  // namespace trv::objects
