"""The Kafka protocol with kafka-python: the newest versions of each request, which differ from the others'."""

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import TopicAlreadyExistsError

import harness


@pytest.fixture
def producer(broker):
    client = KafkaProducer(bootstrap_servers=broker.bootstrap, acks="all", linger_ms=5)
    yield client
    client.close()


def consumer(broker, *topics, **options):
    return KafkaConsumer(*topics, bootstrap_servers=broker.bootstrap, **{
        "auto_offset_reset": "earliest", "enable_auto_commit": False, "consumer_timeout_ms": 8000, **options})


def take(client, count):
    got = []
    for record in client:
        got.append(record)
        if len(got) == count:
            break
    assert len(got) == count
    return got


@pytest.fixture
def admin(broker):
    client = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    yield client
    client.close()


@pytest.mark.parametrize("compression", [None, "gzip", "snappy", "lz4", "zstd"])
def test_produce_and_consume(broker, name, compression):
    with KafkaProducer(bootstrap_servers=broker.bootstrap, acks="all", compression_type=compression,
                       linger_ms=5) as producer:
        futures = [producer.send(name, b"v%d" % index, key=b"k", headers=[("h", b"x")]) for index in range(100)]
        assert [future.get(15).offset for future in futures] == list(range(100))
    with consumer(broker, name) as reader:
        got = take(reader, 100)
    assert [record.value for record in got] == [b"v%d" % index for index in range(100)]
    assert {record.key for record in got} == {b"k"}
    assert all(list(record.headers) == [("h", b"x")] for record in got)


def test_group_resumes(broker, name, producer):
    for index in range(10):
        producer.send(name, str(index).encode()).get(15)
    with consumer(broker, name, group_id=f"{name}.g") as reader:
        assert len(take(reader, 4)) == 4
        reader.commit()
        assert reader.committed(TopicPartition(name, 0)) == 4
    with consumer(broker, name, group_id=f"{name}.g") as reader:
        assert [record.value for record in take(reader, 6)] == [b"4", b"5", b"6", b"7", b"8", b"9"]


def test_admin(broker, name, admin):
    admin.create_topics([NewTopic(name, num_partitions=4, replication_factor=1)])
    with pytest.raises(TopicAlreadyExistsError):
        admin.create_topics([NewTopic(name, num_partitions=4, replication_factor=1)])
    assert name in admin.list_topics()
    with consumer(broker) as reader:
        assert reader.partitions_for_topic(name) == {0, 1, 2, 3}
        partitions = [TopicPartition(name, index) for index in range(4)]
        assert reader.end_offsets(partitions) == dict.fromkeys(partitions, 0)
    admin.delete_topics([name])
    harness.wait_for(lambda: name not in admin.list_topics(), 5, "deleted topic is gone")


def test_transaction(broker, name, admin):
    admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])
    with KafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id=f"{name}.t") as producer:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(name, b"kept")
        producer.commit_transaction()
        producer.begin_transaction()
        producer.send(name, b"dropped")
        producer.flush()
        producer.abort_transaction()
        producer.begin_transaction()
        producer.send(name, b"last")
        producer.commit_transaction()
    with consumer(broker, name, isolation_level="read_committed") as reader:
        assert [record.value for record in take(reader, 2)] == [b"kept", b"last"]
