# SPDX-License-Identifier: GPL-2.0-only
"""Do the suites notice a fault? Each entry of kunit/mutants.txt is one small mistake.

  mutants [-n | --check | --list | --diff] [--for FUNCTION] [NN...]

runs the mutants whose names begin with NN, or all of them.

  -n              only build them
  --check         only say which entries of the table do not apply to this tree
  --list          only list number, name, promises and functions
  --diff          only print what they change in this tree
  --for FUNCTION  only those that change this function

KERNEL and FLAVOUR say where to run (6.12, debug), JOBS how many guests run at once.
The head of kunit/mutants.txt explains the table.

One mutant at a time is applied to a copy of the tree, built, and run through the KUnit
suites; a case that fails, a splat or a hang must catch it. The cases of the first
promise that it breaks run first, and all cases if those pass.

A guest boots slowly, so it runs several mutants, one after the other. The program gives
a guest up when a mutant was caught and does not come to its end, or leaves a task
behind. A splat or a hang after another mutant of the same guest had failed may belong to
that one, so the program runs such a mutant again, in a new guest. The tree without a
fault runs first and must pass, or the results would mean nothing. Logs go to
logs/mutants/ in the cache.
"""

import argparse
import concurrent.futures
import difflib
import filecmp
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

from . import splats
from .host import TOP, bash, cache, die, lock_cache, say

TABLE = TOP / "kunit" / "mutants.txt"
FIELDS = ("promise", "arch", "needs", "fault")
PROMISES = 22
CPUS = len(os.sched_getaffinity(0))
BATCH = 8
GRACE = 30  # seconds for a mutant that was caught to come to its end


# --- C sources ---

COMMENT = re.compile(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.)*", re.M | re.S)
MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)(?:[^\n\\]|\\.)*", re.M | re.S)
TOKEN = re.compile(r"""\w+|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\S""")
ATTRIBUTES = {"__attribute__", "__aligned", "__printf"}


def blank(text):
    """As long as text, with spaces in place of everything but the line ends."""
    return re.sub(r"[^\n]", " ", text)


def without_comments(text):
    return COMMENT.sub(lambda m: blank(m[0]) if m[0][0] == "/" else m[0], text)


class Place:
    """One definition: where it stands in which file."""

    def __init__(self, kind, name, path, start, end):
        self.kind, self.name, self.path = kind, name, path
        self.start, self.end = start, end


def name_of(head):
    """The kind and the name of a definition, from what stands before its brace."""
    if "=" in head:
        found = re.search(r"(\w+)\s*(?:\[[^]]*\]\s*)*=", head)
        return ("table", found[1]) if found else None
    for found in re.finditer(r"(\w+)\s*\(", head):
        if found[1] not in ATTRIBUTES:
            return "function", found[1]
    found = re.search(r"\b(?:struct|union|enum)\s+(\w+)", head)
    return ("struct", found[1]) if found else None


def places(path, text):
    """Every definition of a file that has braces, and every macro."""
    code = without_comments(text)
    for found in MACRO.finditer(code):
        yield Place("macro", found[1], path, found.start(), found.end())
    code = DIRECTIVE.sub(lambda m: blank(m[0]), code)
    code = COMMENT.sub(lambda m: blank(m[0]), code)
    start = depth = parens = 0
    named = None
    for found in re.finditer(r"[{}();]", code):
        sign, at = found[0], found.start()
        if sign == "{":
            if depth == 0:
                named = name_of(code[start:at])
            depth += 1
        elif sign == "}":
            depth -= 1
        elif depth == 0 and sign in "()":
            parens += 1 if sign == "(" else -1
        if depth or parens or sign not in "};":
            continue
        # The brace ends a function; the semicolon ends all else.
        if sign == "}" and (not named or named[0] != "function"):
            continue
        if named:
            start += len(code[start:at]) - len(code[start:at].lstrip())
            yield Place(*named, path, start, found.end())
        start, named = found.end(), None


