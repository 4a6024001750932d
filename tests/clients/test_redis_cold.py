"""Commands that read entries which are not in memory: they answer what they would if it were, in their order, and deliver everything once, while the files leave memory all the time."""

import socket
import threading
import time

import pytest
import redis
from harness import FilesLeaveMemory

STREAMS, ENTRIES, SIZE = 6, 300, 3000


def connect(broker):
    return redis.Redis(broker.host, broker.redis_port, socket_timeout=60)


@pytest.fixture
def streams(own_broker, name):
    """Their batches lie between each other's, and none is in the server's own memory."""
    names = [f"{name}.{i}" for i in range(STREAMS)]
    with connect(own_broker) as client:
        for number in range(1, ENTRIES + 1, 5):
            pipe = client.pipeline(transaction=False)
            for stream in names:
                for each in range(number, number + 5):
                    pipe.xadd(stream, {"f": f"{each}" + "x" * SIZE}, id=f"{each}-0")
            pipe.execute()
        for stream in names:
            client.xgroup_create(stream, "g", "0")
    own_broker.restart(kill=False)
    return names


def ids(entries):
    return [entry[0].decode() for entry in entries]


def numbers(first, last):
    return [f"{i}-0" for i in range(first, last + 1)]


def questions(stream):
    return [("XRANGE", stream, "-", "+"), ("XRANGE", stream, "(17", "250", "COUNT", "100"), ("XREVRANGE", stream, "+", "-", "COUNT", "40"),
            ("XREVRANGE", stream, "200", "20"), ("XREAD", "COUNT", "7", "STREAMS", stream, "100"), ("XINFO", "STREAM", stream, "FULL"),
            ("XINFO", "STREAM", stream), ("XLEN", stream), ("XREAD", "STREAMS", stream, "+"), ("XRANGE", stream, "301", "+")]


def raw(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in (word.encode() for word in words))


def answer_bytes(broker, requests, size=None):
    """What comes back until nothing more does: a PING at the end says when."""
    mark = b"$%d\r\n%s\r\n" % (len("the end"), b"the end")
    with socket.create_connection((broker.host, broker.redis_port), 60) as connection:
        connection.sendall(b"".join(raw(*words) for words in requests) + raw("ECHO", "the end"))
        got = b""
        while not got.endswith(mark):
            piece = connection.recv(1 << 20)
            assert piece, "the connection ended"
            got += piece
        return got[:-len(mark)]


def test_answers_are_the_same_to_the_last_byte(own_broker, streams):
    requests = [words for stream in streams for words in questions(stream)]
    warm = answer_bytes(own_broker, requests)
    own_broker.restart(kill=False)
    with FilesLeaveMemory(own_broker):
        for _ in range(5):
            assert answer_bytes(own_broker, requests) == warm


def test_a_pipeline_keeps_its_order(own_broker, streams):
    with connect(own_broker) as client, FilesLeaveMemory(own_broker):
        for turn in range(8):
            pipe = client.pipeline(transaction=False)
            for stream in streams:
                number = ENTRIES + 1 + turn
                pipe.xrange(stream, "-", "+", count=number + 5)
                pipe.xadd(stream, {"f": "v"}, id=f"{number}-0")
                pipe.xlen(stream)
                pipe.xrevrange(stream, "+", "-", count=2)
                pipe.set(f"{stream}.k", number)
                pipe.xread({stream: "0"}, count=2)
                pipe.get(f"{stream}.k")
            got = pipe.execute()
            for i in range(0, len(got), 7):
                assert ids(got[i]) == numbers(1, number - 1)
                assert got[i + 2] == number
                assert ids(got[i + 3]) == [f"{number}-0", f"{number - 1}-0"]
                assert ids(got[i + 5][0][1]) == ["1-0", "2-0"]
                assert got[i + 6] == str(number).encode()


def test_a_transaction_behind_it_comes_behind_it(own_broker, streams):
    with connect(own_broker) as client, FilesLeaveMemory(own_broker):
        for stream in streams:
            got = answer_bytes(own_broker, [("XRANGE", stream, "-", "+", "COUNT", "1"), ("MULTI",), ("DEL", stream), ("XLEN", stream), ("EXEC",),
                                            ("XRANGE", stream, "-", "+")])
            assert got.startswith(b"*1\r\n*2\r\n$3\r\n1-0\r\n")
            assert got.endswith(b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:0\r\n*0\r\n")


def take_all(broker, stream, consumer, taken, stop_at):
    with connect(broker) as client:
        while True:
            got = client.xreadgroup("g", consumer, {stream: ">"}, count=7)
            if not got:
                return
            taken.extend(ids(got[0][1]))
            if len(taken) >= stop_at:
                return


def test_a_group_gives_each_entry_to_one(own_broker, streams):
    with FilesLeaveMemory(own_broker):
        taken = {(stream, c): [] for stream in streams[:3] for c in "abc"}
        threads = [threading.Thread(target=take_all, args=(own_broker, stream, c, taken[stream, c], ENTRIES)) for stream, c in taken]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with connect(own_broker) as client:
            for stream in streams[:3]:
                lists = [taken[stream, c] for c in "abc"]
                assert sorted(sum(lists, []), key=lambda i: int(i.split("-")[0])) == numbers(1, ENTRIES)
                for c in "abc":
                    again = client.xreadgroup("g", c, {stream: "0"}, count=1000)
                    assert ids(again[0][1]) == taken[stream, c]
                first, claimed, gone = client.execute_command("XAUTOCLAIM", stream, "g", "d", 0, "-", "COUNT", 500)
                assert (ids(claimed), gone) == (numbers(1, ENTRIES), [])
                assert client.xclaim(stream, "g", "e", 0, ["5-0", "250-0"], justid=True) == [b"5-0", b"250-0"]
                assert client.xpending(stream, "g")["pending"] == ENTRIES


def test_who_leaves_in_the_middle_takes_nothing_along(own_broker, streams):
    stream = streams[0]
    with FilesLeaveMemory(own_broker, pause=0.003):
        for turn in range(60):
            with socket.create_connection((own_broker.host, own_broker.redis_port), 60) as connection:
                connection.sendall(raw("XREADGROUP", "GROUP", "g", f"c{turn}", "COUNT", "2", "STREAMS", stream, ">"))
                time.sleep(turn % 4 * 0.002)
        with connect(own_broker) as client:
            taken = []
            take_all(own_broker, stream, "rest", taken, ENTRIES)
            pending = [p["message_id"].decode() for p in client.xpending_range(stream, "g", "-", "+", 1000)]
            assert pending == numbers(1, ENTRIES)
            assert taken == numbers(ENTRIES - len(taken) + 1, ENTRIES)
            assert own_broker.process.poll() is None


def test_unblocking_does_not_end_it(own_broker, streams):
    with connect(own_broker) as client, connect(own_broker) as other, FilesLeaveMemory(own_broker, pause=0.001):
        number = client.client_id()
        over = threading.Event()

        def unblock():
            while not over.wait(0.001):
                other.client_unblock(number)

        thread = threading.Thread(target=unblock)
        thread.start()
        try:
            for _ in range(30):
                for stream in streams:
                    assert ids(client.xread({stream: "0"}, count=3, block=5000)[0][1]) == ["1-0", "2-0", "3-0"]
        finally:
            over.set()
            thread.join()
