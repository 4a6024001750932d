#!/usr/bin/env python3
"""Runs librdkafka's own test suite against a fresh broker, and compares which tests ran and which passed.

  librdkafka_suite.py [--port PORT] [--shards N] [--protocol classic|consumer] [--jobs N] [NUMBER...]

Source and tests come from the npm package @confluentinc/kafka-javascript, whole, and are built with gcc in
.cache/suites. Tests that need no broker are left out. Each number is a process of its own, since some tests end their
process when they fail; then all tests of that number count as failed. A test that should fail or be skipped is listed
here with the reason; one that ends otherwise, or did not run, makes the exit code 1.
--port names a running server (Kafka, say, with num.partitions=4) instead of our own broker. `consumer` runs the
consumers of the suite with the newer group protocol.
"""

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
CACHE = REPO / ".cache" / "suites"
sys.path[:0] = [str(HERE.parent), str(REPO / "bench")]

import harness  # noqa: E402
from peers import install  # noqa: E402

PACKAGE = "@confluentinc/kafka-javascript@1.10.1"
KAFKA_VERSION = "4.1.0"
SHARE_KAFKA_VERSION = "4.2.0"  # Below it the suite skips its tests of share groups.
BUILD_SECONDS = 3600
TEST_SECONDS = 900
PARTITIONS = 4  # as the suite's own clusters have

# Tools that the tests call by the names of Kafka's scripts.
SCRIPTS = {"kafka-topics.sh": "org.apache.kafka.tools.TopicCommand", "kafka-configs.sh": "kafka.admin.ConfigCommand"}

SHARE_TESTS = ["0170_share_consumer_subscription", "0171_share_consumer_consume", "0172_share_consumer_acknowledge",
               "0173_share_consumer_commit_async", "0174_share_consumer_concurrency", "0175_share_consumer_groups",
               "0176_share_consumer_commit_sync", "0177_share_consumer_transactions", "0178_share_consumer_close",
               "0179_share_consumer_destroy", "0180_share_consumer_config", "0181_share_consumer_topic_delete",
               "0184_share_consumer_topic_recreate", "0185_share_consumer_max_poll_interval"]

# Which tests do not run, or cannot pass, and why: the same as on Kafka 4.1 on one node, but for those that say
# otherwise. All others must pass.
SKIPPED, FAILED, EITHER = ("SKIPPED",), ("FAILED",), ("PASSED", "FAILED")
NO_JSON = (SKIPPED, "built without RapidJSON")
NO_SASL = (SKIPPED, "wants SASL or TLS")
NO_ACLS = (FAILED, "sets permissions with kafka-acls.sh; a Kafka without an authorizer cannot, either")
NO_CREATION = (SKIPPED, "wants a broker that creates no topics by itself")
BUSY = (EITHER, "measures milliseconds: fails on a busy machine, with Kafka too")
AT_ONCE = (EITHER, "counts on partitions of a new share group that come up one after the other, as in Kafka; here they are there at once")
EXPECTED = {
    "0028_long_topicnames": (SKIPPED, "known issue of librdkafka"),
    "0047_partial_buf_tmout": (SKIPPED, "known issue of librdkafka"),
    "0045_subscribe_update_non_exist_and_partchange": NO_CREATION,
    "0045_subscribe_update_topic_remove": NO_CREATION,
    "0107_topic_recreate": NO_CREATION,
    "0111_delay_create_topics": NO_CREATION,
    "0053_stats": NO_JSON,
    "0098_consumer_txn": NO_JSON,
    "0101_fetch_from_follower": NO_JSON,
    "0110_batch_size": NO_JSON,
    "0055_producer_latency": BUSY,
    "0127_fetch_queue_backoff": BUSY,
    "0081_admin": (FAILED, "makes ACLs (a Kafka without an authorizer cannot, either), changes a setting of the broker, makes SCRAM credentials"),
    "0092_mixed_msgver": (SKIPPED, "Kafka 4 has no older message formats"),
    "0097_ssl_verify": NO_SASL,
    "0126_oauthbearer_oidc": NO_SASL,
    "0135_sasl_credentials": NO_SASL,
    "0142_reauthentication": NO_SASL,
    "0109_auto_create_topics": NO_ACLS,
    "0115_producer_auth": NO_ACLS,
    "0119_consumer_auth": NO_ACLS,
    "0170_share_consumer_subscription": (EITHER, "takes more than its 158 s on a busy machine, with Kafka 4.3 too"),
    "0172_share_consumer_acknowledge": AT_ONCE,
    "0173_share_consumer_commit_async": (FAILED, "wants locks of 3 s: group.share.min.record.lock.duration.ms of the suite's own brokers; Kafka's is 15 s"),
    "0179_share_consumer_destroy": AT_ONCE,
}
EAGER_PATTERNS = (FAILED, "0045_resubscribe_with_regex wants the broker to look patterns up after the first answer, as "
                          "Kafka does; ours looks them up before")
EXPECTED_CONSUMER = {
    **EXPECTED,
    **{name: EAGER_PATTERNS for name in ("0045_resubscribe_with_regex", "0045_subscribe_many_updates",
                                         "0045_subscribe_update", "0045_subscribe_update_topic_remove",
                                         "0045_subscribe_update_non_exist_and_partchange")},
    "0084_destroy_flags": (SKIPPED, "for classic groups"),
    "0113_cooperative_rebalance": (FAILED, "one of its parts wants silent members dropped within 30 s; ours: 45 s"),
    "0132_strategy_ordering": (SKIPPED, "for classic groups"),
}


class CannotRun(Exception):
    pass


def run(command, seconds, **options):
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=seconds, check=False, **options)
    except FileNotFoundError:
        raise CannotRun(f"{command[0]} is not installed") from None


