"""How much of everything: a hundred thousand partitions in little memory, a group of a thousand, five thousand connections,
and readers of old records beside those at the end. By frames of our own, so that it is the broker's time that counts."""

import multiprocessing
import os
import statistics
import struct
import time

import harness
import pytest
from confluent_kafka import Producer
from rawkafka import FETCH, LATEST, Kafka, array, text
from rawshare import text as compact
from rawshare import varint

TOPICS, PARTITIONS, TOPICS_AT_ONCE = 10_000, 10, 500
RESIDENT_BYTES_MAX = 1_000_000_000
METADATA_SECONDS_MAX, START_SECONDS_MAX = 1, 5
CREATE_TOPICS, METADATA, API_VERSIONS, PRODUCE = 19, 3, 18, 0
JOIN_GROUP, SYNC_GROUP, GROUP_HEARTBEAT, NEW_HEARTBEAT = 11, 14, 12, 68
MEMBERS, JOINED_SECONDS_MAX = 1_000, 30
CONNECTIONS, CONNECTION_BYTES_MAX = 5_000, 20_000

pytestmark = pytest.mark.own


def create(kafka, names, partitions):
    """All of them, durable."""
    answer = kafka.call(CREATE_TOPICS, 2, array(text(name) + struct.pack(">ih", partitions, 1) + array([]) + array([]) for name in names)
                        + struct.pack(">ib", 60000, 0))
    answer.take("i")
    for _ in range(answer.take("i")):
        answer.text()
        error, size = answer.take("hh")
        assert error == 0 and size == -1


def metadata(kafka):
    """(seconds, topics, partitions) of all there is."""
    began = time.monotonic()
    answer = kafka.call(METADATA, 1, struct.pack(">i", -1))
    seconds = time.monotonic() - began
    for _ in range(answer.take("i")):
        answer.take("i")
        answer.text()
        answer.take("i")
        assert answer.take("h") == -1
    answer.take("i")
    topics = partitions = 0
    for _ in range(answer.take("i")):
        assert answer.take("h") == 0
        answer.text()
        answer.take("b")
        topics += 1
        for _ in range(answer.take("i")):
            assert answer.take("hiiiiii") == (0, partitions % PARTITIONS, 1, 1, 1, 1, 1)
            partitions += 1
    return seconds, topics, partitions


@pytest.mark.timeout(300)
def test_a_hundred_thousand_partitions(own_broker, name):
    kafka = Kafka(own_broker.kafka_port, timeout=60)
    for first in range(0, TOPICS, TOPICS_AT_ONCE):
        create(kafka, [f"{name}.{index}" for index in range(first, first + TOPICS_AT_ONCE)], PARTITIONS)
    producer = Producer({"bootstrap.servers": own_broker.bootstrap, "linger.ms": 100, "queue.buffering.max.messages": TOPICS})
    for index in range(0, TOPICS, 10):
        producer.produce(f"{name}.{index}", b"one", partition=index % PARTITIONS)
    assert producer.flush(60) == 0
    del producer

    def check():
        times = [metadata(kafka) for _ in range(3)]
        assert {each[1:] for each in times} == {(TOPICS, TOPICS * PARTITIONS)}
        print(f"metadata {min(times)[0]:.3f} s, resident {own_broker.resident_bytes()}, started in {own_broker.start_seconds:.2f} s")
        assert min(times)[0] < METADATA_SECONDS_MAX
        assert own_broker.sanitized or own_broker.resident_bytes() < RESIDENT_BYTES_MAX
    check()
    own_broker.restart(kill=True)
    assert own_broker.start_seconds < START_SECONDS_MAX
    kafka = Kafka(own_broker.kafka_port, timeout=60)
    check()
    ends = kafka.offsets([(f"{name}.{index}", index % PARTITIONS) for index in range(0, TOPICS, 10)], LATEST)
    assert set(ends.values()) == {(0, 1)}


# --- groups ---------------------------------------------------------------------------------------------
def joins(group, member=""):
    return text(group) + struct.pack(">ii", 30000, 60000) + text(member) + text("consumer") + array([text("range") + struct.pack(">i", 4) + b"meta"])


