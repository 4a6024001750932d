#!/usr/bin/env python3
"""Runs the test suites of AMQP clients against a fresh broker, and compares which cases ran and which passed.

  amqp_suites.py [--port PORT] [SUITE...]      suites: amqplib, amqp091-go (default: both)

The suites are fetched into .cache/suites: amqplib's from its npm package, amqp091-go's from Debian's package
golang-github-rabbitmq-amqp091-go-dev. A case that should fail is listed here with the reason; one that fails without
being listed, or passes though it is, or did not run, makes the exit code 1. --port names a running server (RabbitMQ,
say) instead of our own broker. A suite whose tools are missing cannot run, which counts as a failure.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
CACHE = REPO / ".cache" / "suites"
sys.path.insert(0, str(HERE.parent))

import harness  # noqa: E402

AMQPLIB = "1.0.4"
GO_SOURCE = Path("/usr/share/gocode/src/github.com/rabbitmq/amqp091-go")
SUITE_SECONDS = 300

# How many cases there are, as rabbitmq-server 3.10.8 runs them, and the failures with their reasons.
EXPECTED_COUNT = {"amqplib": 268, "amqp091-go": 116}
EXPECTED_FAILURES = {
    "amqplib": {
        "Connect > Connect API > serverProperties": "asks for the product name RabbitMQ; ours is Trivium",
        "Connect > Connect API > ipv6": "the broker under test listens on 127.0.0.1",
    },
    "amqp091-go": {},
}


class CannotRun(Exception):
    pass


def run(command, **options):
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=SUITE_SECONDS, check=False, **options)
    except FileNotFoundError:
        raise CannotRun(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise CannotRun(f"{command[0]} took more than {SUITE_SECONDS} s") from None


def parse_tap(text):
    """{path of names: passed} of the cases of nested TAP, without the suites that hold them. Cases of one name are
    numbered."""
    results, open_names, last = {}, {}, None
    for line in text.splitlines():
        if found := re.match(r"( *)# Subtest: (.*)", line):
            open_names[len(found[1]) // 4] = found[2]
        elif found := re.match(r"( *)(not )?ok \d+ - ", line):
            path = " > ".join(open_names[depth] for depth in range(len(found[1]) // 4 + 1))
            last, times = path, 1
            while last in results:
                times += 1
                last = f"{path} ({times})"
            results[last] = not found[2]
        elif re.match(r" *type: 'suite'", line):
            del results[last]
    return results


def amqplib(port):
    directory = CACHE / f"amqplib-{AMQPLIB}"
    package = directory / "node_modules" / "amqplib"
    if not (package / "test").is_dir():
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "package.json").write_text('{"private": true}\n')
        done = run(["npm", "install", "--no-audit", "--no-fund", f"amqplib@{AMQPLIB}", "claire@0.4.1"], cwd=directory)
        if done.returncode:
            raise CannotRun(done.stdout)
    environment = {**os.environ, "AMQP_PORT": str(port), "URL": f"amqp://127.0.0.1:{port}",
                   "NODE_OPTIONS": f"--require {HERE / 'redirect.js'}"}
    tests = sorted(str(path) for path in (package / "test").glob("*.test.js"))
    done = run(["node", "--test", "--test-timeout=60000", "--test-reporter=tap", *tests], cwd=package, env=environment)
    return parse_tap(done.stdout), done.stdout


def amqp091_go(port):
    if not GO_SOURCE.is_dir():
        raise CannotRun("Debian's package golang-github-rabbitmq-amqp091-go-dev is not installed")
    directory = CACHE / "amqp091-go"
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(GO_SOURCE, directory, ignore=shutil.ignore_patterns("_examples"))
    environment = {**os.environ, "AMQP_URL": f"amqp://guest:guest@127.0.0.1:{port}/", "GOFLAGS": "-mod=mod"}
    done = run(["go", "test", "-vet=off", "-tags", "integration", "-json", "-timeout", f"{SUITE_SECONDS - 60}s", "./"],
               cwd=directory, env=environment)
    results = {}
    for line in done.stdout.splitlines():
        event = json.loads(line) if line.startswith("{") else {}
        if event.get("Test") and event["Action"] in ("pass", "fail"):
            results[event["Test"]] = event["Action"] == "pass"
    return results, done.stdout


SUITES = {"amqplib": amqplib, "amqp091-go": amqp091_go}


def judge(suite, results):
    """Prints counts and what is not as expected; true when all is."""
    expected = EXPECTED_FAILURES[suite]
    failed = {name for name, passed in results.items() if not passed}
    print(f"{suite}: {len(results)} cases ran, {len(results) - len(failed)} passed, {len(failed)} failed")
    for name in sorted(failed & set(expected)):
        print(f"  as expected: {name}: {expected[name]}")
    surprises = [f"failed: {name}" for name in sorted(failed - set(expected))]
    surprises += [f"passed, though it should not: {name}" for name in sorted(set(expected) - failed)]
    if len(results) < EXPECTED_COUNT[suite]:
        surprises.append(f"only {len(results)} of {EXPECTED_COUNT[suite]} cases ran")
    for line in surprises:
        print(f"  {line}")
    return not surprises


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("suites", nargs="*", default=list(SUITES))
    options = parser.parse_args()
    good = True
    for suite in options.suites:
        broker = None if options.port else harness.Broker(shards=1).start()
        try:
            results, output = SUITES[suite](options.port or broker.amqp_port)
            (CACHE / f"{suite}.log").write_text(output)
            good &= judge(suite, results)
        except CannotRun as why:
            print(f"{suite}: cannot run: {why}")
            good = False
        finally:
            if broker:
                broker.close()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
