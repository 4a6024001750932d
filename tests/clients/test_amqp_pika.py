"""AMQP 0-9-1 with pika (blocking): exchanges, confirms, returns, qos, redelivery, dead letters, large bodies, errors.

Error texts are those RabbitMQ sends; clients compare them. Every test also runs against RabbitMQ with PEERS set.
"""

import select
import socket
import threading
import time

import pika
import pytest
from pika.exceptions import (ChannelClosedByBroker, ConnectionClosedByBroker, NackError,
                             ProbableAccessDeniedError,
                             ProbableAuthenticationError, UnroutableError)

PERSISTENT = pika.BasicProperties(delivery_mode=2)


def connect(broker, **options):
    return pika.BlockingConnection(pika.ConnectionParameters(
        broker.host, broker.amqp_port, heartbeat=options.pop("heartbeat", 0), socket_timeout=10,
        blocked_connection_timeout=20, **options))


@pytest.fixture
def connection(broker):
    connection = connect(broker)
    yield connection
    if connection.is_open:
        connection.close()


@pytest.fixture
def channel(connection):
    return connection.channel()


@pytest.fixture
def queue(channel, name):
    channel.queue_declare(name, durable=True)
    return name


def get(channel, queue, auto_ack=True):
    method, properties, body = channel.basic_get(queue, auto_ack=auto_ack)
    assert method is not None, f"nothing in {queue}"
    return method, properties, body


def get_soon(channel, queue, auto_ack=True):
    """basic.get of what comes by itself, as dead letters do, and what a lost connection held."""
    deadline = time.monotonic() + 5
    while True:
        method, properties, body = channel.basic_get(queue, auto_ack=auto_ack)
        if method is not None:
            return method, properties, body
        assert time.monotonic() < deadline, f"nothing in {queue}"
        time.sleep(0.01)


def is_empty(channel, queue):
    return channel.basic_get(queue, auto_ack=True)[0] is None


def bodies(channel, queue, count):
    return [get(channel, queue)[2] for _ in range(count)]


def collect(channel, queue, count, seconds=10, **options):
    """Consumes `count` deliveries, then cancels. Returns [(method, properties, body)]."""
    got = []
    for delivery in channel.consume(queue, inactivity_timeout=seconds, **options):
        assert delivery[0] is not None, f"only {len(got)} of {count} deliveries from {queue}"
        got.append(delivery)
        if len(got) == count:
            break
    return got


def expect_channel_error(connection, code, text, action):
    channel = connection.channel()
    with pytest.raises(ChannelClosedByBroker) as error:
        action(channel)
    assert (error.value.reply_code, error.value.reply_text) == (code, text)
    # Only the channel is gone.
    connection.channel().close()


# -- connection


def test_server_properties(connection):
    server = connection._impl.server_properties
    capabilities = server["capabilities"]
    for capability in ("publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
                       "authentication_failure_close", "per_consumer_qos"):
        assert capabilities[capability] is True, capability
    assert server["product"]
    assert server["version"].count(".") == 2


def test_wrong_password_is_refused(broker):
    with pytest.raises(ProbableAuthenticationError, match="ACCESS_REFUSED - Login was refused using authentication "
                                                          "mechanism PLAIN. For details see the broker logfile."):
        connect(broker, credentials=pika.PlainCredentials("guest", "wrong"))


def test_unknown_vhost_is_refused(broker):
    # pika takes any close before open-ok for a refused vhost; its text carries ours.
    with pytest.raises(ProbableAccessDeniedError, match="530.*vhost nowhere not found"):
        connect(broker, virtual_host="nowhere")


@pytest.mark.parametrize("frame_max", [4096, 8192, 131072])
def test_frame_sizes(broker, name, frame_max):
    connection = connect(broker, frame_max=frame_max)
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare(name, durable=True)
    sizes = [0, 1, frame_max - 9, frame_max - 8, frame_max - 7, 3 * frame_max]
    sent = [bytes([index + 1]) * size for index, size in enumerate(sizes)]
    for body in sent:
        channel.basic_publish("", name, body, PERSISTENT)
    assert bodies(channel, name, len(sent)) == sent
    connection.close()


