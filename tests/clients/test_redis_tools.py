"""Debian's redis-cli and redis-benchmark."""

import re
import subprocess

import pytest


@pytest.fixture
def cli(broker):
    def run(*arguments, text=None):
        result = subprocess.run(["redis-cli", "-h", broker.host, "-p", str(broker.redis_port), *arguments], input=text,
                                capture_output=True, text=True, timeout=30)
        assert result.returncode == 0, (result.stdout, result.stderr)
        return result.stdout

    return run


@pytest.mark.parametrize("protocol", ["-2", "-3"])
def test_cli(cli, name, protocol):
    assert cli(protocol, "ping") == "PONG\n"
    assert cli(protocol, "set", name, "v", "EX", "100") == "OK\n"
    assert cli(protocol, "get", name) == "v\n"
    entry = cli(protocol, "xadd", f"{name}.s", "*", "a", "1").strip()
    assert re.fullmatch(r"\d+-\d+", entry)
    assert cli(protocol, "xrange", f"{name}.s", "-", "+").split() == [entry, "a", "1"]
    assert "BUSYGROUP" in cli(protocol, text=f"xgroup create {name}.s g 0\nxgroup create {name}.s g 0\n")
    assert cli(protocol, "info", "server").startswith("# Server")


def test_cli_transaction_in_one_session(cli, name):
    assert cli(text=f"multi\nset {name} 1\nincr {name}\nexec\n").split() == ["OK", "QUEUED", "QUEUED", "OK", "2"]


def test_cli_pipe(cli, name):
    commands = "".join(f"XADD {name} * n {index}\r\n" for index in range(1000))
    assert "errors: 0, replies: 1000" in cli("--pipe", text=commands)
    assert cli("xlen", name) == "1000\n"


@pytest.mark.parametrize("pipeline", ["1", "16"])
def test_benchmark(broker, cli, name, pipeline):
    result = subprocess.run(
        ["redis-benchmark", "-h", broker.host, "-p", str(broker.redis_port), "-q", "-n", "3000", "-c", "20",
         "-P", pipeline, "-t", "ping_inline,ping_mbulk,set,get,incr"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    rates = re.findall(r"^(?:\r.*\r)?([A-Z_ ]+).*?([\d.]+) requests per second", result.stdout.replace("\r", "\n"), re.M)
    assert {kind.strip() for kind, _ in rates} >= {"PING_INLINE", "SET", "GET", "INCR"}, result.stdout
    result = subprocess.run(
        ["redis-benchmark", "-h", broker.host, "-p", str(broker.redis_port), "-q", "-n", "3000", "-c", "20",
         "-P", pipeline, "xadd", name, "*", "field", "x" * 1024], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "requests per second" in result.stdout and "error" not in result.stderr.lower()
    assert 3000 <= int(cli("xlen", name)) < 3000 + 20 * 16  # Whole pipelines only.
