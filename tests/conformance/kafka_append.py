#!/usr/bin/env python3
"""Transactions that append to partitions and read them, while the broker is lost to SIGKILL again and again.

  kafka_append.py [--rounds N] [--shards N] [--workers N] [--seed N] [--port PORT]

Each worker has a transactional producer and a reader of committed records. In each transaction it reads what is new and
appends values to some partitions, and then commits or, now and then, aborts. What it saw is judged by append_check. --port
names a running server (Kafka itself, say), which is not killed.
"""

import argparse
import random
import sys
import threading
import time
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "crash")]

import harness  # noqa: E402
from append_check import ABORTED, COMMITTED, Judgement, Read, Transaction  # noqa: E402
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition  # noqa: E402
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402
from kafka_workers import configuration, make_consumer, read_to_the_end  # noqa: E402

PARTITIONS = 4
CALL_SECONDS = 30
APPENDS_MAX = 6
ABORT_SHARE = 0.15
ROUND_SECONDS = (1.5, 3.5)


class Worker(threading.Thread):
    def __init__(self, number, ports, topic, stopped, seed):
        super().__init__(name=f"worker {number}")
        self.number, self.ports, self.topic, self.stopped = number, ports, topic, stopped
        self.random = random.Random(f"{seed} {number}")
        self.transactions = []
        self.count = 0  # of values
        self.producer = None
        self.fault = None

    def run(self):
        try:
            self.work()
        except Exception as error:  # told by the campaign, which must not hang
            self.fault = f"{self.name}: {error!r}"

    def work(self):
        self.reader = make_consumer(self.ports, f"{self.topic}.{self.number}", enable_partition_eof=True,
                                    isolation_level="read_committed")
        self.reader.assign([TopicPartition(self.topic, partition, 0) for partition in range(PARTITIONS)])
        while not self.stopped.is_set():
            if self.producer is None:
                self.open()
            transaction = Transaction(self.number, time.monotonic())
            self.transactions.append(transaction)
            self.attempt(transaction)
        self.open()  # Ends what may be under way still.
        self.reader.close()

    def open(self):
        self.producer = Producer({**configuration(self.ports, transactional_id=f"{self.topic}.{self.number}", linger_ms=1,
                                                  transaction_timeout_ms=60000), "error_cb": lambda error: None})
        self.call(self.producer.init_transactions)

    @staticmethod
    def call(step):
        """Until it succeeds or fails for good."""
        deadline = time.monotonic() + CALL_SECONDS
        while True:
            try:
                return step(CALL_SECONDS)
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > deadline:
                    raise

    def attempt(self, transaction):
        try:
            self.producer.begin_transaction()
            self.steps(transaction)
            if self.random.random() < ABORT_SHARE:
                self.finish(transaction, self.producer.abort_transaction, ABORTED)
            else:
                self.finish(transaction, self.producer.commit_transaction, COMMITTED)
        except KafkaException as error:
            if error.args[0].txn_requires_abort():
                try:
                    return self.finish(transaction, self.producer.abort_transaction, ABORTED)
                except KafkaException:
                    pass
            self.producer = None  # What became of the transaction is not known.

    def finish(self, transaction, step, outcome):
        self.call(step)
        transaction.ended = time.monotonic()
        transaction.outcome = outcome

    def steps(self, transaction):
        """Appends with a read between them, so that the transactions of the workers meet."""
        appends = self.random.randint(1, APPENDS_MAX)
        reading = self.random.randint(0, appends)
        for step in range(appends + 1):
            if step == reading:
                self.read(transaction)
            if step < appends:
                self.append(transaction)
            self.producer.poll(self.random.choice((0, 0.001, 0.005)))

    def append(self, transaction):
        partition, value = self.random.randrange(PARTITIONS), f"{self.number}.{self.count}"
        self.count += 1
        transaction.appends.append((partition, value))
        self.producer.produce(self.topic, value, partition=partition)
        if self.random.random() < 0.3:
            self.producer.flush(0.01)

    def read(self, transaction):
        for message in self.reader.consume(200, self.random.choice((0.01, 0.05))):
            error = message.error()
            if error is None:
                self.note(transaction, message.partition()).values.append(message.value().decode())
            elif error.code() == KafkaError._PARTITION_EOF:
                self.note(transaction, message.partition()).at_end = True
            elif not error.retriable():
                raise KafkaException(error)

    @staticmethod
    def note(transaction, partition):
        """The read that goes on; another one behind the end of the log, since more has come since."""
        last = next((read for read in reversed(transaction.reads) if read.partition == partition), None)
        if last is None or last.at_end:
            last = Read(partition, [])
            transaction.reads.append(last)
        return last


def run(broker, ports, options):
    topic = f"append-{uuid.uuid4().hex[:8]}"
    admin = AdminClient(configuration(ports))
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(20)
    stopped = threading.Event()
    workers = [Worker(number, ports, topic, stopped, options.seed) for number in range(options.workers)]
    for worker in workers:
        worker.start()
    source = random.Random(options.seed)
    try:
        for _ in range(options.rounds):
            time.sleep(source.uniform(*ROUND_SECONDS))
            if broker:
                broker.restart(kill=True)
        time.sleep(1)
    finally:
        stopped.set()
        for worker in workers:
            worker.join(4 * CALL_SECONDS)
    assert not any(worker.is_alive() for worker in workers), "a worker does not end"
    records, _ = read_to_the_end(ports, topic, dict.fromkeys(range(PARTITIONS), 0), isolation_level="read_committed")
    logs = {partition: [value.decode() for _, value in found] for partition, found in records.items()}
    transactions = [each for worker in workers for each in worker.transactions]
    judged = Judgement(transactions, logs)
    outcomes = {}
    for each in transactions:
        outcomes[each.outcome] = outcomes.get(each.outcome, 0) + 1
    reads = sum(len(read.values) for each in transactions for read in each.reads)
    print(f"{options.rounds} rounds: transactions {outcomes}, {sum(map(len, logs.values()))} values, {reads} read; "
          f"{judged.interleaved} pairs interleaved")
    return [worker.fault for worker in workers if worker.fault] + judged.faults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, help="of a running server")
    options = parser.parse_args()
    broker = None
    if not options.port:
        broker = harness.Broker(shards=options.shards)
        broker.keep_ports = True
        broker.start()
    try:
        faults = run(broker, {"kafka": options.port} if options.port else broker.ports, options)
    finally:
        if broker:
            broker.close()
    print(*faults[:20], sep="\n")
    print(f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
