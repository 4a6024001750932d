#!/usr/bin/env python3
"""Runs the suites that others wrote and the comparisons with the real servers, one after another.

  run.py [NAME...]      the names are below; all of them take more than an hour

Each is a program of this folder, which says for itself what it fetches and what passes. Here only its exit code counts, and that
it ends in time. The last line is `N passed, N failed`.
"""

import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import harness  # noqa: E402
from processes import kill_tree  # noqa: E402

# name: (arguments, seconds at most)
PROGRAMS = {
    "amqp_suites": ([], 900),
    "amqp_perftest": ([], 900),
    "amqp_golden_diff": ([], 1800),
    "rabbitmqadmin_diff": ([], 900),
    "redis_suite": ([], 3600),
    "redis_diff": (["--binary", str(harness.binary_path()), "--random", "20000"], 1800),
    "redis_jobs": ([], 1800),
    "kafka_tools": ([], 1800),
    "kafka_diff": ([], 3600),
    "kafka_streams": ([], 1800),
    "kafka_connect": ([], 1800),
    "kafka_mirror": ([], 1800),
    "kafka_append": ([], 900),
    "librdkafka_suite": ([], 5400),
}


def run(name):
    arguments, seconds = PROGRAMS[name]
    process = subprocess.Popen([sys.executable, str(HERE / f"{name}.py"), *arguments], stdin=subprocess.DEVNULL)
    try:
        return process.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        kill_tree(process.pid)
        process.wait()
        print(f"{name}: not finished after {seconds} s")
        return False


def main():
    wanted = sys.argv[1:] or list(PROGRAMS)
    unknown = set(wanted) - set(PROGRAMS)
    if unknown:
        print(f"no such suite: {' '.join(sorted(unknown))}; there are {' '.join(PROGRAMS)}", file=sys.stderr)
        return 2
    passed = 0
    for name in wanted:
        print(f"== {name}", flush=True)
        began = time.monotonic()
        good = run(name)
        passed += good
        print(f"{name}: {'passed' if good else 'failed'} in {time.monotonic() - began:.0f} s", flush=True)
    print(f"\n{passed} passed, {len(wanted) - passed} failed")
    return 0 if passed == len(wanted) else 1


if __name__ == "__main__":
    sys.exit(main())