class Sources:
    """The sources of the core."""

    def __init__(self, texts):
        self.texts = texts
        self.codes = {path: without_comments(text) for path, text in texts.items()}
        self.places = {}
        for path, text in texts.items():
            for place in places(path, text):
                self.places.setdefault((place.kind, place.name), []).append(place)

    @classmethod
    def read(cls, top):
        files = [*top.glob("mmun_*.[ch]"), *top.glob("include/linux/mmun_*.h")]
        return cls({str(f.relative_to(top)): f.read_text() for f in sorted(files)
                    if not f.name.endswith(".mod.c")})

    def find(self, kind, name):
        found = self.places.get((kind, name), [])
        if not found:
            raise Fault(f"{name}: {kind} not found")
        if len(found) > 1:
            raise Fault(f"{name}: {kind} found twice ({', '.join(p.path for p in found)})")
        return found[0]


# --- the table ---

class Fault(Exception):
    """Why an entry of the table does not apply."""


class Edit:
    """The change of an entry in one place: signs and lines."""

    def __init__(self, kind, name, remove=False):
        self.kind, self.name, self.remove = kind, name, remove
        self.lines = []

    def runs(self):
        """Neighbouring lines of one sign, as pairs: the sign, and the lines."""
        runs = []
        for sign, line in self.lines:
            if not runs or runs[-1][0] != sign:
                runs.append((sign, []))
            runs[-1][1].append(line)
        return runs

    def pattern(self):
        """Matches the old lines, whatever their spaces, line breaks and comments are."""
        parts = []
        for sign, lines in self.runs():
            tokens = TOKEN.findall(without_comments("\n".join(lines)))
            if sign == "+" or not tokens:
                continue
            part = re.escape(tokens[0])
            for left, right in zip(tokens, tokens[1:]):
                words = re.match(r"\w", left[-1]) and re.match(r"\w", right[0])
                part += (r"[\s\\]+" if words else r"[\s\\]*") + re.escape(right)
            parts.append(r"(^[ \t]*" + part + r"[ \t\\]*(?:\n|\Z))")
        return re.compile(r"(?:[ \t\\]*\n)*".join(parts), re.M)

    def changes(self, sources):
        """Yields (path, start, end, new text)."""
        place = sources.find(self.kind, self.name)
        text, code = sources.texts[place.path], sources.codes[place.path]
        if self.remove:
            above = re.search(r"/\*(?:(?!\*/).)*\*/\s*\Z", text[:place.start], re.S)
            yield place.path, above.start() if above else place.start, place.end, ""
            return
        end = code.find("\n", place.end) + 1 or len(code)
        pattern = self.pattern()
        found = pattern.search(code, place.start - len(code[:place.start].rpartition("\n")[2]), end)
        if not found:
            raise Fault(f"{self.name}: lines not found: {self.old()}")
        if pattern.search(code, found.start() + 1, end):
            raise Fault(f"{self.name}: lines found twice: {self.old()}")
        number, at = 0, found.start()
        for sign, lines in self.runs():
            if sign == "+":
                if self.kind == "macro":
                    lines = [line.rstrip(" \t\\") + " \\" for line in lines]
                yield place.path, at, at, "".join(line + "\n" for line in lines)
            elif TOKEN.findall(without_comments("\n".join(lines))):
                number += 1
                at = found.end(number)
                if sign == "-":
                    yield place.path, found.start(number), at, ""

    def old(self):
        return next((line.strip() for sign, line in self.lines if sign != "+"), "")


