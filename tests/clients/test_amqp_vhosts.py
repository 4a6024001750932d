"""Virtual hosts: nothing of one is seen in another, over pika, the HTTP API and RabbitMQ's own tools, on one core and on
two, over restarts and kill -9; and nothing is left of one that was deleted.
"""

import subprocess
import sys
import threading

import harness
import kombu
import pika
import pytest
import redis
from httpapi import Api, quote, rabbitmqadmin
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker

pytestmark = pytest.mark.own
PERSISTENT = pika.BasicProperties(delivery_mode=2)
SHARDS = pytest.mark.parametrize("shards", [1, 2])
ALL = {"configure": ".*", "write": ".*", "read": ".*"}
PREDECLARED = ["", "amq.direct", "amq.fanout", "amq.headers", "amq.match", "amq.rabbitmq.trace", "amq.topic"]


@pytest.fixture
def make_broker():
    running = []

    def make(shards=1):
        running.append(harness.Broker(shards=shards).start())
        return running[-1]

    yield make
    for broker in running:
        broker.close()


def api_of(broker, user="guest"):
    return Api(broker.management_port, user, user)


def make_user(api, user, tags=""):
    api.put(f"users/{user}", {"password": user, "tags": tags})


def connect(broker, vhost, user="guest"):
    return pika.BlockingConnection(pika.ConnectionParameters(
        broker.host, broker.amqp_port, vhost, pika.PlainCredentials(user, user), heartbeat=0))


def channel_to(broker, vhost, user="guest"):
    channel = connect(broker, vhost, user).channel()
    channel.confirm_delivery()
    return channel


def refusal(broker, vhost, user="guest"):
    with pytest.raises(pika.exceptions.AMQPConnectionError) as refused:
        connect(broker, vhost, user)
    return str(refused.value).replace("\\'", "'")


def closed(action):
    with pytest.raises(ChannelClosedByBroker) as refused:
        action()
    return f"{refused.value.reply_code} {refused.value.reply_text}"


def bodies(channel, queue):
    found = []
    while True:
        got, _, body = channel.basic_get(queue, auto_ack=True)
        if got is None:
            return found
        found.append(body)


def expect(channel, queue, *wanted):
    """What comes to a queue, in any order, within a while."""
    found = []

    def all_there():
        found.extend(bodies(channel, queue))
        return len(found) >= len(wanted)

    harness.wait_for(all_there, 5, f"{wanted} in {queue}")
    assert sorted(found) == sorted(wanted)


def test_made_told_and_deleted(make_broker):
    broker = make_broker()
    api = api_of(broker)
    first, = api.get("vhosts")
    assert (first["name"], first["default_queue_type"]) == ("/", "classic")
    assert "vhost shop not found" in refusal(broker, "shop")
    api.get("vhosts/shop", 404)
    api.put("vhosts/shop", {"description": "A shop", "tags": "a,b", "default_queue_type": "quorum"})
    api.put("vhosts/shop", {}, 204)
    shop = api.get("vhosts/shop")
    assert (shop["description"], shop["tags"], shop["default_queue_type"], shop["tracing"]) == (
        "A shop", ["a", "b"], "quorum", False)
    assert shop["metadata"] == {"description": "A shop", "tags": ["a", "b"], "default_queue_type": "quorum"}
    api.put("vhosts/shop", {"description": "The shop"}, 204)
    assert api.get("vhosts/shop")["description"] == "The shop"
    assert [one["name"] for one in api.get("vhosts")] == ["/", "shop"]
    # Who made it may everything there.
    assert api.get("vhosts/shop/permissions") == [{"user": "guest", "vhost": "shop", **ALL}]
    assert [one["name"] for one in api.get("exchanges/shop")] == PREDECLARED
    assert {one["vhost"] for one in api.get("exchanges/shop")} == {"shop"}
    channel = channel_to(broker, "shop")
    assert channel.queue_declare("q", durable=True).method.queue == "q"
    assert api.get("queues/shop/q")["type"] == "quorum"
    channel.queue_declare("light", exclusive=True)
    channel.queue_declare("q", durable=True)
    for name, body in (("a\x01b", {}), ("x" * 256, {}), ("no", {"default_queue_type": "other"}), ("no", {"tracing": True}),
                       ("no", {"tags": [1]}), ("no", {"description": 5})):
        assert api.put(f"vhosts/{quote(name)}", body, 400)["error"] == "bad_request"
    api.get("vhosts/no", 404)
    api.delete("vhosts/shop")
    api.delete("vhosts/shop", 404)
    api.get("vhosts/shop", 404)
    assert "cannot be removed" in api.delete("vhosts/%2F", 400)["reason"]
    assert "vhost shop not found" in refusal(broker, "shop")


