// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long a task waits that a slow subscriber does not concern: a fault
 * elsewhere, a registration, a system call of the process. Many tasks of one
 * process are in slow invalidations, or sleep until one is over.
 *
 * The machine may be slow itself, so no time is compared with a number alone. Each
 * is compared with what was measured in the same period: the invalidations, as their
 * threads saw them, and the same calls on a second process, the control, whose
 * subscribers are not slow. A machine that pauses makes both sides longer. To wake a
 * task shows in its count of context switches, so those are counted, not timed.
 */
#include "t_common.h"
#include "kselftest_harness.h"

#include <dirent.h>

/* three times the slots that two CPUs have */
#define INVALIDATORS	48
#define SLOW_MS		100
#define ELSEWHERE_MS	50
#define ROUNDS		5
#define TRIES		15

#define STARVERS	60
#define STARVE_MS	1000
#define LONG_MS		8000
#define KILLED_MS	1000

#define SLEEPERS	400
#define SAMPLES		300
/* far above what noise does; with every sleeper woken at each end it is 170 times */
#define TIMES_AS_LONG	10
#define PAGES		4UL

/* A thread notes its own invalidations, in memory that the test shares. */
struct record {
	__u64 times;
	__u64 total;		/* nanoseconds */
	__u64 longest;
};

struct records {
	struct record slow[STARVERS];
	struct record control[STARVERS];
};

FIXTURE(latency)
{
	struct target t;
	struct target control;
	struct records *records;
	int mem;
	int fd;
	int peer;
	pid_t puncher;
	unsigned long area;	/* where it is slow; a page for each thread */
	unsigned long other;	/* and elsewhere */
	unsigned long apart;	/* in the control */
	unsigned long shared;	/* of a memfd */
};

