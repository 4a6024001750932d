"""Redis ground: redis-benchmark for XADD, SET, GET; a hiredis program for groups and subscribers."""

import csv
import io

from peers.cell import Cell, PeerError, execute, flow

MODES = (("none", "os", "no persistence"), ("everysec", "interval", "everysec"), ("always", "fsync", "always"))
SIZES = {"100b": 100, "1k": 1024, "10k": 10240, "100k": 102400, "1m": 1 << 20}


def benchmark(port, count, pipeline, connections, *command, size=0):
    """One redis-benchmark; its latency is that of a whole pipeline. With `size` the last argument is so many bytes, which
    come by its standard input, as a word of a command line is limited."""
    options = ["-x"] if size else []
    result = execute(["redis-benchmark", "-p", port, "--csv", "--precision", "3", "-n", count, "-c", connections, "-P",
                      pipeline, *options, *command], input="x" * size if size else None)
    if "ERR" in result.stderr or "rror" in result.stdout:
        raise PeerError(f"redis-benchmark: {(result.stdout + result.stderr)[-300:]}")
    rate, _, _, p50, _, p99, highest = map(float, list(csv.reader(io.StringIO(result.stdout)))[-1][1:8])
    return {"count": count, "seconds": count / rate, "rate": rate,
            "confirmed": {"p50_us": p50 * 1000, "p99_us": p99 * 1000, "max_us": highest * 1000}}


def call(run, *command):
    return execute(["redis-cli", "-p", run.server.redis_port, *command]).stdout.strip()


def xadd_step(run, stream, size, pipeline, connections):
    def step(count):
        return benchmark(run.server.redis_port, count, pipeline, connections, "xadd", stream, "*", "field", size=size - 5)
    return step


def add_measured(run, size, pipeline, connections):
    """XADD to a stream of its own, after a first run on another that says how many."""
    first = max(connections * pipeline, 200 if size > 50000 or connections == 1 else 5000)
    count = run.calibrated("xadd", first, xadd_step(run, run.key + "-first", size, pipeline, connections))
    call(run, "del", run.key + "-first")
    step = xadd_step(run, run.key, size, pipeline, connections)
    run.measure("xadd", lambda: step(count), size)
    if int(call(run, "xlen", run.key)) < count:
        raise PeerError(f"XLEN is less than the {count} entries that were added")
    return count


def xadd(size, pipeline, connections):
    def load(run):
        add_measured(run, size, pipeline, connections)
        call(run, "del", run.key)
    return load


def group(size):
    def load(run):
        count = add_measured(run, size, 64, 50)
        run.measure("group", lambda: flow("redis_flow", run.server.redis_port, name=run.key, mode="group", count=count), size)
        call(run, "del", run.key)
    return load


def pubsub(size, subscribers):
    def load(run):
        run.measure("pubsub", lambda: flow("redis_flow", run.server.redis_port, name=run.key, mode="pubsub", size=size,
                                           subscribers=subscribers, seconds=run.seconds), size)
    return load


def string(size, pipeline):
    """SET over 10,000 keys, then GET of them."""
    def load(run):
        port = run.server.redis_port
        key = run.key[-6:] + ":__rand_int__"
        for name, command in (("set", ("set", key)), ("get", ("get", key))):
            def step(count, command=command):
                return benchmark(port, count, pipeline, 50, "-r", "10000", *command, size=size if command[0] == "set" else 0)
            count = run.calibrated(name, 20000, step)
            run.measure(name, lambda step=step, count=count: step(count), size)
    return load


def _xadd_cells():
    p16 = {"none": 1.2, "everysec": 2, "always": 3}
    single = {"none": 1.0, "everysec": 1.1, "always": 2}
    large = {"none": 1.3, "everysec": 3, "always": 5}
    # The group cells add 1k with pipeline 64 first, so that row is theirs.
    rows = [("1k", 16, 50, p16), ("1k", 1, 50, single), ("1k", 1, 1, {}), ("100b", 16, 50, {}),
            ("10k", 16, 50, {}), ("100k", 1, 50, large), ("1m", 1, 50, large)]
    for size, pipeline, connections, aims in rows:
        for peer, ours, words in MODES:
            if peer == "everysec" and not aims:
                continue
            yield Cell(f"redis/xadd/{size}/p{pipeline}/c{connections}/{peer}",
                       f"XADD {size}, pipeline {pipeline}, {connections} connection{'s' * (connections > 1)}, {words}",
                       f"redis:{peer}", ours, xadd(SIZES[size], pipeline, connections),
                       {"xadd": aims[peer]} if peer in aims else {},
                       {"xadd": 0.5} if (pipeline, connections, peer) == (1, 1, "always") else {},
                       smoke=(size, pipeline) == ("1k", 16))


def _group_cells():
    for peer, ours, words in MODES:
        yield Cell(f"redis/group/1k/p64/c50/{peer}",
                   f"XADD 1k, pipeline 64, 50 connections; then XREADGROUP COUNT 500 and XACK, {words}", f"redis:{peer}", ours,
                   group(1024), {"group": 1.2, "xadd": {"none": 1.2, "everysec": 2, "always": 3}[peer]}, smoke=True)
    yield Cell("redis/group/10k/none", "XADD 10k, pipeline 64; then XREADGROUP COUNT 500 and XACK, no persistence",
               "redis:none", "os", group(10240))


def cells():
    yield from _xadd_cells()
    yield from _group_cells()
    yield Cell("redis/pubsub/1k/1", "PUBLISH 1k to 1 subscriber", "redis:none", "os", pubsub(1024, 1))
    yield Cell("redis/pubsub/1k/10", "PUBLISH 1k to 10 subscribers", "redis:none", "os", pubsub(1024, 10))
    for peer, ours, words in (MODES[0], ("no", "os", "appendfsync no"), MODES[2]):
        yield Cell(f"redis/string/100b/p16/{peer}", f"SET and GET of 100 bytes, 10,000 keys, pipeline 16, {words}",
                   f"redis:{peer}", ours, string(100, 16))
    yield Cell("redis/string/100b/p1/none", "SET and GET of 100 bytes, 10,000 keys, no pipeline, no persistence",
               "redis:none", "os", string(100, 1))
