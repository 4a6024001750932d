"""./dev test [STAGE...]: runs every stage (or the named ones) and ends with one line 'N passed, N failed'.

A stage builds what it needs, runs, and counts its tests one by one. What cannot run counts as failed:
a missing folder, a build that breaks, a runner that dies, a stage past its time. Exit code 0 only when
nothing failed and something passed. Output of each stage is shown and kept in .cache/test/STAGE.log;
what its tools said of failures is shown again at the end, where somebody who sees only that finds it.
"""
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests"))

from processes import kill_tree  # noqa: E402

LOGS = ROOT / ".cache" / "test"
JOBS = os.environ.get("TRV_JOBS", str(os.cpu_count()))
PYTHON = ".cache/venv/bin/python"
RELEASE = ROOT / "build" / "release"
# Clang with ASan and UBSan: the fuzz targets and the broker that gets malformed input.
SANITIZED = ROOT / "build" / "fuzz"
FUZZ_SECONDS = 10
# How unittest, pytest ("E   " is the assertion that failed), GoogleTest, ctest, the compilers and our own tools say it.
FAILURE = re.compile(r"(?:FAILED|FAIL:?|ERROR:?|E  |\[  FAILED  \]) |\S+: (?:FAILED|error:|fatal error:|not finished|could not run)"
                     r"|\S+:\d+(?::\d+)?: (?:error|Failure)|.*\*\*\*(?:Failed|Timeout|Exception)|==\d+==ERROR")
FAILURE_LINES_MAX = 60
FAILURE_LINE_MAX = 400


@dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other):
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


class CannotRun(Exception):
    pass


def run(stage, command, seconds, environment=None):
    """Runs `command` from the root, shows and logs its output. Result: (exit code, output).
    Raises CannotRun past `seconds`; everything that it started is then killed."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log_path = LOGS / f"{stage}.log"
    with open(log_path, "ab") as log:
        start = log.tell()
        process = subprocess.Popen(["bash", "-c", 'set -o pipefail; "$@" 2>&1 | tee -a "$0"', log_path, *map(str, command)],
                                   cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True,
                                   env={**os.environ, **(environment or {})})
        try:
            code = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            kill_tree(process.pid)
            process.wait()
            raise CannotRun(f"{command[0]} took more than {seconds} s") from None
    with open(log_path, "rb") as log:
        log.seek(start)
        return code, log.read().decode(errors="replace")


def build(stage, kind, *targets):
    code, _ = run(stage, ["./dev", "build", "--type", kind, *targets], 3000)
    if code:
        raise CannotRun(f"the {kind} build is broken")


def clients(stage):
    code, _ = run(stage, ["./dev", "clients"], 900)
    if code:
        raise CannotRun("the Python clients could not be installed")


def count_unittest(code, output):
    """Counts of Python's unittest from its closing lines."""
    ran = re.findall(r"^Ran (\d+) tests?", output, re.M)
    if not ran:
        return Count(failed=1)
    outcome = dict(re.findall(r"(failures|errors|skipped)=(\d+)", output.rsplit("\nRan ", 1)[1]))
    failed = int(outcome.get("failures", 0)) + int(outcome.get("errors", 0))
    skipped = int(outcome.get("skipped", 0))
    if code and not failed:
        failed = 1
    return Count(max(0, int(ran[-1]) - failed - skipped), failed, skipped)


def count_line(code, output, noun=""):
    """Counts of our own tools: the last line 'N [noun] passed, N failed'."""
    found = re.findall(rf"^(\d+) {noun + ' ' if noun else ''}passed, (\d+) failed$", output, re.M)
    if not found:
        return Count(failed=1)
    passed, failed = map(int, found[-1])
    if code and not failed:
        failed = 1
    return Count(passed, failed)


def count_junit(code, path):
    """Counts of one JUnit file, as GoogleTest writes them."""
    if not path.exists():
        return Count(failed=1)
    count = Count()
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            count.failed += 1
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            count.skipped += 1
        else:
            count.passed += 1
    if (code or not count.passed) and not count.failed:
        count.failed = 1
    return count


def count_ctest(junit, gtest_folder):
    """ctest runs one program per module; the programs' own files say how many tests that was."""
    if not junit.exists():
        return Count(failed=1)
    total = Count()
    for case in ElementTree.parse(junit).getroot().iter("testcase"):
        ok = case.get("status") == "run"
        own = gtest_folder / f"{case.get('name')}_test.xml"
        if own.exists():
            total += count_junit(0 if ok else 1, own)
        else:
            total += Count(passed=1) if ok else Count(failed=1)
    return total if total.passed or total.failed else Count(failed=1)


