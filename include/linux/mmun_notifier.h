/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_MMUN_NOTIFIER_H
#define _LINUX_MMUN_NOTIFIER_H

/*
 * mmun: a memory-management notifier core as a module.
 *
 * A driver that mirrors a process's page tables subscribes to the mm_struct
 * and is called for every change that makes its copy stale. There are two kinds
 * of subscription:
 *
 * - a list subscription (struct mmun_notifier) gets every range of the mm,
 *   its start and its end, and the release of the address space;
 * - an interval subscription (struct mmun_interval_notifier) gets the start
 *   of the ranges that overlap it, and pairs with a collision-retry read side.
 *
 * Both hold the mm_struct (mm_count), never the address space (mm_users).
 *
 * Every range is [start, end), in bytes, unless a line says otherwise.
 */

#include <linux/bits.h>
#include <linux/err.h>
#include <linux/interval_tree.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mm_types.h>
#include <linux/mm.h>
#include <linux/types.h>

struct mmun_notifier;
struct mmun_notifier_ops;
struct mmun_interval_notifier;
struct mmun_subscriptions;

/**
 * enum mmun_notifier_event - why a range is being invalidated
 * @MMUN_NOTIFY_UNMAP: munmap(), mremap() away, the OOM reaper, exit
 * @MMUN_NOTIFY_CLEAR: page table entries are cleared (zap, migration, reclaim,
 *	copy-on-write); also every event that this version does not know
 * @MMUN_NOTIFY_PROTECTION_VMA: the protection of a whole part of a VMA changes
 * @MMUN_NOTIFY_PROTECTION_PAGE: the protection of single pages changes
 * @MMUN_NOTIFY_SOFT_DIRTY: soft-dirty tracking write-protects pages
 * @MMUN_NOTIFY_RELEASE: the address space goes away; intervals get it once
 * @MMUN_NOTIFY_MIGRATE: migrate_vma_setup() collects pages; ignore it if
 *	range->owner is your own
 * @MMUN_NOTIFY_EXCLUSIVE: pages are made exclusive to range->owner
 */
enum mmun_notifier_event {
	MMUN_NOTIFY_UNMAP = 0,
	MMUN_NOTIFY_CLEAR,
	MMUN_NOTIFY_PROTECTION_VMA,
	MMUN_NOTIFY_PROTECTION_PAGE,
	MMUN_NOTIFY_SOFT_DIRTY,
	MMUN_NOTIFY_RELEASE,
	MMUN_NOTIFY_MIGRATE,
	MMUN_NOTIFY_EXCLUSIVE,
};

/* The callback may sleep; without it, it must return -EAGAIN (or false). */
#define MMUN_NOTIFIER_RANGE_BLOCKABLE	BIT(0)

/**
 * struct mmun_notifier_range - one invalidation
 * @mm: the address space
 * @start: first byte
 * @end: the byte after the last one
 * @flags: MMUN_NOTIFIER_RANGE_BLOCKABLE or 0
 * @event: why
 * @owner: for MIGRATE and EXCLUSIVE, who does it; NULL otherwise
 *
 * A start and its end are given equal ranges, not always the same object.
 */
struct mmun_notifier_range {
	struct mm_struct *mm;
	unsigned long start;
	unsigned long end;
	unsigned int flags;
	enum mmun_notifier_event event;
	void *owner;
};

/**
 * mmun_notifier_range_blockable - may the callback sleep?
 * @range: the range that the callback was given
 *
 * Return: true if it may; if false, a callback that would have to sleep
 * returns -EAGAIN (list) or false (interval) and changes nothing.
 */
static inline bool
mmun_notifier_range_blockable(const struct mmun_notifier_range *range)
{
	return range->flags & MMUN_NOTIFIER_RANGE_BLOCKABLE;
}

