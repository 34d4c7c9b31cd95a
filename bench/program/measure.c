// SPDX-License-Identifier: GPL-2.0-only
/*
 * All measurements share this: the device, processes, the medians of both cores.
 *
 * Every sample is taken in a process of its own, since a mm that ever had a
 * subscriber of the kernel's keeps traces of it. The processes of the two cores
 * take turns; what is printed are medians.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "measure.h"

struct board *board;
const struct bench_options *options;
bool failed;

void die(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	fputs("bench: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, ": %s\n", strerror(err));
	_exit(CODE_FAIL);
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

void sample(double value)
{
	if (board->n < SAMPLES_MAX)
		board->samples[board->n++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double median(double *values, unsigned int n)
{
	qsort(values, n, sizeof(*values), compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* --- the device --- */

int device(void)
{
	int fd = open(BENCH_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("%s", BENCH_DEVICE);
	return fd;
}

uint32_t attach(int fd, struct mmun_bench_attach *arg)
{
	arg->size = sizeof(*arg);
	if (ioctl(fd, MMUN_BENCH_IOC_ATTACH, arg))
		die("%u subscriptions", arg->n);
	return arg->id;
}

uint32_t attach_lists(int fd, int core, unsigned int n)
{
	struct mmun_bench_attach arg = { .core = core, .n = n };

	return attach(fd, &arg);
}

void attach_job(int fd, const struct job *job, int core)
{
	struct mmun_bench_attach arg = {
		.core = core,
		.kind = MMUN_BENCH_INTERVAL,
		.n = job->intervals,
		.start = job->start ? job->start : ELSEWHERE,
		.length = job->length ? job->length : PAGE,
		.stride = job->length ? job->stride : STRIDE,
	};

	if (job->lists)
		attach_lists(fd, core, job->lists);
	if (job->intervals)
		attach(fd, &arg);
}

void detach(int fd, uint32_t id)
{
	struct mmun_bench_detach arg = { .size = sizeof(arg), .id = id };

	if (ioctl(fd, MMUN_BENCH_IOC_DETACH, &arg))
		die("detach");
}

void run_op(int fd, const struct job *job, int core, unsigned int rounds,
	    unsigned int parties, struct mmun_bench_time *times)
{
	struct mmun_bench_run arg = {
		.size = sizeof(arg),
		.core = core,
		.op = job->op,
		.rounds = rounds,
		.count = job->count,
		.parties = parties,
		.start = job->op_start,
		.length = job->op_start ? PAGE : 0,
		.stride = job->op_stride,
		.buffer = (uintptr_t)times,
	};

	if (ioctl(fd, MMUN_BENCH_IOC_RUN, &arg))
		die("operation %u on core %d", job->op, core);
}

/* --- processes --- */

pid_t start_process(void)
{
	pid_t parent = getpid(), pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		/* An interrupted benchmark leaves nobody behind. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(CODE_FAIL);
	}
	return pid;
}

bool end_process(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) != pid)
		if (errno != EINTR)
			die("waitpid");
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

/* Wait in small steps until what another process does is there. */
bool wait_for(volatile unsigned int *what, unsigned int value)
{
	uint64_t until = now_ns() + 60 * NSEC_PER_SEC;

	while (*what != value) {
		if (now_ns() > until)
			return false;
		usleep(1000);
	}
	return true;
}

static unsigned int count_vmas(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned int n = 0;
	int c;

	if (!f)
		die("/proc/self/maps");
	while ((c = getc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

/* One-page mappings of two kinds in turn, so that none are merged. */
static void make_vmas(unsigned int n)
{
	unsigned int have = count_vmas(), i;
	char *p;

	if (n <= have)
		return;
	n -= have;
	p = mmap(NULL, n * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		die("mmap");
	for (i = 0; i < n; i += 2)
		if (mprotect(p + i * PAGE, PAGE, PROT_NONE))
			die("%u mappings", n);
}

/* How far apart the middle half of what was measured last lies, for 1. */
double spread;

/* Medians of both cores; false if one of them could not be measured. */
bool measure(const struct job *job, double *result)
{
	static double all[COLUMNS][SAMPLES_MAX];
	unsigned int n[COLUMNS] = { 0 }, i;
	unsigned int processes = job->processes;
	int core;
	pid_t pid;

	/* Not so many for a whole table. */
	if (!processes || processes > options->rounds || options->line)
		processes = options->rounds;
	for (i = 0; i < processes; i++) {
		for (core = 0; core < COLUMNS; core++) {
			board->n = 0;
			board->ready = 0;
			pid = start_process();
			if (!pid) {
				if (job->vmas)
					make_vmas(job->vmas);
				/* Until then the work that the last one left is over. */
				usleep(options->quick ? 1000 : SETTLE_US);
				job->fn(job, core);
				_exit(CODE_OK);
			}
			if (!end_process(pid) || !board->n) {
				failed = true;
				return false;
			}
			if (n[core] + board->n > SAMPLES_MAX)
				board->n = SAMPLES_MAX - n[core];
			memcpy(&all[core][n[core]], board->samples,
			       board->n * sizeof(double));
			n[core] += board->n;
		}
	}
	for (core = 0; core < COLUMNS; core++) {
		result[core] = median(all[core], n[core]);
		spread = (all[core][n[core] * 3 / 4] - all[core][n[core] / 4]) /
			 result[core];
	}
	return true;
}

bool wants_line(const char *id)
{
	return !options->line || (id && !strcmp(options->line, id));
}

void measure_line(const char *id, const struct job *job)
{
	double result[COLUMNS];

	if (!wants_line(id))
		return;
	fprintf(stderr, "bench: %s ...\n", id);
	if (measure(job, result))
		table_set(id, result[IN_KERNEL], result[ON_MMUN]);
	else
		fprintf(stderr, "bench: %s could not be measured\n", id);
}

/* The line, if there is one of that id, and a point of the curve. */
void measure_point(const char *curve, double x, const char *id,
		   const struct job *job)
{
	double result[COLUMNS];

	if (!wants_line(id))
		return;
	fprintf(stderr, "bench: %s at %.0f ...\n", curve, x);
	if (!measure(job, result)) {
		fprintf(stderr, "bench: %s at %.0f could not be measured\n",
			curve, x);
		return;
	}
	if (id)
		table_set(id, result[IN_KERNEL], result[ON_MMUN]);
	table_curve(curve, x, result[IN_KERNEL], result[ON_MMUN]);
}

/* --- two vCPUs --- */

static int cpus[2], nr_cpus;

void find_cpus(void)
{
	cpu_set_t set;
	int cpu;

	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	for (cpu = 0; cpu < CPU_SETSIZE && nr_cpus < 2; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus[nr_cpus++] = cpu;
}

void pin(int which)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpus[which], &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("cannot run on CPU %d", cpus[which]);
}

bool two_cpus(const char *what)
{
	if (nr_cpus == 2)
		return true;
	if (!options->line)
		fprintf(stderr, "bench: %s needs two CPUs\n", what);
	return false;
}
