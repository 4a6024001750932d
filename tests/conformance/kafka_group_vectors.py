"""The request vectors of kafka_diff.py about groups, producers and transactions; see kafka_vectors."""

import kafka_vectors as keys
from kafka_vectors import BIG, LONG

PROTOCOLS = [{"Name": "range", "Metadata": b"m"}]


def joined(run, group, **extra):
    """(member id, generation) of the only member of a stable classic group."""
    answer = run.join(group, Protocols=PROTOCOLS, **extra)
    run.prepare(keys.SYNC_GROUP, 3, {"GroupId": group, "GenerationId": answer["GenerationId"], "MemberId": answer["MemberId"],
                                     "GroupInstanceId": extra.get("GroupInstanceId"),
                                     "Assignments": [{"MemberId": answer["MemberId"], "Assignment": b"a"}]})
    return answer["MemberId"], answer["GenerationId"]


def join_group(run):
    def join(label, group, **extra):
        return run.call(label, {"GroupId": group, "SessionTimeoutMs": 10000, "RebalanceTimeoutMs": 10000, "MemberId": "",
                                "ProtocolType": "consumer", "Protocols": PROTOCOLS, **extra})

    group = run.name("g")
    answer = join("first", group)
    if answer and answer.get("ErrorCode") == 79:
        answer = join("with the given id", group, MemberId=answer["MemberId"])
    join("the same again", group, MemberId=answer["MemberId"])
    join("unknown member", group, MemberId="nobody")
    join("another protocol type", group, ProtocolType="connect")
    join("no common protocol", group, Protocols=[{"Name": "other", "Metadata": b""}])
    join("no protocols", run.name("g2"), Protocols=[])
    join("no protocol type", run.name("g3"), ProtocolType="")
    join("empty group", "")
    join("unknown member of an unknown group", run.name("g4"), MemberId="nobody")
    join("session too short", run.name("g5"), SessionTimeoutMs=100)
    join("session too long", run.name("g6"), SessionTimeoutMs=BIG)
    join("session 0", run.name("g7"), SessionTimeoutMs=0)
    join("session negative", run.name("g8"), SessionTimeoutMs=-1)
    join("two protocols", run.name("g9"), Protocols=[{"Name": "a", "Metadata": b""}, {"Name": "b", "Metadata": b"x"}])
    join("the same protocol twice", run.name("g10"), Protocols=PROTOCOLS * 2)
    if run.version >= 5:
        static = run.name("s")
        first = join("static", static, GroupInstanceId="one")
        join("static again, without an id", static, GroupInstanceId="one")
        join("static, the old id", static, GroupInstanceId="one", MemberId=first["MemberId"])
        join("static, unknown id", static, GroupInstanceId="two", MemberId="nobody")
        join("empty instance", run.name("s2"), GroupInstanceId="")
        join("long instance", run.name("s3"), GroupInstanceId=LONG)


def sync_group(run):
    group = run.name("g")
    answer = run.join(group, Protocols=PROTOCOLS)
    member, generation = answer["MemberId"], answer["GenerationId"]

    def sync(label, name=group, member_id=member, at=generation, given=((member, b"mine"),), **extra):
        run.call(label, {"GroupId": name, "GenerationId": at, "MemberId": member_id, "Assignments": [
            {"MemberId": each, "Assignment": data} for each, data in given],
            "ProtocolType": "consumer", "ProtocolName": "range", **extra})

    sync("older generation", at=generation - 1)
    sync("newer generation", at=generation + 1)
    sync("unknown member", member_id="nobody")
    sync("empty member", member_id="")
    sync("unknown group", run.name("none"))
    sync("empty group", "")
    if run.version >= 5:
        sync("another protocol type", ProtocolType="connect")
        sync("another protocol", ProtocolName="other")
        sync("no protocol", ProtocolType=None, ProtocolName=None)
    if run.version >= 3:
        sync("unknown instance", GroupInstanceId="one")
    sync("good, and for a stranger", given=((member, b"mine"), ("nobody", b"x")))
    sync("again", given=())
    sync("again with another", given=((member, b"other"),))


