/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_CORE_H
#define _MMUN_CORE_H

/* Linking and unlinking a list subscription, as mmun_get.c needs it. */

#include "mmun_walk.h"

int mmun_link(struct mmun_notifier *mn, struct mm_struct *mm, bool mmap_locked,
	      struct mmun_notifier *(*faster)(struct mmun_subscriptions *subs,
					      const struct mmun_notifier_ops *ops),
	      struct mmun_notifier **linked);
int mmun_finish_joining(struct mmun_subscriptions *subs, struct mmun_notifier *mn,
			bool mmap_locked) __must_hold(&subs->lock);
void mmun_unlink(struct mmun_subscriptions *subs, struct mmun_notifier *mn)
	__must_hold(&subs->lock);

#endif /* _MMUN_CORE_H */
