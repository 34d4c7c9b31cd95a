// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mmu_notifier.h>
#ifdef LINE
#include <linux/mmun_dropin.h>
#endif

#include "moved.h"

/* bool in mmun, and in the kernel what that release has */
typedef typeof(((struct mmu_notifier_ops *)0)->test_young(NULL, NULL, 0)) young_t;

static young_t moved_test_young(struct mmu_notifier *notifier, struct mm_struct *mm,
				unsigned long address)
{
	return container_of(notifier, struct moved, notifier)->young == address;
}

static const struct mmu_notifier_ops moved_ops = {
	.test_young = moved_test_young,
};

void moved_init(struct moved *moved)
{
	mutex_init(&moved->lock);
	moved->notifier.ops = &moved_ops;
}

void moved_exit(void)
{
	mmu_notifier_synchronize();
}
