"""Kafka's administrative requests with confluent-kafka, kafka-python and aiokafka: partitions, settings, deletion of
records and offsets, and looking at producers, transactions, groups and log directories."""

import asyncio

import kafka.errors
import pytest
import redis
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions as AioNewPartitions
from confluent_kafka import (OFFSET_BEGINNING, Consumer, ConsumerGroupState, ConsumerGroupType, IsolationLevel,
                             KafkaError, KafkaException, Producer, TopicPartition)
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions,
                                   NewTopic, OffsetSpec, ResourceType)
from kafka import KafkaAdminClient, TopicPartition as PythonPartition

# A real Kafka shows such changes a while after it has confirmed them.
pytestmark = pytest.mark.own


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
        message = consumer.poll(10)
        assert message is not None, got
        got.append((message.partition(), message.value()))
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


# --- deleting records ------------------------------------------------------------------------------------------------

def delete_before(admin, topic, **offsets):
    """delete_before(admin, topic, p0=3) gives {0: low watermark}."""
    wanted = [TopicPartition(topic, int(key[1:]), offset) for key, offset in offsets.items()]
    return {place.partition: future.result(10).low_watermark for place, future in admin.delete_records(wanted).items()}


def offsets_of(admin, topic, spec, partitions=2):
    asked = {TopicPartition(topic, partition): spec for partition in range(partitions)}
    return [future.result(10).offset for _, future in sorted(admin.list_offsets(asked).items(),
                                                             key=lambda item: item[0].partition)]


