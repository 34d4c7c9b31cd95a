// SPDX-License-Identifier: GPL-2.0-only
/*
 * System calls of a process with subscribers, timed here; and those of a process that
 * has none.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "measure.h"

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

void bench_mmap(void)
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

void bench_mmap2(void)
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
void bench_idle(void)
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
double time_exit(const struct job *job, int core)
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

void bench_exit(void)
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

void bench_fork(void)
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
int write_baseline(const char *path)
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

bool read_baseline(const char *path, bool after)
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
void bench_nothing(bool after)
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

void print_nothing(void)
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
