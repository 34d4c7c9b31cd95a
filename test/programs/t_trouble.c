// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults of other notifiers and drivers, as a scenario each, and the awkward cases:
 * with a mirror whose contents show them.
 */
#include "t_area.h"
#include "kselftest_harness.h"

#include <linux/userfaultfd.h>

#define THREADS	4
/* long enough for another task to be seen inside the same wait */
#define SLOW_MS	400
/* longer than another task needs, also on a busy machine, to change what is filled */
#define FILL_MS	3000
#define MANY	16UL

FIXTURE(trouble)
{
	struct ev e;
};

/* sixteen pages of the target, mirrored whole, and a list subscriber */
FIXTURE_SETUP(trouble)
{
	struct ev *e = &self->e;
	int ret;

	e->mem = memfd(AREA / PAGE);
	ASSERT_GE(e->mem, 0);
	ASSERT_EQ(0, target_start(&e->t, e->mem));
	e->fd = dev_open();
	ASSERT_GE(e->fd, 0);
	ASSERT_EQ(0, log_init(&e->log, e->fd));
	ASSERT_EQ(0, ev_area(e));
	ASSERT_EQ(0, ev_map(e, 0, MANY * PAGE));
	ASSERT_EQ(0, attach_list(e->fd, e->t.pid, &e->list));
	ret = attach_flags(e->fd, MMUN_TEST_MIRROR, e->t.pid, e->area, AREA, 0,
			   &e->mirror);
	if (ret == -EOPNOTSUPP)
		SKIP(return, "no mirrors: a kernel without HMM_MIRROR");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, mirror_fault(e, e->from, e->to, MMUN_TEST_FAULT_WRITE));
	ev_forget(e);
}

FIXTURE_TEARDOWN(trouble)
{
	struct ev *e = &self->e;

	EXPECT_TRUE(target_stop(&e->t));
	EXPECT_EQ(0, bounded_ioctl(e->fd, 0, NULL));
	close(e->mem);
	ev_undo(e);
}

/* ---- what is written through a mirror is not lost with the page ---- */

#define OLD	0x11
#define NEW	0x22

static bool page_is(struct ev *e, unsigned long at, unsigned char what)
{
	unsigned char is = 0;
	int mem;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", e->t.pid);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	if (mem < 0 || pread(mem, &is, 1, at) != 1)
		is = 0xee;
	close(mem);
	if (is != what)
		fprintf(stderr, "# %#lx has %#x\n", at, is);
	return is == what;
}

/* whether the process's page has been given back, without touching it */
static bool is_absent(struct ev *e, unsigned long at)
{
	char path[64];
	__u64 word = 0;
	int map;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", e->t.pid);
	map = open(path, O_RDONLY | O_CLOEXEC);
	if (map < 0 || pread(map, &word, 8, at / PAGE * 8) != 8)
		word = 1ULL << 63;
	close(map);
	return !(word >> 63);
}

static bool pageout(struct ev *e, unsigned long from, unsigned long to)
{
	drain_lru();
	return !target_madvise(e, from, to, MADV_PAGEOUT);
}

/*
 * MADV_FREE leaves an entry that is clean and may be written, and reclaim drops the
 * page if it is clean, too. The page beside it, which nobody has written to, shows
 * that reclaim came by.
 */
TEST_F(trouble, a_write_after_MADV_FREE_stays)
{
	struct ev *e = &self->e;
	unsigned long written = e->from, left = e->from + PAGE;
	unsigned char new = NEW;

	e->same = true;
	ASSERT_EQ(0, ev_fill(e, OLD));
	drain_lru();
	ASSERT_EQ(0, target_madvise(e, e->from, e->from + 2 * PAGE, MADV_FREE));
	ASSERT_EQ(0, mirror_fault(e, written, written + PAGE,
				  MMUN_TEST_FAULT_WRITE));
	ASSERT_EQ(0, mirror_write(e, written, &new, 1));
	ASSERT_TRUE(WAIT_FOR(pageout(e, e->from, e->from + 2 * PAGE) &&
			     is_absent(e, left), DEADLINE_MS));
	EXPECT_TRUE(page_is(e, left, 0));
	EXPECT_TRUE(page_is(e, written, NEW));
	EXPECT_EQ(0, mirror_check(e));
}

