// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hostile ends, contracts 7 and 22: a process does to itself all that a process
 * can while it is mirrored. Nothing of that may make mmun leak, spin or wait for
 * it. After each end the books of the kernel are as before, no worker of mmun's
 * runs, its log is silent, and mmun unloads in under a second while the process
 * is still there.
 *
 * A loop ends after ROUNDS rounds or LOOP_MS (MMUN_STORM_MS=N chooses it), and
 * prints how many there were.
 */
#include "t_hostile.h"
#include "kselftest_harness.h"

#define ROUNDS		1000
#define LOOP_MS		6000
#define UNLOAD_MS	1000
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

#define LEAD(fn, ...) target_run(&self->leader, lead_##fn, __VA_ARGS__)

FIXTURE_SETUP(hostile)
{
	/* a kernel that has it finds no such descriptor */
	if (syscall(__NR_process_mrelease, -1, 0) && errno == ENOSYS)
		SKIP(return, "no process_mrelease in this kernel");
	self->fd = -1;
	self->peer = -1;
	ASSERT_EQ(0, modules_load());
	books_open(&self->books);
	ASSERT_GE(self->books.log, 0);
	ASSERT_EQ(0, target_start(&self->leader, -1));
	ASSERT_EQ(0, LEAD(drop));
	self->fd = dev_open();
	ASSERT_GE(self->fd, 0);
	self->until = now_ms() + storm_ms(LOOP_MS);
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

static bool goes_on(FIXTURE_DATA(hostile) *self)
{
	return self->rounds < ROUNDS &&
	       (now_ms() < self->until || !self->rounds);
}

static int close_all(FIXTURE_DATA(hostile) *self)
{
	int ret = bounded_ioctl(self->fd, 0, NULL);

	self->fd = -1;
	return ret;
}

static void expect_no_work(struct __test_metadata *_metadata)
{
	int works;

	sleep_ms(WORKS_SETTLE_MS);
	works = works_begun(WORKS_WATCH_MS);
	if (works == -EOPNOTSUPP)
		TH_LOG("this kernel has no events of works");
	else
		EXPECT_EQ(0, works) TH_LOG("workers of mmun's run");
}

/*
 * Whoever is mirrored is still there, and held. All subscribers have left or leave
 * with the file.
 */
static void expect_unloads(struct __test_metadata *_metadata,
			   FIXTURE_DATA(hostile) *self)
{
	int ms;

	EXPECT_EQ(0, subscriptions(self->fd));
	ASSERT_EQ(0, close_all(self));
	expect_no_work(_metadata);
	ASSERT_EQ(0, unload_begin(&self->rmmod));
	ms = unload_end(&self->rmmod, UNLOAD_MS);
	EXPECT_LE(0, ms) TH_LOG("rmmod waits for the process");
	if (ms < 0)
		return;
	EXPECT_GT(UNLOAD_MS, ms);
	TH_LOG("rmmod took %d ms", ms);
	ASSERT_EQ(0, modules_load());
	self->fd = dev_open();
	ASSERT_GE(self->fd, 0);
}

/* Without a foreign notifier there is nothing to say. */
#define EXPECT_SILENCE() EXPECT_EQ(0, log_lines(&self->books))

struct watch {
	__u32 list;
	__u32 interval;
};

static int watch(int fd, pid_t pid, struct watch *w)
{
	int ret = attach_list(fd, pid, &w->list);

	return ret ? ret : attach_interval(fd, pid, 0, ULONG_MAX, &w->interval);
}

static int unwatch(int fd, struct watch *w)
{
	int ret = detach(fd, w->list);

	return ret ? ret : detach(fd, w->interval);
}

/* ---- held at the exit, and reaped ---- */

/* Mirrored before, it is held at its exit, reaped, and left by all. */
static pid_t spawn_held(struct __test_metadata *_metadata,
			FIXTURE_DATA(hostile) *self, struct watch *w)
{
	pid_t pid = LEAD(spawn, V_IDLE);

	EXPECT_LT(0, pid);
	EXPECT_EQ(0, LEAD(seize));
	EXPECT_EQ(0, watch(self->fd, pid, w));
	EXPECT_EQ(0, LEAD(kill_and_hold));
	return pid;
}

TEST_F_TIMEOUT(hostile, held_exit_then_reaped_lets_rmmod_finish, 120)
{
	struct watch w;

	spawn_held(_metadata, self, &w);
	EXPECT_EQ(0, LEAD(mrelease));
	EXPECT_EQ(0, unwatch(self->fd, &w));
	expect_unloads(_metadata, self);
	EXPECT_EQ(0, LEAD(bury));
	EXPECT_SILENCE();
}

TEST_F_TIMEOUT(hostile, left_before_it_is_reaped_lets_rmmod_finish, 120)
{
	struct watch w;

	spawn_held(_metadata, self, &w);
	EXPECT_EQ(0, unwatch(self->fd, &w));
	EXPECT_EQ(0, LEAD(mrelease));
	expect_unloads(_metadata, self);
	EXPECT_EQ(0, LEAD(bury));
	EXPECT_SILENCE();
}

/* It may be told no, but at once, and it leaves nothing that spins. */
static bool may_attach(int ret)
{
	return !ret || ret == -ESRCH;
}

TEST_F_TIMEOUT(hostile, attached_after_it_is_reaped_lets_rmmod_finish, 120)
{
	pid_t pid = LEAD(spawn, V_IDLE);
	__u32 id;
	int ret;

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, LEAD(seize));
	ASSERT_EQ(0, LEAD(kill_and_hold));
	ASSERT_EQ(0, LEAD(mrelease));
	ret = attach_list(self->fd, pid, &id);
	EXPECT_TRUE(may_attach(ret)) TH_LOG("attach: %d", ret);
	if (!ret)
		EXPECT_EQ(0, detach(self->fd, id));
	expect_unloads(_metadata, self);
	EXPECT_EQ(0, LEAD(bury));
	EXPECT_SILENCE();
}

