// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hostile ends of t_hostile, and some that take luck, again and again: what one
 * of them leaves behind adds up (promise 22).
 */
#include "t_hostile_end.h"

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

TEST_F_TIMEOUT(hostile, attach_loop_on_a_reaped_process_leaves_nothing, LOOP_LIMIT_S)
{
	struct books held = {};
	unsigned int attached;
	struct watch w;
	pid_t pid = spawn_held(_metadata, self, &w);

	NEED_MRELEASE();
	EXPECT_EQ(0, LEAD(mrelease));
	EXPECT_EQ(0, unwatch(self->fd, &w));
	/* the process itself, and the open file, are more than the loop may leave */
	held.slab = slab_kb();
	attached = attach_in_a_loop(_metadata, self, pid);
	TH_LOG("%u of %u attached", attached, self->rounds);
	expect_unloads(_metadata, self);
	/* as long as it is held, the rounds cost nothing either */
	EXPECT_TRUE(slab_balances(&held));
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

TEST_F_TIMEOUT(hostile, reaped_at_its_exit_in_a_loop_leaves_nothing, LOOP_LIMIT_S)
{
	NEED_MRELEASE();
	for (; goes_on(self); self->rounds++)
		reaped_at_exit_once(_metadata, self);
	EXPECT_SILENCE();
}

TEST_F_TIMEOUT(hostile, unmapped_all_in_a_loop_leaves_nothing, LOOP_LIMIT_S)
{
	struct watch w;

	NEED_MRELEASE();
	for (; goes_on(self); self->rounds++) {
		if (!unmapped_once(_metadata, self, &w))
			SKIP(return, "a process cannot unmap all on this kernel");
		ASSERT_EQ(0, LEAD(bury));
		ASSERT_EQ(0, unwatch(self->fd, &w));
	}
	EXPECT_SILENCE();
}

static void reaped_in_a_loop(struct __test_metadata *_metadata,
			     FIXTURE_DATA(hostile) *self, unsigned int reapers)
{
	__u32 id;
	pid_t pid;

	/* it takes luck: the more of them the better */
	self->until += loop_ms();
	for (; goes_on(self); self->rounds++) {
		pid = LEAD(spawn, V_LARGE);
		ASSERT_LT(0, pid);
		ASSERT_EQ(0, attach_list(self->fd, pid, &id));
		ASSERT_EQ(0, LEAD(kill_and_reap, reapers));
		ASSERT_EQ(0, detach(self->fd, id));
	}
	EXPECT_SILENCE();
}

TEST_F_TIMEOUT(hostile, killed_and_reaped_by_another_task_leaves_nothing, LOOP_LIMIT_S)
{
	NEED_MRELEASE();
	reaped_in_a_loop(_metadata, self, 1);
}

TEST_F_TIMEOUT(hostile, killed_and_reaped_by_four_tasks_leaves_nothing, LOOP_LIMIT_S)
{
	NEED_MRELEASE();
	reaped_in_a_loop(_metadata, self, 4);
}

TEST_F_TIMEOUT(hostile, exec_of_a_second_thread_in_a_loop_leaves_nothing, LOOP_LIMIT_S)
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

TEST_F_TIMEOUT(hostile, mm_shared_by_clone_in_a_loop_leaves_nothing, LOOP_LIMIT_S)
{
	shared_in_a_loop(_metadata, self, V_CLONE_VM);
}

TEST_F_TIMEOUT(hostile, mm_shared_by_vfork_in_a_loop_leaves_nothing, LOOP_LIMIT_S)
{
	shared_in_a_loop(_metadata, self, V_VFORK);
}

TEST_F_TIMEOUT(hostile, first_thread_gone_in_a_loop_leaves_nothing, LOOP_LIMIT_S)
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

TEST_F_TIMEOUT(hostile, killed_in_a_hole_punch_leaves_nothing, LOOP_LIMIT_S)
{
	for (; goes_on(self); self->rounds++)
		punched_once(_metadata, self, V_HOLE);
	EXPECT_SILENCE();
}

TEST_F_TIMEOUT(hostile, exits_in_a_hole_punch_leaves_nothing, LOOP_LIMIT_S)
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
	long uffd;

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, watch(self->fd, pid, &w));
	uffd = LEAD(go_and_wait);
	ASSERT_LT(0, uffd);
	ASSERT_EQ(0, LEAD(read_remote, uffd));
	/* by turns: when all of them wait, and on their way */
	if (self->rounds & 1)
		sleep_ms(5);
	ASSERT_EQ(0, LEAD(bury));
	EXPECT_TRUE(WAIT_FOR(is_released(self->fd, w.list), IN_TIME_MS));
	ASSERT_EQ(0, unwatch(self->fd, &w));
}

TEST_F_TIMEOUT(hostile, killed_in_userfaultfd_leaves_nothing, LOOP_LIMIT_S)
{
	for (; goes_on(self); self->rounds++)
		uffd_once(_metadata, self);
	EXPECT_SILENCE();
}

TEST_F_TIMEOUT(hostile, dies_in_48_slow_ranges_and_leaves_nothing, LOOP_LIMIT_S)
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

TEST_HARNESS_MAIN
