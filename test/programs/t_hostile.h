/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The means of the hostile ends: an unprivileged process that leads others to odd
 * ends, and the books that must balance after each of them.
 *
 * The observer is the test: it is root, subscribes, and reads the books. The
 * leader is a target that has given up its privileges. The victim is the
 * leader's child, and the mirrored one. Everything that is done to a victim
 * (to trace, kill, reap it) is done by the leader, so it takes no privilege.
 */
#ifndef MMUN_T_HOSTILE_H
#define MMUN_T_HOSTILE_H

#include "t_common.h"

#include <dirent.h>
#include <linux/userfaultfd.h>
#include <sys/resource.h>
#include <sys/uio.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define NOBODY		65534
#define MODULES_MAX	16
#define MODULE_NAME	64

/* ---- modules ---- */

static inline const char *modules_dir(void)
{
	return getenv("MMUN_MODULES") ?: "/modules";
}

static inline int module_load_with(const char *name, const char *parameters)
{
	char path[PATH_MAX];
	int fd, ret;

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	if (!access(path, F_OK))
		return 0;
	snprintf(path, sizeof(path), "%s/%s.ko", modules_dir(), name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, parameters, 0) ? -errno : 0;
	close(fd);
	return ret;
}

static inline int module_load(const char *name)
{
	return module_load_with(name, "");
}

static inline int module_unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

/* The modules of the run, in the order of loading. */
static inline int modules_read(char names[][MODULE_NAME])
{
	char path[PATH_MAX];
	FILE *f;
	int n = 0;

	snprintf(path, sizeof(path), "%s/order", modules_dir());
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (n < MODULES_MAX && fscanf(f, "%63s", names[n]) == 1)
		n++;
	fclose(f);
	return n;
}

static inline int modules_load(void)
{
	char names[MODULES_MAX][MODULE_NAME];
	int i, ret, n = modules_read(names);

	for (i = 0; i < n; i++) {
		ret = module_load(names[i]);
		if (ret)
			return ret;
	}
	return n ? 0 : -ENOENT;
}

/* All that use mmun; mmun_peer does not. */
static inline int modules_unload_users(void)
{
	char names[MODULES_MAX][MODULE_NAME];
	int ret, n = modules_read(names);

	while (n--) {
		if (!strcmp(names[n], "mmun") || !strcmp(names[n], "mmun_peer"))
			continue;
		ret = module_unload(names[n]);
		if (ret && ret != -ENOENT) {
			fprintf(stderr, "# %s does not unload: %s\n", names[n],
				strerror(-ret));
			return ret;
		}
	}
	return 0;
}

/* rmmod, in a process of its own: it may wait for ever. */
struct unloading {
	pid_t pid;
	__u64 begin;
};

static inline int unload_begin(struct unloading *u)
{
	int ret = modules_unload_users();

	if (ret)
		return ret;
	u->begin = now_ns();
	u->pid = fork();
	if (u->pid < 0)
		return -errno;
	if (!u->pid)
		_exit(-module_unload("mmun"));
	return 0;
}

/* How many milliseconds it took, or -ETIME: it is still there after ms more. */
static inline int unload_end(struct unloading *u, int ms)
{
	int status = wait_pid(u->pid, ms);

	if (status == -ETIME)
		return status;
	u->pid = 0;
	if (status)
		return status < 0 ? status : -WEXITSTATUS(status);
	return (now_ns() - u->begin) / 1000000;
}

/* ---- no worker of mmun's runs ---- */

#define TRACING		"/sys/kernel/tracing/"
#define WORK_EVENT	TRACING "events/workqueue/workqueue_execute_start/enable"

