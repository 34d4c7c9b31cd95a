# SPDX-License-Identifier: GPL-2.0-only
"""The commands that the scripts call:

  guest ...                boot a guest and judge it
  tree LABEL TOTALS        judge the tree of KTAP on stdin; its exit code is that of the suite
  kunit DIR brief|full     judge the cases of KUnit in the log of the guest in DIR
  dropin DIR VERSION...    compile the kernel's own subscribers with the drop-in
  evidence                 print Documentation/evidence.rst
  hmm [-b] RESULTS TOTALS  compare the two columns of upstream's tests
  kernel [-o] V-FLAVOUR    build a test kernel, or print the options that it is asked for
  kunit-table              print kunit/README.md
  litmus ...               the lockless protocols under the memory model
  matrix                   each suite on each kernel, as a table
  mutants ...              does a case notice each small fault in the core?
  splats FILE              print the lines of a kernel log that must not be there
  times FILE SECONDS       print a table of where the time went
  variables                print the variables that the table of them lacks
"""

import os
import pathlib
import re
import sys

from . import cases, dropin, evidence, guest, hmm, host, kernels, litmus, matrix, mutants, splats, times, variables
from . import verdict


def tree(argv: list[str]) -> int:
    """A suite of this host. Its exit code is in the tree, and is the third ending if it is lost."""
    label, totals = argv
    lines = (line.decode(errors="replace") for line in sys.stdin.buffer)
    found = verdict.Tree(label, verbose=bool(os.environ.get("V"))).read(lines)
    found.totals.write(pathlib.Path(totals))
    return host.UNABLE if found.code is None else found.code


def kunit(argv: list[str]) -> int:
    """Adds to DIR/totals. The kernel says before the section that it has no suites built in."""
    directory, how = pathlib.Path(argv[0]), argv[1]
    lines = splats.text_lines((directory / "console.log").read_bytes())
    begin = next((i for i, line in enumerate(lines) if "mmun-guest: kunit" in line), len(lines))
    end = next((i for i, line in enumerate(lines) if i > begin and "mmun-guest: cleanup" in line),
               len(lines))
    report = directory / "kunit.txt"
    with open(report, "w", encoding="utf-8") as output:
        totals = verdict.read_kunit(lines[begin:end], output)
    printed = report.read_text().splitlines()
    if not totals.passed:
        # Not every kernel has every suite.
        why = [found[0] for line in lines if (found := re.search("no case matches .*", line))]
        if why or not totals.failed:
            printed = why[:1] or ["kunit: no case ran"]
            totals.failed = 1
            how = "full"
    if how == "full":
        print("\n".join(printed))
    elif totals.failed:
        bad = re.compile("FAILED|CRASHED|ERROR|# .*(EXPECT|ASSERT|Expected)")
        print("\n".join([line for line in printed if bad.search(line)][:40]))
    all_of_it = verdict.Totals.read(directory / "totals")
    all_of_it += totals
    all_of_it.write(directory / "totals")
    return host.FAILED if totals.failed else 0


def scan(argv: list[str]) -> int:
    """Fails if it finds a line."""
    if len(argv) != 1 or not os.access(argv[0], os.R_OK):
        host.die("usage: scan-log FILE")
    found = splats.splats_of(pathlib.Path(argv[0]))
    print("\n".join(found), end="\n" if found else "")
    return host.FAILED if found else 0


COMMANDS = {"dropin": dropin.main, "evidence": evidence.main, "guest": guest.main, "tree": tree, "kunit": kunit, "hmm": hmm.main,
            "kernel": kernels.main, "kunit-table": cases.main, "litmus": litmus.main,
            "matrix": matrix.main, "mutants": mutants.main,
            "splats": scan, "times": times.main,
            "variables": variables.main}


def main(argv: list[str]) -> int:
    """Run one of them."""
    if not argv or argv[0] not in COMMANDS:
        print(__doc__, file=sys.stderr)
        return host.UNABLE
    try:
        return COMMANDS[argv[0]](argv[1:])
    except KeyboardInterrupt:
        return host.UNABLE
