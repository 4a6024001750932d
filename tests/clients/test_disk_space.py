"""The disk follows what is live: records that stay among many that go are moved, and nothing of them is lost."""

import pika
import pytest
import redis
from harness import Broker, wait_for

pytestmark = [pytest.mark.own, pytest.mark.timeout(240)]
MIB = 1 << 20
SEGMENT = 4 * MIB
SECONDS = 150


@pytest.fixture
def small_segments(request):
    broker = Broker(shards=request.param, arguments=("--segment-size", "4MiB", "--message-size-max", "1MiB")).start()
    yield broker
    broker.close()


def disk_bytes(broker):
    total = 0
    for path in broker.data_directory.glob("segment-*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            pass  # Freed meanwhile.
    return total


def small(broker):
    # What is live is little; the rest is what two checkpoints cover, and each lane's active segment.
    wait_for(lambda: disk_bytes(broker) < (6 + 2 * broker.shards) * SEGMENT, SECONDS, "dead segments to be freed", interval=0.5)


@pytest.mark.parametrize("small_segments", [2], indirect=True)
def test_trimmed_streams_beside_one_that_stays(small_segments, name):
    client = redis.Redis(port=small_segments.redis_port)
    body = b"x" * 100_000
    for index in range(120):
        pipe = client.pipeline(transaction=False)
        for _ in range(10):
            pipe.xadd(f"{name}.go", {"value": body})
        pipe.xadd(f"{name}.stay", {"value": b"%d" % index * 100})
        pipe.execute()
    assert disk_bytes(small_segments) > 100 * MIB
    before = client.xrange(f"{name}.stay")
    client.xtrim(f"{name}.go", maxlen=3, approximate=False)
    for index in range(300):  # Some work, so that the next checkpoint is not only its own marks.
        client.set(f"{name}.{index}", b"1")
    small(small_segments)
    assert client.xrange(f"{name}.stay") == before
    small_segments.restart(kill=True)
    client = redis.Redis(port=small_segments.redis_port)
    assert client.xrange(f"{name}.stay") == before
    assert client.xlen(f"{name}.go") == 3
    assert client.xrevrange(f"{name}.stay", count=2) == before[:-3:-1]


@pytest.mark.parametrize("small_segments", [1], indirect=True)
def test_settled_messages_behind_stragglers(small_segments, name):
    connection = pika.BlockingConnection(pika.ConnectionParameters(small_segments.host, small_segments.amqp_port,
                                                                   heartbeat=0))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare(name, durable=True)
    body = b"y" * 100_000
    for index in range(800):
        channel.basic_publish("", name, b"%04d" % index + body, pika.BasicProperties(delivery_mode=2))
    kept = []
    for index in range(800):
        method, _, got = channel.basic_get(name)
        assert got[:4] == b"%04d" % index
        if index % 40 == 0:
            kept.append(got)
        else:
            channel.basic_ack(method.delivery_tag)
    channel.queue_declare(name, passive=True)
    small(small_segments)
    small_segments.restart(kill=True)
    connection = pika.BlockingConnection(pika.ConnectionParameters(small_segments.host, small_segments.amqp_port,
                                                                   heartbeat=0))
    channel = connection.channel()
    for body in kept:
        method, _, got = channel.basic_get(name, auto_ack=True)
        assert got == body and method.redelivered
    assert channel.basic_get(name) == (None, None, None)


@pytest.mark.parametrize("small_segments", [1, 2], indirect=True)
def test_short_lives_do_not_pile_up(small_segments, name):
    """A life that ends well before the first checkpoint for the sake of space comes due."""
    for _ in range(8):
        client = redis.Redis(port=small_segments.redis_port)
        for index in range(60):
            client.set(name, bytes(200_000) + b"%d" % index)
        small_segments.restart(kill=False)
    assert disk_bytes(small_segments) < (8 + 2 * small_segments.shards) * SEGMENT
    assert redis.Redis(port=small_segments.redis_port).get(name).endswith(b"59")


@pytest.mark.parametrize("small_segments", [1, 2], indirect=True)
def test_steady_state_is_within_twice_what_lives(small_segments, name):
    """And two segments a core: the one that is written to and the one that is ready for it. All under load, again and again."""
    client = redis.Redis(port=small_segments.redis_port)
    value = bytes(50_000)
    keys = 600
    live = keys * len(value)
    for _ in range(6):
        for begin in range(0, keys, 20):
            pipe = client.pipeline(transaction=False)
            # Every third lives from the first round on, so that no segment dies by itself.
            for key in range(begin, begin + 20):
                pipe.set(f"{name}.{key}", value, nx=key % 3 == 0)
            pipe.execute()
    wait_for(lambda: disk_bytes(small_segments) <= 2 * live + 2 * small_segments.shards * SEGMENT, SECONDS, "space to come back",
             interval=0.5)
    assert client.strlen(f"{name}.0") == client.strlen(f"{name}.1") == len(value)
