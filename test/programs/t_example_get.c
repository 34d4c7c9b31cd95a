// SPDX-License-Identifier: GPL-2.0-only
/*
 * The example of get and put: what is read through the device is what the process has,
 * whatever the process does to its memory, and also while it exits.
 */
#define _GNU_SOURCE
#include "t_common.h"
#include "t_example.h"

#include "kselftest_harness.h"

#include "../../example/mmun_example.h"

#define DEVICE		"/dev/mmun_example_get"
#define WINDOW_DEVICE	"/dev/mmun_example_get_window"
#define WINDOW		"/sys/module/mmun_example_get_window/parameters/window"

static struct mmun_example_get_stats stats(int fd)
{
	struct mmun_example_get_stats s = {};

	ioctl(fd, MMUN_EXAMPLE_GET_STATS, &s);
	return s;
}

/* The page of the process at an address, through the device. */
static int seen(int fd, const void *page)
{
	return seen_at(fd, (uintptr_t)page);
}

FIXTURE(get)
{
	int fd;
	unsigned char *area;
};

FIXTURE_SETUP(get)
{
	unsigned long i;

	self->area = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->area, MAP_FAILED);
	for (i = 0; i < PAGES; i++)
		memset(self->area + i * PAGE, i + 1, PAGE);
	self->fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(get)
{
	close(self->fd);
	munmap(self->area, LENGTH);
}

TEST_F(get, device_reads_the_process)
{
	unsigned char buf[PAGE];
	unsigned long i;

	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(seen(self->fd, self->area + i * PAGE), i + 1);
	EXPECT_EQ(stats(self->fd).filled, PAGES);
	/* A second time from the TLB; and no further than the page. */
	EXPECT_EQ(seen(self->fd, self->area), 1);
	EXPECT_EQ(pread(self->fd, buf, PAGE, (uintptr_t)self->area + PAGE / 2), PAGE / 2);
	EXPECT_EQ(memcmp(buf, self->area + PAGE / 2, PAGE / 2), 0);
	EXPECT_EQ(stats(self->fd).filled, PAGES);
}

TEST_F(get, files_share_one_space)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(seen(self->fd, self->area), 1);
	EXPECT_EQ(seen(fd, self->area), 1);
	EXPECT_EQ(stats(fd).filled, 1);
	/* The first one goes; the space stays, and is kept up to date. */
	close(self->fd);
	self->fd = fd;
	ASSERT_EQ(madvise(self->area, PAGE, MADV_DONTNEED), 0);
	EXPECT_EQ(seen(fd, self->area), 0);
	EXPECT_EQ(stats(fd).filled, 2);
}

/* More pages than the TLB has entries: each one takes the place of another. */
TEST_F(get, tlb_is_bounded)
{
	const unsigned long pages = 1500;
	unsigned char *area;
	unsigned long i;

	area = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(area, MAP_FAILED);
	for (i = 0; i < pages; i++)
		memset(area + i * PAGE, i % 200, PAGE);
	for (i = 0; i < pages; i++)
		EXPECT_EQ(seen(self->fd, area + i * PAGE), i % 200);
	EXPECT_EQ(seen(self->fd, area), 0);
	EXPECT_EQ(stats(self->fd).filled, pages + 1);
	munmap(area, pages * PAGE);
	EXPECT_LE(stats(self->fd).dropped, 512);
	EXPECT_EQ(seen(self->fd, area), -EFAULT);
}

/* After a fork a write goes to a new page, and an entry for the old one is stale. */
TEST_F(get, entry_follows_copy_on_write)
{
	int gate[2];
	char c;
	pid_t pid;

	ASSERT_EQ(seen(self->fd, self->area), 1);
	ASSERT_EQ(pipe(gate), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(gate[1]);
		_exit(read(gate[0], &c, 1));
	}
	close(gate[0]);
	memset(self->area, 200, PAGE);
	EXPECT_EQ(seen(self->fd, self->area), 200);
	EXPECT_GE(stats(self->fd).dropped, 1);
	close(gate[1]);
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);
}

