// SPDX-License-Identifier: GPL-2.0-only
/*
 * The example driver: what is read through its mirror is what the process has,
 * whatever the process does to its memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "../../example/mmun_example.h"

#define DEVICE		"/dev/mmun_example"
#define WINDOW_DEVICE	"/dev/mmun_example_window"
#define WINDOW		"/sys/module/mmun_example_window/parameters/window"
#define MODULE		"/modules/mmun_example.ko"
#define PAGE		4096UL
#define PAGES		16UL
#define LENGTH		(PAGES * PAGE)
#define STORM_MS	1000
#define STORM_DROPS	100	/* it lasts until so many, but not for ever */
#define STORM_MAX_MS	60000

#ifndef __NR_memfd_secret
#define __NR_memfd_secret 447
#endif

static int map(int fd, const void *start, unsigned long length)
{
	struct mmun_example_map arg = {
		.start = (uintptr_t)start,
		.length = length,
	};

	return ioctl(fd, MMUN_EXAMPLE_MAP, &arg) ? -errno : 0;
}

static struct mmun_example_stats stats(int fd)
{
	struct mmun_example_stats s = {};

	ioctl(fd, MMUN_EXAMPLE_STATS, &s);
	return s;
}

/* Page i through the mirror: its byte, if it is all one; -errno, or -1 if not. */
static int seen(int fd, unsigned long i)
{
	unsigned char buf[PAGE];
	ssize_t n = pread(fd, buf, PAGE, i * PAGE);

	if (n < 0)
		return -errno;
	if (n != PAGE || memcmp(buf, buf + 1, PAGE - 1))
		return -1;
	return buf[0];
}

FIXTURE(example)
{
	int fd;
	unsigned char *area;
};

FIXTURE_SETUP(example)
{
	unsigned long i;

	if (access(MODULE, F_OK))
		SKIP(return, "the kernel has no HMM_MIRROR");
	self->fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->fd, 0);
	self->area = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->area, MAP_FAILED);
	for (i = 0; i < PAGES; i++)
		memset(self->area + i * PAGE, i + 1, PAGE);
	ASSERT_EQ(map(self->fd, self->area, LENGTH), 0);
}

FIXTURE_TEARDOWN(example)
{
	close(self->fd);
	munmap(self->area, LENGTH);
}

TEST_F(example, read_gets_what_the_process_has)
{
	unsigned char buf[3 * PAGE];
	unsigned long i;

	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(seen(self->fd, i), i + 1);
	EXPECT_EQ(stats(self->fd).filled, PAGES);

	/* A second time from the mirror, and across pages. */
	ASSERT_EQ(pread(self->fd, buf, 2 * PAGE, PAGE / 2), 2 * PAGE);
	EXPECT_EQ(memcmp(buf, self->area + PAGE / 2, 2 * PAGE), 0);
	EXPECT_EQ(stats(self->fd).filled, PAGES);

	/* It ends where the mirror does. */
	EXPECT_EQ(pread(self->fd, buf, 2 * PAGE, LENGTH - PAGE), PAGE);
	EXPECT_EQ(pread(self->fd, buf, PAGE, LENGTH), 0);
}

TEST_F(example, follows_a_write)
{
	ASSERT_EQ(seen(self->fd, 3), 4);
	memset(self->area + 3 * PAGE, 200, PAGE);
	EXPECT_EQ(seen(self->fd, 3), 200);
}

/* After a fork a write goes to a new page: a mirror of the old one is stale. */
TEST_F(example, follows_copy_on_write)
{
	int gate[2];
	char c;
	pid_t pid;

	ASSERT_EQ(seen(self->fd, 3), 4);
	ASSERT_EQ(pipe(gate), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(gate[1]);
		_exit(read(gate[0], &c, 1));
	}
	close(gate[0]);
	memset(self->area + 3 * PAGE, 200, PAGE);
	EXPECT_EQ(seen(self->fd, 3), 200);
	EXPECT_GE(stats(self->fd).dropped, 1);
	close(gate[1]);
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);
}

TEST_F(example, follows_page_replacement)
{
	unsigned char *other;

	ASSERT_EQ(seen(self->fd, 5), 6);
	ASSERT_EQ(madvise(self->area + 5 * PAGE, PAGE, MADV_DONTNEED), 0);
	EXPECT_EQ(seen(self->fd, 5), 0);

	other = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(other, MAP_FAILED);
	memset(other, 100, PAGE);
	ASSERT_EQ(mremap(other, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			 self->area + 5 * PAGE), self->area + 5 * PAGE);
	EXPECT_EQ(seen(self->fd, 5), 100);
	/* The neighbours have not been touched. */
	EXPECT_EQ(seen(self->fd, 4), 5);
	EXPECT_EQ(seen(self->fd, 6), 7);
}

