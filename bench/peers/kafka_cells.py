"""Kafka ground: Kafka's own performance tools, and a librdkafka program."""

import re

from peers import install
from peers.cell import Cell, PeerError, execute, flow

SIZES = {"100b": 100, "1k": 1024, "10k": 10240, "100k": 102400, "1m": 1 << 20}
# Kafka's flush settings -> Trivium's durability. Trivium keeps flush.messages and does not need it.
FLUSHES = {"default": "os", "flush1": "fsync"}


def topic(run, partitions, flush):
    """Made alike on both sides; the default largest batch is a little too small for a record of 1 MB."""
    config = "max.message.bytes:8000000" + (",flush.messages:1" if flush == "flush1" else "")
    flow("kafka_flow", run.server.kafka_port, mode="create", topic=run.key, partitions=partitions, config=config)


def remove(run):
    flow("kafka_flow", run.server.kafka_port, mode="delete", topic=run.key)


def window(size):
    """Records without a report: 20,000, but not more than 32 MB."""
    return max(20, min(20000, (32 << 20) // size))


def produce(size, partitions=1, flush="default", **options):
    def load(run):
        topic(run, partitions, flush)
        run.measure("produce", lambda: flow("kafka_flow", run.server.kafka_port, mode="produce", topic=run.key, size=size,
                                            partitions=partitions, seconds=run.seconds,
                                            **{"window": window(size), **options}), size)
        remove(run)
    return load


def consume(size, partitions=1, flush="default", group=False, **options):
    """Produces, then reads it all; with a group, through one."""
    def load(run):
        topic(run, partitions, flush)
        made = run.measure("produce", lambda: flow(
            "kafka_flow", run.server.kafka_port, mode="produce", topic=run.key, size=size, partitions=partitions,
            seconds=run.seconds, **{"window": window(size), **options}), size)
        run.measure("consume", lambda: flow(
            "kafka_flow", run.server.kafka_port, mode="consume", topic=run.key, size=size, partitions=partitions,
            count=made.count, group=run.key if group else None, committed=1 if "txn" in options else 0), size)
        remove(run)
    return load


def tool(name, *arguments):
    return ["java", "-Xmx512m", "-cp", install.class_path("kafka-tools"), f"org.apache.kafka.tools.{name}", *arguments]


def producer_tool(run, count, size, properties):
    port = run.server.kafka_port
    output = execute(tool("ProducerPerformance", "--topic", run.key, "--num-records", count, "--record-size", size,
                          "--throughput", -1, "--producer-props", f"bootstrap.servers=127.0.0.1:{port}", *properties)).stdout
    last = output.strip().splitlines()[-1]
    found = re.match(r"(\d+) records sent, ([\d.]+) records/sec .*?(\d+) ms 50th, .*?(\d+) ms 99th, (\d+) ms 99.9th", last)
    if not found or int(found.group(1)) != count:
        raise PeerError(f"ProducerPerformance: {output[-300:]}")
    rate, p50, p99, p999 = float(found.group(2)), *(1000.0 * int(found.group(n)) for n in (3, 4, 5))
    return {"count": count, "seconds": count / rate, "rate": rate,
            "confirmed": {"p50_us": p50, "p99_us": p99, "p999_us": p999}}


def consumer_tool(run, count):
    """Its last line: start, end, MB, MB/s, records, records/s, rebalance ms, fetch ms, MB/s and records/s of fetching."""
    output = execute(tool("ConsumerPerformance", "--topic", run.key, "--messages", count, "--bootstrap-server",
                          f"127.0.0.1:{run.server.kafka_port}", "--timeout", 60000)).stdout
    fields = [part.strip() for part in output.strip().splitlines()[-1].split(",")]
    got, fetch_ms = int(fields[4]), int(fields[7])
    if got < count:
        raise PeerError(f"ConsumerPerformance: {got} of {count}: {output[-300:]}")
    return {"count": got, "seconds": fetch_ms / 1000, "rate": got * 1000 / fetch_ms}


def tools(size, *properties, flush="default"):
    """kafka-producer-perf-test, then kafka-consumer-perf-test. They are longer than other cells, as their first second is
    a JVM warming up; what that does not hold for would be far too few records."""
    def load(run):
        topic(run, 1, flush)
        count = max(10_000, 2 * run.calibrated("produce", 5000, lambda count: producer_tool(run, count, size, properties), 2.5))
        remove(run)
        run.key += "-t"
        topic(run, 1, flush)
        run.measure("produce", lambda: producer_tool(run, count, size, properties), size)
        run.measure("consume", lambda: consumer_tool(run, count), size)
        remove(run)
    return load


def _cell(name, what, load, flush="default", aims=None, smoke=False):
    words = "flush.messages=1" if flush == "flush1" else "default flush"
    return Cell(f"kafka/{name}/{flush}", f"{what}, {words}", "kafka", FLUSHES[flush], load, aims or {}, smoke=smoke)


def _ground_cells():
    for flush, aim in (("default", 1.5), ("flush1", 10)):
        yield _cell("flow/1k", "produce 1k, acks=all, linger 5 ms; then consume", consume(1024, flush=flush), flush,
                    {"produce": aim, "consume": 1.2}, smoke=True)
        yield _cell("tools/1k", "kafka-producer-perf-test 1k, acks=all; then kafka-consumer-perf-test",
                    tools(1024, "acks=all", "enable.idempotence=false", flush=flush), flush, {"produce": aim, "consume": 1.2})
        yield _cell("partitions100/1k", "produce 1k to 100 partitions, linger 0", produce(1024, 100, flush, linger=0), flush,
                    {"produce": 2}, smoke=flush == "default")


def cells():
    yield from _ground_cells()
    yield _cell("acks1/1k", "produce 1k, acks=1, linger 5 ms", produce(1024, acks=1))
    yield _cell("idempotent/1k", "produce 1k, idempotent, linger 5 ms", produce(1024, idempotence="true"))
    yield _cell("lz4/1k", "produce 1k of random letters, lz4; then consume", consume(1024, compression="lz4"))
    yield _cell("partitions6/1k", "produce 1k to 6 partitions; then consume in a group", consume(1024, 6, group=True))
    yield _cell("partitions100/group/1k", "produce 1k to 100 partitions, linger 5 ms; then consume in a group",
                consume(1024, 100, group=True))
    yield _cell("txn/1k", "transactions of 100 records of 1k; then consume committed", consume(1024, txn=100))
    yield _cell("txn/1k", "transactions of 100 records of 1k; then consume committed",
                consume(1024, txn=100, flush="flush1"), "flush1")
    for size in ("100b", "10k", "100k", "1m"):
        yield _cell(f"flow/{size}", f"produce {size}, acks=all, linger 5 ms; then consume", consume(SIZES[size]))
    yield _cell("flow/100k", "produce 100k, acks=all, linger 5 ms; then consume", consume(SIZES["100k"], flush="flush1"), "flush1")
