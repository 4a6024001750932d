"""A cell of the comparison: one load, one peer, one durability; and what one run of it gave."""

import itertools
import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from peers import install
from peers.process import PeerError

STEP_SECONDS_MAX = 180
KEYS = itertools.count()


@dataclass(frozen=True)
class Cell:
    name: str                   # as in redis/xadd/1k/p16/none; --only searches in it
    what: str                   # the row's text
    peer: str                   # key of servers.start_peer
    ours: str                   # Trivium's durability
    load: Callable[["Run"], None]
    aims: Mapping[str, float] = field(default_factory=dict)      # measure -> least ratio of rates
    p99_aims: Mapping[str, float] = field(default_factory=dict)  # measure -> highest ratio of p99
    seconds: float = 1.25       # of load per side and round
    section: str = "throughput"
    smoke: bool = False         # also in the short form
    rounds_max: int = 100
    leaves_much: bool = False   # the servers are ended after it, whatever they cost to start
    probe: Callable[["Run"], float] | None = None  # run on both sides first; the load finds the lower answer in shared["peak"]


@dataclass
class Sample:
    """One measure of one run on one side."""

    count: int
    seconds: float
    rate: float                 # messages a second
    server_cpu: float           # seconds that the server used
    client_cpu: float
    written: int                # bytes that the server sent to the disk
    size: int = 0               # bytes of a message, 0: unknown
    latency: dict[str, dict[str, float]] = field(default_factory=dict)  # confirmed, delivered -> p50_us, ...
    extra: dict[str, Any] = field(default_factory=dict)


class OutOfTime(PeerError):
    """A step did not end within its bound. In cells of scale that is an answer, elsewhere a failure."""


class Run:
    """One side of one round. `memory` lasts from round to round for a side, `shared` for both sides of a cell."""

    def __init__(self, cell, server, is_peer, seconds, memory, shared):
        self.cell, self.server, self.is_peer = cell, server, is_peer
        self.seconds, self.memory, self.shared = seconds, memory, shared
        self.key = f"bench-{os.getpid()}-{next(KEYS)}"
        self.samples = {}

    def measure(self, measure, step, size=0, **fields):
        """Runs `step(run) -> dict with count, seconds, rate, and perhaps latencies` and notes what it cost."""
        cpu, written, client = self.server.cpu_seconds(), self.server.written_bytes(), os.times()
        result = step()
        after = os.times()
        self.samples[measure] = Sample(
            count=result["count"], seconds=result["seconds"], rate=result["rate"],
            server_cpu=self.server.cpu_seconds() - cpu, written=self.server.written_bytes() - written, size=size,
            client_cpu=after.children_user + after.children_system - client.children_user - client.children_system,
            latency={name: result[name] for name in ("confirmed", "delivered") if name in result}, extra=fields)
        if result["count"] <= 0:
            raise PeerError(f"{self.cell.name}: nothing was measured")
        return self.samples[measure]

    def calibrated(self, what, first, step, least=0.15):
        """How many messages take `seconds`, from a run of `step(count)` of at least `least` seconds; remembered for the later
        rounds."""
        if what not in self.memory:
            count, result = first, step(first)
            while result["seconds"] < least and count < 20_000_000:
                count = min(count * 8, 20_000_000)
                result = step(count)
            self.memory[what] = max(50, int(result["rate"] * self.seconds))
        return self.memory[what]


def execute(command, seconds_max=STEP_SECONDS_MAX, **options):
    """The output of a program that must succeed."""
    try:
        result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=seconds_max,
                                check=False, **options)
    except subprocess.TimeoutExpired:
        raise OutOfTime(f"{shown(command)}: not done within {seconds_max} s") from None
    if result.returncode != 0:
        said = "\n".join(text.strip()[-600:] for text in (result.stderr, result.stdout) if text.strip())
        raise PeerError(f"{shown(command)}: {said}")
    return result


def shown(command):
    """A command as the tables show it: no directories, no long arguments."""
    words = [re.sub(r"^.*/", "", str(word)) if "/" in str(word) else str(word) for word in command]
    return " ".join(word if len(word) < 60 else word[:10] + "..." for word in words)


def flow(program, port, seconds_max=STEP_SECONDS_MAX, **options):
    """Runs one of our load programs and returns the JSON that it ends with."""
    words = [f"{key}={value}" for key, value in options.items() if value is not None]
    output = execute([install.program(program), f"port={port}", *words], seconds_max).stdout
    return json.loads(output) if output.strip() else {}
