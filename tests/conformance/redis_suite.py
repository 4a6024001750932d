#!/usr/bin/env python3
"""Runs units of Redis's own test suite against a fresh broker each, and compares with redis-server which cases ran.

  redis_suite.py [--source DIR] [--reference] [UNIT...]      units such as type/list; default: all of UNITS

The suite is that of Debian's source package redis (7.0.15), fetched into .cache/suites unless --source names its
unpacked directory. It runs in the mode for external servers with one database, without the cases that need DEBUG. Each
unit runs against redis-server first, which tells the cases that there are; a case that redis-server passes must
run and pass here, too, unless it is listed with its reason. Nothing waits for the disk in either server. --reference shows the run of redis-server alone.
"""

import argparse
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
CACHE = REPO / ".cache" / "suites"
sys.path.insert(0, str(HERE.parent))

import harness  # noqa: E402

VERSION = "7.0.15"
UNIT_SECONDS = 420
UNITS = ["type/stream", "type/stream-cgroups", "pubsub", "quit", "protocol", "type/hash", "type/list", "type/list-2", "type/list-3",
         "type/set", "type/zset", "type/string", "type/incr", "expire", "keyspace", "scan", "multi", "sort", "bitops", "bitfield",
         "geo", "hyperloglog", "slowlog", "scripting", "info", "introspection", "introspection-2", "latency-monitor", "lazyfree", "other",
         "pause", "tracking", "acl", "acl-v2"]

# (unit, pattern of names, reason)
REPLICAS = "looks at what a replica is sent; there is no replication"
DUMPS = "DUMP and RESTORE are not built"
BUSY = "nobody is answered BUSY: a script that takes too long ends by itself"
ENCODINGS = "OBJECT ENCODING tells the content's natural encoding, whatever the value was before"
MEMORY = "there is no maxmemory"
RULES_NEWER = "ACL rules are told, and refused, as by Redis since 7.2"
NAMES = "rules name commands that are not built: DEBUG, MEMORY DOCTOR, READONLY, FUNCTION, MIGRATE"
SHARDED = "SPUBLISH and SSUBSCRIBE are unknown commands, or a case before it that uses them has left another user"
SETTINGS = "asks for settings that are only Redis's"
NEWER = "answered as by Redis since 7.2: NOGROUP or WRONGTYPE instead of UNBLOCKED"
EXPECTED_FAILURES = [
    ("type/stream-cgroups", "^Blocking XREADGROUP: (key|flushed)", NEWER),
    ("type/stream-cgroups", "^XINFO FULL output", "it counts the fields, of which Redis 8.6 and 8.8 have more"),
    ("type/stream-cgroups", "^Loading from legacy", DUMPS),
    ("pubsub", "evicted events", MEMORY),
    ("hyperloglog", "self test|PFDEBUG", "PFSELFTEST and PFDEBUG are unknown commands"),
    ("hyperloglog", "sparse|cache invalidation", "looks into the encoding: there are no settings for it, and no cached count in it"),
    ("slowlog", "sensitive", "masterauth and MIGRATE are unknown"),
    ("type/hash", "ziplist of various encodings", DUMPS),
    ("type/list", "ziplist of various encodings", DUMPS),
    ("type/list", "propagate as pop", REPLICAS),
    ("type/set", "^SINTER with same integer elements but different encoding$", ENCODINGS),
    ("type/string", "propagate", REPLICAS),
    ("type/string", "^SETRANGE against integer-encoded key$", ENCODINGS),
    ("type/string", "^trim on SET with big value$", "runs only with Redis's allocator"),
    ("type/zset", "propagate as pop", REPLICAS),
    ("type/zset", "^ZM?SCORE - ", "scores have the shortest digits, as in Redis since 7.2, not 17"),
    ("expire", "propagate", REPLICAS),
    ("keyspace", "^COPY basic usage for stream-cgroups", "radix-tree-keys counts stored batches, of which a copy has fewer"),
    ("multi", "propagat|REPLICAOF|replica|^exec with write commands and state change$", REPLICAS),
    ("multi", "script timeout", BUSY),
    ("multi", "OOM|while queueing commands #2|use-memory", MEMORY),
    ("multi", "MULTI with (SAVE|SHUTDOWN)", "SAVE and SHUTDOWN are unknown commands"),
    ("scripting", "OOM|oom|reject script|Consistent eval error", MEMORY),
    ("scripting", "rewriting client->argv|propagated in Lua|good replicas", REPLICAS),
    ("scripting", "^Timedout", BUSY),
    ("scripting", "CLUSTER RESET", "CLUSTER is an unknown command"),
    ("info", "OOM", MEMORY),
    ("introspection", "issued by functions", "functions are not built"),
    ("introspection", "^MONITOR supports redacting", "MIGRATE is an unknown command"),
    ("introspection", "^CONFIG (SET (with multiple|rollback|duplicate|set immutable)|GET (hidden|multiple))", SETTINGS),
    ("introspection-2", "FILTERBY PATTERN", "CLUSTER is an unknown command"),
    ("introspection-2", "^MIGRATE", "MIGRATE is an unknown command"),
    ("latency-monitor", "expire events", "only commands are latency events"),
    ("lazyfree", "^UNLINK can reclaim", "used_memory is that of the whole process, what the journal has written lately included"),
    ("lazyfree", "lazy free a stream with all", "nothing is freed later: what is deleted is gone at once"),
    ("other", "SAVE", "SAVE is an unknown command: every change is kept when it is answered"),
    ("pause", "^Test RO scripts", "functions are not built"),
    ("pause", "expires are skipped", REPLICAS),
    ("tracking", "eviction keys", MEMORY),
    ("acl", "shard channel|subset of channels$|^In transaction queue publish|revoked of (channel|pattern|allchannels) permission|pardoned", SHARDED),
    ("acl", "prefixed with resetchannels", RULES_NEWER),
    ("acl", "subcommands, if already|translate back|belong to category|explicit permission for scripting|#5998", NAMES),
    ("acl-v2", "command permissions|not marked as access|cardinaltiy|require some type", RULES_NEWER),
    ("acl-v2", "odd commands", NAMES),
    ("acl-v2", "sharded", SHARDED),
    ("bitops", "only increase dirty", "asks INFO for the changes since the last snapshot; there are no snapshots"),
]


