/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A target with an area of memory, a mirror of that area, and the means of the
 * kernel that a source of events needs: settings that are put back in the end, swap
 * on zram, a memory cgroup.
 *
 * Functions return 0, -errno, or EV_SKIP if the kernel lacks the means.
 */
#ifndef MMUN_T_AREA_H
#define MMUN_T_AREA_H

#include "t_common.h"

#include <sys/utsname.h>

/* the target's area: three huge pages, which the mirror covers */
#define AREA		(3 * HPAGE)
#define PAGES		8UL
/* the bound of every wait for a source that works in its own time */
#define DEADLINE_MS	20000
#define SAVED		24

#define EV_SKIP		1

struct event_case;

struct saved {
	char path[128];
	char value[64];
};

struct ev {
	const struct event_case *c;
	struct target t;
	struct evlog log;
	int fd;			/* /dev/mmun_test */
	int mem;		/* a memfd, the target's descriptor 4 */
	__u32 list;
	__u32 mirror;
	unsigned long area;	/* of the target */
	unsigned long from;	/* what the event must cover */
	unsigned long to;
	unsigned char seed;	/* of the contents now */
	bool same;		/* all pages have the same contents */
	char reason[128];	/* why it was skipped */

	/* to be undone */
	struct saved saved[SAVED];
	int saves;
	char cgroup[64];
	char uprobe[32];
	int zram;		/* number + 1 */
	bool swap;
};

static inline int ev_skip(struct ev *e, const char *reason)
{
	snprintf(e->reason, sizeof(e->reason), "%s", reason);
	return EV_SKIP;
}

/* a step that failed, and where */
#define EV_TRY(call) do {						\
	long __ret = (call);						\
	if (__ret) {							\
		if (__ret != EV_SKIP)					\
			fprintf(stderr, "# %s:%d: %s: %ld\n", __FILE__,	\
				__LINE__, #call, __ret);		\
		return __ret;						\
	}								\
} while (0)

/* ---- files, and what must be put back ---- */

static inline int put_string(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/*
 * New pages wait in a batch of their processor's before they are on the LRU, where
 * reclaim, compaction and page_idle look for them. move_pages() brings all there
 * that wait, of every processor, also when it has nothing to move.
 */
static inline int drain_lru(void)
{
	void *page = &page;
	int node = 0, status;

	if (syscall(SYS_move_pages, 0, 1UL, &page, &node, &status,
		    2 /* MPOL_MF_MOVE */) >= 0)
		return 0;
	/* The batches are empty by then; the page may stay where it is. */
	return errno == EAGAIN ? 0 : -errno;
}

/* at most size - 1 bytes; the number of bytes */
static inline int get_string(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	ssize_t got;

	if (fd < 0)
		return -errno;
	while (n < size - 1 && (got = read(fd, buf + n, size - 1 - n)) > 0)
		n += got;
	close(fd);
	buf[n] = 0;
	return n;
}

static inline bool there(const char *path)
{
	return !access(path, F_OK);
}

/* write a setting, and put the old one back in the end */
static inline int ev_set(struct ev *e, const char *path, const char *value)
{
	struct saved *s = &e->saved[e->saves];
	char *choice;
	int ret = get_string(path, s->value, sizeof(s->value));

	if (ret < 0)
		return ret;
	s->value[strcspn(s->value, "\n")] = 0;
	/* one choice of several: always [madvise] never */
	choice = strchr(s->value, '[');
	if (choice) {
		choice[strcspn(choice, "]")] = 0;
		memmove(s->value, choice + 1, strlen(choice));
	}
	snprintf(s->path, sizeof(s->path), "%s", path);
	if (++e->saves == SAVED)
		return -ENOSPC;
	return put_string(path, value);
}

/* Since 5.13 they are in debugfs, before that beside the switch. */
#define NUMA_DEBUG "/sys/kernel/debug/sched/numa_balancing/"
#define NUMA_PROC "/proc/sys/kernel/numa_balancing_"

static inline bool numa_settings(void)
{
	return there(NUMA_DEBUG "scan_delay_ms") ||
	       there(NUMA_PROC "scan_delay_ms");
}

static inline int ev_set_numa(struct ev *e, const char *name, const char *value)
{
	char path[96];

	snprintf(path, sizeof(path), "%s%s",
		 there(NUMA_DEBUG) ? NUMA_DEBUG : NUMA_PROC, name);
	return ev_set(e, path, value);
}

static inline int ev_nodes(void)
{
	char buf[32];

	/* all of ours are there from the beginning: 0-1 */
	if (get_string("/sys/devices/system/node/has_normal_memory", buf,
		       sizeof(buf)) < 0)
		return 1;
	return strpbrk(buf, "-,") ? 2 : 1;
}

static inline bool kernel_before(int major, int minor)
{
	struct utsname u;
	int a, b;

	if (uname(&u) || sscanf(u.release, "%d.%d", &a, &b) != 2)
		return false;
	return a < major || (a == major && b < minor);
}

/* ---- needs ---- */

static inline const char *need_thp(struct ev *e)
{
	return there("/sys/kernel/mm/transparent_hugepage/enabled") ?
		NULL : "no transparent huge pages in this kernel";
}

static inline const char *need_zram(struct ev *e)
{
	return there("/sys/class/zram-control/hot_add") ?
		NULL : "no zram: neither built in nor a module at hand";
}

static inline const char *need_nodes(struct ev *e)
{
	return ev_nodes() > 1 ? NULL : "one NUMA node only";
}

static inline const char *need_hugetlb(struct ev *e)
{
	return there("/proc/sys/vm/nr_hugepages") ?
		NULL : "no hugetlb pages in this kernel";
}

static inline const char *need_userfaultfd(struct ev *e)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		return "no userfaultfd in this kernel";
	close(fd);
	return NULL;
}

