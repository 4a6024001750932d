"""The request vectors of kafka_diff.py: one script for each key, run in each version.

A script gets a run (kafka_diff.Run): `run.call(label, fields)` sends a request of the script's own key and version and
notes the answer; `run.prepare(...)` sends another one that is not compared. Names come from `run.name`, so that no two
scripts meet.
"""

import uuid

PRODUCE, FETCH, LIST_OFFSETS, METADATA, OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR = 0, 1, 2, 3, 8, 9, 10
JOIN_GROUP, HEARTBEAT, LEAVE_GROUP, SYNC_GROUP, DESCRIBE_GROUPS, LIST_GROUPS, API_VERSIONS = 11, 12, 13, 14, 15, 16, 18
CREATE_TOPICS, DELETE_TOPICS, DELETE_RECORDS, INIT_PRODUCER_ID, LEADER_EPOCH = 19, 20, 21, 22, 23
ADD_PARTITIONS, ADD_OFFSETS, END_TXN, TXN_COMMIT, DESCRIBE_CONFIGS, ALTER_CONFIGS = 24, 25, 26, 28, 32, 33
LOG_DIRS, CREATE_PARTITIONS, DELETE_GROUPS, ELECT_LEADERS, INCREMENTAL_CONFIGS, REASSIGN = 35, 37, 42, 43, 44, 45
LIST_REASSIGNMENTS, OFFSET_DELETE, CLUSTER, PRODUCERS, TRANSACTIONS, LIST_TRANSACTIONS = 46, 47, 60, 61, 65, 66
MEMBER_HEARTBEAT, CONSUMER_GROUPS, TOPIC_PARTITIONS = 68, 69, 75
HANDSHAKE, AUTHENTICATE = 17, 36

TRANSACTIONAL, CONTROL, APPEND_TIME = 0x10, 0x20, 0x08
LONG = "n" * 300
STRANGE_ID = uuid.UUID(int=0x1234)
BAD_NAMES = {"empty name": "", "long name": LONG, "bad name": "a b", "one dot": ".", "two dots": ".."}
BIG = 2**31 - 1


# --- records --------------------------------------------------------------------------------------
def produce(run):
    topic = run.topic("t", partitions=2)
    compacted = run.topic("c", configs={"cleanup.policy": "compact"})
    append_time = run.topic("l", configs={"message.timestamp.type": "LogAppendTime"})
    small = run.topic("s", configs={"max.message.bytes": "200"})

    def send(label, *parts, acks=-1, **extra):
        topics = [{"Name": name, "TopicId": run.topic_id(name), "PartitionData": [
            {"Index": index, "Records": data} for index, data in zip(rest[::2], rest[1::2])]} for name, *rest in parts]
        run.call(label, {"Acks": acks, "TimeoutMs": 5000, "TopicData": topics, **extra})

    good = run.batch()
    send("one record", (topic, 0, good))
    send("acks 1", (topic, 0, good), acks=1)
    send("acks 2", (topic, 0, good), acks=2)
    send("acks -2", (topic, 0, good), acks=-2)
    send("no topics")
    send("two partitions", (topic, 0, good, 1, good))
    send("a topic twice", (topic, 0, good), (topic, 1, good))
    send("three records with keys and headers", (topic, 0, run.batch([(b"k", b"v"), (None, b""), (b"", None, [(b"h", None)])])))
    for label, name in BAD_NAMES.items():
        send(label, (name, 0, good))
    send("unknown topic", (run.name("none"), 0, good))
    send("unknown partition", (topic, 7, good))
    send("negative partition", (topic, -1, good))
    send("no records", (topic, 0, None))
    send("empty records", (topic, 0, b""))
    send("a bad partition beside a good one", (topic, 0, good, 9, good))
    send("gzip", (topic, 0, run.batch(attributes=1)))
    batches = bad_batches(run)
    bad = run.topic("b", partitions=len(batches))
    for index, (label, data) in enumerate(batches.items()):
        send(label, (bad, index, data))
    send("key in a compacted topic", (compacted, 0, run.batch([(b"k", b"v")])))
    send("no key in a compacted topic", (compacted, 0, run.batch([(b"k", b"v"), (None, b"v")])))
    send("append time", (append_time, 0, good))
    send("too large", (small, 0, run.batch([(None, b"x" * 300)])))
    idempotent(run, send, topic)
    unjoined_transaction(run, send, topic)


