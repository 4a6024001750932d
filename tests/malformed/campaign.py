#!/usr/bin/env python3
"""Sends mutated frames on every protocol while good clients go on working.

  campaign.py [--count 100000] [--seed S] [--protocol amqp,redis,kafka] [--ledger]

Takes BROKER_ASAN when set, else BROKER. Conversations of real clients are recorded first (recorder.py), then mutated
(mutate.py). Throughout: the process lives, its memory stays bounded, and a good client's requests on all three protocols
succeed in time. Every connection is reproducible from (seed, protocol, connection number).
"""

import argparse
import json
import multiprocessing
import os
import random
import socket
import struct
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "crash")]

import harness  # noqa: E402
import ledger  # noqa: E402
import mutate  # noqa: E402
import pamqp.commands  # noqa: E402
import recorder  # noqa: E402
from confluent_kafka import Consumer, Producer, TopicPartition  # noqa: E402
from rawclients import Amqp, Redis  # noqa: E402

GROWTH_BYTES_MAX = 256 << 20
GROWTH_BYTES_MAX_ASAN = 768 << 20  # Shadow memory and quarantine.
GOOD_REQUEST_SECONDS_MAX = 10
ANSWER_SECONDS = 0.05
LINGER_NONE = struct.pack("ii", 1, 0)


def attack(protocol, port, connections, count, seed, pipe):
    """One process: sends `count` mutated frames, several on a connection while it stays open."""
    pool = [frame for frames in connections for frame in frames]
    sent = number = refused = 0
    while sent < count:
        number += 1
        rng = random.Random(f"{seed}:{protocol}:{number}")
        frames = rng.choice(connections)
        # A good beginning leads to the state where the bad frames are interesting.
        start = rng.choice((0, 1, rng.randrange(len(frames)), rng.randrange(len(frames))))
        bad = [mutate.mutate(rng, protocol, rng.choice((frames[min(start, len(frames) - 1)], rng.choice(pool))), pool)
               for _ in range(rng.randint(1, 12))]
        try:
            talk(port, frames[:start], bad)
        except ConnectionRefusedError:
            refused += 1
            if refused > 20:
                break
            time.sleep(0.05)
            continue
        except OSError:
            pass
        sent += len(bad)
    pipe.send((protocol, sent, number))


def talk(port, good, bad):
    connection = socket.create_connection(("127.0.0.1", port), timeout=5)
    try:
        connection.settimeout(ANSWER_SECONDS)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
        connection.sendall(b"".join(good))
        for frame in bad:
            connection.sendall(frame)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
            pass
    finally:
        connection.close()


def good_client(ports, ready, stop, pipe):
    """One process: requests on all three protocols, one after another; each must succeed in time."""
    counts, slowest, faults = {"amqp": 0, "redis": 0, "kafka": 0}, 0.0, []
    try:
        redis = Redis(ports["redis"])
        amqp = Amqp(ports["amqp"])
        amqp.declare("good-queue")
        amqp.confirm_select()
        amqp.consume("good-queue")
        producer = Producer({"bootstrap.servers": f"127.0.0.1:{ports['kafka']}", "log_level": 0})
        consumer = Consumer({"bootstrap.servers": f"127.0.0.1:{ports['kafka']}", "group.id": "good", "log_level": 0,
                             "auto.offset.reset": "earliest", "fetch.wait.max.ms": 100})
        good_kafka(producer, consumer, 0)
        ready.set()
        while not (stop.is_set() and all(counts.values())):
            number = counts["redis"] + 1
            for protocol, request in (("redis", lambda: good_redis(redis, number)),
                                      ("amqp", lambda: good_amqp(amqp, number)),
                                      ("kafka", lambda: good_kafka(producer, consumer, number))):
                began = time.monotonic()
                request()
                slowest = max(slowest, time.monotonic() - began)
                counts[protocol] += 1
    except Exception:
        faults.append(f"the good client failed:\n{traceback.format_exc()}")
        ready.set()
    if slowest > GOOD_REQUEST_SECONDS_MAX:
        faults.append(f"a good request took {slowest:.1f} s")
    pipe.send((counts, slowest, faults))


def good_redis(client, number):
    client.send(("SET", "good-key", number), ("XADD", "good-stream", "*", "n", number), ("GET", "good-key"))
    replies = [client.receive() for _ in range(3)]
    entry = replies[1]
    assert replies == [b"OK", entry, b"%d" % number] and isinstance(entry, bytes), replies
    assert client.call("XRANGE", "good-stream", entry, entry)[0][1] == [b"n", b"%d" % number]