class Mutant:
    def __init__(self, number, title, line):
        self.number, self.title, self.line = number, title, line
        self.name = f"{number}-{title}"
        self.fields = {}
        self.edits = []

    @property
    def promises(self):
        words = self.fields["promise"].split()
        return [] if words == ["none"] else [int(word) for word in words]

    @property
    def kmemleak(self):
        return self.fields.get("needs") == "kmemleak"

    @property
    def functions(self):
        return list(dict.fromkeys(edit.name for edit in self.edits))

    def first_cases(self):
        """A glob: the cases of the first promise that the fault breaks.

        The module mmun_kunit also matches it with a promise that is not in a case's
        name, but in its tag: KT_CASE(08, name) is p08_name there.
        """
        return f"p{self.promises[0]:02}_*" if self.promises else ""

    def apply(self, sources):
        """The files that change, as a dictionary from path to text; may raise Fault."""
        changes = [c for edit in self.edits for c in edit.changes(sources)]
        texts = {}
        # From the last to the first, so that positions stay right.
        for path in dict.fromkeys(c[0] for c in changes):
            text, limit = sources.texts[path], None
            for _, start, end, new in sorted(
                    (c for c in changes if c[0] == path), key=lambda c: c[1:3], reverse=True):
                if limit is not None and end > limit:
                    raise Fault("two of its edits overlap")
                text, limit = text[:start] + new + text[end:], start
            texts[path] = text
        if all(text == sources.texts[path] for path, text in texts.items()):
            raise Fault("it changes nothing")
        return texts


def read_table(text, name=TABLE.name):
    """The mutants of a table; SyntaxError if it cannot be read."""
    def bad(why):
        raise SyntaxError(f"{name}:{number}: {why}")

    mutants, names, edit = [], set(), None
    for number, line in enumerate(text.splitlines(), 1):
        if edit and line[:1] in tuple("-+ "):
            edit.lines.append((line[0], line[1:]))
            continue
        if not line.strip() or line.startswith("#"):
            edit = None
            continue
        if found := re.fullmatch(r"(\d{3}) ([a-z0-9-]+)", line):
            mutant, edit = Mutant(*found.groups(), number), None
            if mutants and mutants[-1].number >= mutant.number:
                bad(f"number {mutant.number} comes after {mutants[-1].number}")
            if mutant.title in names:
                bad(f"the name {mutant.title} is used twice")
            names.add(mutant.title)
            mutants.append(mutant)
        elif not mutants:
            bad("expected a number and a name")
        elif found := re.fullmatch(r"in (?:(macro|struct|table) )?(\w+)", line):
            edit = Edit(found[1] or "function", found[2])
            mutants[-1].edits.append(edit)
        elif found := re.fullmatch(r"remove (\w+)", line):
            mutants[-1].edits.append(Edit("function", found[1], remove=True))
            edit = None
        elif (found := re.fullmatch(r"(\w+): (\S.*)", line)) and found[1] in FIELDS:
            if found[1] in mutants[-1].fields:
                bad(f"{found[1]} stands here twice")
            mutants[-1].fields[found[1]] = found[2]
        else:
            bad(f"cannot read: {line}")
    for mutant in mutants:
        number = mutant.line
        if "fault" not in mutant.fields:
            bad("no sentence says the fault")
        if not re.fullmatch(r"none|[1-9]\d?( [1-9]\d?)*", mutant.fields.get("promise", "")) or \
                max(mutant.promises, default=0) > PROMISES:
            bad("promise: is to be numbers, or none")
        if mutant.fields.get("needs", "kmemleak") != "kmemleak":
            bad("needs: can be kmemleak only")
        if not mutant.edits:
            bad("it changes nothing")
        for edit in mutant.edits:
            signs = {sign for sign, line in edit.lines if TOKEN.findall(without_comments(line))}
            if not edit.remove and (not signs & {"-", "+"} or not signs & {"-", " "}):
                bad(f"{edit.name}: an edit has lines with - or + and an old line to find")
    return mutants


def selected(mutants, prefixes):
    return [m for m in mutants if not prefixes or m.name.startswith(tuple(prefixes))]


def check(mutants, sources):
    """Prints what does not apply; returns the exit code."""
    good = 0
    for mutant in mutants:
        try:
            mutant.apply(sources)
            good += 1
        except Fault as why:
            print(f"{mutant.name}: {why}")
    print(f"mutants: {good} of {len(mutants)} apply")
    return 0 if good == len(mutants) else 1


def show(mutants):
    for m in mutants:
        promises = " ".join(map(str, m.promises)) or "-"
        print(f"{m.number} {m.title:<40} {promises:<6} {', '.join(m.functions)}")


