/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One hostile end: a leader, the books, and what is common to the ends. After each
 * of them the books of the kernel are as before, and no work of mmun's runs.
 *
 * A loop ends after ROUNDS rounds or loop_ms(), and prints how many there were. So
 * a slower kernel has fewer rounds, and the program takes as long. t_hostile_loop
 * lasts for sixteen of them. Where storms are to last minutes (make check-all), each
 * loop has all of its rounds.
 */
#ifndef MMUN_T_HOSTILE_END_H
#define MMUN_T_HOSTILE_END_H

#include "t_hostile.h"
#include "kselftest_harness.h"

#define ROUNDS		1000
/* A storm of the other programs' lasts as long as four loops. */
#define STORM_MS	8000
#define LOOPS_IN_STORM	4
#define LONG_STORM_MS	60000
/* for ROUNDS rounds on a kernel that checks all it can */
#define ALL_ROUNDS_MS	540000
#define LOOP_LIMIT_S	600
#define UNLOAD_MS	1000
#define CONTROLS	8
/* for a worker that has something to do to do it, and to see that none has */
#define WORKS_SETTLE_MS	400
#define WORKS_WATCH_MS	400
#define SLOW_MS		100

FIXTURE(hostile)
{
	struct target leader;
	struct books books;
	struct unloading rmmod;
	int fd;
	int peer;
	int until;
	unsigned int rounds;
};

/* Skip a case for a reaper. A kernel with the call finds no such descriptor. */
#define NEED_MRELEASE() do {						\
	if (syscall(__NR_process_mrelease, -1, 0) && errno == ENOSYS)	\
		SKIP(return, "no process_mrelease in this kernel");	\
} while (0)

#define LEAD(fn, ...) target_run(&self->leader, lead_##fn, __VA_ARGS__)

/* MMUN_STORM_MS=N chooses it. */
static inline int loop_ms(void)
{
	int storm = storm_ms(STORM_MS);

	return storm < LONG_STORM_MS ? storm / LOOPS_IN_STORM : ALL_ROUNDS_MS;
}

FIXTURE_SETUP(hostile)
{
	self->fd = -1;
	self->peer = -1;
	ASSERT_EQ(0, modules_load());
	books_open(&self->books);
	ASSERT_GE(self->books.log, 0);
	ASSERT_EQ(0, target_start(&self->leader, -1));
	ASSERT_EQ(0, LEAD(drop));
	self->fd = dev_open();
	ASSERT_GE(self->fd, 0);
	self->until = now_ms() + loop_ms();
}

/* Nobody lives any more: whatever mmun waits for must be over. */
FIXTURE_TEARDOWN(hostile)
{
	LEAD(bury);
	EXPECT_TRUE(target_stop(&self->leader));
	if (self->peer >= 0)
		EXPECT_EQ(0, bounded_ioctl(self->peer, 0, NULL));
	if (self->fd >= 0)
		EXPECT_EQ(0, bounded_ioctl(self->fd, 0, NULL));
	if (self->rmmod.pid)
		EXPECT_LE(0, unload_end(&self->rmmod, 20000))
			TH_LOG("rmmod hangs, and the process is gone");
	EXPECT_TRUE(mms_balance(&self->books));
	EXPECT_TRUE(slab_balances(&self->books));
	EXPECT_EQ(0, modules_load());
	if (self->rounds)
		TH_LOG("%u rounds", self->rounds);
}

static inline bool goes_on(FIXTURE_DATA(hostile) *self)
{
	/* A guest that prints nothing for minutes is taken for dead. */
	if (self->rounds && !(self->rounds % 100) && self->rounds < ROUNDS) {
		printf("# %u rounds so far\n", self->rounds);
		fflush(stdout);
	}
	return self->rounds < ROUNDS &&
	       (now_ms() < self->until || !self->rounds);
}

static inline int close_all(FIXTURE_DATA(hostile) *self)
{
	int ret = bounded_ioctl(self->fd, 0, NULL);

	self->fd = -1;
	return ret;
}

static inline void expect_no_work(struct __test_metadata *_metadata)
{
	int works;

	sleep_ms(WORKS_SETTLE_MS);
	works = works_begun(WORKS_WATCH_MS);
	if (works == -EOPNOTSUPP)
		TH_LOG("this kernel has no events of works");
	else
		EXPECT_EQ(0, works) TH_LOG("workers of mmun's run");
}

/* Return: how many milliseconds rmmod takes; the modules are then loaded again. */
static inline int time_unload(FIXTURE_DATA(hostile) *self)
{
	int ret = unload_begin(&self->rmmod);
	int ms = ret ? ret : unload_end(&self->rmmod, HANGS_MS);

	if (ms < 0)
		return ms;
	ret = modules_load();
	return ret ? ret : ms;
}

/*
 * The mirrored process is still there, and held; all subscribers have left. A kernel
 * that needs long to unload a module is compared with itself: the control is the same
 * again, when mmun knows of no process.
 */
static inline void expect_unloads(struct __test_metadata *_metadata,
				  FIXTURE_DATA(hostile) *self)
{
	int ms, control = 0, i;

	EXPECT_EQ(0, subscriptions(self->fd));
	ASSERT_EQ(0, close_all(self));
	expect_no_work(_metadata);
	ms = time_unload(self);
	EXPECT_LE(0, ms) TH_LOG("rmmod waits for the process");
	if (ms < 0)
		return;
	/* The longest of some, as a machine that is busy now and then is slow now and then. */
	for (i = 0; !i || (i < CONTROLS && ms >= UNLOAD_MS && ms >= 3 * control); i++) {
		int again = time_unload(self);

		ASSERT_LE(0, again);
		control = again > control ? again : control;
	}
	TH_LOG("rmmod took %d ms, and at most %d ms for nobody, of %d", ms, control, i);
	if (ms >= UNLOAD_MS)
		EXPECT_LT(ms, 3 * control) TH_LOG("rmmod waits");
	self->fd = dev_open();
	ASSERT_GE(self->fd, 0);
}

