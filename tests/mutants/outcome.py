"""Reads from a test's output whether it passed, found the planted bug, or proved nothing."""

import enum
import re
import signal


class Outcome(enum.Enum):
    passed = 1
    caught = 2  # by an assertion, of the test or of the broker
    broken = 3  # neither: it could not run, ran nothing, or ended in another way


def at_work(mutant):
    """What a place with the bug says when it is reached first (src/base/mutant.cc)."""
    return f"the planted bug {mutant} is at work"


def judge_unit(code, output, mutant=None):
    """Of a GoogleTest program."""
    if mutant and at_work(mutant) not in output:
        return Outcome.broken, "the test does not reach the mutant's place"
    failed = sorted(set(re.findall(r"^\[  FAILED  \] ([\w./]+)", output, re.M)))
    if code == 0:
        ran = re.search(r"^\[  PASSED  \] (\d+) test", output, re.M)
        if not ran or int(ran.group(1)) == 0:
            return Outcome.broken, "no test ran"
        return Outcome.passed, f"{ran.group(1)} tests"
    if code == 1 and failed:
        return Outcome.caught, " ".join(failed)
    if code == -signal.SIGABRT:
        why = re.search(r"assertion failed: .*|Assertion '.*' failed", output)  # ours, the standard library's
        if why:
            return Outcome.caught, why.group(0)
    return Outcome.broken, f"exit code {code}: {output[-400:]}"


def judge_golden(name, code, output, mutant=None):
    """Of the player of AMQP conversations, which plays all of them: the one called `name` is looked at."""
    if mutant and at_work(mutant) not in output:
        return Outcome.broken, "no conversation reaches the mutant's place"
    differs = re.search(rf"^{re.escape(name)}:\d+$", output, re.M)
    if code == 1 and differs:
        return Outcome.caught, differs.group(0)
    played = re.search(r"^[1-9]\d* conversations in \d+ files, \d+ files differ$", output, re.M)
    if code in (0, 1) and played and not differs:
        return Outcome.passed, played.group(0)
    return Outcome.broken, f"exit code {code}: {output[-400:]}"


def judge_client(code, output, mutant=None):
    """Of pytest. What a test could not set up it has not tested, and a test out of time has claimed nothing."""
    del mutant  # The broker's log, where it says so, is shown only when a test fails.
    if code == 0:
        passed = re.search(r"(\d+) passed", output)
        return (Outcome.passed, passed.group(0)) if passed else (Outcome.broken, "no test ran")
    failures = re.findall(r"^E   +(.+)$", output, re.M)
    if code == 1 and failures and not any(line.startswith("Failed: Timeout") for line in failures):
        return Outcome.caught, failures[0]
    return Outcome.broken, f"exit code {code}: {output[-400:]}"
