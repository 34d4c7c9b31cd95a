# SPDX-License-Identifier: GPL-2.0-only
"""Test mutants without a kernel: the table, its edits, the verdicts."""

import contextlib
import io
import pathlib
import tempfile
import textwrap
import unittest

from .. import mutants

SOURCE = """\
#define mmun_twice(x)		\\
	do {			\\
		f(x);		\\
		f(x + 1);	\\
	} while (0)

static const struct ops ops = {
	.start = start,
};

struct state {
	int a;
	int b;	/* of a { kind */
};

/* Adds. It is alone in this file. */
static int add(int a, int b)
	__must_hold(&lock)
{
	int sum;

	if (a)	/* [A] */
		f(a);
	sum = long_name(a,
			b);
	g("a } brace", '{');	/* [B] */
	f(b);
	f(b);
	return sum;
}

static void last(void) { }
"""


def sources(text=SOURCE, path="mmun_core.c", **more):
    return mutants.Sources({path: text, **more})


def table(edits, head="001 name\npromise: 3\nfault: A fault.\n"):
    return mutants.read_table(head + textwrap.dedent(edits), "table")


def apply(edits, tree=None):
    tree = tree or sources()
    return table(edits)[0].apply(tree)


class Edits(unittest.TestCase):
    def fails(self, edits, why, tree=None):
        with self.assertRaisesRegex(mutants.Fault, why):
            apply(edits, tree)

    def test_lines_are_replaced(self):
        new = apply("in add\n-\tif (a)\n-\t\tf(a);\n+\tf(0);\n")
        self.assertEqual(new, {"mmun_core.c": SOURCE.replace(
            "\tif (a)\t/* [A] */\n\t\tf(a);\n", "\tf(0);\n")})

    def test_spaces_breaks_and_comments_do_not_matter(self):
        new = apply("in add\n- sum=long_name( a, b ); /* else */\n")
        self.assertEqual(new, {"mmun_core.c": SOURCE.replace(
            "\tsum = long_name(a,\n\t\t\tb);\n", "")})

    def test_words_are_not_joined(self):
        self.fails("in add\n-\tintsum;\n", "lines not found")

    def test_a_comment_is_no_code(self):
        self.fails("in struct state\n- of a { kind\n", "lines not found")

    def test_a_part_of_a_line_is_not_enough(self):
        self.fails("in add\n-\tf(a)\n", "lines not found")

    def test_a_context_line_stays_as_it_is(self):
        new = apply("in add\n if (a)\n \tf(a);\n+\tf(7);\n")
        self.assertEqual(new, {"mmun_core.c": SOURCE.replace("f(a);\n", "f(a);\n\tf(7);\n")})

    def test_a_line_comes_before_the_context(self):
        new = apply("in add\n+\tf(7);\n return sum;\n")
        self.assertEqual(new, {"mmun_core.c": SOURCE.replace("\treturn", "\tf(7);\n\treturn")})

    def test_lines_move(self):
        new = apply("in add\n-\tint sum;\n if (a)\n \tf(a);\n+\tint sum = 0;\n")
        self.assertNotIn("\tint sum;", new["mmun_core.c"])
        self.assertIn("f(a);\n\tint sum = 0;\n", new["mmun_core.c"])

    def test_lines_that_stand_there_twice(self):
        self.fails("in add\n-\tf(b);\n", r"add: lines found twice: f\(b\);")

    def test_lines_of_another_function(self):
        self.fails("in last\n-\tf(a);\n", r"last: lines not found: f\(a\);")

    def test_a_macro_keeps_its_backslashes(self):
        new = apply("in macro mmun_twice\n-\t\tf(x);\n+\t\tf(0);\n")
        self.assertIn("\tdo {\t\t\t\\\n\t\tf(0); \\\n\t\tf(x + 1);", new["mmun_core.c"])

    def test_a_table(self):
        new = apply("in table ops\n-\t.start = start,\n")
        self.assertIn("ops = {\n};", new["mmun_core.c"])

    def test_a_struct(self):
        new = apply("in struct state\n-\tint b;\n")
        self.assertIn("\tint a;\n};", new["mmun_core.c"])

    def test_a_function_goes_with_its_comment(self):
        new = apply("remove add\n")
        self.assertNotIn("alone in this file", new["mmun_core.c"])
        self.assertNotIn("sum", new["mmun_core.c"])
        self.assertIn("static void last(void) { }", new["mmun_core.c"])

    def test_a_function_that_moved_to_another_file(self):
        start, end = SOURCE.index("/* Adds."), SOURCE.index("static void last")
        tree = sources(SOURCE[:start] + SOURCE[end:], **{"mmun_new.c": SOURCE[start:end]})
        new = apply("in add\n-\tif (a)\n-\t\tf(a);\n", tree)
        self.assertEqual(list(new), ["mmun_new.c"])
        self.assertNotIn("f(a)", new["mmun_new.c"])

    def test_two_files_change(self):
        tree = sources("int f(void)\n{\n\treturn 1;\n}\n",
                       **{"mmun_new.c": "int g(void)\n{\n\treturn 2;\n}\n"})
        new = apply("in f\n-\treturn 1;\n+\treturn 0;\nin g\n-\treturn 2;\n+\treturn 0;\n", tree)
        self.assertEqual(new, {"mmun_core.c": "int f(void)\n{\n\treturn 0;\n}\n",
                               "mmun_new.c": "int g(void)\n{\n\treturn 0;\n}\n"})

    def test_a_missing_function(self):
        self.fails("in gone\n-\tf(a);\n", "gone: function not found")

    def test_a_prototype_is_no_function(self):
        self.fails("in proto\n-\tf(a);\n", "proto: function not found",
                   sources("int proto(int a);\n" + SOURCE))

    def test_a_function_in_two_files(self):
        self.fails("in add\n-\tint sum;\n", r"add: function found twice \(mmun_a.c, mmun_b.c\)",
                   mutants.Sources({"mmun_a.c": SOURCE, "mmun_b.c": SOURCE}))

    def test_edits_that_overlap(self):
        self.fails("in add\n-\tint sum;\nin add\n-\tint sum;\n-\tif (a)\n", "overlap")

    def test_an_edit_that_changes_nothing(self):
        self.fails("in add\n-\tint sum;\n+\tint sum;\n", "changes nothing")


