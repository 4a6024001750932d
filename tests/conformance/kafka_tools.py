#!/usr/bin/env python3
"""Runs Kafka's own command-line tools against a fresh broker, and compares what they print.

  kafka_tools.py [--port PORT] [--shards N]

The tools are those of Kafka 4.1, and for what share groups can do since then those of 4.3, from Maven. Each step is one call of a
tool: its arguments, whether it must succeed, and what its output must match. --port names a running server (Kafka
itself, say) instead of our own broker; its topics whose names begin with kt- are taken for ours.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
sys.path[:0] = [str(HERE.parent), str(REPO / "bench")]

import harness  # noqa: E402
from peers import install  # noqa: E402

STEP_SECONDS = 90
TOOLS = "org.apache.kafka.tools."
GROUPS = TOOLS + "consumer.group.ConsumerGroupCommand"
SHARE_GROUPS = TOOLS + "consumer.group.ShareGroupCommand"
SHARE_CONSUMER = TOOLS + "consumer.ConsoleShareConsumer"
CONFIG = "kafka.admin.ConfigCommand"


class Steps:
    def __init__(self, port, folders=("kafka-tools", "kafka")):
        self.bootstrap = f"127.0.0.1:{port}"
        self.class_path = ":".join(map(install.class_path, folders))
        self.failures = []
        self.count = 0

    def call(self, name, *arguments, text="", flags=()):
        known = name if "." in name else TOOLS + name
        address = ["--bootstrap-server", self.bootstrap]
        if name == "ProducerPerformance":
            address = ["--producer-props", f"bootstrap.servers={self.bootstrap}"]
        command = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", *flags, "-cp", self.class_path, known, *address,
                   *map(str, arguments)]
        return subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=STEP_SECONDS, check=False)

    def step(self, name, *arguments, prints=(), hides=(), succeeds=True, text="", flags=()):
        """One case: patterns that the output must match, and must not."""
        self.count += 1
        title = f"{name.rsplit('.', 1)[-1]} {' '.join(map(str, arguments))}"
        try:
            done = self.call(name, *arguments, text=text, flags=flags)
        except subprocess.TimeoutExpired as error:
            self.failures.append(f"{title}\n  took more than {STEP_SECONDS} s; printed {error.output}")
            return ""
        wrong = [f"misses {pattern!r}" for pattern in prints if not re.search(pattern, done.stdout, re.MULTILINE)]
        wrong += [f"has {pattern!r}" for pattern in hides if re.search(pattern, done.stdout, re.MULTILINE)]
        if succeeds is not None and (done.returncode == 0) != succeeds:
            wrong.append(f"exit code {done.returncode}")
        if wrong:
            self.failures.append(f"{title}\n  {'; '.join(wrong)}\n  printed: {done.stdout[:3000]}")
        print("FAILED" if wrong else "ok    ", title, flush=True)
        return done.stdout


def topics(steps):
    step = steps.step
    step("TopicCommand", "--create", "--topic", "kt-a", "--partitions", 2, prints=["Created topic kt-a"])
    step("TopicCommand", "--create", "--topic", "kt-a", succeeds=False, prints=["Topic 'kt-a' already exists"])
    step("TopicCommand", "--create", "--topic", "kt-a", "--if-not-exists")
    step("TopicCommand", "--list", prints=["^kt-a$"])
    step("TopicCommand", "--alter", "--topic", "kt-a", "--partitions", 3)
    step("TopicCommand", "--alter", "--topic", "kt-a", "--partitions", 2, succeeds=False,
         prints=["currently has 3 partition\\(s\\); 2 would not be an increase"])
    step("TopicCommand", "--describe", "--topic", "kt-a",
         prints=["PartitionCount: 3\tReplicationFactor: 1", "Partition: 2\tLeader: 1\tReplicas: 1\tIsr: 1"])
    step("TopicCommand", "--describe", "--under-replicated-partitions", hides=["kt-a"])


def settings(steps):
    step = steps.step
    entity = ["--entity-type", "topics", "--entity-name", "kt-a"]
    step(CONFIG, "--alter", *entity, "--add-config", "retention.ms=90000000,segment.ms=60000",
         prints=["Completed updating config for topic kt-a"])
    step(CONFIG, "--describe", *entity, prints=["retention.ms=90000000", "segment.ms=60000"])
    step(CONFIG, "--alter", *entity, "--delete-config", "segment.ms")
    step(CONFIG, "--describe", *entity, prints=["retention.ms=90000000"], hides=["segment.ms"])
    step(CONFIG, "--describe", "--all", *entity, prints=["segment.ms=604800000"])
    step(CONFIG, "--alter", *entity, "--add-config", "retention.ms=soon", succeeds=False,
         prints=["InvalidConfigurationException"])
    step(CONFIG, "--describe", "--entity-type", "brokers", "--entity-name", "1", "--all", prints=["node.id=1"])
    step(CONFIG, "--describe", "--entity-type", "brokers", "--entity-default", prints=["Default configs for brokers"])
    step(CONFIG, "--alter", "--entity-type", "brokers", "--entity-name", "1", "--add-config", "node.id=7", succeeds=False,
         prints=["Cannot update these configs dynamically"])
    step(CONFIG, "--alter", *entity, "--add-config", "compression.type=zstd,compression.zstd.level=7")
    step(CONFIG, "--describe", *entity, prints=["compression.type=zstd", "compression.zstd.level=7"])
    step(CONFIG, "--alter", *entity, "--add-config", "compression.type=zip", succeeds=False,
         prints=["String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer"])


def quotas(steps):
    step = steps.step
    client, user = ["--entity-type", "clients", "--entity-name", "kt-client"], ["--entity-type", "users", "--entity-name", "kt-user"]
    step(CONFIG, "--alter", *client, "--add-config", "producer_byte_rate=1048576,consumer_byte_rate=2097152",
         prints=["Completed updating config for client kt-client"])
    step(CONFIG, "--describe", *client, prints=["Quota configs for client-id 'kt-client' are", "producer_byte_rate=1048576.0", "consumer_byte_rate=2097152.0"])
    step(CONFIG, "--alter", *user, *client, "--add-config", "consumer_byte_rate=5", prints=["Completed updating config for user kt-user"])
    step(CONFIG, "--alter", "--entity-type", "users", "--entity-default", "--add-config", "producer_byte_rate=99999999")
    step(CONFIG, "--describe", "--entity-type", "users", prints=["the default user-principal.* producer_byte_rate=9.9999999E7"])
    step(CONFIG, "--describe", *user, "--entity-type", "clients", prints=["user-principal 'kt-user', client-id 'kt-client' are consumer_byte_rate=5.0"])
    step(CONFIG, "--alter", *client, "--add-config", "producer_byte_rate=0", succeeds=False, prints=["must be greater than 0"])
    step(CONFIG, "--alter", *client, "--delete-config", "producer_byte_rate")
    step(CONFIG, "--describe", *client, prints=["consumer_byte_rate=2097152.0"], hides=["producer_byte_rate"])
    step(CONFIG, "--alter", *client, "--delete-config", "consumer_byte_rate")
    step(CONFIG, "--alter", *user, *client, "--delete-config", "consumer_byte_rate")
    step(CONFIG, "--alter", "--entity-type", "users", "--entity-default", "--delete-config", "producer_byte_rate")
    step(CONFIG, "--describe", "--entity-type", "clients", hides=["kt-client"])


def security(steps):
    """What a Kafka without an authorizer refuses, too; and passwords, of which it would take some."""
    step = steps.step
    step("AclCommand", "--list", succeeds=None, prints=["SecurityDisabledException: No Authorizer is configured"])
    step("AclCommand", "--add", "--allow-principal", "User:kt", "--operation", "Read", "--topic", "kt-a", succeeds=None,
         prints=["SecurityDisabledException: No Authorizer is configured"])
    step(CONFIG, "--alter", "--entity-type", "users", "--entity-name", "kt-user", "--add-config", "SCRAM-SHA-256=[password=x]",
         succeeds=False, prints=["keeps no SCRAM credentials"])
    step("DelegationTokenCommand", "--describe", "--command-config",
         os.devnull, succeeds=None, prints=["DelegationTokenDisabledException|UnsupportedByAuthenticationException|not allowed"])


def records(steps, directory):
    step = steps.step
    lines = "".join(f"key{index}:value{index}\n" for index in range(20))
    step("ConsoleProducer", "--topic", "kt-a", "--property", "parse.key=true", "--property", "key.separator=:", text=lines)
    step(TOOLS + "consumer.ConsoleConsumer", "--topic", "kt-a", "--from-beginning", "--max-messages", 20, "--group", "kt-group",
         prints=[f"^value{index}$" for index in range(20)] + ["Processed a total of 20 messages"])
    step("GetOffsetShell", "--topic", "kt-a", prints=[f"^kt-a:{partition}:\\d+$" for partition in range(3)])
    step("TopicCommand", "--create", "--topic", "kt-b", "--partitions", 2)
    step("ConsoleProducer", "--topic", "kt-b", text="one\ntwo\nthree\n", prints=[])
    plan = Path(directory) / "delete.json"
    plan.write_text(json.dumps({"version": 1, "partitions": [{"topic": "kt-b", "partition": 0, "offset": -1},
                                                             {"topic": "kt-b", "partition": 1, "offset": -1}]}))
    step("DeleteRecordsCommand", "--offset-json-file", plan, prints=["partition: kt-b-0\tlow_watermark: \\d"])
    earliest = steps.step("GetOffsetShell", "--topic", "kt-b", "--time", "earliest")
    latest = steps.step("GetOffsetShell", "--topic", "kt-b", "--time", "latest")
    if earliest != latest or not re.search(r"kt-b:\d:[1-3]$", earliest, re.MULTILINE):
        steps.failures.append(f"after DeleteRecordsCommand\n  earliest {earliest}  latest {latest}")
    step("VerifiableProducer", "--topic", "kt-b", "--max-messages", 50, prints=['"sent":50', '"acked":50'])
    step("VerifiableConsumer", "--topic", "kt-b", "--group-id", "kt-verify", "--max-messages", 50, "--reset-policy",
         "earliest", prints=['"name":"records_consumed"', '"name":"shutdown_complete"'])


def groups(steps):
    step = steps.step
    step(GROUPS, "--list", prints=["^kt-group$", "^kt-verify$"])
    step(GROUPS, "--list", "--state", prints=["kt-group\\s+(Classic\\s+)?Empty"])
    step(GROUPS, "--list", "--type", "classic", prints=["kt-group"])
    step(GROUPS, "--describe", "--group", "kt-group", prints=["kt-group\\s+kt-a\\s+2\\s+\\d+\\s+\\d+\\s+0\\s"])
    step(GROUPS, "--describe", "--group", "kt-group", "--state", prints=["Empty"])
    step(GROUPS, "--describe", "--group", "kt-none", succeeds=None, prints=["does not exist|not found"])
    step(GROUPS, "--reset-offsets", "--group", "kt-group", "--topic", "kt-a", "--to-earliest", "--execute",
         prints=["kt-group\\s+kt-a\\s+0\\s+0"])
    step(GROUPS, "--delete-offsets", "--group", "kt-group", "--topic", "kt-a:1", prints=["kt-a\\s+1\\s+Successful"])
    step(GROUPS, "--describe", "--group", "kt-group", prints=["kt-a\\s+0\\s"], hides=["kt-a\\s+1\\s"])
    step(GROUPS, "--delete", "--group", "kt-group", prints=["Deletion of requested consumer groups \\('kt-group'\\) was successful"])
    step(GROUPS, "--list", hides=["^kt-group$"])


def assigned_groups(steps):
    """Groups whose partitions the broker assigns (KIP-848)."""
    step = steps.step
    step(TOOLS + "consumer.ConsoleConsumer", "--topic", "kt-a", "--from-beginning", "--max-messages", 20, "--group", "kt-new",
         "--consumer-property", "group.protocol=consumer", prints=["Processed a total of 20 messages"])
    step("VerifiableConsumer", "--topic", "kt-b", "--group-id", "kt-new-verify", "--group-protocol", "consumer",
         "--max-messages", 50, "--reset-policy", "earliest",
         prints=['"name":"records_consumed"', '"name":"shutdown_complete"'])
    step(GROUPS, "--list", "--type", "consumer", prints=["^kt-new\\s+Consumer", "^kt-new-verify\\s+Consumer"],
         hides=["^kt-verify\\s"])
    step(GROUPS, "--list", "--state", prints=["kt-new\\s+(Consumer\\s+)?Empty"])
    step(GROUPS, "--describe", "--group", "kt-new", prints=["kt-new\\s+kt-a\\s+2\\s+\\d+\\s+\\d+\\s+0\\s"])
    step(GROUPS, "--describe", "--group", "kt-new", "--state", "--verbose", prints=["uniform\\s+Empty"])
    step(GROUPS, "--describe", "--group", "kt-new", "--members", succeeds=None, prints=["has no active members"])
    step(GROUPS, "--reset-offsets", "--group", "kt-new", "--topic", "kt-a", "--to-earliest", "--execute",
         prints=["kt-new\\s+kt-a\\s+0\\s+0"])
    step(GROUPS, "--delete-offsets", "--group", "kt-new", "--topic", "kt-a:1", prints=["kt-a\\s+1\\s+Successful"])
    step(GROUPS, "--delete", "--group", "kt-new", prints=["Deletion of requested consumer groups \\('kt-new'\\) was successful"])
    step(GROUPS, "--list", hides=["^kt-new$"])


def state_topics(steps):
    """What the coordinators know, as records that Kafka's own formatters read."""
    def read(topic, formatter, pattern):
        steps.step(TOOLS + "consumer.ConsoleConsumer", "--topic", topic, "--from-beginning", "--timeout-ms", 5000,
                   "--formatter", f"{TOOLS}consumer.{formatter}", prints=[pattern])
    steps.step("ProducerPerformance", "--topic", "kt-b", "--num-records", 10, "--record-size", 10, "--throughput", -1,
               "--transactional-id", "kt-tx", prints=["10 records sent"])
    read("__consumer_offsets", "OffsetsMessageFormatter",
         '"group":"kt-verify","topic":"kt-b","partition":\\d}},"value":{"version":\\d,"data":{"offset":\\d+')
    read("__transaction_state", "TransactionLogMessageFormatter",
         '"transactionalId":"kt-tx"}},"value":{"version":\\d,"data":{"producerId":\\d+,"producerEpoch":\\d,.*"transactionStatus":4')