/**
 * struct mmun_notifier_ops - the callbacks of a list subscriber
 * @release: the address space goes away, or the subscriber unregisters. All
 *	mirrored entries must go and none may come. Called once. May sleep.
 *	mmun_notifier_put() and mmun_notifier_unregister() may be called here,
 *	and of the two only put in the other operations.
 * @clear_flush_young: take and clear the young state of [start, end), and
 *	flush. Must not sleep: page table locks are held.
 * @clear_young: the same without the flush.
 * @test_young: is the page at @address young? Changes nothing.
 * @invalidate_range_start: from its return until invalidate_range_end no
 *	entry of the range may exist or come. May sleep if the range is
 *	blockable. Return: 0, or -EAGAIN in a range that is not blockable and
 *	would need it; a start that returns an error, or in which the last user
 *	puts the subscription, gets no end (an error does in an overflow range: more
 *	than 8 for each CPU at once, and no memory for one more). An error in a
 *	blockable range is reported once and otherwise ignored.
 * @invalidate_range_end: the range has been changed. Should be short: a
 *	subscriber that sleeps here delays users of the kernel's own notifier.
 * @arch_invalidate_secondary_tlbs: flush the TLB of a device that walks the
 *	CPU's page tables. Called with page table locks held: must not sleep.
 *	Before Linux 6.6 it is called without them, too, when a range ends.
 *	May be combined with the other operations.
 * @alloc_notifier: mmun_notifier_get() needs a new object. May sleep; the mmap
 *	lock is held for writing. Return: the object, or ERR_PTR().
 * @free_notifier: gives the object back. Called once, in a context that may
 *	not sleep, when no callback on it runs or ever will.
 *
 * Start, end and release of one subscriber may run in parallel for different
 * ranges. Sleeping long in an end or a young query is a mistake of the
 * subscriber's: they run in the in-kernel notifier's machine-wide domain.
 */
struct mmun_notifier_ops {
	void (*release)(struct mmun_notifier *mn, struct mm_struct *mm);
	bool (*clear_flush_young)(struct mmun_notifier *mn,
				  struct mm_struct *mm, unsigned long start,
				  unsigned long end);
	bool (*clear_young)(struct mmun_notifier *mn, struct mm_struct *mm,
			    unsigned long start, unsigned long end);
	bool (*test_young)(struct mmun_notifier *mn, struct mm_struct *mm,
			   unsigned long address);
	int (*invalidate_range_start)(struct mmun_notifier *mn,
				      const struct mmun_notifier_range *range);
	void (*invalidate_range_end)(struct mmun_notifier *mn,
				     const struct mmun_notifier_range *range);
	void (*arch_invalidate_secondary_tlbs)(struct mmun_notifier *mn,
					       struct mm_struct *mm,
					       unsigned long start,
					       unsigned long end);
	struct mmun_notifier *(*alloc_notifier)(struct mm_struct *mm);
	void (*free_notifier)(struct mmun_notifier *mn);
};

/**
 * struct mmun_notifier - a list subscription
 * @ops: set by the driver before mmun_notifier_register(); by get otherwise
 * @mm: the address space; valid (as mm_count) while subscribed
 *
 * The driver embeds it, zeroes it and sets @ops; the rest belongs to the core.
 */
struct mmun_notifier {
	const struct mmun_notifier_ops *ops;
	struct mm_struct *mm;
	/* private: */
	struct hlist_node hlist;	/* as upstream's: drivers initialize it, for nothing */
	struct {
		struct hlist_node got_node;
		struct mmun_subscriptions *subs;
		unsigned long accepted;		/* slots whose end it is owed */
		unsigned long owed;		/* of them, those due when it was put */
		unsigned long joined_seq;	/* the newest range before it joined */
		unsigned long linked;		/* its place in the list: newer ones first */
		unsigned int accepted_overflow;	/* the same for ranges without a slot */
		unsigned int users_cpus;	/* see mmun_get.c */
		unsigned int __percpu *users;
		u8 life;			/* enum mmun_life in mmun_walk.h */
		bool joining;			/* ranges before it are in flight */
		bool released;			/* release was called, or will not be */
		bool got;			/* made by get: free_notifier at the end */
		u8 phase;			/* which count of frees it is in */
		struct task_struct *leaver;	/* the task that made it leave */
		struct list_head leaving;
		unsigned long seen_by;		/* walks that may see it: by slot */
		u64 walks_until;		/* and up to this number */
	} priv;
};