class Table(unittest.TestCase):
    def fails(self, why, text):
        with self.assertRaisesRegex(SyntaxError, why):
            mutants.read_table(text, "table")

    def test_the_table_of_this_tree_can_be_read(self):
        self.assertTrue(mutants.read_table(mutants.TABLE.read_text()))

    def test_fields(self):
        mutant, = table("needs: kmemleak\nin add\n-\tx;\nin gone\n-\ty;\nin add\n-\tz;\n")
        self.assertEqual((mutant.name, mutant.promises, mutant.kmemleak, mutant.first_cases(),
                          mutant.functions), ("001-name", [3], True, "p03_*", ["add", "gone"]))

    def test_no_promise(self):
        mutant, = table("in add\n-\tx;\n", "001 name\npromise: none\nfault: A fault.\n")
        self.assertEqual(mutant.first_cases(), "")

    def test_selection(self):
        found = table("in add\n-\tx;\n\n010 other\npromise: 1\nfault: Other.\nin add\n-\ty;\n")
        names = [m.name for m in mutants.selected(found, ["01", "7"])]
        self.assertEqual(names, ["010-other"])
        self.assertEqual(mutants.selected(found, []), found)

    def test_the_mutants_of_a_function(self):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = mutants.main(["--list", "--for", "call_starts", "0"])
        self.assertEqual(code, 0)
        self.assertTrue(out.getvalue())
        for line in out.getvalue().splitlines():
            self.assertRegex(line, r"^0.*\bcall_starts\b")
        with contextlib.redirect_stderr(out), self.assertRaises(SystemExit) as stop:
            mutants.main(["--for", "no_such_function"])
        self.assertEqual(stop.exception.code, 3)

    def test_a_table_that_cannot_be_read(self):
        head = "001 name\npromise: 3\nfault: A fault.\n"
        edit = "in add\n-\tx;\n"
        self.fails("expected a number", edit)
        self.fails("table:4: cannot read: nonsense", head + "nonsense\n" + edit)
        self.fails("001 comes after 001", head + edit + head + edit)
        self.fails("name is used twice", head + edit + head.replace("001", "002") + edit)
        self.fails("fault stands here twice", head + "fault: Other.\n" + edit)
        self.fails("no sentence", "001 name\npromise: 3\n" + edit)
        self.fails("promise: is to be", "001 name\nfault: A fault.\n" + edit)
        self.fails("promise: is to be", head.replace("3", "23") + edit)
        self.fails("needs: can be", head + "needs: luck\n" + edit)
        self.fails("it changes nothing", head)
        self.fails("an edit has lines", head + "in add\n+\tx;\n")
        self.fails("an edit has lines", head + "in add\n \tx;\n")

    def test_check(self):
        found = table("in add\n-\tint sum;\n\n"
                      "002 lost\npromise: 1\nfault: Lost.\nin gone\n-\ty;\n")
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = mutants.check(found, sources())
        self.assertEqual((code, out.getvalue()), (
            1, "002-lost: gone: function not found\nmutants: 1 of 2 apply\n"))
        with contextlib.redirect_stdout(out):
            self.assertEqual(mutants.check(found[:1], sources()), 0)