static inline int write_file(const char *path, const char *what)
{
	int ret = 0, fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (*what && write(fd, what, strlen(what)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/*
 * The guest's command line enables the event. If it does not, it is enabled once, for all
 * of the program: that changes the kernel's text, which an emulated processor does not
 * always survive.
 */
static pid_t tracing_by;
static bool tracing_was_on;

static bool is_enabled(const char *path)
{
	char c = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (read(fd, &c, 1) != 1)
		c = 0;
	close(fd);
	return c == '1';
}

static void __attribute__((constructor)) tracing_begin(void)
{
	tracing_was_on = is_enabled(WORK_EVENT);
	if (!tracing_was_on && write_file(WORK_EVENT, "1"))
		return;
	write_file(TRACING "tracing_on", "0");
	tracing_by = getpid();
}

static void __attribute__((destructor)) tracing_end(void)
{
	if (tracing_by != getpid())
		return;
	if (!tracing_was_on)
		write_file(WORK_EVENT, "0");
	write_file(TRACING "tracing_on", "1");
}

/* How many works of mmun's begin in so many milliseconds. */
static inline int works_begun(int ms)
{
	char line[512];
	int n = 0;
	FILE *f;

	if (!tracing_by)
		return -EOPNOTSUPP;
	write_file(TRACING "trace", "");
	write_file(TRACING "tracing_on", "1");
	sleep_ms(ms);
	write_file(TRACING "tracing_on", "0");
	f = fopen(TRACING "trace", "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f))
		n += line[0] != '#' && strstr(line, "[mmun]");
	fclose(f);
	write_file(TRACING "trace", "");
	return n;
}

/* ---- what the kernel holds ---- */

#define SLAB	"/sys/kernel/slab"

/* Give back what is free but kept: then what is counted is in use. */
static inline void slab_shrink(const char *cache)
{
	char path[300];

	snprintf(path, sizeof(path), SLAB "/%s/shrink", cache);
	write_file(path, "1");
}

static inline void slab_shrink_all(void)
{
	DIR *dir = opendir(SLAB);
	struct dirent *d;

	if (!dir)
		return;
	while ((d = readdir(dir)))
		if (d->d_type == DT_DIR && d->d_name[0] != '.')
			slab_shrink(d->d_name);
	closedir(dir);
}

/* A number from a file that has it after a word at the beginning of a line. */
static inline long number_after(const char *path, const char *word)
{
	size_t len = strlen(word);
	char line[512];
	long n = -1;
	FILE *f = fopen(path, "re");

	if (!f)
		return -1;
	while (n < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, word, len))
			n = strtol(line + len, NULL, 10);
	fclose(f);
	return n;
}

static inline long mm_structs(void)
{
	slab_shrink("mm_struct");
	return number_after("/proc/slabinfo", "mm_struct ");
}

static inline long slab_kb(void)
{
	slab_shrink_all();
	return number_after("/proc/meminfo", "SUnreclaim:");
}

struct books {
	long mms;
	long slab;
	int log;
	/* since the books were opened */
	int lines;		/* of mmun's in the log */
	int naming;		/* of them, those with the number below */
	pid_t pid;
};

static inline void books_open(struct books *b)
{
	*b = (struct books){};
	b->log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	lseek(b->log, 0, SEEK_END);
	b->mms = mm_structs();
	b->slab = slab_kb();
}

/* as a word of its own */
static inline bool has_number(const char *text, int number)
{
	const char *at = text;

	for (; *at; at++) {
		if (*at < '0' || *at > '9')
			continue;
		if (strtol(at, NULL, 10) == number)
			return true;
		at += strspn(at, "0123456789") - 1;
	}
	return false;
}

static inline void log_count_line(struct books *b, char *text)
{
	if (strncmp(text, "mmun: ", 6))
		return;
	text[strcspn(text, "\n")] = 0;
	b->naming += b->pid && has_number(text, b->pid);
	if (b->lines++ < 5)
		fprintf(stderr, "# log: %s\n", text);
}

static inline int log_lines(struct books *b)
{
	char rec[2048], *text;
	ssize_t got;

	for (;;) {
		got = read(b->log, rec, sizeof(rec) - 1);
		if (got < 0 && errno == EPIPE)
			continue;
		if (got <= 0)
			return b->lines;
		rec[got] = 0;
		text = strchr(rec, ';');
		if (text)
			log_count_line(b, text + 1);
	}
}

static inline void rcu_settle(void)
{
	/* MEMBARRIER_CMD_GLOBAL is a grace period */
	if (syscall(SYS_membarrier, 1, 0, 0))
		sleep_ms(100);
}

/*
 * Others may hold a mm_struct, too: a CPU that runs a kernel thread still has the mm of
 * the process before it, and a program of the guest's may have begun.
 */
static inline long mms_allowed(void)
{
	return sysconf(_SC_NPROCESSORS_CONF) + 2;
}

/* The kernel's own caches may have grown by so much. */
#define SLAB_ALLOWED_KB	512
#define SETTLE_MS	15000

static inline bool mms_balance(struct books *b)
{
	long now = -1;
	bool ok;

	rcu_settle();
	ok = WAIT_FOR((now = mm_structs()) <= b->mms + mms_allowed(),
		      SETTLE_MS);
	if (!ok || b->mms <= 0)
		fprintf(stderr, "# mm_structs: %ld before, %ld now\n", b->mms,
			now);
	return ok && b->mms > 0;
}

static inline bool slab_balances(struct books *b)
{
	long now = -1;
	bool ok;

	/* what kfree_rcu() frees may wait for five seconds */
	ok = WAIT_FOR((now = slab_kb()) <= b->slab + SLAB_ALLOWED_KB,
		      SETTLE_MS);
	fprintf(stderr, "# slab: %ld kB before, %ld kB now\n", b->slab, now);
	return ok && b->slab > 0;
}

/* ---- the victim: the mirrored process ---- */

#define V_PAGES		16UL
/* so many that to reap them takes a while */
#define V_MANY		2048UL
#define V_THREADS	48

enum victim_kind {
	V_IDLE,			/* only waits */
	V_LARGE,		/* the same, with V_MANY pages */
	V_UNMAP_ALL,		/* unmaps all of its address space */
	V_EXEC,			/* its second thread calls exec */
	V_CLONE_VM,		/* has a child in its address space */
	V_VFORK,		/* the same, by vfork() */
	V_FIRST_GONE,		/* its first thread exits */
	V_HOLE,			/* has memory of a file, in which others punch holes */
	V_EXIT_HOLE,		/* the same, and exits */
	V_UFFD,			/* its threads hang in userfaultfd */
	V_MANY_RANGES,		/* V_THREADS threads invalidate */
};

/*
 * In the memory of leader and victims alike, as all are forks of the test. go is
 * the pipe that the victim waits for; into report it writes where its memory is and the
 * number of its second thread, or its own, and then that of its child.
 */
struct victim {
	pid_t pid;
	pid_t second;
	pid_t reader;		/* see lead_read_remote(), or 0 */
	unsigned long area;
	int pidfd;
	int go;
	int report;
};

static struct victim victim;
static unsigned long victim_area;
static int victim_mem = -1;

static inline void victim_report(pid_t pid)
{
	if (write(victim.report, &pid, sizeof(pid)) != sizeof(pid))
		_exit(1);
}

static inline void victim_await_go(void)
{
	char c;

	if (read(victim.go, &c, 1) != 1)
		_exit(1);
}

static inline void __noreturn pause_for_ever(void)
{
	for (;;)
		pause();
}

static inline pid_t gettid_of(void)
{
	return syscall(SYS_gettid);
}

static inline int victim_thread(void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	int ret;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	ret = pthread_create(&thread, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	return ret;
}

/* Only the code is left when it returns, and then not even that. */
static inline void victim_unmap_all(void)
{
#ifdef __x86_64__
	unsigned long ret;

	asm volatile("syscall" : "=a"(ret)
		     : "a"(SYS_munmap), "D"(0UL), "S"(0x7ffffffff000UL)
		     : "rcx", "r11", "memory");
#endif
	/* something is sealed */
	_exit(3);
}

static inline void *victim_exec(void *unused)
{
	static char *const argv[] = { "mmun-target", NULL };
	static char *const envp[] = { "MMUN_TARGET_IMAGE=1", NULL };

	victim_report(gettid_of());
	victim_await_go();
	execve("/proc/self/exe", argv, envp);
	_exit(4);
}

static inline int victim_child(void *unused)
{
	victim_report(getpid());
	pause_for_ever();
}

static inline void victim_clone(int flags)
{
	static char stack[65536] __attribute__((aligned(16)));

	if (clone(victim_child, stack + sizeof(stack), flags | SIGCHLD, NULL) < 0)
		_exit(5);
}

static inline void *victim_second(void *unused)
{
	victim_report(gettid_of());
	pause_for_ever();
}

static inline void *victim_touch(void *unused)
{
	*(volatile char *)victim_area = 1;
	return NULL;
}

static inline void *victim_remove(void *unused)
{
	madvise((void *)(victim_area + PAGE), PAGE, MADV_DONTNEED);
	return NULL;
}

/* One thread waits in a fault, and one in the removal of a page. */
static inline void victim_uffd(void)
{
	struct uffdio_api api = {
		.api = UFFD_API, .features = UFFD_FEATURE_EVENT_REMOVE,
	};
	struct uffdio_register reg = {
		.range = { victim_area, V_PAGES * PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) ||
	    ioctl(fd, UFFDIO_REGISTER, &reg))
		_exit(6);
	if (victim_thread(victim_touch, NULL) ||
	    victim_thread(victim_remove, NULL))
		_exit(7);
	victim_report(fd);
}

/* The stacks of all threads are mapped before anybody is slow. */
static pthread_barrier_t victim_threads;

static inline void *victim_invalidate(void *arg)
{
	char *page = (char *)victim_area + (unsigned long)arg * PAGE;

	pthread_barrier_wait(&victim_threads);
	for (;;) {
		*page = 1;
		madvise(page, PAGE, MADV_DONTNEED);
		/* when nobody is slow any more, others need the processors */
		sleep_ms(20);
	}
	return NULL;
}

static inline void victim_threads_prepare(void)
{
	unsigned long i;

	pthread_barrier_init(&victim_threads, NULL, V_THREADS + 1);
	for (i = 0; i < V_THREADS; i++)
		if (victim_thread(victim_invalidate, (void *)i))
			_exit(8);
}

/* The state of the victim before it reports that it is ready. */
static inline void victim_prepare(enum victim_kind kind)
{
	unsigned long pages = kind == V_LARGE ? V_MANY : V_THREADS;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS, mem = -1;

	if (kind == V_HOLE || kind == V_EXIT_HOLE) {
		flags = MAP_SHARED;
		mem = victim_mem;
		pages = V_PAGES;
	}
	victim_area = (unsigned long)mmap(NULL, pages * PAGE,
					  PROT_READ | PROT_WRITE, flags, mem, 0);
	if (victim_area == (unsigned long)MAP_FAILED)
		_exit(2);
	madvise((void *)victim_area, pages * PAGE, MADV_NOHUGEPAGE);
	/* since 5.14; faster */
	if (kind != V_UFFD &&
	    madvise((void *)victim_area, pages * PAGE, MADV_POPULATE_WRITE))
		target_touch(victim_area, pages * PAGE, true);
	if (write(victim.report, &victim_area, sizeof(victim_area)) < 0)
		_exit(1);
}

/* The act of the victim, on the leader's order. */
static inline void victim_act(enum victim_kind kind)
{
	switch (kind) {
	case V_UNMAP_ALL:
		victim_unmap_all();
		break;
	case V_CLONE_VM:
		victim_clone(CLONE_VM);
		break;
	case V_VFORK:
		victim_clone(CLONE_VM | CLONE_VFORK);
		break;
	case V_FIRST_GONE:
		syscall(SYS_exit, 0);
		break;
	case V_EXIT_HOLE:
		_exit(0);
	case V_UFFD:
		victim_uffd();
		break;
	case V_MANY_RANGES:
		pthread_barrier_wait(&victim_threads);
		break;
	default:
		break;
	}
}

static inline void __noreturn victim_main(enum victim_kind kind)
{
	const struct rlimit none = {};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &none);
	victim_prepare(kind);
	if (kind == V_EXEC) {
		victim_thread(victim_exec, NULL);
		pause_for_ever();
	}
	if (kind == V_MANY_RANGES)
		victim_threads_prepare();
	if (kind == V_FIRST_GONE)
		victim_thread(victim_second, NULL);
	else
		victim_report(getpid());
	victim_await_go();
	victim_act(kind);
	pause_for_ever();
}

/* ---- what the leader does; by target_run() ---- */

/* Its own children stay, and grandchildren come to it. */
static inline long lead_drop(void)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) ||
	    syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY) ||
	    syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY) ||
	    prctl(PR_SET_DUMPABLE, 1))
		return -errno;
	victim_mem = memfd(V_PAGES);
	return victim_mem < 0 ? -errno : 0;
}

