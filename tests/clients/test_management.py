"""The HTTP API: what it tells is compared with what clients have done, what it does with what clients see of it."""

import http.client
import socket

import harness
import pika
import pytest
from httpapi import Api, quote

pytestmark = pytest.mark.own


@pytest.fixture
def api(broker):
    return Api(broker.management_port)


def connect(broker, **options):
    return pika.BlockingConnection(pika.ConnectionParameters(broker.host, broker.amqp_port, **options))


def test_whoami_and_refusals(api, broker):
    assert api.get("whoami") == {"name": "guest", "tags": ["administrator"]}
    for user, password in (("guest", "wrong"), ("nobody", "guest"), ("", "")):
        status, answer, headers = Api(broker.management_port, user, password).ask("GET", "whoami")
        assert status == 401 and answer == {"error": "not_authorized", "reason": "Login failed"}
        assert 'realm="RabbitMQ Management"' in headers["www-authenticate"]
    assert api.get("nonsense", 404) == {"error": "Object Not Found", "reason": "Not Found"}
    status, _, headers = api.ask("PATCH", "whoami")
    assert status == 405 and "GET" in headers["allow"]
    assert api.ask("PUT", "queues/%2F/x", raw=b"nojson")[:2] == (400, {"error": "bad_request", "reason": "not_json"})
    api.get("queues/other/x", 404)


def test_overview_and_nodes_tell_the_truth(api, broker):
    overview = api.get("overview")
    assert overview["product_name"] == "Trivium"
    ports = {one["protocol"]: one["port"] for one in overview["listeners"]}
    assert ports["amqp"] == broker.amqp_port and ports["http"] == broker.management_port
    node, = api.get("nodes")
    assert node["os_pid"] == str(broker.process.pid) and node["running"] and node["name"] == overview["node"]
    assert 0 < node["fd_used"] < node["fd_total"] and 0 < node["mem_used"] < node["mem_limit"]
    assert api.get(f"nodes/{quote(node['name'])}?columns=name") == {"name": node["name"]}
    assert [one["name"] for one in api.get("vhosts")] == ["/"]


def test_queue_life(api, broker, name):
    path = f"queues/%2F/{name}"
    arguments = {"x-message-ttl": 60000, "x-max-length": 10, "foo": {"bar": [1, "two", True, None, 2.5]}}
    api.put(path, {"durable": True, "arguments": arguments})
    api.put(path, {"durable": True, "arguments": arguments}, 204)
    text = api.put(path, {"durable": False, "arguments": arguments}, 400)["reason"]
    assert text == f"inequivalent arg 'durable' for queue '{name}' in vhost '/': received 'false' but current is 'true'"
    queue = api.get(path)
    assert queue["arguments"] == arguments and queue["durable"] and queue["type"] == "classic"
    assert (queue["messages"], queue["consumers"], queue["consumer_details"]) == (0, 0, [])
    connection = connect(broker)
    channel = connection.channel()
    assert channel.queue_declare(name, passive=True).method.message_count == 0
    channel.confirm_delivery()
    for body in (b"one", b"two", b"three"):
        channel.basic_publish("", name, body)
    channel.basic_get(name)
    queue = api.get(path)
    assert (queue["messages"], queue["messages_ready"], queue["messages_unacknowledged"]) == (3, 2, 1)
    memory = queue["memory"]
    assert 500 < memory < 50_000
    channel.queue_declare(f"{name}-long")
    for _ in range(500):
        channel.basic_publish("", f"{name}-long", b"more")
    while channel.basic_get(f"{name}-long")[0]:
        pass
    held = api.get(f"{path}-long")["memory"]
    assert held > memory + 500 * 50, "what is out takes memory"
    connection.close()
    harness.wait_for(lambda: api.get(path)["messages_ready"] == 3, 5, "the message comes back")
    api.delete(path + "/contents")
    assert api.get(path)["messages"] == 0
    api.delete(path)
    api.delete(path, 404)
    api.get(path, 404)


