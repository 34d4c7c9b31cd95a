// SPDX-License-Identifier: GPL-2.0-only
/*
 * Until 7.0, before 7aba71dbc416 ("mm/mmu_notifier: Allow two-pass struct
 * mmu_interval_notifiers"), an interval of the kernel's invalidates in one pass: the
 * name is free.
 */
#include <linux/mmu_notifier.h>

struct mmu_interval_notifier_finish {
	int free;
};