/*
 * A page that was read in from the swap is clean, and so is its entry, which on
 * some kernels may be written. A page that is written then goes to the swap again.
 */
TEST_F(trouble, a_write_after_swap_in_stays)
{
	struct ev *e = &self->e;
	unsigned char new = NEW;
	unsigned long at = e->from;

	if (need_swap(e))
		SKIP(return, "%s", need_swap(e));
	ASSERT_EQ(0, ev_swapon(e));
	e->same = true;
	ASSERT_EQ(0, ev_fill(e, OLD));
	ASSERT_TRUE(WAIT_FOR(pageout(e, e->from, e->to) &&
			     is_swapped(e->t.pid, at), DEADLINE_MS));
	ASSERT_TRUE(page_is(e, at, OLD));
	ASSERT_EQ(0, mirror_fault(e, at, at + PAGE, MMUN_TEST_FAULT_WRITE));
	ASSERT_EQ(0, mirror_write(e, at, &new, 1));
	ASSERT_TRUE(WAIT_FOR(pageout(e, e->from, e->to) &&
			     is_swapped(e->t.pid, at), DEADLINE_MS));
	EXPECT_TRUE(page_is(e, at, NEW));
	EXPECT_EQ(0, mirror_check(e));
}

static int mirror_knobs(struct ev *e, __u32 fill_ms, __u32 tear_ms)
{
	struct mmun_test_knobs k = {
		.size = sizeof(k),
		.id = e->mirror,
		.fill_delay_ms = fill_ms,
		.tear_delay_ms = tear_ms,
	};

	return ioctl(e->fd, MMUN_TEST_IOC_KNOBS, &k) ? -errno : 0;
}

static __u64 torn(struct ev *e)
{
	struct mmun_test_stats s;

	return get_stats(e->fd, e->mirror, &s) ? ~0ULL : s.torn;
}

/* what is mirrored of each page, as a string of x and - */
static const char *entries(struct ev *e)
{
	static __u64 words[MANY];
	static char map[MANY + 1];
	unsigned int i;

	if (mirror_entries(e, e->from, e->from + MANY * PAGE, words) < 0)
		return "error";
	for (i = 0; i < MANY; i++)
		map[i] = words[i] & MMUN_TEST_PAGE_VALID ? 'x' : '-';
	return map;
}

/* ---- bounds ---- */

/* one page too many at an exclusive end, or at the start */
TEST_F(trouble, neighbours_stay_mirrored)
{
	struct ev *e = &self->e;

	EXPECT_STREQ("xxxxxxxxxxxxxxxx", entries(e));
	ASSERT_EQ(0, target_munmap(&e->t, e->from + 4 * PAGE, 1));
	EXPECT_STREQ("xxxx-xxxxxxxxxxx", entries(e));
	ASSERT_EQ(0, target_madvise(e, e->from + 6 * PAGE, e->from + 9 * PAGE,
				    MADV_DONTNEED));
	EXPECT_STREQ("xxxx-x---xxxxxxx", entries(e));
	ASSERT_EQ(0, target_madvise(e, e->to - PAGE, e->to, MADV_DONTNEED));
	EXPECT_STREQ("xxxx-x---xxxxxx-", entries(e));
	ASSERT_EQ(0, target_madvise(e, e->from, e->from + PAGE, MADV_DONTNEED));
	EXPECT_STREQ("-xxx-x---xxxxxx-", entries(e));
	EXPECT_EQ(0, mirror_check(e));
	/* nothing of the mirror that is beside it, either */
	ASSERT_EQ(0, target_munmap(&e->t, e->from - HPAGE / 2, HPAGE / 2 / PAGE));
	EXPECT_STREQ("-xxx-x---xxxxxx-", entries(e));
}

