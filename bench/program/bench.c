// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cost of the operations on mmun and on the kernel's own notifier, in one boot.
 *
 * Every sample is taken in a process of its own, since a mm that ever had a
 * subscriber of the kernel's keeps traces of it. The processes of the two cores
 * take turns; what is printed are medians. Calls of the API are timed in the
 * kernel by mmun_bench, system calls here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
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
#include <linux/mmun_bench.h>
#include "bench.h"

#define BENCH_DEVICE	"/dev/mmun_bench"
#define PAGE		4096ul

/* Where nothing is mapped: intervals that nothing hits, and what is hit. */
#define ELSEWHERE	0x100000000000ull
#define STRIDE		0x10000ull
#define CYCLE		0x200000000000ull
#define CYCLE_PAGES	4

#define SAMPLES_MAX	1024
#define SETTLE_US	60000

/* The memory that the processes share. */
struct board {
	unsigned int n;
	double samples[SAMPLES_MAX];
	/* between a process and the one that it watches */
	volatile uint64_t stamp;
	volatile uint32_t id;
	volatile uint64_t bytes;
	volatile unsigned int ready;
};

static struct board *board;
static const struct bench_options *options;
static bool failed;

/* Where somebody's callback sleeps, and what another process does meanwhile. */
enum place { IN_START, IN_RELEASE };
enum victim { UNREGISTER, EXIT, SYNC };

struct job;
typedef void (*job_fn)(const struct job *job, int core);

/* The subscriptions that a process attaches to itself, and its measurement. */
struct job {
	job_fn fn;
	unsigned int vmas;		/* 0: as many as there are */
	unsigned int lists;
	unsigned int intervals;
	uint64_t start, length, stride;	/* of them */
	/* the kernel's part */
	unsigned int op;
	unsigned int count;
	uint64_t op_start, op_stride;
	/* how often */
	unsigned int rounds;		/* in a process */
	unsigned int processes;		/* for each core; 0: options->rounds */
	/* on mmun: but the slow one, or the other one, is on the kernel's core */
	enum place place;
	enum victim victim;
	bool plain_slow, plain_victim;
	bool keep_file;
	bool leave;			/* the lists unsubscribe before the measurement */
};

static void __noreturn __printf(1, 2) die(const char *fmt, ...)
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

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static void sample(double value)
{
	if (board->n < SAMPLES_MAX)
		board->samples[board->n++] = value;
}

/*
 * The time begins that is measured on @core, also for a profiler: both times after the
 * clock was read, which a new process does with a page fault.
 */
static uint64_t begin_time(int core)
{
	uint64_t ns = now_ns();

	if (core == ON_MMUN)
		MMUN_BENCH_MARK(MMUN);
	else
		MMUN_BENCH_MARK(KERNEL);
	return ns;
}

static uint64_t end_time(void)
{
	uint64_t ns = now_ns();

	MMUN_BENCH_MARK(END);
	return ns;
}

/* A profiler is to keep what it saw since the last figure: each of n operations. */
static void keep_profile(unsigned int n)
{
	while (n--)
		MMUN_BENCH_MARK(OPERATION);
	MMUN_BENCH_MARK(KEEP);
}

