"""Consumer groups whose partitions the broker assigns (KIP-848), with confluent-kafka (librdkafka 2) and raw requests."""

import socket
import struct
import time

import pytest
from confluent_kafka import Consumer, ConsumerGroupState, ConsumerGroupType, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic


def make_consumer(broker, group, **options):
    return Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group, "group.protocol": "consumer",
                     "auto.offset.reset": "earliest", "enable.auto.commit": False, "topic.metadata.refresh.interval.ms": 500,
                     **{key.replace("_", "."): value for key, value in options.items()}})


@pytest.fixture
def admin(broker):
    return AdminClient({"bootstrap.servers": broker.bootstrap})


@pytest.fixture
def topic(admin, name):
    admin.create_topics([NewTopic(name, 4, 1)])[name].result(10)
    return name


def produce(broker, topic, values, partition=None):
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for index, value in enumerate(values):
        producer.produce(topic, value, partition=index % 4 if partition is None else partition)
    assert producer.flush(20) == 0


def run_until(consumers, condition, seconds=60, ignored=()):
    """Polls all consumers; their records so far, by consumer. Members only move when they are polled."""
    got = [[] for _ in consumers]
    deadline = time.monotonic() + seconds
    while not condition(got):
        assert time.monotonic() < deadline, [[(p.topic, p.partition) for p in c.assignment()] for c in consumers]
        for consumer, records in zip(consumers, got):
            for message in consumer.consume(100, 0.05):
                if message.error() is None:
                    records.append(message)
                else:
                    assert message.error().name() in ignored, message.error()
    return got


def assigned(consumer):
    return sorted((part.topic, part.partition) for part in consumer.assignment())


def all_of(topic, count):
    return [(topic, partition) for partition in range(count)]


def test_one_member_reads_all(broker, topic):
    produce(broker, topic, [f"v{index}" for index in range(40)])
    consumer = make_consumer(broker, f"{topic}.g")
    consumer.subscribe([topic])
    got = run_until([consumer], lambda got: len(got[0]) == 40)
    assert sorted(message.value() for message in got[0]) == sorted(f"v{index}".encode() for index in range(40))
    assert assigned(consumer) == all_of(topic, 4)
    consumer.commit(asynchronous=False)
    consumer.close()
    again = make_consumer(broker, f"{topic}.g")
    again.subscribe([topic])
    run_until([again], lambda _: assigned(again) == all_of(topic, 4))
    produce(broker, topic, ["more"])
    got = run_until([again], lambda got: got[0])
    assert [message.value() for message in got[0]] == [b"more"]
    again.close()


@pytest.mark.parametrize("assignor", ["uniform", "range"])
def test_members_come_and_go(broker, topic, assignor):
    options = {"group_remote_assignor": assignor}
    consumers = [make_consumer(broker, f"{topic}.g", **options) for _ in range(2)]
    for consumer in consumers:
        consumer.subscribe([topic])
    run_until(consumers, lambda _: sorted(assigned(consumers[0]) + assigned(consumers[1])) == all_of(topic, 4) and
              len(assigned(consumers[0])) == 2)
    produce(broker, topic, [f"v{index}" for index in range(40)])
    got = run_until(consumers, lambda got: len(got[0]) + len(got[1]) == 40)
    assert len(got[0]) == 20
    consumers[0].close()
    run_until(consumers[1:], lambda _: assigned(consumers[1]) == all_of(topic, 4))
    consumers[1].close()


def test_a_pattern_follows_topics(broker, admin, topic):
    consumer = make_consumer(broker, f"{topic}.g")
    consumer.subscribe([f"^{topic}.*"])
    run_until([consumer], lambda _: assigned(consumer) == all_of(topic, 4))
    admin.create_topics([NewTopic(f"{topic}-2", 2, 1)])[f"{topic}-2"].result(10)
    run_until([consumer], lambda _: assigned(consumer) == all_of(topic, 4) + all_of(f"{topic}-2", 2))
    admin.delete_topics([topic])[topic].result(10)
    run_until([consumer], lambda _: assigned(consumer) == all_of(f"{topic}-2", 2), ignored=("UNKNOWN_TOPIC_OR_PART",
                                                                                              "UNKNOWN_TOPIC_ID"))
    consumer.close()


def test_new_partitions_are_assigned(broker, admin, topic):
    consumer = make_consumer(broker, f"{topic}.g")
    consumer.subscribe([topic])
    run_until([consumer], lambda _: assigned(consumer) == all_of(topic, 4))
    admin.create_partitions([NewPartitions(topic, 6)])[topic].result(10)
    run_until([consumer], lambda _: assigned(consumer) == all_of(topic, 6))
    consumer.close()


def test_described_listed_and_deleted(broker, admin, topic):
    group = f"{topic}.g"
    consumer = make_consumer(broker, group, client_id="reader", group_instance_id="one")
    consumer.subscribe([topic])
    run_until([consumer], lambda _: assigned(consumer) == all_of(topic, 4))
    listed = {one.group_id: one for one in admin.list_consumer_groups().result(10).valid}
    assert listed[group].type == ConsumerGroupType.CONSUMER
    described = admin.describe_consumer_groups([group])[group].result(10)
    assert described.state == ConsumerGroupState.STABLE
    assert described.type == ConsumerGroupType.CONSUMER
    assert described.partition_assignor == "uniform"
    [member] = described.members
    assert (member.client_id, member.group_instance_id) == ("reader", "one")
    assert sorted((part.topic, part.partition) for part in member.assignment.topic_partitions) == all_of(topic, 4)
    with pytest.raises(KafkaException, match="NON_EMPTY_GROUP|non-empty"):
        admin.delete_consumer_groups([group])[group].result(10)
    consumer.unsubscribe()
    consumer.close()
    other = make_consumer(broker, group)
    other.subscribe([topic])
    other.close()


