// SPDX-License-Identifier: GPL-2.0-only
/* Interval subscriptions in a live process: contracts 12 to 16 and 18. */
#include "t_common.h"
#include "kselftest_harness.h"

#define PAGES	8UL
/* long enough to differ from no wait at all */
#define DELAY_MS 1500

FIXTURE(interval)
{
	struct target t;
	struct evlog log;
	int fd;
	unsigned long addr;	/* eight pages; the middle two are watched */
	unsigned long start;
	unsigned long end;
};

FIXTURE_SETUP(interval)
{
	ASSERT_EQ(0, target_start(&self->t, -1));
	self->addr = target_mmap(&self->t, PAGES);
	ASSERT_NE(0, self->addr);
	self->start = self->addr + 3 * PAGE;
	self->end = self->addr + 5 * PAGE;
	self->fd = dev_open();
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, log_init(&self->log, self->fd));
}

FIXTURE_TEARDOWN(interval)
{
	EXPECT_TRUE(target_stop(&self->t));
	close(self->fd);
}

static int insert(int fd, pid_t pid, __u64 start, __u64 end,
		  __u32 *id)
{
	return attach_interval(fd, pid, start, end - start, id);
}

static __u64 hits(int fd, __u32 id)
{
	struct mmun_test_stats s;

	return get_stats(fd, id, &s) ? ~0ULL : s.starts;
}

/* the first call on a mm is an insert: nothing of mmun was there */
TEST_F(interval, c12_first_insert_sees_ranges)
{
	__u32 id;

	ASSERT_EQ(0, insert(self->fd, self->t.pid, self->start, self->end,
			    &id));
	EXPECT_EQ(0, read_section(self->fd, id, 0));
	ASSERT_EQ(0, target_munmap(&self->t, self->addr, PAGES));
	EXPECT_EQ(1, hits(self->fd, id));
	EXPECT_EQ(0, detach(self->fd, id));
}

/* both ends are inclusive inside: the neighbours are not hit */
TEST_F(interval, c16_neighbours_do_not_hit)
{
	__u32 id;

	ASSERT_EQ(0, insert(self->fd, self->t.pid, self->start, self->end,
			    &id));
	ASSERT_EQ(0, target_munmap(&self->t, self->start - PAGE, 1));
	EXPECT_EQ(0, hits(self->fd, id));
	ASSERT_EQ(0, target_munmap(&self->t, self->end, 1));
	EXPECT_EQ(0, hits(self->fd, id));
	ASSERT_EQ(0, target_munmap(&self->t, self->start, 1));
	EXPECT_EQ(1, hits(self->fd, id));
	ASSERT_EQ(0, target_munmap(&self->t, self->end - PAGE, 1));
	EXPECT_EQ(2, hits(self->fd, id));
}

/* an interval need not begin or end with a page: one byte is enough */
TEST_F(interval, c16_one_byte_of_overlap_hits)
{
	__u32 first, last, none;

	ASSERT_EQ(0, insert(self->fd, self->t.pid, self->start - 1, self->end,
			    &first));
	ASSERT_EQ(0, insert(self->fd, self->t.pid, self->start, self->end + 1,
			    &last));
	ASSERT_EQ(0, insert(self->fd, self->t.pid, self->start, self->end,
			    &none));
	ASSERT_EQ(0, target_munmap(&self->t, self->start - PAGE, 1));
	EXPECT_EQ(1, hits(self->fd, first));
	EXPECT_EQ(0, hits(self->fd, last));
	ASSERT_EQ(0, target_munmap(&self->t, self->end, 1));
	EXPECT_EQ(1, hits(self->fd, first));
	EXPECT_EQ(1, hits(self->fd, last));
	EXPECT_EQ(0, hits(self->fd, none));
}

