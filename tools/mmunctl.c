// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmunctl: watch a live process through mmun, by way of mmun_test's device.
 *
 * This file reads the command line; watch.c and demo.c do the work.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mmunctl.h"

static const char help_main[] =
"mmunctl shows the events that a mirror of a process's page tables gets from mmun.\n"
"\n"
"  mmunctl watch PID    print every invalidation of a process as it happens\n"
"  mmunctl stats [PID]  count them for a while; without PID, the driver's figures\n"
"  mmunctl demo         let a program change its memory, and check the events\n"
"  mmunctl --version    print the version of mmunctl\n"
"\n"
"mmunctl COMMAND --help prints more. It needs root, mmun.ko and mmun_test.ko.\n"
"\n"
"Exit codes: 0 done (demo: passed); 1 it began and then failed (demo: failed);\n"
"2 it could not begin: wrong usage, no device, no such process, no permission.\n";

#define HELP_SUBSCRIPTION \
"  --range A-B    subscribe as an interval: only the ranges that touch [A, B);\n" \
"                 A and B are hexadecimal, as /proc/PID/maps prints them.\n" \
"                 An interval gets starts, and no ends\n" \
"  --young        get the young queries too (page ageing); not with --range\n" \
"  --tlb          get the secondary TLB flushes too; not with --range\n"

static const char help_watch[] =
"mmunctl watch PID [--range A-B] [--young] [--tlb] [--for SECONDS] [--json]\n"
"\n"
"Subscribes to the address space of process PID and prints one line an event:\n"
"\n"
"  seconds what event range size blockable|nonblock who\n"
"\n"
"  what     start, end, refused, release, young or tlb\n"
"  event    UNMAP, CLEAR, PROTECTION_VMA, PROTECTION_PAGE, SOFT_DIRTY, MIGRATE,\n"
"           EXCLUSIVE, RELEASE; for young: clear_flush, clear or test\n"
"  range    first byte and the byte after the last, hexadecimal\n"
"  who      name[id] of the task that changed the memory\n"
"\n"
"It ends when the process gives the address space up (exit, execve), at Ctrl-C,\n"
"or when the time is over, and prints a summary. If the reader is too slow, a\n"
"line gives the number of dropped events.\n"
"\n"
HELP_SUBSCRIPTION
"  --for SECONDS  end after this time (2, 0.5)\n"
"  --json         one JSON object a line\n"
"\n"
"Exit codes: 0 it ended in one of these ways; 1 the device failed on the way;\n"
"2 it could not begin: wrong usage, no device, no such process, no permission.\n";

static const char help_stats[] =
"mmunctl stats PID [--range A-B] [--young] [--tlb] [--for SECONDS] [--json]\n"
"mmunctl stats [--json]\n"
"\n"
"Subscribes to the address space of process PID, waits, and prints the counters\n"
"of the subscription. Without PID it prints the driver's own figures: how many\n"
"objects of get subscriptions it has allocated and freed.\n"
"\n"
HELP_SUBSCRIPTION
"  --for SECONDS  count for this time (2, 0.5); the default is one second\n"
"  --json         one JSON object\n"
"\n"
"Exit codes: 0 counted; 1 the device failed on the way; 2 it could not begin:\n"
"wrong usage, no device, no such process, no permission.\n";

static const char help_demo[] =
"mmunctl demo [--json]\n"
"\n"
"Starts a program, mirrors it, lets it munmap, MADV_DONTNEED, mprotect, mremap,\n"
"fork with copy-on-write and exit, and kills a second one whose memory\n"
"process_mrelease takes while a subscriber refuses. For each operation it prints\n"
"the events that the mirror must get, the events that it got, and the verdict:\n"
"ok, MISSING, or SKIP where the kernel cannot do the operation.\n"
"\n"
"  --json         one JSON object a line\n"
"\n"
"The last line is 'demo: PASS' or 'demo: FAIL'.\n"
"Exit codes: 0 PASS; 1 FAIL; 2 it could not begin: wrong usage, no device, no\n"
"permission.\n";

static int usage(const char *command, const char *complaint, const char *what)
{
	fprintf(stderr, "mmunctl%s%s: %s%s%s%s; see mmunctl %s%s--help\n",
		command ? " " : "", command ? command : "", complaint,
		what ? " '" : "", what ? what : "", what ? "'" : "",
		command ? command : "", command ? " " : "");
	return CODE_NOT_BEGUN;
}

static bool all_digits(const char *s)
{
	return *s && !s[strspn(s, "0123456789")];
}

static bool parse_pid(const char *s, pid_t *pid)
{
	unsigned long value;

	if (!all_digits(s) || strlen(s) > 10)
		return false;
	value = strtoul(s, NULL, 10);
	*pid = value;
	return value > 0 && value <= INT_MAX;
}

