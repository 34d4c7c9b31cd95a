// SPDX-License-Identifier: GPL-2.0-only
/*
 * Refused non-blockable ranges, contract 10: whoever refuses, mmun's list
 * subscribers get the ends they are owed, and nobody who reads or removes an
 * interval waits for ever. The in-kernel core fails some of these.
 *
 * The range comes from process_mrelease() on a killed child that is stopped
 * where it exits, its mm still alive.
 */
#include "t_common.h"
#include "kselftest_harness.h"

#define PAGES	4UL

FIXTURE(refuse)
{
	struct target t;
	struct evlog log;
	int fd;
	int peer;
	unsigned long addr;
	unsigned long end;
	__u32 list;
	__u32 second;
	__u32 interval;
};

FIXTURE_SETUP(refuse)
{
	/* a kernel that has it finds no such descriptor */
	if (syscall(__NR_process_mrelease, -1, 0) && errno == ENOSYS)
		SKIP(return, "no process_mrelease in this kernel");
	ASSERT_EQ(0, target_start(&self->t, -1));
	self->addr = target_mmap(&self->t, PAGES);
	ASSERT_NE(0, self->addr);
	self->end = self->addr + PAGES * PAGE;
	self->fd = dev_open();
	ASSERT_GE(self->fd, 0);
	self->peer = peer_open();
	ASSERT_GE(self->peer, 0);
	ASSERT_EQ(0, log_init(&self->log, self->fd));
	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &self->list));
	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &self->second));
	ASSERT_EQ(0, attach_interval(self->fd, self->t.pid, self->addr,
				     PAGES * PAGE, &self->interval));
}

FIXTURE_TEARDOWN(refuse)
{
	EXPECT_TRUE(self->t.pid <= 0 || !target_let_die(&self->t));
	EXPECT_TRUE(target_stop(&self->t));
	EXPECT_EQ(0, bounded_ioctl(self->peer, 0, NULL));
	EXPECT_EQ(0, bounded_ioctl(self->fd, 0, NULL));
}

#define EXPECT_MRELEASE(t, want) EXPECT_EQ(want, target_mrelease(t))

#define EXPECT_LIST_PAIRED() do {					\
	EXPECT_TRUE(paired(self->fd, self->list));			\
	EXPECT_TRUE(paired(self->fd, self->second));			\
} while (0)

#define EXPECT_INTERVAL_ALIVE() do {					\
	EXPECT_EQ(0, read_section(self->fd, self->interval, 0));	\
	EXPECT_EQ(0, detach(self->fd, self->interval));			\
} while (0)

static __u64 refusals(int fd, __u32 id)
{
	struct mmun_test_stats s;

	return get_stats(fd, id, &s) ? ~0ULL : s.refusals;
}

static bool log_has_nonblockable(struct evlog *log, __u32 id, __u32 what,
				 __u64 start, __u64 end)
{
	struct want w = {
		.id = id, .what = what, .start = start, .end = end,
	};
	const struct mmun_test_event *e;

	WAIT_FOR((e = log_find_reaped(log, w)), 2000);
	return e && !(e->flags & 1);
}

/* nobody refuses: the range is an ordinary one that may not sleep */
TEST_F(refuse, c10_accepted_range_has_start_and_end)
{
	ASSERT_EQ(0, target_kill_alive(&self->t));
	EXPECT_MRELEASE(&self->t, 0);
	EXPECT_TRUE(log_has_nonblockable(&self->log, self->list,
					 MMUN_TEST_EV_START, self->addr,
				       self->end));
	EXPECT_TRUE(log_has_nonblockable(&self->log, self->list,
					 MMUN_TEST_EV_END, self->addr,
				       self->end));
	EXPECT_LIST_PAIRED();
	EXPECT_INTERVAL_ALIVE();
}

/* contract 10: a list subscriber refuses after the interval agreed */
TEST_F(refuse, c10_list_refuses_after_the_interval_agreed)
{
	struct mmun_test_stats s;

	ASSERT_EQ(0, set_knobs(self->fd, self->list, MMUN_TEST_KNOB_REFUSE, 0,
			       0, 0));
	ASSERT_EQ(0, target_kill_alive(&self->t));
	EXPECT_MRELEASE(&self->t, -EAGAIN);
	EXPECT_LE(1, refusals(self->fd, self->list));
	EXPECT_EQ(0, refusals(self->fd, self->second));
	ASSERT_EQ(0, get_stats(self->fd, self->interval, &s));
	EXPECT_LE(1, s.starts) TH_LOG("the interval was not asked");
	EXPECT_LIST_PAIRED();
	EXPECT_EQ(0, count_what(&self->log, self->list, MMUN_TEST_EV_END));
	EXPECT_INTERVAL_ALIVE();
}

