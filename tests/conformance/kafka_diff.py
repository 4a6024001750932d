#!/usr/bin/env python3
"""Sends the same requests to Apache Kafka and to our broker and compares the decoded answers.

  kafka_diff.py [--port PORT] [--kafka-port PORT] [--shards N] [--key KEY]... [--release 4.1|4.3] [--verbose]

Every key that we advertise, in every version that both have: the vectors of kafka_vectors and kafka_group_vectors with
good and bad input, and for each version bodies that are cut, too long, or have nulls where none is allowed. What must
differ (ids, times, addresses, the words of error messages) is replaced before comparing. A difference that is not
in EXPECTED, and a row there that nothing matched, make the exit code 1. --port and --kafka-port name running servers. The
whole is meant for Kafka 4.1; --release 4.3 is for single keys, of which that has newer versions.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
sys.path[:0] = [str(HERE.parent), str(HERE), str(REPO / "bench")]

import harness  # noqa: E402
import kafka_admin_vectors  # noqa: E402
import kafka_group_vectors  # noqa: E402
import kafka_messages as messages  # noqa: E402
import kafka_share_vectors  # noqa: E402
import kafka_vectors as keys  # noqa: E402
from peers import install, servers  # noqa: E402
from rawclients import ConnectionLost  # noqa: E402

ANSWER_SECONDS = 2.5
SETTLE_SECONDS = 20
LEARN_SECONDS, GROUPS_LEARN_SECONDS = 0.1, 1
NOT_YET = {14, 15, 16, 51}  # a coordinator that loads, a transaction that ends
MEMBER_ID_REQUIRED = 79
RELEASES = {"4.1": ("kafka", "kafka-tools"), "4.3": ("kafka-4.3", "kafka-tools-4.3")}  # folders of install.ARTEFACTS
NO_ID = uuid.UUID(int=0)

# (pattern of "Key v1 label | path: theirs -> ours", reason). Each place where two answers differ must match one.
EXPECTED = [
    # What we refuse or leave out, as docs/compatibility.md says.
    (r"^Describe(Configs|LogDirs) .*(logger 1|group|client metrics) ", "settings of loggers, client metrics and of groups but share groups are absent"),
    (r"^(Incremental)?AlterConfigs .*(broker 1|all brokers|group|logger 1) ", "only settings of topics and share groups can be changed"),
    (r"retention\.ms\S*\.Value: \"604800000\" -> \"-1\"", "topics are kept for ever unless they say otherwise"),
    # Input that Kafka stumbles over: -1 (an exception of its own), or no answer at all.
    (r"ErrorCode: -1 -> |: \"no answer\" -> ", "Kafka fails on the input with an unexpected exception; ours refuses or takes it"),
    (r"^(Fetch|ListOffsets) v\d+ (isolation [23]|negative size( in all)?) ", "Kafka fails on negative sizes and unknown isolation "
     "levels; ours reads as if they were 0"),
    (r"^Produce v\d+ bytes after the batch ", "Kafka drops bytes behind a batch; ours refuses them"),
    (r"^Produce v\d+ append time by the client ", "Kafka takes a batch that claims to have the broker's time"),
    (r"^Produce v\d+ negative epoch ", "a producer without an epoch is nonsense (87), not one that is fenced (47)"),
    (r"^Produce v\d+ far future .*RecordErrors", "only records without keys are told one by one"),
    (r"^Produce v\d+ (base offset 5|codec 7) .*LogStartOffset", "refused before the log is looked at"),
    (r"^Produce v\d+ a sequence of an aborted batch ", "Kafka takes it for the aborted one, and answers with a success"),
    (r"^Metadata v1[0-2] (by id|id and|strange id|unknown id|zero id)", "topics are found by id in all versions that have ids; "
     "Kafka refuses that before version 12"),
    (r"Configs\.(\w+\.replication\.throttled\.replicas|local\.retention\.\w+|remote\.log\.[\w.]+): .* -> "
     "\"absent\"", "throttling of replicas and tiered storage do not exist"),
    (r"Configs\.message\.(downconversion\.enable|format\.version|timestamp\.difference\.max\.ms): \"absent\" -> ",
     "settings that Kafka 4 has dropped are kept for older tools"),
    (r"Configs\.min\.insync\.replicas\.ConfigSource: 3 -> 5", "there are no defaults of a whole cluster"),
    (r"^CreateTopics v\d+ spaces ", "a value is told as it counts, without the blanks around it"),
    (r"^CreateTopics v\d+ negative timeout ", "a creation has no time limit"),
    (r"^AddOffsetsToTxn v\d+ empty group ", "a group without a name cannot join a transaction"),
    (r"^DeleteRecords v\d+ a partition twice ", "a partition that is named twice is answered twice"),
    (r"^OffsetForLeaderEpoch v\d+ epoch -2 ", "a negative epoch is none"),
    (r"^TxnOffsetCommit v[0-4] (foreign producer|newer epoch) ", "a group knows the producers that were announced to it, and no others"),
    (r"\.Synonyms", "the defaults of topics are not settings of the broker under other names"),
    (r"^DescribeConfigs v\d+ of the broker ", "of the broker's settings a few are told, and none can be changed while it runs"),
    (r"^AlterConfigs v\d+ (settings after )?empty list ", "a topic without a cleanup policy does not exist"),
    (r"^AlterConfigs v\d+ twice ", "a resource that is named twice is refused twice"),
    (r"^IncrementalAlterConfigs v\d+ (settings after )?append nothing ", "to append nothing is allowed"),
    (r"^(Alter|Delete)ShareGroupOffsets v\d+ empty group ", "a group without a name is a bad one also when nothing is asked of it"),
    (r"^ConsumerGroupHeartbeat v\d+ empty assignor ", "an empty name of an assignor is none"),
    (r"^DeleteGroups v\d+ when its member has left ", "a group without members and offsets is gone at once"),
    (r"^DescribeTopicPartitions v\d+ empty name ", "an empty name is a bad one"),
    (r"^DescribeTransactions v\d+ twice ", "an id that is named twice is described once"),
    (r"^ElectLeaders v\d+ (type (-1|2), none|bytes of 255) ", "an unknown kind of election is refused also when it is of nothing"),
    (r"^OffsetFetch v\d+ no partitions ", "a topic of which no partition is asked is left out"),
    (r"^AlterClientQuotas v\d+ told after (a fraction too small to count|(bad, )?only validated) ", "rates are whole numbers of bytes"),
    (r"^AlterClientQuotas v\d+ (told after )?user twice ", "an entity that names two users is none"),
    (r"^AlterUserScramCredentials v0 good", "no SCRAM credentials are kept"),
    (r"^Produce v\d+ a topic twice ", "a topic that is named twice is answered twice"),
]

# --- what must differ -----------------------------------------------------------------------------
# Field -> what is compared of it.
TEXTS = {"ErrorMessage", "AcknowledgeErrorMessage", "Message", "BatchIndexErrorMessage"}
IDS = {"TopicId", "MemberId", "Leader", "ProducerId", "ClusterId", "CurrentProducerId"}
TIMES = {"LastTimestamp", "TransactionStartTimeMs", "LogAppendTimeMs"}
LEFT_OUT = {"Host", "Port", "ClientHost", "Rack", "LogDir", "TotalBytes", "UsableBytes", "PartitionSize", "Documentation",
            "FinalizedFeaturesEpoch", "SupportedFeatures", "FinalizedFeatures"}


def normal(name, value, prefix):
    """What of an answer is compared; `prefix` is that of the names of this run."""
    if isinstance(value, dict):
        return {key: normal(key, each, prefix) for key, each in value.items() if key not in LEFT_OUT}
    if isinstance(value, list):
        items = sorted((normal(name, each, prefix) for each in value), key=repr)
        named = {each["Name"]: each for each in items if isinstance(each, dict) and each.get("Name")}
        return named if items and len(named) == len(items) else items
    if name == "Records" and value is not None:
        return [str(each) for each in messages.describe_batches(value)]
    if name in TEXTS:
        return None  # Each says it in its own words.
    if name in IDS:
        return value if value in (None, "", -1, NO_ID) else "an id"
    if name == "SessionId":
        return value if value <= 0 else "a session"
    if name in TIMES:
        return value if value <= 0 else "a time"
    return value.replace(prefix, "") if isinstance(value, str) else value


class Run:
    """One script on one broker. Notes (title, answer) pairs."""

    def __init__(self, schemas, port, now_ms, life):
        self.schemas, self.port, self.now_ms, self.life = schemas, port, now_ms, life
        self.notes = []
        self.ids = {}
        self.connection = None
        self.key = self.version = None
        self.last = None
        self.muted = False

    # -- one exchange

    def connected(self):
        if self.connection is None:
            self.connection = messages.Connection(self.schemas, self.port, ANSWER_SECONDS)
        return self.connection

    def exchange(self, send):
        """The answer, or a word about why there is none; the next request then has a new connection."""
        try:
            send(self.connected())
            self.last = self.connection.receive()
        except ConnectionLost as error:
            self.last = "no answer" if "timed out" in str(error) else "closed"
            self.close()
        return self.last

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def note(self, label, answer, only=None, versions_of=False):
        if self.muted:
            return
        if only is not None and isinstance(answer, dict):
            answer = {name: [each for each in value if mentions(each, only)] if isinstance(value, list) and name != "Brokers"
                      else value for name, value in answer.items()}
        if versions_of and isinstance(answer, dict):
            answer = {**answer, "ApiKeys": bool(answer["ApiKeys"])}
        name = self.schemas.requests[self.key].name.removesuffix("Request")
        self.notes.append((f"{name} v{self.version} {label}", normal("", answer, self.name(""))))

    # -- what scripts call

    def call(self, label, fields, only=None, versions_of=False, ignore=False):
        answer = self.exchange(lambda to: to.send(self.key, self.version, fields))
        if not ignore:
            self.note(label, answer, only, versions_of)
        return answer if isinstance(answer, dict) else {}

    def compare(self, label, key, version, fields):
        self.note(label, self.exchange(lambda to: to.send(key, version, fields)))

    def compare_settled(self, label, key, version, fields):
        """The answer when it does not change any more: Kafka's brokers learn of changes some time after its controller."""
        answer, before = self.exchange(lambda to: to.send(key, version, fields)), None
        while answer != before:
            time.sleep(LEARN_SECONDS)
            before, answer = answer, self.exchange(lambda to: to.send(key, version, fields))
        self.note(label, answer)

    def body(self, label, key, version, body, answer_version=None):
        """Of an answer to nonsense only its error is compared: the rest may be everything that there is."""
        answer = self.exchange(lambda to: to.send_body(key, version, body, answer_version))
        self.note(label, {"ErrorCode": answer.get("ErrorCode")} if isinstance(answer, dict) else answer)

    def settle(self, label, attempt):
        """Tries until the attempt is content, and notes only the last answer."""
        self.muted = True
        try:
            harness.wait_for(attempt, SETTLE_SECONDS, label, interval=0.05)
        finally:
            self.muted = False
        self.note(label, self.last)

    def prepare(self, key, version, fields, allowed=()):
        """A request that is not compared and must succeed."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            answer = self.exchange(lambda to: to.send(key, version, fields))
            codes = set(error_codes(answer)) - {0, *allowed} if isinstance(answer, dict) else {answer}
            if not codes:
                return answer
            if not codes <= NOT_YET or time.monotonic() > deadline:
                raise AssertionError(f"preparing: key {key} got {codes} for {fields}")
            time.sleep(0.02)

    # -- names and things that scripts need

    def name(self, word):
        return f"d{self.life}-{self.key}-{self.version}-{word}"

    token = name

    def topic(self, word, partitions=1, configs=None):
        name = self.name(word)
        answer = self.prepare(keys.CREATE_TOPICS, 7, {"timeoutMs": 10000, "Topics": [
            {"Name": name, "NumPartitions": partitions, "ReplicationFactor": 1, "Configs": [
                {"Name": key, "Value": value} for key, value in (configs or {}).items()]}]})
        self.ids[name] = answer["Topics"][0]["TopicId"]
        self.await_topic(name, partitions)
        return name

    def topic_id(self, name):
        return self.ids.get(name, keys.STRANGE_ID)

    def _partitions(self, name):
        answer = self.exchange(lambda to: to.send(keys.METADATA, 4, {"Topics": [{"Name": name}], "AllowAutoTopicCreation": False}))
        found, = answer["Topics"]
        ready = [each for each in found["Partitions"] if each["LeaderId"] >= 0 and each["ErrorCode"] == 0]
        return len(ready) if found["ErrorCode"] == 0 else 0

    def _listed(self, name, partitions):
        """Whether the broker serves the partitions, which is some time after their leader is known."""
        answer = self.exchange(lambda to: to.send(keys.LIST_OFFSETS, 1, {"ReplicaId": -1, "Topics": [
            {"Name": name, "Partitions": [{"PartitionIndex": index, "Timestamp": -2} for index in range(partitions)]}]}))
        return not any(error_codes(answer))

    def await_topic(self, name, partitions=1):
        harness.wait_for(lambda: self._partitions(name) >= partitions and self._listed(name, partitions), SETTLE_SECONDS,
                         f"topic {name}")

    def await_gone(self, name):
        harness.wait_for(lambda: self._partitions(name) == 0, SETTLE_SECONDS, f"no topic {name}")

    def batch(self, records=((None, b"value"),), **extra):
        return messages.batch(records, **{"at_ms": self.now_ms, **extra})

    def fill(self, topic, count, partition=0, **extra):
        data = self.batch([(b"k%d" % index, b"v") for index in range(count)], **extra)
        self.prepare(keys.PRODUCE, 9, {"Acks": -1, "TimeoutMs": 5000, "TopicData": [
            {"Name": topic, "PartitionData": [{"Index": partition, "Records": data}]}]})

    @staticmethod
    def known_to_groups():
        """Kafka's group coordinator learns of a new topic some time after everybody else, and says to nobody when."""
        time.sleep(GROUPS_LEARN_SECONDS)

    def producer(self):
        return self.prepare(keys.INIT_PRODUCER_ID, 1, {"TransactionalId": None, "TransactionTimeoutMs": 60000})["ProducerId"]

    def transaction(self, name):
        answer = self.prepare(keys.INIT_PRODUCER_ID, 3, {"TransactionalId": name, "TransactionTimeoutMs": 60000})
        return answer["ProducerId"], answer["ProducerEpoch"]

    def add_partition(self, name, producer, epoch, topic, index):
        self.prepare(keys.ADD_PARTITIONS, 3, {
            "V3AndBelowTransactionalId": name, "V3AndBelowProducerId": producer, "V3AndBelowProducerEpoch": epoch,
            "V3AndBelowTopics": [{"Name": topic, "Partitions": [index]}]})
        return 0

    def end(self, name, producer, epoch, commit):
        self.prepare(keys.END_TXN, 3, {"TransactionalId": name, "ProducerId": producer, "ProducerEpoch": epoch, "Committed": commit})
        self.await_ended(name)

    def await_ended(self, name):
        """Kafka answers when the end is decided; the markers follow."""
        harness.wait_for(lambda: self.prepare(keys.TRANSACTIONS, 0, {"TransactionalIds": [name]})["TransactionStates"][0][
            "TransactionState"].startswith("Complete"), SETTLE_SECONDS, "the end of a transaction")

    def join(self, group, **extra):
        fields = {"GroupId": group, "SessionTimeoutMs": 30000, "RebalanceTimeoutMs": 10000, "MemberId": "", "ProtocolType": "consumer", **extra}
        answer = self.prepare(keys.JOIN_GROUP, 5, fields, [MEMBER_ID_REQUIRED])
        if answer["ErrorCode"] == MEMBER_ID_REQUIRED:
            answer = self.prepare(keys.JOIN_GROUP, 5, {**fields, "MemberId": answer["MemberId"]})
        return answer

    def member(self, group, topics):
        """A member of a group of the newer protocol that has all it will get."""
        self.known_to_groups()
        fields = {"GroupId": group, "MemberId": f"{group}-m"}
        answer = self.prepare(keys.MEMBER_HEARTBEAT, 1, {**fields, "MemberEpoch": 0, "RebalanceTimeoutMs": 60000,
                                                         "SubscribedTopicNames": topics, "TopicPartitions": []})
        owned = answer["Assignment"]["TopicPartitions"]
        return self.prepare(keys.MEMBER_HEARTBEAT, 1, {**fields, "MemberEpoch": answer["MemberEpoch"], "TopicPartitions": owned})

    def commit(self, group, topic, index=0, offset=5, text=""):
        self.prepare(keys.OFFSET_COMMIT, 5, {"GroupId": group, "GenerationIdOrMemberEpoch": -1, "MemberId": "", "Topics": [
            {"Name": topic, "Partitions": [{"PartitionIndex": index, "CommittedOffset": offset, "CommittedMetadata": text}]}]})


