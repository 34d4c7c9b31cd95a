# SPDX-License-Identifier: GPL-2.0-only
"""evidence: print Documentation/evidence.rst, the evidence for each promise.

- KUnit: the cases of a promise (KT_CASE in kunit/).
- Programs: a test cNN_... is for promise NN; another for those that the comment above it names
  ("promise 7", "contracts 12 to 16 and 18"), or else the first comment of the program. A test
  that stands in a header is one of each program that includes it, and a test of a fixture
  with variants is one for each variant.
- Mutants: the entries of kunit/mutants.txt that break the promise: they show that the cases can fail.
- Litmus: the files in litmus/ that name the promise in the same way.

A promise needs two kinds of tests of its own; mutants test the tests. The logs in the cache, if
they are there, tell on which kernels and days all tests of a kind passed. A test that was
skipped did not pass: their number stands behind the day. A log in which a test failed or is
missing, or whose guest was lost, counts for nothing.
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
VARIANT = re.compile(r"^FIXTURE_VARIANT_ADD\(\s*(\w+),\s*(\w+)\s*\)", re.M)
INCLUDED = re.compile(r'^#include "(t_\w+\.h)"', re.M)
TAGGED = re.compile(r"c(\d\d?)_")
LINE = re.compile(r"^(?:\[ *[\d.]+\])?(\s*)(.*)$")
SUBTEST = re.compile(r"# Subtest: (\S+)$")
RESULT = re.compile(r"(not )?ok \d+ (?:- )?(\S+)(.*)$")
SKIPPED = re.compile(r"\s+# SKIP\b", re.I)
ENDED = "reboot: Power down"


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


def with_headers(path: pathlib.Path, seen: set[pathlib.Path] | None = None) -> Iterator[str]:
    """The text of a program, and of each header of its directory that it includes."""
    seen = set() if seen is None else seen
    seen.add(path)
    text = path.read_text()
    yield text
    for name in INCLUDED.findall(text):
        header = path.parent / name
        if header not in seen and header.exists():
            yield from with_headers(header, seen)


def tests_of(path: pathlib.Path) -> Iterator[Test]:
    """The tests of one program."""
    texts = list(with_headers(path))
    first = FIRST_COMMENT.search(texts[0])
    whole = numbers(first[1]) if first else set()
    variants: dict[str, list[str]] = {}
    for fixture, variant in VARIANT.findall("\n".join(texts)):
        variants.setdefault(fixture, []).append(f"{fixture}.{variant}")
    for above, fixture, name in (found for text in texts for found in TEST.findall(text)):
        tag = TAGGED.match(name)
        promises = frozenset({int(tag[1])} if tag else numbers(above) or whole)
        for group in variants.get(fixture, [fixture or "global"]):
            yield Test(path.stem, f"{group}.{name}", promises)


# A suite or a program, and a name in it.
Name = tuple[str, str]


class Run(NamedTuple):
    """One log: which names passed in it, failed and were skipped, and when it ended."""
    kernel: str
    day: datetime.date
    passed: frozenset[Name]
    failed: frozenset[Name]
    skipped: frozenset[Name]


def read_run(kernel: str, path: pathlib.Path) -> Run:
    """A name is in one set only. The result of a suite stands less deep than those in it."""
    passed, failed, skipped = set(), set(), set()
    suites: dict[int, str] = {}
    for line in path.read_text(errors="replace").splitlines():
        spaces, text = LINE.match(line).groups()
        if found := SUBTEST.match(text):
            suites[len(spaces)] = found[1]
        elif found := RESULT.match(text):
            name = suites.get(len(spaces), ""), found[2]
            (failed if found[1] else skipped if SKIPPED.match(found[3]) else passed).add(name)
    day = datetime.date.fromtimestamp(path.stat().st_mtime)
    return Run(kernel, day, frozenset(passed - failed - skipped), frozenset(failed),
               frozenset(skipped - failed))


def ended(log: pathlib.Path) -> bool:
    """Did the guest power itself off? If not, it was lost, or runs yet."""
    console = log.parent / "console.log"
    return console.exists() and ENDED in console.read_text(errors="replace")


def runs(logs: pathlib.Path) -> dict[str, list[Run]]:
    """Those of the last check, by the kind of tests that they ran."""
    found: dict[str, list[Run]] = {"KUnit": [], "programs": []}
    for path in sorted(logs.glob("[0-9]*/results.log")):
        if ended(path) and not path.parent.name.endswith(("-kunit", "-hmm")):
            found["programs"].append(read_run(path.parent.name, path))
    for path in sorted(logs.glob("[0-9]*-kunit/console.log")):
        if ended(path):
            found["KUnit"].append(read_run(path.parent.name.removesuffix("-kunit"), path))
    return found


def green(names: set[Name], of_kind: Iterable[Run]) -> list[str]:
    """Each kernel on which these passed, with the day and the number of those skipped there."""
    found = []
    for run in of_kind:
        skipped = names & run.skipped
        if names & run.passed and names <= run.passed | skipped:
            found.append(f"{run.kernel} {run.day}" +
                         (f" ({len(skipped)} skipped)" if skipped else ""))
    return sorted(found)


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

    def kinds(self, number: int) -> dict[str, list[Name]]:
        """The tests of a promise, by kind."""
        return {
            "KUnit": [(case.suite, case.name) for case in self.cases if case.promise == number],
            "programs": [(test.program, test.name) for test in self.tests
                         if number in test.promises],
            "litmus": [("litmus", name) for name, promises in self.litmus.items()
                       if number in promises],
        }

    def section(self, number: int, promise: str, all_runs: dict[str, list[Run]]) -> list[str]:
        """The lines for one promise."""
        kinds = self.kinds(number)
        title = f"{number}. {promise}"
        lines = [title, "-" * len(title), ""]
        if sum(bool(names) for names in kinds.values()) < 2:
            lines += ["**One kind of tests only.**", ""]
        broken_by = [m.number for m in self.mutants if number in m.promises]
        for kind, one in ("KUnit", "case"), ("programs", "test"):
            of_kind = ", ".join(sorted({suite for suite, _ in kinds[kind]}))
            lines.append(f"* {kind[0].upper()}{kind[1:]}: {count(kinds[kind], one)}" +
                         (f" in {of_kind}" if of_kind else ""))
        lines.append(f"* Litmus: {', '.join(name for _, name in kinds['litmus']) or '-'}")
        lines.append(f"* Mutants: {count(broken_by, 'fault')}")
        for kind, of_kind in all_runs.items():
            if last := green(set(kinds[kind]), of_kind):
                lines.append(f"* Last passed, {kind}: {', '.join(last)}")
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

"Last passed" has each kernel on which all tests of that kind ran and none failed. A kernel can
lack the means of a test, which is then skipped: that is no pass, and the number of these stands
behind the day. A kernel for which a test is not built, as 6.12-rt has no HMM, is not named.
"""


def main(_argv: list[str]) -> int:
    """The page."""
    evidence, all_runs = Evidence(host.TOP), runs(host.cache() / "logs")
    print(HEAD)
    for number, promise in enumerate(cases.PROMISES, 1):
        print("\n".join(evidence.section(number, promise, all_runs)))
    return 0
