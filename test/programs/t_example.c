// SPDX-License-Identifier: GPL-2.0-only
/*
 * The example driver: what is read through its mirror is what the process has,
 * whatever the process does to its memory.
 */
#define _GNU_SOURCE
#include "t_example.h"

#include "kselftest_harness.h"

#include "../../example/mmun_example.h"

#define DEVICE		"/dev/mmun_example"
#define WINDOW_DEVICE	"/dev/mmun_example_window"
#define WINDOW		"/sys/module/mmun_example_window/parameters/window"
#define MODULE		"/modules/mmun_example.ko"

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

/* Page i through the mirror */
static int seen(int fd, unsigned long i)
{
	return seen_at(fd, i * PAGE);
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
	struct read read;
};

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
	self->read = (struct read){ .fd = self->fd, .offset = 3 * PAGE };
}

FIXTURE_TEARDOWN(window)
{
	set_window(WINDOW, '0');
	close(self->fd);
	close(self->memfd);
	munmap(self->area, LENGTH);
}

/* Page 3 becomes another one, after the device has looked it up. */
TEST_F(window, changed_after_the_look_up)
{
	pthread_t reader;

	ASSERT_TRUE(begin_read(&reader, &self->read, WINDOW));
	ASSERT_EQ(mmap(self->area + 3 * PAGE, PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		  self->area + 3 * PAGE);
	memset(self->area + 3 * PAGE, 200, PAGE);

	/* It ends after the change, and so do all that come after it. */
	EXPECT_EQ(end_read(reader, &self->read, WINDOW), 200);
	EXPECT_EQ(seen(self->fd, 3), 200);
	EXPECT_EQ(stats(self->fd).collided, 1);
	EXPECT_EQ(stats(self->fd).filled, 1);
}

/* The same, and nothing comes in its place: nothing may be read. */
TEST_F(window, gone_after_the_look_up)
{
	pthread_t reader;

	ASSERT_TRUE(begin_read(&reader, &self->read, WINDOW));
	ASSERT_EQ(munmap(self->area + 3 * PAGE, PAGE), 0);

	EXPECT_EQ(end_read(reader, &self->read, WINDOW), -EFAULT);
	EXPECT_EQ(seen(self->fd, 3), -EFAULT);
	EXPECT_EQ(stats(self->fd).filled, 0);
}

/* And if nothing changes, nothing collides: what was looked up is used. */
TEST_F(window, unchanged_after_the_look_up)
{
	pthread_t reader;

	ASSERT_TRUE(begin_read(&reader, &self->read, WINDOW));

	EXPECT_EQ(end_read(reader, &self->read, WINDOW), 4);
	EXPECT_EQ(stats(self->fd).collided, 0);
	EXPECT_EQ(stats(self->fd).filled, 1);
}

static unsigned long long dropped(int fd)
{
	return stats(fd).dropped;
}

/* A read must see everything that was written before it began. */
TEST_F(example, is_never_stale)
{
	struct storm storm = { .fd = self->fd, .area = self->area, .dropped = dropped };
	struct mmun_example_stats now;

	memset(self->area, 0, LENGTH);
	ASSERT_EQ(run_storm(&storm), NULL);
	now = stats(self->fd);
	TH_LOG("%ld ms, %llu reads, %llu pages filled, %llu dropped, %llu collisions",
	       storm.ms, storm.reads, (unsigned long long)now.filled,
	       (unsigned long long)now.dropped, (unsigned long long)now.collided);
	EXPECT_EQ(storm.stale, 0);
	EXPECT_GE(storm.reads, 100);
	EXPECT_GE(now.dropped, STORM_DROPS);
	EXPECT_EQ(storm.wrong, 0);
}

TEST_HARNESS_MAIN
