"""The short forms of the campaigns with damaged files and with a full disk, and that their checks see what they are for.

The long forms are corruption.py (./dev corrupt) and disk_full.py themselves.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import disk_clients
import harness
from mounts import SmallDisk
from rawclients import Amqp, Redis, RedisError

import pamqp.commands

HERE = Path(__file__).parent
pytestmark = pytest.mark.own


def campaign(name, *arguments, seconds=150):
    result = subprocess.run([sys.executable, str(HERE / name), *arguments], capture_output=True, text=True,
                            timeout=seconds)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.timeout(160)
def test_damaged_files_are_reported_and_never_served():
    campaign("corruption.py", "--count", "60", "--directories", "2")


@pytest.mark.timeout(160)
def test_the_corruption_campaign_sees_wrong_and_missing_values():
    campaign("corruption.py", "--count", "10", "--sabotage")


@pytest.mark.timeout(160)
@pytest.mark.parametrize("shards, rounds", [(1, 2), (2, 3)])
def test_a_full_disk_refuses_writers_and_nobody_else(shards, rounds):
    campaign("disk_full.py", "--rounds", str(rounds), "--shards", str(shards))


def fill_by_amqp(broker):
    """Until the broker does not listen. Result: what makes room again, and a try to write: true when it was taken."""
    client = Amqp(broker.amqp_port)
    client.declare("backlog")
    client.confirm_select()

    def write():
        if client.confirms or not client.blocked:
            client.confirms.clear()
            client.stream.send(Amqp.publish_frames("", "backlog", bytes(20000)))
        harness.wait_for(lambda: client.poll(0.2) and client.confirms or client.blocked, 10, "a confirm")
        return bool(client.confirms) and client.confirms[-1][2]

    while write():
        pass
    assert client.blocked
    other = Amqp(broker.amqp_port)
    return lambda: other.call(pamqp.commands.Queue.Purge(queue="backlog"), pamqp.commands.Queue.PurgeOk), write


def fill_by_redis(broker):
    client = Redis(broker.redis_port)

    def write():
        client.send(("XADD", "backlog", "*", "v", bytes(20000)))
        return not isinstance(client.receive(), RedisError)

    while write():
        pass
    return lambda: client.call("XTRIM", "backlog", "MAXLEN", 0), write


@pytest.mark.timeout(100)
@pytest.mark.parametrize("fill", [fill_by_amqp, fill_by_redis])
def test_a_disk_full_of_the_brokers_own_backlog_is_given_back_at_once(fill):
    """Nobody else is on this disk: what was settled must make room by itself, soon, though nothing more is written."""
    disk = SmallDisk(48 << 20)
    broker = harness.Broker(root=disk.path / "broker", arguments=("--segment-size", "4MiB", "--message-size-max", "1MiB", "--disk-free-min", "0"))
    broker.root.mkdir()
    try:
        broker.start()
        settle, write = fill(broker)
        settle()
        harness.wait_for(write, 5, "a write after the backlog was settled", interval=0.1)
    finally:
        broker._end_now()
        disk.close()


@pytest.mark.timeout(100)
@pytest.mark.parametrize("fill", [fill_by_amqp, fill_by_redis])
def test_some_of_the_disk_stays_free(fill):
    disk = SmallDisk(160 << 20)
    broker = harness.Broker(root=disk.path / "broker", arguments=(
        "--segment-size", "4MiB", "--message-size-max", "1MiB", "--disk-free-min", "64MiB"))
    broker.root.mkdir()
    try:
        broker.start()
        settle, write = fill(broker)
        space = os.statvfs(disk.path)
        assert space.f_bavail * space.f_frsize > 60 << 20  # Checkpoints may take of it.
        harness.wait_for(lambda: "MiB left of 160" in broker.log_tail(), 5, "a warning")
        settle()
        harness.wait_for(write, 5, "a write after the backlog was settled", interval=0.1)
    finally:
        broker._end_now()
        disk.close()


@pytest.mark.parametrize("stored, refused, seen, words", [
    ({0, 1}, {2}, {0, 1, 3}, []),  # 3 was neither stored nor refused: either way.
    ({0, 1}, set(), {0}, ["lost"]),
    ({0}, {1}, {0, 1}, ["refused"]),
    ({0}, set(), {0, 9}, ["never sent"]),
])
def test_the_book_of_a_full_disk(stored, refused, seen, words):
    book = disk_clients.Book()
    book.next(5)
    book.stored, book.refused, book.seen = stored, refused, seen
    faults = book.check("amqp")
    assert len(faults) == len(words) and all(word in fault for word, fault in zip(words, faults)), faults
