// SPDX-License-Identifier: GPL-2.0-only
/*
 * Contract 20: while a callback on one mm sleeps, nobody on another mm waits for it,
 * whether it uses mmun or the kernel's own notifier. And a process mirrored through mmun
 * does not suffer from a slow driver that does not use mmun.
 *
 * A task that waits for the sleep takes as long as the sleep. So the sleep is much longer
 * than anything else takes on a loaded machine, and is ended when all others are done.
 * An operation that needs long all the same is compared with itself when nobody sleeps.
 */
#include "t_common.h"
#include "kselftest_harness.h"

#define SLOW_MS		(6 * UNDISTURBED_MS)
#define LONG_MS		500	/* needs a control */
#define CONTROLS	8

FIXTURE(isolation)
{
	struct target slow;	/* a callback on it sleeps */
	struct target peers;	/* has a peer list notifier */
	struct target ours;	/* has subscriptions of mmun */
	struct evlog log;
	unsigned long addr;
	int fd;
	int peer;
	__u32 slow_id;
	__u32 slow_peer;
	__u32 peer_id;
	__u32 exit_id;
	__u32 leave_id;
	__u32 interval_id;
	int longest;		/* of what is not to be disturbed, ms */
};

FIXTURE_SETUP(isolation)
{
	ASSERT_EQ(0, target_start(&self->slow, -1));
	ASSERT_EQ(0, target_start(&self->peers, -1));
	ASSERT_EQ(0, target_start(&self->ours, -1));
	self->addr = target_mmap(&self->slow, 2);
	ASSERT_NE(0, self->addr);
	self->fd = dev_open();
	ASSERT_GE(self->fd, 0);
	self->peer = peer_open();
	ASSERT_GE(self->peer, 0);
	ASSERT_EQ(0, log_init(&self->log, self->fd));

	ASSERT_EQ(0, peer_list(self->peer, self->peers.pid, 0, 0,
			       &self->peer_id));
	ASSERT_EQ(0, attach_list(self->fd, self->ours.pid, &self->exit_id));
	ASSERT_EQ(0, attach_list(self->fd, self->ours.pid, &self->leave_id));
	ASSERT_EQ(0, attach_interval(self->fd, self->ours.pid, PAGE, PAGE,
				     &self->interval_id));
}

FIXTURE_TEARDOWN(isolation)
{
	EXPECT_TRUE(target_stop(&self->slow));
	EXPECT_TRUE(target_stop(&self->peers));
	EXPECT_TRUE(target_stop(&self->ours));
	close(self->peer);
	close(self->fd);
}

static int begin_slow_release(FIXTURE_DATA(isolation) *self, __u32 kind)
{
	struct want w = {
		.what = MMUN_TEST_EV_RELEASE, .event = EV_ANY,
	};
	int ret;

	if (kind == MMUN_TEST_INTERVAL)
		ret = attach_interval(self->fd, self->slow.pid, self->addr,
				      PAGE, &self->slow_id);
	else
		ret = attach_flags(self->fd, kind, self->slow.pid, 0, 0, 0,
				   &self->slow_id);
	if (!ret)
		ret = set_knobs(self->fd, self->slow_id, 0, 0, SLOW_MS, 0);
	if (ret)
		return ret;
	w.id = self->slow_id;
	kill(self->slow.pid, SIGKILL);
	return log_wait(&self->log, &w, UNDISTURBED_MS) ? 0 : -ETIME;
}

static int begin_slow_start(FIXTURE_DATA(isolation) *self, __u32 kind)
{
	struct want w = {
		.what = MMUN_TEST_EV_START, .event = EV_UNMAP,
		.start = self->addr, .end = self->addr + PAGE,
	};
	int ret;

	if (kind == MMUN_TEST_INTERVAL)
		ret = attach_interval(self->fd, self->slow.pid, self->addr,
				      PAGE, &self->slow_id);
	else
		ret = attach_list(self->fd, self->slow.pid, &self->slow_id);
	if (!ret)
		ret = set_knobs(self->fd, self->slow_id, 0, SLOW_MS, 0, 0);
	if (!ret)
		ret = target_begin(&self->slow, SYS_munmap, self->addr, PAGE);
	if (ret)
		return ret;
	w.id = self->slow_id;
	return log_wait(&self->log, &w, UNDISTURBED_MS) ? 0 : -ETIME;
}

