# SPDX-License-Identifier: GPL-2.0-only
"""The promises that tests name, and what a log says of them."""

import datetime
import pathlib
import tempfile
import unittest

from .. import evidence

PROGRAM = """\
// SPDX-License-Identifier: GPL-2.0-only
/*
 * Joining while a range is in flight: contracts 9,
 * 14 to 16 and 19.
 */
#include "t_common.h"

/* contract 5: the frees must be over */
TEST_F(get, waits)
{
}

TEST_F_TIMEOUT(get, c20_slow, 120)
{
}

/* another comment */
TEST(alone)
{
}
"""
LOG = """\
KTAP version 1
  ok 1 get.waits
  not ok 2 get.c20_slow
[   12.5]     ok 3 kunit_case
  ok 4 get.skipped # SKIP no huge pages
"""


class Named(unittest.TestCase):
    """Numbers in comments."""

    def test_list_and_span(self):
        self.assertEqual(evidence.numbers("contracts 9, 14,\n * 15 and 19"), {9, 14, 15, 19})
        self.assertEqual(evidence.numbers("Contracts 12 to 16 and 18."), {12, 13, 14, 15, 16, 18})

    def test_other_numbers_are_none(self):
        self.assertEqual(evidence.numbers("Linux 6.12, and 48 ranges"), set())

    def test_tests_of_a_program(self):
        with tempfile.TemporaryDirectory() as name:
            path = pathlib.Path(name) / "t_get.c"
            path.write_text(PROGRAM)
            found = {test.name: set(test.promises) for test in evidence.tests_of(path)}
        self.assertEqual(found, {"get.waits": {5}, "get.c20_slow": {20},
                                 "global.alone": {9, 14, 15, 16, 19}})


class Logs(unittest.TestCase):
    """What passed where."""

    def read(self, kernel):
        with tempfile.TemporaryDirectory() as name:
            path = pathlib.Path(name) / "results.log"
            path.write_text(LOG)
            return evidence.read_run(kernel, path)

    def test_results(self):
        run = self.read("6.12")
        self.assertEqual(run.passed, {"get.waits", "kunit_case"})
        self.assertEqual(run.failed, {"get.c20_slow"})

    def test_green_is_none_failed_and_one_passed(self):
        run, today = self.read("6.12"), datetime.date.today()
        self.assertEqual(evidence.green({"get.waits"}, [run]), [f"6.12 {today}"])
        self.assertEqual(evidence.green({"get.waits", "get.c20_slow"}, [run]), [])
        self.assertEqual(evidence.green({"get.skipped"}, [run]), [])


if __name__ == "__main__":
    unittest.main()
