# SPDX-License-Identifier: GPL-2.0-only
"""variables: the variables that the tree reads from its environment, and the table of them in
Documentation/testing.rst. Prints those that only one of both has.

Scripts of bash run with "set -u", so they read a variable that may be missing as ${NAME:-}
or alike. The kernel's command line has those that begin with MMUN_ and that the guest reads.
"""

import pathlib
import re
from typing import Iterator

from . import host

PLACES = ("scripts", "test", "bench", "tools", "Documentation", ".ci")
TABLE = re.compile(r"^   \* - ``([A-Z][A-Z0-9_]*)``$", re.M)
READS = {
    "sh": (r"\$\{([A-Z][A-Z0-9_]*):?[-=+?]", r"\$\{?(MMUN_[A-Z_]+)"),
    "c": (r"\bgetenv\(\"([A-Z_]+)\"\)",),
    "py": (r"environ(?:\.get\(|\[)[\"']([A-Z_]+)[\"']", r"[\"']([A-Z_]+)[\"'] (?:not )?in os\.environ"),
    "make": (r"^([A-Z_]+) \?=", r"\$\(((?:MMUN_|SIGN_)[A-Z_]+|MUTANTS|DESTDIR)\)"),
}
# Those of the C compiler and of the shell are nobody's to explain.
OTHERS = {"CFLAGS", "HOME", "LC_ALL"}


def language(path: pathlib.Path) -> str:
    """The key in READS; nothing for a file that reads no variable."""
    if path.suffix in (".c", ".h"):
        return "c"
    if path.suffix == ".py":
        return "py"
    if path.suffix in ("", ".sh"):
        first = path.read_bytes()[:200]
        if b"python" in first.split(b"\n")[0]:
            return "py"
        if first.startswith(b"#!") or b"shellcheck shell=" in first:
            return "sh"
    return ""


def sources(top: pathlib.Path) -> Iterator[tuple[pathlib.Path, str]]:
    """The files that may read one."""
    for place in PLACES:
        for path in sorted((top / place).rglob("*")):
            if path.is_file() and "golden" not in path.parts and "tests" not in path.parts:
                if key := language(path):
                    yield path, key
    for path in (top / "Makefile", *sorted(top.glob("Kbuild*")), *sorted(top.glob("*/Kbuild"))):
        yield path, "make"


def read_by(top: pathlib.Path) -> dict[str, set[str]]:
    """Name, and the files that read it."""
    found: dict[str, set[str]] = {}
    for path, key in sources(top):
        text = path.read_text(encoding="utf-8", errors="replace")
        if key == "sh":
            text = re.sub(r"^\s*#.*", "", text, flags=re.M)
        for pattern in READS[key]:
            for name in re.findall(pattern, text, re.M):
                if name not in OTHERS:
                    found.setdefault(name, set()).add(str(path.relative_to(top)))
    return found


def differences(top: pathlib.Path) -> list[str]:
    """A sentence for each that the table lacks, and for each that no file reads."""
    table = TABLE.findall((top / "Documentation" / "testing.rst").read_text(encoding="utf-8"))
    read = read_by(top)
    return [f"{name} is not in the table; {', '.join(sorted(read[name]))} reads it"
            for name in sorted(read.keys() - set(table))] + \
        [f"{name} is in the table, and nothing reads it" for name in sorted(set(table) - read.keys())] + \
        [f"{name} is in the table twice" for name in sorted(set(table)) if table.count(name) > 1]


def main(_argv: list[str]) -> int:
    """Print the differences."""
    found = differences(host.TOP)
    for line in found:
        print(line)
    return host.FAILED if found else 0
