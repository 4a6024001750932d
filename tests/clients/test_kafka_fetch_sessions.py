"""Fetch sessions (KIP-227) over the wire: what goes on, what is left out, and what becomes of them in a crash."""

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import KafkaConsumer, TopicPartition
from kafka.protocol.consumer import FetchRequest
from kafkarequests import Requests

NOT_FOUND, WRONG_EPOCH = 70, 71
PARTITIONS = 50


@pytest.fixture
def topic(broker, name):
    make(broker, name)
    return name


def make(broker, name):
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result(20)


def write(broker, topic, *partitions):
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for partition in partitions:
        producer.produce(topic, b"value", partition=partition)
    assert producer.flush(20) == 0


def fetch(requests, session, epoch, topic="", partitions=(), forgotten=(), wait_ms=0, offset=0):
    """Error, session and the partitions in the answer."""
    kinds, version = FetchRequest, 11
    topics = [kinds.FetchTopic(version=version, topic=topic, partitions=[
        kinds.FetchTopic.FetchPartition(version=version, partition=index, current_leader_epoch=-1, fetch_offset=offset,
                                        log_start_offset=-1, partition_max_bytes=1 << 20) for index in partitions])]
    gone = [kinds.ForgottenTopic(version=version, topic=topic, partitions=list(forgotten))]
    answer = requests.call(kinds, version, replica_id=-1, max_wait_ms=wait_ms, min_bytes=1, max_bytes=1 << 22,
                           isolation_level=0, session_id=session, session_epoch=epoch,
                           topics=topics if partitions else [], forgotten_topics_data=gone if forgotten else [], rack_id="")
    return answer.error_code, answer.session_id, [part.partition_index for each in answer.responses for part in each.partitions]


def test_a_session_goes_on(broker, topic):
    requests, everything = Requests(broker), list(range(PARTITIONS))
    error, session, told = fetch(requests, 0, 0, topic, everything)
    assert (error, told) == (0, everything) and session > 0
    assert fetch(requests, session, 1) == (0, session, [])
    write(broker, topic, 7)
    assert fetch(requests, session, 2, wait_ms=5000) == (0, session, [7])
    # What has not been read is told again, and goes to the end.
    write(broker, topic, 3)
    assert fetch(requests, session, 3) == (0, session, [3, 7])
    assert fetch(requests, session, 4, topic, [3, 7], offset=1) == (0, session, [])
    assert fetch(requests, session, 5, topic, [], [7]) == (0, session, [])
    write(broker, topic, 7)
    assert fetch(requests, session, 6) == (0, session, [])
    assert fetch(requests, session, 7, topic, [7], offset=1) == (0, session, [7])
    assert fetch(requests, session, 7) == (WRONG_EPOCH, 0, [])
    assert fetch(requests, session, 9) == (WRONG_EPOCH, 0, [])
    assert fetch(requests, session, 8) == (0, session, [7])
    # A full request closes the session that it names.
    assert fetch(requests, session, -1, topic, [0]) == (0, 0, [0])
    assert fetch(requests, session, 9) == (NOT_FOUND, 0, [])
    assert fetch(requests, 0, 5) == (NOT_FOUND, 0, [])
    requests.close()


def test_all_forgotten(broker, topic):
    requests = Requests(broker)
    _, session, _ = fetch(requests, 0, 0, topic, [0, 1])
    assert fetch(requests, session, 1, topic, [], [0, 1]) == (0, 0, [])
    assert fetch(requests, session, 2) == (NOT_FOUND, 0, [])
    requests.close()


def test_a_request_that_overtakes(broker, topic):
    """The first waits for data when the second comes: as in Kafka its answer is an error."""
    requests = Requests(broker)
    _, session, _ = fetch(requests, 0, 0, topic, [0])
    for epoch in (1, 2):
        requests.send(FetchRequest, 11, replica_id=-1, max_wait_ms=300 * (2 - epoch), min_bytes=1, max_bytes=1 << 20,
                      isolation_level=0, session_id=session, session_epoch=epoch, topics=[], forgotten_topics_data=[], rack_id="")
    first, second = requests.receive(), requests.receive()
    assert (first.error_code, first.responses) == (WRONG_EPOCH, [])
    assert (second.error_code, second.session_id) == (0, session)
    requests.close()


@pytest.mark.own
def test_a_crash_ends_sessions_and_consumers_go_on(own_broker, name):
    own_broker.keep_ports = True
    own_broker.restart(kill=True)
    make(own_broker, name)
    write(own_broker, name, *range(PARTITIONS))
    requests = Requests(own_broker)
    _, session, _ = fetch(requests, 0, 0, name, [0])
    places = [TopicPartition(name, index) for index in range(PARTITIONS)]
    consumer = KafkaConsumer(bootstrap_servers=own_broker.bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=20000)
    consumer.assign(places)
    first = [next(consumer) for _ in places]
    assert {record.partition for record in first} == set(range(PARTITIONS))
    own_broker.restart(kill=True)
    requests.reconnect()
    assert fetch(requests, session, 1) == (NOT_FOUND, 0, [])
    requests.close()
    write(own_broker, name, *range(PARTITIONS))
    second = [next(consumer) for _ in places]
    assert sorted((record.partition, record.offset) for record in second) == [(index, 1) for index in range(PARTITIONS)]
    consumer.close()
