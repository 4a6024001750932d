"""Scale: how the cost of a message grows with the number of names and with what waits.

A side that does not cope within the bound is shown as out of time, which is an answer here and not a failure."""

from peers.cell import Cell, flow
from peers.redis_cells import benchmark, call

COUNTS = (1, 10, 1000, 100_000)
PARTITIONS = (1, 10, 1000, 10_000)  # of one topic; Kafka and Trivium refuse to make more at once
STEP_SECONDS_MAX = 90
SIZE = 100
LEVELS = {"redis": (1_000_000, 5_000_000), "amqp": (100_000, 500_000), "kafka": (1_000_000, 10_000_000)}
LONG_LEVELS = {"redis": (1_000_000, 10_000_000), "amqp": (1_000_000, 5_000_000), "kafka": (10_000_000, 50_000_000)}


def streams(count):
    """Adds to streams at random, by redis-benchmark's own way of naming keys."""
    def load(run):
        def step(messages):
            return benchmark(run.server.redis_port, messages, 16, 50, "-r", count, "xadd", run.key + ":__rand_int__", "*", "field",
                             size=1024 - 5)
        count_of_messages = run.calibrated("xadd", 20000, step)
        run.measure("xadd", lambda: step(count_of_messages), 1024)
        call(run, "flushall")
    return load


def queues(count):
    """Publishing and consuming over so many queues. Declaring them is within the bound, not within the measure."""
    def load(run):
        run.measure("flow", lambda: flow("amqp_flow", run.server.amqp_port, STEP_SECONDS_MAX, name=run.key, queues=count,
                                         seconds=run.seconds, lag=max(5000, count), delete=0), 1024)
        if count <= 1000:  # else the server ends after this cell, with all that is in it
            flow("amqp_flow", run.server.amqp_port, STEP_SECONDS_MAX, name=run.key, queues=count, mode="remove")
    return load


def partitions(count):
    def load(run):
        port = run.server.kafka_port
        flow("kafka_flow", port, STEP_SECONDS_MAX, mode="create", topic=run.key, partitions=count)
        run.measure("produce", lambda: flow("kafka_flow", port, STEP_SECONDS_MAX, mode="produce", topic=run.key, partitions=count,
                                            seconds=run.seconds), 1024)
        if count <= 1000:
            flow("kafka_flow", port, STEP_SECONDS_MAX, mode="delete", topic=run.key)
    return load


# -- what waits: fill to a level, then measure the way of new messages beside it

def redis_backlog(levels):
    def load(run):
        port, there = run.server.redis_port, 0
        for level in (0, *levels):
            if level > there:
                benchmark(port, level - there, 64, 50, "xadd", run.key, "*", "field", size=SIZE)
                there = level
            step = lambda: benchmark(port, 200_000, 16, 50, "xadd", run.key, "*", "field", size=SIZE)  # noqa: E731
            run.measure(f"add at {level:,}", step, SIZE, resident=run.server.resident_bytes(), level=level)
            there += 200_000
    return load


def amqp_backlog(levels):
    def load(run):
        port, there = run.server.amqp_port, 0
        common = {"name": run.key, "size": SIZE, "mode": "publish"}
        for level in (0, *levels):
            if level > there:
                flow("amqp_flow", port, STEP_SECONDS_MAX, **common, count=level - there, window=2000)
                there = level
            sample = run.measure(f"publish at {level:,}", lambda: flow("amqp_flow", port, **common, seconds=run.seconds), SIZE,
                                 resident=run.server.resident_bytes(), level=level)
            there += sample.count
        run.measure("consume all", lambda: flow("amqp_flow", port, STEP_SECONDS_MAX, name=run.key, size=SIZE, mode="consume",
                                                count=there), SIZE)
    return load


def kafka_backlog(levels):
    def load(run):
        port, there = run.server.kafka_port, 0
        common = {"topic": run.key, "size": SIZE, "window": 100_000}
        flow("kafka_flow", port, mode="create", topic=run.key)
        for level in (0, *levels):
            if level > there:
                flow("kafka_flow", port, STEP_SECONDS_MAX, mode="produce", **common, count=level - there, seconds=STEP_SECONDS_MAX)
                there = level
            sample = run.measure(f"produce at {level:,}",
                                 lambda: flow("kafka_flow", port, mode="produce", **common, seconds=run.seconds), SIZE,
                                 resident=run.server.resident_bytes(), level=level)
            there += sample.count
        run.measure("consume all", lambda: flow("kafka_flow", port, STEP_SECONDS_MAX, **common, mode="consume", count=there), SIZE)
        flow("kafka_flow", port, mode="delete", topic=run.key)
    return load


GROWING = (("streams", "XADD 1k, pipeline 16, to {} streams at random, no persistence", "redis:none", "os", streams, COUNTS),
           ("queues", "AMQP 1k persistent, confirms, to {} queues", "rabbitmq", "fsync", queues, COUNTS),
           ("partitions", "Kafka 1k to {} partitions, default flush", "kafka", "os", partitions, PARTITIONS))


def cells(long=False):
    levels = LONG_LEVELS if long else LEVELS
    for name, what, peer, ours, load, counts in GROWING:
        for count in counts:
            yield Cell(f"scale/{name}/{count}", what.format(f"{count:,}"), peer, ours, load(count), section="scale",
                       rounds_max=2 if count <= 1000 else 1, leaves_much=count > 1000)
    for name, what, peer, ours, load in (
            ("redis", "XADD 100 bytes, pipeline 16, with entries in the stream", "redis:none", "os", redis_backlog),
            ("amqp", "AMQP 100 bytes persistent, confirms, with messages in the queue", "rabbitmq", "fsync", amqp_backlog),
            ("kafka", "Kafka 100 bytes, acks=all, with records in the partition", "kafka", "os", kafka_backlog)):
        yield Cell(f"scale/backlog/{name}", what, peer, ours, load(levels[name]), section="scale", rounds_max=1,
                   leaves_much=True)
