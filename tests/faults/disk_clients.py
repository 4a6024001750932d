"""The clients of the full disk: a writer and a reader for each protocol, each a thread, all going on all the time.

A writer sends small windows and waits for each answer: stored, refused (with the broker's words) or, after a break of the
connection, unknown. A reader reads, settles, and compares what it sees with what was sent. Both know how long the
slowest answer took since `watch()`.
"""

import threading
import time
import traceback

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

import pamqp.commands
from kafka_workers import configuration, make_topic
from rawclients import Amqp, ConnectionLost, Redis, RedisError

BODY_BYTES = 20_000
WINDOW = 5
POLL_SECONDS = 0.2
CONFIRM_SECONDS_MAX = 10
PAUSE_SECONDS = 0.02
QUEUE, STREAM, TOPIC = "full-amqp", "full-redis", "full-kafka"
GROUP = "readers"


def body_of(number):
    return b"%d|" % number + bytes([number % 251]) * BODY_BYTES


class Client(threading.Thread):
    """`step` does one small thing with `self.client`; a lost connection is opened again by `open`."""

    def __init__(self, ports, book):
        super().__init__(name=type(self).__name__, daemon=True)
        self.ports, self.book = ports, book
        self.client = None
        self.stopping = threading.Event()
        self.going = threading.Event()
        self.going.set()
        self.idle = threading.Event()
        self.done = 0  # stored, or settled
        self.refused = 0
        self.words = set()
        self.slowest = 0.0
        self.faults = []

    def run(self):
        while not self.stopping.is_set():
            if not self.going.is_set():
                self.idle.set()
                self.going.wait(0.05)
                continue
            self.idle.clear()
            try:
                self.client = self.client or self.open()
                began = time.monotonic()
                self.step()
                self.slowest = max(self.slowest, time.monotonic() - began)
                time.sleep(PAUSE_SECONDS)
            except (ConnectionLost, ConnectionError):
                self.drop()
            except Exception:
                self.faults.append(f"{self.name}: {traceback.format_exc()}")
                self.drop()
        self.drop()

    def drop(self):
        if self.client is not None:
            self.client.close()
        self.client = None
        time.sleep(PAUSE_SECONDS)

    def watch(self):
        self.slowest = 0.0
        self.refused = 0
        return self.done

    def pause(self):
        self.going.clear()
        if not self.idle.wait(15):
            self.faults.append(f"{self.name}: still waiting for an answer after 15 s")

    def resume(self):
        self.idle.clear()
        self.going.set()

    def refuse(self, words):
        self.refused += 1
        self.words.add(words)


