#!/usr/bin/env python3
"""Runs every test of this folder in order, in the short form, and ends with the line `N passed, N failed`.

  tests/run.py [PART...]      parts: golden operator_minimum acceptance clients crossing upgrade crash power faults malformed mutants

BROKER names the binary (default build/release/trivium); BROKER_ASAN, when set, the one that gets malformed input.
Needs the packages of requirements.txt in the Python that runs it. Each part has a time limit; a part that dies or does
not end counts as one failure.
"""

import contextlib
import itertools
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from processes import kill_tree

HERE = Path(__file__).resolve().parent
PARTS = {"golden": 300, "operator_minimum": 120, "acceptance": 300, "clients": 1500, "crossing": 300, "upgrade": 240, "crash": 500,
         "power": 400, "faults": 500, "malformed": 400, "mutants": 60}
# Most of them wait more than they compute. Each process has brokers of its own, which the tests of one file
# share where the files are what is spread.
PROCESSES = {"clients": (5, "loadfile"), "crossing": (3, "load"), "upgrade": (3, "load"), "malformed": (2, "load"), "crash": (3, "load"),
             "power": (2, "load"), "faults": (2, "load")}
# Parts that run at the same time when they are wanted one after the other.
TOGETHER = {"crash", "power", "faults"}


def count(report, code):
    passed = failed = 0
    if report.is_file() and report.stat().st_size:
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            if case.find("failure") is not None or case.find("error") is not None:
                failed += 1
            elif case.find("skipped") is None:
                passed += 1
    if code != 0 and not failed:
        failed = 1
    return passed, failed


def run(part, seconds, directory, output=None):
    report = Path(directory) / f"{part}.xml"
    environment = dict(os.environ)
    if part == "malformed" and environment.get("BROKER_ASAN"):
        environment["BROKER"] = environment["BROKER_ASAN"]
    command = [sys.executable, "-m", "pytest", str(HERE / part), f"--junitxml={report}"]
    if part in PROCESSES:
        count_at_once, spread = PROCESSES[part]
        command += ["-n", str(count_at_once), "--dist", spread]
    process = subprocess.Popen(command, cwd=HERE, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output and subprocess.STDOUT)
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        kill_tree(process.pid)
        process.wait()
        print(f"{part}: not finished after {seconds} s")
        code = 1
    return count(report, code)


def run_and_say(part, directory, output=None):
    """Result: (passed, failed, the line that says so)."""
    began = time.monotonic()
    passed, failed = run(part, PARTS[part], directory, output)
    return passed, failed, f"{part:<12} {passed:>5} passed {failed:>4} failed {time.monotonic() - began:>6.0f} s"


def run_together(parts, directory):
    """What each prints is shown when all have ended."""
    with contextlib.ExitStack() as files, ThreadPoolExecutor(len(parts)) as pool:
        outputs = [files.enter_context(open(Path(directory) / f"{part}.log", "w+b")) for part in parts]
        results = list(pool.map(lambda part, output: run_and_say(part, directory, output), parts, outputs))
        for part, output in zip(parts, outputs):
            output.seek(0)
            print(f"== {part}\n{output.read().decode(errors='replace')}", flush=True)
    return results


def main():
    if unknown := set(sys.argv[1:]) - set(PARTS):
        sys.exit(f"no such part: {' '.join(sorted(unknown))}")
    wanted = [part for part in sys.argv[1:] or PARTS if any((HERE / part).rglob("test_*.py"))]
    results = []
    with tempfile.TemporaryDirectory() as directory:
        for together, parts in itertools.groupby(wanted, lambda part: part in TOGETHER):
            if together:
                results += run_together(list(parts), directory)
                continue
            for part in parts:
                print(f"== {part}", flush=True)
                results.append(run_and_say(part, directory))
    total_passed, total_failed = (sum(result[index] for result in results) for index in (0, 1))
    print("\n" + "\n".join(line for _, _, line in results) + f"\n\n{total_passed} passed, {total_failed} failed", flush=True)
    return 0 if total_passed and not total_failed else 1


if __name__ == "__main__":
    sys.exit(main())
