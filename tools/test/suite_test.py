"""Proves that the suite counts what fails: each way in which a stage can go wrong ends as a failure."""
import contextlib
import io
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))

import suite  # noqa: E402
from suite import Count  # noqa: E402


class CountTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="trivium-suite-")
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def junit(self, name, cases):
        path = self.root / name
        path.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
        return path

    def test_unittest(self):
        self.assertEqual(suite.count_unittest(0, "...\nRan 3 tests in 1s\n\nOK\n"), Count(3, 0, 0))
        self.assertEqual(suite.count_unittest(1, "\nRan 5 tests in 1s\n\nFAILED (failures=1, errors=2, skipped=1)"),
                         Count(1, 3, 1))
        self.assertEqual(suite.count_unittest(1, "\nRan 5 tests in 1s\n\nOK"), Count(4, 1, 0))
        self.assertEqual(suite.count_unittest(1, "SyntaxError"), Count(0, 1, 0))

    def test_own_line(self):
        self.assertEqual(suite.count_line(0, "x\n7 checks passed, 0 failed\n", "checks"), Count(7, 0, 0))
        self.assertEqual(suite.count_line(1, "5 checks passed, 2 failed", "checks"), Count(5, 2, 0))
        self.assertEqual(suite.count_line(1, "7 checks passed, 0 failed", "checks"), Count(7, 1, 0))
        self.assertEqual(suite.count_line(0, "nothing", "checks"), Count(0, 1, 0))
        self.assertEqual(suite.count_line(0, "1 passed, 1 failed\n3 passed, 0 failed\n"), Count(3, 0, 0))

    def test_junit(self):
        path = self.junit("a.xml", "<testcase/><testcase><failure/></testcase><testcase><error/></testcase>"
                          "<testcase><skipped/></testcase>")
        self.assertEqual(suite.count_junit(1, path), Count(1, 2, 1))
        self.assertEqual(suite.count_junit(1, self.junit("b.xml", "<testcase/>")), Count(1, 1, 0))
        self.assertEqual(suite.count_junit(0, self.junit("c.xml", "")), Count(0, 1, 0))
        self.assertEqual(suite.count_junit(0, self.root / "none.xml"), Count(0, 1, 0))

    def test_ctest(self):
        self.junit("base_test.xml", "<testcase/><testcase/>")
        self.junit("io_test.xml", "<testcase/>")  # passed, and then died
        junit = self.junit("ctest.xml", '<testcase name="base" status="run"/><testcase name="io" status="fail"/>'
                           '<testcase name="crashed" status="fail"/><testcase name="script" status="run"/>')
        self.assertEqual(suite.count_ctest(junit, self.root), Count(4, 2, 0))
        self.assertEqual(suite.count_ctest(self.junit("empty.xml", ""), self.root), Count(0, 1, 0))
        self.assertEqual(suite.count_ctest(self.root / "none.xml", self.root), Count(0, 1, 0))


class RunTest(unittest.TestCase):
    def test_nothing_outlives_a_stage_past_its_time(self):
        with tempfile.TemporaryDirectory(prefix="trivium-suite-") as folder:
            with mock.patch.object(suite, "LOGS", Path(folder)):
                with self.assertRaises(suite.CannotRun):
                    # As a broker of the tests: in a session of its own, below a shell.
                    suite.run("stage", ["bash", "-c", "setsid sleep 60 & echo $!; wait"], 1)
            process = int((Path(folder) / "stage.log").read_text())
        deadline = time.monotonic() + 5
        while self.runs(process) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertFalse(self.runs(process))

    @staticmethod
    def runs(process):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        return state != "Z"  # has ended, and waits for init to notice


class MainTest(unittest.TestCase):
    def outcome(self, *stages, wanted=()):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = suite.main(list(wanted), stages)
        return code, out.getvalue().splitlines()[-1]

    def test_closing_line(self):
        good, bad = ("a", lambda: Count(3, 0, 0)), ("b", lambda: Count(1, 1, 1))
        self.assertEqual(self.outcome(good), (0, "3 passed, 0 failed"))
        self.assertEqual(self.outcome(good, bad), (1, "4 passed, 1 failed, 1 skipped"))
        self.assertEqual(self.outcome(good, bad, wanted=["a"]), (0, "3 passed, 0 failed"))

    def test_what_cannot_run_has_failed(self):
        def broken():
            raise suite.CannotRun("no such folder")
        self.assertEqual(self.outcome(("a", lambda: Count(3)), ("b", broken)), (1, "3 passed, 1 failed"))
        self.assertEqual(self.outcome(("a", lambda: Count())), (1, "0 passed, 0 failed"))

    def test_what_failed_is_said_again_at_the_end(self):
        with tempfile.TemporaryDirectory(prefix="trivium-suite-") as folder:
            with mock.patch.object(suite, "LOGS", Path(folder)):
                def failing():
                    said = ("E   assert 1 == 2", "noise", "FAILED clients/a.py::test_x - assert", "[  FAILED  ] Queue.keeps",
                            "x_fuzz: FAILED (77); see .cache")
                    (Path(folder) / "a.log").write_text("\n".join(said))
                    return Count(1, 1)
                out = io.StringIO()
                with contextlib.redirect_stdout(out):
                    suite.main([], (("a", failing), ("b", lambda: Count(1))))
        lines = out.getvalue().splitlines()
        at = lines.index("== a: 1 failed")
        self.assertEqual(lines[at + 1:at + 5], ["E   assert 1 == 2", "FAILED clients/a.py::test_x - assert",
                                                "[  FAILED  ] Queue.keeps", "x_fuzz: FAILED (77); see .cache"])
        self.assertNotIn("== b: 0 failed", lines)

    def test_commands_are_bounded_and_their_failure_is_seen(self):
        self.addCleanup((suite.LOGS / "suite-test.log").unlink)
        self.assertEqual(suite.run("suite-test", ["bash", "-c", "echo hello; exit 3"], 10), (3, "hello\n"))
        with self.assertRaises(suite.CannotRun):
            suite.run("suite-test", ["sleep", "30"], 0.2)


if __name__ == "__main__":
    unittest.main()
