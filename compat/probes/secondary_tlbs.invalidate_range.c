// SPDX-License-Identifier: GPL-2.0-only
/*
 * Until 6.5: the name before 1af5a8109904 ("mmu_notifiers: rename invalidate_range
 * notifier"). It is called at the end of a range as well.
 */
#include <linux/mmu_notifier.h>

static void flush(struct mmu_notifier *mn, struct mm_struct *mm,
		  unsigned long start, unsigned long end)
{
}

const struct mmu_notifier_ops ops = { .invalidate_range = flush };