def test_who_gets_in(make_broker):
    broker = make_broker()
    api = api_of(broker)
    api.put("vhosts/a", {})
    make_user(api, "lara", "management")
    assert "access to vhost 'a' refused for user 'lara'" in refusal(broker, "a", "lara")
    api.put("permissions/a/lara", {"configure": "^mine", "write": "^(mine|amq.default)", "read": "^mine"})
    assert "access to vhost '/' refused for user 'lara'" in refusal(broker, "/", "lara")
    connection = connect(broker, "a", "lara")
    connection.channel().queue_declare("mine")
    assert closed(lambda: connection.channel().queue_declare("other")) == (
        "403 ACCESS_REFUSED - configure access to queue 'other' in vhost 'a' refused for user 'lara'")
    assert closed(lambda: connection.channel().exchange_declare("x")) == (
        "403 ACCESS_REFUSED - configure access to exchange 'x' in vhost 'a' refused for user 'lara'")
    # The same user in another virtual host has what it was granted there.
    api.put("permissions/%2F/lara", ALL)
    connect(broker, "/", "lara").channel().queue_declare("other")
    assert closed(lambda: connection.channel().queue_declare("other")).startswith("403")
    # Topic rights, too.
    api.put("topic-permissions/a/lara", {"exchange": "mine", "write": "^a", "read": "^a"})
    for vhost, may in (("a", False), ("/", True)):
        channel = channel_to(broker, vhost, "lara")
        channel.exchange_declare("mine", "topic")
        channel.basic_publish("mine", "a.b", b"")
        if may:
            channel.basic_publish("mine", "b.a", b"")
        else:
            assert "write access to topic 'b.a' in exchange 'mine' in vhost 'a' refused" in closed(
                lambda on=channel: on.basic_publish("mine", "b.a", b""))
    # What a user sees over the API is what it may enter.
    own = api_of(broker, "lara")
    assert [one["name"] for one in own.get("vhosts")] == ["/", "a"]
    api.delete("permissions/%2F/lara")
    assert [one["name"] for one in own.get("vhosts")] == ["a"]
    assert {one["vhost"] for one in own.get("queues")} == {"a"} and {one["vhost"] for one in own.get("exchanges")} == {"a"}
    own.get("queues/%2F", 401)
    own.get("queues/nowhere", 404)
    own.put("queues/%2F/no", {}, 401)
    own.put("vhosts/b", {}, 401)
    assert api.get("users/without-permissions") == []


