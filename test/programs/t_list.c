// SPDX-License-Identifier: GPL-2.0-only
/*
 * List subscriptions: every way in which a program changes its address space
 * is seen, with a start and an end (contracts 9 and 12), and every way to
 * leave works (contracts 3, 6 and 8).
 */
#include "t_common.h"
#include "kselftest_harness.h"

#define PAGES	8UL
#define MANY	64

FIXTURE(list)
{
	struct target t;
	struct evlog log;
	int fd;
	int mem;
	unsigned long addr;
	unsigned long end;
	__u32 id;
};

FIXTURE_SETUP(list)
{
	self->mem = memfd(PAGES);
	ASSERT_GE(self->mem, 0);
	ASSERT_EQ(0, target_start(&self->t, self->mem));
	self->addr = target_mmap(&self->t, PAGES);
	ASSERT_NE(0, self->addr);
	self->end = self->addr + PAGES * PAGE;
	self->fd = dev_open();
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, log_init(&self->log, self->fd));
	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &self->id));
}

FIXTURE_TEARDOWN(list)
{
	EXPECT_TRUE(target_stop(&self->t));
	close(self->fd);
	close(self->mem);
}

#define EXPECT_LOG_HAS(ev, from, to) do {					\
	EXPECT_TRUE(log_has(&self->log, self->id, ev, from, to));		\
	EXPECT_TRUE(paired(self->fd, self->id));			\
} while (0)

TEST_F(list, c12_munmap)
{
	ASSERT_EQ(0, target_munmap(&self->t, self->addr, PAGES));
	EXPECT_LOG_HAS(EV_UNMAP, self->addr, self->end);
}

TEST_F(list, c12_madvise_dontneed)
{
	ASSERT_EQ(0, target_syscall(&self->t, SYS_madvise, self->addr,
				    PAGES * PAGE, MADV_DONTNEED));
	EXPECT_LOG_HAS(EV_CLEAR, self->addr, self->end);
}

TEST_F(list, c12_madvise_free)
{
	ASSERT_EQ(0, target_syscall(&self->t, SYS_madvise, self->addr,
				    PAGES * PAGE, MADV_FREE));
	EXPECT_LOG_HAS(EV_CLEAR, self->addr, self->end);
}

TEST_F(list, c12_mprotect)
{
	ASSERT_EQ(0, target_syscall(&self->t, SYS_mprotect, self->addr,
				    PAGES * PAGE, PROT_READ));
	EXPECT_LOG_HAS(EV_PROTECTION_VMA, self->addr, self->end);
}

/* Page tables have borders: none is seen as two ranges, or short of a page. */
TEST_F(list, c12_around_a_border_of_tables)
{
	unsigned long before, addr, end;

	for (before = 0; before <= PAGES; before++) {
		addr = target_mmap_border(&self->t, before, PAGES);
		ASSERT_NE(0, addr);
		end = addr + PAGES * PAGE;
		ASSERT_EQ(0, target_syscall(&self->t, SYS_mprotect, addr,
					    PAGES * PAGE, PROT_READ));
		EXPECT_LOG_HAS(EV_PROTECTION_VMA, addr, end);
		ASSERT_EQ(0, target_syscall(&self->t, SYS_madvise, addr,
					    PAGES * PAGE, MADV_DONTNEED));
		EXPECT_LOG_HAS(EV_CLEAR, addr, end);
		ASSERT_EQ(0, target_munmap(&self->t, addr, PAGES));
		EXPECT_LOG_HAS(EV_UNMAP, addr, end);
	}
}

