// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mirror: what it shows is what the process has, an invalidation takes
 * exactly what it covers, and CHECK says no when something is stale (promises 12 and 13).
 */
#include "t_common.h"
#include "kselftest_harness.h"

#define PAGES	8UL
/* long enough to differ from no wait at all */
#define DELAY_MS 1500

#ifndef __NR_memfd_secret
#define __NR_memfd_secret 447
#endif

FIXTURE(mirror)
{
	struct target t;
	struct evlog log;
	int fd;
	int memfd;		/* descriptor 4 of the target */
	unsigned long addr;	/* eight pages, every one present */
	unsigned long end;
	__u32 id;
};

FIXTURE_SETUP(mirror)
{
	int ret;

	self->memfd = memfd(PAGES);
	ASSERT_LE(0, self->memfd);
	ASSERT_EQ(0, target_start(&self->t, self->memfd));
	self->addr = target_mmap_small(&self->t, PAGES);
	ASSERT_NE(0, self->addr);
	self->end = self->addr + PAGES * PAGE;
	self->fd = dev_open();
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, log_init(&self->log, self->fd));
	ret = attach_mirror(self->fd, self->t.pid, self->addr, PAGES, 0,
			    &self->id);
	if (ret == -EOPNOTSUPP) {
		target_stop(&self->t);
		SKIP(return, "no HMM_MIRROR in this kernel");
	}
	ASSERT_EQ(0, ret);
}

static struct mmun_test_stats stats(int fd, __u32 id)
{
	struct mmun_test_stats s;

	if (get_stats(fd, id, &s))
		memset(&s, 0xff, sizeof(s));
	return s;
}

/* Nothing may be stale, whatever the test did, and the counts add up. */
FIXTURE_TEARDOWN(mirror)
{
	struct mmun_test_stats s;

	EXPECT_TRUE(target_stop(&self->t));
	if (!get_stats(self->fd, self->id, &s)) {
		EXPECT_EQ(s.present, s.filled - s.torn);
		EXPECT_LE(s.fill_retries, s.fills);
	}
	EXPECT_EQ(0, close(self->fd));
	close(self->memfd);
}

static int set_mirror_knobs(int fd, __u32 id, __u32 flags, __u32 fill_ms,
			    __u32 tear_ms, __u32 fail_after)
{
	struct mmun_test_knobs k = {
		.size = sizeof(k),
		.id = id,
		.flags = flags,
		.fill_delay_ms = fill_ms,
		.tear_delay_ms = tear_ms,
		.fail_after = fail_after,
	};

	return ioctl(fd, MMUN_TEST_IOC_KNOBS, &k) ? -errno : 0;
}

#define FILL(flags) \
	dev_fault(self->fd, self->id, flags, self->addr, PAGES)
#define CHECK() dev_check(self->fd, self->id, self->addr, PAGES)
#define PRESENT() \
	dev_snapshot(self->fd, self->id, self->addr, PAGES, NULL)
#define WORD(page) \
	dev_word(self->fd, self->id, self->addr + (page) * PAGE)
#define NOFAULT(buf, page) \
	dev_copy(self->fd, MMUN_TEST_IOC_MREAD, self->id, \
		    MMUN_TEST_COPY_NOFAULT, self->addr + (page) * PAGE, buf, 1)

static void pattern(unsigned char *buf, size_t len, unsigned int seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = seed + i * 7 + i / PAGE;
}

/* ---- what it shows ---- */

TEST_F(mirror, reads_the_pages_of_the_process)
{
	static unsigned char want[PAGES * PAGE], got[PAGES * PAGE];
	struct mmun_test_copy c = {
		.size = sizeof(c),
		.id = self->id,
		.start = self->addr,
		.length = sizeof(got),
		.buffer = (uintptr_t)got,
	};

	pattern(want, sizeof(want), 1);
	ASSERT_EQ(0, target_poke(&self->t, self->addr, want, sizeof(want)));
	ASSERT_EQ(0, ioctl(self->fd, MMUN_TEST_IOC_MREAD, &c));
	EXPECT_EQ(sizeof(got), c.copied);
	EXPECT_EQ(PAGES, c.faults);
	EXPECT_EQ(0, memcmp(want, got, sizeof(got)));
	/* nothing has to be faulted in twice */
	ASSERT_EQ(0, ioctl(self->fd, MMUN_TEST_IOC_MREAD, &c));
	EXPECT_EQ(0, c.faults);
	/* any bytes, over the edges of pages */
	memset(got, 0, sizeof(got));
	EXPECT_EQ(2 * PAGE + 2, dev_mread(self->fd, self->id,
					  self->addr + PAGE - 1, got,
					  2 * PAGE + 2));
	EXPECT_EQ(0, memcmp(want + PAGE - 1, got, 2 * PAGE + 2));
	EXPECT_EQ(0, got[2 * PAGE + 2]);
	EXPECT_EQ(0, CHECK());
}

TEST_F(mirror, writes_into_the_process)
{
	static unsigned char want[PAGES * PAGE], got[PAGES * PAGE];
	unsigned char *part = want + 2 * PAGE - 5;

	ASSERT_EQ(0, target_peek(&self->t, self->addr, want, sizeof(want)));
	pattern(part, PAGE + 10, 9);
	EXPECT_EQ(PAGE + 10, dev_mwrite(self->fd, self->id,
					self->addr + 2 * PAGE - 5, part,
					PAGE + 10));
	ASSERT_EQ(0, target_peek(&self->t, self->addr, got, sizeof(got)));
	EXPECT_EQ(0, memcmp(want, got, sizeof(got)));
	EXPECT_EQ(3, PRESENT());
	EXPECT_EQ(0, CHECK());
}

TEST_F(mirror, entries_are_the_pages_of_the_process)
{
	__u64 words[PAGES];
	unsigned int i;

	EXPECT_EQ(0, PRESENT());
	EXPECT_EQ(PAGES, FILL(0));
	ASSERT_EQ(PAGES, dev_snapshot(self->fd, self->id, self->addr, PAGES,
				      words));
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(target_pfn(&self->t, self->addr + i * PAGE),
			  words[i] & MMUN_TEST_PAGE_PFN);
		EXPECT_EQ(MMUN_TEST_PAGE_VALID | MMUN_TEST_PAGE_WRITE,
			  words[i] & ~MMUN_TEST_PAGE_PFN);
	}
	EXPECT_EQ(PAGES, stats(self->fd, self->id).present);
	EXPECT_EQ(PAGES, stats(self->fd, self->id).filled);
	/* what is good is found so, and not made again */
	EXPECT_EQ(PAGES, FILL(MMUN_TEST_FAULT_WRITE));
	EXPECT_EQ(PAGES, stats(self->fd, self->id).filled);
}

TEST_F(mirror, of_the_caller_itself)
{
	unsigned char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u32 id;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, attach_mirror(self->fd, 0, (uintptr_t)p, 4, 0, &id));
	memcpy(p, "through the mirror", 19);
	/* from its own mirror into itself: the buffer's page is not there yet */
	EXPECT_EQ(100, dev_mread(self->fd, id, (uintptr_t)p, p + 2 * PAGE,
				 100));
	EXPECT_STREQ((char *)p, (char *)p + 2 * PAGE);
	EXPECT_EQ(100, dev_mwrite(self->fd, id, (uintptr_t)p + PAGE, p, 100));
	EXPECT_STREQ((char *)p, (char *)p + PAGE);
	EXPECT_EQ(0, dev_check(self->fd, id, (uintptr_t)p, 4));
	ASSERT_EQ(0, munmap(p, 4 * PAGE));
	EXPECT_EQ(-EFAULT, dev_mread(self->fd, id, (uintptr_t)p, &id, 1));
	EXPECT_EQ(0, detach(self->fd, id));
}

/* the buffer's pages may be such that they cannot be written, or read */
TEST_F(mirror, bad_buffers)
{
	static char ro[PAGE] __attribute__((aligned(PAGE)));
	char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, munmap(p + PAGE, PAGE));
	EXPECT_EQ(-EFAULT, dev_mread(self->fd, self->id, self->addr, NULL,
				     1));
	EXPECT_EQ(-EFAULT, dev_mwrite(self->fd, self->id, self->addr, NULL,
				      1));
	EXPECT_EQ(-EFAULT, dev_mread(self->fd, self->id, self->addr,
				     (void *)-PAGE, 1));
	ASSERT_EQ(0, mprotect(ro, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, dev_mread(self->fd, self->id, self->addr, ro, 1));
	EXPECT_EQ(1, dev_mwrite(self->fd, self->id, self->addr, ro, 1));
	/* two pages into one: the count is one */
	EXPECT_EQ(PAGE, dev_mread(self->fd, self->id, self->addr, p,
				  2 * PAGE));
	EXPECT_EQ(PAGE, dev_mwrite(self->fd, self->id, self->addr, p,
				   2 * PAGE));
	EXPECT_EQ(-EFAULT, dev_snapshot(self->fd, self->id, self->addr, 1,
					(void *)8));
	EXPECT_EQ(0, CHECK());
}

