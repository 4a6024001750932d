"""Runs the three acceptance programs, unmodified, against one fresh broker on the default ports, in one start order.

Usage: scenario.py ORDER [--shards N], ORDER such as rabbitmq,redis,kafka. To be started in a network namespace of its
own, since the programs use ports 5672, 6379 and 9092. Prints a report and exits with 0 when every program printed what
it should, once, stayed up, and complained of nothing.
"""

import argparse
import fcntl
import os
import re
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import harness  # noqa: E402

PROGRAMS = harness.REPO.parent / "shared" / "acceptance"
EXPECTED = {
    "rabbitmq": r"^Processing order: \{'order_id': '123', 'amount': 99\.99\}$",
    "redis": r"^Processing: \{'order_id': '123', 'amount': 99\.99\}$",
    "kafka": r"^\[\d+:\d+\] \{'order_id': '123', 'status': 'created'\}$",
}
# aiokafka warns of these while a topic or a coordinator is being made, also with Kafka itself.
COMPLAINTS = ("Traceback", "Error processing", "Exception", "Unclosed", "never retrieved")
LINE_SECONDS = 30
SETTLE_SECONDS = 1.5


class Program:
    def __init__(self, kind, root):
        self.kind = kind
        self.output = root / f"{kind}.out"
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(PROGRAMS / f"{kind}_orders.py")], stdout=output, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONUNBUFFERED": "1"})

    def text(self):
        return self.output.read_text(errors="replace")

    def has_printed(self):
        return re.search(EXPECTED[self.kind], self.text(), re.MULTILINE) or self.process.poll() is not None

    def verdict(self):
        text = self.text()
        count = len(re.findall(EXPECTED[self.kind], text, re.MULTILINE))
        if count != 1:
            return f"expected line printed {count} times"
        if self.process.poll() is not None:
            return f"ended with {self.process.returncode}; it should run for ever"
        found = [word for word in COMPLAINTS if word in text]
        return f"complained: {', '.join(found)}" if found else None

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def run(order, shards):
    broker = harness.Broker(shards=shards, default_ports=True).start()
    programs = []
    faults = []
    try:
        for kind in order:
            program = Program(kind, broker.root)
            programs.append(program)
            try:
                harness.wait_for(program.has_printed, LINE_SECONDS, f"{kind}: expected line", interval=0.05)
            except AssertionError as error:
                faults.append(str(error))
        time.sleep(SETTLE_SECONDS)  # They run for ever: give a late failure the time to show.
        for program in programs:
            verdict = program.verdict()
            if verdict:
                faults.append(f"{program.kind}: {verdict}")
        broker.check_alive()
        outputs = {program.kind: program.text() for program in programs}
    finally:
        for program in programs:
            program.end()
        log = broker.log_tail()
        broker.close()
    for kind, text in outputs.items():
        print(f"--- {kind}\n{text.rstrip()}")
    if faults:
        print(log)
        print("FAULTS:", *faults, sep="\n  ")
    return not faults


def bring_up_loopback():
    """A new network namespace has a loopback interface that is down."""
    get_flags, set_flags, up = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(any_socket, get_flags, request), 16)
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh14x", b"lo", flags | up))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("order")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--namespace", action="store_true", help="was started in a new network namespace")
    options = parser.parse_args()
    if options.namespace:
        bring_up_loopback()
    return 0 if run(options.order.split(","), options.shards) else 1


if __name__ == "__main__":
    sys.exit(main())
