/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _RANGE_LINUX_LLIST_H
#define _RANGE_LINUX_LLIST_H

/* In user space: linux/mmun_notifier.h embeds it, and the table does not use it. */
struct llist_node {
	struct llist_node *next;
};

#endif /* _RANGE_LINUX_LLIST_H */