TEST_F(mirror, shared_memory)
{
	unsigned long addr = target_mmap_fd(&self->t, PAGES);
	char buf[8] = "";
	__u32 id;

	ASSERT_NE(0, addr);
	ASSERT_EQ(0, attach_mirror(self->fd, self->t.pid, addr, PAGES, 0,
				   &id));
	ASSERT_EQ(4, pwrite(self->memfd, "file", 4, PAGE));
	EXPECT_EQ(4, dev_mread(self->fd, id, addr + PAGE, buf, 4));
	EXPECT_STREQ("file", buf);
	EXPECT_EQ(4, dev_mwrite(self->fd, id, addr + 2 * PAGE, "page", 4));
	ASSERT_EQ(4, pread(self->memfd, buf, 4, 2 * PAGE));
	EXPECT_STREQ("page", buf);
	EXPECT_EQ(0, dev_check(self->fd, id, addr, PAGES));
	/* the file loses what the mirror shows */
	ASSERT_EQ(0, ftruncate(self->memfd, 2 * PAGE));
	EXPECT_EQ(0, dev_check(self->fd, id, addr, PAGES));
	EXPECT_EQ(-EFAULT, dev_mread(self->fd, id, addr + 2 * PAGE, buf, 4));
	EXPECT_EQ(4, dev_mread(self->fd, id, addr + PAGE, buf, 4));
}

TEST_F(mirror, fills_present_pages_only)
{
	unsigned long hole = target_mmap_empty(&self->t, PAGES);
	__u32 id;

	ASSERT_NE(0, hole);
	ASSERT_EQ(0, attach_mirror(self->fd, self->t.pid, hole, PAGES, 0,
				   &id));
	EXPECT_EQ(0, dev_fault(self->fd, id, MMUN_TEST_FAULT_PRESENT, hole,
			       PAGES));
	EXPECT_EQ(0, stats(self->fd, id).tables);
	target_syscall(&self->t, SYS_madvise, hole, PAGES * PAGE,
		       MADV_NOHUGEPAGE);
	ASSERT_EQ(0, target_op(&self->t, OP_WRITE, 0,
			       { hole + 3 * PAGE, 2 * PAGE }));
	EXPECT_EQ(2, dev_fault(self->fd, id, MMUN_TEST_FAULT_PRESENT, hole,
			       PAGES));
	EXPECT_EQ(2, dev_snapshot(self->fd, id, hole, PAGES, NULL));
	EXPECT_EQ(2, dev_snapshot(self->fd, id, hole + 3 * PAGE, 2, NULL));
	EXPECT_EQ(0, target_pfn(&self->t, hole));
	/* and now the rest */
	EXPECT_EQ(PAGES, dev_fault(self->fd, id, 0, hole, PAGES));
	EXPECT_NE(0, target_pfn(&self->t, hole));
	EXPECT_EQ(0, dev_check(self->fd, id, hole, PAGES));
	EXPECT_EQ(1, stats(self->fd, id).tables);
}

/* a read fault maps the page of zeros, which is nobody's to write to */
TEST_F(mirror, page_of_zeros)
{
	char c = 1;

	ASSERT_EQ(0, target_syscall(&self->t, SYS_madvise, self->addr,
				    PAGES * PAGE, MADV_DONTNEED));
	EXPECT_EQ(PAGES, FILL(0));
	EXPECT_EQ(0, WORD(1) & MMUN_TEST_PAGE_WRITE);
	EXPECT_EQ(WORD(1), WORD(2));
	EXPECT_EQ(0, CHECK());
	EXPECT_EQ(1, dev_mwrite(self->fd, self->id, self->addr + PAGE, "x",
				1));
	EXPECT_NE(WORD(1) & MMUN_TEST_PAGE_PFN, WORD(2) & MMUN_TEST_PAGE_PFN);
	EXPECT_EQ(1, dev_mread(self->fd, self->id, self->addr + 2 * PAGE, &c,
			       1));
	EXPECT_EQ(0, c);
	ASSERT_EQ(0, target_peek(&self->t, self->addr + PAGE, &c, 1));
	EXPECT_EQ('x', c);
	EXPECT_EQ(0, CHECK());
}

/* ---- what cannot be shown ---- */

TEST_F(mirror, read_only_is_EPERM)
{
	char c;

	ASSERT_EQ(0, target_syscall(&self->t, SYS_mprotect, self->addr,
				    PAGES * PAGE, PROT_READ));
	EXPECT_EQ(-EPERM, FILL(MMUN_TEST_FAULT_WRITE));
	EXPECT_EQ(-EPERM, dev_mwrite(self->fd, self->id, self->addr, "x",
				     1));
	EXPECT_EQ(PAGES, FILL(0));
	EXPECT_EQ(0, WORD(0) & MMUN_TEST_PAGE_WRITE);
	EXPECT_EQ(1, dev_mread(self->fd, self->id, self->addr, &c, 1));
	EXPECT_EQ(-EPERM, dev_mwrite(self->fd, self->id, self->addr, "x",
				     1));
	EXPECT_EQ(0, CHECK());
}

TEST_F(mirror, missing_page_is_EFAULT)
{
	static char buf[PAGES * PAGE];
	struct mmun_test_copy c = {
		.size = sizeof(c),
		.id = self->id,
		.start = self->addr,
		.length = sizeof(buf),
		.buffer = (uintptr_t)buf,
	};

	ASSERT_EQ(0, target_munmap(&self->t, self->addr + 3 * PAGE, 1));
	ASSERT_EQ(0, target_syscall(&self->t, SYS_mprotect,
				    self->addr + 5 * PAGE, PAGE, PROT_NONE));
	EXPECT_EQ(-EFAULT, FILL(0));
	EXPECT_EQ(-EFAULT, dev_fault(self->fd, self->id, 0,
				     self->addr + 3 * PAGE, 1));
	EXPECT_EQ(-EFAULT, dev_fault(self->fd, self->id, 0,
				     self->addr + 5 * PAGE, 1));
	EXPECT_EQ(PAGES - 2, FILL(MMUN_TEST_FAULT_PRESENT));
	/* the bytes copied before are counted */
	EXPECT_EQ(-1, ioctl(self->fd, MMUN_TEST_IOC_MREAD, &c));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(3 * PAGE, c.copied);
	EXPECT_EQ(0, CHECK());
}

TEST_F(mirror, nofault)
{
	char c;

	EXPECT_EQ(-EFAULT, NOFAULT(&c, 0));
	EXPECT_EQ(1, dev_fault(self->fd, self->id, 0, self->addr, 1));
	EXPECT_EQ(1, NOFAULT(&c, 0));
	EXPECT_EQ(-EFAULT, NOFAULT(&c, 1));
	/* an entry for reading is none for writing */
	ASSERT_EQ(0, target_syscall(&self->t, SYS_mprotect, self->addr, PAGE,
				    PROT_READ));
	EXPECT_EQ(1, dev_fault(self->fd, self->id, 0, self->addr, 1));
	EXPECT_EQ(1, NOFAULT(&c, 0));
	EXPECT_EQ(-EFAULT, dev_copy(self->fd, MMUN_TEST_IOC_MWRITE, self->id,
				    MMUN_TEST_COPY_NOFAULT, self->addr, &c,
				    1));
}

static unsigned long find_mapping(pid_t pid, const char *name)
{
	unsigned long start, found = 0;
	char path[32], line[512];
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "r");
	if (!maps)
		return 0;
	while (!found && fgets(line, sizeof(line), maps))
		if (strstr(line, name) && sscanf(line, "%lx-", &start) == 1)
			found = start;
	fclose(maps);
	return found;
}