/* all that a mirror of whole pages can have; nothing; half a page */
TEST_F(trouble, bounds_of_a_mirror)
{
	struct ev *e = &self->e;
	__u32 all, id;

	EXPECT_EQ(-EOVERFLOW, attach_flags(e->fd, MMUN_TEST_MIRROR, e->t.pid,
					   e->area, 0, 0, &id));
	EXPECT_EQ(-EOVERFLOW, attach_flags(e->fd, MMUN_TEST_MIRROR, e->t.pid,
					   -PAGE, 2 * PAGE, 0, &id));
	EXPECT_EQ(-EINVAL, attach_flags(e->fd, MMUN_TEST_MIRROR, e->t.pid,
					e->area, PAGE + 1, 0, &id));
	EXPECT_EQ(-EINVAL, attach_flags(e->fd, MMUN_TEST_MIRROR, e->t.pid,
					e->area + 1, PAGE, 0, &id));
	ASSERT_EQ(0, attach_flags(e->fd, MMUN_TEST_MIRROR, e->t.pid, 0,
				  -PAGE, 0, &all));
	EXPECT_EQ(0, detach(e->fd, e->mirror));
	e->mirror = all;
	ASSERT_EQ(0, mirror_fault(e, e->from, e->to, MMUN_TEST_FAULT_WRITE));
	EXPECT_STREQ("xxxxxxxxxxxxxxxx", entries(e));
	ASSERT_EQ(0, target_munmap(&e->t, e->from + PAGE, 1));
	EXPECT_STREQ("x-xxxxxxxxxxxxxx", entries(e));
	EXPECT_EQ(0, mirror_check(e));
}

/* an interval whose ends are no page's sees the ranges of the pages they are in */
TEST_F(trouble, unaligned_interval)
{
	struct ev *e = &self->e;
	struct mmun_test_stats s;
	__u32 id;

	ASSERT_EQ(0, attach_interval(e->fd, e->t.pid, e->from + PAGE + 100,
				     2 * PAGE, &id));
	ASSERT_EQ(0, target_munmap(&e->t, e->from, 1));
	ASSERT_EQ(0, target_munmap(&e->t, e->from + 4 * PAGE, 1));
	ASSERT_EQ(0, get_stats(e->fd, id, &s));
	EXPECT_EQ(0, s.starts);
	ASSERT_EQ(0, target_munmap(&e->t, e->from + 3 * PAGE, 1));
	ASSERT_EQ(0, target_munmap(&e->t, e->from + PAGE, 1));
	ASSERT_EQ(0, get_stats(e->fd, id, &s));
	EXPECT_EQ(2, s.starts);
	EXPECT_EQ(0, detach(e->fd, id));
}

/* ---- when it is torn down ---- */

/* a teardown that only release does is too late: the memory goes before */
TEST_F(trouble, munmap_first_exit_later)
{
	struct ev *e = &self->e;
	__u64 before;

	ASSERT_EQ(0, target_munmap(&e->t, e->from, MANY));
	EXPECT_STREQ("----------------", entries(e));
	before = torn(e);
	EXPECT_EQ(MANY, before);
	ASSERT_TRUE(target_stop(&e->t));
	EXPECT_EQ(before, torn(e));
	EXPECT_EQ(1, count_what(&e->log, e->mirror, MMUN_TEST_EV_RELEASE));
	EXPECT_EQ(0, mirror_check(e));
}

/* two files mirror one process; one goes, the other must not see less */
TEST_F(trouble, another_mirror_goes)
{
	struct ev *e = &self->e;
	int fd = dev_open();
	__u32 id;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, attach_flags(fd, MMUN_TEST_MIRROR, e->t.pid, e->area,
				  AREA, 0, &id));
	ASSERT_EQ(0, bounded_ioctl(fd, 0, NULL));
	ASSERT_EQ(0, target_munmap(&e->t, e->from, 4));
	EXPECT_STREQ("----xxxxxxxxxxxx", entries(e));
	EXPECT_EQ(0, mirror_check(e));
}

