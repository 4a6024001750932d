"""The acceptance programs in ../shared/acceptance, run by path and unmodified, in all six start orders.

Proves: aio-pika, redis-py and aiokafka programs written for RabbitMQ, Redis and Kafka work side by side against one
process on its default ports, over one log called `orders`. Each run has a private network namespace.
"""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

import harness

SCENARIO = Path(__file__).with_name("scenario.py")
PROGRAMS = harness.REPO.parent / "shared" / "acceptance"
pytestmark = pytest.mark.own


def in_namespace(command, timeout):
    """Runs the scenario with a loopback interface of its own, so that the default ports never clash; where namespaces
    are forbidden, on the machine's own ports."""
    for unshare in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        if subprocess.run([*unshare, "true"], capture_output=True).returncode == 0:
            command = [*unshare, *command, "--namespace"]
            break
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


@pytest.mark.timeout(150)
@pytest.mark.parametrize("order", [",".join(order) for order in itertools.permutations(("rabbitmq", "redis", "kafka"))])
def test_programs_print_what_they_should(order):
    assert PROGRAMS.is_dir(), f"the acceptance programs are not at {PROGRAMS}"
    # Half of the orders with one shard and half with two; both counts see each program first.
    shards = 1 + [",".join(o) for o in itertools.permutations(("rabbitmq", "redis", "kafka"))].index(order) % 2
    result = in_namespace([sys.executable, str(SCENARIO), order, "--shards", str(shards)], timeout=140)
    assert result.returncode == 0, result.stdout + result.stderr