def test_refused_declarations(api, name):
    assert api.put("queues/%2F/amq.x", {}, 401)["error"] == "not_authorised"
    reason = api.put(f"queues/%2F/{name}", {"arguments": {"x-message-ttl": -1}}, 400)["reason"]
    assert reason == f"invalid arg 'x-message-ttl' for queue '{name}' in vhost '/': {{value_negative,-1}}"
    assert api.put(f"exchanges/%2F/{name}", {"type": "zz"}, 400)["reason"] == "unknown exchange type 'zz'"
    api.delete("exchanges/%2F/amq.direct", 401)
    api.delete(f"exchanges/%2F/{name}", 404)
    api.put("queues/%2F/" + "q" * 256, {}, 400)
    assert api.put(f"queues/%2F/{name}", {"durable": "perhaps"}, 400)["reason"] == "durable is not boolean"
    deep = {}
    for _ in range(200):
        deep = {"a": deep}
    api.put(f"queues/%2F/{name}", {"arguments": deep}, 400)
    api.get(f"queues/%2F/{name}", 404)


def test_bindings_by_their_properties(api, broker, name):
    source, target, queue = f"{name}.s", f"{name}.t", f"{name}.q"
    for exchange in (source, target):
        api.put(f"exchanges/%2F/{exchange}", {"type": "topic", "durable": True})
    api.put(f"queues/%2F/{queue}", {"durable": True})
    between = f"bindings/%2F/e/{source}/q/{queue}"
    for key, arguments in (("a b/ü~", {}), ("", {}), ("k", {"x": 1}), ("k", {})):
        location = api.post(between, {"routing_key": key, "arguments": arguments}, 201)["location"]
        binding = api.get(between + "/" + location.rsplit("/", 1)[1])
        assert binding["routing_key"] == key and binding["arguments"] == arguments
    keys = {one["properties_key"] for one in api.get(between)}
    assert {"~", "k", "a+b%2F%C3%BC%7E"} < keys and len(keys) == 4
    api.post(f"bindings/%2F/e/{source}/e/{target}", {"routing_key": "#"}, 201)
    assert api.post(f"bindings/%2F/e/{source}/q/{name}.no", {}, 404)["reason"] == f"no queue '{name}.no' in vhost '/'"
    assert len(api.get(f"exchanges/%2F/{source}/bindings/source")) == 5
    assert len(api.get(f"exchanges/%2F/{target}/bindings/destination")) == 1
    assert {one["source"] for one in api.get(f"queues/%2F/{queue}/bindings")} == {source, ""}
    for key in keys:
        api.delete(between + "/" + quote(key))
    assert api.get(between) == []
    api.delete(between + "/k", 404)
    # Unused, then used.
    channel = connect(broker).channel()
    channel.exchange_delete(target, if_unused=True)
    api.delete(f"exchanges/%2F/{source}?if-unused=true")


def test_publish_and_get(api, broker, name):
    api.put(f"queues/%2F/{name}", {})
    path = "exchanges/%2F/amq.default/publish"
    message = {"properties": {"delivery_mode": 2, "headers": {"a": 1}, "content_type": "text/plain"}, "routing_key": name,
               "payload": "grüße", "payload_encoding": "string"}
    assert api.post(path, message) == {"routed": True}
    assert api.post(path, {**message, "routing_key": name + ".no"}) == {"routed": False}
    assert api.post(path, {**message, "payload": "/wA=", "payload_encoding": "base64"}) == {"routed": True}
    reason = api.post(f"exchanges/%2F/{name}/publish", message, 400)["reason"]
    assert reason == f"404 NOT_FOUND - no exchange '{name}' in vhost '/'"
    assert "key_missing,routing_key" in api.post(path, {}, 400)["reason"]
    api.post(path, {**message, "properties": {"priority": 256}}, 400)
    want = {"count": 5, "ackmode": "ack_requeue_true", "encoding": "auto"}
    for redelivered in (False, True):
        first, second = api.post(f"queues/%2F/{name}/get", want)
        assert first["payload"] == "grüße" and first["payload_bytes"] == len("grüße".encode())
        assert first["properties"] == message["properties"] and first["redelivered"] is redelivered
        assert (first["exchange"], first["routing_key"], first["message_count"]) == ("", name, 1)
        assert (second["payload"], second["payload_encoding"]) == ("/wA=", "base64")
    assert api.post(f"queues/%2F/{name}/get", {**want, "truncate": 2})[0]["payload"] == "gr"
    assert len(api.post(f"queues/%2F/{name}/get", {**want, "ackmode": "ack_requeue_false", "count": 1})) == 1
    assert len(api.post(f"queues/%2F/{name}/get", {**want, "ackmode": "reject_requeue_false"})) == 1
    assert api.post(f"queues/%2F/{name}/get", want) == []
    api.post(f"queues/%2F/{name}/get", {**want, "ackmode": "zz"}, 400)
    large = "x" * 1_000_000
    assert api.post(path, {**message, "payload": large}) == {"routed": True}
    assert api.post(f"queues/%2F/{name}/get", want)[0]["payload"] == large


