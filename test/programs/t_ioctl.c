// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of /dev/mmun_test: every bad input has its errno and leaves
 * nothing behind; the event ring says what it lost.
 */
#include "t_common.h"
#include "kselftest_harness.h"

#include <linux/capability.h>

#define BAD_ID	0x7fffffffU

FIXTURE(ioctl)
{
	struct target t;
	struct evlog log;
	int fd;
};

FIXTURE_SETUP(ioctl)
{
	ASSERT_EQ(0, target_start(&self->t, -1));
	self->fd = dev_open();
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, log_init(&self->log, self->fd));
}

FIXTURE_TEARDOWN(ioctl)
{
	close(self->fd);
	EXPECT_TRUE(target_stop(&self->t));
}

static int try_ioctl(int fd, unsigned long req, void *arg)
{
	return ioctl(fd, req, arg) ? -errno : 0;
}

static struct mmun_test_attach good_attach(pid_t pid)
{
	return (struct mmun_test_attach){
		.size = sizeof(struct mmun_test_attach),
		.kind = MMUN_TEST_LIST,
		.pid = pid,
	};
}

static struct mmun_test_attach good_interval(pid_t pid)
{
	struct mmun_test_attach a = good_attach(pid);

	a.kind = MMUN_TEST_INTERVAL;
	a.start = 0x10000;
	a.length = PAGE;
	return a;
}