/* ---- signals, and death ---- */

static void ignore(int sig)
{
}

static long target_catch(unsigned long sig, unsigned long b, unsigned long c,
			 unsigned long d)
{
	struct sigaction sa = { .sa_handler = ignore };

	return sigaction(sig, &sa, NULL) ? -errno : 0;
}

/* the task that invalidates is signalled while the mirror is slow: it waits on */
TEST_F(trouble, signal_to_invalidating_task)
{
	struct ev *e = &self->e;
	int i;

	ASSERT_EQ(0, target_run(&e->t, target_catch, SIGUSR1));
	ASSERT_EQ(0, mirror_knobs(e, 0, SLOW_MS));
	ev_forget(e);
	ASSERT_EQ(0, target_begin(&e->t, SYS_munmap, e->from, MANY * PAGE));
	/* it is inside: the mirror has seen, and has not torn down */
	ASSERT_TRUE(WAIT_FOR(count_what(&e->log, e->mirror,
					MMUN_TEST_EV_START), IN_TIME_MS));
	for (i = 0; i < 20; i++) {
		EXPECT_EQ(0, kill(e->t.pid, SIGUSR1));
		step();
	}
	EXPECT_EQ(0, target_reply(&e->t, 20000));
	/* not a moment sooner */
	EXPECT_EQ(MANY, torn(e));
	EXPECT_STREQ("----------------", entries(e));
	EXPECT_EQ(0, mirror_check(e));
	EXPECT_TRUE(paired(e->fd, e->list));
}

/* a fatal one: it waits as well, and then dies */
TEST_F(trouble, kill_of_invalidating_task)
{
	struct ev *e = &self->e;

	ASSERT_EQ(0, mirror_knobs(e, 0, SLOW_MS));
	ASSERT_EQ(0, target_begin(&e->t, SYS_munmap, e->from, MANY / 2 * PAGE));
	ASSERT_TRUE(WAIT_FOR(count_what(&e->log, e->mirror,
					MMUN_TEST_EV_START), IN_TIME_MS));
	EXPECT_EQ(0, kill(e->t.pid, SIGKILL));
	ASSERT_TRUE(target_ended(&e->t, 20000));
	EXPECT_EQ(MANY, torn(e));
	EXPECT_EQ(0, mirror_check(e));
	EXPECT_EQ(1, count_what(&e->log, e->mirror, MMUN_TEST_EV_RELEASE));
	EXPECT_TRUE(paired(e->fd, e->list));
}

/* the owner dies while its mirror is being filled, page by page and slowly */
TEST_F(trouble, killed_while_the_mirror_is_filled)
{
	struct ev *e = &self->e;
	static struct mmun_test_fault f;
	static struct job job;
	struct mmun_test_stats before, s;

	ASSERT_EQ(0, target_madvise(e, e->from, e->to, MADV_DONTNEED));
	ASSERT_EQ(0, mirror_knobs(e, FILL_MS, 0));
	ASSERT_EQ(0, get_stats(e->fd, e->mirror, &before));
	f = (struct mmun_test_fault){
		.size = sizeof(f), .id = e->mirror,
		.flags = MMUN_TEST_FAULT_WRITE,
		.start = e->from, .length = e->to - e->from,
	};
	ASSERT_EQ(0, job_start(&job, e->fd, MMUN_TEST_IOC_FAULT, &f));
	/* it has looked pages up */
	ASSERT_TRUE(WAIT_FOR(!get_stats(e->fd, e->mirror, &s) &&
			     s.fills > before.fills, IN_TIME_MS));
	EXPECT_EQ(0, kill(e->t.pid, SIGKILL));
	ASSERT_TRUE(job_done(&job, 20000)) TH_LOG("the fill hangs");
	/* done in time, or -ESRCH: never more than there is */
	EXPECT_TRUE(!job.ret || job.ret == -ESRCH || job.ret == -EFAULT)
		TH_LOG("it returned %d", job.ret);
	ASSERT_TRUE(target_ended(&e->t, 20000));
	EXPECT_STREQ("----------------", entries(e));
	EXPECT_EQ(0, mirror_check(e));
	EXPECT_EQ(-ESRCH, mirror_fault(e, e->from, e->to, 0));
}