/* what is no memory: the kernel's own pages in the process */
TEST_F(mirror, special_mapping_is_EFAULT)
{
	unsigned long vvar = find_mapping(self->t.pid, "[vvar]");
	__u32 id;
	char c;

	if (!vvar)
		SKIP(return, "no [vvar]");
	ASSERT_EQ(0, attach_mirror(self->fd, self->t.pid, vvar, 1, 0, &id));
	EXPECT_EQ(-EFAULT, dev_fault(self->fd, id, 0, vvar, 1));
	EXPECT_EQ(0, dev_fault(self->fd, id, MMUN_TEST_FAULT_PRESENT, vvar,
			       1));
	EXPECT_EQ(-EFAULT, dev_mread(self->fd, id, vvar, &c, 1));
	EXPECT_EQ(0, dev_check(self->fd, id, vvar, 1));
}

/* memory that the kernel itself cannot reach */
TEST_F(mirror, secret_memory_is_EFAULT)
{
	int fd = syscall(__NR_memfd_secret, 0);
	char *p;
	__u32 id;
	char c;

	if (fd < 0)
		SKIP(return, "no memfd_secret: %s", strerror(errno));
	ASSERT_EQ(0, ftruncate(fd, 2 * PAGE));
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	p[0] = 1;
	ASSERT_EQ(0, attach_mirror(self->fd, 0, (uintptr_t)p, 2, 0, &id));
	EXPECT_EQ(-EFAULT, dev_fault(self->fd, id, 0, (uintptr_t)p, 1));
	EXPECT_EQ(0, dev_fault(self->fd, id, MMUN_TEST_FAULT_PRESENT,
			       (uintptr_t)p, 2));
	EXPECT_EQ(-EFAULT, dev_mread(self->fd, id, (uintptr_t)p, &c, 1));
	EXPECT_EQ(-EFAULT, dev_mwrite(self->fd, id, (uintptr_t)p, &c, 1));
	close(fd);
}

/* ---- what an invalidation takes ---- */

TEST_F(mirror, invalidation_takes_covered_entries_only)
{
	/* one page, from the front, from the back, in the middle, all */
	static const struct {
		unsigned int first, pages;
	} cut[] = { { 3, 1 }, { 0, 1 }, { 7, 1 }, { 2, 4 }, { 0, 8 } };
	unsigned int i, page;

	for (i = 0; i < ARRAY_SIZE(cut); i++) {
		__u64 torn;

		EXPECT_EQ(PAGES, FILL(MMUN_TEST_FAULT_WRITE));
		torn = stats(self->fd, self->id).torn;
		ASSERT_EQ(0, target_syscall(&self->t, SYS_madvise,
					    self->addr + cut[i].first * PAGE,
					    cut[i].pages * PAGE,
					    MADV_DONTNEED));
		for (page = 0; page < PAGES; page++) {
			bool in = page >= cut[i].first &&
				page < cut[i].first + cut[i].pages;

			EXPECT_EQ(!in, WORD(page) >> 63)
				TH_LOG("cut %u, page %u", i, page);
		}
		EXPECT_EQ(torn + cut[i].pages,
			  stats(self->fd, self->id).torn);
		EXPECT_EQ(PAGES - cut[i].pages,
			  stats(self->fd, self->id).present);
		EXPECT_EQ(0, CHECK());
	}
}

/* neighbours of the mirror, and its own ends */
TEST_F(mirror, neighbours_take_nothing)
{
	__u32 id;

	ASSERT_EQ(0, attach_mirror(self->fd, self->t.pid,
				   self->addr + 2 * PAGE, 2, 0, &id));
	EXPECT_EQ(2, dev_fault(self->fd, id, 0, self->addr + 2 * PAGE, 2));
	ASSERT_EQ(0, target_munmap(&self->t, self->addr + PAGE, 1));
	ASSERT_EQ(0, target_munmap(&self->t, self->addr + 4 * PAGE, 1));
	EXPECT_EQ(2, stats(self->fd, id).present);
	EXPECT_EQ(0, stats(self->fd, id).starts);
	ASSERT_EQ(0, target_munmap(&self->t, self->addr + 3 * PAGE, 1));
	EXPECT_EQ(1, stats(self->fd, id).present);
	ASSERT_EQ(0, target_munmap(&self->t, self->addr, PAGES));
	EXPECT_EQ(0, stats(self->fd, id).present);
	EXPECT_EQ(2, stats(self->fd, id).torn);
}

/*
 * Not munmap(), which splits a VMA: that is an event for all of the huge page that
 * could be there.
 */
static long target_zap(struct target *t, unsigned long addr,
		       unsigned long pages)
{
	return target_syscall(t, SYS_madvise, addr, pages * PAGE,
			      MADV_DONTNEED);
}

#define AREA_PAGES 1600UL

struct area {
	unsigned long addr;
	__u32 id;
	unsigned long gone;		/* pages */
	bool zapped[AREA_PAGES];
};

/* Zap [first, last) and compare; what of it is outside of the area is left alone. */
static void zap_and_compare(struct __test_metadata *_metadata,
			    struct target *t, int fd, struct area *area,
			    long first, long last)
{
	static __u64 words[AREA_PAGES];
	unsigned long page;

	first = first < 0 ? 0 : first;
	if (first < last)
		ASSERT_EQ(0, target_zap(t, area->addr + first * PAGE,
					last - first));
	for (page = first; (long)page < last; page++) {
		area->gone += !area->zapped[page];
		area->zapped[page] = true;
	}
	EXPECT_EQ(AREA_PAGES - area->gone,
		  dev_snapshot(fd, area->id, area->addr, AREA_PAGES, words));
	for (page = 0; page < AREA_PAGES; page++)
		ASSERT_EQ(!area->zapped[page], words[page] >> 63)
			TH_LOG("page %lu of %#lx", page, area->addr);
}

/*
 * 512 pages have one table: around the border of two, and over three, in areas that
 * begin on a border, a few pages before one, and one page after one.
 */
TEST_F(mirror, borders_of_tables)
{
	static const unsigned long before[] = { 0, 1, 2, 3, 511 };
	static struct area area;
	unsigned long i;

	for (i = 0; i < ARRAY_SIZE(before); i++) {
		long border = before[i];
		struct mmun_test_stats s;

		area = (struct area) {};
		area.addr = target_mmap_border(&self->t, border, AREA_PAGES);
		ASSERT_NE(0, area.addr);
		ASSERT_EQ(0, (area.addr + border * PAGE) % HPAGE);
		ASSERT_EQ(0, attach_mirror(self->fd, self->t.pid, area.addr,
					   AREA_PAGES, 0, &area.id));
		EXPECT_EQ(AREA_PAGES, dev_fault(self->fd, area.id, 0,
						area.addr, AREA_PAGES));
		EXPECT_EQ((area.addr + AREA_PAGES * PAGE - 1) / HPAGE -
				  area.addr / HPAGE + 1,
			  stats(self->fd, area.id).tables);
		EXPECT_EQ(0, dev_check(self->fd, area.id, area.addr,
				       AREA_PAGES));

		zap_and_compare(_metadata, &self->t, self->fd, &area,
				border - 1, border + 1);
		zap_and_compare(_metadata, &self->t, self->fd, &area,
				border + 511, border + 512);
		/* over the whole of one table, and some pages on each side */
		zap_and_compare(_metadata, &self->t, self->fd, &area,
				border - 2, border + 513);
		EXPECT_EQ(0, dev_check(self->fd, area.id, area.addr,
				       AREA_PAGES));
		s = stats(self->fd, area.id);
		EXPECT_EQ(area.gone, s.torn);
		EXPECT_EQ(AREA_PAGES - area.gone, s.present);
		EXPECT_EQ(0, detach(self->fd, area.id));
		ASSERT_EQ(0, target_munmap(&self->t, area.addr, AREA_PAGES));
	}
}

