// SPDX-License-Identifier: GPL-2.0-only
/*
 * The oracle: a mirror is never stale.
 *
 * Pages carry a stamp: whose page it is, and a version that its owner raises.
 * While owners change their memory in every way they can, others read it through
 * mirrors. A read that begins after an operation has returned must see what that
 * did; a read during it sees the old or the new; and nobody ever sees
 * another page, or one that was given back (contract 12 and 13).
 *
 * An owner publishes, for each page, the newest version that may be there
 * (pending) and the oldest that may be (committed). A reader takes committed
 * before it reads and pending after: what it finds lies between. An operation
 * that drops the contents leaves zeroes until the owner has stamped the page
 * again: zeroes are right only if such a time overlaps the read.
 *
 * MMUN_SEED=N chooses the choices, MMUN_STORM_MS=N how long it lasts.
 */
#include "t_area.h"
#include "kselftest_harness.h"

#define STORM_MS	6000
#define LONGEST_MS	60000
#define OWNERS		2
#define ARENA		HPAGE		/* a huge page for each owner */
#define BUSY		48UL		/* pages that are really used */
/* all that a process can have, page by page */
#define EVERYTHING	((1UL << 47) - PAGE)
#define MAGIC		0x6d6d756e73746d70ULL

#ifndef MADV_COLD
#define MADV_COLD	20
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

struct stamp {
	__u64 magic;
	__u64 id;
	__u64 version;
};

/* Written by the owner only. */
struct page_model {
	__u64 committed, pending;
	__u64 drops_begun, drops_done;
};

enum role { OWNER, READER, WRITER, SHAKER, CHECKER, VISITOR };

static const char *const role_name[] = {
	"owner", "reader", "device writer", "shaker", "checker", "visitor",
};

struct worker {
	pthread_t thread;
	enum role role;
	int nr;
	__u64 random;
	__u64 rounds, good, missed;
	int err;
	const char *what;
	__u64 page, seen, low, high;
};

/* An arena for each owner, and the last one for what the device writes. */
static char *arena[OWNERS + 1];
static struct page_model model[OWNERS][BUSY];
static __u64 written[BUSY];
static volatile bool stop;
static pthread_barrier_t all_there;
static int fd, mem;
static struct ev swap;			/* no more than the swap of it */

/*
 * The mirrors that stay: of each arena, one of each sort. One of everything would
 * be in the middle of some change all the time, and never be filled.
 */
static const struct {
	__u32 flags;
	__u32 fill_ms, tear_ms;
} sorts[] = {
	{ .flags = 0 },
	{ .flags = MMUN_TEST_ATTACH_TWO_PASS, .tear_ms = 2 },
	{ .flags = MMUN_TEST_ATTACH_YOUNG, .fill_ms = 2 },
};

#define SORTS	ARRAY_SIZE(sorts)

static __u32 mirrors[OWNERS + 1][SORTS];

static __u64 rnd(struct worker *w, __u64 below)
{
	return draw(&w->random, below);
}

static bool failed(struct worker *w, const char *what, int ret)
{
	if (!ret || w->err)
		return ret;
	w->err = ret;
	w->what = what;
	return true;
}

