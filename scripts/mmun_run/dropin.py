# SPDX-License-Identifier: GPL-2.0-only
"""Each file of the kernel that subscribes to its notifier, compiled as it is and with the line.

  dropin DIR VERSION...

DIR/VERSION is a build directory of that kernel, with a configuration: its source is where its
link "source" points. The moved copies go to DIR/VERSION.moved, and the page to DIR/dropin.rst,
which must be Documentation/dropin.rst. TAP on stdout. Exit code 1: a file that should move did
not, or a "no" of the table has no sentence in scripts/dropin-reasons.
"""

import concurrent.futures
import dataclasses
import fnmatch
import os
import pathlib
import re
import shlex
import subprocess

from .host import FAILED, SCRIPTS, TOP, die, say

LINE = "#include <linux/mmun_dropin.h>"
HEADER = TOP / "include/linux/mmun_dropin.h"
PAGE = TOP / "Documentation/dropin.rst"
REASONS = SCRIPTS / "dropin-reasons"
# A subscriber needs one of these. The functions that raise events stay the kernel's.
SUBSCRIBES = (r"\b(__)?mmu_notifier_(register|get|get_locked|ops)\b|"
              r"\bmmu_interval_(notifier_insert|notifier_insert_locked|notifier_ops|read_begin)\b|"
              r"\bhmm_range_fault\b")
TYPES = r"struct (mmu_notifier|mmu_interval_notifier|hmm_range)\b"
STAYED = re.compile(r" U ((?:__)?mmu_notifier_(?:register|get_locked|put|unregister\w*|synchronize|call_srcu)"
                    r"|mmu_interval_\w+|hmm_range_fault)$", re.M)
# kbuild compiles these for another directory's module, and knows them by this path only.
ELSEWHERE = {"drivers/gpu/drm/amd/amdkfd/": "drivers/gpu/drm/amd/amdgpu/../amdkfd/"}
GUARDED = re.compile(r"^#pragma GCC poison (\w+)\s*/\* <(\S+)> \*/$", re.M)


@dataclasses.dataclass
class Row:
    """One file of one kernel."""
    path: str
    unchanged: bool = False
    moved: bool = False
    error: str = ""
    reason: str = ""

    def bad(self) -> str:
        """Why this is no result, or ""."""
        if self.moved and self.reason:
            return "it moves, but scripts/dropin-reasons has a sentence why it does not"
        if not self.moved and not self.reason:
            return "scripts/dropin-reasons has no sentence why it does not move"
        return ""


def grep(source: pathlib.Path, pattern: str, *what: str) -> list[str]:
    """The files of the source that match it, sorted."""
    found = subprocess.run(["grep", "-rlE", pattern, *what], cwd=source, text=True,
                           check=False, stdout=subprocess.PIPE).stdout
    return sorted(found.split())


def subscribers(source: pathlib.Path) -> list[str]:
    """All but the core itself."""
    return grep(source, SUBSCRIBES, "--include=*.c", "arch", "drivers", "fs", "kernel", "lib",
                "net", "samples", "sound", "virt")


def guarded() -> dict[str, str]:
    """The headers that cannot come after the line, and their guards."""
    return {header: guard for guard, header in GUARDED.findall(HEADER.read_text())}


def reasons(text: str, version: str) -> dict[str, str]:
    """Lines "PATTERN VERSION|* SENTENCE"."""
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            pattern, kernels, sentence = line.split(None, 2)
            if fnmatch.fnmatch(version, kernels):
                found[pattern] = sentence
    return found


def target(path: str) -> str:
    """The name of the file's object, for make."""
    for here, there in ELSEWHERE.items():
        path = path.replace(here, there)
    return path[:-2] + ".o"


def command_of(text: str) -> tuple[list[str], list[str]]:
    """From a .cmd file of kbuild: the compiler and its flags, without the output and the
    source, and the headers."""
    command = re.search(r"^(?:saved)?cmd_\S+ := (.*)$", text, re.M)
    if not command:
        return [], []
    words, flags = shlex.split(command[1].split(" ; ")[0]), []
    skip = False
    for word in words[:-1]:
        if not skip and word not in ("-c", "-o") and not word.startswith("-Wp,-MMD"):
            flags.append(word)
        skip = word == "-o"
    deps = re.search(r"^deps_\S+ := \\\n((?:.*\\\n)*.*)$", text, re.M)
    return flags, re.findall(r"[^\s\\]+\.h", deps[1] if deps else "")