TEST(device_mode_is_0600)
{
	struct stat st;

	ASSERT_EQ(0, stat(TEST_DEV, &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(0600, st.st_mode & 07777);
	EXPECT_EQ(0, st.st_uid);
}

/* Each struct as one that a user can get wrong in the same ways. */
struct shape {
	unsigned long req;
	size_t size;
	size_t reserved;	/* offset of a reserved field */
	size_t id;		/* offset of the id, 0: none */
	size_t start;		/* of a mirror's span, 0: it is for all kinds */
};

#define SHAPE(ioc, type, field, idfield) \
	{ ioc, sizeof(struct type), offsetof(struct type, field), idfield }

#define MIRROR_SHAPE(ioc, type, field)					\
	{ MMUN_TEST_IOC_##ioc, sizeof(struct mmun_test_##type),		\
	  offsetof(struct mmun_test_##type, field),			\
	  offsetof(struct mmun_test_##type, id),			\
	  offsetof(struct mmun_test_##type, start) }

static const struct shape shapes[] = {
	SHAPE(MMUN_TEST_IOC_ATTACH, mmun_test_attach, reserved, 0),
	SHAPE(MMUN_TEST_IOC_DETACH, mmun_test_detach, reserved,
	      offsetof(struct mmun_test_detach, id)),
	SHAPE(MMUN_TEST_IOC_STATS, mmun_test_stats, reserved,
	      offsetof(struct mmun_test_stats, id)),
	SHAPE(MMUN_TEST_IOC_STATS, mmun_test_stats, reserved[1],
	      offsetof(struct mmun_test_stats, id)),
	SHAPE(MMUN_TEST_IOC_KNOBS, mmun_test_knobs, reserved,
	      offsetof(struct mmun_test_knobs, id)),
	SHAPE(MMUN_TEST_IOC_READ, mmun_test_read, reserved,
	      offsetof(struct mmun_test_read, id)),
	SHAPE(MMUN_TEST_IOC_FILE, mmun_test_file_stats, reserved, 0),
	SHAPE(MMUN_TEST_IOC_FILE, mmun_test_file_stats, reserved[1], 0),
	SHAPE(MMUN_TEST_IOC_KNOBS, mmun_test_knobs, reserved2,
	      offsetof(struct mmun_test_knobs, id)),
	SHAPE(MMUN_TEST_IOC_PREPARE, mmun_test_prepare, reserved, 0),
	MIRROR_SHAPE(FAULT, fault, reserved),
	MIRROR_SHAPE(MREAD, copy, reserved),
	MIRROR_SHAPE(MWRITE, copy, reserved),
	MIRROR_SHAPE(SNAPSHOT, snapshot, reserved),
	MIRROR_SHAPE(CHECK, check, reserved),
	MIRROR_SHAPE(AGE, age, reserved),
};

/*
 * A valid argument of each shape: an interval or a mirror that is attached to the
 * target, and of the mirror nothing, so that the one thing which is wrong is the
 * one that was made wrong.
 */
static void shape_arg(const struct shape *s, __u32 *buf, pid_t pid,
		      __u32 id)
{
	const __u64 start = 0x10000;

	memset(buf, 0, 2 * PAGE);
	if (s->req == MMUN_TEST_IOC_ATTACH) {
		struct mmun_test_attach a = good_attach(pid);

		memcpy(buf, &a, sizeof(a));
	}
	buf[0] = s->size;
	if (s->id)
		memcpy((char *)buf + s->id, &id, sizeof(id));
	if (s->start)
		memcpy((char *)buf + s->start, &start, sizeof(start));
}

/* DETACH eats its subscription: a new one for each try */
static __u32 fresh(struct __test_metadata *_metadata, const struct shape *s,
		   int fd, pid_t pid)
{
	__u32 id = 0;

	ASSERT_EQ(0, attach_flags(fd, s->start ? MMUN_TEST_MIRROR :
				  MMUN_TEST_INTERVAL, pid, 0x10000, PAGE, 0,
				  &id));
	return id;
}

static bool no_mirrors(int fd)
{
	__u32 id;

	if (attach_mirror(fd, 0, 0, 1, 0, &id) == -EOPNOTSUPP)
		return true;
	detach(fd, id);
	return false;
}

TEST_F(ioctl, sizes_and_reserved)
{
	static __u32 buf[2 * PAGE / sizeof(__u32)];
	bool skip = no_mirrors(self->fd);
	unsigned int i;
	__u32 id;
	int before;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		const struct shape *s = &shapes[i];

		if (s->start && skip)
			continue;
		id = fresh(_metadata, s, self->fd, self->t.pid);
		before = subscriptions(self->fd);

		shape_arg(s, buf, self->t.pid, id);
		buf[0] = s->size - 1;
		EXPECT_EQ(-EINVAL, try_ioctl(self->fd, s->req, buf))
			TH_LOG("shape %u", i);
		buf[0] = 0;
		EXPECT_EQ(-EINVAL, try_ioctl(self->fd, s->req, buf))
			TH_LOG("shape %u", i);
		buf[0] = 4;
		EXPECT_EQ(-EINVAL, try_ioctl(self->fd, s->req, buf))
			TH_LOG("shape %u", i);

		/* a tail that this kernel does not know */
		shape_arg(s, buf, self->t.pid, id);
		buf[0] = s->size + 8;
		((char *)buf)[s->size + 7] = 1;
		EXPECT_EQ(-E2BIG, try_ioctl(self->fd, s->req, buf))
			TH_LOG("shape %u", i);

		shape_arg(s, buf, self->t.pid, id);
		((char *)buf)[s->reserved] = 1;
		EXPECT_EQ(-EINVAL, try_ioctl(self->fd, s->req, buf))
			TH_LOG("shape %u", i);

		/* all of that did nothing */
		EXPECT_EQ(before, subscriptions(self->fd));

		/* larger, the tail zero: good */
		shape_arg(s, buf, self->t.pid, id);
		buf[0] = s->size + 8;
		EXPECT_EQ(0, try_ioctl(self->fd, s->req, buf))
			TH_LOG("shape %u", i);
	}
}

/* who was built with the first version of a struct is served as before */
TEST_F(ioctl, first_versions)
{
	struct {
		struct mmun_test_stats s;
		__u32 behind;
	} old;
	struct mmun_test_knobs k;
	const size_t stats_size = offsetof(struct mmun_test_stats, fills);
	const size_t knobs_size = offsetof(struct mmun_test_knobs,
					   fill_delay_ms);
	__u32 id;

	/* they are in the uapi for good */
	EXPECT_EQ(96, stats_size);
	EXPECT_EQ(32, knobs_size);

	ASSERT_EQ(0, attach_interval(self->fd, self->t.pid, 0x10000, PAGE,
				     &id));
	memset(&old, 0xee, sizeof(old));
	memset(&old, 0, stats_size);
	old.s.size = stats_size;
	old.s.id = id;
	ASSERT_EQ(0, try_ioctl(self->fd, MMUN_TEST_IOC_STATS, &old));
	EXPECT_EQ(0xeeeeeeeeeeeeeeeeULL, old.s.fills);
	EXPECT_EQ(0xeeeeeeeeU, old.behind);

	/* what is behind is not looked at */
	memset(&k, 0xee, sizeof(k));
	memset(&k, 0, knobs_size);
	k.size = knobs_size;
	k.id = id;
	EXPECT_EQ(0, try_ioctl(self->fd, MMUN_TEST_IOC_KNOBS, &k));

	/* no version has these */
	k.size = knobs_size + 4;
	EXPECT_EQ(-EINVAL, try_ioctl(self->fd, MMUN_TEST_IOC_KNOBS, &k));
	k.size = knobs_size - 4;
	EXPECT_EQ(-EINVAL, try_ioctl(self->fd, MMUN_TEST_IOC_KNOBS, &k));
	old.s.size = stats_size + 8;
	EXPECT_EQ(-EINVAL, try_ioctl(self->fd, MMUN_TEST_IOC_STATS, &old));
	old.s.size = stats_size - 8;
	EXPECT_EQ(-EINVAL, try_ioctl(self->fd, MMUN_TEST_IOC_STATS, &old));
}

TEST_F(ioctl, huge_size)
{
	static __u32 buf[2 * PAGE / sizeof(__u32)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		memset(buf, 0, sizeof(buf));
		buf[0] = UINT_MAX;
		EXPECT_NE(0, try_ioctl(self->fd, shapes[i].req, buf));
	}
	EXPECT_EQ(0, subscriptions(self->fd));
}

TEST_F(ioctl, unknown_id_is_ENOENT)
{
	static __u32 buf[2 * PAGE / sizeof(__u32)];
	bool skip = no_mirrors(self->fd);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		if (!shapes[i].id || (shapes[i].start && skip))
			continue;
		shape_arg(&shapes[i], buf, self->t.pid, BAD_ID);
		EXPECT_EQ(-ENOENT, try_ioctl(self->fd, shapes[i].req, buf))
			TH_LOG("shape %u", i);
	}
}

TEST_F(ioctl, id_of_another_file_is_ENOENT)
{
	struct mmun_test_stats s;
	__u32 id;
	int other = dev_open();

	ASSERT_GE(other, 0);
	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &id));
	EXPECT_EQ(-ENOENT, get_stats(other, id, &s));
	EXPECT_EQ(-ENOENT, detach(other, id));
	EXPECT_EQ(0, detach(self->fd, id));
	EXPECT_EQ(-ENOENT, detach(self->fd, id));
	close(other);
}

TEST_F(ioctl, bad_attach)
{
	struct mmun_test_attach a;

#define TRY(err) do {							\
	EXPECT_EQ(err, try_ioctl(self->fd, MMUN_TEST_IOC_ATTACH, &a));	\
	EXPECT_EQ(0, subscriptions(self->fd));				\
} while (0)

	a = good_attach(self->t.pid);
	a.kind = 4;
	TRY(-EINVAL);
	a = good_attach(self->t.pid);
	a.flags = 0x80000000U;
	TRY(-EINVAL);
	a = good_attach(self->t.pid);
	a.flags = 8;
	TRY(-EINVAL);
	/* for an interval only, and with one kind of lock */
	a = good_attach(self->t.pid);
	a.flags = MMUN_TEST_ATTACH_READ_LOCKED;
	TRY(-EINVAL);
	a = good_interval(self->t.pid);
	a.flags = MMUN_TEST_ATTACH_READ_LOCKED | MMUN_TEST_ATTACH_LOCKED;
	TRY(-EINVAL);
	a = good_interval(self->t.pid);
	a.kind = MMUN_TEST_MIRROR;
	a.flags = MMUN_TEST_ATTACH_READ_LOCKED;
	TRY(-EINVAL);
	a = good_attach(self->t.pid);
	a.start = PAGE;
	TRY(-EINVAL);
	a = good_attach(self->t.pid);
	a.length = PAGE;
	TRY(-EINVAL);
	a = good_attach(self->t.pid);
	a.kind = MMUN_TEST_GET;
	a.length = PAGE;
	TRY(-EINVAL);
	a = good_interval(self->t.pid);
	a.flags = MMUN_TEST_ATTACH_YOUNG;
	TRY(-EINVAL);
	a = good_interval(self->t.pid);
	a.flags = MMUN_TEST_ATTACH_TLB;
	TRY(-EINVAL);
#undef TRY
}

TEST_F(ioctl, bad_prepare)
{
	struct mmun_test_prepare p = { .size = sizeof(p), .pid = -1 };

	EXPECT_EQ(-EINVAL, try_ioctl(self->fd, MMUN_TEST_IOC_PREPARE, &p));
	p.pid = INT_MAX;
	EXPECT_EQ(-ESRCH, try_ioctl(self->fd, MMUN_TEST_IOC_PREPARE, &p));
	p.pid = self->t.pid;
	p.reserved = 1ULL << 63;
	EXPECT_EQ(-EINVAL, try_ioctl(self->fd, MMUN_TEST_IOC_PREPARE, &p));
	EXPECT_EQ(0, subscriptions(self->fd));
}

/* contract 16 */
TEST_F(ioctl, c16_empty_and_overflowing_ranges)
{
	struct mmun_test_attach a;
	unsigned int locked;

	for (locked = 0; locked < 2; locked++) {
		a = good_interval(self->t.pid);
		a.flags = locked ? MMUN_TEST_ATTACH_LOCKED : 0;
		a.length = 0;
		EXPECT_EQ(-EOVERFLOW,
			  try_ioctl(self->fd, MMUN_TEST_IOC_ATTACH, &a));
		a.start = 0;
		EXPECT_EQ(-EOVERFLOW,
			  try_ioctl(self->fd, MMUN_TEST_IOC_ATTACH, &a));
		a.start = ULONG_MAX;
		a.length = 2;
		EXPECT_EQ(-EOVERFLOW,
			  try_ioctl(self->fd, MMUN_TEST_IOC_ATTACH, &a));
		a.start = 2;
		a.length = ULONG_MAX;
		EXPECT_EQ(-EOVERFLOW,
			  try_ioctl(self->fd, MMUN_TEST_IOC_ATTACH, &a));
		EXPECT_EQ(0, subscriptions(self->fd));

		/* the last byte there is: good */
		a.start = ULONG_MAX;
		a.length = 1;
		EXPECT_EQ(0, try_ioctl(self->fd, MMUN_TEST_IOC_ATTACH, &a));
		EXPECT_EQ(0, detach(self->fd, a.id));
	}
}

TEST_F(ioctl, bad_knobs)
{
	__u32 id;

	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &id));
	EXPECT_EQ(-EINVAL, set_knobs(self->fd, id, 0x80000000U, 0, 0, 0));
	EXPECT_EQ(-EINVAL, set_knobs(self->fd, id, 0,
				     MMUN_TEST_DELAY_MAX_MS + 1, 0, 0));
	EXPECT_EQ(-EINVAL, set_knobs(self->fd, id, 0, 0,
				     MMUN_TEST_DELAY_MAX_MS + 1, 0));
	EXPECT_EQ(-EINVAL, set_knobs(self->fd, id, 0, 0, 0, 100001));
	/* none of them took: the detach is quick */
	EXPECT_EQ(0, detach(self->fd, id));
}

