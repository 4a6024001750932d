"""Rules that a line alone can break: words that may stand only in some folders, or nowhere."""
import re

from source import Finding, is_generated, is_test

_HEADER_USING = re.compile(r"\busing\s+namespace\b")
_LOCKS = re.compile(
    r"\bstd::(?:(?:recursive_|timed_|shared_|recursive_timed_|shared_timed_)?mutex|atomic\w*|lock_guard|"
    r"unique_lock|shared_lock|scoped_lock|condition_variable(?:_any)?|(?:counting|binary)_semaphore|"
    r"latch|barrier|call_once|once_flag)\b|#\s*include\s*<(?:mutex|shared_mutex|atomic|"
    r"condition_variable|semaphore|latch|barrier)>|\b__atomic_\w+|\b__sync_\w+|\bpthread_\w+")
_TIMERS = re.compile(
    r"\b(?:steady_timer|system_timer|high_resolution_timer|deadline_timer|timerfd_\w+|timer_create|"
    r"setitimer|sleep_for|sleep_until|usleep|nanosleep|clock_nanosleep|clock_gettime|gettimeofday)\b|"
    r"\b(?:steady|system|high_resolution)_clock::now\b|(?<![\w:.>])(?:::|std::)?time\s*\(\s*(?:nullptr|0|NULL)?\s*\)|"
    r"(?<![\w:.>])(?:::)?(?:sleep|alarm)\s*\(\s*\d")
_TODO = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))")
_SKIPS = re.compile(r"\bGTEST_SKIP\b|\bDISABLED_\w+|pytest\.(?:mark\.)?(?:skip|skipif|xfail)\b|"
                    r"\bunittest\.skip\w*|\bself\.skipTest\b|\b(?:it|test|describe)\.skip\b")
_MACHINE = re.compile(r"(?<![\w.])/(?:root|home/\w+|work)/")

LOCK_FOLDERS = ("runtime", "io", "metrics")
TIMER_FOLDERS = ("runtime",)
CODE = (".h", ".cc", ".py", ".sh", ".ts", ".tsx", ".cmake", ".txt", ".yml", ".toml", ".md")


def check(tree):
    findings = []
    for path in tree.paths:
        if path.startswith("tools/check/") or not (path.endswith(CODE) or path in ("dev", ".ci/run")):
            continue
        findings += _check_text(path, tree.text(path))
        if path.endswith((".h", ".cc")):
            findings += _check_cpp(path, tree.scan(path).code)
    return findings


def _check_text(path, text):
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if not path.endswith(".md") and _TODO.search(line):
            yield Finding(path, number, "work that is left has an issue: TODO(#123)")
        if _MACHINE.search(line):
            yield Finding(path, number, "names a place that exists on one machine only")
        if is_test(path) or path.endswith("_test.py"):
            reason = " ".join(lines[max(0, number - 2):number + 3])
            if _SKIPS.search(line) and not re.search(r"#\d+", reason):
                yield Finding(path, number, "a skipped test names its issue: #123")


def _check_cpp(path, code):
    if path.startswith("src/") and path.endswith(".h") and not re.match(r"\s*#pragma once\b", code):
        yield Finding(path, 1, "a header begins with its comment and #pragma once")
    in_src = path.startswith("src/") and not is_test(path)
    folder = path.split("/")[1] if path.count("/") > 1 else ""
    for number, line in enumerate(code.splitlines(), 1):
        if path.endswith(".h") and _HEADER_USING.search(line):
            yield Finding(path, number, "no `using namespace` in a header")
        if not in_src or is_generated(path):
            continue
        if folder not in LOCK_FOLDERS and _LOCKS.search(line):
            yield Finding(path, number, "no locks or atomics outside " + ", ".join(LOCK_FOLDERS))
        if folder not in TIMER_FOLDERS and _TIMERS.search(line):
            yield Finding(path, number, "time and timers come from runtime")
