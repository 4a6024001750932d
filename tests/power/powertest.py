#!/usr/bin/env python3
"""Loss of power at random moments under load on all three protocols; what was acknowledged must be there afterwards.

  powertest.py [--cycles 100] [--fs ext4|xfs] [--seed S] [--shards N] [--ledger] [--control os|lying-disk]

The broker works on a real file system on a disk with a volatile write cache (pldisk). In each cycle the clients of the
crash campaign load it for 50 to 800 ms, and the power is cut: sometimes at the very write or flush, sometimes once more
while the broker starts again, sometimes after a kill -9 from which it has recovered. The disk is left with what was
flushed and, of what was not, nothing, half or most of the sectors at random, or all but the end of the last write. The
file system must mount, the broker must start within five seconds and report no damage, and every client checks its own
history (histcheck.py). After each SERIES_CYCLES a new disk with new clients begins.

Nothing counts that was acknowledged too late: from the cut until the broker has been killed the disk answers nothing, so
what is acknowledged then rests on flushes from before the cut.

--control is the negative control: with acknowledgements from the page cache (os) or with a disk that ignores flushes,
every single cut must be found out. The image of a failing cycle, as the cut left it, is kept with the seed in its name.
"""

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "crash")]

import disk as disks  # noqa: E402

import crashtest  # noqa: E402
import harness  # noqa: E402
import ledger  # noqa: E402
from bulk import BulkWorker  # noqa: E402
from workers import make_workers  # noqa: E402

SERIES_CYCLES = 50
START_SECONDS_MAX = 5
LOSS_WHILE_STARTING = 0.1
KILLED_FIRST = 0.1
WORK_SHARE = 25  # Each client must get something of each kind acknowledged in every so many cycles, over a campaign.
STARTING_SECONDS = (0, 0.15)
MOMENTS = ("now", "write", "write", "flush", "flush")  # A disk is at rest most of the time, and then loses nothing.
SURVIVORS = ("none", "half", "most", "torn")
# librdkafka's transactional producer takes seconds to get over a restart: it has its turn now and then.
SLOW_CLIENT, SLOW_CLIENT_SHARE = "kafka-1", 0.3
CONTROL_CLIENTS, CONTROL_LOAD_SECONDS = ("amqp", "redis"), 0.7
FAILED = harness.REPO / "build" / "power"


class DiskBroker(harness.Broker):
    """A broker that keeps its data below the mount point, in directories that it must make durable itself."""

    def __init__(self, disk, root, options, durability):
        super().__init__(root=root, shards=options.shards, durability=durability, arguments=(
            "--segment-size", options.segment_size, "--message-size-max", "1MiB", "--disk-free-min", "0"))
        self.data_directory = disk.mount_point
        self.keep_ports = True
        self.log_seen = 0

    def command(self):
        here = str(self.data_directory)
        return [f"{here}/var/trivium" if word == here else word for word in super().command()]

    def new_errors(self):
        """What it has complained about since the last call: no loss of power is a reason to."""
        text = self.log_file.read_bytes()[self.log_seen:]
        self.log_seen += len(text)
        return re.findall(r"^\S+ \S+ error .*$", text.decode("utf-8", "replace"), re.M)


