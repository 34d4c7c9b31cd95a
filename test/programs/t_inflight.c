// SPDX-License-Identifier: GPL-2.0-only
/*
 * Joining and leaving while a range is in flight on the mm: contracts 9, 14,
 * 15 and 19.
 *
 * The range is a hole punched in a memfd by another process, so that no mmap
 * lock of the target is held; a peer interval in the kernel holds it open. (A
 * truncation would unmap twice, and the second range is one to be seen.)
 */
#include "t_common.h"
#include "kselftest_harness.h"

#define PAGES	4UL

FIXTURE(inflight)
{
	struct target t;
	struct evlog log;
	int fd;
	int peer;
	int mem;
	pid_t helper;
	unsigned long held;	/* the mapping that gets the hole */
	unsigned long held_end;
	unsigned long other;	/* a private one elsewhere */
	__u32 hold;
};

FIXTURE_SETUP(inflight)
{
	self->mem = memfd(PAGES);
	ASSERT_GE(self->mem, 0);
	ASSERT_EQ(0, target_start(&self->t, self->mem));
	self->held = target_mmap_fd(&self->t, PAGES);
	ASSERT_NE(0, self->held);
	self->held_end = self->held + PAGES * PAGE;
	self->other = target_mmap(&self->t, PAGES);
	ASSERT_NE(0, self->other);
	self->fd = dev_open();
	ASSERT_GE(self->fd, 0);
	self->peer = peer_open();
	ASSERT_GE(self->peer, 0);
	ASSERT_EQ(0, log_init(&self->log, self->fd));
}

FIXTURE_TEARDOWN(inflight)
{
	/* nothing below can end while a range is held */
	peer_release_hold(self->peer, self->hold);
	if (self->helper > 0)
		EXPECT_EQ(0, wait_pid(self->helper, IN_TIME_MS));
	EXPECT_EQ(0, bounded_ioctl(self->peer, 0, NULL));
	EXPECT_TRUE(target_stop(&self->t));
	EXPECT_EQ(0, bounded_ioctl(self->fd, 0, NULL));
}

static int hold_open(FIXTURE_DATA(inflight) *self)
{
	int ret;

	ret = peer_interval(self->peer, self->t.pid, MMUN_PEER_HOLD,
			    self->held, PAGES * PAGE, &self->hold);
	if (ret)
		return ret;
	self->helper = fork();
	if (!self->helper) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fallocate(self->mem, FALLOC_FL_PUNCH_HOLE |
				FALLOC_FL_KEEP_SIZE, 0, PAGES * PAGE) ? 1 : 0);
	}
	return peer_wait_held(self->peer, self->hold);
}

static int let_go(FIXTURE_DATA(inflight) *self)
{
	int ret = peer_release_hold(self->peer, self->hold);

	if (ret)
		return ret;
	ret = wait_pid(self->helper, IN_TIME_MS);
	self->helper = 0;
	return ret;
}

static int nr_logged(struct evlog *log, __u32 id, __u32 what,
		     unsigned long start, unsigned long end)
{
	return log_count(log, &(struct want){
		.id = id, .what = what, .event = EV_ANY,
		.start = start, .end = end, .overlap = true,
	});
}

#define HELD_STARTS(id) nr_logged(&self->log, id, MMUN_TEST_EV_START,	\
				 self->held, self->held_end)
#define HELD_ENDS(id) nr_logged(&self->log, id, MMUN_TEST_EV_END,	\
			       self->held, self->held_end)

static struct mmun_test_attach attach_arg(pid_t pid, __u32 kind)
{
	return (struct mmun_test_attach){
		.size = sizeof(struct mmun_test_attach),
		.kind = kind,
		.pid = pid,
	};
}

