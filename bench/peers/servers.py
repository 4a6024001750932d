"""How each server is started: Trivium, Redis, RabbitMQ, Kafka, with the settings that their makers recommend."""

import os
import re
import secrets
import subprocess
from pathlib import Path

from peers import install
from peers.cell import flow
from peers.process import PeerError, Server, accepts, descendants, free_ports

HEAP = "1g"


def first_line(*command, **options):
    result = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    return (result.stdout or result.stderr).strip().splitlines()[0]


class Trivium(Server):
    name = "Trivium"

    def __init__(self, base, durability):
        super().__init__(base)
        self.durability = durability
        self.amqp_port, self.redis_port, self.kafka_port = free_ports(3)

    def command(self):
        return [str(install.trivium_binary()), "serve", "--data-dir", str(self.root / "data"), "--durability",
                self.durability, "--amqp-port", str(self.amqp_port), "--redis-port", str(self.redis_port),
                "--kafka-port", str(self.kafka_port), "--management-port", "0"]

    def ready(self):
        return all(accepts(port) for port in (self.amqp_port, self.redis_port, self.kafka_port))

    @staticmethod
    def version():
        return first_line(str(install.trivium_binary()), "--version")


class Redis(Server):
    """`mode`: none (no persistence), or the append-only file with appendfsync no, everysec or always. That file is never
    rewritten while we measure: that would charge Redis for a fork in some rounds and not in others."""

    name = "Redis"
    persistence = {
        "none": ["--save", "", "--appendonly", "no"],
        "no": ["--save", "", "--appendonly", "yes", "--appendfsync", "no"],
        "everysec": ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"],
        "always": ["--save", "", "--appendonly", "yes", "--appendfsync", "always"],
    }

    def __init__(self, base, mode):
        super().__init__(base)
        self.mode = mode
        self.redis_port, = free_ports(1)

    def command(self):
        return ["redis-server", "--port", str(self.redis_port), "--bind", "127.0.0.1", "--dir", str(self.root),
                "--auto-aof-rewrite-percentage", "0", *self.persistence[self.mode]]

    def ready(self):
        return accepts(self.redis_port)

    @staticmethod
    def version():
        return "Redis " + re.search(r"v=(\S+)", first_line("redis-server", "--version")).group(1)


class RabbitMQ(Server):
    """A node of its own: its own epmd, cookie (in its HOME), database and logs, nothing of /var or /etc."""

    name = "RabbitMQ"
    fresh_per_cell = False
    scripts = Path("/usr/lib/rabbitmq/bin")

    def __init__(self, base, _mode=""):
        super().__init__(base)
        self.amqp_port, self.epmd_port, self.distribution_port = free_ports(3)
        self.epmd = None

    def environment(self):
        root = self.root
        own = {name: value for name, value in os.environ.items() if not name.startswith("RABBITMQ_")}
        return {**own, "HOME": str(root), "ERL_EPMD_PORT": str(self.epmd_port), "ERL_EPMD_ADDRESS": "127.0.0.1",
                "RABBITMQ_NODENAME": "bench@localhost", "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
                "RABBITMQ_NODE_PORT": str(self.amqp_port), "RABBITMQ_DIST_PORT": str(self.distribution_port),
                "RABBITMQ_MNESIA_BASE": str(root / "mnesia"), "RABBITMQ_LOG_BASE": str(root / "logs"),
                "RABBITMQ_CONF_ENV_FILE": "/dev/null", "RABBITMQ_CONFIG_FILE": str(root / "rabbitmq.conf"),
                "RABBITMQ_ADVANCED_CONFIG_FILE": str(root / "advanced.config"),
                "RABBITMQ_ENABLED_PLUGINS_FILE": str(root / "enabled_plugins"),
                "RABBITMQ_PID_FILE": str(root / "pid"), "RABBITMQ_LOGS": str(root / "logs" / "node.log"),
                "RABBITMQ_GENERATED_CONFIG_DIR": str(root / "config")}

    def prepare(self):
        (self.root / "rabbitmq.conf").write_text("log.file.level = warning\n")
        (self.root / "enabled_plugins").write_text("[].\n")
        with open(self.root / "epmd.log", "wb") as log:
            self.epmd = subprocess.Popen(["epmd", "-port", str(self.epmd_port), "-address", "127.0.0.1"], stdout=log,
                                         stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)

    def command(self):
        return [str(self.scripts / "rabbitmq-server")]

    def ready(self):
        return accepts(self.amqp_port)

    def find_pid(self):
        for pid in descendants(self.process.pid):
            if Path(f"/proc/{pid}/comm").read_text().startswith("beam"):
                return pid
        raise PeerError("RabbitMQ has no Erlang process")

    def end_process(self):
        super().end_process()
        if self.epmd is not None:
            self.epmd.kill()
            self.epmd.wait()
            self.epmd = None

    @staticmethod
    def version():
        text = first_line("dpkg-query", "-W", "-f", "${Version}", "rabbitmq-server")
        return "RabbitMQ " + text.split("-")[0]


KAFKA_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={root}/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""

LOG4J_PROPERTIES = """\
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c)%n
"""


class Kafka(Server):
    """One node in KRaft mode, with the collector and flags of Kafka's own start script."""

    name = "Kafka"
    folder = "kafka"  # of install.ARTEFACTS
    fresh_per_cell = False
    flags = ["-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
             "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true"]

    def __init__(self, base, _mode=""):
        super().__init__(base)
        self.kafka_port, self.controller_port = free_ports(2)

    def java(self, *arguments):
        return ["java", f"-Xms{HEAP}", f"-Xmx{HEAP}", *self.flags, f"-Dlog4j2.configurationFile={self.root}/log4j2.properties",
                "-cp", install.class_path(self.folder), *map(str, arguments)]

    def prepare(self):
        properties = self.root / "server.properties"
        properties.write_text(KAFKA_PROPERTIES.format(port=self.kafka_port, controller=self.controller_port, root=self.root))
        (self.root / "log4j2.properties").write_text(LOG4J_PROPERTIES)
        cluster = "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(21)) + "A"
        result = subprocess.run(self.java("kafka.tools.StorageTool", "format", "--standalone", "-t", cluster, "-c", properties),
                                capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise PeerError(f"formatting Kafka's directory: {result.stderr or result.stdout}")

    def command(self):
        return self.java("kafka.Kafka", self.root / "server.properties")

    def ready(self):
        return accepts(self.kafka_port)

    def warm(self):
        for options in ({"linger": 5}, {"linger": 0, "partitions": 10}, {"txn": 100, "seconds": 2}):
            words = {"topic": "warm-" + "-".join(options), "partitions": 1, "seconds": 3, **options}
            flow("kafka_flow", self.kafka_port, mode="create", topic=words["topic"], partitions=words["partitions"])
            flow("kafka_flow", self.kafka_port, mode="both", **words)
            flow("kafka_flow", self.kafka_port, mode="delete", topic=words["topic"])

    @staticmethod
    def version():
        return "Kafka " + install.version_of("kafka")


PEERS = {"redis": Redis, "rabbitmq": RabbitMQ, "kafka": Kafka}


def start_peer(key, base):
    """`key` is KIND or KIND:MODE, as in redis:always."""
    kind, _, mode = key.partition(":")
    return PEERS[kind](base, mode).start()


def start_trivium(durability, base):
    return Trivium(base, durability).start()