static inline int lead_read(void *what, size_t size)
{
	struct pollfd p = { .fd = victim.report, .events = POLLIN };

	return poll(&p, 1, 10000) == 1 &&
	       read(victim.report, what, size) == (ssize_t)size ? 0 : -ETIME;
}

static inline pid_t lead_read_pid(void)
{
	pid_t pid;

	return lead_read(&pid, sizeof(pid)) ? -ETIME : pid;
}

/* A victim of that kind, which has prepared itself. */
static inline long lead_spawn(unsigned long kind)
{
	int go[2], report[2];

	if (pipe(go) || pipe(report))
		return -errno;
	victim.pid = fork();
	if (!victim.pid) {
		victim.go = go[0];
		victim.report = report[1];
		victim_main(kind);
	}
	close(go[0]);
	close(report[1]);
	victim.go = go[1];
	victim.report = report[0];
	victim.pidfd = syscall(SYS_pidfd_open, victim.pid, 0);
	if (lead_read(&victim.area, sizeof(victim.area)))
		return -ETIME;
	victim.second = lead_read_pid();
	return victim.second < 0 ? victim.second : victim.pid;
}

static inline long lead_go(void)
{
	return write(victim.go, "", 1) == 1 ? 0 : -errno;
}

/* The victim's answer: a child in its own address space, or its userfaultfd. */
static inline long lead_go_and_wait(void)
{
	long ret = lead_go();

	return ret ? ret : lead_read_pid();
}

