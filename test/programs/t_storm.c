// SPDX-License-Identifier: GPL-2.0-only
/*
 * A storm: some threads of one process change its address space in every way
 * they can, others subscribe to it and leave, by every way there is. At the end
 * the books must balance (contracts 2, 5, 9, 13 and 15).
 *
 * Every thread's choices come from one seed, which is printed; MMUN_SEED=N
 * chooses it, and MMUN_STORM_MS=N how long it lasts. The interleaving is the
 * scheduler's.
 */
#include "t_common.h"
#include "kselftest_harness.h"

#define STORM_MS	10000
#define HAMMERS		3
#define GUESTS		4
#define ARENA_PAGES	64UL
#define STAYING		4

static char *arena[HAMMERS];
static volatile bool stop_hammers, stop_guests;
/* no thread's stack may be mapped into a hole that a hammer makes */
static pthread_barrier_t all_there;

struct worker {
	pthread_t thread;
	__u64 random;
	int fd;
	int nr;
	/* results */
	__u64 rounds;
	__u64 reads;
	__u64 collisions;
	int err;
	const char *what;
	__u32 staying[STAYING];
};

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

static void hammer_once(struct worker *w)
{
	unsigned long page = rnd(w, ARENA_PAGES);
	unsigned long pages = 1 + rnd(w, ARENA_PAGES - page);
	char *p = arena[w->nr] + page * PAGE;
	size_t len = pages * PAGE;
	pid_t pid;

	switch (rnd(w, 16)) {
	case 0 ... 3:
		/* the kernel unmaps what was there */
		if (mmap(p, len, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			 MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			failed(w, "mmap", -errno);
		break;
	case 4 ... 6:
		madvise(p, len, MADV_DONTNEED);
		break;
	case 7:
		madvise(p, len, MADV_FREE);
		break;
	case 8 ... 9:
		mprotect(p, len, PROT_READ);
		break;
	case 10 ... 13:
		if (mprotect(p, len, PROT_READ | PROT_WRITE))
			failed(w, "mprotect", -errno);
		else
			target_touch((unsigned long)p, len, true);
		break;
	case 14:
		if (munmap(p, len) ||
		    mmap(p, len, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			 MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			failed(w, "munmap", -errno);
		break;
	default:
		pid = fork();
		if (!pid)
			_exit(0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
}

static void *hammer(void *arg)
{
	struct worker *w = arg;

	pthread_barrier_wait(&all_there);
	while (!stop_hammers && !w->err) {
		hammer_once(w);
		w->rounds++;
	}
	return NULL;
}

static int guest_attach(struct worker *w, __u32 kind, __u32 *id)
{
	__u32 flags = 0;
	__u64 start = 0, length = 0;

	if (kind == MMUN_TEST_INTERVAL) {
		start = (uintptr_t)arena[rnd(w, HAMMERS)] +
			rnd(w, ARENA_PAGES) * PAGE;
		length = 1 + rnd(w, 16 * PAGE);
	} else {
		if (!rnd(w, 8))
			flags |= MMUN_TEST_ATTACH_TLB;
		if (!rnd(w, 8))
			flags |= MMUN_TEST_ATTACH_YOUNG;
	}
	if (!rnd(w, 4))
		flags |= MMUN_TEST_ATTACH_LOCKED;
	return attach_flags(w->fd, kind, 0, start, length, flags, id);
}

static int guest_detach(struct worker *w, __u32 kind, __u32 id)
{
	struct mmun_test_detach d = { .size = sizeof(d), .id = id };

	if (kind == MMUN_TEST_GET)
		d.how = MMUN_TEST_PUT;
	else if (kind == MMUN_TEST_LIST && rnd(w, 2))
		d.how = MMUN_TEST_NO_RELEASE;
	return ioctl(w->fd, MMUN_TEST_IOC_DETACH, &d) ? -errno : 0;
}

static int guest_read(struct worker *w, __u32 id)
{
	struct mmun_test_read r = {
		.size = sizeof(r), .id = id, .pause_ms = rnd(w, 3),
	};

	if (ioctl(w->fd, MMUN_TEST_IOC_READ, &r))
		return -errno;
	w->reads++;
	w->collisions += r.collided;
	return 0;
}

static void guest_once(struct worker *w)
{
	static const __u32 kinds[] = {
		MMUN_TEST_LIST, MMUN_TEST_GET, MMUN_TEST_INTERVAL,
		MMUN_TEST_INTERVAL,
	};
	__u32 id[8], kind[8];
	unsigned int i, k, n = 1 + rnd(w, 8);

	for (i = 0; i < n; i++) {
		kind[i] = kinds[rnd(w, 4)];
		if (failed(w, "attach", guest_attach(w, kind[i], &id[i])))
			break;
	}
	for (k = 0; k < i; k++)
		if (kind[k] == MMUN_TEST_INTERVAL)
			failed(w, "read", guest_read(w, id[k]));
	for (k = 0; k < i; k++)
		failed(w, "detach", guest_detach(w, kind[k], id[k]));
}

/* lists and gets in turn */
static __u32 staying_kind(unsigned int nr)
{
	return nr & 1 ? MMUN_TEST_GET : MMUN_TEST_LIST;
}

static void *guest(void *arg)
{
	struct worker *w = arg;
	unsigned int n = 0;

	pthread_barrier_wait(&all_there);
	while ((!stop_guests || n < STAYING) && !w->err) {
		guest_once(w);
		w->rounds++;
		/* some come in the middle of it and stay to the end */
		if (n < STAYING && w->rounds > 3 * n) {
			failed(w, "attach to stay",
			       guest_attach(w, staying_kind(n),
					    &w->staying[n]));
			n++;
		}
	}
	return NULL;
}

static bool join_in_time(struct worker *w, int ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += ms / 1000;
	return !pthread_timedjoin_np(w->thread, NULL, &ts);
}

FIXTURE(storm)
{
	int fd;
	__u64 seed;
};

FIXTURE_SETUP(storm)
{
	int i;

	self->seed = choose_seed();
	TH_LOG("MMUN_SEED=0x%llx", (unsigned long long)self->seed);
	for (i = 0; i < HAMMERS; i++) {
		arena[i] = mmap(NULL, ARENA_PAGES * PAGE,
				PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ASSERT_NE(MAP_FAILED, arena[i]);
	}
	self->fd = dev_open();
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(storm)
{
	close(self->fd);
}

static void check_worker(struct __test_metadata *_metadata, struct worker *w,
			 const char *role)
{
	EXPECT_EQ(0, w->err)
		TH_LOG("%s %d: %s", role, w->nr, w->what);
	EXPECT_LT(0, w->rounds)
		TH_LOG("%s %d did nothing", role, w->nr);
}

TEST_F_TIMEOUT(storm, c2_c5_c9_c13_c15_books_balance, 900)
{
	static struct worker hammers[HAMMERS], guests[GUESTS];
	struct mmun_test_file_stats s;
	__u64 reads = 0, collisions = 0, rounds = 0;
	__u64 random = self->seed;
	struct mmun_test_stats st;
	int i, k;

	ASSERT_EQ(0, pthread_barrier_init(&all_there, NULL,
					  HAMMERS + GUESTS));
	for (i = 0; i < HAMMERS + GUESTS; i++) {
		struct worker *w = i < HAMMERS ? &hammers[i] :
				   &guests[i - HAMMERS];

		w->random = next_seed(&random);
		w->nr = i < HAMMERS ? i : i - HAMMERS;
		w->fd = self->fd;
		ASSERT_EQ(0, pthread_create(&w->thread, NULL,
					    i < HAMMERS ? hammer : guest, w));
	}

	/* the first who fails ends it early */
	WAIT_FOR(({
		bool bad = false;

		for (i = 0; i < HAMMERS; i++)
			bad |= hammers[i].err;
		for (i = 0; i < GUESTS; i++)
			bad |= guests[i].err;
		bad;
	}), storm_ms(STORM_MS));

	/* guests first: the last of them still join a storm */
	stop_guests = true;
	for (i = 0; i < GUESTS; i++)
		ASSERT_TRUE(join_in_time(&guests[i], 20000));
	stop_hammers = true;
	for (i = 0; i < HAMMERS; i++)
		ASSERT_TRUE(join_in_time(&hammers[i], 20000));

	for (i = 0; i < HAMMERS; i++) {
		check_worker(_metadata, &hammers[i], "hammer");
		rounds += hammers[i].rounds;
	}
	for (i = 0; i < GUESTS; i++) {
		check_worker(_metadata, &guests[i], "guest");
		reads += guests[i].reads;
		collisions += guests[i].collisions;
	}
	TH_LOG("%llu changes, %llu reads, %llu collisions",
	       (unsigned long long)rounds, (unsigned long long)reads,
	       (unsigned long long)collisions);
	EXPECT_LT(0, reads);
	EXPECT_LT(0, collisions);

	/* those who stayed have an end for every start */
	EXPECT_EQ(GUESTS * STAYING, subscriptions(self->fd));
	for (i = 0; i < GUESTS; i++) {
		for (k = 0; k < STAYING; k++) {
			__u32 id = guests[i].staying[k];

			EXPECT_TRUE(paired(self->fd, id));
			ASSERT_EQ(0, get_stats(self->fd, id, &st));
			EXPECT_EQ(0, st.refusals);
			EXPECT_EQ(0, st.releases);
			EXPECT_EQ(0, guest_detach(&guests[i],
						  staying_kind(k), id));
		}
	}
	EXPECT_EQ(0, subscriptions(self->fd));
	ASSERT_EQ(0, dev_sync(self->fd));
	ASSERT_EQ(0, get_file_stats(self->fd, &s));
	EXPECT_LT(0, s.allocated);
	EXPECT_EQ(s.allocated, s.freed);
	EXPECT_LT(0, s.events);
}

/*
 * The same from outside: the process dies, again and again, while others
 * subscribe to it, read and leave.
 */
TEST_F_TIMEOUT(storm, c6_c8_processes_die_under_it, 900)
{
	struct worker w = { .random = self->seed, .fd = self->fd };
	struct mmun_test_file_stats s;
	struct target t = {};
	unsigned long addr;
	__u32 id, kind, n;
	int ret, until = now_ms() + storm_ms(STORM_MS) / 2;
	unsigned int rounds = 0, lost = 0, won = 0;

	while (now_ms() < until || !rounds) {
		ASSERT_EQ(0, target_start(&t, -1));
		ASSERT_NE(0, (addr = target_mmap(&t, ARENA_PAGES)));
		target_begin(&t, SYS_munmap, addr, PAGE);
		n = rnd(&w, 8);
		/* killed somewhere among these */
		for (id = 0, kind = 0; kind < 24; kind++) {
			if (kind == 3 * n)
				kill(t.pid, SIGKILL);
			ret = attach_flags(self->fd, kind % 3, t.pid,
					   kind % 3 == 2 ? addr : 0,
					   kind % 3 == 2 ? PAGE : 0, 0, &id);
			if (ret == -ESRCH) {
				lost++;
				continue;
			}
			ASSERT_EQ(0, ret);
			won++;
			if (kind % 3 == 2)
				EXPECT_LE(0, read_section(self->fd, id, 0));
			if (rnd(&w, 2))
				EXPECT_EQ(0, guest_detach(&w, kind % 3, id));
		}
		ASSERT_TRUE(target_stop(&t));
		/* every other time the rest is left to close() */
		if (rounds++ & 1) {
			ASSERT_EQ(0, bounded_ioctl(self->fd, 0, NULL));
			self->fd = dev_open();
			ASSERT_GE(self->fd, 0);
			w.fd = self->fd;
		}
	}
	TH_LOG("%u processes, %u attached, %u came too late", rounds, won,
	       lost);
	EXPECT_LT(0, won);
	ASSERT_EQ(0, bounded_ioctl(self->fd, 0, NULL));
	self->fd = dev_open();
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, dev_sync(self->fd));
	ASSERT_EQ(0, get_file_stats(self->fd, &s));
	EXPECT_EQ(s.allocated, s.freed);
}

TEST_HARNESS_MAIN
