/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_ITREE_H
#define _MMUN_ITREE_H

/* Interval subscriptions, as mmun_event.c calls them. */

#include "mmun_subs.h"

struct mmun_interval_notifier *
mmun_itree_first(struct mmun_subscriptions *subs,
		 const struct mmun_notifier_range *range)
	__must_hold(&subs->lock);
int mmun_itree_start(struct mmun_subscriptions *subs,
		     struct mmun_interval_notifier *sub,
		     const struct mmun_notifier_range *range,
		     unsigned long cur_seq);

#endif /* _MMUN_ITREE_H */
