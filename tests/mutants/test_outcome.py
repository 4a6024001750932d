"""Proves of the runner that only a test which fails by an assertion, at the planted place, counts as having found the bug."""

import importlib.util
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from outcome import Outcome, at_work, judge_client, judge_golden, judge_unit  # noqa: E402

pytestmark = pytest.mark.own
WORK = at_work("forgets") + "\n"
FAILED = "[  FAILED  ] Any.Thing (0 ms)\n"


@pytest.fixture
def runner():
    spec = importlib.util.spec_from_file_location("mutants_run", HERE / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("code, output, mutant, outcome", [
    (0, "[  PASSED  ] 2 tests.", None, Outcome.passed),
    (0, "[  PASSED  ] 0 tests.", None, Outcome.broken),
    (1, FAILED, None, Outcome.caught),
    (1, WORK + FAILED, "forgets", Outcome.caught),
    (1, FAILED, "forgets", Outcome.broken),  # for another reason
    (0, WORK + "[  PASSED  ] 2 tests.", "forgets", Outcome.passed),
    (-6, WORK + "trivium: assertion failed: x at a.cc:1", "forgets", Outcome.caught),
    (-6, WORK + "optional:477: Assertion 'this->_M_is_engaged()' failed.", "forgets", Outcome.caught),
    (-6, WORK + "terminate called", "forgets", Outcome.broken),
    (-11, WORK, "forgets", Outcome.broken),
    (127, "no such file", None, Outcome.broken),
])
def test_unit(code, output, mutant, outcome):
    assert judge_unit(code, output, mutant)[0] is outcome


@pytest.mark.parametrize("code, output, mutant, outcome", [
    (0, "15 conversations in 2 files, 0 files differ", None, Outcome.passed),
    (0, "0 conversations in 0 files, 0 files differ", None, Outcome.broken),
    (1, WORK + "a.txt:5\n  expected: x\n", "forgets", Outcome.caught),
    (1, WORK + "b.txt:5\n  expected: x\n15 conversations in 2 files, 1 files differ", "forgets", Outcome.passed),
    (1, "a.txt:5\n", "forgets", Outcome.broken),
    (-11, WORK, "forgets", Outcome.broken),
])
def test_golden(code, output, mutant, outcome):
    assert judge_golden("a.txt", code, output, mutant)[0] is outcome


@pytest.mark.parametrize("code, output, outcome", [
    (0, "2 passed in 1s", Outcome.passed),
    (5, "no tests ran", Outcome.broken),
    (1, "E   assert 1 == 2\n1 failed", Outcome.caught),
    (1, "E   harness.BrokerError: broker ended by itself with -6\n1 failed", Outcome.caught),
    (1, "E   Failed: Timeout (>60.0s) from pytest-timeout.\n1 failed", Outcome.broken),
    (1, "1 failed", Outcome.broken),
    (4, "E   fixture 'x' not found", Outcome.broken),
])
def test_client(code, output, outcome):
    assert judge_client(code, output)[0] is outcome


def test_a_mutant_is_caught_only_by_all_of_its_tests(runner, monkeypatch):
    told = {"finds": Outcome.caught, "passes": Outcome.passed, "dies": Outcome.broken}
    monkeypatch.setattr(runner, "run_test", lambda test, shards, mutant=None: (told[test], "why"))

    def problems(*tests, bad=()):
        return len(runner.try_mutant({"name": "forgets", "tests": tests}, dict.fromkeys(bad, "why")))

    assert problems("finds") == 0
    assert problems("finds", "passes") == 1
    assert problems("dies") == 1
    assert problems("finds", bad=["finds"]) == 1


def test_a_mutant_is_tried_on_as_many_shards_as_its_row_says(runner, monkeypatch):
    seen = []
    monkeypatch.setattr(runner, "run_test", lambda test, shards, mutant=None: seen.append(shards) or (Outcome.caught, "why"))
    runner.try_mutant({"name": "forgets", "tests": ["finds"]}, {})
    runner.try_mutant({"name": "overtakes", "tests": ["finds"], "shards": 2}, {})
    assert seen == [1, 2]