@SHARDS
def test_the_same_names_are_other_things(make_broker, shards):
    broker = make_broker(shards)
    api = api_of(broker)
    vhosts = ("/", "a", "b/c", "\u00fcber")
    for vhost in vhosts[1:]:
        api.put(f"vhosts/{quote(vhost)}", {})
    channels = {vhost: channel_to(broker, vhost) for vhost in vhosts}
    for vhost, channel in channels.items():
        mark = vhost.encode()
        channel.exchange_declare("x", "topic", arguments={"alternate-exchange": "rest"})
        channel.exchange_declare("rest", "fanout")
        channel.exchange_declare("dead", "direct")
        channel.queue_declare("q", arguments={"x-dead-letter-exchange": "dead", "x-dead-letter-routing-key": "gone"})
        channel.queue_declare("byname", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "r"})
        channel.queue_declare("ask", arguments={"x-dead-letter-exchange": ""})
        for queue, exchange, key in (("r", "rest", ""), ("d", "dead", "gone"), ("f", "amq.fanout", "")):
            channel.queue_declare(queue)
            channel.queue_bind(queue, exchange, key)
        channel.queue_bind("q", "x", "k.#")
        channel.exchange_bind("amq.fanout", "x", "both")
        channel.queue_bind("q", "amq.topic", "t")
        channel.basic_publish("x", "k.1", b"topic " + mark, mandatory=True)
        channel.basic_publish("amq.topic", "t", b"amq " + mark, mandatory=True)
        channel.basic_publish("", "q", b"name " + mark, mandatory=True)
        channel.basic_publish("x", "no", b"rest " + mark, mandatory=True)
        channel.basic_publish("x", "both", b"fan " + mark, mandatory=True)
        channel.basic_publish("", "byname", b"byname " + mark, mandatory=True)
        channel.basic_publish("", "d", b"copy " + mark, pika.BasicProperties(headers={"CC": ["f"], "BCC": ["r"]}))
    for vhost, channel in channels.items():
        mark = vhost.encode()
        first, properties, body = channel.basic_get("q")
        assert (first.exchange, first.routing_key, body) == ("x", "k.1", b"topic " + mark)
        channel.basic_nack(first.delivery_tag, requeue=False)
        got = harness.wait_for(lambda on=channel: [one for one in (on.basic_get("d"), on.basic_get("d"))
                                                   if one[0] and one[0].exchange], 5, "the dead letter")[0]
        death, = got[1].headers["x-death"]
        assert (got[0].exchange, got[0].routing_key, death["queue"], death["exchange"], got[1].headers["x-first-death-queue"]) == (
            "dead", "gone", "q", "x", "q")
        assert bodies(channel, "q") == [b"amq " + mark, b"name " + mark]
        first, properties, body = channel.basic_get("byname")
        channel.basic_reject(first.delivery_tag, requeue=False)
        expect(channel, "r", b"rest " + mark, b"copy " + mark, b"byname " + mark)
        expect(channel, "f", b"fan " + mark, b"copy " + mark)
        assert closed(lambda on=channel: on.queue_declare("nothing", passive=True)) == (
            f"404 NOT_FOUND - no queue 'nothing' in vhost '{vhost}'")
    for vhost in vhosts:
        own = api.get(f"queues/{quote(vhost)}")
        assert sorted(one["name"] for one in own) == ["ask", "byname", "d", "f", "q", "r"]
        assert {one["vhost"] for one in own} == {vhost}
        bound = api.get(f"bindings/{quote(vhost)}/e/x/q/q")
        assert [(one["routing_key"], one["vhost"]) for one in bound] == [("k.#", vhost)]
        assert len(api.get(f"bindings/{quote(vhost)}")) == 6 + 6
    assert len(api.get("queues")) == len(vhosts) * 6
    # Declared as they are stored, and no other way.
    for vhost in vhosts:
        channel = channel_to(broker, vhost)
        channel.exchange_declare("x", "topic", arguments={"alternate-exchange": "rest"})
        assert closed(lambda on=channel: on.exchange_declare("x", "topic", arguments={"alternate-exchange": "dead"})) == (
            "406 PRECONDITION_FAILED - inequivalent arg 'alternate-exchange' for exchange 'x' in vhost "
            f"'{vhost}': received 'dead' but current is 'rest'")
    # Removing one leaves the others.
    channel_to(broker, "a").queue_delete("q")
    channel_to(broker, "a").exchange_delete("x")
    for vhost in ("/", "b/c"):
        channel_to(broker, vhost).queue_declare("q", passive=True)
        channel_to(broker, vhost).exchange_declare("x", passive=True)