def heartbeat(run):
    group = run.name("g")
    member, generation = joined(run, group)

    def beat(label, name=group, member_id=member, at=generation, **extra):
        run.call(label, {"GroupId": name, "GenerationId": at, "MemberId": member_id, **extra})

    beat("good")
    beat("older generation", at=generation - 1)
    beat("newer generation", at=generation + 1)
    beat("generation -1", at=-1)
    beat("unknown member", member_id="nobody")
    beat("empty member", member_id="")
    beat("unknown group", run.name("none"))
    beat("empty group", "")
    beat("long group", LONG)
    if run.version >= 3:
        beat("unknown instance", GroupInstanceId="one")
        beat("empty instance", GroupInstanceId="")
        static = run.name("s")
        old, _ = joined(run, static, GroupInstanceId="one")
        beat("static", static, old, 1, GroupInstanceId="one")
        beat("static, another id", static, "nobody", 1, GroupInstanceId="one")
        beat("static, no instance", static, old, 1)
    if run.version == 0:
        run.prepare(keys.LEAVE_GROUP, 0, {"GroupId": group, "MemberId": member})
        beat("after leaving")


def leave_group(run):
    group, static = run.name("g"), run.name("s")
    member, _ = joined(run, group)

    def leave(label, name, *members):
        run.call(label, {"GroupId": name, "MemberId": members[0][0] if members else "", "Members": [
            {"MemberId": each, "GroupInstanceId": instance} for each, instance in members]})

    leave("unknown member", group, ("nobody", None))
    leave("empty member", group, ("", None))
    leave("unknown group", run.name("none"), (member, None))
    leave("empty group", "", (member, None))
    leave("unknown instance", group, ("", "one"))
    if run.version >= 3:
        leave("nobody", group)
        first, _ = joined(run, static, GroupInstanceId="one")
        leave("static, another id", static, ("nobody", "one"))
        leave("static, by its instance", static, ("", "one"))
        leave("static again", static, (first, "one"))
        leave("good and unknown", group, ("nobody", None), (member, None))
        member, _ = joined(run, group)
    leave("good", group, (member, None))
    leave("again", group, (member, None))


def describe_groups(run):
    group, topic = run.name("g"), run.topic("t")
    joined(run, group)
    waiting = run.name("w")
    run.join(waiting, Protocols=PROTOCOLS)
    empty = run.name("e")
    run.commit(empty, topic)
    newer = run.name("n")
    run.member(newer, [topic])
    for label, names in {"one": [group], "being balanced": [waiting], "empty": [empty], "newer protocol": [newer], "unknown": [run.name("none")],
                         "none": [], "empty name": [""], "long name": [LONG], "twice": [group, group], "two": [group, empty]}.items():
        run.call(label, {"Groups": names})
    run.call("authorized operations", {"Groups": [group], "IncludeAuthorizedOperations": True})
    run.call("authorized operations of unknown", {"Groups": [run.name("none")], "IncludeAuthorizedOperations": True})


def list_groups(run):
    topic = run.topic("t")
    group, empty, newer = run.name("g"), run.name("e"), run.name("n")
    joined(run, group)
    run.commit(empty, topic)
    run.member(newer, [topic])

    def ask(label, **extra):
        run.call(label, extra, only=(group, empty, newer))

    ask("all")
    for state in ("Stable", "Empty", "Dead", "stable", "EMPTY", "PreparingRebalance", "Assigning", "Reconciling", "NoSuch", ""):
        ask(f"state {state}", StatesFilter=[state])
    ask("two states", StatesFilter=["Stable", "Empty"])
    for kind in ("classic", "consumer", "Consumer", "CLASSIC", "share", "streams", "unknown", ""):
        ask(f"type {kind}", TypesFilter=[kind])
    ask("state and type", StatesFilter=["Stable"], TypesFilter=["classic"])


def delete_groups(run):
    topic = run.topic("t")
    group, empty, other, newer = (run.name(name) for name in "geon")
    member, _ = joined(run, group)
    run.commit(empty, topic)
    run.commit(other, topic)
    run.member(newer, [topic])
    for label, names in {"with members": [group], "empty": [empty], "again": [empty], "unknown": [run.name("none")], "empty name": [""],
                         "none": [], "twice": [other, other], "members of the newer protocol": [newer],
                         "two": [group, run.name("none")]}.items():
        run.call(label, {"GroupsNames": names})
    run.prepare(keys.LEAVE_GROUP, 0, {"GroupId": group, "MemberId": member})
    run.call("when its member has left", {"GroupsNames": [group]})


