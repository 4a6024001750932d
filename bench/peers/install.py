"""What a comparison needs beside Debian packages: Kafka, its tools and PerfTest from Maven, and our load programs."""

import functools
import os
import subprocess
from pathlib import Path

from peers.process import PeerError

REPO = Path(__file__).resolve().parents[2]
CACHE = REPO / ".cache" / "peers"
CLIENTS = REPO / "bench" / "clients"
LIBRARIES = {"amqp_flow": "rabbitmq", "kafka_flow": "rdkafka", "redis_flow": "hiredis"}
MAVEN_SECONDS_MAX = 900

# Folder below CACHE -> artefacts as group:name:version; the first gives the version.
ARTEFACTS = {
    "kafka": ("org.apache.kafka:kafka_2.13:4.1.0", "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3"),
    "kafka-tools": ("org.apache.kafka:kafka-tools:4.1.0",),
    # What is newer than the release that we measure ourselves by.
    "kafka-4.3": ("org.apache.kafka:kafka_2.13:4.3.1", "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3"),
    "kafka-tools-4.3": ("org.apache.kafka:kafka-tools:4.3.1",),
    "kafka-streams": ("org.apache.kafka:kafka-streams:4.1.0",),
    "kafka-connect": ("org.apache.kafka:connect-mirror:4.1.0", "org.apache.kafka:connect-file:4.1.0",
                      "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3"),
    "perf-test": ("com.rabbitmq:perf-test:2.22.1",),
}

POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>trivium</groupId>
  <artifactId>{folder}</artifactId>
  <version>1</version>
  <dependencies>
{dependencies}
  </dependencies>
</project>
"""


def _dependency(artefact):
    group, name, version = artefact.split(":")
    return (f"    <dependency><groupId>{group}</groupId><artifactId>{name}</artifactId>"
            f"<version>{version}</version></dependency>")


def version_of(folder):
    return ARTEFACTS[folder][0].rsplit(":", 1)[1]


def fetch(folder):
    """Copies the artefacts and what they depend on to CACHE/folder; nothing when they are there."""
    place = CACHE / folder
    pom = POM.format(folder=folder, dependencies="\n".join(map(_dependency, ARTEFACTS[folder])))
    done = place / "pom.xml"
    if done.is_file() and done.read_text() == pom:
        return place
    work = place / "fetch.xml"
    place.mkdir(parents=True, exist_ok=True)
    work.write_text(pom)
    result = subprocess.run(["mvn", "-q", "-B", "-f", str(work), "dependency:copy-dependencies",
                             f"-DoutputDirectory={place}", "-DincludeScope=runtime"], capture_output=True, text=True,
                            timeout=MAVEN_SECONDS_MAX, check=False)
    if result.returncode != 0:
        raise PeerError(f"mvn could not fetch {folder}:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
    work.rename(done)
    return place


def class_path(folder):
    return str(fetch(folder) / "*")


def trivium_binary():
    path = Path(os.environ.get("BROKER") or REPO / "build" / "release" / "trivium")
    if not path.is_file():
        raise PeerError("there is no broker to measure: build it, or name one with BROKER")
    return path.resolve()


@functools.cache
def program(name):
    """The path of one of our load programs, compiled again when a source is newer."""
    target = CACHE / "programs" / name
    sources = [CLIENTS / f"{name}.c", *CLIENTS.glob("*.h")]
    if not target.is_file() or any(source.stat().st_mtime > target.stat().st_mtime for source in sources):
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-o", str(target), str(sources[0]),
                        f"-l{LIBRARIES[name]}", "-lpthread"], check=True)
    return target


def fetch_all():
    for folder in ARTEFACTS:
        fetch(folder)
    for name in LIBRARIES:
        program(name)
