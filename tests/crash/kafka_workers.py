"""The Kafka clients of the crash campaign (librdkafka). They live through the crashes and retry as applications do, so
the idempotent producer's retries meet the recovered broker. The ports stay the same over restarts.
"""

import contextlib
import logging
import random
import socket
import threading
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

import histcheck

PARTITIONS = 2
FLUSH_SECONDS = 20
# A member hears of a change with its next heartbeat, of which there is one every 5 s; and one whose joining or leaving the crash
# cut off, so that nobody is behind it any more, keeps its partitions for 45 s.
GIVEN_SECONDS_MAX = 60
MEMBER_LEAVES_SHARE = 0.05
OFFSETS_SECONDS_MAX = 2.5  # More than any restart takes.
# Connections that break are what the campaign is about: nothing of them is printed.
QUIET = logging.Logger("librdkafka", logging.CRITICAL + 1)
QUICK = {"logger": QUIET, "reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 100, "retry.backoff.ms": 20,
         "topic.metadata.refresh.interval.ms": 5000}


def configuration(ports, **options):
    return {"bootstrap.servers": f"127.0.0.1:{ports['kafka']}", **QUICK,
            **{key.replace("_", "."): value for key, value in options.items()}}


def make_consumer(ports, group, on_commit=None, **options):
    # The default error callback prints; connections that break are what the campaign is about.
    callbacks = {"error_cb": lambda error: None, **({"on_commit": on_commit} if on_commit else {})}
    return Consumer({**configuration(ports, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
                                     fetch_wait_max_ms=50, **options), **callbacks})


def make_topic(ports, name):
    admin = AdminClient(configuration(ports))
    try:
        admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result(20)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
    return admin


def read_to_the_end(ports, topic, positions, **options):
    """All records of every partition from `positions` to its end: {partition: [(offset, value)]}, {partition: end}. However
    many they are: it fails when no more come."""
    consumer = make_consumer(ports, f"{topic}.check", enable_partition_eof=True, **options)
    consumer.assign([TopicPartition(topic, partition, position) for partition, position in positions.items()])
    records = {partition: [] for partition in positions}
    ends = {}
    deadline = time.monotonic() + FLUSH_SECONDS
    while len(ends) < len(positions):
        if time.monotonic() > deadline:
            raise AssertionError(f"{topic}: the end of {sorted(set(positions) - set(ends))} was not reached")
        for message in consumer.consume(10000, 0.05):
            deadline = time.monotonic() + FLUSH_SECONDS
            if message.error() is None:
                records[message.partition()].append((message.offset(), message.value()))
            elif message.error().code() == KafkaError._PARTITION_EOF:
                ends[message.partition()] = message.offset()
            elif not message.error().retriable():
                raise AssertionError(f"{topic}: {message.error()}")
    consumer.close()
    return records, ends