/* Return: how many could attach. */
static unsigned int attach_in_a_loop(struct __test_metadata *_metadata,
				     FIXTURE_DATA(hostile) *self, pid_t pid)
{
	unsigned int attached = 0;
	struct watch w;
	__u32 id;
	int ret;

	for (; goes_on(self); self->rounds++) {
		ret = attach_list(self->fd, pid, &id);
		ASSERT_TRUE(may_attach(ret)) TH_LOG("attach: %d", ret);
		if (ret)
			continue;
		attached++;
		ASSERT_EQ(0, detach(self->fd, id));
		ASSERT_EQ(0, watch(self->fd, pid, &w));
		ASSERT_EQ(0, unwatch(self->fd, &w));
	}
	return attached;
}

TEST_F_TIMEOUT(hostile, attach_loop_on_a_reaped_process_leaves_nothing, 200)
{
	unsigned int attached;
	struct watch w;
	pid_t pid = spawn_held(_metadata, self, &w);

	EXPECT_EQ(0, LEAD(mrelease));
	EXPECT_EQ(0, unwatch(self->fd, &w));
	attached = attach_in_a_loop(_metadata, self, pid);
	TH_LOG("%u of %u attached", attached, self->rounds);
	expect_unloads(_metadata, self);
	/* as long as it is held, the rounds cost nothing either */
	EXPECT_TRUE(slab_balances(&self->books));
	EXPECT_EQ(0, LEAD(bury));
	EXPECT_SILENCE();
}

/* One whole end: it is held, reaped, left by one, and let go. */
static void reaped_at_exit_once(struct __test_metadata *_metadata,
				FIXTURE_DATA(hostile) *self)
{
	struct watch w;

	spawn_held(_metadata, self, &w);
	ASSERT_EQ(0, LEAD(mrelease));
	/* by turns: left while it is held, or when it is gone */
	if (self->rounds & 1)
		ASSERT_EQ(0, unwatch(self->fd, &w));
	ASSERT_EQ(0, LEAD(bury));
	if (!(self->rounds & 1))
		ASSERT_EQ(0, unwatch(self->fd, &w));
}

