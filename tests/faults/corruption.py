#!/usr/bin/env python3
"""Damages data directories, one random fault in one random file at a time, and reads everything back.

  corruption.py [--count 300] [--seed S] [--directories N] [--seconds MAX] [--files PATTERN] [--sabotage] [--ledger]

Directories are filled by real traffic of all three protocols over several lives of a broker (content.py). Then, for each
fault (damage.py): a copy is damaged, a broker started on it, and everything is read over the protocols (readback.py).
Always: the broker starts in time, or refuses with the words that its formats' pages promise; every value that it serves
was written under that very name, id or offset; objects that the fault did not touch are whole; and whatever is missing
or has come back is reported, in the log or to the client. Sometimes a clean stop and a second start must show the same.
A failing directory is kept, with the seed and the number of its fault in its name.
--sabotage is the negative control: what was read is falsified in one place, and every fault must find a violation.
"""

import argparse
import collections
import json
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "crash")]

import damage  # noqa: E402
import harness  # noqa: E402
import ledger  # noqa: E402
from content import Content  # noqa: E402
from readback import Readback  # noqa: E402

START_SECONDS_MAX = 5
SECOND_START_SHARE = 0.1
SETTLE_SECONDS = 0.4  # Some ticks: what was synced has been noted.
PER_DIRECTORY = 250  # faults
FAILED = harness.REPO / "build" / "faults"
ARGUMENTS = ("--segment-size", "4MiB", "--message-size-max", "1MiB")
# What may refuse to start, and with which words.
REFUSALS = {"FORMAT": ("format",), "cluster-id": ("cluster-id",)}


