"""Checks what a broker shows after a crash against what its clients were told before it.

Pure: no sockets, no clock. A client records `sent` before it speaks and the answer after it; what was sent and not
answered is unknown, and may or may not be there. Each `check_*` returns violations as text, empty when all is well.

Rules (numbers as in the reliability document): Q1 what was acknowledged is there; Q2 nothing is there that was not sent;
Q3 what was refused or aborted is not there; Q4 order is kept, offsets are dense and never name two values; Q5 committed
positions never go back; Q6 what was settled durably does not come back; Q8 transactions are whole; Q10 what a reader saw
before the crash is still there after it.
"""


def _some(values, limit=8):
    values = sorted(values)
    text = ", ".join(map(str, values[:limit]))
    return f"{text}, ... ({len(values)} in all)" if len(values) > limit else text


def _not_ascending(values):
    return [after for before, after in zip(values, values[1:]) if after <= before]


class Queue:
    """One AMQP queue with one publisher, whose bodies are 0, 1, 2, ... in the order of publishing."""

    def __init__(self, name):
        self.name = name
        self.sent_count = 0
        self.confirmed = set()
        self.refused = set()
        self.ack_sent = set()
        self.ack_durable = set()  # Acks that a later confirm on the same channel and queue covers.

    def check_content(self, delivered):
        """`delivered`: all that the queue holds, in order of delivery."""
        found = set(delivered)
        faults = []
        if lost := self.confirmed - self.ack_sent - found:
            faults.append(f"Q1 {self.name}: confirmed messages lost: {_some(lost)}")
        if phantom := {number for number in found if number >= self.sent_count}:
            faults.append(f"Q2 {self.name}: messages that were never sent: {_some(phantom)}")
        if refused := found & self.refused:
            faults.append(f"Q3 {self.name}: refused messages are there: {_some(refused)}")
        if wrong := _not_ascending(delivered):
            faults.append(f"Q4 {self.name}: delivered out of order or twice: {_some(wrong)}")
        if again := found & self.ack_durable:
            faults.append(f"Q6 {self.name}: redelivered after a durable ack: {_some(again)}")
        return faults


class Stream:
    """One Redis stream with one writer, whose values are 0, 1, 2, ... in the order of adding."""

    def __init__(self, name):
        self.name = name
        self.sent_count = 0
        self.added = {}  # number -> id, answered
        self.delete_sent = set()  # ids
        self.deleted = set()  # ids, answered
        self.observed = {}  # id -> number, seen by a reader

    def check_content(self, entries, since=(0, 0)):
        """`entries`: [(id, number)] of the stream in order, from id `since` on."""
        faults = []
        by_id = dict(entries)
        lost = {number for number, entry in self.added.items()
                if entry >= since and entry not in self.delete_sent and by_id.get(entry) != number}
        if lost:
            faults.append(f"Q1 {self.name}: acknowledged entries lost or changed: {_some(lost)}")
        if phantom := {number for _, number in entries if number >= self.sent_count}:
            faults.append(f"Q2 {self.name}: entries that were never sent: {_some(phantom)}")
        if undead := set(by_id) & self.deleted:
            faults.append(f"Q6 {self.name}: deleted entries are back: {_some(undead)}")
        if wrong := _not_ascending([entry for entry, _ in entries]):
            faults.append(f"Q4 {self.name}: ids not ascending: {_some(wrong)}")
        if wrong := _not_ascending([number for _, number in entries]):
            faults.append(f"Q4 {self.name}: entries out of order or twice: {_some(wrong)}")
        taken_back = {entry for entry, number in self.observed.items()
                      if entry >= since and entry not in self.delete_sent and by_id.get(entry) != number}
        if taken_back:
            faults.append(f"Q10 {self.name}: entries that a reader saw are gone: {_some(taken_back)}")
        return faults


