// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cost of the operations on mmun and on the kernel's own notifier, in one boot: the
 * groups of measurements, and which of them run. Calls of the API are timed in the
 * kernel by mmun_bench, system calls here.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "measure.h"

static const struct {
	const char *group;
	void (*bench)(void);
} groups[] = {
	{ "register", bench_register },
	{ "unregister", bench_unregister },
	{ "put", bench_put },
	{ "get", bench_get },
	{ "interval", bench_interval },
	{ "read", bench_read },
	{ "mmap", bench_mmap },
	{ "idle", bench_idle },
	{ "exit", bench_exit },
	{ "fork", bench_fork },
	{ "scale", bench_scale },
	{ "mmap2", bench_mmap2 },
	{ "memory", bench_memory },
	{ "isolation", bench_isolation },
	{ "nothing", NULL },		/* around the others */
};

bool bench_is_group(const char *name, size_t len)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(groups); i++)
		if (strlen(groups[i].group) == len &&
		    !strncmp(groups[i].group, name, len))
			return true;
	return false;
}

static bool wants(const char *group)
{
	size_t len = strlen(group);
	const char *p = options->only;

	/* With --line each group measures that line and nothing else. */
	if (!p)
		return true;
	do {
		if (strcspn(p, ",") == len && !strncmp(p, group, len))
			return true;
		p += strcspn(p, ",");
	} while (*p++);
	return false;
}

static bool can_begin(void)
{
	int fd = open(BENCH_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		fprintf(stderr,
			"%s cannot be opened: %s; it needs root, mmun.ko and mmun_bench.ko\n",
			BENCH_DEVICE, strerror(errno));
		return false;
	}
	close(fd);
	return true;
}

static int run_groups(void)
{
	unsigned int i;

	if (options->baseline && !read_baseline(options->baseline, false))
		return CODE_NOT_BEGUN;
	if (options->loaded && !read_baseline(options->loaded, true))
		return CODE_NOT_BEGUN;
	if (!can_begin())
		return CODE_NOT_BEGUN;
	if (options->line)
		MMUN_BENCH_MARK(LINE);
	if (wants("nothing"))
		bench_nothing(options->baseline);
	for (i = 0; i < ARRAY_SIZE(groups); i++)
		if (wants(groups[i].group) && groups[i].bench)
			groups[i].bench();
	if (wants("nothing"))
		bench_nothing(true);
	print_nothing();
	return CODE_OK;
}

static int read_earlier(void)
{
	const char *const *path;
	int ret;

	for (path = options->from; *path; path++) {
		ret = table_read(*path);
		if (ret) {
			fprintf(stderr, "bench: %s: %s\n", *path,
				ret == -ENODATA ? "nothing was measured" :
				strerror(-ret));
			return CODE_NOT_BEGUN;
		}
	}
	return CODE_OK;
}

int run_benchmark(const struct bench_options *opt)
{
	double line[COLUMNS];
	int code, ret;

	options = opt;
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED) {
		perror("bench: mmap");
		return CODE_FAIL;
	}
	find_cpus();

	if (opt->write_baseline) {
		ret = write_baseline(opt->write_baseline);
		if (ret)
			fprintf(stderr, "bench: %s: %s\n", opt->write_baseline,
				strerror(-ret));
		return ret ? CODE_FAIL : CODE_OK;
	}
	code = opt->from ? read_earlier() : run_groups();
	if (code)
		return code;
	if (opt->line && !failed && !table_get(opt->line, line)) {
		fprintf(stderr, "bench: %s cannot be measured alone here\n",
			opt->line);
		failed = true;
	}

	if (opt->json) {
		ret = table_write_json(opt->json);
		if (ret) {
			fprintf(stderr, "bench: %s: %s\n", opt->json,
				strerror(-ret));
			failed = true;
		}
	}
	if (!opt->json || strcmp(opt->json, "-"))
		table_print(!opt->only && !opt->line && !opt->quick);
	if (failed)
		return CODE_FAIL;
	return opt->strict && !table_met() ? CODE_FAIL : CODE_OK;
}