TEST_F(mirror, mprotect_takes_the_right_to_write)
{
	EXPECT_EQ(PAGES, FILL(MMUN_TEST_FAULT_WRITE));
	ASSERT_EQ(0, target_syscall(&self->t, SYS_mprotect,
				    self->addr + 2 * PAGE, 2 * PAGE,
				    PROT_READ));
	EXPECT_EQ(PAGES - 2, PRESENT());
	EXPECT_EQ(0, CHECK());
	EXPECT_EQ(PAGES, FILL(0));
	EXPECT_EQ(0, WORD(2) & MMUN_TEST_PAGE_WRITE);
	EXPECT_NE(0, WORD(4) & MMUN_TEST_PAGE_WRITE);
	/* with more rights the entry is good as it is */
	ASSERT_EQ(0, target_syscall(&self->t, SYS_mprotect,
				    self->addr + 2 * PAGE, 2 * PAGE,
				    PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, CHECK());
	EXPECT_EQ(PAGES, FILL(MMUN_TEST_FAULT_WRITE));
	EXPECT_NE(0, WORD(2) & MMUN_TEST_PAGE_WRITE);
	EXPECT_EQ(0, CHECK());
}

/* after a fork, who writes gets a copy: the mirror must follow its process */
TEST_F(mirror, fork_and_copy_on_write)
{
	__u64 before;
	char c = 0;

	EXPECT_EQ(PAGES, FILL(MMUN_TEST_FAULT_WRITE));
	before = WORD(0) & MMUN_TEST_PAGE_PFN;
	ASSERT_LT(0, target_op(&self->t, OP_FORK, 0, { 0, 0 }));
	EXPECT_EQ(0, CHECK());
	EXPECT_EQ(PAGES, FILL(0));
	EXPECT_EQ(0, WORD(0) & MMUN_TEST_PAGE_WRITE);
	EXPECT_EQ(before, WORD(0) & MMUN_TEST_PAGE_PFN);
	/* through the mirror */
	EXPECT_EQ(1, dev_mwrite(self->fd, self->id, self->addr, "m", 1));
	EXPECT_NE(before, WORD(0) & MMUN_TEST_PAGE_PFN);
	ASSERT_EQ(0, target_peek(&self->t, self->addr, &c, 1));
	EXPECT_EQ('m', c);
	/* by the process */
	before = WORD(1) & MMUN_TEST_PAGE_PFN;
	ASSERT_EQ(0, target_op(&self->t, OP_WRITE, 0,
			       { self->addr + PAGE, PAGE }));
	EXPECT_EQ(0, WORD(1));
	EXPECT_EQ(0, CHECK());
	EXPECT_EQ(PAGES, FILL(0));
	EXPECT_NE(before, WORD(1) & MMUN_TEST_PAGE_PFN);
	EXPECT_EQ(0, target_op(&self->t, OP_FORK_END, 0, { 0 }));
	EXPECT_EQ(0, CHECK());
}

TEST_F(mirror, mremap)
{
	unsigned long to;
	char c = 0;
	__u32 id;

	to = target_mmap_small(&self->t, PAGES);
	ASSERT_NE(0, to);
	ASSERT_EQ(0, attach_mirror(self->fd, self->t.pid, to, PAGES, 0, &id));
	EXPECT_EQ(PAGES, FILL(0));
	EXPECT_EQ(PAGES, dev_fault(self->fd, id, 0, to, PAGES));
	ASSERT_EQ(0, target_poke(&self->t, self->addr, "moved", 5));
	ASSERT_EQ((long)to, target_syscall(&self->t, SYS_mremap, self->addr,
					   PAGES * PAGE, PAGES * PAGE,
					   MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_EQ(0, PRESENT());
	EXPECT_EQ(0, dev_snapshot(self->fd, id, to, PAGES, NULL));
	EXPECT_EQ(-EFAULT, dev_mread(self->fd, self->id, self->addr, &c, 1));
	EXPECT_EQ(1, dev_mread(self->fd, id, to, &c, 1));
	EXPECT_EQ('m', c);
	EXPECT_EQ(0, CHECK());
	EXPECT_EQ(0, dev_check(self->fd, id, to, PAGES));
}

TEST_F(mirror, exit_takes_all_entries)
{
	struct mmun_test_check k = {
		.size = sizeof(k),
		.id = self->id,
		.start = self->addr,
		.length = PAGES * PAGE,
	};
	char c;

	EXPECT_EQ(PAGES, FILL(0));
	ASSERT_TRUE(target_stop(&self->t));
	EXPECT_TRUE(WAIT_FOR(stats(self->fd, self->id).releases, IN_TIME_MS));
	EXPECT_EQ(0, ioctl(self->fd, MMUN_TEST_IOC_CHECK, &k));
	EXPECT_EQ(0, k.checked);
	EXPECT_EQ(0, k.differences);
	EXPECT_EQ(0, PRESENT());
	EXPECT_EQ(PAGES, stats(self->fd, self->id).torn);
	EXPECT_EQ(-ESRCH, FILL(0));
	EXPECT_EQ(-ESRCH, FILL(MMUN_TEST_FAULT_PRESENT));
	EXPECT_EQ(-ESRCH, dev_mread(self->fd, self->id, self->addr, &c, 1));
	EXPECT_EQ(-EFAULT, NOFAULT(&c, 0));
	EXPECT_EQ(0, dev_age(self->fd, self->id, self->addr, PAGES));
	EXPECT_EQ(0, detach(self->fd, self->id));
}

TEST_F(mirror, exec_is_another_mm)
{
	EXPECT_EQ(PAGES, FILL(0));
	ASSERT_EQ(0, target_send(&self->t, &(struct target_msg){
		.op = OP_EXEC }));
	EXPECT_TRUE(WAIT_FOR(stats(self->fd, self->id).releases, IN_TIME_MS));
	EXPECT_EQ(-ESRCH, FILL(0));
	EXPECT_EQ(0, CHECK());
	EXPECT_EQ(0, PRESENT());
}

/* ---- the oracle can say no ---- */

TEST_F(mirror, deaf_mirror_is_detected)
{
	struct mmun_test_difference d[PAGES];
	struct mmun_test_check k = {
		.size = sizeof(k),
		.id = self->id,
		.room = PAGES,
		.start = self->addr,
		.length = PAGES * PAGE,
		.buffer = (uintptr_t)d,
	};
	__u64 words[PAGES];
	char c;

	EXPECT_EQ(PAGES, FILL(MMUN_TEST_FAULT_WRITE));
	ASSERT_EQ(PAGES, dev_snapshot(self->fd, self->id, self->addr, PAGES,
				      words));
	ASSERT_EQ(0, set_mirror_knobs(self->fd, self->id,
				      MMUN_TEST_KNOB_DEAF, 0, 0, 0));
	ASSERT_EQ(0, target_munmap(&self->t, self->addr + 2 * PAGE, 2));
	ASSERT_EQ(0, target_syscall(&self->t, SYS_mprotect,
				    self->addr + 5 * PAGE, PAGE, PROT_READ));
	EXPECT_EQ(2, stats(self->fd, self->id).starts);
	EXPECT_EQ(PAGES, PRESENT());

	/* exactly those: two that are gone, one that is not to be written */
	memset(d, 0xff, sizeof(d));
	ASSERT_EQ(0, ioctl(self->fd, MMUN_TEST_IOC_CHECK, &k));
	EXPECT_EQ(PAGES, k.checked);
	ASSERT_EQ(3, k.differences);
	EXPECT_EQ(self->addr + 2 * PAGE, d[0].address);
	EXPECT_EQ(words[2], d[0].mirror);
	EXPECT_EQ(0, d[0].process & MMUN_TEST_PAGE_VALID);
	EXPECT_EQ(self->addr + 3 * PAGE, d[1].address);
	EXPECT_EQ(words[3], d[1].mirror);
	EXPECT_EQ(self->addr + 5 * PAGE, d[2].address);
	EXPECT_EQ(words[5], d[2].mirror);
	EXPECT_EQ(words[5] & ~MMUN_TEST_PAGE_WRITE, d[2].process);
	EXPECT_EQ(~0ULL, d[3].address);

	/* less room: all are counted */
	memset(d, 0xff, sizeof(d));
	k.room = 1;
	ASSERT_EQ(0, ioctl(self->fd, MMUN_TEST_IOC_CHECK, &k));
	EXPECT_EQ(3, k.differences);
	EXPECT_EQ(self->addr + 2 * PAGE, d[0].address);
	EXPECT_EQ(~0ULL, d[1].address);
	k.buffer = 8;
	EXPECT_EQ(-1, ioctl(self->fd, MMUN_TEST_IOC_CHECK, &k));
	EXPECT_EQ(EFAULT, errno);
	/* and only in what was asked about */
	k.room = 0;
	k.start = self->addr + 3 * PAGE;
	k.length = 2 * PAGE;
	ASSERT_EQ(0, ioctl(self->fd, MMUN_TEST_IOC_CHECK, &k));
	EXPECT_EQ(2, k.checked);
	EXPECT_EQ(1, k.differences);

	/* nothing may be touched through it any more, also when it sees events again */
	EXPECT_EQ(-EIO, dev_mread(self->fd, self->id, self->addr, &c, 1));
	ASSERT_EQ(0, set_mirror_knobs(self->fd, self->id, 0, 0, 0, 0));
	EXPECT_EQ(-EIO, dev_mread(self->fd, self->id, self->addr, &c, 1));
	EXPECT_EQ(-EIO, dev_mwrite(self->fd, self->id, self->addr, &c, 1));

	ASSERT_EQ(0, set_mirror_knobs(self->fd, self->id,
				      MMUN_TEST_KNOB_DEAF, 0, 0, 0));
	ASSERT_TRUE(target_stop(&self->t));
	EXPECT_EQ(PAGES, dev_check(self->fd, self->id, self->addr, PAGES));
}

/* a page that was replaced, not taken away */
TEST_F(mirror, deaf_to_a_new_page)
{
	EXPECT_EQ(PAGES, FILL(0));
	ASSERT_LT(0, target_op(&self->t, OP_FORK, 0, { 0, 0 }));
	EXPECT_EQ(PAGES, FILL(0));
	ASSERT_EQ(0, set_mirror_knobs(self->fd, self->id,
				      MMUN_TEST_KNOB_DEAF, 0, 0, 0));
	EXPECT_EQ(0, CHECK());
	ASSERT_EQ(0, target_op(&self->t, OP_WRITE, 0,
			       { self->addr + PAGE, PAGE }));
	EXPECT_EQ(1, CHECK());
	EXPECT_EQ(0, target_op(&self->t, OP_FORK_END, 0, { 0 }));
}

/* ---- collisions ---- */

static struct mmun_test_fault fault_arg(__u32 id, __u64 start, __u64 pages)
{
	return (struct mmun_test_fault){
		.size = sizeof(struct mmun_test_fault),
		.id = id,
		.start = start,
		.length = pages * PAGE,
	};
}

/*
 * Begin a fill and wait until it has looked its pages up: it sleeps now, for
 * longer than any test lasts, until a write to the device lets it go on.
 */
static int fill_and_stop(int fd, __u32 id, struct job *job,
			 struct mmun_test_fault *f, __u32 ms)
{
	int ret = set_mirror_knobs(fd, id, 0, ms, 0, 0);

	if (!ret)
		ret = job_start(job, fd, MMUN_TEST_IOC_FAULT, f);
	if (ret)
		return ret;
	if (!WAIT_FOR(stats(fd, id).fills, IN_TIME_MS))
		return -ETIME;
	/* the next attempt is not to sleep */
	return set_mirror_knobs(fd, id, 0, 0, 0, 0);
}

/*
 * munmap() takes the VMA away before its range begins. A user of the kernel's notifier
 * that comes before mmun holds that moment open: the page is there, what maps it is not,
 * and mmun knows of nothing. CHECK must not call it a difference.
 */
TEST_F(mirror, no_difference_before_the_range_of_a_munmap)
{
	struct mmun_test_difference d[1];
	struct mmun_test_check c = {
		.size = sizeof(c),
		.room = ARRAY_SIZE(d),
		.length = PAGES * PAGE,
		.buffer = (uintptr_t)d,
	};
	int fd = dev_open(), peer = peer_open();
	struct target t;
	struct job job;
	__u32 hold;
	bool early;

	ASSERT_LE(0, fd);
	ASSERT_LE(0, peer);
	ASSERT_EQ(0, target_start(&t, -1));
	c.start = target_mmap_small(&t, PAGES);
	ASSERT_NE(0, c.start);
	/* it begins at 0 and is there first, so it is called first */
	ASSERT_EQ(0, peer_interval(peer, t.pid, MMUN_PEER_HOLD, 0,
				   c.start + c.length, &hold));
	ASSERT_EQ(0, attach_mirror(fd, t.pid, c.start, PAGES, 0, &c.id));
	ASSERT_EQ(PAGES, dev_fault(fd, c.id, 0, c.start, PAGES));
	ASSERT_EQ(0, target_begin(&t, SYS_munmap, c.start + PAGE, PAGE));
	EXPECT_EQ(0, peer_wait_held(peer, hold));
	EXPECT_EQ(0, stats(fd, c.id).starts);
	EXPECT_EQ(PAGES, stats(fd, c.id).present);

	ASSERT_EQ(0, job_start(&job, fd, MMUN_TEST_IOC_CHECK, &c));
	early = job_done(&job, 500);
	EXPECT_EQ(0, peer_release_hold(peer, hold));
	ASSERT_TRUE(early || job_done(&job, IN_TIME_MS));
	EXPECT_EQ(0, job.ret);
	EXPECT_EQ(0, c.differences);
	EXPECT_EQ(0, target_reply(&t, IN_TIME_MS));
	EXPECT_EQ(PAGES - 1, stats(fd, c.id).present);
	EXPECT_EQ(0, dev_check(fd, c.id, c.start, PAGES));
	EXPECT_EQ(0, close(peer));
	EXPECT_TRUE(target_stop(&t));
	EXPECT_EQ(0, close(fd));
}

TEST_F(mirror, fill_collides_with_an_invalidation)
{
	static const struct {
		long nr, arg;
		bool gone;
	} op[] = {
		{ SYS_madvise, MADV_DONTNEED, false },
		{ SYS_mprotect, PROT_READ, false },
		{ SYS_munmap, 0, true },
	};
	struct mmun_test_fault f;
	struct job job;
	unsigned int i;
	__u32 id;

	for (i = 0; i < ARRAY_SIZE(op); i++) {
		ASSERT_EQ(0, attach_mirror(self->fd, self->t.pid, self->addr,
					   PAGES, 0, &id));
		f = fault_arg(id, self->addr, PAGES);
		ASSERT_EQ(0, fill_and_stop(self->fd, id, &job, &f, DELAY_MS));
		ASSERT_EQ(0, target_syscall(&self->t, op[i].nr,
					    self->addr + 3 * PAGE, PAGE,
					    op[i].arg));
		/* it has slept through all of that */
		EXPECT_EQ(0, stats(self->fd, id).fill_retries);
		EXPECT_EQ(0, stats(self->fd, id).filled);
		ASSERT_TRUE(job_done(&job, IN_TIME_MS));
		EXPECT_EQ(op[i].gone ? -EFAULT : 0, job.ret);
		EXPECT_LE(1, f.retries);
		EXPECT_EQ(f.retries, stats(self->fd, id).fill_retries);
		EXPECT_EQ(op[i].gone ? 0 : PAGES, f.entries);
		EXPECT_EQ(0, dev_check(self->fd, id, self->addr, PAGES));
		EXPECT_EQ(0, detach(self->fd, id));
	}
}

TEST_F(mirror, fill_ignores_ranges_elsewhere)
{
	struct mmun_test_fault f;
	struct job job;
	__u32 id;

	ASSERT_EQ(0, attach_mirror(self->fd, self->t.pid, self->addr, 4, 0,
				   &id));
	f = fault_arg(id, self->addr, 4);
	ASSERT_EQ(0, fill_and_stop(self->fd, id, &job, &f, 300));
	ASSERT_EQ(0, target_munmap(&self->t, self->addr + 4 * PAGE, 1));
	ASSERT_TRUE(job_done(&job, IN_TIME_MS));
	EXPECT_EQ(0, job.ret);
	EXPECT_EQ(0, f.retries);
	EXPECT_EQ(1, stats(self->fd, id).fills);
}

/*
 * A driver that is slow to let go: until its callback returns, the page is the
 * process's and may be read. A fill that comes meanwhile waits.
 */
static void slow_to_let_go(struct __test_metadata *_metadata,
			   FIXTURE_DATA(mirror) *self, __u32 flags)
{
	struct mmun_test_fault f;
	struct job job;
	__u32 id;
	char c;

	ASSERT_EQ(0, attach_mirror(self->fd, self->t.pid, self->addr, PAGES,
				   flags, &id));
	EXPECT_EQ(PAGES, dev_fault(self->fd, id, 0, self->addr, PAGES));
	ASSERT_EQ(0, set_mirror_knobs(self->fd, id, 0, 0, DELAY_MS, 0));
	ASSERT_EQ(0, target_begin(&self->t, SYS_madvise, self->addr + PAGE,
				  PAGE, MADV_DONTNEED));
	ASSERT_TRUE(WAIT_FOR(stats(self->fd, id).starts, IN_TIME_MS));
	EXPECT_EQ(0, stats(self->fd, id).torn);
	EXPECT_EQ(0, stats(self->fd, id).ends);
	EXPECT_EQ(1, dev_copy(self->fd, MMUN_TEST_IOC_MREAD, id,
			      MMUN_TEST_COPY_NOFAULT, self->addr + PAGE, &c,
			      1));
	f = fault_arg(id, self->addr, PAGES);
	ASSERT_EQ(0, job_start(&job, self->fd, MMUN_TEST_IOC_FAULT, &f));
	EXPECT_FALSE(job_done(&job, 200));
	EXPECT_FALSE(target_answered(&self->t, 0));
	EXPECT_EQ(0, target_reply(&self->t, IN_TIME_MS));
	ASSERT_TRUE(job_done(&job, IN_TIME_MS));
	EXPECT_EQ(0, job.ret);
	EXPECT_EQ(1, stats(self->fd, id).torn);
	EXPECT_EQ(flags & MMUN_TEST_ATTACH_TWO_PASS ? 1 : 0,
		  stats(self->fd, id).ends);
	EXPECT_EQ(0, dev_check(self->fd, id, self->addr, PAGES));
	/* with nobody holding it up: it exits in peace */
	ASSERT_EQ(0, set_mirror_knobs(self->fd, id, 0, 0, 0, 0));
}

TEST_F(mirror, slow_to_let_go)
{
	slow_to_let_go(_metadata, self, 0);
}

TEST_F(mirror, two_passes)
{
	slow_to_let_go(_metadata, self, MMUN_TEST_ATTACH_TWO_PASS);
}

/* contract 17: both devices have begun before the first one is waited for */
TEST_F(mirror, first_passes_before_second_passes)
{
	const struct mmun_test_event *e;
	__u32 id[2];
	__u64 start = 0, end = ~0ULL;
	int i;

	ASSERT_EQ(0, attach_mirror(self->fd, self->t.pid, self->addr, PAGES,
				   MMUN_TEST_ATTACH_TWO_PASS, &id[0]));
	ASSERT_EQ(0, attach_flags(self->fd, MMUN_TEST_INTERVAL, self->t.pid,
				  self->addr, PAGES * PAGE,
				  MMUN_TEST_ATTACH_TWO_PASS, &id[1]));
	EXPECT_EQ(PAGES, dev_fault(self->fd, id[0], 0, self->addr, PAGES));
	ASSERT_EQ(0, target_munmap(&self->t, self->addr, 2));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(1, stats(self->fd, id[i]).starts);
		EXPECT_EQ(1, stats(self->fd, id[i]).ends);
	}
	log_drain(&self->log);
	for (e = self->log.e; e < self->log.e + self->log.n; e++) {
		if (e->id != id[0] && e->id != id[1])
			continue;
		if (e->what == MMUN_TEST_EV_START && e->seq > start)
			start = e->seq;
		if (e->what == MMUN_TEST_EV_END && e->seq < end)
			end = e->seq;
		EXPECT_EQ(self->addr, e->start);
		EXPECT_EQ(self->addr + 2 * PAGE, e->end);
	}
	EXPECT_LT(start, end);
	EXPECT_EQ(PAGES - 2, stats(self->fd, id[0]).present);
	/* the release is no matter of two passes */
	ASSERT_TRUE(target_stop(&self->t));
	EXPECT_EQ(1, stats(self->fd, id[0]).releases);
	EXPECT_EQ(1, stats(self->fd, id[1]).releases);
	EXPECT_EQ(0, stats(self->fd, id[0]).present);
}

TEST_F(mirror, sections_on_a_mirror)
{
	EXPECT_EQ(0, read_section(self->fd, self->id, 10));
	EXPECT_EQ(1, stats(self->fd, self->id).reads);
}

TEST_F(mirror, locked_attach)
{
	__u32 id;

	ASSERT_EQ(0, attach_mirror(self->fd, self->t.pid, self->addr, PAGES,
				   MMUN_TEST_ATTACH_LOCKED |
				   MMUN_TEST_ATTACH_YOUNG |
				   MMUN_TEST_ATTACH_TWO_PASS, &id));
	EXPECT_EQ(PAGES, dev_fault(self->fd, id, 0, self->addr, PAGES));
	ASSERT_EQ(0, target_munmap(&self->t, self->addr, 1));
	EXPECT_EQ(PAGES - 1, stats(self->fd, id).present);
	EXPECT_EQ(0, detach(self->fd, id));
}

/* ---- young ---- */

TEST_F(mirror, young_bits_are_taken)
{
	char buf[PAGE + 2];

	EXPECT_EQ(PAGES, FILL(0));
	EXPECT_EQ(0, dev_age(self->fd, self->id, self->addr, PAGES));
	EXPECT_EQ(PAGE + 2, dev_mread(self->fd, self->id,
				      self->addr + PAGE - 1, buf, PAGE + 2));
	EXPECT_EQ(1, dev_mwrite(self->fd, self->id, self->addr + 6 * PAGE,
				"x", 1));
	EXPECT_EQ(0, WORD(3) & MMUN_TEST_PAGE_YOUNG);
	EXPECT_NE(0, WORD(2) & MMUN_TEST_PAGE_YOUNG);
	EXPECT_NE(0, WORD(6) & MMUN_TEST_PAGE_YOUNG);
	/* filling again does not make it old */
	EXPECT_EQ(PAGES, FILL(0));
	EXPECT_EQ(1, dev_age(self->fd, self->id, self->addr + 6 * PAGE, 1));
	EXPECT_EQ(3, dev_age(self->fd, self->id, self->addr, PAGES));
	EXPECT_EQ(0, dev_age(self->fd, self->id, self->addr, PAGES));
	EXPECT_EQ(0, CHECK());
}

#define PAGE_IDLE "/sys/kernel/mm/page_idle/bitmap"

/* 1: idle, 0: used since it was set; -errno */
static int page_idle(__u64 pfn, bool set)
{
	int fd = open(PAGE_IDLE, O_RDWR | O_CLOEXEC);
	__u64 bit = 1ULL << (pfn & 63), word = bit;
	off_t at = pfn / 64 * 8;
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = set ? pwrite(fd, &word, 8, at) : pread(fd, &word, 8, at);
	close(fd);
	return got == 8 ? !!(word & bit) : -EIO;
}

/* the mirror reports to the kernel that a page was used */
TEST_F(mirror, kernel_takes_young_bits)
{
	unsigned long addr;
	__u32 id, mute;
	__u64 pfn;
	char c;

	if (access(PAGE_IDLE, W_OK))
		SKIP(return, "no idle page tracking in this kernel");
	/* so many that the first ones are on the kernel's lists for sure */
	addr = target_mmap_small(&self->t, 256);
	ASSERT_NE(0, addr);
	ASSERT_EQ(0, attach_mirror(self->fd, self->t.pid, addr, 256,
				   MMUN_TEST_ATTACH_YOUNG, &id));
	ASSERT_EQ(0, attach_mirror(self->fd, self->t.pid, addr, 256, 0,
				   &mute));
	EXPECT_EQ(1, dev_mread(self->fd, id, addr, &c, 1));
	EXPECT_EQ(1, dev_mread(self->fd, mute, addr, &c, 1));
	EXPECT_EQ(1, dev_mread(self->fd, id, addr + PAGE, &c, 1));
	pfn = target_pfn(&self->t, addr);
	ASSERT_NE(0, pfn);

	/* to make it idle takes the bit, of this page only */
	ASSERT_EQ(1, page_idle(pfn, true));
	EXPECT_EQ(1, stats(self->fd, id).youngs);
	EXPECT_EQ(0, dev_word(self->fd, id, addr) & MMUN_TEST_PAGE_YOUNG);
	EXPECT_NE(0, dev_word(self->fd, id, addr + PAGE) &
		  MMUN_TEST_PAGE_YOUNG);
	EXPECT_EQ(1, page_idle(pfn, false));
	/* used through the mirror: not idle any more */
	EXPECT_EQ(1, dev_mread(self->fd, id, addr, &c, 1));
	EXPECT_EQ(0, page_idle(pfn, false));
	/* who is not asked does not answer */
	ASSERT_EQ(1, page_idle(pfn, true));
	EXPECT_EQ(1, dev_mread(self->fd, mute, addr, &c, 1));
	EXPECT_EQ(1, page_idle(pfn, false));
	EXPECT_EQ(0, stats(self->fd, mute).youngs);
	EXPECT_NE(0, dev_word(self->fd, mute, addr) & MMUN_TEST_PAGE_YOUNG);
	EXPECT_EQ(0, detach(self->fd, id));
	EXPECT_EQ(1, page_idle(pfn, false));
}

/* ---- errors on the way ---- */

TEST_F(mirror, fail_after)
{
	struct mmun_test_fault f = fault_arg(self->id, self->addr, PAGES);

	ASSERT_EQ(0, set_mirror_knobs(self->fd, self->id, 0, 0, 0, 3));
	EXPECT_EQ(-1, ioctl(self->fd, MMUN_TEST_IOC_FAULT, &f));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(3, f.entries);
	EXPECT_EQ(3, PRESENT());
	/* it stays so, for new entries */
	EXPECT_EQ(-EIO, FILL(0));
	EXPECT_EQ(3, dev_fault(self->fd, self->id, 0, self->addr, 3));
	EXPECT_EQ(-EIO, dev_fault(self->fd, self->id, 0,
				  self->addr + 3 * PAGE, 1));
	ASSERT_EQ(0, set_mirror_knobs(self->fd, self->id, 0, 0, 0, 1));
	EXPECT_EQ(-EIO, FILL(0));
	EXPECT_EQ(4, PRESENT());
	ASSERT_EQ(0, set_mirror_knobs(self->fd, self->id, 0, 0, 0, 0));
	EXPECT_EQ(PAGES, FILL(0));
	EXPECT_EQ(0, CHECK());
}

static void on_signal(int sig)
{
}

TEST_F(mirror, signal_ends_a_fill)
{
	struct mmun_test_fault f = fault_arg(self->id, self->addr, PAGES);
	struct sigaction action = { .sa_handler = on_signal };
	struct job job;

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, fill_and_stop(self->fd, self->id, &job, &f,
				   MMUN_TEST_DELAY_MAX_MS));
	EXPECT_FALSE(job_done(&job, 50));
	ASSERT_EQ(0, pthread_kill(job.thread, SIGUSR1));
	ASSERT_TRUE(job_done(&job, IN_TIME_MS));
	EXPECT_EQ(-EINTR, job.ret);
	EXPECT_EQ(0, f.entries);
	EXPECT_EQ(0, PRESENT());
	EXPECT_EQ(PAGES, FILL(0));
}

/* many parts, and a signal between two of them: the done ones are counted */
TEST_F(mirror, signal_between_two_parts)
{
	const unsigned long pages = 512 * 64;
	struct sigaction action = { .sa_handler = on_signal };
	struct mmun_test_fault f;
	struct job job;
	long addr;
	__u32 id;

	addr = target_syscall(&self->t, SYS_mmap, 0, pages * PAGE, PROT_READ,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			      -1UL, 0);
	ASSERT_LT(0, addr);
	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, attach_mirror(self->fd, self->t.pid, addr, pages, 0,
				   &id));
	f = fault_arg(id, addr, pages);
	ASSERT_EQ(0, set_mirror_knobs(self->fd, id, 0, 300, 0, 0));
	ASSERT_EQ(0, job_start(&job, self->fd, MMUN_TEST_IOC_FAULT, &f));
	ASSERT_TRUE(WAIT_FOR(stats(self->fd, id).filled, IN_TIME_MS));
	ASSERT_EQ(0, pthread_kill(job.thread, SIGUSR1));
	ASSERT_TRUE(job_done(&job, IN_TIME_MS));
	EXPECT_EQ(-EINTR, job.ret);
	EXPECT_LT(0, f.entries);
	EXPECT_GT(pages, f.entries);
	EXPECT_EQ(f.entries, stats(self->fd, id).present);
}

