"""The Kafka protocol with aiokafka: produce, fetch, groups, idempotence, transactions, admin."""

import asyncio
import time

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code
from aiokafka.structs import OffsetAndMetadata


def run(scenario, seconds=55):
    asyncio.run(asyncio.wait_for(scenario, seconds))


class started:
    """async with started(AIOKafka...(...)) as client."""

    def __init__(self, client):
        self.client = client

    async def __aenter__(self):
        await self.client.start()
        return self.client

    async def __aexit__(self, *_):
        await (self.client.close() if isinstance(self.client, AIOKafkaAdminClient) else self.client.stop())


def producer(broker, **options):
    return started(AIOKafkaProducer(bootstrap_servers=broker.bootstrap, **{"acks": "all", **options}))


def consumer(broker, *topics, **options):
    return started(AIOKafkaConsumer(*topics, bootstrap_servers=broker.bootstrap,
                                    **{"auto_offset_reset": "earliest", "enable_auto_commit": False, **options}))


def admin(broker):
    return started(AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap))


async def create(broker, name, partitions=1, **configs):
    async with admin(broker) as client:
        reply = await client.create_topics([NewTopic(name, partitions, 1, topic_configs=configs)])
        assert [code for _, code, *_ in reply.topic_errors] == [0], reply
    return name


async def take(client, count, seconds=15):
    got = []
    deadline = time.monotonic() + seconds
    while len(got) < count:
        assert time.monotonic() < deadline, f"{len(got)} of {count} records"
        for records in (await client.getmany(timeout_ms=300)).values():
            got.extend(records)
    return got


async def nothing(client, seconds=0.5):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert not await client.getmany(timeout_ms=100)


