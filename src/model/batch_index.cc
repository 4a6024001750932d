#include "model/batch_index.h"

#include <algorithm>
#include <boost/container/deque.hpp>
#include <iterator>
#include <utility>

#include "base/assert.h"
#include "base/memory_estimate.h"
#include "base/mutant.h"

namespace trv::model {
namespace {

constexpr std::size_t page_count = 32;          // batches in a page that is young
constexpr std::size_t placed_count_max = 1024;  // and in one that has a place
// A page joins newer ones when they have so many times its batches together: what is written anew
// is about four times what comes, and a backlog has but few small pages.
constexpr std::size_t join_ratio = 2;
// What readers at the end look for is not packed; the others are, a few at a time.
constexpr std::size_t newest_min = 4;
constexpr std::size_t packed_at_once = 8;
constexpr std::size_t newest_max = newest_min + packed_at_once;

bool begins_behind(RecordId id, const BatchEntry& entry) { return id < entry.first_id; }

bool is_one_of(std::span<const Sequence> firsts, const BatchEntry& entry) {
  return std::binary_search(firsts.begin(), firsts.end(), entry.first_sequence);
}

}  // namespace

struct BatchIndex::Packed {
  using Pages = boost::container::deque<BatchPage>;

  Pages pages;
  std::uint64_t first_number = 0;  // of the first batch that is left; the first page may have more
  mutable PageCursor cursor;

  std::uint64_t end_number() const {
    return pages.empty() ? first_number : pages.back().end_number();
  }
  std::size_t count() const { return static_cast<std::size_t>(end_number() - first_number); }
  std::size_t index_of(std::uint64_t number) const {
    return static_cast<std::size_t>(number - std::min(number, first_number));
  }
  // The place in `pages` of the one with that batch. Requires: it is packed.
  std::size_t page_with(std::uint64_t number) const {
    auto it = std::upper_bound(pages.begin(), pages.end(), number,
                               [](std::uint64_t n, const BatchPage& p) { return n < p.number; });
    return static_cast<std::size_t>(it - pages.begin()) - 1;
  }
  std::size_t first_page_behind(Sequence sequence) const {
    auto it = std::upper_bound(pages.begin(), pages.end(), sequence,
                               [](Sequence s, const BatchPage& p) { return s < p.end; });
    return static_cast<std::size_t>(it - pages.begin());
  }

