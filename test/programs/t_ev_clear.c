// SPDX-License-Identifier: GPL-2.0-only
/* Promise 12: whatever takes pages out of an address space that lives on. */
#include "t_event.h"

#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

#define KSM	"/sys/kernel/mm/ksm/"
#define THP	"/sys/kernel/mm/transparent_hugepage/"
#define TRACING	"/sys/kernel/tracing/"

/* for a source that works by itself */
static int just_wait(struct ev *e)
{
	return 0;
}

/* ---- zapped ---- */

static int raise_dontneed(struct ev *e)
{
	return target_madvise(e, e->from, e->to, MADV_DONTNEED);
}

FIXTURE_VARIANT_ADD(ev, dontneed)
{
	.c = {
		.row = "CLEAR by MADV_DONTNEED",
		.events = EV_BIT(EV_CLEAR),
		.prepare = prepare_pages,
		.raise = raise_dontneed,
		.after = after_zero,
	},
};

static int raise_truncate(struct ev *e)
{
	return ftruncate(e->mem, 0) ? -errno : 0;
}

/* beyond the end of the file there is nothing */
static int after_truncate(struct ev *e)
{
	EV_TRY(after_gone(e));
	EV_TRY(ftruncate(e->mem, AREA) ? -errno : 0);
	return after_zero(e);
}

FIXTURE_VARIANT_ADD(ev, truncate)
{
	.c = {
		.row = "CLEAR by truncate",
		.events = EV_BIT(EV_CLEAR),
		.prepare = prepare_shared,
		.raise = raise_truncate,
		.after = after_truncate,
	},
};

static int raise_punch(struct ev *e)
{
	return fallocate(e->mem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 0, e->to - e->from) ? -errno : 0;
}

FIXTURE_VARIANT_ADD(ev, hole_punch)
{
	.c = {
		.row = "CLEAR by a hole punch",
		.events = EV_BIT(EV_CLEAR),
		.prepare = prepare_shared,
		.raise = raise_punch,
		.after = after_zero,
	},
};

static int raise_free(struct ev *e)
{
	return target_madvise(e, e->from, e->to, MADV_FREE);
}

/* the contents may go at any time, and be zero then: only new ones are sure */
FIXTURE_VARIANT_ADD(ev, madv_free)
{
	.c = {
		.row = "CLEAR by MADV_FREE",
		.events = EV_BIT(EV_CLEAR),
		.prepare = prepare_pages,
		.raise = raise_free,
		.after = after_refill,
	},
};

/* ---- copy on write ---- */

static int prepare_forked(struct ev *e)
{
	EV_TRY(prepare_pages(e));
	return target_op(&e->t, OP_FORK) > 0 ? 0 : -ECHILD;
}

static int raise_write(struct ev *e)
{
	return ev_fill(e, 0x35);
}

static int after_cow(struct ev *e)
{
	EV_TRY(mirror_shows(e, e->from, e->to, 0x35));
	EV_TRY(target_op(&e->t, OP_FORK_END));
	return after_refill(e);
}

FIXTURE_VARIANT_ADD(ev, cow)
{
	.c = {
		.row = "CLEAR by copy on write",
		.events = EV_BIT(EV_CLEAR),
		.readonly = true,
		.prepare = prepare_forked,
		.raise = raise_write,
		.after = after_cow,
	},
};

/* reads have mapped the zero page, which the first write replaces */
static int prepare_zeros(struct ev *e)
{
	EV_TRY(prepare_pages(e));
	EV_TRY(target_madvise(e, e->from, e->to, MADV_DONTNEED));
	e->seed = 0;
	e->same = true;
	return target_op(&e->t, OP_READ, 0, { e->from, e->to - e->from });
}

static int after_zeros_written(struct ev *e)
{
	EV_TRY(mirror_shows(e, e->from, e->to, 0x35));
	return after_refill(e);
}

FIXTURE_VARIANT_ADD(ev, zero_page)
{
	.c = {
		.row = "CLEAR by copy on write of the zero page",
		.events = EV_BIT(EV_CLEAR),
		.readonly = true,
		.prepare = prepare_zeros,
		.raise = raise_write,
		.after = after_zeros_written,
	},
};

