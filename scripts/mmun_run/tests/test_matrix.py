# SPDX-License-Identifier: GPL-2.0-only
"""The rows and the cells of a matrix."""

import unittest

from .. import matrix
from ..verdict import Totals


class Rows(unittest.TestCase):
    """The words of KERNELS."""

    def test_a_version_stands_for_two_kernels(self):
        self.assertEqual(matrix.rows(["6.12", "5.10"]), ["5.10", "5.10-debug", "6.12", "6.12-debug"])

    def test_one_of_the_two(self):
        self.assertEqual(matrix.rows(["7.2-debug", "6.1-stock"]), ["6.1", "7.2-debug"])

    def test_no_stock_kernel(self):
        self.assertEqual(matrix.rows(["6.18"]), ["6.18-debug"])

    def test_another_image(self):
        self.assertEqual(matrix.rows(["6.12-rt-amd64", "6.12", "6.1"]),
                         ["6.1", "6.1-debug", "6.12", "6.12-debug", "6.12-rt-amd64"])


SAID = """\
6.12   module              23 passed, 0 failed, 1 skipped, 5 s
6.12   t_list              24 passed, 2 failed, 0 skipped, 1 lost, 6 s
       not ok 3 list.munmap
6.12   cleanup              8 passed, 0 failed, 0 skipped, 2 s
"""


class Cells(unittest.TestCase):
    """What the cells say."""

    def test_the_table(self):
        found = matrix.Matrix()
        found.note("6.1", "build", Totals(failed=1), "none")
        found.note("6.12", "build", Totals(1))
        found.programs("6.12", SAID, Totals(55, 2, 1))
        self.assertEqual(found.table(["6.1", "6.12"]), [
            "kernel           build kunit module list cleanup",
            "6.1               none     .      .    .       .",
            "6.12                 1     .  23+1s 24-2       8"])
        self.assertEqual(found.totals.sentence(), "56 passed, 3 failed, 1 skipped")

    def test_a_failure_that_no_suite_has_is_the_guest_s(self):
        for totals in Totals(55, 3, 1), None:
            found = matrix.Matrix()
            found.programs("6.12", SAID if totals else SAID.replace("2 failed", "0 failed"), totals)
            self.assertEqual(found.cells["6.12", "guest"], "lost")

    def test_kernels_of_like_names(self):
        found = matrix.Matrix()
        found.programs("6.1", SAID.replace("6.12  ", "6.1   "), Totals(55, 2, 1))
        self.assertEqual(found.cells["6.1", "cleanup"], "8")
