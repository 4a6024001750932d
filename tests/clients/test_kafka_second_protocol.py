"""The second transaction protocol (KIP-890) and topic ids in Produce, in raw requests: partitions and groups join by being
written to, each end raises the epoch, and what comes late is refused. Requests are encoded by kafka-python's schemas."""

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from harness import wait_for
from kafka.protocol.consumer import OffsetFetchRequest
from kafka.protocol.metadata import ApiVersionsRequest, MetadataRequest
from kafka.protocol.producer import EndTxnRequest, InitProducerIdRequest, ProduceRequest, TxnOffsetCommitRequest
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafkarequests import Requests

INVALID_EPOCH, INVALID_STATE, CONCURRENT_TRANSACTIONS, NO_TRANSACTIONAL_ID, FENCED, UNKNOWN_TOPIC_ID, ABORTABLE = 47, 48, 51, 53, 90, 100, 120


class Producer(Requests):
    """One transactional producer of the second protocol."""

    def __init__(self, broker, name=None):
        super().__init__(broker)
        if name:
            self.name = name
            answer = self.call(InitProducerIdRequest, 5, transactional_id=name, transaction_timeout_ms=60000, producer_id=-1,
                               producer_epoch=-1)
            assert answer.error_code == 0
            self.id, self.epoch = answer.producer_id, answer.producer_epoch

    def batch(self, values, sequence, epoch=None, transactional=True):
        builder = DefaultRecordBatchBuilder(magic=2, compression_type=0, is_transactional=transactional, producer_id=self.id,
                                            producer_epoch=self.epoch if epoch is None else epoch, base_sequence=sequence,
                                            batch_size=1 << 20)
        for index, value in enumerate(values):
            builder.append(index, timestamp=1000, key=None, value=value, headers=[])
        return bytes(builder.build())

    def send_batch(self, topic, values, sequence, partition=0, version=12, epoch=None, **fields):
        topics = ProduceRequest.TopicProduceData
        place = {"topic_id": topic} if version >= 13 else {"name": topic}
        self.send(ProduceRequest, version, **{"transactional_id": self.name, "acks": -1, "timeout_ms": 5000, **fields}, topic_data=[
            topics(version=version, **place, partition_data=[topics.PartitionProduceData(
                version=version, index=partition, records=self.batch(values, sequence, epoch))])])

    def produced(self):
        """(error, offset) of the only partition of a produce."""
        partition, = self.receive().responses[0].partition_responses
        return partition.error_code, partition.base_offset

    def write(self, *args, **fields):
        self.send_batch(*args, **fields)
        return self.produced()

    def end(self, commit, epoch=None):
        """The error; the producer goes on with what it was given."""
        answer = self.call(EndTxnRequest, 5, transactional_id=self.name, producer_id=self.id,
                           producer_epoch=self.epoch if epoch is None else epoch, committed=commit)
        if answer.error_code == 0:
            self.id, self.epoch = answer.producer_id, answer.producer_epoch
        return answer.error_code

    def commit_offset(self, group, topic, offset, epoch=None):
        topics = TxnOffsetCommitRequest.TxnOffsetCommitRequestTopic
        answer = self.call(TxnOffsetCommitRequest, 5, transactional_id=self.name, group_id=group, producer_id=self.id,
                           producer_epoch=self.epoch if epoch is None else epoch, generation_id=-1, member_id="",
                           group_instance_id=None, topics=[topics(version=5, name=topic, partitions=[
                               topics.TxnOffsetCommitRequestPartition(version=5, partition_index=0, committed_offset=offset,
                                                                      committed_leader_epoch=-1, committed_metadata="")])])
        return answer.topics[0].partitions[0].error_code

    def committed_offset(self, group, topic):
        topics = OffsetFetchRequest.OffsetFetchRequestTopic
        answer = self.call(OffsetFetchRequest, 7, group_id=group, require_stable=False,
                           topics=[topics(version=7, name=topic, partition_indexes=[0])])
        return answer.topics[0].partitions[0].committed_offset


@pytest.fixture
def topic(broker, name):
    return make_topic(broker, name)


def make_topic(broker, name):
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(name, 2, 1)])[name].result(10)
    return name


@pytest.fixture
def producer(broker, name):
    one = Producer(broker, f"{name}-tx")
    yield one
    one.close()