class Pending:
    """The pending list of one Redis group with one consumer."""

    def __init__(self, name):
        self.name = name
        self.delivered = set()  # ids in answered XREADGROUP replies
        self.ack_sent = set()
        self.acked = set()  # answered
        self.dropped = set()  # ids deleted from the stream by XDEL: they may stay or go
        self.durable_position = (0, 0)  # deliveries up to it are known to have survived, so they do from then on

    def take_back(self, pending, entries_from_group_read, is_all):
        """Deliveries wait for the page cache only, so a loss of power may take back the last of them: the group's position
        goes back, and they are made again. Forgets those, before check_content judges the others. Arguments as there;
        `is_all`: the read got all that was left. What was acknowledged, or survived once, cannot be taken back."""
        self.durable_position = max([self.durable_position, *pending, *self.acked])
        new = set(entries_from_group_read)
        taken_back = {entry for entry in self.delivered if entry > self.durable_position and (
            entry in new or (not is_all and entry > max(new)))}
        self.delivered -= taken_back
        self.ack_sent -= taken_back

    def check_content(self, pending, entries_from_group_read):
        """`pending`: ids in XPENDING; `entries_from_group_read`: ids that a `>` read would deliver now."""
        faults = []
        pending = set(pending)
        if lost := self.delivered - self.ack_sent - pending - self.dropped:
            faults.append(f"Q1 {self.name}: pending entries lost: {_some(lost)}")
        if back := pending & self.acked:
            faults.append(f"Q6 {self.name}: acknowledged entries are pending again: {_some(back)}")
        if again := set(entries_from_group_read) & (self.delivered | self.acked):
            faults.append(f"Q6 {self.name}: delivered entries are new again: {_some(again)}")
        return faults


class Flow:
    """Elements 0, 1, 2, ... that one client puts in at the back of a list, moves on to the back of another, and takes out
    at the front of the last one."""

    def __init__(self, name):
        self.name = name
        self.sent_count = 0
        self.added = set()  # answered, or seen
        self.taken = set()  # given out by an answered pop
        self.takes_unanswered = 0
        self.decided_count = 0  # Of those below, only `left` may be there.
        self.left = set()

    def check_content(self, *places):
        """`places`: what each list holds, from the last list to the first, each from its front."""
        there = [number for place in places for number in place]
        found = set(there)
        faults = []
        missing = self.added - self.taken - found
        # A pop that was not answered may have taken the oldest one.
        if len(missing) > self.takes_unanswered or (missing and found and max(missing) > min(found)):
            faults.append(f"Q1 {self.name}: elements lost: {_some(missing)}, with {self.takes_unanswered} pops under way")
        if phantom := {number for number in found if number >= self.sent_count}:
            faults.append(f"Q2 {self.name}: elements that were never sent: {_some(phantom)}")
        if wrong := _not_ascending(there):
            faults.append(f"Q4 {self.name}: out of order or twice: {_some(wrong)}")
        if back := {number for number in found if number in self.taken or (
                number < self.decided_count and number not in self.left)}:
            faults.append(f"Q6 {self.name}: taken elements are back: {_some(back)}")
        # What was unknown is decided now.
        self.left, self.decided_count, self.takes_unanswered = found, self.sent_count, 0
        self.added, self.taken = set(found), set()
        return faults


class Register:
    """A number that only grows: a counter, a key that is set to 1, 2, 3, ..., a committed offset."""

    def __init__(self, name):
        self.name = name
        self.sent = None
        self.acknowledged = None

    def check_content(self, value):
        faults = []
        if self.acknowledged is not None and (value is None or value < self.acknowledged):
            faults.append(f"Q5 {self.name}: {value}, but {self.acknowledged} was acknowledged")
        if value is not None and (self.sent is None or value > self.sent):
            faults.append(f"Q2 {self.name}: {value}, but nothing above {self.sent} was sent")
        return faults