static void forget_profile(void)
{
	MMUN_BENCH_MARK(FORGET);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, unsigned int n)
{
	qsort(values, n, sizeof(*values), compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* --- the device --- */

static int device(void)
{
	int fd = open(BENCH_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("%s", BENCH_DEVICE);
	return fd;
}

static uint32_t attach(int fd, struct mmun_bench_attach *arg)
{
	arg->size = sizeof(*arg);
	if (ioctl(fd, MMUN_BENCH_IOC_ATTACH, arg))
		die("%u subscriptions", arg->n);
	return arg->id;
}

static uint32_t attach_lists(int fd, int core, unsigned int n)
{
	struct mmun_bench_attach arg = { .core = core, .n = n };

	return attach(fd, &arg);
}

static void attach_job(int fd, const struct job *job, int core)
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

static void detach(int fd, uint32_t id)
{
	struct mmun_bench_detach arg = { .size = sizeof(arg), .id = id };

	if (ioctl(fd, MMUN_BENCH_IOC_DETACH, &arg))
		die("detach");
}

static void run_op(int fd, const struct job *job, int core, unsigned int rounds,
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

static pid_t start_process(void)
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

static bool end_process(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) != pid)
		if (errno != EINTR)
			die("waitpid");
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

/* Wait in small steps until what another process does is there. */
static bool wait_for(volatile unsigned int *what, unsigned int value)
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
static double spread;

/* Medians of both cores; false if one of them could not be measured. */
static bool measure(const struct job *job, double *result)
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

static bool wants_line(const char *id)
{
	return !options->line || (id && !strcmp(options->line, id));
}

static void measure_line(const char *id, const struct job *job)
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
static void measure_point(const char *curve, double x, const char *id,
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

/* --- calls of the API --- */

static void job_op(const struct job *job, int core)
{
	struct mmun_bench_time times[MMUN_BENCH_ROUNDS_MAX];
	int fd = device();
	unsigned int i;

	attach_job(fd, job, core);
	/* Once for nothing; but a first attach has no second time. */
	if (job->rounds > 1)
		run_op(fd, job, core, 1, 0, times);
	forget_profile();
	run_op(fd, job, core, job->rounds, 0, times);
	/* A put has a time of its own. */
	keep_profile(job->op == MMUN_BENCH_PUT ? 1 : job->count);
	for (i = 0; i < job->rounds; i++)
		sample((double)times[i].ns / job->count);
}

static void bench_register(void)
{
	static const unsigned int vmas[] = { 20, 100, 1000, 5000, 20000 };
	double flat[2][COLUMNS];
	char id[64];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vmas); i++) {
		bool line = vmas[i] != 100 && vmas[i] != 5000;
		struct job job = {
			.fn = job_op, .vmas = vmas[i], .op = MMUN_BENCH_REGISTER,
			.count = 1, .rounds = 1,
		};

		if (options->quick && vmas[i] > 1000)
			break;
		snprintf(id, sizeof(id), "register.first.%u", vmas[i]);
		measure_point("register.first", vmas[i], line ? id : NULL, &job);

		job.lists = 1;
		job.rounds = 2;
		job.count = 4;
		job.processes = 3;
		snprintf(id, sizeof(id), "register.later.%u", vmas[i]);
		measure_point("register.later", vmas[i], line ? id : NULL, &job);
	}
	if (table_get("register.later.20", flat[0]) &&
	    table_get("register.later.20000", flat[1]))
		table_set("register.flat",
			  flat[1][IN_KERNEL] / flat[0][IN_KERNEL],
			  flat[1][ON_MMUN] / flat[0][ON_MMUN]);
}

static void bench_unregister(void)
{
	struct job job = {
		.fn = job_op, .lists = 1, .op = MMUN_BENCH_UNREGISTER,
		.count = 4, .rounds = 4,
	};

	measure_line("unregister.other", &job);
	/* The kernel expedites the first one in a while. */
	job.count = 1;
	job.rounds = 1;
	measure_line("unregister.alone", &job);
	job.lists = 0;
	measure_line("unregister.last", &job);
}

static void bench_put(void)
{
	const struct job job = {
		.fn = job_op, .lists = 1, .op = MMUN_BENCH_PUT, .count = 4,
		.rounds = 4,
	};

	measure_line("put.freed", &job);
}

static void bench_get(void)
{
	struct job job = {
		.fn = job_op, .lists = 1, .op = MMUN_BENCH_GET_LOCKED,
		.count = 1000, .rounds = 8,
	};

	measure_line("get.locked", &job);
	job.op = MMUN_BENCH_GET;
	measure_line("get.unlocked", &job);
}

static void bench_interval(void)
{
	static const unsigned int sizes[] = { 10, 100, 1000, 10000, 100000, 1000000 };
	char id[64];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		bool line = sizes[i] == 10 || sizes[i] == 10000 || sizes[i] == 1000000;
		struct job job = {
			.fn = job_op, .intervals = sizes[i],
			.op = MMUN_BENCH_INSERT,
			.count = sizes[i] < 100 ? 10 : 100, .rounds = 16,
			.op_start = ELSEWHERE + STRIDE / 2,
			.processes = sizes[i] >= 100000 ? 2 : 3,
		};

		if (options->quick && sizes[i] > 10000)
			break;
		job.op_stride = STRIDE * (sizes[i] / job.count);
		snprintf(id, sizeof(id), "interval.insert.%u", sizes[i]);
		measure_point("interval.insert", sizes[i], line ? id : NULL, &job);
		job.op = MMUN_BENCH_REMOVE;
		snprintf(id, sizeof(id), "interval.remove.%u", sizes[i]);
		measure_point("interval.remove", sizes[i], line ? id : NULL, &job);
	}
}

static void bench_read(void)
{
	const struct job job = {
		.fn = job_op, .op = MMUN_BENCH_READ, .count = 10000, .rounds = 8,
		.op_start = ELSEWHERE,
	};

	measure_line("read.idle", &job);
}

/* --- two vCPUs --- */

static int cpus[2], nr_cpus;

static void find_cpus(void)
{
	cpu_set_t set;
	int cpu;

	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	for (cpu = 0; cpu < CPU_SETSIZE && nr_cpus < 2; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus[nr_cpus++] = cpu;
}

static void pin(int which)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpus[which], &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("cannot run on CPU %d", cpus[which]);
}

struct party {
	const struct job *job;
	int core, which, fd;
	struct mmun_bench_time times[MMUN_BENCH_ROUNDS_MAX];
};

static void *party_main(void *arg)
{
	struct party *p = arg;

	pin(p->which);
	run_op(p->fd, p->job, p->core, p->job->rounds, 2, p->times);
	return NULL;
}

static uint64_t end_of(const struct mmun_bench_time *t)
{
	return t->begin_ns + t->ns;
}

/* Each round: what two do in the time in which one does it once. */
static void job_scale(const struct job *job, int core)
{
	struct mmun_bench_time alone[MMUN_BENCH_ROUNDS_MAX];
	struct party p[2];
	pthread_t other;
	double one, begin, end;
	unsigned int i;
	int fd = device();

	attach_job(fd, job, core);
	pin(0);
	run_op(fd, job, core, 1, 0, alone);
	run_op(fd, job, core, job->rounds, 0, alone);
	for (i = 0; i < 2; i++)
		p[i] = (struct party){ .job = job, .core = core, .which = i,
				       .fd = fd };
	if (pthread_create(&other, NULL, party_main, &p[1]))
		die("a thread");
	party_main(&p[0]);
	pthread_join(other, NULL);
	for (i = 0; i < job->rounds; i++) {
		const struct mmun_bench_time *a = &p[0].times[i], *b = &p[1].times[i];

		begin = a->begin_ns < b->begin_ns ? a->begin_ns : b->begin_ns;
		end = end_of(a) > end_of(b) ? end_of(a) : end_of(b);
		one = alone[i].ns;
		sample(2 * one / (end - begin));
	}
}

static bool two_cpus(const char *what)
{
	if (nr_cpus == 2)
		return true;
	if (!options->line)
		fprintf(stderr, "bench: %s needs two CPUs\n", what);
	return false;
}

struct spinner {
	pthread_barrier_t *barrier;
	int which;
	unsigned int rounds;
	uint64_t begin[MMUN_BENCH_ROUNDS_MAX], end[MMUN_BENCH_ROUNDS_MAX];
};

static void *spinner_main(void *arg)
{
	struct spinner *s = arg;
	volatile unsigned int i;
	unsigned int r;

	pin(s->which);
	for (r = 0; r < s->rounds; r++) {
		if (s->barrier)
			pthread_barrier_wait(s->barrier);
		s->begin[r] = now_ns();
		for (i = 0; i < 1000000; i++)
			;
		s->end[r] = now_ns();
	}
	return NULL;
}

/* The gain of two threads that share nothing, on this machine, now. */
static void job_ideal(const struct job *job, int core)
{
	static struct spinner alone, s[2];
	pthread_barrier_t barrier;
	uint64_t begin, end;
	pthread_t other;
	unsigned int r;

	(void)core;
	alone.rounds = job->rounds;
	spinner_main(&alone);
	pthread_barrier_init(&barrier, NULL, 2);
	for (r = 0; r < 2; r++)
		s[r] = (struct spinner){ .barrier = &barrier, .which = r,
					 .rounds = job->rounds };
	if (pthread_create(&other, NULL, spinner_main, &s[1]))
		die("a thread");
	spinner_main(&s[0]);
	pthread_join(other, NULL);
	for (r = 0; r < job->rounds; r++) {
		begin = s[0].begin[r] < s[1].begin[r] ? s[0].begin[r] : s[1].begin[r];
		end = s[0].end[r] > s[1].end[r] ? s[0].end[r] : s[1].end[r];
		sample(2.0 * (alone.end[r] - alone.begin[r]) / (end - begin));
	}
}

static void bench_scale(void)
{
	const struct job ideal = { .fn = job_ideal, .rounds = 16 };
	struct job job = {
		.fn = job_scale, .lists = 1, .op = MMUN_BENCH_GET,
		.count = 10000, .rounds = 16,
	};

	if (!two_cpus("scale"))
		return;
	measure_line("scale.nothing", &ideal);
	measure_line("get.scale", &job);
	job.op = MMUN_BENCH_READ;
	job.count = options->quick ? 10000 : 200000;
	job.op_start = ELSEWHERE;
	measure_line("read.scale", &job);
}

/* --- system calls --- */

static void cycle(uint64_t at)
{
	volatile char *p;
	int i;

	p = mmap((void *)at, CYCLE_PAGES * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (p == MAP_FAILED)
		die("mmap");
	for (i = 0; i < CYCLE_PAGES; i++)
		p[i * PAGE] = 1;
	if (munmap((void *)p, CYCLE_PAGES * PAGE))
		die("munmap");
}

static void cycles(uint64_t at, unsigned int n)
{
	while (n--)
		cycle(at);
}

/* Subscribe; with leave unsubscribe again, so that the core serves nobody in this mm. */
static void attach_or_leave(const struct job *job, int core)
{
	int fd;

	if (!job->lists && !job->intervals)
		return;
	fd = device();
	if (job->leave)
		detach(fd, attach_lists(fd, core, job->lists));
	else
		attach_job(fd, job, core);
}

static void job_mmap(const struct job *job, int core)
{
	unsigned int r;
	uint64_t begin;

	attach_or_leave(job, core);
	cycles(CYCLE, job->count);
	for (r = 0; r < job->rounds; r++) {
		begin = begin_time(core);
		cycles(CYCLE, job->count);
		sample((double)(end_time() - begin) / job->count);
		keep_profile(job->count);
	}
}

static void zap_untouched(void *page, unsigned int n)
{
	while (n--)
		if (madvise(page, PAGE, MADV_DONTNEED))
			die("madvise");
}

/* A range in which nothing is mapped: little else but the notifier. */
static void job_range(const struct job *job, int core)
{
	unsigned int r;
	uint64_t begin;
	void *page;

	page = mmap((void *)CYCLE, PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (page == MAP_FAILED)
		die("mmap");
	attach_or_leave(job, core);
	zap_untouched(page, job->count);
	for (r = 0; r < job->rounds; r++) {
		begin = begin_time(core);
		zap_untouched(page, job->count);
		sample((double)(end_time() - begin) / job->count);
		keep_profile(job->count);
	}
}

struct cycler {
	const struct job *job;
	pthread_barrier_t *barrier;
	int which;
	uint64_t begin[MMUN_BENCH_ROUNDS_MAX], end[MMUN_BENCH_ROUNDS_MAX];
};

static void *cycler_main(void *arg)
{
	struct cycler *c = arg;
	uint64_t at = CYCLE + c->which * (1ull << 30);
	unsigned int r;

	pin(c->which);
	cycles(at, c->job->count);
	for (r = 0; r < c->job->rounds; r++) {
		pthread_barrier_wait(c->barrier);
		c->begin[r] = now_ns();
		cycles(at, c->job->count);
		c->end[r] = now_ns();
	}
	return NULL;
}

static void job_mmap2(const struct job *job, int core)
{
	static struct cycler c[2];
	pthread_barrier_t barrier;
	pthread_t other;
	uint64_t begin, end;
	unsigned int r;
	int i;

	attach_job(device(), job, core);
	pthread_barrier_init(&barrier, NULL, 2);
	for (i = 0; i < 2; i++)
		c[i] = (struct cycler){ .job = job, .barrier = &barrier,
					.which = i };
	if (pthread_create(&other, NULL, cycler_main, &c[1]))
		die("a thread");
	cycler_main(&c[0]);
	pthread_join(other, NULL);
	for (r = 0; r < job->rounds; r++) {
		begin = c[0].begin[r] < c[1].begin[r] ? c[0].begin[r] : c[1].begin[r];
		end = c[0].end[r] > c[1].end[r] ? c[0].end[r] : c[1].end[r];
		sample((double)(end - begin) / job->count);
	}
}

static void bench_mmap(void)
{
	static const unsigned int lists[] = { 1, 4, 16, 64, 256 };
	static const unsigned int intervals[] = { 1, 10, 100, 1000, 10000, 100000 };
	static const unsigned int overlap[] = { 1, 10, 100 };
	const struct job idle = {
		.fn = job_mmap, .count = options->quick ? 10 : 50, .rounds = 5,
		.processes = 3,
	};
	struct job job;
	char id[64];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		if (options->quick && lists[i] > 64)
			break;
		job = idle;
		job.lists = lists[i];
		snprintf(id, sizeof(id), "mmap.list.%u", lists[i]);
		measure_point("mmap.list", lists[i],
			      lists[i] == 1 || lists[i] == 64 ? id : NULL, &job);
	}
	for (i = 0; i < ARRAY_SIZE(intervals); i++) {
		if (options->quick && intervals[i] > 1000)
			break;
		job = idle;
		job.intervals = intervals[i];
		snprintf(id, sizeof(id), "mmap.elsewhere.%u", intervals[i]);
		measure_point("mmap.elsewhere", intervals[i],
			      intervals[i] == 1 || intervals[i] == 100000 ? id : NULL,
			      &job);
	}
	for (i = 0; i < ARRAY_SIZE(overlap); i++) {
		job = idle;
		job.intervals = overlap[i];
		job.start = CYCLE;
		job.length = CYCLE_PAGES * PAGE;
		snprintf(id, sizeof(id), "mmap.overlap.%u", overlap[i]);
		measure_point("mmap.overlap", overlap[i],
			      overlap[i] == 100 ? id : NULL, &job);
	}
}

static void bench_mmap2(void)
{
	const struct job job = {
		.fn = job_mmap2, .intervals = 1000,
		.count = options->quick ? 10 : 100, .rounds = 5,
	};

	if (two_cpus("mmap2"))
		measure_line("mmap2.elsewhere.1000", &job);
}

/* Of the lines called @what: the figures without a subscriber over those with one. */
static void set_idle_over_list(const char *what)
{
	double idle[COLUMNS], list[COLUMNS];
	char id[64];

	snprintf(id, sizeof(id), "idle.%s.idle", what);
	if (!table_get(id, idle))
		return;
	snprintf(id, sizeof(id), "idle.%s.list", what);
	if (!table_get(id, list))
		return;
	snprintf(id, sizeof(id), "idle.%s.over", what);
	table_set(id, idle[IN_KERNEL] / list[IN_KERNEL], idle[ON_MMUN] / list[ON_MMUN]);
}

/* The kernel, too, keeps something in a mm after its last subscriber has left. */
static void bench_idle(void)
{
	static const struct {
		const char *what;
		job_fn fn;
		unsigned int count, quick;
	} cases[] = {
		{ "mmap", job_mmap, 200, 10 },
		{ "range", job_range, 1000, 100 },
	};
	struct job job;
	char id[64];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		job = (struct job){
			.fn = cases[i].fn, .rounds = 5, .lists = 1,
			.count = options->quick ? cases[i].quick : cases[i].count,
		};
		snprintf(id, sizeof(id), "idle.%s.list", cases[i].what);
		measure_line(id, &job);
		job.leave = true;
		snprintf(id, sizeof(id), "idle.%s.idle", cases[i].what);
		measure_line(id, &job);
		job.lists = 0;
		snprintf(id, sizeof(id), "idle.%s.nothing", cases[i].what);
		measure_line(id, &job);
		set_idle_over_list(cases[i].what);
	}
}

/*
 * A process that attaches to itself and exits: from its _exit() to our wait. Most
 * drivers are left by the exit too, which closes their file: after the release
 * comes the unregister. With keep_file it is ours, and stays open.
 */
static double time_exit(const struct job *job, int core)
{
	int fd = job->keep_file ? device() : -1;
	uint64_t end;
	pid_t pid;

	pid = start_process();
	if (!pid) {
		if (job->lists || job->intervals)
			attach_job(fd < 0 ? device() : fd, job, core);
		board->stamp = begin_time(core);
		_exit(CODE_OK);
	}
	if (!end_process(pid))
		_exit(CODE_FAIL);
	end = end_time();
	if (fd >= 0)
		close(fd);
	return end - board->stamp;
}

/*
 * Subscribers of somebody else come and go, several at a time, on the same core: the
 * kernel's is seldom without a grace period that has begun.
 */
static pid_t start_traffic(int core)
{
	pid_t pid = start_process();
	int fd;

	if (pid)
		return pid;
	fd = device();
	for (;;) {
		detach(fd, attach_lists(fd, core, 4));
		usleep(1000);
	}
}

static void job_exit_in_traffic(const struct job *job, int core)
{
	pid_t traffic = start_traffic(core);
	unsigned int i;

	for (i = 0; i < job->rounds; i++) {
		/* On one CPU the traffic must have had a turn since the last exit. */
		usleep(SETTLE_US);
		sample(time_exit(job, core));
		keep_profile(1);
	}
	kill(traffic, SIGKILL);
	end_process(traffic);
}

static void job_exit(const struct job *job, int core)
{
	unsigned int i;

	for (i = 0; i <= job->rounds; i++) {
		double ns = time_exit(job, core);

		if (!i) {
			forget_profile();
			continue;
		}
		sample(ns);
		keep_profile(1);
	}
}

static void bench_exit(void)
{
	struct job job = {
		.fn = job_exit, .lists = 1, .rounds = 5, .processes = 3,
	};

	measure_line("exit.list.1", &job);
	job.fn = job_exit_in_traffic;
	measure_line("exit.traffic.1", &job);
	job.fn = job_exit;
	job.keep_file = true;
	measure_line("exit.kept.1", &job);
	job.keep_file = false;
	job.lists = 0;
	job.intervals = 1;
	measure_line("exit.interval.1", &job);
	job.intervals = 0;
	job.lists = 100;
	job.rounds = 1;
	measure_line("exit.list.100", &job);
}

static void job_fork(const struct job *job, int core)
{
	const struct sched_param fifo = { .sched_priority = 1 };
	uint64_t begin, ns;
	unsigned int i;
	pid_t pid;

	if (job->lists)
		attach_job(device(), job, core);
	/* The child runs when we wait for it, and not in the middle of our time. */
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &fifo))
		die("SCHED_FIFO");
	for (i = 0; i <= job->rounds; i++) {
		begin = begin_time(core);
		pid = fork();
		if (!pid)
			_exit(CODE_OK);
		ns = end_time() - begin;
		if (pid < 0)
			die("fork");
		if (i) {
			sample(ns);
			keep_profile(1);
		} else {
			forget_profile();
		}
		end_process(pid);
	}
}

