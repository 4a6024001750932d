"""Fetching by topic id, in raw requests: an id names one topic for ever, also when another one takes its name."""

import socket
import struct

import pytest
from confluent_kafka import Producer, TopicCollection
from confluent_kafka.admin import AdminClient, NewTopic

UNKNOWN_TOPIC_ID = 100
UNKNOWN_TOPIC_OR_PARTITION = 3


class Fetches:
    def __init__(self, broker):
        self.socket = socket.create_connection(("127.0.0.1", broker.kafka_port), timeout=20)

    def take(self, size):
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            assert part, "the broker closed the connection"
            data += part
        return data

    def fetch(self, topic_id, version, partition=0, offset=0, wait=0):
        """(error, records) of the one partition; the answer must name the id that was asked for."""
        body = b"" if version >= 15 else struct.pack(">i", -1)
        body += struct.pack(">iiibii", wait, 1, 1 << 20, 0, 0, -1)
        body += b"\2" + topic_id + b"\2" + struct.pack(">iiqiqi", partition, -1, offset, -1, -1, 1 << 20) + b"\0\0"
        body += b"\1\1\0"
        frame = struct.pack(">hhih", 1, version, 7, -1) + b"\0" + body
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)
        answer = self.take(struct.unpack(">i", self.take(4))[0])
        assert struct.unpack_from(">ibihi", answer) == (7, 0, 0, 0, 0), "correlation, tags, throttle, error, session"
        assert answer[15:32] == b"\2" + topic_id and answer[32] == 2
        index, error, _, _, _ = struct.unpack_from(">ihqqq", answer, 33)
        assert index == partition
        at = 33 + 30 + 1 + 4  # no aborted transactions, preferred replica
        return error, answer[at:]


@pytest.fixture
def fetches(broker):
    one = Fetches(broker)
    yield one
    one.socket.close()


def make(broker, admin, name, value):
    """Creates the topic, writes one record and returns the id."""
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(10)
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    producer.produce(name, value)
    assert producer.flush(20) == 0
    described = admin.describe_topics(TopicCollection([name]))[name].result(10)
    uuid = described.topic_id
    return struct.pack(">qq", uuid.get_most_significant_bits(), uuid.get_least_significant_bits())


@pytest.mark.parametrize("version", [13, 14, 15, 16])
def test_an_id_outlives_its_name(broker, fetches, name, version):
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    first = make(broker, admin, name, b"first record")
    error, records = fetches.fetch(first, version)
    assert error == 0 and b"first record" in records
    assert fetches.fetch(first, version, partition=5)[0] == UNKNOWN_TOPIC_OR_PARTITION
    admin.delete_topics([name])[name].result(10)
    assert fetches.fetch(first, version)[0] == UNKNOWN_TOPIC_ID
    second = make(broker, admin, name, b"second record")
    assert second != first
    assert fetches.fetch(first, version)[0] == UNKNOWN_TOPIC_ID, "not the topic of that name that is there now"
    error, records = fetches.fetch(second, version)
    assert error == 0 and b"second record" in records


@pytest.mark.parametrize("topic_id", [bytes(16), b"\xff" * 16, b"\0" * 15 + b"\1"])
def test_ids_of_nothing(fetches, topic_id):
    assert fetches.fetch(topic_id, 13, wait=5000)[0] == UNKNOWN_TOPIC_ID
