"""./dev bench peers [--only REGEX] [--rounds N] [--list] [--out DIR], ./dev bench smoke: see bench/peers/README.md."""

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path

from peers import amqp_cells, install, kafka_cells, redis_cells, runner, table

MODULES = (redis_cells, amqp_cells, kafka_cells)


def options():
    parser = argparse.ArgumentParser(prog="./dev bench peers")
    parser.add_argument("--only", default="", metavar="REGEX", help="cells whose name matches")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="times the seconds of load of each cell")
    parser.add_argument("--list", action="store_true", help="name the cells and end")
    parser.add_argument("--out", type=Path, default=install.REPO / "docs" / "performance")
    return parser.parse_args()


def main():
    chosen = options()
    cells = [cell for module in MODULES for cell in module.cells() if re.search(chosen.only, cell.name)]
    if chosen.list:
        for cell in cells:
            print(f"{cell.name:45} {cell.what}")
        return 0
    install.fetch_all()
    chosen.out.mkdir(parents=True, exist_ok=True)
    results = []

    def done(result):
        results.append(result)
        (chosen.out / "results.json").write_text(json.dumps([runner.as_json(each) for each in results], indent=1))
        (chosen.out / "README.md").write_text(table.throughput(results) + "\n")

    with tempfile.TemporaryDirectory(prefix="trivium-peers-") as base:
        runner.run_cells(cells, base, chosen.rounds, chosen.scale, done)
    return 1 if any(result.errors for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