static void bench_fork(void)
{
	const struct job job = {
		.fn = job_fork, .lists = 1, .rounds = 16, .processes = 3,
	};

	measure_line("fork.list.1", &job);
}

/* --- nothing attached --- */

#define NOTHING_MAX	16	/* times that a machine is measured */

/* The same figure, again and again. */
struct figures {
	double value[NOTHING_MAX];
	unsigned int nr;
};

struct nothing {
	const char *id;
	struct job job;
	struct figures before, after;
};

static struct nothing nothing[] = {
	{ "nothing.mmap", { .fn = job_mmap, .count = 200, .rounds = 3 } },
	{ "nothing.fork", { .fn = job_fork, .rounds = 16 } },
	{ "nothing.exit", { .fn = job_exit, .rounds = 16 } },
};

static bool add_figure(struct figures *figures, double value)
{
	if (!value || figures->nr == NOTHING_MAX)
		return false;
	figures->value[figures->nr++] = value;
	return true;
}

static double measure_nothing(struct nothing *what)
{
	double result[COLUMNS], both[2];

	if (!measure(&what->job, result))
		return 0;
	/* The core does not matter here. */
	both[0] = result[IN_KERNEL];
	both[1] = result[ON_MMUN];
	return median(both, 2);
}

/* Another measurement for the file, which is made if it is not there. */
static int write_baseline(const char *path)
{
	FILE *f = fopen(path, "a");
	unsigned int i;

	if (!f)
		return -errno;
	for (i = 0; i < ARRAY_SIZE(nothing); i++)
		fprintf(f, "%s %.17g\n", nothing[i].id,
			measure_nothing(&nothing[i]));
	return fclose(f) ? -errno : 0;
}

