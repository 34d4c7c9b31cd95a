// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 12: whoever in the kernel wants to know whether pages are used asks the
 * mirror, too. The pages were used through the mirror, so it says yes; who clears
 * makes its entries old.
 */
#include "t_event.h"

#define THP	"/sys/kernel/mm/transparent_hugepage/"
#define LRU_GEN	"/sys/kernel/mm/lru_gen/enabled"
#define DAMON	"/sys/kernel/mm/damon/admin/kdamonds/"

static int just_wait(struct ev *e)
{
	return 0;
}

static int young_entries(struct ev *e)
{
	static __u64 words[AREA / PAGE];
	unsigned long i, n = (e->to - e->from) / PAGE;
	int young = 0;

	if (mirror_entries(e, e->from, e->to, words) < 0)
		return -1;
	for (i = 0; i < n; i++)
		young += !!(words[i] & MMUN_TEST_PAGE_YOUNG);
	return young;
}

/* the mirror's answer was taken: what was asked about is not young any more */
static int after_clear(struct ev *e)
{
	int n = (e->to - e->from) / PAGE;
	int young = young_entries(e);

	if (e->c->any ? young < n : !young)
		return after_same(e);
	fprintf(stderr, "# %d of %d entries are still young\n", young, n);
	return -EEXIST;
}

/* ---- clear_flush_young ---- */

/* the older way to reclaim: it looks whether each page was referenced */
static int prepare_reclaim(struct ev *e)
{
	if (there(LRU_GEN))
		EV_TRY(ev_set(e, LRU_GEN, "n"));
	EV_TRY(ev_cgroup(e));
	EV_TRY(ev_swapon(e));
	return prepare_pages(e);
}

FIXTURE_VARIANT_ADD(ev, reclaim)
{
	.c = {
		.row = "clear_flush_young by reclaim",
		.what = MMUN_TEST_EV_YOUNG,
		.flags = ASKS_CLEAR_FLUSH,
		.attach = MMUN_TEST_ATTACH_YOUNG,
		.need = need_reclaim,
		.prepare = prepare_reclaim,
		.raise = cgroup_reclaim,
		.nudge = cgroup_reclaim,
		.after = after_clear,
	},
};

/* ---- clear_young: MGLRU ---- */

#define LRU_GEN_DEBUG "/sys/kernel/debug/lru_gen"

static const char *need_ageing(struct ev *e)
{
	if (!there(LRU_GEN))
		return "no MGLRU in this kernel";
	if (!there(LRU_GEN_DEBUG))
		return "no lru_gen in debugfs";
	/* and in the later ones of 6.12 */
	if (kernel_before(6, 12))
		return "the MGLRU of this kernel asks no notifier";
	return NULL;
}

static int prepare_ageing(struct ev *e)
{
	EV_TRY(ev_set(e, LRU_GEN, "7"));
	return prepare_pages(e);
}

/*
 * One more generation for each node of the root cgroup, where the target is:
 * "memcg 1 /", "node 0", then a line for each generation, the youngest last.
 * A page that still waits in a batch of a processor has no generation, and newer
 * kernels do not ask about it.
 */
static int age_all(struct ev *e)
{
	static char text[65536];
	int root = -1, memcg = -1, node = -1, id;
	long youngest[2] = { -1, -1 };
	char *line, *rest = text;
	char path[256], order[64];
	long gen;

	EV_TRY(drain_lru());
	if (get_string(LRU_GEN_DEBUG, text, sizeof(text)) < 0)
		return -EIO;
	while ((line = strsep(&rest, "\n"))) {
		if (sscanf(line, "memcg %d %255s", &id, path) == 2)
			memcg = strcmp(path, "/") ? -1 : (root = id);
		else if (sscanf(line, " node %d", &id) == 1)
			node = id;
		else if (memcg >= 0 && node >= 0 && node < 2 &&
			 sscanf(line, " %ld", &gen) == 1)
			youngest[node] = gen;
	}
	for (node = 0; node < 2; node++) {
		if (youngest[node] < 0)
			continue;
		snprintf(order, sizeof(order), "+ %d %d %ld 1 1", root, node,
			 youngest[node]);
		put_string(LRU_GEN_DEBUG, order);
	}
	return 0;
}

FIXTURE_VARIANT_ADD(ev, mglru)
{
	.c = {
		.row = "clear_young by MGLRU ageing",
		.what = MMUN_TEST_EV_YOUNG,
		.flags = ASKS_CLEAR,
		.attach = MMUN_TEST_ATTACH_YOUNG,
		.need = need_ageing,
		.prepare = prepare_ageing,
		.raise = age_all,
		.nudge = age_all,
		.after = after_clear,
	},
};

/* ---- clear_young: the page_idle bitmap ---- */

#define PAGE_IDLE "/sys/kernel/mm/page_idle/bitmap"

static const char *need_page_idle(struct ev *e)
{
	return there(PAGE_IDLE) ? NULL : "no idle page tracking in this kernel";
}

