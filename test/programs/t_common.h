/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the test programs: a target process that obeys orders,
 * the two devices, the event log of a file, and waits that all have an end.
 *
 * The watched process is a child that gets orders, one system call at a time.
 * While it waits for an order it changes nothing in its address space, so that
 * counters can be compared. Fork the targets before a device is opened or not:
 * they close everything that they inherit.
 *
 * Calls that fail return -errno. Nothing here asserts: that is the test's.
 */
#ifndef MMUN_T_COMMON_H
#define MMUN_T_COMMON_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/mmun_peer.h>
#include <linux/mmun_test.h>

#ifndef __noreturn
#define __noreturn __attribute__((__noreturn__))
#endif

/* All of it is inline, since no program uses everything. */

#ifndef __NR_process_mrelease
#define __NR_process_mrelease 448
#endif
#ifndef __NR_close_range
#define __NR_close_range 436
#endif

#define TEST_DEV	"/dev/mmun_test"
#define PEER_DEV	"/dev/mmun_peer"

#define PAGE		4096UL
/* what one page table maps */
#define HPAGE		(2UL << 20)
/* "in time": far above what is needed, even in an emulated guest */
#define IN_TIME_MS	5000
/* for something that must not hang, on a debug kernel that has a tenth of a processor */
#define HANGS_MS	100000
/* promise 20: a sixth of the time that the slow callback takes */
#define UNDISTURBED_MS	5000

/* enum mmun_notifier_event */
enum {
	EV_UNMAP = 0,
	EV_CLEAR,
	EV_PROTECTION_VMA,
	EV_PROTECTION_PAGE,
	EV_SOFT_DIRTY,
	EV_RELEASE,
	EV_MIGRATE,
	EV_EXCLUSIVE,
	EV_ANY,
};

static inline __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static inline int now_ms(void)
{
	return now_ns() / 1000000;
}

/* one step of a bounded poll */
static inline void step(void)
{
	usleep(1000);
}

static inline void sleep_ms(int ms)
{
	usleep(ms * 1000);
}

/* Wait until cond is true or ms have passed; the value is cond's. */
#define WAIT_FOR(cond, ms) ({						\
	int __until = now_ms() + (ms);					\
	bool __ok;							\
	while (!(__ok = (cond)) && now_ms() < __until)			\
		step();							\
	__ok;								\
})

/* ---- the target process ---- */

enum target_op {
	OP_SYSCALL,		/* nr, up to six arguments */
	OP_CALL,		/* nr: a function of the program, the same */
	OP_WRITE,		/* a: address, b: bytes; write to each page */
	OP_READ,		/* the same, read */
	OP_FORK,		/* a: address, b: bytes for the child to unmap */
	OP_FORK_END,		/* end OP_FORK's child */
	OP_REPEAT,		/* nr, a-c; d: how often */
	OP_EXEC,
	OP_EXIT,
	OP_SEGV,
};

/* what OP_CALL calls, in the target */
typedef long (*target_fn)(unsigned long, unsigned long, unsigned long,
			  unsigned long);

struct target_msg {
	int op;
	long nr;
	unsigned long a[6];
};

/*
 * Where the areas of a target are: far from what it has by itself, each in 1 GiB of its
 * own. How many events an area takes, and of what, hangs on the borders of page tables
 * in it, so no area is where the kernel finds room.
 */
#define PLACE_FIRST	(128UL << 30)
#define PLACE_STEP	(1UL << 30)

struct target {
	pid_t pid;
	int sock;
	int pidfd;
	unsigned long place;	/* of its next area: at a border of 1 GiB */
};

/* the image that OP_EXEC starts: do nothing until killed */
static void __attribute__((constructor(101))) target_exec_image(void)
{
	if (!getenv("MMUN_TARGET_IMAGE"))
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* a lost test must not leave it behind for ever */
	alarm(60);
	for (;;)
		pause();
}

