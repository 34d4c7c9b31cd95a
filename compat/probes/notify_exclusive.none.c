// SPDX-License-Identifier: GPL-2.0-only
/*
 * Until 5.13 nothing makes pages exclusive: b756a3b5e7ea ("mm: device exclusive
 * memory access"). The name is free, and the number behind the last one's is ours.
 */
#include <linux/mmu_notifier.h>

enum { MMU_NOTIFY_EXCLUSIVE = MMU_NOTIFY_MIGRATE + 1 };
