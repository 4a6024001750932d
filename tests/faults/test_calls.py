"""Calls to the system that are interrupted, do less than they were asked to, take long, or find no free descriptor: a
broker answers and stores as ever. What it holds is compared with what its clients were told (content.py), also behind
kill -9 and a clean end. callfaults.cc, preloaded, makes the calls do so.
"""

import collections
import os
import resource
import shutil
import socket
from pathlib import Path

import pytest

import harness
from content import Content
from rawclients import Redis, RedisError

pytestmark = [pytest.mark.own, pytest.mark.timeout(240)]

SMALL_SEGMENTS = ("--segment-size", "4MiB", "--message-size-max", "1MiB")
SOCKET_CALLS = ("recv", "sendmsg", "accept4", "epoll_wait")
FILE_CALLS = ("openat", "pread", "pwritev", "fdatasync", "fsync", "fallocate", "ftruncate", "flock")
# Each second one, so that a call that is made again does what it should.
INTERRUPTED = [f"{call}:EINTR:1:2" for call in (*SOCKET_CALLS, *FILE_CALLS)]
SHORT = ["recv:short:1:2", "sendmsg:short:1:2", "pread:short", "pwritev:short:1:2"]
LATE = [f"{call}:late:1:7" for call in ("openat", "pread", "pwritev", "fdatasync", "fsync", "fallocate", "renameat", "unlinkat")]
STARTS_MAX = 60  # More opens than a start makes.
WRITTEN = 12


class FaultyBroker(harness.Broker):
    """`faults`, when set, is for the next start: see callfaults.cc."""

    def __init__(self, *, faults=(), **options):
        super().__init__(**options)
        self.keep_ports = True
        self.faults = faults
        self.met_file = self.root / "met"

    def start(self):
        self.met_file.unlink(missing_ok=True)
        if self.sanitized:
            pytest.skip("a sanitizer has to be the first library")  # TODO(#4)
        library = Path(os.environ.get("CALLFAULTS") or harness.REPO / "build" / "release" / "tools" / "libcallfaults.so")
        assert library.is_file(), f"no {library}; build the target callfaults"
        self.environment = {**os.environ, "LD_PRELOAD": str(library), "CALL_FAULTS": " ".join(self.faults),
                            "CALL_FAULTS_LOG": str(self.met_file)} if self.faults else None
        return super().start()

    def met(self):
        """How often each call met its fault."""
        return collections.Counter(self.met_file.read_text().split()) if self.met_file.exists() else {}


@pytest.fixture
def faulty():
    made = []

    def make(**options):
        made.append(FaultyBroker(arguments=SMALL_SEGMENTS, **options))
        return made[-1]

    yield make
    for broker in made:
        broker.close()


@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("faults", [INTERRUPTED, SHORT, LATE], ids=["interrupted", "short", "late"])
def test_everything_works_and_is_kept(faulty, faults, shards):
    broker = faulty(faults=faults, shards=shards).start()
    content = Content(seed=shards)
    content.fill(broker.ports, 2)
    met = collections.Counter(broker.met())
    for kill in (True, False, True):
        broker.restart(kill=kill)
        content.learn(broker.ports)
        met += broker.met()
    untouched = {fault.split(":")[0] for fault in faults} - set(met)
    assert not untouched - {"ftruncate", "unlinkat"}, f"{untouched} met no fault, and so proved nothing: {met}"


# -- no descriptors


def written(broker, first):
    """Tries to write; the numbers that were answered with success. An answer there must be."""
    client = Redis(broker.redis_port)
    done = set()
    for number in range(first, first + WRITTEN):
        client.send(("XADD", "s", "*", "n", number), ("SET", f"k{number}", bytes(400_000)))
        replies = [client.receive(), client.receive()]
        if not isinstance(replies[0], RedisError):
            done.add(number)
    client.close()
    return done


def check_written(broker, done, tried):
    rows = Redis(broker.redis_port).call("XRANGE", "s", "-", "+") or []
    there = [int(fields[1]) for _, fields in rows]
    assert done <= set(there) and there == sorted(set(there)) and set(there) <= set(range(tried))


@pytest.mark.parametrize("error", ["EMFILE", "EINTR"])
def test_no_open_that_fails_loses_anything(faulty, error):
    """Every open of a start and of a load that needs new segments, one after the other: either the broker says why it does
    not start, or it goes on; what it acknowledged is there. Each begins with the same files, or there would be no last open."""
    origin = faulty().start()
    kept = written(origin, 0)
    origin.restart(kill=False)
    kept |= written(origin, WRITTEN)
    origin.kill()
    refused = 0
    for number in range(1, STARTS_MAX):
        broker = faulty(faults=[f"openat:{error}:{number}:0"])
        shutil.copytree(origin.data_directory, broker.data_directory)
        try:
            broker.start()
        except harness.BrokerError as ended:
            assert error != "EINTR" and "ended by itself with 1\n" in str(ended) and "cannot start" in str(ended), ended
            refused += 1
            continue
        done = kept | written(broker, 2 * WRITTEN)
        broker.check_alive()
        met = broker.met()
        broker.kill()
        broker.faults = ()
        broker.start()
        check_written(broker, done, 3 * WRITTEN)
        broker.close()
        if not met:
            break
    assert not met and number > 5 and bool(refused) == (error != "EINTR")


@pytest.mark.parametrize("fault", ["EMFILE", "ENFILE", "ECONNABORTED", "EINTR", "ENOBUFS", "ENOMEM"])
def test_a_connection_that_could_not_be_accepted_is_accepted_later(faulty, fault):
    broker = faulty()
    for number in range(1, 8):
        broker.faults = [f"accept4:{fault}:{number}:1:3"]
        broker.start()
        clients = [Redis(broker.redis_port, timeout=10) for _ in range(4)]
        for index, client in enumerate(clients):
            assert client.call("PING") == b"PONG"
            assert client.call("INCR", "n") == (number - 1) * 4 + index + 1
        assert broker.met()
        broker.stop()
        for client in clients:
            client.close()


@pytest.mark.parametrize("shards", [1, 2])
def test_when_descriptors_run_out(faulty, shards):
    """Those who are there are served, new segments wait for descriptors, and so do new clients; none is lost."""
    broker = faulty(shards=shards).start()
    client = Redis(broker.redis_port)
    client.call("XADD", "s", "*", "n", 0)
    descriptors = Path(f"/proc/{broker.process.pid}/fd")
    _, hard = resource.prlimit(broker.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(broker.process.pid, resource.RLIMIT_NOFILE, (max(int(one.name) for one in descriptors.iterdir()) + 3, hard))
    crowd = [socket.create_connection(("127.0.0.1", broker.redis_port), timeout=20) for _ in range(20)]
    done = {0}
    for number in range(1, 40):
        client.send(("XADD", "s", "*", "n", number), ("SET", "k", bytes(400_000)))
        replies = [client.receive(), client.receive()]
        if not isinstance(replies[0], RedisError):
            done.add(number)
    broker.check_alive()
    resource.prlimit(broker.process.pid, resource.RLIMIT_NOFILE, (hard, hard))
    for one in crowd:
        one.sendall(b"PING\r\n")
        assert one.recv(100) == b"+PONG\r\n"
        one.close()

    def writes():
        client.send(("XADD", "s", "*", "n", 40))
        return not isinstance(client.receive(), RedisError)

    harness.wait_for(writes, 10, "a write, when there are descriptors again", interval=0.1)
    check_written(broker, done, 41)
    broker.restart(kill=True)
    check_written(broker, done | {40}, 41)