TEST_F(get, entry_follows_madvise_mprotect_and_mremap)
{
	unsigned char *page = self->area + 5 * PAGE, *other;

	ASSERT_EQ(seen(self->fd, page), 6);
	ASSERT_EQ(madvise(page, PAGE, MADV_DONTNEED), 0);
	EXPECT_EQ(seen(self->fd, page), 0);

	ASSERT_EQ(mprotect(page, PAGE, PROT_NONE), 0);
	EXPECT_EQ(seen(self->fd, page), -EFAULT);
	ASSERT_EQ(mprotect(page, PAGE, PROT_READ), 0);
	EXPECT_EQ(seen(self->fd, page), 0);

	other = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(other, MAP_FAILED);
	memset(other, 100, PAGE);
	ASSERT_EQ(mremap(other, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, page), page);
	EXPECT_EQ(seen(self->fd, page), 100);
	ASSERT_EQ(munmap(page, PAGE), 0);
	EXPECT_EQ(seen(self->fd, page), -EFAULT);
	/* The neighbours have not been touched. */
	EXPECT_EQ(seen(self->fd, page - PAGE), 5);
	EXPECT_EQ(seen(self->fd, page + PAGE), 7);
}

/* The buffer of the read is the page that it reads, and is not there. */
TEST_F(get, read_into_the_page_itself)
{
	ASSERT_EQ(seen(self->fd, self->area), 1);
	ASSERT_EQ(madvise(self->area, PAGE, MADV_DONTNEED), 0);
	EXPECT_EQ(pread(self->fd, self->area, PAGE, (uintptr_t)self->area + PAGE), PAGE);
	EXPECT_EQ(seen(self->fd, self->area), 2);
}

TEST_F(get, address_that_nobody_has)
{
	char c;

	EXPECT_EQ(seen(self->fd, NULL), -EFAULT);
	EXPECT_EQ(seen_at(self->fd, 1UL << 62), -EFAULT);
	EXPECT_EQ(seen_at(self->fd, -(off_t)PAGE), -EINVAL);
	EXPECT_EQ(pread(self->fd, &c, 0, (uintptr_t)self->area), 0);
	EXPECT_EQ(pread(self->fd, (void *)-PAGE, PAGE, (uintptr_t)self->area), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(ioctl(self->fd, MMUN_EXAMPLE_STATS, &c), -1);
	EXPECT_EQ(errno, ENOTTY);
}

/* A page that a userfaultfd gives is waited for; that is no error. */
TEST_F(get, page_fault_asks_the_userfaultfd)
{
	int uffd = missing_pages(self->area, PAGE);
	struct read read = { .fd = self->fd, .offset = (uintptr_t)self->area };
	pthread_t reader;

	if (uffd < 0)
		SKIP(return, "no userfaultfd: %s", strerror(-uffd));
	ASSERT_EQ(pthread_create(&reader, NULL, run_read, &read), 0);
	ASSERT_TRUE(wait_missing(uffd, self->area));
	/* Another page fault is not held up by it. */
	EXPECT_EQ(seen(self->fd, self->area + PAGE), 2);
	EXPECT_FALSE(atomic_load(&read.done));
	ASSERT_TRUE(give_page(uffd, self->area, 77));
	ASSERT_EQ(pthread_join(reader, NULL), 0);
	EXPECT_EQ(read.result, 77);
	close(uffd);
}

/*
 * A child whose read waits for a userfaultfd comes to its end, and the page fault
 * becomes the last user of its address space.
 */
struct child {
	int fds[2];		/* the device's, and the userfaultfd */
	pid_t pid;
};

static void *wait_and_exit(void *arg)
{
	char c;

	_exit(read(*(int *)arg, &c, 1) != 1);
}

static void run_child(int in, int out, unsigned char *area)
{
	int fds[2] = { open(DEVICE, O_RDWR | O_CLOEXEC), missing_pages(area, PAGE) };
	pthread_t other;

	if (write(out, fds, sizeof(fds)) != sizeof(fds) || fds[0] < 0 || fds[1] < 0 ||
	    pthread_create(&other, NULL, wait_and_exit, &in))
		_exit(1);
	seen(fds[0], area);
	/* It must not come back. */
	_exit(2);
}

/* Begins it, until its page fault waits. */
static bool begin_child(struct child *child, int *to, unsigned char *area)
{
	int in[2], out[2], fds[2], pidfd, i;

	if (pipe(in) || pipe(out))
		return false;
	child->pid = fork();
	if (!child->pid)
		run_child(in[0], out[1], area);
	close(in[0]);
	close(out[1]);
	*to = in[1];
	if (child->pid < 0 || read(out[0], fds, sizeof(fds)) != sizeof(fds))
		return false;
	close(out[0]);
	child->fds[1] = fds[1];
	if (fds[1] < 0)
		return false;
	pidfd = syscall(SYS_pidfd_open, child->pid, 0);
	for (i = 0; i < 2; i++) {
		child->fds[i] = syscall(SYS_pidfd_getfd, pidfd, fds[i], 0);
		if (child->fds[i] < 0)
			return false;
	}
	close(pidfd);
	return wait_missing(child->fds[1], area);
}

FIXTURE(end)
{
	unsigned char *area;
	struct child child;
	int to;
};

FIXTURE_VARIANT(end)
{
	bool kill;
};

FIXTURE_VARIANT_ADD(end, killed) { .kill = true };
FIXTURE_VARIANT_ADD(end, exits) { .kill = false };

FIXTURE_SETUP(end)
{
	self->area = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->area, MAP_FAILED);
	memset(self->area, 1, LENGTH);
	if (!begin_child(&self->child, &self->to, self->area)) {
		/* The child says so by its exit code. */
		waitpid(self->child.pid, NULL, 0);
		ASSERT_EQ(self->child.fds[1], -ENOSYS);
		SKIP(return, "no userfaultfd");
	}
}

