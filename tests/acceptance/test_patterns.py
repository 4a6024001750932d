"""The two pattern functions in ../shared/acceptance, loaded unmodified and given real implementations of their globals.

pattern_dlq.py: retry with growing delay, then dead letter; over AMQP (delay queue with expiration that dead-letters
back to the work queue), over Redis Streams (consumer group) and over Kafka (consumer group).
pattern_idempotent.py: SET NX EX as a lock, over Redis.

Delays are a tenth of what the function asks for, so that the whole ladder of 1, 2, 4 takes 0.7 s.
"""

import asyncio
import logging
import time
import types

import aio_pika
import pytest
import redis.asyncio as redis_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

import harness

PROGRAMS = harness.REPO.parent / "shared" / "acceptance"
DELAY_SCALE = 0.1
RETRIES_MAX = 3
LADDER_SECONDS = sum(2 ** retry for retry in range(RETRIES_MAX)) * DELAY_SCALE


def load(filename, **globals_):
    path = PROGRAMS / filename
    assert path.is_file(), f"the acceptance program is not at {path}"
    namespace = dict(globals_)
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    return namespace


class Publisher:
    def __init__(self, publish):
        self.publish = publish


class ListLogger:
    def __init__(self):
        self.errors = []

    def error(self, text):
        self.errors.append(text)
        logging.getLogger("pattern").error(text)


class Processing:
    """The injected `process`: fails for messages whose body starts with `bad`, always or for so many times."""

    def __init__(self):
        self.attempts = {}
        self.done = []

    async def __call__(self, message):
        self.attempts.setdefault(message.body, []).append((time.monotonic(), message.headers.get("retry_count", 0)))
        if message.body == b"bad":
            raise RuntimeError("cannot be processed")
        if message.body == b"bad-twice" and len(self.attempts[message.body]) <= 2:
            raise RuntimeError("not yet")
        self.done.append(message.body)


def check_ladder(processing, logger, dead):
    """What must be true at the end, whatever the protocol."""
    assert sorted(processing.done) == [b"bad-twice", b"good"]
    assert [retry for _, retry in processing.attempts[b"good"]] == [0]
    assert [retry for _, retry in processing.attempts[b"bad-twice"]] == [0, 1, 2]
    assert [retry for _, retry in processing.attempts[b"bad"]] == [0, 1, 2, 3]
    times = [when for when, _ in processing.attempts[b"bad"]]
    for retry, (before, after) in enumerate(zip(times, times[1:])):
        assert after - before >= 2 ** retry * DELAY_SCALE * 0.95, f"retry {retry} came too early"
    assert dead == [(b"bad", 3)]
    assert logger.errors == ["Message sent to DLQ after 3 retries: cannot be processed"]


def test_dlq_over_amqp(broker, name):
    async def scenario():
        connection = await aio_pika.connect(broker.amqp_url)
        async with connection:
            channel = await connection.channel()
            work = await channel.declare_queue(f"{name}.work", durable=True)
            dead = await channel.declare_queue(f"{name}.dead", durable=True)
            delay = await channel.declare_queue(f"{name}.delay", durable=True, arguments={
                "x-dead-letter-exchange": "", "x-dead-letter-routing-key": work.name})

            def copy(message, expiration=None):
                headers = {key: value for key, value in message.headers.items() if key == "retry_count"}
                return aio_pika.Message(message.body, headers=headers, expiration=expiration,
                                        delivery_mode=aio_pika.DeliveryMode.PERSISTENT)

            async def publish_with_delay(message, delay):
                await channel.default_exchange.publish(copy(message, delay * DELAY_SCALE), f"{name}.delay")

            async def publish_dead(message):
                await channel.default_exchange.publish(copy(message), dead.name)

            processing, logger = Processing(), ListLogger()
            pattern = load("pattern_dlq.py", process=processing, publish_with_delay=publish_with_delay,
                           dlq_publisher=Publisher(publish_dead), logger=logger)
            for body in (b"good", b"bad", b"bad-twice"):
                await channel.default_exchange.publish(
                    aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT), work.name)
            async with work.iterator(timeout=20) as messages:
                async for message in messages:
                    await pattern["process_with_dlq"](message, RETRIES_MAX)
                    await message.ack()
                    if logger.errors and len(processing.done) == 2:
                        break
            letter = await dead.get(timeout=5)
            await letter.ack()
            check_ladder(processing, logger, [(letter.body, letter.headers["retry_count"])])
            assert await dead.get(fail=False) is None
            assert await work.get(fail=False) is None
            assert (await delay.declare()).message_count == 0

    asyncio.run(scenario())


