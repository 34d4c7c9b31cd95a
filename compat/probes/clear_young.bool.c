// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 7.1 the young operations return a bool: "mm: change to return bool for the MMU
 * notifier's young flag check".
 */
#include <linux/mmu_notifier.h>

static bool query(struct mmu_notifier *mn, struct mm_struct *mm,
		  unsigned long start, unsigned long end)
{
	return 0;
}

static bool test(struct mmu_notifier *mn, struct mm_struct *mm,
		 unsigned long address)
{
	return 0;
}

const struct mmu_notifier_ops ops = {
	.clear_flush_young = query,
	.clear_young = query,
	.test_young = test,
};
