"""The clients of the crash campaign: each puts load on the broker, remembers what it was told, and checks it afterwards.

A worker lives through all cycles in a process of its own and owns its names, so it knows what must be there. `load` goes
on until the connection breaks or `stopped()` says so; `check` runs against the restarted broker and returns violations.
"""

import contextlib
import random
import time

import pamqp.commands

import histcheck
from rawclients import Amqp, AmqpClosed, ConnectionLost, Redis, RedisError

CONNECT_SECONDS = 5
CHECK_READ_COUNT = 50


def connect(kind, port):
    """The broker was just started; it accepts at once or within moments."""
    deadline = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            return kind(port)
        except ConnectionLost:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)


class AmqpWorker:
    """Publishes with confirms in windows, consumes and acks its own queue, purges another one, declares, binds and deletes
    queues."""

    tolerant = False  # The broker may refuse work; what it refused is unknown then.

    def __init__(self, number, seed):
        self.random = random.Random(seed)
        self.name = f"crash-amqp-{number}"
        self.exchange = f"{self.name}.x"
        self.queue = histcheck.Queue(self.name)
        self.purged = histcheck.Queue(f"{self.name}.purged")
        self.names = histcheck.Names(f"{self.name} queues")
        self.bindings = histcheck.Names(f"{self.name} bindings")
        self.unchecked = set()
        self.declared_count = 0
        self.faults = []

    def counts(self):
        return {"amqp confirms": len(self.queue.confirmed), "amqp acks durable": len(self.queue.ack_durable),
                "amqp purged": len(self.purged.ack_durable), "amqp declarations": len(self.names.made) + len(self.bindings.made)}

    def load(self, ports, stopped):
        # Also while it connects; whether the broker is there again is for check() to say.
        try:
            with contextlib.suppress(ConnectionLost), contextlib.closing(connect(Amqp, ports["amqp"])) as client:
                self._load(client, stopped)
        except AmqpClosed:
            if not self.tolerant:
                raise

    def _load(self, client, stopped):
        client.declare(self.name)
        client.declare_exchange(self.exchange, "direct")
        client.bind(self.name, self.exchange, "main")
        client.declare(self.purged.name)
        client.confirm_select()
        client.qos(30)
        client.consume(self.name)
        state = ChannelState()
        while not stopped():
            self._publish(client, state)
            client.poll(0.02)
            self._take_confirms(client, state)
            self._take_deliveries(client, state)
            if self.random.random() < 0.15:
                self._declare_or_delete(client)
            if self.random.random() < 0.1:
                self._publish_or_purge(client, state)
        deadline = time.monotonic() + 5  # Ended without a crash: let every confirm come.
        while state.tags and time.monotonic() < deadline:
            client.poll(0.1)
            self._take_confirms(client, state)

    def _publish(self, client, state):
        data = []
        for _ in range(self.random.randint(1, 40)):
            number = self.queue.sent_count
            self.queue.sent_count += 1
            state.last_tag += 1
            state.tags[state.last_tag] = self.queue, number
            exchange, key = (self.exchange, "main") if number % 3 == 0 else ("", self.name)
            body = b"%d" % number
            data.append(Amqp.publish_frames(exchange, key, body))
        client.stream.send(b"".join(data))

    def _take_confirms(self, client, state):
        for tag, multiple, positive in client.confirms:
            tags = [tag] if not multiple else [known for known in state.tags if known <= tag]
            for known in tags:
                queue, number = state.tags.pop(known)
                if positive or not self.tolerant:
                    (queue.confirmed if positive else queue.refused).add(number)
                if positive and queue is self.queue:  # Another queue's shard proves nothing about acks of this one.
                    state.confirmed_tag = max(state.confirmed_tag, known)
        client.confirms.clear()
        while state.acks and state.acks[0][0] <= state.confirmed_tag:
            self.queue.ack_durable.add(state.acks.pop(0)[1])

    def _take_deliveries(self, client, state):
        data = []
        for tag, _, _, _, body in client.deliveries:
            number = int(body)
            if number in self.queue.ack_durable or number in state.acked:
                self.faults.append(f"Q6 {self.name}: {number} delivered after its ack")
            state.unacked.append((tag, number))
        client.deliveries.clear()
        while len(state.unacked) > 20 or (state.unacked and self.random.random() < 0.7):
            tag, number = state.unacked.pop(0)
            if self.random.random() < 0.1:
                data.append(Amqp.frame(pamqp.commands.Basic.Nack(tag, requeue=True)))
                continue
            self.queue.ack_sent.add(number)
            state.acked.add(number)
            # The first publish after this ack, once confirmed, proves it durable: same channel, same queue.
            state.acks.append((state.last_tag + 1, number))
            data.append(Amqp.frame(pamqp.commands.Basic.Ack(tag)))
        client.stream.send(b"".join(data))

    def _publish_or_purge(self, client, state):
        """What was published before a purge was answered is gone for good."""
        if self.purged.sent_count and self.random.random() < 0.3:
            self.purged.ack_sent.update(range(self.purged.sent_count))
            client.call(pamqp.commands.Queue.Purge(queue=self.purged.name), pamqp.commands.Queue.PurgeOk)
            self.purged.ack_durable.update(range(self.purged.sent_count))
            return
        for _ in range(self.random.randint(1, 20)):
            number = self.purged.sent_count
            self.purged.sent_count += 1
            state.last_tag += 1
            state.tags[state.last_tag] = self.purged, number
            client.stream.send(Amqp.publish_frames("", self.purged.name, b"%d" % number))

    def _declare_or_delete(self, client):
        if self.names.made and self.random.random() < 0.3:
            name = self.random.choice(sorted(self.names.made))
            self.names.remove_sent.add(name)
            self.bindings.remove_sent.add(name)
            client.delete(name)
            self.names.removed.add(name)
            self.names.made.discard(name)
            return
        self.declared_count += 1
        name = f"{self.name}.{self.declared_count}"
        client.declare(name)
        self.names.made.add(name)
        self.unchecked.add(name)
        client.bind(name, self.exchange, name)
        self.bindings.made.add(name)

    def check(self, ports, final):
        faults, self.faults = self.faults, []
        faults += self._check_queue(ports, self.queue)
        faults += self._check_queue(ports, self.purged)
        faults += self._check_names(ports, final)
        return faults

    def _check_queue(self, ports, queue):
        client = connect(Amqp, ports["amqp"])
        client.confirm_select()
        try:
            count = self._count_when_free(client, queue.name)
        except AmqpClosed as closed:
            return [] if not queue.confirmed and closed.code == 404 else [f"Q1 {queue.name}: {closed}"]
        client.consume(queue.name)
        deadline = time.monotonic() + 10
        while len(client.deliveries) < count and time.monotonic() < deadline:
            client.poll(0.2)
        client.poll(0.02)
        delivered = [int(body) for *_, body in client.deliveries]
        faults = queue.check_content(delivered)
        if len(delivered) != count:
            faults.append(f"Q1 {queue.name}: {count} messages announced, {len(delivered)} delivered")
        if queue is self.queue and delivered and self.random.random() < 0.5:
            self._settle_all(client, delivered)
        client.close()
        return faults

    @staticmethod
    def _count_when_free(client, name):
        """A load that outlived its broker's life has a connection in the next one, and what it holds comes back when
        the broker sees it end."""
        deadline = time.monotonic() + 10
        while (declared := client.declare(name, passive=True)).consumer_count and time.monotonic() < deadline:
            time.sleep(0.02)
        return declared.message_count

    def _settle_all(self, client, delivered):
        self.queue.ack_sent.update(delivered)
        client.write(pamqp.commands.Basic.Ack(client.deliveries[-1][0], multiple=True))
        number = self.queue.sent_count
        self.queue.sent_count += 1
        client.confirms.clear()
        client.stream.send(Amqp.publish_frames("", self.name, b"%d" % number))
        client.wait(pamqp.commands.Basic.Ack)
        self.queue.confirmed.add(number)
        self.queue.ack_durable.update(delivered)

    def _check_names(self, ports, final):
        old = sorted(self.names.made - self.unchecked)
        chosen = sorted(self.names.made) if final else sorted(self.unchecked & self.names.made) + self.random.sample(
            old, min(10, len(old)))
        removed = sorted(self.names.removed)
        chosen += removed if final else self.random.sample(removed, min(3, len(removed)))
        self.unchecked.clear()
        exists = {}
        client = None
        for name in chosen:
            client = client or connect(Amqp, ports["amqp"])
            try:
                client.declare(name, passive=True)
                exists[name] = True
            except AmqpClosed as closed:
                if closed.code != 404:
                    return [f"{name}: {closed}"]
                exists[name] = False
                client.close()
                client = None
        if client:
            client.close()
        return self.names.check_content(exists) + self._check_bindings(ports, chosen)

    def _check_bindings(self, ports, names):
        """A mandatory message through the exchange comes back exactly when the binding is not there."""
        if not names:
            return []
        client = connect(Amqp, ports["amqp"])
        client.confirm_select()
        client.stream.send(b"".join(Amqp.publish_frames(self.exchange, name, name.encode(), mandatory=True)
                                    for name in names))
        answered = 0
        deadline = time.monotonic() + 10
        while answered < len(names) and time.monotonic() < deadline:
            client.poll(0.2)
            answered = max([answered, *(tag for tag, _, _ in client.confirms)])
        client.poll(0.02)
        returned = {body.decode() for body in client.returns}
        client.close()
        return self.bindings.check_content({name: name not in returned for name in names})