TEST_F_TIMEOUT(hostile, reaped_at_its_exit_in_a_loop_leaves_nothing, 200)
{
	for (; goes_on(self); self->rounds++)
		reaped_at_exit_once(_metadata, self);
	EXPECT_SILENCE();
}

/* ---- no address space left ---- */

/* Return: whether it can be without any mapping on this kernel. */
static bool unmapped_once(struct __test_metadata *_metadata,
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

TEST_F_TIMEOUT(hostile, unmapped_all_then_reaped_lets_rmmod_finish, 120)
{
	struct watch w;

	if (!unmapped_once(_metadata, self, &w))
		SKIP(return, "a process cannot unmap all on this kernel");
	EXPECT_EQ(0, unwatch(self->fd, &w));
	expect_unloads(_metadata, self);
	EXPECT_EQ(0, LEAD(bury));
	EXPECT_SILENCE();
}

TEST_F_TIMEOUT(hostile, unmapped_all_in_a_loop_leaves_nothing, 200)
{
	struct watch w;

	for (; goes_on(self); self->rounds++) {
		if (!unmapped_once(_metadata, self, &w))
			SKIP(return, "a process cannot unmap all on this kernel");
		ASSERT_EQ(0, LEAD(bury));
		ASSERT_EQ(0, unwatch(self->fd, &w));
	}
	EXPECT_SILENCE();
}

/* ---- killed and reaped, with nobody who holds it ---- */

static void reaped_in_a_loop(struct __test_metadata *_metadata,
			     FIXTURE_DATA(hostile) *self, unsigned int reapers)
{
	__u32 id;
	pid_t pid;

	/* it takes luck: the more of them the better */
	self->until += storm_ms(LOOP_MS);
	for (; goes_on(self); self->rounds++) {
		pid = LEAD(spawn, V_LARGE);
		ASSERT_LT(0, pid);
		ASSERT_EQ(0, attach_list(self->fd, pid, &id));
		ASSERT_EQ(0, LEAD(kill_and_reap, reapers));
		ASSERT_EQ(0, detach(self->fd, id));
	}
	EXPECT_SILENCE();
}

TEST_F_TIMEOUT(hostile, killed_and_reaped_by_another_task_leaves_nothing, 200)
{
	reaped_in_a_loop(_metadata, self, 1);
}

TEST_F_TIMEOUT(hostile, killed_and_reaped_by_four_tasks_leaves_nothing, 200)
{
	reaped_in_a_loop(_metadata, self, 4);
}

/* ---- exec from the second thread ---- */

/* The first thread is held at its exit, so the exec waits, in the old mm. */
static pid_t exec_held(struct __test_metadata *_metadata,
		       FIXTURE_DATA(hostile) *self)
{
	pid_t pid = LEAD(spawn, V_EXEC);

	EXPECT_LT(0, pid);
	EXPECT_EQ(0, LEAD(seize));
	return pid;
}

TEST_F_TIMEOUT(hostile, exec_of_a_second_thread_held_lets_rmmod_finish, 120)
{
	pid_t pid = exec_held(_metadata, self);
	struct watch w;

	ASSERT_EQ(0, watch(self->fd, pid, &w));
	ASSERT_EQ(0, LEAD(go));
	ASSERT_EQ(0, LEAD(await_event, PTRACE_EVENT_EXIT));
	ASSERT_EQ(0, unwatch(self->fd, &w));
	expect_unloads(_metadata, self);

	/* in its new address space, held again */
	ASSERT_EQ(0, LEAD(continue));
	ASSERT_EQ(0, LEAD(await_event, PTRACE_EVENT_EXEC));
	ASSERT_EQ(0, watch(self->fd, pid, &w));
	ASSERT_EQ(0, unwatch(self->fd, &w));
	expect_unloads(_metadata, self);
	EXPECT_EQ(0, LEAD(bury));
	EXPECT_SILENCE();
}

TEST_F_TIMEOUT(hostile, exec_of_a_second_thread_in_a_loop_leaves_nothing, 200)
{
	struct mmun_test_stats s;
	struct watch old, new;
	pid_t pid;

	for (; goes_on(self); self->rounds++) {
		pid = exec_held(_metadata, self);
		ASSERT_EQ(0, watch(self->fd, pid, &old));
		ASSERT_EQ(0, LEAD(go));
		ASSERT_EQ(0, LEAD(await_event, PTRACE_EVENT_EXIT));
		ASSERT_EQ(0, LEAD(continue));
		ASSERT_EQ(0, LEAD(await_event, PTRACE_EVENT_EXEC));
		ASSERT_EQ(0, get_stats(self->fd, old.list, &s));
		EXPECT_EQ(1, s.releases);
		ASSERT_EQ(0, watch(self->fd, pid, &new));
		ASSERT_EQ(0, LEAD(bury));
		ASSERT_EQ(0, unwatch(self->fd, &old));
		ASSERT_EQ(0, unwatch(self->fd, &new));
	}
	EXPECT_SILENCE();
}

/* ---- an address space that outlives its first process ---- */

/* Return: the child, which alone has the address space now. */
static pid_t orphan_mm(struct __test_metadata *_metadata,
		       FIXTURE_DATA(hostile) *self, enum victim_kind kind,
		       struct watch *w)
{
	pid_t child, pid = LEAD(spawn, kind);

	EXPECT_LT(0, pid);
	EXPECT_EQ(0, watch(self->fd, pid, w));
	child = LEAD(go_and_hear);
	EXPECT_LT(0, child);
	EXPECT_EQ(0, LEAD(bury));
	return child;
}

static void shared_and_unloaded(struct __test_metadata *_metadata,
				FIXTURE_DATA(hostile) *self,
				enum victim_kind kind)
{
	struct mmun_test_stats s;
	struct watch w, again;
	pid_t child = orphan_mm(_metadata, self, kind, &w);

	ASSERT_EQ(0, get_stats(self->fd, w.list, &s));
	EXPECT_EQ(0, s.releases);
	EXPECT_EQ(0, watch(self->fd, child, &again));
	EXPECT_EQ(0, unwatch(self->fd, &again));
	EXPECT_EQ(0, unwatch(self->fd, &w));
	expect_unloads(_metadata, self);
	EXPECT_EQ(0, LEAD(kill_orphan, child));
	EXPECT_SILENCE();
}

static void shared_in_a_loop(struct __test_metadata *_metadata,
			     FIXTURE_DATA(hostile) *self,
			     enum victim_kind kind)
{
	struct mmun_test_stats s;
	struct watch w;
	pid_t child;

	for (; goes_on(self); self->rounds++) {
		child = orphan_mm(_metadata, self, kind, &w);
		ASSERT_EQ(0, LEAD(kill_orphan, child));
		ASSERT_EQ(0, get_stats(self->fd, w.list, &s));
		EXPECT_EQ(1, s.releases);
		ASSERT_EQ(0, unwatch(self->fd, &w));
	}
	EXPECT_SILENCE();
}

TEST_F_TIMEOUT(hostile, mm_shared_by_clone_lives_on_and_rmmod_finishes, 120)
{
	shared_and_unloaded(_metadata, self, V_CLONE_VM);
}

TEST_F_TIMEOUT(hostile, mm_shared_by_vfork_lives_on_and_rmmod_finishes, 120)
{
	shared_and_unloaded(_metadata, self, V_VFORK);
}

TEST_F_TIMEOUT(hostile, mm_shared_by_clone_in_a_loop_leaves_nothing, 200)
{
	shared_in_a_loop(_metadata, self, V_CLONE_VM);
}

TEST_F_TIMEOUT(hostile, mm_shared_by_vfork_in_a_loop_leaves_nothing, 200)
{
	shared_in_a_loop(_metadata, self, V_VFORK);
}

/* ---- the first thread is gone ---- */

static bool is_zombie(pid_t pid)
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

static pid_t first_thread_gone(struct __test_metadata *_metadata,
			       FIXTURE_DATA(hostile) *self)
{
	pid_t pid = LEAD(spawn, V_FIRST_GONE);

	EXPECT_LT(0, pid);
	EXPECT_EQ(0, LEAD(go));
	EXPECT_TRUE(WAIT_FOR(is_zombie(pid), IN_TIME_MS));
	return pid;
}

TEST_F_TIMEOUT(hostile, first_thread_gone_attach_by_pid_works, 120)
{
	pid_t pid = first_thread_gone(_metadata, self);
	struct watch w;
	__u32 get;

	ASSERT_EQ(0, watch(self->fd, pid, &w));
	ASSERT_EQ(0, attach_get(self->fd, pid, &get));
	EXPECT_EQ(0, detach_how(self->fd, get, MMUN_TEST_PUT));
	EXPECT_EQ(0, unwatch(self->fd, &w));
	expect_unloads(_metadata, self);
	EXPECT_EQ(0, LEAD(bury));
	EXPECT_SILENCE();
}

TEST_F_TIMEOUT(hostile, first_thread_gone_in_a_loop_leaves_nothing, 200)
{
	struct mmun_test_stats s;
	struct watch w;
	pid_t pid;

	for (; goes_on(self); self->rounds++) {
		pid = first_thread_gone(_metadata, self);
		ASSERT_EQ(0, watch(self->fd, pid, &w));
		ASSERT_EQ(0, LEAD(bury));
		ASSERT_EQ(0, get_stats(self->fd, w.list, &s));
		EXPECT_EQ(1, s.releases);
		ASSERT_EQ(0, unwatch(self->fd, &w));
	}
	EXPECT_SILENCE();
}

/* ---- ranges that are held open ---- */

static int be_slow(int fd, struct watch *w, int ms)
{
	int ret = set_knobs(fd, w->list, 0, ms, 0, 0);

	return ret ? ret : set_knobs(fd, w->interval, 0, ms, 0, 0);
}

static bool is_released(int fd, __u32 id)
{
	struct mmun_test_stats s;

	return !get_stats(fd, id, &s) && s.releases;
}

static bool has_started(int fd, __u32 id)
{
	struct mmun_test_stats s;

	return !get_stats(fd, id, &s) && s.starts;
}

/* Another process is in the middle of a range of the victim's. */
static void punched_once(struct __test_metadata *_metadata,
			 FIXTURE_DATA(hostile) *self, enum victim_kind kind)
{
	pid_t pid = LEAD(spawn, kind);
	struct watch w;

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, watch(self->fd, pid, &w));
	ASSERT_EQ(0, be_slow(self->fd, &w, SLOW_MS / 4));
	ASSERT_LT(0, LEAD(punch));
	EXPECT_TRUE(WAIT_FOR(has_started(self->fd, w.interval), IN_TIME_MS));
	if (kind == V_EXIT_HOLE)
		ASSERT_EQ(0, LEAD(go));
	ASSERT_EQ(0, LEAD(bury));
	ASSERT_EQ(0, unwatch(self->fd, &w));
}