static bool read_baseline(const char *path, bool after)
{
	FILE *f = fopen(path, "r");
	struct figures *figures;
	bool good = f;
	unsigned int i;
	char id[64];
	double value;

	while (good && fscanf(f, "%63s %lf", id, &value) == 2)
		for (i = 0; i < ARRAY_SIZE(nothing); i++)
			if (!strcmp(id, nothing[i].id))
				good = add_figure(after ? &nothing[i].after :
						  &nothing[i].before, value);
	for (i = 0; good && i < ARRAY_SIZE(nothing); i++) {
		figures = after ? &nothing[i].after : &nothing[i].before;
		good = figures->nr;
	}
	if (f)
		fclose(f);
	if (!good)
		fprintf(stderr, "bench: %s is not what --write-baseline makes\n", path);
	return good;
}

/*
 * With a baseline, which was measured without a module of ours: before anything is
 * attached, since the rest of the machine is as it was then. Without one: before
 * anything was attached, and after it.
 */
static void bench_nothing(bool after)
{
	struct figures *figures;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nothing); i++) {
		figures = after ? &nothing[i].after : &nothing[i].before;
		if (wants_line(nothing[i].id) && !figures->nr)
			add_figure(figures, measure_nothing(&nothing[i]));
	}
}

/* The same figure differs by this much from itself; a smaller difference is noise. */
static double nothing_limit(struct figures *figures)
{
	unsigned int n = figures->nr;
	double differs = spread;

	/* They are sorted. */
	if (n > 1)
		differs = (figures->value[n - 1] - figures->value[0]) / figures->value[0];
	return 1 + (differs > 0.01 ? differs : 0.01);
}

