# SPDX-License-Identifier: GPL-2.0-only
"""guest [-l LABEL] [-t SECONDS] [-s SECONDS] [-r] [-g] [-c] [-p PLUGIN] [-m MEMORY]
      [-f VARS] -k IMAGE -i INITRAMFS -o DIR [ARG...]

Boot one guest and judge it. -t limits the whole run, -s how long the guest may say
nothing, -r shows what the suites print and nothing else, -g takes gcov's counts from the
guest, -c gives it one CPU and lets its clock count instructions (1 ns each), -p is a
plugin of QEMU with its arguments, -m is its memory in MiB (1024), -f boots by way of
UEFI, whose variables are kept in VARS. ARGs go on the kernel's command line. DIR gets
console.log, results.log, totals and gcov.tar. The four oracles: the modules reported that they
are up, nothing bad is in the log, the script reported success, and the guest powered itself
off.
"""

import getopt
import os
import pathlib
import platform
import signal
import subprocess
import sys
import threading
import time
from typing import Iterator

from . import host, splats, verdict

POLL = 0.2
APPEND = ("console=ttyS0", "loglevel=7", "panic=-1", "rcupdate.rcu_cpu_stall_timeout=120",
          "watchdog_thresh=60", "no_timer_check")
# The event that some programs read is on from the boot, when there is one processor: to enable
# it later changes the kernel's text under the other, which QEMU may go on executing as it was.
TRACED = "trace_event=workqueue:workqueue_execute_start"
OVMF = "/usr/share/OVMF/OVMF_CODE_4M.fd"
KVM_TRIAL = 20  # seconds


class Options:
    """The options and arguments of the command."""

    def __init__(self, argv: list[str]):
        try:
            options, self.arguments = getopt.getopt(argv, "l:t:s:rgcp:m:f:k:i:o:")
        except getopt.GetoptError as why:
            host.die(f"guest: {why}.")
        given = dict(options)
        self.label = given.get("-l", "guest")
        self.limit = float(given.get("-t", 900))
        self.silence = float(given.get("-s", 300))
        self.raw, self.gcov, self.count = ("-r" in given, "-g" in given, "-c" in given)
        self.plugin, self.variables = given.get("-p"), given.get("-f")
        self.memory = int(given.get("-m", 1024))
        self.image, self.initramfs = given.get("-k", ""), given.get("-i", "")
        if "-o" not in given:
            host.die("guest: -o DIR is missing.")
        self.out = pathlib.Path(given["-o"])


