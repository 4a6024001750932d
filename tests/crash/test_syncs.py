"""What is acknowledged was synced before: seen in the broker's own system calls, since neither kill -9 nor a test in memory
can tell a sync that was left out from one that was made. strace writes a call down before the broker goes on.
"""

import re
import shutil

import pytest
import redis
from confluent_kafka import Producer

import harness
from rawclients import Amqp

pytestmark = pytest.mark.own
MESSAGES = 10
SMALL_SEGMENTS = ("--segment-size", "4MiB", "--message-size-max", "1MiB")
LARGE = bytes(256 * 1024)


class Trace:
    """The calls so far, each with its files; those that are under way are not among them."""

    def __init__(self, path):
        self.path = path

    def calls(self):
        # <unfinished ...> and <... resumed>: where another thread's call came between.
        text = self.path.read_text()
        began = {}
        for line in text.splitlines():
            pid, _, call = line.partition(" ")
            call = call.strip()
            if call.endswith("<unfinished ...>"):
                began[pid] = call.removesuffix("<unfinished ...>").rstrip()
                continue
            if call.startswith("<..."):
                call = began.pop(pid) + re.sub(r"^<\.\.\. \w+ resumed>", "", call)
            yield call

    def syncs_of_segments(self):
        return sum(bool(re.match(r"fdatasync\(\d+<[^>]*/segment-\w+>\) += 0$", call)) for call in self.calls())

    def names_not_synced(self):
        """Segments that were given their names without a sync of the directory behind it."""
        names = []
        for call in self.calls():
            if given := re.match(r'renameat\(.*"(segment-\w+)"\) += 0$', call):
                names.append(given.group(1))
            elif re.match(r"fsync\(\d+<[^>]*/data>\) += 0$", call):
                names.clear()
        return names


@pytest.fixture
def traced(tmp_path):
    assert shutil.which("strace"), "strace is missing (tools/packages/test.txt)"
    trace = tmp_path / "calls"
    calls = "trace=fdatasync,fsync,renameat"
    # -D: the broker is the harness's child, as without strace.
    prefix = ("strace", "-D", "-f", "-q", "-y", "-e", calls, "-e", "signal=none", "-o", str(trace))
    broker = harness.Broker(prefix=prefix, arguments=SMALL_SEGMENTS)
    try:
        yield broker.start(), Trace(trace)
    finally:
        broker.close()


def amqp_publisher(broker, name):
    client = Amqp(broker.amqp_port)
    client.declare(name)
    client.confirm_select()

    def publish():
        confirmed = len(client.confirms)
        client.stream.send(Amqp.publish_frames("", name, b"x"))
        harness.wait_for(lambda: client.poll(0.05) and len(client.confirms) > confirmed, 10, "a confirm")

    return publish


def redis_publisher(broker, name):
    client = redis.Redis(port=broker.redis_port)
    return lambda: client.xadd(name, {"n": "x"})


def kafka_publisher(broker, name):
    client = Producer({"bootstrap.servers": broker.bootstrap, "acks": "all", "linger.ms": 0})

    def publish():
        client.produce(name, b"x")
        assert client.flush(10) == 0

    return publish


@pytest.mark.parametrize("publisher", [amqp_publisher, redis_publisher, kafka_publisher])
def test_each_acknowledgement_comes_behind_a_sync(traced, name, publisher):
    broker, trace = traced
    publish = publisher(broker, name)
    publish()
    for _ in range(MESSAGES):
        before = trace.syncs_of_segments()
        publish()
        assert trace.syncs_of_segments() > before


def test_the_name_of_a_segment_is_synced_before_what_it_holds_is_acknowledged(traced, name):
    broker, trace = traced
    client = redis.Redis(port=broker.redis_port)
    for _ in range(40):  # more than two segments
        client.xadd(name, {"body": LARGE})
        assert trace.names_not_synced() == []
    given = sum('"segment-' in call for call in trace.calls())
    assert given >= 3, "no segment was begun"
