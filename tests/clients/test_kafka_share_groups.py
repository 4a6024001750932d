"""Share groups (KIP-932) with confluent-kafka's share consumer (librdkafka 2.16), and by frames of our own where a client is too
polite: records are shared out, acknowledged, released and rejected one by one, whichever protocol wrote them, and what was
acknowledged stays so after kill -9."""

import struct
import time
import uuid

import pika
import pytest
import redis
from confluent_kafka import AcknowledgeType, Consumer, KafkaException, Producer, ShareConsumer
from confluent_kafka.admin import AdminClient, NewTopic
from rawshare import ACCEPT, FETCH, GAP, RECORD_LIMIT, REJECT, RELEASE, RENEW, WHOLE_BATCHES, Member, array, body, text

INVALID_CONFIG, INVALID_REQUEST, NON_EMPTY, NOT_FOUND = 40, 42, 68, 69
UNKNOWN_MEMBER, UNKNOWN_PARTITION, UNKNOWN_ID, FENCED = 25, 3, 100, 110
INVALID_STATE, NO_SESSION, INVALID_EPOCH = 121, 122, 123


# --- fixtures -------------------------------------------------------------------------------------------
@pytest.fixture
def admin(broker):
    return AdminClient({"bootstrap.servers": broker.bootstrap})


@pytest.fixture
def topic(admin, name):
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(10)
    return name


@pytest.fixture
def member(broker, topic):
    one = Member(broker, f"{topic}.g")
    yield one
    one.close()


def produce(broker, topic, values, partition=0):
    producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 50})
    for value in values:
        producer.produce(topic, value, partition=partition)
    assert producer.flush(20) == 0


def begin(member, topic):
    """Joins from the beginning of the topic. Result: the topic's id."""
    assert member.set("share.auto.offset.reset", "earliest") == 0
    error, _, assigned = member.heartbeat(0, [topic])
    assert error == 0
    return next(iter(assigned))


def share_consumer(broker, group, explicit=True):
    return ShareConsumer({"bootstrap.servers": broker.bootstrap, "group.id": group,
                          "share.acknowledgement.mode": "explicit" if explicit else "implicit"})


def take(consumers, count, kind=AcknowledgeType.ACCEPT, seconds=40):
    """Polls until so many records came; each is acknowledged and committed. By consumer."""
    got = [[] for _ in consumers]
    deadline = time.monotonic() + seconds
    while sum(map(len, got)) < count:
        assert time.monotonic() < deadline, [len(each) for each in got]
        for consumer, records in zip(consumers, got):
            for message in consumer.poll(0.3):
                assert message.error() is None, message.error()
                records.append(message)
                consumer.acknowledge(message, kind)
            assert not any(consumer.commit_sync(10).values())
    return got


# --- a client of others ---------------------------------------------------------------------------------
def test_consumers_share_a_partition(broker, topic, member):
    member.set("share.auto.offset.reset", "earliest")
    values = [f"v{index}".encode() for index in range(300)]
    for start in range(0, 300, 20):
        produce(broker, topic, values[start:start + 20])
    consumers = [share_consumer(broker, member.group) for _ in range(2)]
    for consumer in consumers:
        consumer.subscribe([topic])
    got = take(consumers, 300)
    assert sorted(message.value() for records in got for message in records) == sorted(values), "each once"
    assert all(message.delivery_count() == 1 for records in got for message in records)
    for consumer in consumers:
        consumer.close()
    error, starts = member.starts(None)
    assert (error, starts) == (0, {(topic, 0): (300, 0)})
    again = share_consumer(broker, member.group)
    again.subscribe([topic])
    produce(broker, topic, [b"more"])
    assert [message.value() for message in take([again], 1)[0]] == [b"more"], "nothing comes again"
    again.close()