def mentions(entry, names):
    return isinstance(entry, dict) and any(value in names for value in entry.values() if isinstance(value, str))


def error_codes(value):
    if isinstance(value, list):
        for each in value:
            yield from error_codes(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name == "ErrorCode":
                yield each
            else:
                yield from error_codes(each)


# --- bodies that are wrong ------------------------------------------------------------------------
def sample(schema, fields, version):
    """One of everything, all empty."""
    values = {}
    for field in fields:
        if not messages.in_version(field, version):
            continue
        inner = schema.inner(field)
        if field["type"].startswith("[]"):
            values[field["name"]] = [sample(schema, inner, version)] if inner else []
    return values


def nulls(schema, fields, version, at=""):
    """(path, values) with null in one place where none is allowed."""
    for field in fields:
        if not messages.in_version(field, version) or "taggedVersions" in field:
            continue
        kind, name, inner = field["type"], field["name"], schema.inner(field)
        if not messages.null_allowed(field, version) and (kind in ("string", "bytes") or kind.startswith("[]")):
            yield at + name, {name: None}
        if kind.startswith("[]") and inner:
            for path, values in nulls(schema, inner, version, f"{at}{name}."):
                yield path, {name: [sample(schema, inner, version) | values]}


def wrong_bodies(run):
    schema = run.schemas.requests[run.key]
    good = sample(schema, schema.fields, run.version)
    body = schema.encode(run.version, good)
    run.body("empty body", run.key, run.version, b"")
    for cut in sorted({1, 2, len(body) // 2}):
        if 0 < cut < len(body):
            run.body(f"without the last {cut} bytes", run.key, run.version, body[:-cut])
    for path, values in nulls(schema, schema.fields, run.version):
        run.body(f"null {path}", run.key, run.version, schema.encode(run.version, good | values))
    run.body("bytes of 255", run.key, run.version, b"\xff" * 64)
    run.body("bytes of 127", run.key, run.version, b"\x7f" * 64)


def unknown_requests(run):
    for key in (*range(100), 999, 32767, -1):
        run.version = 99 if key != keys.API_VERSIONS else 98
        if key == keys.API_VERSIONS:
            continue
        run.body(f"as key {key}", key, run.version, b"")
    keys.api_versions_unknown(run)


# --- comparing ------------------------------------------------------------------------------------
def served(schemas, port):
    """{key: (lowest, highest)} as the broker advertises."""
    connection = messages.Connection(schemas, port, ANSWER_SECONDS)
    connection.send(keys.API_VERSIONS, 3, {"ClientSoftwareName": "diff", "ClientSoftwareVersion": "1"})
    answer = connection.receive()
    connection.close()
    return {each["ApiKey"]: (each["MinVersion"], each["MaxVersion"]) for each in answer["ApiKeys"]}


class Comparison:
    def __init__(self, schemas, theirs, ours, verbose):
        self.schemas, self.ports, self.verbose = schemas, (theirs, ours), verbose
        self.now_ms, self.life = int(time.time() * 1000), uuid.uuid4().hex[:4]
        self.count = 0
        self.differing = 0  # as expected
        self.expected = Counter()
        self.unexpected = {}  # (name, label, where they differ) -> versions

    def warm(self):
        """Both have their coordinators afterwards."""
        for port in self.ports:
            run = self.run_on(port, keys.FIND_COORDINATOR, 0)
            for kind in (0, 1):
                run.prepare(keys.FIND_COORDINATOR, 1, {"Key": "warm", "KeyType": kind})
            run.commit(run.name("warm"), run.topic("warm"))
            run.transaction(run.name("warm"))
            run.close()

    def run_on(self, port, key, version):
        run = Run(self.schemas, port, self.now_ms, self.life)
        run.key, run.version = key, version
        return run

    def script(self, script, key, version):
        notes = []
        for port in self.ports:
            run = self.run_on(port, key, version)
            try:
                script(run)
            except (AssertionError, KeyError, TypeError, ValueError) as error:
                run.muted = False
                run.note(f"{script.__name__} broken off on {port}", f"{type(error).__name__}: {error}")
            run.close()
            notes.append(run.notes)
        self.compare(*notes)

    def compare(self, theirs, ours):
        found, said = dict(ours), dict(theirs)
        for title, answer in theirs:
            self.judge(title, answer, found.get(title, "not asked"))
        for title, answer in ours:
            if title not in said:
                self.judge(title, "not asked", answer)

    def judge(self, title, theirs, ours):
        self.count += 1
        if theirs == ours:
            if self.verbose:
                print(f"same: {title}: {shown(theirs)}")
            return
        differences, matched = [], set()
        for path, *values in places(theirs, ours):
            where = f"{title} | {path}: {values[0]} -> {values[1]}"
            pattern = next((each for each, _ in EXPECTED if re.search(each, where)), None)
            if pattern is None:
                differences.append((path, *values))
            else:
                matched.add(pattern)
        if differences:
            name, version, label = title.split(" ", 2)
            self.unexpected.setdefault((name, label, tuple(differences)), []).append(version)
            return
        self.differing += 1
        self.expected.update(matched)

    def unused(self):
        return [pattern for pattern, _ in EXPECTED if not self.expected[pattern]]

    def report(self):
        """Each difference once, with all its versions."""
        for (name, label, differences), versions in sorted(self.unexpected.items()):
            print(f"{name} {' '.join(versions)}: {label}")
            for path, theirs, ours in differences:
                print(f"    {path or 'the answer'}\n      kafka: {theirs}\n      ours:  {ours}")


def places(theirs, ours, path=""):
    """Where two answers differ: (path, theirs, ours)."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted({*theirs, *ours}):
            yield from places(theirs.get(key, "absent"), ours.get(key, "absent"), f"{path}.{key}".lstrip("."))
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for index, pair in enumerate(zip(theirs, ours)):
            yield from places(*pair, f"{path}[{index}]")
    elif theirs != ours:
        yield path, shown(theirs), shown(ours)


def shown(answer):
    return json.dumps(answer, default=str)[:400]


def scripts_of(key):
    return [script for vectors in (kafka_group_vectors, kafka_share_vectors, kafka_admin_vectors)
            for script in vectors.SCRIPTS.get(key, ())]


def compare_all(comparison, wanted):
    theirs, ours = (served(comparison.schemas, port) for port in comparison.ports)
    comparison.warm()
    for key in sorted(ours):
        if wanted and key not in wanted:
            continue
        lowest = comparison.schemas.requests[key].versions[0]
        for version in range(max(lowest, ours[key][0], theirs[key][0]), min(ours[key][1], theirs[key][1]) + 1):
            for script in scripts_of(key):
                comparison.script(script, key, version)
            comparison.script(wrong_bodies, key, version)
    if not wanted:
        comparison.script(unknown_requests, keys.API_VERSIONS, 0)
    return comparison


class Kafka(servers.Kafka):
    properties = ("offsets.topic.num.partitions=1\ntransaction.state.log.num.partitions=1\nshare.coordinator.state.topic.num.partitions=1\n"
                  "share.coordinator.state.topic.replication.factor=1\nshare.coordinator.state.topic.min.isr=1\n")

    def __init__(self, base, release):
        super().__init__(base)
        self.folder, self.tools = RELEASES[release]

    def prepare(self):
        super().prepare()
        with open(self.root / "server.properties", "a", encoding="utf-8") as file:
            file.write(self.properties)

    def start(self):
        """With share groups, which Kafka 4.1 has, but not unless it is told so."""
        super().start()
        tool = self.java("org.apache.kafka.tools.FeatureCommand", "--bootstrap-server", f"127.0.0.1:{self.kafka_port}", "upgrade",
                         "--feature", "share.version=1")
        tool[tool.index("-cp") + 1] += f":{install.class_path(self.tools)}"
        subprocess.run(tool, check=True, stdout=subprocess.DEVNULL)
        return self


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, help="of a running one of ours")
    parser.add_argument("--kafka-port", type=int, help="of a running Kafka")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--key", type=int, action="append", help="only this one")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--release", choices=sorted(RELEASES), default="4.1", help="of Kafka")
    options = parser.parse_args()
    jar, = install.fetch(RELEASES[options.release][0]).glob("kafka-clients-*.jar")
    schemas = messages.Schemas(jar)
    kafka = broker = None
    with tempfile.TemporaryDirectory(prefix="kafka-diff-") as directory:
        try:
            if not options.kafka_port:
                kafka = Kafka(directory, options.release).start()
            if not options.port:
                broker = harness.Broker(shards=options.shards).start()
            comparison = Comparison(schemas, options.kafka_port or kafka.kafka_port, options.port or broker.kafka_port,
                                    options.verbose)
            compare_all(comparison, options.key)
            if broker:
                broker.check_alive()
        finally:
            if broker:
                broker.close()
            if kafka:
                kafka.stop()
    comparison.report()
    for pattern, reason in EXPECTED:
        print(f"{comparison.expected[pattern]:5}  {reason}")
    unused = [] if options.key else comparison.unused()
    for pattern in unused:
        print(f"nothing matched {pattern}")
    print(f"{comparison.count} answers compared, {comparison.differing} expected differences, "
          f"{sum(map(len, comparison.unexpected.values()))} unexpected")
    return 1 if comparison.unexpected or unused else 0


if __name__ == "__main__":
    sys.exit(main())
