// SPDX-License-Identifier: GPL-2.0-only
/* get, put and deferred destruction: contracts 1, 2, 4, 5, 6 and 8. */
#include "t_common.h"
#include "kselftest_harness.h"

#define N	8

FIXTURE(get)
{
	struct target t[N];
	struct evlog log;
	struct mmun_test_file_stats before;
	int fd;
};

FIXTURE_SETUP(get)
{
	int i;

	for (i = 0; i < N; i++)
		ASSERT_EQ(0, target_start(&self->t[i], -1));
	self->fd = dev_open();
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, log_init(&self->log, self->fd));
	/* counters are of all files: what others left must be over */
	ASSERT_EQ(0, dev_sync(self->fd));
	ASSERT_EQ(0, get_file_stats(self->fd, &self->before));
	ASSERT_EQ(self->before.allocated, self->before.freed);
}

FIXTURE_TEARDOWN(get)
{
	struct mmun_test_file_stats s;
	int i, fd = dev_open();

	close(self->fd);
	for (i = 0; i < N; i++)
		EXPECT_TRUE(target_stop(&self->t[i]));
	EXPECT_EQ(0, dev_sync(fd));
	EXPECT_EQ(0, get_file_stats(fd, &s));
	EXPECT_EQ(s.allocated, s.freed);
	close(fd);
}

#define EXPECT_OBJECTS(nr_allocated, nr_freed) do {			\
	struct mmun_test_file_stats __s;				\
	EXPECT_EQ(0, get_file_stats(self->fd, &__s));			\
	EXPECT_EQ(nr_allocated, __s.allocated - self->before.allocated);\
	EXPECT_EQ(nr_freed, __s.freed - self->before.freed);		\
} while (0)

TEST_F(get, c1_second_get_is_the_same_object)
{
	__u32 a, b, c;
	int other = dev_open();

	ASSERT_GE(other, 0);
	ASSERT_EQ(0, attach_get(self->fd, self->t[0].pid, &a));
	ASSERT_EQ(0, attach_get(self->fd, self->t[0].pid, &b));
	ASSERT_EQ(0, attach_get(other, self->t[0].pid, &c));
	EXPECT_OBJECTS(1, 0);

	EXPECT_EQ(0, detach_how(self->fd, a, MMUN_TEST_PUT));
	EXPECT_EQ(0, detach_how(self->fd, b, MMUN_TEST_PUT));
	ASSERT_EQ(0, dev_sync(self->fd));
	/* one user is left */
	EXPECT_OBJECTS(1, 0);
	EXPECT_EQ(0, detach_how(other, c, MMUN_TEST_PUT));
	ASSERT_EQ(0, dev_sync(self->fd));
	EXPECT_OBJECTS(1, 1);
	close(other);
}

TEST_F(get, c1_another_mm_is_another_object)
{
	__u32 a, b;

	ASSERT_EQ(0, attach_get(self->fd, self->t[0].pid, &a));
	ASSERT_EQ(0, attach_get(self->fd, self->t[1].pid, &b));
	EXPECT_OBJECTS(2, 0);
	EXPECT_EQ(0, detach_how(self->fd, a, MMUN_TEST_PUT));
	ASSERT_EQ(0, dev_sync(self->fd));
	EXPECT_OBJECTS(2, 1);
	EXPECT_EQ(0, detach_how(self->fd, b, MMUN_TEST_PUT));
}

TEST_F(get, c1_get_after_put_is_a_new_object)
{
	__u32 id;
	int i;

	/* without a sync between: the last put may still be running */
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, attach_get(self->fd, self->t[0].pid, &id));
		ASSERT_EQ(0, detach_how(self->fd, id, MMUN_TEST_PUT));
	}
	ASSERT_EQ(0, dev_sync(self->fd));
	EXPECT_OBJECTS(20, 20);
}

TEST_F(get, c1_get_locked)
{
	__u32 a, b;

	ASSERT_EQ(0, attach_flags(self->fd, MMUN_TEST_GET, self->t[0].pid, 0,
				  0, MMUN_TEST_ATTACH_LOCKED, &a));
	ASSERT_EQ(0, attach_get(self->fd, self->t[0].pid, &b));
	EXPECT_OBJECTS(1, 0);
	EXPECT_EQ(0, detach_how(self->fd, a, MMUN_TEST_PUT));
	EXPECT_EQ(0, detach_how(self->fd, b, MMUN_TEST_PUT));
}

/* A callback on this mm that sleeps, until it is woken. */
static int begin_slow_call(FIXTURE_DATA(get) *self, struct target *t, __u32 *id)
{
	unsigned long addr = target_mmap(t, 1);
	struct want w = {
		.what = MMUN_TEST_EV_START, .event = EV_UNMAP,
		.start = addr, .end = addr + PAGE,
	};
	int ret;

	if (!addr)
		return -ENOMEM;
	ret = attach_list(self->fd, t->pid, id);
	if (!ret)
		ret = set_knobs(self->fd, *id, 0, 60000, 0, 0);
	if (!ret)
		ret = target_begin(t, SYS_munmap, addr, PAGE);
	w.id = *id;
	return ret ?: log_wait(&self->log, &w, IN_TIME_MS) ? 0 : -ETIME;
}

