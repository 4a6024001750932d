#!/usr/bin/env python3
"""kill -9 at random moments under load on all three protocols and the HTTP API at once; what was acknowledged must be there afterwards.

  crashtest.py [--cycles 100] [--seed S] [--durability fsync] [--shards N] [--at-syscalls] [--ledger] [--sabotage]

Ten clients, each in a process of its own (workers.py, collection_worker.py, kafka_workers.py, share_worker.py, access_worker.py), work
for 50 to 800 ms, the broker is killed and started again on the same data directory (sometimes killed a second time while
it recovers), and every client checks its own history (histcheck.py). The data directory of a failing cycle is kept, with
the seed in its name.
--at-syscalls lets the broker die exactly at a random one of its writes, syncs, renames, ... (syscalls.py), in its start or
under load, or lets one of them fail: then it must go on to answer, and lose nothing that it had acknowledged.
--sabotage is the negative control: after each kill the last third of what is in every journal segment is wiped, as if it
had never been synced, and the campaign must find violations.
"""

import argparse
import collections
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import harness  # noqa: E402
import kafka_workers  # noqa: E402
import ledger  # noqa: E402
from rawclients import ConnectionLost, Redis  # noqa: E402
from syscalls import Injection, TracedBroker  # noqa: E402
from workers import make_workers  # noqa: E402

LOAD_SECONDS = (0.05, 0.8)
FIRST_LOAD_SECONDS = 4  # more, in the first life: the slowest of the clients takes some to get going
CHECK_SECONDS_MAX = 60
FINAL_FACTOR = 10  # In the end everything is read again.
SABOTAGE_SHARE = 3
TRACED_LOAD_FACTOR = 2  # a traced broker is slow
ANSWER_SECONDS_MAX = 5
TRACED_WORK_SHARE = 20  # and many a traced one dies early
WORK_SHARE = 5  # Each client must get something of each kind acknowledged in every so many cycles.
FAILED = harness.REPO / "build" / "crash"


def worker_main(make, pipe):
    """The life of one client process: load, check, load, check, ... until told to end."""
    worker = make()
    while True:
        command, *arguments = pipe.recv()
        try:
            if command == "end":
                pipe.send(("counts", worker.counts()))
                return
            if command == "load":
                try:
                    ports, worker.tolerant = arguments
                    worker.load(ports, stopped=lambda: pipe.poll(0))
                except kafka_workers.TransactionLost:
                    pass
            elif command == "check":
                pipe.send(("faults", worker.check(*arguments)))
        except Exception:
            # A client that fails in an unforeseen way is a finding, with its cycle.
            text = f"the client failed in {command}:\n{traceback.format_exc()}"
            if command == "load" and pipe.recv()[0] == "end":
                return
            pipe.send(("faults", [text]))


class Clients:
    def __init__(self, workers, protocols):
        self.pipes = {}
        self.processes = {}
        context = multiprocessing.get_context("fork")
        for name, make in workers.items():
            if name not in protocols and name.split("-")[0] not in protocols:
                continue
            ours, theirs = context.Pipe()
            process = context.Process(target=worker_main, args=(make, theirs), name=name, daemon=True)
            process.start()
            theirs.close()
            self.pipes[name], self.processes[name] = ours, process

    def load(self, ports, names=None, tolerant=False):
        """All clients, or the named ones, go on until the broker is gone or check() is called. `tolerant`: the broker may
        refuse work; what it refused is unknown then."""
        for name in names or self.pipes:
            self.pipes[name].send(("load", ports, tolerant))

    def check(self, ports, final=False, names=None):
        for name in names or self.pipes:
            self.pipes[name].send(("check", ports, final))
        return [f"{name}: {fault}" for name in names or self.pipes for fault in self._answer(name, final)]

    def _answer(self, name, final):
        seconds = CHECK_SECONDS_MAX * (FINAL_FACTOR if final else 1)
        if not self.pipes[name].poll(seconds):
            return [f"no answer within {seconds} s of the restart"]
        try:
            return self.pipes[name].recv()[1]
        except EOFError:
            return ["the client process ended"]

    def end(self):
        counts = {}
        for name, pipe in self.pipes.items():
            try:
                pipe.send(("end",))
                while pipe.poll(10):
                    kind, value = pipe.recv()
                    if kind == "counts":
                        counts.update({key: counts.get(key, 0) + number for key, number in value.items()})
                        break
            except (OSError, EOFError):
                counts[f"{name} ended"] = 1
        for process in self.processes.values():
            process.join(2)
            if process.is_alive():
                process.kill()
        return counts