def test_no_name_reaches_another_virtual_host(make_broker):
    """The octets that stand between virtual host and name in what is stored mean nothing to clients."""
    broker = make_broker()
    api_of(broker).put("vhosts/a", {})
    inside, outside = channel_to(broker, "a"), channel_to(broker, "/")
    inside.queue_declare("q")
    inside.queue_declare("kept", durable=True)
    for name in ("\x01a\x01q", "\x01a\x01kept"):
        assert closed(lambda on=name: channel_to(broker, "/").queue_declare(on, passive=True)).startswith("404")
        assert closed(lambda on=name: channel_to(broker, "a").queue_declare(on, passive=True)).startswith("404")
        outside.queue_declare(name, durable=True)
        outside.basic_publish("", name, b"mine", mandatory=True)
        outside.basic_publish("amq.direct", "", b"", pika.BasicProperties(headers={"CC": [name]}))
    assert bodies(inside, "q") == [] and bodies(inside, "kept") == []
    broker.restart(kill=True)
    assert bodies(channel_to(broker, "/"), "\x01a\x01kept") == [b"mine"]
    assert bodies(channel_to(broker, "a"), "kept") == []
    # Other protocols know the logs by their whole names.
    client = redis.Redis(port=broker.redis_port)
    channel_to(broker, "a").basic_publish("", "kept", b"x", PERSISTENT)
    assert client.type(b"\x01a\x01kept") == b"stream" and client.exists("kept") == 0


@SHARDS
@pytest.mark.parametrize("kill", [False, True], ids=["stop", "kill"])
def test_restarts(make_broker, shards, kill):
    broker = make_broker(shards)
    api = api_of(broker)
    make_user(api, "lara")
    for vhost in ("a", "b"):
        api.put(f"vhosts/{vhost}", {"description": vhost, "tags": [vhost]})
    api.put("permissions/a/lara", ALL)
    api.put("vhost-limits/a/max-queues", {"value": 9}, 204)
    api.put("policies/a/short", {"pattern": ".*", "definition": {"max-length": 2}})
    for vhost in ("/", "a", "b"):
        channel = channel_to(broker, vhost)
        channel.exchange_declare("x", "direct", durable=True)
        channel.queue_declare("q", durable=True, arguments={"x-dead-letter-exchange": "x"})
        channel.queue_declare("s", durable=True, arguments={"x-queue-type": "stream"})
        channel.queue_bind("q", "x", "k")
        for index in range(3):
            channel.basic_publish("x", "k", f"{vhost} {index}".encode(), PERSISTENT)
        channel.basic_publish("", "s", vhost.encode(), PERSISTENT)
    api.delete("vhosts/b")
    before = api.get("definitions")
    broker.restart(kill=kill)
    api = api_of(broker)
    assert api.get("definitions") == before
    assert [one["name"] for one in before["vhosts"]] == ["/", "a"]
    assert {one["vhost"] for one in before["queues"]} == {"/", "a"}
    assert "vhost b not found" in refusal(broker, "b")
    assert bodies(channel_to(broker, "/"), "q") == [b"/ 0", b"/ 1", b"/ 2"]
    assert bodies(channel_to(broker, "a", "lara"), "q") == [b"a 1", b"a 2"]
    for vhost in ("/", "a"):
        channel = channel_to(broker, vhost)
        channel.basic_qos(prefetch_count=5)
        _, _, body = next(channel.consume("s", arguments={"x-stream-offset": "first"}, inactivity_timeout=5))
        assert body == vhost.encode()
    # A new one of the old name begins with nothing.
    api.put("vhosts/b", {})
    assert api.get("queues/b") == [] and api.get("policies/b") == []
    assert [one["name"] for one in api.get("exchanges/b")] == PREDECLARED
    assert len(api.get("bindings/b")) == 0