TEST_F_TIMEOUT(hostile, killed_in_a_hole_punch_leaves_nothing, 200)
{
	for (; goes_on(self); self->rounds++)
		punched_once(_metadata, self, V_HOLE);
	EXPECT_SILENCE();
}

TEST_F_TIMEOUT(hostile, exits_in_a_hole_punch_leaves_nothing, 200)
{
	for (; goes_on(self); self->rounds++)
		punched_once(_metadata, self, V_EXIT_HOLE);
	EXPECT_SILENCE();
}

/*
 * Its threads wait in userfaultfd, and so does another process, which is the last
 * to have its address space when it is killed.
 */
static void uffd_once(struct __test_metadata *_metadata,
		      FIXTURE_DATA(hostile) *self)
{
	pid_t pid = LEAD(spawn, V_UFFD);
	struct watch w;

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, watch(self->fd, pid, &w));
	ASSERT_LT(0, LEAD(go_and_hear));
	ASSERT_LT(0, LEAD(read_remote));
	/* by turns: when all of them wait, and on their way */
	if (self->rounds & 1)
		sleep_ms(5);
	ASSERT_EQ(0, LEAD(bury));
	EXPECT_TRUE(WAIT_FOR(is_released(self->fd, w.list), IN_TIME_MS));
	ASSERT_EQ(0, unwatch(self->fd, &w));
}

