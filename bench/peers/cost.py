"""What a server costs without load: start time, idle memory, size of the installation; and memory with messages in it."""

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from peers import install, servers
from peers.cell import PeerError, flow
from peers.process import anonymous
from peers.redis_cells import benchmark

STARTS = 3
IDLE_SECONDS = 2
FILL_SECONDS_MAX = 60
SIZE = 100
MESSAGES = 10_000_000
# What the Debian packages bring that the server needs and that nothing else on a small machine does.
DEBIAN = {"redis": ("redis-server", "redis-tools"), "rabbitmq": ("rabbitmq-server", "erlang-*"),
          "kafka": ("openjdk-17-jre-headless",)}


def starters(base):
    """name -> a function that starts a new server over an empty directory."""
    return {"Trivium": lambda: servers.start_trivium("fsync", base), "Redis": lambda: servers.start_peer("redis:always", base),
            "RabbitMQ": lambda: servers.start_peer("rabbitmq", base), "Kafka": lambda: servers.start_peer("kafka", base)}


def idle(start):
    """Start time, memory and CPU of a server that nobody talks to."""
    starts, resident, cpu = [], [], []
    for _ in range(STARTS):
        server = start()
        try:
            starts.append(server.start_seconds)
            before = server.cpu_seconds()
            time.sleep(IDLE_SECONDS)
            cpu.append((server.cpu_seconds() - before) / IDLE_SECONDS)
            resident.append(server.resident_bytes())
        finally:
            server.stop()
    return {"start_seconds": statistics.median(starts), "resident": statistics.median(resident),
            "idle_cores": statistics.median(cpu)}


def debian_size(*patterns):
    output = subprocess.run(["dpkg-query", "-W", "-f", "${Installed-Size}\n", *patterns], capture_output=True, text=True,
                            check=False).stdout
    return 1024 * sum(int(line) for line in output.split() if line.isdigit())


def installed_sizes():
    """Bytes on disk: Trivium's binary stripped, a peer's packages, Kafka's jars with the Java that it needs."""
    with tempfile.NamedTemporaryFile() as copy:
        subprocess.run(["strip", "-o", copy.name, str(install.trivium_binary())], check=True)
        trivium = os.path.getsize(copy.name)
    jars = sum(jar.stat().st_size for jar in Path(install.fetch("kafka")).glob("*.jar"))
    return {"Trivium": trivium, "Redis": debian_size(*DEBIAN["redis"]), "RabbitMQ": debian_size(*DEBIAN["rabbitmq"]),
            "Kafka": jars + debian_size(*DEBIAN["kafka"])}


# -- memory with messages

def fill_redis(server, count):
    return benchmark(server.redis_port, count, 64, 50, "xadd", "memory", "*", "field", size=SIZE)["count"]


def fill_amqp(server, count):
    return flow("amqp_flow", server.amqp_port, FILL_SECONDS_MAX * 3, mode="publish", name="memory", size=SIZE, window=2000,
                seconds=FILL_SECONDS_MAX, count=count)["count"]


def fill_kafka(server, count):
    flow("kafka_flow", server.kafka_port, mode="create", topic="memory")
    return flow("kafka_flow", server.kafka_port, mode="produce", topic="memory", size=SIZE, window=100_000, count=count)["count"]


FILLS = {"redis": ("10 million entries of 100 bytes in a stream", "Redis", fill_redis),
         "amqp": ("messages of 100 bytes in a durable queue", "RabbitMQ", fill_amqp),
         "kafka": ("10 million records of 100 bytes in a partition", "Kafka", fill_kafka)}


def filled(start, fill, count):
    server = start()
    try:
        before = server.resident_bytes()
        got = fill(server, count)
        time.sleep(1)
        return {"count": got, "before": before, "resident": server.resident_bytes()}
    finally:
        server.stop()


def memory(base, count, errors):
    """ground -> {"peer": ..., "trivium": ...}. Redis keeps everything in memory by design; here the append-only file is on."""
    begin, found = starters(base), {}
    for ground, (_, peer, fill) in FILLS.items():
        found[ground] = {}
        for side, name in (("peer", peer), ("trivium", "Trivium")):
            try:
                found[ground][side] = filled(begin[name], fill, count)
            except (PeerError, OSError) as error:
                errors.append(anonymous(f"memory with messages, {name}: {error}"))
    return found


def measure(base, scale=1.0):
    """Everything of this section as one dictionary; what failed is in its errors."""
    errors, idles = [], {}
    for name, start in starters(base).items():
        try:
            idles[name] = idle(start)
        except (PeerError, OSError) as error:
            errors.append(anonymous(f"idle {name}: {error}"))
    return {"idle": idles, "installed": installed_sizes(), "memory": memory(base, int(MESSAGES * scale), errors), "errors": errors}
