"""The short forms of the campaigns with damaged files and with a full disk, and that their checks see what they are for.

The long forms are corruption.py (./dev corrupt) and disk_full.py themselves.
"""

import subprocess
import sys
from pathlib import Path

import pytest

import disk_clients

HERE = Path(__file__).parent
pytestmark = pytest.mark.own


def campaign(name, *arguments, seconds=150):
    result = subprocess.run([sys.executable, str(HERE / name), *arguments], capture_output=True, text=True,
                            timeout=seconds)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.timeout(160)
def test_damaged_files_are_reported_and_never_served():
    campaign("corruption.py", "--count", "60", "--directories", "2")


@pytest.mark.timeout(160)
def test_the_corruption_campaign_sees_wrong_and_missing_values():
    campaign("corruption.py", "--count", "10", "--sabotage")


@pytest.mark.timeout(160)
@pytest.mark.parametrize("shards, rounds", [(1, 2), (2, 3)])
def test_a_full_disk_refuses_writers_and_nobody_else(shards, rounds):
    campaign("disk_full.py", "--rounds", str(rounds), "--shards", str(shards))


@pytest.mark.parametrize("stored, refused, seen, words", [
    ({0, 1}, {2}, {0, 1, 3}, []),  # 3 was neither stored nor refused: either way.
    ({0, 1}, set(), {0}, ["lost"]),
    ({0}, {1}, {0, 1}, ["refused"]),
    ({0}, set(), {0, 9}, ["never sent"]),
])
def test_the_book_of_a_full_disk(stored, refused, seen, words):
    book = disk_clients.Book()
    book.next(5)
    book.stored, book.refused, book.seen = stored, refused, seen
    faults = book.check("amqp")
    assert len(faults) == len(words) and all(word in fault for word, fault in zip(words, faults)), faults
