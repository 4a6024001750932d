"""`trivium rabbitmqctl`: what it prints of a broker, and what it changes, as other clients see it."""

import json
import subprocess

import pika
import pytest
from httpapi import Api

pytestmark = pytest.mark.own


@pytest.fixture
def ctl(broker):
    def run(*words, status=0, user="guest:guest"):
        url = f"http://{user}@{broker.host}:{broker.management_port}"
        done = subprocess.run([str(broker.binary), "rabbitmqctl", "--url", url, *words], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=60)
        assert done.returncode == status, (words, done.stdout, done.stderr)
        return done.stdout if status == 0 else done.stderr
    return run


def test_lists(broker, ctl, name):
    connection = pika.BlockingConnection(pika.ConnectionParameters(broker.host, broker.amqp_port))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=7)
    channel.queue_declare(name, durable=True, arguments={"x-max-length": 5})
    channel.queue_bind(name, "amq.direct", "key")
    channel.basic_publish("", name, b"m")
    channel.basic_consume(name, lambda *_: None, consumer_tag="t")
    columns = ("name", "messages", "consumers", "durable", "auto_delete", "arguments")
    assert f'{name}\t1\t1\ttrue\tfalse\t[{{"x-max-length",5}}]\n' in ctl("-s", "list_queues", *columns)
    assert "Listing queues for vhost / ...\nname\tmessages\n" in ctl("list_queues")
    assert {"name": name, "messages": 1} in json.loads(ctl("--formatter", "json", "list_queues", "name", "messages"))
    assert "amq.topic\ttopic\n" in ctl("list_exchanges") and "\n\tdirect\n" in ctl("list_exchanges")
    bindings = ctl("list_bindings")
    assert f"amq.direct\texchange\t{name}\tqueue\tkey\t[]\n" in bindings and f"\texchange\t{name}\tqueue\t{name}\t[]\n" in bindings
    peer = connection._impl._transport._sock.getsockname()[1]
    assert f"guest\t127.0.0.1\t{peer}\trunning\n" in ctl("list_connections")
    assert f"127.0.0.1:{peer} -> 127.0.0.1:{broker.amqp_port} (1)\tguest\t1\t1\n" in ctl("list_channels")
    assert f"{name}\t127.0.0.1:{peer} -> 127.0.0.1:{broker.amqp_port} (1)\tt\ttrue\t7\ttrue\t[]\n" in ctl("list_consumers")
    assert "Info key(s) nonsense are not supported" in ctl("list_queues", "nonsense", status=64)
    assert ctl("list_vhosts") == "Listing vhosts ...\nname\n/\n"
    ctl("purge_queue", name)
    ctl("close_connection", f"127.0.0.1:{peer} -> 127.0.0.1:{broker.amqp_port}", "for repair")
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
        for _ in range(10):  # The first may be about the delivery.
            connection.process_data_events(time_limit=10)
    assert closed.value.reply_code == 320 and "for repair" in closed.value.reply_text
    ctl("delete_queue", name)
    assert "Queue not found" in ctl("delete_queue", name, status=64)


def test_users_and_rights(broker, ctl, name):
    ctl("add_user", name, "secret")
    assert "already exists" in ctl("add_user", name, "secret", status=70)
    assert "Success" in ctl("authenticate_user", name, "secret")
    ctl("change_password", name, "other")
    ctl("authenticate_user", name, "secret", status=65)
    ctl("set_user_tags", name, "management", "monitoring")
    assert f"{name}\t[management, monitoring]\n" in ctl("list_users")
    ctl("authenticate_user", name, "other")
    ctl("set_permissions", name, "^a", ".*", "^b")
    assert f"{name}\t^a\t.*\t^b\n" in ctl("list_permissions")
    assert ctl("list_user_permissions", name).endswith("\n/\t^a\t.*\t^b\n")
    ctl("list_users", status=69, user=f"{name}:other")
    ctl("clear_permissions", name)
    assert name not in ctl("list_permissions")
    ctl("delete_user", name)
    for words in (("delete_user", name), ("change_password", name, "x"), ("set_permissions", name, "", "", "")):
        assert "does not exist" in ctl(*words, status=67)
    assert "Login failed" in ctl("list_users", status=69, user="guest:wrong")