/* it unmaps, instead of dying: the fill begins again, and then finds nothing */
TEST_F(trouble, unmapped_while_the_mirror_is_filled)
{
	struct ev *e = &self->e;
	static struct mmun_test_fault f;
	static struct job job;
	struct mmun_test_stats before, s;

	ASSERT_EQ(0, target_madvise(e, e->from, e->to, MADV_DONTNEED));
	ASSERT_EQ(0, mirror_knobs(e, FILL_MS, 0));
	ASSERT_EQ(0, get_stats(e->fd, e->mirror, &before));
	f = (struct mmun_test_fault){
		.size = sizeof(f), .id = e->mirror,
		.flags = MMUN_TEST_FAULT_WRITE,
		.start = e->from, .length = e->to - e->from,
	};
	ASSERT_EQ(0, job_start(&job, e->fd, MMUN_TEST_IOC_FAULT, &f));
	ASSERT_TRUE(WAIT_FOR(!get_stats(e->fd, e->mirror, &s) &&
			     s.fills > before.fills, IN_TIME_MS));
	ASSERT_EQ(0, target_munmap(&e->t, e->from, MANY));
	ASSERT_TRUE(job_done(&job, 20000)) TH_LOG("the fill hangs");
	EXPECT_EQ(-EFAULT, job.ret);
	EXPECT_LE(1, f.retries);
	EXPECT_STREQ("----------------", entries(e));
	EXPECT_EQ(0, mirror_check(e));
}

/* ---- nested and parallel ranges ---- */

/* a huge page is split inside the range that takes a part of it */
TEST_F(trouble, nested_ranges)
{
	struct ev *e = &self->e;
	const struct mmun_test_event *outer, *inner, *inner_end, *outer_end;
	struct want w = { .id = e->list, .event = EV_CLEAR };

	if (need_thp(e))
		SKIP(return, "%s", need_thp(e));
	ASSERT_EQ(0, prepare_huge(e));
	ASSERT_EQ(0, mirror_fault(e, e->from, e->to, MMUN_TEST_FAULT_WRITE));
	ev_forget(e);
	ASSERT_EQ(0, target_madvise(e, e->from, e->from + 4 * PAGE,
				    MADV_DONTNEED));
	w.start = e->from;
	w.end = e->to;
	inner = log_wait(&e->log, &w, 2000);
	w.what = MMUN_TEST_EV_END;
	inner_end = log_wait(&e->log, &w, 2000);
	ASSERT_NE(NULL, inner) TH_LOG("no split");
	ASSERT_NE(NULL, inner_end);
	/* the first of all, and the last */
	w = (struct want){ .id = e->list, .event = EV_CLEAR,
		.start = e->from, .end = e->from + 4 * PAGE };
	outer = log_find(&e->log, &w);
	ASSERT_NE(NULL, outer);
	EXPECT_EQ(e->from + 4 * PAGE, outer->end);
	outer_end = outer;
	while (++outer_end < e->log.e + e->log.n)
		if (outer_end->what == MMUN_TEST_EV_END &&
		    outer_end->id == e->list && outer_end->end == outer->end)
			break;
	ASSERT_NE(e->log.e + e->log.n, outer_end);
	EXPECT_LT(outer->seq, inner->seq);
	EXPECT_LT(inner->seq, inner_end->seq);
	EXPECT_LT(inner_end->seq, outer_end->seq);
	EXPECT_EQ(outer->pid, inner->pid);
	EXPECT_TRUE(paired(e->fd, e->list));
	EXPECT_EQ(0, mirror_check(e));
	EXPECT_EQ(0, mirror_shows(e, e->from, e->from + 4 * PAGE, -1));
}

struct part {
	unsigned long addr;
	unsigned long len;
};