TEST_F(mirror, exit_in_the_middle_of_a_fill)
{
	const unsigned long pages = 512 * 64;
	struct mmun_test_fault f;
	struct job job;
	long addr;
	__u32 id;

	addr = target_syscall(&self->t, SYS_mmap, 0, pages * PAGE, PROT_READ,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			      -1UL, 0);
	ASSERT_LT(0, addr);
	ASSERT_EQ(0, attach_mirror(self->fd, self->t.pid, addr, pages, 0,
				   &id));
	f = fault_arg(id, addr, pages);
	ASSERT_EQ(0, set_mirror_knobs(self->fd, id, 0, 100, 0, 0));
	ASSERT_EQ(0, job_start(&job, self->fd, MMUN_TEST_IOC_FAULT, &f));
	ASSERT_TRUE(WAIT_FOR(stats(self->fd, id).filled, IN_TIME_MS));
	/* the fill does not keep it */
	ASSERT_TRUE(target_stop(&self->t));
	ASSERT_TRUE(job_done(&job, IN_TIME_MS));
	EXPECT_EQ(-ESRCH, job.ret);
	EXPECT_LT(0, f.entries);
	EXPECT_EQ(1, stats(self->fd, id).releases);
	EXPECT_EQ(0, stats(self->fd, id).present);
	EXPECT_EQ(0, dev_check(self->fd, id, addr, pages));
}

