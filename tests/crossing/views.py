"""Reads and writes one log over each of the three protocols, for the tests of the view contract.

Every reader returns what its protocol shows, in order: Kafka (partition, offset, key, value, headers); Redis (id, flat
list of fields and values); AMQP (method, properties, body). Nothing is decoded that the protocol does not decode.
"""

import time

import pika
import redis
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

PATIENCE_SECONDS = 15


class Views:
    def __init__(self, broker):
        self.broker = broker
        self.redis = redis.Redis(broker.host, broker.redis_port, socket_timeout=20)
        self.redis.response_callbacks.clear()  # Replies as they are on the wire.
        self.amqp = pika.BlockingConnection(pika.ConnectionParameters(
            broker.host, broker.amqp_port, heartbeat=0, socket_timeout=10))
        self.channel = self.amqp.channel()
        self.channel.confirm_delivery()
        self.producer = Producer({"bootstrap.servers": broker.bootstrap, "acks": "all"})

    def close(self):
        self.redis.close()
        if self.amqp.is_open:
            self.amqp.close()

    # -- writing

    def create_topic(self, name, partitions=1):
        admin = AdminClient({"bootstrap.servers": self.broker.bootstrap})
        admin.create_topics([NewTopic(name, partitions, 1)])[name].result(10)

    def produce(self, name, value, key=None, headers=None, partition=None, timestamp=None):
        reports = []
        options = {key_: item for key_, item in (("partition", partition), ("timestamp", timestamp)) if item is not None}
        self.producer.produce(name, value, key, headers=headers, **options,
                              on_delivery=lambda error, message: reports.append(error or message))
        assert self.producer.flush(15) == 0
        assert hasattr(reports[0], "offset"), reports[0]
        return reports[0].partition(), reports[0].offset()

    def publish(self, body, routing_key, exchange="", **properties):
        self.channel.basic_publish(exchange, routing_key, body, pika.BasicProperties(delivery_mode=2, **properties),
                                   mandatory=True)

    def xadd(self, name, *fields):
        return self.redis.execute_command("XADD", name, "*", *fields)

    # -- reading

    def kafka(self, name, count, group=None, **options):
        """As a member of a consumer group; commits what it read."""
        consumer = Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": group or f"{name}.view",
                             "auto.offset.reset": "earliest", "enable.auto.commit": False,
                             "session.timeout.ms": 10000, **options})
        consumer.subscribe([name])
        records = []
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(records) < count:
            assert time.monotonic() < deadline, f"Kafka shows {len(records)} of {count} records of {name}"
            for message in consumer.consume(count - len(records), 0.2):
                assert message.error() is None, message.error()
                records.append(message)
        consumer.commit(asynchronous=False)
        assert consumer.consume(1, 0.3) == [], "more than expected"
        consumer.close()
        return [(message.partition(), message.offset(), message.key(), message.value(), message.headers() or [])
                for message in records]

    def xread(self, name, after="0"):
        reply = self.redis.execute_command("XREAD", "STREAMS", name, after)
        return [] if reply is None else [(entry_id, fields) for entry_id, fields in reply[0][1]]

    def xreadgroup(self, name, group="view", acknowledge=True):
        try:
            self.redis.execute_command("XGROUP", "CREATE", name, group, "0")
        except redis.ResponseError as error:
            assert "BUSYGROUP" in str(error), error
        reply = self.redis.execute_command("XREADGROUP", "GROUP", group, "c", "STREAMS", name, ">")
        entries = [] if reply is None else [(entry_id, fields) for entry_id, fields in reply[0][1]]
        if acknowledge and entries:
            assert self.redis.execute_command("XACK", name, group, *(entry for entry, _ in entries)) == len(entries)
        return entries

    def amqp_stream(self, name, count, offset="first"):
        """As RabbitMQ reads a stream: with prefetch, x-stream-offset, and acks that only give credit."""
        return self._consume(name, count, arguments={"x-stream-offset": offset})

    def amqp_queue(self, name, count):
        return self._consume(name, count)

    def _consume(self, name, count, arguments=None):
        channel = self.amqp.channel()
        channel.basic_qos(prefetch_count=100)
        got = []
        channel.basic_consume(name, lambda _, method, properties, body: got.append((method, properties, body)),
                              arguments=arguments)
        deadline = time.monotonic() + PATIENCE_SECONDS
        acked = 0
        while len(got) < count:
            assert time.monotonic() < deadline, f"AMQP shows {len(got)} of {count} messages of {name}"
            self.amqp.process_data_events(0.05)
            for method, _, _ in got[acked:]:
                channel.basic_ack(method.delivery_tag)
            acked = len(got)
        self.amqp.process_data_events(0.2)
        assert len(got) == count, "more than expected"
        for method, _, _ in got[acked:]:
            channel.basic_ack(method.delivery_tag)
        channel.close()
        return got


def headers_without(headers, *names):
    return [(name, value) for name, value in headers if name not in names]