def test_connections_are_listed_and_closed(api, broker, name):
    connection = connect(broker, client_properties={"connection_name": name}, heartbeat=7)
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_qos(prefetch_count=3)
    channel.queue_declare(name)
    channel.basic_consume(name, lambda *_: None, consumer_tag="me", arguments={"x": "y"})
    for _ in range(5):
        channel.basic_publish("", name, b"m")
    mine, = [one for one in api.get("connections") if one.get("user_provided_name") == name]
    assert (mine["user"], mine["vhost"], mine["protocol"]) == ("guest", "/", "AMQP 0-9-1")
    assert (mine["channels"], mine["timeout"], mine["state"]) == (1, 7, "running")
    assert mine["name"].endswith(f" -> 127.0.0.1:{broker.amqp_port}") and mine["port"] == broker.amqp_port
    assert mine["client_properties"]["connection_name"] == name and mine["connected_at"] > 1.7e12
    one, = api.get(f"connections/{quote(mine['name'])}/channels")
    assert one["name"] == f"{mine['name']} (1)" and one["confirm"] and one["prefetch_count"] == 3
    assert (one["consumer_count"], one["messages_unacknowledged"], one["messages_unconfirmed"]) == (1, 3, 0)
    consumer, = [one for one in api.get("consumers/%2F") if one["queue"]["name"] == name]
    assert consumer["consumer_tag"] == "me" and consumer["ack_required"] and consumer["active"]
    assert consumer["arguments"] == {"x": "y"} and consumer["channel_details"]["name"] == one["name"]
    assert api.get(f"queues/%2F/{name}")["consumer_details"] == [consumer]
    assert api.get(f"connections/{quote(mine['name'])}?columns=user") == {"user": "guest"}
    api.delete(f"connections/{quote(mine['name'])}")
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
        connection.process_data_events(time_limit=5)
        connection.process_data_events(time_limit=5)
    assert (closed.value.reply_code, closed.value.reply_text) == (320, "CONNECTION_FORCED - Closed via management plugin")
    harness.wait_for(lambda: api.ask("GET", f"connections/{quote(mine['name'])}")[0] == 404, 5, "the connection is gone")
    api.delete(f"connections/{quote(mine['name'])}", 404)


def test_connections_of_a_user(api, own_broker):
    api = Api(own_broker.management_port)
    first, second = connect(own_broker), connect(own_broker)
    assert len(api.get("connections/username/guest")) == 2 and api.get("connections/username/nobody") == []
    api.delete("connections/username/guest")
    for connection in (first, second):
        with pytest.raises(pika.exceptions.ConnectionClosedByBroker):
            connection.process_data_events(time_limit=5)
            connection.process_data_events(time_limit=5)


def test_single_active_consumer(api, broker, name):
    connection = connect(broker)
    channel = connection.channel()
    channel.queue_declare(name, arguments={"x-single-active-consumer": True})
    channel.basic_consume(name, lambda *_: None, consumer_tag="one")
    channel.basic_consume(name, lambda *_: None, consumer_tag="two")
    found = {one["consumer_tag"]: one["active"] for one in api.get("consumers") if one["queue"]["name"] == name}
    assert found == {"one": True, "two": False}
    connection.close()


