"""Quotas of clients: how they are set and told, whom they are for, and that they are kept: the answer comes at once and says
how long, and the connection is not listened to for that long."""

import time
from types import SimpleNamespace

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from kafka.protocol.admin.client_quotas import AlterClientQuotasRequest, DescribeClientQuotasRequest
from kafka.protocol.consumer import FetchRequest
from kafka.protocol.metadata import MetadataRequest
from kafka.protocol.producer import ProduceRequest
from kafkarequests import Requests
from rawshare import Member

pytestmark = pytest.mark.own

INVALID_REQUEST, UNSUPPORTED = 42, 35
EXACT, DEFAULT, ANY = range(3)


class Quotas:
    def __init__(self, broker):
        self.requests = Requests(broker)

    def alter(self, entity, validate_only=False, version=1, **rates):
        """`entity`: pairs of type and name, None for the others. Result: (error, text)."""
        kind = AlterClientQuotasRequest.EntryData
        entry = kind(version=version, entity=[kind.EntityData(version=version, entity_type=word, entity_name=name) for word, name in entity],
                     ops=[kind.OpData(version=version, key=key, value=float(value or 0), remove=value is None) for key, value in rates.items()])
        answer = self.requests.call(AlterClientQuotasRequest, version, entries=[entry], validate_only=validate_only)
        told, = answer.entries
        assert [(each.entity_type, each.entity_name) for each in told.entity] == list(entity)
        return told.error_code, told.error_message

    def set(self, entity, **rates):
        assert self.alter(entity, **rates) == (0, None)

    def describe(self, *components, strict=False, version=1):
        kind = DescribeClientQuotasRequest.ComponentData
        answer = self.requests.call(DescribeClientQuotasRequest, version, strict=strict, components=[
            kind(version=version, entity_type=word, match_type=match, match=name) for word, match, name in components])
        if answer.error_code:
            return answer.error_code
        return {tuple(sorted((each.entity_type, each.entity_name) for each in entry.entity)): {
            each.key: each.value for each in entry.values} for entry in answer.entries}


@pytest.fixture
def quotas(broker):
    one = Quotas(broker)
    yield one
    for entity in one.describe():
        one.set(entity, producer_byte_rate=None, consumer_byte_rate=None)
    assert one.describe() == {}
    one.requests.close()


@pytest.fixture
def kafka(broker, name):
    one = Requests(broker, name)  # what was used of a quota is remembered for a while
    yield one
    one.close()


@pytest.fixture
def topic(broker, name):
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(10)
    return name


def fill(broker, topic, count, size):
    producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 0, "client.id": "filler"})
    for _ in range(count):
        producer.produce(topic, b"v" * size)
        producer.flush(10)


def batch_of(broker, topic):
    """A batch as it is stored, to be sent again."""
    requests = Requests(broker)
    records = fetched(fetch(requests, topic, 0, size=1))
    requests.close()
    return records


def produce(kafka, topic, records, acks=1):
    kind = ProduceRequest.TopicProduceData
    kafka.send(ProduceRequest, 8, transactional_id=None, acks=acks, timeout_ms=5000, topic_data=[kind(
        version=8, name=topic, partition_data=[kind.PartitionProduceData(version=8, index=0, records=records)])])
    if not acks:
        kafka.waiting.pop()
        return None
    return kafka.receive()


def fetch(kafka, topic, offset, size=1 << 20, wait=0):
    kind = FetchRequest.FetchTopic
    return kafka.call(FetchRequest, 11, replica_id=-1, max_wait_ms=wait, min_bytes=1, max_bytes=1 << 20, isolation_level=0, session_id=0,
                      session_epoch=-1, forgotten_topics_data=[], rack_id="", topics=[kind(version=11, topic=topic, partitions=[
                          kind.FetchPartition(version=11, partition=0, current_leader_epoch=-1, fetch_offset=offset, log_start_offset=-1,
                                              partition_max_bytes=size)])])


def fetched(answer):
    """The bytes of its only partition; none when it tells of no partition."""
    if not answer.responses:
        return None
    part, = answer.responses[0].partitions
    assert part.error_code == 0
    return bytes(part.records or b"")


def seconds_until_answered(kafka):
    begin = time.monotonic()
    kafka.call(MetadataRequest, 4, topics=[], allow_auto_topic_creation=False)
    return time.monotonic() - begin


# --- setting and telling ---------------------------------------------------------------------------------------------