TEST_F(interval, c16_all_of_the_address_space)
{
	__u32 id, last;

	/* [0, ULONG_MAX - 1], and with one more byte at the end */
	ASSERT_EQ(0, attach_interval(self->fd, self->t.pid, 0, ULONG_MAX,
				     &id));
	ASSERT_EQ(0, attach_interval(self->fd, self->t.pid, 1, ULONG_MAX,
				     &last));
	ASSERT_EQ(0, target_munmap(&self->t, self->addr, PAGES));
	EXPECT_LE(1, hits(self->fd, id));
	EXPECT_LE(1, hits(self->fd, last));
	EXPECT_EQ(0, detach(self->fd, id));
	EXPECT_EQ(0, detach(self->fd, last));
}

TEST_F(interval, c12_many_intervals_each_see_their_own)
{
	__u32 id[PAGES];
	unsigned long i;

	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(0, attach_interval(self->fd, self->t.pid,
					     self->addr + i * PAGE, PAGE,
					     &id[i]));
	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(0, target_syscall(&self->t, SYS_madvise,
					    self->addr + i * PAGE, PAGE,
					    MADV_DONTNEED));
		EXPECT_EQ(1, hits(self->fd, id[i]));
	}
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(1, hits(self->fd, id[i]));
		EXPECT_EQ(0, detach(self->fd, id[i]));
	}
}

TEST_F(interval, c13_no_invalidation_no_retry)
{
	__u32 id;

	ASSERT_EQ(0, insert(self->fd, self->t.pid, self->start, self->end,
			    &id));
	EXPECT_EQ(0, read_section(self->fd, id, 200));
	/* outside of a section it does not count either */
	ASSERT_EQ(0, target_munmap(&self->t, self->start, 1));
	EXPECT_EQ(0, read_section(self->fd, id, 50));
}

static struct mmun_test_read section(__u32 id, __u32 pause_ms)
{
	return (struct mmun_test_read){
		.size = sizeof(struct mmun_test_read),
		.id = id,
		.pause_ms = pause_ms,
	};
}

TEST_F(interval, c13_invalidation_inside_a_section_is_a_retry)
{
	struct mmun_test_read r;
	struct job job;
	__u32 id;
	unsigned int i, collided = 0;

	ASSERT_EQ(0, insert(self->fd, self->t.pid, self->start, self->end,
			    &id));
	r = section(id, 1000);
	ASSERT_EQ(0, job_start(&job, self->fd, MMUN_TEST_IOC_READ, &r));
	/*
	 * When the section has begun cannot be seen from here: change the
	 * range until it must have. Its pause is far longer than a step.
	 */
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, target_syscall(&self->t, SYS_madvise,
					    self->start, PAGE,
					    MADV_DONTNEED));
		sleep_ms(20);
	}
	ASSERT_TRUE(job_done(&job, IN_TIME_MS));
	EXPECT_EQ(0, job.ret);
	collided += r.collided;
	EXPECT_EQ(1, collided);
	EXPECT_EQ(1, r.begins);

	/* a loop goes on until it has not collided */
	r = section(id, 300);
	r.flags = MMUN_TEST_READ_LOOP;
	ASSERT_EQ(0, job_start(&job, self->fd, MMUN_TEST_IOC_READ, &r));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, target_syscall(&self->t, SYS_madvise,
					    self->start, PAGE,
					    MADV_DONTNEED));
		sleep_ms(20);
	}
	ASSERT_TRUE(job_done(&job, IN_TIME_MS));
	EXPECT_EQ(0, job.ret);
	EXPECT_LE(2, r.begins);
}

TEST_F(interval, c13_invalidation_elsewhere_is_no_retry)
{
	struct mmun_test_read r;
	struct job job;
	__u32 id;
	unsigned int i;

	ASSERT_EQ(0, insert(self->fd, self->t.pid, self->start, self->end,
			    &id));
	r = section(id, 300);
	ASSERT_EQ(0, job_start(&job, self->fd, MMUN_TEST_IOC_READ, &r));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, target_syscall(&self->t, SYS_madvise, self->end,
					    PAGE, MADV_DONTNEED));
		sleep_ms(20);
	}
	ASSERT_TRUE(job_done(&job, IN_TIME_MS));
	EXPECT_EQ(0, r.collided);
}

