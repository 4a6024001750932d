"""Kafka's administrative requests with confluent-kafka, kafka-python and aiokafka: partitions, settings, deletion of
records and offsets, and looking at producers, transactions, groups and log directories."""

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions as AioNewPartitions
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions,
                                   NewTopic, ResourceType)


@pytest.fixture
def admin(broker):
    return AdminClient({"bootstrap.servers": broker.bootstrap})


@pytest.fixture
def topic(admin, name):
    admin.create_topics([NewTopic(name, 2, 1)])[name].result(10)
    return name


def code_of(future):
    with pytest.raises(KafkaException) as info:
        future.result(10)
    return info.value.args[0].code()


def partition_count(admin, topic):
    return len(admin.list_topics(topic, timeout=10).topics[topic].partitions)


def produce(broker, topic, values, partition=-1):
    producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 0})
    failed = []
    for value in values:
        producer.produce(topic, value, partition=partition, on_delivery=lambda error, _: error and failed.append(error))
        producer.flush(20)  # a batch for each
    assert not failed


def settings_of(admin, topic):
    """Those that were given for this topic."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    entries = admin.describe_configs([resource])[resource].result(10)
    return {key: entry.value for key, entry in entries.items() if entry.source == 1}


# --- partitions ------------------------------------------------------------------------------------------------------

def test_partitions_are_added_and_used(broker, admin, topic):
    produce(broker, topic, ["before"], partition=1)
    admin.create_partitions([NewPartitions(topic, 5)])[topic].result(10)
    assert partition_count(admin, topic) == 5
    produce(broker, topic, ["after"], partition=4)
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": f"{topic}.g", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    got = []
    while len(got) < 2:
        got += [(message.partition(), message.value()) for message in consumer.consume(2, 10)]
    consumer.close()
    assert sorted(got) == [(1, b"before"), (4, b"after")]


def test_partitions_refused(admin, topic):
    invalid_partitions, invalid_assignment = KafkaError.INVALID_PARTITIONS, KafkaError.INVALID_REPLICA_ASSIGNMENT
    for count, assignment, code in [(2, None, invalid_partitions), (1, None, invalid_partitions),
                                    (100_000, None, invalid_partitions), (3, [[7]], invalid_assignment),
                                    (3, [[1, 2]], invalid_assignment)]:
        new = NewPartitions(topic, count, assignment) if assignment else NewPartitions(topic, count)
        assert code_of(admin.create_partitions([new])[topic]) == code, count
    unknown = f"{topic}-unknown"
    assert code_of(admin.create_partitions([NewPartitions(unknown, 3)])[unknown]) == KafkaError.UNKNOWN_TOPIC_OR_PART
    admin.create_partitions([NewPartitions(topic, 3)], validate_only=True)[topic].result(10)
    assert partition_count(admin, topic) == 2
    admin.create_partitions([NewPartitions(topic, 3, [[1]])])[topic].result(10)
    assert partition_count(admin, topic) == 3


@pytest.mark.own
def test_partitions_and_settings_outlive_kill_and_restart(own_broker, name):
    admin = AdminClient({"bootstrap.servers": own_broker.bootstrap})
    admin.create_topics([NewTopic(name, 1, 1, config={"segment.ms": "1000"})])[name].result(10)
    produce(own_broker, name, ["one", "two"])
    admin.create_partitions([NewPartitions(name, 3)])[name].result(10)
    change = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[
        ConfigEntry("retention.bytes", "12345678", incremental_operation=AlterConfigOpType.SET),
        ConfigEntry("segment.ms", None, incremental_operation=AlterConfigOpType.DELETE)])
    admin.incremental_alter_configs([change])[change].result(10)
    produce(own_broker, name, ["three"], partition=2)
    own_broker.restart(kill=True)
    admin = AdminClient({"bootstrap.servers": own_broker.bootstrap})
    assert partition_count(admin, name) == 3
    assert settings_of(admin, name) == {"retention.bytes": "12345678"}
    own_broker.restart(kill=False)
    admin = AdminClient({"bootstrap.servers": own_broker.bootstrap})
    assert partition_count(admin, name) == 3
    assert settings_of(admin, name) == {"retention.bytes": "12345678"}


# --- settings --------------------------------------------------------------------------------------------------------

def incremental(admin, topic, *changes, **options):
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[
        ConfigEntry(name, value, incremental_operation=operation) for name, operation, value in changes])
    return admin.incremental_alter_configs([resource], **options)[resource]


def test_settings_change_one_by_one(admin, topic):
    set_, delete = AlterConfigOpType.SET, AlterConfigOpType.DELETE
    incremental(admin, topic, ("retention.ms", set_, "100000000"), ("segment.ms", set_, "5000")).result(10)
    assert settings_of(admin, topic) == {"retention.ms": "100000000", "segment.ms": "5000"}
    incremental(admin, topic, ("retention.ms", delete, None)).result(10)
    assert settings_of(admin, topic) == {"segment.ms": "5000"}
    incremental(admin, topic, ("segment.ms", set_, "6000"), validate_only=True).result(10)
    assert settings_of(admin, topic) == {"segment.ms": "5000"}
    incremental(admin, topic, ("cleanup.policy", AlterConfigOpType.APPEND, "compact")).result(10)
    assert settings_of(admin, topic)["cleanup.policy"] == "delete,compact"
    incremental(admin, topic, ("cleanup.policy", AlterConfigOpType.SUBTRACT, "delete")).result(10)
    assert settings_of(admin, topic)["cleanup.policy"] == "compact"


def test_settings_refused_change_nothing(admin, topic):
    set_, append = AlterConfigOpType.SET, AlterConfigOpType.APPEND
    good = ("retention.ms", set_, "100000000")
    for bad, code in [(("segment.ms", set_, "soon"), KafkaError.INVALID_CONFIG),
                      (("no.such.setting", set_, "1"), KafkaError.INVALID_CONFIG),
                      (("segment.ms", append, "1"), KafkaError.INVALID_CONFIG)]:
        assert code_of(incremental(admin, topic, good, bad)) == code, bad
    assert settings_of(admin, topic) == {}
    assert code_of(incremental(admin, f"{topic}-unknown", good)) == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_settings_replaced_as_a_whole(admin, topic):
    def replace(**configs):
        named = {key.replace("_", "."): value for key, value in configs.items()}
        resource = ConfigResource(ResourceType.TOPIC, topic, set_config=named)
        admin.alter_configs([resource])[resource].result(10)

    replace(retention_ms="100000000", segment_ms="5000")
    assert settings_of(admin, topic) == {"retention.ms": "100000000", "segment.ms": "5000"}
    replace(segment_bytes="1000000")
    assert settings_of(admin, topic) == {"segment.bytes": "1000000"}


def test_a_changed_limit_is_enforced(broker, admin, topic):
    produce(broker, topic, ["x" * 5000])
    incremental(admin, topic, ("max.message.bytes", AlterConfigOpType.SET, "1000")).result(10)
    reports = []
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    producer.produce(topic, "x" * 5000, on_delivery=lambda error, _: reports.append(error))
    assert producer.flush(20) == 0
    assert reports[0].code() == KafkaError.MSG_SIZE_TOO_LARGE
    incremental(admin, topic, ("max.message.bytes", AlterConfigOpType.DELETE, None)).result(10)
    produce(broker, topic, ["x" * 5000])


def test_settings_of_the_broker_do_not_change(admin):
    resource = ConfigResource(ResourceType.BROKER, "1", incremental_configs=[
        ConfigEntry("node.id", "7", incremental_operation=AlterConfigOpType.SET)])
    assert code_of(admin.incremental_alter_configs([resource])[resource]) == KafkaError.INVALID_REQUEST


async def aio_partitions(broker, topic):
    client = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await client.start()
    try:
        return await client.create_partitions({topic: AioNewPartitions(4)})
    finally:
        await client.close()


def test_partitions_with_aiokafka(broker, admin, topic):
    asyncio.run(aio_partitions(broker, topic))
    assert partition_count(admin, topic) == 4
