"""Limits of users and of the virtual host: set over the HTTP API, met by pika, over all shards, durable."""

import threading

import harness
import pika
import pytest
from httpapi import Api

pytestmark = pytest.mark.own


@pytest.fixture
def api(own_broker):
    return Api(own_broker.management_port)


def make_user(api, user):
    api.put(f"users/{user}", {"password": user, "tags": ""})
    api.put(f"permissions/%2F/{user}", {"configure": ".*", "write": ".*", "read": ".*"})


def connect(broker, user="guest"):
    return pika.BlockingConnection(pika.ConnectionParameters(
        broker.host, broker.amqp_port, credentials=pika.PlainCredentials(user, user)))


def refusal(broker, user="guest"):
    """The text with which a connection is refused: pika has several exceptions for it."""
    with pytest.raises(pika.exceptions.AMQPConnectionError) as refused:
        connect(broker, user)
    return str(refused.value).replace("\\'", "'")


def test_the_api(api):
    make_user(api, "lara")
    assert api.get("vhost-limits") == api.get("user-limits") == []
    api.put("vhost-limits/%2F/max-connections", {"value": 500}, 204)
    api.put("vhost-limits/%2F/max-queues", {"value": -1}, 204)
    api.put("user-limits/lara/max-channels", {"value": 7}, 204)
    limits = [{"vhost": "/", "value": {"max-connections": 500, "max-queues": -1}}]
    assert api.get("vhost-limits") == api.get("vhost-limits/%2F") == limits
    users = [{"user": "lara", "value": {"max-channels": 7}}]
    assert api.get("user-limits") == api.get("user-limits/lara") == users
    assert api.get("user-limits/guest") == []
    assert api.get("users/lara")["limits"] == {"max-channels": 7}
    # What there is not, and what is none.
    api.get("vhost-limits/other", 404)
    api.get("user-limits/nobody", 404)
    api.put("vhost-limits/other/max-queues", {"value": 1}, 404)
    api.put("user-limits/nobody/max-channels", {"value": 1}, 400)
    assert "Unrecognised terms" in api.put("vhost-limits/%2F/max-channels", {"value": 1}, 400)["reason"]
    assert "Unrecognised terms" in api.put("user-limits/lara/max-queues", {"value": 1}, 400)["reason"]
    assert "should be a number" in api.put("vhost-limits/%2F/max-queues", {"value": "1"}, 400)["reason"]
    api.put("vhost-limits/%2F/max-queues", {}, 400)
    api.delete("vhost-limits/%2F/max-queues")
    api.delete("vhost-limits/%2F/max-queues")
    assert api.get("vhost-limits") == [{"vhost": "/", "value": {"max-connections": 500}}]
    # A change of the user keeps them, unless it tells others; they go with it.
    api.put("users/lara", {"password": "lara", "tags": "management"}, 204)
    assert api.get("user-limits/lara") == users
    lara = Api(api.address[1], "lara", "lara")
    assert lara.get("vhost-limits/%2F") == api.get("vhost-limits")
    lara.put("vhost-limits/%2F/max-queues", {"value": 1}, 401)
    api.put("users/lara", {"password": "lara", "tags": "", "limits": {"max-connections": 3}}, 204)
    assert api.get("users/lara")["limits"] == {"max-connections": 3}
    api.put("users/lara", {"password": "lara", "tags": "", "limits": {"max-connections": "3"}}, 400)
    api.delete("user-limits/lara/max-connections")
    assert api.get("user-limits") == []


def test_definitions_hold_them(own_broker, api):
    make_user(api, "lara")
    api.put("vhost-limits/%2F/max-queues", {"value": 70}, 204)
    api.put("user-limits/lara/max-channels", {"value": 7}, 204)
    held = api.get("definitions")
    assert {"component": "vhost-limits", "name": "limits", "vhost": "/", "value": {"max-queues": 70}} in held["parameters"]
    assert [one["limits"] for one in held["users"] if one["name"] == "lara"] == [{"max-channels": 7}]
    other = harness.Broker().start()
    try:
        there = Api(other.management_port)
        there.put("vhost-limits/%2F/max-connections", {"value": 9}, 204)
        there.post("definitions", held, 204)
        assert there.get("definitions")["users"] == held["users"]
        assert there.get("vhost-limits") == api.get("vhost-limits")
        assert there.get("user-limits") == api.get("user-limits")
        bad = {"parameters": [{"component": "vhost-limits", "name": "limits", "vhost": "/", "value": {"x": 1}}]}
        assert "Unrecognised terms" in there.post("definitions", bad, 400)["reason"]
    finally:
        other.close()


