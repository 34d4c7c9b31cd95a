# SPDX-License-Identifier: GPL-2.0-only
"""The heads of litmus tests, the faults that they list, and the verdict on herd's output."""

import pathlib
import tempfile
import unittest

from .. import litmus

TEXT = """\
C mp

(*
 * A message and a flag.
 *
 * As coded: Never
 *
 * A1, a plain store (mutants 007, 008): Sometimes
 *\t- smp_store_release(flag, 1); // [A1]
 *\t+ WRITE_ONCE( *flag, 1);
 *
 * A2, twice: Never
 *\tOnce suffices.
 *\t- r0 = smp_load_acquire(flag); // [A2]
 *\t+ r0 = smp_load_acquire(flag);
 *\t+ r0 = smp_load_acquire(flag);
 *)

{
}

P0(int *flag)
{
\tsmp_store_release(flag, 1); // [A1]
}

P1(int *flag)
{
\tr0 = smp_load_acquire(flag); // [A2]
}

exists (1:r0=1)
"""
OUTPUT = "Test mp Allowed\nStates 2\n{}Observation mp {} {} {}\nTime mp 0.01\n"


class Heads(unittest.TestCase):
    """What a file says about itself."""

    def test_faults(self):
        protocol = litmus.parse("mp", TEXT)
        self.assertEqual([(f.name, f.what, f.mutants, f.expected) for f in protocol.faults],
                         [("A1", "a plain store", ["007", "008"], "Sometimes"), ("A2", "twice", [], "Never")])
        self.assertEqual(protocol.names(), {"A1", "A2"})
        self.assertEqual(protocol.faults[1].reason, "Once suffices. ")

    def test_files_for_herd(self):
        runs = litmus.runs_of(litmus.parse("mp", TEXT), pathlib.Path("/w"))
        self.assertEqual([run.path.name for run in runs], ["mp.litmus", "mp-1-A1.litmus", "mp-2-A2.litmus"])
        self.assertEqual([run.expected for run in runs], ["Never", "Sometimes", "Never"])
        self.assertIn("\n\tWRITE_ONCE( *flag, 1);\n}", runs[1].text)
        self.assertNotIn("smp_store_release", runs[1].text)
        self.assertEqual(runs[1].text.splitlines()[0], "C mp-1-A1")
        self.assertEqual(runs[2].text.count("smp_load_acquire"), 2)

    def wrong(self, old, new, message):
        self.assertIn(old, TEXT)
        with self.assertRaisesRegex(litmus.Wrong, message):
            litmus.parse("mp", TEXT.replace(old, new, 1))

    def test_mistakes(self):
        self.wrong("C mp", "C other", "names it other")
        self.wrong("(*\n", "", "no head")
        self.wrong("As coded", "Is coded", 'does not say "As coded: Never"')
        self.wrong(": Sometimes", ": Never", "no fault shows")
        self.wrong(" *\tOnce suffices.\n", "", "no reason why the fault A2, twice")
        self.wrong("A2, twice", "A3, twice", "A3, twice is at no step")
        self.wrong("- smp_store_release(flag, 1);", "- smp_store_release(flag, 2);", "stands there 0 times")
        self.wrong("\tsmp_store_release(flag, 1); // [A1]\n}",
                   "\tsmp_store_release(flag, 1); // [A1]\n\tsmp_store_release(flag, 1); // [A1]\n}",
                   "stands there 2 times")


class Verdict(unittest.TestCase):
    """herd's output."""

    def judge(self, expected, coded, *fields):
        return litmus.judge(expected, coded, OUTPUT.format(*fields))[1]

    def test_good(self):
        self.assertEqual(self.judge("Never", True, "", "Never", 0, 3), "")
        self.assertEqual(self.judge("Sometimes", False, "", "Sometimes", 1, 3), "")

    def test_bad(self):
        self.assertEqual(self.judge("Never", True, "", "Sometimes", 1, 3), "Never was expected")
        self.assertEqual(self.judge("Sometimes", False, "", "Always", 3, 0), "Sometimes was expected")
        self.assertEqual(self.judge("Never", True, "", "Never", 0, 0), "no execution passed the filter")
        self.assertEqual(litmus.judge("Never", True, "herd broke\n"), ("nothing", "herd gave no result"))

    def test_races(self):
        self.assertEqual(self.judge("Never", True, "Flag data-race\n", "Never", 0, 3), "herd found a data-race")
        self.assertEqual(self.judge("Sometimes", False, "Flag data-race\n", "Sometimes", 1, 3), "")


class Lint(unittest.TestCase):
    """The names in the files, in the source and in the table of mutants."""

    def check(self, listed, drawn, mutants, unexpressed=""):
        with tempfile.TemporaryDirectory() as work:
            directory = pathlib.Path(work)
            (directory / "mp.litmus").write_text(TEXT)
            (directory / "unexpressed").write_text("# reasons\n" + unexpressed)
            return litmus.check(listed, drawn, mutants, directory)

    def test_agreement(self):
        self.assertEqual(self.check({"A1"}, {"A1", "A2"}, {"007": True, "008": False}), [])
        self.assertEqual(self.check({"A1", "B1"}, {"A1", "A2", "B1"}, {"007": True, "008": False},
                                    "B1 no such thing\n"), [])

    def test_differences(self):
        mutants = {"007": True, "008": False}
        self.assertIn("is in no file", self.check({"A1", "B1"}, {"A1", "A2", "B1"}, mutants)[0])
        self.assertIn("A2 has no fault", self.check({"A1", "A2"}, {"A1", "A2"}, mutants)[0])
        self.assertIn("has A2, which the source", self.check({"A1"}, {"A1"}, mutants)[0])
        self.assertIn("which a file of litmus/ has", self.check({"A1"}, {"A1", "A2"}, mutants, "A1 why\n")[0])
        self.assertIn("gives no reason", self.check({"A1", "B1"}, {"A1", "A2", "B1"}, mutants, "B1\n")[0])

    def test_mutants(self):
        self.assertIn("mutant 007, which there is not", self.check({"A1"}, {"A1", "A2"}, {"008": False})[0])
        self.assertIn("mutant 009 shows", self.check({"A1"}, {"A1", "A2"},
                                                     {"007": True, "008": False, "009": True})[0])

    def test_broken_file(self):
        with tempfile.TemporaryDirectory() as work:
            (pathlib.Path(work) / "x.litmus").write_text("C x\n")
            self.assertEqual(len(litmus.check(set(), set(), {}, pathlib.Path(work))), 1)