static void print_nothing(void)
{
	struct figures *before, *after;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nothing); i++) {
		before = &nothing[i].before;
		after = &nothing[i].after;
		if (!wants_line(nothing[i].id) || !before->nr || !after->nr)
			continue;
		table_set(nothing[i].id, median(before->value, before->nr),
			  median(after->value, after->nr));
		table_set_limit(nothing[i].id, nothing_limit(before));
	}
}

/* --- memory --- */

/*
 * The kernel's memory in slabs and per-CPU areas, in bytes. Counters of CPUs are
 * folded into the sums first.
 */
static double kernel_memory(void)
{
	FILE *f = fopen("/proc/sys/vm/stat_refresh", "w");
	unsigned long kib, sum = 0;
	char line[128];

	if (f) {
		fputs("1\n", f);
		fclose(f);
	}
	f = fopen("/proc/meminfo", "r");
	if (!f)
		die("/proc/meminfo");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "SUnreclaim: %lu", &kib) == 1 ||
		    sscanf(line, "Percpu: %lu", &kib) == 1)
			sum += kib;
	fclose(f);
	return sum * 1024.0;
}

static void facts(int fd, int core, struct mmun_bench_facts *facts)
{
	*facts = (struct mmun_bench_facts){ .size = sizeof(*facts), .core = core };
	if (ioctl(fd, MMUN_BENCH_IOC_FACTS, facts))
		die("facts");
}

