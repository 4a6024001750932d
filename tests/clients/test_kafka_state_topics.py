"""The topics in which Kafka's clients look for committed offsets and transactions: made when they are first asked for, and
kept up from then on, also over crashes."""

import base64
import struct
import threading
import time

import harness
import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic
from kafka.protocol.consumer import OffsetCommitRequest
from kafka.protocol.producer import AddPartitionsToTxnRequest, ProduceRequest
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafkarequests import Requests
from rawclients import ConnectionLost
from rawshare import ACCEPT, REJECT, RELEASE, Member

OFFSETS, TRANSACTIONS, SHARES = "__consumer_offsets", "__transaction_state", "__share_group_state"
AVAILABLE, ACKNOWLEDGED = 0, 2
INVALID_TOPIC, UNAUTHORIZED, NOT_ATTEMPTED = 17, 29, 55
pytestmark = pytest.mark.own


@pytest.fixture(params=[1, 2], ids=["shards1", "shards2"])
def own(request):
    broker = harness.Broker(shards=request.param).start()
    admin(broker, "create_topics", [NewTopic("t", 2, 1)])
    yield broker
    broker.close()


def admin(broker, call, asked):
    """Whatever the call answers for each of what is asked for."""
    client = AdminClient({"bootstrap.servers": broker.bootstrap})
    return [future.result(10) for future in getattr(client, call)(asked).values()]


def listed(broker):
    return AdminClient({"bootstrap.servers": broker.bootstrap}).list_topics(timeout=10).topics


def consumer_of(broker, group, **options):
    return Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group, "enable.auto.commit": False, **options})


def commit(broker, group, topic, *offsets):
    consumer = consumer_of(broker, group)
    consumer.commit(offsets=[TopicPartition(topic, part, offset, f"note {offset}") for part, offset in enumerate(offsets)],
                    asynchronous=False)
    consumer.close()


def java_hash(text):
    value = 0
    for unit in struct.unpack(f">{len(text.encode('utf-16-be')) // 2}H", text.encode("utf-16-be")):
        value = (value * 31 + unit) & 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


class Bytes:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        value, = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def text(self):
        size = self.take("h")
        self.at += size
        return self.data[self.at - size:self.at].decode()

    def done(self):
        return self.at == len(self.data)


def decode_offset(key, value):
    key = Bytes(key)
    assert key.take("h") == 1
    name = key.text(), key.text(), key.take("i")
    assert key.done()
    if value is None:
        return name, None
    value = Bytes(value)
    assert value.take("h") == 3
    offset, epoch, note, when = value.take("q"), value.take("i"), value.text(), value.take("q")
    assert value.done() and abs(when / 1000 - time.time()) < 600 and epoch == -1
    return name, (offset, note.rstrip("\0"))  # confluent-kafka sends its terminator, too


def decode_transaction(key, value):
    key = Bytes(key)
    assert key.take("h") == 0
    name = key.text()
    value = Bytes(value)
    assert value.take("h") == 0
    producer, epoch, timeout, state = value.take("q"), value.take("h"), value.take("i"), value.take("b")
    partitions = [(value.text(), [value.take("i") for _ in range(value.take("i"))]) for _ in range(max(value.take("i"), 0))]
    updated, started = value.take("q"), value.take("q")
    assert value.done() and producer >= 0 and epoch >= 0 and updated >= started
    return name, (state, timeout, partitions)


def decode_share(key, value):
    """Partitions are named by what decides in which partition of the topic they are."""
    key = Bytes(key)
    assert key.take("h") == 0
    group, topic, partition = key.text(), base64.urlsafe_b64encode(key.take("16s")).decode().rstrip("="), key.take("i")
    name = f"{group}:{topic}:{partition}"
    assert key.done()
    if value is None:
        return name, None
    value = Bytes(value)
    assert value.take("h") == 0
    assert [value.take("i") for _ in range(3)] == [0, 0, 0]
    start, created, written = value.take("q"), value.take("q"), value.take("q")
    assert created == -1 and abs(written / 1000 - time.time()) < 600
    ranges = []
    for _ in range(value.take("B") - 1):
        ranges.append((value.take("q"), value.take("q"), value.take("b"), value.take("h")))
        assert value.take("B") == 0
    assert (value.take("B"), value.take("B"), value.take("B")) == (1, 0, 4)
    done = sum(last - first + 1 for first, last, state, _ in ranges if state == ACKNOWLEDGED)
    assert value.take("i") == done and value.done()
    return name, (start, ranges)