TEST_F(list, c12_mremap_raises_the_old_range)
{
	unsigned long to = target_mmap(&self->t, PAGES);

	ASSERT_NE(0, to);
	ASSERT_EQ((long)to,
		  target_syscall(&self->t, SYS_mremap, self->addr,
				 PAGES * PAGE, PAGES * PAGE,
				 MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_LOG_HAS(EV_UNMAP, self->addr, self->end);
}

TEST_F(list, c12_fork_and_copy_on_write)
{
	ASSERT_LT(0, target_op(&self->t, OP_FORK));
	EXPECT_LOG_HAS(EV_PROTECTION_PAGE, self->addr, self->end);

	ASSERT_EQ(0, target_op(&self->t, OP_WRITE, 0, { self->addr, PAGE }));
	EXPECT_LOG_HAS(EV_CLEAR, self->addr, self->addr + PAGE);
	ASSERT_EQ(0, target_op(&self->t, OP_FORK_END));
	EXPECT_TRUE(paired(self->fd, self->id));
}

TEST_F(list, c12_truncate_by_another_process)
{
	unsigned long map = target_mmap_fd(&self->t, PAGES);
	struct want w = {
		.id = self->id, .what = MMUN_TEST_EV_START, .event = EV_CLEAR,
		.start = map, .end = map + PAGES * PAGE,
	};
	const struct mmun_test_event *e;

	ASSERT_NE(0, map);
	ASSERT_EQ(0, ftruncate(self->mem, 0));
	EXPECT_LOG_HAS(EV_CLEAR, map, map + PAGES * PAGE);
	e = log_find(&self->log, &w);
	ASSERT_NE(NULL, e);
	EXPECT_EQ(getpid(), e->tgid);
	EXPECT_NE(0, e->flags & 1);
}

TEST_F(list, c12_hole_punch_by_another_process)
{
	unsigned long map = target_mmap_fd(&self->t, PAGES);

	ASSERT_NE(0, map);
	ASSERT_EQ(0, fallocate(self->mem,
			       FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       2 * PAGE, 3 * PAGE));
	EXPECT_LOG_HAS(EV_CLEAR, map + 2 * PAGE, map + 5 * PAGE);
}

/* a task that is not the mm's, and one thread after another */
TEST_F(list, c9_nested_and_repeated_ranges_are_paired)
{
	unsigned int i;

	for (i = 0; i < 50; i++) {
		ASSERT_EQ(0, target_syscall(&self->t, SYS_mprotect,
					    self->addr, PAGES * PAGE,
					    PROT_READ));
		ASSERT_EQ(0, target_syscall(&self->t, SYS_mprotect,
					    self->addr, PAGES * PAGE,
					    PROT_READ | PROT_WRITE));
		ASSERT_EQ(0, target_op(&self->t, OP_WRITE, 0,
				       { self->addr, PAGES * PAGE }));
	}
	EXPECT_TRUE(paired(self->fd, self->id));
	EXPECT_EQ(count_what(&self->log, self->id, MMUN_TEST_EV_START),
		  count_what(&self->log, self->id, MMUN_TEST_EV_END));
}

#define EXPECT_RELEASED_ONCE(sub) do {					\
	struct mmun_test_stats __s;					\
	EXPECT_EQ(0, get_stats(self->fd, sub, &__s));			\
	EXPECT_EQ(1, __s.releases);					\
	EXPECT_EQ(1, count_what(&self->log, sub, MMUN_TEST_EV_RELEASE));\
} while (0)

TEST_F(list, c12_exit_releases)
{
	target_send(&self->t, &(struct target_msg){ .op = OP_EXIT });
	ASSERT_TRUE(target_ended(&self->t, 5000));
	EXPECT_RELEASED_ONCE(self->id);
	EXPECT_TRUE(paired(self->fd, self->id));
}

TEST_F(list, c12_fatal_signal_releases)
{
	target_send(&self->t, &(struct target_msg){ .op = OP_SEGV });
	ASSERT_TRUE(target_ended(&self->t, 5000));
	EXPECT_RELEASED_ONCE(self->id);
	EXPECT_TRUE(paired(self->fd, self->id));
}

TEST_F(list, c12_execve_releases)
{
	struct want w = {
		.id = self->id, .what = MMUN_TEST_EV_RELEASE, .event = EV_ANY,
	};
	struct mmun_test_stats s;
	__u32 id;

	target_send(&self->t, &(struct target_msg){ .op = OP_EXEC });
	ASSERT_NE(NULL, log_wait(&self->log, &w, 5000));
	EXPECT_RELEASED_ONCE(self->id);
	EXPECT_TRUE(paired(self->fd, self->id));
	ASSERT_EQ(0, kill(self->t.pid, 0));

	/* the new image is not mirrored; it can be */
	ASSERT_EQ(0, get_stats(self->fd, self->id, &s));
	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &id));
	EXPECT_EQ(0, detach(self->fd, self->id));
	kill(self->t.pid, SIGKILL);
	ASSERT_TRUE(target_ended(&self->t, 5000));
	EXPECT_RELEASED_ONCE(id);
}

