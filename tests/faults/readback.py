"""Reads everything that a broker holds, over the three protocols, as {object: {key: value}}.

An object is a queue, a stream, a group, a partition, ...; `Wanted` names them. What a client is told instead of a value
is kept beside: `errors` has, for each object, the broker's own words.
"""

import time

from rawclients import Amqp, AmqpClosed, ConnectionLost, Redis, RedisError
from rawkafka import CONTROL, EARLIEST, Kafka

QUIET_SECONDS = 0.3  # nothing more comes
QUEUE_SECONDS_MAX = 5
DELETED_TOPIC = 3  # UNKNOWN_TOPIC_OR_PARTITION


class Wanted:
    """The names of what is there. Belongs to the one who filled the broker."""

    def __init__(self):
        self.queues = []
        self.amqp_streams = []
        self.streams = []
        self.groups = []  # (stream, group)
        self.keys = []
        self.partitions = []  # (topic, partition)
        self.kafka_groups = []
        self.bindings = {}  # exchange -> routing keys that lead to a queue


class Readback:
    def __init__(self, wanted, ports, hints=None):
        """`hints`: what an undamaged broker showed, to know how much to wait for and where to go on behind damage."""
        self.wanted, self.ports, self.hints = wanted, ports, hints or {}
        self.objects = {}
        self.errors = {}

    def run(self):
        self._read_redis()
        self._read_amqp()
        self._read_kafka()
        return self

    # -- Redis

    def _read_redis(self):
        client = Redis(self.ports["redis"], timeout=10)
        reads = [(f"redis stream {name}", ("XRANGE", name, "-", "+"), lambda rows: {
            entry.decode(): b"|".join(fields) for entry, fields in rows}) for name in self.wanted.streams]
        reads += [(f"redis group {name} {group}", ("XPENDING", name, group, "-", "+", 100000), lambda rows: {
            row[0].decode(): row[1] for row in rows}) for name, group in self.wanted.groups]
        reads += [(f"redis key {name}", ("GET", name), lambda value, name=name: {} if value is None else {name: value})
                  for name in self.wanted.keys]
        client.send(*(command for _, command, _ in reads))
        for (name, _, keyed), reply in zip(reads, [client.receive() for _ in reads]):
            if isinstance(reply, RedisError):
                self.errors[name] = str(reply)
            self.objects[name] = {} if isinstance(reply, RedisError) else keyed(reply)
        for stream in self.wanted.streams:
            if (name := f"redis stream {stream}") in self.errors:
                self.objects[name] = self._around_damage(client, stream, self.hints.get(name, {}))
        client.close()

    @staticmethod
    def _around_damage(client, stream, hints):
        """A range that meets damage fails whole; each entry by itself shows what is left."""
        client.send(*(("XRANGE", stream, entry, entry) for entry in hints))
        replies = [client.receive() for _ in hints]
        return {entry: b"|".join(reply[0][1]) for entry, reply in zip(hints, replies)
                if not isinstance(reply, RedisError) and reply}

    # -- AMQP

    def _read_amqp(self):
        self.amqp = None
        for name in self.wanted.queues:
            self._read_queue(name, f"amqp queue {name}")
        for name in self.wanted.amqp_streams:
            self._read_queue(name, f"amqp stream {name}", **{"x-stream-offset": "first"})
        for exchange, keys in self.wanted.bindings.items():
            self._read_bindings(exchange, keys, f"amqp exchange {exchange}")
        if self.amqp:
            self.amqp.close()

    def _read_queue(self, name, label, **arguments):
        found = self.objects[label] = {}
        try:
            self.amqp = client = self.amqp or Amqp(self.ports["amqp"], timeout=10)
            client.deliveries.clear()
            count = client.declare(name, passive=True).message_count
            if arguments:
                count = len(self.hints.get(label, ())) or 1 << 30
                client.qos(20000)
            tag = client.consume(name, **arguments)
            self._take(client, count)
            client.cancel(tag)
            for *_, body in client.deliveries:
                found[body.split(b"|", 1)[0].decode()] = body
            if client.cancels:
                self.errors[label] = "cancelled by the broker"
            if not arguments and len(client.deliveries) < count:
                self.errors[label] = f"{count} messages announced, {len(client.deliveries)} delivered"
            client.close()  # What was delivered goes back; another queue has another connection.
            self.amqp = None
        except (AmqpClosed, ConnectionLost) as error:
            self.errors[label] = repr(error)
            for *_, body in client.deliveries:
                found[body.split(b"|", 1)[0].decode()] = body
            self.amqp = client.close()

    @staticmethod
    def _take(client, count):
        deadline = time.monotonic() + QUEUE_SECONDS_MAX
        while len(client.deliveries) < count and time.monotonic() < deadline:
            if not client.poll(QUIET_SECONDS):
                return

    def _read_bindings(self, exchange, keys, label):
        """A mandatory message comes back when no binding takes it. They go to a queue that nobody reads."""
        self.objects[label] = {}
        client = Amqp(self.ports["amqp"], timeout=10)
        try:
            client.confirm_select()
            client.stream.send(b"".join(Amqp.publish_frames(exchange, key, key.encode(), mandatory=True)
                                        for key in keys))
            deadline = time.monotonic() + QUEUE_SECONDS_MAX
            while max([0, *(tag for tag, *_ in client.confirms)]) < len(keys) and time.monotonic() < deadline:
                client.poll(QUIET_SECONDS)
            client.poll(0.005)
            returned = {body.decode() for body in client.returns}
            self.objects[label] = {key: b"bound" for key in keys if key not in returned}
        except (AmqpClosed, ConnectionLost) as error:
            self.errors[label] = repr(error)
        client.close()

    # -- Kafka

    def _read_kafka(self):
        client = Kafka(self.ports["kafka"])
        partitions = {part: f"kafka partition {part[0]}/{part[1]}" for part in self.wanted.partitions}
        for group in self.wanted.kafka_groups:
            self.objects[f"kafka group {group}"] = {
                f"{topic}/{part}": b"%d" % offset
                for (topic, part), offset in client.committed(group, partitions).items() if offset >= 0}
        wanted = {}
        for part, (error, offset) in client.offsets(partitions, EARLIEST).items():
            self.objects[partitions[part]] = {}
            if error:
                self.errors[partitions[part]] = f"ListOffsets: error {error}"
            else:
                wanted[part] = offset
        self.aborted = {part: set() for part in wanted}
        while wanted:
            answers = client.fetch(wanted)
            wanted = {part: offset for part in wanted
                      if (offset := self._next(part, partitions[part], wanted[part], answers[part])) is not None}
        client.close()

    def _next(self, part, label, offset, answer):
        """Takes what a fetch of one partition gave. Result: where to go on; nothing at the end."""
        error, stable, aborted, batches = answer
        if error:
            self.errors[label] = f"Fetch at {offset}: error {error}"
            behind = [base for key in self.hints.get(label, ()) if (base := int(key)) > offset]
            return min(behind, default=None)
        found = self.objects[label]
        for base, count, producer, attributes, data in batches:
            offset = max(offset, base + count)
            hidden = any(producer == one and base >= first for one, first in aborted) and (
                not self._ended(part, producer, base, aborted))
            if not attributes & CONTROL and not hidden:
                found[str(base)] = data
            if attributes & CONTROL:
                self.aborted[part].add((producer, base))
        return offset if batches and offset < stable else None

    def _ended(self, part, producer, base, aborted):
        """An aborted transaction's range ends with the producer's next marker."""
        first = max(first for one, first in aborted if one == producer and first <= base)
        return any(one == producer and first < marker < base for one, marker in self.aborted[part])
