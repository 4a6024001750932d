"""Fills a broker with all that it can hold durably, and knows every value that ever was in it.

`universe` has, for each object and key of a read-back, the values that were written under it at any time: what a damaged
broker shows must be one of them. What it should show is learned from the undamaged broker (`Content.learn`), after that
was compared with what the clients were told.
"""

import random
import time
import zlib

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

import pamqp.commands
from damage import UNREAD_QUEUE
from kafka_workers import configuration, read_to_the_end
from rawclients import Amqp, Redis
from readback import Readback, Wanted

QUEUES, STREAMS, TOPICS, PARTITIONS, KEYS = 4, 4, 3, 2, 6
COMPRESSIONS = ("none", "gzip", "snappy", "lz4", "zstd")
WAIT_SECONDS = 20
BULK_BYTES = 60_000
BACKLOG, BACKLOG_GROWTH = "backlog", 100  # entries that come one by one, so that pages of their index are on disk


def make_value(label, number, size):
    """Says what it is and carries its checksum; no two are alike."""
    head = f"{label}:{number}|".encode()
    filling = random.Random(head).randbytes(size)
    return head + filling.replace(b"|", b"/") + b"|%08x" % zlib.crc32(head + filling)


class Content:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.wanted = Wanted()
        self.wanted.queues = [f"queue-{index}" for index in range(QUEUES)]
        self.wanted.amqp_streams = ["amqp-stream"]
        self.wanted.streams = [f"stream-{index}" for index in range(STREAMS)]
        self.wanted.streams.insert(2, BACKLOG)  # neither read by a group nor trimmed
        self.wanted.groups = [(stream, "readers") for stream in self.wanted.streams[:2]]
        self.wanted.keys = [f"key-{index}" for index in range(KEYS)]
        self.wanted.partitions = [(f"topic-{topic}", part) for topic in range(TOPICS) for part in range(PARTITIONS)]
        self.wanted.kafka_groups = ["kafka-readers"]
        self.wanted.bindings = {"exchange": []}
        self.universe = {}  # label -> key -> values
        self.settled = {}  # label -> keys
        self.committed = {part: [] for part in self.wanted.partitions}  # values, in order
        self.number = 0
        self.expected = {}

    def _value(self, label, size=None):
        self.number += 1
        return make_value(label, self.number, size or self.random.choice((0, 10, 100, 1000, 3000)))

    def _written(self, label, key, value):
        self.universe.setdefault(label, {}).setdefault(key, set()).add(value)

    # -- one life of the broker

    def fill(self, ports, rounds):
        """Every answer is waited for, so all of it is durable."""
        for _ in range(rounds):
            self._fill_amqp(ports)
            self._fill_redis(ports)
            self._fill_kafka(ports)

    def _fill_amqp(self, ports):
        client = Amqp(ports["amqp"])
        client.confirm_select()
        client.declare_exchange("exchange", "direct")
        client.declare(UNREAD_QUEUE)
        for _ in range(3):
            key = f"binding-{len(self.wanted.bindings['exchange'])}"
            client.bind(UNREAD_QUEUE, "exchange", key)
            self.wanted.bindings["exchange"].append(key)
            self._written("amqp exchange exchange", key, b"bound")
        for name in self.wanted.queues:
            client.declare(name)
            self._publish(client, name, f"amqp queue {name}", self.random.randint(5, 40))
            self._settle(client, name)
        client.declare("amqp-stream", **{"x-queue-type": "stream"})
        self._publish(client, "amqp-stream", "amqp stream amqp-stream", 20)
        client.close()

    def _publish(self, client, queue, label, count):
        client.confirms.clear()
        before = getattr(client, "published", 0)
        client.published = before + count
        for _ in range(count):
            body = self._value(label)
            self._written(label, body.split(b"|", 1)[0].decode(), body)
            client.stream.send(Amqp.publish_frames("", queue, body))
        deadline = time.monotonic() + WAIT_SECONDS
        while max([0, *(tag for tag, _, ok in client.confirms if ok)]) < client.published:
            assert time.monotonic() < deadline, "confirms did not come"
            client.poll(0.1)

    def _settle(self, client, queue):
        """A third, from anywhere. A declaration answered behind the acks says that they were applied."""
        client.deliveries.clear()
        tag = client.consume(queue)
        while client.poll(0.02):
            pass
        chosen = [delivery for delivery in client.deliveries if self.random.random() < 0.3]
        for delivery_tag, *_, body in chosen:
            client.write(pamqp.commands.Basic.Ack(delivery_tag))
            self.settled.setdefault(f"amqp queue {queue}", set()).add(body.split(b"|", 1)[0].decode())
        client.cancel(tag)
        client.declare(queue, passive=True)

    def _fill_redis(self, ports):
        client = Redis(ports["redis"])
        for name in self.wanted.streams:
            label = f"redis stream {name}"
            count = BACKLOG_GROWTH if name == BACKLOG else self.random.randint(5, 40)
            values = [self._value(label) for _ in range(count)]
            if name == BACKLOG:
                entries = [client.call("XADD", name, "*", "v", value).decode() for value in values]
            else:
                client.send(*(("XADD", name, "*", "v", value) for value in values))
                entries = [client.receive().decode() for _ in values]
            for entry, value in zip(entries, values):
                self._written(label, entry, b"v|" + value)
            for entry in self.random.sample(entries, 2):
                assert client.call("XDEL", name, entry) == 1
                self.settled.setdefault(label, set()).add(entry)
        for name, group in self.wanted.groups:
            self._read_group(client, name, group)
        for name in self.wanted.keys:
            value = self._value(f"redis key {name}")
            client.call("SET", name, value)
            self._written(f"redis key {name}", name, value)
        client.close()

    def _read_group(self, client, name, group):
        label = f"redis group {name} {group}"
        if label not in self.universe:
            client.call("XGROUP", "CREATE", name, group, "0")
        reply = client.call("XREADGROUP", "GROUP", group, "one", "COUNT", 15, "STREAMS", name, ">")
        entries = [entry for entry, _ in (reply[0][1] if reply else [])]
        for entry in entries:
            self._written(label, entry.decode(), b"one")
        done = [entry for entry in entries if self.random.random() < 0.4]
        if done:
            assert client.call("XACK", name, group, *done) == len(done)
        self.settled.setdefault(label, set()).update(entry.decode() for entry in done)

    def bulk(self, ports, count):
        """Large values, most of them trimmed away: segments roll, and a clean end is worth a checkpoint."""
        client = Redis(ports["redis"])
        label = f"redis stream {self.wanted.streams[-1]}"
        for _ in range(count):
            value = self._value(label, BULK_BYTES)
            entry = client.call("XADD", self.wanted.streams[-1], "*", "v", value).decode()
            self._written(label, entry, b"v|" + value)
        client.call("XTRIM", self.wanted.streams[-1], "MAXLEN", 60)
        client.close()

    def _fill_kafka(self, ports):
        admin = AdminClient(configuration(ports))
        there = admin.list_topics(timeout=10).topics
        new = [NewTopic(name, PARTITIONS, 1) for name in dict(self.wanted.partitions) if name not in there]
        for future in admin.create_topics(new).values() if new else ():
            future.result(10)
        options = {**configuration(ports, linger_ms=0), "error_cb": lambda error: None,
                   "compression.type": self.random.choice(COMPRESSIONS)}
        self._produce(Producer({**options, "enable.idempotence": True}), self.wanted.partitions[:4], 8)
        producer = Producer({**options, "transactional.id": "filling"})
        producer.init_transactions(WAIT_SECONDS)
        for _ in range(3):
            self._transaction(producer, self.random.random() < 0.7)
        self._commit_offsets(ports)

    def _produce(self, producer, partitions, count, keep=True):
        sent, failed = [], []
        for topic, part in partitions:
            for _ in range(self.random.randint(1, count)):
                value = self._value(f"kafka {topic}/{part}")
                producer.produce(topic, value, partition=part,
                                 on_delivery=lambda error, message: error and failed.append(error))
                sent.append(((topic, part), value))
                if self.random.random() < 0.4:
                    producer.flush(WAIT_SECONDS)
        assert producer.flush(WAIT_SECONDS) == 0 and not failed, failed
        for part, value in sent if keep else ():
            self.committed[part].append(value)

    def _transaction(self, producer, commit):
        producer.begin_transaction()
        self._produce(producer, self.wanted.partitions[2:], 4, keep=commit)
        if commit:
            producer.commit_transaction(WAIT_SECONDS)
        else:
            producer.abort_transaction(WAIT_SECONDS)

    def _commit_offsets(self, ports):
        consumer = Consumer({**configuration(ports, group_id=self.wanted.kafka_groups[0], enable_auto_commit=False),
                             "error_cb": lambda error: None})
        chosen = [TopicPartition(topic, part, self.random.randint(1, 5) + self.number // 50)
                  for topic, part in self.wanted.partitions[:3]]
        for part in consumer.commit(offsets=chosen, asynchronous=False):
            assert part.error is None, part.error
            self._written("kafka group kafka-readers", f"{part.topic}/{part.partition}", b"%d" % part.offset)
        consumer.close()

    # -- what the undamaged broker shows

    def learn(self, ports):
        """Remembers what is there; it must be what the clients were told. Kafka's batches are taken as they are."""
        read = Readback(self.wanted, ports).run()
        assert not read.errors, read.errors
        for (topic, part), values in self.committed.items():
            label = f"kafka partition {topic}/{part}"
            records, _ = read_to_the_end(ports, topic, {part: 0}, isolation_level="read_committed")
            assert [value for _, value in records[part]] == values, f"{label} is not what was committed"
            self.universe[label] = {key: {data} for key, data in read.objects[label].items()}
        trimmed = f"redis stream {self.wanted.streams[-1]}"
        for label, keys in self.universe.items():
            shown = read.objects[label]
            there = set(keys) - self.settled.get(label, set())
            if label == trimmed:
                assert set(shown) <= there and shown, f"{label}: entries that should be gone"
            else:
                assert set(shown) == there, f"{label}: {sorted(set(shown) ^ there)[:5]} do not agree"
            assert all(value in keys[key] for key, value in shown.items()), f"{label}: wrong values"
        self.expected = read.objects
