"""One random fault in one random file of a data directory, and what the undamaged files say must suffer from it.

The judge reads segments and checkpoints by the pages of their formats (docs/formats) and not with the broker's code: a frame
that the fault touched may be lost with all that is in it, and what depends on an entry lies in its virtual shard. So only
objects of the shards in touched frames may miss something; all others are healthy.
"""

import os
import struct
from pathlib import Path

PAGE = 4096
HEADER_COPY = 2048
HEADER = 48
FRAME_HEADER = 40
ENTRY_HEADER = 8
BATCH, CATALOG, PLACED = 4, 32, 33
UNREAD_QUEUE = "nobody-reads-this"  # takes what the bindings are tried with
PAGES_HEAD, PAGES_ROW = 24, 24  # of a page file
CHECKPOINT_HEAD, CHECKPOINT_ROW = 24, 40
SESSION, LANE = len("segment-") + 8, len("segment-") + 10  # where these end in the name of a segment
EDGE = 64  # granularity in which changed bytes are looked for


class Frame:
    def __init__(self, begin, end, synced, goes_on, entries):
        self.begin, self.end, self.synced, self.goes_on, self.entries = begin, end, synced, goes_on, entries


def frames_of(data):
    """The frames of a whole segment, in order: each until the chain of valid markers ends."""
    if len(data) < PAGE:
        return
    marker = (struct.unpack_from("<I", data, 16)[0] | 1).to_bytes(4, "little")
    at = PAGE
    while data[at:at + 4] == marker:
        (length,) = struct.unpack_from("<I", data, at + 8)
        synced, count, flags = struct.unpack_from("<QII", data, at + 24)
        entries, inner = [], at + FRAME_HEADER
        for _ in range(count):
            kind, shard, _, size = struct.unpack_from("<BBHI", data, inner)
            entries.append((kind, shard, data[inner + ENTRY_HEADER:inner + ENTRY_HEADER + size]))
            inner += ENTRY_HEADER + size
        yield Frame(at, at + length, synced, flags & 1, entries)
        at += length


def states_of(data):
    """The shards of a whole checkpoint, and their states."""
    (count,) = struct.unpack_from("<I", data, 12)
    for row in range(count):
        shard, *_, position, size = struct.unpack_from("<IIQIIQQ", data, CHECKPOINT_HEAD + CHECKPOINT_ROW * row)
        yield shard, data[position:position + size]


def changed(before, after):
    """The ranges in which the two differ, and what is beyond the shorter one's end."""
    ranges, shared = [], min(len(before), len(after))
    for at in range(0, shared, PAGE):
        if before[at:at + PAGE] != after[at:at + PAGE]:
            for inner in range(at, min(at + PAGE, shared), EDGE):
                if before[inner:inner + EDGE] != after[inner:inner + EDGE]:
                    ranges.append((inner, inner + EDGE))
    if len(before) != len(after):
        ranges.append((shared, max(len(before), len(after))))
    return ranges


class Judge:
    """What may suffer: from the bytes of the undamaged directory."""

    def __init__(self, directory, labels):
        self.segments = {path.name: path.read_bytes() for path in sorted(Path(directory).glob("segment-*"))}
        self.frames = {name: list(frames_of(data)) for name, data in self.segments.items()}
        self.page_files = {path.name: path.read_bytes() for path in sorted(Path(directory).glob("pages-*"))}
        self.names = {label: self._names(label) for label in labels}
        self.shards = {label: set() for label in labels}
        for _, (kind, shard, payload) in self._entries():
            if kind not in (BATCH, CATALOG, PLACED):
                for label, names in self.names.items():
                    if any(name in payload for name in names):
                        self.shards[label].add(shard)
        # Whose first entries are in no segment any more.
        for path in Path(directory).glob("checkpoint-*"):
            for shard, state in states_of(path.read_bytes()):
                for label, names in self.names.items():
                    if any(name in state for name in names):
                        self.shards[label].add(shard)

    def _entries(self):
        for name, frames in self.frames.items():
            for frame in frames:
                for entry in frame.entries:
                    yield name, entry

    @staticmethod
    def _names(label):
        """What entries call the object. A binding leads to nothing without its queue."""
        name = label.split(" ")[2].partition("/")[0].encode()
        return (name, UNREAD_QUEUE.encode()) if label.startswith("amqp exchange") else (name,)

    def unknown(self):
        return [label for label, shards in self.shards.items() if not shards]

    def may_suffer(self, name, ranges):
        """The labels that a fault in these ranges of the file may harm."""
        if name in self.page_files:
            shards = self._shards_of_pages(self.page_files[name], ranges)
            return {label for label, own in self.shards.items() if own & shards}
        if name not in self.segments:
            return set()
        touched = self._touched(self.frames[name], ranges)
        if touched and self.unprovable(name, ranges, touched):
            touched = [frame for frame in self.frames[name] if frame.begin >= touched[0].begin] + [
                frame for later in self._later(name) for frame in self.frames[later]]
        shards = {shard for frame in touched for kind, shard, _ in frame.entries}
        named = b"\0".join(payload for frame in touched for kind, _, payload in frame.entries
                           if kind in (CATALOG, PLACED))
        return {label for label, own in self.shards.items() if own & shards or (
            label.startswith("amqp") and any(one in named for one in self.names[label]))}

    @staticmethod
    def _shards_of_pages(data, ranges):
        """A page that cannot be read takes what it stands for with it; without the table none can be."""
        (count,) = struct.unpack_from("<I", data, 12)
        rows = [struct.unpack_from("<IIQQ", data, PAGES_HEAD + PAGES_ROW * row) for row in range(count)]
        table_hit = hit(ranges, 0, PAGES_HEAD + PAGES_ROW * count + 4)
        cut = any(end >= len(data) for _, end in ranges)
        return {shard for shard, _, begin, size in rows if table_hit or cut or hit(ranges, begin, begin + size)}

    def _touched(self, frames, ranges):
        """A round is whole or absent: its frames go together."""
        if hit(ranges, 0, HEADER) and hit(ranges, HEADER_COPY, HEADER_COPY + HEADER):
            return frames
        touched, held = [], []
        for frame in frames:
            held.append(frame)
            if not frame.goes_on:
                if any(hit(ranges, one.begin, one.end) for one in held):
                    touched += held
                held = []
        return touched + held

    def _later(self, name):
        """The segments behind it in its lane."""
        return [other for other in self.segments if other[:LANE] == name[:LANE] and other > name]

    def unprovable(self, name, ranges, touched=None):
        """The one case that the format cannot tell from the end of an unclean life: it is the last session's lane, and
        nothing that is left behind the first touched frame says that it was synced. A file that is gone, or has not
        even its header any more, is an empty end then."""
        if name not in self.segments or name[:SESSION] != max(self.segments)[:SESSION]:
            return False
        touched = touched or self._touched(self.frames[name], ranges)
        if not touched:
            return False
        size = len(self.segments[name])
        left = min((begin for begin, end in ranges if end >= size), default=size)
        header_lost = hit(ranges, 0, HEADER) and hit(ranges, HEADER_COPY, HEADER_COPY + HEADER)
        if PAGE < left < size or header_lost and left == size:
            return False  # Cut short, or a header that is no header: both are known to be damage.
        number = int(name[LANE:], 16)
        witnesses = [frame for frame in self.frames[name] if frame.begin > touched[0].begin and not hit(
            ranges, frame.begin, frame.begin + FRAME_HEADER)]
        witnesses += [frame for later in self._later(name) for frame in self.frames[later]]
        return not any(frame.synced > number << 32 | touched[0].begin for frame in witnesses)