  // The first in the page for which `is_behind` holds, which it does for the last at the latest.
  template <class Condition>
  std::size_t find_in(const BatchPage& page, PageStore* store, Condition&& is_behind) const {
    std::size_t index = 0;
    const BatchEntry* known = cursor.found_in(page, index);
    index = known && !is_behind(*known) ? index + 1 : 0;
    while (!is_behind(cursor.look(page, index, store))) ++index;
    return index;
  }
  // Appends those that are left of it. False: they could not be read, and lie nowhere.
  bool collect(const BatchPage& page, PageStore* store, std::vector<BatchEntry>& out) const {
    const std::uint64_t gone = std::max(first_number, page.number) - page.number;
    for (auto i = static_cast<std::size_t>(gone); i < page.count; ++i) {
      out.push_back(cursor.look(page, i, store));
    }
    return !cursor.lost();
  }
  // In memory, with what is left of it: in pages of the young ones' size, since who changes one
  // batch of it goes on with the next. Result: how many they are. Requires: something is left.
  std::size_t remake(std::size_t at, std::span<const BatchEntry> left) {
    std::uint64_t number = std::max(pages[at].number, first_number);
    std::vector<BatchPage> made;
    for (std::size_t i = 0; i < left.size(); i += page_count) {
      made.push_back(make_page(left.subspan(i, std::min(page_count, left.size() - i))));
      made.back().number = number;
      number += made.back().count;
    }
    pages[at] = std::move(made.front());
    // This container moves elements onto themselves when it inserts none.
    if (made.size() > 1) {
      pages.insert(pages.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                   std::make_move_iterator(made.begin() + 1), std::make_move_iterator(made.end()));
    }
    cursor.forget();
    return made.size();
  }
  // In the place of `page`. False: the store takes none.
  bool place(BatchPage& page, std::span<const BatchEntry> entries, PageStore& store) const {
    BatchPage placed = make_page(entries);
    const auto place = store.add(placed.bytes);
    if (!place) return false;
    placed.number = std::max(page.number, first_number);
    placed.place = *place;
    if (TRV_MUTANT(page_leaves_memory_unstored)) placed.bytes.clear();
    placed.segments = segments_of(entries);
    page = std::move(placed);
    return true;
  }
  // Where those begin that are to become one, or as few as can be; pages.size() when none are.
  std::size_t joined_from(PageStore& store) const {
    std::size_t count = 0;
    std::size_t from = pages.size();
    for (std::size_t i = pages.size(); i > 0 && count + pages[i - 1].count <= placed_count_max;) {
      const BatchPage& page = pages[--i];
      if (page.count * join_ratio <= count) from = i;
      count += page.count;
    }
    std::uint64_t young = 0;
    std::uint64_t placed = 0;
    for (std::size_t i = from; i < pages.size(); ++i) {
      young += pages[i].bytes.size();
      placed += pages[i].place.length;
    }
    return placed == 0 || store.joins(young, placed) ? from : pages.size();
  }
  void renumber() {
    std::uint64_t number = pages.front().number;
    for (BatchPage& page : pages) {
      page.number = number;
      number += page.count;
    }
    cursor.forget();
  }
};

BatchIndex::BatchIndex() = default;
BatchIndex::~BatchIndex() = default;
BatchIndex::BatchIndex(BatchIndex&&) noexcept = default;
BatchIndex& BatchIndex::operator=(BatchIndex&&) noexcept = default;

BatchIndex::Packed& BatchIndex::packed() {
  if (!packed_) packed_ = std::make_unique<Packed>();
  return *packed_;
}

std::size_t BatchIndex::packed_count() const { return packed_ ? packed_->count() : 0; }

std::size_t BatchIndex::memory_bytes() const {
  std::size_t bytes = sizeof(*this) + estimate_array(newest_);
  if (!packed_) return bytes;
  bytes += sizeof(*packed_) + estimate_array(packed_->pages);
  for (const BatchPage& page : packed_->pages) {
    bytes += page.bytes.size() + page.segments.packed().size();
  }
  return bytes;
}

std::size_t BatchIndex::size() const { return packed_count() + newest_.size(); }

BatchEntry BatchIndex::at(std::size_t index) const {
  const std::size_t packed = packed_count();
  if (index >= packed) {
    TRV_ASSERT(index - packed < newest_.size());
    return newest_[index - packed];
  }
  const std::uint64_t number = packed_->first_number + index;
  const BatchPage& page = packed_->pages[packed_->page_with(number)];
  return packed_->cursor.look(page, static_cast<std::size_t>(number - page.number), store_);
}

void BatchIndex::push_back(const BatchEntry& entry) {
  if (newest_.size() == newest_max) pack_newest(packed_at_once);
  // Many topics are small, and none has more than that.
  if (newest_.size() == newest_.capacity()) {
    newest_.reserve(std::clamp<std::size_t>(newest_.size() * 2, 1, newest_max));
  }
  newest_.push_back(entry);
}

void BatchIndex::pack_newest(std::size_t count) {
  if (count == 0) return;
  const auto some = std::span(newest_).first(count);
  Packed::Pages& pages = packed().pages;
  if (!pages.empty() && pages.back().young() && pages.back().count + count <= page_count) {
    std::vector<BatchEntry> entries;
    packed_->collect(pages.back(), store_, entries);
    entries.insert(entries.end(), some.begin(), some.end());
    packed_->remake(pages.size() - 1, entries);
  } else {
    BatchPage page = make_page(some);
    page.number = packed_->end_number();
    pages.push_back(std::move(page));
  }
  newest_.erase(newest_.begin(), newest_.begin() + static_cast<std::ptrdiff_t>(count));
}

void BatchIndex::pop_front() {
  if (packed_count() == 0) {
    newest_.erase(newest_.begin());
    return;
  }
  if (++packed_->first_number < packed_->pages.front().end_number()) return;
  packed_->pages.pop_front();
  packed_->cursor.forget();
  if (packed_->pages.empty()) packed_.reset();
}

void BatchIndex::replace(std::size_t index, const BatchEntry& entry) {
  const std::size_t packed = packed_count();
  if (index >= packed) {
    newest_[index - packed] = entry;
    return;
  }
  const std::uint64_t number = packed_->first_number + index;
  const std::size_t at = packed_->page_with(number);
  const BatchPage& page = packed_->pages[at];
  std::vector<BatchEntry> entries;
  packed_->collect(page, store_, entries);
  const std::uint64_t first = std::max(page.number, packed_->first_number);
  BatchEntry& old = entries[static_cast<std::size_t>(number - first)];
  TRV_ASSERT(old.first_sequence == entry.first_sequence);
  old = entry;
  packed_->remake(at, entries);
}

bool BatchIndex::erase_in_newest(std::span<const Sequence> firsts, const Goes& goes) {
  return std::erase_if(newest_, [&](const BatchEntry& entry) {
           return is_one_of(firsts, entry) && goes(entry);
         }) > 0;
}

bool BatchIndex::erase(std::span<const Sequence> firsts, const Goes& goes) {
  if (!packed_) return erase_in_newest(firsts, goes);
  bool any = false;
  Packed::Pages& pages = packed_->pages;
  for (std::size_t i = 0; i < pages.size();) {
    BatchPage& page = pages[i];
    auto first = std::lower_bound(firsts.begin(), firsts.end(), page.first_sequence);
    if (first == firsts.end() || *first >= page.end) {
      ++i;
      continue;
    }
    std::vector<BatchEntry> left;
    packed_->collect(page, store_, left);
    const bool some = std::erase_if(left, [&](const BatchEntry& entry) {
                        return is_one_of(firsts, entry) && goes(entry);
                      }) > 0;
    any = any || some;
    if (!some) {
      ++i;
    } else if (left.empty()) {
      if (i == 0 && pages.size() > 1) packed_->first_number = pages[1].number;
      pages.erase(pages.begin() + static_cast<std::ptrdiff_t>(i));
      packed_->cursor.forget();
    } else {
      i += packed_->remake(i, left);  // numbers are put right at the end
    }
  }
  if (pages.empty()) {
    packed_.reset();
  } else if (any) {
    packed_->renumber();
  }
  return erase_in_newest(firsts, goes) || any;
}

std::size_t BatchIndex::first_behind(Sequence sequence) const {
  const std::size_t packed = packed_count();
  if (packed > 0 && packed_->pages.back().end > sequence) {
    const BatchPage& page = packed_->pages[packed_->first_page_behind(sequence)];
    const std::size_t in_page = packed_->find_in(
        page, store_, [&](const BatchEntry& entry) { return entry.end_sequence() > sequence; });
    return packed_->index_of(page.number + in_page);
  }
  auto it = std::upper_bound(
      newest_.begin(), newest_.end(), sequence,
      [](Sequence s, const BatchEntry& entry) { return s < entry.end_sequence(); });
  return packed + static_cast<std::size_t>(it - newest_.begin());
}

std::size_t BatchIndex::count_until(RecordId id) const {
  if (!newest_.empty() && !begins_behind(id, newest_.front())) {
    auto it = std::upper_bound(newest_.begin(), newest_.end(), id, begins_behind);
    return packed_count() + static_cast<std::size_t>(it - newest_.begin());
  }
  if (packed_count() == 0) return 0;
  const Packed::Pages& pages = packed_->pages;
  auto page = std::upper_bound(pages.begin(), pages.end(), id,
                               [](RecordId i, const BatchPage& p) { return i < p.first_id; });
  if (page == pages.begin()) return 0;
  --page;
  std::size_t in_page = 0;
  while (in_page < page->count &&
         !begins_behind(id, packed_->cursor.look(*page, in_page, store_))) {
    ++in_page;
  }
  return packed_->index_of(page->number + in_page);
}

// --- pages ---------------------------------------------------------------------------------------

std::size_t BatchIndex::skip_older(std::size_t index, std::int64_t timestamp) const {
  const std::size_t packed = packed_count();
  if (index >= packed) return index;
  std::size_t i = packed_->page_with(packed_->first_number + index);
  if (packed_->pages[i].max_timestamp >= timestamp) return index;
  while (i < packed_->pages.size() && packed_->pages[i].max_timestamp < timestamp) ++i;
  return i < packed_->pages.size() ? packed_->index_of(packed_->pages[i].number) : packed;
}

const BatchPage* BatchIndex::page_at(std::size_t index) const {
  if (index >= packed_count()) return nullptr;
  const std::uint64_t number = packed_->first_number + index;
  const BatchPage& page = packed_->pages[packed_->page_with(number)];
  return page.number == number && page.place.file != 0 ? &page : nullptr;
}

const BatchPage* BatchIndex::page_behind(Sequence sequence) const {
  if (!packed_) return nullptr;
  const std::size_t i = packed_->first_page_behind(sequence);
  if (i == packed_->pages.size() || packed_->pages[i].place.file == 0) return nullptr;
  return &packed_->pages[i];
}

void BatchIndex::use(PageStore* store) { store_ = store; }

// A place is given once more when the checkpoint that it came with did not come to be. Neighbours
// become one page.
void BatchIndex::place_pages() {
  if (!packed_ || !store_) return;
  Packed::Pages& pages = packed_->pages;
  for (BatchPage& page : pages) {
    if (page.in_memory()) page.place = {};
  }
  const std::size_t joined = packed_->joined_from(*store_);
  // What cannot be read stays where it is.
  std::vector<BatchEntry> entries;
  const auto gather = [&](std::size_t i) {
    const BatchPage& page = pages[i];
    if (entries.size() + page.count > placed_count_max) return false;
    if (!page.in_memory() && i < joined && !store_->leaving(page.place.file)) return false;
    const std::size_t before = entries.size();
    const bool whole = packed_->collect(page, store_, entries);
    if (!whole) entries.resize(before);
    return whole;
  };
  bool taken = true;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < pages.size(); ++kept) {
    std::size_t end = i + 1;
    entries.clear();
    if (taken && gather(i)) {
      while (end < pages.size() && gather(end)) ++end;
      taken = packed_->place(pages[i], entries, *store_);
      if (!taken) end = i + 1;
    }
    if (kept != i) pages[kept] = std::move(pages[i]);
    i = end;
  }
  pages.resize(kept);
  packed_->cursor.forget();
}

