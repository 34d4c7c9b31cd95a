# SPDX-License-Identifier: GPL-2.0-only
"""kunit-table: print kunit/README.md, the cases of the KUnit suites by promise.

A case is listed as KT_CASE(NN, name), NN being the promise of the contract, or 00
if it belongs to none; the comment above it says what it shows.
"""

import pathlib
import re
import sys
from typing import Iterator, NamedTuple

from . import host

PROMISES = """
One notifier for each pair of operations and mm; its users are counted
The last put unlinks; free_notifier runs once, after every callback
unregister returns when no callback runs or ever will
call_srcu waits for every callback that was running, on whatever mm
synchronize waits for everything queued to have finished
A subscriber holds the mm_struct, never the address space
Without subscribers mmun can be unloaded, whatever the processes do
After the exit everything can still be taken down, in any order
A list subscriber gets an end exactly when its start succeeded
A refused range leaves nothing behind; an error in a blockable one is ignored
Callbacks in a range that may not block are checked for sleeping
No event of a live mirror is lost
A page that read_retry lets pass is not stale
read_begin sleeps while the interval is being invalidated, and no longer
Insert and remove do not block an invalidation, lose nothing, free nothing early
Bounds are checked, and are inclusive inside
Two passes
Each interval gets one RELEASE at the exit
A later subscription does not take the locks of the VMAs; a fatal signal ends its waiting
A slow callback of one mm delays no task that uses another
Once a mm was subscribed to or prepared, an insert never takes the mmap lock
A process that ends in an odd way makes mmun neither leak nor wait
""".strip().split("\n")

HEAD = """# The KUnit suites

Module `mmun_kunit.ko`; `make kunit` builds a debug kernel (once), boots it in QEMU
and runs them. `SUITE=` and `CASE=` are globs, `PROMISE=8` runs the cases of that
promise, `KERNEL=` is 6.12 or 6.1, `FLAVOUR=` is debug, kcsan, rt or gcov, `SEED=` and
`STEPS=` replay or lengthen the random cases.

Cases run against the address spaces of real processes. An event that cannot be raised
for real at a chosen instant is raised through a hook into the shim (`mmun_hook.h`).
Operations that must run beside the case run in an actor (`kt_do()` in
`mmun_kunit.h`). Where two tasks must meet, one is stopped at a gate in its callback;
and where there is no callback, by a breakpoint on a word that it reads.

`kunit/mutants.txt` lists small faults in the core. `make mutants` puts them in, one at a
time, and a case must notice each of them. `scripts/mutants --for FUNCTION` runs those that
change one function, with `--list` it lists them, and `scripts/mutants --check` names the
entries that do not apply to the tree.

`scripts/kunit-table` makes this table from the sources.
"""

LISTED = re.compile(r"\bKT_CASE(?:_PARAM)?\(\s*(\d\d),\s*(\w+)")
CASE = re.compile(
    r"/\*((?:(?!\*/).)*)\*/\s*static void (\w+)\(struct kunit \*test\)", re.S)


class Case(NamedTuple):
    """One of them; the promise is 0 if it belongs to none."""
    promise: int
    suite: str
    name: str
    shows: str


def cases_of(path: pathlib.Path) -> Iterator[Case]:
    """Those of one suite, in the order in which they run."""
    text = path.read_text()
    suite = re.search(r'\.name = "(mmun_\w+)"', text)[1]
    listed = {name: int(promise) for promise, name in LISTED.findall(text)}
    shows = {name: " ".join(re.sub(r"\n\s*\*", " ", comment).split())
             for comment, name in CASE.findall(text)}
    for name, promise in listed.items():
        if name not in shows:
            sys.exit(f"{path.name}: {name} has no comment that says what it shows")
        if promise > len(PROMISES):
            sys.exit(f"{path.name}: {name} is of no promise of the contract")
        yield Case(promise, suite, name, shows[name])


def all_cases(kunit: pathlib.Path) -> list[Case]:
    """Those of every suite; each suite must be one that main.c runs."""
    found: list[Case] = []
    run = set(re.findall(r"&(mmun_\w+_suite),", (kunit / "main.c").read_text()))
    for path in sorted(kunit.glob("*.c")):
        defined = re.search(r"^struct kunit_suite (mmun_\w+)", path.read_text(), re.M)
        if defined:
            if defined[1] not in run:
                sys.exit(f"{path.name}: main.c does not run its suite")
            found += cases_of(path)
    return found


def print_rows(cases: list[Case]) -> None:
    """A table of Markdown."""
    print("| suite | case | what it shows |\n|---|---|---|")
    for case in cases:
        print(f"| {case.suite} | `{case.name}` |", case.shows.replace("|", "\\|"), "|")
    print()


def main(_argv: list[str]) -> int:
    """The page."""
    cases = all_cases(host.TOP / "kunit")
    print(HEAD)
    for number, promise in enumerate(PROMISES, 1):
        print(f"## {number}. {promise}\n")
        of_it = [case for case in cases if case.promise == number]
        if not of_it:
            sys.exit(f"promise {number} has no case")
        print_rows(of_it)
    print("## Besides\n")
    print_rows([case for case in cases if not case.promise])
    return 0