def share_groups(steps):
    """Groups whose members acknowledge record by record (KIP-932). Version 4.1 of the tool cannot reset offsets."""
    step = steps.step
    group = ["--entity-type", "groups", "--entity-name", "kt-share"]
    step("TopicCommand", "--create", "--topic", "kt-s", "--partitions", 2)
    step(CONFIG, "--alter", *group, "--add-config", "share.auto.offset.reset=earliest,share.record.lock.duration.ms=15000",
         prints=["Completed updating config for group kt-share"])
    step(CONFIG, "--describe", "--all", *group, prints=["share.auto.offset.reset=earliest", "share.session.timeout.ms=45000"])
    step(CONFIG, "--describe", *group, prints=["share.auto.offset.reset=earliest"], hides=["share.session.timeout.ms"])
    step(CONFIG, "--describe", "--entity-type", "groups", prints=["configs for group kt-share are", "share.record.lock.duration.ms=15000"])
    step(CONFIG, "--alter", *group, "--add-config", "share.record.lock.duration.ms=5", succeeds=False,
         prints=["InvalidConfigurationException"])
    step("ConsoleProducer", "--topic", "kt-s", text="".join(f"value{index}\n" for index in range(20)))
    step(SHARE_CONSUMER, "--topic", "kt-s", "--group", "kt-share", "--max-messages", 20, "--timeout-ms", 30000, "--release",
         prints=[f"^value{index}$" for index in range(20)] + ["Processed a total of 20 messages"])
    step(SHARE_CONSUMER, "--topic", "kt-s", "--group", "kt-share", "--max-messages", 20, "--timeout-ms", 30000,
         "--property", "print.delivery=true", prints=["Processed a total of 20 messages", "Delivery:2\\s+value7$"])
    step("ConsoleProducer", "--topic", "kt-s", text="one more\n")
    step(SHARE_CONSUMER, "--topic", "kt-s", "--group", "kt-share", "--max-messages", 1, "--timeout-ms", 30000,
         prints=["^one more$"], hides=["^value"])
    step(SHARE_GROUPS, "--list", prints=["^kt-share$"], hides=["^kt-verify$"])
    step(SHARE_GROUPS, "--list", "--state", prints=["kt-share\\s+Empty"])
    step(TOOLS + "GroupsCommand", "--list", prints=["kt-share\\s+Share\\s+share", "kt-verify\\s+Classic"])
    step(SHARE_GROUPS, "--describe", "--group", "kt-share", prints=["kt-share\\s+kt-s\\s+[01]\\s+2[01]$"])
    step(SHARE_GROUPS, "--describe", "--group", "kt-share", "--state", prints=["kt-share\\s+\\S+\\s+\\(1\\)\\s+Empty\\s+0"])
    step(SHARE_GROUPS, "--describe", "--group", "kt-none", succeeds=None, prints=["Group kt-none not found"])
    step("VerifiableShareConsumer", "--topic", "kt-s", "--group-id", "kt-share-verify", "--max-messages", 21,
         "--offset-reset-strategy", "earliest", prints=['"name":"offset_reset_strategy_set"', '"name":"offsets_acknowledged"',
                                                        '"name":"shutdown_complete"'])
    step(SHARE_GROUPS, "--delete-offsets", "--group", "kt-share", "--topic", "kt-s", prints=["kt-s\\s+Successful"])
    step(SHARE_GROUPS, "--describe", "--group", "kt-share", hides=["kt-s\\s"])
    step(SHARE_GROUPS, "--delete", "--group", "kt-share", prints=["Deletion of requested share groups \\('kt-share'\\) was successful"])
    step(SHARE_GROUPS, "--list", hides=["^kt-share$"])