@pytest.mark.timeout(120)
def test_a_thousand_members_of_a_classic_group(own_broker, name):
    members = [Kafka(own_broker.kafka_port, timeout=60) for _ in range(MEMBERS)]
    began = time.monotonic()
    for each in members:
        send(each, JOIN_GROUP, 2, joins(name))
    answers = [joined(each) for each in members]
    print(f"joined after {time.monotonic() - began:.2f} s")
    generations = {generation for _, generation, *_ in answers}
    assert {error for error, *_ in answers} == {0} and len(generations) == 1
    generation, = generations
    leader, = [index for index, answer in enumerate(answers) if answer[2] == answer[3]]
    ids = [answer[3] for answer in answers]
    assert sorted(answers[leader][4]) == sorted(ids)
    for index, each in enumerate(members):
        plan = array(text(one) + struct.pack(">i", 5) + b"%05d" % place for place, one in enumerate(ids)) if index == leader else array([])
        send(each, SYNC_GROUP, 1, text(name) + struct.pack(">i", generation) + text(ids[index]) + plan)
    for index, each in enumerate(members):
        answer = each._answer(each.correlation)
        _, error, size = answer.take("ihi")
        assert (error, answer.bytes(size)) == (0, b"%05d" % index)
    seconds = time.monotonic() - began
    print(f"stable after {seconds:.2f} s")
    assert seconds < JOINED_SECONDS_MAX
    began = time.monotonic()
    for index, each in enumerate(members):
        send(each, GROUP_HEARTBEAT, 1, text(name) + struct.pack(">i", generation) + text(ids[index]))
    assert {each._answer(each.correlation).take("ih")[1] for each in members} == {0}
    print(f"heartbeats of all took {time.monotonic() - began:.2f} s")
    for each in members:
        each.close()


def send(kafka, key, version, data, flexible=False):
    kafka.correlation += 1
    request = struct.pack(">hhi", key, version, kafka.correlation) + text("scale") + (b"\0" if flexible else b"") + data
    kafka.stream.send(struct.pack(">i", len(request)) + request)


def joined(kafka):
    """(error, generation, leader, own id, members)"""
    answer = kafka._answer(kafka.correlation)
    _, error, generation = answer.take("ihi")
    answer.text()
    leader, own = answer.text(), answer.text()
    members = []
    for _ in range(answer.take("i")):
        members.append(answer.text())
        answer.bytes(answer.take("i"))
    return error, generation, leader, own, members


def beat(group, member, epoch, topic, owned=b"\0"):
    first = epoch == 0
    return (compact(group) + compact(member) + struct.pack(">i", epoch) + b"\0\0"
            + struct.pack(">i", 60000 if first else -1) + (b"\2" + compact(topic) if first else b"\0") + b"\0\0"
            + (b"\1" if first else owned) + b"\0")


def beaten(kafka):
    """(error, epoch, topic id and partitions or None)"""
    answer = kafka._answer(kafka.correlation)
    answer.take("b")
    _, error = answer.take("ih")
    if (size := answer.take("B")):
        answer.bytes(size - 1)
    answer.bytes(answer.take("B") - 1)
    epoch, _ = answer.take("ii")
    if answer.take("b") < 0:
        return error, epoch, None
    partitions = []
    ident = b""
    for _ in range(answer.take("B") - 1):
        ident = answer.bytes(16)
        partitions += [answer.take("i") for _ in range(answer.take("B") - 1)]
        answer.take("b")
    return error, epoch, (ident, partitions)


@pytest.mark.timeout(180)
def test_a_thousand_members_of_a_group_that_the_broker_assigns(own_broker, name):
    """Each ends up with one of a thousand partitions, all different."""
    admin = Kafka(own_broker.kafka_port, timeout=60)
    create(admin, [name], MEMBERS)
    members = [Kafka(own_broker.kafka_port, timeout=60) for _ in range(MEMBERS)]
    began = time.monotonic()
    epochs, owned = [0] * MEMBERS, [None] * MEMBERS
    rounds = 0
    while rounds < 30:
        rounds += 1
        for index, each in enumerate(members):
            mine = b"\0" if owned[index] is None else b"\2" + owned[index][0] + varint(len(owned[index][1]) + 1) + b"".join(
                struct.pack(">i", partition) for partition in owned[index][1]) + b"\0" if owned[index][1] else b"\1"
            send(each, NEW_HEARTBEAT, 1, beat(name, f"m{index}", epochs[index], name, mine), flexible=True)
        for index, each in enumerate(members):
            error, epochs[index], given = beaten(each)
            assert error == 0
            owned[index] = owned[index] if given is None else given
        if all(each and len(each[1]) == 1 for each in owned) and len(set(epochs)) == 1:
            break
    seconds = time.monotonic() - began
    print(f"{rounds} rounds, {seconds:.2f} s, {seconds / rounds / MEMBERS * 1000:.2f} ms a heartbeat, resident {own_broker.resident_bytes()}")
    assert sorted(each[1][0] for each in owned) == list(range(MEMBERS))
    assert seconds < JOINED_SECONDS_MAX
    for each in members:
        each.close()