def test_released_and_rejected(broker, topic, member):
    member.set("share.auto.offset.reset", "earliest")
    produce(broker, topic, [b"a", b"b", b"c"])
    consumer = share_consumer(broker, member.group)
    consumer.subscribe([topic])
    assert len(take([consumer], 3, AcknowledgeType.RELEASE)[0]) == 3
    second = take([consumer], 3, AcknowledgeType.REJECT)[0]
    assert [(message.value(), message.delivery_count()) for message in second] == [(b"a", 2), (b"b", 2), (b"c", 2)]
    produce(broker, topic, [b"d"])
    assert [message.value() for message in take([consumer], 1)[0]] == [b"d"], "what was rejected does not come again"
    consumer.close()


def test_what_a_consumer_has_comes_back_when_it_closes(broker, topic, member):
    member.set("share.auto.offset.reset", "earliest")
    produce(broker, topic, [b"a", b"b"])
    first = share_consumer(broker, member.group)
    first.subscribe([topic])
    deadline = time.monotonic() + 30
    while not first.poll(1):
        assert time.monotonic() < deadline
    first.close()
    second = share_consumer(broker, member.group)
    second.subscribe([topic])
    assert [message.value() for message in take([second], 2, seconds=20)[0]] == [b"a", b"b"]
    second.close()


@pytest.mark.own
def test_what_amqp_and_redis_wrote_is_shared(broker, name, member):
    stream = redis.Redis(port=broker.redis_port)
    channel = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", broker.amqp_port)).channel()
    channel.queue_declare(name, durable=True)
    channel.confirm_delivery()
    channel.basic_publish("", name, b"from amqp")
    stream.xadd(name, {"value": "from redis"})
    produce(broker, name, [b"from kafka"])
    group = Member(broker, f"{name}.g")
    group.set("share.auto.offset.reset", "earliest")
    consumer = share_consumer(broker, group.group)
    consumer.subscribe([name])
    got = take([consumer], 3)[0]
    assert [message.value() for message in got] == [b"from amqp", b"from redis", b"from kafka"]
    consumer.close()
    _, _, amqp = channel.basic_get(name, auto_ack=True)
    assert amqp == b"from amqp", "the queue has its own place in the log"
    channel.connection.close()
    group.close()


# --- the protocol itself ----------------------------------------------------------------------------------
def test_sessions(broker, topic, member):
    produce(broker, topic, [b"a"])
    ident = begin(member, topic)
    assert member.fetch(ident, epoch=1) == (NO_SESSION, {})
    assert member.fetch(ident, acks=[(0, 0, ACCEPT)], epoch=0) == (INVALID_REQUEST, {})
    error, got = member.fetch(ident)
    assert (error, got[0][0], got[0][3]) == (0, 0, [(0, 0, 1)])
    assert member.fetch(ident, epoch=7) == (INVALID_EPOCH, {})
    assert member.acknowledge(ident, [(0, 0, ACCEPT)], epoch=0) == (INVALID_EPOCH, None)
    assert member.acknowledge(ident, [(0, 0, ACCEPT)]) == (0, 0)
    assert member.fetch(uuid.UUID(int=5), wait_ms=100)[1][0][0] == UNKNOWN_ID
    error, got = member.fetch(ident, partitions=[0, 9], wait_ms=100)
    assert got[9][0] == UNKNOWN_PARTITION
    assert member.acknowledge(ident, [], epoch=-1) == (0, 0)
    assert member.acknowledge(ident, [], epoch=-1) == (NO_SESSION, None)


