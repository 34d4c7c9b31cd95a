/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _RANGE_LINUX_INTERVAL_TREE_H
#define _RANGE_LINUX_INTERVAL_TREE_H

/* In user space: linux/mmun_notifier.h embeds it, and the table does not use it. */
#include <linux/rbtree.h>

struct interval_tree_node {
	struct rb_node rb;
	unsigned long start;
	unsigned long last;
	unsigned long __subtree_last;
};

#endif /* _RANGE_LINUX_INTERVAL_TREE_H */