TEST_F(mirror, detach_in_the_middle_of_a_fill)
{
	const unsigned long pages = 512 * 64;
	struct mmun_test_fault f;
	struct job job;
	long addr;
	__u32 id;

	addr = target_syscall(&self->t, SYS_mmap, 0, pages * PAGE, PROT_READ,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			      -1UL, 0);
	ASSERT_LT(0, addr);
	ASSERT_EQ(0, attach_mirror(self->fd, self->t.pid, addr, pages,
				   MMUN_TEST_ATTACH_YOUNG, &id));
	f = fault_arg(id, addr, pages);
	ASSERT_EQ(0, set_mirror_knobs(self->fd, id, 0, 50, 0, 0));
	ASSERT_EQ(0, job_start(&job, self->fd, MMUN_TEST_IOC_FAULT, &f));
	ASSERT_TRUE(WAIT_FOR(stats(self->fd, id).filled, IN_TIME_MS));
	EXPECT_EQ(0, detach(self->fd, id));
	ASSERT_TRUE(job_done(&job, IN_TIME_MS));
	EXPECT_EQ(-ENOENT, job.ret);
	EXPECT_EQ(-ENOENT, detach(self->fd, id));
	EXPECT_EQ(-ENOENT, dev_fault(self->fd, id, 0, addr, 1));
}

