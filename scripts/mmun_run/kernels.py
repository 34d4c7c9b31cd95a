# SPDX-License-Identifier: GPL-2.0-only
"""kernel: a test kernel, built from Debian's linux-source-V, one for each flavour.

"6.12-debug" is the flavour debug of 6.12: tinyconfig, kernels/base.config and
kernels/debug.config. The source is unpacked already. In the cache:
  source/V/            the unpacked source
  kernels/V-FLAVOUR/   fragment, build (objects), image, release, key, log
The kernel is built again if its key differs: the source, the compiler, the options.
"""

import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import Iterable

from . import host

CONFIGS = host.SCRIPTS / "kernels"
# A make of this kind writes one such line for each file.
BUILT = re.compile(rb"^ *(CC|AS|LD|AR) ", re.MULTILINE)
REPORT = 30  # seconds
OBJECTS = (".o", ".a")


def flavours() -> list[str]:
    """Those that have options of their own."""
    return sorted(path.stem for path in CONFIGS.glob("*.config") if path.stem != "base")


def fragment(version: str, flavour: str, files: Iterable[str]) -> list[str]:
    """The options to set. "# only WHAT..." and "# not WHAT..." before a block, up to the next
    empty line, name flavours or versions."""
    options, skip = [], False
    for text in files:
        for line in text.splitlines():
            words = line.split()
            if words[:2] in (["#", "only"], ["#", "not"]):
                named = version in words[2:] or flavour in words[2:]
                skip = (words[1] == "only") != named
            elif not line:
                skip = False
            elif line.startswith("CONFIG_") and not skip:
                options.append(line)
    return options


def unset_options(config: str, options: Iterable[str]) -> list[str]:
    """The options that are not as they were asked for, and their values."""
    values = dict(line.split("=", 1) for line in config.splitlines()
                  if line.startswith("CONFIG_") and "=" in line)
    found = []
    for option in options:
        name, value = option.split("=", 1)
        if (now := values.get(name, "n")) != value:
            found.append(f"{option} (it is {now})")
    return found


def key_of(size: str, compiler: str, options: Iterable[str]) -> str:
    """As sha256sum prints it."""
    text = "".join(f"{line}\n" for line in [size, compiler, *options])
    return hashlib.sha256(text.encode()).hexdigest() + "  -"


def strip_objects(build: pathlib.Path) -> None:
    """Modules are built against headers and tools, not against objects."""
    for directory, names, files in os.walk(build):
        if pathlib.Path(directory) == build:
            names[:] = [name for name in names if name not in ("scripts", "tools")]
        for name in files:
            if name.endswith(OBJECTS) or (name.startswith(".") and name.endswith(".cmd")):
                os.unlink(os.path.join(directory, name))


def error_lines(lines: list[str]) -> list[str]:
    """The lines of a log that tell why a build failed, with some around them."""
    wanted: set[int] = set()
    for i, line in enumerate(lines):
        if "error:" in line or "***" in line:
            wanted.update(range(max(i - 2, 0), min(i + 4, len(lines))))
    return [lines[i] for i in sorted(wanted)][:20]


def read(path: pathlib.Path) -> str:
    """Its only line; empty if there is no such file."""
    return path.read_text().strip() if path.is_file() else ""


