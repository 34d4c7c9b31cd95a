// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 5.14, b756a3b5e7ea ("mm: device exclusive memory access").
 */
#include <linux/mmu_notifier.h>

const enum mmu_notifier_event event = MMU_NOTIFY_EXCLUSIVE;
