# SPDX-License-Identifier: GPL-2.0-only
"""hmm [-b] RESULTS TOTALS

Compare two runs of upstream's hmm-tests, test by test. RESULTS is what the guest
sent: the program's lines begin with "kernel| " in the run on the kernel's own core
and with "mmun| " in the one on mmun. Prints both columns and the verdict; with -b
only what is not the same and good. Adds to the counts in TOTALS, which the guest's
own suites left there, and fails if something failed:

- a test that passes on the kernel and does not pass on mmun;
- a test that is in one column only, fewer tests than were planned, an empty column;
- no test that passed in both.

A test that fails in both columns says nothing of mmun: it counts as skipped.
"""

import pathlib
import re

from . import host, verdict

COLUMNS = ("kernel", "mmun")
# Before Linux 6.10 a skipped test has no name here, only where it begins.
RESULT = re.compile(r"(not ok|ok) \d+ (?:# (SKIP)|([^#\s]\S*))(?:\s+# ?(SKIP)\b)?\s*(.*)$")
LOST = "lost"


class Column:
    """The results of one run."""

    def __init__(self):
        self.planned = None
        self.results = {}
        self.reasons = {}
        self.running = None

    def read(self, line):
        plan = re.fullmatch(r"1\.\.(\d+)", line)
        begun = re.match(r"# +RUN +(\S+) \.\.\.", line)
        result = RESULT.match(line)
        if plan:
            self.planned = int(plan[1])
        elif begun:
            self.running = begun[1]
            self.reasons[self.running] = []
        elif result:
            outcome, early, name, late, reason = result.groups()
            self.add(outcome, name or self.running or "?", early or late, reason)
        elif self.running and not re.match(r"# +(OK|FAIL|SKIP) ", line):
            self.reasons[self.running].append(re.sub(r"\S*/(?=hmm-tests\.c:)", "", line))

    def add(self, outcome, name, skipped, reason):
        if outcome == "not ok":
            self.results[name] = "FAIL"
        elif skipped:
            self.results[name] = "skip"
            self.reasons.setdefault(name, []).append(reason)
        else:
            self.results[name] = "ok"
        self.running = None

    def faults(self, who):
        if self.planned is None and not self.results:
            return [f"{who}: the column is empty"]
        if self.planned != len(self.results):
            return [f"{who}: {len(self.results)} of {self.planned} planned tests reported"]
        if not self.results:
            return [f"{who}: the column is empty"]
        return []

    def result(self, name):
        return self.results.get(name, LOST)


def pair_verdict(kernel, mmun):
    """Return the count for a pair of results, and the words for it."""
    if LOST in (kernel, mmun):
        return "failed", "LOST"
    if mmun == "ok":
        return "passed", "passes" if kernel == "ok" else "passes, on mmun only"
    if kernel == "ok" or kernel != mmun:
        return "failed", "FAILS"
    if mmun == "skip":
        return "skipped", "skipped"
    return "skipped", "both fail"


def main(argv):
    """Print both columns and the verdict."""
    brief = argv[0] == "-b"
    results, totals = map(pathlib.Path, argv[brief:])
    columns = {who: Column() for who in COLUMNS}
    with open(results, errors="replace", encoding="utf-8") as file:
        for line in file:
            who, bar, text = line.strip().partition("| ")
            if bar and who in columns:
                columns[who].read(text)

    names = list(dict.fromkeys(n for who in COLUMNS for n in columns[who].results))
    # One that was running when the guest or the program was lost has no result.
    names += [c.running for c in columns.values()
              if c.running and c.running not in names]
    names = list(dict.fromkeys(names))
    count = {"passed": 0, "failed": 0, "skipped": 0}
    width = max(map(len, names), default=4)
    rows = []
    for name in names:
        pair = [columns[who].result(name) for who in COLUMNS]
        which, words = pair_verdict(*pair)
        count[which] += 1
        if brief and which != "failed" and "FAIL" not in pair:
            continue
        rows.append(f"{name:{width}}  {pair[0]:6}  {pair[1]:6}  {words}")
        for who in COLUMNS:
            if columns[who].result(name) != "ok":
                rows += [f"    {who}: {line}" for line in columns[who].reasons.get(name, [])]
    if rows:
        print(f"{'test':{width}}  kernel  mmun    verdict")
    for row in rows:
        print(row)
    faults = [fault for who in COLUMNS for fault in columns[who].faults(who)]
    if not count["passed"]:
        faults.append("no test passed")
    for fault in faults:
        print(fault)

    count["failed"] += len(faults)
    found = verdict.Totals.read(totals)
    found += verdict.Totals(**count)
    found.write(totals)
    return host.FAILED if count["failed"] else 0
