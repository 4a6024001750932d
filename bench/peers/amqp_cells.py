"""AMQP ground: a librabbitmq program, and RabbitMQ's own PerfTest."""

import re

from peers import install
from peers.cell import Cell, PeerError, execute, flow

SIZES = {"100b": 100, "1k": 1024, "10k": 10240, "100k": 102400, "1m": 1 << 20}
AIMS = {"1k": 10, "10k": 6, "100k": 4, "1m": 3}


def window(size):
    """Messages without a confirm: 500, but not more than 16 MB."""
    return max(10, min(500, (16 << 20) // size))


def queue_type(run, wanted):
    """Trivium has no quorum queues; its durable queue is what stands against RabbitMQ's."""
    return wanted if run.is_peer else "classic"


def both(size, **options):
    """A publisher and a consumer at once."""
    def load(run):
        port, kind = run.server.amqp_port, queue_type(run, options.get("type", "classic"))
        words = {"name": run.key, "size": size, "window": window(size), "lag": 10 * window(size), **options, "type": kind}
        # Making and deleting 1,000 queues or bindings costs more than the messages: it is not in the measure.
        flow("amqp_flow", port, mode="declare", **words)
        run.measure("flow", lambda: flow("amqp_flow", port, seconds=run.seconds, declare=0, delete=0, **words), size)
        flow("amqp_flow", port, mode="remove", **words)
    return load


def apart(size, **options):
    """Publishing first, then reading what was published."""
    def load(run):
        kind = queue_type(run, options.get("type", "classic"))
        common = {"name": run.key, "size": size, **options, "type": kind}
        published = run.measure("publish", lambda: flow("amqp_flow", run.server.amqp_port, mode="publish",
                                                        window=window(size), seconds=run.seconds, **common), size)
        run.measure("consume", lambda: flow("amqp_flow", run.server.amqp_port, mode="consume", count=published.count, **common),
                    size)
    return load


def perf_test(size, confirms=500, flags=("persistent",), kind="classic"):
    def load(run):
        seconds = max(5, round(run.seconds * 2))
        command = ["java", "-cp", install.class_path("perf-test"), "com.rabbitmq.perf.PerfTest", "--uri",
                   f"amqp://guest:guest@127.0.0.1:{run.server.amqp_port}/%2f", "--time", seconds, "--size", size,
                   "--queue", f"{run.key}-0", "--auto-delete", "false", "--qos", 500, "--multi-ack-every", 50,
                   "--interval", 60]
        command += ["--confirm", confirms] if confirms else []
        for flag in flags:
            command += ["--flag", flag]
        if queue_type(run, kind) == "quorum":
            command += ["--queue-args", "x-queue-type=quorum"]
        run.measure("perftest", lambda: parse_perf_test(execute(command).stdout, seconds), size)
        flow("amqp_flow", run.server.amqp_port, name=run.key, mode="remove")
    return load


def parse_perf_test(output, seconds):
    """What it prints at its end: averages of the whole run, and latencies in microseconds."""
    rates = dict(re.findall(r"(sending|receiving) rate avg: (\d+)", output))
    if not int(rates.get("receiving", 0)):
        raise PeerError(f"PerfTest received nothing: {output[-300:]}")
    result = {"count": int(rates["receiving"]) * seconds, "seconds": seconds, "rate": float(rates["receiving"])}
    for kind, name in (("consumer", "delivered"), ("confirm", "confirmed")):
        found = re.search(kind + r" latency \S+ \d+/(\d+)/\d+/\d+/(\d+)", output)
        if found:
            result[name] = {"p50_us": float(found.group(1)), "p99_us": float(found.group(2))}
    return result


def _persistent_cells():
    for size, aim in AIMS.items():
        for kind in ("classic", "quorum"):
            yield Cell(f"amqp/flow/{size}/{kind}", f"publish {size} with confirms and consume, persistent, against {kind}",
                       "rabbitmq", "fsync", both(SIZES[size], type=kind), {"flow": aim}, smoke=size == "1k")
    for kind in ("classic", "quorum"):
        yield Cell(f"amqp/apart/1k/{kind}", f"publish 1k with confirms, then consume, persistent, against {kind}",
                   "rabbitmq", "fsync", apart(1024, type=kind), {"publish": 10})


def cells():
    yield from _persistent_cells()
    yield Cell("amqp/flow/1k/ackeach", "publish 1k with confirms and consume, persistent, each acknowledged alone", "rabbitmq",
               "fsync", both(1024, ack=1))
    for size in ("1k", "10k", "100k", "1m"):
        yield Cell(f"amqp/transient/{size}", f"publish {size} and consume, transient, no confirms, no acknowledgements",
                   "rabbitmq", "fsync", both(SIZES[size], persistent=0, window=0, ack=0))
    for queues in (10, 1000):
        yield Cell(f"amqp/queues/1k/{queues}", f"publish 1k with confirms and consume, persistent, over {queues:,} queues",
                   "rabbitmq", "fsync", both(1024, queues=queues))
    for queues in (1, 10, 100):
        yield Cell(f"amqp/fanout/1k/{queues}", f"fanout of 1k to {queues} queue{'s' * (queues > 1)}, persistent, confirms; deliveries",
                   "rabbitmq", "fsync", both(1024, queues=queues, shape="fanout", lag=max(500, 5000 // queues)),
                   {"flow": 10} if queues == 100 else {})
    yield Cell("amqp/topic/1k/1000", "topic exchange with 1,000 bindings to 10 queues, 1k, persistent, confirms", "rabbitmq",
               "fsync", both(1024, queues=10, shape="topic"))
    for kind in ("classic", "quorum"):
        yield Cell(f"amqp/perftest/1k/{kind}", f"PerfTest: 1k, persistent, confirms, against {kind}", "rabbitmq", "fsync",
                   perf_test(1024, kind=kind), {"perftest": 10})
    yield Cell("amqp/perftest/1k/transient", "PerfTest: 1k, transient, no confirms", "rabbitmq", "fsync",
               perf_test(1024, confirms=0, flags=()))
