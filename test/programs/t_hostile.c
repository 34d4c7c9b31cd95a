// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hostile ends, contracts 7 and 22: a process does to itself all that a process
 * can while it is mirrored. Nothing of that may make mmun leak, spin or wait for
 * it: mmun unloads in under a second while the process is still there, and says
 * nothing in the log.
 */
#include "t_hostile_end.h"

TEST_F_TIMEOUT(hostile, held_exit_then_reaped_lets_rmmod_finish, 400)
{
	struct watch w;

	NEED_MRELEASE();
	spawn_held(_metadata, self, &w);
	EXPECT_EQ(0, LEAD(mrelease));
	EXPECT_EQ(0, unwatch(self->fd, &w));
	expect_unloads(_metadata, self);
	EXPECT_EQ(0, LEAD(bury));
	EXPECT_SILENCE();
}

TEST_F_TIMEOUT(hostile, left_before_it_is_reaped_lets_rmmod_finish, 400)
{
	struct watch w;

	NEED_MRELEASE();
	spawn_held(_metadata, self, &w);
	EXPECT_EQ(0, unwatch(self->fd, &w));
	EXPECT_EQ(0, LEAD(mrelease));
	expect_unloads(_metadata, self);
	EXPECT_EQ(0, LEAD(bury));
	EXPECT_SILENCE();
}

TEST_F_TIMEOUT(hostile, attached_after_it_is_reaped_lets_rmmod_finish, 400)
{
	pid_t pid = LEAD(spawn, V_IDLE);
	__u32 id;
	int ret;

	NEED_MRELEASE();
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

TEST_F_TIMEOUT(hostile, unmapped_all_then_reaped_lets_rmmod_finish, 400)
{
	struct watch w;

	NEED_MRELEASE();
	if (!unmapped_once(_metadata, self, &w))
		SKIP(return, "a process cannot unmap all on this kernel");
	EXPECT_EQ(0, unwatch(self->fd, &w));
	expect_unloads(_metadata, self);
	EXPECT_EQ(0, LEAD(bury));
	EXPECT_SILENCE();
}

TEST_F_TIMEOUT(hostile, exec_of_a_second_thread_held_lets_rmmod_finish, 400)
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

TEST_F_TIMEOUT(hostile, mm_shared_by_clone_lives_on_and_rmmod_finishes, 400)
{
	shared_and_unloaded(_metadata, self, V_CLONE_VM);
}

TEST_F_TIMEOUT(hostile, mm_shared_by_vfork_lives_on_and_rmmod_finishes, 400)
{
	shared_and_unloaded(_metadata, self, V_VFORK);
}

TEST_F_TIMEOUT(hostile, first_thread_gone_attach_by_pid_works, 400)
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

/* Read the log from there on: has its callback printed? */
static bool readme_driver_sees(int log)
{
	char rec[2048];
	ssize_t got;

	for (;;) {
		got = read(log, rec, sizeof(rec) - 1);
		if (got < 0 && errno == EPIPE)
			continue;
		if (got <= 0)
			return false;
		rec[got] = 0;
		if (strstr(rec, "stale until the end"))
			return true;
	}
}

TEST_F_TIMEOUT(hostile, first_thread_gone_readme_driver_sees, 400)
{
	pid_t pid = first_thread_gone(_metadata, self);
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char parameters[32];
	int ret;

	ASSERT_LE(0, log);
	ASSERT_LE(0, lseek(log, 0, SEEK_END));
	snprintf(parameters, sizeof(parameters), "pid=%d", pid);
	ret = module_load_with("first_driver", parameters);
	if (ret == -ENOENT)
		SKIP(return, "the README's driver was not built");
	ASSERT_EQ(0, ret);
	EXPECT_EQ(0, LEAD(bury));
	EXPECT_TRUE(WAIT_FOR(readme_driver_sees(log), IN_TIME_MS));
	EXPECT_EQ(0, module_unload("first_driver"));
	close(log);
	EXPECT_SILENCE();
}

TEST_F_TIMEOUT(hostile, lives_in_48_ranges_and_rmmod_finishes, 400)
{
	struct watch w;

	many_ranges(_metadata, self, &w);
	EXPECT_EQ(0, unwatch(self->fd, &w));
	expect_unloads(_metadata, self);
	EXPECT_EQ(0, LEAD(bury));
	EXPECT_SILENCE();
}

TEST_HARNESS_MAIN