static inline void target_touch(unsigned long addr, unsigned long len,
				bool write)
{
	volatile char *p = (volatile char *)addr;
	unsigned long i;

	for (i = 0; i < len; i += PAGE) {
		if (write)
			p[i] = p[i] + 1;
		else
			(void)p[i];
	}
}

static inline void __noreturn
target_forked_child(const struct target_msg *m, int up, int down)
{
	char c = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (m->a[1]) {
		target_touch(m->a[0], m->a[1], true);
		munmap((void *)m->a[0], m->a[1]);
	}
	if (write(up, &c, 1) != 1 || read(down, &c, 1) < 0)
		_exit(1);
	_exit(0);
}

static inline void __noreturn target_main(int sock)
{
	/* static: an order must not make the stack grow */
	static struct target_msg m;
	static char *const argv[] = { "mmun-target", NULL };
	static char *const envp[] = { "MMUN_TARGET_IMAGE=1", NULL };
	static int up[2], down[2];
	static long ret;
	static pid_t child;
	static char c;

	for (;;) {
		if (read(sock, &m, sizeof(m)) != sizeof(m))
			_exit(0);
		ret = 0;
		switch (m.op) {
		case OP_SYSCALL:
			ret = syscall(m.nr, m.a[0], m.a[1], m.a[2], m.a[3],
				      m.a[4], m.a[5]);
			if (ret == -1)
				ret = -errno;
			break;
		case OP_CALL:
			/* the target is a fork: what is there is here */
			ret = ((target_fn)m.nr)(m.a[0], m.a[1], m.a[2], m.a[3]);
			break;
		case OP_REPEAT:
			while (m.a[3]-- && ret != -1)
				ret = syscall(m.nr, m.a[0], m.a[1], m.a[2]);
			if (ret == -1)
				ret = -errno;
			break;
		case OP_WRITE:
			target_touch(m.a[0], m.a[1], true);
			break;
		case OP_READ:
			target_touch(m.a[0], m.a[1], false);
			break;
		case OP_FORK:
			if (pipe(up) || pipe(down)) {
				ret = -errno;
				break;
			}
			child = fork();
			if (!child)
				target_forked_child(&m, up[1], down[0]);
			ret = child;
			if (child > 0 && read(up[0], &c, 1) != 1)
				ret = -EIO;
			break;
		case OP_FORK_END:
			close(down[1]);
			close(down[0]);
			close(up[0]);
			close(up[1]);
			kill(child, SIGKILL);
			ret = waitpid(child, NULL, 0) == child ? 0 : -errno;
			break;
		case OP_EXEC:
			execve("/proc/self/exe", argv, envp);
			ret = -errno;
			break;
		case OP_EXIT:
			_exit(0);
		case OP_SEGV:
			signal(SIGSEGV, SIG_DFL);
			raise(SIGSEGV);
			break;
		}
		if (write(sock, &ret, sizeof(ret)) != sizeof(ret))
			_exit(0);
	}
}

/* keep_fd, if not negative, is descriptor 4 in the target */
static inline int target_start(struct target *t, int keep_fd)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv))
		return -errno;
	t->pid = fork();
	if (t->pid < 0)
		return -errno;
	if (!t->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* out of the way first: 3 and 4 may be in use */
		sv[1] = fcntl(sv[1], F_DUPFD, 100);
		if (keep_fd >= 0)
			keep_fd = fcntl(keep_fd, F_DUPFD, 100);
		dup2(sv[1], 3);
		if (keep_fd >= 0)
			dup2(keep_fd, 4);
		syscall(__NR_close_range, keep_fd >= 0 ? 5 : 4, ~0U, 0);
		target_main(3);
	}
	close(sv[1]);
	t->place = PLACE_FIRST;
	t->sock = sv[0];
	t->pidfd = syscall(SYS_pidfd_open, t->pid, 0);
	return 0;
}

static inline int target_send(struct target *t, const struct target_msg *m)
{
	if (send(t->sock, m, sizeof(*m), MSG_NOSIGNAL) != sizeof(*m))
		return -EPIPE;
	return 0;
}