def placed(text: str, inserted: list[str], first: bool) -> str | None:
    """The source with the lines: after the kernel's headers and before the driver's own, or
    before all headers. None: its own headers come first."""
    lines, depth, place = text.split("\n"), 0, None
    for number, line in enumerate(lines):
        if re.match(r"\s*#\s*if", line):
            depth += 1
        elif re.match(r"\s*#\s*endif", line):
            depth -= 1
        if re.match(r'\s*#\s*include\s*"', line) or \
                first and re.match(r"\s*#\s*include", line):
            if place is None and first:
                place = number
            break
        if not first and depth == 0 and re.match(r"\s*#\s*(include\s*<|endif)", line):
            if place is not None or "include" in line:
                place = number + 1
    if place is None:
        return None
    return "\n".join(lines[:place] + inserted + lines[place:])


class Kernel:
    """A configured kernel."""

    def __init__(self, directory: pathlib.Path, version: str):
        self.version = version
        self.build = directory / version
        self.source = (self.build / "source").resolve()
        self.work = directory / f"{version}.moved"
        self.work.mkdir(parents=True, exist_ok=True)

    def make(self, objects: list[str]) -> None:
        """Each that this configuration has. Which were made is seen by the files."""
        with open(f"{self.build}.log", "w", encoding="utf-8") as log:
            subprocess.run(["make", "-k", f"-j{os.cpu_count()}", *objects], cwd=self.build,
                           stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)

    def compile(self, flags: list[str], path: str, source: str, name: str) -> str:
        """"" or the first error. @path: where its own headers are; it is not read."""
        copy = self.work / name.replace("/", "_")
        copy.write_text(source, encoding="utf-8")
        own = self.source / os.path.dirname(path)
        done = subprocess.run([*flags, f"-iquote{own}", f"-I{TOP}/include", f"-I{TOP}/include/uapi",
                               "-c", "-o", copy.with_suffix(".o"), copy], cwd=self.build,
                              text=True, check=False, stderr=subprocess.PIPE)
        if not done.returncode:
            return ""
        found = re.search(r"^.*error: .*$", done.stderr, re.M)
        return found[0].replace(f"{self.source}/", "").replace(f"{self.work}/", "") if found \
            else f"the compiler ended with {done.returncode}"

    def flags_of(self, path: str) -> tuple[list[str], list[str]]:
        """As command_of()."""
        cmd = self.build / os.path.dirname(path) / f".{os.path.basename(path)[:-2]}.o.cmd"
        return command_of(cmd.read_text(encoding="utf-8")) if cmd.exists() else ([], [])

    def move(self, row: Row) -> None:
        """With the line, after the kernel's headers or, if that is not possible, first."""
        flags, headers = self.flags_of(row.path)
        text = (self.source / row.path).read_text(encoding="utf-8")
        used = [header for header in guarded() if any(h.endswith("/" + header) for h in headers)]
        inserted = [f"#include <{header}>" for header in used] + [LINE]
        for first in False, True:
            source = placed(text, inserted, first)
            if source is None:
                continue
            row.error = self.compile(flags, row.path, source, row.path)
            if row.error:
                continue
            symbols = subprocess.run(["nm", "-u", self.work / (row.path.replace("/", "_")[:-2] + ".o")],
                                     text=True, check=False, stdout=subprocess.PIPE).stdout
            stayed = STAYED.findall(symbols)
            row.error = f"it still calls {', '.join(stayed)}" if stayed else ""
            row.moved = not stayed
            if row.moved:
                return

    def rows(self) -> list[Row]:
        """All files."""
        found = [Row(path) for path in subscribers(self.source)]
        say(f"Linux {self.version}: compiling {len(found)} files as they are ...")
        self.make([target(row.path) for row in found])
        for row in found:
            row.unchanged = (self.build / (row.path[:-2] + ".o")).exists()
        say(f"Linux {self.version}: compiling them with the line ...")
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(self.move, [row for row in found if row.unchanged]))
        sentences = reasons(REASONS.read_text(encoding="utf-8"), self.version)
        for row in found:
            row.reason = next((sentence for pattern, sentence in sentences.items()
                               if fnmatch.fnmatch(row.path, pattern)), "")
        return found

    def headers(self, path: str) -> list[tuple[str, str]]:
        """The headers of the kernel and the drop-in: each claim, and what is wrong or ""."""
        flags, _ = self.flags_of(path)
        results = []
        for header in guarded():
            if not (self.source / "include" / header).exists():
                continue
            include, name = f"#include <{header}>", header.replace("/", "_")
            error = self.compile(flags, path, f"{include}\n{LINE}\n", f"before_{name}.c")
            results.append((f"<{header}> can come before the line", error))
            error = self.compile(flags, path, f"{LINE}\n{include}\n", f"after_{name}.c")
            results.append((f"<{header}> cannot come after the line",
                            "" if "poisoned" in error else error or "it compiles"))
        self.compile([*flags, "-MD", "-MF", str(self.work / "line.d")], path, f"{LINE}\n", "line.c")
        known = (self.work / "line.d").read_text(encoding="utf-8")
        missing = [header for header in grep(self.source, TYPES, "--include=*.h", "include")
                   if header.removeprefix("include/") not in guarded() and header not in known]
        results.append(("every header that has such a type is known to the drop-in", ", ".join(missing)))
        return results