FIXTURE_TEARDOWN(end)
{
	close(self->to);
	munmap(self->area, LENGTH);
}

TEST_F(end, while_the_device_faults)
{
	int fd = self->child.fds[0], uffd = self->child.fds[1], status, ret;
	char c = 0;

	ret = variant->kill ? kill(self->child.pid, SIGKILL) : write(self->to, &c, 1) - 1;
	ASSERT_EQ(ret, 0);
	/* The page fault holds up nobody, and keeps the address space. */
	ASSERT_EQ(waitpid(self->child.pid, &status, 0), self->child.pid);
	EXPECT_EQ(variant->kill ? WTERMSIG(status) : WEXITSTATUS(status),
		  variant->kill ? SIGKILL : 0);
	EXPECT_EQ(seen(fd, self->area + PAGE), 1);

	/* It ends, and the exit runs where it drops the address space. */
	ASSERT_TRUE(give_page(uffd, self->area, 77));
	close(uffd);
	do {
		ret = seen(fd, self->area + PAGE);
		sched_yield();
	} while (ret == 1);
	EXPECT_EQ(ret, -ESRCH);
	EXPECT_EQ(seen(fd, self->area), -ESRCH);
	EXPECT_EQ(stats(fd).filled, 2);
	EXPECT_EQ(stats(fd).dropped, 2);
	close(fd);
}

/*
 * The example with its race held open. Page 3 is a file's, so that the old page is not used
 * again for what takes its place.
 */
FIXTURE(get_window)
{
	int fd;
	int memfd;
	unsigned char *area;
	struct read read;
};

FIXTURE_SETUP(get_window)
{
	unsigned char page[PAGE];

	self->area = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->area, MAP_FAILED);
	self->memfd = memfd_create("page", MFD_CLOEXEC);
	ASSERT_GE(self->memfd, 0);
	memset(page, 4, PAGE);
	ASSERT_EQ(write(self->memfd, page, PAGE), PAGE);
	ASSERT_EQ(mmap(self->area, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		       self->memfd, 0), self->area);
	self->fd = open(WINDOW_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->fd, 0);
	self->read = (struct read){ .fd = self->fd, .offset = (uintptr_t)self->area };
}

FIXTURE_TEARDOWN(get_window)
{
	set_window(WINDOW, '0');
	close(self->fd);
	close(self->memfd);
	munmap(self->area, LENGTH);
}

/* The page becomes another one after the page fault has looked it up. */
TEST_F(get_window, page_changed_after_the_look_up)
{
	pthread_t reader;

	ASSERT_TRUE(begin_read(&reader, &self->read, WINDOW));
	ASSERT_EQ(mmap(self->area, PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), self->area);
	memset(self->area, 200, PAGE);

	EXPECT_EQ(end_read(reader, &self->read, WINDOW), 200);
	EXPECT_EQ(seen(self->fd, self->area), 200);
	EXPECT_GE(stats(self->fd).collided, 1);
	EXPECT_EQ(stats(self->fd).filled, 1);
}