class Book:
    """What the writer of one protocol was told, and what its reader saw."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sent = 0
        self.stored = set()
        self.refused = set()
        self.seen = set()

    def next(self, count):
        with self.lock:
            first = self.sent
            self.sent += count
            return range(first, self.sent)

    def missing(self):
        with self.lock:
            return self.stored - self.seen

    def check(self, name):
        """When the reader has seen all that there is."""
        faults = []
        if lost := self.missing():
            faults.append(f"{name}: stored, and lost: {sorted(lost)[:8]} ({len(lost)})")
        with self.lock:
            if ghosts := self.refused & self.seen:
                faults.append(f"{name}: refused, and there: {sorted(ghosts)[:8]} ({len(ghosts)})")
            if strange := {number for number in self.seen if number >= self.sent}:
                faults.append(f"{name}: never sent: {sorted(strange)[:8]}")
        return faults


def number_of(value):
    number = int(value.split(b"|", 1)[0])
    if value != body_of(number):
        raise AssertionError(f"wrong bytes of {number}")
    return number


class AmqpWriter(Client):
    """Blocked rather than refused: what it has sent by then is taken when there is space again. Only what met the full disk
    half-way is refused."""

    def open(self):
        client = Amqp(self.ports["amqp"])
        client.declare(QUEUE)
        client.confirm_select()
        self.tag = 0
        self.waiting = {}  # delivery tag -> number
        return client

    def step(self):
        if not self.waiting:
            self._send()
        self.client.poll(POLL_SECONDS)
        if self.client.confirms:
            self._take_confirms()
        elif self.client.blocked:
            self.refuse(f"connection.blocked {self.client.blocked}")
            self.last_answer = time.monotonic()
        elif time.monotonic() - self.last_answer > CONFIRM_SECONDS_MAX:
            raise AssertionError(f"confirms did not come within {CONFIRM_SECONDS_MAX} s")

    def _send(self):
        for number in self.book.next(WINDOW):
            self.tag += 1
            self.waiting[self.tag] = number
            self.client.stream.send(Amqp.publish_frames("", QUEUE, body_of(number)))
        self.last_answer = time.monotonic()

    def _take_confirms(self):
        for tag, multiple, positive in self.client.confirms:
            for known in [one for one in self.waiting if one == tag or multiple and one <= tag]:
                number = self.waiting.pop(known)
                with self.book.lock:
                    (self.book.stored if positive else self.book.refused).add(number)
                self.done += positive
                if not positive:
                    self.refuse("basic.nack")
        self.client.confirms.clear()
        self.last_answer = time.monotonic()


class AmqpReader(Client):
    """Consumes and acks; a declaration answered behind the acks says that the broker took them."""

    def open(self):
        client = Amqp(self.ports["amqp"])
        client.declare(QUEUE)
        client.qos(20)
        client.consume(QUEUE)
        return client

    def step(self):
        self.client.poll(0.1)
        deliveries, self.client.deliveries = self.client.deliveries, []
        for tag, *_, body in deliveries:
            with self.book.lock:
                self.book.seen.add(number_of(body))
            self.client.write(pamqp.commands.Basic.Ack(tag))
        self.client.declare(QUEUE, passive=True)
        self.done += len(deliveries)


class RedisWriter(Client):
    def open(self):
        return Redis(self.ports["redis"])

    def step(self):
        numbers = self.book.next(WINDOW)
        self.client.send(*(("XADD", STREAM, "*", "v", body_of(number)) for number in numbers))
        for number in numbers:
            reply = self.client.receive()
            with self.book.lock:
                (self.book.refused if isinstance(reply, RedisError) else self.book.stored).add(number)
            if isinstance(reply, RedisError):
                self.refuse(str(reply))
            else:
                self.done += 1


class RedisReader(Client):
    """XREADGROUP, XACK and XDEL: each must go on while the disk is full."""

    made = False

    def open(self):
        client = Redis(self.ports["redis"])
        if not self.made:
            client.call("XGROUP", "CREATE", STREAM, GROUP, "0", "MKSTREAM")
            self.made = True
        self.position = "0"  # what was delivered before the connection broke comes first
        return client

    def step(self):
        reply = self.client.call("XREADGROUP", "GROUP", GROUP, "one", "COUNT", 20, "STREAMS", STREAM, self.position)
        rows = reply[0][1] if reply else []
        if not rows:
            self.position = ">"
            return
        with self.book.lock:
            self.book.seen.update(number_of(fields[1]) for _, fields in rows if fields)
        entries = [entry for entry, _ in rows]
        self.client.call("XACK", STREAM, GROUP, *entries)
        self.client.call("XDEL", STREAM, *entries)
        self.done += len(entries)


class KafkaWriter(Client):
    def open(self):
        make_topic(self.ports, TOPIC)
        return QuietProducer({**configuration(self.ports, acks="all", retries=0, linger_ms=1, message_timeout_ms=9000),
                              "error_cb": lambda error: None})

    def step(self):
        for number in self.book.next(WINDOW):
            self.client.produce(TOPIC, body_of(number), partition=0, on_delivery=lambda error, message, number=number:
                                self._on_delivery(error, number))
        if self.client.flush(10):
            raise AssertionError("records without an answer after 10 s")

    def _on_delivery(self, error, number):
        with self.book.lock:
            if error is None:
                self.book.stored.add(number)
                self.done += 1
            elif error.code() == KafkaError.KAFKA_STORAGE_ERROR:
                self.book.refused.add(number)
        if error is not None:
            if error.code() < 0 or error.code() in (KafkaError.REQUEST_TIMED_OUT, KafkaError.NETWORK_EXCEPTION):
                return  # The connection broke: unknown.
            self.refuse(error.name())


class QuietProducer(Producer):
    def close(self, *_):
        self.purge()


class KafkaReader(Client):
    """Reads and commits."""

    def open(self):
        make_topic(self.ports, TOPIC)
        consumer = Consumer({**configuration(self.ports, group_id=GROUP, enable_auto_commit=False,
                                             auto_offset_reset="earliest", fetch_wait_max_ms=50),
                             "error_cb": lambda error: None})
        consumer.assign([TopicPartition(TOPIC, 0)])
        self.errors = 0
        return consumer

    def step(self):
        messages = self.client.consume(50, 0.1)
        records = [message for message in messages if message.error() is None]
        if not records:
            return
        with self.book.lock:
            self.book.seen.update(number_of(message.value()) for message in records)
        try:
            self.client.commit(offsets=[TopicPartition(TOPIC, 0, records[-1].offset() + 1)], asynchronous=False)
            self.done += len(records)
        except KafkaException as error:
            if error.args[0].code() >= 0 and not error.args[0].retriable():
                raise
            self.errors += 1


def trim_kafka(ports):
    """Everything that is there goes. Returns the broker's refusal, or nothing."""
    consumer = Consumer({**configuration(ports, group_id="trim"), "error_cb": lambda error: None})
    _, end = consumer.get_watermark_offsets(TopicPartition(TOPIC, 0), timeout=10)
    consumer.close()
    admin = AdminClient(configuration(ports))
    try:
        for future in admin.delete_records([TopicPartition(TOPIC, 0, end)]).values():
            future.result(10)
    except KafkaException as error:
        return str(error)
    return None
