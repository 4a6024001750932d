"""Requests of administrators for kafka_diff.py: lists of what has settings, permissions, passwords, tokens and quotas; and
topics that want one codec. A script gets a Run: it prepares what it needs and makes calls with labels."""

import time

PRODUCE, FETCH, INCREMENTAL_CONFIGS = 0, 1, 44
DESCRIBE_ACLS, CREATE_ACLS, DELETE_ACLS = 29, 30, 31
CREATE_TOKEN, RENEW_TOKEN, EXPIRE_TOKEN, DESCRIBE_TOKENS = 38, 39, 40, 41
DESCRIBE_QUOTAS, ALTER_QUOTAS, DESCRIBE_SCRAM, ALTER_SCRAM, LIST_RESOURCES = 48, 49, 50, 51, 74
TOPIC, BROKER, LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32
CODECS = ("uncompressed", "gzip", "snappy", "lz4", "zstd", "producer")
GZIP, APPEND_TIME = 1, 8
LEARN_SECONDS = 20
QUOTA_SECONDS = 0.3  # until Kafka's broker has heard of it from its controller


# --- lists ----------------------------------------------------------------------------------------
def list_resources(run):
    topic, group = run.topic("t"), run.name("g")
    run.prepare(INCREMENTAL_CONFIGS, 1, {"Resources": [{"ResourceType": GROUP, "ResourceName": group, "Configs": [
        {"Name": "share.auto.offset.reset", "ConfigOperation": 0, "Value": "earliest"}]}]})
    deadline = time.monotonic() + LEARN_SECONDS
    while not any(each["ResourceName"] == group for each in run.prepare(LIST_RESOURCES, 1, {"ResourceTypes": [GROUP]})["ConfigResources"]):
        assert time.monotonic() < deadline, "the group is not listed"
        time.sleep(0.1)
    for label, kinds in {"all": [], "topics": [TOPIC], "brokers": [BROKER], "loggers": [LOGGER], "client metrics": [CLIENT_METRICS],
                         "groups": [GROUP], "topics and groups": [TOPIC, GROUP], "topics twice": [TOPIC, TOPIC], "kind 0": [0],
                         "kind 3": [3], "kind -1": [-1], "topics and kind 99": [TOPIC, 99]}.items():
        run.call(label, {"ResourceTypes": kinds} if run.version else {}, only=[topic, group, "1"])
    run.prepare(INCREMENTAL_CONFIGS, 1, {"Resources": [{"ResourceType": GROUP, "ResourceName": group, "Configs": [
        {"Name": "share.auto.offset.reset", "ConfigOperation": 1, "Value": None}]}]})


# --- what needs an authorizer, a mechanism or a secret ---------------------------------------------
ENTRIES = {"one": {}, "unknown resource": {"ResourceType": 0}, "unknown pattern": {"PatternType": 0}, "unknown operation": {"Operation": 0},
           "unknown permission": {"PermissionType": 0}, "any": {"ResourceType": 1, "Operation": 1, "PermissionType": 1},
           "resource 99": {"ResourceType": 99}, "pattern 99": {"PatternType": 99}, "operation 99": {"Operation": 99},
           "permission 99": {"PermissionType": 99}, "prefixed": {"PatternType": 4}, "match": {"PatternType": 2},
           "principal without a kind": {"Principal": "me"}, "no principal": {"Principal": ""}}


def entry(names, **changed):
    values = {"ResourceType": 2, "ResourceName": "t", "PatternType": 3, "Principal": "User:me", "Host": "*", "Operation": 3,
              "PermissionType": 3, **changed}
    return {names.get(key, key): value for key, value in values.items()}


FILTER = {"ResourceType": "ResourceTypeFilter", "ResourceName": "ResourceNameFilter", "PatternType": "PatternTypeFilter",
          "Principal": "PrincipalFilter", "Host": "HostFilter"}


def describe_acls(run):
    for label, changed in ENTRIES.items():
        run.call(label, entry(FILTER, **changed))
    run.call("no names", entry(FILTER, ResourceName=None, Principal=None, Host=None))


def create_acls(run):
    names = {"PatternType": "ResourcePatternType"}
    for label, changed in ENTRIES.items():
        run.call(label, {"Creations": [entry(names, **changed)]})
    run.call("none", {"Creations": []})
    run.call("three", {"Creations": [entry(names), entry(names, ResourceName="u"), entry(names)]})
    run.call("a good and an unknown one", {"Creations": [entry(names), entry(names, Operation=0)]})