class CannotRun(Exception):
    pass


def fetch_source():
    directory = CACHE / f"redis-{VERSION}"
    if not directory.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["apt-get", "--download-only", "source", "redis"], cwd=CACHE, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        archive = CACHE / f"redis_{VERSION}.orig.tar.gz"
        if not archive.is_file():
            raise CannotRun(f"no source package redis {VERSION} (deb-src): {done.stdout.strip()}")
        subprocess.run(["tar", "-xzf", archive], cwd=CACHE, check=True)
    return directory


def prepare(source, directory):
    """A copy of the suite that goes on when a server refuses a setting, or has no functions to flush."""
    shutil.copytree(source / "tests", directory / "tests")
    path = directory / "tests" / "support" / "server.tcl"
    text = path.read_text()
    for line in ("r function flush", "r config set $param $val"):
        if line not in text:
            raise CannotRun(f"{path} has no line {line!r}: another version?")
        text = text.replace(line, f"catch {{{line}}}")
    path.write_text(text)
    # The other half runs the same cases as functions, which are not built.
    path = directory / "tests" / "unit" / "scripting.tcl"
    text = path.read_text()
    halves = "foreach is_eval {0 1} {"
    if text.count(halves) != 1:
        raise CannotRun(f"{path} does not run scripts as expected: another version?")
    path.write_text(text.replace(halves, "foreach is_eval {1} {"))
    path = directory / "tests" / "support" / "util.tcl"
    text = path.read_text()
    fails = "            error $err\n"
    if text.count(fails) != 1:
        raise CannotRun(f"{path} does not set settings as expected: another version?")
    path.write_text(text.replace(fails, "            if {![string match {*Unknown option*} $err]} {error $err}\n"))
    # The unit needs no server of its own, only counters that nobody else moves.
    path = directory / "tests" / "unit" / "info.tcl"
    path.write_text(path.read_text().replace('"external:skip"', ""))
    # The first halves need no server of their own either; the others start from files.
    for name in ("acl", "acl-v2"):
        path = directory / "tests" / "unit" / f"{name}.tcl"
        text = path.read_text().replace(" external:skip", "", 1)
        # Newer versions of Redis speak of one key, one channel.
        path.write_text(text.replace("*NOPERM*keys*", "*NOPERM*key*").replace("*NOPERM*channels*", "*NOPERM*channel*"))
    # How lists are packed and compressed is no setting here; what lists do must be the same all the same.
    for path in (directory / "tests" / "unit" / "type").glob("list*.tcl"):
        path.write_text(re.sub(r"^(\s*)(r config set list-\S+ \S+)$", r"\1catch {\2}", path.read_text(), flags=re.M))
    # A case that fails half-way must not leave its transaction to the next ones.
    path = directory / "tests" / "support" / "test.tcl"
    text = path.read_text()
    failed = "            incr ::num_failed\n            send_data_packet"
    if failed not in text:
        raise CannotRun(f"{path} does not count failures as expected: another version?")
    path.write_text(text.replace(failed, "            catch {r discard}\n            catch {r unwatch}\n" + failed))


