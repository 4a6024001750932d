"""Requests about share groups (KIP-932) for kafka_diff.py. A script gets a Run: it prepares what it needs and makes calls with
labels. Kafka's groups learn of topics after a while, and begin to assign them after another."""

import base64
import time
import uuid

HEARTBEAT, DESCRIBE, FETCH, ACKNOWLEDGE, STARTS, ALTER, DELETE = 76, 77, 78, 79, 90, 91, 92
INCREMENTAL_CONFIGS, GROUP = 44, 32
GAP, ACCEPT, RELEASE, REJECT, RENEW = range(5)
NO_RECORDS = {"MaxBytes": 0, "MinBytes": 0, "MaxRecords": 0, "MaxWaitMs": 0, "IsRenewAck": True}
JOIN_SECONDS = 20


def member_id():
    """Kafka wants an id of its own kind, which begins with no dash."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes)[:22].decode()).startswith("-"):
        pass
    return text


class Group:
    """A group with one member, which has its partition."""

    def __init__(self, run, word="g", values=4, name=None):
        self.run, self.name, self.member = run, name or run.name(word), member_id()
        self.topic = run.topic(f"{word}-t")
        self.id = run.topic_id(self.topic)
        if values:
            run.fill(self.topic, values)
        run.known_to_groups()
        run.prepare(INCREMENTAL_CONFIGS, 1, {"Resources": [{"ResourceType": GROUP, "ResourceName": self.name, "Configs": [
            {"Name": "share.auto.offset.reset", "ConfigOperation": 0, "Value": "earliest"}]}]})
        self.epoch = 0

    def beat(self, epoch, topics=None, member=None):
        return {"GroupId": self.name, "MemberId": member or self.member, "MemberEpoch": epoch, "SubscribedTopicNames": topics}

    def join(self):
        deadline = time.monotonic() + JOIN_SECONDS
        answer = self.run.prepare(HEARTBEAT, 1, self.beat(0, [self.topic]))
        while not (answer["Assignment"] or {}).get("TopicPartitions"):
            assert time.monotonic() < deadline, "the member got nothing"
            time.sleep(0.2)
            answer = self.run.prepare(HEARTBEAT, 1, self.beat(answer["MemberEpoch"]))
        self.epoch = answer["MemberEpoch"]
        return self

    def fetched(self, epoch, acks=(), member=None, wait=0, partition=0, topic=None, **extra):
        return {"GroupId": self.name, "MemberId": member or self.member, "ShareSessionEpoch": epoch, "MaxWaitMs": wait, "MinBytes": 1,
                "MaxBytes": 1 << 20, "MaxRecords": 500, "BatchSize": 500, **extra, "Topics": [{"TopicId": topic or self.id, "Partitions": [
                    {"PartitionIndex": partition, "AcknowledgementBatches": batches(acks)}]}]}

    def acknowledged(self, epoch, acks, member=None, topic=None, partition=0, **extra):
        return {"GroupId": self.name, "MemberId": member or self.member, "ShareSessionEpoch": epoch, **extra, "Topics": [
            {"TopicId": topic or self.id, "Partitions": [{"PartitionIndex": partition, "AcknowledgementBatches": batches(acks)}]}]}

    def hold(self):
        """Fetches all there is. Result: the epoch of the next request."""
        self.join()
        deadline = time.monotonic() + JOIN_SECONDS
        epoch = 0
        while True:
            answer = self.run.prepare(FETCH, 1, self.fetched(epoch, wait=500))
            epoch += 1
            if any(part["AcquiredRecords"] for topic in answer["Responses"] for part in topic["Partitions"]):
                return epoch
            assert time.monotonic() < deadline, "nothing was given out"


def batches(acks):
    return [{"FirstOffset": first, "LastOffset": last, "AcknowledgeTypes": kinds if isinstance(kinds, list) else [kinds]}
            for first, last, kinds in acks]


def share_heartbeat(run):
    group = Group(run, values=0)
    run.call("unknown group", group.beat(3))
    run.call("leave an unknown group", group.beat(-1))
    run.call("join without topics", group.beat(0))
    run.call("join with no topics", group.beat(0, []))
    run.call("empty group", {**group.beat(0, [group.topic]), "GroupId": ""})
    run.call("empty member", {**group.beat(0, [group.topic]), "MemberId": ""})
    run.call("empty rack", {**group.beat(0, [group.topic]), "RackId": ""})
    group.join()
    run.call("epoch -2", group.beat(-2))
    run.call("a future epoch", group.beat(group.epoch + 9))
    run.call("stranger", group.beat(1, member=member_id()))
    run.call("stranger leaves", group.beat(-1, member=member_id()))
    run.call("leave", group.beat(-1))
    run.call("leave again", group.beat(-1))


def share_describe(run):
    run.call("unknown", {"GroupIds": [run.name("none")]})
    run.call("empty", {"GroupIds": [""]})
    run.call("nothing", {"GroupIds": []})
    group = Group(run, values=0).join()
    run.prepare(HEARTBEAT, 1, group.beat(-1))
    answer = run.exchange(lambda to: to.send(DESCRIBE, 1, {"GroupIds": [group.name]}))
    run.note("without members", [{name: each[name] for name in ("ErrorCode", "GroupState", "AssignorName", "Members")}
                                 for each in answer["Groups"]])


def share_fetch(run):
    group = Group(run)
    run.call("without a session", group.fetched(1))
    run.call("an end without a session", group.fetched(-1))
    run.call("acknowledging at first", group.fetched(0, [(0, 0, ACCEPT)]))
    epoch = group.hold()
    run.call("a wrong epoch", group.fetched(epoch + 7))
    # What is released comes back in Kafka some time later, so nothing is.
    run.call("of what is held", group.fetched(epoch, [(0, 1, [ACCEPT, REJECT])]))
    run.call("of one twice", group.fetched(epoch + 1, [(2, 2, RELEASE), (2, 2, ACCEPT)]))
    run.call("the end", group.fetched(-1, [(2, 2, ACCEPT)]))


def share_fetch_renewing(run):
    if run.version < 2:
        return
    group = Group(run, "r")
    run.call("renewing at first", group.fetched(0, [(0, 0, RENEW)], **NO_RECORDS))
    epoch = group.hold()
    for name, value in (("MaxBytes", 1), ("MinBytes", 1), ("MaxRecords", 1), ("MaxWaitMs", 1)):
        run.call(f"renewing with {name}", group.fetched(epoch, [(0, 0, RENEW)], **{**NO_RECORDS, name: value}))
    run.call("type 4 without saying so", group.fetched(epoch, [(0, 0, RENEW)]))
    run.call("renewing", group.fetched(epoch + 1, [(0, 3, RENEW)], **NO_RECORDS))
    run.call("renewing some", group.fetched(epoch + 2, [(0, 1, [ACCEPT, RENEW])], **NO_RECORDS))
    run.call("renewing what is done with", group.fetched(epoch + 3, [(0, 0, RENEW)], **NO_RECORDS))
    run.call("renewing nothing", group.fetched(epoch + 4, **NO_RECORDS))
    run.call("mode 7", group.fetched(epoch + 5, ShareAcquireMode=7))
    run.call("the end", group.fetched(-1, [(1, 3, RENEW)], **NO_RECORDS))


def share_fetch_exactly(run):
    """As many records as asked for, of one batch of six and one of two."""
    if run.version < 2:
        return
    group = Group(run, "x", values=6)
    run.fill(group.topic, 2)
    group.join()
    wanted = {"ShareAcquireMode": 1, "MaxRecords": 2}
    epoch, got, deadline = 0, [], time.monotonic() + JOIN_SECONDS
    while not got or got[-1][1] < 7:
        assert time.monotonic() < deadline, "not everything was given out"
        answer = run.exchange(lambda to: to.send(FETCH, 2, group.fetched(epoch, wait=500, **wanted)))
        got += [(each["FirstOffset"], each["LastOffset"], each["DeliveryCount"]) for topic in answer["Responses"]
                for part in topic["Partitions"] for each in part["AcquiredRecords"]]
        epoch += 1
    run.note("two by two", got)


def share_acknowledge_renewing(run):
    if run.version < 2:
        return
    group = Group(run, "r")
    epoch = group.hold()
    cases = (("type 4 without saying so", [(0, 0, RENEW)], False), ("renewing", [(0, 3, RENEW)], True),
             ("renewing some", [(0, 1, [ACCEPT, RENEW])], True), ("renewing what is done with", [(0, 0, RENEW)], True),
             ("renewing beyond", [(2, 9, RENEW)], True), ("type 5", [(1, 1, 5)], True), ("saying so only", [(1, 1, ACCEPT)], True))
    for label, acks, said in cases:
        run.call(label, group.acknowledged(epoch, acks, IsRenewAck=said))
        epoch += 1
    run.call("the end", group.acknowledged(-1, [(2, 3, RENEW)], IsRenewAck=True))


def share_acknowledge(run):
    group = Group(run)
    run.call("without a session", group.acknowledged(1, [(0, 0, ACCEPT)]))
    run.call("an end without a session", group.acknowledged(-1, []))
    epoch = group.hold()
    run.call("at first", group.acknowledged(0, [(0, 0, ACCEPT)]))
    run.call("a wrong epoch", group.acknowledged(epoch + 7, [(0, 0, ACCEPT)]))
    cases = (("backwards", [(2, 1, ACCEPT)]), ("overlapping", [(0, 1, ACCEPT), (1, 2, ACCEPT)]), ("type 4", [(0, 0, 4)]),
             ("type -1", [(0, 0, -1)]), ("two types for three", [(0, 2, [ACCEPT, ACCEPT])]), ("no types", [(0, 2, [])]),
             ("beyond", [(2, 9, ACCEPT)]), ("far beyond", [(100, 109, ACCEPT)]), ("one", [(0, 0, ACCEPT)]),
             ("one again", [(0, 0, ACCEPT)]), ("reject", [(2, 2, REJECT)]), ("reject again", [(2, 2, REJECT)]),
             ("release", [(3, 3, RELEASE)]), ("after a release", [(3, 3, ACCEPT)]), ("gap", [(1, 1, GAP)]))
    for label, acks in cases:
        run.call(label, group.acknowledged(epoch, acks))
        epoch += 1
    run.call("unknown topic", group.acknowledged(epoch, [(0, 0, ACCEPT)], topic=uuid.UUID(int=77)))
    run.call("the end", group.acknowledged(-1, [(3, 3, ACCEPT)]))
    run.call("after the end", group.acknowledged(epoch + 1, [(3, 3, ACCEPT)]))


def asked(group, topics=None):
    return {"Groups": [{"GroupId": group, "Topics": topics}]}


def await_lag(run, group, lag):
    """The lag of the one partition, when it is that, or after a while. Where it begins Kafka writes down later still."""
    deadline = time.monotonic() + JOIN_SECONDS
    while True:
        answer = run.exchange(lambda to: to.send(STARTS, 1, asked(group.name)))
        told = [part["Lag"] for topic in answer["Groups"][0]["Topics"] for part in topic["Partitions"]]
        if told == [lag] or time.monotonic() > deadline:
            return told
        time.sleep(0.2)


def share_starts(run):
    run.call("unknown group", asked(run.name("none")))
    run.call("nothing", {"Groups": []})
    group = Group(run)
    epoch = group.hold()
    run.prepare(ACKNOWLEDGE, 1, group.acknowledged(epoch, [(0, 3, ACCEPT)]))
    # Kafka tells of what it has got to some time later.
    if run.version >= 1:
        run.note("the lag", await_lag(run, group, 0))
        run.fill(group.topic, 3)
        run.note("with more", await_lag(run, group, 3))
    answer = run.exchange(lambda to: to.send(STARTS, run.version, asked(group.name)))
    run.note("all of them", [(topic["TopicName"].replace(group.topic, "t"), [(each["PartitionIndex"], each["ErrorCode"]) for each in
                                                                            topic["Partitions"]]) for topic in answer["Groups"][0]["Topics"]])


def share_alter(run):
    group = Group(run).join()
    run.call("empty group", {"GroupId": "", "Topics": []})
    run.prepare(HEARTBEAT, 1, group.beat(-1))
    run.call("of a topic that does not exist", {"GroupId": group.name, "Topics": [
        {"TopicName": run.name("none"), "Partitions": [{"PartitionIndex": 0, "StartOffset": 0}]}]})


def share_delete(run):
    run.call("unknown group", {"GroupId": run.name("none"), "Topics": [{"TopicName": "t"}]})
    run.call("empty group", {"GroupId": "", "Topics": []})
    group = Group(run).join()
    topics = {"GroupId": group.name, "Topics": [{"TopicName": group.topic}]}
    run.call("with a member", topics)
    run.prepare(HEARTBEAT, 1, group.beat(-1))
    run.call("of a topic that does not exist", {"GroupId": group.name, "Topics": [{"TopicName": run.name("none")}]})


SCRIPTS = {HEARTBEAT: [share_heartbeat], DESCRIBE: [share_describe], FETCH: [share_fetch, share_fetch_renewing, share_fetch_exactly],
           ACKNOWLEDGE: [share_acknowledge, share_acknowledge_renewing],
           STARTS: [share_starts], ALTER: [share_alter], DELETE: [share_delete]}
