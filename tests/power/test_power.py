"""The short form of the power-loss campaign with its negative controls. The long form is powertest.py itself (./dev power).

Needs root, /dev/fuse and loop devices; where one is missing the tests fail and say which.
"""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
pytestmark = [pytest.mark.own, pytest.mark.timeout(160)]


def run(program, *arguments):
    result = subprocess.run([sys.executable, str(HERE / program), *arguments], capture_output=True, text=True, timeout=150,
                            check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("file_system", ["ext4", "xfs"])
def test_each_sync_reaches_the_disk(file_system):
    run("flushes.py", "--fs", file_system)


@pytest.mark.parametrize("file_system, shards, cycles", [("ext4", 2, 15), ("xfs", 1, 8)])
def test_nothing_acknowledged_is_lost(file_system, shards, cycles):
    run("powertest.py", "--cycles", str(cycles), "--fs", file_system, "--shards", str(shards))


@pytest.mark.parametrize("control, file_system", [("os", "ext4"), ("lying-disk", "xfs")])
def test_the_campaign_sees_loss(control, file_system):
    """Negative control: acknowledgements that nothing durable is behind, and every cut must be found out."""
    run("powertest.py", "--cycles", "3", "--fs", file_system, "--control", control)
