"""AMQP 0-9-1 with Debian's amqp-tools (librabbitmq): declare-queue, publish, get, consume, delete-queue."""

import subprocess

import pytest


@pytest.fixture
def amqp(broker):
    def run(tool, *arguments, data=None, code=0):
        result = subprocess.run([f"amqp-{tool}", "--server", broker.host, "--port", str(broker.amqp_port), *arguments],
                                input=data, capture_output=True, timeout=20)
        assert result.returncode == code, (result.stdout, result.stderr)
        return result.stdout

    return run


def test_declare_publish_get(amqp, name):
    assert amqp("declare-queue", "-d", "-q", name) == f"{name}\n".encode()
    for body in (b"one", b"", b"\x00\xff" * 100000):
        amqp("publish", "-p", "-r", name, data=body)
    for body in (b"one", b"", b"\x00\xff" * 100000):
        assert amqp("get", "-q", name) == body
    amqp("get", "-q", name, code=2)  # Its way to say that the queue is empty.
    assert amqp("delete-queue", "-q", name).strip() == b"0"


def test_publish_with_properties(amqp, name):
    amqp("declare-queue", "-d", "-q", name)
    amqp("publish", "-p", "-r", name, "-C", "text/plain", "-H", "a: b", "-b", "hello")
    assert amqp("get", "-q", name) == b"hello"


def test_consume(amqp, name):
    amqp("declare-queue", "-d", "-q", name)
    for index in range(5):
        amqp("publish", "-p", "-r", name, "-b", f"m{index};")
    assert amqp("consume", "-q", name, "-c", "5", "-p", "2", "cat") == b"m0;m1;m2;m3;m4;"
    amqp("get", "-q", name, code=2)


def test_consume_through_an_exchange(broker, amqp, name):
    consumer = subprocess.Popen(
        ["amqp-consume", "--server", broker.host, "--port", str(broker.amqp_port), "-e", "amq.topic", "-r", f"{name}.*",
         "-A", "-c", "1", "cat"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert b"Server provided queue name" in consumer.stderr.readline()
        # The binding follows the declaration on the same connection; publish until one came through.
        for _ in range(100):
            amqp("publish", "-e", "amq.topic", "-r", f"{name}.x", "-b", "routed")
            try:
                consumer.wait(0.1)
                break
            except subprocess.TimeoutExpired:
                continue
        assert consumer.communicate(timeout=5)[0] == b"routed"
    finally:
        consumer.kill()
        consumer.wait()


def test_errors_are_told(amqp, name):
    result = amqp("get", "-q", f"{name}.missing", code=1)
    assert result == b""