class Reader:
    """Reads all partitions of such a topic as a table: the last value of each key."""

    def __init__(self, broker, topic, decode):
        self.decode, self.seen, self.table = decode, [], {}
        self.consumer = consumer_of(broker, "reader", **{"auto.offset.reset": "earliest"})
        facts = self.consumer.list_topics(topic, 10).topics[topic]
        assert facts.error is None and len(facts.partitions) == 50
        self.consumer.assign([TopicPartition(topic, part, 0) for part in facts.partitions])

    def wait(self, condition, what):
        deadline = time.monotonic() + 30
        while not condition(self.table):
            assert time.monotonic() < deadline, (what, self.seen)
            for message in self.consumer.consume(100, 0.05):
                assert message.error() is None, message.error()
                name, value = self.decode(message.key(), message.value())
                group = name if isinstance(name, str) else name[0]
                assert message.partition() == abs(java_hash(group)) % 50
                self.seen.append((name, value))
                if value is None:
                    self.table.pop(name, None)
                else:
                    self.table[name] = value

    def close(self):
        self.consumer.close()


def test_committed_offsets(own):
    commit(own, "before", "t", 5)
    assert OFFSETS not in listed(own), "nobody has asked for it"
    reader = Reader(own, OFFSETS, decode_offset)
    try:
        assert OFFSETS in listed(own)
        reader.wait(lambda table: table == {("before", "t", 0): (5, "note 5")}, "what there was before")
        commit(own, "before", "t", 6, 7)
        groups = [f"group {number} é" for number in range(20)]
        for group in groups:
            commit(own, group, "t", 1)
        expected = {("before", "t", 0): (6, "note 6"), ("before", "t", 1): (7, "note 7"),
                    **{(group, "t", 0): (1, "note 1") for group in groups}}
        reader.wait(lambda table: table == expected, "what came after")
        reader.close()
        own.restart(kill=True)
        reader = Reader(own, OFFSETS, decode_offset)
        commit(own, "before", "t", 8)
        expected[("before", "t", 0)] = 8, "note 8"
        reader.wait(lambda table: table == expected, "after a crash")
        admin(own, "delete_consumer_groups", groups)
        reader.wait(lambda table: all(name[0] == "before" for name in table), "tombstones")
    finally:
        reader.close()


def test_transactions(own):
    producer = Producer({"bootstrap.servers": own.bootstrap, "transactional.id": "tx", "transaction.timeout.ms": 50000})
    producer.init_transactions(20)
    reader = Reader(own, TRANSACTIONS, decode_transaction)
    offsets = Reader(own, OFFSETS, decode_offset)
    try:
        reader.wait(lambda table: table.get("tx") == (0, 50000, []), "a producer that has not begun")
        for commits in (True, False):
            producer.begin_transaction()
            producer.produce("t", b"v", partition=0)
            producer.flush(20)
            consumer = consumer_of(own, "g")
            producer.send_offsets_to_transaction([TopicPartition("t", 0, 41 if commits else 42)],
                                                 consumer.consumer_group_metadata(), 20)
            consumer.close()
            members = [(OFFSETS, [abs(java_hash("g")) % 50]), ("t", [0])]
            reader.wait(lambda table: table["tx"] == (1, 50000, members), "one that is under way")
            (producer.commit_transaction if commits else producer.abort_transaction)(20)
            ended = 4 if commits else 5
            reader.wait(lambda table: table["tx"] == (ended, 50000, []), "one that has ended")
            offsets.wait(lambda table: table.get(("g", "t", 0), [None])[0] == 41, "offsets of what was committed")
        assert all(value[0] != 42 for name, value in offsets.seen if name[0] == "g")
        assert {value[0] for _, value in reader.seen} >= {0, 1, 4, 5}
    finally:
        reader.close()
        offsets.close()


def test_share_groups(own):
    member = Member(own, "g")
    assert member.set("share.auto.offset.reset", "earliest") == 0
    error, _, assigned = member.heartbeat(0, ["t"])
    assert error == 0
    topic, = assigned
    name = f"g:{base64.urlsafe_b64encode(topic.bytes).decode().rstrip('=')}:0"
    producer = Producer({"bootstrap.servers": own.bootstrap, "linger.ms": 100})
    for value in range(10):
        producer.produce("t", str(value), partition=0)
    assert producer.flush(20) == 0
    assert member.fetch(topic)[1][0][3] == [(0, 9, 1)]
    reader = Reader(own, SHARES, decode_share)
    try:
        reader.wait(lambda table: table == {name: (0, [])}, "one that has begun")
        assert member.acknowledge(topic, [(0, 1, ACCEPT), (2, 3, RELEASE), (5, 6, REJECT)]) == (0, 0)
        expected = {name: (2, [(2, 3, AVAILABLE, 1), (5, 6, ACKNOWLEDGED, 1)])}
        reader.wait(lambda table: table == expected, "what was acknowledged")
        reader.close()
        own.restart(kill=True)
        member.close()
        reader = Reader(own, SHARES, decode_share)
        reader.wait(lambda table: table == expected, "after a crash")
        admin(own, "delete_topics", ["t"])
        reader.wait(lambda table: not table, "a tombstone")
    finally:
        reader.close()


