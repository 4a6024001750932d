"""The share consumers of the crash campaign: two members of one group, which accept and release records one by one, in frames of
their own (rawshare.py): what was confirmed as accepted must not be given out again, and what was not must come, after any
number of crashes.
"""

import time

from confluent_kafka import Producer
from kafka_workers import FLUSH_SECONDS, GIVEN_SECONDS_MAX, IdempotentWorker, configuration, make_topic
from rawclients import ConnectionLost
from rawshare import ACCEPT, RELEASE, Member

RELEASED_SHARE = 0.1
# A record is given out five times at most; releases by chance must not use that up.
RELEASES_MAX = 2
WAIT_MS = 20


class Place:
    """Where a member finds the broker."""

    def __init__(self, ports):
        self.kafka_port = ports["kafka"]


class ShareWorker(IdempotentWorker):
    """An idempotent producer, and two members of a share group beside it."""

    def __init__(self, number, seed):
        super().__init__(number, seed)
        self.topic = f"crash-share-{number}"
        self.group = f"{self.topic}.g"
        self.members = []
        self.ident = None
        self.given = set()  # (partition, offset)
        self.accepted = set()  # those of which that was confirmed
        self.releases = {}
        self.deliveries = {}  # as told by the broker

    def counts(self):
        return {"kafka shared records": len(self.given), "kafka share acknowledgements": len(self.accepted)}

    def _open(self, ports):
        make_topic(ports, self.topic)
        self.producer = Producer({**configuration(ports, enable_idempotence=True, linger_ms=2), "error_cb": lambda error: None})

    def _serve(self):
        pass

    def _commit(self, positions):
        """Records are acknowledged as they are read."""

    def _join(self, ports):
        """The members' connections die with the broker, and their sessions with them."""
        self.members = [Member(Place(ports), self.group) for _ in range(2)]
        if error := self.members[0].set("share.auto.offset.reset", "earliest"):
            assert self.tolerant, f"the setting was refused with {error}"
            self._leave()
            return
        for member in self.members:
            error, _, assigned = member.heartbeat(0, [self.topic])
            if error == 0 and assigned:
                self.ident = next(iter(assigned))

    def _leave(self):
        for member in self.members:
            member.close()
        self.members = []

    def load(self, ports, stopped):
        self._leave()
        if self.producer is None:
            self._open(ports)
        self.ports = ports
        super().load(ports, stopped)

    def _read(self, positions):
        try:
            if not self.members:
                self._join(self.ports)
            for member in self.members:
                self._take(member)
        except (ConnectionLost, OSError):
            self.members = []

    def _take(self, member):
        if self.ident is None:
            return
        error, partitions = member.fetch(self.ident, range(len(self.partitions)), wait_ms=WAIT_MS)
        if error:
            self.faults.append(f"{self.group}: a fetch got {error}")
            return
        for index, (error, _, _, ranges) in partitions.items():
            if error and not self.tolerant:
                self.faults.append(f"{self.group}: partition {index} got {error}")
            for first, last, deliveries in ranges:
                self._acknowledge(member, index, first, last, deliveries)

    def _acknowledge(self, member, index, first, last, deliveries):
        kinds = []
        for offset in range(first, last + 1):
            place = index, offset
            if place in self.accepted:
                self.faults.append(f"S1 {self.group}: {place} came again after it was confirmed as accepted")
            if deliveries <= self.deliveries.get(place, 0):
                self.faults.append(f"S3 {self.group}: delivery {deliveries} of {place} after {self.deliveries[place]}")
            self.given.add(place)
            release = self.random.random() < RELEASED_SHARE and self.releases.get(place, 0) < RELEASES_MAX
            if release:
                self.releases[place] = self.releases.get(place, 0) + 1
            kinds.append(RELEASE if release else ACCEPT)
        error, code = member.acknowledge(self.ident, [(first, last, kinds)], partition=index)
        if error or code:
            if not self.tolerant:
                self.faults.append(f"{self.group}: acknowledging {first} to {last} of partition {index} got {error}, {code}")
            return
        for offset, kind in zip(range(first, last + 1), kinds):
            if kind == ACCEPT:
                self.accepted.add((index, offset))
            else:  # That it was delivered so often is durable now.
                self.deliveries[index, offset] = deliveries

    def check(self, ports, final):
        if self.producer is None:
            return []
        self.ports = ports
        left = self.producer.flush(FLUSH_SECONDS)
        if left:
            self.faults.append(f"Q1 {self.topic}: {left} records still not delivered {FLUSH_SECONDS} s after the restart")
        deadline = time.monotonic() + GIVEN_SECONDS_MAX
        while missing := {(index, offset) for index, model in enumerate(self.partitions) for offset in model.reported} - self.given:
            if time.monotonic() > deadline:
                self.faults.append(f"S2 {self.group}: {len(missing)} records were not given out {GIVEN_SECONDS_MAX} s after the "
                                   f"restart: {sorted(missing)[:5]}")
                break
            self._read({})
        faults, self.faults = self.faults, []
        return faults
