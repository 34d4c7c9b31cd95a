# SPDX-License-Identifier: GPL-2.0-only
"""The lockless protocols under the kernel's memory model.

  litmus HERD LIBRARY MODEL WORK [NAME...]

HERD is the program herd7, LIBRARY the directory of its models, MODEL that of
linux-kernel.cfg, WORK a directory for the files that herd reads. A NAME chooses the files litmus/NAME*.litmus.
litmus/README.md explains the files: each is run as it is, and once more with each fault
that its head lists. TAP on stdout. Exit code 1: herd did not say what the file expects.
"""

import concurrent.futures
import dataclasses
import os
import pathlib
import re
import signal
import subprocess

from .host import FAILED, TOP, die

DIRECTORY = TOP / "litmus"
NAME = re.compile(r"\[([A-Z]\d+)\]")
FAULT = re.compile(r"([A-Z]\d+), (.+?)(?: \(mutants? ([\d, ]+)\))?: (Never|Sometimes)$")
CODED = re.compile(r"As coded: (Never)$")
OBSERVATION = re.compile(r"^Observation \S+ (\w+) (\d+) (\d+)$", re.M)


class Wrong(Exception):
    """A file is not as litmus/README.md has it."""


@dataclasses.dataclass
class Fault:
    """One change of the protocol: which lines go, and what comes in the place of each."""
    name: str
    what: str
    mutants: list[str]
    expected: str
    reason: str
    edits: list[tuple[str, list[str]]]


@dataclasses.dataclass
class Protocol:
    """A file: its text without the head, and the faults that the head lists."""
    title: str
    body: str
    faults: list[Fault]

    def names(self) -> set[str]:
        """The names of barriers at the steps."""
        return set(NAME.findall(self.body))


def squeezed(line: str) -> str:
    """Without the spaces: in the head one must stand between "(" and "*"."""
    return "".join(line.split())


def parse(title: str, text: str) -> Protocol:
    """The head is the comment after the first line."""
    found = re.fullmatch(r"C (\S+)\n\n\(\*\n(.*?)^ \*\)\n(.*)", text, re.M | re.S)
    if not found:
        raise Wrong(f"{title}: no head, which is a comment after the first line")
    if found[1] != title:
        raise Wrong(f"{title}: the first line names it {found[1]}")
    coded, faults = False, []
    for line in found[2].splitlines():
        line = line.removeprefix(" *").strip()
        if CODED.match(line):
            coded = True
        elif head := FAULT.match(line):
            mutants = re.findall(r"\d+", head[3] or "")
            faults.append(Fault(head[1], head[2], mutants, head[4], "", []))
        elif faults and line.startswith("- "):
            faults[-1].edits.append((line[2:], []))
        elif faults and line.startswith("+ ") and faults[-1].edits:
            faults[-1].edits[-1][1].append(line[2:])
        elif faults and line:
            faults[-1].reason += line + " "
    if not coded:
        raise Wrong(f'{title}: the head does not say "As coded: Never"')
    if not any(fault.expected == "Sometimes" for fault in faults):
        raise Wrong(f"{title}: no fault shows that the bad state can be reached")
    protocol = Protocol(title, found[3], faults)
    for fault in faults:
        if fault.name not in protocol.names():
            raise Wrong(f"{title}: the fault {fault.name}, {fault.what} is at no step")
        if fault.expected == "Never" and not fault.reason:
            raise Wrong(f"{title}: no reason why the fault {fault.name}, {fault.what} does no harm")
        weakened(protocol, fault)
    return protocol


def weakened(protocol: Protocol, fault: Fault) -> str:
    """The text with the fault. Each line that goes must stand there once."""
    lines = protocol.body.splitlines()
    for old, new in fault.edits:
        at = [i for i, line in enumerate(lines) if squeezed(line) == squeezed(old)]
        if len(at) != 1:
            raise Wrong(f"{protocol.title}: the fault {fault.name}, {fault.what} changes a line "
                        f"that stands there {len(at)} times: {old}")
        lines[at[0]:at[0] + 1] = ["\t" + line for line in new]
    if not fault.edits:
        raise Wrong(f"{protocol.title}: the fault {fault.name}, {fault.what} changes nothing")
    return "\n".join(lines) + "\n"


def protocols(names: list[str], directory: pathlib.Path = DIRECTORY) -> list[Protocol]:
    """Those whose names begin with one of these; all if there is none."""
    paths = sorted(directory.glob("*.litmus"))
    return [parse(path.stem, path.read_text(encoding="utf-8")) for path in paths
            if not names or any(path.stem.startswith(name) for name in names)]


@dataclasses.dataclass
class Run:
    """One file for herd, and what it must say."""
    path: pathlib.Path
    text: str
    what: str
    expected: str


def runs_of(protocol: Protocol, work: pathlib.Path) -> list[Run]:
    """The protocol as it is, and with each of its faults."""
    def run(suffix, text, what, expected):
        name = protocol.title + suffix
        return Run(work / f"{name}.litmus", f"C {name}\n\n{text}", what, expected)

    found = [run("", protocol.body, protocol.title, "Never")]
    for number, fault in enumerate(protocol.faults, 1):
        mutants = "".join(f", mutant {number}" for number in fault.mutants)
        found.append(run(f"-{number}-{fault.name}", weakened(protocol, fault),
                         f"{protocol.title}: {fault.name}, {fault.what}{mutants}", fault.expected))
    return found


