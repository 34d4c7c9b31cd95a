# SPDX-License-Identifier: GPL-2.0-only
"""The verdict on a tree of KTAP is that of the kernel's own kunit_parser.

The parser comes from the kernel's source package (tools/testing/kunit). It counts some
faults as errors only, and accepts others; the report of a suite says all of these:
a planned test that did not report, a suite without tests or without a plan, one that
never ended, an exit code that no failed test explains.
"""

import contextlib
import importlib
import io
import pathlib
import re
import sys
from typing import Iterable, Iterator

from . import host

EXIT = re.compile(r"\s*# exit code (\d+), (\d+) s$")
# The harness prints these around each test.
NOISE = re.compile(r"\s*(# .*RUN|# .*  OK |# Starting|# PASSED|# FAILED|# Totals|# exit code \d|$)")
FAULT = re.compile(r"\s*# (Bail out!.*|\d+ tests reported, \d+ planned)$")
RESULT = re.compile(r"(not )?ok \d+ \S+$")
# The parser can look for a result for ever at a line that is none. It looks at no other
# line as often as this.
TOO_OFTEN = 100_000


class NoKtap(Exception):
    """The parser does not come past a line."""


def load_parser():
    """The module kunit_parser, with a stream that notices a parser that stands still."""
    where = host.cache() / "kselftest" / "tools" / "testing" / "kunit"
    if str(where) not in sys.path:
        sys.path.insert(0, str(where))
    sys.dont_write_bytecode = True
    try:
        parser = importlib.import_module("kunit_parser")
    except ImportError:
        host.die(f"{where} has no kunit_parser.py.")
    if not hasattr(parser, "mmun_looks"):
        class Stream(parser.LineStream):
            """Counts how often a line is looked at."""
            looks = 0

            def peek(self) -> str:
                self.looks += 1
                if self.looks > TOO_OFTEN:
                    raise NoKtap(super().peek())
                return super().peek()

            def pop(self) -> str:
                self.looks = 0
                return super().pop()

        parser.LineStream = Stream
        parser.mmun_looks = True
    return parser


@contextlib.contextmanager
def printing(parser, output, footer=None):
    """Let the parser print to output, and call footer(test) after each test with subtests."""
    before = parser.stdout, parser.print_test_footer
    parser.stdout = type(before[0])(output)
    if footer:
        parser.print_test_footer = footer
    try:
        yield
    finally:
        parser.stdout, parser.print_test_footer = before


