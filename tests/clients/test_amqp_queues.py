"""What AMQP queues do by their arguments, with pika: limits, life span, priorities, one active consumer, counted
failures; transactions and direct replies. Every test also runs against RabbitMQ with PEERS set, but for those marked own.
"""

import threading
import time

import harness
import pika
import pytest
from pamqp import commands
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker, NackError
from test_amqp_pika import (PERSISTENT, bodies, channel, collect, connect, connection, expect_channel_error, get,
                            get_soon, is_empty)

from rawclients import Amqp

__all__ = ["channel", "connection"]  # fixtures

TRANSIENT = pika.BasicProperties()


def declare(channel, name, **arguments):
    """x_max_length=5 is the argument x-max-length."""
    named = {key.replace("_", "-"): value for key, value in arguments.items()}
    return channel.queue_declare(name, durable=True, arguments=named).method


def wait_until(condition, what, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def count(channel, queue):
    return channel.queue_declare(queue, passive=True).method.message_count


def exists(connection, queue):
    try:
        connection.channel().queue_declare(queue, passive=True)
        return True
    except ChannelClosedByBroker as error:
        assert error.reply_code == 404
        return False


def send(channel, queue, *messages):
    for body in messages:
        channel.basic_publish("", queue, body, PERSISTENT)


def dead_letters(channel, name):
    """A queue for dead letters and the arguments that lead to it."""
    declare(channel, f"{name}.dead")
    return f"{name}.dead", {"x_dead_letter_exchange": "", "x_dead_letter_routing_key": f"{name}.dead"}


def death(properties):
    return [(entry["reason"], entry["queue"], entry["count"]) for entry in properties.headers["x-death"]]


# -- limits


def test_max_length_drops_the_oldest(channel, name):
    dead, arguments = dead_letters(channel, name)
    declare(channel, name, x_max_length=2, **arguments)
    channel.confirm_delivery()
    send(channel, name, b"a", b"b", b"c", b"d")
    wait_until(lambda: count(channel, name) == 2, "the queue is still too long")
    assert bodies(channel, name, 2) == [b"c", b"d"]
    _, properties, body = get_soon(channel, dead)
    assert (body, death(properties)) == (b"a", [("maxlen", name, 1)])
    assert properties.headers["x-first-death-reason"] == "maxlen"
    assert get_soon(channel, dead)[2] == b"b"


def test_max_length_does_not_count_what_is_out(channel, name):
    declare(channel, name, x_max_length=1)
    channel.confirm_delivery()
    send(channel, name, b"a")
    method, _, _ = get(channel, name, auto_ack=False)
    send(channel, name, b"b", b"c")
    assert get(channel, name)[2] == b"c"
    channel.basic_nack(method.delivery_tag)
    assert get(channel, name)[2] == b"a"
    assert is_empty(channel, name)


def test_max_length_bytes(channel, name):
    declare(channel, name, x_max_length_bytes=10)
    channel.confirm_delivery()
    send(channel, name, b"aaaa", b"bbbb", b"cccc", b"d")
    wait_until(lambda: count(channel, name) == 3, "the queue is still too large")
    assert bodies(channel, name, 3) == [b"bbbb", b"cccc", b"d"]


@pytest.mark.parametrize("overflow", ["reject-publish", "reject-publish-dlx"])
def test_a_full_queue_refuses(channel, name, overflow):
    dead, arguments = dead_letters(channel, name)
    declare(channel, name, x_max_length=2, x_overflow=overflow, **arguments)
    channel.confirm_delivery()
    send(channel, name, b"a", b"b")
    with pytest.raises(NackError):
        send(channel, name, b"c")
    assert get(channel, name)[2] == b"a"
    send(channel, name, b"d")
    assert bodies(channel, name, 2) == [b"b", b"d"]
    if overflow == "reject-publish":
        assert is_empty(channel, dead)
    else:
        _, properties, body = get_soon(channel, dead)
        assert (body, death(properties)) == (b"c", [("maxlen", name, 1)])


def test_refused_without_confirms_is_dropped(channel, name):
    declare(channel, name, x_max_length=1, x_overflow="reject-publish")
    send(channel, name, b"a", b"b")
    assert get(channel, name)[2] == b"a"
    assert is_empty(channel, name)


def test_a_refused_message_reaches_the_other_queues(channel, name):
    declare(channel, name, x_max_length=0, x_overflow="reject-publish")
    declare(channel, f"{name}.free")
    channel.exchange_declare(name, "fanout")
    channel.queue_bind(name, name)
    channel.queue_bind(f"{name}.free", name)
    channel.confirm_delivery()
    with pytest.raises(NackError):
        channel.basic_publish(name, "", b"x", PERSISTENT)
    assert get(channel, f"{name}.free")[2] == b"x"


def test_limits_survive_kill(own_broker, name):
    connection = connect(own_broker)
    channel = connection.channel()
    dead, arguments = dead_letters(channel, name)
    declare(channel, name, x_max_length_bytes=6, **arguments)
    channel.confirm_delivery()
    send(channel, name, b"aa", b"bb", b"cc", b"dd")
    assert get_soon(channel, dead)[2] == b"aa"
    own_broker.restart(kill=True)
    channel = connect(own_broker).channel()
    channel.confirm_delivery()
    send(channel, name, b"ee")
    wait_until(lambda: count(channel, name) == 3, "the queue is too large")
    assert bodies(channel, name, 3) == [b"cc", b"dd", b"ee"]


# -- life spans


def test_an_unused_queue_goes(connection, channel, name):
    declare(channel, name, x_expires=300)
    declare(channel, f"{name}.consumed", x_expires=300)
    declare(channel, f"{name}.asked", x_expires=300)
    tag = channel.basic_consume(f"{name}.consumed", lambda *_: None)
    for _ in range(4):
        time.sleep(0.15)
        channel.basic_get(f"{name}.asked")
    assert not exists(connection, name)
    assert exists(connection, f"{name}.consumed")
    assert exists(connection, f"{name}.asked")
    channel.basic_cancel(tag)
    wait_until(lambda: not exists(connection, f"{name}.consumed") or time.sleep(0.5), "it is still there")


def test_an_unused_queue_goes_after_a_kill(own_broker, name):
    channel = connect(own_broker).channel()
    dead, arguments = dead_letters(channel, name)
    declare(channel, name, x_expires=1500, **arguments)
    channel.confirm_delivery()
    send(channel, name, b"x")
    own_broker.restart(kill=True)
    connection = connect(own_broker)
    assert exists(connection, name)
    time.sleep(1.8)
    assert not exists(connection, name)
    assert is_empty(connection.channel(), dead)  # what was in it is gone


@pytest.mark.own  # RabbitMQ looks at the highest priority only.
def test_expired_messages_leave_at_the_head_of_each_priority(channel, name):
    dead, arguments = dead_letters(channel, name)
    declare(channel, name, x_max_priority=2, **arguments)
    channel.basic_publish("", name, b"stays", pika.BasicProperties(priority=2))
    channel.basic_publish("", name, b"goes", pika.BasicProperties(priority=1, expiration="50"))
    _, properties, body = get_soon(channel, dead)
    assert (body, death(properties)) == (b"goes", [("expired", name, 1)])
    assert properties.expiration is None
    assert properties.headers["x-death"][0]["original-expiration"] == "50"
    assert get(channel, name)[2] == b"stays"


def test_a_cycle_without_rejection_ends(channel, name):
    channel.exchange_declare(name, "fanout", auto_delete=True)
    declare(channel, name, x_message_ttl=20, x_dead_letter_exchange=name)
    declare(channel, f"{name}.end")
    channel.queue_bind(name, name)
    channel.queue_bind(f"{name}.end", name)
    send(channel, name, b"x")
    _, properties, _ = get_soon(channel, f"{name}.end")
    assert death(properties) == [("expired", name, 1)]
    time.sleep(0.1)
    assert is_empty(channel, name) and is_empty(channel, f"{name}.end")


# -- priorities


def test_priorities(channel, name):
    declare(channel, name, x_max_priority=5)
    channel.confirm_delivery()
    for body, priority in [(b"1", 1), (b"5", 5), (b"3", 3), (b"9", 9), (b"none", None), (b"3'", 3)]:
        channel.basic_publish("", name, body, pika.BasicProperties(delivery_mode=2, priority=priority))
    channel.basic_qos(prefetch_count=2)
    first = collect(channel, name, 2)
    assert [body for _, _, body in first] == [b"5", b"9"]
    channel.cancel()
    channel.basic_recover(requeue=True)  # What is not settled goes back to its place.
    assert bodies(channel, name, 6) == [b"5", b"9", b"3", b"3'", b"1", b"none"]


def test_priorities_survive_kill(own_broker, name):
    channel = connect(own_broker).channel()
    declare(channel, name, x_max_priority=5)
    channel.confirm_delivery()
    for priority in (0, 4, 2, 4):
        channel.basic_publish("", name, b"%d" % priority, pika.BasicProperties(delivery_mode=2, priority=priority))
    own_broker.restart(kill=True)
    assert bodies(connect(own_broker).channel(), name, 4) == [b"4", b"4", b"2", b"0"]


# -- consumers


def test_single_active_consumer(connection, name):
    declare(connection.channel(), name, x_single_active_consumer=True)
    got = []

    def consumer(tag):
        channel = connection.channel()
        channel.basic_consume(name, lambda _c, _m, _p, body: got.append((tag, body)), auto_ack=True, consumer_tag=tag)
        return channel

    channels = [consumer(tag) for tag in ("first", "second", "third")]
    publisher = connection.channel()

    def delivered(*messages):
        got.clear()
        send(publisher, name, *messages)
        deadline = time.monotonic() + 5
        while len(got) < len(messages) and time.monotonic() < deadline:
            connection.process_data_events(0.02)
        return {tag for tag, _ in got}, [body for _, body in got]

    assert delivered(b"a", b"b", b"c") == ({"first"}, [b"a", b"b", b"c"])
    channels[0].basic_cancel("first")
    assert delivered(b"d", b"e") == ({"second"}, [b"d", b"e"])
    channels[1].close()
    assert delivered(b"f") == ({"third"}, [b"f"])
    expect_channel_error(connection, 403, f"ACCESS_REFUSED - queue '{name}' in vhost '/' in exclusive use",
                         lambda other: other.basic_consume(name, lambda *_: None, exclusive=True))


def test_consumer_priority(connection, name):
    channel = connection.channel()
    declare(channel, name)
    got = []
    for tag, priority in (("low", 0), ("high", 5)):
        other = connection.channel()
        other.basic_qos(prefetch_count=2)
        other.basic_consume(name, lambda _c, method, _p, _b: got.append(method.consumer_tag), consumer_tag=tag,
                            arguments={"x-priority": priority})

    def send_and_wait(*bodies):
        wanted = len(got) + len(bodies)
        send(channel, name, *bodies)
        deadline = time.monotonic() + 5
        while len(got) < wanted and time.monotonic() < deadline:
            connection.process_data_events(0.02)

    # The lower one has its turn only when the higher one takes no more.
    send_and_wait(b"1", b"2")
    assert got == ["high", "high"]
    send_and_wait(b"3")
    assert got == ["high", "high", "low"]


# -- quorum queues


def quorum(channel, name, **arguments):
    return declare(channel, name, x_queue_type="quorum", **arguments)


def test_quorum_queues_are_durable(connection, name):
    for property, flags in (("non-durable", {}), ("exclusive-owner", {"durable": True, "exclusive": True}),
                            ("auto-delete", {"durable": True, "auto_delete": True})):
        expect_channel_error(
            connection, 406, f"PRECONDITION_FAILED - invalid property '{property}' for queue '{name}' in vhost '/'",
            lambda other: other.queue_declare(name, arguments={"x-queue-type": "quorum"}, **flags))


def test_delivery_limit(channel, name):
    dead, arguments = dead_letters(channel, name)
    quorum(channel, name, x_delivery_limit=2, **arguments)
    channel.confirm_delivery()
    send(channel, name, b"poison")
    for failures in range(3):
        method, properties, _ = get(channel, name, auto_ack=False)
        assert (properties.headers or {}).get("x-delivery-count", 0) == failures
        assert method.redelivered == (failures > 0)
        channel.basic_reject(method.delivery_tag)
    _, properties, body = get_soon(channel, dead)
    assert (body, death(properties)) == (b"poison", [("delivery_limit", name, 1)])


@pytest.mark.own  # Older RabbitMQs count every return.
def test_a_nack_is_no_failure(channel, name):
    quorum(channel, name, x_delivery_limit=0)
    send(channel, name, b"x")
    for times in range(3):
        method, properties, _ = get(channel, name, auto_ack=False)
        assert (properties.headers or {}).get("x-acquired-count", 0) == times
        assert "x-delivery-count" not in (properties.headers or {})
        channel.basic_nack(method.delivery_tag)


def test_failures_survive_kill(own_broker, name):
    channel = connect(own_broker).channel()
    quorum(channel, name)
    channel.confirm_delivery()
    channel.basic_publish("", name, b"x", TRANSIENT)  # Stored all the same.
    for failures in range(2):
        method, properties, _ = get(channel, name, auto_ack=False)
        assert (properties.headers or {}).get("x-delivery-count", 0) == failures
        channel.basic_reject(method.delivery_tag)
        channel.queue_declare(name, passive=True)
        send(channel, name, b"later")  # Its confirm covers the count.
        own_broker.restart(kill=True)
        channel = connect(own_broker).channel()
        channel.confirm_delivery()
    _, properties, body = get(channel, name)
    assert (body, properties.headers["x-delivery-count"]) == (b"x", 2)


def test_quorum_refuses_global_qos(broker, name):
    connection = connect(broker)
    channel = connection.channel()
    quorum(channel, name)
    channel.basic_qos(prefetch_count=1, global_qos=True)
    with pytest.raises(ConnectionClosedByBroker) as error:
        channel.basic_consume(name, lambda *_: None)
    assert (error.value.reply_code, error.value.reply_text) == (
        540, f"NOT_IMPLEMENTED - queue '{name}' in vhost '/' does not support global qos")


@pytest.mark.own
def test_a_queue_made_anew_knows_nothing_of_deliveries_before(connection, name):
    """The first message of the new queue has the number of the old one's."""
    one, other = connection.channel(), connection.channel()
    for channel in (one, other):
        channel.queue_declare(name)
        channel.basic_publish("", name, b"of %d" % channel.channel_number)
        for _ in range(50):
            method, _, body = channel.basic_get(name)
            if method:
                break
        assert body == b"of %d" % channel.channel_number
        if channel is one:
            channel.queue_delete(name)
    one.basic_ack(1)  # of the old queue
    one.queue_declare(name, passive=True)
    other.basic_nack(1, requeue=True)
    method, _, body = one.basic_get(name)
    assert body == b"of %d" % other.channel_number
    one.basic_ack(method.delivery_tag)


def test_a_get_from_a_queue_that_is_gone_gives_back_what_was_got_before(connection, name):
    channel = connection.channel()
    channel.queue_declare(name)
    channel.basic_publish("", name, b"m")
    assert channel.basic_get(name)[2] == b"m"
    connection.channel().queue_delete(name)
    with pytest.raises(ChannelClosedByBroker) as caught:
        channel.basic_get(name)
    assert caught.value.reply_code == 404
    assert connection.channel().queue_declare(name).method.message_count == 0


def test_quorum_and_single_active_refuses_get(connection, name):
    name = name[-40:]  # Reply texts end at 255 bytes.
    quorum(connection.channel(), name, x_single_active_consumer=True)
    expect_channel_error(connection, 405,
                         f"RESOURCE_LOCKED - cannot obtain access to locked queue '{name}' in vhost '/'. basic.get "
                         "operations are not supported by quorum queues with single active consumer",
                         lambda other: other.basic_get(name))


# -- arguments


@pytest.mark.parametrize("argument, value, why", [
    ("x-expires", 0, "{value_zero,0}"),
    ("x-expires", -1, "{value_negative,-1}"),
    ("x-expires", "a", '"expected integer, got longstr"'),
    ("x-message-ttl", 400000000000, "{value_too_large,400000000000}"),
    ("x-max-length", -1, "{value_negative,-1}"),
    ("x-max-length-bytes", "a", '"expected integer, got longstr"'),
    ("x-overflow", "zzz", "invalid_overflow"),
    ("x-overflow", 5, "{unacceptable_type,signedint}"),
    ("x-max-priority", 256, "{max_value_exceeded,256}"),
    ("x-single-active-consumer", 1, "{unacceptable_type,signedint}"),
    ("x-queue-type", "zzz", "\"unsupported queue type 'zzz'\""),
    ("x-dead-letter-routing-key", "k", "routing_key_but_no_dlx_defined"),
])
def test_invalid_arguments(connection, argument, value, why):
    expect_channel_error(connection, 406,
                         f"PRECONDITION_FAILED - invalid arg '{argument}' for queue 'bad' in vhost '/': {why}",
                         lambda other: other.queue_declare("bad", arguments={argument: value}))


@pytest.mark.parametrize("expiration, why", [
    ("abc", "no_integer"), ("", "no_integer"), ("-1", "{value_negative,-1}"), ("1.5", '{leftover_string,".5"}'),
    ("400000000000", "{value_too_large,400000000000}"),
])
def test_invalid_expiration(connection, expiration, why):
    def publish(channel):
        channel.confirm_delivery()
        channel.basic_publish("", "anything", b"x", pika.BasicProperties(expiration=expiration))

    expect_channel_error(connection, 406, f"PRECONDITION_FAILED - invalid expiration '{expiration}': {why}", publish)


def test_invalid_copies(connection):
    def publish(channel):
        channel.confirm_delivery()
        channel.basic_publish("", "anything", b"x", pika.BasicProperties(headers={"CC": "one"}))

    expect_channel_error(connection, 406,
                         'PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,"CC",longstr}', publish)


@pytest.mark.parametrize("argument, now, wanted, type", [
    ("x-expires", 50000, 60000, "signedint"), ("x-max-length", 5, 6, "signedint"),
    ("x-overflow", "drop-head", "reject-publish", "longstr"), ("x-max-priority", 5, 6, "signedint"),
])
def test_inequivalent_arguments(connection, argument, now, wanted, type):
    queue = f"eq.{argument}"
    connection.channel().queue_delete(queue)
    connection.channel().queue_declare(queue, arguments={argument: now})
    text = f"PRECONDITION_FAILED - inequivalent arg '{argument}' for queue '{queue}' in vhost '/': "
    expect_channel_error(connection, 406, text + f"received '{wanted}' but current is '{now}'",
                         lambda other: other.queue_declare(queue, arguments={argument: wanted}))
    expect_channel_error(connection, 406, text + f"received none but current is the value '{now}' of type '{type}'",
                         lambda other: other.queue_declare(queue))
    connection.channel().queue_delete(queue)


# -- transactions


def test_tx_commit_and_rollback(connection, channel, name):
    declare(channel, name)
    other = connection.channel()
    channel.tx_select()
    send(channel, name, b"dropped")
    channel.tx_rollback()
    send(channel, name, b"a", b"b")
    assert is_empty(other, name)
    channel.tx_commit()
    assert bodies(other, name, 2) == [b"a", b"b"]
    channel.tx_commit()  # There is always one open.
    assert is_empty(other, name)


def test_tx_settles_at_the_commit(connection, channel, name):
    declare(channel, name)
    send(channel, name, b"a", b"b", b"c")
    channel.tx_select()
    got = [get(channel, name, auto_ack=False)[0].delivery_tag for _ in range(3)]
    channel.basic_ack(got[0])
    channel.tx_rollback()
    channel.basic_ack(got[0])  # As if it had not been settled.
    channel.basic_nack(got[1])
    channel.tx_commit()
    channel.basic_ack(got[2])
    channel.close()  # Not committed.
    redelivered = [get(connection.channel(), name) for _ in range(2)]
    assert [body for _, _, body in redelivered] == [b"b", b"c"]
    assert is_empty(connection.channel(), name)


def test_tx_returns_what_reaches_nobody(channel, name):
    returned = []
    channel.add_on_return_callback(lambda _c, method, _p, body: returned.append((method.reply_code, body)))
    channel.tx_select()
    channel.basic_publish("", f"{name}.nowhere", b"x", mandatory=True)
    channel.connection.process_data_events(0.1)
    assert returned == []
    channel.tx_commit()
    channel.connection.process_data_events(0.1)
    assert returned == [(312, b"x")]


def test_tx_misuse(connection):
    expect_channel_error(connection, 406, "PRECONDITION_FAILED - channel is not transactional",
                         lambda channel: channel.tx_commit())
    expect_channel_error(connection, 406, "PRECONDITION_FAILED - channel is not transactional",
                         lambda channel: channel.tx_rollback())

    def confirm_then_tx(channel):
        channel.confirm_delivery()
        channel.tx_select()

    def tx_then_confirm(channel):
        channel.tx_select()
        channel.confirm_delivery()

    expect_channel_error(connection, 406, "PRECONDITION_FAILED - cannot switch from confirm to tx mode",
                         confirm_then_tx)
    expect_channel_error(connection, 406, "PRECONDITION_FAILED - cannot switch from tx to confirm mode",
                         tx_then_confirm)

    def unknown_tag(channel):
        channel.tx_select()
        channel.basic_ack(7)
        channel.tx_commit()

    expect_channel_error(connection, 406, "PRECONDITION_FAILED - unknown delivery tag 7", unknown_tag)


def test_tx_survives_kill(own_broker, name):
    channel = connect(own_broker).channel()
    declare(channel, name)
    declare(channel, f"{name}.out")
    channel.confirm_delivery()
    send(channel, name, b"work")
    channel = connect(own_broker).channel()
    channel.tx_select()
    method, _, body = get(channel, name, auto_ack=False)
    send(channel, f"{name}.out", b"done " + body)
    channel.basic_ack(method.delivery_tag)
    channel.tx_commit()
    send(channel, f"{name}.out", b"never")
    own_broker.restart(kill=True)
    channel = connect(own_broker).channel()
    assert is_empty(channel, name)
    assert get_soon(channel, f"{name}.out")[2] == b"done work"
    assert is_empty(channel, f"{name}.out")


@pytest.fixture
def one_shard():
    """Transactions are atomic for the queues of one shard."""
    broker = harness.Broker(shards=1).start()
    yield broker
    broker.close()


@pytest.mark.own
@pytest.mark.parametrize("delay", [0.05, 0.2, 0.35])
def test_tx_is_whole_after_a_kill(one_shard, name, delay):
    """Each transaction takes one message from `in` and puts its results into three queues, until the broker dies."""
    queues = [f"{name}.{suffix}" for suffix in ("in", "a", "b", "c")]
    connection = connect(one_shard)
    channel = connection.channel()
    for queue in queues:
        declare(channel, queue)
    channel.tx_select()
    send(channel, queues[0], *(b"%d" % n for n in range(2000)))
    channel.tx_commit()
    committed = []

    def work():
        try:
            channel.basic_qos(prefetch_count=1)
            for method, _, body in channel.consume(queues[0]):
                for queue in queues[1:]:
                    send(channel, queue, body)
                channel.basic_ack(method.delivery_tag)
                channel.tx_commit()
                committed.append(body)
        except (pika.exceptions.AMQPError, OSError):
            pass

    worker = threading.Thread(target=work)
    worker.start()
    wait_until(lambda: committed, "nothing is committed")
    time.sleep(delay)
    one_shard.restart(kill=True)
    worker.join()
    channel = connect(one_shard).channel()
    results = [[body for _, _, body in iter(lambda queue=queue: channel.basic_get(queue, auto_ack=True), (None,) * 3)]
               for queue in queues[1:]]
    assert results[0] == results[1] == results[2]
    assert set(committed) <= set(results[0])
    assert len(results[0]) + count(channel, queues[0]) == 2000


# -- direct replies

REPLY_TO = "amq.rabbitmq.reply-to"


def test_direct_reply(broker, connection, name):
    client = connection.channel()
    answers = []
    client.basic_consume(REPLY_TO, lambda _c, method, p, body: answers.append((method.routing_key, p, body)),
                         auto_ack=True)
    client.queue_declare(name)
    client.basic_publish("", name, b"ask", pika.BasicProperties(reply_to=REPLY_TO, correlation_id="7"))
    server_connection = connect(broker)
    server = server_connection.channel()
    _, question, _ = get(server, name)
    assert question.reply_to.startswith(f"{REPLY_TO}.")
    there = server.queue_declare(question.reply_to, passive=True).method
    assert (there.message_count, there.consumer_count) == (0, 1)
    server.confirm_delivery()
    server.basic_publish("", question.reply_to, b"answer", pika.BasicProperties(correlation_id="7"))
    wait_until(lambda: connection.process_data_events(0.01) or answers, "no answer")
    routing_key, properties, body = answers[0]
    assert (routing_key, properties.correlation_id, body) == (question.reply_to, "7", b"answer")
    client.close()
    expect_channel_error(server_connection, 404, f"NOT_FOUND - no queue '{question.reply_to}' in vhost '/'",
                         lambda other: other.queue_declare(question.reply_to, passive=True))
    server.basic_publish("", question.reply_to, b"too late")
    server_connection.close()


def test_direct_reply_is_no_part_of_a_transaction(broker, connection, name):
    client = connection.channel()
    answers = []
    client.basic_consume(REPLY_TO, lambda _c, _m, _p, body: answers.append(body), auto_ack=True)
    client.queue_declare(name)
    client.basic_publish("", name, b"ask", pika.BasicProperties(reply_to=REPLY_TO))
    server_connection = connect(broker)
    server = server_connection.channel()
    _, question, _ = get(server, name)
    server.tx_select()
    server.basic_publish("", question.reply_to, b"before the commit")
    wait_until(lambda: connection.process_data_events(0.01) or answers, "no answer")
    server.tx_commit()
    server.basic_publish("", question.reply_to, b"rolled back")
    server.tx_rollback()
    wait_until(lambda: connection.process_data_events(0.01) or len(answers) > 1, "no second answer")
    assert answers == [b"before the commit", b"rolled back"]
    server_connection.close()


def get_raw(client, queue, before=b""):
    """basic.get in one packet with the frames before it. Result: delivery tag and body, or None."""
    client.deliveries.clear()
    client.stream.send(before + client.frame(commands.Basic.Get(queue=queue)))
    if isinstance(client.wait((commands.Basic.GetOk, commands.Basic.GetEmpty)), commands.Basic.GetEmpty):
        return None
    wait_until(lambda: client.deliveries or client.poll(0.05) and client.deliveries, "a message without its content")
    return client.deliveries[0][0], client.deliveries[0][4]


def test_what_was_settled_before_is_done_before(broker, name):
    """A method finds done what was settled by the frame before it, also when they arrive together: what was given back is
    there to get, and a queue that is full again refuses. On queues of every core."""
    client = Amqp(broker.amqp_port)
    client.confirm_select()
    for index in range(6):
        queue = f"{name}.{index}"
        client.declare(queue, **{"x-max-length": 1, "x-overflow": "reject-publish"})
        client.stream.send(client.publish_frames("", queue, b"first"))
        client.wait(commands.Basic.Ack)
        tag, _ = get_raw(client, queue)
        again = get_raw(client, queue, client.frame(commands.Basic.Nack(tag, requeue=True)))
        assert again and again[1] == b"first", f"{queue} was found empty"
        client.confirms.clear()
        client.stream.send(client.frame(commands.Basic.Nack(again[0], requeue=True))
                           + client.publish_frames("", queue, b"second"))
        wait_until(lambda: client.poll(0.05) and client.confirms, "no answer to the publish")
        assert [positive for _, _, positive in client.confirms] == [False], f"{queue} was not found full"
    client.close()


def test_direct_reply_misuse(connection, name):
    expect_channel_error(connection, 406, "PRECONDITION_FAILED - reply consumer cannot acknowledge",
                         lambda channel: channel.basic_consume(REPLY_TO, lambda *_: None))

    def twice(channel):
        for _ in range(2):
            channel.basic_consume(REPLY_TO, lambda *_: None, auto_ack=True)

    expect_channel_error(connection, 406, "PRECONDITION_FAILED - reply consumer already set", twice)

    def nobody(channel):
        channel.confirm_delivery()
        channel.basic_publish("", name, b"x", pika.BasicProperties(reply_to=REPLY_TO))

    expect_channel_error(connection, 406, "PRECONDITION_FAILED - fast reply consumer does not exist", nobody)


def test_direct_reply_consumer_is_cancelled(connection):
    channel = connection.channel()
    for _ in range(2):
        tag = channel.basic_consume(REPLY_TO, lambda *_: None, auto_ack=True)
        channel.basic_cancel(tag)


@pytest.mark.own
def test_dead_letters_stay_until_a_queue_takes_them(own_broker):
    """`at-least-once`: over a crash, too, and to a queue that is full."""
    link = connect(own_broker)
    channel = link.channel()
    channel.confirm_delivery()
    declare(channel, "q", x_queue_type="quorum", x_dead_letter_exchange="", x_dead_letter_routing_key="dead",
            x_dead_letter_strategy="at-least-once", x_overflow="reject-publish")
    send(channel, "q", b"one", b"two")
    channel.basic_reject(channel.basic_get("q")[0].delivery_tag, requeue=False)
    link.sleep(1.5)
    assert channel.basic_get("q")[2] == b"two"
    assert channel.basic_get("q")[0] is None, "what is rejected is nobody's"
    own_broker.kill()
    own_broker.start()
    link = connect(own_broker)
    channel = link.channel()
    for _ in range(2):
        channel.basic_reject(channel.basic_get("q")[0].delivery_tag, requeue=False)
    declare(channel, "dead", x_max_length=1, x_overflow="reject-publish")
    found = set()
    for _ in range(2):
        wait_until(lambda: count(channel, "dead") == 1, "one is taken")
        found.add(channel.basic_get("dead", auto_ack=True)[2])
    assert found == {b"one", b"two"}
    link.sleep(1.2)
    assert count(channel, "dead") == 0
    link.close()