static void *zap_part(void *arg)
{
	struct part *part = arg;
	int i;

	for (i = 0; i < 20; i++) {
		if (madvise((void *)part->addr, part->len, MADV_DONTNEED))
			return arg;
		target_touch(part->addr, part->len, true);
	}
	return NULL;
}

/* executed by the target: threads whose parts overlap */
static long target_zap(unsigned long addr, unsigned long pages, unsigned long c,
		       unsigned long d)
{
	static struct part part[THREADS];
	pthread_t thread[THREADS];
	unsigned long step = pages / (THREADS + 1);
	long ret = 0;
	void *bad;
	int i;

	for (i = 0; i < THREADS; i++) {
		part[i].addr = addr + i * step * PAGE;
		part[i].len = 2 * step * PAGE;
		if (pthread_create(&thread[i], NULL, zap_part, &part[i]))
			return -EAGAIN;
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(thread[i], &bad);
		if (bad)
			ret = -EINVAL;
	}
	return ret;
}

/* the most starts that were in flight at once */
static int deepest(struct ev *e)
{
	int i, depth = 0, most = 0;

	log_drain(&e->log);
	for (i = 0; i < e->log.n; i++) {
		if (e->log.e[i].id != e->list)
			continue;
		if (e->log.e[i].what == MMUN_TEST_EV_START)
			depth++;
		else if (e->log.e[i].what == MMUN_TEST_EV_END)
			depth--;
		if (depth > most)
			most = depth;
	}
	return depth ? -1 : most;
}

/* threads of one process whose ranges overlap, while its mirror is filled */
TEST_F_TIMEOUT(trouble, parallel_ranges, 60)
{
	struct ev *e = &self->e;

	/* a list that takes its time, so that they do meet */
	ASSERT_EQ(0, set_knobs(e->fd, e->list, 0, 5, 0, 0));
	ASSERT_EQ(0, target_send(&e->t, &(struct target_msg){
		.op = OP_CALL, .nr = (long)target_zap, .a = { e->from, 15 },
	}));
	while (!target_answered(&e->t, 0)) {
		EXPECT_EQ(0, mirror_fault(e, e->from, e->to,
					  MMUN_TEST_FAULT_WRITE));
		EXPECT_EQ(0, mirror_check(e));
	}
	ASSERT_EQ(0, target_reply(&e->t, 0));
	EXPECT_TRUE(paired(e->fd, e->list));
	EXPECT_LE(2, deepest(e)) TH_LOG("no two ranges were in flight at once");
	EXPECT_EQ(0, mirror_check(e));
	EXPECT_EQ(0, after_refill(e));
}

/* ---- attach between a start and its end ---- */

/* a source of ranges, in a thread of the test, until a flag stops it */
struct storm {
	pthread_t thread;
	struct ev *e;
	int (*blow)(struct ev *e);
	int stop;
	int blown;
	int ret;
};

static void *storm_main(void *arg)
{
	struct storm *s = arg;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED) && !s->ret) {
		s->ret = s->blow(s->e);
		__atomic_add_fetch(&s->blown, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

struct scan_arg {
	__u64 size;
	__u64 flags;
	__u64 start;
	__u64 end;
	__u64 walk_end;
	__u64 vec;
	__u64 vec_len;
	__u64 max_pages;
	__u64 category_inverted;
	__u64 category_mask;
	__u64 category_anyof_mask;
	__u64 return_mask;
};

#define IOC_SCAN	_IOWR('f', 16, struct scan_arg)

static int blow_scan(struct ev *e)
{
	struct scan_arg arg = {
		.size = sizeof(arg),
		.flags = 3,		/* write-protect what matches */
		.start = e->from,
		.end = e->to,
		.category_mask = 2,	/* written */
	};
	char path[64];
	int fd, ret;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", e->t.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = ioctl(fd, IOC_SCAN, &arg) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static int blow_clear_refs(struct ev *e)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/clear_refs", e->t.pid);
	return put_string(path, "4");
}

static int target_uffd = -1;

static long target_wp_async(unsigned long addr, unsigned long len,
			    unsigned long c, unsigned long d)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = 1ULL << 0 | 1ULL << 13 | 1ULL << 15,
	};
	struct uffdio_register reg = {
		.range = { .start = addr, .len = len },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};

	target_uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (target_uffd < 0 || ioctl(target_uffd, UFFDIO_API, &api) ||
	    ioctl(target_uffd, UFFDIO_REGISTER, &reg))
		return -errno;
	return 0;
}

