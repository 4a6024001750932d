"""The application that test_amqp_celery.py runs a worker of. BROKER_URL and RESULT_URL come from the test."""

import os
import time

from celery import Celery

app = Celery("app", broker=os.environ["BROKER_URL"], backend=os.environ["RESULT_URL"])
app.conf.update(
    broker_connection_retry_on_startup=False,
    result_expires=60,
    task_publish_retry=False,
    broker_transport_options={"confirm_publish": True},
    task_queue_max_priority=5,
    worker_hijack_root_logger=False,
    worker_send_task_events=True,
)


@app.task
def add(x, y):
    return x + y


@app.task
def total(numbers):
    return sum(numbers)


@app.task(bind=True, max_retries=3, default_retry_delay=0.2)
def flaky(self, succeed_at):
    if self.request.retries < succeed_at:
        raise self.retry(countdown=0.2)
    return self.request.retries


@app.task
def when():
    return time.time()


@app.task(acks_late=True, reject_on_worker_lost=True)
def late(value):
    return value