def test_who_is_silent_is_dropped_on_every_core(broker):
    connections = [connect(broker, heartbeat=1) for _ in range(6)]
    # From here on only read: pika would send heartbeats.
    received = {connection._impl._transport._sock: b"" for connection in connections}
    there = list(received)
    deadline = time.monotonic() + 15
    while there and time.monotonic() < deadline:
        for sock in select.select(there, [], [], 0.1)[0]:
            try:
                piece = sock.recv(4096)
            except ConnectionResetError:
                piece = b""
            received[sock] += piece
            if not piece:
                there.remove(sock)
    assert there == []
    assert all(data.startswith(b"\x08\x00\x00\x00\x00\x00\x00\xce") for data in received.values())
    for sock in received:
        sock.close()


def test_heartbeats_keep_a_quiet_connection(broker, name):
    connection = connect(broker, heartbeat=1)
    channel = connection.channel()
    connection.sleep(3.5)
    channel.queue_declare(name, exclusive=True)
    connection.close()


def test_many_channels(connection, name):
    channels = [connection.channel() for _ in range(200)]
    assert len({channel.channel_number for channel in channels}) == 200
    for index, channel in enumerate(channels):
        channel.queue_declare(f"{name}.{index % 10}", exclusive=True)
    for channel in channels:
        channel.close()
    connection.channel(channels[7].channel_number).queue_declare(f"{name}.0", passive=True)


# -- declare, bind, delete


def test_declare_counts_and_passive(channel, name):
    declared = channel.queue_declare(name, durable=True).method
    assert (declared.queue, declared.message_count, declared.consumer_count) == (name, 0, 0)
    channel.confirm_delivery()
    for _ in range(3):
        channel.basic_publish("", name, b"x", PERSISTENT)
    assert channel.queue_declare(name, passive=True).method.message_count == 3
    channel.basic_qos(prefetch_count=1)
    channel.basic_consume(name, lambda *_: None)
    again = channel.queue_declare(name, durable=True).method
    assert (again.message_count, again.consumer_count) == (2, 1)


def test_generated_name_and_last_queue(channel):
    queue = channel.queue_declare("", exclusive=True).method.queue
    assert queue.startswith("amq.gen-") and len(queue) == len("amq.gen-") + 22
    channel.queue_bind("", "amq.fanout")
    channel.basic_publish("amq.fanout", "", b"found")
    assert get(channel, queue)[2] == b"found"


def test_purge_and_delete(channel, queue):
    channel.confirm_delivery()
    for _ in range(5):
        channel.basic_publish("", queue, b"x", PERSISTENT)
    assert channel.queue_purge(queue).method.message_count == 5
    channel.basic_publish("", queue, b"y", PERSISTENT)
    assert channel.queue_delete(queue).method.message_count == 1
    assert channel.queue_delete(queue).method.message_count == 0


def test_if_unused_and_if_empty(connection, channel, queue):
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"x", PERSISTENT)
    expect_channel_error(connection, 406, f"PRECONDITION_FAILED - queue '{queue}' in vhost '/' not empty",
                         lambda other: other.queue_delete(queue, if_empty=True))
    channel.basic_consume(queue, lambda *_: None)
    expect_channel_error(connection, 406, f"PRECONDITION_FAILED - queue '{queue}' in vhost '/' in use",
                         lambda other: other.queue_delete(queue, if_unused=True))


def test_exclusive_queue_belongs_to_its_connection(broker, connection, channel, name):
    name = f"x{name[-12:]}"  # Reply texts end at 255 bytes.
    channel.queue_declare(name, exclusive=True)
    other = connect(broker)
    text = (f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{name}' in vhost '/'. It could be "
            "originally declared on another connection or the exclusive property value does not match that of the "
            "original declaration.")
    expect_channel_error(other, 405, text, lambda channel: channel.queue_declare(name, exclusive=True))
    connection.close()
    deadline = time.monotonic() + 5
    while True:
        try:
            other.channel().queue_declare(name, passive=True)
        except ChannelClosedByBroker as error:
            if error.reply_code == 404:
                break
        assert time.monotonic() < deadline, "exclusive queue outlived its connection"
    other.close()


def test_auto_delete_goes_with_its_last_consumer(connection, channel, name):
    channel.queue_declare(name, auto_delete=True)
    tags = [channel.basic_consume(name, lambda *_: None) for _ in range(2)]
    channel.basic_cancel(tags[0])
    channel.queue_declare(name, passive=True)
    channel.basic_cancel(tags[1])
    expect_channel_error(connection, 404, f"NOT_FOUND - no queue '{name}' in vhost '/'",
                         lambda other: other.queue_declare(name, passive=True))


# -- exchanges


