"""The same calls of RabbitMQ's rabbitmqadmin against RabbitMQ's management plugin and against the HTTP API: what they
print must be equal, but for what names the broker itself.

rabbitmqadmin_diff.py [--theirs HOST:PORT] [--ours HOST:PORT]; what is not given is started. Both must be fresh.
"""

import argparse
import contextlib
import difflib
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import harness  # noqa: E402
import rabbitmq_peer  # noqa: E402
from httpapi import rabbitmqadmin  # noqa: E402

QUEUE = ("name", "vhost", "durable", "auto_delete", "arguments", "type")
EXCHANGE = ("name", "vhost", "type", "durable", "auto_delete", "internal", "arguments")
BINDING = ("source", "vhost", "destination", "destination_type", "routing_key", "arguments")
CALLS = [line.split() if isinstance(line, str) else line for line in (
    "declare queue name=a durable=true",
    "declare queue name=a durable=true",
    "declare queue name=a durable=false",
    ["declare", "queue", "name=b", "auto_delete=false", 'arguments={"x-max-length":3,"x-message-ttl":60000}'],
    ["declare", "queue", "name=c", "durable=true", 'arguments={"x-queue-type":"quorum"}'],
    ["declare", "queue", "name=bad", 'arguments={"x-message-ttl":-1}'],
    ["declare", "queue", "name=bad", 'arguments={"x-max-length":"ten"}'],
    "declare exchange name=t type=topic",
    "declare exchange name=t type=topic",
    "declare exchange name=t type=fanout",
    "declare exchange name=h type=headers durable=false auto_delete=true",
    ["declare", "exchange", "name=alt", "type=direct", 'arguments={"alternate-exchange":"amq.fanout"}'],
    "declare exchange name=bad type=nonsense",
    "declare binding source=t destination=a routing_key=a.#",
    "declare binding source=t destination=b routing_key=*.b",
    "declare binding source=t destination_type=exchange destination=alt routing_key=x",
    ["declare", "binding", "source=h", "destination=a", 'arguments={"x-match":"all","n":1}'],
    "declare binding source=t destination=none routing_key=a",
    "declare binding source=none destination=a routing_key=a",
    ("list", "queues", *QUEUE),
    ("list", "exchanges", *EXCHANGE),
    ("-s", "routing_key", "list", "bindings", *BINDING),
    "publish exchange=t routing_key=a.b payload=one",
    ["publish", "exchange=t", "routing_key=a.b", "payload=two", 'properties={"delivery_mode":2,"headers":{"k":"v"}}'],
    "publish exchange=t routing_key=nowhere payload=three",
    "publish exchange=none routing_key=a payload=four",
    "-f raw_json get queue=a ackmode=ack_requeue_true count=5",
    "get queue=a ackmode=ack_requeue_false",
    "get queue=b ackmode=reject_requeue_false count=1",
    "get queue=none",
    "purge queue name=a",
    "purge queue name=none",
    "delete binding source=t destination_type=queue destination=a properties_key=a.%23",
    "delete binding source=t destination_type=queue destination=a properties_key=none",
    ("-s", "routing_key", "list", "bindings", *BINDING),
    "declare user name=u password=p tags=management",
    "declare user name=u password=p tags=management,monitoring",
    "declare permission vhost=/ user=u configure=^a write=.* read=",
    "declare policy name=p pattern=^a apply-to=queues definition={\"max-length\":2,\"dead-letter-exchange\":\"t\"} priority=3",
    "declare policy name=p pattern=^a apply-to=queues definition={\"max-length\":2}",
    "declare policy name=q pattern=^a definition={\"max-length\":-2}",
    "declare operator_policy name=o pattern=.* definition={\"message-ttl\":60000}",
    "list policies",
    "list operator_policies",
    "list queues name policy",
    "delete policy name=p",
    "delete policy name=p",
    "delete operator_policy name=o",
    "list users name tags",
    "-s vhost list permissions",
    "declare vhost name=w",
    "declare vhost name=w",
    "list vhosts name",
    "-s vhost list permissions",
    ("-V", "w", "list", "exchanges", *EXCHANGE),
    "-V w declare queue name=a durable=true",
    "-V w declare queue name=a durable=false",
    "-V w declare exchange name=x type=fanout",
    "-V w declare binding source=x destination=a",
    "-V w declare binding source=t destination=a",
    ("-V", "w", "list", "bindings", *BINDING),
    ("-V", "w", "list", "queues", *QUEUE),
    "-V w publish exchange=x routing_key=k payload=here",
    "-V w publish exchange=t routing_key=k payload=nowhere",
    "-V w get queue=a",
    "-V w declare policy name=p pattern=^a definition={\"max-length\":2}",
    "-V w list policies",
    "list policies",
    ("list", "queues", *QUEUE),
    "declare permission vhost=w user=u configure=.* write=.* read=.*",
    "declare permission vhost=none user=u configure=.* write=.* read=.*",
    "-V none list queues",
    "-V none declare queue name=a",
    "-u u -p p list vhosts name",
    "delete permission vhost=w user=u",
    "-u u -p p list vhosts name",
    "-u u -p p declare vhost name=own",
    "declare vhost_limit vhost=w name=max-queues value=1",
    "-V w declare queue name=b",
    "list vhost_limits",
    "delete vhost name=w",
    "delete vhost name=w",
    "-s vhost list permissions",
    ("list", "queues", *QUEUE),
    "-u u -p p list exchanges name",
    "-u u -p p declare queue name=zz",
    "-u u -p p list users",
    "-u u -p wrong list queues",
    "list vhosts name",
    "list connections",
    "list consumers",
    "list channels",
    "delete user name=u",
    "delete user name=u",
    "delete exchange name=amq.topic",
    "delete exchange name=t",
    "delete exchange name=t",
    "delete queue name=a",
    "delete queue name=a",
    ("list", "queues", *QUEUE),
)]


def run(address, arguments):
    host, port = address.split(":")
    done = subprocess.run([sys.executable, rabbitmqadmin(), "-H", host, "-P", port, *arguments], capture_output=True, text=True,
                          timeout=60)
    # A traceback's last lines say what the server answered.
    error = done.stderr.strip().splitlines()[-3:]
    return [f"exit {done.returncode}", *done.stdout.splitlines(), *error]


def compare(theirs, ours):
    different = 0
    for arguments in CALLS:
        expected, found = run(theirs, arguments), run(ours, arguments)
        if expected == found:
            continue
        different += 1
        print("rabbitmqadmin", *arguments)
        print("\n".join(difflib.unified_diff(expected, found, "theirs", "ours", lineterm="", n=0)))
    print(f"{len(CALLS)} calls, {different} differ")
    print(f"{len(CALLS) - different} passed, {different} failed")
    return 1 if different else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--theirs")
    parser.add_argument("--ours")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        theirs, ours = options.theirs, options.ours
        if not theirs:
            theirs = f"127.0.0.1:{stack.enter_context(rabbitmq_peer.RabbitMQ()).management_port}"
        if not ours:
            broker = harness.Broker().start()
            stack.callback(broker.close)
            ours = f"{broker.host}:{broker.management_port}"
        return compare(theirs, ours)


if __name__ == "__main__":
    sys.exit(main())
