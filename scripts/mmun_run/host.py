# SPDX-License-Identifier: GPL-2.0-only
"""This host: the tree, the cache, messages, and the functions of scripts/lib.sh."""

import fcntl
import os
import pathlib
import subprocess
import sys
from typing import NoReturn

TOP = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = TOP / "scripts"
GOLDEN = SCRIPTS / "golden"

# The three endings.
FAILED, LOST, UNABLE = 1, 2, 3


def cache() -> pathlib.Path:
    """The cache's directory, as scripts/lib.sh has it."""
    home = os.environ.get("HOME") or "/root"
    base = os.environ.get("XDG_CACHE_HOME") or f"{home}/.cache"
    return pathlib.Path(os.environ.get("MMUN_CACHE") or f"{base}/mmun")


def say(text: object) -> None:
    """Tell the person something that is no result."""
    print("mmun:", text, file=sys.stderr, flush=True)


def die(text: object) -> NoReturn:
    """The third ending: this host could not run it, or was asked for something that does not exist."""
    say(text)
    sys.exit(UNABLE)


def lock_cache():
    """One run at a time, as lock_cache of lib.sh. The lock holds until the file is closed."""
    lock = open(cache() / "lock", "w", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("waiting for another run to finish ...")
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def bash(script: str, *args: object, **options) -> subprocess.CompletedProcess:
    """Run a piece of bash that has the functions of lib.sh and build.sh."""
    script = f'. "{SCRIPTS}/lib.sh"; . "{SCRIPTS}/build.sh"\n{script}'
    return subprocess.run(["bash", "-c", script, SCRIPTS / "mmun_run", *map(str, args)],
                          text=True, check=False, stdin=subprocess.DEVNULL, **options)