/* 0, or what is wrong: the first subscriptions of a mm in the middle of ranges */
static int come_and_go(struct ev *e)
{
	__u32 list, get, interval;

	EV_TRY(attach_list(e->fd, e->t.pid, &list));
	EV_TRY(attach_get(e->fd, e->t.pid, &get));
	EV_TRY(attach_interval(e->fd, e->t.pid, e->from, PAGE, &interval));
	EV_TRY(detach(e->fd, list));
	EV_TRY(detach(e->fd, interval));
	EV_TRY(detach_how(e->fd, get, MMUN_TEST_PUT));
	/* so that there is something to protect */
	EV_TRY(target_op(&e->t, OP_WRITE, 0, { e->from, e->to - e->from }));
	log_drain(&e->log);
	e->log.n = 0;
	return 0;
}

static int attach_and_detach(struct ev *e, struct storm *s)
{
	int until = now_ms() + 4000, n, ret;

	EV_TRY(-pthread_create(&s->thread, NULL, storm_main, s));
	for (n = 0, ret = 0; !ret && n < 150 && now_ms() < until; n++)
		ret = come_and_go(e);
	__atomic_store_n(&s->stop, 1, __ATOMIC_RELAXED);
	pthread_join(s->thread, NULL);
	if (s->ret)
		fprintf(stderr, "# the storm: %d after %d\n", s->ret, s->blown);
	printf("# %d rounds, %d ranges\n", n, s->blown);
	return s->ret ?: ret ?: s->blown && n ? 0 : -ENODATA;
}

/* CVE-2024-26617: ranges that begin where the mmap lock is not held */
TEST_F_TIMEOUT(trouble, attach_during_pagemap_scan, 60)
{
	struct ev *e = &self->e;
	static struct storm s;

	/* the first to come, each time, and the last to go */
	ASSERT_EQ(0, detach(e->fd, e->list));
	ASSERT_EQ(0, detach(e->fd, e->mirror));
	if (blow_scan(e) == -ENOTTY)
		SKIP(return, "no PAGEMAP_SCAN in this kernel");
	ASSERT_EQ(0, target_run(&e->t, target_wp_async, e->from,
				e->to - e->from));
	s = (struct storm){ .e = e, .blow = blow_scan };
	EXPECT_EQ(0, attach_and_detach(e, &s));
}

/* the same beside one who stays, whose books must balance */
TEST_F_TIMEOUT(trouble, attach_beside_during_pagemap_scan, 60)
{
	struct ev *e = &self->e;
	static struct storm s;

	if (blow_scan(e) == -ENOTTY)
		SKIP(return, "no PAGEMAP_SCAN in this kernel");
	ASSERT_EQ(0, target_run(&e->t, target_wp_async, e->from,
				e->to - e->from));
	s = (struct storm){ .e = e, .blow = blow_scan };
	EXPECT_EQ(0, attach_and_detach(e, &s));
	EXPECT_TRUE(paired(e->fd, e->list));
	EXPECT_EQ(0, mirror_check(e));
}

TEST_F_TIMEOUT(trouble, attach_during_clear_refs, 60)
{
	struct ev *e = &self->e;
	static struct storm s;

	ASSERT_EQ(0, detach(e->fd, e->list));
	ASSERT_EQ(0, detach(e->fd, e->mirror));
	s = (struct storm){ .e = e, .blow = blow_clear_refs };
	EXPECT_EQ(0, attach_and_detach(e, &s));
}

TEST_HARNESS_MAIN