def test_lists_are_sorted_cut_and_paged(api, name):
    for index in range(5):
        api.put(f"queues/%2F/{name}-{index}", {})
    page = api.get(f"queues?page=1&page_size=2&name={name}&columns=name&sort=name&sort_reverse=true")
    assert page["items"] == [{"name": f"{name}-4"}, {"name": f"{name}-3"}]
    assert (page["filtered_count"], page["item_count"], page["page_count"], page["page_size"]) == (5, 2, 3, 2)
    page = api.get(f"queues?page=1&name={quote(name + '-[01]$')}&use_regex=true&columns=name")
    assert page["filtered_count"] == 2 and page["page_size"] == 100
    assert api.get("queues?page=0", 400)["error"] == "invalid_pagination_parameters"
    assert api.get(f"queues?page=7&name={name}", 400)["error"] == "page_out_of_range"
    assert api.get("queues?page=1&use_regex=true&name=(", 400)["error"] == "bad_request"


def test_streams_are_queues(api, broker, name):
    connection = connect(broker)
    channel = connection.channel()
    channel.queue_declare(name, durable=True, arguments={"x-queue-type": "stream", "x-max-age": "7D"})
    channel.basic_qos(prefetch_count=1)
    channel.basic_consume(name, lambda *_: None)
    queue = api.get(f"queues/%2F/{name}")
    assert (queue["type"], queue["durable"], queue["consumers"]) == ("stream", True, 1)
    assert queue["arguments"]["x-max-age"] == "7D"
    connection.close()
    api.delete(f"queues/%2F/{name}")


def test_health(api, broker):
    for path in ("health/checks/alarms", "health/checks/local-alarms", "health/checks/virtual-hosts", "healthchecks/node",
                 "aliveness-test/%2F", f"health/checks/port-listener/{broker.amqp_port}",
                 "health/checks/protocol-listener/amqp"):
        assert api.get(path)["status"] == "ok"
    assert api.get("health/checks/port-listener/1", 503)["status"] == "failed"
    assert api.get("queues/%2F/aliveness-test")["messages"] == 0


def test_definitions_go_out_and_in_again(own_broker):
    api = Api(own_broker.management_port)
    api.put("exchanges/%2F/src", {"type": "topic", "durable": True, "arguments": {"alternate-exchange": "amq.fanout"}})
    api.put("exchanges/%2F/hash", {"type": "x-consistent-hash", "durable": True, "auto_delete": True})
    api.put("exchanges/%2F/late", {"type": "x-delayed-message", "durable": True, "arguments": {"x-delayed-type": "direct"}})
    api.put("exchanges/%2F/brief", {"type": "direct"})
    api.put("queues/%2F/plain", {"durable": True, "arguments": {"x-max-length": 5}})
    api.put("queues/%2F/strict", {"durable": True, "arguments": {"x-queue-type": "quorum"}})
    api.put("queues/%2F/flow", {"durable": True, "arguments": {"x-queue-type": "stream"}})
    api.put("queues/%2F/brief", {})
    api.post("bindings/%2F/e/src/q/plain", {"routing_key": "a.*"}, 201)
    api.post("bindings/%2F/e/src/e/hash", {"routing_key": "7"}, 201)
    api.post("bindings/%2F/e/amq.headers/q/strict", {"arguments": {"x-match": "any", "n": 5}}, 201)
    api.post("bindings/%2F/e/src/q/brief", {"routing_key": "x"}, 201)
    before = api.get("definitions")
    assert {one["name"] for one in before["queues"]} == {"plain", "strict", "flow"}
    assert {one["name"] for one in before["exchanges"]} == {"src", "hash", "late"}
    assert len(before["bindings"]) == 3 and [one["name"] for one in before["vhosts"]] == ["/"]
    own_broker.kill()
    own_broker.start()
    api = Api(own_broker.management_port)
    assert api.get("definitions") == before
    other = harness.Broker(shards=own_broker.shards).start()
    try:
        fresh = Api(other.management_port)
        fresh.post("definitions", before, 204)
        fresh.post("definitions", before, 204)
        assert fresh.get("definitions") == before
        fresh.post("definitions", {"queues": [{"name": "x", "vhost": "other"}]}, 400)
        fresh.post("definitions", {"queues": [{"name": "plain", "vhost": "/", "durable": False}]}, 400)
        fresh.post("definitions", {"queues": {}}, 400)
    finally:
        other.close()