TEST_F_TIMEOUT(hostile, killed_in_userfaultfd_leaves_nothing, 200)
{
	for (; goes_on(self); self->rounds++)
		uffd_once(_metadata, self);
	EXPECT_SILENCE();
}

/* Return: with so many ranges in flight as there are threads, more or less. */
static void many_ranges(struct __test_metadata *_metadata,
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

TEST_F_TIMEOUT(hostile, dies_in_48_slow_ranges_and_leaves_nothing, 200)
{
	struct watch w;

	for (; goes_on(self); self->rounds++) {
		many_ranges(_metadata, self, &w);
		/* by turns: left before, or when it is gone */
		if (self->rounds & 1)
			ASSERT_EQ(0, unwatch(self->fd, &w));
		ASSERT_EQ(0, LEAD(bury));
		if (!(self->rounds & 1))
			ASSERT_EQ(0, unwatch(self->fd, &w));
	}
	EXPECT_SILENCE();
}

TEST_F_TIMEOUT(hostile, lives_in_48_ranges_and_rmmod_finishes, 120)
{
	struct watch w;

	many_ranges(_metadata, self, &w);
	EXPECT_EQ(0, unwatch(self->fd, &w));
	expect_unloads(_metadata, self);
	EXPECT_EQ(0, LEAD(bury));
	EXPECT_SILENCE();
}

/* ---- a foreign notifier that refuses ---- */

/*
 * How long rmmod may wait for a process that is gone, and how often it says which
 * process it waits for.
 */
#define GONE_MS		5000
#define SAYS_MS		10000
#define REFUSED_ROUNDS	5

/*
 * A list notifier that is not mmun's refused, and the kernel's interval state of
 * that mm is marked for as long as it lives: rmmod may wait for that process, if
 * it says so, and for nothing else.
 */
TEST_F_TIMEOUT(hostile, foreign_refusal_rmmod_waits_for_that_process_only, 200)
{
	struct watch w;
	__u32 refuser;
	pid_t pid;
	int ms;

	pid = LEAD(spawn, V_IDLE);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, LEAD(seize));
	ASSERT_EQ(0, watch(self->fd, pid, &w));
	self->peer = peer_open();
	ASSERT_GE(self->peer, 0);
	ASSERT_EQ(0, peer_list(self->peer, pid, MMUN_PEER_REFUSE, 0, &refuser));
	ASSERT_EQ(0, LEAD(kill_and_hold));
	ASSERT_EQ(-EAGAIN, LEAD(mrelease));
	EXPECT_EQ(0, unwatch(self->fd, &w));
	ASSERT_EQ(0, close_all(self));
	expect_no_work(_metadata);

	self->books.pid = pid;
	ASSERT_EQ(0, unload_begin(&self->rmmod));
	ms = unload_end(&self->rmmod, SAYS_MS + 2000);
	log_lines(&self->books);
	if (ms < 0) {
		TH_LOG("rmmod waits, and names the process %d times",
		       self->books.naming);
		EXPECT_LE(1, self->books.naming);
		EXPECT_LE(self->books.lines, 3);
		EXPECT_EQ(0, LEAD(bury));
		ms = unload_end(&self->rmmod, GONE_MS);
		EXPECT_LE(0, ms) TH_LOG("the process is gone");
	}
	TH_LOG("rmmod took %d ms", ms);
	EXPECT_LE(log_lines(&self->books), 4);
}

