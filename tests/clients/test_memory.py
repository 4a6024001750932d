"""Memory is bounded whatever the peers do: half a message from each of many connections, and readers that do not read."""

import random
import socket
import struct
import threading
import time

import pamqp.body
import pamqp.commands
import pamqp.header
import pytest
from confluent_kafka import Producer
from harness import Broker, FilesLeaveMemory, wait_for
from rawclients import Amqp, ConnectionLost, Redis, RedisError
from rawkafka import FETCH, Kafka, array, text

pytestmark = [pytest.mark.own, pytest.mark.timeout(240)]
MIB = 1 << 20
CONNECTIONS = 40
BODY = bytes(4 * MIB)
FRAME = 131072 - 8
# A quarter of the limit is for what is received. Beyond it: the message of the one that goes on, blocks twice as large as what
# they hold, the journal's buffers, and what a request takes on its way.
GROWTH_MAX = 110 * MIB


@pytest.fixture(params=[1, 2], ids=lambda shards: f"shards{shards}")
def small(request):
    broker = Broker(shards=request.param, durability="os", arguments=("--memory-limit", "64MiB", "--message-size-max", "8MiB", "--send-timeout-s", "3"))
    broker.start()
    yield broker
    broker.close()


def in_threads(run, calls):
    """All of them at once, to their end."""
    threads = [threading.Thread(target=run, args=arguments) for arguments in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def come_and_leave(port, seconds, request_of):
    """Clients that send `request_of(choice)`, a random.Random, and take no answer."""
    until = time.monotonic() + seconds

    def run(seed):
        choice = random.Random(seed)
        while time.monotonic() < until:
            with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
                client.sendall(request_of(choice))

    in_threads(run, [(seed,) for seed in range(CONNECTIONS)])


def ask_and_wait(port, request):
    """The connection of a client that reads no more than what the kernel takes for it."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(request)
    return client


def redis_request():
    return b"*3\r\n$7\r\nPUBLISH\r\n$1\r\nx\r\n$%d\r\n" % len(BODY) + BODY + b"\r\n"


def amqp_request():
    header = pamqp.header.ContentHeader(0, len(BODY), pamqp.commands.Basic.Properties())
    frames = [Amqp.frame(pamqp.commands.Basic.Publish(exchange="", routing_key="nowhere")), Amqp.frame(header)]
    for start in range(0, len(BODY), FRAME):
        frames.append(Amqp.frame(pamqp.body.ContentBody(BODY[start:start + FRAME])))
    return b"".join(frames)


def send_in_halves(connection, request):
    """What does not go into the socket in a second is sent in the end."""
    sent, until = 0, time.monotonic() + 1
    connection.settimeout(0.2)
    while sent < len(request) // 2 and time.monotonic() < until:
        try:
            sent += connection.send(request[sent:len(request) // 2])
        except TimeoutError:
            pass
    connection.settimeout(120)
    connection.sendall(request[sent:])


@pytest.mark.parametrize("protocol", ["redis", "amqp"])
def test_many_halves_of_messages(small, protocol):
    clients = [(Redis if protocol == "redis" else Amqp)(getattr(small, f"{protocol}_port"), timeout=120) for _ in range(CONNECTIONS)]
    if protocol == "amqp":
        for client in clients:
            client.confirm_select()
    before = small.resident_bytes()
    request = redis_request() if protocol == "redis" else amqp_request()
    answers = []

    def run(client):
        send_in_halves(client.stream.socket, request)
        if protocol == "redis":
            answers.append(client.receive() == 0)
            return
        while not client.confirms:
            client.poll(60)
        answers.append(client.confirms == [(1, False, True)])

    in_threads(run, [(client,) for client in clients])
    assert answers == [True] * CONNECTIONS
    assert small.peak_bytes() - before < GROWTH_MAX
    assert Redis(small.redis_port).call("PING") == b"PONG"


def test_readers_that_do_not_read(small):
    publisher = Amqp(small.amqp_port)
    publisher.confirm_select()
    publisher.declare("s", **{"x-queue-type": "stream"})
    message = Amqp.publish_frames("", "s", bytes(10_000))
    for _ in range(40):
        publisher.stream.send(message * 100)
    while not any(tag == 4000 for tag, _, _ in publisher.confirms):
        publisher.poll(20)
    before = small.resident_bytes()
    readers = [Amqp(small.amqp_port) for _ in range(CONNECTIONS)]
    for reader in readers:
        reader.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.qos(20_000)
        reader.write(pamqp.commands.Basic.Consume(queue="s", arguments={"x-stream-offset": "first"}))
    wait_for(lambda: small.log_file.read_text().count("it reads none") >= CONNECTIONS, 60, "those who do not read to be dropped")
    assert small.peak_bytes() - before < GROWTH_MAX
    for reader in readers:
        with pytest.raises(ConnectionLost):
            while True:
                reader.stream.fill()
                reader.stream.buffer = b""
    # Who reads, gets.
    reader = Amqp(small.amqp_port)
    reader.qos(5000)
    reader.consume("s", **{"x-stream-offset": "first"})
    while len(reader.deliveries) < 4000:
        reader.poll(20)
    assert [body for *_, body in reader.deliveries] == [bytes(10_000)] * 4000


# --- Kafka: answers of 8 MiB ----------------------------------------------------------------------------
TOPICS, TOPIC_BYTES, FETCH_BYTES = ("a", "b", "c", "d"), 12 * MIB, 8 * MIB


def fill_topics(broker):
    producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 5, "batch.size": 900_000})
    for topic in TOPICS:
        for _ in range(TOPIC_BYTES // 10_000):
            producer.produce(topic, bytes(10_000))
        assert producer.flush(60) == 0


def fetch_request(topic, offset):
    partition = array([struct.pack(">iqi", 0, offset, FETCH_BYTES)])
    body = struct.pack(">iiiib", -1, 0, 1, FETCH_BYTES, 0) + array([text(topic) + partition])
    request = struct.pack(">hhi", FETCH, 4, 1) + text("reader") + body
    return struct.pack(">i", len(request)) + request


def read_first(broker, topic):
    """Its first batches."""
    return Kafka(broker.kafka_port).fetch({(topic, 0): 0})[topic, 0][3]


def test_fetches_of_clients_that_leave(small):
    """On whichever core the topic is: what is read for them is never much at a time."""
    fill_topics(small)
    before = small.resident_bytes()
    come_and_leave(small.kafka_port, 5, lambda choice: fetch_request(choice.choice(TOPICS), choice.randrange(300)))
    assert small.peak_bytes() - before < GROWTH_MAX
    assert all(read_first(small, topic) for topic in TOPICS)


def test_fetches_that_nobody_takes(small):
    """Each gets little, a batch at least, once others have left much untaken; who reads gets all."""
    fill_topics(small)
    before = small.resident_bytes()
    clients = [ask_and_wait(small.kafka_port, fetch_request(TOPICS[index % len(TOPICS)], index)) for index in range(CONNECTIONS * 4)]
    for client in clients:
        assert client.recv(4)
    assert small.peak_bytes() - before < GROWTH_MAX * 4
    assert all(read_first(small, topic) for topic in TOPICS)
    for client in clients:
        client.close()


# --- Redis: replies of megabytes ------------------------------------------------------------------------
KEYS, ENTRIES, ENTRY_BYTES = ("a", "b", "c", "d"), 400, 10_000
REPLY_BYTES = ENTRIES * ENTRY_BYTES


def fill_keys(broker):
    redis = Redis(broker.redis_port)
    for key in KEYS:
        redis.send(*[("XADD", key, "*", "f", bytes(ENTRY_BYTES))] * ENTRIES)
        redis.send(*[("RPUSH", "list." + key, bytes(ENTRY_BYTES))] * ENTRIES)
        assert not any(isinstance(redis.receive(), RedisError) for _ in range(2 * ENTRIES))
        redis.call("SET", "string." + key, bytes(REPLY_BYTES))


READS = {"xrange": lambda key: ("XRANGE", key, "-", "+"), "lrange": lambda key: ("LRANGE", "list." + key, "0", "-1"),
         "get": lambda key: ("GET", "string." + key), "xread": lambda key: ("XREAD", "BLOCK", "0", "STREAMS", key, "0")}


@pytest.mark.parametrize("read", READS)
def test_replies_to_clients_that_leave(small, read):
    fill_keys(small)
    before = small.resident_bytes()
    come_and_leave(small.redis_port, 3, lambda choice: Redis.encode(*READS[read](choice.choice(KEYS))))
    assert Redis(small.redis_port).call("GET", "string.a") == bytes(REPLY_BYTES)
    assert small.peak_bytes() - before < GROWTH_MAX * 2


def test_replies_to_many_who_read(small):
    """All of them in one moment: one after the other gets its own."""
    fill_keys(small)
    before = small.resident_bytes()
    clients = [Redis(small.redis_port, timeout=120) for _ in range(CONNECTIONS * 4)]
    whole = []

    def run(client, key):
        client.send(("LRANGE", "list." + key, "0", "-1"))
        whole.append(client.receive() == [bytes(ENTRY_BYTES)] * ENTRIES)

    in_threads(run, [(client, KEYS[index % len(KEYS)]) for index, client in enumerate(clients)])
    assert whole == [True] * len(clients)
    assert small.peak_bytes() - before < GROWTH_MAX * 2


def test_replies_that_nobody_takes(small):
    """They stop nobody who writes, and who reads has a turn among them."""
    fill_keys(small)
    before = small.resident_bytes()
    idle = [ask_and_wait(small.redis_port, Redis.encode("LRANGE", "list." + KEYS[index % len(KEYS)], "0", "-1"))
            for index in range(CONNECTIONS)]
    redis = Redis(small.redis_port, timeout=30)
    began = time.monotonic()
    for index in range(100):
        assert redis.call("SET", f"other{index}", "x") == b"OK"
    assert time.monotonic() - began < 5
    assert redis.call("GET", "string.a") == bytes(REPLY_BYTES)
    assert small.peak_bytes() - before < GROWTH_MAX * 2
    for client in idle:
        client.close()


def test_replies_that_nobody_takes_after_small_ones(small):
    """However many ask for them, and however little was seen before."""
    fill_keys(small)
    readers = [Redis(small.redis_port) for _ in range(8)]
    for reader in readers:
        assert [reader.call("GET", f"none{index}") for index in range(50)] == [None] * 50
    before = small.resident_bytes()
    idle = [ask_and_wait(small.redis_port, Redis.encode("LRANGE", "list." + KEYS[index % len(KEYS)], "0", "-1"))
            for index in range(CONNECTIONS * 4)]
    time.sleep(2)
    assert small.peak_bytes() - before < GROWTH_MAX * 3 / 2
    for client in idle:
        client.close()
    assert readers[0].call("GET", "string.a") == bytes(REPLY_BYTES)


def test_replies_out_of_what_lies_on_the_disk(small):
    """All of them have to wait for it, and then are answered one after the other."""
    fill_keys(small)
    small.restart(kill=False)
    with FilesLeaveMemory(small):
        before = small.resident_bytes()
        idle = [ask_and_wait(small.redis_port, Redis.encode("XRANGE", KEYS[index % len(KEYS)], "-", "+")) for index in range(CONNECTIONS * 4)]
        time.sleep(2)
        assert small.peak_bytes() - before < GROWTH_MAX * 3 / 2
    for client in idle:
        client.close()
    assert len(Redis(small.redis_port, timeout=60).call("XRANGE", "a", "-", "+")) == ENTRIES
