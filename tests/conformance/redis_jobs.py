#!/usr/bin/env python3
"""Runs bullmq.js against fresh brokers of one and of two shards and against redis-server, and compares what came of it.

  redis_jobs.py

BullMQ is fetched from npm into .cache/suites. What cannot run is a failure. With two shards, all names have the tag {bull}, so
that they lie on one of them, as BullMQ's documentation advises for clusters.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from redis_suite import CACHE, CannotRun, Peer

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import harness  # noqa: E402

BULLMQ = "5.81.5"
RUN_SECONDS = 120


def fetch():
    directory = CACHE / f"bullmq-{BULLMQ}"
    if not (directory / "node_modules" / "bullmq").is_dir():
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "package.json").write_text('{"private": true}\n')
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", f"bullmq@{BULLMQ}"], cwd=directory,
                              check=False, capture_output=True, text=True, timeout=RUN_SECONDS)
        if done.returncode:
            raise CannotRun(done.stdout + done.stderr)
    return directory


def run(directory, port, prefix="bull"):
    done = subprocess.run(["node", "-e", (HERE / "bullmq.js").read_text(), "--", "bullmq.js", str(port), prefix], cwd=directory,
                          check=False, capture_output=True, text=True, timeout=RUN_SECONDS)
    if done.returncode:
        raise CannotRun(done.stdout + done.stderr)
    return json.loads(done.stdout)


def main():
    try:
        directory = fetch()
        with tempfile.TemporaryDirectory() as data:
            peer = Peer(Path(data))
            try:
                expected = run(directory, peer.port)
            finally:
                peer.close()
        found = {}
        for shards, prefix in ((1, "bull"), (2, "{bull}")):
            broker = harness.Broker(shards=shards).start()
            try:
                found[shards] = run(directory, broker.redis_port, prefix)
            finally:
                broker.close()
    except (CannotRun, subprocess.TimeoutExpired, FileNotFoundError) as error:
        print(f"cannot run: {error}")
        return 1
    for shards, got in found.items():
        print(f"BullMQ {BULLMQ}, {shards} shards: {json.dumps(got)}")
    same = all(got == expected for got in found.values())
    if not same:
        print(f"redis-server: {json.dumps(expected)}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
