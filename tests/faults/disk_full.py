#!/usr/bin/env python3
"""Fills the disk to the last byte under writers and readers of all three protocols, and frees it again.

  disk_full.py [--rounds 5] [--seed S] [--shards N] [--ledger]

The data directory is on a tmpfs of its own. In each round: all work; the disk is filled, and kept full, as by another
program. Then every answer still comes within a second, every writer is refused with its protocol's documented words,
readers go on reading and settling, purges and trims are taken; the broker, killed and started while the disk is full,
starts, serves what there is, and refuses writes. When space is free again every writer goes on within five seconds,
without a restart. In the end every reader has seen all that was ever acknowledged, and nothing that was refused.
"""

import argparse
import json
import os
import random
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "crash")]

import disk_clients as clients  # noqa: E402
import harness  # noqa: E402
import ledger  # noqa: E402
from mounts import SmallDisk  # noqa: E402
from rawclients import Amqp, Redis, RedisError  # noqa: E402

import pamqp.commands  # noqa: E402

DISK_BYTES = 128 << 20
ANSWER_SECONDS_MAX = 1.0
FULL_SECONDS_MAX = 15  # until what the broker has reserved is used up and every writer is refused
RESUME_SECONDS_MAX = 5
LOG_SECONDS_MAX = 3
START_SECONDS_MAX = 5
# The documented refusals (docs/compatibility.md).
WORDS = {"AmqpWriter": ("connection.blocked low on disk", "basic.nack"), "RedisWriter": "MISCONF", "KafkaWriter": "KAFKA_STORAGE_ERROR"}