def newer_share_groups(port):
    """What share groups can do since Kafka 4.2: so many records and no more, locks that are renewed, the lag."""
    steps = Steps(port, ("kafka-tools-4.3", "kafka-4.3"))
    step = steps.step
    group = ["--entity-type", "groups", "--entity-name", "kt-newer"]
    step("TopicCommand", "--create", "--topic", "kt-n", "--partitions", 1)
    step(CONFIG, "--alter", *group, "--add-config", "share.auto.offset.reset=earliest,share.record.lock.duration.ms=15000,"
         "share.isolation.level=read_committed", prints=["Completed updating config for group kt-newer"])
    step("ConsoleProducer", "--topic", "kt-n", text="".join(f"value{index}\n" for index in range(10)))
    step(SHARE_CONSUMER, "--topic", "kt-n", "--group", "kt-newer", "--max-messages", 4, "--timeout-ms", 30000, "--command-property",
         "share.acquire.mode=record_limit", "--command-property", "max.poll.records=2", prints=["^value0$", "^value3$"], hides=["^value4$"])
    step(SHARE_GROUPS, "--describe", "--group", "kt-newer", prints=["START-OFFSET\\s+LAG", "kt-newer\\s+kt-n\\s+0\\s+4\\s+6\\s*$"])
    step(SHARE_CONSUMER, "--topic", "kt-n", "--group", "kt-newer", "--max-messages", 6, "--timeout-ms", 30000,
         "--formatter-property", "print.delivery=true", prints=["value4$", "value9$", "Processed a total of 6 messages"], hides=["value3$"])
    step(SHARE_GROUPS, "--describe", "--group", "kt-newer", prints=["kt-newer\\s+kt-n\\s+0\\s+10\\s+0\\s*$"])
    step("ConsoleProducer", "--topic", "kt-n", text="slow\n")
    step(str(HERE / "RenewedLock.java"), "kt-n", "kt-newer", 40, prints=["^record slow renewed, delivered once, to others 0, failures 0$"])
    step(SHARE_GROUPS, "--describe", "--group", "kt-newer", prints=["kt-newer\\s+kt-n\\s+0\\s+11\\s+0\\s*$"])
    step(SHARE_GROUPS, "--delete", "--group", "kt-newer")
    step("TopicCommand", "--delete", "--topic", "kt-n")
    return steps