TEST_F(list, c12_child_after_fork_has_no_subscriber)
{
	struct mmun_test_stats s;
	long child;
	int i;

	/* the child writes to the range, unmaps it and exits */
	child = target_op(&self->t, OP_FORK, 0, { self->addr, PAGES * PAGE });
	ASSERT_LT(0, child);
	ASSERT_EQ(0, target_op(&self->t, OP_FORK_END));
	EXPECT_TRUE(paired(self->fd, self->id));
	log_drain(&self->log);
	EXPECT_LT(0, self->log.n);
	for (i = 0; i < self->log.n; i++)
		EXPECT_NE(child, self->log.e[i].tgid);
	ASSERT_EQ(0, get_stats(self->fd, self->id, &s));
	EXPECT_EQ(0, s.releases);
}

TEST_F(list, c9_many_subscribers)
{
	__u32 id[MANY];
	unsigned int i;

	for (i = 0; i < MANY; i++)
		ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &id[i]));
	EXPECT_EQ(MANY + 1, subscriptions(self->fd));
	ASSERT_EQ(0, target_munmap(&self->t, self->addr, PAGES));
	for (i = 0; i < MANY; i++) {
		EXPECT_TRUE(log_has(&self->log, id[i], EV_UNMAP, self->addr,
				    self->end));
		EXPECT_TRUE(paired(self->fd, id[i]));
	}
	/* leave from both sides and the middle */
	for (i = 0; i < MANY; i += 2)
		EXPECT_EQ(0, detach(self->fd, id[i]));
	EXPECT_EQ(MANY / 2 + 1, subscriptions(self->fd));
	self->addr = target_mmap(&self->t, PAGES);
	ASSERT_NE(0, self->addr);
	self->log.n = 0;
	ASSERT_EQ(0, target_munmap(&self->t, self->addr, PAGES));
	for (i = 1; i < MANY; i += 2)
		EXPECT_TRUE(log_has(&self->log, id[i], EV_UNMAP, self->addr,
				    self->addr + PAGES * PAGE));
	for (i = 0; i < MANY; i += 2)
		EXPECT_EQ(0, count_what(&self->log, id[i],
					MMUN_TEST_EV_START));
}

TEST_F(list, c9_several_files_see_the_same)
{
	struct evlog log[3];
	__u32 id[3];
	int fd[3];
	int i;

	for (i = 0; i < 3; i++) {
		fd[i] = dev_open();
		ASSERT_GE(fd[i], 0);
		ASSERT_EQ(0, log_init(&log[i], fd[i]));
		ASSERT_EQ(0, attach_list(fd[i], self->t.pid, &id[i]));
	}
	ASSERT_EQ(0, target_munmap(&self->t, self->addr, PAGES));
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(log_has(&log[i], id[i], EV_UNMAP, self->addr,
				    self->end));
	for (i = 0; i < 3; i++)
		close(fd[i]);
	EXPECT_LOG_HAS(EV_UNMAP, self->addr, self->end);
}

TEST_F(list, c3_unregister_releases_once)
{
	int n;

	ASSERT_EQ(0, detach(self->fd, self->id));
	EXPECT_EQ(1, count_what(&self->log, self->id, MMUN_TEST_EV_RELEASE));
	n = self->log.n;
	ASSERT_EQ(0, target_munmap(&self->t, self->addr, PAGES));
	ASSERT_TRUE(target_stop(&self->t));
	log_drain(&self->log);
	EXPECT_EQ(n, self->log.n);
	EXPECT_EQ(0, subscriptions(self->fd));
}