static inline const char *need_memcg(struct ev *e)
{
	char buf[256];

	return get_string("/sys/fs/cgroup/cgroup.controllers", buf,
			  sizeof(buf)) > 0 && strstr(buf, "memory") ?
		NULL : "no memory cgroups (version 2) in this kernel";
}

static inline const char *need_swap(struct ev *e)
{
	if (!there("/proc/swaps"))
		return "no swap in this kernel";
	return need_zram(e);
}

static inline const char *need_reclaim(struct ev *e)
{
	return need_memcg(e) ?: need_swap(e);
}

/* ---- a zram device, swap on it, a memory cgroup ---- */

#define ZRAM_BYTES (64UL << 20)

static inline int zram_device(struct ev *e, char *path, size_t size)
{
	char buf[128];
	int n;

	n = get_string("/sys/class/zram-control/hot_add", buf, sizeof(buf));
	if (n < 0)
		return n;
	n = atoi(buf);
	e->zram = n + 1;
	snprintf(buf, sizeof(buf), "/sys/block/zram%d/disksize", n);
	EV_TRY(put_string(buf, "64M"));
	snprintf(path, size, "/dev/zram%d", n);
	return WAIT_FOR(there(path), 5000) ? 0 : -ENODEV;
}

/* what mkswap writes */
static inline int ev_swapon(struct ev *e)
{
	static char head[PAGE];
	char path[64];
	__u32 *words = (__u32 *)(head + 1024);
	int fd;

	EV_TRY(zram_device(e, path, sizeof(path)));
	words[0] = 1;				/* version */
	words[1] = ZRAM_BYTES / PAGE - 1;	/* the last page */
	memcpy(head + PAGE - 10, "SWAPSPACE2", 10);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, head, PAGE) != PAGE || fsync(fd)) {
		close(fd);
		return -EIO;
	}
	close(fd);
	if (syscall(SYS_swapon, path, 0))
		return -errno;
	e->swap = true;
	return 0;
}

/* a page of process pid is in the swap, and nowhere in its page table */
static inline bool is_swapped(pid_t pid, unsigned long addr)
{
	char path[64];
	__u64 word = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (pread(fd, &word, 8, addr / PAGE * 8) != 8)
		word = 0;
	close(fd);
	return word >> 62 & 1;
}