def diff(mutants, sources):
    for mutant in mutants:
        print(f"{mutant.name}: {mutant.fields['fault']}")
        try:
            texts = mutant.apply(sources)
        except Fault as why:
            print(why)
            continue
        for path, text in texts.items():
            sys.stdout.writelines(difflib.unified_diff(
                sources.texts[path].splitlines(True), text.splitlines(True),
                "a/" + path, "b/" + path))


# --- in the guest ---

# Reads lines "NAME KMEMLEAK FIRST", and talks in the kernel's log. Nothing here may
# wait longer than 30 s (KT_TIMEOUT).
GUEST = r"""#!/bin/sh
say() { echo "mmun-mutant: $*" >/dev/kmsg; }
load() {
	insmod /modules/mmun_kunit.ko stop=1 case="$1" || {
		# No case has the promise that the fault breaks: all of them run next.
		[ "$1" = '*' ] || ! dmesg | grep -q 'no case matches' || return
		say "fault: mmun_kunit does not load"
		return
	}
	rmmod mmun_kunit || say "fault: mmun_kunit does not unload"
}
failed() { dmesg | grep -qE '(^|\]) +not ok|mmun-mutant: fault'; }
leaked() {
	sleep 6
	echo scan >/sys/kernel/debug/kmemleak
	echo scan >/sys/kernel/debug/kmemleak
	grep -m 1 'unreferenced object' /sys/kernel/debug/kmemleak
}
echo 40 >/proc/sys/kernel/hung_task_timeout_secs
echo 1..1
while read -r name kmemleak first; do
	dmesg -c >/dev/null
	[ "$kmemleak" = no ] || echo clear >/sys/kernel/debug/kmemleak
	say "$name begins"
	insmod "/mutants/$name.ko" || say "fault: mmun does not load"
	[ -z "$first" ] || load "$first"
	failed || load '*'
	rmmod mmun || say "fault: mmun does not unload"
	[ "$kmemleak" = no ] || failed || ! leaked || say "fault: memory leaked"
	say "$name ends"
	! ps -o comm | grep -q '^mmun_kunit' || break
done </mutants/list
echo ok 1 mutants
"""


# --- the verdicts ---

def section(console, name):
    """The lines of a guest's log about one mutant, or None; and whether it came to its end."""
    try:
        text = console.read_bytes().translate(None, b"\r\0").decode(errors="replace")
    except FileNotFoundError:
        return None, False
    lines = None
    for line in text.split("\n"):
        if lines is not None and re.search(r"mmun-mutant: .* ends$", line):
            return lines, True
        if lines is not None:
            lines.append(line)
        if f"mmun-mutant: {name} begins" in line:
            lines = lines or []
    return lines, False


def evidence(lines):
    """The first thing in the log that says that something is wrong; else ''."""
    if not lines:
        return ""
    bad = next((b for b in splats.splats(lines) if b and "cut here" not in b), None)
    subtest = ""
    for line in lines:
        text = re.sub(r"^\[[^]]*\]", "", line)
        if found := re.match(r" +# Subtest: (.*)", text):
            subtest = found[1]
        elif found := re.match(r"( +)not ok (?:\d+ )?(.*)", text):
            return f"{subtest}: {found[2]}" if len(found[1]) >= 8 else found[2]
        elif found := re.search(r"mmun-mutant: fault: (.*)", line):
            return found[1]
        elif line == bad:
            kind = "hang" if re.search("blocked for more|lockup|stall", text) else "splat"
            return f"{kind}: {text.strip()}"
    return ""


def passes(lines):
    """How many cases and parameters have reported."""
    return sum(bool(re.match(r"(\[[^]]*\])? +ok \d+ ", line)) for line in lines)


