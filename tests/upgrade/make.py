#!/usr/bin/env python3
"""Makes the data directory that later versions must open: make.py NAME, once for each format (or feature of a format).

BROKER names the binary whose format is to be kept. The result, NAME.tar.xz beside this file, is never made again.
"""

import json
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import content  # noqa: E402
import harness  # noqa: E402


def anonymous(entry):
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def main():
    [name] = sys.argv[1:]
    target = HERE / f"{name}.tar.xz"
    if target.exists():
        sys.exit(f"{target.name} is there already, and is to be kept as it is")
    broker = harness.Broker(shards=2, arguments=("--segment-size", "4MiB", "--message-size-max", "1MiB"))
    try:
        broker.start()
        made = content.write_first(broker.ports)
        broker.restart(kill=False)
        content.write_second(broker.ports)
        broker.kill()
        if not list(broker.data_directory.glob("checkpoint-*")):
            sys.exit("there is no checkpoint in it")
        if not list(broker.data_directory.glob("pages-*")):
            sys.exit("there is no page file in it")
        (broker.root / "made.json").write_text(json.dumps(made) + "\n")
        with tarfile.open(target, "w:xz") as archive:
            archive.add(broker.data_directory, "data", filter=anonymous)
            archive.add(broker.root / "made.json", "made.json", filter=anonymous)
    finally:
        broker.close()
    print(f"{target.name}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
