"""The Kafka protocol with confluent-kafka (librdkafka 2): batches, compression, groups, static members, transactions."""

import threading
import time

import pytest
from confluent_kafka import (OFFSET_BEGINNING, Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException,
                             Producer, TopicPartition)
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic


def make_producer(broker, **options):
    return Producer({"bootstrap.servers": broker.bootstrap, "acks": "all",
                     **{key.replace("_", "."): value for key, value in options.items()}})


def make_consumer(broker, group, **options):
    return Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group, "auto.offset.reset": "earliest",
                     "enable.auto.commit": False, "session.timeout.ms": 10000, "heartbeat.interval.ms": 300,
                     "allow.auto.create.topics": True,
                     **{key.replace("_", "."): value for key, value in options.items()}})


@pytest.fixture
def admin(broker):
    return AdminClient({"bootstrap.servers": broker.bootstrap})


@pytest.fixture
def topic(admin, name):
    admin.create_topics([NewTopic(name, 3, 1)])[name].result(10)
    return name


def produce(producer, topic, rows, **options):
    """Sends (key, value) rows and returns their (partition, offset) in the order of the calls."""
    reports = {}
    for index, (key, value) in enumerate(rows):
        def on_delivery(error, message, index=index):
            reports[index] = error or (message.partition(), message.offset())
        producer.produce(topic, value, key, on_delivery=on_delivery, **options)
        producer.poll(0)
    assert producer.flush(20) == 0
    assert not [report for report in reports.values() if isinstance(report, KafkaError)], reports
    return [reports[index] for index in range(len(rows))]


def take(consumer, count, seconds=20):
    got = []
    deadline = time.monotonic() + seconds
    while len(got) < count:
        assert time.monotonic() < deadline, f"{len(got)} of {count} records"
        for message in consumer.consume(count - len(got), 0.3):
            assert message.error() is None, message.error()
            got.append(message)
    return got


def nothing(consumer, seconds=0.7):
    assert [message.value() for message in consumer.consume(1, seconds)] == []


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("idempotence", [False, True])
def test_produce_and_consume(broker, topic, compression, idempotence):
    producer = make_producer(broker, compression_type=compression, enable_idempotence=idempotence, linger_ms=5)
    rows = [(f"k{index % 7}", f"value-{index}" * 10) for index in range(1000)]
    places = produce(producer, topic, rows, headers=[("a", b"1"), ("n", None)])
    consumer = make_consumer(broker, f"{topic}.g")
    consumer.subscribe([topic])
    got = {(message.partition(), message.offset()): message for message in take(consumer, 1000)}
    consumer.close()
    assert len(set(places)) == 1000
    for place, (key, value) in zip(places, rows):
        message = got[place]
        assert (message.key().decode(), message.value().decode()) == (key, value)
        assert message.headers() == [("a", b"1"), ("n", None)]


def test_offsets_are_dense(broker, topic):
    places = produce(make_producer(broker), topic, [(None, str(index)) for index in range(500)])
    for partition in range(3):
        offsets = sorted(offset for part, offset in places if part == partition)
        assert offsets == list(range(len(offsets)))


def test_metadata(broker, admin, topic):
    metadata = admin.list_topics(timeout=10)
    assert metadata.cluster_id and list(metadata.brokers)
    described = metadata.topics[topic]
    assert sorted(described.partitions) == [0, 1, 2]
    for partition in described.partitions.values():
        assert partition.error is None
        assert partition.leader in metadata.brokers and partition.replicas == partition.isrs == [partition.leader]


def test_unknown_topic_without_creation(broker, name):
    consumer = make_consumer(broker, f"{name}.g", allow_auto_create_topics=False)
    consumer.subscribe([name])
    message = consumer.poll(10)
    assert message is not None and message.error().code() == KafkaError.UNKNOWN_TOPIC_OR_PART
    consumer.close()


def test_commit_and_resume(broker, topic):
    produce(make_producer(broker), topic, [("k", str(index)) for index in range(30)])
    consumer = make_consumer(broker, f"{topic}.g")
    consumer.subscribe([topic])
    tenth = take(consumer, 10)[-1]
    consumer.commit(message=tenth, asynchronous=False)
    consumer.close()
    consumer = make_consumer(broker, f"{topic}.g")
    consumer.subscribe([topic])
    assert [int(message.value()) for message in take(consumer, 20)] == list(range(10, 30))
    (position,) = consumer.committed([TopicPartition(topic, tenth.partition())], timeout=10)
    assert position.offset == 10
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, tenth.partition()), timeout=10)
    assert (low, high) == (0, 30)
    consumer.close()