def build():
    """The folder of the built tests."""
    directory = CACHE / ("librdkafka-" + PACKAGE.rsplit("@", 1)[1])
    source = directory / "package" / "deps" / "librdkafka"
    if (source / "tests" / "test-runner").is_file():
        return source / "tests"
    directory.mkdir(parents=True, exist_ok=True)
    done = run(["npm", "pack", "--silent", PACKAGE], BUILD_SECONDS, cwd=directory)
    archives = list(directory.glob("*.tgz"))
    if done.returncode or not archives:
        raise CannotRun(done.stdout)
    jobs = "-j" + os.environ.get("TRV_JOBS", "2")
    for command in (["tar", "-xzf", str(archives[0])], ["./configure", "--disable-gssapi"], ["make", jobs, "libs"],
                    ["make", jobs, "-C", "tests", "build"]):
        done = run(command, BUILD_SECONDS, cwd=directory if command[0] == "tar" else source)
        if done.returncode:
            raise CannotRun(done.stdout[-4000:])
    return source / "tests"


def names(tests):
    """Of the tests that need a broker, but for those that only a person starts."""
    rows = re.findall(r"^    _TEST\((\d{4}_\w+),\s*([^,)]*)", (tests / "test.c").read_text(), re.MULTILINE)
    return sorted(name for name, flags in rows if "LOCAL" not in flags and "MANUAL" not in flags)


def write_scripts(place):
    """A folder that looks like Kafka's own to the tests."""
    folder = place / "bin"
    folder.mkdir()
    class_path = f"{install.class_path('kafka-tools')}:{install.class_path('kafka')}"
    for name, main in SCRIPTS.items():
        script = folder / name
        script.write_text(f"#!/bin/sh\nexec java -Xmx256m -XX:TieredStopAtLevel=1 -cp '{class_path}' {main} \"$@\"\n")
        script.chmod(0o755)


def outcomes(text):
    """{test: outcome} from the summary of one process."""
    plain = re.sub(r"\x1b\[[0-9;]*m|\x1b\(B", "", text)
    return dict(re.findall(r"^\| (\d{4}_\w+) +\| +([A-Z]+) \|", plain, re.MULTILINE))


def run_number(tests, number, wanted, environment, logs):
    version = SHARE_KAFKA_VERSION if any(name.startswith(number) for name in SHARE_TESTS) else KAFKA_VERSION
    process = subprocess.Popen(["./test-runner", "-L", "-p1"], cwd=tests, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                               env={**environment, "TESTS": number, "TEST_KAFKA_VERSION": version})
    try:
        text, _ = process.communicate(timeout=TEST_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        text, _ = process.communicate()
    (logs / f"{number}.log").write_text(text)
    found = outcomes(text)
    results = {name: found.get(name, "FAILED") for name in wanted if name.startswith(number)}
    for name, outcome in sorted(results.items()):
        print(f"{outcome:8} {name}", flush=True)
    return results


def run_suite(port, options):
    tests = build()
    wanted = names(tests)
    logs = CACHE / "librdkafka-logs" / options.protocol
    logs.mkdir(parents=True, exist_ok=True)
    for log in logs.glob("*.log"):
        log.unlink()
    with tempfile.TemporaryDirectory() as place:
        write_scripts(Path(place))
        conf = Path(place) / "test.conf"
        conf.write_text(f"metadata.broker.list=127.0.0.1:{port}\ntest.topic.random=true\n")
        environment = {**os.environ, "RDKAFKA_TEST_CONF": str(conf),
                       "LD_LIBRARY_PATH": "../src:../src-cpp", "TEST_LEVEL": "1", "KAFKA_PATH": place,
                       "BROKERS": f"127.0.0.1:{port}", "TEST_CONSUMER_GROUP_PROTOCOL": options.protocol}
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            chosen = options.numbers or sorted({name[:4] for name in wanted})
            results = {}
            for result in pool.map(lambda number: run_number(tests, number, wanted, environment, logs), chosen):
                results.update(result)
    return results


def judge(results, expected):
    count = {outcome: sum(1 for one in results.values() if one == outcome) for outcome in set(results.values())}
    surprises = []
    for name, outcome in sorted(results.items()):
        outcomes_expected, reason = expected.get(name, (("PASSED",), ""))
        if outcome not in outcomes_expected:
            surprises.append(f"{outcome}, not {' or '.join(outcomes_expected)}: {name}")
        elif outcome != "PASSED":
            print(f"  as expected {outcome}: {name}: {reason}")
    for line in surprises:
        print(f"  {line}")
    print(f"librdkafka: {len(results)} tests, {', '.join(f'{n} {outcome}' for outcome, n in sorted(count.items()))}, "
          f"{len(surprises)} not as expected")
    return not surprises


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int)
    parser.add_argument("--shards", type=int, default=int(os.environ.get("SHARDS", "1")))
    parser.add_argument("--protocol", choices=["classic", "consumer"], default="classic")
    parser.add_argument("--jobs", type=int, default=3)
    parser.add_argument("numbers", nargs="*")
    options = parser.parse_args()
    broker = None
    try:
        if not options.port:
            broker = harness.Broker(shards=options.shards,
                                    arguments=["--kafka-topic-partitions", str(PARTITIONS)]).start()
        results = run_suite(options.port or broker.kafka_port, options)
        return 0 if judge(results, EXPECTED_CONSUMER if options.protocol == "consumer" else EXPECTED) else 1
    except CannotRun as why:
        print(f"librdkafka: cannot run: {why}")
        return 1
    finally:
        if broker:
            broker.close()


if __name__ == "__main__":
    sys.exit(main())
