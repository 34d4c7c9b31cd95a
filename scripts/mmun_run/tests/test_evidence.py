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
# A fixture with variants, in a header that another includes, and one that is of the program.
EVENT_HEADER = """\
/* SPDX-License-Identifier: GPL-2.0-only */
/* Promise 1 is not that of a program that includes this. */
#include "t_area.h"
FIXTURE_VARIANT(ev)
{
};

TEST_F_TIMEOUT(ev, is_seen, 300)
{
}
"""
AREA_HEADER = """\
#include "t_event.h"
/* promise 6 */
TEST(area)
{
}
"""
EVENT_PROGRAM = """\
/* Promises 12 and 18: an end is seen. */
#include "t_event.h"

FIXTURE_VARIANT_ADD(ev, exit)
{
};

FIXTURE_VARIANT_ADD(ev, execve) { .c = 1 };

TEST_F(own, stays)
{
}
"""
LOG = """\
KTAP version 1
1..3
  KTAP version 1
  # Subtest: t_get
  1..3
  ok 1 get.waits
  not ok 2 get.c20_slow
  ok 3 get.skipped # SKIP no huge pages
not ok 1 t_get
  KTAP version 1
  # Subtest: t_ev_a
  ok 1 ev.same.is_seen
ok 2 t_ev_a
  # Subtest: t_ev_b
  not ok 1 ev.same.is_seen
not ok 3 t_ev_b
"""
CONSOLE = """\
[    1.000000]     # Subtest: mmun_get
[    1.100000]         KTAP version 1
[    1.100000]         # Subtest: with_parameters
[    1.200000]         ok 1 one
[    1.300000]     ok 1 with_parameters
[    1.400000]     ok 2 after_it
[    1.400000]     ok 3 luckless # SKIP no address was used again
[    1.400000] ok 1 mmun_get
"""
ENDED = "[    9.000000] reboot: Power down\n"


def of(program, *names):
    """As a set of a run has them."""
    return {(program, name) for name in names}


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


    def test_variants_and_headers(self):
        with tempfile.TemporaryDirectory() as name:
            path = pathlib.Path(name)
            (path / "t_event.h").write_text(EVENT_HEADER)
            (path / "t_area.h").write_text(AREA_HEADER)
            (path / "t_ev_end.c").write_text(EVENT_PROGRAM)
            found = [(test.name, set(test.promises))
                     for test in evidence.tests_of(path / "t_ev_end.c")]
        self.assertEqual(found, [("own.stays", {12, 18}), ("ev.exit.is_seen", {12, 18}),
                                 ("ev.execve.is_seen", {12, 18}), ("global.area", {6})])


class Logs(unittest.TestCase):
    """What passed where."""

    def read(self, text, kernel="6.12"):
        with tempfile.TemporaryDirectory() as name:
            path = pathlib.Path(name) / "results.log"
            path.write_text(text)
            return evidence.read_run(kernel, path)

    def test_results(self):
        run = self.read(LOG)
        self.assertEqual(run.passed, of("t_get", "get.waits") | of("t_ev_a", "ev.same.is_seen") |
                         of("", "t_ev_a"))
        self.assertEqual(run.failed, of("t_get", "get.c20_slow") |
                         of("t_ev_b", "ev.same.is_seen") | of("", "t_get", "t_ev_b"))
        self.assertEqual(run.skipped, of("t_get", "get.skipped"))

    def test_cases_with_parameters(self):
        run = self.read(CONSOLE)
        self.assertEqual(run.passed, of("mmun_get", "with_parameters", "after_it") |
                         of("with_parameters", "one") | of("", "mmun_get"))
        self.assertEqual(run.skipped, of("mmun_get", "luckless"))

    def test_green_is_all_present_and_none_failed(self):
        run, today = self.read(LOG), datetime.date.today()
        self.assertEqual(evidence.green(of("t_get", "get.waits"), [run]), [f"6.12 {today}"])
        self.assertEqual(evidence.green(of("t_get", "get.waits", "get.c20_slow"), [run]), [])
        self.assertEqual(evidence.green(of("t_get", "get.waits", "get.not_run"), [run]), [])
        self.assertEqual(evidence.green(of("t_ev_a", "ev.same.is_seen"), [run]), [f"6.12 {today}"])
        self.assertEqual(evidence.green(of("t_ev_b", "ev.same.is_seen"), [run]), [])

    def test_skipped_is_named_and_is_no_pass(self):
        run, today = self.read(LOG), datetime.date.today()
        self.assertEqual(evidence.green(of("t_get", "get.waits", "get.skipped"), [run]),
                         [f"6.12 {today} (1 skipped)"])
        self.assertEqual(evidence.green(of("t_get", "get.skipped"), [run]), [])

    def test_nothing_is_never_green(self):
        self.assertEqual(evidence.green(set(), [self.read(LOG)]), [])

    def runs(self, console):
        """Of a cache with the guests of one kernel."""
        with tempfile.TemporaryDirectory() as name:
            for part, results in ("6.12", LOG), ("6.12-kunit", ""), ("6.12-hmm", LOG):
                path = pathlib.Path(name) / part
                path.mkdir()
                (path / "results.log").write_text(results)
                (path / "console.log").write_text(console)
            return evidence.runs(pathlib.Path(name))

    def test_kinds_of_runs(self):
        found = self.runs(CONSOLE + ENDED)
        self.assertEqual([run.kernel for run in found["programs"]], ["6.12"])
        self.assertEqual([run.kernel for run in found["KUnit"]], ["6.12"])
        self.assertIn(("t_get", "get.waits"), found["programs"][0].passed)
        self.assertIn(("mmun_get", "after_it"), found["KUnit"][0].passed)

    def test_lost_guest_counts_for_nothing(self):
        self.assertEqual(self.runs(CONSOLE), {"KUnit": [], "programs": []})


if __name__ == "__main__":
    unittest.main()
