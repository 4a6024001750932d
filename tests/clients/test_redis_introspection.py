"""What Redis's server commands tell and do to other clients, with redis-py, redis-cli and plain sockets, on one shard and on
several: counts of commands, CLIENT PAUSE, MONITOR, client tracking.

Each test says what must hold however many shards there are.
"""

import os
import pty
import re
import socket
import subprocess
import threading
import time

import pytest
import redis

import harness


@pytest.fixture(scope="module", params=[1, 2])
def server(request):
    broker = harness.Broker(shards=request.param).start()
    yield broker
    broker.check_alive()
    broker.close()


@pytest.fixture
def client(server):
    with redis.Redis(server.host, server.redis_port, socket_timeout=20, decode_responses=True) as one:
        yield one


class Plain:
    """Requests as inline lines, replies and pushes as the lines that came."""

    def __init__(self, server):
        self.socket = socket.create_connection((server.host, server.redis_port))
        self.socket.settimeout(20)
        self.bytes = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *requests):
        self.socket.sendall(b"".join(request.encode() + b"\r\n" for request in requests))

    def read_until(self, text):
        while text not in self.bytes:
            more = self.socket.recv(65536)
            if not more:
                raise AssertionError(f"closed after {self.bytes!r}")
            self.bytes += more
        end = self.bytes.index(text) + len(text)
        read, self.bytes = self.bytes[:end], self.bytes[end:]
        return read

    def nothing_more(self, seconds=0.3):
        self.socket.settimeout(seconds)
        try:
            self.bytes += self.socket.recv(65536)
        except TimeoutError:
            pass
        self.socket.settimeout(20)
        return self.bytes


def invalidation(*keys):
    listed = b"".join(b"$%d\r\n%s\r\n" % (len(key), key.encode()) for key in keys)
    return b">2\r\n$10\r\ninvalidate\r\n*%d\r\n%s" % (len(keys), listed)


def names(count):
    """Keys that several shards have a part of."""
    return [f"tracked-{index}" for index in range(count)]


# --- counts

def test_commands_are_counted_wherever_they_run(client):
    client.config_resetstat()
    keys = names(20)
    for key in keys:
        client.set(key, "text")
    for key in keys:
        with pytest.raises(redis.ResponseError):
            client.execute_command("INCR", key)
    with pytest.raises(redis.ResponseError):
        client.execute_command("GET")
    with pytest.raises(redis.ResponseError):
        client.execute_command("NOSUCH")
    stats = client.info("commandstats")
    assert {key: stats["cmdstat_set"][key] for key in ("calls", "rejected_calls", "failed_calls")} == {
        "calls": 20, "rejected_calls": 0, "failed_calls": 0}
    assert (stats["cmdstat_incr"]["calls"], stats["cmdstat_incr"]["failed_calls"]) == (20, 20)
    assert (stats["cmdstat_get"]["calls"], stats["cmdstat_get"]["rejected_calls"]) == (0, 1)
    assert client.info("errorstats")["errorstat_ERR"]["count"] == 22
    assert client.info("stats")["total_error_replies"] == 22
    latency = client.info("latencystats")
    assert set(latency["latency_percentiles_usec_set"]) == {"p50", "p99", "p99.9"}
    histogram = client.execute_command("LATENCY", "HISTOGRAM", "set")
    assert histogram[0] == "set" and histogram[1][1] == 20
    client.config_resetstat()
    assert "cmdstat_set" not in client.info("commandstats")
    assert "cmdstat_set" not in client.info() and "errorstat_ERR" not in client.info()


def test_slow_commands_are_latency_events(client):
    client.config_set("latency-monitor-threshold", 50)
    try:
        client.eval("local t = os.clock() while os.clock() - t < 0.12 do end", 0)
        latest = client.execute_command("LATENCY LATEST")
        assert latest[0][0] == "command" and 50 <= latest[0][2] == latest[0][3]
        assert len(client.execute_command("LATENCY HISTORY", "command")) == 1
        assert "command" in client.execute_command("LATENCY DOCTOR")
        assert client.execute_command("LATENCY GRAPH", "command").startswith("command - high ")
        assert client.execute_command("LATENCY RESET") == 1
        assert client.execute_command("LATENCY LATEST") == []
    finally:
        client.config_set("latency-monitor-threshold", 0)


