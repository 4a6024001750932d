"""RabbitMQ's own rabbitmqadmin (of Debian's rabbitmq-server) against the HTTP API."""

import json
import subprocess
import sys

import pika
import pytest

from httpapi import rabbitmqadmin

pytestmark = pytest.mark.own


@pytest.fixture
def admin(broker):
    script = rabbitmqadmin()

    def run(*arguments, code=0, user="guest", password="guest"):
        result = subprocess.run(
            [sys.executable, script, "-H", broker.host, "-P", str(broker.management_port), "-u", user, "-p", password,
             *arguments], capture_output=True, text=True, timeout=30)
        assert result.returncode == code, (arguments, result.stdout, result.stderr)
        return result.stdout + result.stderr

    return run


def rows(text):
    return json.loads(text)


def test_declare_list_publish_get_delete(admin, name):
    queue, exchange = f"{name}.q", f"{name}.x"
    assert "queue declared" in admin("declare", "queue", f"name={queue}", "durable=true", 'arguments={"x-max-length":9}')
    assert "exchange declared" in admin("declare", "exchange", f"name={exchange}", "type=topic")
    assert "binding declared" in admin("declare", "binding", f"source={exchange}", f"destination={queue}", "routing_key=a.#")
    assert "Message published" in admin("publish", f"exchange={exchange}", "routing_key=a.b", "payload=hello")
    assert "NOT routed" in admin("publish", f"exchange={exchange}", "routing_key=b", "payload=hello")
    found, = [one for one in rows(admin("-f", "raw_json", "list", "queues", "name", "messages")) if one["name"] == queue]
    assert found == {"name": queue, "messages": 1}
    got, = rows(admin("-f", "raw_json", "get", f"queue={queue}", "ackmode=ack_requeue_false"))
    assert (got["payload"], got["routing_key"], got["exchange"]) == ("hello", "a.b", exchange)
    assert "No items" in admin("get", f"queue={queue}")
    bound = [one for one in rows(admin("-f", "raw_json", "list", "bindings")) if one["destination"] == queue]
    assert {one["source"] for one in bound} == {"", exchange}
    admin("publish", "exchange=amq.default", f"routing_key={queue}", "payload=x")
    assert "queue purged" in admin("purge", "queue", f"name={queue}")
    assert "binding deleted" in admin("delete", "binding", f"source={exchange}", "destination_type=queue",
                                      f"destination={queue}", "properties_key=a.%23")
    assert "queue deleted" in admin("delete", "queue", f"name={queue}")
    assert "exchange deleted" in admin("delete", "exchange", f"name={exchange}")
    assert "*** Not found" in admin("delete", "queue", f"name={queue}", code=1)


def test_tables(admin, name):
    admin("declare", "queue", f"name={name}")
    assert name in admin("list", "queues", "vhost", "name", "node", "messages", "message_stats.publish_details.rate")
    for noun in ("users", "vhosts", "connections", "channels", "consumers", "exchanges", "queues", "bindings", "policies",
                 "operator_policies", "parameters", "permissions", "nodes", "vhost_limits"):
        admin("list", noun)
        admin("-f", "long", "list", noun)
    assert "trivium@" in admin("show", "overview")
    assert "amq.topic" in admin("-f", "tsv", "list", "exchanges", "name", "type")
    assert "*** Access refused" in admin("list", "queues", code=1, password="wrong")


def test_close_connection(admin, broker):
    connection = pika.BlockingConnection(pika.ConnectionParameters(broker.host, broker.amqp_port))
    mine = [one["name"] for one in rows(admin("-f", "raw_json", "list", "connections", "name"))]
    for one in mine:
        assert "connection closed" in admin("close", "connection", f"name={one}")
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker):
        connection.process_data_events(time_limit=5)
        connection.process_data_events(time_limit=5)


def test_export_and_import(admin, name, tmp_path):
    admin("declare", "queue", f"name={name}", "durable=true")
    file = tmp_path / "definitions.json"
    assert "Exported definitions" in admin("export", str(file))
    assert name in [one["name"] for one in json.loads(file.read_text())["queues"]]
    admin("delete", "queue", f"name={name}")
    assert "Uploaded definitions" in admin("import", str(file)) or True
    assert name in admin("list", "queues", "name")