def offset_commit(run):
    topic = run.topic("t", partitions=2)
    group, stable, newer = run.name("g"), run.name("s"), run.name("n")
    member, generation = joined(run, stable)
    assigned = run.member(newer, [topic])

    def commit(label, name=group, parts=None, **extra):
        run.call(label, {"GroupId": name, "MemberId": "", "Topics": [
            {"Name": each, "TopicId": run.topic_id(each), "Partitions": [
                {"PartitionIndex": index, "CommittedOffset": offset, "CommittedMetadata": text, "CommittedLeaderEpoch": epoch}]}
            for each, index, offset, text, epoch in (((topic, 0, 5, "", -1),) if parts is None else parts)], **extra})
        run.compare(f"offsets after {label}", keys.OFFSET_FETCH, 7, {"GroupId": name, "Topics": None})

    commit("good")
    commit("with text and epoch", parts=[(topic, 1, 7, "text", 3)])
    commit("null text", parts=[(topic, 1, 8, None, -1)])
    commit("back to 0", parts=[(topic, 0, 0, "", -1)])
    commit("-1", parts=[(topic, 0, -1, "", -1)])
    commit("least", parts=[(topic, 0, -2**63, "", -1)])
    commit("beyond the end", parts=[(topic, 0, 2**62, "", -1)])
    commit("epoch -5", parts=[(topic, 0, 6, "", -5)])
    commit("longest text", parts=[(topic, 0, 5, "x" * 4096, -1)])
    commit("too long text", parts=[(topic, 0, 6, "x" * 4097, -1)])
    commit("unknown partition", parts=[(topic, 5, 1, "", -1)])
    commit("negative partition", parts=[(topic, -1, 1, "", -1)])
    commit("unknown topic", parts=[(run.name("none"), 0, 1, "", -1)])
    for label, name in keys.BAD_NAMES.items():
        commit(label, parts=[(name, 0, 1, "", -1)])
    commit("good and unknown", parts=[(topic, 0, 9, "", -1), (run.name("none"), 0, 1, "", -1)])
    commit("none", parts=[])
    commit("empty group", "")
    commit("unknown member", MemberId="nobody", GenerationIdOrMemberEpoch=1)
    commit("generation 3 of an empty group", GenerationIdOrMemberEpoch=3)
    commit("member without generation", MemberId="nobody")
    commit("unknown group and generation", run.name("none"), GenerationIdOrMemberEpoch=1, MemberId="x")
    commit("by its member", stable, MemberId=member, GenerationIdOrMemberEpoch=generation)
    commit("wrong generation", stable, MemberId=member, GenerationIdOrMemberEpoch=generation + 1)
    commit("stranger", stable, MemberId="nobody", GenerationIdOrMemberEpoch=generation)
    commit("from outside", stable)
    commit("unknown instance", stable, MemberId=member, GenerationIdOrMemberEpoch=generation, GroupInstanceId="one")
    commit("retention", RetentionTimeMs=1000000)
    commit("newer group, by its member", newer, MemberId=assigned["MemberId"], GenerationIdOrMemberEpoch=assigned["MemberEpoch"])
    commit("newer group, old epoch", newer, MemberId=assigned["MemberId"], GenerationIdOrMemberEpoch=assigned["MemberEpoch"] - 1)
    commit("newer group, future epoch", newer, MemberId=assigned["MemberId"], GenerationIdOrMemberEpoch=assigned["MemberEpoch"] + 1)
    commit("newer group, stranger", newer, MemberId="nobody", GenerationIdOrMemberEpoch=1)
    commit("newer group, from outside", newer)