/* Processes that wait for a pipe to be closed, and then attach a list subscriber. */
struct crowd {
	unsigned int n;
	pid_t pids[1024];
	int go[2];
};

static void gather(struct crowd *crowd, unsigned int n, int core)
{
	struct mmun_bench_attach arg = { .core = core, .n = 1 };
	int fd;
	char c;

	if (pipe(crowd->go))
		die("pipe");
	board->ready = 0;
	for (crowd->n = 0; crowd->n < n; crowd->n++) {
		crowd->pids[crowd->n] = start_process();
		if (crowd->pids[crowd->n])
			continue;
		close(crowd->go[1]);
		fd = device();
		__atomic_add_fetch(&board->ready, 1, __ATOMIC_SEQ_CST);
		if (read(crowd->go[0], &c, 1))
			die("pipe");
		attach(fd, &arg);
		__atomic_add_fetch(&board->bytes, arg.bytes, __ATOMIC_SEQ_CST);
		__atomic_sub_fetch(&board->ready, 1, __ATOMIC_SEQ_CST);
		pause();
		_exit(CODE_OK);
	}
	close(crowd->go[0]);
	if (!wait_for(&board->ready, n))
		die("processes did not begin");
}

static void let_go(struct crowd *crowd)
{
	close(crowd->go[1]);
	if (!wait_for(&board->ready, 0))
		die("processes did not attach");
	usleep(SETTLE_US);
}

