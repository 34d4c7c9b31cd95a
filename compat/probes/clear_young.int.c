// SPDX-License-Identifier: GPL-2.0-only
/*
 * Until 7.0 the young operations return an int: before "mm: change to return bool for the
 * MMU notifier's young flag check".
 */
#include <linux/mmu_notifier.h>

static int query(struct mmu_notifier *mn, struct mm_struct *mm,
		 unsigned long start, unsigned long end)
{
	return 0;
}

static int test(struct mmu_notifier *mn, struct mm_struct *mm,
		unsigned long address)
{
	return 0;
}

const struct mmu_notifier_ops ops = {
	.clear_flush_young = query,
	.clear_young = query,
	.test_young = test,
};
