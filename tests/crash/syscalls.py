"""A broker that dies, or is told of an error, exactly at one of its system calls. strace does it: `-e inject`.

The calls are those that the broker makes durable things with. `when` counts in each of its threads: the first ones are
met while it starts, later ones, of the calls that there are many of, under load.
"""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import harness

CALLS = {"pwritev": 6, "fdatasync": 6, "fsync": 2, "renameat": 3, "fallocate": 2, "unlinkat": 1, "ftruncate": 1}
ERRORS = {"pwritev": ("EIO", "ENOSPC"), "fdatasync": ("EIO", "ENOSPC"), "fsync": ("EIO",), "renameat": ("EIO", "ENOSPC"),
          "fallocate": ("EIO", "ENOSPC"), "unlinkat": ("EIO",), "ftruncate": ("EIO",)}
LOAD_CALLS = {"pwritev": 3, "fdatasync": 3, "renameat": 1}
START_SHARE = 0.3
START_WHEN_MAX = 9
LOAD_WHEN = (10, 40)  # more than a start makes in a thread


class Injection:
    """One call in the broker's life, and what happens at it."""

    def __init__(self, random, kind):
        in_start = random.random() < START_SHARE
        calls = CALLS if in_start else LOAD_CALLS
        self.call = random.choices(list(calls), list(calls.values()))[0]
        self.when = random.randint(1, START_WHEN_MAX) if in_start else random.randint(*LOAD_WHEN)
        self.error = random.choice(ERRORS[self.call]) if kind == "error" else None
        self.for_ever = bool(self.error) and random.random() < 0.3

    def __str__(self):
        what = f"{self.error}{' from then on' if self.for_ever else ''}" if self.error else "SIGKILL"
        return f"{what} at {self.call} number {self.when} of a thread"

    def command(self):
        if shutil.which("strace") is None:
            raise harness.BrokerError("strace is not installed; it makes the broker die at a system call")
        what = f"error={self.error}" if self.error else "signal=KILL"
        # With --seccomp-bpf only these calls stop, but then strace 6.1 sends no signals.
        return ("strace", "-f", "-qqq", "-o", os.devnull, *(["--seccomp-bpf"] if self.error else []),
                "-e", f"trace={self.call}", "-e", f"inject={self.call}:{what}:when={self.when}{'+' * self.for_ever}")


class TracedBroker(harness.Broker):
    """`injection`, when set, is for the next start. `process` is strace then, which ends as its broker does."""

    injection = None

    def command(self):
        self.prefix = self.injection.command() if self.injection else ()
        return super().command()

    def _end_now(self):
        if self.process is not None:
            self._kill_all()
            self.process = None

    def kill(self):
        self._kill_all()
        self.process = None

    def _kill_all(self):
        """The broker first: strace, killed alone, would leave it running."""
        for child in self._children():
            os.kill(child, signal.SIGKILL)
        if not self.prefix:
            self.process.kill()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _children(self):
        if not self.prefix:
            return []
        try:
            text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        except FileNotFoundError:
            return []
        return [int(word) for word in text.split()]

    def died(self):
        """Killed at its call. Any other end by itself is an error."""
        if self.process.poll() == -signal.SIGKILL and self.injection and not self.injection.error:
            self.process = None
            return True
        self.check_alive()
        return False