def test_settings_bear_on_their_virtual_host(make_broker):
    broker = make_broker(2)
    api = api_of(broker)
    for vhost in ("a", "b"):
        api.put(f"vhosts/{vhost}", {})
    channels = {vhost: channel_to(broker, vhost) for vhost in ("/", "a", "b")}
    for channel in channels.values():
        channel.queue_declare("q")
        channel.queue_declare("dead")
    api.put("policies/a/p", {"pattern": "^q$", "definition": {"max-length": 1, "dead-letter-exchange": "",
                                                              "dead-letter-routing-key": "dead"}})
    api.put("policies/b/p", {"pattern": ".*", "definition": {"max-length": 2}, "priority": 3})
    api.put("operator-policies/b/o", {"pattern": "^q$", "definition": {"max-length": 7}})
    api.get("policies/nowhere", 404)
    api.put("policies/nowhere/p", {"pattern": ".*", "definition": {"max-length": 1}}, 404)
    assert [(one["vhost"], one["name"]) for one in api.get("policies")] == [("a", "p"), ("b", "p")]
    assert api.get("policies/a/p")["definition"]["max-length"] == 1
    assert [api.get(f"queues/{vhost}/q")["policy"] for vhost in ("%2F", "a", "b")] == [None, "p", "p"]
    assert [api.get(f"queues/{vhost}/q")["operator_policy"] for vhost in ("%2F", "a", "b")] == [None, None, "o"]
    for channel in channels.values():
        for body in (b"1", b"2", b"3"):
            channel.basic_publish("", "q", body)
    assert [bodies(channels[vhost], "q") for vhost in ("/", "a", "b")] == [[b"1", b"2", b"3"], [b"3"], [b"2", b"3"]]
    expect(channels["a"], "dead", b"1", b"2")
    assert bodies(channels["/"], "dead") == bodies(channels["b"], "dead") == []
    api.delete("policies/a/p")
    assert [one["vhost"] for one in api.get("policies")] == ["b"]
    # Limits.
    api.put("vhost-limits/a/max-queues", {"value": 3}, 204)
    api.put("vhost-limits/b/max-connections", {"value": 2}, 204)
    assert api.get("vhost-limits/a") == [{"vhost": "a", "value": {"max-queues": 3}}]
    channels["a"].queue_declare("third")
    channels["b"].queue_declare("third")
    assert closed(lambda: connect(broker, "a").channel().queue_declare("fourth")) == (
        "406 PRECONDITION_FAILED - cannot declare queue 'fourth': queue limit in vhost 'a' (3) is reached")
    second = connect(broker, "b")
    assert "access to vhost 'b' refused for user 'guest': connection limit (2) is reached" in refusal(broker, "b")
    for vhost in ("/", "a"):
        connect(broker, vhost).close()
    second.close()
    connect(broker, "b")


@SHARDS
def test_deleting_ends_connections_and_takes_all(make_broker, shards):
    broker = make_broker(shards)
    api = api_of(broker)
    make_user(api, "lara")
    for vhost in ("a", "b"):
        api.put(f"vhosts/{vhost}", {})
        api.put(f"permissions/{vhost}/lara", ALL)
        api.put(f"topic-permissions/{vhost}/lara", {"exchange": "amq.topic", "write": ".*", "read": ".*"})
        api.put(f"vhost-limits/{vhost}/max-queues", {"value": 5000}, 204)
        api.put(f"policies/{vhost}/p", {"pattern": ".*", "definition": {"max-length": 100}})
        api.put(f"operator-policies/{vhost}/o", {"pattern": ".*", "definition": {"max-length": 100}})
        channel = channel_to(broker, vhost)
        channel.exchange_declare("x", "fanout", durable=True)
        for index in range(1200 if vhost == "a" else 3):
            channel.queue_declare(f"q{index}", durable=True)
        channel.queue_declare("s", durable=True, arguments={"x-queue-type": "stream"})
        channel.queue_declare("over", durable=False, arguments={"x-trivium-source": "s"})
        channel.queue_declare("light", exclusive=True)
        channel.queue_bind("q0", "x")
        channel.basic_publish("x", "", b"x", PERSISTENT)
    stays = channel_to(broker, "b", "lara")
    victims = [connect(broker, "a", user) for user in ("lara", "guest", "guest")]
    cancelled = victims[0].channel()
    cancelled.basic_consume("q0", lambda *_: None)
    api.delete("vhosts/a")
    for victim in victims:
        with pytest.raises(ConnectionClosedByBroker) as ended:
            while True:
                victim.process_data_events(time_limit=5)
        assert (ended.value.reply_code, ended.value.reply_text) == (320, "CONNECTION_FORCED - vhost 'a' is deleted")
    for found in (api.get("definitions"), ):
        for noun in ("queues", "exchanges", "bindings", "permissions", "topic_permissions", "policies", "parameters"):
            assert {one["vhost"] for one in found[noun]} <= {"/", "b"}, noun
    assert {one["vhost"] for one in api.get("queues")} == {"b"}
    assert {one["vhost"] for one in api.get("vhost-limits")} == {"b"}
    harness.wait_for(lambda: {one["vhost"] for one in api.get("connections")} == {"b"}, 5, "connections go")
    assert len(api.get("queues/b")) == 6 and stays.queue_declare("q0", passive=True).method.message_count == 1
    assert redis.Redis(port=broker.redis_port).keys(b"\x01a\x01*") == []
    # Made again, nothing comes back.
    for _ in range(2):
        api.put("vhosts/a", {})
        assert [one["name"] for one in api.get("exchanges/a")] == PREDECLARED
        for noun in ("queues/a", "bindings/a", "policies/a", "operator-policies/a", "vhost-limits/a", "topic-permissions/a/lara"):
            assert api.get(noun) == [], noun
        assert "access to vhost 'a' refused for user 'lara'" in refusal(broker, "a", "lara")
        broker.restart(kill=True)
        api = api_of(broker)
        api.delete("vhosts/a")


