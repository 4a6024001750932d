"""A blocking Kafka connection that sends any request in any version, encoded by kafka-python's schemas."""

import io
import struct
import sys

from rawclients import Socket


class Requests:
    def __init__(self, broker, client="requests"):
        self.broker, self.client = broker, client
        self.connect()

    def connect(self):
        self.stream = Socket("127.0.0.1", self.broker.kafka_port, 20)
        self.waiting = []

    def close(self):
        self.stream.close()

    def reconnect(self):
        self.close()
        self.connect()

    def send(self, kind, version, **fields):
        request = kind(version=version, **fields)
        request.with_header(len(self.waiting), self.client)
        self.stream.send(bytes(request.encode(header=True, framed=True)))
        response = getattr(sys.modules[kind.__module__], kind.__name__.replace("Request", "Response"))
        self.waiting.append((response, version))

    def receive(self):
        response, version = self.waiting.pop(0)
        size, = struct.unpack(">i", self._read(4))
        return response.decode(io.BytesIO(self._read(size)), version=version, header=True)

    def call(self, kind, version, **fields):
        self.send(kind, version, **fields)
        return self.receive()

    def _read(self, size):
        while len(self.stream.buffer) < size:
            self.stream.fill()
        data, self.stream.buffer = self.stream.buffer[:size], self.stream.buffer[size:]
        return data