def run_unit(directory, unit, port):
    """{name: passed} of the cases that ran, and the output. Cases of one name are numbered."""
    # The suite looks for a port of its own near the base: for what it calls its test server.
    command = ["tclsh", "tests/test_helper.tcl", "--host", "127.0.0.1", "--port", str(port), "--singledb", "--durable",
               "--baseport", str(random.randint(20000, 30000)), "--tags", "-needs:debug", "--single", f"unit/{unit}"]
    try:
        done = subprocess.run(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=UNIT_SECONDS, check=False)
        output = done.stdout
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"") + b"\n[exception]: the unit took too long\n"
    except FileNotFoundError:
        raise CannotRun("tclsh is not installed") from None
    text = re.sub(r"\x1b\[[0-9;]*m", "", output.decode("utf-8", "replace"))
    results = {}
    for kind, name in re.findall(r"^\[(ok|err)\]: (.*)$", text, re.M):
        name = re.sub(r" \(\d+ ms\)$| in tests/unit/\S+$", "", name)
        # Names with random parts in them.
        name = re.sub(r"\d{5,}", "N", name)
        numbered, times = name, 1
        while numbered in results:
            times += 1
            numbered = f"{name} ({times})"
        results[numbered] = kind == "ok"
    if not results:
        raise CannotRun(f"no case of {unit} ran:\n{text[-1000:]}")
    return results, text


class Peer:
    """redis-server on a free port, with an empty data directory."""

    def __init__(self, directory):
        self.port = free_port()
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--save", "", "--dir", str(directory), "--bind", "127.0.0.1"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not harness.port_open(self.port):
            if time.monotonic() > deadline:
                raise CannotRun("redis-server does not start")
            time.sleep(0.05)

    def close(self):
        self.process.terminate()
        self.process.wait(20)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def reason_for(unit, name):
    return next((why for where, pattern, why in EXPECTED_FAILURES if where == unit and re.search(pattern, name)), None)


def judge(unit, reference, ours, text):
    """Prints counts and what differs; true when all is as expected."""
    must = [name for name, passed in reference.items() if passed]
    bad = [name for name in must if not ours.get(name)]
    surprises = [name for name in bad if not reason_for(unit, name)]
    passed = sum(ours.values())
    print(f"{unit}: {len(reference)} cases on redis-server, {len(ours)} ran here, {passed} passed, "
          f"{len(bad)} differ, {len(surprises)} of them unexpectedly", flush=True)
    for name in bad:
        print(f"  {'did not run' if name not in ours else 'failed'}: {name}"
              + (f": as expected: {reason_for(unit, name)}" if reason_for(unit, name) else ""))
    for line in re.findall(r"^\[exception\].*$(?:\n.*){0,3}", text, re.M):
        print(f"  {line}")
    return len(must), len(must) - len(bad), not surprises


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=Path)
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("units", nargs="*", default=UNITS)
    options = parser.parse_args()
    wanted = same = 0
    good = True
    with tempfile.TemporaryDirectory(prefix="redis-suite-") as name:
        directory = Path(name)
        try:
            prepare(options.source or fetch_source(), directory)
            for unit in options.units:
                peer = Peer(directory)
                try:
                    reference, text = run_unit(directory, unit, peer.port)
                finally:
                    peer.close()
                if options.reference:
                    print(f"{unit}: {len(reference)} cases, failed: {[one for one in reference if not reference[one]]}")
                    continue
                broker = harness.Broker(shards=1, durability="os").start()
                try:
                    ours, text = run_unit(directory, unit, broker.redis_port)
                    broker.check_alive()
                finally:
                    broker.close()
                CACHE.mkdir(parents=True, exist_ok=True)
                (CACHE / f"redis-{unit.replace('/', '-')}.log").write_text(text)
                must, done, fine = judge(unit, reference, ours, text)
                wanted, same, good = wanted + must, same + done, good and fine
        except CannotRun as why:
            print(f"cannot run: {why}")
            return 1
    print(f"{same} of the {wanted} cases that redis-server passes pass here")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