@SHARDS
def test_a_deletion_is_finished_after_a_crash(make_broker, shards):
    """Killed at moments all over the deletion: after the start it is whole or gone, and if the client was told so, gone."""
    broker = make_broker(shards)
    api = api_of(broker)
    gone = 0
    for attempt in range(8):
        api.put("vhosts/a", {})
        channel = channel_to(broker, "a")
        for index in range(300):
            channel.queue_declare(f"q{index}", durable=True)
            channel.queue_bind(f"q{index}", "amq.fanout")
        told = []

        def delete(port=broker.management_port, told=told):
            try:
                told.append(Api(port).ask("DELETE", "vhosts/a")[0])
            except OSError:
                pass

        deleting = threading.Thread(target=delete)
        deleting.start()
        deleting.join(timeout=0.004 * attempt)
        broker.restart(kill=True)
        deleting.join()
        api = api_of(broker)
        names = [one["name"] for one in api.get("vhosts")]
        if "a" in names:
            assert told != [204]
            assert len(api.get("queues/a")) == 300 and len(api.get("bindings/a")) == 600
            api.delete("vhosts/a")
        else:
            gone += 1
            api.put("vhosts/a", {})
            assert api.get("queues/a") == [] and api.get("bindings/a") == []
            assert [one["name"] for one in api.get("exchanges/a")] == PREDECLARED
            api.delete("vhosts/a")
    assert gone > 0


@SHARDS
def test_declaring_while_it_is_deleted(make_broker, shards):
    """Nothing is left of what clients declare all the time, over AMQP and the API, while the virtual host goes."""
    broker = make_broker(shards)
    api = api_of(broker)
    for _ in range(6):
        api.put("vhosts/a", {})
        stop = threading.Event()

        def declare(number, stop=stop):
            try:
                channel = connect(broker, "a").channel()
                for index in range(100_000):
                    channel.queue_declare(f"{number}.{index}", durable=True)
                    channel.exchange_declare(f"{number}.{index}")
            except pika.exceptions.AMQPError:
                pass

        def put(stop=stop):
            index = 0
            while not stop.is_set():
                index += 1
                api.ask("PUT", f"queues/a/http.{index}", {"durable": True})
                api.ask("PUT", f"policies/a/http.{index}", {"pattern": ".*", "definition": {"max-length": 1}})

        threads = [threading.Thread(target=declare, args=(number,)) for number in range(3)] + [threading.Thread(target=put)]
        for thread in threads:
            thread.start()
        harness.wait_for(lambda: len(api.get("queues/a")) > 20, 10, "declarations")
        api.delete("vhosts/a")
        stop.set()
        for thread in threads:
            thread.join()
        assert api.get("queues") == []
        api.put("vhosts/a", {})
        assert api.get("queues/a") == [] and api.get("policies/a") == []
        assert [one["name"] for one in api.get("exchanges/a")] == PREDECLARED
        api.delete("vhosts/a")
        assert redis.Redis(port=broker.redis_port).keys("*") == []


