#!/usr/bin/env python3
"""Proves the tests: plants bugs, one at a time, and has the tests that ought to find each of them fail.

  run.py [NAME...] [--ledger]

The bugs are in the sources (src/base/mutant.h) and in a binary of the build type `mutants`, which `./dev mutants` builds;
mutants.toml says for each one what it breaks and which tests find it. First each of these tests runs without a bug and must
pass. Then, with the bug, each must fail, by its own assertion or because the broker stopped itself by one: a test that
merely does not end in time, or cannot run, has found nothing. Ends with `N of N mutants caught`; exit code 0 only then.

BUILD names another build directory.
"""

import argparse
import os
import subprocess
import sys
import time
import tomllib
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "crash")]

import harness  # noqa: E402
import ledger  # noqa: E402
from outcome import Outcome, judge_client, judge_golden, judge_unit  # noqa: E402
from processes import kill_tree  # noqa: E402

TABLE = HERE / "mutants.toml"
BUILD = Path(os.environ.get("BUILD") or harness.REPO / "build" / "mutants")
COMMAND_SECONDS_MAX = 240


def read_table():
    return {row["name"]: row for row in tomllib.loads(TABLE.read_text())["mutant"]}


def shards_of(row):
    """How many the broker has in client tests: some bugs need several."""
    return row.get("shards", 1)


def unit_program(module):
    found = sorted(path for path in BUILD.glob(f"src/**/{module}") if path.is_file())
    if len(found) != 1:
        raise SystemExit(f"{len(found)} programs {module} in {BUILD}; ./dev mutants builds it")
    return found[0]


def command_of(test):
    """The command of a test as the table has it, and who reads its output."""
    kind, _, rest = test.partition(" ")
    if kind == "unit":
        program, chosen = rest.split(" ")
        return [str(unit_program(program)), f"--gtest_filter={chosen}", "--gtest_brief=1"], judge_unit
    if kind == "golden":
        return [str(unit_program("amqp_golden")), str(HERE.parent / "golden" / "amqp")], partial(judge_golden, rest)
    if kind == "client":
        return [sys.executable, "-m", "pytest", "-x", str(HERE.parent / rest)], judge_client
    raise SystemExit(f"{TABLE.name}: a test is 'unit ...', 'golden ...' or 'client ...', not '{test}'")


def run_test(test, shards, mutant=None):
    command, judge = command_of(test)
    environment = {**os.environ, "BROKER": str(BUILD / "trivium"), "SHARDS": str(shards)}
    environment.pop("TRIVIUM_MUTANT", None)
    if mutant:
        environment["TRIVIUM_MUTANT"] = mutant
    process = subprocess.Popen(command, cwd=HERE.parent, env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=COMMAND_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        kill_tree(process.pid)
        process.communicate()
        return Outcome.broken, f"not finished after {COMMAND_SECONDS_MAX} s"
    return judge(process.returncode, output.decode("utf-8", "replace"), mutant)


def run_without(tests):
    """A test that fails by itself proves nothing about the bug."""
    bad = {}
    for test, shards in tests:
        outcome, why = run_test(test, shards)
        if outcome is not Outcome.passed:
            bad[test] = why
            print(f"without a mutant: {test}: {outcome.name}: {why}", flush=True)
    return bad


def try_mutant(row, bad):
    """What is to be told of it; nothing when every one of its tests found it."""
    problems = [f"'{test}' does not pass without it" for test in row["tests"] if test in bad]
    for test in row["tests"]:
        if test in bad:
            continue
        outcome, why = run_test(test, shards_of(row), row["name"])
        if outcome is not Outcome.caught:
            problems.append(f"'{test}': {outcome.name}: {why}")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--ledger", action="store_true", help="append a line to docs/reliability/LEDGER.md")
    options = parser.parse_args()
    table = read_table()
    unknown = set(options.names) - set(table)
    if unknown:
        parser.error(f"no such mutant: {' '.join(sorted(unknown))}")
    rows = [table[name] for name in options.names or table]
    began = time.monotonic()
    tests = sorted({(test, shards_of(row)) for row in rows for test in row["tests"]})
    print(f"{len(rows)} mutants, {len(tests)} tests", flush=True)
    bad = run_without(tests)
    caught = 0
    for row in rows:
        problems = try_mutant(row, bad)
        caught += not problems
        print(f"{row['name']:<44} {'caught' if not problems else 'SURVIVED: ' + '; '.join(problems)}", flush=True)
    took = time.monotonic() - began
    print(f"{caught} of {len(rows)} mutants caught ({took:.0f} s)")
    if options.ledger:
        ledger.note("seeded bugs", f"{len(tests)} tests, {took:.0f} s", f"{caught} of {len(rows)} mutants caught",
                    len(rows) - caught)
    return 0 if caught == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