TEST_F(ioctl, bad_read_section)
{
	struct mmun_test_read r = { .size = sizeof(r) };
	__u32 list, interval;

	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &list));
	ASSERT_EQ(0, attach_interval(self->fd, self->t.pid, 0x10000, PAGE,
				     &interval));
	r.id = list;
	EXPECT_EQ(-EINVAL, try_ioctl(self->fd, MMUN_TEST_IOC_READ, &r));
	r.id = interval;
	r.flags = 0x80000000U;
	EXPECT_EQ(-EINVAL, try_ioctl(self->fd, MMUN_TEST_IOC_READ, &r));
	r.flags = 0;
	EXPECT_EQ(0, try_ioctl(self->fd, MMUN_TEST_IOC_READ, &r));
	EXPECT_EQ(1, r.begins);
	EXPECT_EQ(0, r.collided);
}

TEST_F(ioctl, how_must_fit_the_kind)
{
	__u32 id[3];
	unsigned int how;

	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &id[0]));
	ASSERT_EQ(0, attach_get(self->fd, self->t.pid, &id[1]));
	ASSERT_EQ(0, attach_interval(self->fd, self->t.pid, 0x10000, PAGE,
				     &id[2]));
	EXPECT_EQ(-EINVAL, detach_how(self->fd, id[0], MMUN_TEST_PUT));
	EXPECT_EQ(-EINVAL, detach_how(self->fd, id[1], MMUN_TEST_UNREGISTER));
	EXPECT_EQ(-EINVAL, detach_how(self->fd, id[1], MMUN_TEST_NO_RELEASE));
	EXPECT_EQ(-EINVAL, detach_how(self->fd, id[2], MMUN_TEST_NO_RELEASE));
	EXPECT_EQ(-EINVAL, detach_how(self->fd, id[2], MMUN_TEST_PUT));
	EXPECT_EQ(-EINVAL, detach_how(self->fd, id[1], MMUN_TEST_TWICE));
	for (how = 0; how < 3; how++) {
		EXPECT_EQ(-EINVAL, detach_how(self->fd, id[how], 3));
		EXPECT_EQ(-EINVAL, detach_how(self->fd, id[how],
					      MMUN_TEST_TWICE | MMUN_TEST_PUT));
	}
	EXPECT_EQ(3, subscriptions(self->fd));

	EXPECT_EQ(0, detach_how(self->fd, id[0], MMUN_TEST_UNREGISTER));
	EXPECT_EQ(0, detach_how(self->fd, id[1], MMUN_TEST_PUT));
	EXPECT_EQ(0, detach_how(self->fd, id[2], MMUN_TEST_UNREGISTER));
	EXPECT_EQ(0, subscriptions(self->fd));
}

