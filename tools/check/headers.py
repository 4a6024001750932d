"""Every header of src compiles alone, and so do the benchmarks, which no test builds. Results are kept in .cache/headers.json by the content of the
header and of all headers of ours that it reaches, so a second run compiles only what changed."""
import hashlib
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

from source import Finding

FLAGS = ["-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-x", "c++", "-I.", "-Isrc", "-"]
CACHE = ".cache/headers.json"


def closure(tree, path, seen):
    """`path` and all headers of ours that it includes, directly or not."""
    if path in seen or not (tree.root / path).is_file():
        return seen
    seen.add(path)
    for target in re.findall(r'^\s*#\s*include\s*"([^"]+)"', tree.text(path), re.M):
        closure(tree, "src/" + target, seen)
    return seen


def _key(tree, path, compiler):
    digest = hashlib.sha256(" ".join([compiler, *FLAGS, path]).encode())
    for part in sorted(closure(tree, path, set())):
        digest.update(part.encode() + b"\0" + tree.text(part).encode())
    return digest.hexdigest()


def _compile(tree, path, compiler):
    run = subprocess.run([compiler, *FLAGS], cwd=tree.root, text=True, capture_output=True, check=False,
                         input=f'#include "{path}"\n')
    if run.returncode == 0:
        return None
    errors = [line for line in run.stderr.splitlines() if "error" in line]
    return (errors or run.stderr.splitlines() or ["the compiler failed"])[0][:300]


def check(tree):
    compiler = os.environ.get("CXX", "g++")
    cache_file = tree.root / CACHE
    try:
        known = set(json.loads(cache_file.read_text()))
    except (OSError, ValueError):
        known = set()
    alone = [p for p in tree.cpp("src") if p.endswith(".h")] + [p for p in tree.cpp("bench") if p.endswith(".cc")]
    keys = {p: _key(tree, p, compiler) for p in alone}
    todo = [p for p, key in keys.items() if key not in known]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = dict(zip(todo, pool.map(lambda p: _compile(tree, p, compiler), todo)))
    good = sorted(key for p, key in keys.items() if results.get(p) is None)
    cache_file.parent.mkdir(exist_ok=True)
    cache_file.write_text(json.dumps(good))
    return [Finding(p, 1, f"does not compile alone: {why}") for p, why in results.items() if why]
