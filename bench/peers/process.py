"""A server process that is measured: started with its own directory, ended by its id, read through /proc."""

import contextlib
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
STOP_SECONDS_MAX = 30
LOG_TAIL_BYTES = 2000


class PeerError(RuntimeError):
    """A server or a load program did not do what it should."""


def anonymous(text):
    """`text` without directories and the name of this machine: results are published."""
    text = re.sub(r"(?<![\w.:/])/(?:[\w.+@-]+/)+", "", text)
    return text.replace(platform.node(), "host") if len(platform.node()) > 1 else text


def free_ports(count):
    """Ports of loopback that nobody listens on now. All are open at once, so they differ."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def wait_for(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise PeerError(f"{what}: not within {seconds} s")
        time.sleep(0.002)


def accepts(port):
    with contextlib.closing(socket.socket()) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def descendants(pid):
    """`pid` and every process below it."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(child) for child in task.read_text().split()]
    return found


class Server:
    """One server over one directory. A subclass says how it is started and when it is ready."""

    name = ""          # what the tables call it
    start_seconds_max = 60
    fresh_per_cell = True  # cheap to start: every cell gets an empty one

    def __init__(self, base):
        self.root = Path(tempfile.mkdtemp(prefix=f"{type(self).__name__.lower()}-", dir=base))
        self.process = None
        self.pid = None
        self.start_seconds = None

    # -- for subclasses

    def command(self):
        raise NotImplementedError

    def environment(self):
        return dict(os.environ)

    def prepare(self):
        """Before the first start: configuration, formatting."""

    def ready(self):
        raise NotImplementedError

    def find_pid(self):
        """The process that does the work, when the command is only its parent."""
        return self.process.pid

    def warm(self):
        """Load before the first measure, for a server that is slow until it has compiled itself."""

    # -- life

    def start(self):
        self.prepare()
        with open(self.root / "log", "ab") as log:
            began = time.monotonic()
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=subprocess.STDOUT, cwd=self.root,
                                            stdin=subprocess.DEVNULL, env=self.environment(), start_new_session=True)
        try:
            wait_for(self._is_ready, self.start_seconds_max, f"{self.name} starts")
        except BaseException as error:
            tail = self.log_tail()
            self.stop()
            if isinstance(error, PeerError):
                raise PeerError(f"{error}\n{tail}") from None
            raise
        self.start_seconds = time.monotonic() - began
        self.pid = self.find_pid()
        return self

    def _is_ready(self):
        self.check_alive()
        return self.ready()

    def check_alive(self):
        if self.process.poll() is not None:
            raise PeerError(f"{self.name} ended by itself with {self.process.returncode}\n{self.log_tail()}")

    def end_process(self):
        """SIGTERM to the worker, SIGKILL to what is left after a while. Only processes that we started."""
        if self.process is None:
            return
        family = descendants(self.process.pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid or self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            for pid in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
        self.process = None

    def stop(self):
        self.end_process()
        shutil.rmtree(self.root, ignore_errors=True)

    def log_tail(self):
        with contextlib.suppress(OSError):
            return (self.root / "log").read_bytes()[-LOG_TAIL_BYTES:].decode("utf-8", "replace")
        return ""

    # -- what it used

    def cpu_seconds(self):
        """User and system time of all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def written_bytes(self):
        """Bytes that it caused to be sent to the disk."""
        for line in Path(f"/proc/{self.pid}/io").read_text().splitlines():
            if line.startswith("write_bytes:"):
                return int(line.split()[1])
        raise PeerError("no write_bytes")

    def resident_bytes(self):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise PeerError("no VmRSS")
