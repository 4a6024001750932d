#!/usr/bin/env python3
"""Measures a broker with other people's clients and prints markdown tables for the README.

  python3 bench/clients/run.py [--quick] [--durability fsync,os] [--shards N]

BROKER names the binary (default build/release/trivium). Clients: redis-benchmark and hiredis for Redis, librabbitmq for
AMQP, librdkafka for Kafka; the C programs beside this file are compiled first. With PEERS=amqp:P,redis:P,kafka:P the
same load goes to running RabbitMQ, Redis and Kafka servers, to compare in one sitting.
"""

import argparse
import csv
import io
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parent.parent
sys.path.insert(0, str(REPO / "tests"))

import harness  # noqa: E402

SIZE = 1024
LIBRARIES = {"amqp_load": "rabbitmq", "kafka_load": "rdkafka", "redis_load": "hiredis"}
STEP_SECONDS_MAX = 300


def compile_programs(directory):
    programs = {}
    for program, library in LIBRARIES.items():
        programs[program] = directory / program
        subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-o", str(programs[program]),
                        str(HERE / f"{program}.c"), f"-l{library}"], check=True)
    return programs


def load(program, *arguments):
    result = subprocess.run([str(program), *map(str, arguments)], capture_output=True, text=True,
                            timeout=STEP_SECONDS_MAX)
    if result.returncode != 0:
        raise SystemExit(f"{program.name} {' '.join(map(str, arguments))}: {result.stderr.strip()}")
    return json.loads(result.stdout)


def redis_benchmark(port, stream, count, clients, pipeline):
    """XADD of one field of SIZE bytes. Its latency is that of a whole pipeline."""
    result = subprocess.run(
        ["redis-benchmark", "-p", str(port), "--csv", "-n", str(count), "-c", str(clients), "-P", str(pipeline),
         "xadd", stream, "*", "field", "x" * (SIZE - len("field"))], capture_output=True, text=True,
        timeout=STEP_SECONDS_MAX)
    if result.returncode != 0 or "ERR" in result.stderr:
        raise SystemExit(f"redis-benchmark: {result.stdout[-300:]}{result.stderr[-300:]}")
    row = list(csv.reader(io.StringIO(result.stdout)))[-1]
    rate, _, _, p50, _, p99, _ = map(float, row[1:8])
    return {"rate": rate, "p50_us": p50 * 1000, "p99_us": p99 * 1000}


def microseconds(value):
    if value is None:
        return ""
    return f"{value / 1000:.1f} ms" if value >= 10000 else f"{value:.0f} us"


def measure(target, programs, scale):
    """Yields (protocol, what, result) rows; every step is checked by the load program itself."""
    amqp, kafka, redis = (programs[name] for name in ("amqp_load", "kafka_load", "redis_load"))
    ports = target.amqp_port, target.kafka_port, target.redis_port
    stamp = f"bench-{os.getpid()}-{int(time.time())}"

    count = 100000 // scale
    yield "AMQP", "publish, confirms, window 500", load(amqp, "publish", ports[0], stamp + "-q", count, SIZE, 500)
    yield "AMQP", "consume, ack each, prefetch 500", load(amqp, "consume", ports[0], stamp + "-q", count, 500)
    yield "AMQP", "publish, window 1", load(amqp, "publish", ports[0], stamp + "-q1", 5000 // scale, SIZE, 1)

    for pipeline, count in ((1, 100000 // scale), (16, 200000 // scale), (64, 400000 // scale)):
        yield "Redis", f"XADD, 50 connections, pipeline {pipeline}", redis_benchmark(
            ports[2], f"{stamp}-{pipeline}", count, 50, pipeline)
    yield "Redis", "XREADGROUP COUNT 500 + XACK", load(redis, "consume", ports[2], f"{stamp}-64", 400000 // scale, 500)
    yield "Redis", "XADD, 1 connection", redis_benchmark(ports[2], stamp + "-one", 5000 // scale, 1, 1)

    count = 1000000 // scale
    yield "Kafka", "produce, acks=all, linger 5 ms, 10,000 in flight", load(
        kafka, "produce", ports[1], stamp + "-t", count, SIZE, 5, 10000)
    yield "Kafka", "consume from the start", load(kafka, "consume", ports[1], stamp + "-t", count)
    yield "Kafka", "produce, one in flight", load(kafka, "produce", ports[1], stamp + "-t1", 5000 // scale, SIZE, 0, 1)


def table(rows):
    print("| protocol | 1 KB messages | messages/s | p50 | p99 |\n|---|---|---|---|---|")
    for protocol, what, result in rows:
        print(f"| {protocol} | {what} | {result['rate']:,.0f} | {microseconds(result.get('p50_us'))} | "
              f"{microseconds(result.get('p99_us'))} |", flush=True)


def stripped_size(binary):
    with tempfile.NamedTemporaryFile() as copy:
        subprocess.run(["strip", "-o", copy.name, str(binary)], check=True)
        return os.path.getsize(copy.name)


def footprint(shards):
    """Start time to the first accepted connection on every port, idle resident memory, size of the binary."""
    starts = []
    resident = 0
    for _ in range(5):
        broker = harness.Broker(shards=shards).start()
        starts.append(broker.start_seconds)
        time.sleep(1)
        resident = broker.resident_bytes()
        broker.close()
    broker = harness.Broker(shards=shards).start()
    broker.stop()
    again = broker.start().start_seconds
    broker.close()
    print("| what | figure |\n|---|---|")
    print(f"| start, empty data directory, median of 5 | {sorted(starts)[2] * 1000:.0f} ms |")
    print(f"| start again, same directory | {again * 1000:.0f} ms |")
    print(f"| resident memory, idle | {resident / (1 << 20):.1f} MiB |")
    print(f"| binary, stripped | {stripped_size(harness.binary_path()) / (1 << 20):.1f} MiB |")


def machine():
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} cores ({model}), Linux {platform.release()}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a tenth of the messages")
    parser.add_argument("--durability", default="fsync,os")
    parser.add_argument("--shards", type=int, default=1)
    options = parser.parse_args()
    scale = 10 if options.quick else 1
    peers = harness.peers_from_environment()
    with tempfile.TemporaryDirectory(prefix="trivium-bench-") as directory:
        programs = compile_programs(Path(directory))
        print(f"Machine: {machine()}; load average before: {os.getloadavg()[0]:.1f}. "
              f"Command: `python3 bench/clients/run.py{' --quick' if options.quick else ''}`.\n")
        if peers:
            table(measure(harness.Peers(peers), programs, scale))
            return
        footprint(options.shards)
        for durability in options.durability.split(","):
            print(f"\nDurability `{durability}`, {options.shards} shard(s):\n")
            broker = harness.Broker(shards=options.shards, durability=durability).start()
            try:
                table(measure(broker, programs, scale))
                print(f"\nResident memory after the run: {broker.resident_bytes() / (1 << 20):.0f} MiB, "
                      f"peak {broker.peak_bytes() / (1 << 20):.0f} MiB.")
            finally:
                broker.close()


if __name__ == "__main__":
    main()