def read_all(broker, topic):
    """(partition, offset, value) of everything that is there."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": f"{topic}.reader",
                         "enable.auto.commit": False, "enable.partition.eof": True, "auto.offset.reset": "error"})
    partitions = list(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
    got, ended = [], set()
    while len(ended) < len(partitions):
        message = consumer.poll(10)
        assert message is not None, got
        if message.error():
            assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
            ended.add(message.partition())
        else:
            got.append((message.partition(), message.offset(), message.value().decode()))
    consumer.close()
    return sorted(got)


def check_deleted(broker, topic):
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    assert offsets_of(admin, topic, OffsetSpec.earliest()) == [4, 3]
    assert offsets_of(admin, topic, OffsetSpec.latest()) == [6, 6]
    assert read_all(broker, topic) == [(0, 4, "a4"), (0, 5, "a5"), (1, 3, "b3"), (1, 4, "b4"), (1, 5, "b5")]


def fill_and_delete(broker, admin, topic):
    for index in range(6):
        produce(broker, topic, [f"a{index}"], partition=0)
        produce(broker, topic, [f"b{index}"], partition=1)
    assert delete_before(admin, topic, p0=4) == {0: 4}
    assert offsets_of(admin, topic, OffsetSpec.earliest()) == [4, 0]
    assert delete_before(admin, topic, p0=2, p1=3) == {0: 4, 1: 3}


def test_records_are_deleted_by_partition(broker, admin, topic):
    fill_and_delete(broker, admin, topic)
    check_deleted(broker, topic)
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": f"{topic}.g", "auto.offset.reset": "error"})
    consumer.assign([TopicPartition(topic, 0, 3)])
    assert consumer.consume(1, 10)[0].error().code() == KafkaError._AUTO_OFFSET_RESET
    consumer.close()
    # All that is there; what comes later has later offsets.
    assert delete_before(admin, topic, p0=-1, p1=-1) == {0: 6, 1: 6}
    assert read_all(broker, topic) == []
    produce(broker, topic, ["new"], partition=0)
    assert read_all(broker, topic) == [(0, 6, "new")]


def test_records_within_a_batch_are_deleted(broker, admin, topic):
    producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 200, "compression.type": "gzip"})
    for index in range(10):
        producer.produce(topic, f"v{index}", partition=1)
    assert producer.flush(20) == 0
    assert delete_before(admin, topic, p1=7) == {1: 7}
    assert read_all(broker, topic) == [(1, offset, f"v{offset}") for offset in (7, 8, 9)]


def test_the_beginning_of_an_open_transaction_is_deleted(broker, admin, topic):
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": f"{topic}.tx"})
    producer.init_transactions(20)
    producer.begin_transaction()
    for index in range(3):
        producer.produce(topic, f"v{index}", partition=0)
        assert producer.flush(20) == 0
    assert delete_before(admin, topic, p0=2) == {0: 2}
    place = TopicPartition(topic, 0)
    latest = admin.list_offsets({place: OffsetSpec.latest()}, isolation_level=IsolationLevel.READ_COMMITTED)
    assert latest[place].result(10).offset == 2
    producer.commit_transaction(20)
    assert read_all(broker, topic) == [(0, 2, "v2")]
    client = redis.Redis(port=broker.redis_port, decode_responses=True)
    assert client.xlen(topic) == 1
    client.close()


def test_deletion_of_records_refused(broker, admin, topic):
    produce(broker, topic, ["one"], partition=0)
    future, = admin.delete_records([TopicPartition(topic, 0, 2)]).values()
    assert code_of(future) == KafkaError.OFFSET_OUT_OF_RANGE
    incremental(admin, topic, ("cleanup.policy", AlterConfigOpType.SET, "compact")).result(10)
    future, = admin.delete_records([TopicPartition(topic, 0, 1)]).values()
    assert code_of(future) == KafkaError.POLICY_VIOLATION
    assert offsets_of(admin, topic, OffsetSpec.earliest()) == [0, 0]


def test_deleted_records_stay_deleted(own_broker, name):
    admin = AdminClient({"bootstrap.servers": own_broker.bootstrap})
    admin.create_topics([NewTopic(name, 2, 1)])[name].result(10)
    fill_and_delete(own_broker, admin, name)
    for kill in (True, True, False):
        own_broker.restart(kill=kill)
        check_deleted(own_broker, name)


def test_deleted_records_are_gone_for_other_protocols(broker, admin, topic):
    fill_and_delete(broker, admin, topic)
    client = redis.Redis(port=broker.redis_port, decode_responses=True)
    assert [fields["value"] for _, fields in client.xrange(topic)] == ["b3", "a4", "b4", "a5", "b5"]
    assert client.xlen(topic) == 5
    assert [fields["value"] for _, fields in client.xrevrange(topic, count=2)] == ["b5", "a5"]
    client.xtrim(topic, maxlen=2, approximate=False)
    assert client.xlen(topic) == 2
    assert read_all(broker, topic) == [(0, 5, "a5"), (1, 5, "b5")]
    client.close()


# --- committed offsets and groups ------------------------------------------------------------------------------------

def commit(broker, group, topic, *partitions):
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, partition, 1) for partition in partitions], asynchronous=False)
    consumer.close()


@pytest.fixture
def python_admin(broker):
    client = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    yield client
    client.close()


def committed(python_admin, group):
    return sorted((place.topic, place.partition) for place in python_admin.list_group_offsets({group: None})[group])


def test_committed_offsets_are_deleted(broker, topic, python_admin):
    group = f"{topic}.g"
    commit(broker, group, topic, 0, 1)
    produce(broker, topic, ["one"])
    deleted = python_admin.delete_group_offsets(group, [PythonPartition(topic, 1)])
    assert {place.partition: error for place, error in deleted.items()} == {1: kafka.errors.NoError}
    assert committed(python_admin, group) == [(topic, 0)]
    with pytest.raises(kafka.errors.GroupIdNotFoundError):
        python_admin.delete_group_offsets(f"{topic}.unknown", [PythonPartition(topic, 1)])


def test_offsets_of_a_subscribed_topic_are_kept(broker, admin, topic, python_admin):
    group, other = f"{topic}.g", f"{topic}-other"
    admin.create_topics([NewTopic(other, 1, 1)])[other].result(10)
    commit(broker, group, topic, 0)
    commit(broker, group, other, 0)
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group, "enable.auto.commit": False})
    consumer.subscribe([topic])
    while not consumer.assignment():
        consumer.poll(0.2)
    deleted = python_admin.delete_group_offsets(group, [PythonPartition(topic, 0), PythonPartition(other, 0)])
    assert {place.topic: error for place, error in deleted.items()} == {
        topic: kafka.errors.GroupSubscribedToTopicError, other: kafka.errors.NoError}
    assert committed(python_admin, group) == [(topic, 0)]
    consumer.close()


def test_deleted_offsets_stay_deleted(own_broker, name):
    admin = AdminClient({"bootstrap.servers": own_broker.bootstrap})
    admin.create_topics([NewTopic(name, 2, 1)])[name].result(10)
    commit(own_broker, f"{name}.g", name, 0, 1)
    client = KafkaAdminClient(bootstrap_servers=own_broker.bootstrap)
    client.delete_group_offsets(f"{name}.g", [PythonPartition(name, 0)])
    client.close()
    own_broker.restart(kill=True)
    client = KafkaAdminClient(bootstrap_servers=own_broker.bootstrap)
    assert committed(client, f"{name}.g") == [(name, 1)]
    client.close()


def test_groups_are_listed_by_state_and_type(broker, admin, topic):
    group = f"{topic}.g"
    commit(broker, group, topic, 0)

    def listed(**filters):
        return group in [one.group_id for one in admin.list_consumer_groups(**filters).result(10).valid]

    assert listed()
    assert listed(states={ConsumerGroupState.EMPTY})
    assert not listed(states={ConsumerGroupState.STABLE})
    assert listed(types={ConsumerGroupType.CLASSIC})
    assert not listed(types={ConsumerGroupType.CONSUMER})
    described = admin.describe_consumer_groups([group], include_authorized_operations=True)[group].result(10)
    assert described.state == ConsumerGroupState.EMPTY
    assert {operation.name for operation in described.authorized_operations} >= {"READ", "DELETE", "DESCRIBE"}


# --- looking ---------------------------------------------------------------------------------------------------------

def producer_of(python_admin, topic):
    place = PythonPartition(topic, 1)
    one, = python_admin.describe_producers([place])[place].active_producers
    return one


def test_producers_and_transactions_are_described(broker, topic, python_admin):
    transactional_id = f"{topic}.tx"
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": transactional_id,
                         "transaction.timeout.ms": 30000})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topic, "one", partition=1)
    assert producer.flush(20) == 0

    def described():
        return python_admin.describe_transactions([transactional_id])[transactional_id]

    def listed(**filters):
        found, = python_admin.list_transactions(**filters).values()
        return [one.state for one in found if one.transactional_id == transactional_id]

    one = described()
    assert one.state.value == "Ongoing"
    assert one.transaction_timeout_ms == 30000
    assert {(place.topic, place.partition) for place in one.topic_partitions} == {(topic, 1)}
    active = producer_of(python_admin, topic)
    assert (active.producer_id, active.last_sequence) == (one.producer_id, 0)
    assert active.current_transaction_start_offset == 0
    assert len(listed()) == 1
    assert listed(producer_id_filters=[one.producer_id + 1]) == []
    producer.commit_transaction(20)
    assert described().state.value == "CompleteCommit"
    active = producer_of(python_admin, topic)
    assert active.current_transaction_start_offset == -1


def test_log_directories_tell_sizes(broker, topic, python_admin):
    produce(broker, topic, ["x" * 1000], partition=0)
    described, = python_admin.describe_log_dirs({topic: [0, 1]})
    directory, = described["log_dirs"]
    assert directory["error_code"] == 0 and directory["log_dir"].startswith("/")
    one, = directory["topics"]
    assert one["name"] == topic
    sizes = {part["partition_index"]: part["partition_size"] for part in one["partitions"]}
    assert sizes[1] == 0 and 1000 < sizes[0] < 1200


def test_one_copy_on_one_broker(topic, python_admin):
    assert python_admin.list_partition_reassignments() == {}
    elected = python_admin.elect_leaders(0, {topic: [0, 9]}, raise_errors=False)
    result, = elected.replica_election_results
    assert [(one.partition_id, one.error_code) for one in result.partition_result] == [(0, 84), (9, 3)]
    moved = python_admin.alter_partition_reassignments({PythonPartition(topic, 0): [1], PythonPartition(topic, 1): [2]})
    assert {place.partition: error for place, error in moved.items()} == {
        0: None, 1: kafka.errors.InvalidReplicationAssignmentError}


def test_partitions_are_described_by_pages(admin, topic, python_admin):
    other = f"{topic}-other"
    admin.create_topics([NewTopic(other, 2, 1)])[other].result(10)
    pages, cursor = [], None
    while True:
        page = python_admin.describe_topic_partitions([other, topic, f"{topic}-unknown"], 1, cursor)
        pages += [(one["name"], one["error_code"], [part["partition_index"] for part in one["partitions"]])
                  for one in page["topics"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pages == [(topic, 0, [0]), (topic, 0, [1]), (other, 0, [0]), (other, 0, [1]), (f"{topic}-unknown", 3, [])]
