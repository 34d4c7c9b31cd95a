/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_HOOK_H
#define _MMUN_HOOK_H

/*
 * The hook of the KUnit suites into the shim. It raises an event on a mm by
 * calling what the kernel's notifier would call, in the order in which it
 * would, and it looks at the state of a mm. Built with MMUN_KUNIT=m only.
 *
 * An event raised here is not known to the kernel: removing the bridge does not
 * wait for it. And, as the kernel's own, one that may not block is raised with
 * the mmap lock held for reading, or else it may be taken for an orphan.
 */

#include <linux/mmu_notifier.h>
#include <linux/mmun_notifier.h>

/* What is known about a mm at one instant. */
struct mmun_kunit_state {
	bool closed;
	bool leaving;			/* the bridge is on its way out of the kernel */
	bool released;			/* the mm's exit has released it */
	unsigned int doubts;		/* ranges that may have left the mm marked */
	bool young;			/* the bridge for young queries is there */
	bool tlb;			/* the one for secondary TLBs */
	unsigned int users;
	unsigned int slots;		/* how many there are */
	unsigned int busy;		/* of them, taken */
	unsigned int active;
	unsigned int provisional;
	unsigned int records;		/* ranges that found no slot */
	unsigned int overflow;		/* ... and no memory for a record */
	unsigned int invalidating;	/* what readers look at without a lock */
	unsigned int waiters;		/* tasks that sleep until something ends */
	unsigned int walks;
	unsigned int zombies;
	unsigned int gettable;		/* what a get finds without a lock */
	unsigned long seq;
};

/* One range, as the kernel raises it: the object stays until the end. */
void mmun_kunit_init(struct mmu_notifier_range *range,
		     const struct mmun_notifier_range *what);
/* The kernel's intervals are asked: 0 or -EAGAIN. */
int mmun_kunit_accept(struct mmu_notifier_range *range);
/* They all agreed: the list notifiers are asked. */
void mmun_kunit_confirm(struct mmu_notifier_range *range);
/* Both. */
int mmun_kunit_start(struct mmu_notifier_range *range);
void mmun_kunit_end(struct mmu_notifier_range *range);

/* The kernel's number that starts are given; 0: the same one always. */
extern unsigned long mmun_kunit_seq;

/* False also where the bridge is not there. */
bool mmun_kunit_clear_flush_young(struct mm_struct *mm, unsigned long start,
				  unsigned long end);
bool mmun_kunit_clear_young(struct mm_struct *mm, unsigned long start,
			    unsigned long end);
bool mmun_kunit_test_young(struct mm_struct *mm, unsigned long address);
void mmun_kunit_flush_tlb(struct mm_struct *mm, unsigned long start,
			  unsigned long end);

/* @subs: of a subscription that is still there */
void mmun_kunit_look(struct mmun_subscriptions *subs,
		     struct mmun_kunit_state *state);
/* Where state.invalidating is. */
const void *mmun_kunit_invalidating(struct mmun_subscriptions *subs);
/* The number of the newest range; odd. */
void mmun_kunit_set_seq(struct mmun_subscriptions *subs, unsigned long seq);
/* The worker that settles orphans has had a turn, if there was one to have. */
void mmun_kunit_flush_worker(struct mmun_subscriptions *subs);
/* One who subscribes finds the state of @mm, or NULL ... */
struct mmun_subscriptions *mmun_kunit_hold(struct mm_struct *mm);
/* ... and is let in, or has to begin again; it holds nothing any more. */
bool mmun_kunit_let_in(struct mmun_subscriptions *subs);
/* How often drivers were warned since the last call; what is said once is said anew. */
unsigned int mmun_kunit_warnings(void);
/* No get has memory to count its users in. */
extern bool mmun_kunit_no_counts;
/* Ranges that find no slot have no memory for a record. */
extern bool mmun_kunit_no_records;
/* Does to the bridge of @mm, which lives and has no subscriber, what rmmod does. */
void mmun_kunit_cut_off(struct mm_struct *mm);
/* Bridges and works, on all mms: zero when everything is detached. */
unsigned int mmun_kunit_attached(void);

#endif /* _MMUN_HOOK_H */
