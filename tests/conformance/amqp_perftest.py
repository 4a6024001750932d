#!/usr/bin/env python3
"""Runs RabbitMQ's own PerfTest in the ways in which its users run it, against a fresh broker.

  amqp_perftest.py [--port PORT --api PORT] [--shards N] [--seconds N]

PerfTest comes from Maven (as the side-by-side comparison fetches it). A run passes when PerfTest ends well and reports no failed
confirm, its messages have gone where they should, by its own count and by that of the HTTP API, and what it leaves in its queue is
what it must. The first run publishes with confirms and consumes for --seconds (60). --port and --api name a running server instead.
"""

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
sys.path[:0] = [str(HERE.parent), str(REPO / "bench")]

import harness  # noqa: E402
from httpapi import Api, quote  # noqa: E402
from peers import install  # noqa: E402

COUNTED = 3000
PERSISTENT = ["--flag", "persistent"]
BOTH_COUNTED = ["--pmessages", COUNTED, "--cmessages", COUNTED]
KEPT = ["--auto-delete", "false"]


class Runs:
    def __init__(self, port, api):
        self.uri = f"amqp://guest:guest@127.0.0.1:{port}/%2f"
        self.api = api
        self.count = 0
        self.failures = []

    def perf_test(self, arguments, seconds_max):
        command = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", install.class_path("perf-test"),
                   "com.rabbitmq.perf.PerfTest", "--uri", self.uri, "--interval", "5", *map(str, arguments)]
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=seconds_max, check=False)

    def run(self, title, *arguments, check=None, sends=True, receives=True, seconds_max=60):
        self.count += 1
        try:
            done = self.perf_test(arguments, seconds_max)
            wrong = problems(done, sends, receives)
            if not wrong and check:
                wrong = check() or []
        except subprocess.TimeoutExpired as error:
            done, wrong = error, [f"not finished after {seconds_max} s"]
        if wrong:
            self.failures.append(f"{title}: {'; '.join(wrong)}\n  printed: {str(done.stdout)[-2500:]}")
        print("FAILED" if wrong else "ok    ", title, flush=True)
        return "" if wrong else done.stdout

    # --- what the server must tell afterwards -------------------------------------------------------

    def left(self, queue, messages, **stats):
        """The queue is there, with so many messages, and has counted what was done."""
        def look():
            found = self.api.get(f"queues/%2F/{quote(queue)}")
            return {"messages": found.get("messages"), **{name: found.get("message_stats", {}).get(name) for name in stats}}

        wanted = {"messages": messages, **stats}
        until = time.monotonic() + 10
        while (found := look()) != wanted and time.monotonic() < until:
            time.sleep(0.2)
        return None if found == wanted else [f"{queue} has {found}, and not {wanted}"]

    def remove(self, *queues):
        for queue in queues:
            self.api.ask("DELETE", f"queues/%2F/{quote(queue)}")


def problems(done, sends, receives):
    wrong = []
    if done.returncode != 0:
        wrong.append(f"exit code {done.returncode}")
    rates = dict(re.findall(r"(sending|receiving) rate avg: (\d+)", done.stdout))
    for wanted, kind in ((sends, "sending"), (receives, "receiving")):
        if wanted and not int(rates.get(kind, 0)):
            wrong.append(f"nothing for {kind}")
    if re.search(r"nacked: [1-9]", done.stdout):
        wrong.append("publishes were refused")
    if re.search(r"Exception|ERROR", done.stdout):
        wrong.append("an exception")
    return wrong