class Totals:
    """How many tests passed, failed, and were skipped."""

    def __init__(self, passed: int = 0, failed: int = 0, skipped: int = 0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def __iadd__(self, other: "Totals") -> "Totals":
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        return self

    def __str__(self) -> str:
        return f"{self.passed} {self.failed} {self.skipped}"

    def sentence(self) -> str:
        """The counts in words."""
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"

    def write(self, path: pathlib.Path) -> None:
        """Keep them where the other scripts read them."""
        path.write_text(f"{self}\n")

    @classmethod
    def read(cls, path: pathlib.Path) -> "Totals":
        """Read the file of write()."""
        return cls(*map(int, path.read_text().split()[:3]))


def count(counts) -> Totals:
    """The totals for the parser's counts. Most errors come with a test that failed; errors
    that do not are one failure together."""
    failed = counts.failed + counts.crashed
    return Totals(counts.passed, failed or int(counts.errors > 0), counts.skipped)


class Suite:
    """One suite of a tree, as the parser read it."""

    def __init__(self, test, printed: str = ""):
        self.name = test.name
        self.totals = count(test.counts)
        self.code = self.seconds = None
        self.lost = sum(not t.name for t in test.subtests)
        self.report: list[str] = []
        reported = len(test.subtests) - self.lost
        notes = []
        for number, sub in enumerate(test.subtests, 1):
            self._ended(sub.log)
            if not sub.name:
                notes += sub.log
            elif not sub.ok_status():
                self._notes(sub.log)
                self.report.append(f"not ok {number} {sub.name}")
        self._ended(test.log)
        notes += test.log
        failed = bool(self.totals.failed)
        if self.lost:
            self._notes(notes)
            self.report.append(f"{self.lost} of {test.expected_count} planned tests did not report")
        faults = [found[1] for line in notes if (found := FAULT.match(line))]
        if self.code is None:
            if not self.report:
                self._notes(notes)
                faults.append("the suite never ended")
        elif not reported and not self.lost:
            self._notes(notes)
            faults.append(f"no test reported (exit code {self.code})")
        elif self.code and not self.report:
            self._notes(notes)
            faults.append(f"exit code {self.code}, though no test failed")
        elif test.expected_count is None:
            faults.append("no plan (1..N): a test may be missing")
        self.report += faults
        if (faults or test.status.name == "FAILURE") and not failed:
            self.totals.failed = max(1, len(faults))
        if self.totals.failed and not self.report:
            self.report += re.findall(r"\[ERROR\] Test: (.*)", printed)

    def _ended(self, log: list[str]) -> None:
        for line in log:
            if found := EXIT.match(line):
                self.code, self.seconds = int(found[1]), int(found[2])

    def _notes(self, log: list[str]) -> None:
        self.report += ["  " + line.removeprefix("  ") for line in log
                        if not NOISE.match(line) and not FAULT.match(line)]

    def line(self, label: str) -> str:
        """One line for the suite, and its report."""
        line = f"{label:<6} {self.name:<18} {self.totals.passed:3} passed, "
        line += f"{self.totals.failed} failed, {self.totals.skipped} skipped"
        if self.lost:
            line += f", {self.lost} lost"
        if self.seconds is not None:
            line += f", {self.seconds} s"
        return "\n".join([line, *(f"       {text}" for text in self.report)])


class Tree:
    """Reads a stream of KTAP, prints a line for each suite when it ends, and counts.

    raw shows the lines that are outside of all suites, and a suite that failed, and
    nothing else; verbose shows every line.
    """

    def __init__(self, label: str, raw: bool = False, verbose: bool = False):
        self.label, self.raw, self.verbose = label, raw, verbose
        self.totals = Totals()
        # Of these, those that passed in a suite that was asked for: the clean-up is no test.
        self.tested = 0
        self.code: int | None = None
        self.modules_up = self.success = False

    def read(self, lines: Iterable[str]) -> "Tree":
        """Read all of it."""
        parser = load_parser()
        printed = io.StringIO()
        judged = []

        def footer(test) -> None:
            judged.append(test)
            suite = Suite(test, printed.getvalue())
            printed.seek(0)
            printed.truncate()
            self.code = suite.code
            self.totals += suite.totals
            self.tested += suite.totals.passed if suite.name != "cleanup" else 0
            if not self.raw or suite.totals.failed:
                print(suite.line(self.label), flush=True)

        stream = self._lines(lines)
        with printing(parser, printed, footer):
            try:
                main = parser.parse_run_tests(stream)
            except NoKtap as line:
                self._fault(f"this is no line of KTAP: {line}")
                main = None
        for _ in stream:
            pass
        if main:
            self._rest(main, judged)
        return self

    def _rest(self, main, judged: list) -> None:
        """Judge what is outside of all suites."""
        if main.name == "<missing>":
            self._fault("no result came")
            return
        missing = sum(not t.name for t in main.subtests)
        for test in main.subtests:
            if test.name and not any(test is t for t in judged):
                self.totals += count(test.counts)
                self.tested += count(test.counts).passed
        if main.expected_count is None:
            self._fault("no plan says how many suites there are")
        elif missing:
            self._fault(f"{missing} of {main.expected_count} planned suites did not begin", missing)
        errors = main.counts.errors - missing - sum(t.counts.errors for t in main.subtests)
        if errors > 0 and not self.totals.failed:
            self._fault("the suites are not those that were planned")

    def _fault(self, text: str, failures: int = 1) -> None:
        print(f"{self.label}: {text}", flush=True)
        self.totals.failed += failures

    def _lines(self, lines: Iterable[str]) -> Iterator[str]:
        shows, begun = False, False
        for line in lines:
            line = line.rstrip("\r\n").replace("\0", "")
            if line == "# mmun: up":
                self.modules_up = True
            elif line == "# mmun: success":
                self.success = True
            elif line == "KTAP version 1":
                begun = True
            elif line == "  KTAP version 1":
                shows = False
            elif begun and line.startswith("1.."):
                shows, begun = True, False
            elif self.raw and shows and line and not RESULT.match(line):
                print(line, flush=True)
            if self.verbose and not self.raw:
                print(f"    | {line}", flush=True)
            yield line


def unexplained(test) -> int:
    """How many tests failed, though none of those in them did."""
    here = test.status.name == "FAILURE" and not count(test.counts).failed
    return here + sum(map(unexplained, test.subtests))


def read_kunit(console: Iterable[str], output) -> Totals:
    """Judge the cases of KUnit, which are in the kernel's log; the parser prints to output."""
    parser = load_parser()
    with printing(parser, output):
        try:
            test = parser.parse_run_tests(console)
        except NoKtap as line:
            print(f"this is no line of KTAP: {line}", file=output)
            return Totals(failed=1)
    totals = count(test.counts)
    totals.failed += unexplained(test)
    return totals