class Series:
    """One disk, one broker and one set of clients, from the first start until close(), through many losses of power."""

    def __init__(self, campaign, seed, protocols, durability, ignore_flushes=False):
        self.options = campaign.options
        self.random = campaign.random
        self.report = campaign.report
        self.clients = self.disk = self.broker = None
        self.is_first = True
        self.resources = contextlib.ExitStack()
        try:
            self.directory = self.resources.enter_context(disks.directory_in_memory())
            # First, so that they hold no end of pldisk's pipes.
            self.clients = crashtest.Clients({**make_workers(seed, power_loss=True),
                                              "redis-bulk": lambda: BulkWorker(seed)}, protocols)
            self.disk = disks.Disk(self.directory, self.options.fs, ignore_flushes)
            self.disk.format()
            self.disk.plug()
            self.broker = DiskBroker(self.disk, self.directory, self.options, durability)
            self.broker.start()
        except BaseException:
            self.close()
            raise

    def cycle(self, load_seconds, killed_first=KILLED_FIRST, while_starting=LOSS_WHILE_STARTING):
        """Faults. Raises BrokerError or DiskError when it cannot go on."""
        names = [name for name in self.clients.pipes
                 if name != SLOW_CLIENT or self.is_first or self.random.random() < SLOW_CLIENT_SHARE]
        self.is_first = False
        self.clients.load(self.broker.ports, names)
        time.sleep(load_seconds)
        self.broker.check_alive()
        faults = []
        if self.random.random() < killed_first:
            self.report.killed_first += 1
            self.broker.kill()
            faults = self._start_and_check(names)
        self._lose_power(self.broker.process)
        self.broker.process = None
        if self.random.random() < while_starting:
            self._lose_power_while_starting()
        return faults + self._start_and_check(names)

    def _start_and_check(self, names):
        self.broker.start()
        self.report.start_seconds.append(self.broker.start_seconds)
        faults = self.clients.check(self.broker.ports, names=names)
        if self.broker.start_seconds > START_SECONDS_MAX:
            faults.append(f"the start took {self.broker.start_seconds:.1f} s")
        return faults + [f"the broker reports: {line}" for line in self.broker.new_errors()]

    def _lose_power(self, process):
        when, survivors = self.random.choice(MOMENTS), self.random.choice(self.survivors())
        try:
            cut = self.disk.cut(when, survivors, self.random.getrandbits(63))
        finally:
            process.kill()  # Before the disk answers: from here on it can tell nobody anything.
        self.disk.release()
        process.wait()
        self.report.add_cut(when, survivors, cut)
        began = time.monotonic()
        self.disk.unplug()
        self.disk.plug()
        self.report.plug_seconds.append(time.monotonic() - began)

    def survivors(self):
        # When no flush counts, everything is pending, and all but the end of it is no loss worth finding.
        return SURVIVORS[:-1] if self.disk.ignore_flushes else SURVIVORS

    def _lose_power_while_starting(self):
        self.report.while_starting += 1
        with open(self.broker.log_file, "ab") as log:
            process = subprocess.Popen(self.broker.command(), stdout=log, stderr=subprocess.STDOUT,
                                       stdin=subprocess.DEVNULL)
        try:
            time.sleep(self.random.uniform(*STARTING_SECONDS))
        finally:
            self._lose_power(process)

    def keep(self, name):
        """The disk as the last cut left it, and what the broker said."""
        target = FAILED / name
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        self.disk.keep(target / "image")
        if self.broker.log_file.exists():
            shutil.copy(self.broker.log_file, target)
        (target / "cuts").write_text("\n".join(self.report.cuts[-5:]) + "\n")
        print(f"kept: {target}")

    def close(self):
        """Result: what the clients got acknowledged, and faults of the end."""
        counts, faults = {}, []
        if self.clients:
            counts = self.clients.end()
        try:
            if self.broker:
                self.broker.close()
        except harness.BrokerError as error:
            faults.append(str(error))
        try:
            if self.disk:
                self.disk.close()
        except disks.DiskError as error:
            faults.append(str(error))
        self.resources.close()
        return counts, faults


