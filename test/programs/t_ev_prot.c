// SPDX-License-Identifier: GPL-2.0-only
/* Promise 12: what takes away rights, and leaves the pages. */
#include "t_event.h"

#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>

/* ---- PROTECTION_VMA ---- */

static int raise_mprotect(struct ev *e)
{
	return target_syscall(&e->t, SYS_mprotect, e->from, e->to - e->from,
			      PROT_READ);
}

/* the mirror reads, and may not write until the process may */
static int after_mprotect(struct ev *e)
{
	char c = 1;

	EV_TRY(mirror_shows(e, e->from, e->to, e->seed));
	if (mirror_write(e, e->from, &c, 1) != -EPERM) {
		fprintf(stderr, "# written where the process may not\n");
		return -EEXIST;
	}
	EV_TRY(target_syscall(&e->t, SYS_mprotect, e->from, e->to - e->from,
			      PROT_READ | PROT_WRITE));
	EV_TRY(after_refill(e));
	EV_TRY(mirror_write(e, e->from, &c, 1));
	return mirror_check(e);
}

FIXTURE_VARIANT_ADD(ev, mprotect)
{
	.c = {
		.row = "PROTECTION_VMA by mprotect",
		.events = EV_BIT(EV_PROTECTION_VMA),
		.prepare = prepare_pages,
		.raise = raise_mprotect,
		.after = after_mprotect,
	},
};

FIXTURE_VARIANT_ADD(ev, mprotect_huge)
{
	.c = {
		.row = "PROTECTION_VMA by mprotect of a huge page",
		.events = EV_BIT(EV_PROTECTION_VMA),
		.need = need_thp,
		.prepare = prepare_huge,
		.raise = raise_mprotect,
		.after = after_mprotect,
	},
};

/* ---- NUMA hinting: pages without access, for the process to fault on ---- */

static const char *need_balancing(struct ev *e)
{
	if (!there("/proc/sys/kernel/numa_balancing"))
		return "no NUMA balancing in this kernel";
	if (!numa_settings())
		return "no settings of NUMA balancing in this kernel";
	return need_nodes(e);
}

static int prepare_hinting(struct ev *e)
{
	EV_TRY(ev_set_numa(e, "scan_delay_ms", "1"));
	EV_TRY(ev_set_numa(e, "scan_period_min_ms", "1"));
	EV_TRY(ev_set_numa(e, "scan_period_max_ms", "10"));
	EV_TRY(ev_set(e, "/proc/sys/kernel/numa_balancing", "0"));
	return prepare_pages(e);
}

static int raise_hinting(struct ev *e)
{
	return put_string("/proc/sys/kernel/numa_balancing", "1");
}

/* it is the task itself that scans, as it runs */
static long target_spin(unsigned long addr, unsigned long len, unsigned long ms,
			unsigned long d)
{
	int until = now_ms() + ms;

	while (now_ms() < until)
		target_touch(addr, len, false);
	return 0;
}

static int nudge_hinting(struct ev *e)
{
	return target_run(&e->t, target_spin, e->from, e->to - e->from, 50);
}

FIXTURE_VARIANT_ADD(ev, numa_hinting)
{
	.c = {
		.row = "PROTECTION_VMA by NUMA hinting",
		.events = EV_BIT(EV_PROTECTION_VMA),
		.need = need_balancing,
		.prepare = prepare_hinting,
		.raise = raise_hinting,
		.nudge = nudge_hinting,
		.after = after_same,
	},
};

/* ---- userfaultfd's write protection ---- */

#define FEATURE_WP_UNPOPULATED	(1ULL << 13)
#define FEATURE_WP_ASYNC	(1ULL << 15)

/* in the target: the descriptor stays until it exits */
static int target_uffd = -1;

static long target_wp_register(unsigned long addr, unsigned long len,
			       unsigned long features, unsigned long d)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
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

static long target_wp(unsigned long addr, unsigned long len, unsigned long on,
		      unsigned long d)
{
	struct uffdio_writeprotect wp = {
		.range = { .start = addr, .len = len },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return ioctl(target_uffd, UFFDIO_WRITEPROTECT, &wp) ? -errno : 0;
}

static const char *need_uffd_wp(struct ev *e)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	bool ok = fd >= 0 && !ioctl(fd, UFFDIO_API, &api) &&
		(api.features & UFFD_FEATURE_PAGEFAULT_FLAG_WP);

	if (fd >= 0)
		close(fd);
	return ok ? NULL : "no write protection by userfaultfd in this kernel";
}

static int prepare_wp(struct ev *e)
{
	EV_TRY(prepare_pages(e));
	return target_run(&e->t, target_wp_register, e->from, e->to - e->from,
			  UFFD_FEATURE_PAGEFAULT_FLAG_WP);
}

static int raise_wp(struct ev *e)
{
	return target_run(&e->t, target_wp, e->from, e->to - e->from, 1);
}

static int after_wp(struct ev *e)
{
	EV_TRY(mirror_shows(e, e->from, e->to, e->seed));
	EV_TRY(target_run(&e->t, target_wp, e->from, e->to - e->from, 0));
	return after_refill(e);
}

FIXTURE_VARIANT_ADD(ev, uffd_wp)
{
	.c = {
		.row = "PROTECTION_VMA by userfaultfd",
		.events = EV_BIT(EV_PROTECTION_VMA),
		.need = need_uffd_wp,
		.prepare = prepare_wp,
		.raise = raise_wp,
		.after = after_wp,
	},
};

/* ---- PAGEMAP_SCAN, since 6.7 ---- */

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

struct scan_region {
	__u64 start;
	__u64 end;
	__u64 categories;
};

