"""Starts, stops, kills and restarts one broker process for the tests.

What it promises: every broker has a data directory and ports of its own, is ended by its process id and never by
name, is waited for with a bound, and leaves its log in the failure message. Nothing here retries silently.

BROKER names the binary (default: build/release/trivium in the repository).
PEERS=amqp:PORT,redis:PORT,kafka:PORT makes the tests talk to running RabbitMQ, Redis and Kafka servers instead: that is
how the tests themselves are proved right.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
PROTOCOLS = ("amqp", "redis", "kafka")
PORTS = (*PROTOCOLS, "management")  # Of the HTTP API, too.
DEFAULT_PORTS = {"amqp": 5672, "redis": 6379, "kafka": 9092, "management": 15672}
READY_SECONDS = 20.0
STOP_SECONDS_MAX = 2.0
STOP_SECONDS_MAX_SANITIZED = 10.0  # an unoptimized build with sanitizers
LOG_TAIL_BYTES = 8000
# More than a clean end leaves to the journal (src/server/checkpointer.cc: 5 ms at 600 bytes a microsecond).
REPLAYED_VALUES = 8
REPLAYED_VALUE_BYTES = 500_000


class BrokerError(AssertionError):
    """The broker did not start, did not stop as it should, or ended on its own."""


def binary_path(variable="BROKER"):
    path = Path(os.environ.get(variable) or REPO / "build" / "release" / "trivium")
    if not path.is_file():
        raise BrokerError(f"no broker binary at {path}; build it first or set {variable}")
    return path


def is_sanitized(path):
    """Built with ASan: its shadow memory and quarantine change what memory limits can mean."""
    return b"__asan_init" in Path(path).read_bytes()


def peers_from_environment():
    text = os.environ.get("PEERS")
    if not text:
        return None
    ports = {}
    for part in text.split(","):
        protocol, port = part.split(":")
        ports[protocol] = int(port)
    return ports


def wait_for(condition, seconds, what, interval=0.01):
    """Returns the first true value of `condition()`; raises after `seconds`. For outer events only."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(interval)


def port_open(port, host="127.0.0.1"):
    with contextlib.closing(socket.socket()) as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