class Names:
    """Declarations and deletions of things that only exist or not."""

    def __init__(self, name):
        self.name = name
        self.made = set()
        self.remove_sent = set()
        self.removed = set()

    def check_content(self, exists):
        """`exists`: name -> whether it is there, for any names that were made."""
        faults = []
        if lost := {key for key, there in exists.items() if not there and key in self.made - self.remove_sent}:
            faults.append(f"Q1 {self.name}: declarations lost: {_some(lost)}")
        if back := {key for key, there in exists.items() if there and key in self.removed}:
            faults.append(f"Q6 {self.name}: removed, and back: {_some(back)}")
        return faults


class Delivery:
    """What the members of one group are given of one partition, from its beginning, whoever has it."""

    def __init__(self, name):
        self.name = name
        self.end = 0  # everything below was given to some member

    def take(self, offset):
        """A member starts where the group has committed, and nothing is committed that nobody was given."""
        if offset > self.end:
            self.end, missed = offset + 1, range(self.end, offset)
            return [f"Q1 {self.name}: never given to any member: {_some(missed)}"]
        self.end = max(self.end, offset + 1)
        return []


class Partition:
    """One Kafka partition with one producer, whose values are 0, 1, 2, ... in the order of sending."""

    def __init__(self, name, exactly_once):
        self.name = name
        self.exactly_once = exactly_once
        self.sent_count = 0
        self.reported = {}  # offset -> number, from delivery reports
        self.observed = {}  # offset -> number, seen by a reader
        self.next_offset = 0  # everything below was checked
        self.last_number = -1

    def check_content(self, records, end):
        """`records`: [(offset, number)] from next_offset on, read up to `end`, the high watermark."""
        faults = []
        offsets = [offset for offset, _ in records]
        if offsets != list(range(self.next_offset, end)):
            faults.append(f"Q4 {self.name}: offsets {self.next_offset}..{end} are not dense: {_some(offsets)}")
        by_offset = dict(records)
        for kind, rule, known in (("acknowledged", "Q1", self.reported), ("seen by a reader", "Q10", self.observed)):
            wrong = {offset for offset, number in known.items()
                     if offset >= self.next_offset and by_offset.get(offset) != number}
            if wrong:
                faults.append(f"{rule} {self.name}: {kind}, now gone or another value, at offsets {_some(wrong)}")
        numbers = [number for _, number in records]
        if phantom := {number for number in numbers if number >= self.sent_count}:
            faults.append(f"Q2 {self.name}: records that were never sent: {_some(phantom)}")
        if self.exactly_once:
            if wrong := _not_ascending([self.last_number, *numbers]):
                faults.append(f"Q4 {self.name}: twice or out of order: {_some(wrong)}")
        self.next_offset = max(end, self.next_offset)
        self.last_number = max([self.last_number, *numbers])
        return faults


class Transactions:
    """Transactions of one producer, one after another; each wrote the values (transaction, 0..count-1)."""

    def __init__(self, name):
        self.name = name
        self.sizes = {}
        self.committed = set()
        self.aborted = set()
        self.undecided = set()

    def check_content(self, visible):
        """`visible`: [(transaction, index)] that a read_committed reader gets, from the beginning, in order."""
        faults = []
        seen = {}
        for transaction, index in visible:
            seen.setdefault(transaction, []).append(index)
        if lost := {number for number in self.committed if number not in seen}:
            faults.append(f"Q1 {self.name}: committed transactions lost: {_some(lost)}")
        if there := self.aborted & set(seen):
            faults.append(f"Q3 {self.name}: aborted transactions visible: {_some(there)}")
        if phantom := set(seen) - set(self.sizes):
            faults.append(f"Q2 {self.name}: transactions that never began: {_some(phantom)}")
        torn = {number for number, indexes in seen.items()
                if number in self.sizes and sorted(indexes) != list(range(self.sizes[number]))}
        if torn:
            faults.append(f"Q8 {self.name}: not whole, or twice: {_some(torn)}")
        return faults
