#include "storage/lane_replay.h"

#include <algorithm>
#include <utility>

#include "base/mutant.h"

namespace trv::storage {
namespace {

constexpr std::uint32_t load_step_min = 64u << 10;
constexpr std::uint32_t load_step_max = 4u << 20;
constexpr std::uint32_t window_size = 256u << 10;

// The first of the words at every `frame_alignment` bytes that equals `word`; `size` when none
// does.
std::size_t find_word(const char* bytes, std::size_t size, std::uint32_t word) {
  constexpr std::size_t block = 128 * frame_alignment;
  std::size_t at = 0;
  for (; at + block <= size; at += block) {
    bool there = false;
    for (std::size_t i = 0; i < block; i += frame_alignment) {
      there |= load_le<std::uint32_t>(bytes + at + i) == word;
    }
    if (there) break;
  }
  for (; at + sizeof word <= size; at += frame_alignment) {
    if (load_le<std::uint32_t>(bytes + at) == word) return at;
  }
  return size;
}

std::string describe(LanePlace from, std::optional<LanePlace> to) {
  std::string text = "unreadable from byte " + std::to_string(from.position);
  if (!to) return text + " on; nothing readable behind it";
  text += " to byte " + std::to_string(to->position);
  if (to->number != from.number) text += " of segment number " + std::to_string(to->number);
  return text;
}

}  // namespace

// --- SegmentImage -------------------------------------------------------------------------------

Status SegmentImage::open(io::Directory& directory) {
  Result<std::unique_ptr<io::File>> file = directory.open(segment_name(id_), io::OpenMode::read);
  if (!file.ok()) return file.error();
  file_ = std::move(*file);
  Result<std::uint64_t> size = file_->size();
  if (!size.ok()) return size.error();
  size_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(*size, segment_size_max));
  if (scratch_.capacity < size_) {
    scratch_.bytes.reset(new char[size_]);
    scratch_.capacity = size_;
  }
  if (Status s = load(segment_header_size); !s.ok()) return s;
  header_ = parse_segment_header(ByteView(scratch_.bytes.get(), loaded_));
  if (header_ && header_->id != id_) header_.reset();
  if (header_) seal_ = FrameSeal(header_->uuid);
  return {};
}

Status SegmentImage::load(std::uint64_t until) {
  while (loaded_ < until && loaded_ < size_) {
    std::uint32_t step = std::clamp(loaded_, load_step_min, load_step_max);
    std::uint32_t n = std::min(step, size_ - loaded_);
    if (Status s = read(loaded_, std::span(scratch_.bytes.get() + loaded_, n)); !s.ok()) return s;
    loaded_ += n;
  }
  return {};
}

Status SegmentImage::read(std::uint64_t position, std::span<char> into) {
  read_ += into.size();
  return file_->read_at(position, into);
}

Result<bool> SegmentImage::blank() {
  if (Status s = load(size_); !s.ok()) return s.error();
  ByteView all(scratch_.bytes.get(), size_);
  if (all.size() <= segment_header_size) return true;
  return all.find_first_not_of('\0', segment_header_size) == ByteView::npos;
}

Result<ParsedFrame> SegmentImage::frame_at(std::uint32_t position, bool check_body) {
  if (!header_ || position > size_) return ParsedFrame{};
  if (Status s = load(std::uint64_t{position} + frame_header_size); !s.ok()) return s.error();
  const char* begin = scratch_.bytes.get() + position;
  ParsedFrame parsed =
      parse_frame(ByteView(begin, loaded_ - position), seal_, position, /*check_body=*/false);
  if (parsed.state == FrameState::invalid) return parsed;
  if (Status s = load(std::uint64_t{position} + parsed.header.length); !s.ok()) return s.error();
  return parse_frame(ByteView(begin, loaded_ - position), seal_, position, check_body);
}