@pytest.mark.parametrize("compression", [None, "gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("idempotent", [False, True])
def test_produce_and_consume(broker, name, compression, idempotent):
    async def scenario():
        await create(broker, name)
        headers = [("h", b"1"), ("h", b"\x00\xff"), ("empty", b"")]
        async with producer(broker, compression_type=compression, enable_idempotence=idempotent, linger_ms=5) as sender:
            sent = await asyncio.gather(*(await asyncio.gather(*(
                sender.send(name, f"value-{index}".encode() * 20, key=str(index).encode(), headers=headers,
                            timestamp_ms=1700000000000 + index) for index in range(300)))))
            assert [meta.offset for meta in sent] == list(range(300))
        async with consumer(broker, name) as reader:
            got = await take(reader, 300)
        assert [(record.partition, record.offset) for record in got] == [(0, index) for index in range(300)]
        assert [record.value for record in got] == [f"value-{index}".encode() * 20 for index in range(300)]
        assert [record.key for record in got] == [str(index).encode() for index in range(300)]
        assert [record.timestamp for record in got] == [1700000000000 + index for index in range(300)]
        assert all(record.headers == tuple(headers) for record in got)

    run(scenario())


def test_null_key_and_value(broker, name):
    async def scenario():
        await create(broker, name)
        async with producer(broker) as sender:
            await sender.send_and_wait(name, None, key=b"tombstone")
            await sender.send_and_wait(name, b"", key=None)
            await sender.send_and_wait(name, b"x", key=b"")
        async with consumer(broker, name) as reader:
            got = await take(reader, 3)
        assert [(record.key, record.value) for record in got] == [(b"tombstone", None), (None, b""), (b"", b"x")]

    run(scenario())


def test_keys_keep_their_partition_and_order(broker, name):
    async def scenario():
        await create(broker, name, 6)
        async with producer(broker, enable_idempotence=True) as sender:
            await asyncio.gather(*[await sender.send(name, str(index).encode(), key=f"k{index % 10}".encode())
                                   for index in range(500)])
        async with consumer(broker, name) as reader:
            got = await take(reader, 500)
        by_key = {}
        for record in got:
            by_key.setdefault(record.key, []).append((record.partition, record.offset, int(record.value)))
        assert len(by_key) == 10
        for rows in by_key.values():
            assert len({partition for partition, _, _ in rows}) == 1
            assert [value for _, _, value in rows] == sorted(value for _, _, value in rows)
        assert len({record.partition for record in got}) > 1
        for partition in range(6):
            offsets = [record.offset for record in got if record.partition == partition]
            assert offsets == list(range(len(offsets)))

    run(scenario())


@pytest.mark.parametrize("acks", [0, 1, "all"])
def test_acks(broker, name, acks):
    async def scenario():
        await create(broker, name)
        async with producer(broker, acks=acks) as sender:
            for index in range(20):
                await sender.send_and_wait(name, str(index).encode())
        async with consumer(broker, name) as reader:
            assert [record.value for record in await take(reader, 20)] == [str(index).encode() for index in range(20)]

    run(scenario())


def test_topic_is_made_on_first_use(broker, name):
    async def scenario():
        async with producer(broker) as sender:
            assert (await sender.send_and_wait(name, b"first")).offset == 0
        async with consumer(broker, name) as reader:
            assert (await take(reader, 1))[0].value == b"first"

    run(scenario())


def test_fetch_waits_for_data(broker, name):
    async def scenario():
        await create(broker, name)
        async with consumer(broker, name, fetch_max_wait_ms=5000) as reader, producer(broker) as sender:
            waiting = asyncio.create_task(reader.getone())
            await asyncio.sleep(0.5)
            assert not waiting.done()
            began = time.monotonic()
            await sender.send_and_wait(name, b"now")
            assert (await asyncio.wait_for(waiting, 5)).value == b"now"
            assert time.monotonic() - began < 1

    run(scenario())


def test_seek_and_offsets(broker, name):
    async def scenario():
        await create(broker, name)
        async with producer(broker) as sender:
            for index in range(10):
                await sender.send_and_wait(name, str(index).encode(), timestamp_ms=1700000000000 + index * 1000)
        async with consumer(broker) as reader:
            partition = TopicPartition(name, 0)
            reader.assign([partition])
            assert await reader.beginning_offsets([partition]) == {partition: 0}
            assert await reader.end_offsets([partition]) == {partition: 10}
            found = await reader.offsets_for_times({partition: 1700000000000 + 4500})
            assert (found[partition].offset, found[partition].timestamp) == (5, 1700000000000 + 5000)
            assert (await reader.offsets_for_times({partition: 1700000000000 + 99000}))[partition] is None
            reader.seek(partition, 7)
            assert (await take(reader, 3))[0].value == b"7"
            await reader.seek_to_beginning(partition)
            assert (await take(reader, 10))[0].value == b"0"
            reader.seek(partition, 99)  # Beyond the end: the reset policy takes over.
            assert (await take(reader, 10))[0].value == b"0"
            assert await reader.position(partition) == 10
            assert reader.highwater(partition) == 10

    run(scenario())


def test_group_commits_and_resumes(broker, name):
    async def scenario():
        await create(broker, name, 2)
        group = f"{name}.g"
        async with producer(broker) as sender:
            for index in range(20):
                await sender.send_and_wait(name, str(index).encode(), partition=index % 2)
        async with consumer(broker, name, group_id=group, max_poll_records=1) as reader:
            for _ in range(6):
                await take(reader, 1)
            await reader.commit()
            committed = {partition: await reader.committed(TopicPartition(name, partition)) or 0
                         for partition in range(2)}
            assert sum(committed.values()) == 6
        async with consumer(broker, name, group_id=group) as reader:
            rest = await take(reader, 14)
            await nothing(reader)
            await reader.commit({TopicPartition(name, 0): OffsetAndMetadata(3, "note")})
            assert await reader.committed(TopicPartition(name, 0)) == 3
        assert len({(record.partition, record.offset) for record in rest}) == 14
        assert all(record.offset >= committed[record.partition] for record in rest)
        async with admin(broker) as client:
            offsets = await client.list_consumer_group_offsets(group)
            assert offsets[TopicPartition(name, 0)].offset == 3
            assert offsets[TopicPartition(name, 0)].metadata == "note"
            assert offsets[TopicPartition(name, 1)].offset == committed[1]

    run(scenario())


class Assignments(ConsumerRebalanceListener):
    def __init__(self):
        self.current = None

    def on_partitions_revoked(self, revoked):
        pass

    def on_partitions_assigned(self, assigned):
        self.current = {partition.partition for partition in assigned}


def test_rebalance_when_members_come_and_go(broker, name):
    async def scenario():
        await create(broker, name, 6)
        options = {"group_id": f"{name}.g", "session_timeout_ms": 10000, "heartbeat_interval_ms": 200}

        async def member(listener):
            client = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest",
                                      enable_auto_commit=False, **options)
            client.subscribe([name], listener=listener)
            await client.start()
            return client

        async def settled(*expected_sizes):
            deadline = time.monotonic() + 20
            while True:
                current = [listener.current for listener in listeners[:len(expected_sizes)]]
                if all(part is not None for part in current):
                    sizes = sorted(len(part) for part in current)
                    if sizes == sorted(expected_sizes) and set().union(*current) == set(range(6)):
                        return
                assert time.monotonic() < deadline, current
                await asyncio.sleep(0.05)

        listeners = [Assignments() for _ in range(3)]
        first = await member(listeners[0])
        await settled(6)
        second = await member(listeners[1])
        await settled(3, 3)
        third = await member(listeners[2])
        await settled(2, 2, 2)
        async with producer(broker) as sender:
            for index in range(60):
                await sender.send_and_wait(name, str(index).encode(), partition=index % 6)
        got = [record for client in (first, second, third) for record in await take(client, 20)]
        assert sorted(int(record.value) for record in got) == list(range(60))
        for client in (first, second, third):
            await client.commit()
        await third.stop()
        await settled(3, 3)
        await second.stop()
        await settled(6)
        await nothing(first)  # Everything is committed.
        await first.stop()

    run(scenario())


def test_idempotent_producer_ids_differ(broker, name):
    async def scenario():
        seen = set()
        for _ in range(3):
            async with producer(broker, enable_idempotence=True) as sender:
                seen.add(sender._txn_manager.producer_id)
        assert len(seen) == 3 and min(seen) >= 0

    run(scenario())


def test_transactions_commit_and_abort(broker, name):
    async def scenario():
        await create(broker, name, 2)
        async with consumer(broker, name, isolation_level="read_committed") as committed, \
                consumer(broker, name, isolation_level="read_uncommitted") as uncommitted, \
                producer(broker, transactional_id=f"{name}.t") as sender:
            async with sender.transaction():
                for index in range(4):
                    await sender.send_and_wait(name, b"good-%d" % index, partition=index % 2)
                assert len(await take(uncommitted, 4)) == 4
                await nothing(committed)
            assert sorted(record.value for record in await take(committed, 4)) == [b"good-%d" % i for i in range(4)]
            await sender.begin_transaction()
            for index in range(4):
                await sender.send_and_wait(name, b"bad-%d" % index, partition=index % 2)
            await sender.abort_transaction()
            await sender.begin_transaction()
            await sender.send_and_wait(name, b"after", partition=0)
            await sender.commit_transaction()
            assert [record.value for record in await take(committed, 1)] == [b"after"]
            assert len(await take(uncommitted, 5)) == 5
        async with consumer(broker, name, isolation_level="read_committed") as again:
            values = [record.value for record in await take(again, 5)]
            assert sorted(values) == sorted([b"after"] + [b"good-%d" % index for index in range(4)])
            await nothing(again)

    run(scenario())


def test_records_after_an_open_transaction_wait_for_it(broker, name):
    async def scenario():
        await create(broker, name)
        partition = TopicPartition(name, 0)
        async with producer(broker, transactional_id=f"{name}.t") as slow, producer(broker) as plain, \
                consumer(broker, name, isolation_level="read_committed") as reader:
            await slow.begin_transaction()
            await slow.send_and_wait(name, b"in")
            await plain.send_and_wait(name, b"behind")
            await nothing(reader)
            assert reader.last_stable_offset(partition) == 0
            await slow.commit_transaction()
            assert [record.value for record in await take(reader, 2)] == [b"in", b"behind"]

    run(scenario())


def test_a_new_producer_fences_the_old(broker, name):
    async def scenario():
        await create(broker, name)
        async with producer(broker, transactional_id=f"{name}.t") as old:
            await old.begin_transaction()
            await old.send_and_wait(name, b"old")
            async with producer(broker, transactional_id=f"{name}.t") as new:
                async with new.transaction():
                    await new.send_and_wait(name, b"new")
                with pytest.raises(Exception) as error:
                    await old.send_and_wait(name, b"zombie")
                    await old.commit_transaction()
                assert type(error.value).__name__ in ("ProducerFenced", "InvalidProducerEpoch"), error.value
        async with consumer(broker, name, isolation_level="read_committed") as reader:
            assert [record.value for record in await take(reader, 1)] == [b"new"]
            await nothing(reader)

    run(scenario())


def test_offsets_in_a_transaction(broker, name):
    async def scenario():
        source, target, group = await create(broker, f"{name}.a"), await create(broker, f"{name}.b"), f"{name}.g"
        partition = TopicPartition(source, 0)
        async with producer(broker) as sender:
            for index in range(6):
                await sender.send_and_wait(source, str(index).encode())
        async with producer(broker, transactional_id=f"{name}.t") as sender, \
                consumer(broker, source, group_id=group, isolation_level="read_committed") as reader:
            got = await take(reader, 6)
            await sender.begin_transaction()
            for record in got[:3]:
                await sender.send_and_wait(target, record.value + b"!")
            await sender.send_offsets_to_transaction({partition: 3}, group)
            await sender.commit_transaction()
            # The decision is durable when commit returns; the markers that make offsets visible may follow.
            deadline = time.monotonic() + 5
            while await reader.committed(partition) != 3:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.02)
            await sender.begin_transaction()
            for record in got[3:]:
                await sender.send_and_wait(target, record.value + b"?")
            await sender.send_offsets_to_transaction({partition: 6}, group)
            await sender.abort_transaction()
            assert await reader.committed(partition) == 3
        async with consumer(broker, target, isolation_level="read_committed") as reader:
            assert [record.value for record in await take(reader, 3)] == [b"0!", b"1!", b"2!"]
            await nothing(reader)

    run(scenario())


