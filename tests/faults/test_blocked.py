"""A publisher on a full disk is told that it is blocked and is not heard until there is space; others go on."""

import contextlib
import os
import time
from pathlib import Path

import pika
import pytest

import harness
from mounts import SmallDisk

DISK_BYTES = 64 << 20
SECONDS_MAX = 30
BODY = b"b" * 50_000

pytestmark = [pytest.mark.own, pytest.mark.timeout(120)]


@pytest.fixture(params=[1, 2], ids=lambda shards: f"shards{shards}")
def full_disk(request):
    """A broker whose disk was filled until AMQP publishers are blocked, the disk, and what it told them."""
    disk = SmallDisk(DISK_BYTES)
    root = disk.path / "broker"
    root.mkdir()
    broker = harness.Broker(root=root, shards=request.param, arguments=("--segment-size", "4MiB", "--message-size-max", "1MiB", "--disk-free-min", "0"))
    broker.log_file = disk.path.with_suffix(".log")
    try:
        broker.start()
        yield broker, disk
        broker.close()
    finally:
        broker._end_now()
        disk.close()
        broker.log_file.unlink(missing_ok=True)


class Publisher:
    def __init__(self, broker, queue):
        self.told = []
        self.connection = pika.BlockingConnection(pika.ConnectionParameters(port=broker.amqp_port, heartbeat=2))
        self.connection.add_on_connection_blocked_callback(lambda _, frame: self.told.append(frame.method.reason))
        self.connection.add_on_connection_unblocked_callback(lambda _, frame: self.told.append("unblocked"))
        self.channel = self.connection.channel()
        self.channel.queue_declare(queue, durable=True)
        self.queue = queue
        self.sent = 0

    def publish_until_blocked(self, disk):
        deadline = time.monotonic() + SECONDS_MAX
        while not self.told:
            assert time.monotonic() < deadline, "never blocked on a full disk"
            disk.fill()
            self.channel.basic_publish("", self.queue, BODY, pika.BasicProperties(delivery_mode=2))
            self.sent += 1
            self.connection.process_data_events(0.001)


def test_a_publisher_is_blocked_and_goes_on_when_there_is_space(full_disk, name):
    broker, disk = full_disk
    publisher = Publisher(broker, name)
    publisher.publish_until_blocked(disk)
    assert publisher.told == ["low on disk"]

    # Silence is no reason to end it: it is we who do not listen.
    publisher.connection.process_data_events(6)
    assert publisher.told == ["low on disk"] and publisher.connection.is_open

    # Consumers on other connections go on, and their acknowledgements count.
    consumer = pika.BlockingConnection(pika.ConnectionParameters(port=broker.amqp_port, heartbeat=0)).channel()
    method, _, body = consumer.basic_get(name)
    assert body == BODY
    consumer.basic_ack(method.delivery_tag)
    left = consumer.queue_declare(name, passive=True).method.message_count

    disk.release()
    deadline = time.monotonic() + SECONDS_MAX
    while publisher.told != ["low on disk", "unblocked"]:
        assert time.monotonic() < deadline, publisher.told
        publisher.connection.process_data_events(0.1)
    # Nothing of what it sent meanwhile is lost.
    publisher.channel.confirm_delivery()
    publisher.channel.basic_publish("", name, b"last", pika.BasicProperties(delivery_mode=2))
    count = consumer.queue_declare(name, passive=True).method.message_count
    acknowledged, last = 1, 1
    assert count == publisher.sent - acknowledged + last and count > left


def test_a_blocked_publisher_that_leaves_is_noticed(full_disk, name):
    broker, disk = full_disk
    publisher = Publisher(broker, name)
    publisher.publish_until_blocked(disk)
    # Not before: the connections by which the harness saw it start may end late.
    sockets = count_sockets(broker)
    publisher.connection._impl._transport._sock.close()
    # Nobody reads from it; the heartbeats that cannot be sent tell.
    harness.wait_for(lambda: count_sockets(broker) == sockets - 1, SECONDS_MAX, "the connection to go")


def count_sockets(broker):
    """Open sockets of the broker's process."""
    count = 0
    for entry in Path(f"/proc/{broker.process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            count += os.readlink(entry).startswith("socket:")
    return count