TEST_F(mirror, close_in_the_middle_of_a_callback)
{
	int fd = dev_open();
	__u32 id;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, attach_mirror(fd, self->t.pid, self->addr, PAGES,
				   MMUN_TEST_ATTACH_TWO_PASS, &id));
	EXPECT_EQ(PAGES, dev_fault(fd, id, 0, self->addr, PAGES));
	ASSERT_EQ(0, set_mirror_knobs(fd, id, 0, 0, DELAY_MS, 0));
	ASSERT_EQ(0, target_begin(&self->t, SYS_munmap, self->addr, PAGE));
	ASSERT_TRUE(WAIT_FOR(stats(fd, id).starts, IN_TIME_MS));
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(0, target_reply(&self->t, IN_TIME_MS));
}

/* one table for each 2 MiB that has a page, for all mirrors of a file */
TEST_F_TIMEOUT(mirror, tables_are_bounded, 120)
{
	const unsigned long step = 512 * PAGE, max = MMUN_TEST_TABLES_MAX;
	unsigned long i, base;
	__u32 half[2];
	long addr;

	addr = target_syscall(&self->t, SYS_mmap, 0, (max + 2) * step,
			      PROT_READ,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			      -1UL, 0);
	if (addr <= 0)
		SKIP(return, "8 GiB of address space cannot be had");
	target_syscall(&self->t, SYS_madvise, addr, (max + 2) * step,
		       MADV_NOHUGEPAGE);
	base = (addr + step - 1) / step * step;
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, attach_mirror(self->fd, self->t.pid, base,
					   (max + 1) * 512, 0, &half[i]));
	for (i = 0; i < max; i++)
		ASSERT_EQ(1, dev_fault(self->fd, half[i < max / 2], 0,
				       base + i * step, 1));
	EXPECT_EQ(max / 2, stats(self->fd, half[0]).tables);
	EXPECT_EQ(max / 2, stats(self->fd, half[1]).tables);
	EXPECT_EQ(-ENOSPC, dev_fault(self->fd, half[0], 0,
				     base + max * step, 1));
	EXPECT_EQ(-ENOSPC, FILL(0));
	/* what has a table is not concerned */
	EXPECT_EQ(1, dev_fault(self->fd, half[0], 0,
			       base + (max - 1) * step + PAGE, 1));
	EXPECT_EQ(0, dev_fault(self->fd, half[0], MMUN_TEST_FAULT_PRESENT,
			       base + max * step + PAGE, 1));
	EXPECT_EQ(max / 2 + 1, dev_snapshot(self->fd, half[0], base,
					    (max + 1) * 512, NULL));
	EXPECT_EQ(0, dev_check(self->fd, half[0], base, (max + 1) * 512));
	/* one who leaves makes room */
	EXPECT_EQ(0, detach(self->fd, half[1]));
	EXPECT_EQ(PAGES, FILL(0));
	EXPECT_EQ(max / 2 + 1, stats(self->fd, half[0]).present);
}

