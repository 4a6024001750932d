"""Debian's rabbitmq-server for comparisons: a node of its own with the management plugin, on loopback, over a directory of its own."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import harness  # noqa: E402
from processes import kill_tree  # noqa: E402

START_SECONDS = 60


def free_ports(count):
    """All are open at once, so they differ."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class RabbitMQ:
    """Started by `with`; its epmd is its own, too, and both are ended by their ids."""

    def __enter__(self):
        scripts = harness.REPO / ".cache/debian/rabbitmq-server/usr/lib/rabbitmq/bin"
        assert scripts.is_dir(), "./dev clients unpacks Debian's rabbitmq-server"
        self.root = Path(tempfile.mkdtemp(prefix="rabbitmq-peer-"))
        self.amqp_port, self.management_port, self.epmd_port, distribution_port = free_ports(4)
        (self.root / "rabbitmq.conf").write_text(
            "log.file.level = warning\nmax_message_size = 16777216\nmanagement.tcp.ip = 127.0.0.1\n"
            f"management.tcp.port = {self.management_port}\n")
        (self.root / "enabled_plugins").write_text("[rabbitmq_management].\n")
        own = {name: value for name, value in os.environ.items() if not name.startswith("RABBITMQ_")}
        self.environment = {
            **own, "HOME": str(self.root), "ERL_EPMD_PORT": str(self.epmd_port), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": "peer@localhost", "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.amqp_port), "RABBITMQ_DIST_PORT": str(distribution_port),
            "RABBITMQ_MNESIA_BASE": str(self.root / "mnesia"), "RABBITMQ_LOG_BASE": str(self.root / "logs"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null", "RABBITMQ_CONFIG_FILE": str(self.root / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.root / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.root / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(self.root / "pid"), "RABBITMQ_LOGS": str(self.root / "node.log"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.root / "config")}
        self.processes = []
        try:
            self._start(["epmd", "-port", str(self.epmd_port), "-address", "127.0.0.1"])
            self._start([str(scripts / "rabbitmq-server")])
            harness.wait_for(self._ready, START_SECONDS, "rabbitmq-server")
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self, command):
        with open(self.root / "output", "ab") as log:
            self.processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                   env=self.environment, start_new_session=True))

    def _ready(self):
        if self.processes[-1].poll() is not None:
            raise AssertionError("rabbitmq-server ended: " + (self.root / "output").read_text()[-2000:])
        return harness.port_open(self.amqp_port) and harness.port_open(self.management_port)

    def __exit__(self, *_):
        for process in reversed(self.processes):
            kill_tree(process.pid)
            process.wait()
        shutil.rmtree(self.root, ignore_errors=True)