def publish_all(channel, exchange, keys):
    channel.confirm_delivery()
    for key in keys:
        channel.basic_publish(exchange, key, key.encode(), PERSISTENT)


def test_direct_exchange(channel, name, queue):
    channel.exchange_declare(name, "direct", durable=True)
    channel.queue_bind(queue, name, "red")
    channel.queue_bind(queue, name, "blue")
    publish_all(channel, name, ["red", "green", "blue", "re"])
    assert bodies(channel, queue, 2) == [b"red", b"blue"]
    assert is_empty(channel, queue)
    channel.queue_unbind(queue, name, "red")
    channel.queue_unbind(queue, name, "never-bound")
    publish_all(channel, name, ["red", "blue"])
    assert bodies(channel, queue, 1) == [b"blue"]
    assert is_empty(channel, queue)


def test_fanout_exchange(channel, name):
    channel.exchange_declare(name, "fanout")
    queues = [channel.queue_declare("", exclusive=True).method.queue for _ in range(3)]
    for queue in queues:
        channel.queue_bind(queue, name, "ignored")
        channel.queue_bind(queue, name, "also")  # Two bindings, still one copy.
    publish_all(channel, name, ["one", "two"])
    for queue in queues:
        assert bodies(channel, queue, 2) == [b"one", b"two"]
        assert is_empty(channel, queue)


TOPIC_CASES = {
    "order.created.*": ["order.created.premium", "order.created."],
    "order.#": ["order", "order.created", "order.created.premium", "order.created.", "order..x"],
    "#": ["order", "order.created", "order.created.premium", "order.created.", "order..x", "", "other", "a.b.c"],
    "*": ["order", "other"],
    "#.premium": ["order.created.premium"],
    "a.*.c": ["a.b.c"],
    "a.#.c": ["a.b.c"],
    "*.*": ["order.created"],
    "#.#": ["order", "order.created", "order.created.premium", "order.created.", "order..x", "", "other", "a.b.c"],
    "order.*.x": ["order..x"],
    "order.created": ["order.created"],
    "": [""],
}
TOPIC_KEYS = ["order", "order.created", "order.created.premium", "order.created.", "order..x", "", "other", "a.b.c"]


@pytest.mark.parametrize("pattern", TOPIC_CASES)
def test_topic_exchange(channel, name, queue, pattern):
    channel.exchange_declare(name, "topic", durable=True)
    channel.queue_bind(queue, name, pattern)
    publish_all(channel, name, TOPIC_KEYS)
    expected = [key.encode() for key in TOPIC_KEYS if key in TOPIC_CASES[pattern]]
    # A key may be matched by RabbitMQ's reading of an empty last word: the table is what RabbitMQ does.
    assert bodies(channel, queue, len(expected)) == expected
    assert is_empty(channel, queue)


@pytest.mark.parametrize("match, headers, matches", [
    ("all", {"a": 1, "b": "x"}, True),
    ("all", {"a": 1, "b": "x", "c": None}, True),
    ("all", {"a": 1}, False),
    ("all", {"a": 2, "b": "x"}, False),
    ("all", {}, False),
    ("any", {"a": 1}, True),
    ("any", {"b": "x", "z": 0}, True),
    ("any", {"a": 2, "b": "y"}, False),
    ("any", {}, False),
])
def test_headers_exchange(channel, name, queue, match, headers, matches):
    channel.exchange_declare(name, "headers", durable=True)
    channel.queue_bind(queue, name, "", {"x-match": match, "a": 1, "b": "x"})
    channel.confirm_delivery()
    channel.basic_publish(name, "", b"!", pika.BasicProperties(headers=headers, delivery_mode=2))
    if matches:
        assert get(channel, queue)[2] == b"!"
    assert is_empty(channel, queue)


def test_default_exchange_reaches_every_queue_by_name(channel, queue):
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"direct", PERSISTENT)
    method, _, body = get(channel, queue)
    assert (method.exchange, method.routing_key, body) == ("", queue, b"direct")


@pytest.mark.parametrize("exchange, key", [("amq.direct", "k"), ("amq.fanout", ""), ("amq.topic", "k.k"),
                                           ("amq.headers", ""), ("amq.match", "")])
def test_predeclared_exchanges(channel, name, exchange, key):
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, exchange, key, {"x-match": "all", "run": name})
    channel.basic_publish(exchange, key, b"!", pika.BasicProperties(headers={"run": name}))
    assert get(channel, queue)[2] == b"!"


