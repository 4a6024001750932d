#!/usr/bin/env python3
"""Kafka Connect in distributed mode: a file into a topic and the topic into a file, while workers and broker are killed.

  kafka_connect.py [--rounds N] [--shards N] [--lines N] [--workers N]

The workers (Kafka 4.1's, from Maven) keep their configurations, offsets and states in three compacted topics of the broker
and share the connectors out over a classic group. Each round appends lines to the source's file and kills, with SIGKILL, a
worker, the broker, or both. The source runs exactly once, in transactions: at the end a reader of committed records must
find each line once and in order. The sink is what Connect promises of it, at least once: its file must have every line, and
whole lines of the source only.
"""

import argparse
import json
import random
import re
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent), str(REPO / "bench")]

import harness  # noqa: E402
from confluent_kafka import Consumer, KafkaError, TopicPartition  # noqa: E402
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402
from java_process import JavaProcess, free_port  # noqa: E402
from peers import install  # noqa: E402

TOPIC = "file-lines"
READY_SECONDS = 300
SETTLE_SECONDS = 300

WORKER = """\
bootstrap.servers={bootstrap}
group.id=connect-workers
listeners=http://127.0.0.1:{port}
config.storage.topic=connect-configs
offset.storage.topic=connect-offsets
status.storage.topic=connect-status
config.storage.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
offset.storage.partitions=3
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
exactly.once.source.support=enabled
offset.flush.interval.ms=1000
session.timeout.ms=6000
heartbeat.interval.ms=1000
scheduled.rebalance.max.delay.ms=1000
"""


class Worker(JavaProcess):
    def __init__(self, broker, root, number):
        self.port = free_port()
        properties = root / f"worker-{number}.properties"
        properties.write_text(WORKER.format(bootstrap=broker.bootstrap, port=self.port))
        super().__init__(install.class_path("kafka-connect"),
                         ["org.apache.kafka.connect.cli.ConnectDistributed", properties], root / f"worker-{number}.log")

    def call(self, method, path, body=None):
        """The answer, or None when the worker cannot answer now (starting, rebalancing)."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            assert error.code in (404, 409, 500, 503), f"{method} {path}: {error.code} {error.read()}"
            return None
        except OSError:
            return None

    def get_ready(self, method, path, body=None):
        def answer():
            self.check_alive()
            return self.call(method, path, body)
        return harness.wait_for(answer, READY_SECONDS, f"{method} {path}", interval=0.5)


def connectors(root):
    yield "source", {"connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "tasks.max": "1",
                     "file": str(root / "in"), "topic": TOPIC, "exactly.once.support": "required",
                     "transaction.boundary": "poll", "batch.size": "100"}
    yield "sink", {"connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector", "tasks.max": "1",
                   "file": str(root / "out"), "topics": TOPIC,
                   "consumer.override.isolation.level": "read_committed"}


def append_lines(root, first, count):
    with open(root / "in", "a", encoding="utf-8") as file:
        file.writelines(f"line {number}.\n" for number in range(first, first + count))


def read_lines(broker):
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "reader", "enable.auto.commit": False,
                         "isolation.level": "read_committed", "enable.partition.eof": True})
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    lines = []
    try:
        while True:
            message = consumer.poll(30)
            assert message is not None, "neither records nor the end of the topic"
            if not message.error():
                lines.append(message.value().decode())
            elif message.error().code() == KafkaError._PARTITION_EOF:
                return lines
            else:
                raise AssertionError(message.error())
    finally:
        consumer.close()


def sunk_lines(root):
    """Whole ones, and what there is beside them. A worker that is killed may leave the beginning of a line, or one without its
    end, and the next one goes on behind it."""
    path = root / "out"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    rest = [part for part in re.split(r"line \d+\.|\n", text) if part]
    return set(re.findall(r"line \d+\.", text)), rest


def settled(broker, root, wanted):
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        if len(read_lines(broker)) >= len(wanted) and set(wanted) <= sunk_lines(root)[0]:
            return
        time.sleep(1)


def judge(broker, root, wanted):
    found = read_lines(broker)
    if found != wanted:
        twice = len(found) - len(set(found))
        missing = len(set(wanted) - set(found))
        yield f"topic: {len(found)} lines of {len(wanted)}, {twice} twice, {missing} missing"
    sunk, rest = sunk_lines(root)
    missing = set(wanted) - sunk
    if missing:
        yield f"sink: {len(missing)} lines missing, such as {sorted(missing)[:3]}"
    strange = [part for part in rest if not re.fullmatch(r"l(i(n(e( \d*)?)?)?)?", part)] + sorted(sunk - set(wanted))
    if strange:
        yield f"sink: strange text {strange[:3]}"


def run(broker, workers, root, options):
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(20)
    append_lines(root, 0, options.lines)
    written = options.lines
    for worker in workers:
        worker.start()
    for name, settings in connectors(root):
        workers[0].get_ready("PUT", f"/connectors/{name}/config", settings)
    harness.wait_for(lambda: sunk_lines(root)[0], READY_SECONDS, "the first line in the sink", interval=0.5)
    for number in range(options.rounds):
        append_lines(root, written, options.lines)
        written += options.lines
        time.sleep(random.Random(number).uniform(1, 4))
        what = ("worker", "broker", "both")[number % 3]
        if what != "broker":
            victim = workers[number % len(workers)]
            victim.kill()
            victim.start()
        if what != "worker":
            broker.restart(kill=True)
        append_lines(root, written, options.lines)
        written += options.lines
        print(f"round {number + 1}: killed {what}; {len(read_lines(broker))} of {written} lines are in the topic", flush=True)
        for worker in workers:
            worker.get_ready("GET", "/connectors/source/status")
    wanted = [f"line {number}." for number in range(written)]
    settled(broker, root, wanted)
    return list(judge(broker, root, wanted)), written


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--lines", type=int, default=2000, help="twice in each round")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shards", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kafka-connect-") as directory:
        root = Path(directory)
        broker = harness.Broker(shards=options.shards)
        broker.keep_ports = True
        broker.start()
        workers = [Worker(broker, root, number) for number in range(options.workers)]
        wrong = ["not finished"]
        written = 0
        try:
            wrong, written = run(broker, workers, root, options)
        finally:
            if wrong:
                print(*(worker.log_tail() for worker in workers if worker.log.exists()), sep="\n---\n")
            for worker in workers:
                worker.kill()
            broker.close()
        print(*wrong, sep="\n")
        print(f"{options.rounds} rounds, {written} lines, {len(wrong)} wrong")
        return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
