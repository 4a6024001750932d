"""Users and what they may do: made over the HTTP API, met by pika and aio-pika, also over kill -9."""

import asyncio

import aio_pika
import harness
import pika
import pytest
from httpapi import Api, quote

pytestmark = pytest.mark.own
# Of RabbitMQ's documentation: the hash of "test12".
KNOWN_HASH = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"


@pytest.fixture
def api(own_broker):
    return Api(own_broker.management_port)


def connect(broker, user, password):
    return pika.BlockingConnection(pika.ConnectionParameters(
        broker.host, broker.amqp_port, credentials=pika.PlainCredentials(user, password)))


def grant(api, user, configure="", write="", read="", password="secret", tags="", status=201):
    api.put(f"users/{user}", {"password": password, "tags": tags}, status)
    api.put(f"permissions/%2F/{user}", {"configure": configure, "write": write, "read": read}, status)


class Refused:
    """Each call on a channel of its own must end with 403 and the text."""

    def __init__(self, connection):
        self.connection = connection

    def __call__(self, text, act):
        channel = self.connection.channel()
        with pytest.raises(pika.exceptions.ChannelClosedByBroker) as refused:
            act(channel)
        assert (refused.value.reply_code, refused.value.reply_text) == (403, "ACCESS_REFUSED - " + text)


def test_logins(own_broker, api):
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        connect(own_broker, "lara", "secret")
    api.put("users/lara", {"password": "secret", "tags": "management,monitoring"})
    with pytest.raises(pika.exceptions.ProbableAccessDeniedError) as refused:
        connect(own_broker, "lara", "secret")
    assert "access to vhost '/' refused for user 'lara'" in str(refused.value)
    api.put("permissions/%2F/lara", {"configure": "", "write": "", "read": ""})
    connect(own_broker, "lara", "secret").close()
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        connect(own_broker, "lara", "guest")
    # A new password, a hash of another broker, no password.
    api.put("users/lara", {"password": "other", "tags": ""}, 204)
    connect(own_broker, "lara", "other").close()
    api.put("users/lara", {"password_hash": KNOWN_HASH, "tags": ""}, 204)
    connect(own_broker, "lara", "test12").close()
    api.put("users/lara", {"password_hash": "", "tags": ""}, 204)
    for password in ("", "test12"):
        with pytest.raises(pika.exceptions.ProbableAuthenticationError):
            connect(own_broker, "lara", password)
    api.put("users/lara", {"password_hash": "AAAA", "tags": ""}, 400)
    api.put("users/lara", {"password": "x"}, 400)
    api.put("permissions/%2F/lara", {"configure": "(", "write": "", "read": ""}, 400)
    api.put("permissions/%2F/nobody", {"configure": "", "write": "", "read": ""}, 400)