/* Without a foreign notifier there is nothing to say. */
#define EXPECT_SILENCE() EXPECT_EQ(0, log_lines(&self->books))

struct watch {
	__u32 list;
	__u32 interval;
};

static inline int watch(int fd, pid_t pid, struct watch *w)
{
	int ret;

	*w = (struct watch){};
	ret = attach_list(fd, pid, &w->list);
	return ret ? ret : attach_interval(fd, pid, 0, ULONG_MAX, &w->interval);
}

static inline int unwatch(int fd, struct watch *w)
{
	int ret = detach(fd, w->list);

	return ret ? ret : detach(fd, w->interval);
}

/* ---- held at the exit, and reaped ---- */

/* Mirrored before, it is held at its exit, reaped, and left by all. */
static inline pid_t spawn_held(struct __test_metadata *_metadata,
			       FIXTURE_DATA(hostile) *self, struct watch *w)
{
	pid_t pid = LEAD(spawn, V_IDLE);

	EXPECT_LT(0, pid);
	EXPECT_EQ(0, LEAD(seize));
	EXPECT_EQ(0, watch(self->fd, pid, w));
	EXPECT_EQ(0, LEAD(kill_and_hold));
	return pid;
}

/* mmun may refuse, but at once, and it leaves nothing that spins. */
static inline bool may_attach(int ret)
{
	return !ret || ret == -ESRCH;
}

/* ---- no address space left ---- */

/* Return: whether it can be without any mapping on this kernel. */
static inline bool unmapped_once(struct __test_metadata *_metadata,
				 FIXTURE_DATA(hostile) *self, struct watch *w)
{
	pid_t pid = LEAD(spawn, V_UNMAP_ALL);
	int ret;

	EXPECT_LT(0, pid);
	EXPECT_EQ(0, LEAD(seize));
	EXPECT_EQ(0, watch(self->fd, pid, w));
	ret = LEAD(go_and_hold);
	if (ret == -EOPNOTSUPP)
		return false;
	EXPECT_EQ(0, ret);
	EXPECT_EQ(0, LEAD(mrelease));
	return true;
}

/* ---- killed and reaped, with nobody who holds it ---- */

/* ---- exec from the second thread ---- */

/* The first thread is held at its exit, so the exec waits, in the old mm. */
static inline pid_t exec_held(struct __test_metadata *_metadata,
			      FIXTURE_DATA(hostile) *self)
{
	pid_t pid = LEAD(spawn, V_EXEC);

	EXPECT_LT(0, pid);
	EXPECT_EQ(0, LEAD(seize));
	return pid;
}

/* ---- an address space that outlives its first process ---- */

/* Return: the child, which alone has the address space now. */
static inline pid_t orphan_mm(struct __test_metadata *_metadata,
			      FIXTURE_DATA(hostile) *self, enum victim_kind kind,
			      struct watch *w)
{
	pid_t child, pid = LEAD(spawn, kind);

	EXPECT_LT(0, pid);
	EXPECT_EQ(0, watch(self->fd, pid, w));
	child = LEAD(go_and_wait);
	EXPECT_LT(0, child);
	EXPECT_EQ(0, LEAD(bury));
	return child;
}

/* ---- the first thread is gone ---- */

static inline bool is_zombie(pid_t pid)
{
	char path[32], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(f);
	return state == 'Z';
}

static inline pid_t first_thread_gone(struct __test_metadata *_metadata,
				      FIXTURE_DATA(hostile) *self)
{
	pid_t pid = LEAD(spawn, V_FIRST_GONE);

	EXPECT_LT(0, pid);
	EXPECT_EQ(0, LEAD(go));
	EXPECT_TRUE(WAIT_FOR(is_zombie(pid), IN_TIME_MS));
	return pid;
}

/* ---- ranges that are held open ---- */

static inline int be_slow(int fd, struct watch *w, int ms)
{
	int ret = set_knobs(fd, w->list, 0, ms, 0, 0);

	return ret ? ret : set_knobs(fd, w->interval, 0, ms, 0, 0);
}

static inline bool is_released(int fd, __u32 id)
{
	struct mmun_test_stats s;

	return !get_stats(fd, id, &s) && s.releases;
}

static inline bool has_started(int fd, __u32 id)
{
	struct mmun_test_stats s;

	return !get_stats(fd, id, &s) && s.starts;
}

/* Return: with so many ranges in flight as there are threads, more or less. */
static inline void many_ranges(struct __test_metadata *_metadata,
			       FIXTURE_DATA(hostile) *self, struct watch *w)
{
	pid_t pid = LEAD(spawn, V_MANY_RANGES);

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, watch(self->fd, pid, w));
	ASSERT_EQ(0, be_slow(self->fd, w, SLOW_MS));
	ASSERT_EQ(0, LEAD(go));
	EXPECT_TRUE(WAIT_FOR(has_started(self->fd, w->list), IN_TIME_MS));
	sleep_ms(SLOW_MS / 2);
}

#endif /* MMUN_T_HOSTILE_END_H */
