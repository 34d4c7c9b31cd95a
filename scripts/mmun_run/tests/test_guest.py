# SPDX-License-Identifier: GPL-2.0-only
"""The command line of a guest's kernel."""

import contextlib
import io
import pathlib
import re
import tempfile
import unittest

from .. import guest, host, verdict


class CommandLine(unittest.TestCase):
    """The kernel's: the argument behind -append."""

    def append(self, *arguments):
        with tempfile.TemporaryDirectory() as name:
            options = guest.Options(["-k", "image", "-i", "initramfs", "-o",
                                     str(pathlib.Path(name) / "out"), *arguments])
            command = guest.Guest(options).command("tcg", options.arguments)
        return command[command.index("-append") + 1].split()

    def test_guest_of_programs_traces_from_the_boot(self):
        for arguments in (), ("MMUN_TESTS=t_list",), ("MMUN_LIMIT=600", "MMUN_STORM_MS=1000"):
            self.assertEqual(guest.Guest.traced(list(arguments)), [guest.TRACED])
            self.assertIn("trace_event=workqueue:workqueue_execute_start", self.append(*arguments))

    def test_guest_with_another_task_does_not(self):
        for arguments in ("MMUN_RUN=kunit",), ("MMUN_LIMIT=600", "MMUN_RUN=bench"):
            self.assertEqual(guest.Guest.traced(list(arguments)), [])
            self.assertFalse([word for word in self.append(*arguments)
                              if word.startswith("trace_event=")])

    def test_programs_read_that_event(self):
        event = guest.TRACED.removeprefix("trace_event=").replace(":", "/")
        header = (host.TOP / "test" / "programs" / "t_hostile.h").read_text()
        self.assertIn(f'"events/{event}/enable"', header)

    def test_arguments_come_last(self):
        self.assertEqual(self.append("MMUN_TESTS=t_list", "MMUN_LIMIT=9")[-2:],
                         ["MMUN_TESTS=t_list", "MMUN_LIMIT=9"])


class Verdict(unittest.TestCase):
    """Of a guest that ended, whose tests passed or were skipped."""

    def judge(self, edit):
        lines = (host.GOLDEN / "ktap" / "good.log").read_text().splitlines(True)[1:]
        with tempfile.TemporaryDirectory() as name, contextlib.redirect_stdout(io.StringIO()) as said:
            ended = guest.Guest(guest.Options(["-o", name]))
            ended.console.write_text("[    9.0] reboot: Power down\n")
            tree = verdict.Tree("self").read([edit(line) for line in lines])
            ending = guest.judge(ended, tree, "")
            totals = str(verdict.Totals.read(pathlib.Path(name) / "totals"))
        return ending, totals, said.getvalue()

    def test_good_run(self):
        ending, totals, _ = self.judge(lambda line: line)
        self.assertEqual((ending, totals), (0, "3 0 0"))

    def test_some_are_skipped(self):
        ending, totals, _ = self.judge(lambda line: line.replace("ok 2 y", "ok 2 y # SKIP none"))
        self.assertEqual((ending, totals), (0, "2 0 1"))

    def test_all_are_skipped(self):
        """The clean-up has a test x, too, which is no test of a suite."""
        rest = iter(["  ok 1 x # SKIP none\n"])
        ending, totals, said = self.judge(
            lambda line: next(rest, line) if line == "  ok 1 x\n" else
            line.replace("ok 2 y", "ok 2 y # SKIP none"))
        self.assertEqual((ending, totals), (1, "1 1 2"))
        self.assertIn("guest: no test passed: all were skipped", said)


if __name__ == "__main__":
    unittest.main()