TEST_F(list, c3_unregister_no_release_never_releases)
{
	ASSERT_EQ(0, detach_how(self->fd, self->id, MMUN_TEST_NO_RELEASE));
	ASSERT_EQ(0, dev_sync(self->fd));
	self->log.n = 0;
	ASSERT_EQ(0, target_munmap(&self->t, self->addr, PAGES));
	ASSERT_TRUE(target_stop(&self->t));
	EXPECT_EQ(0, count_what(&self->log, self->id, MMUN_TEST_EV_RELEASE));
	EXPECT_EQ(0, count_what(&self->log, self->id, MMUN_TEST_EV_START));
	EXPECT_EQ(0, subscriptions(self->fd));
}

TEST_F(list, c8_leave_after_the_process_is_gone)
{
	__u32 second, get, interval;

	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &second));
	ASSERT_EQ(0, attach_get(self->fd, self->t.pid, &get));
	ASSERT_EQ(0, attach_interval(self->fd, self->t.pid, self->addr, PAGE,
				     &interval));
	ASSERT_TRUE(target_stop(&self->t));
	EXPECT_EQ(0, detach(self->fd, interval));
	EXPECT_EQ(0, detach_how(self->fd, get, MMUN_TEST_PUT));
	EXPECT_EQ(0, detach_how(self->fd, second, MMUN_TEST_NO_RELEASE));
	EXPECT_EQ(0, detach(self->fd, self->id));
	EXPECT_EQ(0, dev_sync(self->fd));
	/* one release each: leaving does not give another */
	EXPECT_EQ(1, count_what(&self->log, self->id, MMUN_TEST_EV_RELEASE));
	EXPECT_EQ(1, count_what(&self->log, second, MMUN_TEST_EV_RELEASE));
	EXPECT_EQ(1, count_what(&self->log, get, MMUN_TEST_EV_RELEASE));
	EXPECT_EQ(1, count_what(&self->log, interval, MMUN_TEST_EV_RELEASE));
	EXPECT_EQ(0, subscriptions(self->fd));
}

TEST_F(list, c8_leave_from_another_task)
{
	int status;
	pid_t pid = fork();

	/* one that never subscribed, with the file that it inherited */
	if (!pid)
		_exit(detach(self->fd, self->id) ? 1 : 0);
	status = wait_pid(pid, 10000);
	ASSERT_EQ(0, status);
	EXPECT_EQ(0, subscriptions(self->fd));
	EXPECT_EQ(1, count_what(&self->log, self->id, MMUN_TEST_EV_RELEASE));
}

/* the last descriptor is closed by a task that did not attach */
TEST_F(list, c8_close_from_another_task)
{
	struct mmun_test_file_stats before, s;
	int go[2], fd = dev_open();
	__u32 id;
	pid_t pid;
	char c = 0;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, get_file_stats(fd, &before));
	/* a get, since its object counts that it was freed */
	ASSERT_EQ(0, attach_get(self->fd, self->t.pid, &id));
	pid = fork();
	if (!pid) {
		close(go[1]);
		_exit(read(go[0], &c, 1) == 1 ? 0 : 1);
	}
	close(self->fd);
	ASSERT_EQ(0, dev_sync(fd));
	ASSERT_EQ(0, get_file_stats(fd, &s));
	EXPECT_EQ(before.allocated + 1, s.allocated);
	EXPECT_EQ(before.freed, s.freed);

	/* the mirrored process is gone first, then the file */
	ASSERT_TRUE(target_stop(&self->t));
	ASSERT_EQ(1, write(go[1], &c, 1));
	ASSERT_EQ(0, wait_pid(pid, 10000));
	ASSERT_EQ(0, dev_sync(fd));
	ASSERT_EQ(0, get_file_stats(fd, &s));
	EXPECT_EQ(before.freed + 1, s.freed);
	self->fd = fd;
}

TEST_F(list, c8_close_detaches_from_a_live_process)
{
	__u32 id;
	int i;

	for (i = 0; i < MANY; i++)
		ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &id));
	ASSERT_EQ(0, attach_interval(self->fd, self->t.pid, self->addr, PAGE,
				     &id));
	ASSERT_EQ(0, bounded_ioctl(self->fd, 0, NULL));
	ASSERT_EQ(0, target_munmap(&self->t, self->addr, PAGES));
	self->fd = dev_open();
	ASSERT_GE(self->fd, 0);
	EXPECT_EQ(0, attach_list(self->fd, self->t.pid, &id));
	EXPECT_EQ(1, subscriptions(self->fd));
}