def keep_committing(broker, group, acked):
    """Until the broker is gone: one offset after the other, each noted once it is acknowledged."""
    topics = OffsetCommitRequest.OffsetCommitRequestTopic
    kafka = Requests(broker)
    try:
        while True:
            part = topics.OffsetCommitRequestPartition(version=2, partition_index=0, committed_offset=acked[group] + 1,
                                                       committed_metadata="")
            answer = kafka.call(OffsetCommitRequest, 2, group_id=group, generation_id_or_member_epoch=-1, member_id="",
                                retention_time_ms=-1, topics=[topics(version=2, name="t", partitions=[part])])
            assert answer.topics[0].partitions[0].error_code == 0
            acked[group] += 1
    except (ConnectionLost, OSError):
        kafka.close()


def test_nothing_is_missing_after_kills(own):
    Reader(own, OFFSETS, decode_offset).close()
    acked = {f"g{number}": 0 for number in range(6)}
    for _ in range(4):
        threads = [threading.Thread(target=keep_committing, args=(own, group, acked)) for group in acked]
        for thread in threads:
            thread.start()
        before = min(acked.values())
        harness.wait_for(lambda floor=before: min(acked.values()) > floor + 20, 20, "commits of all groups")
        own.kill()
        for thread in threads:
            thread.join()
        own.start()
    kept = {}
    for group in acked:
        consumer = consumer_of(own, group)
        kept[(group, "t", 0)] = consumer.committed([TopicPartition("t", 0)], 10)[0].offset
        consumer.close()
        assert acked[group] <= kept[(group, "t", 0)] <= acked[group] + 1
    reader = Reader(own, OFFSETS, decode_offset)
    reader.wait(lambda table: {name: value[0] for name, value in table.items()} == kept, kept)
    seen = {}
    for name, (offset, _) in reader.seen:
        assert offset >= seen.get(name, 0), "older ones after newer ones"
        seen[name] = offset
    reader.close()


def test_nobody_else_writes_to_them(own):
    reader = Reader(own, OFFSETS, decode_offset)
    commit(own, "g", "t", 5)
    reader.wait(len, "a commit")
    reader.close()
    kafka = Requests(own)
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    builder.append(0, None, b"k", b"v", [])
    topics = ProduceRequest.TopicProduceData
    answer = kafka.call(ProduceRequest, 7, transactional_id=None, acks=-1, timeout_ms=10000, topic_data=[topics(
        version=7, name=OFFSETS, partition_data=[topics.PartitionProduceData(version=7, index=0, records=bytes(builder.build()))])])
    assert answer.responses[0].partition_responses[0].error_code == INVALID_TOPIC
    added = AddPartitionsToTxnRequest.AddPartitionsToTxnTopic
    answer = kafka.call(AddPartitionsToTxnRequest, 0, v3_and_below_transactional_id="x", v3_and_below_producer_id=1,
                        v3_and_below_producer_epoch=0, v3_and_below_topics=[
                            added(version=0, name=topic, partitions=[0]) for topic in (OFFSETS, "t")])
    assert [[part.partition_error_code for part in topic.results_by_partition]
            for topic in answer.results_by_topic_v3_and_below] == [[UNAUTHORIZED], [NOT_ATTEMPTED]]
    kafka.close()
    with pytest.raises(KafkaException, match="TOPIC_EXCEPTION"):
        admin(own, "delete_records", [TopicPartition(OFFSETS, 0, -1)])
    config, = admin(own, "describe_configs", [ConfigResource(ConfigResource.Type.TOPIC, OFFSETS)])
    assert config["cleanup.policy"].value == "compact"


def test_one_that_is_deleted_is_made_anew(own):
    commit(own, "g", "t", 5)
    for offset in (5, 7):
        reader = Reader(own, OFFSETS, decode_offset)
        reader.wait(lambda table: table.get(("g", "t", 0), [None])[0] == offset, "what there is")
        reader.close()
        admin(own, "delete_topics", [OFFSETS])
        commit(own, "g", "t", 6)
        commit(own, "g", "t", 7)
        assert OFFSETS not in listed(own)


def test_deleting_an_offset_leaves_a_tombstone(own):
    commit(own, "g", "t", 5)
    commit(own, "h", "t", 5)
    reader = Reader(own, OFFSETS, decode_offset)
    reader.wait(lambda table: len(table) == 2, "both")
    admin(own, "alter_consumer_group_offsets", [ConsumerGroupTopicPartitions("h", [TopicPartition("t", 0, 9)])])
    admin(own, "delete_consumer_groups", ["g"])
    reader.wait(lambda table: {name[0]: value[0] for name, value in table.items()} == {"h": 9}, "one")
    assert (("g", "t", 0), None) in reader.seen
    reader.close()