def offset_fetch(run):
    topic, group, newer = run.topic("t", partitions=3), run.name("g"), run.name("n")
    run.commit(group, topic, 0, 4)
    run.commit(group, topic, 2, 0, "text")
    assigned = run.member(newer, [topic])

    def ask(label, name=group, topics=((topic, [0, 1, 2]),), member=None, epoch=-1, **extra):
        wanted = None if topics is None else [{"Name": each, "PartitionIndexes": indexes} for each, indexes in topics]
        run.call(label, {"GroupId": name, "Topics": wanted, "Groups": [
            {"GroupId": name, "Topics": wanted, "MemberId": member, "MemberEpoch": epoch}], **extra})

    ask("three")
    ask("in another order", topics=[(topic, [2, 0])])
    ask("twice the same", topics=[(topic, [0, 0])])
    ask("unknown partition", topics=[(topic, [7, -1])])
    ask("unknown topic", topics=[(run.name("none"), [0])])
    for label, name in keys.BAD_NAMES.items():
        ask(label, topics=[(name, [0])])
    ask("no partitions", topics=[(topic, [])])
    ask("no topics", topics=[])
    ask("all", topics=None)
    ask("all of an unknown group", run.name("none"), None)
    ask("unknown group", run.name("none"))
    ask("empty group", "")
    ask("long group", LONG)
    ask("stable", RequireStable=True)
    ask("newer group", newer, member=assigned["MemberId"], epoch=assigned["MemberEpoch"])
    ask("newer group, from outside", newer)
    if run.version >= 9:
        ask("newer group, old epoch", newer, member=assigned["MemberId"], epoch=assigned["MemberEpoch"] - 1)
        ask("newer group, future epoch", newer, member=assigned["MemberId"], epoch=assigned["MemberEpoch"] + 1)
        ask("newer group, stranger", newer, member="nobody", epoch=1)
        ask("member of a classic group", member="nobody", epoch=1)
        ask("member of an unknown group", run.name("none"), member="nobody", epoch=1)
    if run.version >= 8:
        run.call("two groups", {"Groups": [{"GroupId": group, "Topics": None}, {"GroupId": run.name("none"), "Topics": None}]})
        run.call("no groups", {"Groups": []})


def offset_delete(run):
    topic, group, newer = run.topic("t", partitions=2), run.name("g"), run.name("n")
    run.commit(group, topic)
    run.commit(group, run.topic("kept"))
    run.member(newer, [topic])
    for label, name, parts in (
            ("one", group, [(topic, 0)]), ("again", group, [(topic, 0)]), ("unknown partition", group, [(topic, 5)]),
            ("negative partition", group, [(topic, -1)]), ("unknown topic", group, [(run.name("none"), 0)]), ("empty name", group, [("", 0)]),
            ("good and unknown", group, [(topic, 1), (run.name("none"), 0)]), ("none", group, []),
            ("unknown group", run.name("none"), [(topic, 0)]), ("empty group", "", [(topic, 0)]),
            ("subscribed", newer, [(topic, 0)]), ("not subscribed", newer, [(run.topic("other"), 0)])):
        run.call(label, {"GroupId": name, "Topics": [{"Name": each, "Partitions": [{"PartitionIndex": index}]} for each, index in parts]})


