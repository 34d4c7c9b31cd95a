// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel memory of a process with a subscriber, and of one more subscriber.
 */
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "measure.h"

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

void bench_memory(void)
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
