#!/usr/bin/env python3
"""Fills many streams with small records, one batch each, and watches what the broker's index takes of memory; then kills it
and measures its start and random reads.

  large_index.py [--records 100000000] [--logs 10000] [--size 100] [--durability os] [--shards 1] [--root DIRECTORY]
                 [--ledger]

Records go to streams in random order, so that hardly two of them share a batch: the hardest case for an index. Prints
a line now and then and one line of JSON in the end; exits with 1 when memory passed 256 MB, a read took 1 ms or more in the
median, or the records are not there. A whole run takes about 25 GB of disk.
"""

import argparse
import json
import random
import statistics
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import harness  # noqa: E402
import ledger  # noqa: E402
from rawclients import Redis  # noqa: E402

RESIDENT_MAX = 256_000_000
READ_SECONDS_MAX = 0.001
MEMORY_LIMIT = "128MiB"  # of what is not synced yet, among others: that is not the index
STEP = 5000
STEPS_AHEAD = 3
READS = 20_000


def key(number):
    return f"log-{number}"


def take_replies(client, count):
    """The ids themselves are not needed."""
    stream = client.stream
    ends = 2 * count
    while stream.buffer.count(b"\r\n") < ends:
        stream.fill()
    assert not stream.buffer.startswith(b"-") and b"\r\n-" not in stream.buffer, stream.buffer[:200]
    # The rest belongs to the next step.
    position = -1
    for _ in range(ends):
        position = stream.buffer.index(b"\r\n", position + 1)
    stream.buffer = stream.buffer[position + 2:]


def fill(broker, records, logs, size, tell):
    client = Redis(broker.redis_port, timeout=120)
    commands = [Redis.encode("XADD", key(number), "*", "v", b"x" * size) for number in range(logs)]
    most, sent, done = 0, 0, 0
    began = told = time.monotonic()
    while done < records:
        while sent < records and sent - done < STEP * STEPS_AHEAD:
            client.stream.send(b"".join(random.choices(commands, k=STEP)))
            sent += STEP
        take_replies(client, STEP)
        done += STEP
        if done % (20 * STEP) == 0:
            most = max(most, broker.resident_bytes())
        if tell and time.monotonic() - told > 30:
            told = time.monotonic()
            print(f"{done:,} records, {told - began:.0f} s, {broker.resident_bytes() / 1e6:.0f} MB, most {most / 1e6:.0f} MB",
                  flush=True)
    client.close()
    return most


def read_times(broker, logs, first_ms, last_ms):
    client = Redis(broker.redis_port)
    seconds = []
    for _ in range(READS):
        begin = random.randint(first_ms, last_ms)
        began = time.perf_counter()
        rows = client.call("XRANGE", key(random.randrange(logs)), begin, "+", "COUNT", 1)
        seconds.append(time.perf_counter() - began)
        assert not rows or int(rows[0][0].split(b"-")[0]) >= begin
    client.close()
    return seconds


def count(broker, logs):
    client = Redis(broker.redis_port, timeout=120)
    total = 0
    for begin in range(0, logs, 1000):
        numbers = range(begin, min(begin + 1000, logs))
        client.send(*(("XLEN", key(number)) for number in numbers))
        total += sum(client.receive() for _ in numbers)
    client.close()
    return total


def measure(records, logs, size, durability="os", shards=1, root=None, tell=False):
    broker = harness.Broker(shards=shards, durability=durability, root=root, arguments=("--memory-limit", MEMORY_LIMIT))
    try:
        broker.start()
        first_ms, began = int(time.time() * 1000), time.monotonic()
        most = fill(broker, records, logs, size, tell)
        filled, last_ms = time.monotonic() - began, int(time.time() * 1000)
        broker.restart(kill=True)
        found = count(broker, logs)
        read_times(broker, logs, first_ms, last_ms)  # What is cached afterwards is as good as it gets.
        seconds = sorted(read_times(broker, logs, first_ms, last_ms))
        return {"records": records, "logs": logs, "found": found, "fill_seconds": round(filled), "resident_max_mb": round(most / 1e6),
                "start_seconds": round(broker.start_seconds, 2), "resident_after_start_mb": round(broker.resident_bytes() / 1e6),
                "read_ms": {"median": round(statistics.median(seconds) * 1000, 3),
                            "p99": round(seconds[len(seconds) * 99 // 100] * 1000, 3)}}
    finally:
        broker.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=100_000_000)
    parser.add_argument("--logs", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--durability", default="os")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--ledger", action="store_true", help="add a line to docs/reliability/LEDGER.md")
    options = vars(parser.parse_args())
    to_ledger = options.pop("ledger")
    result = measure(**options, tell=True)
    print(json.dumps(result))
    good = (result["found"] == result["records"] and result["resident_max_mb"] * 1e6 <= RESIDENT_MAX
            and result["read_ms"]["median"] / 1000 < READ_SECONDS_MAX)
    if to_ledger:
        ledger.note("large index", f"{options['logs']:,} streams, {options['shards']} shard(s), {result['fill_seconds']} s, "
                    f"resident at most {result['resident_max_mb']} MB, start {result['start_seconds']} s, random read "
                    f"{result['read_ms']['median']} ms", f"{result['found']:,} records", 0 if good else 1)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
