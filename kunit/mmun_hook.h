/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_HOOK_H
#define _MMUN_HOOK_H

/*
 * The hook of the KUnit suites into the shim. It raises an event on a mm by
 * calling what the kernel's notifier would call, in the order in which it
 * would, and it looks at the state of a mm. Built with MMUN_KUNIT=m only.
 *
 * The kernel does not know an event that is raised here: removing the bridge does
 * not wait for it. A range that may not block must be raised with the mmap lock
 * held for reading, as in the kernel: otherwise mmun may take it for an orphan.
 */

#include <linux/mmu_notifier.h>
#include <linux/mmun_notifier.h>

/* The state of a mm at one instant. */
struct mmun_kunit_state {
	bool closed;
	bool leaving;			/* the bridge is on its way out of the kernel */
	bool released;			/* the mm's exit has released it */
	unsigned int doubts;		/* ranges that may have left the mm marked */
	bool young;			/* the bridge for young queries is there */
	bool tlb;			/* the one for secondary TLBs */
	unsigned int users;
	unsigned int slots;		/* in total */
	unsigned int busy;		/* slots in use */
	unsigned int active;
	unsigned int provisional;
	unsigned int records;		/* ranges that found no slot */
	unsigned int overflow;		/* ... and no memory for a record */
	unsigned int invalidating;	/* the count that readers read without a lock */
	unsigned int waiters;		/* tasks that sleep until something ends */
	unsigned int walks;
	unsigned int zombies;
	unsigned int gettable;		/* notifiers that a get finds without a lock */
	/* the worker's pause, in jiffies, before it looks again for an orphan */
	unsigned long settle_delay;
	/* ... and before it tries again to remove the interval */
	unsigned long retry_delay;
	bool worker_pauses;		/* until its timer expires */
	unsigned long throttled;	/* since when ranges are slowed down, or 0 */
	unsigned int pausing;		/* tasks that pause after a range */
	unsigned long seq;
};

/* A range as the kernel raises it: the object must stay until the end. */
void mmun_kunit_init(struct mmu_notifier_range *range,
		     const struct mmun_notifier_range *what);
/* The kernel calls its intervals: 0 or -EAGAIN. */
int mmun_kunit_accept(struct mmu_notifier_range *range);
/* The same on a bridge that no subscriber finds any more. */
int mmun_kunit_accept_on(struct mmun_subscriptions *subs,
			 struct mmu_notifier_range *range);
/* All have accepted: the kernel calls its list notifiers. */
void mmun_kunit_confirm(struct mmu_notifier_range *range);
/* Both. */
int mmun_kunit_start(struct mmu_notifier_range *range);
void mmun_kunit_end(struct mmu_notifier_range *range);
/* The same on a bridge that no subscriber finds any more. */
void mmun_kunit_end_on(struct mmun_subscriptions *subs, struct mmu_notifier_range *range);

/* The kernel's number that starts are given; 0: the same one always. */
extern unsigned long mmun_kunit_seq;

/* False also if the bridge is not attached. */
bool mmun_kunit_clear_flush_young(struct mm_struct *mm, unsigned long start,
				  unsigned long end);
bool mmun_kunit_clear_young(struct mm_struct *mm, unsigned long start,
			    unsigned long end);
bool mmun_kunit_test_young(struct mm_struct *mm, unsigned long address);
void mmun_kunit_flush_tlb(struct mm_struct *mm, unsigned long start,
			  unsigned long end);

/* @subs: of a subscription that has not left. */
void mmun_kunit_look(struct mmun_subscriptions *subs,
		     struct mmun_kunit_state *state);
/* The address of state.invalidating. */
const void *mmun_kunit_invalidating(struct mmun_subscriptions *subs);
/* Sets the sequence of the newest range; odd. */
void mmun_kunit_set_seq(struct mmun_subscriptions *subs, unsigned long seq);
/* Waits for the worker that settles orphans, if it is queued. */
void mmun_kunit_flush_worker(struct mmun_subscriptions *subs);
/* The first step of a subscription: finds the state of @mm, or NULL. */
struct mmun_subscriptions *mmun_kunit_hold(struct mm_struct *mm);
/* Drops the reference of the first without the second. */
void mmun_kunit_let_go(struct mmun_subscriptions *subs);
/* Would it find one? Not from the moment on when the bridge begins to leave. */
bool mmun_kunit_found(struct mm_struct *mm);
/* The second: false if the state detaches. It drops the reference of the first. */
bool mmun_kunit_let_in(struct mmun_subscriptions *subs);
/* Warnings to drivers since the last call; warnings that come once may come again. */
unsigned int mmun_kunit_warnings(void);
/* If set, every get fails to allocate the counts of its users. */
extern bool mmun_kunit_no_counts;
/* Ranges that find no slot have no memory for a record. */
extern bool mmun_kunit_no_records;
/* Does to the bridge of @mm, which lives and has no subscriber, what rmmod does. */
void mmun_kunit_cut_off(struct mm_struct *mm);
/* An rmmod is under way; kt_exit() ends it. */
void mmun_kunit_set_unloading(bool unloading);
/* As if the worker had waited after the mm's exit for as long as it does at most. */
void mmun_kunit_use_up_patience(struct mmun_subscriptions *subs);
/* The removal that waits has begun then, and so many more tasks pause. */
void mmun_kunit_throttle(struct mmun_subscriptions *subs, unsigned long since, int pausing);
/* Frees what the worker gave up for lost; the kernel's mm must not be marked. */
void mmun_kunit_recover(struct mmun_subscriptions *subs);
/* Does to a bridge what an attach that fails does. */
void mmun_kunit_abandon(struct mmun_subscriptions *subs);
/* Bridges and works, on all mms: 0 when everything is detached. */
unsigned int mmun_kunit_attached(void);

#endif /* _MMUN_HOOK_H */