def test_admin(broker, name):
    async def scenario():
        async with admin(broker) as client:
            reply = await client.create_topics([NewTopic(name, 3, 1, topic_configs={"retention.ms": "604800000"})])
            assert reply.topic_errors[0][1] == 0
            reply = await client.create_topics([NewTopic(name, 3, 1)])
            assert for_code(reply.topic_errors[0][1]).__name__ == "TopicAlreadyExistsError"
            (described,) = await client.describe_topics([name])
            assert sorted(part["partition"] for part in described["partitions"]) == [0, 1, 2]
            assert described["error_code"] == 0
            assert name in await client.list_topics()
            (reply,) = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
            configs = {row[0]: row[1] for row in reply.resources[0][4]}
            assert configs["retention.ms"] == "604800000" and configs["cleanup.policy"] == "delete"
            cluster = await client.describe_cluster()
            assert cluster["cluster_id"] and len(cluster["brokers"]) == 1
            await client.delete_topics([name])
            reply = await client.delete_topics([name])
            assert for_code(reply.topic_error_codes[0][1]).__name__ == "UnknownTopicOrPartitionError"
            assert name not in await client.list_topics()

    run(scenario())


@pytest.mark.own  # One Kafka broker refuses more replicas than brokers; here replication is the store's business.
def test_any_replication_factor(broker, name):
    async def scenario():
        async with admin(broker) as client:
            reply = await client.create_topics([NewTopic(f"{name}.3", 6, 3), NewTopic(f"{name}.1", 1, 1)])
            assert [row[1] for row in reply.topic_errors] == [0, 0]
            reply = await client.create_topics([NewTopic(f"{name}.0", 1, 0)])
            assert for_code(reply.topic_errors[0][1]).__name__ == "InvalidReplicationFactorError"

    run(scenario())