TEST_F(example, unmapped_page_cannot_be_read)
{
	ASSERT_EQ(seen(self->fd, 7), 8);
	ASSERT_EQ(mprotect(self->area + 7 * PAGE, PAGE, PROT_NONE), 0);
	EXPECT_EQ(seen(self->fd, 7), -EFAULT);
	ASSERT_EQ(mprotect(self->area + 7 * PAGE, PAGE, PROT_READ), 0);
	EXPECT_EQ(seen(self->fd, 7), 8);
	ASSERT_EQ(munmap(self->area + 7 * PAGE, PAGE), 0);
	EXPECT_EQ(seen(self->fd, 7), -EFAULT);
}

/* Memory that the kernel itself cannot reach is an error, and nothing worse. */
TEST_F(example, secret_memory_cannot_be_read)
{
	int fd = syscall(__NR_memfd_secret, 0);

	if (fd < 0)
		SKIP(return, "no memfd_secret: %s", strerror(errno));
	ASSERT_EQ(ftruncate(fd, PAGE), 0);
	ASSERT_EQ(mmap(self->area, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		       fd, 0), self->area);
	self->area[0] = 1;
	/* When it is faulted in, and from the mirror. */
	EXPECT_EQ(seen(self->fd, 0), -EFAULT);
	EXPECT_EQ(seen(self->fd, 0), -EFAULT);
	EXPECT_EQ(seen(self->fd, 1), 2);
	close(fd);
}

/* A read into the mirrored range itself: the copy may fault, and invalidate. */
TEST_F(example, reads_into_its_own_range)
{
	ASSERT_EQ(madvise(self->area, PAGE, MADV_DONTNEED), 0);
	EXPECT_EQ(pread(self->fd, self->area, PAGE, PAGE), PAGE);
	EXPECT_EQ(seen(self->fd, 0), 2);
}

TEST_F(example, bad_input)
{
	char c;
	int fd;

	EXPECT_EQ(map(self->fd, self->area, LENGTH), -EBUSY);
	fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(pread(fd, &c, 1, 0), -1);
	EXPECT_EQ(errno, ENXIO);
	EXPECT_EQ(map(fd, self->area, 0), -EINVAL);
	EXPECT_EQ(map(fd, self->area + 1, PAGE), -EINVAL);
	EXPECT_EQ(map(fd, self->area, PAGE + 1), -EINVAL);
	EXPECT_EQ(map(fd, self->area, 1UL << 40), -EINVAL);
	EXPECT_EQ(map(fd, (void *)-PAGE, PAGE), -EINVAL);
	close(fd);
}

/* The mirror is read by one process, and is of another that comes to its end. */
TEST_F(example, outlives_the_process)
{
	int fd, to[2], from[2];
	pid_t pid;
	char c;

	fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(pipe(to) | pipe(from), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		memset(self->area, 50, PAGE);
		c = map(fd, self->area, LENGTH);
		if (write(from[1], &c, 1) != 1 || read(to[0], &c, 1) != 1)
			_exit(1);
		memset(self->area, 51, PAGE);
		c = 0;
		_exit(write(from[1], &c, 1) != 1 || read(to[0], &c, 1) != 1);
	}
	ASSERT_EQ(read(from[0], &c, 1), 1);
	ASSERT_EQ(c, 0);
	EXPECT_EQ(seen(fd, 0), 50);
	EXPECT_EQ(seen(self->fd, 0), 1);
	ASSERT_EQ(write(to[1], &c, 1), 1);
	ASSERT_EQ(read(from[0], &c, 1), 1);
	EXPECT_EQ(seen(fd, 0), 51);
	ASSERT_EQ(write(to[1], &c, 1), 1);
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);
	EXPECT_EQ(seen(fd, 0), -ESRCH);
	EXPECT_EQ(seen(fd, 1), -ESRCH);
	EXPECT_EQ(stats(fd).dropped, stats(fd).filled);
	close(fd);
}

/*
 * The example with its race held open: see mmun_example_window.c. Page 3 is a file's,
 * so that the old page is not used again for what takes its place, and goes on to be
 * read as it was, if it is read.
 */
FIXTURE(window)
{
	int fd;
	int memfd;
	unsigned char *area;
};

static bool set_window(char to)
{
	int fd = open(WINDOW, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, &to, 1) == 1;

	close(fd);
	return done;
}

static char get_window(void)
{
	int fd = open(WINDOW, O_RDONLY | O_CLOEXEC);
	char c = 0;

	if (read(fd, &c, 1) != 1)
		c = 0;
	close(fd);
	return c;
}

FIXTURE_SETUP(window)
{
	unsigned char page[PAGE];

	if (access(MODULE, F_OK))
		SKIP(return, "the kernel has no HMM_MIRROR");
	self->fd = open(WINDOW_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->fd, 0);
	self->area = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->area, MAP_FAILED);
	memset(self->area, 1, LENGTH);
	self->memfd = memfd_create("page", MFD_CLOEXEC);
	ASSERT_GE(self->memfd, 0);
	memset(page, 4, PAGE);
	ASSERT_EQ(write(self->memfd, page, PAGE), PAGE);
	ASSERT_EQ(mmap(self->area + 3 * PAGE, PAGE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED, self->memfd, 0),
		  self->area + 3 * PAGE);
	ASSERT_EQ(map(self->fd, self->area, LENGTH), 0);
}

