"""One member of a share group (KIP-932) in frames of its own: what the broker says is seen at once, and nothing is buffered."""

import base64
import struct
import uuid

from rawkafka import Kafka

HEARTBEAT, DESCRIBE, FETCH, ACKNOWLEDGE = 76, 77, 78, 79
DESCRIBE_OFFSETS, ALTER_OFFSETS, DELETE_OFFSETS = 90, 91, 92
INCREMENTAL_ALTER_CONFIGS, GROUP = 44, 32
GAP, ACCEPT, RELEASE, REJECT, RENEW = range(5)
WHOLE_BATCHES, RECORD_LIMIT = range(2)


# --- frames, all of flexible versions ---------------------------------------------------------------------
def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def text(value):
    return varint(0) if value is None else varint(len(value.encode()) + 1) + value.encode()


def array(items):
    if items is None:
        return varint(0)
    items = list(items)
    return varint(len(items) + 1) + b"".join(items)


def body(layout, *values):
    return struct.pack(">" + layout, *values)


class Answer:
    """The fields of an answer, one after the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, layout):
        values = struct.unpack_from(">" + layout, self.data, self.at)
        self.at += struct.calcsize(">" + layout)
        return values[0] if len(values) == 1 else values

    def varint(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def bytes(self):
        size = self.varint() - 1
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size:self.at]

    def text(self):
        data = self.bytes()
        return None if data is None else data.decode()

    def uuid(self):
        return uuid.UUID(bytes=bytes(self.take("16s")))

    def list(self, read):
        return [read() for _ in range(self.varint() - 1)]

    def tags(self):
        assert self.varint() == 0


class Member:
    """One member of a share group, on a connection of its own."""

    def __init__(self, broker, group, name=None):
        self.connection = Kafka(broker.kafka_port, timeout=20)
        self.group, self.name = group, name or base64.urlsafe_b64encode(uuid.uuid4().bytes)[:22].decode()
        self.epoch = self.session = 0
        self.lock_ms = None
        self.throttle_ms = 0  # as the last fetch was told

    def call(self, key, version, data):
        reply = self.connection.call(key, version, b"\0" + data)
        answer = Answer(reply.data[reply.at:])
        answer.tags()
        return answer

    def close(self):
        self.connection.stream.close()

    def heartbeat(self, epoch=None, topics=None):
        """(error, epoch, partitions by topic id or None)."""
        answer = self.call(HEARTBEAT, 1, text(self.group) + text(self.name) + body("i", self.epoch if epoch is None else epoch)
                           + text(None) + array(None if topics is None else map(text, topics)) + b"\0")
        _, error = answer.take("ih")
        answer.text()
        answer.text()
        epoch, _ = answer.take("ii")
        assigned = None
        if answer.take("b") >= 0:
            assigned = {}
            for _ in range(answer.varint() - 1):
                topic = answer.uuid()
                assigned[topic] = answer.list(lambda: answer.take("i"))
                answer.tags()
        if error == 0:
            self.epoch = epoch
        return error, epoch, assigned

    def fetch(self, topic, partitions=(0,), acks=(), wait_ms=0, records=500, epoch=None, forgotten=(), mode=None, renews=False):
        """With a mode, or renewing, it is of version 2, and what renews asks for nothing.
        (error, {partition: (error, error of the acknowledgements, values, [(first, last, deliveries)])})."""
        newer = renews or mode is not None
        limits = (0, 0, 0, 0, 500) if renews else (wait_ms, 1, 1 << 20, records, 500)
        answer = self.call(FETCH, 2 if newer else 1, text(self.group) + text(self.name)
                           + body("i", self.session if epoch is None else epoch) + body("iiiii", *limits)
                           + (body("bb", mode or WHOLE_BATCHES, renews) if newer else b"")
                           + array([topic.bytes + array(body("i", index) + batches(acks if index == 0 else ()) + b"\0"
                                                        for index in partitions) + b"\0"])
                           + array([topic.bytes + array(body("i", each) for each in forgotten) + b"\0"] if forgotten else [])
                           + b"\0")
        self.throttle_ms, error = answer.take("ih")
        answer.text()
        answer.take("i")
        partitions = {}
        for _ in range(answer.varint() - 1):
            answer.uuid()
            for _ in range(answer.varint() - 1):
                index, code = answer.take("ih")
                answer.text()
                acknowledged = answer.take("h")
                answer.text()
                answer.take("ii")
                answer.tags()
                data = answer.bytes()
                ranges = []
                for _ in range(answer.varint() - 1):
                    ranges.append(answer.take("qqh"))
                    answer.tags()
                answer.tags()
                partitions[index] = (code, acknowledged, len(data or b""), ranges)
            answer.tags()
        if error == 0:
            self.session += 1
        return error, partitions

    def acknowledge(self, topic, acks, epoch=None, partition=0, renews=None):
        """(error, error of the partition). With `renews` it is of version 2; the time of locks is in self.lock_ms then."""
        answer = self.call(ACKNOWLEDGE, 1 if renews is None else 2, text(self.group) + text(self.name)
                           + body("i", self.session if epoch is None else epoch) + (b"" if renews is None else body("b", renews))
                           + array([topic.bytes + array([body("i", partition) + batches(acks) + b"\0"]) + b"\0"]) + b"\0")
        _, error = answer.take("ih")
        answer.text()
        if renews is not None:
            self.lock_ms = answer.take("i")
        code = None
        for _ in range(answer.varint() - 1):
            answer.uuid()
            for _ in range(answer.varint() - 1):
                _, code = answer.take("ih")
                answer.text()
                answer.take("ii")
                answer.tags()
                answer.tags()
            answer.tags()
        if error == 0:
            self.session += 1
        return error, code

    def lags(self, topics):
        """As starts(), with (start, lag)."""
        return self.starts(topics, version=1)

    def starts(self, topics, version=0):
        """(error of the group, {(topic, partition): (start, error)})."""
        answer = self.call(DESCRIBE_OFFSETS, version, array([text(self.group) + array(
            None if topics is None else (text(name) + array([body("i", 0)]) + b"\0" for name in topics)) + b"\0"]) + b"\0")
        answer.take("i")
        found = {}
        assert answer.varint() == 2
        answer.text()
        for _ in range(answer.varint() - 1):
            name = answer.text()
            answer.uuid()
            for _ in range(answer.varint() - 1):
                index, start, _, *lag, error = answer.take("iqiqh" if version else "iqih")
                answer.text()
                answer.tags()
                found[name, index] = (start, lag[0] if version else error)
            answer.tags()
        return answer.take("h"), found

    def set_start(self, topic, start):
        answer = self.call(ALTER_OFFSETS, 0, text(self.group) + array([text(topic) + array([body("iq", 0, start) + b"\0"])
                                                                       + b"\0"]) + b"\0")
        _, error = answer.take("ih")
        answer.text()
        for _ in range(answer.varint() - 1):
            answer.text()
            answer.uuid()
            for _ in range(answer.varint() - 1):
                error = error or answer.take("ih")[1]
                answer.text()
                answer.tags()
            answer.tags()
        return error

    def forget(self, topic):
        answer = self.call(DELETE_OFFSETS, 0, text(self.group) + array([text(topic) + b"\0"]) + b"\0")
        _, error = answer.take("ih")
        answer.text()
        for _ in range(answer.varint() - 1):
            answer.text()
            answer.uuid()
            error = error or answer.take("h")
            answer.text()
            answer.tags()
        return error

    def set(self, name, value):
        """The error of setting one setting of the group."""
        answer = self.call(INCREMENTAL_ALTER_CONFIGS, 1, array([body("b", GROUP) + text(self.group) + array(
            [text(name) + body("b", 0) + text(value) + b"\0"]) + b"\0"]) + b"\0\0")
        answer.take("i")
        assert answer.varint() == 2
        return answer.take("h")


def batches(acks):
    """(first, last, type or types)."""
    return array(body("qq", first, last) + array(body("b", each) for each in (kind if isinstance(kind, list) else [kind])) + b"\0"
                 for first, last, kind in acks)