def test_bad_topic_names_and_partitions(broker, name):
    async def scenario():
        async with admin(broker) as client:
            for bad in ("with space", "a/b", "..", "x" * 250):
                reply = await client.create_topics([NewTopic(bad, 1, 1)])
                assert for_code(reply.topic_errors[0][1]).__name__ == "InvalidTopicError", bad
            reply = await client.create_topics([NewTopic(name, 0, 1)])
            assert for_code(reply.topic_errors[0][1]).__name__ == "InvalidPartitionsError"

    run(scenario())


def test_group_listing(broker, name):
    async def scenario():
        await create(broker, name)
        async with admin(broker) as client, consumer(broker, name, group_id=f"{name}.g") as reader:
            await reader.getmany(timeout_ms=200)
            assert (f"{name}.g", "consumer") in await client.list_consumer_groups()

    run(scenario())


def test_large_records(broker, name):
    async def scenario():
        await create(broker, name)
        async with producer(broker, max_request_size=4 << 20) as sender:
            value = bytes(range(256)) * 3900
            await sender.send_and_wait(name, value)
            with pytest.raises(Exception) as error:
                await sender.send_and_wait(name, bytes(2 << 20))
            assert type(error.value).__name__ == "MessageSizeTooLargeError"
        async with consumer(broker, name, max_partition_fetch_bytes=100) as reader:
            assert (await take(reader, 1))[0].value == value

    run(scenario())
