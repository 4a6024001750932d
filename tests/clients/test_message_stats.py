"""Counts and rates of messages, as the HTTP API tells of them, beside what pika has done."""

import time

import harness
import pika
import pytest
from httpapi import Api

pytestmark = pytest.mark.own

PERSISTENT = pika.BasicProperties(delivery_mode=2)


@pytest.fixture
def api(own_broker):
    return Api(own_broker.management_port)


def connect(broker):
    return pika.BlockingConnection(pika.ConnectionParameters(broker.host, broker.amqp_port))


def counts(stats, *names):
    return [stats[name] for name in names]


def test_counts_are_those_of_what_was_done(api, own_broker):
    assert "message_stats" not in api.get("vhosts/%2F")
    connection = connect(own_broker)
    channel = connection.channel()
    channel.confirm_delivery()
    channel.exchange_declare("ms", "fanout")
    for queue in ("ms1", "ms2"):
        channel.queue_declare(queue)
        channel.queue_bind(queue, "ms")
    for _ in range(3):
        channel.basic_publish("ms", "", b"x", PERSISTENT)
    channel.basic_publish("", "nowhere", b"x", PERSISTENT)
    with pytest.raises(pika.exceptions.UnroutableError):
        channel.basic_publish("", "nowhere", b"x", PERSISTENT, mandatory=True)
    method, _, _ = channel.basic_get("ms1")
    channel.basic_nack(method.delivery_tag, requeue=True)
    method, _, _ = channel.basic_get("ms1")
    assert method.redelivered
    channel.basic_ack(method.delivery_tag)
    channel.basic_get("ms1", auto_ack=True)
    consumed = []
    for method, _, _ in channel.consume("ms2"):
        consumed.append(method.delivery_tag)
        if len(consumed) == 3:
            break
    channel.basic_ack(consumed[-1], multiple=True)
    channel.queue_declare("ms2", passive=True)  # what was settled is told before it

    exchange = api.get("exchanges/%2F/ms")["message_stats"]
    assert counts(exchange, "publish_in", "publish_out") == [3, 6]
    default = api.get("exchanges/%2F/amq.default")["message_stats"]
    assert counts(default, "publish_in", "publish_out") == [2, 0]
    first = api.get("queues/%2F/ms1")["message_stats"]
    assert counts(first, "publish", "get", "get_no_ack", "redeliver", "ack", "deliver_get") == [3, 2, 1, 1, 1, 3]
    second = api.get("queues/%2F/ms2")["message_stats"]
    assert counts(second, "publish", "deliver", "deliver_no_ack", "ack", "deliver_get") == [3, 3, 0, 3, 3]
    told, = [one["message_stats"] for one in api.get("channels")]
    of_all = [5, 5, 1, 1, 3, 2, 1, 1, 4, 6]
    names = ("publish", "confirm", "drop_unroutable", "return_unroutable", "deliver", "get", "get_no_ack", "redeliver", "ack",
             "deliver_get")
    assert counts(told, *names) == of_all
    assert counts(api.get("vhosts/%2F")["message_stats"], *names) == of_all
    overview = api.get("overview")
    assert overview["rates_mode"] == "basic" and counts(overview["message_stats"], *names) == of_all
    churn = overview["churn_rates"]
    assert counts(churn, "connection_created", "channel_created", "queue_created", "queue_deleted") == [1, 1, 2, 0]
    channel.queue_delete("ms1")
    channel.queue_declare("ms1")
    connection.close()
    assert "message_stats" not in api.get("queues/%2F/ms1"), "those of the queue that had the name before"
    overview = api.get("overview")
    assert counts(overview["message_stats"], *names) == of_all, "a channel that is gone counts"
    churn = overview["churn_rates"]
    assert counts(churn, "connection_closed", "channel_closed", "queue_created", "queue_deleted") == [1, 1, 3, 1]


def test_who_does_nothing_has_no_counts_and_an_empty_get_is_one(api, own_broker):
    connection = connect(own_broker)
    channel = connection.channel()
    for queue in ("ms", "idle"):
        channel.queue_declare(queue)
    channel.basic_get("ms")
    connection.channel()
    told = sorted(api.get("channels"), key=lambda one: one["number"])
    assert [("message_stats" in one) for one in told] == [True, False]
    assert told[0]["message_stats"]["get_empty"] == 1
    assert "message_stats" not in api.get("queues/%2F/idle")
    assert counts(api.get("queues/%2F/ms")["message_stats"], "get_empty", "get", "deliver_get") == [1, 0, 0]
    connection.close()


