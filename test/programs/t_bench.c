// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/mmun_bench: every bad input has its errno and leaves nothing behind; each
 * operation works on both cores; and mmun-bench measures with it. That what was
 * attached is gone shows when the modules are unloaded.
 */
#include "t_common.h"
#include "kselftest_harness.h"

#include <linux/capability.h>
#include <linux/mmun_bench.h>

#define BENCH_DEV	"/dev/mmun_bench"
/* Nothing is mapped there. */
#define ELSEWHERE	0x100000000000ull

FIXTURE(bench)
{
	int fd;
};

FIXTURE_SETUP(bench)
{
	self->fd = open(BENCH_DEV, O_RDWR);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(bench)
{
	close(self->fd);
}

static int try_ioctl(int fd, unsigned long req, void *arg)
{
	return ioctl(fd, req, arg) ? -errno : 0;
}

static struct mmun_bench_attach lists(int core, unsigned int n)
{
	return (struct mmun_bench_attach){
		.size = sizeof(struct mmun_bench_attach), .core = core, .n = n,
	};
}

static struct mmun_bench_attach intervals(int core, unsigned int n)
{
	struct mmun_bench_attach a = lists(core, n);

	a.kind = MMUN_BENCH_INTERVAL;
	a.start = ELSEWHERE;
	a.length = PAGE;
	a.stride = 2 * PAGE;
	return a;
}

static struct mmun_bench_time times[MMUN_BENCH_ROUNDS_MAX];

static struct mmun_bench_run good_run(int core, int op)
{
	struct mmun_bench_run r = {
		.size = sizeof(r), .core = core, .op = op, .rounds = 2,
		.count = 2, .buffer = (uintptr_t)times,
	};

	if (op == MMUN_BENCH_INSERT || op == MMUN_BENCH_REMOVE ||
	    op == MMUN_BENCH_READ) {
		r.start = ELSEWHERE + PAGE;
		r.length = PAGE;
	}
	return r;
}

static int try_attach(int fd, struct mmun_bench_attach a)
{
	return try_ioctl(fd, MMUN_BENCH_IOC_ATTACH, &a);
}

static int try_run(int fd, struct mmun_bench_run r)
{
	return try_ioctl(fd, MMUN_BENCH_IOC_RUN, &r);
}

static int detach_id(int fd, __u32 id)
{
	struct mmun_bench_detach d = { .size = sizeof(d), .id = id };

	return try_ioctl(fd, MMUN_BENCH_IOC_DETACH, &d);
}

/* -errno, or how many callbacks sleep */
static int asleep(int fd, __u32 id)
{
	struct mmun_bench_state s = { .size = sizeof(s), .id = id };
	int ret = try_ioctl(fd, MMUN_BENCH_IOC_STATE, &s);

	return ret ? ret : (int)s.asleep;
}

TEST(bench_device_mode_is_0600)
{
	struct stat st;

	ASSERT_EQ(0, stat(BENCH_DEV, &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(0600, st.st_mode & 07777);
	EXPECT_EQ(0, st.st_uid);
}

TEST(without_CAP_SYS_ADMIN_is_EPERM)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct caps[2];

	ASSERT_EQ(0, syscall(SYS_capget, &header, caps));
	caps[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective &= ~CAP_TO_MASK(CAP_SYS_ADMIN);
	ASSERT_EQ(0, syscall(SYS_capset, &header, caps));
	EXPECT_EQ(-1, open(BENCH_DEV, O_RDWR));
	EXPECT_EQ(EPERM, errno);
}

struct shape {
	unsigned long req;
	size_t size;
	size_t reserved;	/* offset of a field that must be zero; 0: none */
};

static const struct shape shapes[] = {
	{ MMUN_BENCH_IOC_ATTACH, sizeof(struct mmun_bench_attach),
	  offsetof(struct mmun_bench_attach, reserved) },
	{ MMUN_BENCH_IOC_ATTACH, sizeof(struct mmun_bench_attach),
	  offsetof(struct mmun_bench_attach, id) },
	{ MMUN_BENCH_IOC_ATTACH, sizeof(struct mmun_bench_attach),
	  offsetof(struct mmun_bench_attach, bytes) },
	{ MMUN_BENCH_IOC_DETACH, sizeof(struct mmun_bench_detach), 0 },
	{ MMUN_BENCH_IOC_STATE, sizeof(struct mmun_bench_state),
	  offsetof(struct mmun_bench_state, reserved) },
	{ MMUN_BENCH_IOC_RUN, sizeof(struct mmun_bench_run),
	  offsetof(struct mmun_bench_run, reserved) },
	{ MMUN_BENCH_IOC_FACTS, sizeof(struct mmun_bench_facts),
	  offsetof(struct mmun_bench_facts, reserved) },
};

/* A good argument, so that what is wrong is what was made wrong. */
static void shape_arg(struct __test_metadata *_metadata, int fd,
		      const struct shape *s, __u32 *buf)
{
	struct mmun_bench_attach a = lists(MMUN_BENCH_MMUN, 1);
	struct mmun_bench_run r = good_run(MMUN_BENCH_MMUN, MMUN_BENCH_GET);

	memset(buf, 0, 2 * PAGE);
	switch (s->req) {
	case MMUN_BENCH_IOC_ATTACH:
		memcpy(buf, &a, sizeof(a));
		break;
	case MMUN_BENCH_IOC_RUN:
		memcpy(buf, &r, sizeof(r));
		break;
	case MMUN_BENCH_IOC_DETACH:
	case MMUN_BENCH_IOC_STATE:
		ASSERT_EQ(0, try_ioctl(fd, MMUN_BENCH_IOC_ATTACH, &a));
		buf[1] = a.id;
		break;
	}
	buf[0] = s->size;
}

TEST_F(bench, sizes_and_reserved_fields)
{
	static __u32 buf[2 * PAGE / sizeof(__u32)];
	const struct shape *s;
	unsigned int i;

	for (i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		s = &shapes[i];
		shape_arg(_metadata, self->fd, s, buf);
		buf[0] = 0;
		EXPECT_EQ(-EINVAL, try_ioctl(self->fd, s->req, buf));
		buf[0] = s->size - 1;
		EXPECT_EQ(-EINVAL, try_ioctl(self->fd, s->req, buf));
		buf[0] = PAGE + 1;
		EXPECT_EQ(-E2BIG, try_ioctl(self->fd, s->req, buf));
		/* Longer, with something that is not known, and without. */
		buf[0] = s->size + 8;
		buf[s->size / 4 + 1] = 1;
		EXPECT_EQ(-E2BIG, try_ioctl(self->fd, s->req, buf));
		buf[s->size / 4 + 1] = 0;
		EXPECT_EQ(0, try_ioctl(self->fd, s->req, buf))
			TH_LOG("shape %u", i);

		EXPECT_EQ(-EFAULT, try_ioctl(self->fd, s->req, NULL));
		if (!s->reserved)
			continue;
		shape_arg(_metadata, self->fd, s, buf);
		buf[s->reserved / 4] = 1;
		EXPECT_EQ(-EINVAL, try_ioctl(self->fd, s->req, buf))
			TH_LOG("shape %u", i);
	}
	EXPECT_EQ(-ENOTTY, try_ioctl(self->fd, _IO(MMUN_BENCH_MAGIC, 99), buf));
	EXPECT_EQ(-ENOTTY, try_ioctl(self->fd, _IO(0, 0), buf));
}

TEST_F(bench, bad_attach_is_refused)
{
	struct mmun_bench_attach a;

#define EXPECT_ATTACH(err, good, change) do {				\
		a = good(MMUN_BENCH_MMUN, 1);				\
		change;							\
		EXPECT_EQ(err, try_attach(self->fd, a))			\
			TH_LOG(#change);				\
	} while (0)

	EXPECT_ATTACH(-EINVAL, lists, a.core = 2);
	EXPECT_ATTACH(-EINVAL, lists, a.kind = 2);
	EXPECT_ATTACH(-EINVAL, lists, a.n = 0);
	EXPECT_ATTACH(-EINVAL, lists, a.n = MMUN_BENCH_LISTS_MAX + 1);
	EXPECT_ATTACH(-EINVAL, lists, a.start = PAGE);
	EXPECT_ATTACH(-EINVAL, lists, a.length = PAGE);
	EXPECT_ATTACH(-EINVAL, lists, a.stride = PAGE);
	EXPECT_ATTACH(-EINVAL, lists,
		      a.start_delay_ms = MMUN_BENCH_DELAY_MAX_MS + 1);
	EXPECT_ATTACH(-EINVAL, lists,
		      a.release_delay_ms = MMUN_BENCH_DELAY_MAX_MS + 1);
	EXPECT_ATTACH(-EINVAL, lists, (a.start_delay_ms = 1, a.n = 2));
	EXPECT_ATTACH(-EINVAL, intervals, a.n = 0);
	EXPECT_ATTACH(-EINVAL, intervals, a.n = MMUN_BENCH_INTERVALS_MAX + 1);
	EXPECT_ATTACH(-EINVAL, intervals, a.length = 0);
	EXPECT_ATTACH(-EINVAL, intervals, a.release_delay_ms = 1);
	EXPECT_ATTACH(-EOVERFLOW, intervals, a.start = 0 - PAGE + 1);
	EXPECT_ATTACH(-EOVERFLOW, intervals, (a.n = 3, a.stride = 1ull << 63));
	EXPECT_ATTACH(-EOVERFLOW, intervals, (a.n = 2, a.stride = 0 - PAGE));
	EXPECT_ATTACH(0, intervals, a.start = 0 - PAGE);
	EXPECT_ATTACH(0, intervals, (a.n = 2, a.stride = 0));
	EXPECT_EQ(-ENOENT, detach_id(self->fd, 99));
	EXPECT_EQ(-ENOENT, asleep(self->fd, 99));
}

TEST_F(bench, bad_run_is_refused)
{
	struct mmun_bench_run r;

#define EXPECT_RUN(err, op, change) do {				\
		r = good_run(MMUN_BENCH_MMUN, MMUN_BENCH_##op);		\
		change;							\
		EXPECT_EQ(err, try_run(self->fd, r))			\
			TH_LOG(#op " " #change);			\
	} while (0)

	EXPECT_RUN(-EINVAL, GET, r.core = 2);
	EXPECT_RUN(-EINVAL, GET, r.op = MMUN_BENCH_SYNC + 1);
	EXPECT_RUN(-EINVAL, GET, r.rounds = 0);
	EXPECT_RUN(-EINVAL, GET, r.rounds = MMUN_BENCH_ROUNDS_MAX + 1);
	EXPECT_RUN(-EINVAL, GET, r.count = 0);
	EXPECT_RUN(-EINVAL, GET, r.count = MMUN_BENCH_BATCH_MAX + 1);
	EXPECT_RUN(-EINVAL, READ, r.count = MMUN_BENCH_COUNT_MAX + 1);
	EXPECT_RUN(-EINVAL, INSERT, r.count = MMUN_BENCH_BATCH_MAX + 1);
	EXPECT_RUN(-EINVAL, REGISTER, r.count = MMUN_BENCH_SLOW_MAX + 1);
	EXPECT_RUN(-EINVAL, GET, r.parties = MMUN_BENCH_PARTIES_MAX + 1);
	EXPECT_RUN(-EINVAL, GET_LOCKED, r.parties = 2);
	EXPECT_RUN(-EINVAL, PUT, r.parties = 2);
	EXPECT_RUN(-EINVAL, GET, r.start = PAGE);
	EXPECT_RUN(-EINVAL, GET, r.length = PAGE);
	EXPECT_RUN(-EINVAL, GET, r.stride = PAGE);
	EXPECT_RUN(-EINVAL, READ, r.stride = PAGE);
	EXPECT_RUN(-EINVAL, READ, r.length = 0);
	EXPECT_RUN(-EOVERFLOW, READ, r.start = 0 - PAGE + 1);
	EXPECT_RUN(-EOVERFLOW, INSERT, r.stride = 0 - PAGE);
	EXPECT_RUN(-EFAULT, GET, r.buffer = 0);
}

/* A copy-out that fails undoes what was attached. */
TEST_F(bench, attach_to_a_read_only_argument)
{
	struct mmun_bench_attach *a;

	a = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, a);
	*a = intervals(MMUN_BENCH_MMUN, 10);
	ASSERT_EQ(0, mprotect(a, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, try_ioctl(self->fd, MMUN_BENCH_IOC_ATTACH, a));
	EXPECT_EQ(-ENOENT, detach_id(self->fd, 1));
}

TEST_F(bench, attach_and_detach)
{
	struct mmun_bench_attach a;
	int core;

	for (core = MMUN_BENCH_KERNEL; core <= MMUN_BENCH_MMUN; core++) {
		a = lists(core, 2);
		ASSERT_EQ(0, try_ioctl(self->fd, MMUN_BENCH_IOC_ATTACH, &a));
		EXPECT_EQ(0, asleep(self->fd, a.id));
		EXPECT_EQ(0, detach_id(self->fd, a.id));
		EXPECT_EQ(-ENOENT, detach_id(self->fd, a.id));

		a = intervals(core, 1000);
		ASSERT_EQ(0, try_ioctl(self->fd, MMUN_BENCH_IOC_ATTACH, &a));
		EXPECT_EQ(0, detach_id(self->fd, a.id));
		EXPECT_EQ(-ENOENT, detach_id(self->fd, a.id));

		/* These are left to the close. */
		EXPECT_EQ(0, try_attach(self->fd, lists(core, 2)));
		EXPECT_EQ(0, try_attach(self->fd, intervals(core, 1000)));
	}
}

/* The last close of the file gives back what a process attached. */
TEST_F(bench, close_after_the_process_is_gone)
{
	int core, status;
	pid_t pid;

	for (core = MMUN_BENCH_KERNEL; core <= MMUN_BENCH_MMUN; core++) {
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid)
			_exit(try_attach(self->fd, lists(core, 2)) ||
			      try_attach(self->fd, intervals(core, 10)));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
	}
}

TEST_F(bench, a_callback_sleeps)
{
	struct mmun_bench_attach *a;
	int core, status;
	pid_t pid;

	a = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, a);
	for (core = MMUN_BENCH_KERNEL; core <= MMUN_BENCH_MMUN; core++) {
		*a = lists(core, 1);
		a->release_delay_ms = 200;
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid)
			_exit(try_ioctl(self->fd, MMUN_BENCH_IOC_ATTACH, a));
		EXPECT_TRUE(WAIT_FOR(asleep(self->fd, a->id) == 1, IN_TIME_MS));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
		EXPECT_EQ(0, asleep(self->fd, a->id));
	}
}

TEST_F(bench, every_operation)
{
	struct mmun_bench_run r;
	int core, op;

	for (core = MMUN_BENCH_KERNEL; core <= MMUN_BENCH_MMUN; core++)
		for (op = MMUN_BENCH_REGISTER; op <= MMUN_BENCH_SYNC; op++) {
			memset(times, 0, sizeof(times));
			r = good_run(core, op);
			/* With a subscriber beside it, and without. */
			EXPECT_EQ(0, try_run(self->fd, r))
				TH_LOG("operation %d on core %d", op, core);
			EXPECT_NE(0, times[0].begin_ns);
			EXPECT_LT(times[0].begin_ns, times[1].begin_ns);
			EXPECT_EQ(0, times[2].begin_ns);
		}
}

struct party {
	int fd;
	struct mmun_bench_run run;
};

static void *party_main(void *arg)
{
	struct party *p = arg;

	return (void *)(long)try_run(p->fd, p->run);
}

TEST_F(bench, two_begin_together)
{
	static struct mmun_bench_time mine[2], others[2];
	struct party other = { .fd = self->fd };
	struct mmun_bench_run r;
	pthread_t thread;
	void *ret;
	int core;

	for (core = MMUN_BENCH_KERNEL; core <= MMUN_BENCH_MMUN; core++) {
		r = good_run(core, MMUN_BENCH_GET);
		r.parties = 2;
		other.run = r;
		other.run.buffer = (uintptr_t)others;
		r.buffer = (uintptr_t)mine;
		ASSERT_EQ(0, pthread_create(&thread, NULL, party_main, &other));
		EXPECT_EQ(0, try_run(self->fd, r));
		ASSERT_EQ(0, pthread_join(thread, &ret));
		EXPECT_EQ(NULL, ret);
		/* Nobody begins the second round before all have done the first. */
		EXPECT_GE(mine[1].begin_ns, others[0].begin_ns + others[0].ns);
		EXPECT_GE(others[1].begin_ns, mine[0].begin_ns + mine[0].ns);
	}
}

TEST_F(bench, waiting_party_can_be_killed)
{
	struct mmun_bench_run r = good_run(MMUN_BENCH_MMUN, MMUN_BENCH_READ);
	__u64 begin = now_ns();
	int status;
	pid_t pid;

	r.parties = 2;
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(try_run(self->fd, r) != 0);
	sleep_ms(50);
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_LT(now_ns() - begin, IN_TIME_MS * 1000000ull);
	/* And is not counted any more. */
	r.parties = 0;
	EXPECT_EQ(0, try_run(self->fd, r));
}

TEST_F(bench, facts)
{
	struct mmun_bench_facts f = { .size = sizeof(f) };

	ASSERT_EQ(0, try_ioctl(self->fd, MMUN_BENCH_IOC_FACTS, &f));
	EXPECT_LT(0, f.list);
	EXPECT_LT(f.list, f.interval);
	f.core = 2;
	EXPECT_EQ(-EINVAL, try_ioctl(self->fd, MMUN_BENCH_IOC_FACTS, &f));
}

static bool last_line_is_a_verdict(const char *path)
{
	char line[256] = "";
	unsigned int met, targets;
	FILE *f = fopen(path, "r");

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		;
	fclose(f);
	return sscanf(line, "bench: %u of %u targets met", &met, &targets) == 2 &&
	       targets && met <= targets;
}

static bool has_row(const char *path, const char *id)
{
	char command[128];

	snprintf(command, sizeof(command), "grep -qF '\"id\":\"%s\"' %s", id, path);
	return !system(command);
}

static const char *const idle_rows[] = {
	"idle.mmap.nothing", "idle.mmap.idle", "idle.mmap.list", "idle.mmap.over",
	"idle.range.nothing", "idle.range.idle", "idle.range.list", "idle.range.over",
};

#define QUICK	"mmun-bench --quick"

TEST(program_measures)
{
	unsigned int i;

	EXPECT_EQ(0, system(QUICK " --only get,read,fork --json /tmp/b.json >/tmp/b.out 2>&1"));
	EXPECT_TRUE(last_line_is_a_verdict("/tmp/b.out"));
	/* The same from what it wrote, in the same order. */
	EXPECT_EQ(0, system(QUICK " --from /tmp/b.json >/tmp/b.again"));
	EXPECT_EQ(0, system("grep -v ' \\.\\.\\.$' /tmp/b.out | cmp - /tmp/b.again"));
	/* Of a bridge without a subscriber every row is there, also those made of others. */
	EXPECT_EQ(0, system(QUICK " --only idle --json /tmp/i.json >/tmp/i.out 2>&1"));
	EXPECT_TRUE(last_line_is_a_verdict("/tmp/i.out"));
	for (i = 0; i < sizeof(idle_rows) / sizeof(*idle_rows); i++)
		EXPECT_TRUE(has_row("/tmp/i.json", idle_rows[i]))
			TH_LOG("row %u", i);
	EXPECT_EQ(0, system("test $(grep -c '\"id\"' /tmp/i.json) = 8"));
	EXPECT_EQ(0, system("test $(grep -c '^  idle over 1 list ' /tmp/i.out) = 2"));
	EXPECT_EQ(0, system("test $(grep -c '^  idle over 1 list .*<= 1 ' /tmp/i.out) = 1"));
	EXPECT_EQ(1 << 8, system(QUICK " --line idle.range.over >/dev/null 2>&1"));
	EXPECT_EQ(2 << 8, system("mmun-bench --only nobody 2>/dev/null"));
	/* One line, and no other of its group. */
	EXPECT_EQ(0, system(QUICK " --line get.locked --json /tmp/b.json >/tmp/b.out 2>&1"));
	EXPECT_TRUE(last_line_is_a_verdict("/tmp/b.out"));
	EXPECT_EQ(0, system("grep -q '\"id\":\"get.locked\"' /tmp/b.json"));
	EXPECT_EQ(0, system("test $(grep -c '\"id\"' /tmp/b.json) = 1"));
	/* It is made of two others. */
	EXPECT_EQ(1 << 8, system(QUICK " --line register.flat >/dev/null 2>&1"));
	EXPECT_EQ(2 << 8, system("mmun-bench --line get 2>/dev/null"));
	EXPECT_EQ(2 << 8, system("mmun-bench --line 2>/dev/null"));
	EXPECT_EQ(2 << 8, system("mmun-bench --line get.locked --only get 2>/dev/null"));
	EXPECT_EQ(2 << 8, system("mmun-bench --line get.locked --from /tmp/b.json 2>/dev/null"));
	EXPECT_EQ(2 << 8, system("mmun-bench --rounds 0 2>/dev/null"));
	EXPECT_EQ(2 << 8, system("mmun-bench --from /nowhere 2>/dev/null"));
	EXPECT_EQ(2 << 8, system("mmun-bench --baseline /dev/null 2>/dev/null"));
	EXPECT_EQ(2 << 8, system("mmun-bench --loaded /dev/null 2>/dev/null"));
}

TEST_HARNESS_MAIN