/* The second subscriber joins mmun, not the kernel. */
static void second_joins(struct __test_metadata *_metadata,
			 FIXTURE_DATA(inflight) *self, __u32 kind)
{
	struct mmun_test_attach a = attach_arg(self->t.pid, kind);
	struct job job;
	__u32 first;

	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &first));
	ASSERT_EQ(0, hold_open(self));
	EXPECT_EQ(1, HELD_STARTS(first));

	/*
	 * It waits for the range, for which it is not called: what it reads from
	 * now on would be stale otherwise. (A get waits with the mmap lock
	 * held, so that the target cannot unmap meanwhile.)
	 */
	ASSERT_EQ(0, job_start(&job, self->fd, MMUN_TEST_IOC_ATTACH, &a));
	EXPECT_FALSE(job_done(&job, 300));
	EXPECT_EQ(1, peer_held(self->peer, self->hold));
	if (kind == MMUN_TEST_LIST) {
		ASSERT_EQ(0, target_munmap(&self->t, self->other, 1));
		EXPECT_TRUE(log_has(&self->log, first, EV_UNMAP, self->other,
				    self->other + PAGE));
	}
	EXPECT_EQ(0, HELD_ENDS(first));
	ASSERT_EQ(0, let_go(self));
	ASSERT_TRUE(job_done(&job, IN_TIME_MS));
	ASSERT_EQ(0, job.ret);

	/* younger than its joining: seen, though it had not returned yet */
	if (kind == MMUN_TEST_LIST)
		EXPECT_TRUE(log_has(&self->log, a.id, EV_UNMAP, self->other,
				    self->other + PAGE));
	ASSERT_EQ(0, target_munmap(&self->t, self->other + PAGE, 1));
	EXPECT_TRUE(log_has(&self->log, a.id, EV_UNMAP, self->other + PAGE,
			    self->other + 2 * PAGE));

	/* no end without its start, no start without its end */
	EXPECT_TRUE(paired(self->fd, first));
	EXPECT_TRUE(paired(self->fd, a.id));
	EXPECT_EQ(1, HELD_STARTS(first));
	EXPECT_EQ(1, HELD_ENDS(first));
	EXPECT_EQ(0, HELD_STARTS(a.id));
	EXPECT_EQ(0, HELD_ENDS(a.id));
}

TEST_F(inflight, c9_second_list_joins)
{
	second_joins(_metadata, self, MMUN_TEST_LIST);
}

TEST_F(inflight, c9_get_joins)
{
	second_joins(_metadata, self, MMUN_TEST_GET);
}

/* many come while the range is held, and some leave at once */
TEST_F(inflight, c9_many_join_and_leave)
{
	struct mmun_test_attach a[10];
	struct job job[ARRAY_SIZE(a)];
	unsigned int i;
	__u32 first;

	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &first));
	ASSERT_EQ(0, hold_open(self));
	for (i = 0; i < ARRAY_SIZE(a); i++) {
		a[i] = attach_arg(self->t.pid, MMUN_TEST_LIST);
		ASSERT_EQ(0, job_start(&job[i], self->fd,
				       MMUN_TEST_IOC_ATTACH, &a[i]));
	}
	ASSERT_EQ(0, let_go(self));
	for (i = 0; i < ARRAY_SIZE(a); i++) {
		ASSERT_TRUE(job_done(&job[i], IN_TIME_MS));
		ASSERT_EQ(0, job[i].ret);
		EXPECT_EQ(0, HELD_STARTS(a[i].id) - HELD_ENDS(a[i].id));
		EXPECT_TRUE(paired(self->fd, a[i].id));
		if (i & 1)
			EXPECT_EQ(0, detach_how(self->fd, a[i].id,
						MMUN_TEST_NO_RELEASE));
	}
	EXPECT_TRUE(paired(self->fd, first));
}

