/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_INTERNAL_H
#define _MMUN_INTERNAL_H

/*
 * The state of one mm, and the rules for it.
 *
 * Files. An event goes one way:
 *
 *   kernel -> mmun_shim.c -> mmun_range.c -> mmun_itree.c -> subscriber
 *                                         -> mmun_core.c  -> subscriber
 *
 * mmun_shim.c  hears the kernel's notifier; finds the state of a mm
 * mmun_range.c the table of ranges in flight: what has begun and not ended
 * mmun_itree.c interval subscriptions
 * mmun_hmm.c   faulting pages in under an interval
 * mmun_core.c  list subscriptions, walks, destruction
 *
 * Locks, outermost first. A lock is taken only while those above it, or none,
 * are held:
 *
 *   mmap_lock, for writing	a first attach to a mm; get and the _locked calls
 *   sync_mutex (core)		one mmun_notifier_synchronize() at a time
 *   walk			not a lock: a task that may be inside callbacks.
 *				What waits for walks is in mmun_core.c
 *   subs->lock			all of struct mmun_subscriptions; raw
 *   free_lock (core)		the notifiers that are ready to be freed; raw
 *   shim_lock (shim)		changes of the table of mms
 *
 * subs->lock and free_lock are raw spinlocks, held for a few steps (a get that is not
 * quick: one for each list subscriber; its put: one for each processor, until a user is
 * found) and never around a callback. They are taken in ranges that may not block,
 * where on PREEMPT_RT a spinlock_t would sleep. For the same reason the sleepers here
 * wait on a list of their own under subs->lock (mmun_wait()): the lock of a
 * wait_queue_head_t is a spinlock_t. None of them is ever taken in an interrupt.
 *
 * Lifetimes.
 *
 * - struct mmun_subscriptions: counted in refs. The bridge to the kernel holds
 *   one until it is detached, each queued work one, all subscribers together one
 *   while users is not zero, and each list subscriber one more until it needs the
 *   state no longer. A walk needs none: the bridge cannot go while it calls. Freed
 *   after an RCU grace period, because the look-up by mm walks the table under
 *   RCU, and whoever holds subs->lock is an RCU reader.
 * - users counts subscribers. When it falls to zero the bridge is detached by
 *   a worker at once: a mm without subscribers costs nothing, and a driver that
 *   leaves does not wait for the kernel's grace period.
 * - mm_struct: one mm_count for each subscriber and one for the state itself;
 *   mm_users is never held past a call.
 * - struct mmun_notifier: the driver's. Whoever unlinks it may free it after
 *   the walks that were running then, and one of get after the gets, too; see
 *   mmun_core.c.
 *
 * closed says that the mm's exit has released it: no range is in flight, none
 * will be, and nothing may wait for one.
 */

#include <linux/hash.h>
#include <linux/interval_tree.h>
#include <linux/list.h>
#include <linux/mmun_notifier.h>
#include <linux/rculist.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>

/* A range in flight; its callbacks are given range. */
struct mmun_slot {
	const void *key;		/* NULL: over, or an orphan */
	unsigned long seq;		/* the range's number */
	unsigned int pins;		/* leavers who still read it */
	struct mmun_notifier_range range;
};

struct mmun_subscriptions {
	struct mm_struct *mm;
	refcount_t refs;
	struct hlist_node hash;		/* in mmun_mms; the shim's */

	raw_spinlock_t lock;
	/* everything below is under lock unless its line says otherwise */
	bool closed;
	bool detaching;			/* nobody may subscribe any more */
	unsigned int users;
	unsigned int users_young;	/* of them, those who need a bridge */
	unsigned int users_tlb;

	/* mmun_core.c; list is walked without the lock, inside a walk */
	struct hlist_head list;
	struct hlist_head got;		/* of get; get_quickly() has no lock */
	unsigned long walking;		/* walks of ranges, by slot */
	struct list_head walks;		/* the others, oldest first */
	u64 walk_gen;
	struct list_head leaving;	/* whom a walk may still see */
	unsigned int releasing;		/* unregister calls inside ->release */
	struct list_head waiters;

	/* mmun_range.c; one bit for each slot */
	unsigned long busy;		/* the slot is taken, or there is none */
	unsigned long active;		/* its range is being invalidated */
	unsigned long provisional;	/* ... unless somebody refused it */
	unsigned long ending;		/* not active, ends are being told */
	unsigned int overflow;		/* active ranges that found no slot */
	/* all active ranges; read without the lock, see mmun_itree.c */
	unsigned int invalidating;
	unsigned int nr_slots;

	/* mmun_itree.c */
	struct rb_root_cached itree;
	unsigned long invalidate_seq;	/* odd: the newest one given out */