class Broker:
    """One broker process over one data directory. Owned by a fixture or a campaign, which calls close()."""

    def __init__(self, *, shards=1, durability="fsync", root=None, binary=None, default_ports=False,
                 prefix=(), arguments=(), environment=None):
        self.shards = shards
        self.durability = durability
        self.binary = Path(binary) if binary else binary_path()
        self.owns_root = root is None
        self.root = Path(root or tempfile.mkdtemp(prefix="trivium-test-"))
        self.data_directory = self.root / "data"
        self.ports_file = self.root / "ports"
        self.log_file = self.root / "broker.log"
        self.default_ports = default_ports
        self.keep_ports = False  # When set, a restart takes the same ports again, as a service would.
        self.prefix = tuple(prefix)
        self.arguments = tuple(arguments)
        self.sanitized = is_sanitized(self.binary)
        self.environment = environment or self._default_environment()
        self.process = None
        self.ports = {}
        self.start_seconds = None

    def _default_environment(self):
        if not self.sanitized:
            return None
        return {**os.environ, "ASAN_OPTIONS": "quarantine_size_mb=16:detect_leaks=0",
                "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}

    # -- addresses

    host = "127.0.0.1"
    is_peer = False

    @property
    def amqp_port(self):
        return self.ports["amqp"]

    @property
    def redis_port(self):
        return self.ports["redis"]

    @property
    def kafka_port(self):
        return self.ports["kafka"]

    @property
    def management_port(self):
        return self.ports["management"]

    @property
    def amqp_url(self):
        return f"amqp://guest:guest@{self.host}:{self.amqp_port}/"

    @property
    def redis_url(self):
        return f"redis://{self.host}:{self.redis_port}"

    @property
    def bootstrap(self):
        return f"{self.host}:{self.kafka_port}"

    # -- life

    def command(self):
        command = [*self.prefix, str(self.binary), "serve", "--data-dir", str(self.data_directory),
                   "--durability", self.durability, "--shards", str(self.shards)]
        if not self.default_ports:
            for protocol in PORTS:
                command += [f"--{protocol}-port", str(self.ports[protocol] if self.keep_ports and self.ports else 0)]
            command += ["--ports-file", str(self.ports_file)]
        return command + list(self.arguments)

    def start(self):
        assert self.process is None, "already started"
        self.ports_file.unlink(missing_ok=True)
        self.data_directory.mkdir(parents=True, exist_ok=True)
        with open(self.log_file, "ab") as log:
            log.write(f"=== start {time.time():.3f}\n".encode())
            log.flush()
            began = time.monotonic()
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=subprocess.STDOUT,
                                            stdin=subprocess.DEVNULL, env=self.environment,
                                            start_new_session=True)
        try:
            self._wait_ready()
        except BaseException:
            self._end_now()
            raise
        self.start_seconds = time.monotonic() - began
        return self

    def _wait_ready(self):
        deadline = time.monotonic() + READY_SECONDS
        while True:
            self.check_alive()
            ports = dict(DEFAULT_PORTS) if self.default_ports else self._read_ports()
            if ports and all(port_open(port) for port in ports.values()):
                self.ports = ports  # A start that fails keeps what the next one is to take again.
                return
            if time.monotonic() > deadline:
                raise BrokerError(f"not ready after {READY_SECONDS} s\n{self.log_tail()}")
            time.sleep(0.005)

    def _read_ports(self):
        try:
            text = self.ports_file.read_text()
        except FileNotFoundError:
            return {}
        found = dict(re.findall(r"(amqp|redis|kafka|management)[^\d\n]*(\d+)", text))
        if set(found) != set(PORTS):
            return {}
        return {protocol: int(port) for protocol, port in found.items()}

    def check_alive(self):
        code = self.process.poll()
        if code is not None:
            self.process = None
            raise BrokerError(f"broker ended by itself with {code}\n{self.log_tail()}")

    def stop(self, signal_sent=False):
        """SIGTERM; must exit with 0 in under two seconds. Returns the seconds it took. A second signal ends it at once,
        so a test that sent one itself says so."""
        process, self.process = self.process, None
        began = time.monotonic()
        if not signal_sent:
            process.send_signal(signal.SIGTERM)
        limit = STOP_SECONDS_MAX_SANITIZED if self.sanitized else STOP_SECONDS_MAX
        try:
            code = process.wait(limit * 5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise BrokerError(f"SIGTERM was not obeyed\n{self.log_tail()}") from None
        took = time.monotonic() - began
        if code != 0:
            raise BrokerError(f"exit code {code} after SIGTERM\n{self.log_tail()}")
        if took > limit:
            raise BrokerError(f"stop took {took:.2f} s, more than {limit} s\n{self.log_tail()}")
        return took

    def kill(self):
        process, self.process = self.process, None
        process.kill()
        process.wait()

    def stop_with_checkpoint(self):
        """As stop(). A clean end leaves what is replayed within moments to the journal, so it is given more than that."""
        value = b"$%d\r\n" % REPLAYED_VALUE_BYTES + bytes(REPLAYED_VALUE_BYTES) + b"\r\n"
        wanted = b"+OK\r\n" * REPLAYED_VALUES + b":1\r\n"
        with socket.create_connection((self.host, self.redis_port), timeout=20) as peer:
            peer.sendall(b"".join([b"*3\r\n$3\r\nSET\r\n$6\r\nfiller\r\n" + value] * REPLAYED_VALUES) +
                         b"*2\r\n$3\r\nDEL\r\n$6\r\nfiller\r\n")
            answer = b""
            while len(answer) < len(wanted) and (part := peer.recv(4096)):
                answer += part
        if answer != wanted:
            raise BrokerError(f"answers to changes before a clean end: {answer}\n{self.log_tail()}")
        before = set(self.data_directory.glob("checkpoint-*"))
        took = self.stop()
        if not set(self.data_directory.glob("checkpoint-*")) - before:
            raise BrokerError(f"a clean end without a checkpoint\n{self.log_tail()}")
        return took

    def restart(self, *, kill):
        """Not by a kill: from a checkpoint."""
        if kill:
            self.check_alive()
            self.kill()
        else:
            self.stop_with_checkpoint()
        return self.start()

    def _end_now(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self):
        """Ends the process; the data directory goes unless KEEP is set. Raises if the end was not clean."""
        try:
            if self.process is not None:
                self.check_alive()
                self.stop()
        finally:
            self._end_now()
            if self.owns_root and not os.environ.get("KEEP"):
                shutil.rmtree(self.root, ignore_errors=True)

    # -- looking at it

    def _log_bytes(self):
        try:
            data = self.log_file.read_bytes()
        except FileNotFoundError:
            return b""
        return data[data.rfind(b"=== start"):]

    def log_tail(self):
        text = self._log_bytes()[-LOG_TAIL_BYTES:].decode("utf-8", "replace")
        return f"--- log of {self.binary.name} ({self.root})\n{text}\n---"

    def resident_bytes(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise BrokerError("no VmRSS")

    def peak_bytes(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise BrokerError("no VmHWM")


class Peers:
    """The real RabbitMQ, Redis and Kafka in the place of the broker, to check the tests. Cannot be restarted."""

    host = "127.0.0.1"
    is_peer = True
    shards = 1
    amqp_port = Broker.amqp_port
    redis_port = Broker.redis_port
    kafka_port = Broker.kafka_port
    amqp_url = Broker.amqp_url
    redis_url = Broker.redis_url
    bootstrap = Broker.bootstrap

    def __init__(self, ports):
        self.ports = ports

    def check_alive(self):
        pass

    def close(self):
        pass

    def log_tail(self):
        return "(real servers)"


def drop_from_cache(directory):
    """So that what is in the files comes from the disk."""
    for root, _, files in os.walk(directory):
        for name in files:
            try:
                handle = os.open(os.path.join(root, name), os.O_RDONLY)
            except FileNotFoundError:
                continue
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


class FilesLeaveMemory:
    """While it lasts, what is in files does not stay in memory."""

    def __init__(self, broker, pause=0.02):
        self.broker, self.pause, self.over = broker, pause, threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.over.wait(self.pause):
            drop_from_cache(self.broker.data_directory)

    def __enter__(self):
        drop_from_cache(self.broker.data_directory)
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