static inline bool target_answered(struct target *t, int ms)
{
	struct pollfd p = { .fd = t->sock, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static inline long target_reply(struct target *t, int ms)
{
	long ret;

	if (!target_answered(t, ms))
		return -ETIME;
	if (recv(t->sock, &ret, sizeof(ret), 0) != sizeof(ret))
		return -EPIPE;
	return ret;
}

static inline long target_call(struct target *t, const struct target_msg *m)
{
	int ret = target_send(t, m);

	return ret ? ret : target_reply(t, HANGS_MS);
}

#define target_op(t, ...) \
	target_call(t, &(struct target_msg){ __VA_ARGS__ })
#define target_syscall(t, ...) \
	target_call(t, &(struct target_msg)TARGET_SYSCALL(__VA_ARGS__))
#define target_run(t, fn, ...) \
	target_call(t, &(struct target_msg){				\
		.op = OP_CALL, .nr = (long)(target_fn)(fn),		\
		.a = { __VA_ARGS__ } })
#define target_begin(t, ...) \
	target_send(t, &(struct target_msg)TARGET_SYSCALL(__VA_ARGS__))
#define TARGET_SYSCALL(n, ...) \
	{ .op = OP_SYSCALL, .nr = (n), .a = { __VA_ARGS__ } }

static inline long target_map_at(struct target *t, unsigned long addr,
				 unsigned long pages, int flags, long fd)
{
	long ret = target_syscall(t, SYS_mmap, addr, pages * PAGE,
				  PROT_READ | PROT_WRITE,
				  flags | MAP_FIXED_NOREPLACE, fd, 0);

	return ret == (long)addr ? ret : 0;
}

/* A place for pages of which so many are before the first border of two tables. */
static inline unsigned long target_place(struct target *t, unsigned long before)
{
	unsigned long border = t->place + HPAGE;

	t->place += PLACE_STEP;
	return border - before * PAGE;
}

/* An area that is not larger than half of a page table is in one of them. */
static inline unsigned long target_place_for(struct target *t,
					     unsigned long pages)
{
	return target_place(t, pages <= 256 ? 384 : 128);
}

/* anonymous, private, every page present; 0 if it could not be had */
static inline unsigned long target_mmap(struct target *t, unsigned long pages)
{
	return target_map_at(t, target_place_for(t, pages), pages,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1);
}

static inline unsigned long target_mmap_fd(struct target *t, unsigned long pages)
{
	return target_map_at(t, target_place_for(t, pages), pages,
			     MAP_SHARED | MAP_POPULATE, 4);
}

/* anonymous, private, nothing present */
static inline unsigned long target_mmap_empty(struct target *t,
					      unsigned long pages)
{
	return target_map_at(t, target_place_for(t, pages), pages,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/*
 * The same with every page, but no huge ones: their events are of more than was asked.
 * So many of the pages are before the first border of two tables.
 */
static inline unsigned long target_mmap_border(struct target *t,
					       unsigned long before,
					       unsigned long pages)
{
	unsigned long addr = target_map_at(t, target_place(t, before), pages,
					   MAP_PRIVATE | MAP_ANONYMOUS, -1);

	if (!addr)
		return 0;
	/* EINVAL: a kernel that has no huge pages */
	target_syscall(t, SYS_madvise, addr, pages * PAGE, MADV_NOHUGEPAGE);
	return target_op(t, OP_WRITE, 0, { addr, pages * PAGE }) ? 0 : addr;
}

static inline unsigned long target_mmap_small(struct target *t,
					      unsigned long pages)
{
	return target_mmap_border(t, pages <= 256 ? 384 : 128, pages);
}

/* From and to its memory, by another way than the one under test. */
static inline int target_peek(struct target *t, unsigned long addr, void *buf,
			      size_t len)
{
	char path[32];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", t->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	got = pread(fd, buf, len, addr);
	got = got == (ssize_t)len ? 0 : got < 0 ? -errno : -EIO;
	close(fd);
	return got;
}

static inline int target_poke(struct target *t, unsigned long addr,
			      const void *buf, size_t len)
{
	char path[32];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", t->pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	got = pwrite(fd, buf, len, addr);
	got = got == (ssize_t)len ? 0 : got < 0 ? -errno : -EIO;
	close(fd);
	return got;
}

/* The number of the page that the process has there; 0: none. */
static inline __u64 target_pfn(struct target *t, unsigned long addr)
{
	char path[32];
	__u64 word = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", t->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (pread(fd, &word, 8, addr / PAGE * 8) != 8 || !(word >> 63))
		word = 0;
	close(fd);
	return word & ((1ULL << 55) - 1);
}

static inline long target_munmap(struct target *t, unsigned long addr,
				 unsigned long pages)
{
	return target_syscall(t, SYS_munmap, addr, pages * PAGE);
}

static inline int wait_pid(pid_t pid, int ms)
{
	int until = now_ms() + ms;
	int status = 0;
	pid_t got;

	for (;;) {
		got = waitpid(pid, &status, WNOHANG | __WALL);
		if (got == pid)
			return status;
		if (got < 0)
			return -errno;
		if (now_ms() >= until)
			return -ETIME;
		step();
	}
}

/* true once the process has exited and was waited for */
static inline bool target_ended(struct target *t, int ms)
{
	if (t->pid <= 0)
		return true;
	if (wait_pid(t->pid, ms) == -ETIME)
		return false;
	t->pid = 0;
	return true;
}

static inline bool target_stop(struct target *t)
{
	bool ok = true;

	if (t->pid > 0) {
		kill(t->pid, SIGKILL);
		ok = target_ended(t, 20000);
	}
	if (t->sock > 0)
		close(t->sock);
	if (t->pidfd > 0)
		close(t->pidfd);
	t->sock = -1;
	t->pidfd = -1;
	return ok;
}

/* milliseconds from the kill to the wait; -ETIME */
static inline int target_time_exit(struct target *t)
{
	__u64 begin = now_ns();

	kill(t->pid, SIGKILL);
	if (!target_ended(t, 20000))
		return -ETIME;
	return (now_ns() - begin) / 1000000;
}

/*
 * Kill the target and stop it where it exits, with its mm still alive: the one
 * place from which process_mrelease() can be used at leisure. Everything that
 * attaches by pid must be attached before.
 */
static inline int target_kill_alive(struct target *t)
{
	int status = -ETIME;

	if (ptrace(PTRACE_SEIZE, t->pid, 0, PTRACE_O_TRACEEXIT))
		return -errno;
	kill(t->pid, SIGKILL);
	status = wait_pid(t->pid, 10000);
	if (status < 0)
		return status;
	if (status >> 8 != (SIGTRAP | (PTRACE_EVENT_EXIT << 8)))
		return -ECHILD;
	return 0;
}

static inline int target_let_die(struct target *t)
{
	ptrace(PTRACE_CONT, t->pid, 0, 0);
	return target_ended(t, 20000) ? 0 : -ETIME;
}

static inline int target_mrelease(struct target *t)
{
	return syscall(__NR_process_mrelease, t->pidfd, 0) ? -errno : 0;
}

/* ---- a call that may hang, in a thread of its own ---- */

struct job {
	pthread_t thread;
	int fd;
	unsigned long req;
	void *arg;
	int ret;
};

static inline void *job_main(void *p)
{
	struct job *job = p;

	if (job->req)
		job->ret = ioctl(job->fd, job->req, job->arg) ? -errno : 0;
	else
		job->ret = close(job->fd) ? -errno : 0;
	return NULL;
}

/* req 0 is close() */
static inline int job_start(struct job *job, int fd, unsigned long req, void *arg)
{
	*job = (struct job){ .fd = fd, .req = req, .arg = arg };
	return -pthread_create(&job->thread, NULL, job_main, job);
}

static inline bool job_done(struct job *job, int ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += ms / 1000;
	ts.tv_nsec += ms % 1000 * 1000000L;
	if (ts.tv_nsec >= 1000000000L) {
		ts.tv_nsec -= 1000000000L;
		ts.tv_sec++;
	}
	return !pthread_timedjoin_np(job->thread, NULL, &ts);
}

static inline int bounded_ioctl(int fd, unsigned long req, void *arg)
{
	/* the thread may outlive this call if the kernel never returns */
	static struct job jobs[64];
	static unsigned int n;
	struct job *job = &jobs[n++ % 64];
	int ret = job_start(job, fd, req, arg);

	if (ret)
		return ret;
	return job_done(job, IN_TIME_MS) ? job->ret : -ETIME;
}

/* ---- /dev/mmun_test ---- */

static inline int dev_open(void)
{
	int fd = open(TEST_DEV, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static inline int attach_flags(int fd, __u32 kind, pid_t pid, __u64 start,
			       __u64 length, __u32 flags, __u32 *id)
{
	struct mmun_test_attach a = {
		.size = sizeof(a),
		.kind = kind,
		.pid = pid,
		.flags = flags,
		.start = start,
		.length = length,
	};
	int ret = ioctl(fd, MMUN_TEST_IOC_ATTACH, &a) ? -errno : 0;

	*id = a.id;
	return ret;
}

static inline int attach_list(int fd, pid_t pid, __u32 *id)
{
	return attach_flags(fd, MMUN_TEST_LIST, pid, 0, 0, 0, id);
}

static inline int attach_get(int fd, pid_t pid, __u32 *id)
{
	return attach_flags(fd, MMUN_TEST_GET, pid, 0, 0, 0, id);
}

static inline int attach_interval(int fd, pid_t pid, __u64 start, __u64 length,
				  __u32 *id)
{
	return attach_flags(fd, MMUN_TEST_INTERVAL, pid, start, length, 0, id);
}

static inline int detach_how(int fd, __u32 id, __u32 how)
{
	static struct mmun_test_detach d[64];
	static unsigned int n;
	unsigned int i = __atomic_fetch_add(&n, 1, __ATOMIC_RELAXED) % 64;

	d[i] = (struct mmun_test_detach){
		.size = sizeof(d[i]), .id = id, .how = how,
	};
	return bounded_ioctl(fd, MMUN_TEST_IOC_DETACH, &d[i]);
}

static inline int detach(int fd, __u32 id)
{
	return detach_how(fd, id, MMUN_TEST_UNREGISTER);
}

static inline int get_stats(int fd, __u32 id, struct mmun_test_stats *s)
{
	*s = (struct mmun_test_stats){ .size = sizeof(*s), .id = id };
	return ioctl(fd, MMUN_TEST_IOC_STATS, s) ? -errno : 0;
}

static inline int get_file_stats(int fd, struct mmun_test_file_stats *s)
{
	*s = (struct mmun_test_file_stats){ .size = sizeof(*s) };
	return ioctl(fd, MMUN_TEST_IOC_FILE, s) ? -errno : 0;
}

static inline int subscriptions(int fd)
{
	struct mmun_test_file_stats s;
	int ret = get_file_stats(fd, &s);

	return ret ? ret : (int)s.subscriptions;
}

static inline int set_knobs(int fd, __u32 id, __u32 flags, __u32 start_ms,
			    __u32 release_ms, __u32 free_us)
{
	struct mmun_test_knobs k = {
		.size = sizeof(k),
		.id = id,
		.flags = flags,
		.start_delay_ms = start_ms,
		.release_delay_ms = release_ms,
		.free_delay_us = free_us,
	};

	return ioctl(fd, MMUN_TEST_IOC_KNOBS, &k) ? -errno : 0;
}

static inline int dev_sync(int fd)
{
	return bounded_ioctl(fd, MMUN_TEST_IOC_SYNC, NULL);
}

/* 1: collided, 0: not */
static inline int read_section(int fd, __u32 id, __u32 pause_ms)
{
	static struct mmun_test_read r[64];
	static unsigned int n;
	struct mmun_test_read *p = &r[n++ % 64];
	int ret;

	*p = (struct mmun_test_read){
		.size = sizeof(*p), .id = id, .pause_ms = pause_ms,
	};
	ret = bounded_ioctl(fd, MMUN_TEST_IOC_READ, p);
	return ret ? ret : (int)p->collided;
}

/* ---- mirrors ---- */

static inline int attach_mirror(int fd, pid_t pid, __u64 start, __u64 pages,
				__u32 flags, __u32 *id)
{
	return attach_flags(fd, MMUN_TEST_MIRROR, pid, start, pages * PAGE,
			    flags, id);
}

/* entries made or found good */
static inline long dev_fault(int fd, __u32 id, __u32 flags, __u64 start,
			     __u64 pages)
{
	struct mmun_test_fault f = {
		.size = sizeof(f),
		.id = id,
		.flags = flags,
		.start = start,
		.length = pages * PAGE,
	};

	return ioctl(fd, MMUN_TEST_IOC_FAULT, &f) ? -errno : (long)f.entries;
}

/* bytes; less than asked for if an error came later, as with read() */
static inline long dev_copy(int fd, unsigned long req, __u32 id,
			    __u32 flags, __u64 start, void *buf, __u64 len)
{
	struct mmun_test_copy c = {
		.size = sizeof(c),
		.id = id,
		.flags = flags,
		.start = start,
		.length = len,
		.buffer = (uintptr_t)buf,
	};

	if (ioctl(fd, req, &c) && !c.copied)
		return -errno;
	return c.copied;
}

static inline long dev_mread(int fd, __u32 id, __u64 start, void *buf,
			     __u64 len)
{
	return dev_copy(fd, MMUN_TEST_IOC_MREAD, id, 0, start, buf, len);
}

static inline long dev_mwrite(int fd, __u32 id, __u64 start,
			      const void *buf, __u64 len)
{
	return dev_copy(fd, MMUN_TEST_IOC_MWRITE, id, 0, start,
			   (void *)buf, len);
}

/* how many entries are valid; words may be NULL */
static inline long dev_snapshot(int fd, __u32 id, __u64 start, __u64 pages,
				__u64 *words)
{
	__u64 *buf = words ?: calloc(pages, sizeof(*buf));
	struct mmun_test_snapshot s = {
		.size = sizeof(s),
		.id = id,
		.start = start,
		.length = pages * PAGE,
		.buffer = (uintptr_t)buf,
	};
	int ret = ioctl(fd, MMUN_TEST_IOC_SNAPSHOT, &s) ? -errno : 0;

	if (!words)
		free(buf);
	return ret ? ret : (long)s.present;
}

static inline __u64 dev_word(int fd, __u32 id, __u64 addr)
{
	__u64 word = 0;

	return dev_snapshot(fd, id, addr, 1, &word) < 0 ? ~0ULL : word;
}

/* how many entries are stale; prints the first */
static inline long dev_check(int fd, __u32 id, __u64 start, __u64 pages)
{
	struct mmun_test_difference d[4];
	struct mmun_test_check c = {
		.size = sizeof(c),
		.id = id,
		.room = 4,
		.start = start,
		.length = pages * PAGE,
		.buffer = (uintptr_t)d,
	};
	__u64 i;

	if (ioctl(fd, MMUN_TEST_IOC_CHECK, &c))
		return -errno;
	for (i = 0; i < c.differences && i < 4; i++)
		fprintf(stderr, "# id %u, %llx: mirror %llx, process %llx\n",
			id, (unsigned long long)d[i].address,
			(unsigned long long)d[i].mirror,
			(unsigned long long)d[i].process);
	return c.differences;
}

static inline long dev_age(int fd, __u32 id, __u64 start, __u64 pages)
{
	struct mmun_test_age a = {
		.size = sizeof(a),
		.id = id,
		.start = start,
		.length = pages * PAGE,
	};

	return ioctl(fd, MMUN_TEST_IOC_AGE, &a) ? -errno : (long)a.young;
}

static inline bool stats_paired(int fd, __u32 id)
{
	struct mmun_test_stats s;

	return !get_stats(fd, id, &s) && s.starts == s.ends;
}

/* promise 9, on a target that waits for orders */
static inline bool paired(int fd, __u32 id)
{
	struct mmun_test_stats s;
	bool ok = WAIT_FOR(stats_paired(fd, id), 2000);

	if (!ok && !get_stats(fd, id, &s))
		fprintf(stderr, "# id %u: %llu starts, %llu ends\n", id,
			(unsigned long long)s.starts,
			(unsigned long long)s.ends);
	return ok;
}

/* ---- the event log ---- */

#define LOG_MAX 65536

struct evlog {
	int fd;
	int n;
	struct mmun_test_event *e;
};

static inline int log_init(struct evlog *log, int fd)
{
	log->fd = fd;
	log->n = 0;
	log->e = calloc(LOG_MAX, sizeof(*log->e));
	return log->e ? 0 : -ENOMEM;
}

static inline void log_drain(struct evlog *log)
{
	ssize_t got;

	while (log->n < LOG_MAX) {
		got = read(log->fd, &log->e[log->n],
			   (LOG_MAX - log->n) * sizeof(*log->e));
		if (got <= 0)
			break;
		log->n += got / sizeof(*log->e);
	}
}

struct want {
	__u32 id;
	__u32 what;
	__u32 event;		/* EV_ANY */
	__u64 start;
	__u64 end;		/* 0: any range; otherwise a superset of it */
	bool overlap;		/* ... or whatever touches it */
};

static inline bool ev_is(const struct mmun_test_event *e, const struct want *w)
{
	if (e->id != w->id || e->what != w->what)
		return false;
	if (w->event != EV_ANY && e->event != w->event)
		return false;
	if (!w->end)
		return true;
	if (w->overlap)
		return e->start < w->end && e->end > w->start;
	return e->start <= w->start && e->end >= w->end;
}

static inline int log_count(struct evlog *log, const struct want *w)
{
	int i, n = 0;

	log_drain(log);
	for (i = 0; i < log->n; i++)
		n += ev_is(&log->e[i], w);
	return n;
}

static inline const struct mmun_test_event *log_find(struct evlog *log,
						     const struct want *w)
{
	int i;

	log_drain(log);
	for (i = 0; i < log->n; i++)
		if (ev_is(&log->e[i], w))
			return &log->e[i];
	return NULL;
}

static inline const struct mmun_test_event *log_wait(struct evlog *log,
						     const struct want *w, int ms)
{
	const struct mmun_test_event *e;

	WAIT_FOR((e = log_find(log, w)), ms);
	return e;
}

/*
 * A range of the OOM reaper or of process_mrelease(): an UNMAP, on newer kernels a
 * CLEAR.
 */
static inline const struct mmun_test_event *log_find_reaped(struct evlog *log,
							    struct want w)
{
	const struct mmun_test_event *e;

	w.event = EV_UNMAP;
	e = log_find(log, &w);
	w.event = EV_CLEAR;
	return e ?: log_find(log, &w);
}

/* how many events of one kind for one subscription */
static inline int count_what(struct evlog *log, __u32 id, __u32 what)
{
	return log_count(log, &(struct want){
		.id = id, .what = what, .event = EV_ANY,
	});
}

/* a start of that event over the range, and later the same range's end */
static inline bool log_has(struct evlog *log, __u32 id, __u32 event,
			   __u64 start, __u64 end)
{
	struct want w = {
		.id = id, .what = MMUN_TEST_EV_START, .event = event,
		.start = start, .end = end,
	};
	const struct mmun_test_event *s = log_wait(log, &w, 2000);
	__u64 seq;

	if (!s) {
		fprintf(stderr, "# no start of event %u over %llx-%llx\n",
			event, (unsigned long long)start,
			(unsigned long long)end);
		return false;
	}
	seq = s->seq;
	w.what = MMUN_TEST_EV_END;
	w.start = s->start;
	w.end = s->end;
	s = log_wait(log, &w, 2000);
	if (!s || s->seq < seq) {
		fprintf(stderr, "# no end of event %u over %llx-%llx\n",
			event, (unsigned long long)w.start,
			(unsigned long long)w.end);
		return false;
	}
	return true;
}

/* ---- /dev/mmun_peer ---- */

static inline int peer_open(void)
{
	int fd = open(PEER_DEV, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static inline int peer_attach(int fd, __u32 kind, pid_t pid, __u32 flags,
			      __u64 start, __u64 length, __u32 release_ms,
			      __u32 *id)
{
	struct mmun_peer_attach a = {
		.size = sizeof(a),
		.kind = kind,
		.pid = pid,
		.flags = flags,
		.start = start,
		.length = length,
		.release_delay_ms = release_ms,
	};
	int ret = ioctl(fd, MMUN_PEER_IOC_ATTACH, &a) ? -errno : 0;

	*id = a.id;
	return ret;
}

static inline int peer_list(int fd, pid_t pid, __u32 flags, __u32 release_ms,
			    __u32 *id)
{
	return peer_attach(fd, MMUN_PEER_LIST, pid, flags, 0, 0, release_ms,
			   id);
}

static inline int peer_interval(int fd, pid_t pid, __u32 flags, __u64 start,
				__u64 length, __u32 *id)
{
	return peer_attach(fd, MMUN_PEER_INTERVAL, pid, flags, start, length,
			   0, id);
}

static inline int peer_detach(int fd, __u32 id)
{
	struct mmun_peer_detach d = { .size = sizeof(d), .id = id };

	return ioctl(fd, MMUN_PEER_IOC_DETACH, &d) ? -errno : 0;
}

static inline int peer_wait_held(int fd, __u32 id)
{
	struct mmun_peer_hold h = {
		.size = sizeof(h), .id = id, .timeout_ms = 10000,
	};

	return ioctl(fd, MMUN_PEER_IOC_WAIT_HELD, &h) ? -errno : 0;
}

static inline int peer_release_hold(int fd, __u32 id)
{
	struct mmun_peer_hold h = { .size = sizeof(h), .id = id };

	return ioctl(fd, MMUN_PEER_IOC_RELEASE_HOLD, &h) ? -errno : 0;
}

static inline int peer_get_stats(int fd, __u32 id, struct mmun_peer_stats *s)
{
	*s = (struct mmun_peer_stats){ .size = sizeof(*s), .id = id };
	return ioctl(fd, MMUN_PEER_IOC_STATS, s) ? -errno : 0;
}

static inline int peer_held(int fd, __u32 id)
{
	struct mmun_peer_stats s;
	int ret = peer_get_stats(fd, id, &s);

	return ret ? ret : (int)s.held;
}

/* ---- storms ---- */

/* The source of a storm's choices; MMUN_SEED=N replays them. */
static inline __u64 choose_seed(void)
{
	const char *s = getenv("MMUN_SEED");
	__u64 seed = 0;

	if (s)
		seed = strtoull(s, NULL, 0);
	else if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
		seed = now_ns();
	return seed ? seed : 1;
}

/* The seed of one more thread. */
static inline __u64 next_seed(__u64 *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return *seed | 1;
}

/* xorshift: fast, and the same everywhere */
static inline __u64 draw(__u64 *random, __u64 below)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return (*random >> 11) % below;
}

/* How long a storm lasts; MMUN_STORM_MS=N chooses it. */
static inline int storm_ms(int otherwise)
{
	const char *s = getenv("MMUN_STORM_MS");

	return s ? atoi(s) : otherwise;
}

/* ---- odds and ends ---- */

static inline int memfd(unsigned long pages)
{
	int fd = syscall(SYS_memfd_create, "mmun-test", 0);

	if (fd >= 0 && ftruncate(fd, pages * PAGE)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

#endif /* MMUN_T_COMMON_H */
