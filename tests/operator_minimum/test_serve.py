"""What an operator meets: the command line, the configuration file, the environment, clear errors, start and stop."""

import os
import re
import signal
import subprocess

import pytest

import harness
from rawclients import Amqp, Redis

pytestmark = pytest.mark.own
FREE_PORTS = ["--amqp-port", "0", "--redis-port", "0", "--kafka-port", "0", "--management-port", "0"]


def serve(*arguments, timeout=10, **environment):
    """Runs `trivium serve` where it is expected to refuse; returns (exit code, everything it said)."""
    result = subprocess.run([str(harness.binary_path()), "serve", *map(str, arguments)], capture_output=True, text=True,
                            timeout=timeout, env={**os.environ, **environment})
    return result.returncode, result.stdout + result.stderr


def test_busy_port_and_unwritable_directory_are_told(own_broker, tmp_path):
    for protocol in harness.PORTS:
        port = own_broker.ports[protocol]
        arguments = list(FREE_PORTS)
        arguments[arguments.index(f"--{protocol}-port") + 1] = port
        code, text = serve("--data-dir", tmp_path / protocol, *arguments)
        assert code != 0 and str(port) in text, text
    (tmp_path / "file").write_text("not a directory")
    code, text = serve("--data-dir", tmp_path / "file" / "d", *FREE_PORTS)
    assert code != 0 and str(tmp_path / "file") in text, text


def test_two_brokers_do_not_share_a_data_directory(own_broker):
    code, text = serve("--data-dir", own_broker.data_directory, *FREE_PORTS)
    assert code != 0 and str(own_broker.data_directory) in text, text
    own_broker.check_alive()


def test_version_and_help():
    binary = str(harness.binary_path())
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10)
    assert version.returncode == 0 and (harness.REPO / "VERSION").read_text().strip() in version.stdout
    text = subprocess.run([binary, "serve", "--help"], capture_output=True, text=True, timeout=10).stdout
    for option in ("--data-dir", "--amqp-port", "--redis-port", "--kafka-port", "--durability", "--shards", "--config"):
        assert option in text, option


@pytest.mark.parametrize("arguments, word", [
    (["--shards", "x"], "shards"), (["--durability", "never"], "durability"), (["--amqp-port", "70000"], "amqp-port"),
    (["--no-such-option", "1"], "no-such-option"), (["--config", "/nonexistent.toml"], "/nonexistent.toml")])
def test_bad_options_are_named(arguments, word, tmp_path):
    code, text = serve("--data-dir", tmp_path / "d", *arguments)
    assert code != 0 and word in text, text


def test_bad_configuration_files_are_told_with_the_line(tmp_path):
    path = tmp_path / "bad.toml"
    for content, line in (("durability = 'os'\nport = 1\n", 2), ("shards = [1]\n", 1), ("a = = b\n", 1)):
        path.write_text(content)
        code, text = serve("--config", path, "--data-dir", tmp_path / "d")
        assert code != 0 and f"{path}:{line}" in text, text


def test_flag_before_environment_before_file(tmp_path):
    """The same name in three places: the data directory that is made tells which one counted."""
    path = tmp_path / "trivium.toml"
    path.write_text(f"data-dir = '{tmp_path}/from-file'\n" + "".join(f"{kind}-port = 0\n" for kind in harness.PORTS))
    for environment, flags, expected in (
            ({}, [], "from-file"), ({"TRIVIUM_DATA_DIR": f"{tmp_path}/from-environment"}, [], "from-environment"),
            ({"TRIVIUM_DATA_DIR": f"{tmp_path}/from-environment"}, ["--data-dir", f"{tmp_path}/from-flag"], "from-flag")):
        ports_file = tmp_path / f"{expected}.ports"
        process = subprocess.Popen([str(harness.binary_path()), "serve", "--config", str(path), "--ports-file",
                                    str(ports_file), *flags], env={**os.environ, **environment},
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            harness.wait_for(ports_file.exists, 10, "ports file")
            assert (tmp_path / expected).is_dir()
        finally:
            process.terminate()
            assert process.wait(5) == 0


def test_interrupt_stops_as_well(own_broker):
    own_broker.process.send_signal(signal.SIGINT)
    own_broker.stop(signal_sent=True)
    own_broker.start()


def test_stop_with_idle_and_blocked_clients_takes_under_two_seconds(own_broker):
    """Forty connections that wait for something do not hold up the end."""
    clients = []
    for index in range(20):
        client = Redis(own_broker.redis_port)
        client.send(("XREAD", "BLOCK", 0, "STREAMS", f"s{index}", "$"))
        clients.append(client)
        client = Amqp(own_broker.amqp_port)
        client.declare(f"q{index}")
        client.consume(f"q{index}")
        clients.append(client)
    own_broker.stop()  # Checks the time and the exit code.
    for client in clients:
        client.close()
    own_broker.start()


def test_a_clean_stop_leaves_nothing_to_replay(own_broker):
    client = Redis(own_broker.redis_port)
    for index in range(100):
        client.call("XADD", "much", "*", "field", b"%d" % index + bytes(50_000))
    client.close()
    own_broker.stop()
    own_broker.start()
    recovered = re.findall(r"recovered (\d+) changes", own_broker.log_file.read_text())
    assert int(recovered[-1]) < 10, recovered
    client = Redis(own_broker.redis_port)
    assert client.call("XLEN", "much") == 100
    client.close()


def test_readable_log(own_broker):
    own_broker.stop()
    text = own_broker.log_file.read_text()
    assert "ready" in text and "stopped" in text and str(own_broker.data_directory) in text
    own_broker.start()