TEST_F(ioctl, pids)
{
	pid_t pid = self->t.pid;
	__u32 id;
	int ret;

	ret = attach_list(self->fd, -1, &id);
	EXPECT_TRUE(ret == -EINVAL || ret == -ESRCH) TH_LOG("%d", ret);
	EXPECT_EQ(-ESRCH, attach_list(self->fd, INT_MAX, &id));
	/* kthreadd has no mm */
	EXPECT_EQ(-ESRCH, attach_list(self->fd, 2, &id));
	EXPECT_EQ(-ESRCH, attach_interval(self->fd, 2, 0, PAGE, &id));
	EXPECT_EQ(-ESRCH, attach_get(self->fd, 2, &id));

	/* a zombie, and one that is gone */
	kill(pid, SIGKILL);
	ASSERT_EQ(0, waitid(P_PID, pid, NULL, WEXITED | WNOWAIT));
	EXPECT_EQ(-ESRCH, attach_list(self->fd, pid, &id));
	ASSERT_TRUE(target_ended(&self->t, 5000));
	EXPECT_EQ(-ESRCH, attach_list(self->fd, pid, &id));
	EXPECT_EQ(0, subscriptions(self->fd));
}

/* an open file is not enough: the caller must be able to trace the process */
TEST_F(ioctl, other_users_process_without_ptrace_is_EPERM)
{
	struct __user_cap_header_struct hdr = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];
	__u32 id;

	ASSERT_EQ(0, target_syscall(&self->t, SYS_setresuid, 1000, 1000,
				    1000));
	/* with the capability it may */
	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &id));
	EXPECT_EQ(0, detach(self->fd, id));

	ASSERT_EQ(0, syscall(SYS_capget, &hdr, data));
	data[0].effective &= ~(1U << CAP_SYS_PTRACE);
	data[0].permitted &= ~(1U << CAP_SYS_PTRACE);
	ASSERT_EQ(0, syscall(SYS_capset, &hdr, data));
	EXPECT_EQ(-EPERM, attach_list(self->fd, self->t.pid, &id));
	EXPECT_EQ(-EPERM, attach_get(self->fd, self->t.pid, &id));
	EXPECT_EQ(-EPERM, attach_interval(self->fd, self->t.pid, 0, PAGE,
					  &id));
	EXPECT_EQ(0, subscriptions(self->fd));
	/* its own address space it may still mirror */
	EXPECT_EQ(0, attach_list(self->fd, 0, &id));
}

