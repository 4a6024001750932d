"""Small blocking AMQP and Redis clients that see every frame and reply by itself.

The campaigns need them: a library hides which of many requests in flight were answered before the connection broke.
They understand only what the campaigns send. Frames are made and read by pamqp.
"""

import socket

import pamqp.commands
import pamqp.frame
import pamqp.header
import pamqp.heartbeat

READ_BYTES = 1 << 18
FRAME_OVERHEAD = 8  # type, channel, size; end octet


class ConnectionLost(Exception):
    """The peer went away; what was not answered until then is unknown."""


class Socket:
    def __init__(self, host, port, timeout):
        try:
            self.socket = socket.create_connection((host, port), timeout=timeout)
        except OSError as error:
            raise ConnectionLost(str(error)) from error
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise ConnectionLost(str(error)) from error

    def fill(self):
        try:
            data = self.socket.recv(READ_BYTES)
        except OSError as error:
            raise ConnectionLost(repr(error)) from error
        if not data:
            raise ConnectionLost("closed by the peer")
        self.buffer += data

    def close(self):
        self.socket.close()


class AmqpClosed(Exception):
    """The server closed the channel or the connection: code and text."""

    def __init__(self, frame):
        super().__init__(frame.reply_code, frame.reply_text)
        self.code, self.text = frame.reply_code, frame.reply_text


class Amqp:
    """One connection with one channel. `deliveries`, `confirms`, `returns` and `cancels` collect what comes between
    replies."""

    CHANNEL = 1

    def __init__(self, port, host="127.0.0.1", timeout=20):
        self.stream = Socket(host, port, timeout)
        self.deliveries = []  # (delivery tag, redelivered, routing key, properties, body)
        self.confirms = []  # (delivery tag, multiple, ack)
        self.returns = []  # bodies
        self.cancels = []  # consumer tags that the server cancelled
        self.blocked = None  # why the broker does not listen at present
        self._content = None
        self.stream.send(b"AMQP\x00\x00\x09\x01")
        self.wait(pamqp.commands.Connection.Start, channel=0)
        capabilities = {"consumer_cancel_notify": True, "connection.blocked": True}
        self.write(pamqp.commands.Connection.StartOk({"capabilities": capabilities}, "PLAIN", "\x00guest\x00guest", "en_US"),
                   channel=0)
        self.wait(pamqp.commands.Connection.Tune, channel=0)
        self.write(pamqp.commands.Connection.TuneOk(2047, 131072, 0), channel=0)
        self.write(pamqp.commands.Connection.Open("/"), channel=0)
        self.wait(pamqp.commands.Connection.OpenOk, channel=0)
        self.call(pamqp.commands.Channel.Open(), pamqp.commands.Channel.OpenOk)

    @staticmethod
    def frame(value, channel=CHANNEL):
        return pamqp.frame.marshal(value, channel)

    def write(self, value, channel=CHANNEL):
        self.stream.send(self.frame(value, channel))

    def call(self, method, reply):
        self.write(method)
        return self.wait(reply)

    @classmethod
    def publish_frames(cls, exchange, routing_key, body, mandatory=False, **properties):
        """The bytes of one publish; a campaign joins many of them into one send. `body` fits into one frame."""
        return (cls.frame(pamqp.commands.Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=mandatory))
                + cls.frame(pamqp.header.ContentHeader(0, len(body), pamqp.commands.Basic.Properties(
                    delivery_mode=2, **properties)))
                + (cls.frame(pamqp.body.ContentBody(body)) if body else b""))

    def poll(self, timeout):
        """Takes what has come; waits at most `timeout` seconds for something. True when something came."""
        self.stream.socket.settimeout(timeout or 0.0001)
        came = self._take_buffered()
        try:
            if not came:
                self.stream.fill()
                came = self._take_buffered()
        except ConnectionLost as lost:
            if "timed out" not in str(lost) and "BlockingIOError" not in str(lost):
                raise
        finally:
            self.stream.socket.settimeout(20)
        return came

    def _take_buffered(self):
        came = False
        while self._next() is not None:
            came = True
        return came

    def wait(self, kind, channel=CHANNEL):
        while True:
            item = self._next()
            if item is None:
                self.stream.fill()
            elif isinstance(item[1], kind) and item[0] == channel:
                return item[1]

    def _next(self):
        buffer = self.stream.buffer
        if len(buffer) < FRAME_OVERHEAD or len(buffer) < FRAME_OVERHEAD + int.from_bytes(buffer[3:7], "big"):
            return None
        consumed, channel, frame = pamqp.frame.unmarshal(buffer)
        self.stream.buffer = self.stream.buffer[consumed:]
        if isinstance(frame, (pamqp.commands.Channel.Close, pamqp.commands.Connection.Close)):
            raise AmqpClosed(frame)
        if isinstance(frame, pamqp.commands.Connection.Blocked):
            self.blocked = frame.reason
        elif isinstance(frame, pamqp.commands.Connection.Unblocked):
            self.blocked = None
        elif isinstance(frame, (pamqp.commands.Basic.Ack, pamqp.commands.Basic.Nack)):
            self.confirms.append((frame.delivery_tag, frame.multiple, isinstance(frame, pamqp.commands.Basic.Ack)))
        elif isinstance(frame, pamqp.commands.Basic.Cancel):
            self.cancels.append(frame.consumer_tag)
        elif isinstance(frame, (pamqp.commands.Basic.Deliver, pamqp.commands.Basic.GetOk, pamqp.commands.Basic.Return)):
            self._content = [frame, None, b""]
        elif isinstance(frame, pamqp.header.ContentHeader):
            self._content[1] = frame
            self._finish_content()
        elif isinstance(frame, pamqp.body.ContentBody):
            self._content[2] += frame.value
            self._finish_content()
        return channel, frame

    def _finish_content(self):
        method, header, body = self._content
        if len(body) < header.body_size:
            return
        self._content = None
        if isinstance(method, pamqp.commands.Basic.Return):
            self.returns.append(body)
        else:
            self.deliveries.append((method.delivery_tag, method.redelivered, method.routing_key, header.properties,
                                    body))

    # What the campaigns do.

    def confirm_select(self):
        self.call(pamqp.commands.Confirm.Select(), pamqp.commands.Confirm.SelectOk)

    def declare(self, queue, passive=False, **arguments):
        return self.call(pamqp.commands.Queue.Declare(queue=queue, durable=True, passive=passive,
                                                      arguments=arguments or {}), pamqp.commands.Queue.DeclareOk)

    def delete(self, queue):
        return self.call(pamqp.commands.Queue.Delete(queue=queue), pamqp.commands.Queue.DeleteOk)

    def declare_exchange(self, exchange, kind):
        self.call(pamqp.commands.Exchange.Declare(exchange=exchange, exchange_type=kind, durable=True),
                  pamqp.commands.Exchange.DeclareOk)

    def bind(self, queue, exchange, key):
        self.call(pamqp.commands.Queue.Bind(queue=queue, exchange=exchange, routing_key=key),
                  pamqp.commands.Queue.BindOk)

    def qos(self, count):
        self.call(pamqp.commands.Basic.Qos(prefetch_count=count), pamqp.commands.Basic.QosOk)

    def consume(self, queue, **arguments):
        return self.call(pamqp.commands.Basic.Consume(queue=queue, arguments=arguments or {}),
                         pamqp.commands.Basic.ConsumeOk).consumer_tag

    def cancel(self, tag):
        self.call(pamqp.commands.Basic.Cancel(consumer_tag=tag), pamqp.commands.Basic.CancelOk)

    def close(self):
        self.stream.close()