def test_dlq_over_redis_streams(broker, name):
    async def scenario():
        client = redis_asyncio.from_url(broker.redis_url)
        work, dead, group = f"{name}.work", f"{name}.dead", "workers"
        await client.xgroup_create(work, group, "0", mkstream=True)
        delayed = set()

        def fields(message):
            return {"body": message.body, "retry_count": message.headers.get("retry_count", 0)}

        async def publish_later(values, delay):
            await asyncio.sleep(delay)
            await client.xadd(work, values)

        async def publish_with_delay(message, delay):
            task = asyncio.create_task(publish_later(fields(message), delay * DELAY_SCALE))
            delayed.add(task)
            task.add_done_callback(delayed.discard)

        async def publish_dead(message):
            await client.xadd(dead, fields(message))

        processing, logger = Processing(), ListLogger()
        pattern = load("pattern_dlq.py", process=processing, publish_with_delay=publish_with_delay,
                       dlq_publisher=Publisher(publish_dead), logger=logger)
        for body in (b"good", b"bad", b"bad-twice"):
            await client.xadd(work, {"body": body})
        deadline = time.monotonic() + 20
        while not (logger.errors and len(processing.done) == 2):
            assert time.monotonic() < deadline
            for _, entries in await client.xreadgroup(group, "worker", {work: ">"}, count=10, block=1000):
                for entry_id, values in entries:
                    headers = {"retry_count": int(values[b"retry_count"])} if b"retry_count" in values else {}
                    message = types.SimpleNamespace(body=values[b"body"], headers=headers)
                    await pattern["process_with_dlq"](message, RETRIES_MAX)
                    await client.xack(work, group, entry_id)
        letters = [(values[b"body"], int(values[b"retry_count"])) for _, values in await client.xrange(dead)]
        check_ladder(processing, logger, letters)
        assert (await client.xpending(work, group))["pending"] == 0
        await client.aclose()

    asyncio.run(scenario())


def test_dlq_over_kafka(broker, name):
    async def scenario():
        work, dead = f"{name}.work", f"{name}.dead"
        producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, acks="all", enable_idempotence=True)
        await producer.start()
        for body in (b"good", b"bad", b"bad-twice"):
            await producer.send_and_wait(work, body)
        consumer = AIOKafkaConsumer(work, bootstrap_servers=broker.bootstrap, group_id=f"{name}.group",
                                    auto_offset_reset="earliest", enable_auto_commit=False)
        await consumer.start()
        delayed = set()

        def headers_of(message):
            return [("retry_count", str(message.headers.get("retry_count", 0)).encode())]

        async def publish_later(message, headers, delay):
            await asyncio.sleep(delay)
            await producer.send_and_wait(work, message.body, headers=headers)

        async def publish_with_delay(message, delay):
            task = asyncio.create_task(publish_later(message, headers_of(message), delay * DELAY_SCALE))
            delayed.add(task)
            task.add_done_callback(delayed.discard)

        async def publish_dead(message):
            await producer.send_and_wait(dead, message.body, headers=headers_of(message))

        processing, logger = Processing(), ListLogger()
        pattern = load("pattern_dlq.py", process=processing, publish_with_delay=publish_with_delay,
                       dlq_publisher=Publisher(publish_dead), logger=logger)
        deadline = time.monotonic() + 30
        while not (logger.errors and len(processing.done) == 2):
            assert time.monotonic() < deadline
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    headers = {key: int(value) for key, value in record.headers}
                    await pattern["process_with_dlq"](
                        types.SimpleNamespace(body=record.value, headers=headers), RETRIES_MAX)
                    await consumer.commit()
        await consumer.stop()
        reader = AIOKafkaConsumer(dead, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest")
        await reader.start()
        record = await asyncio.wait_for(reader.getone(), 10)
        rest = await reader.getmany(timeout_ms=300)
        await reader.stop()
        await producer.stop()
        assert not rest
        check_ladder(processing, logger, [(record.value, int(dict(record.headers)["retry_count"]))])

    asyncio.run(scenario())


@pytest.fixture
def idempotent(broker):
    """Runs a scenario with the function and the client it was given."""

    def run(scenario):
        async def main():
            client = redis_asyncio.from_url(broker.redis_url, decode_responses=True)
            try:
                await scenario(load("pattern_idempotent.py", redis=client)["process_idempotent"], client)
            finally:
                await client.aclose()

        asyncio.run(main())

    return run


def test_idempotent_runs_once(idempotent, name):
    async def scenario(process_idempotent, client):
        runs = []

        async def processor():
            runs.append(1)
            await asyncio.sleep(0.02)

        await asyncio.gather(*(process_idempotent(name, processor) for _ in range(20)))
        await process_idempotent(name, processor)
        assert len(runs) == 1
        assert await client.get(f"completed:{name}") == "1"
        assert await client.get(f"processing:{name}") == "1"
        assert 0 < await client.ttl(f"processing:{name}") <= 300
        assert 86000 < await client.ttl(f"completed:{name}") <= 86400

    idempotent(scenario)


def test_idempotent_releases_the_lock_on_failure(idempotent, name):
    async def scenario(process_idempotent, client):
        async def failing():
            raise ValueError("boom")

        with pytest.raises(ValueError, match="boom"):
            await process_idempotent(name, failing)
        assert await client.get(f"processing:{name}") is None
        assert await client.get(f"completed:{name}") is None
        runs = []

        async def working():
            runs.append(1)

        await process_idempotent(name, working)
        assert runs == [1]
        assert await client.get(f"completed:{name}") == "1"

    idempotent(scenario)