def test_acknowledgements(broker, topic, member):
    produce(broker, topic, [b"a", b"b", b"c", b"d"])
    ident = begin(member, topic)
    assert member.fetch(ident)[1][0][3] == [(0, 3, 1)]
    other = Member(broker, member.group)
    assert other.fetch(ident) == (0, {}), "all of it is taken"
    assert other.acknowledge(ident, [(0, 0, ACCEPT)]) == (0, INVALID_STATE)
    assert member.acknowledge(ident, [(2, 1, ACCEPT)]) == (0, INVALID_REQUEST)
    assert member.acknowledge(ident, [(0, 1, ACCEPT), (1, 2, ACCEPT)]) == (0, INVALID_STATE), "they overlap"
    assert member.acknowledge(ident, [(0, 1, [ACCEPT])]) == (0, 0)
    assert member.acknowledge(ident, [(0, 1, 4)]) == (0, INVALID_REQUEST), "renewing is of version 2"
    assert member.acknowledge(ident, [(2, 5, ACCEPT)]) == (0, INVALID_REQUEST), "never given out"
    assert member.acknowledge(ident, [(3, 3, ACCEPT), (2, 2, RELEASE)]) == (0, 0), "in any order"
    assert member.acknowledge(ident, [(2, 3, ACCEPT)]) == (0, INVALID_STATE), "all or nothing"
    assert member.fetch(ident)[1][0][3] == [(2, 2, 2)]
    error, got = member.fetch(ident, acks=[(0, 1, [REJECT, GAP]), (2, 2, RELEASE)])
    assert (error, got[0][1], got[0][3]) == (0, 0, [(2, 2, 3)]), "what is done with may be told again"
    assert other.fetch(ident, acks=[(2, 2, ACCEPT)])[1][0][1] == INVALID_STATE
    # It ends with its connection, and what it had comes back.
    waiting = time.monotonic() + 20
    member.close()
    while not (got := other.fetch(ident, wait_ms=200)[1]):
        assert time.monotonic() < waiting
    assert got[0][3] == [(2, 2, 4)]
    other.close()


def test_renewing(broker, topic, member):
    produce(broker, topic, [b"a", b"b", b"c"])
    member.set("share.record.lock.duration.ms", "15000")
    ident = begin(member, topic)
    assert member.fetch(ident, epoch=0, acks=[(0, 0, RENEW)], renews=True) == (INVALID_REQUEST, {}), "nothing can be held yet"
    assert member.fetch(ident)[1][0][3] == [(0, 2, 1)]
    taken = time.monotonic()
    assert member.acknowledge(ident, [(0, 0, RENEW)], renews=False) == (0, INVALID_REQUEST), "it must say so"
    assert member.fetch(ident, acks=[(0, 0, RENEW)], mode=WHOLE_BATCHES)[1][0][1] == INVALID_REQUEST
    other = Member(broker, member.group)
    other.fetch(ident)
    assert other.acknowledge(ident, [(0, 0, RENEW)], renews=True) == (0, INVALID_STATE), "it is another's"
    time.sleep(8)
    assert member.acknowledge(ident, [(0, 0, RENEW)], renews=True) == (0, 0) and member.lock_ms == 15000
    error, got = member.fetch(ident, acks=[(1, 1, RENEW)], renews=True)
    assert (error, got) == (0, {0: (0, 0, 0, [])}), "nothing is given out beside it"
    time.sleep(taken + 16 - time.monotonic())
    assert other.fetch(ident)[1][0][3] == [(2, 2, 2)], "what was not renewed came back"
    assert member.acknowledge(ident, [(0, 1, ACCEPT)]) == (0, 0)
    assert member.set("share.renew.acknowledge.enable", "false") == 0
    assert other.acknowledge(ident, [(2, 2, RENEW)], renews=True) == (0, INVALID_STATE)
    assert other.acknowledge(ident, [(2, 2, ACCEPT)], renews=True) == (0, 0)
    other.close()


def test_as_many_as_asked_for(broker, topic, member):
    for values in ([b"a", b"b", b"c", b"d"], [b"e", b"f"]):
        produce(broker, topic, values)
    ident = begin(member, topic)
    other = Member(broker, member.group)
    for who, count, ranges in ((member, 1, [(0, 0, 1)]), (other, 2, [(1, 2, 1)]), (member, 2, [(3, 4, 1)]), (other, 9, [(5, 5, 1)])):
        assert who.fetch(ident, records=count, mode=RECORD_LIMIT)[1][0][3] == ranges
    assert member.acknowledge(ident, [(3, 3, RELEASE)]) == (0, 0)
    assert other.fetch(ident, records=5, mode=RECORD_LIMIT)[1][0][3] == [(3, 3, 2)]
    assert member.fetch(ident, mode=7) == (INVALID_REQUEST, {})
    other.close()