static inline long lead_seize(void)
{
	const long how = PTRACE_O_TRACEEXIT | PTRACE_O_TRACEEXEC;

	if (ptrace(PTRACE_SEIZE, victim.pid, 0, how))
		return -errno;
	if (victim.second != victim.pid &&
	    ptrace(PTRACE_SEIZE, victim.second, 0, how))
		return -errno;
	return 0;
}

/* Until the victim stops at that event; other stops it is let out of. */
static inline long lead_await_event(unsigned long event)
{
	int status;

	for (;;) {
		status = wait_pid(victim.pid, 10000);
		if (status < 0)
			return status;
		if (!WIFSTOPPED(status))
			return -ECHILD;
		if (status >> 8 == (int)(SIGTRAP | event << 8))
			return 0;
		ptrace(PTRACE_CONT, victim.pid, 0, 0);
	}
}

/* Killed, and held where it exits, its address space still there. */
static inline long lead_kill_and_hold(void)
{
	kill(victim.pid, SIGKILL);
	return lead_await_event(PTRACE_EVENT_EXIT);
}

/*
 * The same, when it has done to itself what the leader orders; -EOPNOTSUPP if it
 * could not, and went by itself.
 */
static inline long lead_go_and_hold(void)
{
	int status;

	lead_go();
	status = wait_pid(victim.pid, 10000);
	if (status < 0)
		return status;
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGSEGV)
		return -EOPNOTSUPP;
	return lead_kill_and_hold();
}