def test_offsets_for_times(broker, topic):
    producer = make_producer(broker)
    for index in range(5):
        producer.produce(topic, str(index), partition=1, timestamp=1700000000000 + index * 10)
    producer.flush(10)
    consumer = make_consumer(broker, f"{topic}.g")
    (found,) = consumer.offsets_for_times([TopicPartition(topic, 1, 1700000000015)], timeout=10)
    assert found.offset == 2
    consumer.assign([TopicPartition(topic, 1, OFFSET_BEGINNING)])
    assert [message.value() for message in take(consumer, 5)] == [b"0", b"1", b"2", b"3", b"4"]
    consumer.close()


@pytest.mark.parametrize("strategy", ["range", "roundrobin", "cooperative-sticky"])
def test_rebalance(broker, topic, strategy):
    options = {"partition_assignment_strategy": strategy}
    consumers = [make_consumer(broker, f"{topic}.g", **options)]
    consumers[0].subscribe([topic])

    def settle(seconds=25):
        deadline = time.monotonic() + seconds
        while True:
            parts = []
            for consumer in consumers:
                message = consumer.poll(0.1)
                assert message is None or message.error() is None, message.error()
                parts.append({part.partition for part in consumer.assignment()})
            if set().union(*parts) == {0, 1, 2} and sum(map(len, parts)) == 3 and all(parts):
                return
            assert time.monotonic() < deadline, parts

    settle()
    consumers.append(make_consumer(broker, f"{topic}.g", **options))
    consumers[1].subscribe([topic])
    settle()
    consumers.append(make_consumer(broker, f"{topic}.g", **options))
    consumers[2].subscribe([topic])
    # A consumer that is closed while it is told of another's end hangs now and then (librdkafka 2.16).
    while consumers:
        settle()
        consumers.pop(0).close()


def test_static_member_keeps_its_partitions(broker, topic):
    """A static member that comes back within its session gets its assignment without a rebalance of the others."""
    rebalances = []
    stay = make_consumer(broker, f"{topic}.g", group_instance_id="stay")
    stay.subscribe([topic], on_assign=lambda _, parts: rebalances.append({part.partition for part in parts}))
    move = make_consumer(broker, f"{topic}.g", group_instance_id="move")
    move.subscribe([topic])

    def both_assigned():
        stay.poll(0.05)
        move.poll(0.05)
        parts = [{part.partition for part in consumer.assignment()} for consumer in (stay, move)]
        return parts if all(parts) and sum(map(len, parts)) == 3 else None

    deadline = time.monotonic() + 25
    while (parts := both_assigned()) is None:
        assert time.monotonic() < deadline
    count = len(rebalances)
    move.close()  # A static member sends no LeaveGroup.
    move = make_consumer(broker, f"{topic}.g", group_instance_id="move")
    move.subscribe([topic])
    deadline = time.monotonic() + 8
    while not move.assignment():
        assert time.monotonic() < deadline
        stay.poll(0.05)
        move.poll(0.05)
    assert {part.partition for part in move.assignment()} == parts[1]
    for _ in range(10):
        stay.poll(0.1)
    assert len(rebalances) == count
    stay.close()
    move.close()


def test_second_use_of_an_instance_id_fences_the_first(broker, topic):
    first = make_consumer(broker, f"{topic}.g", group_instance_id="one")
    first.subscribe([topic])
    while not first.assignment():
        first.poll(0.1)
    second = make_consumer(broker, f"{topic}.g", group_instance_id="one")
    second.subscribe([topic])
    fenced = None
    deadline = time.monotonic() + 20
    while fenced is None and time.monotonic() < deadline:
        second.poll(0.05)
        try:
            message = first.poll(0.1)
            if message is not None and message.error() is not None:
                fenced = message.error()
        except KafkaException as error:
            fenced = error.args[0]
    assert fenced is not None and fenced.code() in (KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID), fenced
    first.close()
    second.close()


def test_transactions(broker, topic):
    producer = make_producer(broker, transactional_id=f"{topic}.t")
    producer.init_transactions(15)
    producer.begin_transaction()
    for index in range(3):
        producer.produce(topic, b"good-%d" % index, partition=0)
    producer.commit_transaction(15)
    producer.begin_transaction()
    for index in range(3):
        producer.produce(topic, b"bad-%d" % index, partition=0)
    producer.flush(10)
    producer.abort_transaction(15)
    producer.begin_transaction()
    producer.produce(topic, b"last", partition=0)
    producer.commit_transaction(15)
    committed = make_consumer(broker, f"{topic}.c", isolation_level="read_committed")
    committed.subscribe([topic])
    assert [message.value() for message in take(committed, 4)] == [b"good-0", b"good-1", b"good-2", b"last"]
    nothing(committed)
    committed.close()
    everything = make_consumer(broker, f"{topic}.u", isolation_level="read_uncommitted")
    everything.subscribe([topic])
    assert len(take(everything, 7)) == 7
    everything.close()