Result<std::optional<std::uint32_t>> SegmentImage::find_frame(std::uint32_t position) {
  using Found = std::optional<std::uint32_t>;
  if (!header_) return Found{};
  for (std::uint64_t from = position;; from += frame_alignment) {
    Result<std::uint64_t> at = find_marker(from);
    if (!at.ok()) return at.error();
    if (*at + frame_header_size > size_) return Found{};
    from = *at;
    Result<ParsedFrame> frame = frame_at(static_cast<std::uint32_t>(from), false);
    if (!frame.ok()) return frame.error();
    if (frame->state != FrameState::invalid) return Found{static_cast<std::uint32_t>(from)};
  }
}

Result<std::uint64_t> SegmentImage::find_marker(std::uint64_t from) {
  const std::uint32_t marker = seal_.marker();
  if (from < loaded_) {
    std::size_t at = find_word(scratch_.bytes.get() + from, loaded_ - from, marker);
    if (from + at < loaded_) return from + at;
    from = loaded_;
  }
  if (!data_) {
    if (Status s = find_data(from); !s.ok()) return s.error();
  }
  if (!scratch_.window) scratch_.window.reset(new char[window_size]);
  for (const io::Stretch& data : *data_) {
    for (from = std::max(from, data.begin); from < data.end;) {
      std::size_t n = std::min<std::uint64_t>(window_size, data.end - from);
      if (Status s = read(from, std::span(scratch_.window.get(), n)); !s.ok()) return s.error();
      std::size_t at = find_word(scratch_.window.get(), n, marker);
      if (at < n) return from + at;
      from += n;
    }
  }
  return std::uint64_t{size_};
}

Status SegmentImage::find_data(std::uint64_t from) {
  data_.emplace();
  while (from < size_) {
    Result<io::Stretch> data = file_->next_data(from);
    if (!data.ok()) return data.error();
    // Markers are looked for at multiples of the alignment only.
    data->begin = std::max(from, data->begin / frame_alignment * frame_alignment);
    data->end = std::min<std::uint64_t>(align_frame(static_cast<std::uint32_t>(data->end)), size_);
    if (data->begin >= data->end) break;
    data_->push_back(*data);
    from = data->end;
  }
  return {};
}

ByteView SegmentImage::frame_body(std::uint32_t position, const FrameHeader& header) const {
  return {scratch_.bytes.get() + position + frame_header_size, header.length - frame_header_size};
}

bool SegmentImage::marker_at(std::uint32_t position) {
  if (!header_ || position + sizeof(std::uint32_t) > loaded_) return false;
  return load_le<std::uint32_t>(scratch_.bytes.get() + position) == seal_.marker();
}

// --- LaneReplay ---------------------------------------------------------------------------------

LaneReplay::LaneReplay(io::Directory& directory, Input input, Scratch& scratch, OnEntry on_entry,
                       RecoveryReport& report)
    : directory_(directory),
      input_(std::move(input)),
      scratch_(scratch),
      on_entry_(std::move(on_entry)),
      report_(report) {
  if (input_.first_number == 0) expected_ = 0;
  end_ = {input_.first_number, segment_header_size};
}

Status LaneReplay::run() {
  if (input_.numbers.empty()) {
    if (input_.seal && end_ < input_.seal->end) {
      damaged(end_, "the lane's segments are missing");
    }
    return {};
  }
  if (input_.numbers.front() != input_.first_number) {
    damaged(end_, "segments are missing before number " + std::to_string(input_.numbers.front()));
    expected_.reset();
  }
  if (Status s = open_segment(0); !s.ok()) return s;
  while (!ended_) {
    if (Status s = replay_frames(); !s.ok()) return s;
    if (ended_) break;
    if (Status s = resolve_break(); !s.ok()) return s;
  }
  report_.bytes += image_->bytes_read();
  return {};
}

Status LaneReplay::open_segment(std::size_t index) {
  if (image_) report_.bytes += image_->bytes_read();
  ++report_.segments;
  index_ = index;
  position_ = segment_header_size;
  image_ = std::make_unique<SegmentImage>(id_of(input_.numbers[index]), scratch_.reading);
  return image_->open(directory_);
}

LanePlace LaneReplay::place() const { return {input_.numbers[index_], position_}; }

bool LaneReplay::at_seal() const { return input_.seal && place() >= input_.seal->end; }

