# SPDX-License-Identifier: GPL-2.0-only
"""evidence: print Documentation/evidence.rst, the evidence for each promise.

- KUnit: the cases of a promise (KT_CASE in kunit/).
- Programs: a test cNN_... is for promise NN; another for those that the comment above it names
  ("promise 7", "contracts 12 to 16 and 18"), or else the first comment of the program.
- Mutants: the entries of kunit/mutants.txt that break the promise: they show that the cases can fail.
- Litmus: the files in litmus/ that name the promise in the same way.

A promise needs two kinds of tests of its own; mutants test the tests. The day on which all
its tests last passed on a kernel comes from the logs in the cache, if they are there.
"""

import datetime
import pathlib
import re
from typing import Iterable, Iterator, NamedTuple

from . import cases, host, mutants

NAMED = re.compile(r"\b(?:promise|contract)s?\s+((?:\d+(?:\s*,\s*(?:and\s+)?|\s+and\s+|\s+to\s+)?)+)", re.I)
FIRST_COMMENT = re.compile(r"/\*((?:(?!\*/).)*)\*/", re.S)
TEST = re.compile(r"(?:^/\*((?:(?!\*/).)*)\*/\n)?"
                  r"^TEST(?:_F|_F_TIMEOUT|_F_SIGNAL)?\(\s*(?:(\w+),\s*)?(\w+)", re.M | re.S)
TAGGED = re.compile(r"c(\d\d?)_")
RESULT = re.compile(r"^(?:\[ *[\d.]+\])?\s*(not )?ok \d+ (?:- )?(\S+)(.*)$")


def numbers(text: str) -> set[int]:
    """The promises that a comment names."""
    found: set[int] = set()
    for named in NAMED.findall(re.sub(r"\n\s*\*", " ", text)):
        words = re.findall(r"\d+|to", named)
        for i, word in enumerate(words):
            if word == "to":
                found.update(range(int(words[i - 1]), int(words[i + 1]) + 1))
            else:
                found.add(int(word))
    return found


class Test(NamedTuple):
    """As a log has it."""
    program: str
    name: str
    promises: frozenset[int]


def tests_of(path: pathlib.Path) -> Iterator[Test]:
    """The tests of one program."""
    text = path.read_text()
    first = FIRST_COMMENT.search(text)
    whole = numbers(first[1]) if first else set()
    for above, fixture, name in TEST.findall(text):
        tag = TAGGED.match(name)
        promises = {int(tag[1])} if tag else numbers(above) or whole
        yield Test(path.stem, f"{fixture or 'global'}.{name}", frozenset(promises))


class Run(NamedTuple):
    """One log: which names passed in it, which failed, and when it ended."""
    kernel: str
    day: datetime.date
    passed: frozenset[str]
    failed: frozenset[str]


def read_run(kernel: str, path: pathlib.Path) -> Run:
    """Skipped ones are in neither set."""
    passed, failed = set(), set()
    for line in path.read_text(errors="replace").splitlines():
        if not (found := RESULT.match(line)):
            continue
        if found[1]:
            failed.add(found[2])
        elif "# SKIP" not in found[3]:
            passed.add(found[2])
    day = datetime.date.fromtimestamp(path.stat().st_mtime)
    return Run(kernel, day, frozenset(passed - failed), frozenset(failed))


def runs(logs: pathlib.Path) -> list[Run]:
    """Those of the last check."""
    found = []
    for path in sorted(logs.glob("[0-9]*/results.log")):
        found.append(read_run(path.parent.name, path))
    for path in sorted(logs.glob("[0-9]*-kunit/console.log")):
        found.append(read_run(path.parent.name.removesuffix("-kunit"), path))
    return found


def green(names: set[str], all_runs: Iterable[Run]) -> list[str]:
    """Each kernel on which a test of these passed and none failed, with the day."""
    days: dict[str, datetime.date] = {}
    red: set[str] = set()
    for run in all_runs:
        if names & run.failed:
            red.add(run.kernel)
        if names & run.passed:
            days[run.kernel] = max(days.get(run.kernel, run.day), run.day)
    return [f"{kernel} {days[kernel]}" for kernel in sorted(days) if kernel not in red]


def count(what: Iterable, one: str) -> str:
    """Of the things; a dash for none."""
    n = len(list(what))
    return f"{n} {one}{'s' if n != 1 else ''}" if n else "-"


class Evidence:
    """All of a tree."""

    def __init__(self, top: pathlib.Path):
        self.cases = cases.all_cases(top / "kunit")
        self.tests = [test for path in sorted((top / "test" / "programs").glob("t_*.c"))
                      for test in tests_of(path)]
        self.mutants = mutants.read_table((top / "kunit" / "mutants.txt").read_text())
        self.litmus = {path.stem: numbers(path.read_text())
                       for path in sorted((top / "litmus").glob("*.litmus"))}

    def kinds(self, number: int) -> dict[str, list[str]]:
        """The tests of a promise, by kind."""
        return {
            "KUnit": [case.name for case in self.cases if case.promise == number],
            "programs": [test.name for test in self.tests if number in test.promises],
            "litmus": [name for name, promises in self.litmus.items() if number in promises],
        }

    def section(self, number: int, promise: str, all_runs: list[Run]) -> list[str]:
        """The lines for one promise."""
        kinds = self.kinds(number)
        title = f"{number}. {promise}"
        lines = [title, "-" * len(title), ""]
        if sum(bool(names) for names in kinds.values()) < 2:
            lines += ["**One kind of tests only.**", ""]
        suites = sorted({case.suite for case in self.cases if case.promise == number})
        programs = sorted({test.program for test in self.tests if number in test.promises})
        broken_by = [m.number for m in self.mutants if number in m.promises]
        lines.append(f"* KUnit: {count(kinds['KUnit'], 'case')}" +
                     (f" in {', '.join(suites)}" if suites else ""))
        lines.append(f"* Programs: {count(kinds['programs'], 'test')}" +
                     (f" in {', '.join(programs)}" if programs else ""))
        lines.append(f"* Litmus: {', '.join(kinds['litmus']) or '-'}")
        lines.append(f"* Mutants: {count(broken_by, 'fault')}")
        names = set(kinds["KUnit"]) | set(kinds["programs"])
        if last := green(names, all_runs):
            lines.append(f"* Last passed: {', '.join(last)}")
        return lines + [""]


HEAD = """.. SPDX-License-Identifier: GPL-2.0-only

=========================
Evidence for each promise
=========================

``make evidence`` prints this page from the tree and from the logs of the last ``make check``. The
promises are those of :doc:`design`, in short; ``kunit/README.md`` has the cases, one by one.

A promise is tested in two ways that do not share their code: by KUnit cases, which force an
interleaving, and by programs, which raise the events of a real process. Litmus tests check the
orders of memory accesses under the kernel's memory model. A mutant is a fault put into the
core: a case must fail. A promise with one kind of tests only says so.
"""


def main(_argv: list[str]) -> int:
    """The page."""
    evidence, all_runs = Evidence(host.TOP), runs(host.cache() / "logs")
    print(HEAD)
    for number, promise in enumerate(cases.PROMISES, 1):
        print("\n".join(evidence.section(number, promise, all_runs)))
    return 0
