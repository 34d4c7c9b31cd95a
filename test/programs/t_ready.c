// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mm that is ready, contract 21: once a subscription of a mm, or of NULL, has
 * succeeded, an insert never takes the mmap lock until the mm's exit. And an act
 * that a driver may not do twice is reported in the log, and does nothing.
 *
 * A core that does not keep this oopses here, or hangs with the mmap lock held.
 */
#include "t_hostile.h"
#include "kselftest_harness.h"

#define PAGES	4UL
/* a core that drops what has no subscriber has done so by then */
#define IDLE_MS	1000

FIXTURE(ready)
{
	struct target t;
	struct evlog log;
	struct books books;
	struct unloading rmmod;
	int fd;
	unsigned long addr;
};

FIXTURE_SETUP(ready)
{
	ASSERT_EQ(0, modules_load());
	books_open(&self->books);
	ASSERT_EQ(0, target_start(&self->t, -1));
	ASSERT_NE(0, self->addr = target_mmap(&self->t, PAGES));
	self->fd = dev_open();
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, log_init(&self->log, self->fd));
}

FIXTURE_TEARDOWN(ready)
{
	EXPECT_TRUE(target_stop(&self->t));
	EXPECT_EQ(0, bounded_ioctl(self->fd, 0, NULL));
	EXPECT_TRUE(mms_balance(&self->books));
	EXPECT_EQ(0, modules_load());
}

static int prepare(int fd, pid_t pid)
{
	static struct mmun_test_prepare p;

	p = (struct mmun_test_prepare){ .size = sizeof(p), .pid = pid };
	return bounded_ioctl(fd, MMUN_TEST_IOC_PREPARE, &p);
}

static int insert_read_locked(int fd, pid_t pid, unsigned long addr, __u32 *id)
{
	static struct mmun_test_attach a;
	int ret;

	a = (struct mmun_test_attach){
		.size = sizeof(a),
		.kind = MMUN_TEST_INTERVAL,
		.pid = pid,
		.flags = MMUN_TEST_ATTACH_READ_LOCKED,
		.start = addr,
		.length = PAGES * PAGE,
	};
	ret = bounded_ioctl(fd, MMUN_TEST_IOC_ATTACH, &a);
	*id = a.id;
	return ret;
}

/* It goes in under the lock, and it sees ranges. */
static void expect_insert_sees_ranges(struct __test_metadata *_metadata,
				      FIXTURE_DATA(ready) *self)
{
	struct want w = {
		.what = MMUN_TEST_EV_START, .event = EV_UNMAP,
		.start = self->addr, .end = self->addr + PAGE,
	};

	ASSERT_EQ(0, insert_read_locked(self->fd, self->t.pid, self->addr,
					&w.id));
	ASSERT_EQ(0, target_munmap(&self->t, self->addr, 1));
	EXPECT_NE(NULL, log_wait(&self->log, &w, 2000));
	EXPECT_EQ(0, detach(self->fd, w.id));
	self->addr += PAGE;
}

TEST_F_TIMEOUT(ready, c21_register_of_NULL_makes_the_mm_ready, 60)
{
	ASSERT_EQ(0, prepare(self->fd, self->t.pid));
	EXPECT_EQ(0, subscriptions(self->fd));
	expect_insert_sees_ranges(_metadata, self);
	/* again, and when it has had nobody for a while */
	EXPECT_EQ(0, prepare(self->fd, self->t.pid));
	sleep_ms(IDLE_MS);
	expect_insert_sees_ranges(_metadata, self);
}

TEST_F_TIMEOUT(ready, c21_ready_after_an_interval_has_gone, 60)
{
	__u32 id;

	ASSERT_EQ(0, attach_interval(self->fd, self->t.pid, self->addr, PAGE,
				     &id));
	ASSERT_EQ(0, detach(self->fd, id));
	sleep_ms(IDLE_MS);
	expect_insert_sees_ranges(_metadata, self);
}

TEST_F_TIMEOUT(ready, c21_ready_after_a_list_has_gone, 60)
{
	__u32 id;

	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &id));
	ASSERT_EQ(0, detach(self->fd, id));
	sleep_ms(IDLE_MS);
	expect_insert_sees_ranges(_metadata, self);
}

TEST_F_TIMEOUT(ready, c21_register_of_NULL_after_exit_is_ESRCH, 60)
{
	pid_t pid = self->t.pid;

	EXPECT_TRUE(target_stop(&self->t));
	EXPECT_EQ(-ESRCH, prepare(self->fd, pid));
	/* one that lives is there to be torn down */
	ASSERT_EQ(0, target_start(&self->t, -1));
}

TEST_F_TIMEOUT(ready, c7_only_prepared_lets_rmmod_finish, 60)
{
	int ms;

	ASSERT_EQ(0, prepare(self->fd, self->t.pid));
	ASSERT_EQ(0, bounded_ioctl(self->fd, 0, NULL));
	ASSERT_EQ(0, unload_begin(&self->rmmod));
	ms = unload_end(&self->rmmod, 1000);
	EXPECT_LE(0, ms);
	ASSERT_EQ(0, modules_load());
	self->fd = dev_open();
	EXPECT_EQ(0, log_lines(&self->books));
}

/* It warns and does nothing: the mm_struct's count is not too low then. */
static void expect_second_leave_warns(struct __test_metadata *_metadata,
				      FIXTURE_DATA(ready) *self, __u32 kind)
{
	__u32 id, other;

	/* a report that comes once comes again from a module that is loaded again */
	ASSERT_EQ(0, bounded_ioctl(self->fd, 0, NULL));
	ASSERT_EQ(0, unload_begin(&self->rmmod));
	ASSERT_LE(0, unload_end(&self->rmmod, IN_TIME_MS));
	ASSERT_EQ(0, modules_load());
	self->fd = dev_open();
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &other));
	ASSERT_EQ(0, attach_flags(self->fd, kind, self->t.pid,
				  kind == MMUN_TEST_LIST ? 0 : self->addr,
				  kind == MMUN_TEST_LIST ? 0 : PAGE, 0, &id));
	EXPECT_EQ(0, log_lines(&self->books));
	EXPECT_EQ(0, detach_how(self->fd, id, MMUN_TEST_TWICE));
	EXPECT_EQ(1, log_lines(&self->books));

	/* the other one is none the worse for it */
	EXPECT_EQ(1, subscriptions(self->fd));
	ASSERT_EQ(0, target_munmap(&self->t, self->addr, 1));
	EXPECT_TRUE(paired(self->fd, other));
	EXPECT_EQ(0, detach(self->fd, other));
}

TEST_F_TIMEOUT(ready, second_unregister_warns, 60)
{
	expect_second_leave_warns(_metadata, self, MMUN_TEST_LIST);
}

TEST_F_TIMEOUT(ready, second_remove_warns, 60)
{
	expect_second_leave_warns(_metadata, self, MMUN_TEST_INTERVAL);
}

TEST_HARNESS_MAIN