def share_state(steps):
    """Where the group is in its partitions that share_groups() has left."""
    steps.step(TOOLS + "consumer.ConsoleConsumer", "--topic", "__share_group_state", "--from-beginning", "--timeout-ms", 5000,
               "--formatter", TOOLS + "consumer.group.share.ShareGroupStateMessageFormatter",
               prints=['"groupId":"kt-share-verify",.*"startOffset":2[01],'])


def sessions(steps):
    """A consumer of many partitions tells in its log of what its requests leave out. It goes on when it has everything: the
    first answer may bring all of it, and belongs to no session yet."""
    steps.step("TopicCommand", "--create", "--topic", "kt-many", "--partitions", 200)
    steps.step("VerifiableProducer", "--topic", "kt-many", "--max-messages", 400, prints=['"sent":400', '"acked":400'])
    steps.step(TOOLS + "consumer.ConsoleConsumer", "--topic", "kt-many", "--from-beginning", "--timeout-ms", 4000,
               flags=["-Dlog4j2.level=DEBUG"], hides=["session id \\d+ .*error"],
               prints=["Built incremental fetch \\(sessionId=[1-9]\\d*, epoch=[1-9]\\d*\\).* out of 200 partition",
                       "sent an incremental fetch response .* for session [1-9]", "Processed a total of 400 messages"])
    steps.step("TopicCommand", "--delete", "--topic", "kt-many")