def test_exchange_to_exchange(channel, name, queue):
    channel.exchange_declare(f"{name}.in", "topic")
    channel.exchange_declare(f"{name}.out", "fanout")
    channel.exchange_bind(f"{name}.out", f"{name}.in", "a.#")
    channel.queue_bind(queue, f"{name}.out")
    publish_all(channel, f"{name}.in", ["a.b", "b.a", "a"])
    assert bodies(channel, queue, 2) == [b"a.b", b"a"]
    channel.exchange_unbind(f"{name}.out", f"{name}.in", "a.#")
    publish_all(channel, f"{name}.in", ["a.b"])
    assert is_empty(channel, queue)


def test_exchange_delete(connection, channel, name, queue):
    channel.exchange_declare(name, "direct", durable=True)
    channel.queue_bind(queue, name, "k")
    expect_channel_error(connection, 406, f"PRECONDITION_FAILED - exchange '{name}' in vhost '/' in use",
                         lambda other: other.exchange_delete(name, if_unused=True))
    channel.exchange_delete(name)
    expect_channel_error(connection, 404, f"NOT_FOUND - no exchange '{name}' in vhost '/'",
                         lambda other: other.exchange_declare(name, passive=True))


# -- publishing


def test_confirms_in_a_row(channel, queue):
    channel.confirm_delivery()
    for index in range(200):
        channel.basic_publish("", queue, str(index).encode(), PERSISTENT)
    assert bodies(channel, queue, 200) == [str(index).encode() for index in range(200)]


def test_mandatory_unroutable_is_returned(channel, name):
    channel.confirm_delivery()
    properties = pika.BasicProperties(headers={"n": 7}, message_id="m-1", delivery_mode=2)
    with pytest.raises(UnroutableError) as error:
        channel.basic_publish("", f"{name}.nowhere", b"body", properties, mandatory=True)
    (message,) = error.value.messages
    assert (message.method.reply_code, message.method.reply_text) == (312, "NO_ROUTE")
    assert (message.method.exchange, message.method.routing_key) == ("", f"{name}.nowhere")
    assert (message.properties.headers, message.properties.message_id, message.body) == ({"n": 7}, "m-1", b"body")
    channel.basic_publish("", f"{name}.nowhere", b"body", properties)  # Not mandatory: confirmed and gone.


def test_every_property_comes_back(channel, queue):
    sent = pika.BasicProperties(
        content_type="application/json", content_encoding="gzip", delivery_mode=2, priority=5, correlation_id="c",
        reply_to="r", message_id="m", timestamp=1700000000, type="t", user_id="guest", app_id="a",
        headers={"text": "å", "yes": True, "no": False, "int": 7, "big": 1 << 40, "negative": -3, "none": None, "list": [1, "two", {"three": 3}], "table": {"inner": {"deep": "er"}},
                 "bytes": b"\x00\xff"})
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"", sent)
    got = get(channel, queue)[1]
    for field in ("content_type", "content_encoding", "delivery_mode", "priority", "correlation_id", "reply_to",
                  "message_id", "timestamp", "type", "user_id", "app_id", "expiration", "cluster_id", "headers"):
        assert getattr(got, field) == getattr(sent, field), field


@pytest.mark.parametrize("size", [1, 131072, 1 << 20, 10 << 20])
def test_large_bodies(channel, queue, size):
    body = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    channel.confirm_delivery()
    channel.basic_publish("", queue, body, PERSISTENT)
    channel.basic_publish("", queue, b"after", PERSISTENT)
    assert get(channel, queue)[2] == body
    assert get(channel, queue)[2] == b"after"


def test_transient_queue_and_messages(channel, name):
    channel.queue_declare(name, exclusive=True)
    channel.confirm_delivery()
    channel.basic_publish("", name, b"light", pika.BasicProperties(delivery_mode=1))
    assert get(channel, name)[2] == b"light"


# -- consuming


