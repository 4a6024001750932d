"""The check of transactions that append and read: that it sees each anomaly, and a short campaign under kill -9. The long
form is conformance/kafka_append.py itself (./dev conformance kafka_append).
"""

import subprocess
import sys
from pathlib import Path

import pytest

CAMPAIGN = Path(__file__).resolve().parents[1] / "conformance" / "kafka_append.py"
sys.path.insert(0, str(CAMPAIGN.parent))

from append_check import ABORTED, COMMITTED, UNKNOWN, Judgement, Read, Transaction  # noqa: E402


def transaction(began, *appends, reads=(), outcome=COMMITTED, reader=0, ended=None):
    return Transaction(reader, began, began + 1 if ended is None else ended, outcome, list(appends), list(reads))


def kinds(transactions, logs):
    return sorted({fault.split(":")[0] for fault in Judgement(transactions, logs).faults})


def test_a_good_history_has_no_faults():
    first = transaction(0, (0, "a"), (1, "b"), (0, "c"))
    second = transaction(5, (0, "d"), reads=[Read(0, ["a", "c"], True), Read(1, ["b"], True)], reader=1)
    unknown = transaction(7, (1, "e"), outcome=UNKNOWN)
    gone = transaction(8, (1, "f"), (0, "g"), outcome=UNKNOWN)
    aborted = transaction(9, (1, "h"), outcome=ABORTED)
    last = transaction(10, reads=[Read(0, ["d"], True), Read(1, ["e"], True)], reader=1)
    assert kinds([first, second, unknown, gone, aborted, last], {0: ["a", "c", "d"], 1: ["b", "e"]}) == []


@pytest.mark.parametrize("transactions, logs, wanted", [
    ([transaction(0, (0, "a"))], {0: []}, ["lost"]),
    ([transaction(0, (0, "a"))], {0: ["a", "a"]}, ["lost"]),
    ([transaction(0, (0, "a"), (0, "b"))], {0: ["b", "a"]}, ["lost"]),
    ([transaction(0, (0, "a"), (1, "b"), outcome=UNKNOWN)], {0: ["a"], 1: []}, ["lost"]),
    ([], {0: ["a"]}, ["lost"]),
    ([transaction(0, (0, "a"), outcome=ABORTED)], {0: ["a"]}, ["G1a"]),
    ([transaction(0, (0, "a")), transaction(5, (0, "b"))], {0: ["b", "a"]}, ["G0"]),
    ([transaction(0, (0, "a"), ended=9), transaction(5, (0, "b"))], {0: ["b", "a"]}, []),  # they overlap
    ([transaction(0, (0, "a"), outcome=ABORTED), transaction(2, reads=[Read(0, ["a"])])], {0: []}, ["G1a", "reads"]),
    ([transaction(0, (0, "a"), reads=[Read(0, ["a"])])], {0: ["a"]}, ["G1a"]),
    ([transaction(0, (0, "a"), (0, "b")), transaction(2, reads=[Read(0, ["a"], True)])], {0: ["a", "b"]}, ["G1b"]),
    ([transaction(0, (0, "a"), (0, "b")), transaction(2, reads=[Read(0, ["a"])])], {0: ["a", "b"]}, []),
    ([transaction(0, (0, "a"), reads=[Read(1, ["b"])]), transaction(0, (1, "b"), reads=[Read(0, ["a"])], reader=1)],
     {0: ["a"], 1: ["b"]}, ["G1c"]),
    ([transaction(0, (0, "a"), (0, "b")), transaction(2, reads=[Read(0, ["b"])])], {0: ["a", "b"]}, ["reads"]),
    ([transaction(0, (0, "a")), transaction(2, reads=[Read(0, ["a"])]), transaction(4, reads=[Read(0, ["a"])])],
     {0: ["a"]}, ["reads"]),
])
def test_each_anomaly_is_seen(transactions, logs, wanted):
    assert kinds(transactions, logs) == wanted


def test_an_open_transaction_holds_readers_up():
    """One that is aborted later, and stood between two values of one that is committed."""
    writer = transaction(0, (0, "a"), (0, "b"), ended=3)
    held_up = transaction(4, reads=[Read(0, ["a"], True)])
    later = transaction(5, reads=[Read(0, ["b"], True)])
    for began, ended, wanted in ((1, 9, []), (1, 2, []), (3.5, 9, ["G1b"])):
        aborted = transaction(began, (0, "x"), outcome=ABORTED, reader=1, ended=ended)
        assert kinds([writer, held_up, later, aborted], {0: ["a", "b"]}) == wanted


def test_transactions_that_overlap_may_be_interleaved():
    judged = Judgement([transaction(0, (0, "a"), (1, "b"), ended=9), transaction(1, (0, "c"), (1, "d"), ended=9)],
                       {0: ["a", "c"], 1: ["d", "b"]})
    assert judged.faults == [] and judged.interleaved == 1


@pytest.mark.own
@pytest.mark.timeout(160)
@pytest.mark.parametrize("shards", [1, 2])
def test_transactions_under_kill(shards):
    result = subprocess.run([sys.executable, str(CAMPAIGN), "--rounds", "3", "--shards", str(shards)], capture_output=True,
                            text=True, timeout=150)
    assert result.returncode == 0, result.stdout + result.stderr
