"""Bad input: the short form of the mutation campaign, and hand-made frames that claim what they do not hold.

The result of bad input is an answer or a closed connection, with bounded memory, and nothing for anyone else to notice.
"""

import gzip
import os
import random
import socket
import struct
import time

import pamqp.commands
import pytest

import campaign
import harness
from rawclients import Amqp, AmqpClosed, ConnectionLost, Redis

pytestmark = pytest.mark.own

COUNT = int(os.environ.get("MALFORMED_COUNT", "2000"))
GROWTH_BYTES_MAX = 64 << 20


@pytest.mark.timeout(240)
def test_mutated_frames():
    summary, faults = campaign.run(COUNT, int.from_bytes(os.urandom(3), "big"), shards=random.choice((1, 2)))
    assert not faults, (summary, *faults)


@pytest.fixture
def steady(broker):
    """The broker, which must not grow and must still answer on all protocols afterwards."""
    before = broker.resident_bytes()
    yield broker
    broker.check_alive()
    assert broker.resident_bytes() - before < GROWTH_BYTES_MAX * (4 if broker.sanitized else 1)
    client = Redis(broker.redis_port)
    assert client.call("PING") == b"PONG"
    client.close()
    Amqp(broker.amqp_port).close()


def ends(port, *data, seconds=10):
    """Sends, then reads to the end of the connection; the server must end it, after connection.close within 5 s. Returns
    what it said."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=seconds)
    said = b""
    try:
        for part in data:
            connection.sendall(part)
        while part := connection.recv(1 << 16):
            said += part
    except ConnectionResetError:
        pass
    finally:
        connection.close()
    return said


def kafka_request(key, version, body, correlation=1):
    payload = struct.pack(">hhih", key, version, correlation, 1) + b"x" + body
    return struct.pack(">i", len(payload)) + payload


# -- framing


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\n\r\n", b"AMQP\x00\x01\x00\x00", b"AMQP\x03\x01\x00\x00", b"\x00" * 8, b"HELP\x00\x00\x09\x01"])
def test_amqp_wrong_header(steady, data):
    assert ends(steady.amqp_port, data) == b"AMQP\x00\x00\x09\x01"


@pytest.mark.parametrize("frame", [
    b"\x01\x00\x00\xff\xff\xff\xff", b"\x01\x00\x00\x7f\xff\xff\xff" + b"x" * 100000,
    b"\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x0b\x00",  # Bad end octet.
    b"\x07\x00\x00\x00\x00\x00\x00\xce", b"\x01\x00\x00\x00\x00\x00\x00\xce", b"\x03\x00\x00\x00\x00\x00\x01x\xce"])
def test_amqp_bad_first_frame(steady, frame):
    ends(steady.amqp_port, b"AMQP\x00\x00\x09\x01" + frame)


@pytest.mark.parametrize("frame", [
    b"\x01\x00\x01\xff\xff\xff\xff", b"\x01\x00\x01\x00\x10\x00\x00" + b"x" * (1 << 20),
    b"\x01\x00\x01\x00\x00\x00\x04\x00\x3c\x00\x28\x00", b"\x02\x00\x01\x00\x00\x00\x01x\xce",
    b"\x01\x00\x01\x00\x00\x00\x04\x00\xff\x00\xff\xce", b"\x01\x00\x01\x00\x00\x00\x02\x00\x32\xce",
    b"\x01\xff\xff\x00\x00\x00\x04\x00\x3c\x00\x28\xce"])
def test_amqp_bad_frame_on_an_open_channel(steady, frame):
    client = Amqp(steady.amqp_port, timeout=5)
    client.stream.send(frame)
    with pytest.raises((AmqpClosed, ConnectionLost)) as error:
        while True:
            client.poll(5)
    if isinstance(error.value, AmqpClosed):
        assert error.value.code in (501, 502, 503, 504, 505), error.value
    client.close()


def test_amqp_huge_body_claim(steady):
    """A content header that announces 2^62 bytes costs nothing and is refused or just never completed."""
    client = Amqp(steady.amqp_port, timeout=5)
    client.declare("huge")
    header = struct.pack(">HHQH", 60, 0, 1 << 62, 0)
    client.stream.send(
        Amqp.frame(pamqp.commands.Basic.Publish(exchange="", routing_key="huge"))
        + b"\x02\x00\x01" + struct.pack(">I", len(header)) + header + b"\xce")
    try:
        client.poll(0.5)
    except (AmqpClosed, ConnectionLost):
        pass
    client.close()


@pytest.mark.parametrize("depth", [100, 30000])
def test_amqp_deep_tables(steady, depth):
    """Nested tables in a declare's arguments: refused or accepted, never a stack overflow."""
    table = b""
    for _ in range(depth):
        if len(table) > 120000:
            break
        table = b"\x01aF" + struct.pack(">I", len(table)) + table
    payload = struct.pack(">HHH", 50, 10, 0) + b"\x04deep\x02" + struct.pack(">I", len(table)) + table
    client = Amqp(steady.amqp_port, timeout=5)
    client.stream.send(b"\x01\x00\x01" + struct.pack(">I", len(payload)) + payload + b"\xce")
    try:
        client.poll(2)
    except (AmqpClosed, ConnectionLost):
        pass
    client.close()