/**
 * struct mmun_interval_notifier_finish - the second pass of an invalidation
 * @link: the core's, from the return of invalidate_start on
 * @notifier: the interval; set by the core before it calls invalidate_finish
 *
 * The driver embeds it in what one invalidation needs in both passes. An
 * interval can be in several invalidations at once: each needs its own, and so
 * does each interval. The
 * memory belongs to the driver again, and may be freed, as soon as
 * invalidate_finish is called. It is allocated with GFP_NOWAIT, in a blockable
 * range as well, because reclaim invalidates, too; a driver that gets none
 * does the whole work in the first pass.
 */
struct mmun_interval_notifier_finish {
	struct llist_node link;
	struct mmun_interval_notifier *notifier;
};

/**
 * struct mmun_interval_notifier_ops - the callbacks of an interval subscriber
 * @invalidate: a range that overlaps the interval is about to change. The
 *	callback takes the driver's own lock (the one around
 *	mmun_interval_read_retry()), calls mmun_interval_set_seq() with @cur_seq,
 *	and removes the entries of the overlap. May sleep if the range is
 *	blockable. Return: true; or false, if the range is not blockable and the
 *	callback would have to sleep. MMUN_NOTIFY_RELEASE must return true.
 * @invalidate_start: called instead of @invalidate, if it is there. It must
 *	call mmun_interval_set_seq() in the same way, and begins the work without
 *	waiting for the device. With *@finish left NULL, as it is given, the work
 *	is done when it returns; if the driver points it at a struct of its own
 *	and returns true, @invalidate_finish is called with that, and the work is
 *	done when that returns. With false, *@finish is not looked at. An entry
 *	that another invalidation, or the driver, has begun to drop and whose
 *	device has not answered yet still counts as there: wait for it as well,
 *	or leave a finish of one's own.
 * @invalidate_finish: the second pass; required with @invalidate_start. All
 *	intervals of the range have had their first pass before the first one
 *	has its second, so that several devices flush side by side. It is called
 *	also if an interval or list subscriber refuses the range later. May sleep
 *	if the range is blockable. There is no error.
 */
struct mmun_interval_notifier_ops {
	bool (*invalidate)(struct mmun_interval_notifier *interval_sub,
			   const struct mmun_notifier_range *range,
			   unsigned long cur_seq);
	bool (*invalidate_start)(struct mmun_interval_notifier *interval_sub,
				 const struct mmun_notifier_range *range,
				 unsigned long cur_seq,
				 struct mmun_interval_notifier_finish **finish);
	void (*invalidate_finish)(struct mmun_interval_notifier_finish *finish);
};

/**
 * struct mmun_interval_notifier - an interval subscription
 * @interval_tree: the interval; start and last are both inclusive
 * @ops: the operations
 * @mm: the address space; valid (as mm_count) while inserted
 * @invalidate_seq: last sequence given to mmun_interval_set_seq()
 */
struct mmun_interval_notifier {
	struct interval_tree_node interval_tree;
	const struct mmun_interval_notifier_ops *ops;
	struct mm_struct *mm;
	/* private: */
	struct {
		struct mmun_subscriptions *subs;
		unsigned int running;		/* see mmun_itree.c */
	} priv;
	/* public: where the kernel's has it, see mmun_hmm.c */
	unsigned long invalidate_seq;
};

/**
 * struct mmun_hmm_range - what mmun_hmm_range_fault() is to fault in
 * @notifier: an inserted interval that covers start to end
 * @notifier_seq: what mmun_interval_read_begin() returned
 * @start: first byte, a multiple of PAGE_SIZE
 * @end: the byte after the last one, a multiple of PAGE_SIZE
 * @hmm_pfns: one word for each page; HMM_PFN_* flags in, flags and pfn out
 * @default_flags: HMM_PFN_REQ_* flags that are asked for every page
 * @pfn_flags_mask: which flags of @hmm_pfns count as input
 * @dev_private_owner: whose device-private pages are returned and not migrated
 *
 * The fields are those of the kernel's struct hmm_range (linux/hmm.h).
 */
