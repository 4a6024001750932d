"""Runs cells: peer, Trivium, peer, Trivium, ...; a step that fails is a result too."""

import os
import sys
import time
from dataclasses import asdict, dataclass, field

from peers import servers
from peers.cell import Run


@dataclass
class CellResult:
    cell: object
    rounds: list = field(default_factory=list)   # of {"peer": {measure: Sample}, "trivium": {measure: Sample}}
    errors: list = field(default_factory=list)   # of text


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
        self.running[side] = (key, server)
        return server

    def drop(self, side):
        kept = self.running.pop(side, None)
        if kept:
            kept[1].stop()

    def end_cell(self, failed):
        """After a failure nothing is taken over into the next cell."""
        for side, (_, server) in list(self.running.items()):
            if failed or server.fresh_per_cell:
                self.drop(side)

    def close(self):
        for side in list(self.running):
            self.drop(side)


def say(text):
    print(text, file=sys.stderr, flush=True)


def run_side(cell, pool, side, seconds, memory, shared):
    server = pool.get(side, cell.peer if side == "peer" else cell.ours)
    os.sync()  # what the other side left for the disk is not charged to this one
    run = Run(cell, server, side == "peer", seconds, memory, shared)
    cell.load(run)
    server.check_alive()
    return run.samples


def run_cell(cell, pool, rounds, scale=1.0):
    result = CellResult(cell)
    memories, shared = {"peer": {}, "trivium": {}}, {}
    failed = set()
    began = time.monotonic()
    for _ in range(rounds):
        done = {}
        for side in ("peer", "trivium"):
            if side in failed:
                continue  # once is enough: the cell is marked, the other side goes on
            try:
                done[side] = run_side(cell, pool, side, cell.seconds * scale, memories[side], shared)
            except Exception as error:  # whatever it is, it belongs into the table
                failed.add(side)
                result.errors.append(f"{side}: {error}")
                pool.drop(side)
        result.rounds.append(done)
    pool.end_cell(bool(failed))
    say(f"{cell.name}: {brief(result)} ({time.monotonic() - began:.0f} s)")
    return result


def brief(result):
    if result.errors:
        return "FAILED " + "; ".join(error.splitlines()[0][:200] for error in result.errors)
    last = result.rounds[-1]
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
            "aims": dict(result.cell.aims), "errors": result.errors,
            "rounds": [{side: {name: asdict(sample) for name, sample in samples.items()} for side, samples in each.items()}
                       for each in result.rounds]}