class Kernel:
    """One of them."""

    def __init__(self, name: str):
        self.name = name
        self.version, _, self.flavour = name.rpartition("-")
        if self.flavour not in flavours():
            host.die(f"FLAVOUR={self.flavour} is none of: {' '.join(flavours())}")
        self.source = host.cache() / "source" / self.version
        self.dir = host.cache() / "kernels" / name
        self.build = self.dir / "build"
        self.log = self.dir / "log"
        self.options = fragment(self.version, self.flavour,
                                [(CONFIGS / f"{part}.config").read_text()
                                 for part in ("base", self.flavour)])

    def die(self, text: str, why: Iterable[str] = ()) -> None:
        """The third ending, below what a log says of the reason."""
        for line in why:
            print(line, file=sys.stderr)
        host.die(text)

    def make(self, *targets: str) -> list[str]:
        """The command."""
        return ["make", "-C", str(self.source), f"O={self.build}", "KBUILD_BUILD_USER=mmun",
                "KBUILD_BUILD_HOST=mmun", *targets]

    def is_built(self) -> bool:
        """As it is asked for now; a kernel of another kind is removed."""
        compiler = subprocess.run(["gcc", "--version"], check=True, text=True,
                                  stdout=subprocess.PIPE).stdout.splitlines()[0]
        key = key_of(read(self.source / ".size"), compiler, self.options)
        if read(self.dir / "key") == key:
            return (self.dir / "release").is_file()
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir(parents=True)
        (self.dir / "key").write_text(key + "\n")
        return False

    def configure(self) -> None:
        """Every option has to be taken."""
        asked = "".join(f"{line}\n" for line in self.options)
        (self.dir / "fragment").write_text(asked)
        config = self.build / ".config"
        with open(self.log, "wb") as log:
            def run(target: str) -> bool:
                return subprocess.run(self.make(target), stdin=subprocess.DEVNULL, stdout=log,
                                      stderr=log, check=False).returncode == 0

            done = run("tinyconfig")
            if done:
                with open(config, "a", encoding="utf-8") as file:
                    file.write(asked)
                done = run("olddefconfig")
        if not done:
            self.die(f"the configuration of Linux {self.name} failed; its log is "
                     f"kernels/{self.name}/log in the cache.",
                     self.log.read_text(errors="replace").splitlines()[-5:])
        if missing := unset_options(config.read_text(), self.options):
            self.die(f"Linux {self.version} has no such options as scripts/kernels/ asks for.",
                     missing)

    def compile(self) -> bool:
        """With a line of progress now and then. It ends when the script that wants the kernel
        does, and goes on the next time. It keeps the lock of the cache: nobody builds beside it."""
        began, next_report, parent = time.monotonic(), REPORT, os.getppid()
        with open(self.log, "ab") as log:
            with subprocess.Popen(self.make(f"-j{os.cpu_count() or 1}", "bzImage", "modules"),
                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  close_fds=False) as process:
                signal.signal(signal.SIGTERM, signal.default_int_handler)
                try:
                    while process.poll() is None:
                        time.sleep(1)
                        if os.getppid() != parent:
                            raise KeyboardInterrupt
                        spent = int(time.monotonic() - began)
                        if spent >= next_report:
                            next_report += REPORT
                            files = len(BUILT.findall(self.log.read_bytes()))
                            host.say(f"Linux {self.name}: {files} files, {spent} s ...")
                except KeyboardInterrupt:
                    process.terminate()
                    raise
                return process.returncode == 0

    def errors(self) -> list[str]:
        """Of the log."""
        return error_lines(self.log.read_text(errors="replace").splitlines())

    def get(self) -> None:
        """Build it, unless it is there."""
        self.build.mkdir(parents=True, exist_ok=True)
        if self.is_built():
            return
        self.build.mkdir(parents=True, exist_ok=True)
        (self.dir / "release").unlink(missing_ok=True)
        self.configure()
        host.say(f"building Linux {self.name}: 5 to 15 minutes, once; the log is "
                 f"kernels/{self.name}/log in the cache")
        if not self.compile():
            self.die(f"Linux {self.name} did not build; its log is kernels/{self.name}/log in the "
                     "cache.", self.errors())
        image = self.dir / "image"
        image.unlink(missing_ok=True)
        image.symlink_to("build/arch/x86/boot/bzImage")
        strip_objects(self.build)
        # Last: a directory with a release is whole.
        (self.dir / "release").write_text(read(self.build / "include/config/kernel.release") + "\n")


def main(argv: list[str]) -> int:
    """kernel V-FLAVOUR: build it; kernel -o V-FLAVOUR: print its options."""
    if argv[:1] == ["-o"] and len(argv) == 2:
        print("\n".join(Kernel(argv[1]).options))
    elif len(argv) == 1:
        Kernel(argv[0]).get()
    else:
        host.die("usage: mmun-run kernel [-o] V-FLAVOUR")
    return 0