/* Once for each round: the loss is true, and the log's limit holds. */
TEST_F_TIMEOUT(hostile, foreign_refusals_in_a_loop_do_not_flood_the_log, 200)
{
	struct watch w;
	__u32 refuser;
	pid_t pid;

	self->peer = peer_open();
	ASSERT_GE(self->peer, 0);
	for (; self->rounds < 30 && goes_on(self); self->rounds++) {
		pid = LEAD(spawn, V_IDLE);
		ASSERT_LT(0, pid);
		ASSERT_EQ(0, LEAD(seize));
		ASSERT_EQ(0, watch(self->fd, pid, &w));
		ASSERT_EQ(0, peer_list(self->peer, pid, MMUN_PEER_REFUSE, 0,
				       &refuser));
		ASSERT_EQ(0, LEAD(kill_and_hold));
		ASSERT_EQ(-EAGAIN, LEAD(mrelease));
		ASSERT_EQ(0, LEAD(bury));
		ASSERT_EQ(0, unwatch(self->fd, &w));
		ASSERT_EQ(0, peer_detach(self->peer, refuser));
	}
	/* these are lost, and are all that may be */
	rcu_settle();
	EXPECT_LE(mm_structs(), self->books.mms + mms_allowed() + self->rounds);
	self->books.mms += self->rounds;
	EXPECT_LE(log_lines(&self->books), 12);
}

