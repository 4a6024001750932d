"""The bugs that can be planted (src/base/mutant.h) and their table say the same: each name is in one place of a source, has
a row in tests/mutants/mutants.toml, and the row names tests that there are. Nothing else keeps a row from rotting, since
a build of type mutants is too long for every change."""
import re
import tomllib

from source import Finding

TABLE = "tests/mutants/mutants.toml"
_PLANTED = re.compile(r"\bTRV_MUTANT\((\w+)\)")
_DEFINITION = "src/base/mutant."


def _planted(tree, findings):
    places = {}
    for path in tree.cpp("src"):
        if path.startswith(_DEFINITION):
            continue
        for match in _PLANTED.finditer(tree.scan(path).code):
            name, line = match.group(1), tree.text(path).count("\n", 0, match.start()) + 1
            if path.endswith(".h"):
                findings.append(Finding(path, line, "a mutant belongs into a source (src/base/mutant.h)"))
            if name in places:
                findings.append(Finding(path, line, f"mutant {name} is planted twice"))
            places[name] = (path, line)
    return places


def _is_there(tree, test):
    kind, _, rest = test.partition(" ")
    if kind == "unit":
        program, _, chosen = rest.partition(" ")
        # Prefix/Suite.Name/parameter
        suite, _, name = chosen.partition(".")
        case = re.compile(rf"\bTEST(?:_F|_P)?\(\s*{re.escape(suite.rpartition('/')[2])},\s*{re.escape(name.partition('/')[0])}\)")
        module = program.removesuffix("_test")
        return any(case.search(tree.text(p)) for p in tree.paths if p.startswith(f"src/{module}/") and p.endswith("_test.cc"))
    if kind == "golden":
        return f"tests/golden/amqp/{rest}" in tree.paths
    if kind == "client":
        path, _, name = rest.partition("::")
        return f"tests/{path}" in tree.paths and re.search(rf"^(?:async )?def {re.escape(name)}\(", tree.text(f"tests/{path}"), re.M)
    return False


def check(tree):
    findings = []
    places = _planted(tree, findings)
    rows = tomllib.loads(tree.text(TABLE))["mutant"] if TABLE in tree.paths else []
    names = [row["name"] for row in rows]
    for name in sorted(set(places) - set(names)):
        findings.append(Finding(*places[name], f"mutant {name} has no row in {TABLE}"))
    for row in rows:
        if row["name"] not in places:
            findings.append(Finding(TABLE, 0, f"no source plants {row['name']}"))
        if names.count(row["name"]) > 1:
            findings.append(Finding(TABLE, 0, f"{row['name']} has several rows"))
        if not row["tests"] or not row["breaks"]:
            findings.append(Finding(TABLE, 0, f"{row['name']} does not say what it breaks or who finds it"))
        for test in row["tests"]:
            if not _is_there(tree, test):
                findings.append(Finding(TABLE, 0, f"{row['name']}: there is no test '{test}'"))
    return findings
