"""Judges what transactions that append values to logs and read them have seen, in the manner of Elle's list-append check.

A log is a partition; its value at the end is the order in which everything was appended. Each value is appended once, so
the log tells who wrote before whom, and each read whom it depends on:

  lost      a value of a transaction that was committed is not in its log, or the log has it twice, or in another order than
            its writer sent it; or a transaction is there in parts (torn)
  G0        two transactions of which one began after the other's commit had been acknowledged are in a log the wrong way
            round. (Those that overlap may write in and out of each other's way: Kafka's logs have records where they
            arrived, so cycles of writes alone are legal there. They are counted.)
  G1a       a transaction that was aborted, or is nowhere in the end, was read; or one read what it had not committed itself
  G1b       a reader stood at the end of what there was between two values of one transaction. (Not when another one that is
            not in the log in the end may have begun between them: readers are not led past one that is open.)
  G1c       each of several transactions has read from the next of them, round and round
  reads     what a reader has got over its life is not the beginning of the log
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

COMMITTED, ABORTED, UNKNOWN = "committed", "aborted", "unknown"
NEVER = float("inf")


@dataclass
class Read:
    partition: int
    values: list
    at_end: bool = False  # there was nothing more


@dataclass
class Transaction:
    reader: int  # whose reads follow each other
    began: float
    ended: float = NEVER  # when its end was acknowledged
    outcome: str = UNKNOWN
    appends: list = field(default_factory=list)  # of (partition, value), in their order
    reads: list = field(default_factory=list)


class Judgement:
    """`transactions` in any order but that each reader's are in theirs; `logs`: partition -> values."""

    def __init__(self, transactions, logs):
        self.transactions, self.logs = transactions, logs
        self.writers = {append: each for each in transactions for append in each.appends}
        self.places = {(partition, value): place for partition, values in logs.items() for place, value in enumerate(values)}
        self.interleaved = 0  # pairs that are the other way round in another log
        self.faults = [*self._content(), *self._order(), *self._dirty_reads(), *self._progress(), *self._cycles()]

    def _content(self):
        for partition, values in self.logs.items():
            for value, count in Counter(values).items():
                if count > 1:
                    yield f"lost: {value} is in log {partition} {count} times"
                if (partition, value) not in self.writers:
                    yield f"lost: nobody wrote {value} to log {partition}"
        for each in self.transactions:
            there = [append for append in each.appends if append in self.places]
            if each.outcome == COMMITTED and len(there) < len(each.appends):
                yield f"lost: {sorted(set(each.appends) - set(there))} of a committed transaction"
            if each.outcome == ABORTED and there:
                yield f"G1a: {there} of an aborted transaction are in the logs"
            if each.outcome == UNKNOWN and 0 < len(there) < len(each.appends):
                yield f"lost: a transaction is torn: {there} are there, {sorted(set(each.appends) - set(there))} are not"
            by_log = defaultdict(list)
            for partition, value in there:
                by_log[partition].append(self.places[partition, value])
            if any(places != sorted(places) for places in by_log.values()):
                yield f"lost: the order of {there}"

    def _order(self):
        """Each log from its end: nobody stands before one that had ended before he began."""
        directions = set()
        for partition, values in self.logs.items():
            earliest, whose = NEVER, None
            later = None
            for value in reversed(values):
                writer = self.writers.get((partition, value))
                if writer is None:
                    continue
                if earliest < writer.began:
                    yield f"G0: {value} is in log {partition} before one of {whose.appends}, which had ended before"
                if writer.ended < earliest:
                    earliest, whose = writer.ended, writer
                if later is not None and later is not writer:
                    directions.add((id(writer), id(later)))
                later = writer
        self.interleaved = sum((b, a) in directions for a, b in directions) // 2

    def _dirty_reads(self):
        for each in self.transactions:
            for read in each.reads:
                for value in read.values:
                    writer = self.writers.get((read.partition, value))
                    if writer is each:
                        yield f"G1a: a transaction has read its own {value}"
                    elif (read.partition, value) not in self.places:
                        yield f"G1a: {value} was read from log {read.partition}, and is not there"

    def _progress(self):
        """What each reader got, and where it stood at the end of the log."""
        known = defaultdict(int)
        for each in self.transactions:
            for read in each.reads:
                values, at = self.logs[read.partition], known[each.reader, read.partition]
                end = known[each.reader, read.partition] = at + len(read.values)
                if values[at:end] != read.values:
                    yield f"reads: log {read.partition} from {at} on is {values[at:end][:5]}, and was read as {read.values[:5]}"
                if read.at_end and 0 < end < len(values):
                    before, behind = (self.writers.get((read.partition, values[place])) for place in (end - 1, end))
                    if before is behind and before is not None and not self._held_up(read.partition, before):
                        yield f"G1b: log {read.partition} ended between {values[end - 1]} and {values[end]} of one transaction"

    def _held_up(self, partition, writer):
        return any(each is not writer and each.began < writer.ended and writer.began < each.ended
                   and any(append[0] == partition and append not in self.places for append in each.appends)
                   for each in self.transactions)

    def _cycles(self):
        """Depth first over who read from whom; without recursion, since chains are long."""
        read_from = {id(each): [] for each in self.transactions}
        for each in self.transactions:
            for read in each.reads:
                sources = {id(writer): writer for value in read.values
                           if (writer := self.writers.get((read.partition, value))) not in (None, each)}
                read_from[id(each)] += sources.values()
        done, under_way = set(), set()
        for start in self.transactions:
            path = [(start, iter(read_from[id(start)]))] if id(start) not in done else []
            under_way.update(id(each) for each, _ in path)
            while path:
                at, rest = path[-1]
                source = next(rest, None)
                if source is None:
                    path.pop()
                    under_way.discard(id(at))
                    done.add(id(at))
                elif id(source) in under_way:
                    yield f"G1c: {source.appends} and {at.appends} depend on each other"
                elif id(source) not in done:
                    under_way.add(id(source))
                    path.append((source, iter(read_from[id(source)])))