/* a refusal is not for ever: the next try, without it, goes through */
TEST_F(refuse, c10_again_without_the_refusal)
{
	ASSERT_EQ(0, set_knobs(self->fd, self->list, MMUN_TEST_KNOB_REFUSE, 0,
			       0, 0));
	ASSERT_EQ(0, target_kill_alive(&self->t));
	EXPECT_MRELEASE(&self->t, -EAGAIN);
	EXPECT_MRELEASE(&self->t, -EAGAIN);
	ASSERT_EQ(0, set_knobs(self->fd, self->list, 0, 0, 0, 0));
	EXPECT_MRELEASE(&self->t, 0);
	EXPECT_TRUE(log_has_nonblockable(&self->log, self->list,
					 MMUN_TEST_EV_START, self->addr,
				       self->end));
	EXPECT_TRUE(log_has_nonblockable(&self->log, self->list,
					 MMUN_TEST_EV_END, self->addr,
				       self->end));
	EXPECT_LIST_PAIRED();
	EXPECT_INTERVAL_ALIVE();
}

TEST_F(refuse, c10_the_second_list_refuses)
{
	ASSERT_EQ(0, set_knobs(self->fd, self->second, MMUN_TEST_KNOB_REFUSE,
			       0, 0, 0));
	ASSERT_EQ(0, target_kill_alive(&self->t));
	EXPECT_MRELEASE(&self->t, -EAGAIN);
	EXPECT_LIST_PAIRED();
	EXPECT_INTERVAL_ALIVE();
}

TEST_F(refuse, c10_both_lists_refuse)
{
	ASSERT_EQ(0, set_knobs(self->fd, self->list, MMUN_TEST_KNOB_REFUSE, 0,
			       0, 0));
	ASSERT_EQ(0, set_knobs(self->fd, self->second, MMUN_TEST_KNOB_REFUSE,
			       0, 0, 0));
	ASSERT_EQ(0, target_kill_alive(&self->t));
	EXPECT_MRELEASE(&self->t, -EAGAIN);
	EXPECT_LIST_PAIRED();
	EXPECT_INTERVAL_ALIVE();
}

TEST_F(refuse, c10_interval_refuses)
{
	__u32 before, after;

	/* one that agreed before it in the tree, and one that comes after */
	ASSERT_EQ(0, attach_interval(self->fd, self->t.pid, 0, ULONG_MAX,
				     &before));
	ASSERT_EQ(0, attach_interval(self->fd, self->t.pid, self->end - PAGE,
				     PAGE, &after));
	ASSERT_EQ(0, set_knobs(self->fd, self->interval,
			       MMUN_TEST_KNOB_REFUSE, 0, 0, 0));
	ASSERT_EQ(0, target_kill_alive(&self->t));
	EXPECT_MRELEASE(&self->t, -EAGAIN);
	EXPECT_LE(1, refusals(self->fd, self->interval));
	EXPECT_LIST_PAIRED();
	EXPECT_LE(0, read_section(self->fd, before, 0));
	EXPECT_LE(0, read_section(self->fd, after, 0));
	EXPECT_EQ(0, detach(self->fd, before));
	EXPECT_EQ(0, detach(self->fd, after));
	EXPECT_INTERVAL_ALIVE();
}

/* with a refusal behind, exit and what comes after it still work */
TEST_F(refuse, c10_exit_after_a_refusal)
{
	ASSERT_EQ(0, set_knobs(self->fd, self->list, MMUN_TEST_KNOB_REFUSE, 0,
			       0, 0));
	ASSERT_EQ(0, target_kill_alive(&self->t));
	EXPECT_MRELEASE(&self->t, -EAGAIN);
	ASSERT_EQ(0, target_let_die(&self->t));
	EXPECT_EQ(1, count_what(&self->log, self->list,
				MMUN_TEST_EV_RELEASE));
	EXPECT_EQ(1, count_what(&self->log, self->interval,
				MMUN_TEST_EV_RELEASE));
	EXPECT_LIST_PAIRED();
	EXPECT_INTERVAL_ALIVE();
	EXPECT_EQ(0, detach(self->fd, self->list));
	EXPECT_EQ(0, detach(self->fd, self->second));
}

/*
 * Issue 2, test 4: mmun accepted, then an in-kernel interval behind it
 * refuses. Neither a list start nor an end comes from the kernel.
 */
TEST_F(refuse, c10_peer_interval_refuses_behind_mmun)
{
	struct mmun_peer_stats p;
	__u32 id;

	/* to the end: no range comes after it that would show the refusal */
	ASSERT_EQ(0, peer_interval(self->peer, self->t.pid, MMUN_PEER_REFUSE,
				   self->addr, ULONG_MAX - self->addr, &id));
	ASSERT_EQ(0, target_kill_alive(&self->t));
	EXPECT_MRELEASE(&self->t, -EAGAIN);
	ASSERT_EQ(0, peer_get_stats(self->peer, id, &p));
	EXPECT_LE(1, p.refusals);
	EXPECT_TRUE(log_has_nonblockable(&self->log, self->list,
					 MMUN_TEST_EV_START, self->addr,
				       self->end));
	EXPECT_LIST_PAIRED();
	EXPECT_LE(0, read_section(self->fd, self->interval, 0));
	EXPECT_EQ(0, detach(self->fd, self->interval));
	EXPECT_EQ(0, detach(self->fd, self->second));
	EXPECT_EQ(0, peer_detach(self->peer, id));
}