static inline void zram_undo(struct ev *e)
{
	char path[64], nr[16];

	if (!e->zram)
		return;
	snprintf(nr, sizeof(nr), "%d", e->zram - 1);
	snprintf(path, sizeof(path), "/dev/zram%s", nr);
	if (e->swap && syscall(SYS_swapoff, path))
		fprintf(stderr, "# swapoff %s: %d\n", path, errno);
	/* udev is not here, but a late writeback may hold it */
	if (!WAIT_FOR(!put_string("/sys/class/zram-control/hot_remove", nr),
		      10000))
		fprintf(stderr, "# zram%s stays\n", nr);
}

/* the target moves into a cgroup of its own, with the memory controller */
static inline int ev_cgroup(struct ev *e)
{
	char path[128], pid[16];

	put_string("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	snprintf(e->cgroup, sizeof(e->cgroup), "/sys/fs/cgroup/mmun-%d",
		 getpid());
	if (mkdir(e->cgroup, 0755)) {
		e->cgroup[0] = 0;
		return -errno;
	}
	snprintf(path, sizeof(path), "%s/cgroup.procs", e->cgroup);
	snprintf(pid, sizeof(pid), "%d", e->t.pid);
	return put_string(path, pid);
}

static inline int cgroup_put(struct ev *e, const char *file, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", e->cgroup, file);
	return put_string(path, value);
}

/*
 * Reclaim what the target's group has. EAGAIN: less was reclaimed than was asked for.
 * Before 5.19, what is above the limit is reclaimed by who sets it, who takes pages
 * out of the batches of his own processor only.
 */
static inline int cgroup_reclaim(struct ev *e)
{
	int ret = cgroup_put(e, "memory.reclaim", "1M");

	if (ret == -ENOENT || ret == -EACCES || ret == -EPERM) {
		EV_TRY(drain_lru());
		ret = cgroup_put(e, "memory.high", "0");
		if (!ret)
			ret = cgroup_put(e, "memory.high", "max");
	}
	return ret == -EAGAIN ? 0 : ret;
}

static inline void ev_undo(struct ev *e)
{
	char path[128];

	if (e->uprobe[0]) {
		snprintf(path, sizeof(path),
			 "/sys/kernel/tracing/events/mmun/%s/enable",
			 e->uprobe);
		put_string(path, "0");
		snprintf(path, sizeof(path), "-:mmun/%s", e->uprobe);
		put_string("/sys/kernel/tracing/uprobe_events", path);
	}
	if (e->cgroup[0] && !WAIT_FOR(!rmdir(e->cgroup), 10000))
		fprintf(stderr, "# %s stays\n", e->cgroup);
	zram_undo(e);
	while (e->saves--)
		if (put_string(e->saved[e->saves].path,
			       e->saved[e->saves].value))
			fprintf(stderr, "# %s is not as it was\n",
				e->saved[e->saves].path);
}

/* ---- the target's memory ---- */

/* executed by the target: each page filled with a byte of its own */
static inline long target_fill(unsigned long addr, unsigned long len,
			       unsigned long seed, unsigned long same)
{
	unsigned long i;

	for (i = 0; i < len / PAGE; i++)
		memset((void *)(addr + i * PAGE),
		       (unsigned char)(same ? seed : seed + 7 * i), PAGE);
	return 0;
}

static inline int ev_fill(struct ev *e, unsigned char seed)
{
	e->seed = seed;
	return target_run(&e->t, target_fill, e->from, e->to - e->from, seed,
			  e->same);
}

/* an area where nothing is, at a huge page's boundary */
static inline int ev_area(struct ev *e)
{
	long ret = target_syscall(&e->t, SYS_mmap, 0, AREA + HPAGE, PROT_NONE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
				  -1UL, 0);

	if (ret < 0 && ret > -4096)
		return ret;
	e->area = (ret + HPAGE - 1) & ~(HPAGE - 1);
	return 0;
}