FIXTURE_TEARDOWN(window)
{
	set_window('0');
	close(self->fd);
	close(self->memfd);
	munmap(self->area, LENGTH);
}

static void *read_page_3(void *arg)
{
	return (void *)(intptr_t)seen(*(int *)arg, 3);
}

/*
 * A read of page 3 that has looked the page up, and stands there. It comes so far, or the
 * harness gives the test up.
 */
static bool begin_read(pthread_t *reader, int *fd)
{
	if (!set_window('1') || pthread_create(reader, NULL, read_page_3, fd))
		return false;
	while (get_window() != '2')
		sched_yield();
	return true;
}

/* Lets it go on; what it read, or an error. */
static int end_read(pthread_t reader)
{
	void *read;

	if (!set_window('0') || pthread_join(reader, &read))
		return -ENOTRECOVERABLE;
	return (intptr_t)read;
}

/* Page 3 becomes another one, after the device has looked it up. */
TEST_F(window, changed_after_the_look_up)
{
	pthread_t reader;

	ASSERT_TRUE(begin_read(&reader, &self->fd));
	ASSERT_EQ(mmap(self->area + 3 * PAGE, PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		  self->area + 3 * PAGE);
	memset(self->area + 3 * PAGE, 200, PAGE);

	/* It ends after the change, and so do all that come after it. */
	EXPECT_EQ(end_read(reader), 200);
	EXPECT_EQ(seen(self->fd, 3), 200);
	EXPECT_EQ(stats(self->fd).collided, 1);
	EXPECT_EQ(stats(self->fd).filled, 1);
}

/* The same, and nothing comes in its place: nothing may be read. */
TEST_F(window, gone_after_the_look_up)
{
	pthread_t reader;

	ASSERT_TRUE(begin_read(&reader, &self->fd));
	ASSERT_EQ(munmap(self->area + 3 * PAGE, PAGE), 0);

	EXPECT_EQ(end_read(reader), -EFAULT);
	EXPECT_EQ(seen(self->fd, 3), -EFAULT);
	EXPECT_EQ(stats(self->fd).filled, 0);
}

/* And if nothing changes, nothing collides: what was looked up is used. */
TEST_F(window, unchanged_after_the_look_up)
{
	pthread_t reader;

	ASSERT_TRUE(begin_read(&reader, &self->fd));

	EXPECT_EQ(end_read(reader), 4);
	EXPECT_EQ(stats(self->fd).collided, 0);
	EXPECT_EQ(stats(self->fd).filled, 1);
}

static atomic_ullong written[PAGES];
static atomic_bool over;

/* Page after page is replaced by a new one, with the next number in it. */
static void *replace(void *arg)
{
	unsigned char *area = arg, *page;
	__u64 number, i;

	for (number = 1; !atomic_load(&over); number++) {
		i = number % PAGES;
		page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (page == MAP_FAILED)
			return "mmap";
		memcpy(page, &number, sizeof(number));
		page = mremap(page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			      area + i * PAGE);
		if (page == MAP_FAILED)
			return "mremap";
		atomic_store(&written[i], number);
	}
	return NULL;
}

/* A read must see everything that was written before it began. */
TEST_F(example, is_never_stale)
{
	__u64 before, number, reads = 0, stale = 0, i;
	struct timespec began, now;
	pthread_t thread;
	void *failed;
	long ms;

	memset(self->area, 0, LENGTH);
	ASSERT_EQ(pthread_create(&thread, NULL, replace, self->area), 0);
	clock_gettime(CLOCK_MONOTONIC, &began);
	do {
		for (i = 0; i < PAGES; i++) {
			before = atomic_load(&written[i]);
			/* EFAULT: between the old page and the new one. */
			if (pread(self->fd, &number, sizeof(number), i * PAGE) < 0)
				continue;
			reads++;
			stale += number < before;
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
		ms = (now.tv_sec - began.tv_sec) * 1000 +
		     (now.tv_nsec - began.tv_nsec) / 1000000;
	} while (ms < STORM_MS ||
		 (stats(self->fd).dropped < STORM_DROPS && ms < STORM_MAX_MS));
	atomic_store(&over, true);
	ASSERT_EQ(pthread_join(thread, &failed), 0);
	ASSERT_EQ(failed, NULL);

	TH_LOG("%ld ms, %llu reads, %llu pages filled, %llu dropped, %llu collisions",
	       ms, (unsigned long long)reads,
	       (unsigned long long)stats(self->fd).filled,
	       (unsigned long long)stats(self->fd).dropped,
	       (unsigned long long)stats(self->fd).collided);
	EXPECT_EQ(stale, 0);
	EXPECT_GE(reads, 100);
	EXPECT_GE(stats(self->fd).dropped, STORM_DROPS);
	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(pread(self->fd, &number, sizeof(number), i * PAGE), 8);
		EXPECT_EQ(number, atomic_load(&written[i]));
	}
}

TEST_HARNESS_MAIN