def test_quotas_are_set_told_and_taken_away(quotas):
    client, user, both, others = ((("client-id", "c"),), (("user", "u"),), (("client-id", "c"), ("user", "u")),
                                  (("client-id", None), ("user", None)))
    for entity in (client, user, both, others):
        quotas.set(entity, producer_byte_rate=1024)
    quotas.set(user, consumer_byte_rate=2048)
    assert quotas.describe() == {client: {"producer_byte_rate": 1024}, both: {"producer_byte_rate": 1024},
                                 others: {"producer_byte_rate": 1024},
                                 user: {"producer_byte_rate": 1024, "consumer_byte_rate": 2048}}
    assert set(quotas.describe(("user", ANY, None))) == {user, both, others}
    assert set(quotas.describe(("user", ANY, None), strict=True)) == {user}
    assert set(quotas.describe(("user", EXACT, "u"))) == {user, both}
    assert set(quotas.describe(("user", DEFAULT, None))) == {others}
    assert set(quotas.describe(("client-id", EXACT, "c"), ("user", EXACT, "u"), strict=True, version=0)) == {both}
    assert quotas.describe(("ip", ANY, None)) == {}
    assert quotas.alter(user, validate_only=True, producer_byte_rate=7) == (0, None)
    quotas.set(user, producer_byte_rate=None, request_percentage=None)
    assert quotas.describe(("user", EXACT, "u"), strict=True) == {user: {"consumer_byte_rate": 2048}}
    quotas.set(user, consumer_byte_rate=None)
    assert quotas.describe(("user", EXACT, "u"), strict=True) == {}


@pytest.mark.parametrize("entity, rates, words", [
    ([], {"producer_byte_rate": 1}, "Invalid empty client quota entity"),
    ([("user", "")], {"producer_byte_rate": 1}, "Empty user not supported"),
    ([("user", "a"), ("user", "b")], {"producer_byte_rate": 1}, "duplicate entity entry user"),
    ([("planet", "a")], {"producer_byte_rate": 1}, "Unhandled client quota entity type: planet"),
    ([("ip", "127.0.0.1")], {"connection_creation_rate": 1}, "no quotas of addresses"),
    ([("ip", "127.0.0.1"), ("user", "a")], {"connection_creation_rate": 1}, "should not be used with User or ClientId"),
    ([("user", "a")], {"request_percentage": 10}, "Invalid configuration key request_percentage"),
    ([("user", "a")], {"no_such_rate": 10}, "Invalid configuration key no_such_rate"),
    ([("user", "a")], {"producer_byte_rate": 0}, "must be greater than 0"),
    ([("user", "a")], {"producer_byte_rate": -5}, "must be greater than 0"),
    ([("user", "a")], {"producer_byte_rate": 0.5}, "cannot be a fractional value"),
    ([("user", "a")], {"producer_byte_rate": 1.5}, "cannot be a fractional value"),
    ([("user", "a")], {"producer_byte_rate": float("nan")}, "cannot be a fractional value"),
    ([("user", "a")], {"producer_byte_rate": 1e19}, "too large"),
    ([("user", "a")], {"producer_byte_rate": float("inf")}, "too large")])
def test_bad_quotas(quotas, entity, rates, words):
    code, text = quotas.alter(entity, **rates)
    assert code == INVALID_REQUEST and words in text
    assert quotas.describe() == {}


@pytest.mark.parametrize("components, code", [
    ([("", ANY, None)], INVALID_REQUEST), ([("planet", ANY, None)], UNSUPPORTED), ([("user", 3, None)], INVALID_REQUEST),
    ([("user", EXACT, None)], INVALID_REQUEST), ([("user", ANY, "x")], INVALID_REQUEST), ([("user", DEFAULT, "x")], INVALID_REQUEST),
    ([("user", ANY, None)] * 2, INVALID_REQUEST), ([("user", ANY, None), ("ip", ANY, None)], INVALID_REQUEST)])
def test_bad_filters(quotas, components, code):
    assert quotas.describe(*components) == code


def test_quotas_outlive_a_kill(own_broker):
    quotas = Quotas(own_broker)
    quotas.set([("user", "u"), ("client-id", None)], producer_byte_rate=5, consumer_byte_rate=2**53)
    quotas.set([("client-id", "gone")], producer_byte_rate=5)
    quotas.set([("client-id", "gone")], producer_byte_rate=None)
    own_broker.restart(kill=True)
    expected = {(("client-id", None), ("user", "u")): {"producer_byte_rate": 5, "consumer_byte_rate": 2**53}}
    assert Quotas(own_broker).describe() == expected
    own_broker.restart(kill=False)
    assert Quotas(own_broker).describe() == expected


# --- keeping ---------------------------------------------------------------------------------------------------------

