#!/usr/bin/env python3
"""A Kafka Streams application with exactly_once_v2 counts words while it and the broker are killed again and again.

  kafka_streams.py [--rounds N] [--shards N] [--lines N]

Each round writes lines and kills, with SIGKILL, the application (every second time its local state goes, too, so that it
is restored from the changelog), the broker, or both. At the end the counts of each word in the output must be 1, 2, 3, ...
up to how often it was written: none missing, none twice, none out of order. Kafka's library is 4.1, from Maven; it runs
WordCount.java from its source.
"""

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
sys.path[:0] = [str(HERE.parent), str(REPO / "bench")]

import harness  # noqa: E402
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition  # noqa: E402
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402
from peers import install  # noqa: E402

INPUT, OUTPUT = "lines", "counts"
PARTITIONS = 2
WORDS = [f"word{number}" for number in range(50)]
SETTLE_SECONDS = 300


class Application:
    def __init__(self, broker, root):
        self.state = root / "state"
        self.log = root / "app.log"
        self.command = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", install.class_path("kafka-streams"),
                        str(HERE / "WordCount.java"), broker.bootstrap, str(self.state), INPUT, OUTPUT]
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def kill(self, *, forget):
        self.process.kill()
        self.process.wait()
        if forget:
            shutil.rmtree(self.state, ignore_errors=True)


def write(broker, lines, seed):
    """Idempotent, so each line is there once. Result: how often each word is."""
    source = random.Random(seed)
    counts = Counter()
    producer = Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True})
    for _ in range(lines):
        words = source.choices(WORDS, k=5)
        counts.update(words)
        producer.produce(INPUT, " ".join(words), partition=source.randrange(PARTITIONS))
        producer.poll(0)
    assert producer.flush(60) == 0
    return counts


def read_counts(broker):
    """The committed records of the output: word -> its counts in their order."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "reader", "enable.auto.commit": False,
                         "isolation.level": "read_committed", "enable.partition.eof": True})
    consumer.assign([TopicPartition(OUTPUT, partition, 0) for partition in range(PARTITIONS)])
    found, ends = defaultdict(list), 0
    try:
        while ends < PARTITIONS:
            message = consumer.poll(30)
            assert message is not None, "neither records nor the end of the output"
            if message.error():
                assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
                ends += 1
            else:
                found[message.key().decode()].append(int.from_bytes(message.value(), "big"))
    finally:
        consumer.close()
    return found


def judge(wanted, found):
    for word in WORDS:
        if found[word] != list(range(1, wanted[word] + 1)):
            yield f"{word}: written {wanted[word]} times, counted {found[word][:20]}... to {found[word][-1:]}"


def wait_for_all(broker, wanted):
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        found = read_counts(broker)
        if sum(map(len, found.values())) >= sum(wanted.values()) or time.monotonic() > deadline:
            return found
        time.sleep(1)


def run(broker, application, options):
    names = [NewTopic(name, PARTITIONS, 1) for name in (INPUT, OUTPUT)]
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    for done in admin.create_topics(names).values():
        done.result(20)
    wanted = Counter()
    application.start()
    for number in range(options.rounds):
        wanted += write(broker, options.lines, number)
        time.sleep(random.Random(number).uniform(3, 8))
        what = ("application", "broker", "both")[number % 3]
        if what != "application":
            broker.restart(kill=True)
        if what != "broker":
            application.kill(forget=number % 2 == 0)
            application.start()
        print(f"round {number + 1}: killed {what}; {sum(map(len, read_counts(broker).values()))} of "
              f"{sum(wanted.values())} words are counted", flush=True)
    return list(judge(wanted, wait_for_all(broker, wanted))), sum(wanted.values())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--lines", type=int, default=2000, help="of five words, in each round")
    parser.add_argument("--shards", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kafka-streams-") as directory:
        broker = harness.Broker(shards=options.shards)
        broker.keep_ports = True
        broker.start()
        application = Application(broker, Path(directory))
        try:
            wrong, words = run(broker, application, options)
        finally:
            if application.process is not None:
                application.kill(forget=True)
            broker.close()
        for line in wrong:
            print(line)
        if wrong:
            print(application.log.read_text()[-4000:])
        print(f"{options.rounds} rounds, {words} words, {len(wrong)} words counted wrongly")
        return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
