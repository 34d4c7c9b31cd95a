// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls of the API, which mmun_bench times in the kernel: on one CPU, and on two at
 * once.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include "measure.h"

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

void bench_register(void)
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

void bench_unregister(void)
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

void bench_put(void)
{
	const struct job job = {
		.fn = job_op, .lists = 1, .op = MMUN_BENCH_PUT, .count = 4,
		.rounds = 4,
	};

	measure_line("put.freed", &job);
}

void bench_get(void)
{
	struct job job = {
		.fn = job_op, .lists = 1, .op = MMUN_BENCH_GET_LOCKED,
		.count = 1000, .rounds = 8,
	};

	measure_line("get.locked", &job);
	job.op = MMUN_BENCH_GET;
	measure_line("get.unlocked", &job);
}

void bench_interval(void)
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

void bench_read(void)
{
	const struct job job = {
		.fn = job_op, .op = MMUN_BENCH_READ, .count = 10000, .rounds = 8,
		.op_start = ELSEWHERE,
	};

	measure_line("read.idle", &job);
}

/* --- two vCPUs --- */

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

void bench_scale(void)
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