static __u64 load(const __u64 *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static void store(__u64 *p, __u64 v)
{
	__atomic_store_n(p, v, __ATOMIC_SEQ_CST);
}

static struct stamp *stamp_of(int nr, unsigned long page)
{
	return (struct stamp *)(arena[nr] + page * PAGE);
}

static __u64 id_of(int nr, unsigned long page)
{
	return ((__u64)(nr + 1) << 32) | page;
}

/* ---- owners ---- */

static void stamp(int nr, unsigned long page)
{
	struct page_model *m = &model[nr][page];
	struct stamp *s = stamp_of(nr, page);
	__u64 v = m->pending + 1;

	store(&m->pending, v);
	/*
	 * The page may be zero, or become zero before the first of these (but not
	 * after it, for then it is dirty). A reader that finds magic finds the rest.
	 */
	store(&s->version, v);
	store(&s->id, id_of(nr, page));
	store(&s->magic, MAGIC);
	store(&m->committed, v);
}

static void dropping(int nr, unsigned long page, unsigned long n)
{
	unsigned long i;

	for (i = page; i < page + n; i++)
		store(&model[nr][i].drops_begun, model[nr][i].drops_begun + 1);
}

static void dropped(int nr, unsigned long page, unsigned long n)
{
	unsigned long i;

	for (i = page; i < page + n; i++) {
		stamp(nr, i);
		store(&model[nr][i].drops_done, model[nr][i].drops_done + 1);
	}
}

/* A child shares the pages: nobody's writes may reach it. */
static int fork_and_look(int nr)
{
	__u64 version[BUSY];
	unsigned long i, n;
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		for (i = 0; i < BUSY; i++)
			version[i] = load(&stamp_of(nr, i)->version);
		for (n = 0; n < 200; n++)
			for (i = 0; i < BUSY; i++)
				if (load(&stamp_of(nr, i)->version) != version[i])
					_exit(1);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return status ? -EILSEQ : 0;
}

static int move_to_other_node(struct worker *w, char *p, unsigned long n)
{
	void *pages[BUSY];
	int nodes[BUSY], status[BUSY];
	unsigned long i;
	int node = rnd(w, 2);

	for (i = 0; i < n; i++) {
		pages[i] = p + i * PAGE;
		nodes[i] = node;
	}
	/* a machine with one node refuses: nothing to see then */
	syscall(SYS_move_pages, 0, n, pages, nodes, status, 2 /* MPOL_MF_MOVE */);
	return 0;
}

static int clear_soft_dirty(void)
{
	int f = open("/proc/self/clear_refs", O_WRONLY);

	if (f < 0)
		return -errno;
	if (write(f, "4", 1) != 1) {
		close(f);
		return -errno;
	}
	close(f);
	return 0;
}

/* An area that is more than one mapping by now cannot be moved, and stays. */
static void move_away_and_back(struct worker *w, char *p, char *away, size_t len)
{
	const int flags = MREMAP_MAYMOVE | MREMAP_FIXED;

	if (mremap(p, len, len, flags, away) == away) {
		if (mremap(away, len, len, flags, p) != p)
			failed(w, "mremap back", -errno);
	} else if (errno != EFAULT) {
		failed(w, "mremap", -errno);
	}
	/* The place is kept for this: nobody else may map into it. */
	if (mmap(away, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
		 MAP_NORESERVE, -1, 0) == MAP_FAILED)
		failed(w, "mmap", -errno);
}

/* Operations that move pages and keep their contents; the last state is read and write. */
static void shake(struct worker *w, int nr, unsigned long page, unsigned long n)
{
	char *p = arena[nr] + page * PAGE;
	char *away = arena[nr] + ARENA;
	size_t len = n * PAGE;

	switch (rnd(w, 9)) {
	case 0 ... 1:
		failed(w, "mprotect", mprotect(p, len, PROT_READ) ? -errno : 0);
		failed(w, "mprotect", mprotect(p, len, PROT_READ | PROT_WRITE) ?
		       -errno : 0);
		break;
	case 2:
		failed(w, "mprotect", mprotect(p, len, PROT_NONE) ? -errno : 0);
		failed(w, "mprotect", mprotect(p, len, PROT_READ | PROT_WRITE) ?
		       -errno : 0);
		break;
	case 3:
		failed(w, "fork", fork_and_look(nr));
		break;
	case 4 ... 5:
		/* not everywhere, and not always: what matters is the contents */
		madvise(p, len, MADV_PAGEOUT);
		break;
	case 6:
		failed(w, "move_pages", move_to_other_node(w, p, n));
		break;
	case 7:
		if (rnd(w, 4))
			failed(w, "clear_refs", clear_soft_dirty());
		else
			madvise(arena[nr], ARENA, MADV_COLLAPSE);
		break;
	case 8:
		move_away_and_back(w, p, away, len);
		break;
	}
}

static void drop(struct worker *w, int nr, unsigned long page, unsigned long n)
{
	char *p = arena[nr] + page * PAGE;
	size_t len = n * PAGE;

	dropping(nr, page, n);
	switch (rnd(w, 4)) {
	case 0:
		failed(w, "MADV_DONTNEED", madvise(p, len, MADV_DONTNEED) ? -errno : 0);
		break;
	case 1:
		failed(w, "MADV_FREE", madvise(p, len, MADV_FREE) ? -errno : 0);
		break;
	default:
		if (mmap(p, len, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			 MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			failed(w, "mmap", -errno);
	}
	if (!w->err)
		dropped(nr, page, n);
}

static void own(struct worker *w)
{
	unsigned long page = rnd(w, BUSY), n = 1 + rnd(w, BUSY - page), i;

	switch (rnd(w, 8)) {
	case 0:
		shake(w, w->nr, page, n);
		break;
	case 1:
		drop(w, w->nr, page, n);
		break;
	default:
		for (i = page; i < page + n; i++)
			stamp(w->nr, i);
	}
}

/* ---- the device ---- */

static int mirror_copy(__u32 id, bool write, void *buffer, unsigned long at,
		       size_t length)
{
	struct mmun_test_copy c = {
		.size = sizeof(c), .id = id, .start = at, .length = length,
		.buffer = (uintptr_t)buffer,
	};

	return ioctl(fd, write ? MMUN_TEST_IOC_MWRITE : MMUN_TEST_IOC_MREAD, &c) ?
		-errno : 0;
}

/* The errors of a hole, or of a mapping without access, in the middle of a change. */
static bool no_access(int ret)
{
	return ret == -EFAULT || ret == -EPERM;
}

static void bad_page(struct worker *w, const char *what, unsigned long page,
		     __u64 seen, __u64 low, __u64 high)
{
	if (failed(w, what, -EILSEQ)) {
		w->page = page;
		w->seen = seen;
		w->low = low;
		w->high = high;
	}
}

static void read_page(struct worker *w, __u32 id, int nr, unsigned long page)
{
	struct page_model *m = &model[nr][page];
	__u64 low = load(&m->committed), drops = load(&m->drops_done), high;
	struct stamp s;
	int ret = mirror_copy(id, false, &s, (uintptr_t)stamp_of(nr, page), sizeof(s));

	if (no_access(ret)) {
		w->missed++;
		return;
	}
	if (failed(w, "MREAD", ret))
		return;
	high = load(&m->pending);
	w->good++;
	/* Stamped from its end: without magic it is being stamped. */
	if (!s.magic) {
		if (load(&m->drops_begun) == drops)
			bad_page(w, "zeroes that nobody asked for", page, s.version,
				 low, high);
	} else if (s.magic != MAGIC || s.id != id_of(nr, page)) {
		bad_page(w, "another page", page, s.id, low, high);
	} else if (s.version < low || s.version > high) {
		bad_page(w, "a stale page", page, s.version, low, high);
	}
}

static void read_some(struct worker *w)
{
	int nr = rnd(w, OWNERS);

	read_page(w, mirrors[nr][rnd(w, SORTS)], nr, rnd(w, BUSY));
}

/* Past what the mapping allows at this moment; false in a hole. */
static bool peek(const void *at, __u64 *value)
{
	return pread(mem, value, sizeof(*value), (off_t)(uintptr_t)at) ==
		sizeof(*value);
}

/* The process has what the device has written; nobody else writes. */
static void write_some(struct worker *w)
{
	unsigned long page = rnd(w, BUSY);
	struct stamp *s = stamp_of(OWNERS, page);
	struct stamp new = {
		.magic = MAGIC, .id = id_of(OWNERS, page),
		.version = written[page] + 1,
	};
	int ret = mirror_copy(mirrors[OWNERS][rnd(w, SORTS)], true, &new,
			      (uintptr_t)s, sizeof(new));
	__u64 seen;

	if (!ret)
		written[page]++;
	else if (no_access(ret))
		w->missed++;
	else
		failed(w, "MWRITE", ret);
	if (!peek(&s->version, &seen))
		return;
	if (seen != written[page])
		bad_page(w, ret ? "a write that was refused" : "a lost write",
			 page, seen, written[page], written[page]);
	else if (!ret)
		w->good++;
}

static void shake_some(struct worker *w)
{
	unsigned long page = rnd(w, BUSY);

	shake(w, OWNERS, page, 1 + rnd(w, BUSY - page));
	w->good++;
}

static void check(struct worker *w, __u32 id, unsigned long at, size_t length)
{
	struct mmun_test_difference d = {};
	struct mmun_test_check c = {
		.size = sizeof(c), .id = id, .start = at, .length = length,
		.room = 1, .buffer = (uintptr_t)&d,
	};

	if (failed(w, "CHECK", ioctl(fd, MMUN_TEST_IOC_CHECK, &c) ? -errno : 0))
		return;
	w->good += c.checked;
	if (c.differences)
		bad_page(w, "an entry without its page", d.address / PAGE,
			 d.mirror, d.process, d.process);
}

static void check_all(struct worker *w)
{
	int nr = rnd(w, OWNERS + 1);

	check(w, mirrors[nr][rnd(w, SORTS)], (uintptr_t)arena[nr], ARENA);
}

/* Comes in the middle of everything, looks, and goes. */
static void visit(struct worker *w)
{
	static const __u32 flags[] = {
		0, MMUN_TEST_ATTACH_TWO_PASS, MMUN_TEST_ATTACH_YOUNG,
		MMUN_TEST_ATTACH_LOCKED,
	};
	int nr = rnd(w, OWNERS);
	unsigned long page = rnd(w, BUSY), n = 1 + rnd(w, BUSY - page), i;
	unsigned long at = (uintptr_t)arena[nr] + page * PAGE;
	struct mmun_test_fault f = {
		.size = sizeof(f), .flags = MMUN_TEST_FAULT_PRESENT,
		.start = at, .length = n * PAGE,
	};
	struct mmun_test_knobs knobs = {
		.size = sizeof(knobs), .tear_delay_ms = 5,
	};
	__u32 id;
	int ret;

	if (failed(w, "attach", attach_flags(fd, MMUN_TEST_MIRROR, 0, at, n * PAGE,
					     flags[rnd(w, 4)], &id)))
		return;
	/* so that it often leaves in the middle of something */
	knobs.id = id;
	failed(w, "KNOBS", ioctl(fd, MMUN_TEST_IOC_KNOBS, &knobs) ? -errno : 0);
	f.id = id;
	ret = ioctl(fd, MMUN_TEST_IOC_FAULT, &f) ? -errno : 0;
	if (!no_access(ret))
		failed(w, "FAULT", ret);
	for (i = 0; i < 4; i++)
		read_page(w, id, nr, page + rnd(w, n));
	check(w, id, at, n * PAGE);
	failed(w, "detach", detach(fd, id));
}

/* ---- the storm ---- */

static void *work(void *arg)
{
	static void (*const once[])(struct worker *w) = {
		[OWNER] = own, [READER] = read_some, [WRITER] = write_some,
		[SHAKER] = shake_some,
		[CHECKER] = check_all, [VISITOR] = visit,
	};
	struct worker *w = arg;

	pthread_barrier_wait(&all_there);
	while (!stop && !w->err) {
		once[w->role](w);
		w->rounds++;
	}
	return NULL;
}

static char *make_arena(void)
{
	char *p = mmap(NULL, 4 * ARENA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
		       MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	/* a huge page's place; the one behind it is for mremap */
	p = (char *)(((uintptr_t)p + ARENA - 1) & ~(ARENA - 1));
	if (mprotect(p, ARENA, PROT_READ | PROT_WRITE))
		return NULL;
	return p;
}

FIXTURE(stale)
{
	__u64 seed;
};

FIXTURE_SETUP(stale)
{
	unsigned long i, k;

	self->seed = choose_seed();
	TH_LOG("MMUN_SEED=0x%llx", (unsigned long long)self->seed);
	fd = dev_open();
	ASSERT_GE(fd, 0);
	/* without it, MADV_PAGEOUT does nothing here */
	if (need_swap(&swap))
		TH_LOG("%s: no page is swapped out", need_swap(&swap));
	else
		ASSERT_EQ(0, ev_swapon(&swap));
	mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	ASSERT_GE(mem, 0);
	for (i = 0; i <= OWNERS; i++)
		ASSERT_NE(NULL, (arena[i] = make_arena()));
	for (i = 0; i < OWNERS; i++)
		for (k = 0; k < BUSY; k++)
			stamp(i, k);
	for (i = 0; i < (OWNERS + 1) * SORTS; i++) {
		unsigned int nr = i / SORTS, sort = i % SORTS;
		__u32 *id = &mirrors[nr][sort];
		struct mmun_test_knobs knobs = {
			.size = sizeof(knobs),
			.fill_delay_ms = sorts[sort].fill_ms,
			.tear_delay_ms = sorts[sort].tear_ms,
		};
		int ret = attach_flags(fd, MMUN_TEST_MIRROR, 0,
				       (uintptr_t)arena[nr], ARENA,
				       sorts[sort].flags, id);

		if (ret == -EOPNOTSUPP)
			SKIP(return, "the kernel has no hmm_range_fault()");
		ASSERT_EQ(0, ret);
		knobs.id = *id;
		ASSERT_EQ(0, ioctl(fd, MMUN_TEST_IOC_KNOBS, &knobs));
	}
}

FIXTURE_TEARDOWN(stale)
{
	close(fd);
	ev_undo(&swap);
}

static bool anyone_failed(struct worker *w, int n)
{
	while (n--)
		if (w[n].err)
			return true;
	return false;
}

/* The roads that it was made for. */
static bool been_everywhere(const struct worker *w, int n)
{
	struct mmun_test_file_stats s;
	struct mmun_test_stats st;
	__u64 retries = 0;
	int i;

	for (i = 0; i < n; i++)
		if (!w[i].rounds || (w[i].role != OWNER && !w[i].good))
			return false;
	for (i = 0; i < (int)((OWNERS + 1) * SORTS); i++)
		if (!get_stats(fd, mirrors[i / SORTS][i % SORTS], &st))
			retries += st.fill_retries;
	return retries && !get_file_stats(fd, &s) && s.joined_busy && s.left_busy;
}

TEST_F_TIMEOUT(stale, c12_c13_storm, 900)
{
	static const enum role crew[] = {
		OWNER, OWNER, READER, READER, WRITER, SHAKER, CHECKER, VISITOR,
	};
	static struct worker w[ARRAY_SIZE(crew)];
	const int n = ARRAY_SIZE(crew);
	__u64 random = self->seed, retries = 0, torn = 0;
	struct mmun_test_file_stats s;
	struct mmun_test_stats st;
	int i;

	ASSERT_EQ(0, pthread_barrier_init(&all_there, NULL, n));
	for (i = 0; i < n; i++) {
		w[i].random = next_seed(&random);
		w[i].role = crew[i];
		w[i].nr = i;		/* the owners come first */
		ASSERT_EQ(0, pthread_create(&w[i].thread, NULL, work, &w[i]));
	}
	/* A slow machine may need longer to have been everywhere. */
	WAIT_FOR(anyone_failed(w, n), storm_ms(STORM_MS));
	WAIT_FOR(anyone_failed(w, n) || been_everywhere(w, n), LONGEST_MS);
	stop = true;
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, pthread_join(w[i].thread, NULL));

	for (i = 0; i < n; i++) {
		TH_LOG("%s: %llu rounds, %llu good, %llu without access",
		       role_name[w[i].role], (unsigned long long)w[i].rounds,
		       (unsigned long long)w[i].good,
		       (unsigned long long)w[i].missed);
		EXPECT_EQ(0, w[i].err)
			TH_LOG("%s: %s: page %llu: %llx, not %llx to %llx",
			       role_name[w[i].role], w[i].what,
			       (unsigned long long)w[i].page,
			       (unsigned long long)w[i].seen,
			       (unsigned long long)w[i].low,
			       (unsigned long long)w[i].high);
		EXPECT_LT(0, w[i].rounds);
		if (w[i].role != OWNER)
			EXPECT_LT(0, w[i].good);
	}
	for (i = 0; i < (int)((OWNERS + 1) * SORTS); i++) {
		__u32 id = mirrors[i / SORTS][i % SORTS];

		ASSERT_EQ(0, get_stats(fd, id, &st));
		retries += st.fill_retries;
		torn += st.torn;
		EXPECT_EQ(0, st.refusals);
		EXPECT_EQ(0, detach(fd, id));
	}
	TH_LOG("%llu fills retried, %llu entries torn down",
	       (unsigned long long)retries, (unsigned long long)torn);
	EXPECT_LT(0, retries);
	EXPECT_LT(0, torn);
	EXPECT_EQ(0, subscriptions(fd));
	ASSERT_EQ(0, dev_sync(fd));
	ASSERT_EQ(0, get_file_stats(fd, &s));
	EXPECT_EQ(s.allocated, s.freed);
	TH_LOG("%llu joined and %llu left in the middle of something",
	       (unsigned long long)s.joined_busy, (unsigned long long)s.left_busy);
	EXPECT_LT(0, s.joined_busy);
	EXPECT_LT(0, s.left_busy);
}

/*
 * Processes die under their mirrors, while these are filled and read; some refuse
 * what may not block. Nothing of the dead is left in a mirror.
 */
TEST_F_TIMEOUT(stale, c6_c8_c10_processes_die, 900)
{
	struct worker w = { .random = self->seed };
	int until = now_ms() + storm_ms(STORM_MS);
	unsigned int rounds = 0, refused = 0;
	struct mmun_test_file_stats s;
	struct mmun_test_stats st;
	struct target t = {};
	unsigned long addr, i;
	struct job job;
	__u32 id[3];

	for (i = 0; i < (OWNERS + 1) * SORTS; i++)
		ASSERT_EQ(0, detach(fd, mirrors[i / SORTS][i % SORTS]));
	while (now_ms() < until || rounds < 2) {
		struct mmun_test_fault f = {
			.size = sizeof(f), .flags = MMUN_TEST_FAULT_WRITE,
			.length = BUSY * PAGE,
		};
		struct mmun_test_check c = { .size = sizeof(c) };
		struct mmun_test_knobs knobs = {
			.size = sizeof(knobs), .flags = MMUN_TEST_KNOB_REFUSE,
			.fill_delay_ms = 1,
		};
		int ret = -EAGAIN, n;

		ASSERT_EQ(0, target_start(&t, -1));
		ASSERT_NE(0, (addr = target_mmap(&t, BUSY)));
		for (i = 0; i < 3; i++) {
			ASSERT_EQ(0, attach_flags(fd, MMUN_TEST_MIRROR, t.pid, 0,
						  EVERYTHING,
						  i ? 0 : MMUN_TEST_ATTACH_TWO_PASS,
						  &id[i]));
			f.id = id[i];
			f.start = addr;
			ASSERT_EQ(0, ioctl(fd, MMUN_TEST_IOC_FAULT, &f));
			EXPECT_EQ(BUSY, f.entries);
		}
		knobs.id = id[1];
		ASSERT_EQ(0, ioctl(fd, MMUN_TEST_IOC_KNOBS, &knobs));
		/* one is being filled again and again while it dies */
		target_begin(&t, SYS_madvise, addr, BUSY * PAGE, MADV_DONTNEED);
		f.id = id[rnd(&w, 2)];
		ASSERT_EQ(0, job_start(&job, fd, MMUN_TEST_IOC_FAULT, &f));
		if (rnd(&w, 2)) {
			ASSERT_EQ(0, target_kill_alive(&t));
			for (n = 0; n < 20 && ret == -EAGAIN; n++)
				ret = target_mrelease(&t);
			ASSERT_EQ(0, get_stats(fd, id[1], &st));
			refused += st.refusals;
			knobs.flags = 0;
			ASSERT_EQ(0, ioctl(fd, MMUN_TEST_IOC_KNOBS, &knobs));
			if (ret == -EAGAIN)
				target_mrelease(&t);
			ASSERT_EQ(0, target_let_die(&t));
		}
		ASSERT_TRUE(target_stop(&t));
		ASSERT_TRUE(job_done(&job, 20000));
		ret = job.ret;
		EXPECT_TRUE(!ret || ret == -ESRCH || ret == -EFAULT)
			TH_LOG("FAULT: %d", ret);

		for (i = 0; i < 3; i++) {
			c.id = id[i];
			c.start = addr;
			c.length = BUSY * PAGE;
			ASSERT_EQ(0, ioctl(fd, MMUN_TEST_IOC_CHECK, &c));
			EXPECT_EQ(0, c.differences);
			ASSERT_EQ(0, get_stats(fd, id[i], &st));
			EXPECT_EQ(0, st.present);
			/* every other time it is left to close() */
			if (rounds & 1)
				EXPECT_EQ(0, detach(fd, id[i]));
		}
		if (!(rounds++ & 1)) {
			ASSERT_EQ(0, bounded_ioctl(fd, 0, NULL));
			fd = dev_open();
			ASSERT_GE(fd, 0);
		}
	}
	TH_LOG("%u processes, %u refusals", rounds, refused);
	/* without process_mrelease() nothing asks who may refuse */
	if (syscall(__NR_process_mrelease, -1, 0) && errno != ENOSYS)
		EXPECT_LT(0, refused);
	EXPECT_EQ(0, subscriptions(fd));
	ASSERT_EQ(0, dev_sync(fd));
	ASSERT_EQ(0, get_file_stats(fd, &s));
	EXPECT_EQ(s.allocated, s.freed);
}

TEST_HARNESS_MAIN