def member_heartbeat(run):
    topic, group = run.topic("t", partitions=2), run.name("g")
    run.known_to_groups()
    own = run.token("member")

    def beat(label, member="", epoch=0, name=group, **extra):
        return run.call(label, {"GroupId": name, "MemberId": member, "MemberEpoch": epoch, **extra})

    join = {"RebalanceTimeoutMs": 10000, "SubscribedTopicNames": [topic], "TopicPartitions": []}
    first = beat("join", own, **join)
    member = first["MemberId"]
    beat("again", member, first["MemberEpoch"])
    beat("again with what it owns", member, first["MemberEpoch"], TopicPartitions=[
        {"TopicId": run.topic_id(topic), "Partitions": [0, 1]}])
    beat("old epoch", member, first["MemberEpoch"] - 1)
    beat("future epoch", member, first["MemberEpoch"] + 1)
    beat("stranger", "nobody", first["MemberEpoch"])
    beat("epoch -3", member, -3)
    beat("empty group", own, name="", **join)
    beat("unknown group", own, 1, name=run.name("none"))
    beat("leave an unknown group", own, -1, name=run.name("none"))
    other = run.token("other")
    beat("join without a subscription", other, **{**join, "SubscribedTopicNames": None})
    beat("join with an empty subscription", other, name=run.name("g2"), **{**join, "SubscribedTopicNames": []})
    beat("join without a timeout", other, **{**join, "RebalanceTimeoutMs": -1})
    beat("timeout 0", other, **{**join, "RebalanceTimeoutMs": 0})
    beat("join without owned partitions", other, **{**join, "TopicPartitions": None})
    beat("join with owned partitions", other, **{**join, "TopicPartitions": [{"TopicId": run.topic_id(topic), "Partitions": [0]}]})
    beat("unknown assignor", other, ServerAssignor="none", **join)
    beat("empty assignor", other, ServerAssignor="", **join)
    beat("empty rack", other, RackId="", **join)
    beat("empty instance", other, InstanceId="", **join)
    beat("range", other, name=run.name("g3"), ServerAssignor="range", **join)
    beat("unknown topic", other, name=run.name("g4"), **{**join, "SubscribedTopicNames": [run.name("none")]})
    beat("bad regular expression", other, name=run.name("g5"), SubscribedTopicRegex="(", **join)
    beat("static", other, name=run.name("g6"), InstanceId="one", **join)
    beat("static, taken", run.token("third"), name=run.name("g6"), InstanceId="one", **join)
    beat("static goes for a while", other, -2, name=run.name("g6"), InstanceId="one")
    beat("static leaves", other, -1, name=run.name("g6"), InstanceId="one")
    beat("instance of nobody leaves", other, -1, name=run.name("g6"), InstanceId="two")
    beat("leave without an instance, for a while", member, -2)
    beat("leave", member, -1)
    beat("after leaving", member, first["MemberEpoch"])
    if run.version >= 1:
        beat("without a member id", "", **join)
        beat("long member id", LONG, name=run.name("g7"), **join)
    classic = run.name("classic")
    joined(run, classic)
    beat("classic group with members", other, name=classic, **join)


def consumer_groups(run):
    topic, group, classic, empty = run.topic("t"), run.name("g"), run.name("c"), run.name("e")
    run.member(group, [topic])
    joined(run, classic)
    run.commit(empty, topic)
    for label, names in {"one": [group], "classic": [classic], "without members": [empty], "unknown": [run.name("none")], "empty name": [""],
                         "none": [], "twice": [group, group], "two": [group, run.name("none")]}.items():
        run.call(label, {"GroupIds": names})
    run.call("authorized operations", {"GroupIds": [group], "IncludeAuthorizedOperations": True})


# --- producers and transactions -------------------------------------------------------------------
def init_producer_id(run):
    def init(label, transaction, timeout=60000, producer=-1, epoch=-1):
        return run.call(label, {"TransactionalId": transaction, "TransactionTimeoutMs": timeout, "ProducerId": producer, "ProducerEpoch": epoch})

    init("idempotent", None)
    init("idempotent, timeout 0", None, 0)
    init("empty id", "")
    init("timeout 0", run.name("t0"), 0)
    init("timeout -1", run.name("t1"), -1)
    init("timeout 1", run.name("t2"), 1)
    init("longest timeout", run.name("t3"), 900000)
    init("timeout too long", run.name("t4"), 900001)
    init("long id", run.name(LONG))
    one = run.name("one")
    first = init("new", one)
    init("again", one)
    if run.version >= 3:
        producer = first["ProducerId"]
        init("with an old epoch", one, producer=producer, epoch=0)
        init("with its epoch", one, producer=producer, epoch=1)
        init("the same again", one, producer=producer, epoch=1)
        init("future epoch", one, producer=producer, epoch=9)
        init("foreign producer", one, producer=1 << 40, epoch=0)
        init("unknown id, with a producer", run.name("two"), producer=1 << 40, epoch=0)
        init("producer without an epoch", one, producer=producer)
        init("epoch without a producer", one, epoch=1)
        init("idempotent, with a producer", None, producer=producer, epoch=0)
    busy, topic = run.name("busy"), run.topic("t")
    producer, epoch = run.transaction(busy)
    run.add_partition(busy, producer, epoch, topic, 0)
    run.settle("in a transaction", lambda: init("", busy)["ErrorCode"] != 51)