def delete_acls(run):
    for label, changed in ENTRIES.items():
        run.call(label, {"Filters": [entry(FILTER, **changed)]})
    run.call("none", {"Filters": []})
    run.call("two", {"Filters": [entry(FILTER), entry(FILTER, ResourceName=None, Principal=None, Host=None)]})


def describe_scram(run):
    run.call("all", {"Users": None})
    for label, users in {"no users": [], "unknown": ["a"], "two": ["a", "b"], "twice": ["a", "a", "b"], "empty name": [""]}.items():
        run.call(label, {"Users": [{"Name": name} for name in users]})


def alter_scram(run):
    def alter(label, deletions=(), upsertions=()):
        run.call(label, {"Deletions": [{"Name": name, "Mechanism": kind} for name, kind in deletions], "Upsertions": [
            {"Name": name, "Mechanism": kind, "Iterations": count, "Salt": b"salt", "SaltedPassword": b"p" * 32}
            for name, kind, count in upsertions]})

    user = run.name("u")
    alter("nothing")
    alter("delete an unknown one", [(user, 1)])
    alter("delete of an unknown mechanism", [(user, 0)])
    alter("delete of mechanism 3", [(user, 3)])
    alter("delete an empty name", [("", 1)])
    alter("delete twice", [(user, 1), (user, 1)])
    for label, count in {"too few": 4095, "too many": 16385, "none": 0, "negative": -1}.items():
        alter(f"iterations: {label}", upsertions=[(user, 1, count)])
    alter("unknown mechanism", upsertions=[(user, 0, 4096)])
    alter("mechanism 3", upsertions=[(user, 3, 4096)])
    alter("empty name", upsertions=[("", 1, 4096)])
    alter("two bad ones", [(user, 1)], [(user + "b", 2, 1)])
    alter("a bad deletion and a good one", [(user, 1)], [(user, 1, 4096)])
    alter("the same twice", upsertions=[(user, 1, 4096), (user, 1, 4096)])
    alter("good", upsertions=[(run.name("good"), 1, 4096)])
    alter("good, 512", upsertions=[(run.name("good"), 2, 16384)])


def create_token(run):
    run.call("one", {"Renewers": [], "MaxLifetimeMs": -1})
    run.call("with a renewer", {"Renewers": [{"PrincipalType": "User", "PrincipalName": "x"}], "MaxLifetimeMs": 1000})
    run.call("with a renewer of no kind", {"Renewers": [{"PrincipalType": "", "PrincipalName": "x"}], "MaxLifetimeMs": 1000})
    if run.version >= 3:
        run.call("for somebody", {"OwnerPrincipalType": "User", "OwnerPrincipalName": "x", "Renewers": [], "MaxLifetimeMs": 1000})
        run.call("for nobody", {"OwnerPrincipalType": "", "OwnerPrincipalName": "", "Renewers": [], "MaxLifetimeMs": 1000})


def renew_token(run):
    for label, code in {"unknown": b"abc", "empty": b""}.items():
        run.call(label, {"Hmac": code, "RenewPeriodMs": 1000})


def expire_token(run):
    for label, code in {"unknown": b"abc", "empty": b""}.items():
        run.call(label, {"Hmac": code, "ExpiryTimePeriodMs": -1})


def describe_tokens(run):
    run.call("all", {"Owners": None})
    run.call("of nobody", {"Owners": []})
    run.call("of somebody", {"Owners": [{"PrincipalType": "User", "PrincipalName": "x"}]})


# --- quotas ---------------------------------------------------------------------------------------
def entity(*pairs):
    return [{"EntityType": kind, "EntityName": name} for kind, name in pairs]


def quota(pairs, *ops):
    return {"Entity": entity(*pairs), "Ops": [
        {"Key": key, "Value": float(value or 0), "Remove": value is None} for key, value in ops]}