def test_what_waits_is_in_the_slow_log_when_it_is_served(server, client):
    before = client.config_get("slowlog-log-slower-than")["slowlog-log-slower-than"]
    client.config_set("slowlog-log-slower-than", 0)
    try:
        client.slowlog_reset()

        def logged():
            return [entry for entry in client.slowlog_get(100) if entry["command"].startswith(b"BLPOP")]

        with redis.Redis(server.host, server.redis_port, client_name="waiter", single_connection_client=True) as waiter:
            waiter.connection.send_command("BLPOP", "slow-list", 0)
            harness.wait_for(lambda: any("b" in row["flags"] for row in client.client_list()), 10, "it waits")
            assert logged() == []
            client.rpush("slow-list", "x")
            assert waiter.connection.read_response() == [b"slow-list", b"x"]
        assert len(logged()) == 1 and logged()[0]["command"] == b"BLPOP slow-list 0"
    finally:
        client.config_set("slowlog-log-slower-than", before)


# --- pause

def test_a_pause_of_writes_holds_them_and_nothing_else(server, client):
    keys = names(8)
    for key in keys:
        client.set(key, "before")
    assert client.client_pause(60_000, all=False)
    waiting = [Plain(server) for _ in keys]
    for key, one in zip(keys, waiting):
        one.send(f"SET {key} after", f"GET {key}", "SET k")
    assert [client.get(key) for key in keys] == ["before"] * len(keys)
    assert client.ping()
    harness.wait_for(lambda: client.info("clients")["blocked_clients"] == len(keys), 10, "all wait")
    # A request that is wrong is told so at once, and a transaction waits for what it would do.
    with pytest.raises(redis.ResponseError, match="wrong number"):
        client.execute_command("SET k")
    with Plain(server) as plain:
        plain.send("MULTI", "GET k", "EXEC")
        plain.read_until(b"QUEUED\r\n*1\r\n")
    for what in ("PUBLISH a b", "EVAL 'return 1' 0", "PFCOUNT k"):
        with Plain(server) as plain:
            plain.send(what)
            assert plain.nothing_more(0.1) == b"", what
    with Plain(server) as plain:
        plain.send('EVAL "#!lua flags=no-writes\\nreturn 5" 0')
        plain.read_until(b":5\r\n")
    assert client.client_unpause()
    for one in waiting:
        one.read_until(b"+OK\r\n$5\r\nafter\r\n-ERR wrong number of arguments for 'set' command\r\n")
        one.__exit__()
    assert client.info("clients")["blocked_clients"] == 0


def test_a_pause_ends_by_itself_and_holds_who_waits_for_a_key(server, client):
    with Plain(server) as blocked:
        blocked.send("BLPOP paused-list 0")
        harness.wait_for(lambda: client.info("clients")["blocked_clients"] == 1, 10, "it waits")
        began = time.monotonic()
        client.client_pause(700, all=True)
        assert client.ping()
        assert time.monotonic() - began > 0.6
        client.rpush("paused-list", "x")
        blocked.read_until(b"x\r\n")
    for bad, why in (("x", "not an integer"), ("-1", "negative")):
        with pytest.raises(redis.ResponseError, match=why):
            client.execute_command("CLIENT PAUSE", bad)
    with pytest.raises(redis.ResponseError, match="must be WRITE or ALL"):
        client.execute_command("CLIENT PAUSE", 1, "READ")


def test_who_leaves_in_a_pause_is_gone(server, client):
    client.client_pause(30_000, all=False)
    with Plain(server) as plain:
        plain.send("SET gone-in-pause 1")
        harness.wait_for(lambda: client.info("clients")["blocked_clients"] == 1, 10, "it waits")
    harness.wait_for(lambda: client.info("clients")["blocked_clients"] == 0, 10, "it is gone")
    client.client_unpause()
    assert client.get("gone-in-pause") is None


# --- replies

