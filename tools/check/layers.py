"""Who may include whom (tools/layers.txt), in #include lines and in the libraries that CMake links."""
import re

from source import Finding

RULES = "tools/layers.txt"


class Layers:
    def __init__(self, text):
        self.allowed = {}      # folder -> set of folders, or None for any
        self.restricted = {}   # include prefix -> set of folders
        for raw in text.splitlines():
            line = raw.split("#")[0].strip()
            if not line:
                continue
            left, _, right = line.partition(":")
            if left.startswith("only "):
                self.restricted[left[5:].strip()] = set(right.split())
            else:
                self.allowed[left.strip()] = None if right.strip() == "*" else set(right.split())

    def folder_of(self, path):
        """The longest listed folder that holds `path` (relative to src), or None."""
        parts = path.split("/")[:-1]
        while parts:
            if "/".join(parts) in self.allowed:
                return "/".join(parts)
            parts.pop()
        return None

    def refuses(self, path, target):
        """Why src/`path` may not include `target`, or None."""
        here, there = self.folder_of(path), self.folder_of(target)
        if here is None:
            return f"folder is not in {RULES}"
        if there is None:
            return f"{target} is in no folder of {RULES}"
        detail = re.match(r"(.+?)/detail/", target)
        if detail and not path.startswith(detail.group(1) + "/"):
            return f"{target} belongs to {detail.group(1)}"
        allowed = self.allowed[here]
        if there == here or there.startswith(here + "/") or allowed is None or there in allowed:
            return None
        return f"{here} may not include {there} ({RULES})"


def check(tree):
    if not (tree.root / RULES).exists():
        return [Finding(RULES, 1, "is missing")]
    layers = Layers(tree.text(RULES))
    findings = []
    for path in tree.cpp("src"):
        inner = path[len("src/"):]
        for number, line in enumerate(tree.text(path).splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not match:
                continue
            quote, target = match.groups()
            if quote == '"':
                why = layers.refuses(inner, target)
                if why:
                    findings.append(Finding(path, number, why))
            for prefix, folders in layers.restricted.items():
                if target.startswith(prefix) and inner.split("/")[0] not in folders:
                    findings.append(Finding(path, number, f"{prefix} is for {' '.join(folders)} only"))
    return findings + _check_links(tree, layers)


def _check_links(tree, layers):
    findings = []
    for path in tree.paths:
        match = re.fullmatch(r"src/(\w+)/CMakeLists\.txt", path)
        if not match:
            continue
        here = match.group(1)
        allowed = layers.allowed.get(here, set())
        for number, line in enumerate(tree.text(path).splitlines(), 1):
            for there in re.findall(r"\btrv_(\w+)", line.split("#")[0]):
                if there in layers.allowed and there != here and allowed is not None \
                        and there not in allowed and "TEST_DEPS" not in line:
                    findings.append(Finding(path, number, f"{here} may not link {there}"))
    return findings