FIXTURE_SETUP(latency)
{
	self->mem = memfd(PAGES);
	ASSERT_GE(self->mem, 0);
	self->records = mmap(NULL, sizeof(*self->records),
			     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			     -1, 0);
	ASSERT_NE(MAP_FAILED, self->records);
	ASSERT_EQ(0, target_start(&self->t, self->mem));
	ASSERT_EQ(0, target_start(&self->control, -1));
	ASSERT_NE(0, self->area = target_mmap_small(&self->t, STARVERS));
	ASSERT_NE(0, self->other = target_mmap_small(&self->t, PAGES));
	ASSERT_NE(0, self->shared = target_mmap_fd(&self->t, PAGES));
	ASSERT_NE(0, self->apart = target_mmap_small(&self->control, STARVERS));
	self->peer = -1;
	self->fd = dev_open();
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(latency)
{
	if (self->peer >= 0)
		EXPECT_EQ(0, bounded_ioctl(self->peer, 0, NULL));
	if (self->puncher > 0)
		EXPECT_EQ(0, wait_pid(self->puncher, IN_TIME_MS));
	EXPECT_TRUE(target_stop(&self->t));
	EXPECT_TRUE(target_stop(&self->control));
	EXPECT_EQ(0, bounded_ioctl(self->fd, 0, NULL));
	close(self->mem);
}

/* ---- what the target does ---- */

/* A stack for a thread is mapped before anything is slow. */
static pthread_barrier_t all_there;

struct invalidator {
	char *page;
	struct record *record;
	unsigned long sleep_ms;
};

static void note(struct record *r, __u64 took)
{
	if (took > r->longest)
		__atomic_store_n(&r->longest, took, __ATOMIC_RELAXED);
	__atomic_store_n(&r->total, r->total + took, __ATOMIC_RELAXED);
	__atomic_store_n(&r->times, r->times + 1, __ATOMIC_RELEASE);
}

/* In the control it sleeps for as long as the subscriber makes the others wait. */
static void *invalidator(void *arg)
{
	struct invalidator *self = arg;
	__u64 begin;

	pthread_barrier_wait(&all_there);
	for (;;) {
		*(volatile char *)self->page = 1;
		begin = now_ns();
		madvise(self->page, PAGE, MADV_DONTNEED);
		sleep_ms(self->sleep_ms);
		note(self->record, now_ns() - begin);
		/* where nobody is slow any more, the others need some time */
		step();
	}
	return NULL;
}

/* Prepare so many threads; they begin when they are let. */
static long invalidators(unsigned long area, unsigned long threads,
			 unsigned long records, unsigned long sleep_ms)
{
	static struct invalidator all[STARVERS];
	pthread_attr_t attr;
	pthread_t thread;
	unsigned long i;

	pthread_barrier_init(&all_there, NULL, threads + 1);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (i = 0; i < threads; i++) {
		all[i] = (struct invalidator){
			.page = (char *)(area + i * PAGE),
			.record = (struct record *)records + i,
			.sleep_ms = sleep_ms,
		};
		if (pthread_create(&thread, &attr, invalidator, &all[i]))
			return -EAGAIN;
	}
	return 0;
}

static long invalidate(void)
{
	pthread_barrier_wait(&all_there);
	return 0;
}

static int order(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return x < y ? -1 : x > y;
}

/* Nanoseconds of the median of so many times mmap, touch, munmap. */
static long mmap_median(unsigned long samples)
{
	static __u64 took[SAMPLES];
	unsigned long i;
	__u64 begin;
	char *p;

	for (i = 0; i < samples; i++) {
		begin = now_ns();
		p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return -ENOMEM;
		*(volatile char *)p = 1;
		munmap(p, PAGE);
		took[i] = now_ns() - begin;
	}
	qsort(took, samples, sizeof(took[0]), order);
	return took[samples / 2];
}

/* ---- what the threads saw ---- */

static int since_ms(__u64 begin)
{
	return (now_ns() - begin) / 1000000;
}

static int longest_ms(const struct record *r, int threads)
{
	__u64 longest = 0, ns;
	int i;

	for (i = 0; i < threads; i++) {
		ns = __atomic_load_n(&r[i].longest, __ATOMIC_RELAXED);
		longest = ns > longest ? ns : longest;
	}
	return longest / 1000000;
}

static int mean_ms(const struct record *r, int threads)
{
	__u64 total = 0, times = 0;
	int i;

	for (i = 0; i < threads; i++) {
		total += __atomic_load_n(&r[i].total, __ATOMIC_RELAXED);
		times += __atomic_load_n(&r[i].times, __ATOMIC_RELAXED);
	}
	return times ? total / times / 1000000 : 0;
}

static void copy_times(const struct record *r, int threads, __u64 *times)
{
	int i;

	for (i = 0; i < threads; i++)
		times[i] = __atomic_load_n(&r[i].times, __ATOMIC_ACQUIRE);
}

static bool all_rose(const struct record *r, int threads, const __u64 *times)
{
	int i;

	for (i = 0; i < threads; i++)
		if (__atomic_load_n(&r[i].times, __ATOMIC_ACQUIRE) == times[i])
			return false;
	return true;
}

/* The invalidations that are under way now, too, are then in the record. */
static bool let_all_end(const struct record *r, int threads)
{
	__u64 times[STARVERS];

	copy_times(r, threads, times);
	return WAIT_FOR(all_rose(r, threads, times), 60000);
}

/* ---- a fault elsewhere, and a subscription ---- */

/*
 * Of TRIES, in milliseconds. The longest but one is judged, since one may
 * meet a pause of the machine's own; its control is the longest.
 */
struct times {
	int section[TRIES];
	int subscription[TRIES];
};

static int longest_but(const int *ms, int but)
{
	int sorted[TRIES];
	int i, j;

	for (i = 0; i < TRIES; i++) {
		for (j = i; j > 0 && sorted[j - 1] < ms[i]; j--)
			sorted[j] = sorted[j - 1];
		sorted[j] = ms[i];
	}
	return sorted[but];
}

static int time_section(int fd, __u32 interval)
{
	struct mmun_test_read r = { .size = sizeof(r), .id = interval };
	__u64 begin = now_ns();

	return ioctl(fd, MMUN_TEST_IOC_READ, &r) ? -errno : since_ms(begin);
}

static int time_subscription(int fd, pid_t pid)
{
	__u64 begin = now_ns();
	__u32 id;
	int ms, ret = attach_list(fd, pid, &id);

	ms = since_ms(begin);
	return ret || detach(fd, id) ? -EIO : ms;
}

static bool measure_once(int fd, pid_t pid, __u32 interval, struct times *times,
			 int i)
{
	times->section[i] = time_section(fd, interval);
	times->subscription[i] = time_subscription(fd, pid);
	return times->section[i] >= 0 && times->subscription[i] >= 0;
}

static bool has_started(int fd, __u32 id, __u64 times)
{
	struct mmun_test_stats s;

	return !get_stats(fd, id, &s) && s.starts >= times;
}

/* So many threads in the process, and as many that only sleep in the control. */
static void prepare_invalidators(struct __test_metadata *_metadata,
				 FIXTURE_DATA(latency) *self,
				 unsigned long threads, unsigned long ms)
{
	ASSERT_EQ(0, target_run(&self->t, invalidators, self->area, threads,
				(unsigned long)self->records->slow, 0));
	ASSERT_EQ(0, target_run(&self->control, invalidators, self->apart,
				threads, (unsigned long)self->records->control,
				ms));
}

/* promise 14 */
TEST_F_TIMEOUT(latency, fault_elsewhere_and_subscription_do_not_wait_for_48, 200)
{
	const struct records *records = self->records;
	int i, mean, sleep, section, subscription, longest;
	struct times busy, control;
	__u32 slow, elsewhere, apart;

	prepare_invalidators(_metadata, self, INVALIDATORS, SLOW_MS);
	ASSERT_EQ(0, attach_interval(self->fd, self->t.pid, self->area,
				     INVALIDATORS * PAGE, &slow));
	ASSERT_EQ(0, attach_interval(self->fd, self->t.pid, self->other, PAGE,
				     &elsewhere));
	ASSERT_EQ(0, attach_interval(self->fd, self->control.pid, self->apart,
				     PAGE, &apart));
	ASSERT_EQ(0, set_knobs(self->fd, slow, 0, SLOW_MS, 0, 0));
	ASSERT_EQ(0, target_run(&self->t, invalidate));
	ASSERT_EQ(0, target_run(&self->control, invalidate));
	ASSERT_TRUE(WAIT_FOR(has_started(self->fd, slow, INVALIDATORS),
			     20000));
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_TRUE(let_all_end(records->slow, INVALIDATORS));
		ASSERT_TRUE(let_all_end(records->control, INVALIDATORS));
	}
	/* before anything takes the mmap lock for writing, and makes them wait */
	mean = mean_ms(records->slow, INVALIDATORS);
	sleep = mean_ms(records->control, INVALIDATORS);
	TH_LOG("an invalidation takes %d ms in the mean; %d ms asleep in the control",
	       mean, sleep);
	/* nobody waits for another's, which would be a SLOW_MS more */
	EXPECT_LT(mean, 2 * sleep);

	for (i = 0; i < TRIES; i++) {
		ASSERT_TRUE(measure_once(self->fd, self->t.pid, elsewhere,
					 &busy, i));
		ASSERT_TRUE(measure_once(self->fd, self->control.pid, apart,
					 &control, i));
	}
	ASSERT_TRUE(let_all_end(records->slow, INVALIDATORS));

	longest = longest_ms(records->slow, INVALIDATORS);
	section = longest_but(control.section, 0);
	subscription = longest_but(control.subscription, 0);
	TH_LOG("at the longest but one: read section %d ms, subscription %d ms; in the control at the longest %d ms and %d ms; an invalidation %d ms",
	       longest_but(busy.section, 1), longest_but(busy.subscription, 1),
	       section, subscription, longest);
	EXPECT_LT(longest_but(busy.section, 1), ELSEWHERE_MS + 2 * section);
	/* no range that is older than it lasts longer than this */
	EXPECT_LT(longest_but(busy.subscription, 1),
		  longest + ELSEWHERE_MS + 2 * subscription);
}