class IdempotentWorker:
    """An idempotent producer, a reader beside it, and offset commits."""

    tolerant = False  # The broker may refuse work; what it refused is unknown then.

    def __init__(self, number, seed):
        self.random = random.Random(seed)
        self.topic = f"crash-kafka-{number}"
        self.group = f"{self.topic}.g"
        self.partitions = [histcheck.Partition(f"{self.topic}/{index}", exactly_once=True)
                           for index in range(PARTITIONS)]
        self.offsets = [histcheck.Register(f"{self.group} offset of {index}") for index in range(PARTITIONS)]
        self.commit_count = 0
        self.commit_in_flight = False
        self.producer = None
        self.faults = []

    def counts(self):
        return {"kafka idempotent records": sum(len(part.reported) for part in self.partitions),
                "kafka offset commits": self.commit_count}

    def _open(self, ports):
        make_topic(ports, self.topic)
        self.reader = make_consumer(ports, self.group, on_commit=self._on_commit)
        self.reader.assign([TopicPartition(self.topic, index, 0) for index in range(PARTITIONS)])
        self.producer = Producer({**configuration(ports, enable_idempotence=True, linger_ms=2),
                                  "error_cb": lambda error: None})

    def _on_commit(self, error, partitions):
        self.commit_in_flight = False
        if error is None:
            for part in partitions:
                if part.error is None:
                    register = self.offsets[part.partition]
                    register.acknowledged = max(register.acknowledged or 0, part.offset)
                    self.commit_count += 1

    def _on_delivery(self, error, message, number):
        if error is not None:
            self.faults.append(f"Q1 {self.topic}: an idempotent record failed: {error}")
        else:
            self.partitions[message.partition()].reported[message.offset()] = number

    def load(self, ports, stopped):
        if self.producer is None:
            self._open(ports)
        self._serve()
        positions = {index: 0 for index in range(PARTITIONS)}
        while not stopped():
            for _ in range(self.random.randint(1, 30)):
                part = self.random.randrange(PARTITIONS)
                model = self.partitions[part]
                number = model.sent_count
                model.sent_count += 1
                self.producer.produce(self.topic, b"%d" % number, partition=part, on_delivery=lambda error, message,
                                      number=number: self._on_delivery(error, message, number))
            self.producer.poll(0.003)
            self._read(positions)
            if self.random.random() < 0.2:
                self._commit(positions)

    def _serve(self):
        """Has callbacks called."""
        self.reader.poll(0)

    def _read(self, positions):
        for message in self.reader.consume(500, 0.002):
            if message.error() is None:
                self._observe(message, positions)

    def _observe(self, message, positions):
        part, offset, number = message.partition(), message.offset(), int(message.value())
        known = self.partitions[part].observed.setdefault(offset, number)
        if known != number:
            self.faults.append(f"Q4 {self.topic}/{part}: offset {offset} was {known}, is {number}")
        positions[part] = offset + 1

    def _commit(self, positions):
        """One at a time: the client may send a commit again after a later one, when a connection broke in between."""
        if self.commit_in_flight:
            return
        chosen = [TopicPartition(self.topic, part, position) for part, position in positions.items() if position]
        for part in chosen:
            register = self.offsets[part.partition]
            register.sent = max(register.sent or 0, part.offset)
        if chosen:
            try:
                self.reader.commit(offsets=chosen, asynchronous=True)
                self.commit_in_flight = True
            except KafkaException as error:
                if not error.args[0].retriable() and not self.tolerant:
                    self.faults.append(f"{self.group}: commit: {error}")

    def check(self, ports, final):
        if self.producer is None:
            return []
        left = self.producer.flush(FLUSH_SECONDS)
        faults, self.faults = self.faults, []
        if left:
            return [*faults, f"Q1 {self.topic}: {left} records still not delivered {FLUSH_SECONDS} s after the restart"]
        if final:  # From the beginning, everything once more.
            for model in self.partitions:
                model.next_offset, model.last_number = 0, -1
        records, ends = read_to_the_end(ports, self.topic, {
            index: model.next_offset for index, model in enumerate(self.partitions)})
        for index, model in enumerate(self.partitions):
            faults += model.check_content([(offset, int(value)) for offset, value in records[index]], ends[index])
        self._serve()
        consumer = make_consumer(ports, self.group)
        wanted = [TopicPartition(self.topic, index) for index in range(PARTITIONS)]
        for part in consumer.committed(wanted, timeout=10):
            faults += self.offsets[part.partition].check_content(part.offset if part.offset >= 0 else None)
        consumer.close()
        return faults


class GroupWorker(IdempotentWorker):
    """An idempotent producer, and two members of a group of the newer protocol (KIP-848), which share its partitions and
    commit in the group's name."""

    def __init__(self, number, seed):
        super().__init__(number, seed)
        self.topic = f"crash-group-{number}"
        self.group = f"{self.topic}.g"
        self.partitions = [histcheck.Partition(f"{self.topic}/{index}", exactly_once=True)
                           for index in range(PARTITIONS)]
        self.offsets = [histcheck.Register(f"{self.group} offset of {index}") for index in range(PARTITIONS)]
        self.deliveries = [histcheck.Delivery(f"{self.group} partition {index}") for index in range(PARTITIONS)]
        self.members = []

    def counts(self):
        return {"kafka group records": sum(delivery.end for delivery in self.deliveries),
                "kafka group commits": self.commit_count}

    def _open(self, ports):
        make_topic(ports, self.topic)
        self.members = [self._join(ports) for _ in range(2)]
        self.producer = Producer({**configuration(ports, enable_idempotence=True, linger_ms=2),
                                  "error_cb": lambda error: None})

    def _serve(self):
        self._read({})

    def _join(self, ports):
        member = make_consumer(ports, self.group, on_commit=self._on_commit, group_protocol="consumer")
        member.subscribe([self.topic])
        return member

    def _read(self, positions):
        """What the members are given; `positions` are not looked at: a member starts where the group has committed."""
        for member in self.members:
            for message in member.consume(500, 0.002):
                if message.error() is not None:
                    if message.error().fatal() and not self.tolerant:
                        self.faults.append(f"{self.group}: {message.error()}")
                    continue
                self._observe(message, positions)
                self.faults += self.deliveries[message.partition()].take(message.offset())

    def _commit(self, positions):
        """In one member's name, what either was given: so a commit is never older than one before it."""
        self.reader = self.random.choice(self.members)
        owned = {part.partition for part in self.reader.assignment()}
        super()._commit({part: self.deliveries[part].end for part in owned})

    def check(self, ports, final):
        faults = super().check(ports, final)
        if self.producer is None:
            return faults
        deadline = time.monotonic() + GIVEN_SECONDS_MAX
        while missing := [delivery for delivery, part in zip(self.deliveries, self.partitions)
                          if delivery.end < part.next_offset]:
            if time.monotonic() > deadline:
                return [*faults, *self.faults, *(
                    f"Q1 {delivery.name}: given up to {delivery.end} only, {GIVEN_SECONDS_MAX} s after the restart"
                    for delivery in missing)]
            self._read({})
        if not self.commit_in_flight and self.random.random() < MEMBER_LEAVES_SHARE:  # Its partitions go to the other one, and come back.
            self.members.pop(self.random.randrange(2)).close()
            self.members.append(self._join(ports))
        return faults


