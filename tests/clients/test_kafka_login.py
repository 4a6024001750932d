"""Logins over Kafka (SASL PLAIN): who gets in where the listener demands it, and what happens to the others."""

import struct
import subprocess
from contextlib import contextmanager

import harness
import pytest
from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient
from httpapi import Api
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError as PythonKafkaError
from kafka.protocol.metadata import ApiVersionsRequest, MetadataRequest
from kafka.protocol.sasl import SaslAuthenticateRequest, SaslHandshakeRequest
from kafkarequests import Requests
from rawclients import ConnectionLost

pytestmark = pytest.mark.own
UNSUPPORTED_MECHANISM, ILLEGAL_STATE, AUTHENTICATION_FAILED = 33, 34, 58
LARA = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "sasl_plain_username": "lara"}


@contextmanager
def demanding(shards=1):
    broker = harness.Broker(shards=shards, arguments=["--kafka-login", "required"])
    broker.keep_ports = True
    broker.start()
    try:
        api = Api(broker.management_port)
        api.put("users/lara", {"password": "secret", "tags": ""}, 201)
        api.put("users/some", {"password": "secret", "tags": ""}, 201)
        every = {"configure": ".*", "write": ".*", "read": ".*"}
        api.put("permissions/%2F/lara", every, 201)
        api.put("permissions/%2F/some", {**every, "write": "orders"}, 201)
        yield broker
    finally:
        broker.close()


def confluent(broker, user="lara", password="secret", mechanism="PLAIN", **options):
    return {"bootstrap.servers": broker.bootstrap, "security.protocol": "sasl_plaintext", "sasl.mechanism": mechanism,
            "sasl.username": user, "sasl.password": password, **{key.replace("_", "."): value for key, value in options.items()}}


def errors_of(settings):
    """What librdkafka says of its connection."""
    seen = []
    admin = AdminClient({**settings, "error_cb": seen.append, "log_level": 0})
    harness.wait_for(lambda: admin.poll(0.1) or [each for each in seen if each.code() == KafkaError._AUTHENTICATION], 20,
                     "a failed login")
    return " ".join(each.str() for each in seen)


@pytest.mark.parametrize("shards", [1, 2])
def test_confluent_kafka(shards, name):
    with demanding(shards) as broker:
        for life in range(2):
            producer = Producer(confluent(broker, enable_idempotence=True))
            producer.produce(name, f"life {life}")
            assert producer.flush(20) == 0
            consumer = Consumer(confluent(broker, group_id=f"{name}.{life}", auto_offset_reset="earliest"))
            consumer.subscribe([name])
            found = []
            harness.wait_for(lambda: (message := consumer.poll(0.1)) and found.append(message.value()) or len(found) > life, 20,
                             "the records")
            assert found == [f"life {each}".encode() for each in range(life + 1)]
            consumer.close()
            broker.restart(kill=True)


def test_kafka_python(name):
    with demanding() as broker:
        settings = {"bootstrap_servers": broker.bootstrap, **LARA, "sasl_plain_password": "secret"}
        with KafkaProducer(**settings) as producer:
            producer.send(name, b"value").get(20)
        with KafkaConsumer(name, **settings, auto_offset_reset="earliest", consumer_timeout_ms=20000) as consumer:
            assert next(consumer).value == b"value"
        with pytest.raises(PythonKafkaError):
            KafkaProducer(**{**settings, "sasl_plain_password": "wrong"}, bootstrap_timeout_ms=2000, max_block_ms=2000).send(
                name, b"never").get(5)


def test_who_does_not_get_in():
    with demanding() as broker:
        wrong = "Invalid username or password"
        assert wrong in errors_of(confluent(broker, password="wrong"))
        assert wrong in errors_of(confluent(broker, user="nobody"))
        assert "lacks rights" in errors_of(confluent(broker, user="some"))
        # Of a mechanism that there is not, librdkafka says which there are.
        assert "PLAIN" in errors_of(confluent(broker, mechanism="SCRAM-SHA-256"))
        Api(broker.management_port).delete("users/lara")
        assert wrong in errors_of(confluent(broker))