/* Only the first thread is let go: the second goes on with its exec. */
static inline long lead_continue(void)
{
	return ptrace(PTRACE_CONT, victim.pid, 0, 0) ? -errno : 0;
}

static inline long lead_kill(void)
{
	return kill(victim.pid, SIGKILL) ? -errno : 0;
}

static inline long lead_mrelease(void)
{
	return syscall(__NR_process_mrelease, victim.pidfd, 0) ? -errno : 0;
}

static inline void lead_forget(void)
{
	close(victim.go);
	close(victim.report);
	close(victim.pidfd);
	victim = (struct victim){};
}

/*
 * Kill it and wait, whatever it is held by; its threads are held as well, and are
 * waited for as it is.
 */
static inline long lead_bury(void)
{
	int status, until = now_ms() + 20000;
	pid_t pid;

	if (victim.pid <= 0)
		return 0;
	kill(victim.pid, SIGKILL);
	/* where it is held already no other stop comes that would report it */
	ptrace(PTRACE_CONT, victim.pid, 0, 0);
	ptrace(PTRACE_CONT, victim.second, 0, 0);
	for (;;) {
		pid = waitpid(-1, &status, WNOHANG | __WALL);
		if (pid > 0 && WIFSTOPPED(status))
			ptrace(PTRACE_CONT, pid, 0, 0);
		else if (pid > 0 && pid == victim.reader)
			victim.reader = 0;
		else if (pid == victim.pid || pid < 0)
			break;
		else if (!pid)
			step();
		if (now_ms() > until)
			return -ETIME;
	}
	if (victim.reader) {
		kill(victim.reader, SIGKILL);
		if (wait_pid(victim.reader, 10000) < 0)
			return -ECHILD;
	}
	lead_forget();
	return 0;
}