TEST_F(ioctl, bad_pointers)
{
	unsigned int i, kind;
	struct mmun_test_attach a;
	void *ro, *end;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		if (shapes[i].start && no_mirrors(self->fd))
			continue;
		EXPECT_EQ(-EFAULT, try_ioctl(self->fd, shapes[i].req, NULL));
		EXPECT_EQ(-EFAULT, try_ioctl(self->fd, shapes[i].req,
					     (void *)8));
	}

	/* can be read but not written: the attach must be undone */
	ro = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, ro);
	for (kind = 0; kind < 4; kind++) {
		if (kind == MMUN_TEST_MIRROR && no_mirrors(self->fd))
			continue;
		a = good_attach(self->t.pid);
		if (kind >= MMUN_TEST_INTERVAL)
			a = good_interval(self->t.pid);
		a.kind = kind;
		ASSERT_EQ(0, mprotect(ro, PAGE, PROT_READ | PROT_WRITE));
		memcpy(ro, &a, sizeof(a));
		ASSERT_EQ(0, mprotect(ro, PAGE, PROT_READ));
		EXPECT_EQ(-EFAULT, try_ioctl(self->fd, MMUN_TEST_IOC_ATTACH,
					     ro));
		EXPECT_EQ(0, subscriptions(self->fd));
	}

	/* the struct begins on a good page and ends on none */
	ASSERT_EQ(0, munmap((char *)ro + PAGE, PAGE));
	ASSERT_EQ(0, mprotect(ro, PAGE, PROT_READ | PROT_WRITE));
	end = (char *)ro + PAGE - 8;
	*(__u32 *)end = sizeof(struct mmun_test_attach);
	EXPECT_EQ(-EFAULT, try_ioctl(self->fd, MMUN_TEST_IOC_ATTACH, end));
	EXPECT_EQ(0, subscriptions(self->fd));
}