def test_consume_transform_produce(broker, topic, admin, name):
    target = f"{name}.out"
    admin.create_topics([NewTopic(target, 1, 1)])[target].result(10)
    produce(make_producer(broker), topic, [("k", str(index)) for index in range(10)])
    producer = make_producer(broker, transactional_id=f"{topic}.t")
    producer.init_transactions(15)
    consumer = make_consumer(broker, f"{topic}.g", isolation_level="read_committed")
    consumer.subscribe([topic])
    for round_ in range(2):
        got = take(consumer, 5)
        producer.begin_transaction()
        for message in got:
            producer.produce(target, message.value() + b"!")
        position = [TopicPartition(topic, got[-1].partition(), got[-1].offset() + 1)]
        producer.send_offsets_to_transaction(position, consumer.consumer_group_metadata(), 15)
        producer.commit_transaction(15)
        assert consumer.committed(position, timeout=10)[0].offset == got[-1].offset() + 1
    consumer.close()
    reader = make_consumer(broker, f"{target}.g", isolation_level="read_committed")
    reader.subscribe([target])
    assert [message.value() for message in take(reader, 10)] == [b"%d!" % index for index in range(10)]
    reader.close()


def test_producer_fencing(broker, topic):
    old = make_producer(broker, transactional_id=f"{topic}.t")
    old.init_transactions(15)
    old.begin_transaction()
    old.produce(topic, b"old", partition=0)
    old.flush(10)
    new = make_producer(broker, transactional_id=f"{topic}.t")
    new.init_transactions(15)
    with pytest.raises(KafkaException) as error:
        old.commit_transaction(15)
    assert error.value.args[0].fatal()
    assert error.value.args[0].code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED,
                                          KafkaError.INVALID_PRODUCER_EPOCH)
    new.begin_transaction()
    new.produce(topic, b"new", partition=0)
    new.commit_transaction(15)
    reader = make_consumer(broker, f"{topic}.g", isolation_level="read_committed")
    reader.subscribe([topic])
    assert [message.value() for message in take(reader, 1)] == [b"new"]
    nothing(reader)
    reader.close()


def test_admin_errors_and_configs(broker, admin, topic, name):
    with pytest.raises(KafkaException) as error:
        admin.create_topics([NewTopic(topic, 3, 1)])[topic].result(10)
    assert error.value.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    configs = admin.describe_configs([resource])[resource].result(10)
    for key in ("cleanup.policy", "retention.ms", "max.message.bytes", "compression.type"):
        assert key in configs, key
    missing = ConfigResource(ConfigResource.Type.TOPIC, f"{name}.none")
    with pytest.raises(KafkaException) as error:
        admin.describe_configs([missing])[missing].result(10)
    assert error.value.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART
    admin.delete_topics([topic])[topic].result(10)
    with pytest.raises(KafkaException) as error:
        admin.delete_topics([topic])[topic].result(10)
    assert error.value.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_group_offsets_by_admin(broker, admin, topic):
    produce(make_producer(broker), topic, [("k", "v")] * 5)
    consumer = make_consumer(broker, f"{topic}.g")
    consumer.subscribe([topic])
    last = take(consumer, 5)[-1]
    consumer.commit(message=last, asynchronous=False)
    consumer.close()
    request = [ConsumerGroupTopicPartitions(f"{topic}.g")]
    reply = admin.list_consumer_group_offsets(request)[f"{topic}.g"].result(10)
    assert {(part.topic, part.partition): part.offset for part in reply.topic_partitions} == {
        (topic, last.partition()): 5}


def test_parallel_producers(broker, topic):
    """Eight idempotent producers at once: every record once, each producer's order kept in every partition."""

    def work(worker):
        produce(make_producer(broker, enable_idempotence=True), topic,
                [(f"w{worker}", f"{worker}:{index}") for index in range(300)])

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    consumer = make_consumer(broker, f"{topic}.g")
    consumer.subscribe([topic])
    seen = {}
    for message in take(consumer, 2400):
        worker, index = message.value().split(b":")
        seen.setdefault(worker, []).append(int(index))
    nothing(consumer)
    consumer.close()
    assert len(seen) == 8 and all(rows == list(range(300)) for rows in seen.values())