def test_logs_of_other_protocols_stay(make_broker):
    broker = make_broker()
    api = api_of(broker)
    client = redis.Redis(port=broker.redis_port)
    client.xadd(b"\x01a\x01theirs", {"n": 1})
    api.put("vhosts/a", {})
    channel = channel_to(broker, "a")
    channel.queue_declare("over", arguments={"x-trivium-source": "theirs"})
    harness.wait_for(lambda: channel.queue_declare("over", passive=True).method.message_count == 1, 5, "the entry")
    assert b"1" in channel.basic_get("over")[2]
    api.delete("vhosts/a")
    assert client.xlen(b"\x01a\x01theirs") == 1


def test_definitions(make_broker):
    broker = make_broker()
    api = api_of(broker)
    for vhost in ("a", "b"):
        api.put(f"vhosts/{vhost}", {"description": vhost, "tags": [vhost], "default_queue_type": "quorum"})
        channel = channel_to(broker, vhost)
        channel.exchange_declare("x", "topic", durable=True, arguments={"alternate-exchange": "amq.fanout"})
        channel.queue_declare("q", durable=True, arguments={"x-dead-letter-exchange": "x"})
        channel.queue_bind("q", "x", vhost)
        api.put(f"policies/{vhost}/p", {"pattern": "q", "definition": {"max-length": 5, "dead-letter-exchange": "x"}})
        api.put(f"operator-policies/{vhost}/p", {"pattern": "q", "definition": {"max-length": 5}})
        api.put(f"vhost-limits/{vhost}/max-queues", {"value": 5}, 204)
    all_of_them = api.get("definitions")
    assert [one["name"] for one in all_of_them["vhosts"]] == ["/", "a", "b"]
    one = api.get("definitions/a")
    assert {thing["vhost"] for noun in one.values() for thing in noun} == {"a"}
    assert one["policies"][0]["definition"]["dead-letter-exchange"] == "x"
    fresh = api_of(make_broker())
    fresh.post("definitions", all_of_them, 204)
    fresh.post("definitions", all_of_them, 204)
    assert fresh.get("definitions") == all_of_them
    # Of one virtual host, into another.
    fresh.put("vhosts/c", {})
    fresh.post("definitions/c", one, 204)
    assert [(thing["name"], thing["vhost"]) for thing in fresh.get("queues/c")] == [("q", "c")]
    assert fresh.get("policies/c/p")["definition"]["max-length"] == 5 and fresh.get("vhost-limits/c")[0]["value"] == {"max-queues": 5}
    fresh.post("definitions/nowhere", one, 404)
    reason = fresh.post("definitions", {"queues": [{"name": "x", "vhost": "other"}]}, 400)["reason"]
    assert reason == "virtual host 'other' does not exist"
    fresh.post("definitions", {"vhosts": [{"name": "new"}], "queues": [{"name": "x", "vhost": "new", "durable": True}]}, 204)
    assert fresh.get("queues/new/x")["durable"]
    fresh.post("definitions", {"vhosts": [{"name": ""}]}, 400)
    fresh.post("definitions/c", {"vhosts": [{"name": "d"}]}, 400)