static __u64 peer_refused(int peer, __u32 id)
{
	struct mmun_peer_stats s;

	return peer_get_stats(peer, id, &s) ? 0 : s.refusals;
}

/* Return: how many ranges the foreign notifier refused. */
static __u64 refused_once(struct __test_metadata *_metadata,
			  FIXTURE_DATA(hostile) *self)
{
	pid_t pid = LEAD(spawn, V_LARGE);
	__u64 refused;
	__u32 refuser;
	struct watch w;

	EXPECT_LT(0, pid);
	EXPECT_EQ(0, watch(self->fd, pid, &w));
	EXPECT_EQ(0, peer_list(self->peer, pid, MMUN_PEER_TRYLOCK, SLOW_MS,
			       &refuser));
	EXPECT_EQ(0, LEAD(kill_and_reap, 1));
	EXPECT_EQ(0, unwatch(self->fd, &w));
	refused = peer_refused(self->peer, refuser);
	EXPECT_EQ(0, peer_detach(self->peer, refuser));
	return refused;
}

/*
 * The last one: a core that takes this for sound hangs for ever. The foreign
 * notifier's release sleeps with the lock for which its start only tries, and the
 * reaper, which began before, goes on meanwhile: between the release and the range
 * of the exit itself.
 */
TEST_F_TIMEOUT(hostile, foreign_refusal_between_release_and_exit_ends, 200)
{
	unsigned int lost = 0;
	int ms;

	self->until += 2 * storm_ms(LOOP_MS);
	self->peer = peer_open();
	ASSERT_GE(self->peer, 0);
	for (; lost < REFUSED_ROUNDS && goes_on(self); self->rounds++)
		lost += !!refused_once(_metadata, self);
	TH_LOG("refused in %u of %u rounds", lost, self->rounds);
	EXPECT_LT(0, lost) TH_LOG("the reaper never came in time");
	ASSERT_EQ(0, close_all(self));
	ASSERT_EQ(0, unload_begin(&self->rmmod));
	ms = unload_end(&self->rmmod, GONE_MS);
	EXPECT_LE(0, ms) TH_LOG("rmmod hangs, and the process is gone");
	EXPECT_LE(log_lines(&self->books), (int)lost + 1);
	/* these may be lost, and no others */
	self->books.mms += lost;
}

TEST_HARNESS_MAIN