static void disperse(struct crowd *crowd)
{
	while (crowd->n--) {
		kill(crowd->pids[crowd->n], SIGKILL);
		end_process(crowd->pids[crowd->n]);
	}
}

/*
 * A mm with one list subscriber, without what the driver itself allocates. A first
 * crowd takes what is free in the slabs, so that the second one needs new ones.
 */
static void job_memory_mm(const struct job *job, int core)
{
	static struct crowd first, second;
	double before;

	gather(&first, job->count / 2, core);
	let_go(&first);
	gather(&second, job->count, core);
	board->bytes = 0;
	usleep(SETTLE_US);
	before = kernel_memory();
	let_go(&second);
	sample((kernel_memory() - before - board->bytes) / job->count);
	disperse(&first);
	disperse(&second);
}

/* One more subscriber: what the driver embeds, and what the core allocates. */
static void job_memory_sub(const struct job *job, int core)
{
	struct mmun_bench_attach arg = {
		.core = core, .kind = job->op, .n = job->count,
	};
	struct mmun_bench_facts f;
	double before, after, own;
	int fd = device();

	if (job->op == MMUN_BENCH_INTERVAL) {
		arg.start = ELSEWHERE;
		arg.length = PAGE;
		arg.stride = STRIDE;
	}
	attach_lists(fd, core, 1);
	usleep(SETTLE_US);
	before = kernel_memory();
	attach(fd, &arg);
	usleep(SETTLE_US);
	after = kernel_memory();
	facts(fd, core, &f);
	own = (after - before - arg.bytes) / job->count;
	sample((own > 0 ? own : 0) +
	       (job->op == MMUN_BENCH_LIST ? f.list : f.interval));
}

