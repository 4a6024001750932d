"""Many queues cost neither files nor much memory, and a restart after a kill finds all of them."""

import os
from concurrent.futures import ThreadPoolExecutor

import pamqp.commands
import pytest

from rawclients import Amqp

QUEUES = 10_000
CLIENTS = 10
AT_ONCE = 250
FILES_MAX = 64
RESIDENT_BYTES_MAX = 100_000_000
START_SECONDS_MAX = 3

pytestmark = pytest.mark.own


def fill(port, name, start, end):
    """One message in each queue, confirmed."""
    amqp = Amqp(port)
    amqp.confirm_select()
    for first in range(start, end, AT_ONCE):
        queues = [f"{name}.{index}" for index in range(first, first + AT_ONCE)]
        amqp.stream.send(b"".join(
            Amqp.frame(pamqp.commands.Queue.Declare(queue=queue, durable=True, nowait=True))
            + Amqp.publish_frames("", queue, queue.encode()) for queue in queues))
        while not amqp.confirms or amqp.confirms[-1][0] < first - start + AT_ONCE:
            assert amqp.poll(20)
    assert all(ack for _, _, ack in amqp.confirms)
    amqp.close()


def check_what_it_takes(broker):
    assert len(os.listdir(f"/proc/{broker.process.pid}/fd")) < FILES_MAX
    assert broker.resident_bytes() < RESIDENT_BYTES_MAX


@pytest.mark.timeout(120)
def test_ten_thousand_queues_take_few_files_and_little_memory(own_broker, name):
    # Those of several clients share the way to the disk.
    share = QUEUES // CLIENTS
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda start: fill(own_broker.amqp_port, name, start, start + share), range(0, QUEUES, share)))
    check_what_it_takes(own_broker)
    own_broker.restart(kill=True)
    assert own_broker.start_seconds < START_SECONDS_MAX
    amqp = Amqp(own_broker.amqp_port)
    for index in range(0, QUEUES, 7):
        assert amqp.declare(f"{name}.{index}", passive=True).message_count == 1
    amqp.write(pamqp.commands.Basic.Get(queue=f"{name}.{QUEUES - 1}", no_ack=True))
    amqp.wait(pamqp.commands.Basic.GetOk)
    while not amqp.deliveries:
        assert amqp.poll(20)
    assert amqp.deliveries[0][4] == f"{name}.{QUEUES - 1}".encode()
    check_what_it_takes(own_broker)