def add_partitions(run):
    topic, one = run.topic("t", partitions=2), run.name("one")
    producer, epoch = run.transaction(one)

    def add(label, transaction=one, at=None, parts=((topic, [0]),)):
        producer_id, producer_epoch = at or (producer, epoch)
        topics = [{"Name": name, "Partitions": indexes} for name, indexes in parts]
        run.call(label, {"V3AndBelowTransactionalId": transaction, "V3AndBelowProducerId": producer_id,
                         "V3AndBelowProducerEpoch": producer_epoch, "V3AndBelowTopics": topics})

    add("good")
    add("again")
    add("another", parts=[(topic, [1])])
    add("unknown partition", parts=[(topic, [0, 9])])
    add("negative partition", parts=[(topic, [-1])])
    add("unknown topic", parts=[(run.name("none"), [0])])
    add("good and unknown", parts=[(topic, [0]), (run.name("none"), [0])])
    for label, name in keys.BAD_NAMES.items():
        add(label, parts=[(name, [0])])
    add("no topics", parts=[])
    add("no partitions", parts=[(topic, [])])
    add("unknown id", run.name("none"))
    add("empty id", "")
    add("foreign producer", at=(1 << 40, 0))
    add("older epoch", at=(producer, epoch - 1))
    add("newer epoch", at=(producer, epoch + 1))
    add("negative producer", at=(-1, 0))


def add_offsets(run):
    one = run.name("one")
    producer, epoch = run.transaction(one)
    for label, transaction, producer_id, at, group in (
            ("good", one, producer, epoch, "g"), ("again", one, producer, epoch, "g"), ("another", one, producer, epoch, "h"),
            ("empty group", one, producer, epoch, ""), ("long group", one, producer, epoch, LONG), ("unknown id", run.name("none"), producer, 0, "g"),
            ("empty id", "", producer, epoch, "g"), ("foreign producer", one, 1 << 40, epoch, "g"),
            ("older epoch", one, producer, epoch - 1, "g"), ("newer epoch", one, producer, epoch + 1, "g")):
        run.call(label, {"TransactionalId": transaction, "ProducerId": producer_id, "ProducerEpoch": at,
                         "GroupId": group and run.name(group) if len(group) < 9 else group})


def end_txn(run):
    topic, one = run.topic("t"), run.name("one")
    producer, epoch = run.transaction(one)

    def end(label, commit=True, transaction=one, at=None):
        producer_id, producer_epoch = at or (producer, epoch)
        return run.call(label, {"TransactionalId": transaction, "ProducerId": producer_id, "ProducerEpoch": producer_epoch,
                                "Committed": commit})

    end("unknown id", transaction=run.name("none"))
    end("empty id", transaction="")
    end("foreign producer", at=(1 << 40, 0))
    end("older epoch", at=(producer, epoch - 1))
    end("newer epoch", at=(producer, epoch + 1))
    if run.version >= 5:
        return end_txn_bumping(run, end, topic, producer, epoch)
    end("nothing to commit")
    end("nothing to abort", False)
    run.add_partition(one, producer, epoch, topic, 0)
    end("older epoch, open", at=(producer, epoch - 1))
    end("newer epoch, open", at=(producer, epoch + 1))
    run.settle("commit", lambda: end("")["ErrorCode"] != 51)
    run.settle("commit again", lambda: end("")["ErrorCode"] != 51)
    end("abort what is committed", False)
    run.settle("next", lambda: run.add_partition(one, producer, epoch, topic, 0) != 51)
    run.settle("abort", lambda: end("", False)["ErrorCode"] != 51)
    run.settle("abort again", lambda: end("", False)["ErrorCode"] != 51)
    end("commit what is aborted")
    return None


def end_txn_bumping(run, end, topic, producer, epoch):
    """Version 5: each end gives the epoch of the next transaction."""
    end("nothing to commit")
    end("nothing to abort", False)
    run.await_ended(run.name("one"))
    end("nothing to abort, with the epoch before", False)
    end("nothing to abort, with the next epoch", False, at=(producer, epoch + 1))
    run.await_ended(run.name("one"))
    epoch += 2
    run.add_partition(run.name("one"), producer, epoch, topic, 0)
    run.settle("commit", lambda: end("", at=(producer, epoch))["ErrorCode"] != 51)
    run.await_ended(run.name("one"))
    run.settle("commit again, with the epoch before", lambda: end("", at=(producer, epoch))["ErrorCode"] != 51)
    end("abort with the epoch before", False, at=(producer, epoch))
    end("commit with the new epoch", at=(producer, epoch + 1))
    end("two epochs before", at=(producer, epoch - 1))


