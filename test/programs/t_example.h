/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the programs of the two example drivers: reads through a device, its race held
 * open (test/peer/window.h), a storm of page replacements, and userfaultfd.
 */
#ifndef MMUN_T_EXAMPLE_H
#define MMUN_T_EXAMPLE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
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

#include <linux/types.h>
#include <linux/userfaultfd.h>

#ifndef PAGE
#define PAGE		4096UL
#endif
#define PAGES		16UL
#define LENGTH		(PAGES * PAGE)
#define STORM_MS	1000
#define STORM_DROPS	100	/* it lasts until so many, but not for ever */
#define STORM_MAX_MS	60000

/* The page at an offset of the file: its byte, if it is all one; -errno, or -1 if not. */
static inline int seen_at(int fd, off_t offset)
{
	unsigned char buf[PAGE];
	ssize_t n = pread(fd, buf, PAGE, offset);

	if (n < 0)
		return -errno;
	if (n != PAGE || memcmp(buf, buf + 1, PAGE - 1))
		return -1;
	return buf[0];
}

/* ---- a read in another thread ---- */

struct read {
	int fd;
	off_t offset;
	int result;
	atomic_bool done;
};

static inline void *run_read(void *arg)
{
	struct read *read = arg;

	read->result = seen_at(read->fd, read->offset);
	atomic_store(&read->done, true);
	return NULL;
}

static inline bool set_window(const char *window, char to)
{
	int fd = open(window, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, &to, 1) == 1;

	close(fd);
	return done;
}

static inline char get_window(const char *window)
{
	int fd = open(window, O_RDONLY | O_CLOEXEC);
	char c = 0;

	if (read(fd, &c, 1) != 1)
		c = 0;
	close(fd);
	return c;
}

/*
 * A read whose page fault has looked the page up, and stands there. It comes so far, or the
 * harness gives the test up.
 */
static inline bool begin_read(pthread_t *reader, struct read *read, const char *window)
{
	if (!set_window(window, '1') || pthread_create(reader, NULL, run_read, read))
		return false;
	while (get_window(window) != '2')
		sched_yield();
	return true;
}

/* Lets it go on; what it read, or an error. */
static inline int end_read(pthread_t reader, struct read *read, const char *window)
{
	if (!set_window(window, '0') || pthread_join(reader, NULL))
		return -ENOTRECOVERABLE;
	return read->result;
}

/* ---- a storm ---- */

struct storm {
	int fd;
	unsigned char *area;
	off_t offset;			/* of the area in the file */
	unsigned long long (*dropped)(int fd);
	/* out */
	unsigned long long reads;
	unsigned long long stale;
	unsigned long long wrong;	/* pages, when it is over */
	long ms;
};

static atomic_ullong written[PAGES];
static atomic_bool over;

/* Page after page is replaced by a new one, with the next number in it. */
static inline void *replace(void *arg)
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

/* NULL, or what failed. */
static inline const char *run_storm(struct storm *storm)
{
	struct timespec began, now;
	__u64 before, number, i;
	pthread_t thread;
	void *failed;

	if (pthread_create(&thread, NULL, replace, storm->area))
		return "pthread_create";
	clock_gettime(CLOCK_MONOTONIC, &began);
	do {
		for (i = 0; i < PAGES; i++) {
			before = atomic_load(&written[i]);
			/* EFAULT: between the old page and the new one. */
			if (pread(storm->fd, &number, sizeof(number),
				  storm->offset + i * PAGE) < 0)
				continue;
			storm->reads++;
			storm->stale += number < before;
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
		storm->ms = (now.tv_sec - began.tv_sec) * 1000 +
			    (now.tv_nsec - began.tv_nsec) / 1000000;
	} while (storm->ms < STORM_MS ||
		 (storm->dropped(storm->fd) < STORM_DROPS && storm->ms < STORM_MAX_MS));
	atomic_store(&over, true);
	if (pthread_join(thread, &failed))
		return "pthread_join";
	for (i = 0; i < PAGES; i++)
		if (pread(storm->fd, &number, sizeof(number), storm->offset + i * PAGE) != 8 ||
		    number != atomic_load(&written[i]))
			storm->wrong++;
	return failed;
}

/* ---- userfaultfd ---- */

/* New memory, whose pages a userfaultfd gives; the userfaultfd, or -errno. */
static inline int missing_pages(void *start, unsigned long length)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)start, .len = length },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (mmap(start, length, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ||
	    ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg)) {
		close(fd);
		return -ENOTRECOVERABLE;
	}
	return fd;
}

/* Waits for a page fault at the page. */
static inline bool wait_missing(int uffd, const void *page)
{
	struct uffd_msg msg;

	return read(uffd, &msg, sizeof(msg)) == sizeof(msg) &&
	       msg.event == UFFD_EVENT_PAGEFAULT &&
	       (msg.arg.pagefault.address & -PAGE) == (uintptr_t)page;
}

/* Gives the page, full of a byte. */
static inline bool give_page(int uffd, const void *page, unsigned char byte)
{
	unsigned char buf[PAGE];
	struct uffdio_copy copy = {
		.dst = (uintptr_t)page, .src = (uintptr_t)buf, .len = PAGE,
	};

	memset(buf, byte, PAGE);
	return !ioctl(uffd, UFFDIO_COPY, &copy);
}

#endif