class Campaign:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.violations = []
        self.rounds = 0
        self.slowest = self.slowest_resume = self.slowest_start = 0.0
        self.refused = 0

    def run(self):
        self.disk = SmallDisk(DISK_BYTES)
        try:
            self.broker = harness.Broker(root=self.disk.path / "broker", shards=self.options.shards, arguments=(
                "--segment-size", "4MiB", "--message-size-max", "1MiB", "--disk-free-min", "0"))
            self.broker.keep_ports = True
            self.broker.root.mkdir()
            # The log has a disk of its own, or it could not be read.
            self.broker.log_file = self.disk.path.with_suffix(".log")
            try:
                self.broker.start()
                self._rounds()
                self.broker.close()
            finally:
                self.broker._end_now()
                if not self.violations:
                    self.broker.log_file.unlink(missing_ok=True)
        finally:
            self.disk.close()

    def _rounds(self):
        self.books = {name: clients.Book() for name in harness.PROTOCOLS}
        ports = self.broker.ports
        self.writers = [kind(ports, self.books[name]) for name, kind in (
            ("amqp", clients.AmqpWriter), ("redis", clients.RedisWriter), ("kafka", clients.KafkaWriter))]
        self.readers = [kind(ports, self.books[name]) for name, kind in (
            ("amqp", clients.AmqpReader), ("redis", clients.RedisReader), ("kafka", clients.KafkaReader))]
        for client in self.writers + self.readers:
            client.start()
        try:
            for self.rounds in range(1, self.options.rounds + 1):
                self._round()
                if self.violations:
                    print(self.broker.log_tail()[-3000:])
                    return
        finally:
            for client in self.writers + self.readers:
                client.going.set()
                client.stopping.set()
            for client in self.writers + self.readers:
                client.join(15)

    def _round(self):
        self._progress(self.writers + self.readers, 10, "before the disk is full")
        if self.random.random() < 0.5:
            self._pause(self.readers)  # A backlog for the time when the disk is full.
            self._progress(self.writers, 10, "with a backlog")
        self._go_full()
        if self.random.random() < 0.7:
            self._restart_while_full()
        self._free()
        self._everything_is_there()
        self._take_faults()

    def _say(self, text):
        self.violations.append(f"round {self.rounds}: {text}")
        print(f"VIOLATION round {self.rounds}: {text}", flush=True)

    def _progress(self, wanted, seconds, when, keep_full=False):
        """Every one of them gets something done within `seconds`. Result: how long the last one took."""
        began = time.monotonic()
        before = {client: client.done for client in wanted}
        while stuck := [client.name for client in wanted if client.done == before[client]]:
            if keep_full:
                self.disk.fill()
            self.broker.check_alive()
            if time.monotonic() - began > seconds:
                self._say(f"{stuck} did nothing for {seconds} s {when}")
                break
            time.sleep(0.01)
        return time.monotonic() - began

    def _pause(self, chosen):
        for client in chosen:
            client.pause()

    def _resume(self, chosen):
        for client in chosen:
            client.resume()

    # -- full

    def _go_full(self):
        for client in self.writers + self.readers:
            client.watch()
        self._fill_until_refused("")
        self._readers_go_on()
        self._check_answers("while the disk is full")
        self._the_log_says("the disk is full")
        self._settle_by_hand()

    def _fill_until_refused(self, when):
        deadline = time.monotonic() + FULL_SECONDS_MAX
        while waiting := [client.name for client in self.writers if not client.refused]:
            self.disk.fill()
            self.broker.check_alive()
            if time.monotonic() > deadline:
                return self._say(f"{waiting} were not refused within {FULL_SECONDS_MAX} s on a full disk {when}")
            time.sleep(0.02)
        for client in self.writers:
            self.refused += client.refused
            if wrong := [words for words in client.words if not words.startswith(WORDS[client.name])]:
                self._say(f"{client.name} is refused with {wrong}, not {WORDS[client.name]}")

    def _readers_go_on(self):
        """What is there is read and settled though nothing new can be written."""
        behind = [reader for reader in self.readers if reader.book.missing()]
        self._resume(self.readers)
        self._progress(behind, 10, "reading while the disk is full", keep_full=True)
        for reader in self.readers:
            if getattr(reader, "errors", 0):
                self._say(f"{reader.name}: {reader.errors} commits refused while the disk is full")
                reader.errors = 0

    def _the_log_says(self, text):
        try:
            harness.wait_for(lambda: text in self.broker.log_tail(), LOG_SECONDS_MAX, text)
        except AssertionError as late:
            self._say(f"the log does not tell the operator: {late}")

    def _check_answers(self, when):
        for client in self.writers + self.readers:
            self.slowest = max(self.slowest, client.slowest)
            if client.slowest > ANSWER_SECONDS_MAX:
                self._say(f"{client.name} waited {client.slowest:.1f} s for an answer {when}")

    def _settle_by_hand(self):
        """Purges, trims and deletions are what makes room: they are taken."""
        self._pause(self.writers + self.readers)
        self.disk.fill()
        try:
            amqp, redis = Amqp(self.broker.amqp_port), Redis(self.broker.redis_port)
            left = [body for *_, body in self._left(amqp)]
            self._note_seen("amqp", left)
            amqp.call(pamqp.commands.Queue.Purge(queue=clients.QUEUE), pamqp.commands.Queue.PurgeOk)
            rows = redis.call("XRANGE", clients.STREAM, "-", "+")
            self._note_seen("redis", [fields[1] for _, fields in rows])
            redis.call("XTRIM", clients.STREAM, "MAXLEN", 0)
            for client in (amqp, redis):
                client.close()
        except RedisError as error:
            self._say(f"XTRIM on a full disk: {error}")
        except Exception as error:
            self._say(f"a purge or trim on a full disk: {error!r}")
        self._resume(self.readers)

    @staticmethod
    def _left(amqp):
        count = amqp.declare(clients.QUEUE, passive=True).message_count
        tag = amqp.consume(clients.QUEUE)
        deadline = time.monotonic() + 5
        while len(amqp.deliveries) < count and time.monotonic() < deadline:
            amqp.poll(0.2)
        amqp.cancel(tag)
        return amqp.deliveries

    def _note_seen(self, protocol, values):
        with self.books[protocol].lock:
            self.books[protocol].seen.update(map(clients.number_of, values))

    def _restart_while_full(self):
        self._pause(self.readers)
        self._resume(self.writers)
        for _ in range(3):
            self.disk.fill()
            time.sleep(0.05)
        self.broker.kill()
        self.disk.fill()
        self.broker.start()
        self.slowest_start = max(self.slowest_start, self.broker.start_seconds)
        if self.broker.start_seconds > START_SECONDS_MAX:
            self._say(f"the start on a full disk took {self.broker.start_seconds:.1f} s")
        for client in self.writers:
            client.watch()
        self._fill_until_refused("after a restart")
        self._readers_go_on()

    # -- free again

    def _free(self):
        self._resume(self.writers)
        time.sleep(self.random.uniform(0, 0.3))
        self.disk.release()
        self.slowest_resume = max(self.slowest_resume, self._progress(
            self.writers, RESUME_SECONDS_MAX, "after space was free again"))

    def _everything_is_there(self):
        self._pause(self.writers)
        deadline = time.monotonic() + 15
        while any(book.missing() for book in self.books.values()) and time.monotonic() < deadline:
            self.broker.check_alive()
            time.sleep(0.02)
        for name, book in self.books.items():
            for fault in book.check(name):
                self._say(fault)
        if refusal := clients.trim_kafka(self.broker.ports):
            self._say(f"DeleteRecords: {refusal}")
        self._resume(self.writers)

    def _take_faults(self):
        for client in self.writers + self.readers:
            faults, client.faults = client.faults, []
            for fault in faults:
                self._say(fault)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--ledger", action="store_true")
    options = parser.parse_args()
    print(f"disk full: {options.rounds} rounds, seed {options.seed}, {options.shards} shard(s)", flush=True)
    campaign = Campaign(options)
    began = time.monotonic()
    campaign.run()
    took = time.monotonic() - began
    stored = sum(len(book.stored) for book in campaign.books.values())
    print(json.dumps({"rounds": campaign.rounds, "seconds": round(took, 1), "acknowledged": stored,
                      "refused": sum(len(book.refused) for book in campaign.books.values()),
                      "answer_ms_max": round(campaign.slowest * 1000),
                      "resume_ms_max": round(campaign.slowest_resume * 1000),
                      "start_ms_max": round(campaign.slowest_start * 1000),
                      "violations": len(campaign.violations)}, indent=1))
    if options.ledger:
        ledger.note(f"disk full, {campaign.rounds} rounds", f"seed {options.seed}, {options.shards} shard(s), {took:.0f} s",
                    f"{stored:,} messages", len(campaign.violations))
    return 1 if campaign.violations or not stored else 0


if __name__ == "__main__":
    sys.exit(main())
