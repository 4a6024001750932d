"""XREADGROUP with CLAIM (Redis 8.4): what has been pending for long enough comes before what is new, also to who waits."""

import threading
import time

import pytest
import redis


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def client(request, broker):
    with redis.Redis(broker.host, broker.redis_port, protocol=request.param, socket_timeout=30) as client:
        yield client


@pytest.fixture
def stream(client, name):
    for number in (1, 2, 3):
        client.xadd(name, {"f": f"v{number}"}, id=f"{number}-0")
    client.xgroup_create(name, "g", "0")
    return name


def entries(reply):
    """Of the one stream of a reply: [(id, fields, idle, count)]."""
    if not reply:
        return []
    raw = next(iter(reply.values())) if isinstance(reply, dict) else reply[0][1]
    return [tuple(entry) for entry in raw]


def read(client, stream, consumer, *options):
    # As it comes: the client's own parser knows entries of two parts only.
    return entries(client.execute_command("XREADGROUP", "GROUP", "g", consumer, *options, "STREAMS", stream, ">",
                                          NEVER_DECODE=[]) or [])


@pytest.fixture(autouse=True)
def replies_as_they_come(client):
    client.set_response_callback("XREADGROUP", lambda reply, **_: reply)


def owners(client, stream):
    return {p["message_id"].decode(): (p["consumer"].decode(), p["times_delivered"])
            for p in client.xpending_range(stream, "g", "-", "+", 10)}


def test_old_ones_come_first_and_say_so(client, stream):
    assert [e[0] for e in read(client, stream, "one", "COUNT", 2)] == [b"1-0", b"2-0"]
    assert read(client, stream, "two", "CLAIM", 60_000) == [(b"3-0", [b"f", b"v3"], 0, 0)]
    time.sleep(0.15)
    client.xadd(stream, {"f": "v4"}, id="4-0")
    got = read(client, stream, "three", "COUNT", 3, "CLAIM", 100)
    assert [e[0] for e in got] == [b"1-0", b"2-0", b"3-0"]
    assert all(idle >= 100 and count == 1 for _, _, idle, count in got)
    assert owners(client, stream) == {"1-0": ("three", 2), "2-0": ("three", 2), "3-0": ("three", 2)}
    assert read(client, stream, "four", "CLAIM", 60_000) == [(b"4-0", [b"f", b"v4"], 0, 0)]
    got = read(client, stream, "five", "CLAIM", 0)
    assert [(e[0], e[3]) for e in got] == [(b"1-0", 2), (b"2-0", 2), (b"3-0", 2), (b"4-0", 1)]
    assert read(client, stream, "five", "CLAIM", 60_000) == []


def test_what_is_gone_is_no_longer_pending(client, stream):
    read(client, stream, "one")
    client.xdel(stream, "2-0")
    assert [e[0] for e in read(client, stream, "two", "CLAIM", 0)] == [b"1-0", b"3-0"]
    assert list(owners(client, stream)) == ["1-0", "3-0"]


def test_without_acknowledgement_new_ones_are_not_pending(client, stream):
    read(client, stream, "one", "COUNT", 1)
    assert len(read(client, stream, "one", "NOACK", "CLAIM", 0)) == 3
    assert owners(client, stream) == {"1-0": ("one", 2)}


def test_own_pending_entries_are_read_as_ever(client, stream):
    read(client, stream, "one", "COUNT", 1)
    again = client.execute_command("XREADGROUP", "GROUP", "g", "one", "CLAIM", 0, "STREAMS", stream, "0")
    assert entries(again) == [(b"1-0", [b"f", b"v1"])]


def test_who_waits_gets_it_when_it_is_old_enough(client, stream):
    read(client, stream, "one")
    begun = time.monotonic()
    got = read(client, stream, "two", "BLOCK", 20_000, "CLAIM", 400)
    taken = time.monotonic() - begun
    assert [e[0] for e in got] == [b"1-0", b"2-0", b"3-0"]
    assert all(idle >= 400 for _, _, idle, _ in got)
    assert 0.3 < taken < 15


def test_what_another_gets_meanwhile_grows_old_too(client, broker, stream):
    read(client, stream, "one", "NOACK")
    got = {}

    def wait(consumer, *options):
        with redis.Redis(broker.host, broker.redis_port, socket_timeout=30) as other:
            other.set_response_callback("XREADGROUP", lambda reply, **_: reply)
            got[consumer] = read(other, stream, consumer, "BLOCK", 20_000, *options)

    first = threading.Thread(target=wait, args=("first",))
    second = threading.Thread(target=wait, args=("second", "CLAIM", 300))
    for thread, count in ((first, 1), (second, 2)):
        thread.start()
        deadline = time.monotonic() + 10
        while client.info("clients")["blocked_clients"] < count and time.monotonic() < deadline:
            time.sleep(0.01)
    client.xadd(stream, {"f": "v9"}, id="9-0")
    first.join(20)
    second.join(20)
    assert [e[0] for e in got["first"]] == [b"9-0"]
    assert [(e[0], e[3]) for e in got["second"]] == [(b"9-0", 1)]
    assert owners(client, stream) == {"9-0": ("second", 2)}


@pytest.mark.parametrize("idle, text", [("x", "min-idle-time is not an integer"), ("+1", "min-idle-time is not an integer"),
                                        ("1.5", "min-idle-time is not an integer"),
                                        ("-1", "min-idle-time must be a positive integer")])
def test_what_is_no_idle_time(client, stream, idle, text):
    with pytest.raises(redis.ResponseError, match=text):
        read(client, stream, "one", "CLAIM", idle)


def test_only_groups_claim(client, stream):
    with pytest.raises(redis.ResponseError, match="only supported by XREADGROUP"):
        client.execute_command("XREAD", "CLAIM", 1, "STREAMS", stream, "0")