def good_amqp(client, number):
    client.stream.send(Amqp.publish_frames("", "good-queue", b"%d" % number))
    deadline = time.monotonic() + GOOD_REQUEST_SECONDS_MAX
    while not (client.confirms and client.deliveries):
        client.poll(1)
        assert time.monotonic() < deadline, "no confirm or no delivery"
    (delivery,) = client.deliveries
    assert delivery[-1] == b"%d" % number, delivery
    client.write(pamqp.commands.Basic.Ack(delivery[0]))
    client.confirms.clear()
    client.deliveries.clear()


def good_kafka(producer, consumer, number):
    done = []
    producer.produce("good-topic", b"%d" % number, partition=0, on_delivery=lambda *report: done.append(report))
    assert producer.flush(GOOD_REQUEST_SECONDS_MAX) == 0 and done[0][0] is None, done
    if number == 0:
        consumer.assign([TopicPartition("good-topic", 0, done[0][1].offset())])
    deadline = time.monotonic() + GOOD_REQUEST_SECONDS_MAX
    while (message := consumer.poll(0.1)) is None or message.error():
        assert time.monotonic() < deadline, "not readable"
    assert message.value() == b"%d" % number


def run(count, seed, protocols=harness.PROTOCOLS, shards=1):
    """Returns (summary, faults)."""
    broker = harness.Broker(shards=shards, durability="os", binary=os.environ.get("BROKER_ASAN"))
    limit = GROWTH_BYTES_MAX_ASAN if broker.sanitized else GROWTH_BYTES_MAX
    faults = []
    context = multiprocessing.get_context("fork")
    attackers = {}
    try:
        broker.start()
        recordings = {protocol: recorder.record(protocol, broker.ports[protocol]) for protocol in protocols}
        before = broker.resident_bytes()
        ready, stop = context.Event(), context.Event()
        good_end, good_pipe = context.Pipe()
        good = context.Process(target=good_client, args=(broker.ports, ready, stop, good_pipe), daemon=True)
        good.start()
        if not ready.wait(30):
            faults.append("the good client cannot begin")
        for protocol in protocols:
            ours, theirs = context.Pipe()
            process = context.Process(target=attack, args=(protocol, broker.ports[protocol], recordings[protocol], count,
                                                           seed, theirs), daemon=True)
            process.start()
            attackers[protocol] = process, ours
        peak = before
        began = time.monotonic()
        while any(process.is_alive() for process, _ in attackers.values()):
            time.sleep(0.2)
            broker.check_alive()
            peak = max(peak, broker.resident_bytes())
            if peak - before > limit:
                faults.append(f"memory grew by {(peak - before) >> 20} MiB, more than {limit >> 20} MiB")
                break
            if not good.is_alive() and not good_end.poll(0):
                faults.append("the good client's process ended")
                break
        took = time.monotonic() - began
        stop.set()
        summary = {"binary": "asan" if broker.sanitized else "release", "seconds": round(took, 1), "seed": seed, "shards": shards,
                   "rss_mib_before": before >> 20, "rss_mib_peak": peak >> 20}
        for protocol, (_, pipe) in attackers.items():
            if pipe.poll(1):
                _, sent, connections = pipe.recv()
                summary[protocol] = {"frames": sent, "connections": connections}
                if sent < count:
                    faults.append(f"{protocol}: only {sent} of {count} frames went out; connections were refused")
        if good_end.poll(30):
            counts, slowest, good_faults = good_end.recv()
            faults += good_faults
            summary["good"] = {**counts, "slowest_ms": round(slowest * 1000)}
            if not all(counts.values()):
                faults.append(f"the good client did nothing: {counts}")
        else:
            faults.append("the good client hangs")
        broker.check_alive()
    except harness.BrokerError as error:
        summary = {"seed": seed}
        faults.append(str(error))
    finally:
        for process, _ in attackers.values():
            if process.is_alive():
                process.kill()
        try:
            broker.close()
        except harness.BrokerError as error:
            faults.append(str(error))
    return summary, faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100000)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    parser.add_argument("--protocol", default=",".join(harness.PROTOCOLS))
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--ledger", action="store_true")
    options = parser.parse_args()
    summary, faults = run(options.count, options.seed, options.protocol.split(","), options.shards)
    print(json.dumps(summary, indent=1))
    for fault in faults:
        print(f"VIOLATION {fault}")
    if options.ledger:
        ledger.note(f"malformed input, {options.protocol}",
                    f"seed {options.seed}, {summary.get('binary')}, {summary.get('seconds')} s",
                    f"{options.count:,} mutated frames a protocol", len(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