def stage_tools():
    total = Count()
    for path in sorted(ROOT.glob("tools/*/*_test.py")):
        total += count_unittest(*run("tools", [sys.executable, path.relative_to(ROOT)], 300))
    return total


def stage_check():
    return count_line(*run("check", [sys.executable, "tools/check/run.py"], 900), "checks")


def stage_unit():
    build("unit", "release")
    junit, folder = LOGS / "ctest.xml", LOGS / "gtest"
    for old in [junit, *folder.glob("*.xml")]:
        old.unlink(missing_ok=True)
    run("unit", ["ctest", "--test-dir", RELEASE, "-j", JOBS, "--output-on-failure", "--output-junit", junit],
        900, {"GTEST_OUTPUT": f"xml:{folder}/", "GTEST_BRIEF": "1"})
    return count_ctest(junit, folder)


def processes(stage, seconds, environment, *parts):
    """Runs parts of tests/ with the real clients; tests/run.py bounds and counts them."""
    clients(stage)
    return count_line(*run(stage, [PYTHON, "tests/run.py", *parts], seconds, environment))


def stage_clients():
    build("clients", "release", "trivium")
    return processes("clients", 2400, {"BROKER": str(RELEASE / "trivium")},
                     "operator_minimum", "acceptance", "clients", "crossing", "upgrade", "mutants")


def stage_crash():
    build("crash", "release", "trivium", "pldisk", "callfaults")
    return processes("crash", 1600, {"BROKER": str(RELEASE / "trivium")}, "crash", "power", "faults")


def stage_malformed():
    build("malformed", "fuzz")
    broker = str(SANITIZED / "trivium")
    return processes("malformed", 900, {"BROKER": broker, "BROKER_ASAN": broker}, "malformed")


def stage_fuzz():
    build("fuzz", "fuzz")
    return count_line(*run("fuzz", [sys.executable, "tools/test/fuzz.py", str(FUZZ_SECONDS)], 900,
                           {"TRV_FUZZ_SEED": "1"}), "fuzz targets")


STAGES = (
    ("tools", stage_tools),          # the repository's own tools
    ("check", stage_check),          # ./dev check
    ("unit", stage_unit),            # GoogleTest, beside the sources
    ("clients", stage_clients),      # real clients against a real broker
    ("crash", stage_crash),          # kill -9, loss of power, damaged files, a full disk: the short forms
    ("malformed", stage_malformed),  # mutated frames against a sanitized broker
    ("fuzz", stage_fuzz),            # each parser, some seconds
)


def failure_lines(log):
    """What the output of a stage says of failures, without repetitions."""
    if not log.exists():
        return []
    lines = log.read_text(errors="replace").splitlines()
    said = dict.fromkeys(line[:FAILURE_LINE_MAX] for line in lines if FAILURE.match(line))
    return list(said)[-FAILURE_LINES_MAX:]


def run_stage(name, stage):
    (LOGS / f"{name}.log").unlink(missing_ok=True)
    print(f"== {name}", flush=True)
    start = time.monotonic()
    try:
        count = stage()
    except (CannotRun, OSError, ElementTree.ParseError) as error:
        print(f"{name}: could not run: {error}")
        count = Count(failed=1)
    return count, time.monotonic() - start


def main(wanted, stages=STAGES):
    unknown = set(wanted) - {name for name, _ in stages}
    if unknown:
        print(f"no such stage: {' '.join(sorted(unknown))}; there are {' '.join(n for n, _ in stages)}",
              file=sys.stderr)
        return 2
    total, rows, failures = Count(), [], []
    for name, stage in stages:
        if wanted and name not in wanted:
            continue
        count, seconds = run_stage(name, stage)
        total += count
        rows.append(f"{name:<10} {count.passed:>6} {count.failed:>6} {count.skipped:>7} {seconds:>7.0f}")
        if count.failed:
            failures += [f"\n== {name}: {count.failed} failed", *failure_lines(LOGS / f"{name}.log")]
    print("\n".join(failures))
    print(f"\n{'stage':<10} {'passed':>6} {'failed':>6} {'skipped':>7} {'seconds':>7}")
    print("\n".join(rows))
    print(f"\n{total.passed} passed, {total.failed} failed" + (f", {total.skipped} skipped" if total.skipped else ""),
          flush=True)
    return 0 if total.passed and not total.failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
