# SPDX-License-Identifier: GPL-2.0-only
"""Golden logs through the scanner and the comparison of hmm-tests; golden TAP and KTAP
through the parser; and the time table."""

import contextlib
import io
import pathlib
import re
import subprocess
import tempfile
import unittest

from .. import commands, hmm, host, splats, times, verdict

# The runner adds this when a program has ended.
END = "\n# exit code {}, 4 s\n"


def golden(kind: str) -> list[pathlib.Path]:
    """The golden logs of a kind. None is a fault of the test itself."""
    found = sorted((host.GOLDEN / kind).glob("*.log"))
    assert found, kind
    return found


def wants(text: str) -> tuple[str, str]:
    """The first line of a golden file: the totals, and words that the runner must print."""
    found = re.match(r"# wants (.*?): (.*)\n", text)
    return found[1], found[2]


def said_by(function, *args, **options):
    """Call it; returns its result and its output."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        found = function(*args, **options)
    return found, out.getvalue()


def nested(text: str) -> str:
    """A program's output as the runner sends it."""
    awk = subprocess.run(["awk", "-v", "name=case", "-v", "number=1", "-f", host.SCRIPTS / "ktap.awk"],
                         input=text, text=True, stdout=subprocess.PIPE, check=False)
    return "KTAP version 1\n1..1\n" + awk.stdout


class Splats(unittest.TestCase):
    """The lines of a kernel's log."""

    def test_bad_logs_are_flagged(self):
        for path in golden("bad"):
            with self.subTest(path.name):
                self.assertTrue(splats.splats_of(path))

    def test_good_logs_pass(self):
        for path in golden("good"):
            with self.subTest(path.name):
                self.assertEqual(splats.splats_of(path), [])

    def test_frames_of_ours_are_shown_and_no_others(self):
        found = splats.splats_of(host.GOLDEN / "bad" / "hung-in-mmun.log")
        frames = [m[1] for line in found if (m := re.search(r" ([a-z_]*)\+0x", line))]
        self.assertEqual(frames, ["mmun_interval_read_begin", "test_read"])

    def test_the_command(self):
        code, said = said_by(commands.main, ["splats", str(host.GOLDEN / "bad" / "kasan.log")])
        self.assertEqual(code, 1)
        self.assertIn("KASAN", said)
        good = str(host.GOLDEN / "good" / "advice.log")
        self.assertEqual(said_by(commands.main, ["splats", good]), (0, ""))


class Columns(unittest.TestCase):
    """Upstream's tests on both cores."""

    def test_golden_pairs(self):
        for path in golden("hmm"):
            with self.subTest(path.name), tempfile.TemporaryDirectory() as work:
                totals = pathlib.Path(work) / "totals"
                totals.write_text("0 0 0\n")
                code, said = said_by(hmm.main, [str(path), str(totals)])
                wanted = path.read_text().split("\n", 1)[0].removeprefix("# wants ")
                self.assertEqual(f"{code}: {totals.read_text().strip()}", wanted, said)


class Tap(unittest.TestCase):
    """One program's TAP, as a subtest."""

    def run_file(self, path):
        text = path.read_text(encoding="utf-8")
        wanted, saying = wants(text)
        _, code, said = text.split("\n", 2)
        code = code.removeprefix("# exit code: ")
        if code == "lost":
            stream = nested(said).rsplit("not ok 1 case", 1)[0]
        else:
            stream = nested(said + END.format(code))
        return wanted, saying, stream, said_by(verdict.Tree("self").read, stream.splitlines(True))

    def test_golden_programs(self):
        for path in golden("tap"):
            with self.subTest(path.name):
                wanted, saying, stream, (tree, printed) = self.run_file(path)
                self.assertEqual(str(tree.totals), wanted, printed + stream)
                self.assertIn(saying, printed)

    def test_the_result_of_the_subtest_is_that_of_the_program(self):
        for path in golden("tap"):
            with self.subTest(path.name):
                wanted, _, stream, _ = self.run_file(path)
                if wanted.split()[1] == "0":
                    self.assertTrue(stream.endswith("\nok 1 case\n"))

    def test_the_report_shows_what_the_test_printed(self):
        _, _, _, (_, printed) = self.run_file(host.GOLDEN / "tap" / "failed.log")
        self.assertEqual(printed, (
            "self   case                 1 passed, 1 failed, 0 skipped, 4 s\n"
            "         # t.c:3:b:Expected x (0) == y (1)\n"
            "       not ok 2 b\n"))


