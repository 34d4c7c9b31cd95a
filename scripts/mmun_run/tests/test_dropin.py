# SPDX-License-Identifier: GPL-2.0-only
"""Where the line goes, what is taken from kbuild's files, and the table."""

import unittest

from .. import dropin

LINES = [dropin.LINE]


def numbered(text: str | None) -> int | None:
    """The place of the line, from 0."""
    return None if text is None else text.split("\n").index(dropin.LINE)


class Placed(unittest.TestCase):
    """placed()"""

    def test_between_the_headers(self):
        text = '#include <linux/a.h>\n#include <linux/b.h>\n\n#include "own.h"\n#include <linux/c.h>\n'
        self.assertEqual(numbered(dropin.placed(text, LINES, False)), 2)

    def test_only_headers_of_the_kernel(self):
        self.assertEqual(numbered(dropin.placed("#include <linux/a.h>\nint x;\n", LINES, False)), 1)

    def test_not_inside_a_condition(self):
        text = '#include <linux/a.h>\n#ifdef X\n#include <linux/b.h>\n#endif\n#include "own.h"\n'
        self.assertEqual(numbered(dropin.placed(text, LINES, False)), 4)

    def test_own_headers_come_first(self):
        text = '#define pr_fmt(x) x\n#include "own.h"\n#include <linux/a.h>\n'
        self.assertIsNone(dropin.placed(text, LINES, False))
        self.assertEqual(numbered(dropin.placed(text, LINES, True)), 1)

    def test_before_all(self):
        self.assertEqual(numbered(dropin.placed("#define A\n#include <linux/a.h>\n", LINES, True)), 1)


class Command(unittest.TestCase):
    """command_of()"""

    TEXT = """savedcmd_lib/a.o := gcc -Wp,-MMD,lib/.a.o.d -I./include '-DX="y z"' -c -o lib/a.o /s/lib/a.c ; objtool lib/a.o

source_lib/a.o := /s/lib/a.c

deps_lib/a.o := \\
    $(wildcard include/config/X) \\
  /s/include/linux/kvm_host.h \\
  include/generated/b.h \\

lib/a.o: $(deps_lib/a.o)
"""

    def test_flags_and_headers(self):
        flags, headers = dropin.command_of(self.TEXT)
        self.assertEqual(flags, ["gcc", "-I./include", '-DX="y z"'])
        self.assertEqual(headers, ["/s/include/linux/kvm_host.h", "include/generated/b.h"])

    def test_nothing(self):
        self.assertEqual(dropin.command_of("x := y\n"), ([], []))


class Table(unittest.TestCase):
    """Rows, sentences and the headers of the drop-in."""

    def test_each_no_has_a_sentence(self):
        self.assertFalse(dropin.Row("a.c", True, True).bad())
        self.assertTrue(dropin.Row("a.c", True, False).bad())
        self.assertFalse(dropin.Row("a.c", False, False, reason="It cannot.").bad())
        self.assertTrue(dropin.Row("a.c", True, True, reason="It cannot.").bad())

    def test_sentences_of_a_version(self):
        text = "# one\na/*.c * It is so.\nb.c 7.* It is new.\n"
        self.assertEqual(dropin.reasons(text, "6.12"), {"a/*.c": "It is so."})
        self.assertEqual(dropin.reasons(text, "7.3"), {"a/*.c": "It is so.", "b.c": "It is new."})

    def test_guards_are_found(self):
        self.assertEqual(dropin.guarded()["linux/kvm_host.h"], "__KVM_HOST_H")

    def test_objects_of_another_directory(self):
        self.assertEqual(dropin.target("drivers/gpu/drm/amd/amdkfd/kfd_svm.c"),
                         "drivers/gpu/drm/amd/amdgpu/../amdkfd/kfd_svm.o")
        self.assertEqual(dropin.target("lib/test_hmm.c"), "lib/test_hmm.o")

    def test_page(self):
        text = dropin.page({"6.12": [dropin.Row("a.c", True, True), dropin.Row("b.c", reason="It is so.")]})
        self.assertIn("Linux 6.12: 1 of 2 files\n------------------------\n", text)
        self.assertIn("   * - b.c\n     - no\n     - no\n     - It is so.\n", text)


if __name__ == "__main__":
    unittest.main()
