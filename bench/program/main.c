// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmun-bench: measure mmun beside the kernel's own notifier core, by way of
 * mmun_bench's device.
 *
 * This file reads the command line.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

static const char help[] =
"mmun-bench [--only GROUP,... | --line ID] [--rounds N] [--quick] [--strict]\n"
"           [--json FILE|-] [--baseline FILE] [--loaded FILE]\n"
"mmun-bench --write-baseline FILE\n"
"mmun-bench --from FILE [--from FILE]... [--json FILE|-]\n"
"mmun-bench --version\n"
"\n"
"Does the same operations on the kernel's own notifier core and on mmun, taking\n"
"turns, and prints the medians, their ratio, and whether it meets its target.\n"
"It needs root, mmun.ko and bench/module/mmun_bench.ko.\n"
"\n"
"  --only GROUP,...       register, unregister, put, get, interval, read, mmap,\n"
"                         idle (a range after the last subscriber has left), exit,\n"
"                         fork, scale (two CPUs at get and read), mmap2 (two CPUs at\n"
"                         mmap), memory, isolation, nothing\n"
"  --line ID              one line of the table, by its id in the JSON: fork.list.1\n"
"  --rounds N             processes of each core for a figure, 1 to 20; 5\n"
"  --quick                small sizes and few rounds, to see that it works\n"
"  --strict               exit code 1 if a target is not met\n"
"  --json FILE            write the figures there too; '-': and print no table\n"
"  --write-baseline FILE  add to FILE what system calls cost; needs no device\n"
"  --baseline FILE        'nothing attached' is compared with that, made while mmun was\n"
"                         not loaded, and not with the same before anything was attached\n"
"  --loaded FILE          'nothing attached' is that, made while mmun was loaded\n"
"  --from FILE            measure nothing: print what --json wrote; with --quick,\n"
"                         without the lines that are not there\n"
"\n"
"The last line is 'bench: N of N targets met'.\n"
"Exit codes: 0 measured; 1 something could not be measured; 2 it could not begin:\n"
"wrong usage, no device, no permission.\n";

enum {
	HELP = 'h',
	VERSION = 'V',
	ONLY = 256,
	LINE,
	ROUNDS,
	QUICK,
	STRICT,
	JSON,
	WRITE_BASELINE,
	BASELINE,
	LOADED,
	FROM,
};

static const struct option long_options[] = {
	{ "help", no_argument, NULL, HELP },
	{ "version", no_argument, NULL, VERSION },
	{ "only", required_argument, NULL, ONLY },
	{ "line", required_argument, NULL, LINE },
	{ "rounds", required_argument, NULL, ROUNDS },
	{ "quick", no_argument, NULL, QUICK },
	{ "strict", no_argument, NULL, STRICT },
	{ "json", required_argument, NULL, JSON },
	{ "write-baseline", required_argument, NULL, WRITE_BASELINE },
	{ "baseline", required_argument, NULL, BASELINE },
	{ "loaded", required_argument, NULL, LOADED },
	{ "from", required_argument, NULL, FROM },
	{ 0 }
};

static int usage(const char *complaint, const char *what)
{
	fprintf(stderr, "mmun-bench: %s%s%s%s; see mmun-bench --help\n", complaint,
		what ? " '" : "", what ? what : "", what ? "'" : "");
	return CODE_NOT_BEGUN;
}

/* GROUP,GROUP,... of those that the table has */
static bool parse_groups(const char *s)
{
	size_t len;

	do {
		len = strcspn(s, ",");
		if (!bench_is_group(s, len))
			return false;
		s += len;
	} while (*s++);
	return true;
}

static bool parse_rounds(const char *s, unsigned int *rounds)
{
	if (!*s || s[strspn(s, "0123456789")] || strlen(s) > 2)
		return false;
	*rounds = strtoul(s, NULL, 10);
	return *rounds >= 1 && *rounds <= 20;
}

static int run(int argc, char **argv)
{
	struct bench_options opt = { .rounds = 5 };
	const char *from[9] = { NULL };
	size_t nr_from = 0;
	int c;

	while ((c = getopt_long(argc, argv, "hV", long_options, NULL)) != -1) {
		switch (c) {
		case HELP:
			fputs(help, stdout);
			return CODE_OK;
		case VERSION:
			puts("mmun-bench " MMUN_VERSION);
			return CODE_OK;
		case QUICK:
			opt.quick = true;
			opt.rounds = 1;
			break;
		case STRICT:
			opt.strict = true;
			break;
		case ONLY:
			opt.only = optarg;
			if (!parse_groups(opt.only))
				return usage("--only wants groups with commas between, not",
					     opt.only);
			break;
		case LINE:
			opt.line = optarg;
			if (!table_has(opt.line))
				return usage("--line wants the id of a line, not", opt.line);
			break;
		case ROUNDS:
			if (!parse_rounds(optarg, &opt.rounds))
				return usage("--rounds wants a number from 1 to 20, not", optarg);
			break;
		case JSON:
			opt.json = optarg;
			break;
		case BASELINE:
			opt.baseline = optarg;
			break;
		case LOADED:
			opt.loaded = optarg;
			break;
		case WRITE_BASELINE:
			opt.write_baseline = optarg;
			break;
		case FROM:
			if (nr_from == ARRAY_SIZE(from) - 1)
				return usage("that is too many files", NULL);
			from[nr_from++] = optarg;
			opt.from = from;
			break;
		default:
			/* getopt has printed the complaint */
			return CODE_NOT_BEGUN;
		}
	}
	if (optind < argc)
		return usage("it takes no argument", argv[optind]);
	if (opt.loaded && !opt.baseline)
		return usage("--loaded is compared with --baseline", NULL);
	if (opt.line && (opt.only || opt.write_baseline))
		return usage("--line measures nothing else", NULL);
	if (opt.from && (opt.only || opt.line || opt.baseline || opt.loaded || opt.write_baseline))
		return usage("--from measures nothing", NULL);
	return run_benchmark(&opt);
}

int main(int argc, char **argv)
{
	int code;

	/* live lines, also into a pipe */
	setvbuf(stdout, NULL, _IOLBF, 0);
	code = run(argc, argv);
	/* a full disk is a failure, whatever was found */
	if (fflush(stdout) || ferror(stdout)) {
		fputs("mmun-bench: the output cannot be written\n", stderr);
		if (code == CODE_OK)
			code = CODE_FAIL;
	}
	return code;
}