/* ---- a registration is not starved, and can be killed ---- */

/* A process that registers, and says with its exit how it went. */
static pid_t register_in_a_process(int fd, pid_t pid)
{
	pid_t child = fork();
	__u32 id;

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(attach_list(fd, pid, &id) ? 1 : 0);
}

/* Return: how many milliseconds it took to register so. */
static int time_register(int fd, pid_t pid, int ms)
{
	__u64 begin = now_ns();
	pid_t child = register_in_a_process(fd, pid);
	int status = child < 0 ? -EAGAIN : wait_pid(child, ms);

	if (status == -ETIME)
		kill(child, SIGKILL);
	return status < 0 ? status : status ? -EIO : since_ms(begin);
}

/* Return: how many milliseconds a process took to go once it was killed. */
static int time_kill(pid_t child, int ms)
{
	__u64 begin = now_ns();
	int status;

	kill(child, SIGKILL);
	status = wait_pid(child, ms);
	return status < 0 ? status : status != SIGKILL ? -EIO : since_ms(begin);
}

static pid_t fork_sleeper(void)
{
	pid_t child = fork();

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

/* So many threads invalidate, and each of their ranges lasts so long. */
static void start_slow_ranges(struct __test_metadata *_metadata,
			      FIXTURE_DATA(latency) *self,
			      unsigned long threads, int ms)
{
	__u32 id;

	prepare_invalidators(_metadata, self, threads, ms);
	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &id));
	ASSERT_EQ(0, set_knobs(self->fd, id, 0, ms, 0, 0));
	ASSERT_EQ(0, target_run(&self->t, invalidate));
	ASSERT_TRUE(WAIT_FOR(has_started(self->fd, id, threads), 20000));
	sleep_ms(STARVE_MS / 2);
}

