"""The files of the tree, and a reading of C++ that is just good enough for the rules of style.

It knows comments, literals, braces and declarations; it does not know types or macros. The checks
that use it say what they look for; what they cannot see, the compilers and readers must.
"""
import bisect
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

CPP_SUFFIXES = (".h", ".cc")


@dataclass(frozen=True, order=True)
class Finding:
    path: str
    line: int
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.message}"


class Tree:
    """The files below `root` that git tracks or would track, with their text read once."""

    def __init__(self, root):
        self.root = Path(root)
        self._texts = {}
        self._scans = {}
        self.paths = sorted(self._list())

    def _list(self):
        if (self.root / ".git").exists():
            listed = subprocess.run(
                ["git", "-C", str(self.root), "ls-files", "-co", "--exclude-standard", "-z"],
                check=True, capture_output=True).stdout.decode()
            return [p for p in listed.split("\0") if p and (self.root / p).is_file()]
        return [str(p.relative_to(self.root)) for p in self.root.rglob("*") if p.is_file()]

    def text(self, path):
        if path not in self._texts:
            self._texts[path] = (self.root / path).read_text(encoding="utf-8", errors="replace")
        return self._texts[path]

    def cpp(self, *folders):
        """C++ files below the folders (all folders when none is named)."""
        return [p for p in self.paths if p.endswith(CPP_SUFFIXES)
                and (not folders or p.split("/")[0] in folders)]

    def scan(self, path):
        if path not in self._scans:
            self._scans[path] = Scan(self.text(path))
        return self._scans[path]


def is_generated(path):
    return ".gen." in path.rsplit("/", 1)[-1]


def is_test(path):
    return path.endswith("_test.cc") or path.startswith("tests/")


_TOKENS = re.compile(
    r"""(?P<comment>//(?:\\\n|[^\n])*|/\*.*?\*/)
      | (?P<raw>R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)")
      | (?P<string>"(?:\\.|[^"\\\n])*")
      | (?P<number>\b\d(?:'?[0-9a-zA-Z_.])*)
      | (?P<char>'(?:\\.|[^'\\\n])+')""",
    re.VERBOSE | re.DOTALL)


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def strip(text):
    """`text` with comments and the insides of literals made blank; every line keeps its place."""
    def replace(match):
        kind = match.lastgroup if match.lastgroup != "mark" else "raw"
        whole = match.group(0)
        if kind == "number":
            return whole
        if kind == "comment":
            return _blank(whole)
        if kind == "raw":
            return '"' + _blank(whole[1:-1]) + '"'
        return whole[0] + _blank(whole[1:-1]) + whole[-1]
    return _TOKENS.sub(replace, text)


def _without_directives(code):
    return re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", lambda m: _blank(m.group(0)), code, flags=re.M)


def _without_angles(head):
    """Drops `template <...>` clauses, also nested ones, from the front of a declaration."""
    head = head.lstrip()
    while True:
        match = re.match(r"template\s*<", head)
        if not match:
            return head
        depth, at = 1, match.end()
        while at < len(head) and depth:
            depth += {"<": 1, ">": -1}.get(head[at], 0)
            at += 1
        head = head[at:].lstrip()


def _top_level(head):
    """`head` without what stands in parentheses, brackets or braces."""
    depth, out = 0, []
    for c in head:
        if c in "([{":
            depth += 1
        if depth == 0:
            out.append(c)
        if c in ")]}":
            depth = max(0, depth - 1)
    return "".join(out)


_ASSIGNMENT = re.compile(r"(?<![=!<>+\-*/%&|^])=(?!=)")


def has_initializer(head):
    return bool(_ASSIGNMENT.search(re.sub(r"operator\s*\S+", "operator", _top_level(head))))


_LABELS = re.compile(r"\s*(?:(?:public|private|protected)\s*:(?!:)\s*)*")


def _kind_of_brace(head, paren_depth):
    """What a `{` after `head` opens, at namespace or class level."""
    head = head[_LABELS.match(head).end():]
    head = _without_angles(re.sub(r"\[\[.*?\]\]|\balignas\s*\([^)]*\)", " ", head))
    if paren_depth > 0:
        return "value"
    if re.match(r"(inline\s+)?namespace\b", head) or re.match(r'extern\s+"\s*"$', head.strip()):
        return "namespace"
    if has_initializer(head):
        return "value"
    if re.match(r"(typedef\s+)?enum\b", head):
        return "enum"
    if "(" not in head:
        is_type = re.match(r"(?:(?:typedef|static|constexpr|const|inline)\s+)*(class|struct|union)\b",
                           head)
        return "class" if is_type else "value"
    # Foo::Foo(int a) : a_{a}, b_(a) { ... }: a brace right after a name initialises a member.
    members = re.search(r"\)[^:()]*(?<!:):(?!:)", head)
    if members and re.search(r"[\w>]\s*$", head[members.end():]):
        return "value"
    return "function"


@dataclass
class Statement:
    """A declaration that ended in `;` outside of functions."""
    line: int
    text: str
    scope: str  # namespace or class


@dataclass
class Function:
    line: int  # where its declaration begins
    end: int   # the line of its closing brace
    head: str
    body: str

    @property
    def size(self):
        return self.end - self.line + 1

    @property
    def name(self):
        head = re.sub(r"\s+", " ", _without_angles(self.head))
        match = re.search(r"([\w:~]+|operator\s*[^\s\w(]+|operator\s*\(\))\s*\(", head)
        return match.group(1) if match else head.strip()[:40]


@dataclass
class Scan:
    """Statements and functions of one C++ file."""
    text: str
    code: str = ""
    statements: list = field(default_factory=list)
    functions: list = field(default_factory=list)

    def __post_init__(self):
        self.code = strip(self.text)
        self._walk(_without_directives(self.code))

    def _walk(self, code):
        scopes = ["namespace"]     # the innermost last
        starts = []                # (head start, head) of each open function
        head_start, parens, line_of = 0, 0, _line_index(code)
        for at, c in enumerate(code):
            inside = scopes[-1]
            if inside in ("function", "value", "block", "enum"):
                if c == "{":
                    scopes.append("block")
                elif c == "}":
                    scopes.pop()
                    if inside == "function":
                        self._end_function(code, starts.pop(), at, line_of)
                        head_start = at + 1
                continue
            if c == "(":
                parens += 1
            elif c == ")":
                parens -= 1
            elif c == ";" and parens <= 0:
                self._end_statement(code, head_start, at, inside, line_of)
                head_start, parens = at + 1, 0
            elif c == "{":
                kind = _kind_of_brace(code[head_start:at], parens)
                scopes.append(kind)
                if kind == "function":
                    starts.append((head_start, at))
                if kind in ("namespace", "class"):
                    head_start, parens = at + 1, 0
            elif c == "}":
                if len(scopes) > 1:
                    scopes.pop()
                head_start, parens = at + 1, 0

    def _end_statement(self, code, start, end, scope, line_of):
        first = _LABELS.match(code, start, end).end()
        text = code[first:end].strip()
        if text:
            self.statements.append(Statement(line_of(first), text, scope))

    def _end_function(self, code, opened, end, line_of):
        start, brace = opened
        first = _LABELS.match(code, start, brace).end()
        self.functions.append(
            Function(line_of(first), line_of(end), code[first:brace].strip(), code[brace:end + 1]))


def _line_index(text):
    ends = [m.start() for m in re.finditer("\n", text)]
    return lambda at: bisect.bisect_left(ends, at) + 1
