#!/usr/bin/env python3
"""Measures what the power-loss tests rest on: each fdatasync of a file reaches the disk as a flush, and a cut takes what
was not synced and nothing else.

  flushes.py [--fs ext4|xfs] [--syncs 200]
"""

import argparse
import contextlib
import json
import os
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import disk as disks  # noqa: E402

BLOCK = 4096


def measure(disk, syncs):
    path = disk.mount_point / "file"
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    os.pwrite(file, bytes(BLOCK * syncs), 0)
    os.fsync(file)  # What follows writes in place: nothing but the data needs a flush.
    _, before = disk.counts()
    began = time.monotonic()
    for index in range(syncs):
        os.pwrite(file, b"s" * BLOCK, index * BLOCK)
        os.fdatasync(file)
    took = time.monotonic() - began
    _, after = disk.counts()
    os.fsync(file)
    os.pwrite(file, b"u" * BLOCK, 0)
    disk.cut("now", "none", 1)
    disk.release()
    os.close(file)
    disk.unplug()
    disk.plug()
    found = path.read_bytes()
    return {"syncs": syncs, "flushes": after - before, "us_a_sync": round(took / syncs * 1e6),
            "synced_is_there": found == b"s" * BLOCK * syncs}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fs", choices=sorted(disks.FORMAT), default="ext4")
    parser.add_argument("--syncs", type=int, default=200)
    options = parser.parse_args()
    if missing := disks.what_is_missing():
        print(f"flushes: {missing}")
        return 1
    disks.enter_namespace()
    with disks.directory_in_memory() as directory, contextlib.closing(disks.Disk(directory, options.fs)) as disk:
        disk.format()
        disk.plug()
        result = measure(disk, options.syncs)
    print(json.dumps(result))
    return 0 if result["flushes"] >= result["syncs"] and result["synced_is_there"] else 1


if __name__ == "__main__":
    sys.exit(main())
