"""Data directories that older versions left, each killed in the middle, are opened and hold what was written."""

import json
import tarfile
from pathlib import Path

import pytest

import content
import harness

KEPT = sorted(Path(__file__).parent.glob("*.tar.xz"))
pytestmark = pytest.mark.own


def test_there_are_kept_directories():
    assert KEPT


@pytest.mark.timeout(120)
@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.name.split(".")[0])
def test_it_is_opened_and_holds_everything(kept, shards, tmp_path):
    with tarfile.open(kept) as archive:
        archive.extractall(tmp_path)
    made = json.loads((tmp_path / "made.json").read_text())
    broker = harness.Broker(shards=shards, root=tmp_path)
    try:
        broker.start()
        assert "damage" not in broker.log_tail()
        content.check(broker.ports, made)
        broker.restart(kill=False)
    finally:
        broker.close()