/* pages that are on the LRU, out of the batches of the processors */
static int raise_idle(struct ev *e)
{
	char path[64];
	unsigned long at;
	__u64 pfn, bit;
	int map, idle, ret = 0;

	EV_TRY(drain_lru());
	snprintf(path, sizeof(path), "/proc/%d/pagemap", e->t.pid);
	map = open(path, O_RDONLY | O_CLOEXEC);
	idle = open(PAGE_IDLE, O_WRONLY | O_CLOEXEC);
	for (at = e->from; at < e->to && !ret; at += PAGE) {
		if (pread(map, &pfn, 8, at / PAGE * 8) != 8) {
			ret = -EIO;
			break;
		}
		pfn &= (1ULL << 55) - 1;
		bit = 1ULL << (pfn % 64);
		if (pwrite(idle, &bit, 8, pfn / 64 * 8) != 8)
			ret = -errno;
	}
	close(map);
	close(idle);
	return ret;
}

FIXTURE_VARIANT_ADD(ev, page_idle)
{
	.c = {
		.row = "clear_young by page_idle",
		.what = MMUN_TEST_EV_YOUNG,
		.flags = ASKS_CLEAR,
		.attach = MMUN_TEST_ATTACH_YOUNG,
		.need = need_page_idle,
		.prepare = prepare_pages,
		.raise = raise_idle,
		.nudge = raise_idle,
		.after = after_clear,
	},
};

/* ---- clear_young and test_young: DAMON ---- */

static const char *need_damon(struct ev *e)
{
	return there(DAMON "nr_kdamonds") ? NULL :
		"no DAMON with sysfs in this kernel";
}

/* enough memory for DAMON to choose three regions of, and most of it here */
static int prepare_damon(struct ev *e)
{
	return ev_map(e, 0, HPAGE);
}

static int raise_damon(struct ev *e)
{
	char nr[16];

	snprintf(nr, sizeof(nr), "%d", e->t.pid);
	EV_TRY(ev_set(e, DAMON "nr_kdamonds", "1"));
	EV_TRY(put_string(DAMON "0/contexts/nr_contexts", "1"));
	EV_TRY(put_string(DAMON "0/contexts/0/operations", "vaddr"));
	EV_TRY(put_string(DAMON "0/contexts/0/targets/nr_targets", "1"));
	EV_TRY(put_string(DAMON "0/contexts/0/targets/0/pid_target", nr));
	return put_string(DAMON "0/state", "on");
}

static int after_damon(struct ev *e)
{
	EV_TRY(put_string(DAMON "0/state", "off"));
	return e->c->flags == ASKS_CLEAR ? after_clear(e) : after_same(e);
}

FIXTURE_VARIANT_ADD(ev, damon_clear)
{
	.c = {
		.row = "clear_young by DAMON",
		.what = MMUN_TEST_EV_YOUNG,
		.flags = ASKS_CLEAR,
		.attach = MMUN_TEST_ATTACH_YOUNG,
		.any = true,
		.need = need_damon,
		.prepare = prepare_damon,
		.raise = raise_damon,
		.nudge = just_wait,
		.after = after_damon,
	},
};

FIXTURE_VARIANT_ADD(ev, damon_test)
{
	.c = {
		.row = "test_young by DAMON",
		.what = MMUN_TEST_EV_YOUNG,
		.flags = ASKS_TEST,
		.attach = MMUN_TEST_ATTACH_YOUNG,
		.any = true,
		.need = need_damon,
		.prepare = prepare_damon,
		.raise = raise_damon,
		.nudge = just_wait,
		.after = after_damon,
	},
};

/* ---- test_young: khugepaged ---- */

static int prepare_khugepaged(struct ev *e)
{
	EV_TRY(ev_set(e, THP "enabled", "never"));
	EV_TRY(ev_set(e, THP "khugepaged/scan_sleep_millisecs", "1"));
	EV_TRY(ev_set(e, THP "khugepaged/alloc_sleep_millisecs", "1"));
	EV_TRY(ev_set(e, THP "khugepaged/pages_to_scan", "4096"));
	return ev_map(e, 0, HPAGE);
}

/* old for the process: only the mirror has used them */
static int raise_khugepaged(struct ev *e)
{
	char path[64];

	EV_TRY(drain_lru());
	snprintf(path, sizeof(path), "/proc/%d/clear_refs", e->t.pid);
	EV_TRY(put_string(path, "1"));
	EV_TRY(put_string(THP "enabled", "madvise"));
	return target_madvise(e, e->from, e->to, MADV_HUGEPAGE);
}

FIXTURE_VARIANT_ADD(ev, khugepaged)
{
	.c = {
		.row = "test_young by khugepaged",
		.what = MMUN_TEST_EV_YOUNG,
		.flags = ASKS_TEST,
		.attach = MMUN_TEST_ATTACH_YOUNG,
		.any = true,
		.need = need_thp,
		.prepare = prepare_khugepaged,
		.raise = raise_khugepaged,
		.nudge = just_wait,
		.after = after_same,
	},
};

TEST_HARNESS_MAIN
