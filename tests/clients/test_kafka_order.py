"""Requests of one connection take effect in the order in which they came (Kafka's protocol guide, "Network"), though
parts of them are done on several cores."""

import struct

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from rawkafka import Kafka, array, text

OFFSET_COMMIT, OFFSET_FETCH, INIT_PRODUCER_ID, ADD_PARTITIONS, END_TXN = 8, 9, 22, 24, 26
NONE, INVALID_TXN_STATE = 0, 48
CONNECTIONS, TOPICS = 4, 4  # Enough that some topic is not on the connection's core.


@pytest.fixture
def topics(broker, name):
    admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{broker.ports['kafka']}"})
    names = [f"{name}-{number}" for number in range(TOPICS)]
    for future in admin.create_topics([NewTopic(topic, 1, 1) for topic in names]).values():
        future.result(20)
    return names


@pytest.fixture(params=range(CONNECTIONS))
def kafka(broker, request):
    client = Kafka(broker.ports["kafka"])
    yield client
    client.close()


def partition_0(topic, data=b""):
    return array([text(topic) + array([struct.pack(">i", 0) + data])])


@pytest.mark.own  # Kafka may answer with an error that asks for another try.
@pytest.mark.parametrize("commit", [True, False], ids=["after-commit", "after-abort"])
def test_an_abort_right_behind_the_registration(kafka, topics, commit):
    """What librdkafka sends when a transaction is aborted while its first partition is being registered."""
    def error(reply):
        return struct.unpack(">h", reply.data[-2:])[0]

    for topic in topics:
        identity = text(f"{topic}-{kafka.stream.socket.getsockname()[1]}")
        _, failed, *producer = kafka.call(INIT_PRODUCER_ID, 1, identity + struct.pack(">i", 60000)).take("ihqh")
        assert failed == NONE
        who = identity + struct.pack(">qh", *producer)
        register = ADD_PARTITIONS, 1, who + partition_0(topic)
        assert error(kafka.call(*register)) == NONE
        assert error(kafka.call(END_TXN, 1, who + struct.pack(">b", commit))) == NONE
        abort = END_TXN, 1, who + struct.pack(">b", False)
        assert [error(reply) for reply in kafka.pipeline(register, abort)] == [NONE, NONE], topic
        # It is over, not open again because the registration came last.
        assert error(kafka.call(END_TXN, 1, who + struct.pack(">b", True))) == INVALID_TXN_STATE, topic


def test_an_offset_is_fetched_right_behind_its_commit(kafka, topics):
    for offset, topic in enumerate(topics):
        group = text(f"{topic}-{kafka.stream.socket.getsockname()[1]}")
        commit = OFFSET_COMMIT, 2, group + struct.pack(">i", -1) + text("") + struct.pack(">q", -1) + partition_0(
            topic, struct.pack(">q", offset) + text(""))
        committed, fetched = kafka.pipeline(commit, (OFFSET_FETCH, 1, group + partition_0(topic)))
        assert struct.unpack(">h", committed.data[-2:])[0] == NONE
        assert fetched.take("i") == 1 and fetched.text() == topic
        assert fetched.take("iiq") == (1, 0, offset)
