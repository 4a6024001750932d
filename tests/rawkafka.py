"""A blocking Kafka reader that sees every error code and every stored byte by itself.

A library retries what it does not like; a campaign that damages data must see what the broker answers. It understands
Fetch 4, ListOffsets 1 and OffsetFetch 1, and takes record batches apart only as far as their base offsets.
"""

import struct

from rawclients import ConnectionLost, Socket

FETCH, LIST_OFFSETS, OFFSET_FETCH = 1, 2, 9
READ_COMMITTED = 1
EARLIEST, LATEST = -2, -1
FETCH_BYTES_MAX = 32 << 20
BATCH_HEAD = 61  # up to the records
CONTROL = 0x20
TRANSACTIONAL = 0x10


def text(value):
    data = value.encode()
    return struct.pack(">h", len(data)) + data


def array(items):
    items = list(items)
    return struct.pack(">i", len(items)) + b"".join(items)


class Reply:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, layout):
        values = struct.unpack_from(">" + layout, self.data, self.at)
        self.at += struct.calcsize(">" + layout)
        return values[0] if len(values) == 1 else values

    def bytes(self, size):
        if size < 0:
            return b""
        self.at += size
        return self.data[self.at - size:self.at]

    def text(self):
        return self.bytes(self.take("h")).decode()


class Kafka:
    def __init__(self, port, host="127.0.0.1", timeout=10):
        self.stream = Socket(host, port, timeout)
        self.correlation = 0

    def call(self, api, version, body):
        return self.pipeline((api, version, body))[0]

    def pipeline(self, *requests):
        """Sends all (key, version, body) at once. Result: their answers."""
        data = b""
        for api, version, body in requests:
            self.correlation += 1
            request = struct.pack(">hhi", api, version, self.correlation) + text("reader") + body
            data += struct.pack(">i", len(request)) + request
        self.stream.send(data)
        return [self._answer(self.correlation - after) for after in reversed(range(len(requests)))]

    def _answer(self, correlation):
        reply = Reply(self._read(struct.unpack(">i", self._read(4))[0]))
        if reply.take("i") != correlation:
            raise ConnectionLost("an answer to another request")
        return reply

    def _read(self, size):
        while len(self.stream.buffer) < size:
            self.stream.fill()
        data, self.stream.buffer = self.stream.buffer[:size], self.stream.buffer[size:]
        return data

    def fetch(self, wanted):
        """`wanted`: {(topic, partition): offset}. Result: {(topic, partition): (error, last stable offset,
        [(producer, first offset)] aborted, batches)}, where batches are as `split` gives them."""
        topics = array(text(topic) + array([struct.pack(">iqi", partition, offset, FETCH_BYTES_MAX)])
                       for (topic, partition), offset in wanted.items())
        reply = self.call(FETCH, 4, struct.pack(">iiiib", -1, 0, 0, FETCH_BYTES_MAX, READ_COMMITTED) + topics)
        reply.take("i")
        answers = {}
        for _ in range(reply.take("i")):
            topic = reply.text()
            for _ in range(reply.take("i")):
                partition, error, _, stable = reply.take("ihqq")
                aborted = [reply.take("qq") for _ in range(max(0, reply.take("i")))]
                answers[topic, partition] = (error, stable, aborted, list(split(reply.bytes(reply.take("i")))))
        return answers

    def offsets(self, wanted, which):
        """{(topic, partition): (error, offset)} of `which` end of each."""
        reply = self.call(LIST_OFFSETS, 1, struct.pack(">i", -1) + array(
            text(topic) + array([struct.pack(">iq", partition, which)]) for topic, partition in wanted))
        answers = {}
        for _ in range(reply.take("i")):
            topic = reply.text()
            for _ in range(reply.take("i")):
                partition, error, _, offset = reply.take("ihqq")
                answers[topic, partition] = (error, offset)
        return answers

    def committed(self, group, wanted):
        """{(topic, partition): offset}; -1 where nothing is committed."""
        reply = self.call(OFFSET_FETCH, 1, text(group) + array(
            text(topic) + array([struct.pack(">i", partition)]) for topic, partition in wanted))
        answers = {}
        for _ in range(reply.take("i")):
            topic = reply.text()
            for _ in range(reply.take("i")):
                partition, offset = reply.take("iq")
                reply.text()
                reply.take("h")
                answers[topic, partition] = offset
        return answers

    def close(self):
        self.stream.close()


def split(records):
    """The whole batches of a fetch: (base offset, offsets, producer id, attributes, bytes)."""
    at = 0
    while at + BATCH_HEAD <= len(records):
        base, size = struct.unpack_from(">qi", records, at)
        if at + 12 + size > len(records):
            return
        attributes, last_delta = struct.unpack_from(">hi", records, at + 21)
        (producer,) = struct.unpack_from(">q", records, at + 43)
        yield base, last_delta + 1, producer, attributes, records[at:at + 12 + size]
        at += 12 + size