static inline int ev_map_flags(struct ev *e, unsigned long offset,
			       unsigned long len, unsigned long prot,
			       unsigned long flags, int fd)
{
	unsigned long at = e->area + offset;
	long ret = target_syscall(&e->t, SYS_mmap, at, len, prot,
				  flags | MAP_FIXED, (long)fd, 0);

	return ret == (long)at ? 0 : ret < 0 ? ret : -EFAULT;
}

/* bytes of anonymous memory at an offset in the area, filled; what is touched */
static inline int ev_map(struct ev *e, unsigned long offset, unsigned long len)
{
	EV_TRY(ev_map_flags(e, offset, len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1));
	/* one page is one page here, whatever the machine's setting is */
	if (len < HPAGE)
		target_syscall(&e->t, SYS_madvise, e->area + offset, len,
			       MADV_NOHUGEPAGE);
	e->from = e->area + offset;
	e->to = e->from + len;
	return ev_fill(e, 0x21);
}

static inline int prepare_pages(struct ev *e)
{
	return ev_map(e, 0, PAGES * PAGE);
}

/* the same, shared, of the memfd that is the target's descriptor 4 */
static inline int prepare_shared(struct ev *e)
{
	EV_TRY(ev_map_flags(e, 0, PAGES * PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED, 4));
	e->from = e->area;
	e->to = e->from + PAGES * PAGE;
	return ev_fill(e, 0x21);
}

static inline int target_madvise(struct ev *e, unsigned long from,
				 unsigned long to, int advice)
{
	return target_syscall(&e->t, SYS_madvise, from, to - from, advice);
}

/* kB of huge pages in the target's mapping that begins at addr */
static inline int huge_kb(struct ev *e, unsigned long addr)
{
	char path[64], line[256];
	unsigned long from, to;
	bool here = false;
	int kb = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", e->t.pid);
	f = fopen(path, "r");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			here = from == addr;
		else if (here && sscanf(line, "AnonHugePages: %d", &kb) == 1)
			break;
	}
	fclose(f);
	return kb;
}

/* a huge page, from the first touch; small ones elsewhere stay small */
static inline int prepare_huge(struct ev *e)
{
	EV_TRY(ev_set(e, "/sys/kernel/mm/transparent_hugepage/enabled",
		      "madvise"));
	EV_TRY(ev_map_flags(e, 0, HPAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1));
	e->from = e->area;
	e->to = e->from + HPAGE;
	EV_TRY(target_madvise(e, e->from, e->to, MADV_HUGEPAGE));
	EV_TRY(ev_fill(e, 0x21));
	return huge_kb(e, e->from) == HPAGE / 1024 ? 0 : -ENOMEM;
}

/* ---- the mirror ---- */

static inline int mirror_fault(struct ev *e, unsigned long from,
			       unsigned long to, __u32 flags)
{
	struct mmun_test_fault f = {
		.size = sizeof(f),
		.id = e->mirror,
		.flags = flags,
		.start = from,
		.length = to - from,
	};

	if (ioctl(e->fd, MMUN_TEST_IOC_FAULT, &f))
		return -errno;
	return f.entries == (to - from) / PAGE ? 0 : -ENODATA;
}

static inline int mirror_read(struct ev *e, unsigned long from, void *buf,
			      unsigned long len, __u64 *copied)
{
	struct mmun_test_copy c = {
		.size = sizeof(c),
		.id = e->mirror,
		.start = from,
		.length = len,
		.buffer = (unsigned long)buf,
	};
	int ret = ioctl(e->fd, MMUN_TEST_IOC_MREAD, &c) ? -errno : 0;

	if (copied)
		*copied = c.copied;
	return ret;
}

static inline int mirror_write(struct ev *e, unsigned long to, const void *buf,
			       unsigned long len)
{
	struct mmun_test_copy c = {
		.size = sizeof(c),
		.id = e->mirror,
		.start = to,
		.length = len,
		.buffer = (unsigned long)buf,
	};

	return ioctl(e->fd, MMUN_TEST_IOC_MWRITE, &c) ? -errno : 0;
}

