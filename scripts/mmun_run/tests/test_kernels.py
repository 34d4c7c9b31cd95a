# SPDX-License-Identifier: GPL-2.0-only
"""The options of a test kernel, and when it is built again."""

import hashlib
import pathlib
import tempfile
import unittest

from .. import kernels

BASE = """\
# the guest
CONFIG_64BIT=y
# CONFIG_NOT_THIS is not set

# not 7.3
CONFIG_PROC_SYSCTL=y
CONFIG_TWO=y

# only 7.3 6.18
CONFIG_SYSCTL=y

# only rt
CONFIG_PREEMPT_RT=y

CONFIG_LAST=m
"""


class Fragment(unittest.TestCase):
    """The lines before a block choose it."""

    def test_not_this_version(self):
        self.assertEqual(kernels.fragment("7.3", "debug", [BASE]),
                         ["CONFIG_64BIT=y", "CONFIG_SYSCTL=y", "CONFIG_LAST=m"])

    def test_only_another_version(self):
        self.assertEqual(kernels.fragment("6.12", "debug", [BASE]),
                         ["CONFIG_64BIT=y", "CONFIG_PROC_SYSCTL=y", "CONFIG_TWO=y", "CONFIG_LAST=m"])

    def test_only_a_flavour(self):
        self.assertIn("CONFIG_PREEMPT_RT=y", kernels.fragment("6.12", "rt", [BASE]))

    def test_a_block_goes_on_into_the_next_file(self):
        """As if the files were one: no empty line has ended it."""
        self.assertEqual(kernels.fragment("6.1", "debug", ["# only rt", "CONFIG_A=y\n\nCONFIG_B=y\n"]),
                         ["CONFIG_B=y"])

    def test_every_flavour_of_the_tree_has_options(self):
        self.assertEqual(kernels.flavours(), ["debug", "gcov", "kcsan", "rt"])
        for flavour in kernels.flavours():
            text = (kernels.CONFIGS / f"{flavour}.config").read_text()
            self.assertTrue(kernels.fragment("6.12", flavour, [text]), flavour)


class Unset(unittest.TestCase):
    """Options that a kernel did not take."""

    CONFIG = 'CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="x=y"\nCONFIG_D=m\n'

    def test_taken(self):
        self.assertEqual(kernels.unset_options(self.CONFIG, ["CONFIG_A=y", 'CONFIG_C="x=y"']), [])

    def test_absent_is_n(self):
        self.assertEqual(kernels.unset_options(self.CONFIG, ["CONFIG_B=n", "CONFIG_E=n"]), [])

    def test_not_taken(self):
        self.assertEqual(kernels.unset_options(self.CONFIG, ["CONFIG_B=y", "CONFIG_D=y"]),
                         ["CONFIG_B=y (it is n)", "CONFIG_D=y (it is m)"])


class Key(unittest.TestCase):
    """A kernel that was built before is known again."""

    def test_as_sha256sum(self):
        text = b"123\ngcc 12\nCONFIG_A=y\nCONFIG_B=m\n"
        self.assertEqual(kernels.key_of("123", "gcc 12", ["CONFIG_A=y", "CONFIG_B=m"]),
                         hashlib.sha256(text).hexdigest() + "  -")


class Errors(unittest.TestCase):
    """The part of a log that is shown."""

    def test_lines_are_shown_once(self):
        lines = [f"CC {i}" for i in range(9)] + ["a.c:1: error: no", "make: *** [a.o] Error 1", "x"]
        self.assertEqual(kernels.error_lines(lines), ["CC 7", "CC 8", *lines[9:]])


class Objects(unittest.TestCase):
    """What goes when a kernel is built, and what modules need."""

    def test_tools_stay(self):
        kept = ["scripts/mod/modpost.o", "tools/objtool/fixdep.o", "include/config/auto.conf",
                "vmlinux", "kernel/scripts.c"]
        gone = ["kernel/fork.o", "lib/lib.a", "kernel/.fork.o.cmd", "kernel/scripts/a.o"]
        with tempfile.TemporaryDirectory() as name:
            build = pathlib.Path(name)
            for file in kept + gone:
                (build / file).parent.mkdir(parents=True, exist_ok=True)
                (build / file).touch()
            kernels.strip_objects(build)
            left = sorted(str(path.relative_to(build)) for path in build.rglob("*") if path.is_file())
        self.assertEqual(left, sorted(kept))


if __name__ == "__main__":
    unittest.main()