class RedisError(Exception):
    pass


class Redis:
    """RESP2. `send` queues any number of commands in one write; each `receive` takes one reply."""

    def __init__(self, port, host="127.0.0.1", timeout=20):
        self.stream = Socket(host, port, timeout)
        self.position = 0

    @staticmethod
    def encode(*parts):
        parts = [part if isinstance(part, bytes) else str(part).encode() for part in parts]
        return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)

    def send(self, *commands):
        self.stream.send(b"".join(self.encode(*command) for command in commands))

    def call(self, *command):
        self.send(command)
        reply = self.receive()
        if isinstance(reply, RedisError):
            raise reply
        return reply

    def receive(self):
        """One reply; an error reply is returned, not raised, since it belongs to one command of many."""
        if self.position > READ_BYTES:
            self.stream.buffer = self.stream.buffer[self.position:]
            self.position = 0
        kind, rest = self._line()
        if kind == b"+":
            return rest
        if kind == b"-":
            return RedisError(rest.decode("utf-8", "replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            size = int(rest)
            if size < 0:
                return None
            while len(self.stream.buffer) < self.position + size + 2:
                self.stream.fill()
            value = self.stream.buffer[self.position:self.position + size]
            self.position += size + 2
            return value
        if kind == b"*":
            count = int(rest)
            return None if count < 0 else [self.receive() for _ in range(count)]
        raise AssertionError(f"not RESP2: {kind + rest!r}")

    def _line(self):
        while True:
            end = self.stream.buffer.find(b"\r\n", self.position)
            if end >= 0:
                line = self.stream.buffer[self.position:end]
                self.position = end + 2
                return line[:1], line[1:]
            self.stream.fill()

    def close(self):
        self.stream.close()
