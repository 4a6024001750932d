"""The client of the crash campaign for lists, sets, hashes and sorted sets: queues whose elements are pushed, moved and
popped, waiting or not, and transactions over two keys. An element is in exactly one place, whenever the broker dies.
"""

import contextlib
import random

import histcheck
from rawclients import ConnectionLost, Redis, RedisError
from workers import connect

BATCH_MAX = 20
NAMES_KEPT_MAX = 300
KINDS = ("in", "out", "wait-in", "wait-out", "pair-a", "pair-b", "sorted", "set-a", "set-b", "hash")


class CollectionWorker:
    tolerant = False  # The broker may refuse work; what it refused is unknown then.

    def __init__(self, number, seed):
        self.random = random.Random(seed)
        self.name = f"crash-collections-{number}"
        self.keys = None  # by kind; all of them on one shard, so that one command may name two
        self.queue = histcheck.Flow(f"{self.name} queue")
        self.awaited = histcheck.Flow(f"{self.name} awaited")
        self.pair = histcheck.Flow(f"{self.name} pair")
        self.sorted = histcheck.Flow(f"{self.name} sorted")
        self.members = histcheck.Names(f"{self.name} members")
        self.fields = histcheck.Names(f"{self.name} fields")
        self.counter = histcheck.Register(f"{self.name} counter")
        self.member_takes_unanswered = 0
        self.taken_count = self.moved_count = self.pair_count = 0
        self.faults = []

    def counts(self):
        return {"redis elements pushed": self.queue.sent_count, "redis elements popped": self.taken_count,
                "redis elements moved to who waits": self.moved_count, "redis transactions over two lists": self.pair_count,
                "redis members and fields": len(self.members.made | self.members.removed) + len(self.fields.made),
                "redis HINCRBY": self.counter.acknowledged or 0}

    # -- load

    def load(self, ports, stopped):
        with contextlib.suppress(ConnectionLost), contextlib.closing(connect(Redis, ports["redis"])) as client:
            if self.keys is None:
                self.keys = self._near_keys(client)
            # Told apart from the client by the broker: it waits while the other one pushes.
            with contextlib.closing(connect(Redis, ports["redis"])) as waiting:
                while not stopped():
                    self._batch(client)
                    self._wait_and_push(client, waiting)

    def _near_keys(self, client):
        found = [f"{self.name}.0"]
        number = 0
        while len(found) < len(KINDS):
            number += 1
            client.send(("EXISTS", found[0], f"{self.name}.{number}"))
            if not isinstance(client.receive(), RedisError):
                found.append(f"{self.name}.{number}")
        return dict(zip(KINDS, found))

    def _batch(self, client):
        """Commands in one write; those whose replies never come are unknown."""
        steps = [step for _ in range(self.random.randint(3, BATCH_MAX)) for step in self._steps()]
        client.send(*(command for command, _ in steps))
        for command, on_reply in steps:
            reply = client.receive()
            if not isinstance(reply, RedisError):
                on_reply(reply)
            elif not self.tolerant:
                self.faults.append(f"{self.name}: error reply {reply} to {command}")

    def _steps(self):
        dice = self.random.random()
        if dice < 0.25:
            return [self._push()]
        if dice < 0.4:
            return [self._move()]
        if dice < 0.55:
            return [self._pop(self.queue, self.random.choice(("LPOP", "BLPOP")), self.keys["out"])]
        if dice < 0.65 and not self.tolerant:  # A transaction goes on behind a command that was refused.
            return self._pair()
        if dice < 0.8:
            return [self._sorted()]
        return [self._member() if dice < 0.92 else self._field()]

    def _push(self):
        flow, count = self.queue, self.random.randint(1, 3)
        numbers = range(flow.sent_count, flow.sent_count + count)
        flow.sent_count += count
        return ("RPUSH", self.keys["in"], *numbers), lambda reply: flow.added.update(numbers)

    def _move(self):
        command = self.random.choice(("LMOVE", "BLMOVE"))
        wait = (0.001,) if command == "BLMOVE" else ()
        return (command, self.keys["in"], self.keys["out"], "LEFT", "RIGHT", *wait), lambda reply: None

    def _pop(self, flow, command, key):
        flow.takes_unanswered += 1

        def on_reply(reply):
            flow.takes_unanswered -= 1
            if reply:
                element = reply if isinstance(reply, bytes) else reply[1] if command == "BLPOP" else reply[0]
                self._take(flow, int(element))

        return (command, key, *((0.001,) if command == "BLPOP" else ())), on_reply

    def _take(self, flow, number):
        if number in flow.taken:
            self.faults.append(f"Q6 {flow.name}: {number} was given out twice")
        flow.taken.add(number)
        flow.added.add(number)
        self.taken_count += 1

    def _pair(self):
        """Both lists, or neither."""
        lists = self.keys["pair-a"], self.keys["pair-b"]
        flow = self.pair
        if self.random.random() < 0.4:
            commands = [("LPOP", key) for key in lists]
            flow.takes_unanswered += 1

            def on_reply(reply):
                flow.takes_unanswered -= 1
                if reply[0] != reply[1]:
                    self.faults.append(f"Q8 {flow.name}: {reply[0]} and {reply[1]} were popped together")
                if reply[0] is not None:
                    self._take(flow, int(reply[0]))
        else:
            number = flow.sent_count
            flow.sent_count += 1
            commands = [("RPUSH", key, number) for key in lists]

            def on_reply(reply):
                flow.added.add(number)

        def executed(reply):
            self.pair_count += 1
            on_reply(reply)

        ignored = [(command, lambda reply: None) for command in (("MULTI",), *commands)]
        return [*ignored, (("EXEC",), executed)]

    def _sorted(self):
        flow, key = self.sorted, self.keys["sorted"]
        if self.random.random() < 0.4:
            return self._pop(flow, "ZPOPMIN", key)
        number = flow.sent_count
        flow.sent_count += 1
        return ("ZADD", key, number, number), lambda reply: flow.added.add(number)

    def _member(self):
        """Of one of two sets; a name is never used again."""
        names, dice = self.members, self.random.random()
        key, other = self.random.sample((self.keys["set-a"], self.keys["set-b"]), 2)
        if (dice < 0.5 and len(names.made) < NAMES_KEPT_MAX) or not names.made:
            name = f"{self.random.getrandbits(48):x}"
            return ("SADD", key, name), lambda reply: names.made.add(name)
        if dice < 0.75:
            name = self.random.choice(sorted(names.made))
            return ("SMOVE", key, other, name), lambda reply: None
        self.member_takes_unanswered += 1

        def on_reply(reply):
            self.member_takes_unanswered -= 1
            if reply is not None:
                name = reply.decode()
                if name in names.removed:
                    self.faults.append(f"Q6 {names.name}: {name} was given out twice")
                names.made.discard(name)
                names.remove_sent.add(name)
                names.removed.add(name)

        return ("SPOP", key), on_reply

    def _field(self):
        key, names = self.keys["hash"], self.fields
        dice = self.random.random()
        if dice < 0.4:
            self.counter.sent = (self.counter.sent or 0) + 1
            return ("HINCRBY", key, "counter", 1), lambda reply: setattr(self.counter, "acknowledged", reply)
        if (dice < 0.8 and len(names.made) < NAMES_KEPT_MAX) or not names.made:
            name = f"{self.random.getrandbits(48):x}"
            return ("HSET", key, name, "v" + name), lambda reply: names.made.add(name)
        name = self.random.choice(sorted(names.made))
        names.remove_sent.add(name)
        names.made.discard(name)
        return ("HDEL", key, name), lambda reply: names.removed.add(name)

    def _wait_and_push(self, client, waiting):
        """An element goes through a list to the client that waits for it, or to the list where that one has it put."""
        flow = self.awaited
        number = flow.sent_count
        flow.sent_count += 1
        moves = self.random.random() < 0.5
        if moves:
            waiting.send(("BLMOVE", self.keys["wait-in"], self.keys["wait-out"], "LEFT", "RIGHT", 5))
        else:
            flow.takes_unanswered += 1
            waiting.send(("BLPOP", self.keys["wait-out"], self.keys["wait-in"], 5))
        client.send(("RPUSH", self.keys["wait-in"], number))
        pushed = client.receive()
        if not isinstance(pushed, RedisError):
            flow.added.add(number)
        elif not self.tolerant:
            self.faults.append(f"{self.name}: error reply {pushed} to a push")
        reply = waiting.receive()
        if not moves:
            flow.takes_unanswered -= 1
        if isinstance(reply, RedisError) or reply is None:
            if not self.tolerant:
                self.faults.append(f"Q1 {flow.name}: who waited got {reply}")
            return
        if not moves:
            self._take(flow, int(reply[1]))
        self.moved_count += 1

    # -- check

    def check(self, ports, final):
        faults, self.faults = self.faults, []
        if self.keys is None:
            return faults
        client = connect(Redis, ports["redis"])
        lists = {kind: [int(one) for one in client.call("LRANGE", self.keys[kind], 0, -1)] for kind in KINDS[:6]}
        faults += self.queue.check_content(lists["out"], lists["in"])
        faults += self.awaited.check_content(lists["wait-out"], lists["wait-in"])
        if lists["pair-a"] != lists["pair-b"]:
            faults.append(f"Q8 {self.pair.name}: the lists of the transactions differ: {lists['pair-a'][:5]}... of "
                          f"{len(lists['pair-a'])}, {lists['pair-b'][:5]}... of {len(lists['pair-b'])}")
        faults += self.pair.check_content(lists["pair-a"])
        faults += self.sorted.check_content([int(one) for one in client.call("ZRANGE", self.keys["sorted"], 0, -1)])
        faults += self._check_members(client) + self._check_fields(client)
        client.close()
        return faults

    def _check_members(self, client):
        names = self.members
        a, b = ({one.decode() for one in client.call("SMEMBERS", self.keys[kind])} for kind in ("set-a", "set-b"))
        faults = [f"Q8 {names.name}: in both sets: {name}" for name in sorted(a & b)]
        gone = names.made - a - b
        if len(gone) <= self.member_takes_unanswered:  # An SPOP that was not answered took it.
            names.remove_sent |= gone
        self.member_takes_unanswered = 0
        faults += names.check_content({name: name in a or name in b for name in names.made | names.removed})
        names.made = a | b
        names.removed |= gone
        return faults

    def _check_fields(self, client):
        reply = client.call("HGETALL", self.keys["hash"])
        there = dict(zip((one.decode() for one in reply[::2]), (one.decode() for one in reply[1::2])))
        counter = there.pop("counter", None)
        faults = self.counter.check_content(None if counter is None else int(counter))
        if counter is not None:
            self.counter.acknowledged = self.counter.sent = int(counter)
        faults += self.fields.check_content({name: name in there for name in self.fields.made | self.fields.removed})
        faults += [f"Q4 {self.fields.name}: {name} is {value}" for name, value in there.items() if value != "v" + name]
        self.fields.made = set(there)
        return faults