/* promise 19: a registration does not starve */
TEST_F_TIMEOUT(latency, second_register_completes_beside_60_slow_ranges, 200)
{
	const struct records *records = self->records;
	int took, control, longest;

	start_slow_ranges(_metadata, self, STARVERS, STARVE_MS);
	took = time_register(self->fd, self->t.pid, 60000);
	ASSERT_LE(0, took);
	control = time_register(self->fd, self->control.pid, 60000);
	ASSERT_LE(0, control);
	ASSERT_TRUE(let_all_end(records->slow, STARVERS));
	longest = longest_ms(records->slow, STARVERS);
	TH_LOG("it took %d ms, an invalidation %d ms at the longest; in the control it took %d ms",
	       took, longest, control);
	/* with the fork that the process needs */
	EXPECT_LT(took, longest + STARVE_MS / 2 + 2 * control);
}

/* promise 19 */
TEST_F_TIMEOUT(latency, register_that_waits_can_be_killed, 200)
{
	int took, control;
	pid_t child, other;

	start_slow_ranges(_metadata, self, 1, LONG_MS);
	other = fork_sleeper();
	ASSERT_LT(0, other);
	child = register_in_a_process(self->fd, self->t.pid);
	ASSERT_LT(0, child);
	EXPECT_EQ(-ETIME, wait_pid(child, 500))
		TH_LOG("it does not wait for a range that is older");
	took = time_kill(child, LONG_MS);
	control = time_kill(other, LONG_MS);
	TH_LOG("killed, it went in %d ms; one that only sleeps in %d ms",
	       took, control);
	ASSERT_LE(0, control);
	EXPECT_LE(0, took);
	EXPECT_LT(took, KILLED_MS + 2 * control);
	/* the subscriptions that there are belong to the test */
	EXPECT_EQ(1, subscriptions(self->fd));
}

/* ---- sleepers in read_begin ---- */

struct sleeper {
	int fd;
	__u32 id;
};