class Ktap(unittest.TestCase):
    """A whole tree."""

    def test_golden_trees(self):
        for path in golden("ktap"):
            text = path.read_text(encoding="utf-8")
            wanted, saying = wants(text)
            with self.subTest(path.name):
                lines = text.splitlines(True)[1:]
                tree, said = said_by(verdict.Tree("self").read, lines)
                self.assertEqual(str(tree.totals), wanted, said)
                self.assertIn(saying, said)
                self.assertEqual(tree.success, "# mmun: success\n" in lines)
                self.assertEqual(tree.modules_up, "# mmun: up\n" in lines)

    def test_raw_shows_the_lines_outside_of_the_suites(self):
        lines = (host.GOLDEN / "ktap" / "demo.log").read_text().splitlines(True)[1:]
        _, said = said_by(verdict.Tree("demo", raw=True).read, lines)
        self.assertEqual(said, "event at 0x7f\n  1 page\ndemo: PASS\n")

    def test_tested_is_what_passed_beside_the_cleanup(self):
        for name, wanted in ("good", 2), ("demo", 1):
            lines = (host.GOLDEN / "ktap" / f"{name}.log").read_text().splitlines(True)[1:]
            tree, _ = said_by(verdict.Tree("self").read, lines)
            self.assertEqual(tree.tested, wanted, name)
            skips = [re.sub(r"^(  ok \d [xy]|ok \d demo)$", r"\1 # SKIP none", line)
                     for line in lines]
            skips[-4:] = lines[-4:]
            tree, _ = said_by(verdict.Tree("self").read, skips)
            self.assertEqual((tree.tested, tree.totals.passed), (0, 1), name)

    def test_a_suite_is_printed_when_it_ends(self):
        """Before the next line is read."""
        lines = (host.GOLDEN / "ktap" / "good.log").read_text().splitlines(True)[1:]
        out, printed = io.StringIO(), []

        def stream():
            for line in lines:
                printed.append((line, out.getvalue().count("passed")))
                yield line

        with contextlib.redirect_stdout(out):
            verdict.Tree("self").read(stream())
        self.assertEqual(printed[lines.index("ok 1 a\n") + 1][1], 1)


class Kunit(unittest.TestCase):
    """The cases of KUnit, which are in the log of the kernel."""

    LOG = ("[    9.0] mmun-guest: kunit\n[    9.1] KTAP version 1\n[    9.1] 1..1\n"
           "[    9.1]     KTAP version 1\n[    9.1]     # Subtest: mmun_get\n[    9.1]     1..2\n"
           "{}[    9.5] mmun-guest: cleanup\n")
    PASS = "[    9.2]     ok 1 a\n"

    def verdict(self, said, how="brief"):
        with tempfile.TemporaryDirectory() as work:
            work = pathlib.Path(work)
            (work / "console.log").write_text(self.LOG.format(said))
            (work / "totals").write_text("2 0 0\n")
            code, printed = said_by(commands.main, ["kunit", str(work), how])
            return code, (work / "totals").read_text().strip(), printed

    def test_passed(self):
        end = "[    9.3]     ok 2 b\n[    9.4] ok 1 mmun_get\n"
        self.assertEqual(self.verdict(self.PASS + end), (0, "4 0 0", ""))

    def test_failed(self):
        end = "[    9.3]     not ok 2 b\n[    9.4] not ok 1 mmun_get\n"
        code, totals, said = self.verdict(self.PASS + end)
        self.assertEqual((code, totals), (1, "3 1 0"))
        self.assertIn("[FAILED] b", said)

    def test_lost(self):
        self.assertEqual(self.verdict(self.PASS)[:2], (1, "3 1 0"))

    def test_a_suite_that_failed_though_no_case_did(self):
        end = "[    9.3]     ok 2 b\n[    9.4] not ok 1 mmun_get\n"
        self.assertEqual(self.verdict(self.PASS + end)[:2], (1, "4 1 0"))

    def test_no_case(self):
        with tempfile.TemporaryDirectory() as work:
            work = pathlib.Path(work)
            (work / "console.log").write_text("[ 1.0] mmun-guest: kunit\n[ 1.1] no case matches x\n")
            (work / "totals").write_text("2 0 0\n")
            code, said = said_by(commands.main, ["kunit", str(work), "brief"])
            self.assertEqual((code, said, (work / "totals").read_text()),
                             (1, "no case matches x\n", "2 1 0\n"))


class TimeTable(unittest.TestCase):
    """Where the time went."""

    def test_a_step_comes_before_those_inside_it(self):
        found = list(times.table(["0 1 900 kernel 6.12\n", "1 5 2000 build\n", "0 9 7400 sources\n"], 12))
        self.assertEqual([line.split() for line in found[1:]], [
            ["kernel", "6.12", "1", "s", "1", "s"], ["sources", "9", "s", "7", "s"],
            ["build", "5", "s", "2", "s"], ["all", "12", "s", "8", "s"]])