def closed(requests):
    with pytest.raises(ConnectionLost):
        requests.receive()
    requests.reconnect()


def test_requests_before_the_login():
    with demanding() as broker:
        requests = Requests(broker)
        assert requests.call(ApiVersionsRequest, 0).error_code == 0
        requests.send(MetadataRequest, 1, topics=[])
        closed(requests)
        requests.send(SaslAuthenticateRequest, 1, auth_bytes=b"\0lara\0secret")
        closed(requests)
        answer = requests.call(SaslHandshakeRequest, 1, mechanism="GSSAPI")
        assert (answer.error_code, answer.mechanisms) == (UNSUPPORTED_MECHANISM, ["PLAIN"])
        closed_after(requests)
        assert requests.call(SaslHandshakeRequest, 1, mechanism="PLAIN").error_code == 0
        requests.send(MetadataRequest, 1, topics=[])
        closed(requests)
        # A frame that claims more than a stranger may send.
        requests.stream.send(struct.pack(">i", 1 << 20))
        closed_after(requests)
        requests.close()


def closed_after(requests):
    with pytest.raises(ConnectionLost):
        requests.stream.fill()
    requests.reconnect()


@pytest.mark.parametrize("version", [0, 1, 2])
def test_the_exchange(version):
    with demanding() as broker:
        requests = Requests(broker)
        requests.call(SaslHandshakeRequest, 1, mechanism="PLAIN")
        for token in (b"", b"\0lara\0wrong", b"lara", b"guest\0lara\0secret", b"\0lara\0secret\0"):
            answer = requests.call(SaslAuthenticateRequest, version, auth_bytes=token)
            assert answer.error_code == AUTHENTICATION_FAILED and answer.error_message, token
            closed_after(requests)
            requests.call(SaslHandshakeRequest, 1, mechanism="PLAIN")
        answer = requests.call(SaslAuthenticateRequest, version, auth_bytes=b"\0lara\0secret")
        assert (answer.error_code, answer.error_message, answer.auth_bytes) == (0, None, b"")
        assert version == 0 or answer.session_lifetime_ms == 0
        # It is over; another login is not there.
        assert requests.call(SaslHandshakeRequest, 1, mechanism="PLAIN").error_code == ILLEGAL_STATE
        assert requests.call(SaslAuthenticateRequest, 1, auth_bytes=b"\0lara\0secret").error_code == ILLEGAL_STATE
        assert requests.call(MetadataRequest, 1, topics=[]).brokers
        requests.close()


def test_tokens_without_requests():
    """What follows a handshake of version 0."""
    with demanding() as broker:
        requests = Requests(broker)
        for token, good in ((b"\0lara\0wrong", False), (b"\0lara\0secret", True)):
            assert requests.call(SaslHandshakeRequest, 0, mechanism="PLAIN").error_code == 0
            requests.stream.send(struct.pack(">i", len(token)) + token)
            if good:
                assert requests._read(4) == bytes(4)
            else:
                closed_after(requests)
        assert requests.call(MetadataRequest, 1, topics=[]).brokers
        requests.close()


def test_nobody_is_asked_by_default(broker):
    requests = Requests(broker)
    assert requests.call(SaslHandshakeRequest, 1, mechanism="PLAIN").error_code == ILLEGAL_STATE
    assert requests.call(SaslAuthenticateRequest, 1, auth_bytes=b"\0guest\0guest").error_code == ILLEGAL_STATE
    assert requests.call(MetadataRequest, 1, topics=[]).brokers
    requests.close()


def test_kcat(name):
    with demanding() as broker:
        command = ["kcat", "-b", broker.bootstrap, "-X", "security.protocol=SASL_PLAINTEXT", "-X", "sasl.mechanism=PLAIN",
                   "-X", "sasl.username=lara", "-X", "sasl.password=secret", "-t", name]
        subprocess.run([*command, "-P"], input=b"one\ntwo\n", check=True, timeout=30)
        read = subprocess.run([*command, "-C", "-e", "-q"], stdout=subprocess.PIPE, check=True, timeout=30)
        assert sorted(read.stdout.split()) == [b"one", b"two"]
