// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 12: a flush of the process's TLBs is seen by the subscribers that
 * asked for it. It covers the range that the processor flushes, which may be all.
 */
#include "t_event.h"

static int raise_munmap(struct ev *e)
{
	return target_munmap(&e->t, e->from, PAGES);
}

FIXTURE_VARIANT_ADD(ev, tlb_munmap)
{
	.c = {
		.row = "secondary TLBs by munmap",
		.what = MMUN_TEST_EV_TLB,
		.attach = MMUN_TEST_ATTACH_TLB,
		.prepare = prepare_pages,
		.raise = raise_munmap,
		.after = after_gone,
	},
};

static int raise_mprotect(struct ev *e)
{
	return target_syscall(&e->t, SYS_mprotect, e->from, PAGES * PAGE,
			      PROT_READ);
}

FIXTURE_VARIANT_ADD(ev, tlb_mprotect)
{
	.c = {
		.row = "secondary TLBs by mprotect",
		.what = MMUN_TEST_EV_TLB,
		.attach = MMUN_TEST_ATTACH_TLB,
		.prepare = prepare_pages,
		.raise = raise_mprotect,
		.after = after_same_readonly,
	},
};

static int raise_fork(struct ev *e)
{
	return target_op(&e->t, OP_FORK) > 0 ? 0 : -ECHILD;
}

/* the child goes first: what it held is then the target's alone */
static int after_fork(struct ev *e)
{
	EV_TRY(mirror_shows(e, e->from, e->to, e->seed));
	EV_TRY(target_op(&e->t, OP_FORK_END));
	return after_refill(e);
}

FIXTURE_VARIANT_ADD(ev, tlb_fork)
{
	.c = {
		.row = "secondary TLBs by fork",
		.what = MMUN_TEST_EV_TLB,
		.attach = MMUN_TEST_ATTACH_TLB,
		.prepare = prepare_pages,
		.raise = raise_fork,
		.after = after_fork,
	},
};

TEST_HARNESS_MAIN