def test_every_operation_is_checked(own_broker, api):
    admin = connect(own_broker, "guest", "guest").channel()
    for queue in ("open", "shut"):
        admin.queue_declare(queue, durable=True)
    for exchange in ("open", "shut"):
        admin.exchange_declare(exchange, "topic")
    grant(api, "lara", configure="^open", write="^(open|amq.default)", read="^open")
    connection = connect(own_broker, "lara", "secret")
    free = connection.channel()
    free.confirm_delivery()
    free.queue_declare("open", durable=True)
    free.queue_declare("open", passive=True)
    free.queue_bind("open", "open", "#")
    free.basic_publish("open", "k", b"1")
    free.basic_publish("", "open", b"2")
    assert free.basic_get("open", auto_ack=True)[2] == b"1"
    free.exchange_declare("open2", "fanout", arguments={"alternate-exchange": "open"})
    free.exchange_bind("open2", "open")
    free.queue_declare("open-dead", arguments={"x-dead-letter-exchange": "open"})
    free.queue_purge("open")

    refused = Refused(connection)
    queue, exchange = "queue 'shut' in vhost '/' refused for user 'lara'", "exchange 'shut' in vhost '/' refused for user 'lara'"
    refused("configure access to " + queue, lambda c: c.queue_declare("shut", durable=True))
    refused("configure access to queue 'new' in vhost '/' refused for user 'lara'", lambda c: c.queue_declare("new"))
    refused("access to " + queue, lambda c: c.queue_declare("shut", passive=True))
    refused("configure access to " + queue, lambda c: c.queue_delete("shut"))
    refused("read access to " + queue, lambda c: c.queue_purge("shut"))
    refused("read access to " + queue, lambda c: c.basic_get("shut"))
    refused("read access to " + queue, lambda c: c.basic_consume("shut", print))
    refused("write access to " + queue, lambda c: c.queue_bind("shut", "open", "k"))
    refused("read access to " + exchange, lambda c: c.queue_bind("open", "shut", "k"))
    refused("write access to " + queue, lambda c: c.queue_unbind("shut", "open", "k"))
    refused("write access to " + exchange, lambda c: c.exchange_bind("shut", "open"))
    refused("read access to " + exchange, lambda c: c.exchange_bind("open", "shut"))
    refused("configure access to " + exchange, lambda c: c.exchange_declare("shut", "topic"))
    refused("access to " + exchange, lambda c: c.exchange_declare("shut", passive=True))
    refused("configure access to " + exchange, lambda c: c.exchange_delete("shut"))
    refused("write access to " + exchange,
            lambda c: c.queue_declare("open-d", arguments={"x-dead-letter-exchange": "shut"}))
    refused("write access to " + exchange,
            lambda c: c.exchange_declare("open3", "fanout", arguments={"alternate-exchange": "shut"}))

    def publish(channel):
        channel.confirm_delivery()
        channel.basic_publish("shut", "k", b"x")

    refused("write access to " + exchange, publish)
    api.put("permissions/%2F/lara", {"configure": ".*", "write": "^open$", "read": ".*"}, 204)

    def publish_by_name(channel):
        channel.confirm_delivery()
        channel.basic_publish("", "open", b"x")

    refused("write access to exchange 'amq.default' in vhost '/' refused for user 'lara'", publish_by_name)
    assert admin.queue_declare("shut", durable=True).method.message_count == 0


def test_changes_reach_live_connections(own_broker, api):
    grant(api, "lara", ".*", ".*", ".*")
    connection = connect(own_broker, "lara", "secret")
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("q")
    channel.basic_publish("", "q", b"1")
    api.put("permissions/%2F/lara", {"configure": ".*", "write": "", "read": ".*"}, 204)
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as refused:
        channel.basic_publish("", "q", b"2")
    assert refused.value.reply_code == 403
    api.delete("permissions/%2F/lara")
    Refused(connection)("read access to queue 'q' in vhost '/' refused for user 'lara'", lambda c: c.basic_get("q"))
    api.delete("users/lara")
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as gone:
        connection.process_data_events(time_limit=5)
        connection.process_data_events(time_limit=5)
    assert gone.value.reply_text == "CONNECTION_FORCED - user 'lara' was deleted"
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        connect(own_broker, "lara", "secret")


def test_topic_permissions(own_broker, api):
    grant(api, "lara", ".*", ".*", ".*")
    api.put("topic-permissions/%2F/lara", {"exchange": "amq.topic", "write": "^a", "read": "^b"})
    connection = connect(own_broker, "lara", "secret")
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("q")
    channel.queue_bind("q", "amq.topic", "b.#")
    channel.basic_publish("amq.topic", "a.x", b"1")
    channel.basic_publish("amq.direct", "z", b"1")

    def publish(c):
        c.confirm_delivery()
        c.basic_publish("amq.topic", "b.x", b"1")

    refused = Refused(connection)
    refused("write access to topic 'b.x' in exchange 'amq.topic' in vhost '/' refused for user 'lara'", publish)
    refused("read access to topic 'a.#' in exchange 'amq.topic' in vhost '/' refused for user 'lara'",
            lambda c: c.queue_bind("q", "amq.topic", "a.#"))
    assert api.get("topic-permissions/%2F/lara") == [
        {"user": "lara", "vhost": "/", "exchange": "amq.topic", "write": "^a", "read": "^b"}]
    api.delete("topic-permissions/%2F/lara/amq.topic")
    channel.basic_publish("amq.topic", "b.x", b"1")