/* Another process waits for all that was left to call_srcu. */
static pid_t begin_sync(FIXTURE_DATA(get) *self, pid_t subscribed)
{
	__u32 id;
	pid_t pid;

	if (attach_list(self->fd, subscribed, &id) ||
	    detach_how(self->fd, id, MMUN_TEST_NO_RELEASE))
		return -1;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(dev_sync(self->fd) ? 1 : 0);
	}
	return pid;
}

/*
 * contract 4. The end of the wait is looked for until it would have come three times over,
 * had no callback been running.
 */
TEST_F_TIMEOUT(get, c4_call_srcu_waits_for_a_callback_on_another_mm, 120)
{
	int begin = now_ms(), ms;
	__u32 slow;
	pid_t pid;

	pid = begin_sync(self, self->t[1].pid);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, wait_pid(pid, IN_TIME_MS));
	ms = now_ms() - begin;

	ASSERT_EQ(0, begin_slow_call(self, &self->t[0], &slow));
	pid = begin_sync(self, self->t[1].pid);
	ASSERT_LT(0, pid);
	EXPECT_EQ(-ETIME, wait_pid(pid, 3 * ms + 100));
	EXPECT_FALSE(target_answered(&self->t[0], 0));
	ASSERT_EQ(0, set_knobs(self->fd, slow, 0, 0, 0, 0));
	EXPECT_EQ(0, target_reply(&self->t[0], IN_TIME_MS));
	EXPECT_EQ(0, wait_pid(pid, IN_TIME_MS));
	EXPECT_EQ(0, detach(self->fd, slow));
}

/* contract 5: a grace period is not enough, the frees must be over */
TEST_F_TIMEOUT(get, c5_sync_finds_all_freed, 60)
{
	__u32 id[N];
	int i;

	for (i = 0; i < N; i++) {
		ASSERT_EQ(0, attach_get(self->fd, self->t[i].pid, &id[i]));
		ASSERT_EQ(0, set_knobs(self->fd, id[i], 0, 0, 0, 50000));
	}
	EXPECT_OBJECTS(N, 0);
	for (i = 0; i < N; i++)
		ASSERT_EQ(0, detach_how(self->fd, id[i], MMUN_TEST_PUT));
	ASSERT_EQ(0, dev_sync(self->fd));
	EXPECT_OBJECTS(N, N);
}

TEST_F_TIMEOUT(get, c5_sync_finds_those_of_a_close, 60)
{
	__u32 id;
	int i, fd = dev_open();

	ASSERT_GE(fd, 0);
	for (i = 0; i < N; i++) {
		ASSERT_EQ(0, attach_get(fd, self->t[i].pid, &id));
		ASSERT_EQ(0, set_knobs(fd, id, 0, 0, 0, 20000));
	}
	ASSERT_EQ(0, bounded_ioctl(fd, 0, NULL));
	ASSERT_EQ(0, dev_sync(self->fd));
	EXPECT_OBJECTS(N, N);
}

TEST_F(get, c6_get_after_exit_is_ESRCH)
{
	pid_t pid = self->t[0].pid;
	__u32 id;

	ASSERT_TRUE(target_stop(&self->t[0]));
	EXPECT_EQ(-ESRCH, attach_get(self->fd, pid, &id));
	EXPECT_OBJECTS(0, 0);
	EXPECT_EQ(0, subscriptions(self->fd));
}

TEST_F(get, c8_put_after_exit)
{
	__u32 a, b;

	ASSERT_EQ(0, attach_get(self->fd, self->t[0].pid, &a));
	ASSERT_EQ(0, attach_get(self->fd, self->t[0].pid, &b));
	ASSERT_TRUE(target_stop(&self->t[0]));
	ASSERT_EQ(0, dev_sync(self->fd));
	EXPECT_OBJECTS(1, 0);
	EXPECT_EQ(1, count_what(&self->log, a, MMUN_TEST_EV_RELEASE));
	EXPECT_EQ(1, count_what(&self->log, b, MMUN_TEST_EV_RELEASE));
	EXPECT_EQ(0, detach_how(self->fd, b, MMUN_TEST_PUT));
	EXPECT_EQ(0, detach_how(self->fd, a, MMUN_TEST_PUT));
	ASSERT_EQ(0, dev_sync(self->fd));
	EXPECT_OBJECTS(1, 1);
	/* put calls no release */
	EXPECT_EQ(1, count_what(&self->log, a, MMUN_TEST_EV_RELEASE));
}

TEST_F(get, c2_put_in_a_live_process)
{
	unsigned long addr = target_mmap(&self->t[0], 2);
	__u32 id;

	ASSERT_NE(0, addr);
	ASSERT_EQ(0, attach_get(self->fd, self->t[0].pid, &id));
	ASSERT_EQ(0, target_munmap(&self->t[0], addr, 1));
	EXPECT_TRUE(log_has(&self->log, id, EV_UNMAP, addr, addr + PAGE));
	EXPECT_TRUE(paired(self->fd, id));
	ASSERT_EQ(0, detach_how(self->fd, id, MMUN_TEST_PUT));
	ASSERT_EQ(0, dev_sync(self->fd));
	EXPECT_OBJECTS(1, 1);
	self->log.n = 0;
	ASSERT_EQ(0, target_munmap(&self->t[0], addr + PAGE, 1));
	EXPECT_EQ(0, count_what(&self->log, id, MMUN_TEST_EV_START));
	EXPECT_EQ(0, count_what(&self->log, id, MMUN_TEST_EV_RELEASE));
}

TEST_HARNESS_MAIN
