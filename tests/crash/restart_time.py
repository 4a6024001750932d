#!/usr/bin/env python3
"""Fills a broker with a million messages over all three protocols, kills it, and measures how long it takes to be back.

  restart_time.py [--messages 1000000] [--durability fsync] [--shards 1] [--size 100]

Back means: every port accepts and the messages are counted right over each protocol. Prints one line of JSON; exits with
1 when counts are wrong or the start took a second or more.
"""

import argparse
import json
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import harness  # noqa: E402
from confluent_kafka import Consumer, Producer, TopicPartition  # noqa: E402
from rawclients import Amqp, Redis  # noqa: E402

START_SECONDS_MAX = 1.0
WINDOW = 2000


def fill_amqp(broker, count, body):
    client = Amqp(broker.amqp_port)
    client.declare("million-amqp")
    client.confirm_select()
    one = Amqp.publish_frames("", "million-amqp", body)
    sent = done = 0
    while done < count:
        if sent < count and sent - done <= WINDOW:
            step = min(WINDOW, count - sent)
            client.stream.send(one * step)
            sent += step
        client.poll(10)
        singles = 0
        for tag, multiple, positive in client.confirms:
            assert positive
            if multiple:
                done = max(done, tag)
            else:
                singles += 1
        done += singles
        client.confirms.clear()
    client.close()


def fill_redis(broker, count, body):
    client = Redis(broker.redis_port)
    one = Redis.encode("XADD", "million-redis", "*", "value", body)
    done = 0
    while done < count:
        step = min(WINDOW, count - done)
        client.stream.send(one * step)
        for _ in range(step):
            assert isinstance(client.receive(), bytes)
        done += step
    client.close()


def fill_kafka(broker, count, body):
    failed = []
    producer = Producer({"bootstrap.servers": broker.bootstrap, "acks": "all", "linger.ms": 5,
                         "queue.buffering.max.messages": 100000})
    for _ in range(count):
        while True:
            try:
                producer.produce("million-kafka", body, on_delivery=lambda error, _: failed.append(error)
                                 if error else None)
                break
            except BufferError:
                producer.poll(0.05)
    assert producer.flush(60) == 0 and not failed, failed[:3]


def counts(broker):
    client = Amqp(broker.amqp_port)
    amqp = client.declare("million-amqp", passive=True).message_count
    client.close()
    client = Redis(broker.redis_port)
    redis = client.call("XLEN", "million-redis")
    client.close()
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "count"})
    low, high = consumer.get_watermark_offsets(TopicPartition("million-kafka", 0), timeout=10)
    consumer.close()
    return [amqp, redis, high - low]


def measure(messages, durability="fsync", shards=1, size=100):
    broker = harness.Broker(shards=shards, durability=durability)
    try:
        broker.start()
        body = b"x" * size
        share = messages // 4
        wanted = [share, share, messages - 2 * share]
        began = time.monotonic()
        for fill, count in zip((fill_amqp, fill_redis, fill_kafka), wanted):
            fill(broker, count, body)
        filled = time.monotonic() - began
        broker.restart(kill=True)
        began = time.monotonic()
        found = counts(broker)
        return {"messages": messages, "fill_seconds": round(filled, 1), "start_seconds": round(broker.start_seconds, 3),
                "first_answers_seconds": round(time.monotonic() - began, 3), "wanted": wanted, "found": found,
                "resident_mib": broker.resident_bytes() >> 20}
    finally:
        broker.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=1000000)
    parser.add_argument("--durability", default="fsync")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--size", type=int, default=100)
    result = measure(**vars(parser.parse_args()))
    print(json.dumps(result))
    return 0 if result["found"] == result["wanted"] and result["start_seconds"] < START_SECONDS_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
