// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 7.1, 7aba71dbc416 ("mm/mmu_notifier: Allow two-pass struct
 * mmu_interval_notifiers"), an interval of the kernel's may invalidate in
 * two passes. mmun makes two passes of its own, for its own subscribers, on every
 * kernel.
 */
#include <linux/mmu_notifier.h>

struct mmu_interval_notifier_finish finish;