class Guest:
    """QEMU, and the files that its serial ports write to."""

    def __init__(self, options: Options):
        self.options = options
        self.console = options.out / "console.log"
        self.results = options.out / "results.log"
        self.process: subprocess.Popen | None = None
        options.out.mkdir(parents=True, exist_ok=True)
        for old in options.out.iterdir():
            if not old.is_dir():
                old.unlink()
        self.console.touch()
        self.results.touch()

    def command(self, accel: str, arguments: list[str]) -> list[str]:
        """QEMU's. Two NUMA nodes, so that pages have somewhere to migrate to."""
        opt, half = self.options, self.options.memory // 2
        if opt.count:
            machine = ["-accel", "tcg,thread=single", "-icount", "shift=0", "-smp", "1"]
        else:
            machine = ["-accel", "kvm", "-cpu", "host"] if accel == "kvm" else \
                ["-accel", "tcg,thread=multi"]
            machine += ["-smp", "2,sockets=2"]
            for node in 0, 1:
                machine += ["-object", f"memory-backend-ram,id=m{node},size={half}M",
                            "-numa", f"node,cpus={node},memdev=m{node}"]
        if opt.variables:
            machine += ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={OVMF}",
                        "-drive", f"if=pflash,unit=1,format=raw,file={opt.variables}"]
        ports = [f"file:{self.console}", f"file:{self.results}"]
        if opt.gcov:
            ports.append(f"file:{opt.out}/gcov.tar")
        for port in ports:
            machine += ["-serial", port]
        if opt.plugin:
            machine += ["-plugin", opt.plugin]
        return ["qemu-system-x86_64", *machine, "-m", str(opt.memory), "-nodefaults",
                "-display", "none", "-no-reboot", "-kernel", opt.image, "-initrd", opt.initramfs,
                "-append", " ".join([*APPEND, *self.traced(arguments), *arguments])]

    @staticmethod
    def traced(arguments: list[str]) -> list[str]:
        """For the programs, which are what a guest runs if it is told nothing else."""
        return [] if any(word.startswith("MMUN_RUN=") for word in arguments) else [TRACED]

    def start(self, accel: str, arguments: list[str]) -> None:
        """Boot it."""
        with open(self.options.out / "qemu.log", "wb") as log:
            try:
                self.process = subprocess.Popen(
                    self.command(accel, arguments), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            except OSError as why:
                host.die(f"QEMU cannot be started: {why}.")

    def alive(self) -> bool:
        """Does it run?"""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """At once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def logged(self, text: bytes) -> bool:
        """Is this in the kernel's log?"""
        return text in self.console.read_bytes()

    def accel(self) -> str:
        """A /dev/kvm that opens may still hang the guest: believe one that booted."""
        if asked := os.environ.get("MMUN_ACCEL"):
            return asked
        if not os.access("/dev/kvm", os.W_OK):
            return "tcg"
        known, key = host.cache() / "accel", f"{platform.node()} {platform.release()}"
        if known.is_file():
            for line in known.read_text().splitlines():
                if line.partition(" ")[2] == key:
                    return line.partition(" ")[0]
        host.say("trying KVM once ...")
        self.start("kvm", ["rdinit=/bin/nothing"])
        began = time.monotonic()
        while self.alive() and time.monotonic() - began < KVM_TRIAL:
            time.sleep(POLL)
        self.kill()
        found = "kvm" if self.logged(b"Kernel panic") else "tcg"
        known.write_text(f"{found} {key}\n")
        self.console.write_bytes(b"")
        return found

    def watch(self) -> str:
        """Until it ends, or is lost; says why. A guest of a check that was killed goes too: it
        would keep the lock of the cache."""
        began = spoke = time.monotonic()
        parent = os.getppid() if "MMUN_LOCKED" in os.environ else None
        size = None
        while self.alive():
            time.sleep(POLL)
            if parent not in (None, os.getppid()):
                self.kill()
                sys.exit(host.UNABLE)
            now = time.monotonic()
            sizes = self.console.stat().st_size, self.results.stat().st_size
            if sizes != size:
                size, spoke = sizes, now
            if now - began >= self.options.limit:
                lost = f"out of time after {self.options.limit:g} s"
            elif now - spoke >= self.options.silence:
                lost = f"silent for {self.options.silence:g} s"
            else:
                continue
            self.kill()
            return lost
        return ""


def follow(path: pathlib.Path, ended: threading.Event) -> Iterator[str]:
    """The lines of a file that grows until the event."""
    with open(path, encoding="utf-8", errors="replace", newline="\n") as file:
        part = ""
        while True:
            last = ended.is_set()
            while text := file.readline():
                part += text
                if part.endswith("\n"):
                    yield part
                    part = ""
            if last:
                break
            ended.wait(POLL)
        if part:
            yield part


def boot(options: Options) -> tuple[Guest, verdict.Tree, str]:
    """Boot once; returns the guest, its results, and why it was lost."""
    verdict.load_parser()
    guest = Guest(options)
    tree = verdict.Tree(options.label, options.raw, bool(os.environ.get("V")))
    ended = threading.Event()
    done = False

    def read() -> None:
        nonlocal done
        tree.read(follow(guest.results, ended))
        done = True

    reader = threading.Thread(target=read, daemon=True)
    try:
        guest.start(guest.accel(), options.arguments)
        reader.start()
        lost = guest.watch()
    finally:
        guest.kill()
        ended.set()
    reader.join()
    if not done:
        host.die("the results of the guest cannot be read.")
    if not lost and (guest.process.returncode or not guest.console.stat().st_size):
        for line in (options.out / "qemu.log").read_text(errors="replace").splitlines():
            print(f"    {line}", file=sys.stderr)
        host.die(f"QEMU could not run the guest (exit code {guest.process.returncode}).")
    return guest, tree, lost


def judge(guest: Guest, tree: verdict.Tree, lost: str) -> int:
    """The oracles; prints what they find, and returns the ending."""
    options = guest.options
    lines = splats.text_lines(guest.console.read_bytes())
    if not lost and guest.logged(b"Kernel panic"):
        lost = "the kernel panicked"
    elif not lost and not guest.logged(b"reboot: Power down"):
        lost = "it did not power itself off"
    ending = host.FAILED if tree.totals.failed else 0

    def fault(text: str, shown: list[str] = ()) -> None:
        print(f"{options.label}: {text}")
        for line in shown:
            print(f"    {line}")
        tree.totals.failed += 1

    if bad := splats.splats(lines):
        fault("badness in the kernel log:", bad[:40])
        ending = host.FAILED
    if lost:
        fault(f"guest lost: {lost}; its last lines:", lines[-5:])
        ending = host.LOST
    else:
        if not tree.modules_up:
            fault("the modules did not come up")
            ending = host.FAILED
        if not tree.tested and not ending:
            fault("no test passed: all were skipped")
            ending = host.FAILED
        if not tree.success and not ending:
            fault("the guest did not say success")
            ending = host.FAILED
    if ending:
        console = str(guest.console).removeprefix(f"{host.cache()}/")
        print(f"    console: {console} in the cache")
    tree.totals.write(options.out / "totals")
    sys.stdout.flush()
    return ending


def main(argv: list[str]) -> int:
    """Boot and judge one guest."""
    options = Options(argv)

    def stop(*_) -> None:
        sys.exit(host.UNABLE)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    guest, tree, lost = boot(options)
    # Under TCG with two threads a stock kernel trips, rarely, over its own patching of
    # its text while it boots. Before our init runs nothing of ours is to blame: once
    # more, and only once.
    if guest.logged(b"Kernel panic") and not guest.logged(b"Run /init as init"):
        host.say(f"{options.label}: the kernel panicked before our init; booting once more ...")
        guest, tree, lost = boot(options)
    return judge(guest, tree, lost)
