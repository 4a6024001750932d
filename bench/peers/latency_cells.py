"""Latency at a fixed rate, from the time a message was due: to its confirm and to its delivery.

The rates are parts of the slower side's peak, which a closed loop with a window finds first; so both sides carry the same
load, and one that neither is overloaded by."""

from peers.cell import Cell, flow

SIZE = 1024
PARTS = (10, 50, 80)  # per cent of the slower side's peak
WARM_SECONDS = 0.5


def at_parts(step):
    """`step(run, options)` runs a flow; measures it at each part of the peak."""
    def load(run):
        for part in PARTS:
            rate = max(10, int(run.shared["peak"] * part / 100))
            measure_at(run, step, f"{part} %", rate)
    return load


def at_rate(step, rate):
    return lambda run: measure_at(run, step, f"{rate:,}/s", rate)


def measure_at(run, step, name, rate):
    run.measure(name, lambda: step(run, {"rate": rate, "seconds": run.seconds + WARM_SECONDS, "warm": WARM_SECONDS}), SIZE,
                wanted=rate)


def probe(step):
    return lambda run: step(run, {"seconds": run.seconds})["rate"]


def redis_step(run, options):
    run.key += "-r"
    return flow("redis_flow", run.server.redis_port, name=run.key, mode="stream", size=SIZE, **options)


def amqp_step(kind, **fixed):
    def step(run, options):
        return flow("amqp_flow", run.server.amqp_port, name=run.key, size=SIZE, **fixed, **options,
                    type=kind if run.is_peer else "classic")
    return step


def kafka_step(flush, linger=5):
    """With the clients' default linger, which Kafka's brokers count on: without it each record is a request."""
    def step(run, options):
        port = run.server.kafka_port
        run.key += "-r"
        flow("kafka_flow", port, mode="create", topic=run.key, config="flush.messages:1" if flush else None)
        result = flow("kafka_flow", port, topic=run.key, size=SIZE, linger=linger, window=500, **options)
        flow("kafka_flow", port, mode="delete", topic=run.key)
        return result
    return step


def _cell(name, what, peer, ours, step, smoke=False):
    return Cell(f"latency/{name}", what, peer, ours, at_parts(step), section="latency", probe=probe(step), rounds_max=3,
                smoke=smoke)


def cells():
    for peer, ours in (("none", "os"), ("everysec", "interval"), ("always", "fsync")):
        words = "no persistence" if peer == "none" else peer
        yield _cell(f"redis/{peer}", f"XADD 1k, one connection, and XREAD BLOCK, {words}", f"redis:{peer}", ours, redis_step)
    for kind in ("classic", "quorum"):
        step = amqp_step(kind, ack=1)
        yield Cell(f"latency/amqp/1000/{kind}", f"AMQP 1k persistent, confirms, against {kind}, 1,000/s", "rabbitmq", "fsync",
                   at_rate(step, 1000), p99_aims={"1,000/s": 0.3} if kind == "quorum" else {}, section="latency",
                   smoke=kind == "quorum", rounds_max=5)
        yield _cell(f"amqp/{kind}", f"AMQP 1k persistent, confirms, against {kind}", "rabbitmq", "fsync", step)
    yield _cell("kafka/default", "Kafka 1k, acks=all, linger 5 ms, default flush", "kafka", "os", kafka_step(False))
    yield _cell("kafka/flush1", "Kafka 1k, acks=all, linger 5 ms, flush.messages=1", "kafka", "fsync", kafka_step(True))
    yield Cell("latency/kafka/1000/linger0", "Kafka 1k, acks=all, linger 0, default flush, 1,000/s", "kafka", "os",
               at_rate(kafka_step(False, linger=0), 1000), section="latency", rounds_max=5)