class Judge:
    """Runs batches of mutants in guests, and keeps the verdicts.

    boot(ident, mutants, directory) starts a guest; what it returns has alive(), stop()
    and output(), which is the text that scripts/guest printed.
    """

    def __init__(self, boot, logs, poll=1, grace=GRACE):
        self.boot, self.logs, self.poll, self.grace = boot, logs, poll, grace
        self.ran = 1  # how many results a mutant that was missed must have
        self.verdicts = {}
        self.quiet = False
        self.lock = threading.Lock()

    def verdict(self, name, word, why=""):
        with self.lock:
            self.verdicts[name] = (word, why)
            if self.quiet:
                return
            if word == "missed":
                print(f"MISSED  {name}", flush=True)
            else:
                word = word.upper() if word == "error" else word
                print(f"{word:<7} {name:<36} ({why[:80]})", flush=True)

    def count(self, word):
        return sum(verdict[0] == word for verdict in self.verdicts.values())

    def run_batch(self, ident, mutants):
        """Until each has its verdict."""
        queue, boots = list(mutants), 0
        while queue:
            boots += 1
            directory = self.logs / f"{ident}.{boots}"
            guest = self.boot(ident, queue, directory)
            try:
                self.follow(guest, queue, directory / "console.log")
            finally:
                guest.stop()

    def follow(self, guest, queue, console):
        """One guest; takes those that have their verdict from the queue."""
        first, dirty, seen = True, False, None
        while queue:
            time.sleep(self.poll)
            name, alive = queue[0].name, guest.alive()
            lines, ended = section(console, name)
            why = evidence(lines)
            if ended:
                if why:
                    self.verdict(name, "caught", why)
                    dirty = True
                elif passes(lines) < self.ran:
                    self.verdict(name, "error",
                                 f"{passes(lines)} of {self.ran} reported, and none failed")
                else:
                    self.verdict(name, "missed")
                queue.pop(0)
                first, seen = False, None
                continue
            if alive:
                # One that was caught may come to its end, and the guest can go on.
                seen = (seen or time.monotonic()) if why else None
                if not why or time.monotonic() - seen < self.grace:
                    continue
            if lines is None and not first:
                return  # the guest stopped between two
            lost = re.findall("guest lost: (.*);", guest.output())
            if lines is None:
                self.verdict(name, "error", "no guest: " + guest.output().split("\n")[0])
            elif dirty and (not why or why.startswith(("splat", "hang"))):
                return
            elif not why and not any(w.startswith(("silent", "the kernel panicked")) for w in lost):
                self.verdict(name, "error", "the host lost the guest: " +
                             (guest.output().strip().split("\n")[-1]))
            else:
                self.verdict(name, "caught", why or "hang: " + lost[0])
            queue.pop(0)
            return


