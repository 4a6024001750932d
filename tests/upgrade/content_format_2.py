"""What directories of format 2 hold besides: virtual hosts with limits, users and policies, topics of one codec, streams that
expire, and keys of one tag.

As in content.py: what check() expects is never changed.
"""

import confluent_kafka
import confluent_kafka.admin
import httpapi
import pika
import redis

VHOST, USER, QUEUE = "golden/vhost", "golden-user", "golden.classic"  # of a name that is taken in the first virtual host
PACKED, PACKED_COUNT = "golden.packed", 100
FADING, TAGGED = "golden:fading", ("{golden}:a", "{golden}:b")
CENTURY_SECONDS = 100 * 365 * 86_400


def _channel(ports):
    connection = pika.BlockingConnection(pika.ConnectionParameters(
        port=ports["amqp"], virtual_host=VHOST, credentials=pika.PlainCredentials(USER, "secret")))
    channel = connection.channel()
    channel.confirm_delivery()
    return connection, channel


def _write_amqp_first(ports):
    api = httpapi.Api(ports["management"])
    vhost = httpapi.quote(VHOST)
    api.put(f"vhosts/{vhost}", {"description": "kept", "default_queue_type": "quorum"})
    api.put(f"users/{USER}", {"password": "secret", "tags": "management"})
    api.put(f"permissions/{vhost}/{USER}", {"configure": ".*", "write": ".*", "read": ".*"})
    api.put(f"vhost-limits/{vhost}/max-queues", {"value": 2}, status=204)
    api.put(f"policies/{vhost}/long", {"pattern": "^golden", "definition": {"max-length": 3}, "apply-to": "queues"})
    connection, channel = _channel(ports)
    channel.exchange_declare("golden.topic", "fanout", durable=True)
    channel.queue_declare(QUEUE, durable=True)
    channel.queue_bind(QUEUE, "golden.topic")
    for index in range(5):
        channel.basic_publish("golden.topic", "", b"in the virtual host %d" % index, pika.BasicProperties(delivery_mode=2))
    connection.close()


def _check_amqp(ports):
    api = httpapi.Api(ports["management"])
    vhost = api.get(f"vhosts/{httpapi.quote(VHOST)}")
    assert (vhost["description"], vhost["default_queue_type"]) == ("kept", "quorum")
    [limits] = api.get(f"vhost-limits/{httpapi.quote(VHOST)}")
    assert limits["value"] == {"max-queues": 2}
    connection, channel = _channel(ports)
    channel.queue_declare(QUEUE, durable=True, passive=True)
    found = []
    while (got := channel.basic_get(QUEUE))[0] is not None:
        found.append(got[2])
        channel.basic_ack(got[0].delivery_tag)
    assert found == [b"in the virtual host %d" % index for index in (2, 3, 4)]  # The policy holds three.
    connection.close()


def _write_kafka_first(ports):
    address = {"bootstrap.servers": f"127.0.0.1:{ports['kafka']}"}
    admin = confluent_kafka.admin.AdminClient(address)
    topic = confluent_kafka.admin.NewTopic(PACKED, 1, config={"compression.type": "zstd", "retention.ms": "-1"})
    admin.create_topics([topic])[PACKED].result(20)
    producer = confluent_kafka.Producer({**address, "enable.idempotence": True, "linger.ms": 50})
    for index in range(PACKED_COUNT):
        producer.produce(PACKED, b"packed %d" % index * 10)
    assert producer.flush(20) == 0


def _check_kafka(ports):
    address = {"bootstrap.servers": f"127.0.0.1:{ports['kafka']}"}
    resource = confluent_kafka.admin.ConfigResource(confluent_kafka.admin.ResourceType.TOPIC, PACKED)
    admin = confluent_kafka.admin.AdminClient(address)
    settings = admin.describe_configs([resource])[resource].result(20)
    assert settings["compression.type"].value == "zstd"
    consumer = confluent_kafka.Consumer({**address, "group.id": "golden-packed", "enable.auto.commit": False})
    consumer.assign([confluent_kafka.TopicPartition(PACKED, 0, confluent_kafka.OFFSET_BEGINNING)])
    values = [message.value() for message in consumer.consume(PACKED_COUNT, 20)]
    assert values == [b"packed %d" % index * 10 for index in range(PACKED_COUNT)]
    consumer.close()


def _write_redis_first(ports):
    client = redis.Redis(port=ports["redis"])
    client.xadd(FADING, {"n": 1}, id="1-1")
    client.expire(FADING, CENTURY_SECONDS)
    client.mset({key: f"value of {key}" for key in TAGGED})


def _write_redis_second(ports):
    client = redis.Redis(port=ports["redis"])
    client.xadd(FADING, {"n": 2}, id="1-2")
    client.copy(TAGGED[0], TAGGED[1], replace=True)


def _check_redis(ports):
    client = redis.Redis(port=ports["redis"])
    assert [entry for entry, _ in client.xrange(FADING)] == [b"1-1", b"1-2"]
    assert client.ttl(FADING) > CENTURY_SECONDS // 2
    assert client.mget(TAGGED) == [f"value of {TAGGED[0]}".encode()] * 2


def write_first(ports):
    _write_amqp_first(ports)
    _write_kafka_first(ports)
    _write_redis_first(ports)


def write_second(ports):
    _write_redis_second(ports)


def check(ports):
    _check_amqp(ports)
    _check_kafka(ports)
    _check_redis(ports)