class Campaign:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.broker = TracedBroker(shards=options.shards, durability=options.durability,
                                   arguments=("--segment-size", options.segment_size, "--message-size-max", "1MiB"))
        self.broker.keep_ports = True
        self.start_seconds = []
        self.faults = []
        self.cycles = 0
        self.injected = collections.Counter()

    def run(self):
        self.broker.start()
        clients = Clients(make_workers(self.options.seed), self.options.clients.split(","))
        try:
            for self.cycles in range(1, self.options.cycles + 1):
                faults = self._cycle(clients)
                self.faults += [f"cycle {self.cycles}: {fault}" for fault in faults]
                if self.options.verbose:
                    print(f"cycle {self.cycles}: {len(faults)} violations, start "
                          f"{self.start_seconds[-1] * 1000:.0f} ms", flush=True)
                if faults and not self.options.keep_going:
                    self._keep()
                    break
            if not self.faults:
                self.faults += [f"final: {fault}" for fault in clients.check(self.broker.ports, True)]
        except harness.BrokerError as error:
            self.faults.append(f"cycle {self.cycles}: {error}")
            self._keep()
        finally:
            counts = clients.end()
            try:
                self.broker.close()
            except harness.BrokerError as error:
                self.faults.append(str(error))
        if not self.faults:
            share = TRACED_WORK_SHARE if self.options.at_syscalls else WORK_SHARE
            self.faults += [f"{kind}: only {count} in {self.cycles} cycles; this client did not really work"
                            for kind, count in counts.items() if count * share < self.cycles]
        return counts

    def _cycle(self, clients):
        injection = self._inject() if self.options.at_syscalls and self.cycles > 1 else None
        clients.load(self.broker.ports, tolerant=bool(injection and injection.error))
        seconds = self.random.uniform(*LOAD_SECONDS) + (FIRST_LOAD_SECONDS if self.cycles == 1 else 0)
        faults = self._load_and_kill(injection, seconds)
        if self.options.sabotage:
            self._wipe_tails()
        if self.random.random() < 0.1:
            self._kill_while_starting()
        self.broker.start()
        self.start_seconds.append(self.broker.start_seconds)
        return faults + clients.check(self.broker.ports)

    def _load_and_kill(self, injection, seconds):
        """Ends when it dies by itself where it was told to, else after `seconds`."""
        deadline = time.monotonic() + seconds * (TRACED_LOAD_FACTOR if injection else 1)
        while time.monotonic() < deadline:
            time.sleep(min(0.02, max(0, deadline - time.monotonic())))
            if injection and self.broker.died():
                self.injected[f"killed at {injection.call}"] += 1
                self.broker.injection = None
                return []
        self.broker.check_alive()
        faults = self._answers() if injection and injection.error else []
        self.broker.kill()
        self.broker.injection = None
        return faults

    def _inject(self):
        """Another start, in which something will happen. Result: what, if it did not happen in the start already."""
        self.broker.kill()
        injection = Injection(self.random, self.random.choice(("kill", "kill", "error")))
        self.injected["error" if injection.error else "kill"] += 1
        if self.options.verbose:
            print(f"cycle {self.cycles}: {injection}", flush=True)
        self.broker.injection = injection
        try:
            self.broker.start()
            return injection
        except harness.BrokerError as error:
            self._judge_end_in_start(injection, str(error))
        self.broker.injection = None
        self.broker.start()
        return None

    def _judge_end_in_start(self, injection, text):
        """Killed where it should be; or an error that a start cannot get around, said in so many words."""
        self.injected[f"ended in start by {injection.error or 'SIGKILL'}"] += 1
        allowed = "ended by itself with 1\n" in text and "cannot start" in text if injection.error else (
            "ended by itself with -9\n" in text)
        if not allowed:
            raise harness.BrokerError(f"{injection}: {text}")

    def _answers(self):
        """After an error it may refuse work, but it answers."""
        client = Redis(self.broker.ports["redis"], timeout=ANSWER_SECONDS_MAX)
        try:
            client.call("PING")
            return []
        except ConnectionLost as lost:
            return [f"no answer after an error: {lost}\n{self.broker.log_tail()}"]
        finally:
            client.close()

    def _wipe_tails(self):
        for path in self.broker.data_directory.glob("segment-*"):
            with open(path, "r+b") as segment:
                used = len(segment.read().rstrip(b"\0"))
                segment.seek(used - used // SABOTAGE_SHARE)
                segment.write(bytes(used // SABOTAGE_SHARE))

    def _kill_while_starting(self):
        with open(self.broker.log_file, "ab") as log:
            process = subprocess.Popen(self.broker.command(), stdout=log, stderr=subprocess.STDOUT,
                                       stdin=subprocess.DEVNULL)
        time.sleep(self.random.uniform(0, 0.05))
        process.kill()
        process.wait()

    def _keep(self):
        FAILED.mkdir(parents=True, exist_ok=True)
        target = FAILED / f"seed{self.options.seed}-cycle{self.cycles}"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.broker.root, target)
        print(f"kept: {target}")


def note_in_ledger(options, campaign, counts, took):
    ledger.note(f"kill -9{' and errors at system calls' * options.at_syscalls}, {campaign.cycles} cycles",
                f"seed {options.seed}, {options.durability}, {options.shards} shard(s), {took:.0f} s",
                f"{sum(counts.values()):,} operations", len(campaign.faults))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    parser.add_argument("--durability", default="fsync")
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--segment-size", default="4MiB", help="small: segments are rolled, emptied and freed all the time")
    parser.add_argument("--clients", default=",".join(harness.PORTS), help="to find out which protocol is at fault")
    parser.add_argument("--keep-going", action="store_true")
    parser.add_argument("--at-syscalls", action="store_true", help="die, or fail, exactly at a random system call")
    parser.add_argument("--sabotage", action="store_true", help="the negative control: must find loss")
    parser.add_argument("--ledger", action="store_true", help=f"append a line to {ledger.LEDGER.relative_to(harness.REPO)}")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    print(f"crashtest: {options.cycles} cycles, seed {options.seed}, durability {options.durability}, "
          f"{options.shards} shard(s)", flush=True)
    began = time.monotonic()
    campaign = Campaign(options)
    counts = campaign.run()
    took = time.monotonic() - began
    for fault in campaign.faults[:40]:
        print(f"VIOLATION {fault}")
    starts = sorted(campaign.start_seconds) or [0]
    print(json.dumps({"cycles": campaign.cycles, "seconds": round(took, 1), "acknowledged": counts,
                      "injected": campaign.injected,
                      "start_ms_median": round(starts[len(starts) // 2] * 1000), "start_ms_max": round(
                          starts[-1] * 1000), "violations": len(campaign.faults)}, indent=1))
    if options.ledger:
        note_in_ledger(options, campaign, counts, took)
    if options.sabotage:
        print("the negative control " + ("found the loss" if campaign.faults else "FOUND NOTHING: the checks are blind"))
        return 0 if campaign.faults else 1
    return 1 if campaign.faults else 0


if __name__ == "__main__":
    sys.exit(main())
