// SPDX-License-Identifier: GPL-2.0-only
/*
 * The time that a process takes to leave while the callback of another process sleeps.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "measure.h"

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

void bench_isolation(void)
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