TEST_F(refuse, c10_peer_interval_refuses_and_the_process_exits)
{
	__u32 id;

	ASSERT_EQ(0, peer_interval(self->peer, self->t.pid, MMUN_PEER_REFUSE,
				   self->addr, PAGES * PAGE, &id));
	ASSERT_EQ(0, target_kill_alive(&self->t));
	EXPECT_MRELEASE(&self->t, -EAGAIN);
	EXPECT_MRELEASE(&self->t, -EAGAIN);
	ASSERT_EQ(0, target_let_die(&self->t));
	EXPECT_LIST_PAIRED();
	EXPECT_EQ(1, count_what(&self->log, self->list,
				MMUN_TEST_EV_RELEASE));
	EXPECT_LE(0, read_section(self->fd, self->interval, 0));
	EXPECT_EQ(0, detach(self->fd, self->interval));
	EXPECT_EQ(0, detach(self->fd, self->list));
}

/*
 * An in-kernel list notifier refuses: the kernel's interval state of this mm
 * stays marked for ever. mmun must not wait on it.
 */
TEST_F(refuse, c10_peer_list_refuses_behind_mmun)
{
	struct mmun_peer_stats p;
	struct target other = {};
	__u32 id, late, theirs;

	ASSERT_EQ(0, target_start(&other, -1));
	ASSERT_EQ(0, peer_list(self->peer, self->t.pid, MMUN_PEER_REFUSE, 0,
			       &id));
	ASSERT_EQ(0, target_kill_alive(&self->t));
	EXPECT_MRELEASE(&self->t, -EAGAIN);
	ASSERT_EQ(0, peer_get_stats(self->peer, id, &p));
	EXPECT_LE(1, p.refusals);
	EXPECT_LIST_PAIRED();
	EXPECT_LE(0, read_section(self->fd, self->interval, 0));

	/* join and leave meanwhile */
	EXPECT_EQ(0, attach_interval(self->fd, self->t.pid, self->addr, PAGE,
				     &late));
	EXPECT_LE(0, read_section(self->fd, late, 0));
	EXPECT_EQ(0, detach(self->fd, late));
	EXPECT_EQ(0, detach(self->fd, self->interval));
	EXPECT_EQ(0, detach(self->fd, self->second));
	EXPECT_TRUE(paired(self->fd, self->list));

	/* it exits, and everybody leaves */
	ASSERT_EQ(0, target_let_die(&self->t));
	EXPECT_EQ(1, count_what(&self->log, self->list,
				MMUN_TEST_EV_RELEASE));
	EXPECT_EQ(0, detach(self->fd, self->list));
	EXPECT_EQ(0, peer_detach(self->peer, id));
	EXPECT_EQ(0, dev_sync(self->fd));

	/* and other processes are none the worse for it */
	EXPECT_EQ(0, attach_list(self->fd, other.pid, &theirs));
	EXPECT_EQ(0, detach(self->fd, theirs));
	EXPECT_TRUE(target_stop(&other));
}

/* all of them leave while the marked mm lives on */
TEST_F(refuse, c10_last_detach_after_a_peer_list_refused)
{
	__u32 id;

	ASSERT_EQ(0, peer_list(self->peer, self->t.pid, MMUN_PEER_REFUSE, 0,
			       &id));
	ASSERT_EQ(0, target_kill_alive(&self->t));
	EXPECT_MRELEASE(&self->t, -EAGAIN);
	EXPECT_EQ(0, detach(self->fd, self->interval));
	EXPECT_EQ(0, detach(self->fd, self->second));
	EXPECT_EQ(0, detach(self->fd, self->list));
	EXPECT_EQ(0, dev_sync(self->fd));
	EXPECT_EQ(0, subscriptions(self->fd));
	EXPECT_EQ(0, peer_detach(self->peer, id));
}

/*
 * ... and another attach comes: it may fail, but may not hang. The rest of
 * a failed attach must not keep the module from being unloaded: the end of the
 * run finds that out, by unloading it.
 */
TEST_F(refuse, c7_c10_attach_after_a_peer_list_refused)
{
	static struct mmun_test_attach a = {
		.size = sizeof(a),
		.kind = MMUN_TEST_LIST,
	};
	__u32 id;
	int ret;

	ASSERT_EQ(0, peer_list(self->peer, self->t.pid, MMUN_PEER_REFUSE, 0,
			       &id));
	ASSERT_EQ(0, target_kill_alive(&self->t));
	EXPECT_MRELEASE(&self->t, -EAGAIN);
	EXPECT_EQ(0, detach(self->fd, self->interval));
	EXPECT_EQ(0, detach(self->fd, self->second));
	EXPECT_EQ(0, detach(self->fd, self->list));

	a.pid = self->t.pid;
	ret = bounded_ioctl(self->fd, MMUN_TEST_IOC_ATTACH, &a);
	EXPECT_NE(-ETIME, ret);
	EXPECT_EQ(ret ? 0 : 1, subscriptions(self->fd));
	EXPECT_EQ(0, peer_detach(self->peer, id));
}

TEST_HARNESS_MAIN