# --- connections ----------------------------------------------------------------------------------------
@pytest.mark.timeout(180)
def test_five_thousand_connections(own_broker, name):
    before = own_broker.resident_bytes()
    connections = [Kafka(own_broker.kafka_port, timeout=60) for _ in range(CONNECTIONS)]
    for each in connections:
        send(each, API_VERSIONS, 0, b"")
    assert {each._answer(each.correlation).take("h") for each in connections} == {0}
    create(connections[0], [name], 1)
    waiting = struct.pack(">iiiib", -1, 30000, 1, 1 << 20, 0) + array([text(name) + array([struct.pack(">iqi", 0, 0, 1 << 20)])])
    for each in connections:
        send(each, FETCH, 4, waiting)
    used = own_broker.resident_bytes() - before
    print(f"{used / CONNECTIONS:.0f} bytes a connection")
    assert own_broker.sanitized or used < CONNECTIONS * CONNECTION_BYTES_MAX
    producer = Producer({"bootstrap.servers": own_broker.bootstrap})
    began = time.monotonic()
    producer.produce(name, b"for all")
    assert producer.flush(20) == 0
    assert all(len(each._answer(each.correlation).data) > 70 for each in connections)
    print(f"all heard of it after {time.monotonic() - began:.2f} s")
    assert time.monotonic() - began < 10
    for each in connections:
        each.close()
    harness.wait_for(lambda: len(os.listdir(f"/proc/{own_broker.process.pid}/fd")) < 100, 20, "all are closed")


# --- old records ----------------------------------------------------------------------------------------
COLD_BYTES, RECORD = 512 << 20, b"x" * 16384
TAIL_SECONDS, SLOWER_MAX, TAIL_MS_MAX = 4, 5, 20


def tail_times(broker, topic, seconds):
    """How long each record takes from its producer to a reader at the end, in milliseconds."""
    producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 0})
    reader = Kafka(broker.kafka_port, timeout=20)
    (_, at), = reader.offsets([(topic, 0)], LATEST).values()
    times = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        send(reader, FETCH, 4, struct.pack(">iiiib", -1, 5000, 1, 1 << 20, 0) + array([text(topic) + array(
            [struct.pack(">iqi", 0, at, 1 << 20)])]))
        began = time.monotonic()
        producer.produce(topic, b"now")
        producer.poll(0)
        assert len(reader._answer(reader.correlation).data) > 70
        times.append((time.monotonic() - began) * 1000)
        at += 1
        time.sleep(0.005)
    assert producer.flush(10) == 0
    reader.close()
    return times


def beside_readers(broker, name, *, cold):
    """The times at the end while two others read from the beginning, in processes of their own; and how much they read."""
    stop, read = multiprocessing.Event(), multiprocessing.Value("q", 0)
    readers = [multiprocessing.Process(target=read_all, args=(broker, f"{name}.old", place, stop, read, cold)) for place in range(2)]
    for each in readers:
        each.start()
    try:
        return tail_times(broker, f"{name}.new", TAIL_SECONDS), read.value
    finally:
        stop.set()
        for each in readers:
            each.join()


def tell(times):
    return f"median {statistics.median(times):.2f} ms, p99 {statistics.quantiles(times, n=100)[98]:.2f} ms of {len(times)}"


@pytest.mark.timeout(240)
def test_readers_of_old_records_do_not_slow_the_tail(name):
    """That they come from the disk makes no difference to who reads at the end. (That there are others does, on few cores.)"""
    broker = harness.Broker(durability="os").start()
    try:
        create(Kafka(broker.kafka_port), [f"{name}.old", f"{name}.new"], 1)
        producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 20, "batch.size": 1 << 20, "queue.buffering.max.kbytes": 1 << 20})
        for _ in range(COLD_BYTES // len(RECORD)):
            producer.produce(f"{name}.old", RECORD)
        assert producer.flush(60) == 0
        del producer
        broker.restart(kill=False)
        alone = tail_times(broker, f"{name}.new", TAIL_SECONDS)
        warm, warm_read = beside_readers(broker, name, cold=False)
        cold, cold_read = beside_readers(broker, name, cold=True)
        print(f"alone {tell(alone)}\nbeside {warm_read >> 20} MiB from memory: {tell(warm)}\nbeside {cold_read >> 20} MiB from the disk: {tell(cold)}")
        assert cold_read > 64 << 20
        assert statistics.median(cold) < max(statistics.median(warm) * SLOWER_MAX, TAIL_MS_MAX)
    finally:
        broker.close()


def read_all(broker, topic, place, stop, read, cold):
    """From the beginning, again and again, as much at once as clients ask for by default; the second one begins elsewhere."""
    kafka = Kafka(broker.kafka_port, timeout=20)
    at = place * COLD_BYTES // len(RECORD) // 2
    if cold:
        harness.drop_from_cache(broker.data_directory)
    while not stop.is_set():
        reply = kafka.call(FETCH, 4, struct.pack(">iiiib", -1, 0, 0, 50 << 20, 0) + array([text(topic) + array(
            [struct.pack(">iqi", 0, at, 1 << 20)])]))
        size = len(reply.data)
        with read.get_lock():
            read.value += size
        at = at + max(1, (size - 100) // (len(RECORD) + 20)) if size > 1000 else 0
        if cold and at == 0:
            harness.drop_from_cache(broker.data_directory)
    kafka.close()