def test_users_outlive_kill_and_checkpoints(own_broker, api):
    grant(api, "lara", "^l", ".*", "^r", tags="monitoring")
    api.put("users/root", {"password": "r", "tags": "administrator"})
    api.put("permissions/%2F/root", {"configure": ".*", "write": ".*", "read": ".*"})
    api.put("topic-permissions/%2F/root", {"exchange": "amq.topic", "write": "^a", "read": "^b"})
    root = Api(own_broker.management_port, "root", "r")
    root.delete("users/guest")
    assert api.get("whoami", 401)["reason"] == "Login failed"
    before = root.get("definitions")
    assert {one["name"] for one in before["users"]} == {"lara", "root"}
    for stop in (own_broker.kill, own_broker.stop_with_checkpoint, own_broker.kill):
        stop()
        own_broker.start()
        root = Api(own_broker.management_port, "root", "r")
        assert root.get("definitions") == before
        connect(own_broker, "lara", "secret").close()
        with pytest.raises(pika.exceptions.ProbableAuthenticationError):
            connect(own_broker, "guest", "guest")
    other = harness.Broker().start()
    try:
        Api(other.management_port).post("definitions", before, 204)
        found = Api(other.management_port, "root", "r").get("definitions")
        assert {one["name"] for one in found["users"]} == {"guest", "lara", "root"}
        assert [one for one in found["permissions"] if one["user"] != "guest"] == before["permissions"]
        assert found["topic_permissions"] == before["topic_permissions"]
        connect(other, "lara", "secret").close()
    finally:
        other.close()


def test_ranks_of_the_api(own_broker, api):
    port = own_broker.management_port
    grant(api, "plain", ".*", ".*", ".*")
    grant(api, "manager", "^m", ".*", ".*", tags="management")
    grant(api, "watcher", "", "", "", tags="monitoring")
    api.put("users/outside", {"password": "secret", "tags": ["management"]})
    assert Api(port, "plain", "secret").get("overview", 401)["reason"] == "Not management user"
    manager, watcher = Api(port, "manager", "secret"), Api(port, "watcher", "secret")
    assert manager.get("whoami") == {"name": "manager", "tags": ["management"]}
    manager.get("users", 401)
    manager.get("nodes", 401)
    watcher.get("nodes")
    manager.put("queues/%2F/mine", {})
    assert manager.put("queues/%2F/yours", {}, 401)["error"] == "not_authorised"
    manager.delete("users/plain", 401)
    mine, theirs = connect(own_broker, "manager", "secret"), connect(own_broker, "plain", "secret")
    assert {one["user"] for one in manager.get("connections")} == {"manager"}
    assert {one["user"] for one in watcher.get("connections")} == {"manager", "plain"}
    name, = [one["name"] for one in watcher.get("connections") if one["user"] == "plain"]
    manager.delete("connections/" + quote(name), 404)
    outside = Api(port, "outside", "secret")
    assert outside.get("vhosts") == [] and outside.get("queues") == [] and outside.get("bindings") == []
    outside.get("queues/%2F", 401)
    outside.put("queues/%2F/x", {}, 401)
    assert [one["name"] for one in api.get("users/without-permissions")] == ["outside"]
    api.post("users/bulk-delete", {"users": ["outside", "plain"]}, 204)
    assert [one["name"] for one in api.get("users")] == ["guest", "manager", "watcher"]
    mine.close()
    with pytest.raises(pika.exceptions.AMQPError):
        theirs.channel()


def test_aio_pika_meets_the_same(own_broker, api):
    grant(api, "lara", "^mine", "^mine", "^mine")
    address = f"{own_broker.host}:{own_broker.amqp_port}/"

    async def scenario():
        async with await aio_pika.connect("amqp://lara:secret@" + address) as connection:
            channel = await connection.channel()
            await channel.declare_queue("mine")
            with pytest.raises(aio_pika.exceptions.AMQPChannelError) as refused:
                await channel.declare_queue("theirs")
            assert "configure access to queue 'theirs' in vhost '/' refused for user 'lara'" in str(refused.value)
        with pytest.raises(aio_pika.exceptions.AMQPConnectionError):
            await aio_pika.connect("amqp://lara:wrong@" + address)

    asyncio.run(asyncio.wait_for(scenario(), 30))