/* the entries of whole pages; how many are valid */
static inline int mirror_entries(struct ev *e, unsigned long from,
				 unsigned long to, __u64 *words)
{
	static __u64 own[AREA / PAGE];
	struct mmun_test_snapshot s = {
		.size = sizeof(s),
		.id = e->mirror,
		.start = from,
		.length = to - from,
		.buffer = (unsigned long)(words ?: own),
	};

	return ioctl(e->fd, MMUN_TEST_IOC_SNAPSHOT, &s) ? -errno :
		(int)s.present;
}

/* 0 if every entry is backed by the process */
static inline int mirror_check(struct ev *e)
{
	struct mmun_test_difference d[4];
	struct mmun_test_check c = {
		.size = sizeof(c),
		.id = e->mirror,
		.room = 4,
		.start = e->area,
		.length = AREA,
		.buffer = (unsigned long)d,
	};
	unsigned int i;

	if (ioctl(e->fd, MMUN_TEST_IOC_CHECK, &c))
		return -errno;
	for (i = 0; i < c.differences && i < 4; i++)
		fprintf(stderr, "# stale: %llx mirror %llx process %llx\n",
			(unsigned long long)d[i].address,
			(unsigned long long)d[i].mirror,
			(unsigned long long)d[i].process);
	return c.differences;
}

/* what the mirror shows must be the pattern of that seed; -1: zeros */
static inline int mirror_shows(struct ev *e, unsigned long from,
			       unsigned long to, int seed)
{
	static unsigned char buf[HPAGE];
	unsigned long i, n = to - from;
	unsigned char want;
	__u64 copied;
	int ret;

	memset(buf, 0xee, n);
	ret = mirror_read(e, from, buf, n, &copied);
	if (ret || copied != n) {
		fprintf(stderr, "# read %llu of %lu bytes: %d\n",
			(unsigned long long)copied, n, ret);
		return ret ?: -EIO;
	}
	for (i = 0; i < n; i++) {
		want = seed < 0 ? 0 :
			e->same ? seed : (unsigned char)(seed + i / PAGE * 7);
		if (buf[i] == want)
			continue;
		fprintf(stderr, "# byte %lu is %#x, not %#x\n", i, buf[i],
			want);
		return -EBADMSG;
	}
	return 0;
}

/* ---- after: the mirror against what the process has now ---- */

/* what the process writes now is what the mirror shows */
static inline int after_refill(struct ev *e)
{
	EV_TRY(ev_fill(e, 0x84));
	EV_TRY(mirror_shows(e, e->from, e->to, 0x84));
	EV_TRY(mirror_check(e));
	return 0;
}

/* the contents stayed */
static inline int after_same(struct ev *e)
{
	EV_TRY(mirror_shows(e, e->from, e->to, e->seed));
	return after_refill(e);
}

/* they stayed, and the process cannot be asked to write */
static inline int after_same_readonly(struct ev *e)
{
	return mirror_shows(e, e->from, e->to, e->seed);
}

/* the contents are zero now */
static inline int after_zero(struct ev *e)
{
	EV_TRY(mirror_shows(e, e->from, e->to, -1));
	return after_refill(e);
}

/* there is nothing any more */
static inline int after_gone(struct ev *e)
{
	char c;

	if (mirror_entries(e, e->from, e->to, NULL)) {
		fprintf(stderr, "# entries of what is gone\n");
		return -EEXIST;
	}
	if (mirror_read(e, e->from, &c, 1, NULL) != -EFAULT) {
		fprintf(stderr, "# what is gone can be read\n");
		return -EEXIST;
	}
	return 0;
}

/* nor is there an address space */
static inline int after_death(struct ev *e)
{
	if (mirror_entries(e, e->area, e->area + AREA, NULL)) {
		fprintf(stderr, "# entries of a dead process\n");
		return -EEXIST;
	}
	if (mirror_fault(e, e->from, e->to, 0) != -ESRCH)
		return -EEXIST;
	return 0;
}

static inline void ev_forget(struct ev *e)
{
	log_drain(&e->log);
	e->log.n = 0;
}

#endif /* MMUN_T_AREA_H */
