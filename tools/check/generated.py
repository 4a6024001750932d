"""Generated files are what their generators make of schema/ today: every tools/gen/*_gen.py runs in a
copy of the tree, and its *.gen.* files are compared with those of the tree."""
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from source import Finding, is_generated


def check(tree):
    generators = [p for p in tree.paths if p.startswith("tools/gen/") and p.endswith("_gen.py")]
    ours = [p for p in tree.paths if is_generated(p)]
    if not generators:
        return [Finding(p, 1, "generated, but tools/gen has no *_gen.py") for p in ours]
    with tempfile.TemporaryDirectory(prefix="trivium-gen-") as name:
        copy = Path(name)
        for path in tree.paths:
            if not is_generated(path) and path.split("/")[0] in ("schema", "tools", "src", ".clang-format"):
                (copy / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(tree.root / path, copy / path)
        for generator in generators:
            run = subprocess.run([sys.executable, str(copy / generator)], cwd=copy, text=True,
                                 capture_output=True, check=False)
            if run.returncode:
                reason = (run.stderr.strip() or run.stdout.strip() or "no output").splitlines()[-1]
                return [Finding(generator, 1, f"failed: {reason}")]
        made = sorted(str(p.relative_to(copy)) for p in copy.rglob("*")
                      if p.is_file() and is_generated(p.name))
        findings = [Finding(p, 1, "no generator makes this file") for p in ours if p not in made]
        for path in made:
            if path not in ours:
                findings.append(Finding(path, 1, "is missing: run ./dev gen"))
            elif (copy / path).read_bytes() != (tree.root / path).read_bytes():
                findings.append(Finding(path, 1, "is stale: run ./dev gen"))
        return findings