class Report:
    """What a campaign has seen so far."""

    def __init__(self):
        self.cycles = 0
        self.while_starting = self.killed_first = 0
        self.start_seconds = []
        self.plug_seconds = []
        self.acknowledged = {}
        self.cuts = []
        self.pending = []
        self.sectors = self.surviving = 0

    def add_cut(self, when, survivors, cut):
        writes, sectors, surviving = cut
        self.cuts.append(f"cycle {self.cycles}: cut at {when}: {writes} writes, {sectors} sectors were pending, "
                         f"{surviving} survive ({survivors})")
        self.pending.append(writes)
        self.sectors += sectors
        self.surviving += surviving

    def add_counts(self, counts):
        for kind, count in counts.items():
            self.acknowledged[kind] = self.acknowledged.get(kind, 0) + count

    def text(self, took, faults):
        starts = sorted(self.start_seconds) or [0]
        return json.dumps({
            "cycles": self.cycles, "seconds": round(took, 1), "acknowledged": self.acknowledged,
            "power_losses": len(self.pending), "while_starting": self.while_starting,
            "after_a_kill": self.killed_first,
            "with_pending_writes": sum(count > 0 for count in self.pending), "pending_sectors": self.sectors,
            "surviving_sectors": self.surviving, "start_ms_median": round(starts[len(starts) // 2] * 1000),
            "start_ms_max": round(starts[-1] * 1000), "violations": len(faults)}, indent=1)


class Campaign:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.report = Report()
        self.faults = []

    def run(self):
        while self.report.cycles < self.options.cycles and not self.faults:
            first = self.report.cycles
            last = min(first + SERIES_CYCLES, self.options.cycles)
            series = Series(self, self.options.seed + first, self.options.clients.split(","), "fsync")
            try:
                self._run_series(series, first, last)
            except (harness.BrokerError, disks.DiskError) as error:
                self._fault([str(error)], series)
            finally:
                counts, faults = series.close()
                self.report.add_counts(counts)
                self.faults += faults
        if not self.faults:
            self.faults += [f"{kind}: only {count} in {self.report.cycles} cycles; this client did not really work"
                            for kind, count in self.report.acknowledged.items() if count * WORK_SHARE < self.report.cycles]

    def _run_series(self, series, first, last):
        for self.report.cycles in range(first + 1, last + 1):
            began = time.monotonic()
            more = crashtest.FIRST_LOAD_SECONDS if self.report.cycles == first + 1 else 0
            faults = series.cycle(self.random.uniform(*crashtest.LOAD_SECONDS) + more)
            if self.options.verbose:
                print(f"{self.report.cuts[-1]}; {len(faults)} violations, start "
                      f"{self.report.start_seconds[-1] * 1000:.0f} ms, disk changed in "
                      f"{self.report.plug_seconds[-1] * 1000:.0f} ms, in all {time.monotonic() - began:.1f} s", flush=True)
            if faults:
                self._fault(faults, series)
                return
        if faults := series.clients.check(series.broker.ports, final=True):
            self._fault(faults, series)

    def _fault(self, faults, series):
        self.faults += [f"cycle {self.report.cycles}: {fault}" for fault in faults]
        series.keep(f"{self.options.fs}-seed{self.options.seed}-cycle{self.report.cycles}")

    def run_control(self):
        """Every cycle begins anew, and each must find something missing. Result: how many did not."""
        blind = 0
        durability, lying = ("os", False) if self.options.control == "os" else ("fsync", True)
        for self.report.cycles in range(1, self.options.cycles + 1):
            series = Series(self, self.options.seed + self.report.cycles, CONTROL_CLIENTS, durability, lying)
            try:
                # What a client says that stumbled is no finding: only a rule that was broken is.
                found = [fault for fault in series.cycle(CONTROL_LOAD_SECONDS, 0, 0) if re.match(r"[\w-]+: Q\d+ ", fault)]
            except (harness.BrokerError, disks.DiskError) as error:
                found = [str(error)]
            finally:
                self.report.add_counts(series.close()[0])
            print(f"{self.report.cuts[-1]}; found: {found[0].splitlines()[0][:150] if found else 'NOTHING'}", flush=True)
            blind += not found
        return blind


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--fs", choices=sorted(disks.FORMAT), default="ext4")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--segment-size", default="4MiB", help="small: segments are rolled, emptied and freed all the time")
    parser.add_argument("--clients", default=",".join(harness.PROTOCOLS), help="to find out which protocol is at fault")
    parser.add_argument("--control", choices=("os", "lying-disk"), help="the negative control: every cut must be found out")
    parser.add_argument("--ledger", action="store_true", help=f"append a line to {ledger.LEDGER.relative_to(harness.REPO)}")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def main():
    options = parse_options()
    if missing := disks.what_is_missing():
        print(f"powertest: {missing}")
        return 1
    disks.enter_namespace()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    print(f"powertest: {options.cycles} cycles on {options.fs}, seed {options.seed}, {options.shards} shard(s)"
          + (f", control: {options.control}" if options.control else ""), flush=True)
    began = time.monotonic()
    campaign = Campaign(options)
    if options.control:
        blind = campaign.run_control()
        print(f"the negative control found the loss in {options.cycles - blind} of {options.cycles} cycles"
              + (": THE CHECKS ARE BLIND" if blind else ""))
        return 1 if blind else 0
    campaign.run()
    took = time.monotonic() - began
    for fault in campaign.faults[:40]:
        print(f"VIOLATION {fault}")
    print(campaign.report.text(took, campaign.faults))
    if options.ledger:
        ledger.note(f"power loss on {options.fs}, {campaign.report.cycles} cycles",
                    f"seed {options.seed}, {options.shards} shard(s), {took:.0f} s, slowest start "
                    f"{max(campaign.report.start_seconds, default=0):.2f} s",
                    f"{sum(campaign.report.acknowledged.values()):,} operations", len(campaign.faults))
    return 1 if campaign.faults else 0


if __name__ == "__main__":
    sys.exit(main())
