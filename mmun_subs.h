/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_SUBS_H
#define _MMUN_SUBS_H

/*
 * The state of one mm: its lock, its references and users, and how tasks sleep on it.
 */

#include <linux/hash.h>
#include <linux/mmun_notifier.h>
#include <linux/rculist.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/spinlock.h>

#include "mmun_range.h"

struct mmun_began;

struct mmun_subscriptions {
	struct mm_struct *mm;
	refcount_t refs;
	pid_t pid;			/* of the process at the attach */
	struct hlist_node hash;		/* in mmun_mms */

	raw_spinlock_t lock;
	/* everything below is under lock unless its line says otherwise */
	bool closed;
	unsigned int users;
	unsigned int users_young;	/* of them, those that need a bridge */
	unsigned int users_tlb;
	unsigned int bridges;		/* MMUN_NEED_*: which of these are there */

	/* mmun_walk.c; list is walked without the lock, inside a walk */
	struct hlist_head list;
	struct hlist_head got;		/* of get; get_quickly() has no lock */
	unsigned int listed;		/* how many list has */
	unsigned long link_gen;		/* how many were ever linked */
	unsigned long walking;		/* walks of ranges, by slot */
	struct list_head walks;		/* the others, oldest first */
	u64 walk_gen;
	struct list_head leaving;	/* subscribers that a walk may still see */
	unsigned int releasing;		/* unregister calls inside ->release */
	struct list_head waiters;	/* tasks that wait for anything but a range */

	struct mmun_ranges ranges;	/* mmun_range.c */

	/* mmun_itree.c */
	struct rb_root_cached itree;
	unsigned long invalidate_seq;	/* odd: the newest one given out */

	/* mmun_trace.c; not under lock, and set once */
	struct mmun_began *began;
};

static inline void mmun_lock(struct mmun_subscriptions *subs)
	__acquires(&subs->lock)
{
	raw_spin_lock(&subs->lock);
}

static inline void mmun_unlock(struct mmun_subscriptions *subs)
	__releases(&subs->lock)
{
	raw_spin_unlock(&subs->lock);
}

/* --- sleeping under subs->lock --- */

/*
 * A sleeper looks at its condition under the lock, and the task that makes it true
 * wakes it under the lock, so no wake-up is lost. A task that waits for the end of
 * one range is in that range's list of sleepers; the others are in subs->waiters. So
 * an end wakes the tasks that wait for it, and no others.
 */
struct mmun_waiter {
	struct list_head node;
	struct task_struct *task;
};

long mmun_sleep(struct mmun_subscriptions *subs, struct list_head *sleepers,
		unsigned int state, long timeout) __must_hold(&subs->lock);
void __mmun_wake(struct list_head *sleepers);

static inline void mmun_wake_sleepers(struct list_head *sleepers)
{
	if (unlikely(!list_empty(sleepers)))
		__mmun_wake(sleepers);
}

static inline void mmun_wake(struct mmun_subscriptions *subs)
	__must_hold(&subs->lock)
{
	mmun_wake_sleepers(&subs->waiters);
}

/* Sleep until the next mmun_wake(). */
static inline void mmun_sleep_long(struct mmun_subscriptions *subs)
	__must_hold(&subs->lock)
{
	mmun_sleep(subs, &subs->waiters, TASK_UNINTERRUPTIBLE, MAX_SCHEDULE_TIMEOUT);
}

#define mmun_wait(subs, condition)					\
	do {								\
		while (!(condition))					\
			mmun_sleep_long(subs);				\
	} while (0)

/* --- finding it, and subscribing --- */

/* The list notifiers of the kernel's that only some subscribers need. */
#define MMUN_NEED_YOUNG	BIT(0)
#define MMUN_NEED_TLB	BIT(1)

/*
 * How the state of a mm comes to be, and what it needs of the bridge: the bridge
 * gives this table to mmun_subscriptions_setup(), so that no arrow leads from here
 * to its room.
 */
struct mmun_bridge_ops {
	/* Makes the state of @mm, which has none, and publishes it. 0 or an errno. */
	int (*attach)(struct mm_struct *mm);
	/* Attaches the list notifiers in @missing. 0 or an errno. */
	int (*attach_extra)(struct mmun_subscriptions *subs, unsigned int missing);
	/* Nobody needs @unneeded any more. subs->lock is held. */
	void (*detach_extra)(struct mmun_subscriptions *subs, unsigned int unneeded);
	/* The last reference was dropped: the memory goes after an RCU grace period. */
	void (*free)(struct mmun_subscriptions *subs);
};

#define MMUN_MMS_BITS	10
/* Walked under RCU. */
extern struct hlist_head mmun_mms[1 << MMUN_MMS_BITS];

/*
 * The state of a mm, or NULL; without a reference. The caller has preemption off,
 * which is an RCU read section, and cheaper than rcu_read_lock().
 */
static inline struct mmun_subscriptions *
mmun_subscriptions_peek(struct mm_struct *mm)
{
	struct mmun_subscriptions *subs;

	/* [M2] pairs with [M1] in mmun_subscriptions_publish(), [M3] in free_shim(). */
	hlist_for_each_entry_rcu(subs, &mmun_mms[hash_ptr(mm, MMUN_MMS_BITS)],
				 hash)
		if (subs->mm == mm)
			return subs;
	return NULL;
}

void mmun_subscriptions_setup(const struct mmun_bridge_ops *ops);
void mmun_subscriptions_init(struct mmun_subscriptions *subs,
			     struct mm_struct *mm, struct mmun_slot *slots,
			     unsigned int nr_slots);
void mmun_subscriptions_publish(struct mmun_subscriptions *subs);
void mmun_subscriptions_unpublish(struct mmun_subscriptions *subs);
struct mmun_subscriptions *mmun_subscriptions_find(struct mm_struct *mm);
int mmun_subscriptions_prepare(struct mm_struct *mm, bool mmap_locked);
struct mmun_subscriptions *mmun_subscriptions_join(struct mm_struct *mm,
						   unsigned int needs,
						   bool mmap_locked);
void mmun_subscriptions_put(struct mmun_subscriptions *subs);

/* One more subscriber. False if the mm's exit has released it. */
static inline bool mmun_subscriptions_add_user(struct mmun_subscriptions *subs)
	__must_hold(&subs->lock)
{
	if (subs->closed)
		return false;
	if (!subs->users++)
		refcount_inc(&subs->refs);
	return true;
}

void __mmun_subscriptions_leave(struct mmun_subscriptions *subs,
				unsigned int needs) __must_hold(&subs->lock);

/*
 * One subscriber less, which joined with @needs. True if the caller has to put the
 * reference that users held, after it has unlocked.
 */
static inline bool mmun_subscriptions_leave(struct mmun_subscriptions *subs,
					    unsigned int needs)
	__must_hold(&subs->lock)
{
	if (needs)
		__mmun_subscriptions_leave(subs, needs);
	return !--subs->users;
}

#endif /* _MMUN_SUBS_H */