TEST_F(inflight, c9_first_leaves_with_its_end)
{
	struct mmun_test_detach d = { .size = sizeof(d) };
	__u32 second;
	struct job job;

	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &d.id));
	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &second));
	ASSERT_EQ(0, hold_open(self));
	ASSERT_EQ(0, job_start(&job, self->fd, MMUN_TEST_IOC_DETACH, &d));
	/* whether it waits for the range is its own affair */
	if (!job_done(&job, 1000)) {
		ASSERT_EQ(0, let_go(self));
		ASSERT_TRUE(job_done(&job, IN_TIME_MS));
	} else {
		EXPECT_EQ(1, HELD_ENDS(d.id));
		ASSERT_EQ(0, let_go(self));
	}
	EXPECT_EQ(0, job.ret);
	EXPECT_EQ(1, HELD_STARTS(d.id));
	EXPECT_EQ(1, HELD_ENDS(d.id));
	EXPECT_TRUE(paired(self->fd, second));
	EXPECT_EQ(1, HELD_ENDS(second));
}

/* it was the only one: the mm's bridges go with it */
TEST_F(inflight, c9_only_one_leaves_with_its_end)
{
	struct mmun_test_detach d = { .size = sizeof(d) };
	struct job job;
	__u32 id;

	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &d.id));
	ASSERT_EQ(0, hold_open(self));
	ASSERT_EQ(0, job_start(&job, self->fd, MMUN_TEST_IOC_DETACH, &d));
	if (!job_done(&job, 1000)) {
		ASSERT_EQ(0, let_go(self));
		ASSERT_TRUE(job_done(&job, IN_TIME_MS));
	} else {
		ASSERT_EQ(0, let_go(self));
	}
	EXPECT_EQ(0, job.ret);
	EXPECT_EQ(1, HELD_STARTS(d.id));
	EXPECT_EQ(1, HELD_ENDS(d.id));

	/* and the next one starts afresh */
	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &id));
	ASSERT_EQ(0, target_munmap(&self->t, self->other, PAGES));
	EXPECT_TRUE(log_has(&self->log, id, EV_UNMAP, self->other,
			    self->other + PAGES * PAGE));
}

/*
 * At the exit one subscriber after the other is released. Until its turn has
 * come one has a mirror, and others may take pages away.
 */
TEST_F(inflight, c12_seen_until_released)
{
	struct want hole = {
		.what = MMUN_TEST_EV_START, .event = EV_ANY,
		.start = self->held, .end = self->held_end, .overlap = true,
	};
	struct mmun_test_stats s[2] = {};
	__u32 id[2];
	int i, later;

	/* whichever is released first keeps the exit for a while */
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &id[i]));
		ASSERT_EQ(0, set_knobs(self->fd, id[i], 0, 0, 2000, 0));
	}
	ASSERT_EQ(0, kill(self->t.pid, SIGKILL));
	ASSERT_TRUE(WAIT_FOR(!get_stats(self->fd, id[0], &s[0]) &&
			     !get_stats(self->fd, id[1], &s[1]) &&
			     s[0].releases + s[1].releases, IN_TIME_MS));
	ASSERT_EQ(1, s[0].releases + s[1].releases);
	later = s[0].releases;

	ASSERT_EQ(0, fallocate(self->mem, FALLOC_FL_PUNCH_HOLE |
			       FALLOC_FL_KEEP_SIZE, 0, PAGES * PAGE));
	hole.id = id[later];
	EXPECT_NE(NULL, log_find(&self->log, &hole));
	ASSERT_TRUE(target_ended(&self->t, IN_TIME_MS));
	EXPECT_TRUE(paired(self->fd, id[0]));
	EXPECT_TRUE(paired(self->fd, id[1]));
}