// Delivers frames as long as each follows the one before.
Status LaneReplay::replay_frames() {
  for (;;) {
    if (at_seal()) {
      ended_ = true;
      return deliver_held();  // a round that is before the seal was whole; damage was reported
    }
    Result<ParsedFrame> frame = image_->frame_at(position_);
    if (!frame.ok()) return frame.error();
    if (frame->state != FrameState::valid) return {};
    const bool follows = !expected_ || *expected_ == frame->header.entry_first;
    if (!follows && !TRV_MUTANT(gap_in_the_numbers_accepted)) return {};
    if (Status s = take(frame->header); !s.ok()) return s;
    position_ += frame->header.length;
    expected_ = frame->header.entry_first + frame->header.entry_count;
    synced_ = std::max(synced_, frame->header.synced);
    if (held_.empty()) {
      entries_ = *expected_;
      end_ = place();
    }
  }
}

Status LaneReplay::take(const FrameHeader& header) {
  ByteView body = image_->frame_body(position_, header);
  if (header.round_goes_on) {
    held_.push_back({place(), header, std::string(body)});
    return {};
  }
  if (Status s = deliver_held(); !s.ok()) return s;
  return deliver(place(), header, body);
}

Status LaneReplay::deliver_held() {
  for (const HeldFrame& frame : std::exchange(held_, {})) {
    if (Status s = deliver(frame.at, frame.header, frame.body); !s.ok()) return s;
  }
  return {};
}

Status LaneReplay::deliver(LanePlace place, const FrameHeader& header, ByteView body) {
  std::uint32_t at = place.position + frame_header_size;
  for (std::uint32_t i = 0; i < header.entry_count; ++i) {
    bool whole = body.size() >= entry_header_size;
    EntryHeader entry = whole ? parse_entry_header(body.data()) : EntryHeader{};
    if (!whole || entry.size > body.size() - entry_header_size) {
      damaged({place.number, at}, "a frame's entries do not fit into it");
      return {};
    }
    ByteView payload = body.substr(entry_header_size, entry.size);
    BlobRange where{id_of(place.number).blob(), at + entry_header_size, entry.size};
    if (Status s = on_entry_(entry, payload, where); !s.ok()) return s;
    body.remove_prefix(entry_header_size + entry.size);
    at += entry_header_size + entry.size;
  }
  return {};
}

Status LaneReplay::resolve_break() {
  const LanePlace here = place();
  Result<bool> continues = continues_in_next();
  if (!continues.ok()) return continues.error();
  if (*continues) return open_segment(index_ + 1);

  Result<Behind> behind = look_behind();
  if (!behind.ok()) return behind.error();
  const std::optional<LanePlace> next = behind->next;
  bool was_synced = input_.seal.has_value();  // and here < seal.end, or replay_frames had ended
  std::string what = describe(here, next);
  if (behind->cut_short) {
    was_synced = true;
    what = "a segment's file is cut short; " + what;
  }
  if (!image_->header()) {
    Result<bool> blank = image_->blank();
    if (!blank.ok()) return blank.error();
    // A file gets its name after its header is synced; see SegmentFiles.
    if (!*blank) {
      was_synced = true;
      what = "the segment's header is unreadable; " + what;
    }
  }
  if (!was_synced) {
    // Without a frame behind, nothing says more than the frames before.
    Result<LanePlace> synced = behind->any_header ? latest_synced() : Result<LanePlace>(synced_);
    if (!synced.ok()) return synced.error();
    was_synced = here < *synced && !TRV_MUTANT(tail_rule_too_greedy);
  }
  if (TRV_MUTANT(tail_rule_too_strict) && next) was_synced = true;
  if (was_synced) {
    damaged(here, std::move(what));
  } else if (next || image_->marker_at(position_) || !held_.empty()) {
    const LanePlace cut = held_.empty() ? here : held_.front().at;
    report_.torn_tails.push_back({id_of(cut.number).blob(), cut.position,
                                  "the end was not synced before the process or the machine died"});
  }
  if (was_synced && next) {
    expected_.reset();
    return move_to(*next);
  }
  ended_ = true;
  // Of a round that was accepted once, what is left counts; else nothing without its last frame.
  if (input_.seal || TRV_MUTANT(half_round_handed_out)) return deliver_held();
  held_.clear();
  return {};
}