def test_rabbitmqadmin(make_broker):
    broker = make_broker()

    def admin(*arguments, code=0):
        result = subprocess.run([sys.executable, rabbitmqadmin(), "-P", str(broker.management_port), *arguments],
                                capture_output=True, text=True, timeout=30)
        assert result.returncode == code, (arguments, result.stdout, result.stderr)
        return result.stdout + result.stderr

    assert "vhost declared" in admin("declare", "vhost", "name=a")
    assert "a" in admin("-f", "tsv", "list", "vhosts", "name").split()
    assert "queue declared" in admin("-V", "a", "declare", "queue", "name=q", "durable=true")
    assert "exchange declared" in admin("-V", "a", "declare", "exchange", "name=x", "type=fanout")
    assert "binding declared" in admin("-V", "a", "declare", "binding", "source=x", "destination=q")
    assert "Message published" in admin("-V", "a", "publish", "exchange=x", "routing_key=", "payload=hello")
    assert "hello" in admin("-V", "a", "get", "queue=q")
    assert "policy declared" in admin("-V", "a", "declare", "policy", "name=p", "pattern=.*", 'definition={"max-length":9}')
    assert "permission declared" in admin("declare", "permission", "vhost=a", "user=guest", "configure=.*", "write=.*", "read=.*")
    assert admin("-V", "a", "-f", "tsv", "list", "queues", "vhost", "name").split() == ["vhost", "name", "a", "q"]
    assert "No items" in admin("-V", "/", "list", "queues")
    assert "vhost deleted" in admin("delete", "vhost", "name=a")
    assert "*** Not found" in admin("-V", "a", "list", "queues", code=1)


def test_a_kombu_application(make_broker):
    """An application in its own virtual host, and the same one in another."""
    broker = make_broker(2)
    api = api_of(broker)
    took = {}
    connections = []
    for vhost in ("a", "b"):
        api.put(f"vhosts/{vhost}", {})
        connection = kombu.Connection(f"amqp://guest:guest@{broker.host}:{broker.amqp_port}/{vhost}")
        connections.append(connection)
        took[vhost] = []
        queue = connection.SimpleQueue("jobs")
        for index in range(20):
            queue.put({"from": vhost, "n": index})
        answers = connection.SimpleQueue("answers")
        for _ in range(20):
            job = queue.get(timeout=5)
            answers.put(job.payload)
            job.ack()
        for _ in range(20):
            answer = answers.get(timeout=5)
            took[vhost].append(answer.payload)
            answer.ack()
    for vhost in ("a", "b"):
        assert took[vhost] == [{"from": vhost, "n": index} for index in range(20)]
        assert sorted(one["name"] for one in api.get(f"queues/{vhost}")) == ["answers", "jobs"]
    for connection in connections:
        connection.close()


@SHARDS
def test_direct_replies_and_delays(make_broker, shards):
    broker = make_broker(shards)
    api_of(broker).put("vhosts/a", {})
    client, server = channel_to(broker, "a"), channel_to(broker, "a")
    server.queue_declare("rpc")
    answers = []
    client.basic_consume("amq.rabbitmq.reply-to", lambda *got: answers.append(got[3]), auto_ack=True)
    client.basic_publish("", "rpc", b"question", pika.BasicProperties(reply_to="amq.rabbitmq.reply-to"))
    _, properties, _ = harness.wait_for(lambda: next(iter([one for one in [server.basic_get("rpc", auto_ack=True)] if one[0]]), None),
                                        5, "the question")
    server.basic_publish("", properties.reply_to, b"answer")
    harness.wait_for(lambda: client.connection.process_data_events(time_limit=0.1) or answers, 5, "the answer")
    assert answers == [b"answer"]
    for vhost in ("a", "/"):
        channel = channel_to(broker, vhost)
        channel.exchange_declare("later", "x-delayed-message", durable=True, arguments={"x-delayed-type": "direct"})
        channel.queue_declare("late", durable=True)
        channel.queue_bind("late", "later", "k")
        channel.basic_publish("later", "k", vhost.encode(), pika.BasicProperties(delivery_mode=2, headers={"x-delay": 300}))
    broker.restart(kill=True)
    for vhost in ("a", "/"):
        expect(channel_to(broker, vhost), "late", vhost.encode())
    # A transaction, too.
    channel = connect(broker, "a").channel()
    channel.tx_select()
    channel.queue_declare("tx")
    channel.basic_publish("", "tx", b"one")
    channel.basic_publish("later", "k", b"two")
    channel.tx_commit()
    expect(channel, "tx", b"one")
    expect(channel, "late", b"two")
