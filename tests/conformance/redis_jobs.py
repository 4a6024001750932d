#!/usr/bin/env python3
"""Runs bullmq.js against a fresh broker of one shard and against redis-server, and compares what came of it.

  redis_jobs.py

BullMQ is fetched from npm into .cache/suites. What cannot run is a failure. BullMQ's keys of a queue have no name in
common that would put them on one shard, so several shards are no place for it.
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


def run(directory, port):
    done = subprocess.run(["node", "-e", (HERE / "bullmq.js").read_text(), "--", "bullmq.js", str(port)], cwd=directory,
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
        broker = harness.Broker(shards=1).start()
        try:
            found = run(directory, broker.redis_port)
        finally:
            broker.close()
    except (CannotRun, subprocess.TimeoutExpired, FileNotFoundError) as error:
        print(f"cannot run: {error}")
        return 1
    print(f"BullMQ {BULLMQ}: {json.dumps(found)}")
    if found != expected:
        print(f"redis-server: {json.dumps(expected)}")
    return 0 if found == expected else 1


if __name__ == "__main__":
    sys.exit(main())