static inline long lead_kill_orphan(unsigned long pid)
{
	kill(pid, SIGKILL);
	return wait_pid(pid, 10000) < 0 ? -ECHILD : 0;
}

static inline void *lead_reap(void *unused)
{
	int i;

	/* until it is gone, or for so long that it must be */
	for (i = 0; i < 20000; i++)
		if (lead_mrelease() == -ESRCH)
			break;
	return NULL;
}

/* Killed, and reaped by so many tasks while it exits. */
static inline long lead_kill_and_reap(unsigned long reapers)
{
	pthread_t thread[8];
	unsigned long i;

	for (i = 0; i < reapers; i++)
		if (pthread_create(&thread[i], NULL, lead_reap, NULL))
			return -EAGAIN;
	kill(victim.pid, SIGKILL);
	for (i = 0; i < reapers; i++)
		pthread_join(thread[i], NULL);
	return lead_bury();
}

/*
 * Another process reads the memory of the victim, and waits in a fault there until
 * lead_bury() kills it; it has the address space until then. It also holds the
 * victim's userfaultfd, so that the victim's exit does not release that: up to 6.1 a
 * reader that comes to its fault during the release tries again for ever with the
 * mmap lock held, and the release waits for that lock ("mm/userfaultfd: fix release
 * hang over concurrent GUP" mends it in 6.15 and in 6.12's stable releases).
 */
static inline long lead_read_remote(unsigned long uffd)
{
	static char byte;
	struct iovec to = { &byte, 1 }, from = { (void *)victim.area, 1 };
	int fd = syscall(SYS_pidfd_getfd, victim.pidfd, (int)uffd, 0);

	if (fd < 0)
		return -errno;
	victim.reader = fork();
	if (!victim.reader) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		process_vm_readv(victim.pid, &to, 1, &from, 1, 0);
		_exit(0);
	}
	close(fd);
	return victim.reader < 0 ? -EAGAIN : 0;
}

/* Another process punches a hole into the memory that the victim has mapped. */
static inline long lead_punch(void)
{
	pid_t pid = fork();

	if (pid)
		return pid < 0 ? -errno : pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(fallocate(victim_mem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			0, V_PAGES * PAGE) ? 1 : 0);
}

#endif /* MMUN_T_HOSTILE_H */