class ChannelState:
    """What one channel has in flight; it dies with the connection."""

    def __init__(self):
        self.last_tag = 0
        self.confirmed_tag = 0
        self.tags = {}  # publish tag -> number
        self.unacked = []  # (delivery tag, number)
        self.acked = set()  # numbers, on this channel
        self.acks = []  # (publish tag that will prove it, number), in order


class RedisWorker:
    """Pipelines of XADD, XREADGROUP, XACK, XDEL, XREAD, SET, INCR, DEL, XGROUP CREATE and DESTROY, with every reply
    accounted for."""

    tolerant = False

    def __init__(self, number, seed, power_loss):
        self.power_loss = power_loss
        self.random = random.Random(seed)
        self.name = f"crash-redis-{number}"
        self.stream = histcheck.Stream(self.name)
        self.pending = histcheck.Pending(f"{self.name} group")
        self.counter = histcheck.Register(f"{self.name}.counter")
        self.register = histcheck.Register(f"{self.name}.register")
        self.groups = histcheck.Names(f"{self.name} groups")
        self.keys = histcheck.Names(f"{self.name} keys")
        self.unchecked = set()
        self.ready_to_ack = []
        self.group_made = False
        self.read_position = (0, 0)
        self.checked_to = (0, 0)
        self.before_that = (0, 0)
        self.faults = []

    def counts(self):
        return {"redis XADD": len(self.stream.added), "redis XACK": len(self.pending.acked),
                "redis XDEL": len(self.stream.deleted), "redis groups": len(self.groups.made),
                "redis groups destroyed": len(self.groups.removed), "redis DEL": len(self.keys.removed),
                "redis INCR and SET": (self.counter.acknowledged or 0) + (self.register.acknowledged or 0)}

    def load(self, ports, stopped):
        try:
            with contextlib.suppress(ConnectionLost), contextlib.closing(connect(Redis, ports["redis"])) as client:
                self._load(client, stopped)
        except RedisError:
            if not self.tolerant:
                raise

    def _load(self, client, stopped):
        if not self.group_made:
            self._make_group(client)
        while not stopped():
            batch = [step for _ in range(self.random.randint(3, 25)) if (step := self._step()) is not None]
            client.send(*(command for command, _ in batch))
            for _, on_reply in batch:
                reply = client.receive()
                if not isinstance(reply, RedisError):
                    on_reply(reply)
                elif not self.tolerant:
                    self.faults.append(f"{self.name}: error reply {reply}")

    def _make_group(self, client):
        try:
            client.call("XGROUP", "CREATE", self.name, "g", "0", "MKSTREAM")
        except RedisError as error:
            if "BUSYGROUP" not in str(error):
                raise
        self.group_made = True

    def _step(self):
        """One command, and what its reply means."""
        dice = self.random.random()
        if dice < 0.55:
            return self._add()
        if dice < 0.65:
            return ("XREADGROUP", "GROUP", "g", "c", "COUNT", 30, "STREAMS", self.name, ">"), self._on_group_read
        if dice < 0.78:
            return self._acknowledge()
        if dice < 0.81:
            return self._delete()
        if dice < 0.87:
            position = "%d-%d" % self.read_position
            return ("XREAD", "COUNT", 200, "STREAMS", self.name, position), self._on_read
        if dice < 0.92:
            value = (self.counter.sent or 0) + 1
            self.counter.sent = value
            return ("INCR", self.counter.name), lambda reply: setattr(self.counter, "acknowledged", reply)
        if dice < 0.97:
            value = (self.register.sent or 0) + 1
            self.register.sent = value
            return (("SET", self.register.name, value),
                    lambda reply, value=value: setattr(self.register, "acknowledged", value))
        return self._group() if dice < 0.985 else self._key()

    def _group(self):
        if self.groups.made and self.random.random() < 0.3:
            group = self._remove(self.groups)
            return ("XGROUP", "DESTROY", self.name, group), lambda reply: self.groups.removed.add(group)
        group = f"g{self.random.getrandbits(48):x}"
        return ("XGROUP", "CREATE", self.name, group, "$"), lambda reply: self.groups.made.add(group)

    def _key(self):
        """A key or a stream, made and some time deleted; a name is never used again."""
        if self.keys.made and self.random.random() < 0.4:
            key = self._remove(self.keys)
            return ("DEL", key), lambda reply: self.keys.removed.add(key)
        key = f"{self.name}.{self.random.getrandbits(48):x}"
        self.unchecked.add(key)
        command = ("SET", key, 1) if self.random.random() < 0.5 else ("XADD", key, "*", "n", 1)
        return command, lambda reply: self.keys.made.add(key)

    def _remove(self, names):
        name = self.random.choice(sorted(names.made))
        names.remove_sent.add(name)
        names.made.discard(name)
        return name

    def _add(self):
        number = self.stream.sent_count
        self.stream.sent_count += 1

        def on_reply(entry):
            self.stream.added[number] = parse_id(entry)

        return ("XADD", self.name, "*", "n", number), on_reply

    def _on_group_read(self, reply):
        for entry, _ in reply[0][1] if reply else []:
            entry = parse_id(entry)
            if entry in self.pending.delivered:
                self.faults.append(f"Q6 {self.name}: {entry} delivered twice as new")
            self.pending.delivered.add(entry)
            self.ready_to_ack.append(entry)

    def _acknowledge(self):
        if not self.ready_to_ack:
            return None
        count = self.random.randint(1, min(8, len(self.ready_to_ack)))
        chosen = [self.ready_to_ack.pop(self.random.randrange(len(self.ready_to_ack))) for _ in range(count)]
        self.pending.ack_sent.update(chosen)
        return (("XACK", self.name, "g", *("%d-%d" % entry for entry in chosen)),
                lambda reply: self.pending.acked.update(chosen))

    def _delete(self):
        if not self.stream.added:
            return None
        number = self.random.choice(list(self.stream.added)[-50:])
        entry = self.stream.added[number]
        self.stream.delete_sent.add(entry)
        self.pending.dropped.add(entry)
        return ("XDEL", self.name, "%d-%d" % entry), lambda reply: self.stream.deleted.add(entry)

    def _on_read(self, reply):
        for entry, fields in reply[0][1] if reply else []:
            entry = parse_id(entry)
            self.stream.observed[entry] = int(fields[1])
            self.read_position = max(self.read_position, entry)

    def check(self, ports, final):
        faults, self.faults = self.faults, []
        client = connect(Redis, ports["redis"])
        since = (0, 0) if final else self.before_that
        entries = self._read_entries(client, since)
        faults += self.stream.check_content(entries, since)
        if entries:
            self.before_that, self.checked_to = self.checked_to, entries[-1][0]
        for register in (self.counter, self.register):
            value = client.call("GET", register.name)
            faults += register.check_content(None if value is None else int(value))
            if value is not None:  # What was unknown is decided now.
                register.acknowledged = register.sent = int(value)
        faults += self._check_keys(client, final)
        if self.group_made:
            faults += self._check_group(client)
        client.close()
        return faults

    def _check_keys(self, client, final):
        known = sorted(self.keys.made | self.keys.removed)
        chosen = known if final else sorted(self.unchecked & set(known)) + self.random.sample(known, min(20, len(known)))
        self.unchecked.clear()
        client.send(*(("EXISTS", key) for key in chosen))
        return self.keys.check_content({key: client.receive() == 1 for key in chosen})

    def _read_entries(self, client, since):
        entries = []
        position = "%d-%d" % since
        while True:
            page = client.call("XRANGE", self.name, position, "+", "COUNT", 5000)
            entries += [(parse_id(entry), int(fields[1])) for entry, fields in page]
            if len(page) < 5000:
                return entries
            position = "(%d-%d" % entries[-1][0]

    def _check_group(self, client):
        rows = client.call("XPENDING", self.name, "g", "-", "+", 1000000)
        reply = client.call("XREADGROUP", "GROUP", "g", "c", "COUNT", CHECK_READ_COUNT, "STREAMS", self.name, ">")
        new = [parse_id(entry) for entry, _ in (reply[0][1] if reply else [])]
        pending = {parse_id(row[0]) for row in rows}
        if self.power_loss:
            self.pending.take_back(pending, new, len(new) < CHECK_READ_COUNT)
        faults = self.pending.check_content(pending, new)
        # Entries of a reply that was lost are pending too; from now on they are known.
        self.pending.delivered |= pending | set(new)
        undecided = self.pending.ack_sent - self.pending.acked
        self.pending.ack_sent -= undecided & pending
        self.pending.acked |= undecided - pending
        self.ready_to_ack = sorted((pending | set(new)) - self.pending.acked)
        listed = client.call("XINFO", "GROUPS", self.name)
        there = {row[row.index(b"name") + 1].decode() for row in listed}
        return faults + self.groups.check_content({
            group: group in there for group in self.groups.made | self.groups.removed})


def parse_id(entry):
    milliseconds, sequence = entry.split(b"-")
    return int(milliseconds), int(sequence)


def make_workers(seed, power_loss=False):
    """The campaign's clients, each for a process of its own: name -> a function that makes the worker there.
    `power_loss`: what crashes is the machine, so what waited for the page cache only may be gone."""
    from access_worker import AccessWorker
    from collection_worker import CollectionWorker
    from kafka_workers import GroupWorker, IdempotentWorker, TransactionWorker
    from share_worker import ShareWorker
    return {"amqp-0": lambda: AmqpWorker(0, seed + 1), "amqp-1": lambda: AmqpWorker(1, seed + 2),
            "redis-0": lambda: RedisWorker(0, seed + 3, power_loss), "redis-1": lambda: RedisWorker(1, seed + 4, power_loss),
            "kafka-0": lambda: IdempotentWorker(0, seed + 5), "kafka-1": lambda: TransactionWorker(0, seed + 6),
            "redis-2": lambda: CollectionWorker(0, seed + 7), "kafka-2": lambda: GroupWorker(0, seed + 8),
            "management-0": lambda: AccessWorker(0, seed + 9),
            "kafka-3": lambda: ShareWorker(0, seed + 10)}