def test_a_transaction_counts_when_it_is_committed(api, own_broker):
    connection = connect(own_broker)
    channel = connection.channel()
    channel.queue_declare("ms")
    channel.tx_select()
    for end in (channel.tx_rollback, channel.tx_commit):
        channel.basic_publish("", "ms", b"x")
        channel.basic_publish("", "nowhere", b"x")
        end()
    stats = api.get("overview")["message_stats"]
    assert counts(stats, "publish", "drop_unroutable") == [2, 1]
    connection.close()


def test_rates_come_and_go(api, own_broker):
    connection = connect(own_broker)
    channel = connection.channel()
    channel.queue_declare("ms")
    until = time.monotonic() + 15

    def publish_rate():
        return api.get("queues/%2F/ms")["message_stats"]["publish_details"]["rate"]

    channel.confirm_delivery()  # a queue that nothing was published to has none
    channel.basic_publish("", "ms", b"x")
    while publish_rate() == 0 and time.monotonic() < until:
        channel.basic_publish("", "ms", b"x")
        connection.sleep(0.05)
    assert 0 < publish_rate() < 1000
    total = api.get("overview")["message_stats"]
    assert total["publish_details"]["rate"] > 0 and total["ack_details"]["rate"] == 0
    until = time.monotonic() + 15
    while publish_rate() > 0 and time.monotonic() < until:
        connection.sleep(0.2)
    assert publish_rate() == 0
    connection.close()


def test_a_stream_has_counts_as_a_queue_has(api, own_broker):
    connection = connect(own_broker)
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("ms", durable=True, arguments={"x-queue-type": "stream"})
    assert "message_stats" not in api.get("queues/%2F/ms")
    for _ in range(5):
        channel.basic_publish("", "ms", b"x", PERSISTENT)
    channel.basic_qos(prefetch_count=10)
    for index, (method, _, _) in enumerate(channel.consume("ms", arguments={"x-stream-offset": "first"}), 1):
        if index == 4:
            channel.basic_ack(method.delivery_tag, multiple=True)
        if index == 5:
            break
    channel.queue_declare("ms", passive=True)

    def told():
        return counts(api.get("queues/%2F/ms")["message_stats"], "publish", "deliver", "ack", "get", "deliver_get")

    harness.wait_for(lambda: told() == [5, 5, 4, 0, 5], 5, "they are told")
    churn = api.get("overview")["churn_rates"]
    assert counts(churn, "queue_created", "queue_deleted") == [1, 0]
    connection.close()
    own_broker.kill()
    own_broker.start()
    api = Api(own_broker.management_port)
    assert "message_stats" not in api.get("queues/%2F/ms") and api.get("queues/%2F/ms")["messages"] == 5
    assert api.get("overview")["churn_rates"]["queue_created"] == 0
    connection = connect(own_broker)
    connection.channel().queue_delete("ms")
    assert api.get("overview")["churn_rates"]["queue_deleted"] == 1
    connection.close()


def test_rates_of_lengths(api, own_broker):
    """A queue that grows and shrinks, beside one that rests and a stream; and all of them together."""
    connection = connect(own_broker)
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("ms", durable=True)
    channel.queue_declare("idle", durable=True)
    channel.queue_declare("log", durable=True, arguments={"x-queue-type": "stream"})

    def rates(one):
        return [one[f"messages{what}_details"]["rate"] for what in ("", "_ready", "_unacknowledged")]

    assert rates(api.get("queues/%2F/idle")) == [0, 0, 0] and rates(api.get("overview")["queue_totals"]) == [0, 0, 0]
    until = time.monotonic() + 20
    while time.monotonic() < until:
        for queue in ("ms", "log"):
            channel.basic_publish("", queue, b"x", PERSISTENT)
        connection.sleep(0.02)
        together = rates(api.get("overview")["queue_totals"])
        one, idle, log = (rates(api.get(f"queues/%2F/{queue}")) for queue in ("ms", "idle", "log"))
        if one[0] > 0 and log[0] > 0 and together[0] > 0:
            break
    assert one[0] == one[1] > 0 and one[2] == 0 and idle == [0, 0, 0] and log[1] > 0
    assert rates(api.get("vhosts/%2F"))[0] > 0
    while channel.basic_get("ms")[0]:  # none is settled
        pass
    harness.wait_for(lambda: rates(api.get("queues/%2F/ms"))[2] > 0, 10, "an interval is over")
    found = rates(api.get("queues/%2F/ms"))
    assert found[1] < 0 < found[2]
    harness.wait_for(lambda: rates(api.get("queues/%2F/ms")) == [0, 0, 0], 15, "nothing happens any more")
    totals = api.get("overview")["queue_totals"]
    assert totals["messages"] == totals["messages_ready"] + totals["messages_unacknowledged"] > 0
    assert totals["messages"] == api.get("vhosts/%2F")["messages"]
    connection.close()