// Is the break only the end of a segment, and the next one follows without a gap?
Result<bool> LaneReplay::continues_in_next() {
  if (!expected_ || index_ + 1 == input_.numbers.size()) return false;
  SegmentImage next(id_of(input_.numbers[index_ + 1]), scratch_.looking_ahead);
  if (Status s = next.open(directory_); !s.ok()) return s.error();
  Result<ParsedFrame> frame = next.frame_at(segment_header_size);
  if (!frame.ok()) return frame.error();
  if (frame->state != FrameState::valid) return false;
  // A note has no entries: it follows, but proves nothing about what is missing before it.
  return frame->header.entry_first == *expected_;
}

Result<LaneReplay::Behind> LaneReplay::look_behind() {
  Behind behind;
  std::uint32_t from = position_;
  for (std::size_t i = index_; i < input_.numbers.size(); ++i, from = segment_header_size) {
    std::optional<SegmentImage> other;
    if (i != index_) {
      other.emplace(id_of(input_.numbers[i]), scratch_.looking_ahead);
      if (Status s = other->open(directory_); !s.ok()) return s.error();
    }
    SegmentImage& image = other ? *other : *image_;
    behind.cut_short = behind.cut_short || cut_short(image);
    for (;;) {
      Result<std::optional<std::uint32_t>> found = image.find_frame(from);
      if (!found.ok()) return found.error();
      if (!*found) break;
      LanePlace at{input_.numbers[i], **found};
      if (input_.seal && at >= input_.seal->end) return behind;
      behind.any_header = true;
      Result<ParsedFrame> frame = image.frame_at(**found);
      if (!frame.ok()) return frame.error();
      if (frame->state == FrameState::valid) {
        behind.next = at;
        return behind;
      }
      from = **found + frame_alignment;
    }
  }
  return behind;
}

// A file has its full size before it has its name, and until a start has sealed its lane.
bool LaneReplay::cut_short(const SegmentImage& image) const {
  if (!input_.uncut || input_.seal || !image.header()) return false;
  return image.size() > segment_header_size && image.size() < image.header()->size;
}

// What the last frame of the lane that has a whole header says. It only grows along the lane.
Result<LanePlace> LaneReplay::latest_synced() {
  LanePlace latest = synced_;
  for (std::size_t i = input_.numbers.size(); i-- > index_;) {
    std::optional<SegmentImage> other;
    if (i != index_) {
      other.emplace(id_of(input_.numbers[i]), scratch_.looking_ahead);
      if (Status s = other->open(directory_); !s.ok()) return s.error();
    }
    SegmentImage& image = other ? *other : *image_;
    bool any = false;
    for (std::uint32_t from = i == index_ ? position_ : segment_header_size;;) {
      Result<std::optional<std::uint32_t>> found = image.find_frame(from);
      if (!found.ok()) return found.error();
      if (!*found) break;
      Result<ParsedFrame> frame = image.frame_at(**found, /*check_body=*/false);
      if (!frame.ok()) return frame.error();
      latest = std::max(latest, frame->header.synced);
      from = **found + frame_header_size;
      any = true;
    }
    if (any) break;
  }
  return latest;
}

Status LaneReplay::move_to(LanePlace to) {
  if (to.number != input_.numbers[index_]) {
    auto it = std::find(input_.numbers.begin(), input_.numbers.end(), to.number);
    if (Status s = open_segment(static_cast<std::size_t>(it - input_.numbers.begin())); !s.ok()) {
      return s;
    }
  }
  position_ = to.position;
  return {};
}

LaneSeal LaneReplay::end() const {
  if (input_.seal) return *input_.seal;
  return {input_.session, input_.lane, end_, entries_};
}

void LaneReplay::damaged(LanePlace at, std::string what) {
  report_.damaged.push_back({id_of(at.number).blob(), at.position, std::move(what)});
}

}  // namespace trv::storage