void BatchIndex::on_stored(std::uint64_t file) {
  if (!packed_) return;
  for (BatchPage& page : packed_->pages) {
    if (page.place.file != file || !page.in_memory()) continue;
    std::string().swap(page.bytes);  // an assignment would keep the memory
  }
  packed_->cursor.forget();
}

void BatchIndex::load_pages() {
  if (!packed_) return;
  for (std::size_t i = 0; i < packed_->pages.size();) {
    const BatchPage& page = packed_->pages[i];
    if (page.place.file == 0) {
      ++i;
      continue;
    }
    std::vector<BatchEntry> entries;
    packed_->collect(page, store_, entries);
    i += packed_->remake(i, entries);
  }
}

// --- checkpoints ---------------------------------------------------------------------------------

void BatchIndex::encode(ByteWriter& writer) const {
  for (std::size_t i = 0; i < size();) {
    std::size_t end = i;
    std::uint64_t pages = 0;
    for (const BatchPage* page = page_at(end); page; page = page_at(end)) {
      end += page->count;
      ++pages;
    }
    writer.varint(pages);
    while (i < end) {
      const BatchPage* page = page_at(i);
      encode_summary(*page, writer);
      store_->refer(page->place);
      i += page->count;
    }
    while (end < size() && !page_at(end)) ++end;
    writer.varint(end - i);
    for (; i < end; ++i) model::encode(at(i), writer);
  }
  writer.varint(0);
  writer.varint(0);
}

bool BatchIndex::decode_entries(ByteReader& reader, std::uint64_t count,
                                std::int32_t partition_count) {
  for (; count > 0; --count) {
    const BatchEntry entry = decode_batch_entry(reader);
    if (!reader.ok() || entry.partition.value < 0 || entry.partition.value >= partition_count) {
      return false;
    }
    push_back(entry);
  }
  return true;
}

bool BatchIndex::decode(ByteReader& reader, std::int32_t partition_count, bool steps) {
  for (;;) {
    const std::uint64_t pages = reader.varint();
    for (std::uint64_t n = pages; n > 0; --n) {
      BatchPage page;
      if (!decode_summary(reader, page, steps) || !store_) return false;
      pack_newest(newest_.size());
      page.number = packed().end_number();
      packed_->pages.push_back(std::move(page));
    }
    const std::uint64_t entries = reader.varint();
    if (!decode_entries(reader, entries, partition_count)) return false;
    if (pages == 0 && entries == 0) return reader.ok();
  }
}

bool BatchIndex::decode_plain(ByteReader& reader, std::int32_t partition_count) {
  return decode_entries(reader, reader.varint(), partition_count) && reader.ok();
}

}  // namespace trv::model
