"""What the figures were taken on, without names of hosts or places."""

import contextlib
import mmap
import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from peers import install, servers

TOUCHED_SIZE = 1 << 30

def _field(path, name):
    for line in Path(path).read_text().splitlines():
        if line.startswith(name):
            return line.split(":", 1)[1].strip()
    return "unknown"


def _os_name():
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.split("=", 1)[1].strip('"')
    return platform.system()


def file_system(place):
    """Type of the file system that holds the data directories."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, found, *_ = line.split()
        if (str(place) + "/").startswith(mount.rstrip("/") + "/") and len(mount) > len(best):
            best, kind = mount, found
    return kind


def commit():
    result = subprocess.run(["git", "-C", str(install.REPO), "describe", "--always", "--dirty", "--abbrev=10"],
                            capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def debian_version(package):
    result = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def touch_free_memory():
    """Free pages that a virtual machine has handed back cost their next user up to 2 ms a MiB, ten times what writing to them
    does; who pays depends on what ran before. So some are used and freed again before each measure."""
    size = min(TOUCHED_SIZE, int(_field("/proc/meminfo", "MemAvailable").split()[0]) * 1024 // 4)
    size -= size % mmap.PAGESIZE
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        with contextlib.suppress(OSError):  # a kernel without them
            memory.madvise(mmap.MADV_HUGEPAGE)
        memory[::mmap.PAGESIZE] = b"\1" * (size // mmap.PAGESIZE)


def describe(place):
    memory = int(_field("/proc/meminfo", "MemTotal").split()[0]) >> 20
    return {
        "time": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"), "commit": commit(),
        "machine": f"{os.cpu_count()} cores ({_field('/proc/cpuinfo', 'model name')}), {memory} GiB, {_os_name()}, "
                   f"Linux {platform.release().split('-')[0]}, {file_system(place)}",
        "load_before": os.getloadavg()[0],
        "servers": [each.version() for each in (servers.Trivium, servers.Redis, servers.RabbitMQ, servers.Kafka)],
        "clients": [f"redis-benchmark {debian_version('redis-tools')}", f"hiredis {debian_version('libhiredis-dev')}",
                    f"librabbitmq {debian_version('librabbitmq-dev')}", f"PerfTest {install.version_of('perf-test')}",
                    f"librdkafka {debian_version('librdkafka-dev')}", f"Kafka tools {install.version_of('kafka-tools')}"],
    }