def test_the_lag(broker, topic, member):
    ident = begin(member, topic)
    assert member.lags([topic])[1] == {(topic, 0): (-1, -1)}, "nothing was read yet"
    produce(broker, topic, [b"a", b"b", b"c", b"d"])
    member.fetch(ident)
    assert member.lags([topic]) == (0, {(topic, 0): (0, 4)})
    member.acknowledge(ident, [(0, 0, ACCEPT), (2, 2, REJECT), (3, 3, RELEASE)])
    assert member.lags([topic, "none"])[1] == {(topic, 0): (1, 2), ("none", 0): (-1, -1)}
    produce(broker, topic, [b"e"])
    assert member.lags(None)[1] == {(topic, 0): (1, 3)}


def test_only_what_commits(broker, topic, member):
    assert member.set("share.isolation.level", "read_committed") == 0
    ident = begin(member, topic)
    assert member.fetch(ident) == (0, {})
    writer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": topic})
    writer.init_transactions()
    writer.begin_transaction()
    writer.produce(topic, b"lost")
    writer.flush()
    produce(broker, topic, [b"behind it"])
    assert member.fetch(ident, wait_ms=300) == (0, {}), "the transaction is open"
    writer.abort_transaction()
    assert member.fetch(ident, wait_ms=5000)[1][0][3] == [(1, 1, 1)]
    writer.begin_transaction()
    writer.produce(topic, b"kept")
    writer.flush()
    assert member.fetch(ident, wait_ms=300) == (0, {})
    writer.commit_transaction()
    assert member.fetch(ident, wait_ms=5000)[1][0][3] == [(3, 3, 1)]
    assert member.set("share.isolation.level", "read_uncommitted") == 0
    writer.begin_transaction()
    writer.produce(topic, b"lost, but seen")
    writer.flush()
    assert member.fetch(ident, wait_ms=5000)[1][0][3] == [(5, 5, 1)]
    writer.abort_transaction()


def test_a_fetch_waits_for_what_comes_back(broker, topic, member):
    produce(broker, topic, [b"a"])
    ident = begin(member, topic)
    assert member.fetch(ident)[1][0][3] == [(0, 0, 1)]
    other = Member(broker, member.group)
    assert other.fetch(ident) == (0, {})
    request = text(other.group) + text(other.name) + body("iiiiii", 1, 10000, 1, 1 << 20, 500, 500) + array([]) + array([]) + b"\0"
    other.connection.stream.send(struct.pack(">ihhi", len(request) + 17, FETCH, 1, 99) + body("h", 6) + b"reader" + b"\0" + request)
    other.connection.correlation = 99
    time.sleep(0.3)
    assert member.acknowledge(ident, [(0, 0, RELEASE)]) == (0, 0)
    started = time.monotonic()
    other.connection._answer(99)
    assert time.monotonic() - started < 5
    other.close()


def test_members(broker, topic, member):
    assert member.heartbeat(3) == (NOT_FOUND, 0, None)
    assert member.heartbeat(0) == (INVALID_REQUEST, 0, None), "no topics"
    error, epoch, assigned = member.heartbeat(0, [topic])
    assert (error, epoch, list(assigned.values())) == (0, 1, [[0]])
    assert member.heartbeat() == (0, 1, None)
    assert member.heartbeat(5)[0] == FENCED
    other = Member(broker, member.group)
    assert other.heartbeat(1)[0] == UNKNOWN_MEMBER
    assert other.heartbeat(0, [topic])[2] == assigned, "both have it"
    assert member.heartbeat()[1] == 2
    assert member.set_start(topic, 0) == NON_EMPTY and member.forget(topic) == NON_EMPTY
    assert other.heartbeat(-1)[:2] == (0, -1)
    assert member.heartbeat(-1)[:2] == (0, -1)
    assert member.heartbeat(2)[0] == UNKNOWN_MEMBER
    with pytest.raises(KafkaException):
        consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": member.group})
        consumer.subscribe([topic], on_assign=lambda *_: pytest.fail("a share group is no other"))
        message = consumer.poll(10)
        raise KafkaException(message.error())
    other.close()