def test_a_classic_group_is_refused_while_it_lives(broker, topic):
    classic = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": f"{topic}.g", "group.protocol": "classic"})
    classic.subscribe([topic])
    run_until([classic], lambda _: assigned(classic) == all_of(topic, 4))
    newer = make_consumer(broker, f"{topic}.g")
    newer.subscribe([topic])
    deadline = time.monotonic() + 20
    message = None
    while message is None and time.monotonic() < deadline:
        message = newer.poll(0.2)
    assert message is not None and message.error().name() in ("GROUP_ID_NOT_FOUND", "_FATAL"), message
    newer.close()
    classic.close()
    # The name is free for the other kind now, with the offsets that it has.
    newer = make_consumer(broker, f"{topic}.g")
    newer.subscribe([topic])
    run_until([newer], lambda _: assigned(newer) == all_of(topic, 4))
    newer.close()


@pytest.mark.own
def test_members_go_on_after_kill(own_broker):
    own_broker.keep_ports = True
    own_broker.restart(kill=False)
    admin = AdminClient({"bootstrap.servers": own_broker.bootstrap})
    admin.create_topics([NewTopic("t", 4, 1)])["t"].result(10)
    produce(own_broker, "t", [f"v{index}" for index in range(40)])
    lost = []
    consumer = make_consumer(own_broker, "g")
    consumer.subscribe(["t"], on_lost=lambda _, partitions: lost.extend(partitions))
    run_until([consumer], lambda got: len(got[0]) == 40)
    consumer.commit(asynchronous=False)
    own_broker.restart(kill=True)
    produce(own_broker, "t", ["more"])
    got = run_until([consumer], lambda got: got[0])
    assert [message.value() for message in got[0]] == [b"more"]
    assert not lost, "the member is still known, so nothing is taken from it"
    assert assigned(consumer) == all_of("t", 4)
    consumer.commit(asynchronous=False)
    assert sum(part.offset for part in consumer.committed([TopicPartition("t", index) for index in range(4)])) == 41
    consumer.close()


# --- raw requests: what no client sends on purpose ------------------------------------------------------------------


class Heartbeats:
    """A member on a connection of its own that says exactly what a test wants."""

    def __init__(self, broker, group):
        self.socket = socket.create_connection(("127.0.0.1", broker.kafka_port), timeout=20)
        self.group = group

    @staticmethod
    def text(value):
        return b"\0" if value is None else bytes([len(value) + 1]) + value.encode()

    def take(self, size):
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            assert part, "the broker closed the connection"
            data += part
        return data

    def send(self, member, epoch, *, version=1, instance=None, timeout=-1, topics=None, pattern=None, assignor=None,
             owned=None):
        """(error, epoch)"""
        body = self.text(self.group) + self.text(member) + struct.pack(">i", epoch) + self.text(instance)
        body += self.text(None) + struct.pack(">i", timeout)
        body += b"\0" if topics is None else bytes([len(topics) + 1]) + b"".join(map(self.text, topics))
        body += self.text(pattern) if version else b""
        body += self.text(assignor)
        body += b"\0" if owned is None else bytes([len(owned) + 1]) + b"".join(owned)
        frame = struct.pack(">hhih", 68, version, 7, -1) + b"\0" + body + b"\0"
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)
        answer = self.take(struct.unpack(">i", self.take(4))[0])
        error = struct.unpack_from(">h", answer, 9)[0]
        at = 11
        for _ in range(2):  # message, member id
            at += max(answer[at], 1)
        return error, struct.unpack_from(">i", answer, at)[0]

    def join(self, member, **fields):
        return self.send(member, 0, **{"timeout": 60000, "topics": [], "owned": [], **fields})


@pytest.fixture
def member(broker, name):
    heartbeats = Heartbeats(broker, name)
    yield heartbeats
    heartbeats.socket.close()


def test_refusals(member):
    assert member.send("m", 3) == (69, 0), "no such group"
    assert member.join("m", timeout=-1)[0] == 42
    assert member.join("m", owned=None)[0] == 42
    assert member.join("m", topics=None)[0] == 42
    assert member.join("")[0] == 42
    assert member.join("m", instance="")[0] == 42
    assert member.join("m", assignor="best")[0] == 112
    assert member.join("m", pattern="a(")[0] == 128
    assert member.send("m", -3)[0] == 42
    assert member.join("m") == (0, 1)
    assert member.send("x", 1)[0] == 25
    assert member.send("m", 2)[0] == 110
    assert member.send("m", 1) == (0, 1)
    assert member.send("m", -1) == (0, -1)
    assert member.send("m", 1)[0] == 25
    assert member.join("", version=0)[0] == 0, "the broker names it"


def test_static_members(member):
    assert member.join("a", instance="i") == (0, 1)
    assert member.join("b", instance="i")[0] == 111
    assert member.send("a", -2)[0] == 42
    assert member.send("a", -2, instance="i") == (0, -2)
    assert member.join("b", instance="i") == (0, 1)
    assert member.send("a", 1, instance="i")[0] == 82
    assert member.send("b", 1, instance="j")[0] == 25
    assert member.send("b", -1, instance="i") == (0, -1)


def test_huge_and_odd_requests(member):
    assert member.join("m", topics=["x" * 100] * 100)[0] == 0, "names that nobody knows"
    assert member.join("m", pattern="(" * 50 + "a" + ")" * 50)[0] == 0
    assert member.send("m", 2**31 - 1)[0] == 110
    assert member.send("m", -(2**31))[0] == 42