def flows(runs, seconds):
    """Publishing and consuming at once, for a time."""
    steady = [*PERSISTENT, "--confirm", 500, "--qos", 500, "--multi-ack-every", 50, "--size", 1024]
    print(runs.run(f"confirms, persistent, {seconds} s", *steady, "--time", seconds, seconds_max=seconds + 60).strip()[-300:])
    runs.run("confirms, quorum queue", *steady, "--quorum-queue", "--queue", "pt-quorum", "--time", 8)
    runs.run("stream", "--stream-queue", "--queue", "pt-stream", "--confirm", 500, "--qos", 200, "--multi-ack-every", 50,
             "--time", 8)
    runs.run("without acknowledgements, transient", "--autoack", "--time", 5)
    runs.run("four channels of two connections each way", *PERSISTENT, "--confirm", 100, "--producers", 2, "--consumers", 2,
             "--producer-channel-count", 2, "--consumer-channel-count", 2, "--qos", 100, "--time", 6)
    runs.run("twenty queues", *PERSISTENT, "--confirm", 50, "--queue-pattern", "pt-%d", "--queue-pattern-from", 1,
             "--queue-pattern-to", 20, "--producers", 20, "--consumers", 20, "--qos", 50, "--time", 8)
    runs.run("server-named exclusive queues", "--exclusive", "--producers", 2, "--consumers", 2, "--type", "fanout",
             "--exchange", "pt-fanout", "--time", 5)
    runs.run("rates and sizes that vary", "--variable-rate", "500:2", "--variable-rate", "1000:2", "--variable-size", "100:2",
             "--variable-size", "20000:2", "--confirm", 50, "--time", 8)
    runs.run("a slow consumer with a channel limit", "--rate", 500, "--global-qos", 10, "--qos", 20, "--consumer-latency",
             "1000", "--time", 6)
    runs.run("basic.get", "--polling", "--polling-interval", 1, "--rate", 200, "--time", 5)
    runs.run("priorities", "--queue-args", "x-max-priority=5", "--queue", "pt-priority", "--message-properties",
             "priority=3,headers.kind=x", "--confirm", 50, "--time", 5)
    runs.run("small frames, bodies in many of them", "--framemax", 4096, "--size", 100000, "--confirm", 20, "--qos", 20,
             "--time", 5)
    runs.run("topics, heartbeats, JSON bodies", "--type", "topic", "--exchange", "pt-topic", "--routing-key", "a.b.c",
             "--heartbeat", 1, "--json-body", "--size", 500, "--body-count", 10, "--time", 5)


def counts(runs):
    """What is counted at both ends, and left in the queue."""
    queue = ["--queue", "pt-counted", *KEPT]
    runs.run("counted, confirms", *queue, *PERSISTENT, "--confirm", 100, *BOTH_COUNTED, "--qos", 100, "--multi-ack-every", 10,
             check=lambda: runs.left("pt-counted", 0, publish=COUNTED, deliver=COUNTED, ack=COUNTED))
    runs.run("published and left", *queue, *PERSISTENT, "--confirm", 100, "--consumers", 0, "--pmessages", COUNTED,
             receives=False, check=lambda: runs.left("pt-counted", COUNTED, publish=2 * COUNTED))
    runs.run("emptied", *queue, *PERSISTENT, "--producers", 0, "--exit-when", "empty", "--qos", 100, "--time", 30, sends=False,
             check=lambda: runs.left("pt-counted", 0, ack=2 * COUNTED))
    # Without a limit the Java client stops itself: a thousand deliveries in its hands keep it from reading the answer to a commit.
    runs.run("transactions", *queue, *PERSISTENT, "--ptxsize", 10, "--ctxsize", 10, "--qos", 100, *BOTH_COUNTED,
             check=lambda: runs.left("pt-counted", 0, publish=3 * COUNTED, ack=3 * COUNTED))
    runs.run("mandatory, predeclared", "--predeclared", *queue, "--exchange", "amq.direct", "--routing-key", "pt-counted",
             *PERSISTENT, "--flag", "mandatory", "--confirm", 100, *BOTH_COUNTED,
             check=lambda: runs.left("pt-counted", 0, publish=4 * COUNTED))
    arguments = "x-dead-letter-exchange=,x-dead-letter-routing-key=pt-dead"
    runs.api.put("queues/%2F/pt-dead", {"durable": True})
    runs.run("refused into dead letters", "--queue", "pt-refused", *KEPT, "--queue-args", arguments, *PERSISTENT, "--confirm",
             100, "--nack", "--requeue", "false", *BOTH_COUNTED, check=lambda: runs.left("pt-dead", COUNTED))


def remove_all(runs):
    runs.remove("pt-quorum", "pt-stream", "pt-priority", "pt-counted", "pt-refused", "pt-dead",
                *(f"pt-{index}" for index in range(1, 21)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int)
    parser.add_argument("--api", type=int)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    broker = None
    if not options.port:
        broker = harness.Broker(shards=options.shards).start()
    try:
        runs = Runs(options.port or broker.amqp_port, Api(options.api or broker.management_port))
        flows(runs, options.seconds)
        counts(runs)
        remove_all(runs)
    finally:
        if broker:
            broker.stop()
    for failure in runs.failures:
        print(f"\nFAILED {failure}")
    print(f"PerfTest {install.version_of('perf-test')}: {runs.count} runs, {len(runs.failures)} failed")
    return 1 if runs.failures else 0


if __name__ == "__main__":
    sys.exit(main())