def test_malformed_http_ends_the_connection(broker, api):
    for bad in (b"AMQP\0\0\x09\x01\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"GET /api/whoami\r\n\r\n",
                b"GET /api/%zz HTTP/1.1\r\nConnection: close\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000):
        with socket.create_connection((broker.host, broker.management_port), timeout=5) as raw:
            raw.sendall(bad)
            answer = b""
            while part := raw.recv(65536):
                answer += part
            assert answer.split(b" ")[1] in (b"400", b"413"), (bad[:40], answer)
    # Refusals that quote what was cut within a character.
    status, answer, _ = api.ask("PUT", f"queues/%2F/{quote('ü' * 127)}", {"arguments": {"x-message-ttl": -1}})
    assert status == 400 and "ü" in answer["reason"]
    # Several requests in one write are answered in order.
    with socket.create_connection((broker.host, broker.management_port), timeout=5) as raw:
        head = f"Authorization: {api.authorization}\r\n".encode()
        raw.sendall(b"GET /api/whoami HTTP/1.1\r\n" + head + b"\r\n" + b"HEAD /api/vhosts HTTP/1.1\r\n" + head + b"\r\n" +
                    b"GET /api/cluster-name HTTP/1.1\r\nConnection: close\r\n" + head + b"\r\n")
        answer = b""
        while part := raw.recv(65536):
            answer += part
        assert answer.count(b"HTTP/1.1 200 OK") == 3 and answer.endswith(b'"}')
    assert api.get("whoami")["name"] == "guest"


def head_of_put(authorization, size, extra=""):
    return (f"PUT /api/queues/%2F/x HTTP/1.1\r\nHost: a\r\nAuthorization: {authorization}\r\n{extra}"
            + ("Transfer-Encoding: chunked\r\n\r\n" if size is None else f"Content-Length: {size}\r\n\r\n")).encode()


def test_who_closes_a_connection_may_say_why(broker, api):
    connection = connect(broker)
    port = connection._impl._transport._sock.getsockname()[1]
    path = "/api/connections/" + quote(f"127.0.0.1:{port} -> 127.0.0.1:{broker.amqp_port}")
    client = http.client.HTTPConnection(broker.host, broker.management_port, timeout=10)
    client.request("DELETE", path, headers={"Authorization": api.authorization, "X-Reason": "for repair"})
    assert client.getresponse().status == 204
    client.close()
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
        connection.process_data_events(time_limit=10)
    assert (closed.value.reply_code, closed.value.reply_text) == (320, "CONNECTION_FORCED - for repair")


def test_a_stranger_may_not_send_much(broker):
    """Who is not known is answered from the head of a large request, before its body is welcome or kept."""
    stranger, known = "Basic Zzpn", "Basic Z3Vlc3Q6Z3Vlc3Q="
    for size in (60 << 20, (64 << 10) + 1, None):
        for extra in ("", "Expect: 100-continue\r\n"):
            with socket.create_connection((broker.host, broker.management_port), timeout=10) as client:
                client.sendall(head_of_put(stranger, size, extra))
                answer = client.recv(65536)
                assert answer.startswith(b"HTTP/1.1 401 ") and b"connection: close" in answer, answer
                assert client.recv(65536) == b""
    # A small one is read, and the connection stays.
    with socket.create_connection((broker.host, broker.management_port), timeout=10) as client:
        for _ in range(2):
            client.sendall(head_of_put(stranger, 2) + b"{}")
            assert client.recv(65536).startswith(b"HTTP/1.1 401 ")
    # Who is known is heard to the end, in one piece or in chunks.
    body = b'{"arguments": {"note": "%s"}}' % (b"y" * 100_000)
    for size in (len(body), None):
        with socket.create_connection((broker.host, broker.management_port), timeout=10) as client:
            client.sendall(head_of_put(known, size, "Expect: 100-continue\r\n"))
            assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(body if size else b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
            assert client.recv(65536)[:10] == b"HTTP/1.1 2"
    Api(broker.management_port).delete("queues/%2F/x")


def test_global_parameters(own_broker):
    api = Api(own_broker.management_port)
    values = ({"a": 1}, "x", 5, None, [1, 2], True, 1.5)
    api.put("global-parameters/a%2Fb", {"value": 0}, 201)
    for value in values:
        api.put("global-parameters/a%2Fb", {"name": "other", "value": value}, 204)
        assert api.get("global-parameters/a%2Fb") == {"name": "a/b", "value": value}
    assert api.put("global-parameters/c", {"name": "c"}, 400)["reason"] == "[{key_missing,value}]"
    api.put("global-parameters/c", {"value": 1}, 201)
    assert [one["name"] for one in api.get("global-parameters")] == ["a/b", "c"]
    definitions = api.get("definitions")
    assert definitions["global_parameters"] == [{"name": "a/b", "value": 1.5}, {"name": "c", "value": 1}]
    own_broker.kill()
    own_broker.start()
    api = Api(own_broker.management_port)
    assert api.get("global-parameters/c") == {"name": "c", "value": 1}
    for name in ("a%2Fb", "c"):
        api.delete(f"global-parameters/{name}")
        api.get(f"global-parameters/{name}", 404)
    assert api.ask("DELETE", "global-parameters/c")[0] == 404
    assert api.ask("POST", "definitions", definitions)[0] in (200, 204)
    assert api.get("global-parameters") == definitions["global_parameters"]


def test_the_name_of_the_cluster(broker):
    api = Api(broker.management_port)
    given = api.get("cluster-name")["name"]
    assert given == api.get("overview")["cluster_name"]
    try:
        api.put("cluster-name", {"name": "ours"}, 204)
        assert api.get("cluster-name") == {"name": "ours"}
        assert api.get("global-parameters/cluster_name")["value"] == api.get("overview")["cluster_name"] == "ours"
        with connect(broker) as connection:
            assert connection._impl.server_properties["cluster_name"] == "ours"
        assert api.put("cluster-name", {"nme": "x"}, 400)["reason"] == "[{key_missing,name}]"
        api.put("cluster-name", {"name": 5}, 400)
    finally:
        api.delete("global-parameters/cluster_name")
    assert api.get("cluster-name") == {"name": given}


def test_parameters_with_a_component(broker):
    api = Api(broker.management_port)
    assert api.get("parameters/nocomp") == []
    api.get("parameters/nocomp/%2F/x", 404)
    assert api.put("parameters/nocomp/%2F/x", {"value": 1}, 400)["reason"] == "Validation failed\n\ncomponent nocomp not found\n"
    assert api.put("parameters/nocomp/nov/x", {"value": 1}, 404)["reason"] == "vhost_not_found"
    assert api.put("parameters/policy/%2F/x", {"value": 1}, 400)["reason"] == "policies may not be set using this method"
    api.put("vhosts/parametric", {})
    try:
        limits = "parameters/vhost-limits/parametric/limits"
        api.put("vhost-limits/parametric/max-queues", {"value": 7}, 204)
        shown = {"component": "vhost-limits", "vhost": "parametric", "name": "limits", "value": {"max-queues": 7}}
        assert api.get(limits) == shown and shown in api.get("parameters")
        api.put(limits, {"value": {"max-connections": 8}}, 204)
        assert api.get("vhost-limits/parametric") == [{"vhost": "parametric", "value": {"max-connections": 8}}]
        assert "max-foo" in api.put(limits, {"value": {"max-foo": 8}}, 400)["reason"]
        policy = {"pattern": "^x", "definition": {"message-ttl": 5}, "priority": 0, "apply-to": "all"}
        api.put("parameters/operator_policy/parametric/op", {"value": policy}, 201)
        assert api.get("operator-policies/parametric/op")["definition"] == {"message-ttl": 5}
        assert api.get("parameters/operator_policy/parametric")[0]["value"] == policy
        for path in ("parameters/operator_policy/parametric/op", limits):
            api.delete(path)
            assert api.ask("DELETE", path)[0] == 404
        assert api.get("operator-policies/parametric") == [] and api.get("vhost-limits/parametric") == []
    finally:
        api.delete("vhosts/parametric")


def has_number(item, *names):
    """Whole ones, as clients that are strict about types want them."""
    for name in names:
        assert isinstance(item[name], int) and not isinstance(item[name], bool) and item[name] >= 0, (name, item[name])


def test_what_strict_clients_read(own_broker):
    """What rabbitmqadmin 2 cannot do without, and that it is true: versions, nodes, limits, bytes, tags of consumers."""
    api = Api(own_broker.management_port)
    connection = pika.BlockingConnection(pika.ConnectionParameters(own_broker.host, own_broker.amqp_port))
    channel = connection.channel()
    arguments = {"one": {}, "single": {"x-single-active-consumer": True}, "quorum": {"x-queue-type": "quorum"},
                 "stream": {"x-queue-type": "stream"}, "timed": {"x-consumer-timeout": 60000}}
    for queue, given in arguments.items():
        channel.queue_declare(queue, durable=True, arguments=given)
    for queue, tag in (("one", "alone"), ("single", "first"), ("single", "second"), ("timed", "t")):
        channel.basic_consume(queue, lambda *_: None, consumer_tag=tag, exclusive=queue == "one")
    node = api.get("overview")["node"]

    overview = api.get("overview")
    assert all(isinstance(overview[name], str) for name in ("erlang_full_version", "erlang_version", "rabbitmq_version"))
    has_number(overview, "statistics_db_event_queue")
    assert overview["queue_totals"]["messages_details"]["rate"] == 0
    assert overview["contexts"][0]["port"] == own_broker.management_port

    found, = api.get("nodes")
    assert found["name"] == node
    has_number(found, "uptime", "run_queue", "processors", "fd_total", "proc_total", "mem_limit", "disk_free_limit",
               "sockets_used", "sockets_total", "queue_declared")
    assert found["sockets_used"] >= 5 and found["proc_used"] < found["proc_total"]
    assert 0 < found["disk_free_limit"] < found["disk_free"]

    told = {queue["name"]: queue for queue in api.get("queues")}
    assert {queue["node"] for queue in told.values()} == {node}
    assert told["one"]["exclusive_consumer_tag"] == "alone" and told["quorum"]["exclusive_consumer_tag"] is None
    assert told["single"]["single_active_consumer_tag"] == "first" and told["one"]["single_active_consumer_tag"] is None
    assert told["stream"]["leader"] == node and told["quorum"]["members"] == told["quorum"]["online"] == [node]
    assert "leader" not in told["one"]

    consumers = {consumer["consumer_tag"]: consumer for consumer in api.get("consumers")}
    assert {consumer["channel_details"]["node"] for consumer in consumers.values()} == {node}
    assert consumers["t"]["consumer_timeout"] == 60000 and consumers["alone"]["consumer_timeout"] == 2**53 - 1

    one, = api.get("connections")
    assert one["node"] == node and one["user_who_performed_action"] == "guest"
    assert [of["node"] for of in api.get("channels")] == [node]
    before = one["recv_oct"], one["send_oct"]
    assert min(before) > 100
    channel.basic_publish("", "quorum", b"x" * 10_000)
    assert channel.basic_get("quorum")[2] == b"x" * 10_000
    one, = api.get("connections")
    assert 10_000 < one["recv_oct"] - before[0] < 11_000 and 10_000 < one["send_oct"] - before[1] < 11_000
    assert one["recv_oct_details"]["rate"] >= 0
    assert api.get("health/checks/certificate-expiration/1/months") == {"status": "ok"}
    connection.close()