def memory_directory():
    """Where syncs cost nothing: the faults are in the bytes, not in the disk."""
    return tempfile.mkdtemp(prefix="trivium-faults-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)


class Original:
    """A filled directory, what it must show, and who lives where in it."""

    def __init__(self, root, seed):
        self.random = random.Random(seed)
        self.root = Path(root)
        self.content = Content(seed)
        self.shards = self.random.choice((1, 2))
        self.broker = harness.Broker(shards=self.shards, root=self.root, arguments=ARGUMENTS)
        self.directory = self.broker.data_directory

    def fill(self):
        try:
            for life in range(self.random.randint(2, 4)):
                self.broker.start()
                if self.random.random() < 0.7:
                    self.content.bulk(self.broker.ports, 90)
                self.content.fill(self.broker.ports, self.random.randint(1, 2))
                self._end_life()
            self._keep()
            self.broker.start()
            self.content.learn(self.broker.ports)
        finally:
            self.broker._end_now()
        self.directory = self.root / "kept"
        self.judge = damage.Judge(self.directory, self.content.expected)
        assert not self.judge.unknown(), f"entries of {self.judge.unknown()} were not found in the segments"
        return self

    def _end_life(self):
        if self.random.random() < 0.5:
            self.broker.stop()
        else:
            time.sleep(SETTLE_SECONDS)
            self.broker.kill()

    def _keep(self):
        shutil.copytree(self.directory, self.root / "kept")


class Fault:
    """One damaged copy and what came of it."""

    def __init__(self, original, broker, rng, files, sabotage=False):
        self.original, self.broker, self.random, self.sabotage = original, broker, rng, sabotage
        self.files = files
        self.violations = []
        self.outcome = ""

    def run(self):
        shutil.rmtree(self.broker.data_directory, ignore_errors=True)
        shutil.copytree(self.original.directory, self.broker.data_directory)
        self.file, self.kind, self.ranges = damage.apply_fault(self.broker.data_directory, self.random, self.files)
        self.may_suffer = self.original.judge.may_suffer(self.file, self.ranges)
        self.unprovable = self.original.judge.unprovable(self.file, self.ranges)
        self.broker.shards = self.original.shards
        self.broker.log_file.unlink(missing_ok=True)
        try:
            self._examine()
        except Exception:
            self.violations.append(f"the examination failed:\n{traceback.format_exc()}")
        finally:
            self.broker._end_now()
        return self

    def _examine(self):
        try:
            self.broker.start()
        except harness.BrokerError as error:
            self._judge_refusal(str(error))
            return
        if self.broker.start_seconds > START_SECONDS_MAX:
            self.violations.append(f"the start took {self.broker.start_seconds:.1f} s")
        first = self._read()
        if self.random.random() < SECOND_START_SHARE:
            self._examine_again(first)

    def _examine_again(self, first):
        """What was served is kept; nothing more goes."""
        self.broker.stop()
        self.broker.start()
        second = Readback(self.original.content.wanted, self.broker.ports, self.original.content.expected).run()
        for label, values in first.objects.items():
            if second.objects[label] != values and label not in second.errors and label not in first.errors:
                differ = sorted(set(values.items()) ^ set(second.objects[label].items()))[:2]
                self.violations.append(f"{label}: another start shows something else: {differ}"[:300])

    def _judge_refusal(self, text):
        self.outcome = "refused"
        log = self.broker.log_tail()
        words = REFUSALS.get(self.file)
        if not words or not all(word in log for word in words):
            self.violations.append(f"no start: {text}")

    def _read(self):
        content = self.original.content
        read = Readback(content.wanted, self.broker.ports, content.expected).run()
        self.broker.check_alive()
        if self.sabotage:
            self._falsify(read)
        reported = any(line[24:29] == "error" for line in self.broker.log_file.read_text(errors="replace").splitlines())
        harmed = set()
        for label, expected in content.expected.items():
            shown = read.objects[label]
            known = content.universe[label]
            if wrong := [key for key, value in shown.items() if value not in known.get(key, ())]:
                self.violations.append(f"WRONG BYTES: {label}: {wrong[:5]}")
            if shown != expected or label in read.errors:
                harmed.add(label)
                missing = [key for key, value in expected.items() if shown.get(key) != value]
                back = [key for key in shown if key not in expected]
                text = f"{label}: {len(missing)} missing {missing[:3]}, {len(back)} back {back[:3]}, {read.errors.get(label)}"
                if not reported and label not in read.errors and not self.unprovable:
                    self.violations.append(f"NOT REPORTED: {text}")
                if label not in self.may_suffer:
                    self.violations.append(f"HEALTHY, BUT HARMED: {text}")
        self.outcome = self._outcome(harmed, reported, any(label in read.errors for label in harmed))
        return read

    def _falsify(self, read):
        """One value of a healthy object is another one, is that of another key, or is not there."""
        label = self.random.choice([label for label, values in read.objects.items()
                                    if len(values) > 1 and label not in self.may_suffer])
        values = read.objects[label]
        key, other = self.random.sample(sorted(values), 2)
        how = self.random.randrange(3)
        if how == 0:
            values[key] = values[key][:-1] + bytes([values[key][-1] ^ 1])
        elif how == 1 and values[key] != values[other]:
            values[key] = values[other]
        else:
            del values[key]

    @staticmethod
    def _outcome(harmed, reported, told):
        if harmed:
            return "harm, told by the log" if reported else "harm, told to the client" if told else (
                "harm to the last unproven writes")
        return "repaired or harmless, reported" if reported else "harmless"

    def describe(self):
        return f"{self.kind} of {self.file} at {self.ranges[:3]}"


class Campaign:
    def __init__(self, options):
        self.options = options
        self.root = Path(memory_directory())
        self.outcomes = collections.Counter()
        self.kinds = collections.Counter()
        self.values = 0
        self.violations = []
        self.kept = 0
        self.blind = 0  # falsifications that were not seen
        self.slowest = 0.0
        self.began = time.monotonic()
        self.seconds = 0.0  # without the time to fill directories

    def run(self):
        try:
            count = self.options.directories or -(-self.options.count // PER_DIRECTORY)
            for index in range(count):
                share = self.options.count // count + (index < self.options.count % count)
                if self._late():
                    break
                self._directory(index, share)
                print(f"directory {index + 1} of {count}: {sum(self.outcomes.values())} faults so far, "
                      f"{len(self.violations)} violations", flush=True)
        finally:
            shutil.rmtree(self.root, ignore_errors=True)

    def _late(self):
        return self.options.seconds and time.monotonic() - self.began > self.options.seconds

    def _directory(self, index, share):
        original = Original(self.root / f"original-{index}", f"{self.options.seed}:{index}").fill()
        broker = harness.Broker(root=self.root / "copy", arguments=ARGUMENTS)
        began = time.monotonic()
        for number in range(share if any(original.directory.glob(self.options.files)) else 0):
            if self.options.only is not None and number != self.options.only:
                continue
            if self._late():
                break
            fault = Fault(original, broker, random.Random(f"{self.options.seed}:{index}:{number}"),
                          self.options.files, self.options.sabotage).run()
            self._count(fault, f"{index}:{number}")
        self.seconds += time.monotonic() - began
        shutil.rmtree(original.root)

    def _count(self, fault, number):
        self.outcomes[fault.outcome] += 1
        self.kinds[fault.kind] += 1
        self.values += sum(map(len, fault.original.content.expected.values()))
        self.slowest = max(self.slowest, fault.broker.start_seconds or 0)
        if self.options.verbose:
            print(f"{number}: {fault.describe()}: {fault.outcome}", flush=True)
        if self.options.sabotage:
            self.blind += not fault.violations and fault.outcome != "refused"
        elif fault.violations:
            text = f"fault {number}, {fault.describe()}: " + "; ".join(fault.violations)
            self.violations.append(text)
            print(f"VIOLATION {text}", flush=True)
            self._keep(fault, number)

    def _keep(self, fault, number):
        self.kept += 1
        if self.kept > 10:
            return
        target = FAILED / f"seed{self.options.seed}-{number.replace(':', '-')}"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(fault.broker.root, target)
        shutil.copytree(fault.original.directory, target / "undamaged")
        print(f"kept: {target}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    parser.add_argument("--directories", type=int, help=f"default: one for {PER_DIRECTORY} faults")
    parser.add_argument("--seconds", type=int, help="stop then, whatever the count")
    parser.add_argument("--only", type=int, help="this fault of each directory, by its number")
    parser.add_argument("--files", default="*", metavar="PATTERN", help="damage only files of such names")
    parser.add_argument("--sabotage", action="store_true", help="the negative control: must find every falsification")
    parser.add_argument("--ledger", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    print(f"corruption: {options.count} faults, seed {options.seed}", flush=True)
    campaign = Campaign(options)
    campaign.run()
    done = sum(campaign.outcomes.values())
    print(json.dumps({"faults": done, "a second": round(done / max(campaign.seconds, 0.001), 1),
                      "values compared": campaign.values, "start_ms_max": round(campaign.slowest * 1000),
                      "outcomes": campaign.outcomes, "kinds": campaign.kinds,
                      "violations": len(campaign.violations)}, indent=1))
    if options.ledger:
        where = "" if options.files == "*" else f" of {options.files}"
        ledger.note(f"corruption, {done} faults in a random file{where}", f"seed {options.seed}, {campaign.seconds:.0f} s",
                    f"{campaign.values:,} values compared", len(campaign.violations))
    if options.sabotage:
        print(f"the negative control: {campaign.blind} falsifications were not seen")
    return 1 if campaign.violations or campaign.blind or done == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
