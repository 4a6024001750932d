"""Runs cells: peer, Trivium, peer, Trivium, ...; a step that fails is a result too."""

import os
import sys
import time
from dataclasses import asdict, dataclass, field

from peers import machine, servers
from peers.cell import OutOfTime, Run
from peers.process import anonymous


@dataclass
class CellResult:
    cell: object
    rounds: list = field(default_factory=list)   # of {"peer": {measure: Sample}, "trivium": {measure: Sample}}
    errors: list = field(default_factory=list)   # of text: failures
    limits: list = field(default_factory=list)   # of text: what a side does not cope with, in cells of scale


SETTLE_SECONDS_MAX, SETTLE_STEP, SETTLED_CORES = 3.0, 0.1, 0.15


class Pool:
    """The running servers: one peer and one Trivium at most. A server that is cheap to start is new for every cell."""

    def __init__(self, base):
        self.base = base
        self.running = {}  # "peer" or "trivium" -> (key, server)

    def get(self, side, key):
        kept = self.running.get(side)
        if kept and kept[0] == key:
            kept[1].check_alive()
            return kept[1]
        self.drop(side)
        start = servers.start_peer if side == "peer" else servers.start_trivium
        server = start(key, self.base)
        server.warm()
        self.running[side] = (key, server)
        return server

    def drop(self, side):
        kept = self.running.pop(side, None)
        if kept:
            kept[1].stop()

    def settle(self):
        """Waits until no server works on what a run before has left to it: flushing, merging, collecting."""
        for _, server in self.running.values():
            deadline, before = time.monotonic() + SETTLE_SECONDS_MAX, server.cpu_seconds()
            while time.monotonic() < deadline:
                time.sleep(SETTLE_STEP)
                now = server.cpu_seconds()
                if now - before <= SETTLED_CORES * SETTLE_STEP:
                    break
                before = now

    def end_cell(self, all_of_them):
        """After a failure nothing is taken over into the next cell."""
        for side, (_, server) in list(self.running.items()):
            if all_of_them or server.fresh_per_cell:
                self.drop(side)

    def close(self):
        for side in list(self.running):
            self.drop(side)


def say(text):
    print(text, file=sys.stderr, flush=True)


def side_run(cell, pool, side, seconds, memory, shared):
    server = pool.get(side, cell.peer if side == "peer" else cell.ours)
    pool.settle()
    os.sync()  # what the other side left for the disk is not charged to this one
    machine.touch_free_memory()  # nor that the host has taken pages back meanwhile
    return Run(cell, server, side == "peer", seconds, memory, shared)


class CellRun:
    """The rounds of one cell. A side that failed once is left out of the later rounds; the other goes on."""

    def __init__(self, cell, pool, scale):
        self.cell, self.pool, self.seconds = cell, pool, cell.seconds * scale
        self.result = CellResult(cell)
        self.memories, self.shared = {"peer": {}, "trivium": {}}, {}
        self.failed = set()

    def attempt(self, side, act):
        """The answer of `act(run)`, or None when it failed, which is noted."""
        if side in self.failed:
            return None
        try:
            run = side_run(self.cell, self.pool, side, self.seconds, self.memories[side], self.shared)
            answer = act(run)
            if side not in self.failed:
                run.server.check_alive()
            return answer
        except Exception as error:  # whatever it is, it belongs into the table
            self.fail(side, self.result.errors, error)
            return None

    def fail(self, side, texts, error):
        texts.append(anonymous(f"{side}: {error}"))
        self.failed.add(side)
        self.pool.drop(side)

    def find_peak(self):
        peaks = [self.attempt(side, self.cell.probe) for side in ("peer", "trivium")]
        if None in peaks:
            self.failed = {"peer", "trivium"}
        else:
            self.shared["peak"] = min(peaks)

    def load(self, run):
        """In cells of scale, what a side measured before it ran out of time stands."""
        try:
            self.cell.load(run)
        except OutOfTime as error:
            if self.cell.section != "scale":
                raise
            self.fail("peer" if run.is_peer else "trivium", self.result.limits, error)
        return run.samples

    def rounds(self, count):
        if self.cell.probe:
            self.find_peak()
        for _ in range(min(count, self.cell.rounds_max)):
            done = {side: self.attempt(side, self.load) for side in ("peer", "trivium")}
            self.result.rounds.append({side: samples for side, samples in done.items() if samples})
        return self.result


def run_cell(cell, pool, rounds, scale=1.0):
    began = time.monotonic()
    running = CellRun(cell, pool, scale)
    result = running.rounds(rounds)
    pool.end_cell(bool(running.failed) or cell.leaves_much)
    say(f"{cell.name}: {brief(result)} ({time.monotonic() - began:.0f} s)")
    return result


def brief(result):
    if result.errors or result.limits:
        return "FAILED " + "; ".join(error.splitlines()[0][:200] for error in result.errors + result.limits)
    last = {"peer": {}, "trivium": {}, **result.rounds[-1]}
    return ", ".join(f"{measure} {last['peer'][measure].rate:,.0f} / {last['trivium'][measure].rate:,.0f}"
                     for measure in last["peer"] if measure in last["trivium"])


def run_cells(cells, base, rounds, scale, done=lambda result: None):
    pool = Pool(base)
    results = []
    try:
        for cell in cells:
            results.append(run_cell(cell, pool, rounds, scale))
            done(results[-1])
    finally:
        pool.close()
    return results


def as_json(result):
    return {"cell": result.cell.name, "what": result.cell.what, "peer": result.cell.peer, "trivium": result.cell.ours,
            "aims": dict(result.cell.aims), "section": result.cell.section,
            "errors": result.errors, "limits": result.limits,
            "rounds": [{side: {name: asdict(sample) for name, sample in samples.items()} for side, samples in each.items()}
                       for each in result.rounds]}
