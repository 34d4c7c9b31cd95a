// SPDX-License-Identifier: GPL-2.0-only
#undef pr_fmt
#define pr_fmt(fmt) "moved: " fmt

#include <linux/mmu_notifier.h>
#include <linux/module.h>
#ifdef LINE
#include <linux/mmun_dropin.h>
#endif

#include "moved.h"

static struct moved moved;

static int __init moved_load(void)
{
	moved_init(&moved);
	mutex_lock(&moved.lock);
	pr_info("subscribed to %p\n", moved.notifier.mm);
	mutex_unlock(&moved.lock);
	return 0;
}

static void __exit moved_unload(void)
{
	moved_exit();
}

module_init(moved_load);
module_exit(moved_unload);

MODULE_DESCRIPTION("A driver that was moved to mmun, to test the checks of its layout");
MODULE_LICENSE("GPL");