def logins(directory):
    """Tools at a broker that demands a login."""
    broker = harness.Broker(arguments=["--kafka-login", "required"]).start()
    try:
        steps = Steps(broker.kafka_port)
        for name, password in (("good", "guest"), ("bad", "wrong")):
            (Path(directory) / f"{name}.properties").write_text(
                "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config=org.apache.kafka.common.security.plain."
                f"PlainLoginModule required username=guest password={password};\nrequest.timeout.ms=15000\ndefault.api.timeout.ms=20000\n")
        good, bad = (["--command-config", Path(directory) / f"{name}.properties"] for name in ("good", "bad"))
        steps.step("TopicCommand", "--create", "--topic", "kt-login", *good, prints=["Created topic kt-login"])
        steps.step("TopicCommand", "--list", *bad, succeeds=False, prints=["Authentication failed: Invalid username or password"])
        steps.step("ConsoleProducer", "--topic", "kt-login", "--producer.config", good[1], text="one\ntwo\n")
        steps.step(TOOLS + "consumer.ConsoleConsumer", "--topic", "kt-login", "--from-beginning", "--max-messages", 2,
                   "--consumer.config", good[1], prints=["^one$", "^two$"])
        return steps
    finally:
        broker.close()


def cluster(steps, directory):
    step = steps.step
    step("BrokerApiVersionsCommand", prints=["Produce\\(0\\): ", "DescribeTopicPartitions\\(75\\): 0"], hides=["ERROR"])
    step("LogDirsCommand", "--describe", "--topic-list", "kt-a", prints=['"logDir":"/', '"partition":"kt-a-2"'])
    step("LeaderElectionCommand", "--election-type", "preferred", "--topic", "kt-a", "--partition", 0,
         prints=["Valid replica already elected for partitions? kt-a-0"])
    plan = Path(directory) / "move.json"
    plan.write_text(json.dumps({"version": 1, "partitions": [{"topic": "kt-a", "partition": 0, "replicas": [1]}]}))
    reassign = "reassign.ReassignPartitionsCommand"
    step(TOOLS + reassign, "--list", prints=["No partition reassignments found"])
    step(TOOLS + reassign, "--reassignment-json-file", plan, "--execute",
         prints=["Successfully started partition reassignment"], succeeds=None)
    step(TOOLS + reassign, "--reassignment-json-file", plan, "--verify",
         prints=["Reassignment of partition kt-a-0 is completed"], succeeds=None)