static int map_hugetlb(struct ev *e, unsigned long flags, int fd)
{
	char buf[16];

	/* what a smaller number leaves over is a failure, of memory */
	EV_TRY(ev_set(e, "/proc/sys/vm/nr_hugepages", "6"));
	if (get_string("/proc/sys/vm/nr_hugepages", buf, sizeof(buf)) < 0 ||
	    atoi(buf) < 6)
		return -ENOMEM;
	EV_TRY(ev_map_flags(e, 0, HPAGE, PROT_READ | PROT_WRITE, flags, fd));
	e->from = e->area;
	e->to = e->from + HPAGE;
	return ev_fill(e, 0x21);
}

static int prepare_hugetlb(struct ev *e)
{
	return map_hugetlb(e, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
}

static int prepare_hugetlb_forked(struct ev *e)
{
	EV_TRY(prepare_hugetlb(e));
	return target_op(&e->t, OP_FORK) > 0 ? 0 : -ECHILD;
}

FIXTURE_VARIANT_ADD(ev, hugetlb_cow)
{
	.c = {
		.row = "CLEAR by copy on write, hugetlb",
		.events = EV_BIT(EV_CLEAR),
		.readonly = true,
		.need = need_hugetlb,
		.prepare = prepare_hugetlb_forked,
		.raise = raise_write,
		.after = after_cow,
	},
};

/* ---- KSM ---- */

static const char *need_ksm(struct ev *e)
{
	return there(KSM "run") ? NULL : "no KSM in this kernel";
}

static int prepare_same(struct ev *e)
{
	EV_TRY(ev_set(e, KSM "run", "0"));
	EV_TRY(ev_set(e, KSM "sleep_millisecs", "1"));
	EV_TRY(ev_set(e, KSM "pages_to_scan", "1000"));
	e->same = true;
	return prepare_pages(e);
}

static int raise_ksm(struct ev *e)
{
	EV_TRY(target_madvise(e, e->from, e->to, MADV_MERGEABLE));
	return put_string(KSM "run", "1");
}

FIXTURE_VARIANT_ADD(ev, ksm)
{
	.c = {
		.row = "CLEAR by KSM",
		.events = EV_BIT(EV_CLEAR),
		.need = need_ksm,
		.prepare = prepare_same,
		.raise = raise_ksm,
		.nudge = just_wait,
		.after = after_same,
	},
};

/* ---- huge pages ---- */

/* its own event is of the page alone; the split's is of the huge page */
static int raise_split(struct ev *e)
{
	EV_TRY(target_syscall(&e->t, SYS_mprotect, e->from + PAGE, PAGE,
			      PROT_READ));
	return target_syscall(&e->t, SYS_mprotect, e->from + PAGE, PAGE,
			      PROT_READ | PROT_WRITE);
}

FIXTURE_VARIANT_ADD(ev, thp_split)
{
	.c = {
		.row = "CLEAR by the split of a huge page",
		.events = EV_BIT(EV_CLEAR),
		.need = need_thp,
		.prepare = prepare_huge,
		.raise = raise_split,
		.after = after_same,
	},
};

/* small pages where a huge one would fit */
static int prepare_small(struct ev *e)
{
	EV_TRY(ev_set(e, THP "enabled", "never"));
	EV_TRY(ev_map(e, 0, HPAGE));
	return huge_kb(e, e->from) ? -EEXIST : 0;
}

static int raise_collapse(struct ev *e)
{
	int ret = target_madvise(e, e->from, e->to, MADV_COLLAPSE);

	if (ret == -EINVAL && kernel_before(6, 1))
		return ev_skip(e, "no MADV_COLLAPSE in this kernel");
	if (ret)
		return ret;
	return huge_kb(e, e->from) == HPAGE / 1024 ? 0 : -ENOENT;
}

FIXTURE_VARIANT_ADD(ev, collapse)
{
	.c = {
		.row = "CLEAR by MADV_COLLAPSE",
		.events = EV_BIT(EV_CLEAR),
		.need = need_thp,
		.prepare = prepare_small,
		.raise = raise_collapse,
		.after = after_same,
	},
};

static int prepare_khugepaged(struct ev *e)
{
	EV_TRY(prepare_small(e));
	EV_TRY(ev_set(e, THP "khugepaged/scan_sleep_millisecs", "1"));
	EV_TRY(ev_set(e, THP "khugepaged/alloc_sleep_millisecs", "1"));
	return ev_set(e, THP "khugepaged/pages_to_scan", "4096");
}

static int raise_khugepaged(struct ev *e)
{
	EV_TRY(put_string(THP "enabled", "madvise"));
	return target_madvise(e, e->from, e->to, MADV_HUGEPAGE);
}

/* used pages, or it leaves them alone; and it wants them on the LRU */
static int nudge_khugepaged(struct ev *e)
{
	return target_op(&e->t, OP_READ, 0, { e->from, e->to - e->from });
}

FIXTURE_VARIANT_ADD(ev, khugepaged)
{
	.c = {
		.row = "CLEAR by khugepaged",
		.events = EV_BIT(EV_CLEAR),
		.need = need_thp,
		.prepare = prepare_khugepaged,
		.raise = raise_khugepaged,
		.nudge = nudge_khugepaged,
		.after = after_same,
	},
};

/* ---- reclaim ---- */

static int prepare_swap(struct ev *e)
{
	EV_TRY(ev_swapon(e));
	return prepare_pages(e);
}

static int raise_pageout(struct ev *e)
{
	return target_madvise(e, e->from, e->to, MADV_PAGEOUT);
}

FIXTURE_VARIANT_ADD(ev, pageout)
{
	.c = {
		.row = "CLEAR by MADV_PAGEOUT",
		.events = EV_BIT(EV_CLEAR),
		.need = need_swap,
		.prepare = prepare_swap,
		.raise = raise_pageout,
		.nudge = raise_pageout,
		.after = after_same,
	},
};

static int prepare_reclaim(struct ev *e)
{
	EV_TRY(ev_cgroup(e));
	return prepare_swap(e);
}

FIXTURE_VARIANT_ADD(ev, reclaim)
{
	.c = {
		.row = "CLEAR by reclaim",
		.events = EV_BIT(EV_CLEAR),
		.need = need_reclaim,
		.prepare = prepare_reclaim,
		.raise = cgroup_reclaim,
		.nudge = cgroup_reclaim,
		.after = after_same,
	},
};

/* ---- migration ---- */

/* where each page is; then all of them to the other node */
static int raise_move_pages(struct ev *e)
{
	void *pages[PAGES];
	int nodes[PAGES], status[PAGES];
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		pages[i] = (void *)(e->from + i * PAGE);
	if (syscall(SYS_move_pages, e->t.pid, PAGES, pages, NULL, status, 0))
		return -errno;
	for (i = 0; i < PAGES; i++) {
		if (status[i] < 0)
			return status[i];
		nodes[i] = !status[i];
	}
	if (syscall(SYS_move_pages, e->t.pid, PAGES, pages, nodes, status,
		    MPOL_MF_MOVE))
		return -errno;
	for (i = 0; i < PAGES; i++)
		if (status[i] != nodes[i])
			return -EXDEV;
	return 0;
}

FIXTURE_VARIANT_ADD(ev, move_pages)
{
	.c = {
		.row = "CLEAR by move_pages",
		.events = EV_BIT(EV_CLEAR),
		.need = need_nodes,
		.prepare = prepare_pages,
		.raise = raise_move_pages,
		.after = after_same,
	},
};

static const char *need_compaction(struct ev *e)
{
	return there("/proc/sys/vm/compact_memory") ?
		NULL : "no compaction in this kernel";
}

/*
 * It moves pages from the low end of a zone to what is free at its high end, but
 * not into blocks that are free as a whole, and ends where the two meet. So of much
 * memory, all of one node, the lowest pages become the area's, and the rest is given
 * back but for a page here and there: more room than all that can move below the
 * area, which is first and foremost the files of the guest.
 */
#define MUCH	(128UL << 20)
#define KEPT	64		/* one page of so many */

static long target_lowest(unsigned long area, unsigned long much,
			  unsigned long c, unsigned long d)
{
	unsigned long pfn, at, n, low[PAGES] = { 0 }, low_at[PAGES];
	static __u64 words[512];
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	cpu_set_t cpus;
	unsigned int i;
	char *p;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	if (pagemap < 0 || sched_setaffinity(0, sizeof(cpus), &cpus))
		return -errno;
	p = mmap(NULL, much, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	madvise(p, much, MADV_NOHUGEPAGE);
	target_touch((unsigned long)p, much, true);
	for (at = (unsigned long)p, n = 0; at < (unsigned long)p + much; at += PAGE, n++) {
		if (!(n % 512) && pread(pagemap, words, sizeof(words), at / PAGE * 8) !=
				  sizeof(words))
			return -EIO;
		pfn = words[n % 512] & ((1ULL << 55) - 1);
		/* in the order of their numbers, the highest last */
		for (i = PAGES; i > 0; i--) {
			if (low[i - 1] && low[i - 1] < pfn)
				break;
			if (i < PAGES) {
				low[i] = low[i - 1];
				low_at[i] = low_at[i - 1];
			}
		}
		if (pfn && i < PAGES) {
			low[i] = pfn;
			low_at[i] = at;
		}
	}
	close(pagemap);
	for (i = 0; i < PAGES; i++) {
		if (!low[i] || mremap((void *)low_at[i], PAGE, PAGE,
				      MREMAP_MAYMOVE | MREMAP_FIXED,
				      area + i * PAGE) == MAP_FAILED)
			return -EFAULT;
	}
	for (at = (unsigned long)p; at < (unsigned long)p + much; at += KEPT * PAGE)
		madvise((void *)at, (KEPT - 1) * PAGE, MADV_DONTNEED);
	return 0;
}

static int prepare_compaction(struct ev *e)
{
	EV_TRY(target_run(&e->t, target_lowest, e->area, MUCH));
	e->from = e->area;
	e->to = e->from + PAGES * PAGE;
	return ev_fill(e, 0x21);
}

static int raise_compact(struct ev *e)
{
	return put_string("/proc/sys/vm/compact_memory", "1");
}

FIXTURE_VARIANT_ADD(ev, compaction)
{
	.c = {
		.row = "CLEAR by compaction",
		.events = EV_BIT(EV_CLEAR),
		.any = true,
		.need = need_compaction,
		.prepare = prepare_compaction,
		.raise = raise_compact,
		.nudge = raise_compact,
		.after = after_same,
	},
};

static const char *need_balancing(struct ev *e)
{
	if (!there("/proc/sys/kernel/numa_balancing"))
		return "no NUMA balancing in this kernel";
	if (!numa_settings())
		return "no settings of NUMA balancing in this kernel";
	return need_nodes(e);
}

/* memory of node 1, used on a processor of node 0 only */
static long target_far(unsigned long addr, unsigned long len, unsigned long c,
		       unsigned long d)
{
	unsigned long node = 1UL << 1;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		return -errno;
	/* only where the pages come from, not where they have to stay */
	if (syscall(SYS_set_mempolicy, MPOL_BIND, &node, 8 * sizeof(node)))
		return -errno;
	target_touch(addr, len, true);
	return syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0) ? -errno : 0;
}

/* executed by the target: use the memory for some time of the processor */
static long target_spin(unsigned long addr, unsigned long len, unsigned long ms,
			unsigned long d)
{
	int until = now_ms() + ms;

	while (now_ms() < until)
		target_touch(addr, len, false);
	return 0;
}

static int prepare_far(struct ev *e)
{
	EV_TRY(ev_set_numa(e, "scan_delay_ms", "1"));
	EV_TRY(ev_set_numa(e, "scan_period_min_ms", "1"));
	EV_TRY(ev_set_numa(e, "scan_period_max_ms", "10"));
	EV_TRY(ev_set(e, "/proc/sys/kernel/numa_balancing", "0"));
	EV_TRY(ev_map_flags(e, 0, PAGES * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1));
	e->from = e->area;
	e->to = e->from + PAGES * PAGE;
	EV_TRY(target_run(&e->t, target_far, e->from, e->to - e->from));
	EV_TRY(ev_fill(e, 0x21));
	/* what waits in a processor's batch for the LRU cannot migrate */
	return drain_lru();
}

static int raise_balancing(struct ev *e)
{
	return put_string("/proc/sys/kernel/numa_balancing", "1");
}

static int nudge_balancing(struct ev *e)
{
	return target_run(&e->t, target_spin, e->from, e->to - e->from, 50);
}

FIXTURE_VARIANT_ADD(ev, numa_balancing)
{
	.c = {
		.row = "CLEAR by NUMA balancing",
		.events = EV_BIT(EV_CLEAR),
		.any = true,
		.need = need_balancing,
		.prepare = prepare_far,
		.raise = raise_balancing,
		.nudge = nudge_balancing,
		.after = after_same,
	},
};

/* ---- UFFDIO_MOVE, since 6.8 ---- */

struct move_arg {
	__u64 dst;
	__u64 src;
	__u64 len;
	__u64 mode;
	__s64 move;
};

#define IOC_MOVE	_IOWR(UFFDIO, 0x05, struct move_arg)
#define FEATURE_MOVE	(1ULL << 16)

static const char *need_move(struct ev *e)
{
	struct uffdio_api api = { .api = UFFD_API, .features = FEATURE_MOVE };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	bool ok = fd >= 0 && !ioctl(fd, UFFDIO_API, &api);

	if (fd >= 0)
		close(fd);
	return ok ? NULL : "no UFFDIO_MOVE in this kernel";
}

static long target_move(unsigned long src, unsigned long dst, unsigned long len,
			unsigned long d)
{
	struct uffdio_api api = { .api = UFFD_API, .features = FEATURE_MOVE };
	struct uffdio_register reg = {
		.range = { .start = dst, .len = len },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct move_arg move = { .dst = dst, .src = src, .len = len };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) ||
	    ioctl(fd, UFFDIO_REGISTER, &reg) || ioctl(fd, IOC_MOVE, &move))
		return -errno;
	close(fd);
	return move.move == (__s64)len ? 0 : -EIO;
}

