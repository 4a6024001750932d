"""The comparison with Redis, RabbitMQ and Kafka; `./dev bench peers --help` and bench/peers/README.md say how to use it."""

import argparse
import json
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

from peers import amqp_cells, cost, install, kafka_cells, latency_cells, machine, plots, redis_cells, report, runner, scale_cells

KINDS = ("redis", "rabbitmq", "kafka")  # cells of one peer run together: two of them are slow to start
SMOKE_ROUNDS, SMOKE_SCALE = 1, 0.7


def parse(arguments):
    parser = argparse.ArgumentParser(prog="./dev bench")
    parser.add_argument("what", choices=("peers", "smoke"), help="everything, or a short form of it (under five minutes)")
    parser.add_argument("--only", metavar="REGEX", help="cells whose name matches; 'cost' is one of the names")
    parser.add_argument("--rounds", type=int, help=f"rounds of each cell; 5, in the short form {SMOKE_ROUNDS}")
    parser.add_argument("--scale", type=float, help="times the seconds of load of each cell")
    parser.add_argument("--long", action="store_true", help="up to 50 million messages in the cells of growing backlog")
    parser.add_argument("--list", action="store_true", help="name the cells and end")
    parser.add_argument("--out", type=Path, help="folder of the results; docs/performance, in the short form build/bench/smoke")
    chosen = parser.parse_args(arguments)
    smoke = chosen.what == "smoke"
    chosen.rounds = chosen.rounds or (SMOKE_ROUNDS if smoke else 5)
    chosen.scale = chosen.scale or (SMOKE_SCALE if smoke else 1.0)
    chosen.out = chosen.out or install.REPO / ("build/bench/smoke" if smoke else "docs/performance")
    return chosen


def all_cells(long):
    for module in (redis_cells, amqp_cells, kafka_cells, latency_cells):
        yield from module.cells()
    yield from scale_cells.cells(long)


def choose(chosen):
    cells = [cell for cell in all_cells(chosen.long)
             if (chosen.what == "peers" or cell.smoke) and re.search(chosen.only or "", cell.name)]
    return sorted(cells, key=lambda cell: KINDS.index(cell.peer.split(":")[0]))


def in_order(results, long):
    """As they are listed, not as they ran."""
    names = [cell.name for cell in all_cells(long)]
    return sorted(results, key=lambda result: names.index(result.cell.name))


class Writer:
    """Writes what is known after every cell, so that a run that is ended early leaves its figures."""

    def __init__(self, chosen, arguments, base):
        self.out, self.long = chosen.out, chosen.long
        words = [word for word in arguments if not word.startswith("--out") and word != str(chosen.out)]
        self.found = {"command": " ".join(["./dev bench", *words]), "rounds": chosen.rounds, "scale": chosen.scale,
                      "machine": machine.describe(base)}
        self.results = []
        self.out.mkdir(parents=True, exist_ok=True)

    def add(self, result):
        self.results = in_order([*self.results, result], self.long)
        self.write()

    def write(self, drawn=()):
        cells = [runner.as_json(result) for result in self.results]
        (self.out / "results.json").write_text(json.dumps({**self.found, "cells": cells}, indent=1) + "\n")
        (self.out / "README.md").write_text(report.page(self.found, self.results, drawn))

    def finish(self):
        self.write(plots.draw(self.results, self.out))


def main(arguments):
    chosen = parse(arguments)
    cells = choose(chosen)
    wants_cost = re.search(chosen.only or "", "cost") is not None and chosen.what == "peers"
    if chosen.list:
        rows = [("cost", "start time, idle memory, memory with messages, size of the installation")] if wants_cost else []
        print("\n".join(f"{name:42} {what}" for name, what in rows + [(cell.name, cell.what) for cell in cells]))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended too
    install.fetch_all()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="trivium-peers-") as base:
        writer = Writer(chosen, arguments, base)
        if wants_cost:
            runner.say("cost: start times, memory")
            titles = {key: row[:2] for key, row in cost.FILLS.items()}
            writer.found["cost"] = {**cost.measure(base, chosen.scale), "titles": titles}
        runner.run_cells(cells, base, chosen.rounds, chosen.scale, writer.add)
        writer.finish()
    failed = [result.cell.name for result in writer.results if result.errors] + writer.found.get("cost", {}).get("errors", [])
    runner.say(f"{len(cells)} cells in {time.monotonic() - began:.0f} s; failed: {len(failed)} {'; '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