/* The slow callback still sleeps, so nobody has waited for it. Then it wakes. */
static bool slow_exit_still_runs(FIXTURE_DATA(isolation) *self)
{
	bool runs = !waitid(P_PID, self->slow.pid, &(siginfo_t){}, WEXITED |
			    WNOHANG | WNOWAIT) &&
		    !target_ended(&self->slow, 0);

	if (self->slow_peer)
		peer_release_hold(self->peer, self->slow_peer);
	else
		set_knobs(self->fd, self->slow_id, 0, 0, 0, 0);
	return runs;
}

static bool slow_call_still_runs(FIXTURE_DATA(isolation) *self)
{
	bool runs = !target_answered(&self->slow, 0);

	set_knobs(self->fd, self->slow_id, 0, 0, 0, 0);
	return runs && !target_reply(&self->slow, IN_TIME_MS);
}

#define TIME(call) ({							\
	__u64 __begin = now_ns();					\
	EXPECT_EQ(0, call);						\
	(int)((now_ns() - __begin) / 1000000);				\
})

#define EXPECT_UNDISTURBED(what, ms) do {				\
	int __ms = (ms);						\
	self->longest = __ms > self->longest ? __ms : self->longest;	\
	EXPECT_LE(0, __ms);						\
	EXPECT_GT(UNDISTURBED_MS, __ms)					\
		TH_LOG("%s took %d ms", what, __ms);			\
} while (0)

/* All of them fit into the time that the slow one takes; that they did is checked after them. */
#define EXPECT_OTHERS_UNDISTURBED() do {				\
	EXPECT_UNDISTURBED("exit of a peer's process",			\
			   target_time_exit(&self->peers));		\
	EXPECT_UNDISTURBED("unregister of mmun",			\
			   TIME(detach(self->fd, self->leave_id)));	\
	EXPECT_UNDISTURBED("remove of mmun",				\
			   TIME(detach(self->fd, self->interval_id)));	\
	EXPECT_UNDISTURBED("exit of a process with mmun",		\
			   target_time_exit(&self->ours));		\
} while (0)

/* The longest of the same when no callback sleeps, in ms; negative: it failed. */
static int time_control(FIXTURE_DATA(isolation) *self)
{
	struct target peers = {}, ours = {};
	__u32 id[3], peer;
	__u64 begin;
	int ms, longest, ret;

	if (target_start(&peers, -1) || target_start(&ours, -1))
		return -EAGAIN;
	ret = peer_list(self->peer, peers.pid, 0, 0, &peer);
	begin = now_ns();
	ret = ret ?: attach_list(self->fd, ours.pid, &id[0]);
	longest = (now_ns() - begin) / 1000000;
	ret = ret ?: attach_list(self->fd, ours.pid, &id[1]);
	ret = ret ?: attach_interval(self->fd, ours.pid, PAGE, PAGE, &id[2]);
	begin = now_ns();
	ret = ret ?: detach(self->fd, id[1]) ?: detach(self->fd, id[2]);
	ms = (now_ns() - begin) / 1000000;
	longest = ms > longest ? ms : longest;
	ms = target_time_exit(&ours);
	longest = ms > longest ? ms : longest;
	ms = target_time_exit(&peers);
	longest = ms > longest ? ms : longest;
	target_stop(&ours);
	target_stop(&peers);
	return ret ?: longest;
}

/* The longest of some controls, as a busy machine is slow now and then only. */
#define EXPECT_NOT_LONGER() do {					\
	int __i, __ms = 0, __control = 0;				\
									\
	for (__i = 0; __i < CONTROLS && self->longest >= LONG_MS &&	\
	     self->longest >= 3 * __control; __i++) {			\
		__ms = time_control(self);				\
		ASSERT_LE(0, __ms);					\
		__control = __ms > __control ? __ms : __control;	\
	}								\
	if (__i)							\
		EXPECT_LT(self->longest, 3 * __control)			\
			TH_LOG("at most %d ms when nobody sleeps", __control); \
} while (0)