static int prepare_move(struct ev *e)
{
	EV_TRY(prepare_pages(e));
	return ev_map_flags(e, HPAGE, PAGES * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static int raise_move(struct ev *e)
{
	return target_run(&e->t, target_move, e->from, e->from + HPAGE,
			  PAGES * PAGE);
}

static int after_move(struct ev *e)
{
	EV_TRY(mirror_shows(e, e->from, e->to, -1));
	e->from += HPAGE;
	e->to += HPAGE;
	return after_same(e);
}

FIXTURE_VARIANT_ADD(ev, uffdio_move)
{
	.c = {
		.row = "CLEAR by UFFDIO_MOVE",
		.events = EV_BIT(EV_CLEAR),
		.need = need_move,
		.prepare = prepare_move,
		.raise = raise_move,
		.after = after_move,
	},
};

/* ---- hugetlb ---- */

static int prepare_hugetlb_file(struct ev *e)
{
	close(e->mem);
	e->mem = syscall(SYS_memfd_create, "mmun-huge", 4 /* MFD_HUGETLB */);
	if (e->mem < 0 || ftruncate(e->mem, HPAGE))
		return -errno;
	/* a target that has it */
	target_stop(&e->t);
	EV_TRY(target_start(&e->t, e->mem));
	EV_TRY(ev_area(e));
	return map_hugetlb(e, MAP_SHARED, 4);
}

/* an UNMAP up to 6.1 */
FIXTURE_VARIANT_ADD(ev, hugetlb_unmap)
{
	.c = {
		.row = "CLEAR by a hole punch, hugetlb",
		.events = EV_BIT(EV_CLEAR) | EV_BIT(EV_UNMAP),
		.need = need_hugetlb,
		.prepare = prepare_hugetlb_file,
		.raise = raise_punch,
		.after = after_zero,
	},
};

static int raise_hugetlb_munmap(struct ev *e)
{
	return target_munmap(&e->t, e->from, HPAGE / PAGE);
}

FIXTURE_VARIANT_ADD(ev, hugetlb_munmap)
{
	.c = {
		.row = "UNMAP by munmap, hugetlb",
		.events = EV_BIT(EV_UNMAP),
		.need = need_hugetlb,
		.prepare = prepare_hugetlb,
		.raise = raise_hugetlb_munmap,
		.after = after_gone,
	},
};

static int raise_hugetlb_mremap(struct ev *e)
{
	unsigned long to = e->area + HPAGE;
	long ret = target_syscall(&e->t, SYS_mremap, e->from, HPAGE, HPAGE,
				  MREMAP_MAYMOVE | MREMAP_FIXED, to);

	/* before 5.16 */
	if (ret == -EINVAL)
		return ev_skip(e, "no mremap of hugetlb in this kernel");
	return ret == (long)to ? 0 : ret < 0 ? ret : -EFAULT;
}

static int after_hugetlb_mremap(struct ev *e)
{
	EV_TRY(after_gone(e));
	e->from += HPAGE;
	e->to += HPAGE;
	return after_same(e);
}

FIXTURE_VARIANT_ADD(ev, hugetlb_mremap)
{
	.c = {
		.row = "CLEAR by mremap, hugetlb",
		.events = EV_BIT(EV_CLEAR),
		.need = need_hugetlb,
		.prepare = prepare_hugetlb,
		.raise = raise_hugetlb_mremap,
		.after = after_hugetlb_mremap,
	},
};

static int raise_fork(struct ev *e)
{
	return target_op(&e->t, OP_FORK) > 0 ? 0 : -ECHILD;
}

static int after_fork(struct ev *e)
{
	EV_TRY(mirror_shows(e, e->from, e->to, e->seed));
	EV_TRY(target_op(&e->t, OP_FORK_END));
	return after_refill(e);
}

FIXTURE_VARIANT_ADD(ev, hugetlb_fork)
{
	.c = {
		.row = "CLEAR by fork, hugetlb",
		.events = EV_BIT(EV_CLEAR),
		.need = need_hugetlb,
		.prepare = prepare_hugetlb,
		.raise = raise_fork,
		.after = after_fork,
	},
};

/* ---- a uprobe ---- */

static const char *need_uprobes(struct ev *e)
{
	return there(TRACING "uprobe_events") ?
		NULL : "no uprobes in this kernel";
}

static const char uprobe_file[] = "/tmp/mmun-uprobe";

static long target_map_file(unsigned long path, unsigned long at, unsigned long c,
			    unsigned long d)
{
	int fd = open((const char *)path, O_RDONLY);
	void *p;

	if (fd < 0)
		return -errno;
	p = mmap((void *)at, PAGE, PROT_READ | PROT_EXEC,
		 MAP_PRIVATE | MAP_FIXED | MAP_POPULATE, fd, 0);
	close(fd);
	return p == (void *)at ? 0 : -errno;
}

/* a page of nops that it may execute, and never does */
static int prepare_code(struct ev *e)
{
	static unsigned char code[PAGE];
	int fd = open(uprobe_file, O_RDWR | O_CREAT | O_TRUNC, 0755);

	e->seed = 0x90;
	e->same = true;
	memset(code, e->seed, PAGE);
	if (fd < 0)
		return -errno;
	if (write(fd, code, PAGE) != PAGE) {
		close(fd);
		return -EIO;
	}
	close(fd);
	e->from = e->area;
	e->to = e->from + PAGE;
	return target_run(&e->t, target_map_file, (unsigned long)uprobe_file,
			  e->from);
}

static int raise_uprobe(struct ev *e)
{
	char buf[128];

	snprintf(e->uprobe, sizeof(e->uprobe), "ev%d", getpid());
	snprintf(buf, sizeof(buf), "p:mmun/%s %s:0x0", e->uprobe, uprobe_file);
	EV_TRY(put_string(TRACING "uprobe_events", buf));
	snprintf(buf, sizeof(buf), TRACING "events/mmun/%s/enable", e->uprobe);
	return put_string(buf, "1");
}

/* the breakpoint is there, for the mirror too */
static int after_uprobe(struct ev *e)
{
	unsigned char c[2] = { 0, 0 };

	EV_TRY(mirror_read(e, e->from, c, 2, NULL));
	unlink(uprobe_file);
	return c[0] == 0xcc && c[1] == 0x90 ? 0 : -EBADMSG;
}

FIXTURE_VARIANT_ADD(ev, uprobe)
{
	.c = {
		.row = "CLEAR by a uprobe",
		.events = EV_BIT(EV_CLEAR),
		.readonly = true,
		.need = need_uprobes,
		.prepare = prepare_code,
		.raise = raise_uprobe,
		.after = after_uprobe,
	},
};

TEST_HARNESS_MAIN