def transactions(steps):
    step = steps.step
    step("TransactionsCommand", "list", prints=["TransactionalId\\s+Coordinator\\s+ProducerId\\s+TransactionState"])
    step("TransactionsCommand", "describe", "--transactional-id", "kt-none", succeeds=False,
         prints=["kt-none` failed because the ID could not be found"])
    step("TransactionsCommand", "describe-producers", "--topic", "kt-a", "--partition", 0,
         prints=["ProducerId\\s+ProducerEpoch\\s+LatestCoordinatorEpoch"])
    step("TransactionsCommand", "find-hanging", "--topic", "kt-a", prints=["Topic\\s+Partition\\s+ProducerId"])


def clean(steps):
    for name in ("kt-a", "kt-b", "kt-s"):
        steps.step("TopicCommand", "--delete", "--topic", name)
    steps.step("TopicCommand", "--list", hides=["^kt-"])


def run_all(port, *, own):
    steps = Steps(port)
    with tempfile.TemporaryDirectory() as directory:
        topics(steps)
        settings(steps)
        quotas(steps)
        security(steps)
        records(steps, directory)
        groups(steps)
        assigned_groups(steps)
        state_topics(steps)
        share_groups(steps)
        share_state(steps)
        sessions(steps)
        cluster(steps, directory)
        transactions(steps)
        clean(steps)
        if own:
            for others in (newer_share_groups(port), logins(directory)):
                steps.count += others.count
                steps.failures += others.failures
    for failure in steps.failures:
        print(f"\nFAILED: {failure}")
    print(f"Kafka's tools {install.version_of('kafka-tools')}: {steps.count} steps, {len(steps.failures)} failed")
    return not steps.failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int)
    parser.add_argument("--shards", type=int, default=int(os.environ.get("SHARDS", "1")))
    options = parser.parse_args()
    if options.port:
        return 0 if run_all(options.port, own=False) else 1
    broker = harness.Broker(shards=options.shards).start()
    try:
        return 0 if run_all(broker.kafka_port, own=True) else 1
    finally:
        broker.close()


if __name__ == "__main__":
    sys.exit(main())