static void *sleeper(void *arg)
{
	struct sleeper *s = arg;
	struct mmun_test_read r = { .size = sizeof(r), .id = s->id };

	ioctl(s->fd, MMUN_TEST_IOC_READ, &r);
	return NULL;
}

static int start_sleepers(pthread_t *thread, struct sleeper *s)
{
	pthread_attr_t attr;
	int i, ret = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (i = 0; i < SLEEPERS && !ret; i++)
		ret = -pthread_create(&thread[i], &attr, sleeper, s);
	return ret;
}

/*
 * How often the threads of this process have slept, but for the one that counts. A
 * task that is woken for nothing looks, and sleeps again.
 * Return: -EAGAIN if one of them does not sleep.
 */
static long times_slept(int *threads)
{
	DIR *dir = opendir("/proc/self/task");
	char path[300], line[128];
	long n, sum = 0, voluntary;
	struct dirent *entry;
	FILE *f;

	*threads = 0;
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || atoi(entry->d_name) == getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%s/status",
			 entry->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		voluntary = -1;
		while (fgets(line, sizeof(line), f)) {
			if (!strncmp(line, "State:\tR", 8))
				break;
			if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1)
				voluntary = n;
		}
		fclose(f);
		if (voluntary < 0) {
			sum = -EAGAIN;
			break;
		}
		sum += voluntary;
		++*threads;
	}
	closedir(dir);
	return sum;
}

/* All of them are there and sleep, and have not moved for a while. */
static bool all_sleep(long *slept)
{
	long before = *slept;
	int threads;

	sleep_ms(100);
	*slept = times_slept(&threads);
	return threads == SLEEPERS && *slept > 0 && *slept == before;
}

/* A range that lasts until the peer lets it go: a hole, punched by another. */
static int hold_range(FIXTURE_DATA(latency) *self, __u32 *hold)
{
	int ret;

	self->peer = peer_open();
	ret = peer_interval(self->peer, self->t.pid, MMUN_PEER_HOLD,
			    self->shared, PAGES * PAGE, hold);
	if (ret)
		return ret;
	self->puncher = fork();
	if (!self->puncher) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fallocate(self->mem, FALLOC_FL_PUNCH_HOLE |
				FALLOC_FL_KEEP_SIZE, 0, PAGES * PAGE) ? 1 : 0);
	}
	return peer_wait_held(self->peer, *hold);
}

/* promise 14: only the tasks that wait for the range wake up */
TEST_F_TIMEOUT(latency, mmap_is_not_slowed_by_400_sleeping_readers, 200)
{
	static pthread_t thread[SLEEPERS];
	struct sleeper s = { .fd = self->fd };
	long without, with, slept = 0, then;
	__u32 hold;
	int i, threads;

	ASSERT_EQ(0, attach_interval(self->fd, self->t.pid, self->shared,
				     PAGES * PAGE, &s.id));
	ASSERT_EQ(0, hold_range(self, &hold));
	without = target_run(&self->t, mmap_median, SAMPLES);
	ASSERT_LT(0, without);
	ASSERT_EQ(0, start_sleepers(thread, &s));
	ASSERT_TRUE(WAIT_FOR(all_sleep(&slept), 60000));
	with = target_run(&self->t, mmap_median, SAMPLES);
	ASSERT_LT(0, with);
	then = times_slept(&threads);
	TH_LOG("median of mmap, touch, munmap: %ld ns, %ld ns with %d sleepers",
	       without, with, SLEEPERS);
	TH_LOG("%ld context switches of the sleepers in %d rounds",
	       then - slept, SAMPLES);
	EXPECT_EQ(SLEEPERS, threads);
	EXPECT_EQ(slept, then) TH_LOG("an end wakes tasks that it does not concern");
	EXPECT_LT(with, TIMES_AS_LONG * without);

	ASSERT_EQ(0, peer_release_hold(self->peer, hold));
	for (i = 0; i < SLEEPERS; i++)
		pthread_join(thread[i], NULL);
}

TEST_HARNESS_MAIN
