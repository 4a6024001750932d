"""A Celery application with Redis as its broker and its result store, which needs one shard: kombu's transactions name
keys that lie anywhere.
"""

import types

import celery
import harness
import pytest
from test_amqp_celery import RESULT_SECONDS, Application

pytestmark = pytest.mark.own


@pytest.fixture
def application(tmp_path):
    broker = harness.Broker(shards=1).start()
    url = f"redis://{broker.host}:{broker.redis_port}/0"
    application = Application(types.SimpleNamespace(amqp_url=url), url, tmp_path)
    try:
        application.start()
        application.wait_ready()
        application.broker = broker
        yield application
    finally:
        application.stop()
        broker.close()


def test_tasks_retries_and_chords(application):
    tasks = application.tasks
    results = [tasks.add.delay(n, n) for n in range(20)]
    assert [result.get(timeout=RESULT_SECONDS) for result in results] == [2 * n for n in range(20)]
    assert tasks.flaky.delay(2).get(timeout=RESULT_SECONDS) == 2
    assert celery.chord(tasks.add.s(n, 1) for n in range(5))(tasks.total.s()).get(timeout=RESULT_SECONDS) == 15
    assert tasks.add.apply_async((1, 2), countdown=0.3).get(timeout=RESULT_SECONDS) == 3
    assert application.ping()