static void bench_memory(void)
{
	double limit = 1024.0 * sysconf(_SC_NPROCESSORS_CONF);
	struct job job = {
		.fn = job_memory_mm, .count = options->quick ? 16 : 512,
		.processes = 1,
	};

	measure_line("memory.mm", &job);
	table_set_limit("memory.mm", limit);
	job.fn = job_memory_sub;
	job.op = MMUN_BENCH_LIST;
	job.count = 1000;
	measure_line("memory.list", &job);
	table_set_limit("memory.list", limit);
	job.op = MMUN_BENCH_INTERVAL;
	job.count = 10000;
	measure_line("memory.interval", &job);
	table_set_limit("memory.interval", limit);
}

/* --- isolation --- */

static unsigned int slow_ms(void)
{
	return options->quick ? 300 : 3000;
}

static uint32_t asleep(int fd, uint32_t id)
{
	struct mmun_bench_state state = { .size = sizeof(state), .id = id };

	if (ioctl(fd, MMUN_BENCH_IOC_STATE, &state))
		die("state");
	return state.asleep;
}

static void __noreturn slow_process(int fd, int core, enum place place)
{
	struct mmun_bench_attach arg = {
		.core = core,
		.n = 1,
		.start_delay_ms = place == IN_START ? slow_ms() : 0,
		.release_delay_ms = place == IN_RELEASE ? slow_ms() : 0,
	};
	void *p = mmap((void *)CYCLE, PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	board->id = attach(fd, &arg);
	if (place == IN_START) {
		munmap(p, PAGE);
		/* The exit raises one more range, which nobody waits for. */
		pause();
	}
	_exit(CODE_OK);
}

static double time_victim(int core, enum victim victim)
{
	struct mmun_bench_time time = { 0 };
	const struct job one = { .lists = 1 };
	const struct job sync = { .op = MMUN_BENCH_SYNC, .count = 1 };
	uint64_t begin;
	uint32_t id;
	int fd;

	if (victim == EXIT)
		return time_exit(&one, core);
	fd = device();
	if (victim == SYNC) {
		run_op(fd, &sync, core, 1, 0, &time);
		return time.ns;
	}
	id = attach_lists(fd, core, 1);
	begin = now_ns();
	detach(fd, id);
	return now_ns() - begin;
}

static void job_isolation(const struct job *job, int core)
{
	int slow = job->plain_slow ? IN_KERNEL : core;
	int other = job->plain_victim ? IN_KERNEL : core;
	uint64_t until = now_ns() + 30 * NSEC_PER_SEC;
	int fd = device();
	pid_t pid;

	board->id = 0;
	pid = start_process();
	if (!pid)
		slow_process(fd, slow, job->place);
	while (!board->id || !asleep(fd, board->id)) {
		if (now_ns() > until)
			die("the slow callback was not called");
		usleep(1000);
	}
	sample(time_victim(other, job->victim));
	/* It ends by itself, or waits to be ended. */
	if (job->place == IN_START) {
		while (asleep(fd, board->id))
			usleep(10000);
		kill(pid, SIGKILL);
	}
	end_process(pid);
}

static void bench_isolation(void)
{
	static const struct {
		const char *id;
		struct job job;
	} cases[] = {
		{ "isolation.start.unregister", { .place = IN_START, .victim = UNREGISTER } },
		{ "isolation.start.exit", { .place = IN_START, .victim = EXIT } },
		{ "isolation.start.plain_unregister",
		  { .place = IN_START, .victim = UNREGISTER, .plain_victim = true } },
		{ "isolation.start.plain_exit",
		  { .place = IN_START, .victim = EXIT, .plain_victim = true } },
		{ "isolation.release.unregister", { .place = IN_RELEASE, .victim = UNREGISTER } },
		{ "isolation.release.exit", { .place = IN_RELEASE, .victim = EXIT } },
		{ "isolation.release.plain_unregister",
		  { .place = IN_RELEASE, .victim = UNREGISTER, .plain_victim = true } },
		{ "isolation.release.plain_exit",
		  { .place = IN_RELEASE, .victim = EXIT, .plain_victim = true } },
		{ "isolation.plain_release.exit",
		  { .place = IN_RELEASE, .victim = EXIT, .plain_slow = true } },
		{ "isolation.release.sync", { .place = IN_RELEASE, .victim = SYNC } },
	};
	unsigned int i;
	struct job job;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		job = cases[i].job;
		job.fn = job_isolation;
		job.processes = 1;
		measure_line(cases[i].id, &job);
	}
	/* It began a little after the sleep. */
	table_set_limit("isolation.release.sync", 0.8e6 * slow_ms());
}

/* --- the groups --- */

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

	/* With a line, none measures anything but it. */
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
		fprintf(stderr, "%s cannot be opened: %s; it needs root, mmun.ko and bench/module/mmun_bench.ko\n",
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