def hit(ranges, begin, end):
    return any(one < end and begin < other for one, other in ranges)


# -- the faults: bytes of the file and a random source -> the bytes that are there afterwards; None: no file


def _place(data, random):
    """Somewhere in what was written; files are longer than that."""
    used = len(data.rstrip(b"\0")) if random.random() < 0.97 else len(data)
    return random.randrange(max(1, used)) if data else 0


def flip_bit(data, random, _):
    at = _place(data, random)
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1:]


def change_bytes(data, random, _):
    at, size = _place(data, random), random.randint(1, 64)
    return (data[:at] + random.randbytes(size) + data[at + size:])[:len(data)]


def lose_bytes(data, random, _):
    """What is behind them moves up, and the file is shorter."""
    at = _place(data, random)
    return data[:at] + data[at + random.randint(1, 64):]


def zero_page(data, random, _):
    at = _place(data, random) // PAGE * PAGE
    return (data[:at] + bytes(PAGE) + data[at + PAGE:])[:len(data)]


def misdirected_page(data, random, others):
    """The page of another place, of this file or of another one."""
    source = random.choice([data, *others])
    begin, at = (_place(part, random) // PAGE * PAGE for part in (source, data))
    return (data[:at] + source[begin:begin + PAGE].ljust(PAGE, b"\0") + data[at + PAGE:])[:len(data)]


def repeated_page(data, random, _):
    """Written twice, one page further."""
    at = _place(data, random) // PAGE * PAGE
    return (data[:at] + data[at:at + PAGE] * 2 + data[at + 2 * PAGE:])[:len(data)]


def lost_write(data, random, _):
    """A stretch of sectors that never came to the disk."""
    at, size = _place(data, random) // 512 * 512, 512 * random.randint(1, 32)
    return (data[:at] + bytes(size) + data[at + size:])[:len(data)]


def truncate(data, random, _):
    return data[:_place(data, random)]


def empty(data, random, _):
    return b""


def delete(data, random, _):
    return None


FAULTS = {flip_bit: 30, change_bytes: 15, zero_page: 12, misdirected_page: 12, repeated_page: 6, lost_write: 8,
          lose_bytes: 4, truncate: 9, empty: 3, delete: 5}


def apply_fault(directory, random, pattern="*"):
    """Damages one file of `directory` that matches the pattern. Result: (its name, the fault's name, the changed ranges)."""
    paths = sorted(path for path in Path(directory).glob(pattern) if path.is_file())
    # Half of the faults by file, so that small ones get theirs; half by size.
    if random.random() < 0.3:
        path = random.choice(paths)
    else:
        path = random.choices(paths, [written(path) for path in paths])[0]
    before = path.read_bytes()
    others = [other.read_bytes() for other in random.sample(paths, min(2, len(paths)))]
    while True:
        fault = random.choices(list(FAULTS), list(FAULTS.values()))[0]
        if not before and fault is not delete:
            fault = delete
        after = fault(before, random, others)
        if after != before:
            break
    if after is None:
        path.unlink()
        return path.name, fault.__name__, [(0, max(1, len(before)))]
    path.write_bytes(after)
    return path.name, fault.__name__, changed(before, after)


def written(path):
    """Bytes that the file system keeps for it."""
    return os.stat(path).st_blocks * 512 + 1
