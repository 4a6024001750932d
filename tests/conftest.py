"""Fixtures of the client tests: `broker` (one process for many tests, with 1 and with 2 shards), `own_broker` (a fresh
one that the test may kill and restart), `name` (a fresh legal name in all three protocols).

Tests marked `own` need a broker of their own or a log shared by the protocols; with PEERS set they are not collected.
"""

import itertools
import os
import re
import sys
import uuid
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS), str(TESTS / "crossing"), str(TESTS / "crash"), str(TESTS / "malformed"), str(TESTS / "faults")]

import harness  # noqa: E402

SHARDS = [int(text) for text in os.environ.get("SHARDS", "1,2").split(",")]
_counter = itertools.count(1)
_life = uuid.uuid4().hex[:6]


def pytest_configure(config):
    config.addinivalue_line("markers", "own: needs our broker itself, cannot run against the real servers")


def pytest_collection_modifyitems(config, items):
    if harness.peers_from_environment() is None:
        return
    kept, left_out = [], []
    for item in items:
        own = item.get_closest_marker("own") or "own_broker" in item.fixturenames
        (left_out if own else kept).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session", params=SHARDS if not harness.peers_from_environment() else [1],
                ids=lambda shards: f"shards{shards}")
def shared_broker(request):
    peers = harness.peers_from_environment()
    if peers is not None:
        yield harness.Peers(peers)
        return
    broker = harness.Broker(shards=request.param, durability=os.environ.get("DURABILITY", "fsync")).start()
    yield broker
    broker.close()


@pytest.fixture
def broker(shared_broker):
    """The shared broker; a crash during a test is an error of that test."""
    if not shared_broker.is_peer and shared_broker.process is None:
        shared_broker.start()
    yield shared_broker
    shared_broker.check_alive()


@pytest.fixture(params=SHARDS, ids=lambda shards: f"shards{shards}")
def own_broker(request):
    broker = harness.Broker(shards=request.param).start()
    yield broker
    broker.close()


@pytest.fixture
def name(request):
    base = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:60]
    return f"{base}-{_life}-{next(_counter)}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        broker = item.funcargs.get("own_broker") or item.funcargs.get("shared_broker")
        if broker is not None:
            report.sections.append(("broker", broker.log_tail()))