def run_all(mutants, judge, build, jobs, only_build=False):
    """Builds and runs the mutants; prints the last line; returns the exit code."""
    counted = [m for m in mutants if "arch" not in m.fields]
    counted.sort(key=lambda m: m.kmemleak)
    began, built, batches, batch, running = time.monotonic(), 0, 0, [], set()

    def progress():
        done = len(judge.verdicts)
        say(f"{done} of {len(counted)} done, {time.monotonic() - began:.0f} s ...")

    def reap(limit):
        nonlocal running
        while len(running) > limit:
            done, running = concurrent.futures.wait(
                running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                future.result()
            progress()

    def start():
        nonlocal batch, batches
        if batch:
            reap(jobs - 1)
            batches += 1
            running.add(pool.submit(judge.run_batch, f"batch-{batches}", batch))
            batch = []
            progress()

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        # Guests run what has been built, beside what is being built.
        for mutant in counted:
            why = build(mutant)
            if why:
                judge.verdict(mutant.name, "error", why)
                continue
            built += 1
            if only_build:
                continue
            if batch and batch[0].kmemleak != mutant.kmemleak:
                start()
            batch.append(mutant)
            if len(batch) == BATCH:
                start()
        start()
        reap(0)
    for m in mutants:
        if "arch" in m.fields:
            print(f"skipped {m.name:<36} ({m.fields['arch']}: not counted)")
    good, what = (built, "build") if only_build else (judge.count("caught"), "caught")
    print(f"mutants: {good} of {len(counted)} {what}", flush=True)
    return 0 if good == len(counted) else 1


# --- this host ---

PREPARE = """
prepare "$1"
say "building the tree as it is, for Linux $1 ..."
build_tree mutants-base demo >&2 || {
	grep -aE -m 5 'error:|\\*\\*\\*' "$CACHE/build/mutants-base/log" >&2
	die "the tree does not compile as it is, so a mutant would show nothing."
}
printf '%s\\n' "$K_BUILD" "$K_IMAGE"
"""


class Guest:
    """scripts/guest, in the background."""

    def __init__(self, host, ident, kmemleak, image, directory):
        self.host, self.place, self.out = host, image.parent, host.work / f"{ident}.out"
        args = [TOP / "scripts" / "guest", "-l", ident, "-t", "3600", "-s", "120",
                "-k", host.image, "-i", image, "-o", directory,
                "MMUN_RUN=mutants", "MMUN_LIMIT=3600", "MMUN_QUICK=1", host.many_queues]
        if not kmemleak:
            args.append("kmemleak=off")
        with open(self.out, "wb") as out:
            self.process = host.start(args, out)

    def alive(self):
        return self.process.poll() is None

    def output(self):
        return self.out.read_text(errors="replace")

    def stop(self):
        if self.alive():
            self.process.terminate()
        self.process.wait()
        self.host.children.discard(self.process)
        shutil.rmtree(self.place, ignore_errors=True)


class Host:
    """The cache, the copy of the tree that is built, and what runs."""

    def __init__(self):
        self.children = set()
        self.lock = None
        found = bash('echo "$MANY_QUEUES"', stdout=subprocess.PIPE)
        if found.returncode:
            sys.exit(3)
        self.many_queues = found.stdout.strip()
        self.cache = cache()
        self.logs = self.cache / "logs" / "mutants"
        self.work = self.cache / "build" / "mutants"
        self.src = self.cache / "build" / "mutants-base" / "src"
        for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"):
            os.environ.pop(name, None)
        os.environ["LC_ALL"] = "C"
        signal.signal(signal.SIGINT, self.stop)
        signal.signal(signal.SIGTERM, self.stop)

    def start(self, args, out):
        child = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=subprocess.STDOUT)
        self.children.add(child)
        return child

    def stop(self, *_):
        """Guests must not outlive this program."""
        for child in list(self.children):
            child.terminate()
        os._exit(3)  # threads are still waiting for them

    def prepare(self, kernel):
        """Builds the tree as it is."""
        for directory in (self.logs, self.work):
            shutil.rmtree(directory, ignore_errors=True)
        self.logs.mkdir(parents=True)
        (self.work / "ko").mkdir(parents=True)
        found = bash(PREPARE, kernel, stdout=subprocess.PIPE)
        if found.returncode:
            sys.exit(3)
        build, self.image = found.stdout.splitlines()[-2:]
        self.make = ["make", "-C", build, f"M={self.src}", "MMUN_KUNIT=m",
                     f"-j{CPUS}", "modules"]
        self.sources = Sources.read(self.src)
        self.current = dict(self.sources.texts)
        modules = self.src.parent / "root" / "modules"
        shutil.copy(modules / "mmun_kunit.ko", self.work)
        shutil.copy(self.src / "mmun.ko", self.work)
        shutil.copy(modules / "mmun.ko", self.work / "ko" / "unmutated.ko")

    def build(self, mutant):
        """The copy, with the fault. Returns what went wrong."""
        try:
            texts = {**self.sources.texts, **mutant.apply(self.sources)}
        except Fault as why:
            return str(why)
        for path, text in texts.items():
            if self.current[path] != text:
                (self.src / path).write_text(text)
                self.current[path] = text
        log = self.logs / f"{mutant.name}.build"
        with open(log, "wb") as out:
            child = self.start(self.make, out)
            code = child.wait()
            self.children.discard(child)
        text = log.read_text(errors="replace")
        if code:
            found = re.search(r"^.*(?:error:|undefined|\*\*\*).*", text, re.M)
            return found[0] if found else f"make failed with code {code}"
        if found := re.search(r"^.*mmun_[a-z]*\.[ch].*warning:.*", text, re.M):
            return found[0]
        if filecmp.cmp(self.src / "mmun.ko", self.work / "mmun.ko", shallow=False):
            return "the module is the same with it and without it"
        module = self.work / "ko" / f"{mutant.name}.ko"
        if subprocess.run(["strip", "--strip-debug", "-o", module, self.src / "mmun.ko"],
                          check=False).returncode:
            return "no room in the cache"
        return ""

    def boot(self, ident, mutants, directory):
        """A guest that runs these."""
        place = self.work / ident
        root = place / "root"
        shutil.rmtree(place, ignore_errors=True)
        for name in ("modules", "tests", "mutants"):
            (root / name).mkdir(parents=True)
        shutil.copy(self.work / "mmun_kunit.ko", root / "modules")
        (root / "modules" / "order").touch()
        (root / "tests" / "mutants").write_text("run\n")
        (root / "tests" / "run").write_text(GUEST)
        (root / "tests" / "run").chmod(0o755)
        with open(root / "mutants" / "list", "w", encoding="ascii") as table:
            for mutant in mutants:
                shutil.copy(self.work / "ko" / f"{mutant.name}.ko", root / "mutants")
                kmemleak = "kmemleak" if mutant.kmemleak else "no"
                print(mutant.name, kmemleak, mutant.first_cases(), file=table)
        image = place / "initramfs"
        if bash('make_image "$1" "$2"', root, image).returncode:
            die("no room in the cache")
        shutil.rmtree(root)
        return Guest(self, ident, mutants[0].kmemleak, image, directory)

    def clean(self):
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.rmtree(self.src.parent, ignore_errors=True)