TEST_F(inflight, c14_interval_inserted_over_the_held_range_waits)
{
	struct mmun_test_attach a = attach_arg(self->t.pid,
					       MMUN_TEST_INTERVAL);
	struct mmun_test_read r = { .size = sizeof(r) };
	__u32 first;
	struct job job;

	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &first));
	ASSERT_EQ(0, hold_open(self));
	a.start = self->held;
	a.length = PAGES * PAGE;
	ASSERT_EQ(0, bounded_ioctl(self->fd, MMUN_TEST_IOC_ATTACH, &a));
	r.id = a.id;
	ASSERT_EQ(0, job_start(&job, self->fd, MMUN_TEST_IOC_READ, &r));
	EXPECT_FALSE(job_done(&job, 500));
	ASSERT_EQ(0, let_go(self));
	ASSERT_TRUE(job_done(&job, IN_TIME_MS));
	EXPECT_EQ(0, job.ret);
	EXPECT_EQ(0, read_section(self->fd, a.id, 0));
	EXPECT_EQ(0, detach(self->fd, a.id));
}

TEST_F(inflight, c14_interval_inserted_elsewhere_does_not_wait)
{
	struct mmun_test_attach a = attach_arg(self->t.pid,
					       MMUN_TEST_INTERVAL);
	__u32 first;

	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &first));
	ASSERT_EQ(0, hold_open(self));
	a.start = self->other;
	a.length = PAGES * PAGE;
	ASSERT_EQ(0, bounded_ioctl(self->fd, MMUN_TEST_IOC_ATTACH, &a));
	EXPECT_LE(0, read_section(self->fd, a.id, 0));
	EXPECT_EQ(1, peer_held(self->peer, self->hold));

	/* and sees what comes, with the other still in flight */
	ASSERT_EQ(0, target_munmap(&self->t, self->other, 1));
	EXPECT_EQ(1, nr_logged(&self->log, a.id, MMUN_TEST_EV_START,
			       self->other, self->other + PAGE));
	EXPECT_EQ(0, bounded_ioctl(self->fd, MMUN_TEST_IOC_DETACH,
				   &(struct mmun_test_detach){
					.size =
					sizeof(struct mmun_test_detach),
					.id = a.id }));
	EXPECT_EQ(1, peer_held(self->peer, self->hold));
	ASSERT_EQ(0, let_go(self));
}

/*
 * The first subscriber of all comes while the kernel is in a range. It may
 * wait for it; when it has returned, it sees everything.
 */
static void first_joins(struct __test_metadata *_metadata,
			FIXTURE_DATA(inflight) *self, __u32 kind)
{
	struct mmun_test_attach a = attach_arg(self->t.pid, kind);
	struct want w = {
		.what = MMUN_TEST_EV_START, .event = EV_UNMAP,
		.start = self->other, .end = self->other + PAGES * PAGE,
	};
	struct job job;

	if (kind == MMUN_TEST_INTERVAL) {
		a.start = self->other;
		a.length = PAGES * PAGE;
	}
	ASSERT_EQ(0, hold_open(self));
	ASSERT_EQ(0, job_start(&job, self->fd, MMUN_TEST_IOC_ATTACH, &a));
	if (!job_done(&job, 300)) {
		ASSERT_EQ(0, let_go(self));
		ASSERT_TRUE(job_done(&job, IN_TIME_MS));
	}
	ASSERT_EQ(0, job.ret);
	ASSERT_EQ(0, target_munmap(&self->t, self->other, PAGES));
	w.id = a.id;
	EXPECT_NE(NULL, log_wait(&self->log, &w, 2000));
	if (self->helper)
		ASSERT_EQ(0, let_go(self));
	if (kind != MMUN_TEST_INTERVAL)
		EXPECT_TRUE(paired(self->fd, a.id));
	EXPECT_EQ(HELD_STARTS(a.id), HELD_ENDS(a.id));
}

TEST_F(inflight, c9_first_list_joins)
{
	first_joins(_metadata, self, MMUN_TEST_LIST);
}

TEST_F(inflight, c9_first_get_joins)
{
	first_joins(_metadata, self, MMUN_TEST_GET);
}

TEST_F(inflight, c15_first_interval_joins)
{
	first_joins(_metadata, self, MMUN_TEST_INTERVAL);
}

TEST_HARNESS_MAIN