def test_replies_are_turned_on_again(server):
    with Plain(server) as plain:
        plain.send("CLIENT REPLY OFF", "PING a", "CLIENT REPLY BOGUS", "CLIENT REPLY ON", "PING b")
        assert plain.read_until(b"b\r\n") == b"+OK\r\n$1\r\nb\r\n"
        plain.send("CLIENT REPLY SKIP", "CLIENT REPLY ON", "CLIENT REPLY SKIP", "PING c", "PING d")
        assert plain.read_until(b"d\r\n") == b"+OK\r\n$1\r\nd\r\n"
        plain.send("CLIENT REPLY OFF", "RESET", "PING e")
        assert plain.read_until(b"e\r\n") == b"+RESET\r\n$1\r\ne\r\n"


# --- monitor

def test_a_monitor_hears_of_the_commands_of_all_shards(server, client):
    keys = names(12)
    with Plain(server) as monitor:
        monitor.send("MONITOR")
        monitor.read_until(b"+OK\r\n")
        for key in keys:
            client.set(key, "v")
        with pytest.raises(redis.AuthenticationError):
            client.execute_command("AUTH", "nobody", "topsecret")
        client.echo("the end")
        lines = monitor.read_until(b'"ECHO" "the end"\r\n').decode()
        assert {key for key in keys if re.search(rf'^\+\d+\.\d{{6}} \[0 [\d.]+:\d+\] "SET" "{key}" "v"\r$', lines, re.M)} == set(keys)
        assert '"AUTH" "(redacted)" "(redacted)"' in lines and "topsecret" not in lines
        assert [one for one in client.client_list() if one["flags"] == "O"]
        monitor.send("GET k", "RESET")
        monitor.read_until(b"-ERR Replica can't interact with the keyspace\r\n")
        monitor.read_until(b"+RESET\r\n")
        client.echo("nobody listens")
        assert monitor.nothing_more() == b""
    # One that does not read is disconnected.
    with Plain(server) as lazy:
        lazy.send("CLIENT SETNAME lazy", "MONITOR")
        lazy.read_until(b"+OK\r\n+OK\r\n")
        big = "x" * 1_000_000
        for _ in range(60):
            client.set("big", big)
            if "lazy" not in [one["name"] for one in client.client_list()]:
                break
        assert "lazy" not in [one["name"] for one in client.client_list()]


# --- tracking

def test_whoever_changes_what_was_read_it_is_told(server, client):
    keys = names(16)
    with Plain(server) as tracking:
        tracking.send("HELLO 3", "CLIENT TRACKING ON", "PING")
        tracking.read_until(b"+PONG\r\n")
        for key in keys:
            client.set(key, "1")
        tracking.send(*(f"GET {key}" for key in keys), "PING")
        tracking.read_until(b"+PONG\r\n")
        for key in keys:
            client.set(key, "2")
        seen = b""
        while any(invalidation(key) not in seen for key in keys):
            seen += tracking.read_until(b"\r\n")
        assert tracking.nothing_more() == b""
        # Once only, and all at once when everything goes.
        client.set(keys[0], "3")
        assert tracking.nothing_more() == b""
        tracking.send(f"GET {keys[0]}", "PING")
        tracking.read_until(b"+PONG\r\n")
        client.flushall()
        tracking.read_until(b">2\r\n$10\r\ninvalidate\r\n_\r\n")


def test_a_key_that_expires_is_told(server, client):
    with Plain(server) as tracking:
        tracking.send("HELLO 3", "CLIENT TRACKING ON", "SET expiring 1 PX 200", "GET expiring", "PING")
        tracking.read_until(b"+PONG\r\n")
        tracking.read_until(invalidation("expiring"))


def test_prefixes_are_told_of_by_all_shards(server, client):
    keys = [f"{kind}:{index}" for kind in "xyz" for index in range(8)]
    with Plain(server) as tracking, Plain(server) as other:
        tracking.send("HELLO 3", "CLIENT TRACKING ON BCAST PREFIX x: PREFIX y:", "PING")
        tracking.read_until(b"+PONG\r\n")
        other.send("HELLO 3", "CLIENT TRACKING ON BCAST NOLOOP", "SET x:own 1", "PING")
        other.read_until(b"+PONG\r\n")
        for key in keys:
            client.set(key, "1")
        seen = b""
        while any(b"\r\n%s\r\n" % key.encode() not in seen for key in keys[:16] + ["x:own"]):
            seen += tracking.read_until(b"\r\n")
            seen = seen.replace(b"\r\n\r\n", b"\r\n")
        assert b"z:" not in seen
        seen = b""
        while any(b"\r\n%s\r\n" % key.encode() not in seen for key in keys):
            seen += other.read_until(b"\r\n")
        assert b"x:own" not in seen
    harness.wait_for(lambda: client.info("stats")["tracking_total_prefixes"] == 0, 10, "who is gone is forgotten")


