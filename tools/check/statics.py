"""No globals with constructors, no registries filled at start: outside of functions every variable is
constexpr or constinit. Inside of functions no `static` that can change: it is a global in hiding.

Clang builds add -Wglobal-constructors, which sees through types where this reading cannot.
"""
import re

from source import Finding, has_initializer, is_generated, is_test

_NOT_A_VARIABLE = re.compile(
    r"(?:using|typedef|namespace|friend|static_assert|concept|asm|requires)\b|"
    r"enum\b|(?:class|struct|union)\s+[\w:\s<>,]+$|TRV_\w+\s*\(|(?:extern\s+)?template\b(?!\s*<)")
_CONSTANT = re.compile(r"\b(constexpr|constinit|consteval)\b")
_STARTUP = re.compile(r"__attribute__\s*\(\(\s*constructor|\[\[\s*gnu::constructor")


def _without_template(text):
    return re.sub(r"^template\s*<[^;{}()]*?>\s*(?=[\w:\[])", "", text)


def is_variable(text):
    """Whether a declaration outside of functions defines a variable rather than anything else."""
    text = _without_template(re.sub(r"\[\[.*?\]\]", " ", text).strip())
    if _NOT_A_VARIABLE.match(text) or "operator" in text:
        return False
    if re.match(r"extern\b", text) and not has_initializer(text):
        return False
    before = re.split(r"=|\{", text, maxsplit=1)[0]
    call = re.match(r"[^()]*?\w\s*\(([^()]*)", before)
    if call:
        # `Foo bar(1);` or `Foo bar("x");` is a variable; `Foo bar(int);` declares a function.
        return bool(re.match(r"\s*(-?\d|\"|'|nullptr|true\b|false\b)", call.group(1)))
    return bool(re.search(r"[\w>&*\]]\s+[&*]*[\w:]+\s*(\[[^\]]*\]\s*)*$", before.strip()))


def check(tree):
    findings = []
    for path in tree.cpp("src"):
        if is_test(path) or is_generated(path):
            continue
        scan = tree.scan(path)
        for statement in scan.statements:
            text = statement.text
            if statement.scope == "class" and not re.search(r"\bstatic\b.*\binline\b|\binline\b.*\bstatic\b",
                                                            text.split("=")[0]):
                continue
            if is_variable(text) and not _CONSTANT.search(text):
                name = re.sub(r"\s+", " ", text)[:60]
                findings.append(Finding(path, statement.line,
                                        f"`{name}` must be constexpr or constinit"))
        for function in scan.functions:
            for offset, line in enumerate(function.body.splitlines()):
                if re.match(r"\s*static\s+(?!const\b|constexpr\b|constinit\b|[^=({]*\*\s*const\b)", line) or \
                        re.match(r"\s*(static\s+)?thread_local\s+(?!const)", line):
                    first = function.end - function.body.count("\n")
                    findings.append(Finding(path, first + offset,
                                            "a static variable in a function is a hidden global"))
        for match in _STARTUP.finditer(scan.code):
            line = scan.code.count("\n", 0, match.start()) + 1
            findings.append(Finding(path, line, "no code runs before main"))
    return findings
