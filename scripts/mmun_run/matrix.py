# SPDX-License-Identifier: GPL-2.0-only
"""matrix: each suite on each kernel, as a table.

KERNELS names versions, which stand for Debian's stock kernel, where it can be booted as
it is, and for the test kernel of that version; or one of the two: "7.2-stock",
"7.2-debug"; or another of Debian's images: "6.12-rt-amd64", "6.12-cloud-amd64". For each
it builds, boots, and runs the programs and, on a test kernel, the KUnit suites. One row
a kernel, one column a suite; the KTAP and the logs stay in logs/matrix/ in the cache. A
row can be run alone, and rows side by side with a cache for each.

A cell: how many passed; -N: failed; +Ns: skipped; lost: the guest was; none: the kernel
cannot be had; a dot: not for this kernel.
"""

import os
import re
import shutil
import subprocess
import sys

from . import host, verdict

# Of these there is no stock image with headers.
NO_STOCK = {"6.18"}
# A program's line as a guest prints it.
LINE = re.compile(r"\s*(\S+)\s+(\d+) passed, (\d+) failed, (\d+) skipped")
SELECT = ("SUITE", "CASE", "SEED", "STEPS", "TESTS", "KERNEL", "FLAVOUR")


def order(name: str) -> list:
    """A key that sorts versions as people do."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def rows(kernels: list[str]) -> list[str]:
    """The kernels for the words of KERNELS."""
    found = []
    for word in kernels:
        if word.endswith("-stock"):
            found.append(word.removesuffix("-stock"))
        elif "-" in word:
            found.append(word)
        else:
            found += [f"{word}-debug"] if word in NO_STOCK else [word, f"{word}-debug"]
    return sorted(found, key=order)


class Matrix:
    """The cells, and the sum of them."""

    def __init__(self):
        self.cells: dict[tuple[str, str], str] = {}
        self.columns = ["build", "kunit"]
        self.totals = verdict.Totals()

    def note(self, row: str, column: str, totals: verdict.Totals, word: str = "") -> None:
        """One suite of one kernel."""
        if column not in self.columns:
            self.columns.append(column)
        text = str(totals.passed)
        text += f"-{totals.failed}" if totals.failed else ""
        text += f"+{totals.skipped}s" if totals.skipped else ""
        self.cells[row, column] = word or text
        self.totals += totals

    def programs(self, row: str, printed: str, totals: verdict.Totals | None) -> None:
        """Note the suites that a guest printed. Its oracles' own failures are in no suite's line."""
        failed = 0
        for line in printed.splitlines():
            if line.startswith(row) and (found := LINE.match(line.removeprefix(row))):
                counts = verdict.Totals(*map(int, found.groups()[1:]))
                self.note(row, found[1].removeprefix("t_"), counts)
                failed += counts.failed
        everything = totals.failed if totals else 1
        if everything > failed:
            self.note(row, "guest", verdict.Totals(failed=everything - failed), "lost")

    def table(self, kernels: list[str]) -> list[str]:
        """The lines to print."""
        def cell(row: str, column: str) -> str:
            return self.cells.get((row, column), ".")

        widths = [max(len(c), *(len(cell(k, c)) for k in kernels)) for c in self.columns]
        lines = [f"{'kernel':<16}" + "".join(f" {c:>{w}}" for c, w in zip(self.columns, widths))]
        for k in kernels:
            lines.append(f"{k:<16}" + "".join(f" {cell(k, c):>{w}}" for c, w in zip(self.columns, widths)))
        return lines


PREPARE = '(prepare "$1") 2> >(tee "$2" >&2)'
BUILD = """
use_kernel "$1"
code=0
build_or_show "$1" quick || code=1
cp "$CACHE/build/$1/log" "$2/build.txt"
is_test_kernel "$1" && echo test || echo stock
echo "$K_IMAGE"
exit $code
"""


def run_row(matrix: Matrix, row: str) -> None:
    """Build for one kernel, and run everything on it."""
    cache = host.cache()
    logs = cache / "logs" / "matrix" / row
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    # One that cannot be had ends its own row only.
    if host.bash(PREPARE, row, logs / "prepare.txt").returncode:
        matrix.note(row, "build", verdict.Totals(failed=1), "none")
        return
    built = host.bash(BUILD, row, logs, stdout=subprocess.PIPE)
    if len(answer := built.stdout.splitlines()) < 2:
        sys.exit(host.UNABLE)
    kind, image = answer[-2:]
    code = int(built.returncode != 0)
    matrix.note(row, "build", verdict.Totals(1 - code, code))
    initramfs = cache / "build" / row / "initramfs"
    if not initramfs.is_file() or not initramfs.stat().st_size:
        return
    if kind == "test":
        run_kunit(matrix, row, logs)
    out = logs / "programs"
    host.say(f"booting Linux {row} ...")
    command = [host.SCRIPTS / "guest", "-l", row, "-t", "3600", "-k", image, "-i", initramfs, "-o", out]
    with open(logs / "programs.txt", "wb") as printed:
        guest = subprocess.run(command + ["MMUN_LIMIT=900"] * (kind == "test"), check=False,
                               stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.STDOUT)
    text = (logs / "programs.txt").read_text(errors="replace")
    if guest.returncode == host.UNABLE:
        sys.stderr.write(text)
        sys.exit(host.UNABLE)
    matrix.programs(row, text, read_totals(out / "totals"))
    # The failures, and the lines of the kernel's log.
    for line in text.splitlines():
        if " passed, 0 failed" not in line:
            print(line, flush=True)


def read_totals(path) -> verdict.Totals | None:
    """Nothing, if the run did not leave them."""
    try:
        return verdict.Totals.read(path)
    except (OSError, TypeError, ValueError):
        return None


def run_kunit(matrix: Matrix, row: str, logs) -> None:
    """The KUnit suites of one kernel."""
    where = host.cache() / "logs" / f"{row}-kunit"
    (where / "totals").unlink(missing_ok=True)
    with open(logs / "kunit.txt", "wb") as printed:
        code = subprocess.run([host.SCRIPTS / "kunit", row], check=False, stdout=printed).returncode
    if code == host.UNABLE:
        sys.exit(host.UNABLE)
    if where.is_dir():
        shutil.copytree(where, logs / "kunit")
    totals = read_totals(where / "totals") or verdict.Totals(failed=1)
    if code and not totals.failed:
        totals.failed = 1
    matrix.note(row, "kunit", totals)
    if code:
        sys.stdout.write((logs / "kunit.txt").read_text(errors="replace"))


def main(_argv: list[str]) -> int:
    """Run all rows."""
    for name in SELECT:
        os.environ.pop(name, None)
    lock = host.lock_cache()
    os.environ["MMUN_LOCKED"] = "1"
    words = os.environ.get("KERNELS")
    if not words:
        words = host.bash('echo "$STOCK $ARCHIVE $VARIANTS"', stdout=subprocess.PIPE).stdout
    kernels, matrix = rows(words.split()), Matrix()
    for row in kernels:
        run_row(matrix, row)
    print()
    print("\n".join(matrix.table(kernels)))
    host.say(f"the logs and the KTAP are in logs/matrix/ in the cache, {host.cache()}")
    print(matrix.totals.sentence())
    lock.close()
    return host.FAILED if matrix.totals.failed or not matrix.totals.passed else 0