def test_invalidations_go_elsewhere_when_asked_for(server, client):
    keys = names(8)
    with Plain(server) as listener, Plain(server) as tracking:
        listener.send("CLIENT ID")
        number = int(listener.read_until(b"\r\n")[1:])
        listener.send("SUBSCRIBE __redis__:invalidate")
        listener.read_until(b":1\r\n")
        tracking.send(f"CLIENT TRACKING ON REDIRECT {number}", *(f"GET {key}" for key in keys), "PING")
        tracking.read_until(b"+PONG\r\n")
        for key in keys:
            client.set(key, "new")
        seen = b""
        while any(b"*1\r\n$%d\r\n%s\r\n" % (len(key), key.encode()) not in seen for key in keys):
            seen += listener.read_until(b"\r\n")
        assert seen.startswith(b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n")
        tracking.send("CLIENT TRACKING ON REDIRECT 99999999")
        tracking.read_until(b"-ERR The client ID you want redirect to does not exist\r\n")
        tracking.send("HELLO 3", f"GET {keys[0]}", "PING")
        tracking.read_until(b"+PONG\r\n")
        listener.__exit__()
        harness.wait_for(lambda: str(number) not in [one["id"] for one in client.client_list()], 10, "the listener is gone")
        client.set(keys[0], "newer")
        tracking.read_until(b">2\r\n$21\r\ntracking-redir-broken\r\n:%d\r\n" % number)


def test_a_blocked_client_is_told_while_it_waits(server, client):
    client.set("told-while-blocked", 1)
    with Plain(server) as tracking:
        tracking.send("HELLO 3", "CLIENT TRACKING ON", "GET told-while-blocked", "BLPOP nothing-comes 0")
        harness.wait_for(lambda: client.info("clients")["blocked_clients"] == 1, 10, "it waits")
        client.set("told-while-blocked", 2)
        tracking.read_until(b"$1\r\n1\r\n" + invalidation("told-while-blocked"))
        client.rpush("nothing-comes", "x")
        tracking.read_until(b"x\r\n")


def test_streams_of_other_protocols_are_not_kept(server, client):
    amqp = pytest.importorskip("pika")
    with Plain(server) as tracking:
        tracking.send("HELLO 3", "CLIENT TRACKING ON", "EXISTS by-amqp", "PING")
        tracking.read_until(b"+PONG\r\n")
        connection = amqp.BlockingConnection(amqp.URLParameters(server.amqp_url))
        connection.channel().queue_declare("by-amqp", durable=True)
        tracking.read_until(invalidation("by-amqp"))
        tracking.send("XLEN by-amqp")
        tracking.read_until(b":0\r\n" + invalidation("by-amqp"))
        connection.channel().queue_delete("by-amqp")
        connection.close()


def test_the_table_is_bounded(server, client):
    client.config_set("tracking-table-max-keys", 10)
    try:
        keys = names(100)
        with Plain(server) as tracking:
            tracking.send("HELLO 3", "CLIENT TRACKING ON", *(f"GET {key}" for key in keys), "PING")
            seen = tracking.read_until(b"+PONG\r\n")
            harness.wait_for(lambda: client.info("stats")["tracking_total_keys"] <= 10, 10, "most have made way")
            for key in keys:
                client.set(key, "1")
            tracking.nothing_more()
            # Each is told once, be it that it had to make way or that it has changed.
            tracking.send("PING")
            told = seen + tracking.read_until(b"+PONG\r\n")
            assert sorted(re.findall(rb"tracked-\d+", told)) == sorted(key.encode() for key in keys)
    finally:
        client.config_set("tracking-table-max-keys", 1_000_000)


def test_what_a_client_keeps_is_never_stale(server):
    """Clients read and keep under load, others write; after a silence, what is kept is what is there."""
    keys = names(40)
    stop = time.monotonic() + 3
    errors = []

    def write(seed):
        try:
            with redis.Redis(server.host, server.redis_port, socket_timeout=20) as one:
                index = seed
                while time.monotonic() < stop:
                    index += 7
                    key = keys[index % len(keys)]
                    pipe = one.pipeline(transaction=False)
                    if index % 5 == 0:
                        pipe.delete(key)
                    else:
                        pipe.set(key, index)
                    pipe.set(keys[(index * 3) % len(keys)], -index)
                    pipe.execute()
        except Exception as why:  # noqa: BLE001
            errors.append(why)

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(3)]
    for one in writers:
        one.start()
    cache = {}
    index = 0
    with Plain(server) as reader:
        stream = reader.socket.makefile("rb")
        reader.send("HELLO 3", "CLIENT TRACKING ON", "PING")
        while stream.readline() != b"+PONG\r\n":
            pass

        def value(line):
            if line == b"_\r\n":
                return None
            assert line.startswith(b"$"), line
            return stream.read(int(line[1:]) + 2)[:-2]

        def take():
            """One reply; applies what comes before it."""
            while True:
                line = stream.readline()
                if not line.startswith(b">2"):
                    return value(line) if line != b"+PONG\r\n" else line
                assert value(stream.readline()) == b"invalidate"
                count = int(stream.readline()[1:])
                for _ in range(count):
                    cache.pop(value(stream.readline()).decode(), None)

        while time.monotonic() < stop + 0.5:
            index += 1
            key = keys[index % len(keys)]
            if key not in cache:
                reader.send(f"GET {key}")
                cache[key] = take()
            elif index % 50 == 0:
                reader.send("PING")
                take()
        for one in writers:
            one.join()
        time.sleep(0.5)
        reader.send("PING")
        take()
    assert not errors
    with redis.Redis(server.host, server.redis_port) as one:
        assert cache == {key: one.get(key) for key in cache}
    assert len(cache) > 10