@pytest.mark.parametrize("closes", ["channel", "connection"])
def test_what_was_published_is_there_when_its_client_has_closed(broker, channel, queue, closes):
    """Without confirms a client has no other word to wait for; the others keep the log from being idle."""
    ended = threading.Event()

    def publish_all_the_time(number):
        with connect(broker) as busy:
            own = busy.channel()
            own.queue_declare(f"{queue}.{number}", durable=True, arguments={"x-max-length": 100})
            own.confirm_delivery()
            while not ended.is_set():
                own.basic_publish("", f"{queue}.{number}", b"x" * 100_000, PERSISTENT)
            own.queue_delete(f"{queue}.{number}")

    others = [threading.Thread(target=publish_all_the_time, args=(number,)) for number in range(4)]
    for other in others:
        other.start()
    try:
        for index in range(100):
            body = b"%d" % index
            publisher = connect(broker)
            own = publisher.channel()
            own.basic_publish("", queue, body, PERSISTENT)
            (publisher if closes == "connection" else own).close()
            assert channel.basic_get(queue, auto_ack=True)[2] == body
            if publisher.is_open:
                publisher.close()
    finally:
        ended.set()
        for other in others:
            other.join(20)


def test_get_empty_and_counts(channel, queue):
    assert channel.basic_get(queue)[0] is None
    channel.confirm_delivery()
    for body in (b"1", b"2", b"3"):
        channel.basic_publish("", queue, body, PERSISTENT)
    method, _, body = get(channel, queue, auto_ack=False)
    assert (method.message_count, method.redelivered, body) == (2, False, b"1")
    channel.basic_ack(method.delivery_tag)


def test_consume_in_order_and_ack(channel, queue):
    channel.confirm_delivery()
    for index in range(100):
        channel.basic_publish("", queue, str(index).encode(), PERSISTENT)
    got = collect(channel, queue, 100)
    assert [body for _, _, body in got] == [str(index).encode() for index in range(100)]
    assert [method.delivery_tag for method, _, _ in got] == list(range(1, 101))
    assert not any(method.redelivered for method, _, _ in got)
    channel.basic_ack(100, multiple=True)
    channel.cancel()
    assert is_empty(channel, queue)


def test_messages_published_while_consuming_arrive(broker, channel, queue):
    def publish():
        connection = connect(broker)
        other = connection.channel()
        other.confirm_delivery()
        for index in range(50):
            other.basic_publish("", queue, str(index).encode(), PERSISTENT)
        connection.close()

    thread = threading.Thread(target=publish)
    thread.start()
    got = collect(channel, queue, 50, auto_ack=True)
    thread.join()
    assert [body for _, _, body in got] == [str(index).encode() for index in range(50)]


@pytest.mark.parametrize("prefetch", [1, 3, 10])
def test_qos_limits_what_is_unacked(connection, channel, queue, prefetch):
    channel.confirm_delivery()
    for index in range(25):
        channel.basic_publish("", queue, str(index).encode(), PERSISTENT)
    seen = []
    channel.basic_qos(prefetch_count=prefetch)
    channel.basic_consume(queue, lambda _, method, properties, body: seen.append((method.delivery_tag, body)))
    deadline = time.monotonic() + 5
    while len(seen) < prefetch and time.monotonic() < deadline:
        connection.process_data_events(0.05)
    connection.process_data_events(0.2)
    assert len(seen) == prefetch
    channel.basic_ack(seen[0][0])
    deadline = time.monotonic() + 5
    while len(seen) < prefetch + 1 and time.monotonic() < deadline:
        connection.process_data_events(0.05)
    connection.process_data_events(0.1)
    assert [body for _, body in seen] == [str(index).encode() for index in range(prefetch + 1)]


def test_round_robin(connection, queue):
    seen = {0: [], 1: []}
    for index in seen:
        consumer = connection.channel()
        consumer.basic_qos(prefetch_count=1)
        consumer.basic_consume(queue, lambda channel, method, properties, body, index=index: (
            seen[index].append(body), channel.basic_ack(method.delivery_tag)))
    publisher = connection.channel()
    for index in range(20):
        publisher.basic_publish("", queue, str(index).encode(), PERSISTENT)
    deadline = time.monotonic() + 10
    while sum(map(len, seen.values())) < 20 and time.monotonic() < deadline:
        connection.process_data_events(0.05)
    assert sorted(seen[0] + seen[1], key=int) == [str(index).encode() for index in range(20)]
    assert len(seen[0]) >= 5 and len(seen[1]) >= 5


def test_nack_requeue_keeps_the_place_and_marks(channel, queue):
    channel.confirm_delivery()
    for body in (b"1", b"2", b"3"):
        channel.basic_publish("", queue, body, PERSISTENT)
    first, _, _ = get(channel, queue, auto_ack=False)
    second, _, _ = get(channel, queue, auto_ack=False)
    channel.basic_nack(second.delivery_tag, requeue=True)
    channel.basic_reject(first.delivery_tag, requeue=True)
    got = [get(channel, queue) for _ in range(3)]
    assert [body for _, _, body in got] == [b"1", b"2", b"3"]
    assert [method.redelivered for method, _, _ in got] == [True, True, False]