def test_a_fast_producer_waits(broker, quotas, kafka, topic):
    fill(broker, topic, 1, 5000)
    records = batch_of(broker, topic)
    quotas.set([("client-id", kafka.client)], producer_byte_rate=1000)
    assert produce(kafka, topic, records).throttle_time_ms == 0
    throttles = [produce(kafka, topic, records).throttle_time_ms]
    while not throttles[-1]:
        throttles.append(produce(kafka, topic, records).throttle_time_ms)
    # Ten seconds' worth goes through at once, and what is above is waited for.
    assert len(throttles) <= 2 and 0 < throttles[-1] <= 6000
    waited = seconds_until_answered(kafka)
    assert waited > throttles[-1] / 1000 - 0.3
    # Another connection of the same client is told at once, and has to wait as well.
    other = Requests(broker, kafka.client)
    assert seconds_until_answered(other) < 1
    assert produce(other, topic, records).throttle_time_ms > 0
    other.close()


def test_without_acknowledgement(broker, quotas, kafka, topic):
    fill(broker, topic, 1, 13_000)
    records = batch_of(broker, topic)
    quotas.set([("client-id", None)], producer_byte_rate=1000)
    produce(kafka, topic, records, acks=0)
    assert 1 < seconds_until_answered(kafka) < 6


def test_what_was_sent_already_does_not_get_ahead_of_the_pause(broker, quotas, topic, name):
    """However the client is called, and so wherever it is counted."""
    fill(broker, topic, 1, 13_000)
    records = batch_of(broker, topic)
    quotas.set([("client-id", None)], producer_byte_rate=1000)
    clients = [Requests(broker, f"{name}.{i}") for i in range(8)]
    begin = time.monotonic()
    for each in clients:
        frames, stream = [], each.stream
        each.stream = SimpleNamespace(send=frames.append)
        produce(each, topic, records, acks=0)
        each.send(MetadataRequest, 4, topics=[], allow_auto_topic_creation=False)
        each.stream = stream
        stream.send(b"".join(frames))
    for each in clients:
        each.receive()
        assert 1 < time.monotonic() - begin < 8
        each.close()


def test_a_fast_consumer_waits_and_misses_nothing(broker, quotas, kafka, topic):
    fill(broker, topic, 4, 4000)
    quotas.set([("user", "ANONYMOUS"), ("client-id", kafka.client)], consumer_byte_rate=1000)
    offset, throttled, begin = 0, 0, time.monotonic()
    while offset < 4:
        answer = fetch(kafka, topic, offset)
        records = fetched(answer)
        throttled += answer.throttle_time_ms
        if records is None:
            assert answer.throttle_time_ms > 0
            continue
        while records:
            offset += 1
            records = records[12 + int.from_bytes(records[8:12], "big"):]
    # The last answer's wait has not been waited for yet.
    waited = throttled - answer.throttle_time_ms
    assert 3000 < throttled < 15_000
    assert time.monotonic() - begin > waited / 1000 - 1


def test_a_record_above_all_quotas_comes_through(broker, quotas, kafka, topic):
    fill(broker, topic, 2, 30_000)
    quotas.set([("user", None)], consumer_byte_rate=1000)
    answer = fetch(kafka, topic, 0)
    assert len(fetched(answer)) > 30_000 and answer.throttle_time_ms > 15_000


def test_what_is_shared_counts(broker, quotas, topic):
    fill(broker, topic, 2, 13_000)
    member = Member(broker, f"{topic}.g")
    assert member.set("share.auto.offset.reset", "earliest") == 0
    error, _, assigned = member.heartbeat(0, [topic])
    assert error == 0
    quotas.set([("client-id", None)], consumer_byte_rate=1000)
    error, got = member.fetch(next(iter(assigned)))
    # It is locked for the member, so it comes, and the pause behind it.
    assert error == 0 and got[0][2] > 13_000 and got[0][3] == [(0, 0, 1)]
    assert 1000 < member.throttle_ms < 6000
    begin = time.monotonic()
    assert member.heartbeat()[0] == 0
    assert 1 < time.monotonic() - begin < 8
    member.close()


def test_others_do_not_wait(broker, quotas, kafka, topic):
    fill(broker, topic, 1, 13_000)
    records = batch_of(broker, topic)
    quotas.set([("client-id", None)], producer_byte_rate=1)
    quotas.set([("client-id", kafka.client)], producer_byte_rate=1_000_000)
    quotas.set([("user", "somebody")], producer_byte_rate=1)
    assert produce(kafka, topic, records).throttle_time_ms == 0
    # The user's own counts before that of clients.
    quotas.set([("user", "ANONYMOUS")], producer_byte_rate=2000)
    assert produce(kafka, topic, records).throttle_time_ms == 0
    assert produce(kafka, topic, records).throttle_time_ms > 2000
