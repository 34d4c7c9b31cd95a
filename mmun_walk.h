/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_WALK_H
#define _MMUN_WALK_H

/* Walks of the list of subscribers, and the dispatch of events to them. */

#include <linux/srcu.h>

#include "mmun_subs.h"

/*
 * A walk that is not of a range with a slot: a task that may be inside a callback of
 * this mm. next and cur belong to that task alone.
 */
struct mmun_walk {
	struct list_head node;
	struct task_struct *task;
	u64 gen;
	unsigned long at;		/* how far it is: see "Progress" in mmun_walk.c */
	struct mmun_notifier *cur;	/* NULL: gone while its callback ran */
	struct hlist_node *next;
};

/*
 * The life of a list notifier, which only goes on. It is written under subs->lock, and
 * read without it as well: see O3 and O4 in mmun_walk.c. Each state includes those
 * before it. Apart from it, because they go with more than one of these states: joining
 * (the exit may make a notifier leave whose registration still waits), released (its
 * unregister may be inside ->release), got (a kind, not a state).
 */
enum mmun_life {
	MMUN_LISTED,		/* called for starts */
	MMUN_LEFT,		/* its starts are over, ends are due; linked at the exit */
	MMUN_UNLINKED,		/* out of the list */
	MMUN_ZOMBIE,		/* put, and to be freed */
};

/* Under subs->lock. Never back: an unregister after the exit leaves a second time. */
static inline void mmun_life_reaches(struct mmun_notifier *mn, enum mmun_life life)
{
	if (mn->priv.life < life)
		WRITE_ONCE(mn->priv.life, life);
}

static inline bool mmun_has_left(struct mmun_notifier *mn)
{
	return READ_ONCE(mn->priv.life) >= MMUN_LEFT;
}

extern struct srcu_struct mmun_srcu;

/* Around all callbacks, for call_srcu, which waits for all of them. */
static inline int mmun_callbacks_enter(void)
	__acquires(&mmun_srcu)
{
	/* [S2] pairs with [S1] in mmun_notifier_call_srcu(). */
	return srcu_read_lock(&mmun_srcu);
}

static inline void mmun_callbacks_leave(int idx)
	__releases(&mmun_srcu)
{
	srcu_read_unlock(&mmun_srcu, idx);
}

void mmun_walk_begin(struct mmun_subscriptions *subs, struct mmun_walk *walk)
	__must_hold(&subs->lock);
void mmun_walk_end(struct mmun_subscriptions *subs, struct mmun_walk *walk)
	__must_hold(&subs->lock);
void __mmun_slot_walk_end(struct mmun_subscriptions *subs, unsigned int slot)
	__must_hold(&subs->lock);

/* A walk of the range that has @slot. */
static inline void mmun_slot_walk_begin(struct mmun_subscriptions *subs, unsigned int slot)
	__must_hold(&subs->lock)
{
	subs->walking |= BIT(slot);	/* [W1] in mmun_walk.c */
	subs->ranges.slots[slot].at = ULONG_MAX;
}

static inline void mmun_slot_walk_end(struct mmun_subscriptions *subs, unsigned int slot)
	__must_hold(&subs->lock)
{
	subs->walking &= ~BIT(slot);	/* [W3] in mmun_walk.c */
	if (unlikely(!list_empty(&subs->leaving)))
		__mmun_slot_walk_end(subs, slot);
	mmun_wake(subs);
}

int mmun_list_start(struct mmun_subscriptions *subs,
		    const struct mmun_notifier_range *range, unsigned int slot);
void mmun_list_end(struct mmun_subscriptions *subs,
		   const struct mmun_notifier_range *range, unsigned int slot);
void mmun_list_start_unslotted(struct mmun_subscriptions *subs,
			       const struct mmun_notifier_range *range,
			       struct mmun_record *record, struct mmun_walk *walk);
void mmun_list_end_unslotted(struct mmun_subscriptions *subs,
			     const struct mmun_notifier_range *range,
			     struct mmun_record *record, struct mmun_walk *walk);
void mmun_list_release(struct mmun_subscriptions *subs);
bool mmun_list_clear_flush_young(struct mmun_subscriptions *subs,
				 unsigned long start, unsigned long end);
bool mmun_list_clear_young(struct mmun_subscriptions *subs,
			   unsigned long start, unsigned long end);
bool mmun_list_test_young(struct mmun_subscriptions *subs,
			  unsigned long address);
void mmun_list_flush_tlb(struct mmun_subscriptions *subs, unsigned long start,
			 unsigned long end);

/* --- for leavers --- */

void mmun_walks_setup(void (*zombie_unseen)(struct mmun_notifier *mn));
void mmun_walks_hand_over(struct mmun_subscriptions *subs)
	__must_hold(&subs->lock);
unsigned long mmun_walks_to(struct mmun_subscriptions *subs, struct mmun_notifier *mn)
	__must_hold(&subs->lock);
bool mmun_walked_by_others(struct mmun_subscriptions *subs, struct mmun_notifier *mn)
	__must_hold(&subs->lock);
unsigned long mmun_list_leave(struct mmun_subscriptions *subs,
			      struct mmun_notifier *mn) __must_hold(&subs->lock);
void mmun_list_deliver_owed(struct mmun_subscriptions *subs,
			    struct mmun_notifier *mn, unsigned long owed);

/* True for one task only: it calls ->release, or sees to it that nobody does. */
static inline bool mmun_claim_release(struct mmun_notifier *mn)
{
	if (mn->priv.released)
		return false;
	mn->priv.released = true;
	return true;
}

#endif /* _MMUN_WALK_H */