def bad_batches(run):
    good = run.batch()
    return {
        "checksum": run.batch(crc=1), "magic 0": run.batch(magic=0), "magic 1": run.batch(magic=1), "magic 3": run.batch(magic=3),
        "half a batch": good[:len(good) // 2], "bytes after the batch": good + b"xx", "two batches": good + good,
        "base offset 5": run.batch(base=5), "last offset delta": run.batch(last_delta=3), "count too low": run.batch(count=0),
        "count too high": run.batch(count=2), "negative count": run.batch(count=-1), "control batch": run.batch(attributes=CONTROL),
        "append time by the client": run.batch(attributes=APPEND_TIME), "codec 7": run.batch(attributes=7),
        "gzip of nothing": run.batch(attributes=1, records=()), "plain bytes as zstd": run.batch(attributes=4),
        "bytes after the record": run.batch(tail=b"zz"), "far future": run.batch(at_ms=run.now_ms + 40 * 86400_000),
        "timestamp -1": run.batch(at_ms=-1), "leader epoch 5": run.batch(leader_epoch=5),
        "sequence without a producer": run.batch(sequence=3), "one byte": b"x", "transactional without an id": run.batch(
            attributes=TRANSACTIONAL)}


def idempotent(run, send, topic):
    producer = run.producer()

    def part(sequence, epoch=0, count=1):
        return topic, 1, run.batch([(None, b"v")] * count, producer=(producer, epoch), sequence=sequence)

    send("sequence 0", part(0))
    send("sequence 0 again", part(0))
    send("sequence 2 instead of 1", part(2))
    send("sequence 1", part(1, count=3))
    send("sequence 1 with another count", part(1, count=2))
    send("sequence -1", part(-1))
    send("newer epoch, sequence 3", part(3, epoch=1))
    send("newer epoch, sequence 0", part(0, epoch=1))
    send("older epoch", part(1))
    send("negative epoch", part(0, epoch=-1))
    send("unknown producer, sequence 5", (topic, 1, run.batch(producer=(1 << 40, 0), sequence=5)))


def unjoined_transaction(run, send, topic):
    transaction = run.name("tx")
    producer, epoch = run.transaction(transaction)
    data = run.batch(producer=(producer, epoch), sequence=0, attributes=TRANSACTIONAL)
    if run.version < 12:  # From then on it joins by itself.
        send("transactional, partition not added", (topic, 0, data), TransactionalId=transaction)
    send("transactional id without a transactional batch", (topic, 0, run.batch()), TransactionalId=transaction)
    run.prepare(ADD_PARTITIONS, 3, {
        "V3AndBelowTransactionalId": transaction, "V3AndBelowProducerId": producer, "V3AndBelowProducerEpoch": epoch,
        "V3AndBelowTopics": [{"Name": topic, "Partitions": [0]}]})
    if run.version < 12:
        send("transactional, partition added", (topic, 0, data), TransactionalId=transaction)
        send("the same again", (topic, 0, data), TransactionalId=transaction)
        send("plain batch of a transactional producer", (topic, 0, run.batch(producer=(producer, epoch), sequence=1)),
             TransactionalId=transaction)
        # A client that did not know that its batch was stored uses the sequence again in its next transaction.
        run.end(transaction, producer, epoch, False)
        run.add_partition(transaction, producer, epoch, topic, 0)
        send("a sequence of an aborted batch", (topic, 0, data), TransactionalId=transaction)
        run.end(transaction, producer, epoch, True)


def fetch(run):
    topic = run.topic("t", partitions=2)
    run.fill(topic, 3)
    aborted(run, topic)

    def get(label, name, index=0, offset=0, size=1 << 20, epoch=-1, **extra):
        run.call(label, {"MaxWaitMs": 0, "MinBytes": 0, "MaxBytes": 1 << 20, "Topics": [
            {"Topic": name, "TopicId": run.topic_id(name), "Partitions": [
                {"Partition": index, "FetchOffset": offset, "PartitionMaxBytes": size, "CurrentLeaderEpoch": epoch}]}], **extra})

    get("from 0", topic)
    get("from 1", topic, offset=1)
    get("from 2, committed only", topic, offset=2, IsolationLevel=1)
    get("aborted ones, committed only", topic, 1, IsolationLevel=1)
    get("aborted ones, all", topic, 1)
    get("at the end", topic, offset=3)
    get("beyond the end", topic, offset=4)
    get("negative offset", topic, offset=-1)
    get("least offset", topic, offset=-2**63)
    get("one byte", topic, size=1)
    get("no bytes", topic, size=0)
    get("negative size", topic, size=-1)
    get("no bytes in all", topic, MaxBytes=0)
    get("negative size in all", topic, MaxBytes=-1)
    get("isolation 2", topic, IsolationLevel=2)
    get("current epoch", topic, epoch=0)
    get("newer epoch", topic, epoch=1)
    get("unknown partition", topic, 9)
    get("negative partition", topic, -1)
    get("unknown topic", run.name("none"))
    for label, name in BAD_NAMES.items():
        get(label, name)
    get("min bytes, no wait", topic, offset=3, MinBytes=BIG)
    get("negative wait", topic, offset=3, MinBytes=1, MaxWaitMs=-1)
    get("short wait", topic, offset=3, MinBytes=1, MaxWaitMs=20)
    get("unknown session", topic, SessionId=12345, SessionEpoch=1)
    get("unknown session to close", topic, SessionId=12345, SessionEpoch=-1)
    get("negative session", topic, SessionId=-5, SessionEpoch=3)
    run.call("nothing", {"MaxWaitMs": 0, "MinBytes": 0})
    run.call("nothing, with a wait", {"MaxWaitMs": 20, "MinBytes": 1})
    both = [{"Topic": topic, "TopicId": run.topic_id(topic), "Partitions": [
        {"Partition": index, "FetchOffset": 0, "PartitionMaxBytes": 1 << 20} for index in (0, 1)]}]
    run.call("two partitions", {"MaxWaitMs": 0, "MaxBytes": 1 << 20, "Topics": both})
    run.call("two partitions, little space", {"MaxWaitMs": 0, "MaxBytes": 1, "Topics": both})


def fetch_sessions(run):
    """Requests that go on: what their answers leave out, and what does not continue them."""
    if run.version < 7:
        return
    topic, other = run.topic("s", partitions=3), run.topic("o")
    run.fill(topic, 3)

    def of(name, *partitions):
        return {"Topic": name, "TopicId": run.topic_id(name), "Partitions": [
            {"Partition": index, "FetchOffset": offset, "PartitionMaxBytes": 1 << 20} for index, offset in partitions]}

    def forget(name, *indexes):
        return {"Topic": name, "TopicId": run.topic_id(name), "Partitions": list(indexes)}

    def ask(label, session, epoch, topics=(), forgotten=()):
        return run.call(label, {"MaxWaitMs": 0, "MinBytes": 0, "MaxBytes": 1 << 20, "SessionId": session, "SessionEpoch": epoch,
                                "Topics": list(topics), "ForgottenTopicsData": list(forgotten)}).get("SessionId", 0)

    session = ask("opens a session", 0, 0, [of(topic, (0, 0), (1, 0))])
    ask("session: records again", session, 1)
    ask("session: behind the records", session, 2, [of(topic, (0, 3))])
    ask("session: nothing new", session, 3)
    run.fill(topic, 1, partition=1)
    ask("session: new records", session, 4)
    ask("session: behind all", session, 5, [of(topic, (1, 1))])
    ask("session: one more partition and topic", session, 6, [of(topic, (2, 0)), of(other, (0, 0))])
    ask("session: an unknown partition and topic", session, 7, [of(topic, (9, 0)), of(run.name("none"), (0, 0))])
    ask("session: errors again", session, 8)
    ask("session: the unknown forgotten", session, 9, (), [forget(topic, 9), forget(run.name("none"), 0)])
    ask("session: beyond the end", session, 10, [of(topic, (0, 9))])
    ask("session: the error ends", session, 11, [of(topic, (0, 3))])
    ask("session: added and forgotten", session, 12, [of(other, (0, 0))], [forget(other, 0), forget(other, 7)])
    ask("session: old epoch", session, 12)
    ask("session: later epoch", session, 20)
    ask("session: negative epoch", session, -2)
    ask("session: goes on", session, 13)
    ask("session: all forgotten", session, 14, (), [forget(topic, 0, 1, 2)])
    ask("session: is gone", session, 15)
    ask("without a session, epoch 1", 0, 1, [of(topic, (0, 0))])
    session = ask("opens one of nothing", 0, 0)
    ask("of nothing: goes on", session, 1, [of(topic, (0, 3))])
    session = ask("opens another in its place", session, 0, [of(topic, (0, 3))])
    ask("another: nothing new", session, 1)
    session_closed = ask("closes it", session, -1, [of(topic, (0, 0))])
    ask("closed", session or session_closed, 2)
    session = ask("opens one with errors", 0, 0, [of(topic, (0, 9), (7, 0))])
    ask("with errors: again", session, 1)
    if run.version in (12, 13):
        session = ask("opens one that changes to or from ids", 0, 0, [of(topic, (0, 3))])
        run.version = 25 - run.version
        ask("changes", session, 1)
        run.version = 25 - run.version


def handshake(run):
    """Where nobody is asked for a login."""
    for mechanism in ("PLAIN", "SCRAM-SHA-256", "", LONG):
        run.call(f"mechanism {mechanism[:20]}", {"Mechanism": mechanism})


def authenticate(run):
    for label, token in {"token": b"\0guest\0guest", "no token": b"", "strange token": b"\xff" * 9}.items():
        run.call(label, {"AuthBytes": token})


def aborted(run, topic):
    """Two records of a transaction that ends badly, and one of a good one, in partition 1."""
    transaction = run.name("tx")
    for commit in (False, True):
        producer, epoch = run.transaction(transaction)
        run.add_partition(transaction, producer, epoch, topic, 1)
        run.prepare(PRODUCE, 9, {"Acks": -1, "TimeoutMs": 5000, "TransactionalId": transaction, "TopicData": [
            {"Name": topic, "PartitionData": [{"Index": 1, "Records": run.batch(
                producer=(producer, epoch), sequence=0, attributes=TRANSACTIONAL)}]}]})
        run.end(transaction, producer, epoch, commit)


def list_offsets(run):
    topic = run.topic("t", partitions=3)
    run.fill(topic, 3)
    run.fill(topic, 2, at_ms=run.now_ms - 5000, partition=1)

    def ask(label, name, timestamp, index=0, epoch=-1, **extra):
        run.call(label, {"ReplicaId": -1, "Topics": [{"Name": name, "Partitions": [
            {"PartitionIndex": index, "Timestamp": timestamp, "CurrentLeaderEpoch": epoch}]}], **extra})

    for timestamp in (-1, -2, -3, -4, -5, -6, -7, -2**63, 0, run.now_ms, run.now_ms + 1, run.now_ms - 5000, 2**63 - 1):
        shown = {run.now_ms: "now", run.now_ms + 1: "now + 1", run.now_ms - 5000: "before"}.get(timestamp, timestamp)
        for index in (0, 1, 2):
            ask(f"timestamp {shown} of partition {index}", topic, timestamp, index)
    ask("committed only", topic, -1, IsolationLevel=1)
    ask("isolation 3", topic, -1, IsolationLevel=3)
    ask("unknown partition", topic, -1, 9)
    ask("negative partition", topic, -1, -1)
    ask("unknown topic", run.name("none"), -1)
    ask("newer epoch", topic, -1, epoch=3)
    ask("current epoch", topic, -1, epoch=0)
    ask("replica 5", topic, -1, ReplicaId=5)
    ask("debugging replica", topic, -1, ReplicaId=-2)
    for label, name in BAD_NAMES.items():
        ask(label, name, -1)
    run.call("no topics", {"ReplicaId": -1})
    run.call("a partition twice", {"ReplicaId": -1, "Topics": [{"Name": topic, "Partitions": [
        {"PartitionIndex": 0, "Timestamp": -1}, {"PartitionIndex": 0, "Timestamp": -2}]}]})


def delete_records(run):
    topic = run.topic("t", partitions=2)
    compacted = run.topic("c", configs={"cleanup.policy": "compact"})
    run.fill(topic, 4)

    def cut(label, name, offset, index=0):
        run.call(label, {"TimeoutMs": 5000, "Topics": [{"Name": name, "Partitions": [
            {"PartitionIndex": index, "Offset": offset}]}]})

    cut("two", topic, 2)
    cut("fewer than before", topic, 1)
    cut("beyond the end", topic, 5)
    cut("negative", topic, -2)
    cut("all", topic, -1)
    cut("all again", topic, -1)
    cut("empty partition", topic, 0, 1)
    cut("unknown partition", topic, 0, 5)
    cut("compacted topic", compacted, 0)
    cut("unknown topic", run.name("none"), 0)
    for label, name in BAD_NAMES.items():
        cut(label, name, 0)
    run.call("no topics", {"TimeoutMs": 5000})
    run.call("a partition twice", {"TimeoutMs": 5000, "Topics": [{"Name": topic, "Partitions": [
        {"PartitionIndex": 0, "Offset": 0}, {"PartitionIndex": 0, "Offset": -1}]}]})


def leader_epoch(run):
    topic = run.topic("t")
    run.fill(topic, 2)
    for label, name, index, current, epoch in (
            ("epoch 0", topic, 0, -1, 0), ("epoch 0, current 0", topic, 0, 0, 0), ("epoch 5", topic, 0, -1, 5),
            ("epoch -1", topic, 0, -1, -1), ("epoch -2", topic, 0, -1, -2), ("current 5", topic, 0, 5, 0),
            ("unknown partition", topic, 4, -1, 0), ("negative partition", topic, -4, -1, 0),
            ("unknown topic", run.name("none"), 0, -1, 0), ("empty name", "", 0, -1, 0), ("long name", LONG, 0, -1, 0)):
        run.call(label, {"Topics": [{"Topic": name, "Partitions": [
            {"Partition": index, "CurrentLeaderEpoch": current, "LeaderEpoch": epoch}]}]})
    run.call("no topics", {})


# --- topics ---------------------------------------------------------------------------------------
def metadata(run):
    topic = run.topic("t", partitions=2)
    none = run.name("none")

    def ask(label, names, **extra):
        topics = None if names is None else [{"Name": name, "TopicId": uuid.UUID(int=0)} for name in names]
        run.call(label, {"Topics": topics, "AllowAutoTopicCreation": False, **extra}, only=(topic, none))

    ask("one", [topic])
    ask("twice the same", [topic, topic])
    if run.version >= 4:
        ask("unknown", [none])
        ask("unknown and known", [none, topic])
        for label, name in BAD_NAMES.items():
            ask(label, [name])
    ask("none", [])
    ask("with authorized operations", [topic], IncludeClusterAuthorizedOperations=True, IncludeTopicAuthorizedOperations=True)
    ask("all", None)
    if run.version >= 10:
        for label, name, topic_id in (("by id", None, run.topic_id(topic)), ("unknown id", None, STRANGE_ID),
                                      ("zero id and no name", None, uuid.UUID(int=0)), ("id and name", topic, run.topic_id(topic)),
                                      ("id and another name", none, run.topic_id(topic)), ("strange id and name", topic, STRANGE_ID)):
            run.call(label, {"Topics": [{"Name": name, "TopicId": topic_id}], "AllowAutoTopicCreation": False})
    made = run.name("made")
    run.call("created by itself, at once", {"Topics": [{"Name": made}]}, ignore=True)
    run.await_topic(made)
    ask("created by itself", [made])


def create_topics(run):
    def create(label, name, partitions=1, factor=1, **extra):
        topic = {"Name": name, "NumPartitions": partitions, "ReplicationFactor": factor}
        topic |= {key: extra.pop(key) for key in ("Assignments", "Configs") if key in extra}
        run.call(label, {"Topics": [topic], "timeoutMs": 10000, **extra})

    name = run.name
    create("one", name("one"))
    run.await_topic(name("one"))
    create("again", name("one"))
    create("only validated", name("valid"), validateOnly=True)
    create("existing, only validated", name("one"), validateOnly=True)
    for label, bad in BAD_NAMES.items():
        create(label, bad)
    create("longest name", (name("x") + "x" * 249)[:249])
    create("letters beyond", name("ä"))
    create("0 partitions", name("p0"), 0)
    create("-2 partitions", name("p2"), -2)
    create("default partitions", name("pd"), -1)
    create("factor 0", name("f0"), factor=0)
    create("factor -2", name("f2"), factor=-2)
    create("default factor", name("fd"), factor=-1)
    create("both defaults", name("bd"), -1, -1)
    for label, configs in {
            "good setting": [("retention.ms", "5000")], "unknown setting": [("no.such", "1")], "bad value": [("retention.ms", "x")],
            "null value": [("retention.ms", None)], "empty name of a setting": [("", "1")], "two": [("segment.ms", "99999"), (
                "cleanup.policy", "compact,delete")], "bad policy": [("cleanup.policy", "never")], "negative size": [("segment.bytes", "-1")],
            "twice the same setting": [("retention.ms", "5"), ("retention.ms", "6")], "empty value": [("retention.ms", "")],
            "segment too small": [("segment.bytes", "13")], "ratio": [("min.cleanable.dirty.ratio", "1.5")],
            "spaces": [("retention.ms", " 7 ")], "boolean": [("preallocate", "yes")], "replicas": [("min.insync.replicas", "0")],
            "list with blanks": [("cleanup.policy", "compact, delete")], "timestamp type": [("message.timestamp.type", "Never")],
            "lags": [("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5")]}.items():
        create(label, name("cfg-" + label.replace(" ", "-")), Configs=[{"Name": key, "Value": value} for key, value in configs])

    def placed(label, *places, partitions=-1, factor=-1):
        create(label, name("place-" + label.replace(" ", "-")), partitions, factor, Assignments=[
            {"PartitionIndex": index, "BrokerIds": brokers} for index, brokers in places])

    placed("on our broker", (0, [1]))
    placed("two on our broker", (0, [1]), (1, [1]))
    placed("on another broker", (0, [7]))
    placed("on nothing", (0, []))
    placed("the same broker twice", (0, [1, 1]))
    placed("a gap", (0, [1]), (2, [1]))
    placed("the same partition twice", (0, [1]), (0, [1]))
    placed("negative partition", (-1, [1]))
    placed("with a count", (0, [1]), partitions=1)
    placed("with a factor", (0, [1]), factor=1)
    run.call("none", {"timeoutMs": 10000})
    run.call("twice in one request", {"Topics": [{"Name": name("two"), "NumPartitions": 1, "ReplicationFactor": 1}] * 2})
    run.call("good and bad", {"Topics": [{"Name": name("gb"), "NumPartitions": 1, "ReplicationFactor": 1},
                                         {"Name": "a b", "NumPartitions": 1, "ReplicationFactor": 1}]})
    create("negative timeout", name("nt"), timeoutMs=-1)


def delete_topics(run):
    first, second, third = (run.topic(name) for name in ("a", "b", "c"))

    def delete(label, *topics):
        if run.version < 6:
            if all(isinstance(topic, str) for topic in topics):
                run.call(label, {"TopicNames": list(topics), "TimeoutMs": 10000})
            return
        run.call(label, {"TimeoutMs": 10000, "Topics": [
            topic if isinstance(topic, dict) else {"Name": topic, "TopicId": uuid.UUID(int=0)} for topic in topics]})

    third_id = run.topic_id(third)
    delete("one", first)
    run.await_gone(first)
    delete("again", first)
    delete("unknown", run.name("none"))
    for label, name in BAD_NAMES.items():
        delete(label, name)
    delete("none")
    delete("twice", second, second)
    delete("good and unknown", run.topic("d"), run.name("none"))
    delete("by unknown id", {"Name": None, "TopicId": STRANGE_ID})
    delete("by zero id", {"Name": None, "TopicId": uuid.UUID(int=0)})
    delete("by name and id", {"Name": third, "TopicId": third_id})
    delete("by id twice", {"Name": None, "TopicId": third_id}, {"Name": None, "TopicId": third_id})
    delete("by name and by id", third, {"Name": None, "TopicId": third_id})
    delete("by id", {"Name": None, "TopicId": run.topic_id(run.topic("e"))})


def create_partitions(run):
    topic = run.topic("t", partitions=2)

    def grow(label, name, count, places=None, **extra):
        run.call(label, {"TimeoutMs": 10000, "Topics": [{"Name": name, "Count": count, "Assignments": None if places is None else [
            {"BrokerIds": brokers} for brokers in places]}], **extra})

    grow("only validated", topic, 3, ValidateOnly=True)
    grow("to 3", topic, 3)
    run.await_topic(topic, 3)
    grow("to 3 again", topic, 3)
    grow("fewer", topic, 1)
    grow("0", topic, 0)
    grow("-1", topic, -1)
    grow("on our broker", topic, 4, [[1]])
    run.await_topic(topic, 4)
    grow("on another", topic, 5, [[7]])
    grow("too few places", topic, 6, [[1]])
    grow("too many places", topic, 5, [[1], [1]])
    grow("no places", topic, 5, [])
    grow("empty place", topic, 5, [[]])
    grow("two replicas", topic, 5, [[1, 2]])
    grow("the same broker twice", topic, 5, [[1, 1]])
    grow("unknown", run.name("none"), 3)
    for label, name in BAD_NAMES.items():
        grow(label, name, 3)
    run.call("none", {"TimeoutMs": 10000})
    run.call("twice", {"TimeoutMs": 10000, "Topics": [{"Name": topic, "Count": 7, "Assignments": None}] * 2})


def topic_partitions(run):
    topics = [run.topic(name, partitions=2) for name in ("a", "b")]

    def ask(label, names, limit=2000, cursor=None):
        run.call(label, {"Topics": [{"Name": name} for name in names], "ResponsePartitionLimit": limit, "Cursor": cursor})

    ask("both", topics)
    ask("in the other order", topics[::-1])
    ask("the same twice", [topics[0], topics[0]])
    for limit in (0, -1, 1, 2, 3):
        ask(f"limit {limit}", topics, limit)
    for label, name, index in (("from partition 1", topics[0], 1), ("from the second", topics[1], 0), ("from beyond", topics[0], 2),
                               ("from far beyond", topics[0], 99), ("from an unknown topic", run.name("none"), 0),
                               ("from a negative partition", topics[0], -1), ("from before", run.name("0"), 0)):
        ask(label, topics, cursor={"TopicName": name, "PartitionIndex": index})
    ask("unknown", [run.name("none")])
    for label, name in BAD_NAMES.items():
        ask(label, [name])


# --- settings -------------------------------------------------------------------------------------
TOPIC, BROKER, LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32


def resources(run, topic):
    return {"unknown topic": (TOPIC, run.name("none")), "empty topic": (TOPIC, ""), "bad topic": (TOPIC, "a b"), "type 0": (0, topic),
            "type 3": (3, topic), "type 99": (99, topic), "type -1": (-1, topic), "long topic": (TOPIC, LONG), "broker 1": (BROKER, "1"),
            "all brokers": (BROKER, ""), "broker 7": (BROKER, "7"), "broker x": (BROKER, "x"), "logger 1": (LOGGER, "1"),
            "logger 7": (LOGGER, "7"), "group": (GROUP, run.name("g")), "empty group": (GROUP, ""),
            "client metrics": (CLIENT_METRICS, "m"), "empty client metrics": (CLIENT_METRICS, "")}


def describe_configs(run):
    topic = run.topic("t", configs={"retention.ms": "5000", "cleanup.policy": "compact,delete"})

    def ask(label, kind, name, keys=("retention.ms", "cleanup.policy", "no.such"), **extra):
        run.call(label, {"Resources": [{"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": keys and list(keys)}], **extra})

    ask("some", TOPIC, topic)
    ask("some, with synonyms", TOPIC, topic, IncludeSynonyms=True)
    ask("no keys", TOPIC, topic, [])
    ask("all", TOPIC, topic, None)
    ask("all, with synonyms", TOPIC, topic, None, IncludeSynonyms=True)
    ask("documentation", TOPIC, topic, IncludeDocumentation=True)
    for label, (kind, name) in resources(run, topic).items():
        ask(label, kind, name)
    ask("of the broker", BROKER, "1", ("num.partitions", "auto.create.topics.enable", "message.max.bytes", "node.id", "delete.topic.enable",
                                       "default.replication.factor", "log.retention.ms", "log.retention.hours", "log.retention.bytes",
                                       "log.segment.bytes", "min.insync.replicas", "broker.id", "compression.type"))
    run.call("none", {})
    run.call("twice", {"Resources": [{"ResourceType": TOPIC, "ResourceName": topic, "ConfigurationKeys": ["retention.ms"]}] * 2})


def alter_configs(run):
    topic = run.topic("t", configs={"segment.ms": "90000"})

    def alter(label, configs, kind=TOPIC, name=topic, **extra):
        run.call(label, {"Resources": [{"ResourceType": kind, "ResourceName": name, "Configs": [
            {"Name": key, "Value": value} for key, value in configs]}], **extra})
        if name == topic and kind == TOPIC:
            run.compare_settled(f"settings after {label}", DESCRIBE_CONFIGS, 4, {"Resources": [
                {"ResourceType": TOPIC, "ResourceName": topic, "ConfigurationKeys": [
                    "retention.ms", "segment.ms", "cleanup.policy"]}]})

    alter("one", [("retention.ms", "5000")])
    alter("only validated", [("retention.ms", "6000")], ValidateOnly=True)
    alter("none", [])
    for label, configs in bad_settings().items():
        alter(label, configs)
    for label, (kind, name) in resources(run, topic).items():
        alter(label, [("retention.ms", "7000")], kind, name)
    alter("empty list", [("cleanup.policy", "")])
    run.call("no resources", {})
    run.call("twice", {"Resources": [{"ResourceType": TOPIC, "ResourceName": topic, "Configs": []}] * 2})


def bad_settings():
    return {"unknown": [("no.such", "1")], "bad value": [("retention.ms", "x")], "null": [("retention.ms", None)],
            "null and good": [("retention.ms", None), ("segment.ms", "80000")], "empty": [("retention.ms", "")],
            "empty key": [("", "1")], "good and bad": [("segment.ms", "70000"), ("retention.ms", "x")],
            "twice": [("segment.ms", "70000"), ("segment.ms", "60000")], "too small": [("segment.ms", "0")],
            "list": [("cleanup.policy", "compact")], "bad list": [("cleanup.policy", "x")]}


def incremental_configs(run):
    topic = run.topic("t", configs={"segment.ms": "90000"})

    def alter(label, configs, kind=TOPIC, name=topic, **extra):
        run.call(label, {"Resources": [{"ResourceType": kind, "ResourceName": name, "Configs": [
            {"Name": key, "ConfigOperation": operation, "Value": value} for key, operation, value in configs]}], **extra})
        if name == topic and kind == TOPIC:
            run.compare_settled(f"settings after {label}", DESCRIBE_CONFIGS, 4, {"Resources": [
                {"ResourceType": TOPIC, "ResourceName": topic, "ConfigurationKeys": [
                    "retention.ms", "segment.ms", "cleanup.policy"]}]})

    for operation in (0, 1, 2, 3, 4, -1):
        for label, configs in bad_settings().items():
            alter(f"operation {operation}, {label}", [(key, operation, value) for key, value in configs])
    alter("begin anew", [("cleanup.policy", 0, "compact")])
    alter("append", [("cleanup.policy", 2, "delete")])
    alter("append again", [("cleanup.policy", 2, "delete")])
    alter("subtract", [("cleanup.policy", 3, "compact")])
    alter("subtract what is not there", [("cleanup.policy", 3, "compact")])
    alter("delete", [("cleanup.policy", 1, None)])
    alter("only validated", [("retention.ms", 0, "6000")], ValidateOnly=True)
    alter("bad, only validated", [("retention.ms", 0, "x")], ValidateOnly=True)
    alter("none", [])
    for label, (kind, name) in resources(run, topic).items():
        alter(label, [("retention.ms", 0, "7000")], kind, name)
    alter("append nothing", [("cleanup.policy", 2, "")])
    run.call("no resources", {})
    run.call("twice", {"Resources": [{"ResourceType": TOPIC, "ResourceName": topic, "Configs": []}] * 2})


# --- the cluster ----------------------------------------------------------------------------------
def api_versions(run):
    run.call("good", {"ClientSoftwareName": "diff", "ClientSoftwareVersion": "1.0"}, versions_of=True)
    for label, name, version in (("empty name", "", "1"), ("empty version", "x", ""), ("bad name", "a b", "1"), ("bad version", "x", "-1-"),
                                 ("underscore", "a_b", "1"), ("one letter", "x", "1"), ("long name", LONG, "1")):
        run.call(label, {"ClientSoftwareName": name, "ClientSoftwareVersion": version}, versions_of=True)


def api_versions_unknown(run):
    for version in (5, 9, 99, 32767):
        run.body(f"version {version}", API_VERSIONS, version, b"", answer_version=0)
    run.body("version -1", API_VERSIONS, -1, b"", answer_version=0)


def cluster(run):
    for kind in (1, 2, 0, 3, -1):
        run.call(f"endpoint type {kind}", {"EndpointType": kind})
    run.call("authorized operations", {"IncludeClusterAuthorizedOperations": True})


def find_coordinator(run):
    for label, key in {"good": run.name("g"), "empty": "", "long": LONG, "with blanks": "a b"}.items():
        for kind in (0, 1, 2, 3, -1):
            run.call(f"{label}, type {kind}", {"Key": key, "KeyType": kind, "CoordinatorKeys": [key]})
    run.call("two", {"Key": "a", "CoordinatorKeys": ["a", "b", "a"]})
    run.call("none", {"Key": "a", "CoordinatorKeys": []})


def log_dirs(run):
    topic = run.topic("t", partitions=2)
    run.fill(topic, 1)
    for label, topics in {"one": [(topic, [0])], "both": [(topic, [0, 1])], "unknown partition": [(topic, [5])],
                          "negative partition": [(topic, [-1])], "no partitions": [(topic, [])], "unknown": [(run.name("none"), [0])],
                          "empty name": [("", [0])], "none": []}.items():
        run.call(label, {"Topics": [{"Topic": name, "Partitions": partitions} for name, partitions in topics]})


def elect_leaders(run):
    topic = run.topic("t", partitions=2)
    for kind in (0, 1, 2, -1):
        for label, topics in {"one": [(topic, [0])], "both": [(topic, [0, 1])], "unknown partition": [(topic, [5])],
                              "unknown": [(run.name("none"), [0])], "empty name": [("", [0])], "none": []}.items():
            run.call(f"type {kind}, {label}", {"ElectionType": kind, "TimeoutMs": 5000, "TopicPartitions": [
                {"Topic": name, "Partitions": partitions} for name, partitions in topics]})


def reassign(run):
    topic = run.topic("t", partitions=2)
    for label, name, index, replicas in (
            ("to our broker", topic, 0, [1]), ("to another", topic, 0, [7]), ("to two", topic, 0, [1, 7]), ("to none", topic, 0, []),
            ("to the same twice", topic, 0, [1, 1]), ("cancel", topic, 0, None), ("unknown partition", topic, 9, [1]),
            ("negative broker", topic, 0, [-1]), ("unknown topic", run.name("none"), 0, [1]), ("empty name", "", 0, [1]),
            ("cancel an unknown one", run.name("none"), 0, None)):
        run.call(label, {"TimeoutMs": 5000, "Topics": [{"Name": name, "Partitions": [{"PartitionIndex": index, "Replicas": replicas}]}]})
    run.call("none", {"TimeoutMs": 5000})


def list_reassignments(run):
    topic = run.topic("t", partitions=2)
    for label, topics in {"one": [(topic, [0])], "unknown partition": [(topic, [5])], "unknown": [(run.name("none"), [0])],
                          "empty name": [("", [0])], "no partitions": [(topic, [])], "none": []}.items():
        run.call(label, {"TimeoutMs": 5000, "Topics": [{"Name": name, "PartitionIndexes": indexes} for name, indexes in topics]})
    run.call("all", {"TimeoutMs": 5000, "Topics": None})