/* ---- bad input ---- */

#define MiB (1024 * 1024ULL)
#define TiB (1024 * 1024 * MiB)

TEST_F(mirror, bad_spans)
{
	static __u64 out[512];
	/* offsets from the start of a mirror of two pages */
	static const struct {
		__u64 start, length;
	} bad[] = {
		{ 1, PAGE }, { 0, PAGE + 1 }, { 0, 1 }, { PAGE / 2, PAGE / 2 },
		{ -PAGE, PAGE }, { -PAGE, 2 * PAGE }, { 2 * PAGE, PAGE },
		{ PAGE, 2 * PAGE }, { 0, 3 * PAGE }, { 3 * PAGE, 0 },
		{ 0, -PAGE }, { PAGE, -PAGE }, { PAGE, ~0ULL }, { 0, ~0ULL },
		{ 0, TiB + PAGE }, { ~0ULL, PAGE },
	};
	__u64 start = self->addr + 2 * PAGE;
	unsigned int i;
	__u32 id;

	ASSERT_EQ(0, attach_mirror(self->fd, self->t.pid, start, 2, 0, &id));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		const __u64 from = start + bad[i].start, len = bad[i].length;
		const __u64 buf = (uintptr_t)out;
		struct mmun_test_fault f = {
			sizeof(f), id, .start = from, .length = len,
		};
		struct mmun_test_snapshot s = {
			sizeof(s), id, .start = from, .length = len,
			.buffer = buf,
		};
		struct mmun_test_check k = {
			sizeof(k), id, .start = from, .length = len,
			.buffer = buf,
		};
		struct mmun_test_copy c = {
			sizeof(c), id, .start = from, .length = len,
			.buffer = buf,
		};
		struct mmun_test_age a = {
			sizeof(a), id, .start = from, .length = len,
		};

#define TRY(ioc, arg) do {						\
	EXPECT_EQ(-1, ioctl(self->fd, MMUN_TEST_IOC_##ioc, &(arg)))	\
		TH_LOG(#ioc " %u", i);					\
	EXPECT_EQ(EINVAL, errno) TH_LOG(#ioc " %u", i);			\
} while (0)
		TRY(FAULT, f);
		TRY(SNAPSHOT, s);
		TRY(CHECK, k);
		TRY(AGE, a);
		/* bytes need not be whole pages */
		if (i < 4)
			continue;
		TRY(MREAD, c);
		TRY(MWRITE, c);
	}
#undef TRY
	/* nothing of nothing, also at the very end */
	EXPECT_EQ(0, dev_fault(self->fd, id, 0, start, 0));
	EXPECT_EQ(0, dev_fault(self->fd, id, 0, start + 2 * PAGE, 0));
	EXPECT_EQ(0, dev_mread(self->fd, id, start, NULL, 0));
	EXPECT_EQ(0, stats(self->fd, id).fills);
}

TEST_F(mirror, bad_flags_and_kinds)
{
	struct mmun_test_fault f = fault_arg(self->id, self->addr, 1);
	struct mmun_test_copy c = { .size = sizeof(c), .id = self->id,
				    .start = self->addr };
	struct mmun_test_check k = { .size = sizeof(k), .id = self->id,
				     .start = self->addr };
	struct mmun_test_knobs knobs = { .size = sizeof(knobs) };
	__u32 list, interval;

#define TRY(ioc, arg) do {						\
	EXPECT_EQ(-1, ioctl(self->fd, MMUN_TEST_IOC_##ioc, &(arg)));	\
	EXPECT_EQ(EINVAL, errno);					\
} while (0)
	f.flags = 4;
	TRY(FAULT, f);
	f.flags = MMUN_TEST_FAULT_WRITE | MMUN_TEST_FAULT_PRESENT;
	TRY(FAULT, f);
	c.flags = 2;
	TRY(MREAD, c);
	TRY(MWRITE, c);
	k.room = MMUN_TEST_ROOM_MAX + 1;
	TRY(CHECK, k);

	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &list));
	ASSERT_EQ(0, attach_interval(self->fd, self->t.pid, self->addr, PAGE,
				     &interval));
	f = fault_arg(interval, self->addr, 1);
	TRY(FAULT, f);
	f.id = list;
	TRY(FAULT, f);

	/* knobs that only a mirror has */
	knobs.id = interval;
	knobs.flags = MMUN_TEST_KNOB_DEAF;
	TRY(KNOBS, knobs);
	knobs.flags = 0;
	knobs.fill_delay_ms = 1;
	TRY(KNOBS, knobs);
	knobs.fill_delay_ms = 0;
	knobs.fail_after = 1;
	TRY(KNOBS, knobs);
	knobs.fail_after = 0;
	knobs.tear_delay_ms = 1;
	EXPECT_EQ(0, ioctl(self->fd, MMUN_TEST_IOC_KNOBS, &knobs));
	knobs.id = list;
	TRY(KNOBS, knobs);
	/* and those that it has in common */
	knobs.id = self->id;
	knobs.tear_delay_ms = MMUN_TEST_DELAY_MAX_MS + 1;
	TRY(KNOBS, knobs);
	knobs.tear_delay_ms = 0;
	knobs.fill_delay_ms = MMUN_TEST_DELAY_MAX_MS + 1;
	TRY(KNOBS, knobs);
	knobs.fill_delay_ms = 0;
	knobs.flags = 4;
	TRY(KNOBS, knobs);
#undef TRY
	/* a mirror is an interval where it ends, too */
	EXPECT_EQ(-EINVAL, detach_how(self->fd, self->id,
				      MMUN_TEST_NO_RELEASE));
	EXPECT_EQ(-EINVAL, detach_how(self->fd, self->id, MMUN_TEST_PUT));
	EXPECT_EQ(0, PRESENT());
}

TEST_F(mirror, bad_mirror)
{
	const pid_t pid = self->t.pid;
	const __u64 a = self->addr;
	__u32 id;

#define TRY(err, start, length, flags)					\
	EXPECT_EQ(err, attach_flags(self->fd, MMUN_TEST_MIRROR, pid,	\
				    start, length, flags, &id))
	TRY(-EINVAL, a + 1, PAGE, 0);
	TRY(-EINVAL, a, PAGE + 1, 0);
	TRY(-EINVAL, a, 1, 0);
	TRY(-EINVAL, a, PAGE, MMUN_TEST_ATTACH_TLB);
	TRY(-EINVAL, a, PAGE, 16);
	TRY(-EOVERFLOW, a, 0, 0);
	TRY(-EOVERFLOW, a, -PAGE, 0);
	TRY(-EOVERFLOW, a, 0, MMUN_TEST_ATTACH_LOCKED | MMUN_TEST_ATTACH_YOUNG);
#undef TRY
	EXPECT_EQ(-ESRCH, attach_mirror(self->fd, 2, a, 1, 0, &id));
	EXPECT_EQ(-EINVAL, attach_flags(self->fd, MMUN_TEST_LIST, pid, 0, 0,
					MMUN_TEST_ATTACH_TWO_PASS, &id));
	EXPECT_EQ(-EINVAL, attach_flags(self->fd, MMUN_TEST_GET, pid, 0, 0,
					MMUN_TEST_ATTACH_TWO_PASS, &id));
	EXPECT_EQ(1, subscriptions(self->fd));
	/* all of the address space, as far as pages go */
	EXPECT_EQ(0, attach_flags(self->fd, MMUN_TEST_MIRROR, pid, 0, -PAGE, 0,
				  &id));
	EXPECT_EQ(PAGES, dev_fault(self->fd, id, 0, a, PAGES));
	EXPECT_EQ(-EFAULT, dev_fault(self->fd, id, 0, -2 * PAGE, 1));
	EXPECT_LT(0, dev_fault(self->fd, id, MMUN_TEST_FAULT_PRESENT,
			       a & ~(64 * MiB - 1), 64 * MiB / PAGE));
	EXPECT_EQ(0, dev_check(self->fd, id, a & ~(64 * MiB - 1),
			       64 * MiB / PAGE));
	EXPECT_EQ(0, detach(self->fd, id));
}

TEST_HARNESS_MAIN