@pytest.mark.parametrize("data", [
    b"*2147483647\r\n", b"*1048577\r\n", b"$536870913\r\n", b"*1\r\n$536870913\r\n", b"*-2147483648\r\n$1\r\n",
    b"*1\r\n$-1\r\n", b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$999999999999999999999\r\n", b"x" * 70000, b"*1\r\n+OK\r\n"])
def test_redis_bad_counts(steady, data):
    connection = socket.create_connection(("127.0.0.1", steady.redis_port), timeout=3)
    try:
        connection.sendall(data)
        said = connection.recv(1000)
        assert said.startswith(b"-ERR") or said == b"", said
    except (TimeoutError, ConnectionResetError):
        pass  # Waiting for what was announced is right too, as long as nothing was set aside for it.
    finally:
        connection.close()


def test_redis_bulks_are_not_reserved_by_their_claim(steady):
    """Two hundred connections claim half a gigabyte each and send ten bytes."""
    connections = []
    for _ in range(200):
        connection = socket.create_connection(("127.0.0.1", steady.redis_port), timeout=3)
        connection.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n0123456789")
        connections.append(connection)
    time.sleep(0.3)
    steady.check_alive()
    assert steady.resident_bytes() < 600 << 20
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("size", [0, -1, -2147483648, 2147483647, 101 << 20])
def test_kafka_bad_size(steady, size):
    assert ends(steady.kafka_port, struct.pack(">i", size), b"x" * 100) == b""


@pytest.mark.parametrize("key, version, body", [
    (999, 0, b""), (-1, 0, b""), (3, 99, b""), (1, 0, b""), (0, 0, b""), (3, -1, b""),
    (3, 1, struct.pack(">i", 2147483647)), (3, 1, struct.pack(">i", 1000000)), (3, 1, struct.pack(">ih", 1, 32767)),
    (3, 9, b"\x00\xff\xff\xff\xff\x0f"), (3, 9, b"\x00" + b"\xff" * 10), (19, 4, struct.pack(">i", -5)),
    (0, 7, struct.pack(">hhii", -1, -1, 1000, 2147483647)), (1, 11, b"\x00" * 3), (11, 5, b"\xff" * 7)])
def test_kafka_undecodable_requests_close(steady, key, version, body):
    assert ends(steady.kafka_port, kafka_request(key, version, body)) == b""


def test_kafka_high_api_versions_is_answered(steady):
    connection = socket.create_connection(("127.0.0.1", steady.kafka_port), timeout=5)
    connection.sendall(kafka_request(18, 99, b""))
    size, correlation, error = struct.unpack(">iih", connection.recv(1000)[:10])
    assert (correlation, error) == (1, 35)
    connection.close()


def batch(records, count, attributes=0, crc=None):
    """A RecordBatch v2 around any bytes."""
    body = struct.pack(">hiqqqhii", attributes, count - 1, 0, 0, -1, -1, -1, count) + records
    crc = crc32c(body) if crc is None else crc
    return struct.pack(">qiibI", 0, len(body) + 9, -1, 2, crc) + body


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _table():
    rows = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        rows.append(value)
    return rows


TABLE = _table()


def produce(port, topic, data):
    """One Produce v7 request; returns the partition's error code, or None when the connection was closed."""
    name = topic.encode()
    body = (struct.pack(">hhii", -1, -1, 5000, 1) + struct.pack(">h", len(name)) + name
            + struct.pack(">iii", 1, 0, len(data)) + data)
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    try:
        connection.sendall(kafka_request(0, 7, body))
        said = b""
        while len(said) < 4 or len(said) < 4 + struct.unpack(">i", said[:4])[0]:
            part = connection.recv(65536)
            if not part:
                return None
            said += part
    except ConnectionResetError:
        return None
    finally:
        connection.close()
    return struct.unpack_from(">h", said, 4 + 4 + 4 + 2 + len(name) + 4 + 4)[0]


def create_topic(port, topic):
    from confluent_kafka.admin import AdminClient, NewTopic
    admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}"})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(10)


RECORD = b"\x0e\x00\x00\x00\x01\x02v\x00"  # length 7, attributes, deltas 0 0, null key, value "v", no headers


def test_a_good_hand_made_batch_is_accepted(steady, name):
    create_topic(steady.kafka_port, name)
    assert produce(steady.kafka_port, name, batch(RECORD, 1)) == 0
    reply = Redis(steady.redis_port).call("XRANGE", name, "-", "+")
    assert [fields for _, fields in reply] == [[b"value", b"v"]]


@pytest.mark.parametrize("kind, data", [
    ("crc", batch(RECORD, 1, crc=1)), ("count zero", batch(b"", 0)), ("count huge", batch(RECORD, 2147483647)),
    ("count negative", batch(RECORD, -1)), ("count low", batch(RECORD * 3, 2)), ("codec", batch(RECORD, 1, 7)),
    ("length huge", batch(b"\xfe\xff\xff\xff\x0f" + RECORD, 1)), ("length negative", batch(b"\x01" + RECORD, 1)),
    ("not gzip", batch(b"nonsense", 1, 1)), ("not snappy", batch(b"nonsense", 1, 2)),
    ("not lz4", batch(b"nonsense", 1, 3)), ("not zstd", batch(b"nonsense", 1, 4)), ("truncated", batch(RECORD, 1)[:-3]),
    ("control", batch(RECORD, 1, 0x20)), ("two batches", batch(RECORD, 1) * 2), ("empty", b""),
    ("magic 1", batch(RECORD, 1)[:16] + b"\x01" + batch(RECORD, 1)[17:])])
def test_bad_batches_are_refused_and_never_break_readers(steady, name, kind, data):
    """Refused (Kafka itself says 2, 87 or -1) or a closed connection. Should a codec's content be taken unread, readers get errors, not
    a crash, and the topic stays usable."""
    create_topic(steady.kafka_port, name)
    code = produce(steady.kafka_port, name, data)
    opaque = kind.startswith("not ") and code == 0
    assert opaque or code in (-1, 2, 42, 43, 76, 87, None), (kind, code)
    assert produce(steady.kafka_port, name, batch(RECORD, 1)) == 0
    client = Redis(steady.redis_port)
    client.send(("XRANGE", name, "-", "+"))
    reply = client.receive()
    if not opaque:
        assert [fields for _, fields in reply] == [[b"value", b"v"]], kind
    client.close()


def test_a_bomb_does_not_fill_the_memory(steady, name):
    """One megabyte of gzip that expands to one gigabyte: refused, or an error to those who read it over Redis or AMQP."""
    create_topic(steady.kafka_port, name)
    value_size = 900 << 20
    packed = gzip_of_one_record(value_size)
    assert len(packed) < 1 << 20
    code = produce(steady.kafka_port, name, batch(packed, 1, 1))
    client = Redis(steady.redis_port, timeout=30)
    client.send(("XRANGE", name, "-", "+"))
    reply = client.receive()
    client.close()
    steady.check_alive()
    assert steady.peak_bytes() < 900 << 20, f"produce answered {code}, XRANGE {str(reply)[:100]}"


def gzip_of_one_record(value_size):
    import io
    head = b"\x00\x00\x00\x01" + varint(value_size)
    length = len(head) + value_size + 1
    target = io.BytesIO()
    with gzip.GzipFile(fileobj=target, mode="wb", compresslevel=9) as packer:
        packer.write(varint(length) + head)
        zeros = bytes(1 << 20)
        for _ in range(value_size >> 20):
            packer.write(zeros)
        packer.write(b"\x00")
    return target.getvalue()


def varint(value):
    value <<= 1  # zig-zag of a value that is not negative
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def test_half_open_frames_on_many_connections(steady, name):
    """Three hundred connections that begin a frame and never finish it, on each protocol."""
    beginnings = {"amqp": b"AMQP\x00\x00\x09\x01\x01\x00\x00\x00\x00\x10", "redis": b"*2\r\n$100000\r\nabc",
                  "kafka": struct.pack(">i", 100 << 20) + b"\x00\x03"}
    connections = []
    for protocol, data in beginnings.items():
        for _ in range(300):
            connection = socket.create_connection(("127.0.0.1", steady.ports[protocol]), timeout=3)
            connection.sendall(data)
            connections.append(connection)
    client = Redis(steady.redis_port)
    began = time.monotonic()
    assert client.call("SET", name, "1") == b"OK"
    assert time.monotonic() - began < 2
    client.close()
    for connection in connections:
        connection.close()


def test_a_client_that_never_reads(steady, name):
    """Replies that nobody reads must not pile up: reading from that client stops, or it is dropped."""
    client = Redis(steady.redis_port)
    client.call("SET", name, b"x" * 100000)
    client.close()
    lazy = socket.create_connection(("127.0.0.1", steady.redis_port))
    lazy.setblocking(False)
    data = Redis.encode("GET", name) * 100
    sent = 0
    deadline = time.monotonic() + 2
    while sent < 20000 * len(data) // 100 and time.monotonic() < deadline:
        try:
            sent += lazy.send(data)
        except BlockingIOError:
            time.sleep(0.01)
        except OSError:
            break
    time.sleep(0.2)
    grown = steady.resident_bytes()
    lazy.close()
    assert grown < 500 << 20
    harness.wait_for(lambda: steady.resident_bytes() < grown + (16 << 20), 5, "memory")
