"""Records what real clients send: a small TCP proxy, and the conversations of one client of each kind through it.

A recording is a list of connections; a connection is the list of frames (bytes) that the client sent, in order.
"""

import asyncio
import re
import socket
import struct
import threading

import aio_pika
import redis
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic


class Proxy:
    """Accepts on a free port, relays to `port`, keeps the bytes that clients send for each connection."""

    def __init__(self, port):
        self.port = port
        self.sent = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.own_port = self.listener.getsockname()[1]
        # Kafka tells clients where to connect: they must come back here. Only the port differs in length-free form.
        self.real_address = re.compile(rb"(127\.0\.0\.1|localhost)" + re.escape(struct.pack(">i", port)))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            record = bytearray()
            self.sent.append(record)
            threading.Thread(target=self._relay, args=(client, server, record), daemon=True).start()
            threading.Thread(target=self._relay, args=(server, client, None), daemon=True).start()

    def _relay(self, source, target, record):
        try:
            while data := source.recv(1 << 16):
                if record is None:
                    data = self.real_address.sub(rb"\g<1>" + struct.pack(">i", self.own_port).replace(b"\\", b"\\\\"),
                                                 data)
                else:
                    record += data
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()


# -- conversations


async def _amqp(port):
    connection = await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{port}/")
    async with connection:
        channel = await connection.channel(on_return_raises=False)
        await channel.set_qos(prefetch_count=10)
        for kind in ("direct", "fanout", "topic", "headers"):
            exchange = await channel.declare_exchange(f"mutant-{kind}", kind, durable=True)
        queue = await channel.declare_queue("mutant", durable=True, arguments={
            "x-dead-letter-exchange": "mutant-fanout", "x-message-ttl": 60000})
        await queue.bind(exchange, "a.b", arguments={"x-match": "any", "n": 1, "deep": {"list": [1, "two", None, True]}})
        for size in (0, 10, 5000):
            await channel.default_exchange.publish(aio_pika.Message(
                b"x" * size, headers={"a": 1, "b": "text", "c": {"d": [1, 2, {"e": 1.5}]}}, priority=1, message_id="m",
                correlation_id="c", expiration=60, timestamp=1, type="t", user_id="guest", app_id="a",
                content_type="text/plain", delivery_mode=2), "mutant")
        await channel.default_exchange.publish(aio_pika.Message(b"nowhere"), "mutant-none", mandatory=True)
        for action in ("ack", "nack", "reject"):
            message = await queue.get(timeout=5)
            await getattr(message, action)()
        tag = await queue.consume(lambda message: None)
        await queue.cancel(tag)
        await queue.unbind(exchange, "a.b")
        await queue.purge()
        await queue.delete(if_unused=False, if_empty=False)
        await exchange.delete()


def _redis(port):
    for protocol in (2, 3):
        client = redis.Redis(port=port, protocol=protocol, client_name="mutant")
        client.ping()
        client.set("mutant:k", "v", ex=100, nx=True)
        client.set("mutant:k", "v", px=10000, get=True)
        client.get("mutant:k")
        client.incr("mutant:n")
        client.expire("mutant:n", 100)
        client.ttl("mutant:n")
        client.xadd("mutant:s", {"a": 1, "b": "x" * 300}, maxlen=1000, approximate=True)
        entry = client.xadd("mutant:s", {"value": b"\x00\xff"})
        for action in (lambda: client.xgroup_create("mutant:s", "g", "0"), lambda: client.xgroup_create("mutant:s", "g"),
                       lambda: client.xread({"mutant:s": "0", "mutant:k2": "$"}, count=5, block=10),
                       lambda: client.exists("mutant:k", "mutant:n", "mutant:s")):
            try:
                action()
            except redis.ResponseError:
                pass  # An error is a conversation too; it is the request that is recorded.
        client.xreadgroup("g", "c", {"mutant:s": ">"}, count=10, block=10)
        client.xread({"mutant:s": "0"}, count=5, block=10)
        client.xpending_range("mutant:s", "g", "-", "+", 10)
        client.xclaim("mutant:s", "g", "d", 0, [entry], retrycount=3)
        client.xautoclaim("mutant:s", "g", "d", 0, "0-0", count=5)
        client.xack("mutant:s", "g", entry)
        client.xrange("mutant:s", "-", "+", count=10)
        client.xrevrange("mutant:s", "+", "(1-1")
        client.xinfo_stream("mutant:s")
        client.xinfo_groups("mutant:s")
        client.xdel("mutant:s", entry)
        client.xtrim("mutant:s", maxlen=10, approximate=False)
        with client.pipeline() as pipe:
            pipe.set("mutant:t", 1).incr("mutant:t").execute()
        with client.pubsub() as pubsub:
            pubsub.subscribe("mutant:c")
            pubsub.psubscribe("mutant:*")
            client.publish("mutant:c", "hello")
            for _ in range(4):
                pubsub.get_message(timeout=0.2)
        client.config_get("max*")
        client.info()
        client.command_count()
        for key in ("mutant:k", "mutant:n", "mutant:s", "mutant:t"):
            client.delete(key)
        client.close()