TEST_F_TIMEOUT(isolation, c20_slow_list_release, 120)
{
	ASSERT_EQ(0, begin_slow_release(self, MMUN_TEST_LIST));
	EXPECT_OTHERS_UNDISTURBED();
	EXPECT_TRUE(slow_exit_still_runs(self));
	EXPECT_NOT_LONGER();
}

TEST_F_TIMEOUT(isolation, c20_slow_get_release, 120)
{
	ASSERT_EQ(0, begin_slow_release(self, MMUN_TEST_GET));
	EXPECT_OTHERS_UNDISTURBED();
	EXPECT_TRUE(slow_exit_still_runs(self));
	EXPECT_NOT_LONGER();
}

TEST_F_TIMEOUT(isolation, c20_slow_interval_release, 120)
{
	ASSERT_EQ(0, begin_slow_release(self, MMUN_TEST_INTERVAL));
	EXPECT_OTHERS_UNDISTURBED();
	EXPECT_TRUE(slow_exit_still_runs(self));
	EXPECT_NOT_LONGER();
}

TEST_F_TIMEOUT(isolation, c20_slow_list_start, 120)
{
	ASSERT_EQ(0, begin_slow_start(self, MMUN_TEST_LIST));
	EXPECT_OTHERS_UNDISTURBED();
	EXPECT_TRUE(slow_call_still_runs(self));
	EXPECT_NOT_LONGER();
}

TEST_F_TIMEOUT(isolation, c20_slow_invalidate, 120)
{
	ASSERT_EQ(0, begin_slow_start(self, MMUN_TEST_INTERVAL));
	EXPECT_OTHERS_UNDISTURBED();
	EXPECT_TRUE(slow_call_still_runs(self));
	EXPECT_NOT_LONGER();
}

/* the unregister of a driver that knows nothing of mmun */
TEST_F_TIMEOUT(isolation, c20_peer_unregister_in_a_slow_release, 120)
{
	ASSERT_EQ(0, begin_slow_release(self, MMUN_TEST_LIST));
	EXPECT_UNDISTURBED("unregister of a peer",
			   TIME(peer_detach(self->peer, self->peer_id)));
	EXPECT_TRUE(slow_exit_still_runs(self));
	EXPECT_NOT_LONGER();
}

TEST_F_TIMEOUT(isolation, c20_peer_unregister_in_a_slow_start, 120)
{
	ASSERT_EQ(0, begin_slow_start(self, MMUN_TEST_LIST));
	EXPECT_UNDISTURBED("unregister of a peer",
			   TIME(peer_detach(self->peer, self->peer_id)));
	EXPECT_TRUE(slow_call_still_runs(self));
	EXPECT_NOT_LONGER();
}

/* a first subscription, and the last one's departure, likewise */
TEST_F_TIMEOUT(isolation, c20_attach_elsewhere_in_a_slow_release, 120)
{
	__u32 id;

	ASSERT_EQ(0, peer_detach(self->peer, self->peer_id));
	ASSERT_EQ(0, begin_slow_release(self, MMUN_TEST_LIST));
	EXPECT_UNDISTURBED("first register",
			   TIME(attach_list(self->fd, self->peers.pid, &id)));
	EXPECT_UNDISTURBED("last unregister", TIME(detach(self->fd, id)));
	EXPECT_TRUE(slow_exit_still_runs(self));
	EXPECT_NOT_LONGER();
}

/* the other way round: a plain in-kernel driver is slow in its release */
TEST_F_TIMEOUT(isolation, c20_slow_peer_release, 120)
{
	struct mmun_peer_stats p;

	ASSERT_EQ(0, peer_list(self->peer, self->slow.pid, 0, SLOW_MS,
			       &self->slow_peer));
	kill(self->slow.pid, SIGKILL);
	ASSERT_TRUE(WAIT_FOR(!peer_get_stats(self->peer, self->slow_peer, &p) &&
			     p.releases, UNDISTURBED_MS));
	EXPECT_UNDISTURBED("exit of a process with mmun",
			   target_time_exit(&self->ours));
	EXPECT_TRUE(slow_exit_still_runs(self));
	EXPECT_NOT_LONGER();
}

TEST_HARNESS_MAIN
