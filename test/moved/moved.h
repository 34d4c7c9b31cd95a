/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MOVED_H
#define MOVED_H

#include <linux/mmu_notifier.h>
#include <linux/mutex.h>

#ifndef UNCHECKED
#if __has_include("linux/mmun_dropin.h") && !defined(_LINUX_MMUN_DROPIN_H)
#error "include <linux/mmun_dropin.h> before this header"
#endif
#endif

struct moved {
	struct mmu_notifier notifier;
	struct mutex lock;	/* at an offset that the line changes */
	unsigned long young;	/* an address */
};

void moved_init(struct moved *moved);
void moved_exit(void);

#endif
