"""A client whose writes are large: their frames take hundreds of sectors, so a cut finds the middle of them, with the
small changes of the other clients before, behind and in the same round.
"""

import contextlib
import random
import time

from rawclients import ConnectionLost, Redis, RedisError
from workers import connect

KEYS = 4
SIZE_MAX = 200_000
PAUSE_SECONDS = 0.01  # Space that is overwritten comes back by and by, and the disk is small.


def value_of(key, number):
    """All of a value follows from its number, with which it begins."""
    generator = random.Random(f"{key}:{number}")
    return b"%d:" % number + generator.randbytes(generator.randrange(SIZE_MAX))


class BulkWorker:
    """Sets each of a few keys to its values 1, 2, 3, ..., and expects the last acknowledged one or a later one, whole."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.sent = {f"power-bulk-{index}": 0 for index in range(KEYS)}
        self.acknowledged = dict(self.sent)
        self.set_count = 0

    def counts(self):
        return {"redis large values": self.set_count}

    def load(self, ports, stopped):
        with contextlib.suppress(ConnectionLost), contextlib.closing(connect(Redis, ports["redis"])) as client:
            while not stopped():
                key = self.random.choice(sorted(self.sent))
                self.sent[key] += 1
                number = self.sent[key]
                client.call("SET", key, value_of(key, number))
                self.acknowledged[key] = number
                self.set_count += 1
                time.sleep(PAUSE_SECONDS)

    def check(self, ports, final):
        client = connect(Redis, ports["redis"])
        try:
            return [fault for key in self.sent for fault in self._check_value(key, client.call("GET", key))]
        except RedisError as error:
            return [f"Q1 power-bulk: {error}"]
        finally:
            client.close()

    def _check_value(self, key, value):
        number = int(value.partition(b":")[0]) if value is not None else 0
        if number < self.acknowledged[key]:
            return [f"Q1 {key}: value {number}, but {self.acknowledged[key]} was acknowledged"]
        if number > self.sent[key]:
            return [f"Q2 {key}: value {number}, but nothing above {self.sent[key]} was sent"]
        if number and value != value_of(key, number):
            return [f"Q4 {key}: value {number} is not as it was sent"]
        self.acknowledged[key] = number  # What was unknown is decided now.
        return []
