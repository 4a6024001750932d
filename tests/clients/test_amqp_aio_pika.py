"""AMQP 0-9-1 with aio-pika: what asyncio applications do, with many publishes in flight and robust connections."""

import asyncio

import aio_pika
import pytest
from aio_pika import DeliveryMode, ExchangeType, Message
from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed, DeliveryError


def run(scenario):
    asyncio.run(asyncio.wait_for(scenario, 50))


def persistent(body, **options):
    return Message(body, delivery_mode=DeliveryMode.PERSISTENT, **options)


def test_many_confirms_in_flight(broker, name):
    async def scenario():
        async with await aio_pika.connect(broker.amqp_url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(name, durable=True)
            results = await asyncio.gather(*(
                channel.default_exchange.publish(persistent(str(index).encode()), name) for index in range(1000)))
            assert len(results) == 1000
            got = []
            async with queue.iterator() as messages:
                async for message in messages:
                    got.append(int(message.body))
                    await message.ack()
                    if len(got) == 1000:
                        break
            assert got == list(range(1000))
            assert (await channel.declare_queue(name, passive=True)).declaration_result.message_count == 0

    run(scenario())


def test_message_fields_come_back(broker, name):
    async def scenario():
        async with await aio_pika.connect(broker.amqp_url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(name, durable=True)
            sent = persistent(b"{}", content_type="application/json", headers={"a": 1, "f": 1.5, "t": "x"},
                              correlation_id="c", reply_to="r", message_id="m", priority=3, app_id="app", type="kind")
            await channel.default_exchange.publish(sent, name)
            message = await queue.get(timeout=5)
            await message.ack()
            for field in ("body", "content_type", "headers", "correlation_id", "reply_to", "message_id", "priority",
                          "app_id", "type", "delivery_mode"):
                assert getattr(message, field) == getattr(sent, field), field

    run(scenario())


def test_rpc_by_reply_queue(broker, name):
    async def scenario():
        async with await aio_pika.connect(broker.amqp_url) as connection:
            channel = await connection.channel()
            requests = await channel.declare_queue(name)

            async def serve(message):
                async with message.process():
                    await channel.default_exchange.publish(
                        Message(message.body[::-1], correlation_id=message.correlation_id), message.reply_to)

            await requests.consume(serve)
            callback = await channel.declare_queue(exclusive=True)
            answers = {}
            done = asyncio.Event()

            async def on_answer(message):
                answers[message.correlation_id] = message.body
                if len(answers) == 20:
                    done.set()

            await callback.consume(on_answer, no_ack=True)
            for index in range(20):
                await channel.default_exchange.publish(
                    Message(f"ab{index}".encode(), correlation_id=str(index), reply_to=callback.name), name)
            await asyncio.wait_for(done.wait(), 10)
            assert answers == {str(index): f"ab{index}".encode()[::-1] for index in range(20)}
            await requests.delete(if_unused=False)

    run(scenario())


def test_process_context_requeues_on_error(broker, name):
    async def scenario():
        async with await aio_pika.connect(broker.amqp_url) as connection:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=1)
            queue = await channel.declare_queue(name, durable=True)
            await channel.default_exchange.publish(persistent(b"x"), name)
            message = await queue.get(timeout=5)
            with pytest.raises(RuntimeError):
                async with message.process(requeue=True):
                    raise RuntimeError
            message = await queue.get(timeout=5)
            assert message.redelivered
            async with message.process():
                pass
            assert await queue.get(fail=False) is None

    run(scenario())


def test_mandatory_return_raises(broker, name):
    async def scenario():
        async with await aio_pika.connect(broker.amqp_url) as connection:
            channel = await connection.channel(on_return_raises=True)
            with pytest.raises(DeliveryError):
                await channel.default_exchange.publish(persistent(b"x"), f"{name}.nowhere", mandatory=True)

    run(scenario())


def test_exchange_kinds_and_bindings(broker, name):
    async def scenario():
        async with await aio_pika.connect(broker.amqp_url) as connection:
            channel = await connection.channel()
            for kind in (ExchangeType.DIRECT, ExchangeType.FANOUT, ExchangeType.TOPIC, ExchangeType.HEADERS):
                exchange = await channel.declare_exchange(f"{name}.{kind.value}", kind, durable=True)
                queue = await channel.declare_queue(exclusive=True)
                await queue.bind(exchange, "a.b", arguments={"h": "1"})
                await exchange.publish(persistent(b"hit", headers={"h": "1"}), "a.b")
                message = await queue.get(timeout=5, no_ack=True)
                assert (message.body, message.exchange, message.routing_key) == (b"hit", exchange.name, "a.b")
                await queue.unbind(exchange, "a.b", arguments={"h": "1"})
                await exchange.delete()

    run(scenario())


def test_channel_errors_leave_the_connection(broker, name):
    async def scenario():
        async with await aio_pika.connect(broker.amqp_url) as connection:
            channel = await connection.channel()
            with pytest.raises(ChannelNotFoundEntity, match=f"NOT_FOUND - no queue '{name}' in vhost '/'"):
                await channel.declare_queue(name, passive=True)
            channel = await connection.channel()
            await channel.declare_queue(name, durable=True)
            with pytest.raises(ChannelPreconditionFailed, match="inequivalent arg 'durable'"):
                await channel.declare_queue(name, durable=False)
            channel = await connection.channel()
            await channel.declare_queue(name, durable=True)

    run(scenario())


def test_competing_consumers_get_each_message_once(broker, name):
    async def scenario():
        async with await aio_pika.connect(broker.amqp_url) as connection:
            publisher = await connection.channel()
            await publisher.declare_queue(name, durable=True)
            seen = []
            done = asyncio.Event()

            async def on_message(message):
                async with message.process():
                    seen.append(int(message.body))
                    if len(seen) == 300:
                        done.set()

            for _ in range(3):
                channel = await connection.channel()
                await channel.set_qos(prefetch_count=10)
                await (await channel.declare_queue(name, durable=True)).consume(on_message)
            await asyncio.gather(*(publisher.default_exchange.publish(persistent(str(index).encode()), name)
                                   for index in range(300)))
            await asyncio.wait_for(done.wait(), 15)
            assert sorted(seen) == list(range(300))

    run(scenario())


def test_robust_connection_comes_back_after_a_restart(own_broker, name):
    """connect_robust declares again and goes on consuming after the broker was killed; confirmed messages are there."""

    async def scenario():
        own_broker.keep_ports = True
        connection = await aio_pika.connect_robust(own_broker.amqp_url, reconnect_interval=0.1)
        async with connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(name, durable=True)
            await channel.default_exchange.publish(persistent(b"before"), name)
            got = asyncio.Queue()

            async def on_message(message):
                await got.put((message.body, message.redelivered))

            await queue.consume(on_message)
            assert await asyncio.wait_for(got.get(), 5) == (b"before", False)
            own_broker.restart(kill=True)
            # Not acknowledged, so it comes again to the consumer that was re-established.
            assert (await asyncio.wait_for(got.get(), 15))[0] == b"before"

    run(scenario())