/* by the variant that is called under the mmap lock */
TEST_F(list, locked_register)
{
	ASSERT_EQ(0, detach(self->fd, self->id));
	ASSERT_EQ(0, attach_flags(self->fd, MMUN_TEST_LIST, self->t.pid, 0, 0,
				  MMUN_TEST_ATTACH_LOCKED, &self->id));
	ASSERT_EQ(0, target_munmap(&self->t, self->addr, PAGES));
	EXPECT_LOG_HAS(EV_UNMAP, self->addr, self->end);
}

TEST_F(list, own_address_space)
{
	__u32 id;
	void *p;

	ASSERT_EQ(0, attach_list(self->fd, 0, &id));
	p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, munmap(p, PAGES * PAGE));
	EXPECT_TRUE(log_has(&self->log, id, EV_UNMAP, (unsigned long)p,
			    (unsigned long)p + PAGES * PAGE));
	EXPECT_EQ(0, detach(self->fd, id));
}

TEST_F(list, c12_secondary_tlbs)
{
	struct mmun_test_stats s;
	__u32 id;

	ASSERT_EQ(0, attach_flags(self->fd, MMUN_TEST_LIST, self->t.pid, 0, 0,
				  MMUN_TEST_ATTACH_TLB, &id));
	ASSERT_EQ(0, target_syscall(&self->t, SYS_mprotect, self->addr,
				    PAGES * PAGE, PROT_READ));
	ASSERT_EQ(0, target_munmap(&self->t, self->addr, PAGES));
	EXPECT_TRUE(paired(self->fd, id));
	ASSERT_EQ(0, get_stats(self->fd, id, &s));
	EXPECT_LT(0, s.tlbs);
	EXPECT_LT(0, s.starts);
	EXPECT_EQ(0, detach(self->fd, id));
	/* a subscriber that did not ask is not called */
	ASSERT_EQ(0, get_stats(self->fd, self->id, &s));
	EXPECT_EQ(0, s.tlbs);
}

#define DAMON "/sys/kernel/mm/damon/admin/kdamonds/"

static int put_string(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int damon_watch(pid_t pid)
{
	char nr[16];
	int ret;

	snprintf(nr, sizeof(nr), "%d", pid);
	ret = put_string(DAMON "nr_kdamonds", "1");
	if (!ret)
		ret = put_string(DAMON "0/contexts/nr_contexts", "1");
	if (!ret)
		ret = put_string(DAMON "0/contexts/0/operations", "vaddr");
	if (!ret)
		ret = put_string(DAMON "0/contexts/0/targets/nr_targets", "1");
	if (!ret)
		ret = put_string(DAMON "0/contexts/0/targets/0/pid_target",
				 nr);
	return ret ? ret : put_string(DAMON "0/state", "on");
}

static __u64 youngs(int fd, __u32 id)
{
	struct mmun_test_stats s;

	return get_stats(fd, id, &s) ? 0 : s.youngs;
}

/* DAMON asks whether pages are young, and makes them old */
TEST_F(list, c12_young)
{
	__u32 id;

	if (access(DAMON "nr_kdamonds", W_OK))
		SKIP(return, "no DAMON with sysfs in this kernel");
	/* enough memory for DAMON to choose three regions of */
	ASSERT_NE(0, target_mmap(&self->t, 2048));
	ASSERT_EQ(0, attach_flags(self->fd, MMUN_TEST_LIST, self->t.pid, 0, 0,
				  MMUN_TEST_ATTACH_YOUNG, &id));
	ASSERT_EQ(0, damon_watch(self->t.pid));
	EXPECT_TRUE(WAIT_FOR(youngs(self->fd, id), 5000));
	EXPECT_EQ(0, put_string(DAMON "0/state", "off"));
	EXPECT_EQ(0, detach(self->fd, id));
	/* a subscriber that did not ask is not called */
	EXPECT_EQ(0, youngs(self->fd, self->id));
}

TEST_HARNESS_MAIN