def test_connections(own_broker, api):
    make_user(api, "lara")
    api.put("user-limits/lara/max-connections", {"value": 2}, 204)
    first, second = connect(own_broker, "lara"), connect(own_broker, "lara")
    assert "NOT_ALLOWED - connection refused for user 'lara': user connection limit (2) is reached" in refusal(own_broker, "lara")
    others = [connect(own_broker) for _ in range(3)]
    api.put("vhost-limits/%2F/max-connections", {"value": 5}, 204)
    text = "NOT_ALLOWED - access to vhost '/' refused for user 'guest': connection limit (5) is reached"
    assert text in refusal(own_broker)
    # The place of one that is closed, or that breaks, is free.
    first.close()
    third = connect(own_broker, "lara")
    assert "connection limit (5)" in refusal(own_broker)
    second._impl._transport._sock.close()
    harness.wait_for(lambda: len(api.get("connections")) == 4, 10, "the broken connection to go")
    others.append(connect(own_broker))
    api.put("vhost-limits/%2F/max-connections", {"value": -1}, 204)
    others.append(connect(own_broker))
    api.put("user-limits/lara/max-connections", {"value": 0}, 204)
    assert "user connection limit (0) is reached" in refusal(own_broker, "lara")
    third.channel().queue_declare("q")  # Who is connected stays.
    # The API's own operations are no connections.
    api.put("vhost-limits/%2F/max-connections", {"value": 0}, 204)
    api.put("queues/%2F/by-api", {"durable": True})
    assert "connection limit (0) is reached" in refusal(own_broker)


def test_channels(own_broker, api):
    make_user(api, "lara")
    api.put("user-limits/lara/max-channels", {"value": 3}, 204)
    connections = [connect(own_broker, "lara") for _ in range(3)]
    channels = [connection.channel() for connection in connections]
    channels[0].close()
    connections[1].channel()
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as refused:
        connections[2].channel()
    assert (refused.value.reply_code, refused.value.reply_text) == (
        530, "NOT_ALLOWED - number of channels opened for user 'lara' has reached the maximum allowed user limit of (3)")
    # Its channels went with it.
    connections[0].channel()
    connect(own_broker).channel()


def declare(channel, queue, **more):
    """Why it was refused; nothing when it was not."""
    opened = channel.connection.channel()
    try:
        opened.queue_declare(queue, **more)
    except pika.exceptions.ChannelClosedByBroker as refused:
        return refused.reply_code, refused.reply_text
    opened.close()
    return None


def test_queues(own_broker, api):
    channel = connect(own_broker).channel()
    api.put("vhost-limits/%2F/max-queues", {"value": 12}, 204)
    # Names lie on all shards.
    for i in range(10):
        assert declare(channel, f"q{i}") is None
    assert declare(channel, "own", exclusive=True) is None
    assert declare(channel, "stream", durable=True, arguments={"x-queue-type": "stream"}) is None
    for i in range(4):
        assert declare(channel, f"more{i}") == (
            406, f"PRECONDITION_FAILED - cannot declare queue 'more{i}': queue limit in vhost '/' (12) is reached")
    assert "queue limit" in api.put("queues/%2F/by-api", {"durable": True}, 400)["reason"]
    assert declare(channel, "q3") is None
    channel.queue_delete("stream")
    assert declare(channel, "more", durable=True, arguments={"x-queue-type": "quorum"}) is None
    assert declare(channel, "again")[0] == 406
    api.delete("vhost-limits/%2F/max-queues")
    assert declare(channel, "again") is None


def test_queues_declared_at_the_same_time(own_broker, api):
    api.put("vhost-limits/%2F/max-queues", {"value": 20}, 204)
    refused = []

    def work(number):
        channel = connect(own_broker).channel()
        refused.extend(filter(None, (declare(channel, f"{number}.{i}") for i in range(10))))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 40 and {code for code, _ in refused} == {406}
    assert len(api.get("queues")) == 20


def test_they_outlive_kill_and_checkpoints(own_broker, api):
    make_user(api, "lara")
    api.put("vhost-limits/%2F/max-queues", {"value": 1}, 204)
    api.put("user-limits/lara/max-connections", {"value": 0}, 204)
    api.put("user-limits/guest/max-channels", {"value": 9}, 204)
    before = api.get("definitions")
    for stop in (own_broker.kill, own_broker.stop_with_checkpoint, own_broker.kill):
        stop()
        own_broker.start()
        again = Api(own_broker.management_port)
        assert again.get("definitions") == before
        assert "user connection limit (0) is reached" in refusal(own_broker, "lara")
        connection = connect(own_broker)
        assert declare(connection.channel(), "q", durable=True) is None
        assert declare(connection.channel(), "r", durable=True)[0] == 406
        before = again.get("definitions")
        connection.close()
    again.delete("user-limits/lara/max-connections")
    own_broker.kill()
    own_broker.start()
    connect(own_broker, "lara").close()
