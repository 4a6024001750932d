"""redis-py's asyncio client: groups of workers that block, many commands in flight, pub/sub, decoded replies."""

import asyncio

import pytest
import redis.asyncio as redis


def run(scenario):
    asyncio.run(asyncio.wait_for(scenario, 50))


@pytest.mark.parametrize("protocol", [2, 3])
def test_workers_share_a_stream(broker, name, protocol):
    async def scenario():
        client = redis.from_url(broker.redis_url, decode_responses=True, protocol=protocol)
        await client.xgroup_create(name, "g", "0", mkstream=True)
        seen = []

        async def worker(consumer):
            while len(seen) < 400:
                reply = await client.xreadgroup("g", consumer, {name: ">"}, count=10, block=200)
                streams = reply.items() if isinstance(reply, dict) else reply
                for _, entries in streams:
                    for entry_id, fields in entries[0] if protocol == 3 else entries:
                        seen.append(int(fields["n"]))
                        assert await client.xack(name, "g", entry_id) == 1

        async def producer():
            await asyncio.gather(*(client.xadd(name, {"n": index}) for index in range(400)))

        await asyncio.gather(*(worker(f"c{index}") for index in range(4)), producer())
        assert sorted(seen) == list(range(400))
        assert (await client.xpending(name, "g"))["pending"] == 0
        await client.aclose()

    run(scenario())


def test_many_commands_in_flight(broker, name):
    async def scenario():
        client = redis.from_url(broker.redis_url, decode_responses=True)
        await asyncio.gather(*(client.set(f"{name}.{index}", index) for index in range(200)))
        assert await asyncio.gather(*(client.get(f"{name}.{index}") for index in range(200))) == [
            str(index) for index in range(200)]
        assert sorted(await asyncio.gather(*(client.incr(name) for _ in range(200)))) == list(range(1, 201))
        await client.aclose()

    run(scenario())


def test_pubsub_async(broker, name):
    async def scenario():
        client = redis.from_url(broker.redis_url, decode_responses=True)
        async with client.pubsub() as pubsub:
            await pubsub.subscribe(name)
            got = []

            async def listen():
                async for message in pubsub.listen():
                    if message["type"] == "message":
                        got.append(message["data"])
                    if len(got) == 50:
                        return

            task = asyncio.create_task(listen())
            while await client.publish(name, "0") != 1:
                await asyncio.sleep(0.01)
            for index in range(1, 50):
                await client.publish(name, index)
            await asyncio.wait_for(task, 10)
            assert got == [str(index) for index in range(50)]
        await client.aclose()

    run(scenario())


def test_many_idle_blockers_cost_nothing_to_others(broker, name):
    """Two hundred blocked readers on streams of their own, while another client goes on as before."""

    async def scenario():
        pool = redis.ConnectionPool.from_url(broker.redis_url, max_connections=400)
        client = redis.Redis(connection_pool=pool)
        blocked = [asyncio.create_task(client.xread({f"{name}.{index}": "$"}, block=20000)) for index in range(200)]
        await asyncio.sleep(0.3)
        for index in range(100):
            await client.set(name, index)
        for index in range(200):
            await client.xadd(f"{name}.{index}", {"n": index})
        replies = await asyncio.wait_for(asyncio.gather(*blocked), 15)
        assert [int(reply[0][1][0][1][b"n"]) for reply in replies] == list(range(200))
        await client.aclose()
        await pool.disconnect()

    run(scenario())
