// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nothing but what every supported kernel has. If this does not compile, no other
 * probe says anything.
 */
#include <linux/mmu_notifier.h>

static void release(struct mmu_notifier *mn, struct mm_struct *mm)
{
}

static bool invalidate(struct mmu_interval_notifier *interval_sub,
		       const struct mmu_notifier_range *range,
		       unsigned long cur_seq)
{
	return mmu_notifier_range_blockable(range);
}

const struct mmu_notifier_ops ops = { .release = release };
const struct mmu_interval_notifier_ops interval_ops = {
	.invalidate = invalidate,
};
