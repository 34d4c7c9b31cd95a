# SPDX-License-Identifier: GPL-2.0-only
"""The command line of a guest's kernel."""

import pathlib
import tempfile
import unittest

from .. import guest, host


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


if __name__ == "__main__":
    unittest.main()