/*
 * A list subscriber that is slow keeps the target's munmap of the watched
 * range in flight; these tests act meanwhile.
 */
static int hold_range(FIXTURE_DATA(interval) *self, __u32 *slow,
		      unsigned long addr)
{
	struct want w = {
		.what = MMUN_TEST_EV_START, .event = EV_UNMAP,
		.start = addr, .end = addr + PAGE,
	};
	int ret;

	ret = set_knobs(self->fd, *slow, 0, DELAY_MS, 0, 0);
	if (!ret)
		ret = target_begin(&self->t, SYS_munmap, addr, PAGE);
	w.id = *slow;
	if (!ret && !log_wait(&self->log, &w, IN_TIME_MS))
		ret = -ETIME;
	return ret;
}

TEST_F(interval, c14_read_begin_waits_no_longer_than_the_invalidation)
{
	__u32 slow, id;
	__u64 begin;
	int ms;

	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &slow));
	ASSERT_EQ(0, insert(self->fd, self->t.pid, self->start, self->end,
			    &id));
	ASSERT_EQ(0, hold_range(self, &slow, self->start));
	begin = now_ns();
	EXPECT_LE(0, read_section(self->fd, id, 0));
	ms = (now_ns() - begin) / 1000000;
	EXPECT_LE(DELAY_MS / 2, ms);
	EXPECT_GT(DELAY_MS + 2000, ms);
	EXPECT_EQ(0, target_reply(&self->t, IN_TIME_MS));
	EXPECT_EQ(0, set_knobs(self->fd, slow, 0, 0, 0, 0));
}

TEST_F(interval, c14_read_begin_elsewhere_does_not_wait)
{
	__u32 slow, id;
	__u64 begin;

	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &slow));
	ASSERT_EQ(0, insert(self->fd, self->t.pid, self->start, self->end,
			    &id));
	ASSERT_EQ(0, hold_range(self, &slow, self->end));
	begin = now_ns();
	EXPECT_EQ(0, read_section(self->fd, id, 0));
	EXPECT_GT(DELAY_MS / 2, (int)((now_ns() - begin) / 1000000));
	EXPECT_FALSE(target_answered(&self->t, 0));
	EXPECT_EQ(0, target_reply(&self->t, IN_TIME_MS));
	EXPECT_EQ(0, set_knobs(self->fd, slow, 0, 0, 0, 0));
}

TEST_F(interval, c15_insert_during_an_invalidation)
{
	struct mmun_test_attach a = {
		.size = sizeof(a),
		.kind = MMUN_TEST_INTERVAL,
		.start = self->start,
		.length = 2 * PAGE,
	};
	__u32 slow, first;
	struct job job;
	__u64 begin;

	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &slow));
	ASSERT_EQ(0, insert(self->fd, self->t.pid, self->start, self->end,
			    &first));
	ASSERT_EQ(0, hold_range(self, &slow, self->start));
	begin = now_ns();
	/*
	 * The driver looks the process up by pid and takes no lock of its
	 * mm; insert must not need one either on a mm that is subscribed.
	 */
	a.pid = self->t.pid;
	ASSERT_EQ(0, job_start(&job, self->fd, MMUN_TEST_IOC_ATTACH, &a));
	/* the invalidation is not blocked, whatever the insert does */
	EXPECT_EQ(0, target_reply(&self->t, DELAY_MS + IN_TIME_MS));
	EXPECT_GT(DELAY_MS + 2000, (int)((now_ns() - begin) / 1000000));
	ASSERT_TRUE(job_done(&job, IN_TIME_MS));
	ASSERT_EQ(0, job.ret);
	EXPECT_EQ(0, set_knobs(self->fd, slow, 0, 0, 0, 0));

	/* no update is lost from here on */
	EXPECT_LE(0, read_section(self->fd, a.id, 0));
	ASSERT_EQ(0, target_munmap(&self->t, self->end - PAGE, 1));
	EXPECT_EQ(1, log_count(&self->log, &(struct want){
		.id = a.id, .what = MMUN_TEST_EV_START, .event = EV_UNMAP,
		.start = self->end - PAGE, .end = self->end }));
	EXPECT_EQ(0, detach(self->fd, a.id));
}