class Unmutated:
    """The tree as it is."""
    name, kmemleak = "unmutated", True

    @staticmethod
    def first_cases():
        return ""


def run(mutants, only_build):
    host = Host()
    if "MMUN_LOCKED" not in os.environ:
        host.lock = lock_cache()
    host.prepare(f"{os.environ.get('KERNEL') or '6.12'}-{os.environ.get('FLAVOUR') or 'debug'}")
    jobs = int(os.environ.get("JOBS") or CPUS)
    judge = Judge(host.boot, host.logs)
    if not only_build:
        say("running the suites on the tree as it is ...")
        began, judge.quiet = time.monotonic(), True
        judge.run_batch("unmutated", [Unmutated])
        word, why = judge.verdicts.pop("unmutated")
        if word != "missed":
            die(f"void: the tree as it is does not pass: {why}")
        judge.ran = passes(section(host.logs / "unmutated.1" / "console.log", "unmutated")[0])
        judge.quiet = False
        counted = sum("arch" not in m.fields for m in mutants)
        say(f"all pass, {judge.ran} of them, in {time.monotonic() - began:.0f} s; "
            f"{counted} mutants, {jobs} guests at once")
    code = run_all(mutants, judge, host.build, jobs, only_build)
    host.clean()
    return code


def main(argv):
    parser = argparse.ArgumentParser(prog="mutants", allow_abbrev=False)
    parser.format_help = lambda: __doc__
    what = parser.add_mutually_exclusive_group()
    for option in ("-n", "--check", "--list", "--diff"):
        what.add_argument(option, action="store_true")
    parser.add_argument("--for", metavar="FUNCTION", dest="function")
    parser.add_argument("prefixes", metavar="NN", nargs="*")
    try:
        args = parser.parse_args(argv)
    except SystemExit as stop:
        return 3 if stop.code else 0
    try:
        table = read_table(TABLE.read_text())
    except SyntaxError as why:
        print(why.msg)
        return 1
    mutants = selected(table, args.prefixes)
    if args.function:
        mutants = [m for m in mutants if args.function in m.functions]
    if not mutants:
        die(f"kunit/{TABLE.name} has no such mutant.")
    if args.check:
        return check(mutants, Sources.read(TOP))
    if args.list:
        show(mutants)
    elif args.diff:
        diff(mutants, Sources.read(TOP))
    elif all("arch" in m.fields for m in mutants):
        die("none of these can be shown on this machine.")
    else:
        try:
            return run(mutants, args.n)
        except OSError as why:
            die(why)
    return 0