def _confluent(port):
    base = {"bootstrap.servers": f"127.0.0.1:{port}"}
    admin = AdminClient(base)
    try:
        admin.create_topics([NewTopic("mutant", 2, 1, config={"retention.ms": "100000"})])["mutant"].result(10)
    except Exception:
        pass  # It exists.
    resource = ConfigResource(ConfigResource.Type.TOPIC, "mutant")
    admin.describe_configs([resource])[resource].result(10)
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        producer = Producer({**base, "compression.type": codec, "enable.idempotence": codec != "none"})
        for index in range(20):
            producer.produce("mutant", b"value" * 20, b"k%d" % index, headers=[("h", b"v"), ("n", None)])
        producer.flush(10)
    producer = Producer({**base, "transactional.id": "mutant-t"})
    producer.init_transactions(10)
    consumer = Consumer({**base, "group.id": "mutant-g", "auto.offset.reset": "earliest", "enable.auto.commit": False,
                         "isolation.level": "read_committed", "group.instance.id": "mutant-i"})
    consumer.subscribe(["mutant"])
    message = None
    for _ in range(60):
        if (message := consumer.poll(0.25)) is not None:
            break
    consumer.commit(asynchronous=False)
    producer.begin_transaction()
    producer.produce("mutant", b"in a transaction")
    producer.send_offsets_to_transaction(consumer.position(consumer.assignment()), consumer.consumer_group_metadata(), 10)
    producer.commit_transaction(10)
    producer.begin_transaction()
    producer.produce("mutant", b"aborted")
    producer.abort_transaction(10)
    consumer.close()


async def _aiokafka(port):
    base = {"bootstrap_servers": f"127.0.0.1:{port}"}
    async with AIOKafkaProducer(**base, enable_idempotence=True, compression_type="lz4") as producer:
        for index in range(10):
            await producer.send_and_wait("mutant", b"v", key=b"k")
    async with AIOKafkaConsumer("mutant", **base, group_id="mutant-g2", auto_offset_reset="earliest") as consumer:
        await consumer.getmany(timeout_ms=2000)
        await consumer.commit()


def record(protocol, port):
    """Runs the conversations of one protocol through a proxy and returns the recording."""
    proxy = Proxy(port)
    if protocol == "amqp":
        asyncio.run(asyncio.wait_for(_amqp(proxy.own_port), 30))
    elif protocol == "redis":
        _redis(proxy.own_port)
    else:
        _confluent(proxy.own_port)
        asyncio.run(asyncio.wait_for(_aiokafka(proxy.own_port), 30))
    proxy.close()
    connections = [frames for sent in proxy.sent if (frames := SPLIT[protocol](bytes(sent)))]
    assert connections, f"no {protocol} conversation was recorded"
    return connections


# -- frames


def split_amqp(data):
    frames = [data[:8]]
    position = 8
    while position + 7 <= len(data):
        size = struct.unpack_from(">I", data, position + 3)[0] + 8
        frames.append(data[position:position + size])
        position += size
    return frames


def split_redis(data):
    frames = []
    position = 0
    while position < len(data):
        end = data.index(b"\r\n", position) + 2
        for _ in range(int(data[position + 1:end - 2])):
            line = data.index(b"\r\n", end) + 2
            end = line + int(data[end + 1:line - 2]) + 2
        frames.append(data[position:end])
        position = end
    return frames


def split_kafka(data):
    frames = []
    position = 0
    while position + 4 <= len(data):
        size = struct.unpack_from(">i", data, position)[0] + 4
        frames.append(data[position:position + size])
        position += size
    return frames


SPLIT = {"amqp": split_amqp, "redis": split_redis, "kafka": split_kafka}