# --- tools

def run_cli(server, *arguments):
    command = ["redis-cli", "-h", server.host, "-p", str(server.redis_port), *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=True).stdout


def watch_with_cli(server, *arguments, until):
    """What it shows on a terminal, as far as the first line that matches."""
    terminal, inside = pty.openpty()
    process = subprocess.Popen(["redis-cli", "-h", server.host, "-p", str(server.redis_port), *arguments],
                               stdin=subprocess.DEVNULL, stdout=inside, stderr=inside)
    os.close(inside)
    shown = ""
    try:
        deadline = time.monotonic() + 20
        while not re.search(until, shown):
            assert time.monotonic() < deadline, shown
            shown += os.read(terminal, 65536).decode()
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def test_cli_watches_the_server(server, client):
    client.flushall()
    client.set("a-string", "x" * 1000)
    client.rpush("a-list", *range(50))
    client.xadd("a-stream", {"f": "v"})
    watch_with_cli(server, "--stat", "-i", "0.1", until=r"\n3 +[\d.]+M +\d+ +\d+ +\d+ \(\+\d+\)")
    output = run_cli(server, "--bigkeys")
    assert 'Biggest string found \'"a-string"\' has 1000 bytes' in output, output
    assert 'Biggest   list found \'"a-list"\' has 50 items' in output, output
    assert 'Biggest stream found \'"a-stream"\' has 1 entries' in output, output
    watch_with_cli(server, "--latency", until=r"min: \d+, max: \d+, avg: [\d.]+ \(\d\d+ samples\)")
    assert "Biggest string" in run_cli(server, "--memkeys")
    with subprocess.Popen(["redis-cli", "-h", server.host, "-p", str(server.redis_port), "MONITOR"], stdout=subprocess.PIPE,
                          text=True, stdin=subprocess.DEVNULL) as process:
        assert process.stdout.readline() == "OK\n"
        client.get("a-string")
        assert '"GET" "a-string"' in process.stdout.readline()
        process.kill()
