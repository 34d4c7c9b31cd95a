/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_EVENT_H
#define _MMUN_EVENT_H

/* The bridge calls these for the events of a mm, in the order in which they happen. */

#include "mmun_subs.h"

int mmun_event_start(struct mmun_subscriptions *subs, const void *key,
		     unsigned long start, unsigned long end, unsigned int flags,
		     enum mmun_notifier_event event, void *owner)
	__releases(&subs->lock);
void mmun_event_confirm(struct mmun_subscriptions *subs, const void *key);
bool mmun_event_end(struct mmun_subscriptions *subs, const void *key);
void mmun_event_end_unslotted(struct mmun_subscriptions *subs, const void *key,
			      const struct mmun_notifier_range *range);
unsigned long mmun_event_orphan(struct mmun_subscriptions *subs);
void mmun_event_settle(struct mmun_subscriptions *subs, unsigned long orphans);
void mmun_event_release(struct mmun_subscriptions *subs);

#endif /* _MMUN_EVENT_H */
