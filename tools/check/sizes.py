"""Files of at most 600 lines, functions of at most 70; tests and generated code are exempt."""
from source import Finding, is_generated, is_test

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
COUNTED = (".h", ".cc", ".py", ".sh", ".ts", ".tsx", ".cmake")


def check(tree):
    findings = []
    for path in tree.paths:
        if is_generated(path) or is_test(path) or not (path.endswith(COUNTED) or path == "dev"):
            continue
        lines = tree.text(path).count("\n")
        if lines > FILE_LINES_MAX:
            findings.append(Finding(path, 1, f"{lines} lines; the limit is {FILE_LINES_MAX}"))
        if not path.endswith((".h", ".cc")):
            continue
        for function in tree.scan(path).functions:
            if function.size > FUNCTION_LINES_MAX:
                findings.append(Finding(path, function.line, f"{function.name}: {function.size} lines; "
                                        f"the limit is {FUNCTION_LINES_MAX}"))
    return findings
