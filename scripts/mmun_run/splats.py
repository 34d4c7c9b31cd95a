# SPDX-License-Identifier: GPL-2.0-only
"""The lines of a kernel log that must not be there.

scripts/golden has logs that splats() must flag, and logs that it must pass.
"""

import pathlib
import re
from typing import Iterable, Iterator

# "WARNING" alone is not in the list: boot logs advise on speculation with it.
BAD = re.compile("|".join((
    r"BUG:|BUG [a-z0-9_-]+|kernel BUG at|Oops|Kernel panic|cut here|Call Trace:",
    r"WARNING: (CPU|.* at |possible|suspicious|inconsistent|lock|bad unlock|held|nested|Nested)",
    r"general protection fault|invalid opcode|stack-protector|Unable to handle kernel",
    r"K[AC]SAN|KMSAN|KFENCE:|UBSAN|ODEBUG:|DEBUG_LOCKS_WARN_ON",
    r"possible (circular|recursive|irq lock|deadlock)|inconsistent lock state",
    r"INFO: (possible|task .* blocked|trying to register non-static|rcu|lockdep is turned off)",
    r"suspicious RCU usage|sleeping function called|scheduling while atomic",
    r"held lock freed|still has locks held|lock held when returning|bad unlock balance",
    r"blocked for more than|soft lockup|hard LOCKUP|rcu: INFO",
    r"detected (stalls|expedited stalls)|self-detected stall",
    r"unreferenced object|new suspected memory leaks|refcount_t:|list_(add|del) corruption",
    r"Tainted: [A-Z ]*[WDBL]",
    r"printk messages dropped",
    r"mmun[a-z_]*: leaked",
)))
FRAME = re.compile(r"\+0x[0-9a-f]+/0x[0-9a-f]+ \[(mmun|first_driver)")
ANY_FRAME = re.compile(r"\+0x.*/0x")
ACCESS = re.compile(r"(read|write).* to 0x.* of [0-9]* bytes")
STACK_ENDS = re.compile(r"</TASK>|cut here|---\[ end trace")
NOT_THE_CGROUP = re.compile(r" (Out of memory: |.*cut here|BUG: |WARNING: )")


def text_lines(data: bytes) -> list[str]:
    """The lines of a log as a serial port got it."""
    text = data.translate(None, b"\r\0\1").decode(errors="replace")
    return text.removesuffix("\n").split("\n")


def is_ours(line: str) -> bool:
    """A frame of ours; with "?" the kernel only guesses that it was there."""
    return bool(FRAME.search(line)) and " ? " not in line


def _candidates(lines: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Lines that may be bad, and whether one is in any case.

    A report of KCSAN is ours if a function of mmun is one of those that race, or calls the
    helper that does. The kernel's own races are many, and meant. A memory cgroup that
    ran out of memory is what a test asked for, so the stack of the task that met the
    OOM killer is no fault then; it is one otherwise.
    """
    title, depth = "", 0
    oom, stack = 0, []
    trace = False
    for line in lines:
        if "BUG: KCSAN: " in line:
            title = line
            if " [mmun" not in line:
                continue
            title = ""
        if ACCESS.search(line):
            depth = 0
        if title and ANY_FRAME.search(line):
            depth += 1
            if depth <= 3 and "[mmun]" in line:
                yield title, False
                title = ""
        if "Reported by Kernel Concurrency" in line:
            title = ""
        if "invoked oom-killer: " in line:
            oom = 1
        if oom == 1 and "Call Trace:" in line:
            stack, oom = [(line, False)], 2
            continue
        if oom == 2 and is_ours(line):
            stack.append((line, True))
            continue
        if "Memory cgroup out of memory: " in line:
            stack, oom = [], 0
        if oom and NOT_THE_CGROUP.search(line):
            yield from stack
            stack, oom = [], 0
        if "Call Trace:" in line:
            yield line, False
            trace = True
            continue
        if STACK_ENDS.search(line):
            trace = False
        if (trace or "RIP: " in line) and is_ours(line):
            yield line, True
            continue
        yield line, False
    yield from stack


def splats(lines: Iterable[str]) -> list[str]:
    """Every bad line, and of a stack the frames that are ours."""
    return [line for line, surely in _candidates(lines) if surely or BAD.search(line)]


def splats_of(log: pathlib.Path) -> list[str]:
    """The same, of a file."""
    return splats(text_lines(log.read_bytes()))