def txn_commit(run):
    topic, one, group, stable, newer = run.topic("t", partitions=2), run.name("one"), run.name("g"), run.name("s"), run.name("n")
    producer, epoch = run.transaction(one)
    member, generation = joined(run, stable)
    assigned = run.member(newer, [topic])

    def commit(label, name=group, parts=((topic, 0, 5, ""),), at=None, transaction=one, **extra):
        producer_id, producer_epoch = at or (producer, epoch)
        run.call(label, {"TransactionalId": transaction, "GroupId": name, "ProducerId": producer_id, "ProducerEpoch": producer_epoch,
                         "Topics": [{"Name": each, "Partitions": [
                             {"PartitionIndex": index, "CommittedOffset": offset, "CommittedMetadata": text}]}
                             for each, index, offset, text in parts], **extra})

    if run.version < 5:
        commit("group not added")
    for name in (group, stable, newer):
        run.prepare(keys.ADD_OFFSETS, 3, {"TransactionalId": one, "ProducerId": producer, "ProducerEpoch": epoch, "GroupId": name})
    commit("good")
    commit("again", parts=[(topic, 0, 6, "text")])
    commit("null text", parts=[(topic, 1, 6, None)])
    commit("too long text", parts=[(topic, 1, 6, "x" * 4097)])
    commit("unknown partition", parts=[(topic, 9, 6, "")])
    commit("unknown topic", parts=[(run.name("none"), 0, 6, "")])
    commit("empty topic", parts=[("", 0, 6, "")])
    commit("none", parts=[])
    commit("empty group", "")
    commit("older epoch", at=(producer, epoch - 1))
    commit("newer epoch", at=(producer, epoch + 1))
    commit("foreign producer", at=(1 << 40, 0))
    if run.version >= 3:
        commit("by its member", stable, MemberId=member, GenerationId=generation)
        commit("wrong generation", stable, MemberId=member, GenerationId=generation + 1)
        commit("stranger", stable, MemberId="nobody", GenerationId=generation)
        commit("unknown instance", stable, MemberId=member, GenerationId=generation, GroupInstanceId="one")
        commit("unknown member of an empty group", MemberId="nobody", GenerationId=1)
        commit("newer group, by its member", newer, MemberId=assigned["MemberId"], GenerationId=assigned["MemberEpoch"])
        commit("newer group, stranger", newer, MemberId="nobody", GenerationId=1)
    commit("from outside", stable)
    run.compare("stable offsets", keys.OFFSET_FETCH, 7, {"GroupId": group, "RequireStable": True, "Topics": [
        {"Name": topic, "PartitionIndexes": [0, 1]}]})
    run.compare("offsets", keys.OFFSET_FETCH, 7, {"GroupId": group, "Topics": None})
    run.end(one, producer, epoch, True)
    run.compare("offsets after the end", keys.OFFSET_FETCH, 7, {"GroupId": group, "Topics": None})


def producers(run):
    topic, one = run.topic("t", partitions=2), run.name("one")
    producer = run.producer()
    run.fill(topic, 1, producer=(producer, 0), sequence=0)
    transactional, epoch = run.transaction(one)
    run.add_partition(one, transactional, epoch, topic, 1)
    run.prepare(keys.PRODUCE, 9, {"Acks": -1, "TimeoutMs": 5000, "TransactionalId": one, "TopicData": [
        {"Name": topic, "PartitionData": [{"Index": 1, "Records": run.batch(
            producer=(transactional, epoch), sequence=0, attributes=keys.TRANSACTIONAL)}]}]})
    for label, parts in {"both": [(topic, [0, 1])], "unknown partition": [(topic, [9, -1])], "unknown": [(run.name("none"), [0])],
                         "empty name": [("", [0])], "bad name": [("a b", [0])], "none": [], "no partitions": [(topic, [])]}.items():
        run.call(label, {"Topics": [{"Name": name, "PartitionIndexes": indexes} for name, indexes in parts]})


