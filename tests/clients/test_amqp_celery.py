"""A Celery application on the broker: a worker with results over reply queues (rpc://) and over Redis, retries, ETA,
chords, events and remote control.
"""

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import harness
import pytest

pytestmark = pytest.mark.own  # One broker for the tasks and, over Redis, for their results.
HERE = Path(__file__).resolve().parent
RESULT_SECONDS = 15


class Application:
    """The tasks of celery_app.py as this process sees them, and a worker process for them."""

    def __init__(self, broker, result_url, directory):
        self.environment = {**os.environ, "BROKER_URL": broker.amqp_url, "RESULT_URL": result_url,
                            "PYTHONPATH": str(HERE), "PYTHONFAULTHANDLER": "1"}
        saved = dict(os.environ)
        os.environ.update(self.environment)
        try:
            spec = importlib.util.spec_from_file_location("celery_app", HERE / "celery_app.py")
            self.tasks = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(self.tasks)
        finally:
            os.environ.clear()
            os.environ.update(saved)
        self.app = self.tasks.app
        self.log = directory / "worker.log"
        self.worker = None

    def start(self):
        command = [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "--pool", "threads", "--concurrency",
                   "2", "--loglevel", "info", "--hostname", "one@test", "--without-mingle"]
        with open(self.log, "ab") as log:
            self.worker = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=HERE,
                                           env=self.environment)

    def ping(self):
        return self.app.control.inspect(timeout=1).ping()

    def wait_ready(self):
        deadline = time.monotonic() + 20
        while b"ready." not in self.log.read_bytes():
            assert self.worker.poll() is None and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def stop(self):
        self.worker.send_signal(signal.SIGTERM)
        try:
            code = self.worker.wait(10)
        except subprocess.TimeoutExpired:
            self.worker.send_signal(signal.SIGABRT)  # Its stacks go to the log.
            code = self.worker.wait(5)
        finally:
            self.worker.kill()
            self.app.close()
        assert code == 0, self.log.read_text()


@pytest.fixture
def wide_broker():
    """Two cores, so that queues, the worker's connections and the client's lie apart."""
    broker = harness.Broker(shards=2).start()
    yield broker
    broker.close()


@pytest.fixture
def narrow_broker():
    """One core: Celery keeps results in Redis by transactions over several keys."""
    broker = harness.Broker(shards=1).start()
    yield broker
    broker.close()


@contextlib.contextmanager
def running(application):
    application.start()
    try:
        application.wait_ready()
        yield application.tasks
    finally:
        application.stop()


def watch_events(application, seen):
    """A thread that collects the results that `task-succeeded` events tell, until there is one."""

    def watch():
        with application.app.connection() as connection, contextlib.suppress(TimeoutError):
            def on_success(event):
                seen.append(event["result"])
                receiver.should_stop = True

            receiver = application.app.events.Receiver(connection, handlers={"task-succeeded": on_success})
            receiver.capture(limit=None, timeout=RESULT_SECONDS, wakeup=False)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def test_celery_with_results_over_amqp(wide_broker, tmp_path):
    use(Application(wide_broker, "rpc://", tmp_path))


def test_celery_with_results_over_redis(narrow_broker, tmp_path):
    use(Application(narrow_broker, f"{narrow_broker.redis_url}/0", tmp_path))


def use(application):
    from celery import chain, group
    with running(application) as tasks:
        # Results, many at once.
        results = [tasks.add.delay(n, n) for n in range(20)]
        assert [result.get(RESULT_SECONDS) for result in results] == [2 * n for n in range(20)]
        assert tasks.late.delay("late").get(RESULT_SECONDS) == "late"
        assert chain(tasks.add.s(1, 2), tasks.add.s(3)).apply_async().get(RESULT_SECONDS) == 6
        assert group(tasks.add.s(n, 1) for n in range(3)).apply_async().get(RESULT_SECONDS) == [1, 2, 3]
        # Retries and ETA.
        assert tasks.flaky.delay(2).get(RESULT_SECONDS) == 2
        asked = time.time()
        assert tasks.when.apply_async(countdown=1).get(RESULT_SECONDS) - asked >= 1
        # Remote control: a fanout to all workers, answers through a queue that expires.
        assert application.ping() == {"one@test": {"ok": "pong"}}
        # Events, through a topic exchange and a queue with a life span.
        seen = []
        watcher = watch_events(application, seen)
        deadline = time.monotonic() + RESULT_SECONDS
        while not seen:
            assert time.monotonic() < deadline, "no event"
            assert tasks.add.delay(3, 4).get(RESULT_SECONDS) == 7
            time.sleep(0.1)
        watcher.join(RESULT_SECONDS)
        assert seen[0] == "7"


def test_celery_chord(wide_broker, tmp_path):
    """Over a backend that leaves chords to the broker: a task that is retried until the others are done."""
    from celery import chord
    (tmp_path / "results").mkdir()
    application = Application(wide_broker, f"file://{tmp_path}/results", tmp_path)
    with running(application) as tasks:
        summed = chord((tasks.add.s(n, n) for n in range(5)), tasks.total.s())()
        assert summed.get(RESULT_SECONDS) == 20


def test_celery_keeps_tasks_over_a_kill(wide_broker, tmp_path):
    wide_broker.keep_ports = True
    (tmp_path / "results").mkdir()
    application = Application(wide_broker, f"file://{tmp_path}/results", tmp_path)
    results = [application.tasks.add.delay(n, 1) for n in range(10)]
    wide_broker.restart(kill=True)
    with running(application):
        assert [result.get(RESULT_SECONDS) for result in results] == list(range(1, 11))
