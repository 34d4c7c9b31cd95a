// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 6.6, 1af5a8109904 ("mmu_notifiers: rename invalidate_range notifier"). It is
 * called where page tables are flushed, and nowhere else.
 */
#include <linux/mmu_notifier.h>

static void flush(struct mmu_notifier *mn, struct mm_struct *mm,
		  unsigned long start, unsigned long end)
{
}

const struct mmu_notifier_ops ops = { .arch_invalidate_secondary_tlbs = flush };