#define IOC_SCAN	_IOWR('f', 16, struct scan_arg)
#define SCAN_WP		(1ULL << 0)
#define SCAN_CHECK_WP	(1ULL << 1)
#define SCAN_WRITTEN	(1ULL << 1)

static const char *need_scan(struct ev *e)
{
	struct scan_arg arg = { .size = sizeof(arg) };
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	bool lacks = fd < 0 || (ioctl(fd, IOC_SCAN, &arg) && errno == ENOTTY);

	if (fd >= 0)
		close(fd);
	return lacks ? "no PAGEMAP_SCAN in this kernel" : need_uffd_wp(e);
}

static int prepare_scan(struct ev *e)
{
	EV_TRY(prepare_pages(e));
	return target_run(&e->t, target_wp_register, e->from, e->to - e->from,
			  UFFD_FEATURE_PAGEFAULT_FLAG_WP |
			  FEATURE_WP_UNPOPULATED | FEATURE_WP_ASYNC);
}

static int raise_scan(struct ev *e)
{
	struct scan_region found[PAGES];
	struct scan_arg arg = {
		.size = sizeof(arg),
		.flags = SCAN_WP | SCAN_CHECK_WP,
		.start = e->from,
		.end = e->to,
		.vec = (unsigned long)found,
		.vec_len = PAGES,
		.category_mask = SCAN_WRITTEN,
		.return_mask = SCAN_WRITTEN,
	};
	char path[64];
	int fd, ret;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", e->t.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = ioctl(fd, IOC_SCAN, &arg);
	if (ret < 0)
		ret = -errno;
	close(fd);
	/* one region: all the pages had been written to */
	return ret == 1 && found[0].start == e->from && found[0].end == e->to ?
		0 : ret < 0 ? ret : -EBADMSG;
}

/* what the process writes is found by the next scan, and the mirror shows it */
static int after_scan(struct ev *e)
{
	EV_TRY(after_same(e));
	return raise_scan(e);
}

FIXTURE_VARIANT_ADD(ev, pagemap_scan)
{
	.c = {
		.row = "PROTECTION_VMA by PAGEMAP_SCAN",
		.events = EV_BIT(EV_PROTECTION_VMA),
		.need = need_scan,
		.prepare = prepare_scan,
		.raise = raise_scan,
		.after = after_scan,
	},
};

/* ---- PROTECTION_PAGE ---- */

static int raise_fork(struct ev *e)
{
	return target_op(&e->t, OP_FORK) > 0 ? 0 : -ECHILD;
}

static int after_fork(struct ev *e)
{
	EV_TRY(mirror_shows(e, e->from, e->to, e->seed));
	EV_TRY(after_refill(e));
	EV_TRY(target_op(&e->t, OP_FORK_END));
	return mirror_check(e);
}

FIXTURE_VARIANT_ADD(ev, fork)
{
	.c = {
		.row = "PROTECTION_PAGE by fork",
		.events = EV_BIT(EV_PROTECTION_PAGE),
		.prepare = prepare_pages,
		.raise = raise_fork,
		.after = after_fork,
	},
};

/* a file that has a disk under it: the device of the disk itself */
static long target_map_zram(unsigned long nr, unsigned long at, unsigned long len,
			    unsigned long d)
{
	char path[32];
	void *p;
	int fd;

	snprintf(path, sizeof(path), "/dev/zram%lu", nr);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	p = mmap((void *)at, len, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, fd, 0);
	close(fd);
	return p == (void *)at ? 0 : -errno;
}

static int prepare_disk(struct ev *e)
{
	char path[64];

	EV_TRY(zram_device(e, path, sizeof(path)));
	e->from = e->area;
	e->to = e->from + PAGES * PAGE;
	EV_TRY(target_run(&e->t, target_map_zram, e->zram - 1, e->from,
			  e->to - e->from));
	return ev_fill(e, 0x21);
}

static int raise_msync(struct ev *e)
{
	return target_syscall(&e->t, SYS_msync, e->from, e->to - e->from,
			      MS_SYNC);
}

FIXTURE_VARIANT_ADD(ev, msync)
{
	.c = {
		.row = "PROTECTION_PAGE by msync",
		.events = EV_BIT(EV_PROTECTION_PAGE),
		.need = need_zram,
		.prepare = prepare_disk,
		.raise = raise_msync,
		.after = after_same,
	},
};

/* ---- SOFT_DIRTY ---- */

static const char *need_soft_dirty(struct ev *e)
{
	__u64 word = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	static char page[PAGE];

	/* bit 55: a page just written is soft-dirty where there is such a thing */
	page[0] = 1;
	if (fd < 0 || pread(fd, &word, 8, (unsigned long)page / PAGE * 8) != 8)
		word = 0;
	if (fd >= 0)
		close(fd);
	return word & (1ULL << 55) ? NULL : "no soft-dirty bits in this kernel";
}

static int raise_clear_refs(struct ev *e)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/clear_refs", e->t.pid);
	return put_string(path, "4");
}

/* the range is everything; the pages are the touched ones */
static int after_soft_dirty(struct ev *e)
{
	struct want w = {
		.id = e->list, .what = MMUN_TEST_EV_START,
		.event = EV_SOFT_DIRTY, .start = 0, .end = 1UL << 47,
	};

	if (!log_find(&e->log, &w)) {
		fprintf(stderr, "# not over everything\n");
		return -ERANGE;
	}
	return after_same(e);
}

FIXTURE_VARIANT_ADD(ev, soft_dirty)
{
	.c = {
		.row = "SOFT_DIRTY by clear_refs",
		.events = EV_BIT(EV_SOFT_DIRTY),
		.need = need_soft_dirty,
		.prepare = prepare_pages,
		.raise = raise_clear_refs,
		.after = after_soft_dirty,
	},
};

TEST_HARNESS_MAIN
