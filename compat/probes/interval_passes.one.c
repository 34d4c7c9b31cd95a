// SPDX-License-Identifier: GPL-2.0-only
/*
 * Until 7.0 an interval of the kernel's invalidates in one pass: the name is free.
 */
#include <linux/mmu_notifier.h>

struct mmu_interval_notifier_finish {
	int free;
};