def test_policies_definitions_and_status(broker, ctl, name, tmp_path):
    ctl("set_policy", name, f"^{name}$", '{"max-length":2}', "--priority", "3", "--apply-to", "queues")
    assert f'/\t{name}\t^{name}$\tqueues\t{{"max-length":2}}\t3\n' in ctl("list_policies")
    ctl("set_policy", name, "^a", '{"max-length":-2}', status=69)
    path = tmp_path / "definitions.json"
    ctl("export_definitions", str(path))
    assert json.loads(path.read_text())["policies"] == Api(broker.management_port).get("definitions")["policies"]
    ctl("clear_policy", name)
    assert "does not exist" in ctl("clear_policy", name, status=69)
    ctl("import_definitions", str(path))
    assert name in ctl("list_policies")
    ctl("clear_policy", name)
    ctl("import_definitions", str(tmp_path / "none"), status=64)
    status = ctl("status")
    assert f"OS PID: {broker.process.pid}\n" in status and f"port: {broker.amqp_port}, protocol: amqp" in status
    assert ctl("await_startup") == ""
    ctl("nonsense", status=64)


def test_virtual_hosts(own_broker):
    import harness

    def ctl(*words, status=0):
        command = [str(harness.binary_path()), "rabbitmqctl", "--url", f"http://127.0.0.1:{own_broker.management_port}"]
        done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=60)
        assert done.returncode == status, (words, done.stdout, done.stderr)
        return done.stdout + done.stderr

    assert ctl("add_vhost", "other", "--description", "The other", "--tags", "a,b", "--default-queue-type", "quorum") == (
        'Adding vhost "other" ...\n')
    ctl("add_vhost", "other")
    told = ctl("-q", "list_vhosts", "name", "description", "tags", "default_queue_type")
    assert told.splitlines()[1:] == ["/\tDefault virtual host\t[]\tclassic", "other\tThe other\t[a, b]\tquorum"]
    ctl("set_permissions", "-p", "other", "guest", ".*", ".*", "")
    assert ctl("-q", "list_permissions", "-p", "other").splitlines()[1:] == ["guest\t.*\t.*\t"]
    ctl("set_vhost_limits", "-p", "other", '{"max-queues": 5}')
    assert ctl("-q", "list_vhost_limits", "-p", "other") == '{"max-queues":5}\n'
    assert ctl("-q", "list_vhost_limits") == ""
    ctl("set_policy", "-p", "other", "p", ".*", '{"max-length": 1}')
    Api(own_broker.management_port).put("queues/other/q", {"durable": True})
    assert ctl("-q", "list_queues", "-p", "other", "name", "policy").splitlines()[1:] == ["q\tp"]
    assert ctl("-q", "list_queues") == ctl("-q", "list_policies") == ""
    assert ctl("delete_vhost", "other") == 'Deleting vhost "other" ...\n'
    assert "Virtual host 'other' does not exist" in ctl("delete_vhost", "other", status=65)
    ctl("delete_vhost", "/", status=69)
    ctl("add_vhost", "bad", "--default-queue-type", "other", status=69)


def test_nobody_there(ctl):
    from harness import binary_path

    command = [str(binary_path()), "rabbitmqctl", "--url", "http://127.0.0.1:1"]
    done = subprocess.run([*command, "list_queues"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 69 and "nobody listens on 127.0.0.1:1" in done.stderr
    done = subprocess.run([*command, "await_startup", "--timeout", "1"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 69


def test_limits(ctl, name):
    ctl("add_user", name, "secret")
    ctl("set_user_limits", name, '{"max-connections": 5}')
    ctl("set_user_limits", name, '{"max-channels": 6}')
    assert json.loads(ctl("-q", "list_user_limits", "--user", name)) == {"max-connections": 5, "max-channels": 6}
    assert "user\tlimits\n" in ctl("-q", "list_user_limits", "--global")
    ctl("clear_user_limits", name, "max-channels")
    assert ctl("-q", "list_user_limits", "--user", name) == '{"max-connections":5}\n'
    ctl("clear_user_limits", name, "all")
    assert ctl("-q", "list_user_limits", "--user", name) == "{}\n"
    assert "Unrecognised terms" in ctl("set_user_limits", name, '{"max-queues": 1}', status=69)
    ctl("set_vhost_limits", '{"max-connections": 50000}')
    ctl("set_vhost_limits", '{"max-queues": 60000}')
    assert ctl("list_vhost_limits") == 'Listing limits for vhost "/" ...\n{"max-queues":60000}\n'
    assert "Validation failed" in ctl("set_vhost_limits", '{"max-queues": "many"}', status=69)
    ctl("clear_vhost_limits")
    assert ctl("-q", "list_vhost_limits") == ""
    ctl("delete_user", name)