def alter_quotas(run):
    user, client = ("user", run.name("u")), ("client-id", run.name("c"))

    def alter(label, *entries, **extra):
        run.call(label, {"Entries": list(entries), "ValidateOnly": False, **extra})
        time.sleep(QUOTA_SECONDS)
        run.compare(f"told after {label}", DESCRIBE_QUOTAS, 1, {"Components": [
            {"EntityType": "user", "MatchType": 0, "Match": user[1]}], "Strict": False})

    alter("a rate", quota([user], ("producer_byte_rate", 1024)))
    alter("another rate", quota([user], ("consumer_byte_rate", 2048)))
    alter("both at once", quota([user, client], ("producer_byte_rate", 1), ("consumer_byte_rate", 2)))
    alter("a fraction too small to count", quota([user], ("producer_byte_rate", 5.0000000001)))
    alter("only validated", quota([user], ("producer_byte_rate", 9)), ValidateOnly=True)
    alter("bad, only validated", quota([user], ("producer_byte_rate", 0)), ValidateOnly=True)
    alter("one away", quota([user], ("producer_byte_rate", None)))
    alter("what is not there away", quota([user], ("producer_byte_rate", None)))
    alter("an unknown one away", quota([user], ("no_such", None)))
    for label, value in {"0": 0, "negative": -1, "a half": 0.5, "one and a half": 1.5, "2 to the 63rd": 2.0**63, "2 to the 64th": 2.0**64,
                         "2 to the 62nd": 2.0**62, "infinite": float("inf")}.items():
        alter(f"rate {label}", quota([user], ("producer_byte_rate", value)))
    alter("unknown key", quota([user], ("no_such", 1)))
    alter("unknown and good key", quota([user], ("no_such", 1), ("consumer_byte_rate", 3)))
    alter("connections of a user", quota([user], ("connection_creation_rate", 1)))
    alter("nothing", quota([user]))
    for label, pairs in {"no entity": [], "unknown type": [("planet", "x")], "empty type": [("", "x")], "empty user": [("user", "")],
                         "empty client": [("client-id", "")], "address and user": [("ip", "127.0.0.1"), user],
                         "good and unknown type": [user, ("planet", "x")]}.items():
        alter(label, quota(pairs, ("producer_byte_rate", 1)))
    alter("rate of an address", quota([("ip", "127.0.0.1")], ("producer_byte_rate", 1)))
    alter("a good and a bad entry", quota([user], ("consumer_byte_rate", 77)), quota([client], ("consumer_byte_rate", -1)))
    alter("no entries")
    alter("user twice", quota([user, user], ("producer_byte_rate", 1)))
    alter("all away", quota([user], ("consumer_byte_rate", None), ("producer_byte_rate", None)),
          quota([user, client], ("consumer_byte_rate", None), ("producer_byte_rate", None)))


def describe_quotas(run):
    user, client = ("user", run.name("u")), ("client-id", run.name("c"))
    subjects = [[user], [client], [user, client], [user, ("client-id", None)]]
    run.prepare(ALTER_QUOTAS, 1, {"Entries": [quota(pairs, ("producer_byte_rate", 10 + index)) for index, pairs in enumerate(subjects)],
                                  "ValidateOnly": False})
    time.sleep(QUOTA_SECONDS)

    def ask(label, *components, strict=False):
        run.call(label, {"Strict": strict, "Components": [
            {"EntityType": kind, "MatchType": match, "Match": name} for kind, match, name in components]})

    exact = [("user", 0, user[1])]
    ask("nothing in particular")
    ask("nothing, strictly", strict=True)
    for strict in (False, True):
        word = ", strictly" if strict else ""
        ask(f"a user{word}", *exact, strict=strict)
        ask(f"a client{word}", ("client-id", 0, client[1]), strict=strict)
        ask(f"both{word}", *exact, ("client-id", 0, client[1]), strict=strict)
        ask(f"a user and the other clients{word}", *exact, ("client-id", 1, None), strict=strict)
        ask(f"a user and any client{word}", *exact, ("client-id", 2, None), strict=strict)
        ask(f"other users{word}", ("user", 1, None), strict=strict)
        ask(f"any user{word}", ("user", 2, None), strict=strict)
        ask(f"any address{word}", ("ip", 2, None), strict=strict)
    for label, components in {"empty type": [("", 2, None)], "unknown type": [("planet", 2, None)], "match 3": [("user", 3, None)],
                              "match -1": [("user", -1, None)], "exact without a name": [("user", 0, None)], "others with a name": [
                                  ("user", 1, "x")], "any with a name": [("user", 2, "x")], "twice": exact * 2, "user and address": [
                                      *exact, ("ip", 2, None)], "empty name": [("user", 0, "")]}.items():
        ask(label, *components)
    run.prepare(ALTER_QUOTAS, 1, {"Entries": [quota(pairs, ("producer_byte_rate", None)) for pairs in subjects], "ValidateOnly": False})
    time.sleep(QUOTA_SECONDS)