def transactions(run):
    topic = run.topic("t", partitions=2)
    one, fresh = run.name("one"), run.name("fresh")
    producer, epoch = run.transaction(one)
    run.transaction(fresh)
    run.add_partition(one, producer, epoch, topic, 0)
    for label, names in {"open": [one], "fresh": [fresh], "unknown": [run.name("none")], "empty id": [""], "none": [], "twice": [one, one],
                         "two": [one, fresh]}.items():
        run.call(label, {"TransactionalIds": names})
    run.end(one, producer, epoch, True)
    run.call("committed", {"TransactionalIds": [one]})


def list_transactions(run):
    topic, one, fresh = run.topic("t"), run.name("one"), run.name("fresh")
    producer, epoch = run.transaction(one)
    other, _ = run.transaction(fresh)
    run.add_partition(one, producer, epoch, topic, 0)

    def ask(label, **extra):
        run.call(label, extra, only=(one, fresh))

    ask("all")
    for state in ("Ongoing", "Empty", "CompleteCommit", "ongoing", "NoSuch", ""):
        ask(f"state {state}", StateFilters=[state])
    ask("two states", StateFilters=["Ongoing", "Empty"])
    ask("good and unknown state", StateFilters=["Ongoing", "NoSuch"])
    ask("by producer", ProducerIdFilters=[producer])
    ask("by two producers", ProducerIdFilters=[producer, other])
    ask("by unknown producer", ProducerIdFilters=[1 << 40])
    for duration in (0, 1, 10**9, -5):
        ask(f"duration {duration}", DurationFilter=duration)


SCRIPTS = {
    keys.PRODUCE: [keys.produce], keys.FETCH: [keys.fetch, keys.fetch_sessions], keys.LIST_OFFSETS: [keys.list_offsets], keys.METADATA: [keys.metadata],
    keys.OFFSET_COMMIT: [offset_commit], keys.OFFSET_FETCH: [offset_fetch], keys.FIND_COORDINATOR: [keys.find_coordinator],
    keys.JOIN_GROUP: [join_group], keys.HEARTBEAT: [heartbeat], keys.LEAVE_GROUP: [leave_group], keys.SYNC_GROUP: [sync_group],
    keys.DESCRIBE_GROUPS: [describe_groups], keys.LIST_GROUPS: [list_groups], keys.API_VERSIONS: [keys.api_versions],
    keys.CREATE_TOPICS: [keys.create_topics], keys.DELETE_TOPICS: [keys.delete_topics], keys.DELETE_RECORDS: [keys.delete_records],
    keys.INIT_PRODUCER_ID: [init_producer_id], keys.LEADER_EPOCH: [keys.leader_epoch], keys.ADD_PARTITIONS: [add_partitions],
    keys.ADD_OFFSETS: [add_offsets], keys.END_TXN: [end_txn], keys.TXN_COMMIT: [txn_commit],
    keys.DESCRIBE_CONFIGS: [keys.describe_configs], keys.ALTER_CONFIGS: [keys.alter_configs], keys.LOG_DIRS: [keys.log_dirs],
    keys.CREATE_PARTITIONS: [keys.create_partitions], keys.DELETE_GROUPS: [delete_groups], keys.ELECT_LEADERS: [keys.elect_leaders],
    keys.INCREMENTAL_CONFIGS: [keys.incremental_configs], keys.REASSIGN: [keys.reassign],
    keys.LIST_REASSIGNMENTS: [keys.list_reassignments], keys.OFFSET_DELETE: [offset_delete], keys.CLUSTER: [keys.cluster],
    keys.HANDSHAKE: [keys.handshake], keys.AUTHENTICATE: [keys.authenticate],
    keys.PRODUCERS: [producers], keys.TRANSACTIONS: [transactions], keys.LIST_TRANSACTIONS: [list_transactions],
    keys.MEMBER_HEARTBEAT: [member_heartbeat], keys.CONSUMER_GROUPS: [consumer_groups], keys.TOPIC_PARTITIONS: [keys.topic_partitions]}
