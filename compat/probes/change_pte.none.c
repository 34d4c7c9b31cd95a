// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 6.10, 997308f9ae72 ("mmu_notifier: remove the .change_pte() callback"). The
 * name is free: nothing of that name is in the operations.
 */
#include <linux/mmu_notifier.h>

struct with_it {
	struct mmu_notifier_ops;
	int change_pte;
};
