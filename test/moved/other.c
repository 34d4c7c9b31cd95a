// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mmu_notifier.h>
#ifdef LINE
#include <linux/mmun_dropin.h>
#endif

#include "moved.h"

void moved_init(struct moved *moved)
{
	mutex_init(&moved->lock);
}

void moved_exit(void)
{
	mmu_notifier_synchronize();
}
