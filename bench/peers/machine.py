"""What the figures were taken on, without names of hosts or places."""

import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from peers import install, servers


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