def visible(broker, topic, partition=0):
    """What a reader of committed records sees now."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "none", "enable.auto.commit": False,
                         "isolation.level": "read_committed", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, partition, 0)])
    values = []
    try:
        while True:
            message = consumer.poll(20)
            assert message is not None, "neither a record nor the end"
            if message.error():
                assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
                return values
            values.append(message.value())
    finally:
        consumer.close()


def topic_id(raw, topic):
    answer = raw.call(MetadataRequest, 12, topics=[MetadataRequest.MetadataRequestTopic(
        version=12, topic_id=None, name=topic)], allow_auto_topic_creation=False, include_topic_authorized_operations=False)
    return answer.topics[0].topic_id


def test_the_feature_is_advertised(broker):
    raw = Requests(broker)
    answer = raw.call(ApiVersionsRequest, 4, client_software_name="raw", client_software_version="1")
    assert {each.name: each.max_version_level for each in answer.finalized_features}["transaction.version"] == 2
    raw.close()


def test_partitions_join_by_being_written_to(broker, topic, producer):
    first = producer.epoch
    assert producer.write(topic, [b"a"], 0) == (0, 0)
    assert producer.write(topic, [b"b", b"c"], 1) == (0, 1)
    assert visible(broker, topic) == []
    assert producer.end(True) == 0
    assert producer.epoch == first + 1, "each end raises the epoch"
    assert visible(broker, topic) == [b"a", b"b", b"c"]
    assert producer.write(topic, [b"d"], 0)[0] == 0, "the next transaction begins at sequence 0"
    assert producer.write(topic, [b"e"], 0, partition=1)[0] == 0
    assert producer.end(False) == 0
    assert producer.epoch == first + 2
    assert visible(broker, topic) == [b"a", b"b", b"c"]
    assert visible(broker, topic, 1) == []


def test_batches_that_are_sent_at_once_stay_in_order(broker, topic, producer):
    for number in range(5):
        producer.send_batch(topic, [b"%d" % number], number)
    assert [producer.produced() for _ in range(5)] == [(0, number) for number in range(5)]
    assert producer.end(True) == 0
    assert visible(broker, topic) == [b"0", b"1", b"2", b"3", b"4"]


def test_what_comes_after_the_end_is_refused(broker, topic, producer):
    old = producer.epoch
    assert producer.write(topic, [b"a"], 0)[0] == 0
    assert producer.end(True) == 0
    assert producer.write(topic, [b"late"], 1, epoch=old)[0] == INVALID_EPOCH
    assert producer.write(topic, [b"late"], 0, partition=1, epoch=old)[0] == INVALID_EPOCH, "a partition that was not in it"
    assert producer.write(topic, [b"early"], 0, partition=1, epoch=producer.epoch + 5)[0] == INVALID_EPOCH
    assert producer.end(True, epoch=old + 7) == FENCED
    assert visible(broker, topic) == [b"a"]


def test_an_end_may_be_repeated(broker, topic, producer):
    old = producer.epoch
    assert producer.write(topic, [b"a"], 0)[0] == 0
    assert producer.end(True) == 0
    assert producer.end(True, epoch=old) == 0
    assert producer.epoch == old + 1, "the same answer"
    assert producer.end(False, epoch=old) == INVALID_STATE
    assert producer.write(topic, [b"b"], 0)[0] == 0
    assert producer.end(True, epoch=old) == FENCED, "an end of the transaction before"


def test_a_transaction_of_nothing(producer):
    old = producer.epoch
    assert producer.end(True) == INVALID_STATE
    assert producer.end(False) == 0
    assert producer.epoch == old + 1


def test_groups_join_by_being_committed_to(broker, topic, producer, name):
    group = f"{name}-g"
    old = producer.epoch
    assert producer.commit_offset(group, topic, 5) == 0
    assert producer.committed_offset(group, topic) == -1
    assert producer.end(True) == 0
    assert producer.committed_offset(group, topic) == 5
    assert producer.commit_offset(group, topic, 6, epoch=old) == INVALID_EPOCH
    assert producer.commit_offset(group, topic, 7) == 0
    assert producer.end(False) == 0
    assert producer.committed_offset(group, topic) == 5


def test_a_transactional_batch_needs_a_transactional_id(topic, producer):
    for version in (3, 9, 12):
        assert producer.write(topic, [b"a"], 0, version=version, transactional_id=None)[0] == NO_TRANSACTIONAL_ID


def test_older_producers_are_told_what_they_know(topic, producer):
    assert producer.write(topic, [b"a"], 0, version=10)[0] == INVALID_STATE
    assert producer.write(topic, [b"a"], 0, version=11)[0] == ABORTABLE


def test_produce_by_topic_id(broker, topic, producer):
    first = topic_id(producer, topic)
    assert producer.write(first, [b"a"], 0, version=13) == (0, 0)
    assert producer.end(True) == 0
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.delete_topics([topic])[topic].result(10)
    assert producer.write(first, [b"b"], 0, version=13)[0] == UNKNOWN_TOPIC_ID
    make_topic(broker, topic)
    assert producer.write(first, [b"c"], 0, version=13)[0] == UNKNOWN_TOPIC_ID, "another topic of that name"
    second = topic_id(producer, topic)
    for number in range(3):
        producer.send_batch(second, [b"%d" % number], number, version=13)
    assert [producer.produced() for _ in range(3)] == [(0, number) for number in range(3)]
    assert producer.end(True) == 0
    assert visible(broker, topic) == [b"0", b"1", b"2"]


def test_transactions_outlive_kill_9(own_broker, name):
    broker = own_broker
    topic = make_topic(broker, name)
    producer = Producer(broker, f"{name}-tx")
    expected = []
    for number in range(6):
        commit = number % 2 == 0
        assert producer.write(topic, [b"%d a" % number], 0)[0] == 0
        assert producer.commit_offset(f"{name}-g", topic, number) == 0
        broker.restart(kill=True)
        producer.reconnect()
        assert producer.write(topic, [b"%d b" % number], 1)[0] == 0, "the transaction goes on"
        old = producer.epoch
        assert producer.end(commit) == 0
        broker.restart(kill=True)
        producer.reconnect()

        def end_again():
            code = producer.end(commit, epoch=old)
            return None if code == CONCURRENT_TRANSACTIONS else [code]

        # For as long as the restarted broker still tells the partitions of the end, as a client would.
        assert wait_for(end_again, 10, "the end that was decided before the crash") == [0]
        assert producer.epoch == old + 1
        assert producer.write(topic, [b"late"], 2, epoch=old)[0] == INVALID_EPOCH
        if commit:
            expected += [b"%d a" % number, b"%d b" % number]
            committed = number
        assert visible(broker, topic) == expected
        assert producer.committed_offset(f"{name}-g", topic) == committed
    producer.close()
