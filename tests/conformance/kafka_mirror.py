#!/usr/bin/env python3
"""MirrorMaker 2 from one of our brokers to another, with the offsets of groups, while it and both brokers are killed.

  kafka_mirror.py [--rounds N] [--shards N] [--lines N]

MirrorMaker (Kafka 4.1's, from Maven, as a process of its own) finds the topic and the group by itself, makes the topic on
the other side with its partitions and settings, and writes exactly once. Each round writes records and kills, with
SIGKILL, the mirror, the source, or the target. At the end each partition of the target must have the records of the
source, each once and in order; and a group that has read everything at the source and moves to the target must find there
exactly what was written after that.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent), str(REPO / "bench")]

import harness  # noqa: E402
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, Producer, TopicPartition  # noqa: E402
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic  # noqa: E402
from java_process import JavaProcess  # noqa: E402
from peers import install  # noqa: E402

TOPIC, GROUP, PARTITIONS = "events", "readers", 2
COPY = f"a.{TOPIC}"
SETTINGS = {"max.message.bytes": "700000", "cleanup.policy": "compact,delete"}
SETTLE_SECONDS = 300

PROPERTIES = """\
clusters=a,b
a.bootstrap.servers={source}
b.bootstrap.servers={target}
a->b.enabled=true
b->a.enabled=false
a->b.topics=events
a->b.groups=readers
replication.factor=1
checkpoints.topic.replication.factor=1
heartbeats.topic.replication.factor=1
offset-syncs.topic.replication.factor=1
config.storage.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
b.exactly.once.source.support=enabled
dedicated.mode.enable.internal.rest=true
listeners=http://127.0.0.1:0
sync.group.offsets.enabled=true
sync.group.offsets.interval.seconds=1
emit.checkpoints.interval.seconds=1
refresh.topics.interval.seconds=2
refresh.groups.interval.seconds=2
sync.topic.configs.interval.seconds=2
offset.lag.max=0
offset.flush.interval.ms=1000
tasks.max=2
session.timeout.ms=6000
heartbeat.interval.ms=1000
scheduled.rebalance.max.delay.ms=1000
"""


class Mirror(JavaProcess):
    def __init__(self, source, target, root):
        properties = root / "mirror.properties"
        properties.write_text(PROPERTIES.format(source=source.bootstrap, target=target.bootstrap))
        super().__init__(install.class_path("kafka-connect"),
                         ["org.apache.kafka.connect.mirror.MirrorMaker", properties, "--clusters", "b"],
                         root / "mirror.log")


def write(broker, first, count):
    producer = Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True})
    for number in range(first, first + count):
        producer.produce(TOPIC, f"value {number}", key=f"key {number}", partition=number % PARTITIONS,
                         headers={"number": str(number)})
        producer.poll(0)
    assert producer.flush(60) == 0


def records(broker, topic, group=None):
    """By partition: the committed records from the beginning, or from where the group stands, to the end."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group or "looker", "enable.auto.commit": False,
                         "auto.offset.reset": "error" if group else "earliest", "isolation.level": "read_committed",
                         "enable.partition.eof": True})
    places = [TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)]
    if topic not in consumer.list_topics(timeout=30).topics:  # not made yet
        consumer.close()
        return [[] for _ in places]
    consumer.assign(consumer.committed(places, 20) if group else places)
    found, ends = [[] for _ in places], 0
    try:
        while ends < PARTITIONS:
            message = consumer.poll(30)
            assert message is not None, "neither records nor the end of the topic"
            if not message.error():
                found[message.partition()].append((message.key(), message.value(), tuple(message.headers() or ())))
            elif message.error().code() == KafkaError._PARTITION_EOF:
                ends += 1
            else:
                raise AssertionError(message.error())
    finally:
        consumer.close()
    return found


def count(target, mirror):
    """Of the copies."""
    mirror.check_alive()
    return sum(map(len, records(target, COPY)))


def commit_all(broker, written):
    """The group stands at the end of the source."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": GROUP, "enable.auto.commit": False})
    ends = [TopicPartition(TOPIC, partition, written // PARTITIONS) for partition in range(PARTITIONS)]
    consumer.commit(offsets=ends, asynchronous=False)
    consumer.close()


def committed(broker, topic):
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    answer = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(GROUP)])[GROUP].result(20)
    return {each.partition: each.offset for each in answer.topic_partitions if each.topic == topic and each.offset >= 0}


def settings(broker, topic):
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    wanted = ConfigResource(ConfigResource.Type.TOPIC, topic)
    found = admin.describe_configs([wanted])[wanted].result(20)
    return {name: found[name].value for name in SETTINGS}


def run(source, target, mirror, options):
    admin = AdminClient({"bootstrap.servers": source.bootstrap})
    admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1, config=SETTINGS)])[TOPIC].result(20)
    written = copied = 0
    mirror.start()
    for number in range(options.rounds):
        write(source, written, options.lines)
        written += options.lines
        commit_all(source, written)
        harness.wait_for(lambda: count(target, mirror) > copied, SETTLE_SECONDS, "more copies", interval=0.5)
        time.sleep(random.Random(number).uniform(0, 3))
        what = ("mirror", "source", "target")[number % 3]
        if what == "mirror":
            mirror.kill()
            mirror.start()
        else:
            (source if what == "source" else target).restart(kill=True)
        copied = count(target, mirror)
        print(f"round {number + 1}: killed {what}; {copied} of {written} records are copied", flush=True)
    yield from judge(source, target, mirror, written, options)


def judge(source, target, mirror, written, options):
    def moved():
        """Where the group stands at the target: behind all that is there, so that there is nothing to read."""
        mirror.check_alive()
        return len(committed(target, COPY)) == PARTITIONS and not any(records(target, COPY, GROUP))

    harness.wait_for(lambda: count(target, mirror) >= written, SETTLE_SECONDS, "all records at the target", interval=2)
    wanted = records(source, TOPIC)
    if records(target, COPY) != wanted:
        yield "the records at the target are not those of the source"
    harness.wait_for(moved, SETTLE_SECONDS, "the offsets of the group at the target", interval=2)
    write(source, written, options.lines)
    harness.wait_for(lambda: count(target, mirror) >= written + options.lines, SETTLE_SECONDS,
                     "the last records at the target", interval=2)
    fresh = [rows[written // PARTITIONS:] for rows in records(source, TOPIC)]
    if records(target, COPY, GROUP) != fresh:
        yield "the group that moved does not find exactly what it has not read"
    if settings(target, COPY) != SETTINGS:
        yield f"settings of the copy: {settings(target, COPY)}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--lines", type=int, default=2000, help="in each round; even")
    parser.add_argument("--shards", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kafka-mirror-") as directory:
        brokers = [harness.Broker(shards=options.shards) for _ in "ab"]
        mirror, wrong = None, ["not finished"]
        try:
            for broker in brokers:
                broker.keep_ports = True
                broker.start()
            mirror = Mirror(*brokers, Path(directory))
            wrong = list(run(*brokers, mirror, options))
        finally:
            if mirror is not None:
                if wrong:
                    print(mirror.log_tail())
                mirror.kill()
            for broker in brokers:
                broker.close()
        print(*wrong, sep="\n")
        print(f"{options.rounds} rounds of {options.lines} records, {len(wrong)} wrong")
        return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