TEST_F(ioctl, unknown_commands)
{
	EXPECT_EQ(-ENOTTY, try_ioctl(self->fd, _IO(MMUN_TEST_MAGIC, 99),
				     NULL));
	EXPECT_EQ(-ENOTTY, try_ioctl(self->fd, _IO('x', 0), NULL));
	EXPECT_EQ(-EINVAL, try_ioctl(self->fd, MMUN_TEST_IOC_SYNC, (void *)1));
	EXPECT_EQ(0, dev_sync(self->fd));
}

TEST_F(ioctl, read_and_poll)
{
	struct pollfd p = { .fd = self->fd, .events = POLLIN };
	struct mmun_test_event e[2];
	unsigned long addr;
	__u32 id;

	ASSERT_NE(0, (addr = target_mmap(&self->t, 2)));
	EXPECT_EQ(-1, read(self->fd, e, sizeof(e[0])));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, poll(&p, 1, 0));
	EXPECT_EQ(-1, read(self->fd, e, sizeof(e[0]) - 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, read(self->fd, e, 0));
	EXPECT_EQ(EINVAL, errno);

	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &id));
	ASSERT_EQ(0, target_munmap(&self->t, addr, 2));
	EXPECT_EQ(1, poll(&p, 1, 2000));
	EXPECT_TRUE(p.revents & POLLIN);
	ASSERT_TRUE(paired(self->fd, id));

	/* a reader's bad buffer costs no event */
	EXPECT_EQ(-1, syscall(SYS_read, self->fd, 8, sizeof(e)));
	EXPECT_EQ(EFAULT, errno);
	/* whole records only */
	ASSERT_EQ((ssize_t)sizeof(e[0]),
		  read(self->fd, e, sizeof(e[0]) + sizeof(e[0]) / 2));
	EXPECT_EQ(0, e[0].seq);
	EXPECT_EQ(id, e[0].id);
	EXPECT_EQ(self->t.pid, e[0].tgid);
	EXPECT_NE(0, e[0].time_ns);
	log_drain(&self->log);
	EXPECT_EQ(0, poll(&p, 1, 0));
}