def judge(expected: str, coded: bool, output: str) -> tuple[str, str]:
    """The result, and a reason why it is bad, or none."""
    found = OBSERVATION.search(output)
    if not found:
        return "nothing", "herd gave no result"
    said = found[1]
    if said != expected:
        return said, f"{expected} was expected"
    if int(found[2]) + int(found[3]) == 0:
        return said, "no execution passed the filter"
    # herd looks for plain accesses that race, too.
    flags = re.findall(r"^Flag (.*)$", output, re.M)
    if coded and flags:
        return said, "herd found a " + ", ".join(flags)
    return said, ""


def execute(herd: list[str], model: str, run: Run) -> str:
    """Run herd, and return its output."""
    run.path.write_text(run.text, encoding="utf-8")
    try:
        done = subprocess.run([*herd, "-conf", "linux-kernel.cfg", str(run.path.resolve())], cwd=model,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              text=True, errors="replace")
    except OSError as error:
        return f"herd did not start: {error}\n"
    if done.returncode < 0:
        return f"{done.stdout}herd was killed: {signal.strsignal(-done.returncode)}\n"
    return done.stdout


def main(argv: list[str]) -> int:
    """Run them all."""
    if len(argv) < 4:
        die("usage: litmus HERD LIBRARY MODEL WORK [NAME...]")
    herd, library, model, work = argv[:4]
    names = argv[4:]
    try:
        chosen = protocols(names)
    except Wrong as wrong:
        print(f"# {wrong}")
        print("1..1\nnot ok 1 the files are as litmus/README.md has them")
        return FAILED
    if not chosen:
        die(f"no file litmus/*.litmus has a name that begins with {' or '.join(names)}" if names
            else "there is no file litmus/*.litmus")
    runs = [run for protocol in chosen for run in runs_of(protocol, pathlib.Path(work))]
    print("TAP version 13")
    print(f"1..{len(runs)}", flush=True)
    counts = {"Never": 0, "Sometimes": 0}
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        outputs = pool.map(lambda run: execute([herd, "-set-libdir", library], model, run), runs)
        for number, (run, output) in enumerate(zip(runs, outputs), 1):
            said, bad = judge(run.expected, ":" not in run.what, output)
            if bad:
                print("\n".join("# " + line for line in output.splitlines()[:40]))
                print(f"# {run.path.name}: {bad}")
            else:
                counts[said] += 1
            print(f"{'not ' if bad else ''}ok {number} {run.what}: {said}", flush=True)
    good = sum(counts.values())
    print(f"# litmus: {good} of {len(runs)} as expected; {len(chosen)} as coded, {len(runs) - len(chosen)} "
          f"with a fault; Never {counts['Never']}, Sometimes {counts['Sometimes']}")
    return FAILED if good < len(runs) else 0


# --- lint ---

def check(listed: set[str], drawn: set[str], mutants: dict[str, bool],
          directory: pathlib.Path = DIRECTORY) -> list[str]:
    """The differences between the files and the source. @listed: the names of the list of
    barriers; @drawn: all names in the source; @mutants: their numbers, and whether only a
    weakly ordered machine shows them."""
    try:
        found = protocols([], directory)
    except Wrong as wrong:
        return [f"litmus/{wrong}"]
    bad, reasons = [], {}
    for line in (directory / "unexpressed").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, reason = line.partition(" ")
            reasons[name] = reason.strip()
    stands = {name for protocol in found for name in protocol.names()}
    shown = {fault.name for protocol in found for fault in protocol.faults
             if fault.expected == "Sometimes"}
    for protocol in found:
        for name in sorted(protocol.names() - drawn):
            bad.append(f"litmus/{protocol.title}.litmus has {name}, which the source does not have")
        for fault in protocol.faults:
            for number in fault.mutants:
                if number not in mutants:
                    bad.append(f"litmus/{protocol.title}.litmus has mutant {number}, which there is not")
    for name in sorted(listed - shown - reasons.keys()):
        bad.append(f"{name} has no fault in litmus/ that says Sometimes" if name in stands else
                   f"{name} is in no file of litmus/, and not in litmus/unexpressed")
    for name, reason in sorted(reasons.items()):
        if name not in listed or name in stands:
            bad.append(f"litmus/unexpressed has {name}, which " +
                       ("a file of litmus/ has" if name in stands else "the list of barriers does not have"))
        if not reason:
            bad.append(f"litmus/unexpressed gives no reason for {name}")
    caught = {number for protocol in found for fault in protocol.faults
              if fault.expected == "Sometimes" for number in fault.mutants}
    for number in sorted(number for number, weak in mutants.items() if weak):
        if number not in caught:
            bad.append(f"mutant {number} shows on a weakly ordered machine only, and no fault of "
                       "litmus/ that says Sometimes names it")
    return bad