/* Digits, with nine after a point at most; more than zero. */
static bool parse_seconds(const char *s, uint64_t *ns)
{
	uint64_t seconds = 0, fraction = 0, unit = NSEC_PER_SEC;
	const char *p = s;

	for (; *p >= '0' && *p <= '9'; p++) {
		seconds = seconds * 10 + (*p - '0');
		if (seconds > NSEC_PER_SEC)
			return false;
	}
	if (p == s)
		return false;
	if (*p == '.') {
		if (!all_digits(++p) || strlen(p) > 9)
			return false;
		for (; *p; p++) {
			unit /= 10;
			fraction += unit * (*p - '0');
		}
	}
	*ns = seconds * NSEC_PER_SEC + fraction;
	return !*p && *ns;
}

static const char *parse_hex(const char *s, uint64_t *value)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	size_t len;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		s += 2;
	len = strspn(s, digits);
	if (!len || len > 16)
		return NULL;
	*value = strtoull(s, NULL, 16);
	return s + len;
}

static bool parse_range(const char *s, uint64_t *start, uint64_t *end)
{
	s = parse_hex(s, start);
	if (!s || *s != '-')
		return false;
	s = parse_hex(s + 1, end);
	return s && !*s && *start < *end;
}

/*
 * If the argument is option @name: its value is behind '=', or the next
 * argument. A missing value is an empty one, which nobody accepts.
 */
static bool value_of(const char *name, char ***argv, const char **value)
{
	const char *arg = **argv;
	size_t len = strlen(name);

	if (strncmp(arg, name, len) || (arg[len] && arg[len] != '='))
		return false;
	if (arg[len])
		*value = arg + len + 1;
	else
		*value = (*argv)[1] ? *++*argv : "";
	return true;
}

/* Return: -1 if the command is to be run, or the code to exit with. */
static int parse_subscription(const char *command, const char *help,
			      char **argv, struct watch_options *opt)
{
	bool limited = false;
	const char *value;

	for (; *argv; argv++) {
		if (!strcmp(*argv, "--help") || !strcmp(*argv, "-h")) {
			fputs(help, stdout);
			return CODE_OK;
		} else if (!strcmp(*argv, "--json")) {
			opt->json = true;
		} else if (!strcmp(*argv, "--young")) {
			opt->flags |= MMUN_TEST_ATTACH_YOUNG;
		} else if (!strcmp(*argv, "--tlb")) {
			opt->flags |= MMUN_TEST_ATTACH_TLB;
		} else if (value_of("--range", &argv, &value)) {
			opt->interval = true;
			if (!parse_range(value, &opt->start, &opt->end))
				return usage(command,
					     "--range wants hexadecimal A-B, A below B, not",
					     value);
		} else if (value_of("--for", &argv, &value)) {
			limited = true;
			if (!parse_seconds(value, &opt->limit_ns))
				return usage(command, "--for wants seconds, more than 0, not",
					     value);
		} else if (**argv == '-') {
			return usage(command, "there is no option", *argv);
		} else if (opt->pid) {
			return usage(command, "one PID is enough, there is also",
				     *argv);
		} else if (!parse_pid(*argv, &opt->pid)) {
			return usage(command, "a process id is wanted, not",
				     *argv);
		}
	}
	if (opt->interval && opt->flags)
		return usage(command, "--young and --tlb do not go with --range",
			     NULL);
	if (!opt->pid && (opt->interval || opt->flags || limited))
		return usage(command, "these options need a PID", NULL);
	return -1;
}

static int run_watch(char **argv)
{
	struct watch_options opt = { 0 };
	int code = parse_subscription("watch", help_watch, argv, &opt);

	if (code >= 0)
		return code;
	if (!opt.pid)
		return usage("watch", "the PID to watch is missing", NULL);
	return cmd_watch(&opt);
}

static int run_stats(char **argv)
{
	struct watch_options opt = { .limit_ns = NSEC_PER_SEC };
	int code = parse_subscription("stats", help_stats, argv, &opt);

	return code >= 0 ? code : cmd_stats(&opt);
}

static int run_demo(char **argv)
{
	bool json = false;

	for (; *argv; argv++) {
		if (!strcmp(*argv, "--help") || !strcmp(*argv, "-h")) {
			fputs(help_demo, stdout);
			return CODE_OK;
		}
		if (strcmp(*argv, "--json"))
			return usage("demo", **argv == '-' ?
				     "there is no option" :
				     "it takes no argument", *argv);
		json = true;
	}
	return cmd_demo(json);
}

int main(int argc, char **argv)
{
	int code;

	/* live lines, also into a pipe */
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2) {
		fputs(help_main, stderr);
		return CODE_NOT_BEGUN;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help")) {
		fputs(help_main, stdout);
		code = CODE_OK;
	} else if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("mmunctl " MMUN_VERSION);
		code = CODE_OK;
	} else if (!strcmp(argv[1], "watch")) {
		code = run_watch(argv + 2);
	} else if (!strcmp(argv[1], "stats")) {
		code = run_stats(argv + 2);
	} else if (!strcmp(argv[1], "demo")) {
		code = run_demo(argv + 2);
	} else {
		return usage(NULL, "there is no command", argv[1]);
	}
	/* a full disk is a failure, whatever was found */
	if (fflush(stdout) || ferror(stdout)) {
		fputs("mmunctl: the output cannot be written\n", stderr);
		if (code == CODE_OK)
			code = CODE_FAIL;
	}
	return code;
}