def test_nack_multiple_without_requeue_drops(channel, queue):
    channel.confirm_delivery()
    for index in range(4):
        channel.basic_publish("", queue, str(index).encode(), PERSISTENT)
    tags = [get(channel, queue, auto_ack=False)[0].delivery_tag for _ in range(3)]
    channel.basic_nack(tags[-1], multiple=True, requeue=False)
    assert bodies(channel, queue, 1) == [b"3"]
    assert is_empty(channel, queue)


def test_channel_close_requeues(connection, queue):
    first = connection.channel()
    first.confirm_delivery()
    for body in (b"1", b"2"):
        first.basic_publish("", queue, body, PERSISTENT)
    get(first, queue, auto_ack=False)
    get(first, queue, auto_ack=False)
    first.close()
    second = connection.channel()
    got = [get(second, queue) for _ in range(2)]
    assert [(body, method.redelivered) for method, _, body in got] == [(b"1", True), (b"2", True)]


def test_connection_loss_requeues(broker, channel, queue):
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"1", PERSISTENT)
    other = connect(broker)
    other_channel = other.channel()
    assert collect(other_channel, queue, 1)[0][2] == b"1"
    other._impl._transport._sock.shutdown(socket.SHUT_RDWR)  # No close handshake: the socket just goes.
    method, _, body = get_soon(channel, queue)
    assert (body, method.redelivered) == (b"1", True)


def test_recover_requeues(channel, queue):
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"1", PERSISTENT)
    assert not get(channel, queue, auto_ack=False)[0].redelivered
    channel.basic_recover(requeue=True)
    method, _, body = get(channel, queue)
    assert (body, method.redelivered) == (b"1", True)


def test_cancel_keeps_the_unacked(channel, queue):
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"1", PERSISTENT)
    seen = []
    tag = channel.basic_consume(queue, lambda *delivery: seen.append(delivery))
    while not seen:
        channel.connection.process_data_events(1)
    channel.basic_cancel(tag)
    assert is_empty(channel, queue)
    channel.basic_ack(seen[0][1].delivery_tag)
    assert channel.queue_declare(queue, passive=True).method.message_count == 0


def test_server_cancels_when_the_queue_goes(connection, channel, queue):
    cancelled = []
    channel.add_on_cancel_callback(lambda frame: cancelled.append(frame.method.consumer_tag))
    tag = channel.basic_consume(queue, lambda *_: None)
    connection.channel().queue_delete(queue)
    deadline = time.monotonic() + 5
    while not cancelled and time.monotonic() < deadline:
        connection.process_data_events(0.05)
    assert cancelled == [tag]


def test_exclusive_consumer(connection, channel, queue):
    channel.basic_consume(queue, lambda *_: None, exclusive=True)
    expect_channel_error(connection, 403, f"ACCESS_REFUSED - queue '{queue}' in vhost '/' in exclusive use",
                         lambda other: other.basic_consume(queue, lambda *_: None))


def test_auto_ack_consumer_settles_at_once(connection, channel, queue):
    channel.confirm_delivery()
    for index in range(10):
        channel.basic_publish("", queue, str(index).encode(), PERSISTENT)
    assert len(collect(channel, queue, 10, auto_ack=True)) == 10
    channel.close()
    assert is_empty(connection.channel(), queue)


# -- dead letters


def test_reject_goes_to_the_dead_letter_exchange(channel, name):
    dead = f"{name}.dead"
    channel.exchange_declare(f"{name}.dlx", "fanout", durable=True)
    channel.queue_declare(dead, durable=True)
    channel.queue_bind(dead, f"{name}.dlx")
    channel.queue_declare(name, durable=True, arguments={"x-dead-letter-exchange": f"{name}.dlx"})
    channel.exchange_declare(f"{name}.in", "topic")
    channel.queue_bind(name, f"{name}.in", "a.*")
    channel.confirm_delivery()
    channel.basic_publish(f"{name}.in", "a.b", b"letter", pika.BasicProperties(
        headers={"mine": "kept"}, message_id="m", delivery_mode=2))
    before = time.time()
    method, _, _ = get(channel, name, auto_ack=False)
    channel.basic_reject(method.delivery_tag, requeue=False)
    method, properties, body = get_soon(channel, dead)
    assert (method.exchange, method.routing_key, body) == (f"{name}.dlx", "a.b", b"letter")
    assert properties.message_id == "m"
    headers = properties.headers
    assert headers["mine"] == "kept"
    (death,) = headers["x-death"]
    assert death.pop("time").timestamp() == pytest.approx(before, abs=5) if hasattr(
        death["time"], "timestamp") else death.pop("time") == pytest.approx(before, abs=5)
    assert death == {"count": 1, "reason": "rejected", "queue": name, "exchange": f"{name}.in",
                     "routing-keys": ["a.b"]}
    assert headers["x-first-death-reason"] == "rejected"
    assert headers["x-first-death-queue"] == name
    assert headers["x-first-death-exchange"] == f"{name}.in"