def test_offsets_and_settings(broker, topic, member):
    assert member.starts(None) == (0, {}), "of no group"
    assert member.forget(topic) == NOT_FOUND
    produce(broker, topic, [b"a", b"b"])
    ident = begin(member, topic)
    assert member.starts([topic])[1] == {(topic, 0): (-1, 0)}, "nothing was read yet"
    member.fetch(ident)
    member.acknowledge(ident, [(0, 0, ACCEPT)])
    assert member.starts([topic, "none"]) == (0, {(topic, 0): (1, 0), ("none", 0): (-1, 0)})
    member.heartbeat(-1)
    assert member.set_start(topic, 0) == 0
    assert member.starts(None)[1] == {(topic, 0): (0, 0)}
    assert member.set_start("none", 0) == UNKNOWN_PARTITION
    assert member.fetch(ident)[1][0][3] == [(0, 1, 1)], "it begins anew"
    assert member.forget(topic) == 0
    assert member.forget(topic) == UNKNOWN_PARTITION
    assert member.starts(None) == (0, {})
    stranger = Member(broker, f"{topic}.h")
    assert stranger.set_start(topic, 1) == 0, "that makes the group"
    assert stranger.fetch(ident)[1][0][3] == [(1, 1, 1)]
    stranger.close()
    for setting, value in (("share.auto.offset.reset", "sometime"), ("share.record.lock.duration.ms", "5"),
                           ("share.isolation.level", "committed"), ("consumer.session.timeout.ms", "45000")):
        assert member.set(setting, value) == INVALID_CONFIG
    assert member.set("share.auto.offset.reset", "by_duration:PT1H") == 0


def test_it_begins_at_the_end_unless_told_otherwise(broker, topic, member):
    produce(broker, topic, [b"old"])
    ident = next(iter(member.heartbeat(0, [topic])[2]))
    assert member.fetch(ident) == (0, {})
    produce(broker, topic, [b"new"])
    assert member.fetch(ident, wait_ms=5000)[1][0][3] == [(1, 1, 1)]


def test_five_deliveries(broker, topic, member):
    produce(broker, topic, [b"a"])
    ident = begin(member, topic)
    for delivery in range(1, 6):
        assert member.fetch(ident)[1][0][3] == [(0, 0, delivery)]
        assert member.acknowledge(ident, [(0, 0, RELEASE)]) == (0, 0)
    assert member.fetch(ident) == (0, {})
    assert member.starts([topic])[1] == {(topic, 0): (1, 0)}


def test_what_was_acknowledged_stays_so(own_broker, name):
    admin = AdminClient({"bootstrap.servers": own_broker.bootstrap})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(10)
    produce(own_broker, name, [f"{index}" for index in range(10)])
    member = Member(own_broker, f"{name}.g")
    ident = begin(member, name)
    assert member.fetch(ident)[1][0][3] == [(0, 9, 1)]
    assert member.acknowledge(ident, [(0, 2, ACCEPT), (4, 4, ACCEPT), (5, 5, RELEASE)]) == (0, 0)
    own_broker.kill()
    own_broker.start()
    member = Member(own_broker, f"{name}.g", member.name)
    assert member.heartbeat(1)[0] == UNKNOWN_MEMBER, "it joins again"
    assert member.heartbeat(0, [name])[0] == 0
    assert member.fetch(ident)[1][0][3] == [(3, 3, 1), (5, 5, 2), (6, 9, 1)]
    assert member.acknowledge(ident, [(3, 3, ACCEPT), (5, 9, ACCEPT)]) == (0, 0)
    own_broker.kill()
    own_broker.start()
    assert Member(own_broker, f"{name}.g").starts([name])[1] == {(name, 0): (10, 0)}
