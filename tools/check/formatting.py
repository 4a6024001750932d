"""clang-format, as .clang-format says. Generated files are as their generator writes them."""
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path

from source import Finding, Tree, is_generated

PROGRAM = "clang-format-14"
BATCH = 10


def files(tree):
    return [p for p in tree.cpp() if not is_generated(p)]


def check(tree):
    paths = files(tree)
    batches = [paths[i:i + BATCH] for i in range(0, len(paths), BATCH)]
    with ThreadPoolExecutor(cpu_count()) as pool:
        return sorted(set(sum(pool.map(lambda batch: _check_batch(tree, batch), batches), [])))


def _check_batch(tree, batch):
    run = subprocess.run([PROGRAM, "--dry-run", *batch], cwd=tree.root, text=True,
                         capture_output=True, check=False)
    findings, seen = [], set()
    for line in run.stderr.splitlines():
        path, _, rest = line.partition(":")
        if "clang-format-violations" in line and path not in seen:
            seen.add(path)
            findings.append(Finding(path, int(rest.split(":")[0]), "run ./dev format"))
    if run.returncode and not findings:
        findings.append(Finding(batch[0], 1, f"{PROGRAM} failed: {run.stderr.strip()[:200]}"))
    return findings


if __name__ == "__main__" and "--list" in sys.argv:
    print("\n".join(files(Tree(Path(__file__).resolve().parents[2]))))