TEST_F(ioctl, blocking_read_is_woken)
{
	int fd = open(TEST_DEV, O_RDWR);
	struct mmun_test_event e;
	unsigned long addr;
	__u32 id;

	ASSERT_GE(fd, 0);
	ASSERT_NE(0, (addr = target_mmap(&self->t, 2)));
	ASSERT_EQ(0, attach_list(fd, self->t.pid, &id));
	/* whether the reader sleeps first or not, it must come back */
	ASSERT_EQ(0, target_begin(&self->t, SYS_munmap, addr, 2 * PAGE));
	EXPECT_EQ((ssize_t)sizeof(e), read(fd, &e, sizeof(e)));
	EXPECT_EQ(0, target_reply(&self->t, 5000));
	close(fd);
}

TEST_F_TIMEOUT(ioctl, full_ring_drops_and_counts, 90)
{
	struct mmun_test_file_stats s, after;
	unsigned long addr, i;
	__u64 seq = 0;
	int k;
	__u32 id;

	ASSERT_NE(0, (addr = target_mmap(&self->t, 1)));
	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &id));
	memset(&s, 0, sizeof(s));
	for (i = 0; i < 200 && !s.dropped; i++) {
		ASSERT_EQ(0, target_op(&self->t, OP_REPEAT, SYS_madvise,
				       { addr, PAGE, MADV_DONTNEED, 1000 }));
		ASSERT_EQ(0, get_file_stats(self->fd, &s));
	}
	ASSERT_NE(0, s.dropped);
	/* counters do not depend on the ring */
	ASSERT_TRUE(paired(self->fd, id));
	ASSERT_EQ(0, get_file_stats(self->fd, &s));

	log_drain(&self->log);
	EXPECT_EQ(s.events, (__u64)self->log.n);
	/* the newest were dropped: what is there has no hole */
	for (k = 0; k < self->log.n; k++, seq++)
		ASSERT_EQ(seq, self->log.e[k].seq);

	/* and the number of the next one shows the gap */
	self->log.n = 0;
	ASSERT_EQ(0, target_syscall(&self->t, SYS_madvise, addr, PAGE,
				    MADV_DONTNEED));
	ASSERT_TRUE(paired(self->fd, id));
	log_drain(&self->log);
	ASSERT_GE(self->log.n, 2);
	EXPECT_EQ(s.events + s.dropped, self->log.e[0].seq);
	ASSERT_EQ(0, get_file_stats(self->fd, &after));
	EXPECT_EQ(s.dropped, after.dropped);
}

TEST_HARNESS_MAIN