	struct mmun_slot slots[];	/* mmun_range.c */
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

/*
 * Sleeping under subs->lock: the condition is looked at under the lock, and
 * who makes it true calls mmun_wake() under the lock, so no wake-up is lost.
 */
struct mmun_waiter {
	struct list_head node;
	struct task_struct *task;
};

long mmun_sleep(struct mmun_subscriptions *subs, long timeout)
	__must_hold(&subs->lock);
void __mmun_wake(struct mmun_subscriptions *subs) __must_hold(&subs->lock);

static inline void mmun_wake(struct mmun_subscriptions *subs)
	__must_hold(&subs->lock)
{
	if (unlikely(!list_empty(&subs->waiters)))
		__mmun_wake(subs);
}

#define mmun_wait(subs, condition)					\
	do {								\
		while (!(condition))					\
			mmun_sleep(subs, MAX_SCHEDULE_TIMEOUT);		\
	} while (0)

/*
 * A walk that is not of a range with a slot: a task that may be inside a callback of
 * this mm. next and cur belong to that task alone.
 */
struct mmun_walk {
	struct list_head node;
	struct task_struct *task;
	u64 gen;
	struct mmun_notifier *cur;	/* NULL: gone while its callback ran */
	struct hlist_node *next;
};

/*
 * What a driver does wrong is said in the log; what it may do wrong again and again, once.
 * The suites count what was said.
 */
enum mmun_saying { MMUN_SAID_ERROR, MMUN_SAID_CODE, MMUN_SAID_REFUSAL, MMUN_SAID_MM };

#ifdef MMUN_KUNIT
extern atomic_t mmun_kunit_said;
extern bool mmun_kunit_no_counts;
#define mmun_count_warning()	atomic_inc(&mmun_kunit_said)
#else
#define mmun_kunit_no_counts	false
#define mmun_count_warning()	do { } while (0)
#endif

#define mmun_warn(fmt, ...)						\
	do {								\
		mmun_count_warning();					\
		pr_warn("mmun: " fmt, ##__VA_ARGS__);			\
	} while (0)

#define mmun_warn_once(what, fmt, ...)					\
	do {								\
		if (!test_and_set_bit(what, &mmun_said))		\
			mmun_warn(fmt, ##__VA_ARGS__);			\
	} while (0)

/* mmun_core.c */
extern unsigned long mmun_said;
extern struct srcu_struct mmun_srcu;

/* Around all callbacks, for those who wait for all of them: call_srcu. */
static inline int mmun_callbacks_enter(void)
	__acquires(&mmun_srcu)
{
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

/* A walk of the range that has @slot. [A] and [C] in mmun_core.c */
static inline void mmun_slot_walk_begin(struct mmun_subscriptions *subs, unsigned int slot)
	__must_hold(&subs->lock)
{
	subs->walking |= BIT(slot);
}

static inline void mmun_slot_walk_end(struct mmun_subscriptions *subs, unsigned int slot)
	__must_hold(&subs->lock)
{
	subs->walking &= ~BIT(slot);
	if (unlikely(!list_empty(&subs->leaving)))
		__mmun_slot_walk_end(subs, slot);
	mmun_wake(subs);
}

int mmun_list_start(struct mmun_subscriptions *subs,
		    const struct mmun_notifier_range *range, unsigned int slot);
void mmun_list_end(struct mmun_subscriptions *subs,
		   const struct mmun_notifier_range *range, unsigned int slot);
void mmun_list_start_counted(struct mmun_subscriptions *subs,
			     const struct mmun_notifier_range *range);
void mmun_list_end_counted(struct mmun_subscriptions *subs,
			   const struct mmun_notifier_range *range);
void mmun_list_release(struct mmun_subscriptions *subs);
bool mmun_list_clear_flush_young(struct mmun_subscriptions *subs,
				 unsigned long start, unsigned long end);
bool mmun_list_clear_young(struct mmun_subscriptions *subs,
			   unsigned long start, unsigned long end);
bool mmun_list_test_young(struct mmun_subscriptions *subs,
			  unsigned long address);
void mmun_list_flush_tlb(struct mmun_subscriptions *subs, unsigned long start,
			 unsigned long end);
int mmun_core_init(void);
void mmun_core_exit(void);

/* mmun_itree.c */
struct mmun_interval_notifier *
mmun_itree_first(struct mmun_subscriptions *subs,
		 const struct mmun_notifier_range *range)
	__must_hold(&subs->lock);
int mmun_itree_start(struct mmun_subscriptions *subs,
		     struct mmun_interval_notifier *sub,
		     const struct mmun_notifier_range *range,
		     unsigned long cur_seq);

/* mmun_range.c */
#define MMUN_NO_SLOT	UINT_MAX

void mmun_subscriptions_init(struct mmun_subscriptions *subs,
			     struct mm_struct *mm, unsigned int nr_slots);
/*
 * The last byte of a range that is not empty. An exclusive end cannot say that
 * the very last byte is part of it, so ULONG_MAX is taken to say so.
 */
static inline unsigned long
mmun_range_last(const struct mmun_notifier_range *range)
{
	return range->end == ULONG_MAX ? ULONG_MAX : range->end - 1;
}

static inline bool mmun_take_bit(unsigned int *slot, unsigned long *mask)
{
	if (!*mask)
		return false;
	*slot = __ffs(*mask);
	*mask &= *mask - 1;
	return true;
}

/* The slots of a mask, which it uses up. */
#define mmun_for_each_slot(slot, mask) \
	for (; mmun_take_bit(&(slot), &(mask)); )

int mmun_range_start(struct mmun_subscriptions *subs, const void *key,
		     unsigned long start, unsigned long end, unsigned int flags,
		     enum mmun_notifier_event event, void *owner)
	__releases(&subs->lock);
void mmun_range_confirm(struct mmun_subscriptions *subs, const void *key);
bool mmun_range_end(struct mmun_subscriptions *subs, const void *key);
void mmun_range_end_counted(struct mmun_subscriptions *subs,
			    const struct mmun_notifier_range *range);
unsigned long mmun_range_orphan(struct mmun_subscriptions *subs);
void mmun_range_settle(struct mmun_subscriptions *subs, unsigned long orphans);
void mmun_range_release(struct mmun_subscriptions *subs);
void mmun_range_pin(struct mmun_subscriptions *subs, unsigned long mask)
	__must_hold(&subs->lock);
void mmun_range_unpin(struct mmun_subscriptions *subs, unsigned long mask)
	__must_hold(&subs->lock);
bool mmun_range_before(struct mmun_subscriptions *subs, unsigned long mask,
		       unsigned long seq) __must_hold(&subs->lock);
bool mmun_range_overlaps(struct mmun_subscriptions *subs, unsigned long mask,
			 unsigned long first, unsigned long last)
	__must_hold(&subs->lock);

/* mmun_shim.c: what the rooms above ask of it */
#define MMUN_NEED_YOUNG	BIT(0)
#define MMUN_NEED_TLB	BIT(1)

#define MMUN_MMS_BITS	10
/* Walked under RCU. */
extern struct hlist_head mmun_mms[1 << MMUN_MMS_BITS];

/*
 * The newest state of a mm, which may be going, or NULL; without a reference. Under
 * subs->lock it is certain whether it is going. The caller has preemption off, which
 * is an RCU read section, and cheaper than rcu_read_lock().
 */
static inline struct mmun_subscriptions *
mmun_subscriptions_peek(struct mm_struct *mm)
{
	struct mmun_subscriptions *subs;

	hlist_for_each_entry_rcu(subs, &mmun_mms[hash_ptr(mm, MMUN_MMS_BITS)],
				 hash)
		if (subs->mm == mm)
			return subs;
	return NULL;
}

struct mmun_subscriptions *mmun_subscriptions_find(struct mm_struct *mm);
struct mmun_subscriptions *mmun_subscriptions_join(struct mm_struct *mm,
						   unsigned int needs,
						   bool mmap_locked);
bool __mmun_subscriptions_leave(struct mmun_subscriptions *subs,
				unsigned int needs) __must_hold(&subs->lock);

/* One more subscriber. False if the bridge is going, or the mm is. */
static inline bool mmun_subscriptions_add_user(struct mmun_subscriptions *subs)
	__must_hold(&subs->lock)
{
	if (subs->detaching || subs->closed)
		return false;
	if (!subs->users++)
		refcount_inc(&subs->refs);
	return true;
}

/*
 * One subscriber less, who joined with @needs. True if the caller has to put the
 * reference that users held, after it has unlocked.
 */
static inline bool mmun_subscriptions_leave(struct mmun_subscriptions *subs,
					    unsigned int needs)
	__must_hold(&subs->lock)
{
	if (needs || subs->users == 1)
		return __mmun_subscriptions_leave(subs, needs);
	subs->users--;
	return false;
}

void mmun_subscriptions_put(struct mmun_subscriptions *subs);

extern struct workqueue_struct *mmun_wq;

#ifdef CONFIG_LOCKDEP
extern struct lockdep_map mmun_range_start_map;
#endif

/*
 * For those who sleep until a callback is done: no lock that a callback takes
 * may be held. Only for kernels that check: might_sleep() also offers others the
 * processor, which costs as much as the rest of a quick call.
 */
static inline void mmun_might_wait(void)
{
	if (!IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP) && !IS_ENABLED(CONFIG_LOCKDEP))
		return;
	might_sleep();
	lock_map_acquire(&mmun_range_start_map);
	lock_map_release(&mmun_range_start_map);
}

#endif /* _MMUN_INTERNAL_H */
