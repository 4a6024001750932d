// PageStore: where those pages of a state go that are too old to be worth memory, or to be written
// anew with every checkpoint. docs/formats/pages.md.
//
// The implementation is the caller's: a model does no I/O of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace trv::model {

// Pages never change; one that has to is written to another place.
struct PagePlace {
  std::uint64_t file = 0;  // the id of the checkpoint it came with; 0: in none
  std::uint32_t position = 0;
  std::uint32_t length = 0;

  bool operator==(const PagePlace&) const = default;
};

using PageBytes = std::shared_ptr<const std::string>;

class PageStore {
 public:
  virtual ~PageStore() = default;
  // Adds a page to the file of the checkpoint that is being taken; it is there for good once the
  // checkpoint is. Nothing: this checkpoint takes no (more) pages.
  virtual std::optional<PagePlace> add(ByteView page) = 0;
  // The checkpoint that is being taken refers to this one.
  virtual void refer(const PagePlace& place) = 0;
  // Whether the file is to be emptied: what is still needed of it should be added anew.
  virtual bool leaving(std::uint64_t file) const = 0;
  // Whether neighbouring pages of `placed` bytes, which have a place, are now to be added anew as
  // one with `young` bytes that have none. One checkpoint takes just so much of that, in proportion
  // to what is young: the others wait for the next.
  virtual bool joins(std::uint64_t young, std::uint64_t placed) = 0;
  // Errors: corrupt, io_error. What the page says is lost then. Whoever keeps the bytes keeps them
  // from leaving memory.
  virtual Result<PageBytes> read(const PagePlace& place) = 0;
};

}  // namespace trv::model