def test_dead_letter_routing_key_and_count(channel, name):
    """Rejected, it waits in a second queue until it expires and comes back: one death for each queue and reason."""
    waiting = f"{name}.waiting"
    channel.queue_declare(waiting, durable=True, arguments={
        "x-message-ttl": 50, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": name})
    channel.queue_declare(name, durable=True, arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": waiting})
    channel.confirm_delivery()
    channel.basic_publish("", name, b"letter", PERSISTENT)
    for round_ in (0, 1, 2):
        method, properties, body = get_soon(channel, name, auto_ack=False)
        assert (method.exchange, method.routing_key, body) == ("", name, b"letter")
        deaths = (properties.headers or {}).get("x-death", [])
        assert [(death["queue"], death["reason"], death["count"], death["routing-keys"]) for death in deaths] == (
            [(waiting, "expired", round_, [waiting]), (name, "rejected", round_, [name])] if round_ else [])
        channel.basic_nack(method.delivery_tag, requeue=False)
    assert properties.headers["x-first-death-reason"] == "rejected"
    assert properties.headers["x-first-death-queue"] == name


def test_expired_messages_are_dead_lettered(channel, name):
    dead = f"{name}.dead"
    channel.queue_declare(dead, durable=True)
    channel.queue_declare(name, durable=True, arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
    channel.confirm_delivery()
    channel.basic_publish("", name, b"short", pika.BasicProperties(expiration="200", delivery_mode=2))
    began = time.monotonic()
    _, properties, body = get_soon(channel, dead)
    assert 0.1 < time.monotonic() - began < 2
    assert body == b"short"
    (death,) = properties.headers["x-death"]
    assert (death["reason"], death["original-expiration"]) == ("expired", "200")
    assert properties.expiration is None


def test_queue_ttl(channel, name):
    channel.queue_declare(name, durable=True, arguments={"x-message-ttl": 200})
    channel.confirm_delivery()
    channel.basic_publish("", name, b"short", PERSISTENT)
    assert channel.queue_declare(name, passive=True).method.message_count == 1
    time.sleep(0.6)
    assert is_empty(channel, name)


# -- errors: exact texts


def test_missing_things(connection, name):
    for action in (lambda channel: channel.queue_declare(name, passive=True),
                   lambda channel: channel.basic_consume(name, lambda *_: None),
                   lambda channel: channel.basic_get(name),
                   lambda channel: channel.queue_purge(name),
                   lambda channel: channel.queue_bind(name, "amq.direct", "k")):
        expect_channel_error(connection, 404, f"NOT_FOUND - no queue '{name}' in vhost '/'", action)
    for action in (lambda channel: channel.exchange_declare(name, passive=True),
                   lambda channel: channel.queue_bind(channel.queue_declare("", exclusive=True).method.queue, name)):
        expect_channel_error(connection, 404, f"NOT_FOUND - no exchange '{name}' in vhost '/'", action)


def test_publish_to_a_missing_exchange(connection, name):
    def action(channel):
        channel.confirm_delivery()
        channel.basic_publish(name, "k", b"x")

    expect_channel_error(connection, 404, f"NOT_FOUND - no exchange '{name}' in vhost '/'", action)


def test_redeclare_differs(connection, channel, name):
    channel.queue_declare(name, durable=True)
    expect_channel_error(
        connection, 406, f"PRECONDITION_FAILED - inequivalent arg 'durable' for queue '{name}' in vhost '/': "
        "received 'false' but current is 'true'", lambda other: other.queue_declare(name, durable=False))
    expect_channel_error(
        connection, 406, f"PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue '{name}' in vhost '/': "
        "received the value '1000' of type 'signedint' but current is none",
        lambda other: other.queue_declare(name, durable=True, arguments={"x-message-ttl": 1000}))
    channel.exchange_declare(name, "topic", durable=True)
    expect_channel_error(
        connection, 406, f"PRECONDITION_FAILED - inequivalent arg 'type' for exchange '{name}' in vhost '/': "
        "received 'direct' but current is 'topic'", lambda other: other.exchange_declare(name, "direct", durable=True))


def test_unknown_delivery_tag(connection, queue):
    def action(channel):
        channel.basic_ack(82)
        channel.queue_declare(queue, passive=True)

    expect_channel_error(connection, 406, "PRECONDITION_FAILED - unknown delivery tag 82", action)


def test_double_ack(connection, channel, queue):
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"x", PERSISTENT)

    def action(other):
        tag = get(other, queue, auto_ack=False)[0].delivery_tag
        other.basic_ack(tag)
        other.basic_ack(tag)
        other.queue_declare(queue, passive=True)

    expect_channel_error(connection, 406, "PRECONDITION_FAILED - unknown delivery tag 1", action)


def test_reserved_names(connection, name):
    expect_channel_error(connection, 403, "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'",
                         lambda channel: channel.queue_declare("amq.mine"))
    expect_channel_error(connection, 403, "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'",
                         lambda channel: channel.exchange_declare("amq.mine", "direct"))
    expect_channel_error(connection, 403, "ACCESS_REFUSED - operation not permitted on the default exchange",
                         lambda channel: channel.exchange_delete(""))


def test_bad_expiration(connection, queue):
    def action(channel):
        channel.confirm_delivery()
        channel.basic_publish("", queue, b"x", pika.BasicProperties(expiration="abc"))

    with_error = connection.channel()
    with pytest.raises(ChannelClosedByBroker) as error:
        with_error.confirm_delivery()
        with_error.basic_publish("", queue, b"x", pika.BasicProperties(expiration="abc"))
    assert error.value.reply_code == 406
    assert error.value.reply_text.startswith("PRECONDITION_FAILED - invalid expiration 'abc'")


def test_consumer_tag_reuse_closes_the_connection(broker, name):
    connection = connect(broker)
    channel = connection.channel()
    channel.queue_declare(name, exclusive=True)
    channel.basic_consume(name, lambda *_: None, consumer_tag="t")
    # pika itself refuses a second use of a tag; send the method below it.
    with pytest.raises(ConnectionClosedByBroker) as error:
        channel._impl._send_method(pika.spec.Basic.Consume(queue=name, consumer_tag="t"))
        while True:
            connection.process_data_events(1)
    assert error.value.reply_code == 530
    assert "attempt to reuse consumer tag 't'" in error.value.reply_text


@pytest.mark.own  # RabbitMQ 3.x closes the connection with 503; we follow 4.x.
def test_unknown_exchange_type(connection, name):
    expect_channel_error(connection, 406, "PRECONDITION_FAILED - unknown exchange type 'zz'",
                         lambda channel: channel.exchange_declare(name, "zz"))


def test_tx_if_supported_else_refused(broker, name):
    """A transaction either works whole or is refused with the protocol's own error; it never half-works."""
    connection = connect(broker)
    channel = connection.channel()
    channel.queue_declare(name, durable=True)
    try:
        channel.tx_select()
    except (ConnectionClosedByBroker, ChannelClosedByBroker) as error:
        assert error.reply_code in (540, 503), error
        return
    channel.basic_publish("", name, b"rolled back", PERSISTENT)
    channel.tx_rollback()
    channel.basic_publish("", name, b"committed", PERSISTENT)
    assert connection.channel().queue_declare(name, passive=True).method.message_count == 0
    channel.tx_commit()
    assert bodies(connection.channel(), name, 1) == [b"committed"]
    connection.close()


def test_overflow_reject_publish_if_declared(connection, name):
    """x-overflow reject-publish either nacks beyond the limit or the declaration is refused."""
    channel = connection.channel()
    try:
        channel.queue_declare(name, durable=True, arguments={"x-max-length": 2, "x-overflow": "reject-publish"})
    except ChannelClosedByBroker as error:
        assert error.reply_code in (406, 540), error
        return
    channel.confirm_delivery()
    for _ in range(2):
        channel.basic_publish("", name, b"x", PERSISTENT)
    with pytest.raises(NackError):
        for _ in range(50):
            channel.basic_publish("", name, b"x", PERSISTENT)