TEST_F(get_window, page_gone_after_the_look_up)
{
	pthread_t reader;

	ASSERT_TRUE(begin_read(&reader, &self->read, WINDOW));
	ASSERT_EQ(munmap(self->area, PAGE), 0);

	EXPECT_EQ(end_read(reader, &self->read, WINDOW), -EFAULT);
	EXPECT_EQ(seen(self->fd, self->area), -EFAULT);
	EXPECT_EQ(stats(self->fd).filled, 0);
}

TEST_F(get_window, page_unchanged_after_the_look_up)
{
	pthread_t reader;

	ASSERT_TRUE(begin_read(&reader, &self->read, WINDOW));

	EXPECT_EQ(end_read(reader, &self->read, WINDOW), 4);
	EXPECT_EQ(stats(self->fd).filled, 1);
}

static atomic_bool change_is_held;

/* A thread that begins later would need the mmap lock for its stack. */
static void *read_in_held_change(void *arg)
{
	while (!atomic_load(&change_is_held))
		sched_yield();
	return run_read(arg);
}

static void *drop_page(void *page)
{
	return madvise(page, PAGE, MADV_DONTNEED) ? page : NULL;
}

/*
 * A page fault in the middle of a change, which another user of the kernel's notifier
 * holds there: the start has been called, and the page has not changed yet. A child keeps the
 * old page, as it was.
 */
TEST_F(get, page_fault_waits_for_the_end_of_a_change)
{
	struct read read = { .fd = self->fd, .offset = (uintptr_t)self->area };
	pthread_t dropper, reader;
	int gate[2], peer;
	void *failed;
	__u32 hold;
	pid_t pid;
	char c;

	ASSERT_EQ(pipe(gate), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(gate[1]);
		_exit(syscall(SYS_read, gate[0], &c, 1));
	}
	close(gate[0]);
	peer = peer_open();
	ASSERT_GE(peer, 0);
	ASSERT_EQ(peer_interval(peer, 0, MMUN_PEER_HOLD, (uintptr_t)self->area, PAGE, &hold), 0);

	ASSERT_EQ(pthread_create(&reader, NULL, read_in_held_change, &read), 0);
	ASSERT_EQ(pthread_create(&dropper, NULL, drop_page, self->area), 0);
	ASSERT_EQ(peer_wait_held(peer, hold), 0);
	atomic_store(&change_is_held, true);
	/* It waits, or it is over, which is wrong. */
	while (!stats(self->fd).waited && !atomic_load(&read.done))
		sched_yield();
	EXPECT_FALSE(atomic_load(&read.done));
	EXPECT_EQ(peer_held(peer, hold), 1);
	ASSERT_EQ(peer_release_hold(peer, hold), 0);
	ASSERT_EQ(pthread_join(dropper, &failed), 0);
	EXPECT_EQ(failed, NULL);
	ASSERT_EQ(pthread_join(reader, NULL), 0);
	EXPECT_EQ(read.result, 0);
	EXPECT_EQ(seen(self->fd, self->area), 0);
	close(peer);
	close(gate[1]);
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);
}

static unsigned long long dropped(int fd)
{
	return stats(fd).dropped;
}

/* A read must see everything that was written before it began. */
TEST_F(get, read_is_never_stale)
{
	struct storm storm = {
		.fd = self->fd,
		.area = self->area,
		.offset = (uintptr_t)self->area,
		.dropped = dropped,
	};
	struct mmun_example_get_stats now;

	memset(self->area, 0, LENGTH);
	ASSERT_EQ(run_storm(&storm), NULL);
	now = stats(self->fd);
	TH_LOG("%ld ms, %llu reads, %llu pages filled, %llu dropped, %llu collisions, %llu waited",
	       storm.ms, storm.reads, (unsigned long long)now.filled,
	       (unsigned long long)now.dropped, (unsigned long long)now.collided,
	       (unsigned long long)now.waited);
	EXPECT_EQ(storm.stale, 0);
	EXPECT_GE(storm.reads, 100);
	EXPECT_GE(now.dropped, STORM_DROPS);
	EXPECT_EQ(storm.wrong, 0);
}

TEST_HARNESS_MAIN