class TransactionWorker:
    """Transactions with offsets in them, a plain acks=all producer without retries, and topics made and deleted."""

    tolerant = False

    def __init__(self, number, seed):
        self.random = random.Random(seed)
        self.topic = f"crash-txn-{number}"
        self.plain_topic = f"crash-plain-{number}"
        self.group = f"{self.topic}.g"
        self.transactions = histcheck.Transactions(self.topic)
        self.offset = histcheck.Register(f"{self.group} offset")
        self.plain = histcheck.Partition(f"{self.plain_topic}/0", exactly_once=False)
        self.topics = histcheck.Names(f"{self.topic} topics")
        self.registered = set()  # transactions of which the broker has acknowledged something
        self.count = 0
        self.topic_count = 0
        self.producer = None
        self.plain_producer = None
        self.life = None  # An idle connection to the broker that load() met.
        self.unexpected = []

    def counts(self):
        return {"kafka transactions committed": len(self.transactions.committed),
                "kafka transactions aborted": len(self.transactions.aborted),
                "kafka plain records": len(self.plain.reported), "kafka topics": len(self.topics.made | self.topics.removed)}

    def _open(self, ports):
        self.admin = make_topic(ports, self.topic)
        make_topic(ports, self.plain_topic)
        self.plain_producer = Producer({**configuration(ports, acks="all", retries=0), "error_cb": lambda error: None})
        self.consumer = make_consumer(ports, self.group)

    def _open_transactional(self, ports):
        self.producer = Producer({**configuration(ports, transactional_id=f"{self.topic}.t", linger_ms=1),
                                  "error_cb": lambda error: None})
        self.producer.init_transactions(FLUSH_SECONDS)

    def load(self, ports, stopped):
        if self.plain_producer is None:
            self._open(ports)
        # Every life of the broker gets a new producer (see _send_offsets); what the old one left open is aborted.
        if self.life is not None:
            self.life.close()
        try:
            self.life = socket.create_connection(("127.0.0.1", ports["kafka"]))
            self._open_transactional(ports)
        except (KafkaException, OSError) as error:
            if not self.tolerant:
                raise
            self.producer = None
            raise TransactionLost(str(error)) from error
        while not stopped():
            self._send_plain()
            self._transaction()
            if self.random.random() < 0.2:
                self._topic(ports)

    def _send_plain(self):
        for _ in range(self.random.randint(1, 20)):
            number = self.plain.sent_count
            self.plain.sent_count += 1

            def on_delivery(error, message, number=number):
                if error is None:  # A failure is an unknown: the connection may have broken after the append.
                    self.plain.reported[message.offset()] = number

            self.plain_producer.produce(self.plain_topic, b"%d" % number, partition=0, on_delivery=on_delivery)
        self.plain_producer.poll(0)

    def _transaction(self):
        self.count += 1
        number, size = self.count, self.random.randint(1, 5)
        commit = self.random.random() < 0.8
        offsets = self.random.random() < 0.3
        self.transactions.sizes[number] = size
        self.transactions.undecided.add(number)

        def on_delivery(error, message):
            if error is None:
                self.registered.add(number)

        try:
            self.producer.begin_transaction()
            for index in range(size):
                self.producer.produce(self.topic, b"%d:%d" % (number, index), partition=index % PARTITIONS,
                                      on_delivery=on_delivery)
            if offsets:
                self.offset.sent = number if commit else self.offset.sent
                self._send_offsets(number)
                self.registered.add(number)
            if commit:
                self._retried(lambda: self.producer.commit_transaction(FLUSH_SECONDS))
                self._decide(number, self.transactions.committed)
                if offsets:
                    self.offset.acknowledged = number
            else:
                self._abort(number)
        except KafkaException as error:
            self._recover(error.args[0], number)

    def _send_offsets(self, number):
        """librdkafka 2.16 may wait for ever here when the broker was restarted in its life, with Kafka's own broker
        too, whatever the time-out says. An application must give up on that producer, and so does this worker."""
        failures = []
        producer = self.producer

        def send():
            try:
                self._retried(lambda: producer.send_offsets_to_transaction(
                    [TopicPartition(self.plain_topic, 0, number)], self.consumer.consumer_group_metadata(),
                    FLUSH_SECONDS))
            except KafkaException as error:
                failures.append(error)

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        thread.join(OFFSETS_SECONDS_MAX)
        if thread.is_alive():
            self.producer = None
            raise TransactionLost("send_offsets_to_transaction hangs")
        if failures:
            raise failures[0]

    @staticmethod
    def _retried(call):
        deadline = time.monotonic() + FLUSH_SECONDS
        while True:
            try:
                return call()
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > deadline:
                    raise

    def _abort(self, number):
        try:
            self._retried(lambda: self.producer.abort_transaction(FLUSH_SECONDS))
        except KafkaException as error:
            with contextlib.suppress(KafkaException):  # A fatal error is raised here, too.
                self.producer.poll(0)
            if not self._is_the_clients(error.args[0], number):
                raise
            self.producer = None
            raise TransactionLost(str(error)) from error
        self._decide(number, self.transactions.aborted)

    def _is_the_clients(self, error, number):
        """How librdkafka 2.16 can fail to abort after its broker was restarted, with any broker. An application must
        make a new producer, and so does the worker: if the broker is at fault, that one fails, too."""
        if error.code() == KafkaError.INVALID_TXN_STATE:  # Its issue 4849: it aborts what it had no time to register.
            return number not in self.registered and self._broker_died()
        # Re-bootstrapped in the middle, it waits for records that it does not send any more.
        return error.code() == KafkaError._TIMED_OUT and "Failed to flush" in error.str()

    def _broker_died(self):
        """Since load() began: a connection that nobody uses tells."""
        try:
            return self.life.recv(1, socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _decide(self, number, where):
        self.transactions.undecided.discard(number)
        where.add(number)

    def _recover(self, error, number):
        if error.txn_requires_abort():
            try:
                self._abort(number)
                return
            except KafkaException as another:
                error = another.args[0]
        # A fatal error: an application makes a new producer. It must not happen to an undisturbed single producer.
        if not self.tolerant:
            self.unexpected.append(f"transaction {number}: {error.name()}: {error.str()}")
        self.producer = None
        raise TransactionLost(str(error))

    def _topic(self, ports):
        self.topic_count += 1
        name = f"{self.topic}.{self.topic_count}"
        try:
            self.admin.create_topics([NewTopic(name, 1, 1)])[name].result(5)
            self.topics.made.add(name)
            if self.random.random() < 0.3:
                self.topics.remove_sent.add(name)
                self.admin.delete_topics([name])[name].result(5)
                self.topics.removed.add(name)
                self.topics.made.discard(name)
        except KafkaException:
            pass  # Unknown: the broker may have died before or after.

    def check(self, ports, final):
        faults, self.unexpected = [f"Q8 {text}" for text in self.unexpected], []
        if self.plain_producer is None:
            return faults
        self.plain_producer.flush(FLUSH_SECONDS)
        if self.producer is None:
            self._open_transactional(ports)  # Aborts what the lost one left open.
        if final:
            self.plain.next_offset = 0
        records, ends = read_to_the_end(ports, self.plain_topic, {0: self.plain.next_offset})
        faults += self.plain.check_content([(offset, int(value)) for offset, value in records[0]], ends[0])
        committed, _ = read_to_the_end(ports, self.topic, dict.fromkeys(range(PARTITIONS), OFFSET_BEGINNING),
                                       isolation_level="read_committed")
        visible = [tuple(map(int, value.split(b":"))) for rows in committed.values() for _, value in rows]
        faults += self.transactions.check_content(visible)
        (position,) = self.consumer.committed([TopicPartition(self.plain_topic, 0)], timeout=10)
        faults += self.offset.check_content(position.offset if position.offset >= 0 else None)
        there = set(self.admin.list_topics(timeout=10).topics)
        return faults + self.topics.check_content({
            name: name in there for name in self.topics.made | self.topics.removed})


class TransactionLost(Exception):
    """The transactional producer had a fatal error; the cycle's load ends here for this worker."""
