# SPDX-License-Identifier: GPL-2.0-only
"""times FILE SECONDS: a table of where the time went.

timed() in scripts/lib.sh left a line for each step: depth, wall seconds, processor
milliseconds, name. A step includes those inside of it. Steps can run beside
each other, so all of them together took SECONDS.
"""

import pathlib
from typing import Iterable, Iterator


def table(lines: Iterable[str], seconds: int) -> Iterator[str]:
    """The lines of the table. A step ends after those inside it, and is printed before them."""
    def row(name: str, wall: int, processor: float) -> str:
        return f"  {name:<42} {wall:6} s {processor:8.0f} s"

    yield "where the time went                              wall   processor"
    inside, total = [], 0.0
    for line in lines:
        depth, wall, processor, name = line.rstrip("\n").split(" ", 3)
        text = row("  " * int(depth) + name, int(wall), int(processor) / 1000)
        if int(depth):
            inside.append(text)
            continue
        yield text
        yield from inside
        inside, total = [], total + int(processor) / 1000
    yield row("all", seconds, total)


def main(argv: list[str]) -> int:
    """Print the table."""
    path, seconds = argv
    with open(pathlib.Path(path), encoding="utf-8") as file:
        for line in table(file, int(seconds)):
            print(line)
    return 0
