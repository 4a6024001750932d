"""docs/reliability/named-bugs.md names tests that are there, and every bug that concerns storage."""
import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reliability" / "named-bugs.md"
# Those of the 20s and 30s concern storage, but for advice to consumers (33).
STORAGE = {10, 11, 12, *range(20, 33), 34, 50, 51, 52}


def rows():
    for line in PAGE.read_text().splitlines():
        if line.startswith("| NB-"):
            bugs, _, _, tests = (cell.strip() for cell in line.strip("|").split("|"))
            yield [int(number) for number in re.findall(r"NB-(\d+)", bugs)], tests


def named_tests(cell):
    """(file, test) pairs: a file in backticks, then its tests."""
    file = None
    for word in re.findall(r"`([^`]+)`|(\w+)", cell):
        if word[0]:
            file = word[0]
        else:
            yield file, word[1]


class NamedBugs(unittest.TestCase):
    def test_every_test_is_there(self):
        for numbers, cell in rows():
            found = list(named_tests(cell))
            self.assertTrue(found, numbers)
            for file, test in found:
                text = (ROOT / file).read_text()
                pattern = rf"\bdef {test}\(" if file.endswith(".py") else rf"^TEST\w*\(\w+, {test}\)"
                self.assertRegex(text, re.compile(pattern, re.M), f"{numbers}: {file}")

    def test_every_bug_of_storage_has_one(self):
        covered = {number for numbers, _ in rows() for number in numbers}
        self.assertEqual(STORAGE - covered, set())


if __name__ == "__main__":
    unittest.main()