struct mmun_hmm_range {
	struct mmun_interval_notifier *notifier;
	unsigned long notifier_seq;
	unsigned long start;
	unsigned long end;
	unsigned long *hmm_pfns;
	unsigned long default_flags;
	unsigned long pfn_flags_mask;
	void *dev_private_owner;
};

bool mm_has_mmun_notifiers(struct mm_struct *mm);

int mmun_notifier_register(struct mmun_notifier *mn, struct mm_struct *mm);
int __mmun_notifier_register(struct mmun_notifier *mn, struct mm_struct *mm);
void mmun_notifier_unregister(struct mmun_notifier *mn, struct mm_struct *mm);
void mmun_notifier_unregister_no_release(struct mmun_notifier *mn,
					 struct mm_struct *mm);

struct mmun_notifier *mmun_notifier_get(const struct mmun_notifier_ops *ops,
					struct mm_struct *mm);
struct mmun_notifier *
mmun_notifier_get_locked(const struct mmun_notifier_ops *ops,
			 struct mm_struct *mm);
void mmun_notifier_put(struct mmun_notifier *mn);

void mmun_notifier_call_srcu(struct rcu_head *rcu,
			     void (*func)(struct rcu_head *rcu));
void mmun_notifier_synchronize(void);

int mmun_interval_notifier_insert(struct mmun_interval_notifier *interval_sub,
				  struct mm_struct *mm, unsigned long start,
				  unsigned long length,
				  const struct mmun_interval_notifier_ops *ops);
int
mmun_interval_notifier_insert_locked(struct mmun_interval_notifier *interval_sub,
				     struct mm_struct *mm, unsigned long start,
				     unsigned long length,
				     const struct mmun_interval_notifier_ops *ops);
void mmun_interval_notifier_remove(struct mmun_interval_notifier *interval_sub);
unsigned long
mmun_interval_read_begin(struct mmun_interval_notifier *interval_sub);

int mmun_hmm_range_fault(struct mmun_hmm_range *range);

/**
 * mmun_interval_set_seq - note a collision with the read side
 * @interval_sub: the interval whose invalidate or invalidate_start runs
 * @cur_seq: what the callback was given
 *
 * Context: inside ops->invalidate or ops->invalidate_start, under the driver's
 * own lock, always.
 * Pairs with mmun_interval_read_retry() under the same lock, and with the
 * lockless reads in mmun_interval_read_begin() and mmun_interval_check_retry().
 */
static inline void
mmun_interval_set_seq(struct mmun_interval_notifier *interval_sub,
		      unsigned long cur_seq)
{
	/* [R2] pairs with [R3] in mmun_interval_read_begin(): see mmun_itree.c. */
	smp_store_release(&interval_sub->invalidate_seq, cur_seq);
}

/**
 * mmun_interval_read_retry - end a read section: was the interval invalidated?
 * @interval_sub: the interval
 * @seq: what mmun_interval_read_begin() returned
 *
 * Context: under the lock that ops->invalidate (or invalidate_start) takes around
 * mmun_interval_set_seq(); hold it until what was read is in the mirror.
 *
 * Return: true if some part of the interval was invalidated in between: what
 * was read is stale, begin again.
 */
static inline bool
mmun_interval_read_retry(struct mmun_interval_notifier *interval_sub,
			 unsigned long seq)
{
	return READ_ONCE(interval_sub->invalidate_seq) != seq;
}

/**
 * mmun_interval_check_retry - would mmun_interval_read_retry() fail already?
 * @interval_sub: the interval
 * @seq: what mmun_interval_read_begin() returned
 *
 * Context: any, without a lock: a hint that saves work. False proves nothing.
 *
 * Return: true if the section has collided.
 */
static inline bool
mmun_interval_check_retry(struct mmun_interval_notifier *interval_sub,
			  unsigned long seq)
{
	return READ_ONCE(interval_sub->invalidate_seq) != seq;
}

#endif /* _LINUX_MMUN_NOTIFIER_H */