GOOD = "[    1.0]     ok 1 p03_a\n[    1.1]     ok 2 p03_b\n"
BAD = """\
[    1.0]     # Subtest: mmun_core
[    1.0]         # Subtest: p03_a
[    1.1]         not ok 1 with an interval
[    1.2]     not ok 2 p03_b
"""
SPLAT = """\
[    2.0] ------------[ cut here ]------------
[    2.0] WARNING: CPU: 0 PID: 1 at mmun_core.c:1 add+0x1/0x2
[    2.1]     not ok 1 p03_a
"""
HANG = "[    2.0] INFO: task mmun_kunit:1 blocked for more than 40 seconds.\n"


def log(*parts):
    """The log of a guest, of pairs: the name, and what it prints; None: it goes no further."""
    text = "[    0.1] booting\n"
    for name, part, *end in parts:
        text += f"[    1.0] mmun-mutant: {name} begins\n{part}"
        text += "" if end else f"[    3.0] mmun-mutant: {name} ends\n"
    return text


class FakeGuest:
    def __init__(self, directory, text, output, stays):
        directory.mkdir(parents=True)
        (directory / "console.log").write_text(text)
        self.text, self.stays, self.stopped = output, stays, False

    def alive(self):
        return self.stays

    def output(self):
        return self.text

    def stop(self):
        self.stopped = True


