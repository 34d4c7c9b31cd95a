/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One measurement: a job, which runs in processes of its own on either core, and its
 * median. The groups of the benchmark are made of these.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
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

/* measure.c */
extern struct board *board;
extern const struct bench_options *options;
extern bool failed;
extern double spread;

void __noreturn __printf(1, 2) die(const char *fmt, ...);
uint64_t now_ns(void);
void sample(double value);
double median(double *values, unsigned int n);
int device(void);
uint32_t attach(int fd, struct mmun_bench_attach *arg);
uint32_t attach_lists(int fd, int core, unsigned int n);
void attach_job(int fd, const struct job *job, int core);
void detach(int fd, uint32_t id);
void run_op(int fd, const struct job *job, int core, unsigned int rounds,
	    unsigned int parties, struct mmun_bench_time *times);
pid_t start_process(void);
bool end_process(pid_t pid);
bool wait_for(volatile unsigned int *what, unsigned int value);
bool measure(const struct job *job, double *result);
bool wants_line(const char *id);
void measure_line(const char *id, const struct job *job);
void measure_point(const char *curve, double x, const char *id,
		   const struct job *job);
void find_cpus(void);
void pin(int which);
bool two_cpus(const char *what);

/*
 * The time begins that is measured on @core, also for a profiler: both times after the
 * clock was read, which a new process does with a page fault.
 */
static inline uint64_t begin_time(int core)
{
	uint64_t ns = now_ns();

	if (core == ON_MMUN)
		MMUN_BENCH_MARK(MMUN);
	else
		MMUN_BENCH_MARK(KERNEL);
	return ns;
}

static inline uint64_t end_time(void)
{
	uint64_t ns = now_ns();

	MMUN_BENCH_MARK(END);
	return ns;
}

/* A profiler is to keep what it saw since the last figure: each of n operations. */
static inline void keep_profile(unsigned int n)
{
	while (n--)
		MMUN_BENCH_MARK(OPERATION);
	MMUN_BENCH_MARK(KEEP);
}

static inline void forget_profile(void)
{
	MMUN_BENCH_MARK(FORGET);
}

/* calls.c: calls of the API */
void bench_register(void);
void bench_unregister(void);
void bench_put(void);
void bench_get(void);
void bench_interval(void);
void bench_read(void);
void bench_scale(void);

/* system.c: system calls */
void bench_mmap(void);
void bench_mmap2(void);
void bench_idle(void);
void bench_exit(void);
void bench_fork(void);
void bench_nothing(bool after);
int write_baseline(const char *path);
bool read_baseline(const char *path, bool after);
void print_nothing(void);
double time_exit(const struct job *job, int core);

/* memory.c */
void bench_memory(void);

/* isolation.c */
void bench_isolation(void);

#endif /* MEASURE_H */