# --- codecs ---------------------------------------------------------------------------------------
def recompression(run):
    """Topics that want one codec. What the codecs of Python cannot read is compared by its head alone."""
    if run.version < 9:
        return

    def send(label, topic, data):
        run.call(label, {"Acks": -1, "TimeoutMs": 5000, "TopicData": [{"Name": topic, "TopicId": run.topic_id(topic), "PartitionData": [
            {"Index": 0, "Records": data}]}]})

    def stored(label, topic):
        run.compare(label, FETCH, 11, {"MaxWaitMs": 0, "MinBytes": 0, "MaxBytes": 1 << 20, "SessionEpoch": -1, "Topics": [
            {"Topic": topic, "Partitions": [{"Partition": 0, "FetchOffset": 0, "PartitionMaxBytes": 1 << 20}]}]})

    records = [(b"k", b"v" * 100, [(b"h", b"x"), (b"n", None)]), (None, b""), (b"", None)]
    for codec in CODECS:
        topic = run.topic(codec, configs={"compression.type": codec})
        producer = run.producer()
        send(f"plain to {codec}", topic, run.batch(records))
        send(f"gzip to {codec}", topic, run.batch(records, attributes=GZIP))
        send(f"idempotent to {codec}", topic, run.batch(records, producer=(producer, 0), sequence=0))
        send(f"again to {codec}", topic, run.batch(records, producer=(producer, 0), sequence=0))
        send(f"gzip, idempotent to {codec}", topic, run.batch(records, attributes=GZIP, producer=(producer, 0), sequence=3))
        send(f"a gap to {codec}", topic, run.batch(records, attributes=GZIP, producer=(producer, 0), sequence=9))
        stored(f"stored as {codec}", topic)
    small = run.topic("small", configs={"compression.type": "uncompressed", "max.message.bytes": "300"})
    send("too large when unpacked", small, run.batch([(None, b"a" * 5000)], attributes=GZIP))
    send("small enough when unpacked", small, run.batch([(None, b"a" * 100)], attributes=GZIP))
    packed = run.topic("packed", configs={"compression.type": "gzip", "max.message.bytes": "300", "compression.gzip.level": "9"})
    send("too large before it is packed", packed, run.batch([(None, b"a" * 5000)]))
    send("small enough before", packed, run.batch([(None, b"a" * 200)]))
    timed = run.topic("timed", configs={"compression.type": "gzip", "message.timestamp.type": "LogAppendTime"})
    send("plain with the broker's time", timed, run.batch(records))
    send("gzip with the broker's time", timed, run.batch(records, attributes=GZIP))
    compacted = run.topic("compacted", configs={"compression.type": "gzip", "cleanup.policy": "compact"})
    send("plain with keys", compacted, run.batch([(b"k", b"v")]))
    send("plain without keys", compacted, run.batch([(b"k", b"v"), (None, b"v")]))
    for label, topic in {"after a refusal": small, "packed": packed, "with the broker's time": timed, "compacted": compacted}.items():
        stored(f"stored {label}", topic)
    broken = run.batch(attributes=GZIP, body=b"")
    send("no gzip at all", run.topic("broken", configs={"compression.type": "zstd"}), broken)


SCRIPTS = {DESCRIBE_ACLS: [describe_acls], CREATE_ACLS: [create_acls], DELETE_ACLS: [delete_acls], CREATE_TOKEN: [create_token],
           RENEW_TOKEN: [renew_token], EXPIRE_TOKEN: [expire_token], DESCRIBE_TOKENS: [describe_tokens],
           DESCRIBE_SCRAM: [describe_scram], ALTER_SCRAM: [alter_scram], LIST_RESOURCES: [list_resources], DESCRIBE_QUOTAS: [describe_quotas],
           ALTER_QUOTAS: [alter_quotas], PRODUCE: [recompression]}
