"""Ends a process with everything that it started, by their ids."""

import contextlib
import os
import signal
from pathlib import Path


def _parents():
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # It has ended meanwhile.
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    return parents


def kill_tree(root):
    """The children of each are looked up before it ends, since they would lose their parent then. A process may start
    another one meanwhile, so it is stopped first."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(root, signal.SIGSTOP)
        for process, parent in _parents().items():
            if parent == root:
                kill_tree(process)
        os.kill(root, signal.SIGKILL)
