"""./dev check [NAME...]: runs the named checks (all by default) over the tree; fails on any finding.

Each check is one module beside this file with `check(tree) -> [Finding]`; check_test.py proves of
each that it can fail."""
import sys
import time
from pathlib import Path

import formatting
import generated
import headers
import layers
import mutants
import sizes
import source
import statics
import words

CHECKS = (
    ("layers", layers.check),
    ("sizes", sizes.check),
    ("statics", statics.check),
    ("words", words.check),
    ("mutants", mutants.check),
    ("generated", generated.check),
    ("formatting", formatting.check),
    ("headers", headers.check),
)


def main(wanted):
    unknown = set(wanted) - {name for name, _ in CHECKS}
    if unknown:
        print(f"no such check: {' '.join(sorted(unknown))}; there are "
              f"{' '.join(name for name, _ in CHECKS)}", file=sys.stderr)
        return 2
    tree = source.Tree(Path(__file__).resolve().parents[2])
    bad = passed = 0
    for name, check in CHECKS:
        if wanted and name not in wanted:
            continue
        start = time.monotonic()
        findings = sorted(check(tree))
        for finding in findings:
            print(finding)
        state = f"{len(findings)} found" if findings else "ok"
        print(f"check {name}: {state} ({time.monotonic() - start:.1f} s)")
        bad += bool(findings)
        passed += not findings
    print(f"{passed} checks passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