class Runs(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.logs = pathlib.Path(directory.name)
        self.boots = []

    def run_guests(self, guests, names=("001-a", "002-b"), build=lambda m: "", **options):
        """Each guest is its log, what scripts/guest printed, and whether it stays."""
        entries = "".join(f"{name[:3]} {name[4:]}\npromise: 3\nfault: A fault.\n"
                          f"in add\n-\tint sum;\n\n" for name in names)
        guests = iter(guests)

        def boot(ident, queue, directory):
            self.boots.append([m.name for m in queue])
            guest = next(guests)
            return FakeGuest(directory, *(guest if isinstance(guest, tuple) else (guest, "", False)))

        self.judge = mutants.Judge(boot, self.logs, poll=0, grace=0.05)
        self.judge.ran = 2
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            code = mutants.run_all(mutants.read_table(options.pop("text", entries)), self.judge,
                                   build, 1, **options)
        return code, out.getvalue().splitlines()

    def test_all_are_caught(self):
        code, out = self.run_guests([log(("001-a", BAD), ("002-b", SPLAT))])
        self.assertEqual((code, out[-1]), (0, "mutants: 2 of 2 caught"))

    def test_a_miss(self):
        code, out = self.run_guests([log(("001-a", BAD), ("002-b", GOOD))])
        self.assertEqual((code, out), (1, [
            "caught  001-a                                (p03_a: with an interval)",
            "MISSED  002-b",
            "mutants: 1 of 2 caught"]))

    def test_a_splat(self):
        code, out = self.run_guests([log(("001-a", SPLAT))], ["001-a"])
        self.assertEqual((code, out[-1]), (0, "mutants: 1 of 1 caught"))
        self.assertIn("(splat: WARNING: CPU: 0", out[0])

    def test_a_splat_after_a_failure_runs_again(self):
        guests = [(log(("001-a", BAD), ("002-b", HANG, 0)), "", True), log(("002-b", GOOD))]
        code, out = self.run_guests(guests)
        self.assertEqual(self.boots, [["001-a", "002-b"], ["002-b"]])
        self.assertEqual((code, out[1:]), (1, ["MISSED  002-b", "mutants: 1 of 2 caught"]))

    def test_a_hang_of_the_first_one(self):
        guests = [(log(("001-a", HANG, 0)), "", True), log(("002-b", BAD))]
        code, out = self.run_guests(guests)
        self.assertEqual(self.boots, [["001-a", "002-b"], ["002-b"]])
        self.assertEqual(code, 0)
        self.assertIn("(hang: INFO: task mmun_kunit", out[0])

    def test_a_silent_guest(self):
        lost = "l: guest lost: silent for 120 s; its last lines:\n"
        code, out = self.run_guests([(log(("001-a", "", 0)), lost, False)], ["001-a"])
        self.assertEqual((code, out), (0, [
            "caught  001-a                                (hang: silent for 120 s)",
            "mutants: 1 of 1 caught"]))

    def test_a_guest_that_the_host_lost(self):
        code, out = self.run_guests([(log(("001-a", "", 0)), "QEMU\nno memory\n", False)], ["001-a"])
        self.assertEqual((code, out), (1, [
            "ERROR   001-a                                (the host lost the guest: no memory)",
            "mutants: 0 of 1 caught"]))

    def test_no_guest(self):
        code, out = self.run_guests([("", "no QEMU\n", False)], ["001-a"])
        self.assertEqual(code, 1)
        self.assertIn("(no guest: no QEMU)", out[0])

    def test_a_guest_that_stops_between_two(self):
        self.run_guests([log(("001-a", BAD)), log(("002-b", BAD))])
        self.assertEqual(self.boots, [["001-a", "002-b"], ["002-b"]])
        self.assertEqual(self.judge.count("caught"), 2)

    def test_fewer_results_than_without_a_fault(self):
        code, out = self.run_guests([log(("001-a", GOOD[:26]))], ["001-a"])
        self.assertEqual(code, 1)
        self.assertIn("1 of 2 reported, and none failed", out[0])

    def test_a_build_error_is_not_caught(self):
        code, out = self.run_guests([log(("002-b", BAD))],
                                    build=lambda m: "x.c:1: error:" if m.number == "001" else "")
        self.assertEqual((code, out[-1]), (1, "mutants: 1 of 2 caught"))

    def test_building_only(self):
        code, out = self.run_guests([], only_build=True)
        self.assertEqual((code, out, self.boots), (0, ["mutants: 2 of 2 build"], []))

    def test_kmemleak_has_guests_of_its_own_and_arch_none(self):
        edit = "in add\n-\tint sum;\n"
        head = "promise: 3\nfault: A fault.\n"
        text = (f"001 a\n{head}needs: kmemleak\n{edit}\n002 b\n{head}arch: weak\n{edit}\n"
                f"003 c\n{head}{edit}")
        code, out = self.run_guests([log(("003-c", BAD)), log(("001-a", BAD))], text=text)
        self.assertEqual((code, self.boots), (0, [["003-c"], ["001-a"]]))
        self.assertEqual(out[-2:], [
            "skipped 002-b                                (weak: not counted)",
            "mutants: 2 of 2 caught"])

    def test_batches(self):
        names = [f"{n:03}-m{n}" for n in range(1, 11)]
        guests = [log(*((name, BAD) for name in part)) for part in (names[:8], names[8:])]
        code, out = self.run_guests(guests, names)
        self.assertEqual((code, [len(b) for b in self.boots]), (0, [8, 2]))
        self.assertEqual(out[-1], "mutants: 10 of 10 caught")