def page(tables: dict[str, list[Row]]) -> str:
    """Documentation/dropin.rst."""
    lines = [".. SPDX-License-Identifier: GPL-2.0-only", "",
             ".. Printed by make check-dropin.", "",
             "The files of the kernel that move", "=================================", "",
             "Each file of the kernel that subscribes to its notifier, compiled as it is and with the",
             "line (moving.rst), by ``make check-dropin``. \"Unchanged\" says whether the configuration",
             "``allmodconfig`` of x86 compiles it. A file that moves is compiled without an error, and",
             "calls none of the kernel's functions that mmun has.", ""]
    for version, rows in tables.items():
        title = f"Linux {version}: {sum(row.moved for row in rows)} of {len(rows)} files"
        lines += [title, "-" * len(title), "", ".. list-table::", "   :header-rows: 1",
                  "   :widths: 50 10 10 30", "", "   * - file", "     - unchanged", "     - moved",
                  "     - why not"]
        for row in rows:
            lines += [f"   * - {row.path}", f"     - {'yes' if row.unchanged else 'no'}",
                      f"     - {'yes' if row.moved else 'no'}", f"     - {row.reason}".rstrip()]
        lines.append("")
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """Each kernel."""
    if len(argv) < 2:
        die("usage: dropin DIR VERSION...")
    directory, tables, number, failed = pathlib.Path(argv[0]), {}, 0, 0
    print("TAP version 13", flush=True)

    def tell(what: str, bad: str, error: str = "") -> None:
        nonlocal number, failed
        number += 1
        failed += bool(bad)
        for line in filter(None, (bad and error, bad)):
            print(f"# {line}")
        print(f"{'not ' if bad else ''}ok {number} {what}", flush=True)

    for version in argv[1:]:
        kernel = Kernel(directory, version)
        rows = tables[version] = kernel.rows()
        for row in rows:
            tell(f"{version} {row.path}: {'moved' if row.moved else 'not moved'}", row.bad(), row.error)
        made = [row.path for row in rows if row.unchanged]
        if not made:
            die(f"no file of Linux {version} was compiled; {version}.log says why.")
        for what, bad in kernel.headers(made[0]):
            tell(f"{version} {what}", bad)
    text = page(tables)
    (directory / "dropin.rst").write_text(text, encoding="utf-8")
    if set(re.findall(r"^Linux (\S+):", PAGE.read_text(encoding="utf-8"), re.M)
           if PAGE.exists() else ()) <= set(tables):
        same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
        tell("Documentation/dropin.rst is what this run prints", "" if same else
             "it differs from dropin.rst in the cache")
    print(f"1..{number}")
    return FAILED if failed else 0
