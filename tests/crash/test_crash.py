"""The short form of the crash campaign, its negative control, a clean stop under load, and the restart after a million
messages. The long form is crashtest.py itself (./dev crash).
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import harness
import restart_time
from rawclients import Amqp, ConnectionLost, Redis

CRASHTEST = Path(__file__).with_name("crashtest.py")
pytestmark = pytest.mark.own


def crashtest(*arguments):
    result = subprocess.run([sys.executable, str(CRASHTEST), *arguments], capture_output=True, text=True, timeout=150)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.timeout(160)
@pytest.mark.parametrize("durability, shards, cycles", [("fsync", 2, 5), ("os", 1, 3)])
def test_nothing_acknowledged_is_lost(durability, shards, cycles):
    crashtest("--cycles", str(cycles), "--durability", durability, "--shards", str(shards))


@pytest.mark.timeout(160)
def test_deaths_and_errors_exactly_at_system_calls_lose_nothing():
    crashtest("--cycles", "6", "--at-syscalls")


@pytest.mark.timeout(160)
def test_the_campaign_sees_loss():
    """Negative control: what was acknowledged is wiped from the journal after the kill, and the checks must say so."""
    crashtest("--cycles", "2", "--shards", "1", "--sabotage")


@pytest.mark.timeout(160)
def test_back_within_a_second_with_a_million_messages():
    result = restart_time.measure(int(os.environ.get("RESTART_MESSAGES", "1000000")))
    assert result["found"] == result["wanted"], result
    assert result["start_seconds"] < restart_time.START_SECONDS_MAX, result


def test_sigterm_under_load_stops_in_time_and_loses_nothing(own_broker, name):
    """SIGTERM while two clients write: exit code 0 in under two seconds (the harness checks), acknowledged writes kept."""
    own_broker.keep_ports = True
    redis, amqp = Redis(own_broker.redis_port), Amqp(own_broker.amqp_port)
    amqp.declare(name)
    amqp.confirm_select()
    added = confirmed = sent = 0
    began = time.monotonic()
    try:
        stopping = None
        while time.monotonic() - began < 5:
            redis.send(*(("XADD", f"{name}.s", "*", "n", added + index) for index in range(20)))
            amqp.stream.send(Amqp.publish_frames("", name, b"x") * 20)
            sent += 20
            if stopping is None and time.monotonic() - began > 0.3:
                own_broker.process.terminate()
                stopping = True
            for _ in range(20):
                assert isinstance(redis.receive(), bytes)
                added += 1
            amqp.poll(0.05)
            confirmed = max([confirmed, *(tag for tag, _, _ in amqp.confirms)])
    except ConnectionLost:
        pass
    except Exception as closed:  # AMQP may say goodbye with connection.close 320 first.
        assert getattr(closed, "code", None) == 320, closed
    assert added and confirmed
    own_broker.stop(signal_sent=True)
    own_broker.start()
    assert Redis(own_broker.redis_port).call("XLEN", f"{name}.s") >= added
    assert Amqp(own_broker.amqp_port).declare(name, passive=True).message_count >= confirmed


@pytest.mark.parametrize("shards", [1, 2])
def test_a_clean_restart_keeps_everything(shards, name):
    broker = harness.Broker(shards=shards).start()
    try:
        redis, amqp = Redis(broker.redis_port), Amqp(broker.amqp_port)
        redis.call("SET", f"{name}.k", "kept", "EX", 1000)
        redis.call("XGROUP", "CREATE", f"{name}.s", "g", "$", "MKSTREAM")
        entry = redis.call("XADD", f"{name}.s", "*", "a", "1")
        redis.call("XREADGROUP", "GROUP", "g", "c", "STREAMS", f"{name}.s", ">")
        amqp.declare(name)
        amqp.declare_exchange(f"{name}.x", "topic")
        amqp.bind(name, f"{name}.x", "a.#")
        for client in (redis, amqp):
            client.close()
        for _ in range(2):
            broker.restart(kill=False)
            redis, amqp = Redis(broker.redis_port), Amqp(broker.amqp_port)
            assert redis.call("GET", f"{name}.k") == b"kept" and 900 < redis.call("TTL", f"{name}.k") <= 1000
            (row,) = redis.call("XPENDING", f"{name}.s", "g", "-", "+", 10)
            assert (row[0], row[1]) == (entry, b"c")
            amqp.confirm_select()
            amqp.stream.send(Amqp.publish_frames(f"{name}.x", "a.b.c", b"routed", mandatory=True))
            while not amqp.confirms:
                amqp.poll(5)
            assert not amqp.returns
            redis.close()
            amqp.close()
        assert Amqp(broker.amqp_port).declare(name, passive=True).message_count == 2
    finally:
        broker.close()