TEST_F(interval, c15_remove_during_an_invalidation)
{
	struct mmun_test_detach d = { .size = sizeof(d) };
	__u32 slow;
	struct job job;
	__u64 begin;
	__u64 events;

	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &slow));
	ASSERT_EQ(0, insert(self->fd, self->t.pid, self->start, self->end,
			    &d.id));
	ASSERT_EQ(0, hold_range(self, &slow, self->start));
	begin = now_ns();
	ASSERT_EQ(0, job_start(&job, self->fd, MMUN_TEST_IOC_DETACH, &d));
	EXPECT_EQ(0, target_reply(&self->t, DELAY_MS + IN_TIME_MS));
	EXPECT_GT(DELAY_MS + 2000, (int)((now_ns() - begin) / 1000000));
	ASSERT_TRUE(job_done(&job, IN_TIME_MS));
	EXPECT_EQ(0, job.ret);
	EXPECT_EQ(0, set_knobs(self->fd, slow, 0, 0, 0, 0));

	/* no callback ever again */
	events = count_what(&self->log, d.id, MMUN_TEST_EV_START);
	ASSERT_EQ(0, target_munmap(&self->t, self->end - PAGE, 1));
	EXPECT_EQ(events, count_what(&self->log, d.id, MMUN_TEST_EV_START));
}

/* remove waits for the interval's own callback, and not for ever */
TEST_F(interval, c15_remove_waits_for_its_callback)
{
	struct want w = {
		.what = MMUN_TEST_EV_START, .event = EV_UNMAP,
		.start = self->start, .end = self->start + PAGE,
	};
	__u64 begin;
	__u32 id;

	ASSERT_EQ(0, insert(self->fd, self->t.pid, self->start, self->end,
			    &id));
	ASSERT_EQ(0, set_knobs(self->fd, id, 0, DELAY_MS, 0, 0));
	ASSERT_EQ(0, target_begin(&self->t, SYS_munmap, self->start, PAGE));
	w.id = id;
	ASSERT_NE(NULL, log_wait(&self->log, &w, IN_TIME_MS));
	begin = now_ns();
	EXPECT_EQ(0, detach(self->fd, id));
	EXPECT_LE(DELAY_MS / 2, (int)((now_ns() - begin) / 1000000));
	EXPECT_EQ(0, target_reply(&self->t, IN_TIME_MS));
}

TEST_F(interval, locked_insert)
{
	__u32 id;

	ASSERT_EQ(0, attach_flags(self->fd, MMUN_TEST_INTERVAL, self->t.pid,
				  self->start, 2 * PAGE,
				  MMUN_TEST_ATTACH_LOCKED, &id));
	ASSERT_EQ(0, target_munmap(&self->t, self->start, 1));
	EXPECT_EQ(1, hits(self->fd, id));
	EXPECT_EQ(0, detach(self->fd, id));
}

/* contract 18: once for each that is still inserted */
TEST_F(interval, c18_exit_releases_each_once)
{
	__u32 id[3], removed;
	struct mmun_test_stats s;
	unsigned int i;

	ASSERT_EQ(0, insert(self->fd, self->t.pid, self->start, self->end,
			    &removed));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, attach_interval(self->fd, self->t.pid,
					     i * PAGE, PAGE, &id[i]));
	ASSERT_EQ(0, detach(self->fd, removed));
	ASSERT_TRUE(target_stop(&self->t));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, get_stats(self->fd, id[i], &s));
		EXPECT_EQ(1, s.releases);
		EXPECT_EQ(1, count_what(&self->log, id[i],
					MMUN_TEST_EV_RELEASE));
		/* contract 8: what is left works after the exit */
		EXPECT_LE(0, read_section(self->fd, id[i], 0));
		EXPECT_EQ(0, detach(self->fd, id[i]));
	}
	EXPECT_EQ(0, count_what(&self->log, removed, MMUN_TEST_EV_RELEASE));
}

TEST_HARNESS_MAIN
