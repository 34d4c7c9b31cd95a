// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interval subscriptions: a collision-retry read side against any number of
 * concurrent invalidations.
 *
 * The intervals of a mm are in one tree. An invalidation numbers itself (an odd
 * cur_seq, never used before), and calls ops->invalidate of every interval that
 * it overlaps; the callback stores the number in the interval under the
 * driver's lock. A reader takes the interval's number, reads page tables, and
 * under the driver's lock looks whether it is still the same:
 *
 *   invalidation                         reader
 *   ------------                         ------
 *   [R1] enters the table of ranges      [R3] takes seq (acquire)
 *        invalidating++                  [R4] invalidating == 0? (acquire)
 *   [R2] ops->invalidate:                     else under subs->lock: waits while
 *          driver lock                        a range of the table overlaps, and
 *          set_seq(cur_seq) (release)         takes seq then
 *          drop mirror entries           [R5] reads page tables
 *          driver unlock                 [R8] driver lock
 *   [R6] page tables change                   read_retry: seq unchanged?
 *   [R7] leaves the table                     fill the mirror
 *        invalidating-- (release)             driver unlock
 *
 * R2 and R8 are critical sections of one lock. If R2 comes before R8 and R3 did not
 * read what R2 stored, R8 sees another number and retries. If R8 comes before R2, R2
 * drops what R8 filled. So what is left is that R3 reads what R2 stored, or what a
 * later invalidation stored in its R2. Then R4 does not read a value from before R1,
 * and shows whether the reader has to wait for R7, and R5 reads what R6 made:
 *
 * - R3 to R1. R2's store is a release, after R1 in program order, and R3 an acquire
 *   before R4. If it was a later R2 that R3 read, that one had the driver lock after
 *   ours, so R1 comes before its release, too (which is cumulative). A plain store
 *   in R2, or R4 before R3, could give the reader the new number with the old count:
 *   it would read page tables before R6, and R8 would find no collision. The plain
 *   store does so only if the driver's lock is a mutex. If it is a spinlock, the
 *   unlock of subs->lock after R1 and the driver's lock after that keep the order of
 *   the stores. x86 keeps it by itself, and that of the loads; on arm64 a plain load
 *   in R3 could be satisfied after R4.
 * - R7 to R5. R7 is a release after R6, and R4 an acquire before R5. (R6 and R5 also take
 *   page table locks. They alone would not do: R5 could be before R6.)
 *
 * An interval that is inserted between R1 and R2 has that range's number or a younger
 * one already, so R2 may not come to it, or change nothing if it does. But its
 * insertion took subs->lock after R1, so R4 sees the count.
 *
 * The count is of all ranges of the mm: which of them overlap is asked under
 * subs->lock, where R1 and R7 happen, so that there R3 and R4 are one step.
 *
 * Whether an interval is being invalidated is read off the table of ranges, not
 * stored in the interval. So a reader waits for the ranges that overlap it, not
 * for others; an interval that is inserted in the middle of a range is as
 * invalidated as all others; and no insert or remove has to be deferred until
 * the mm is quiet. A callback needs only that its interval stays in the
 * tree while it runs: it is counted in running, and remove waits for that count.
 *
 * Two passes. R2 may be two callbacks: the first one makes the device drop the
 * entries and does not wait for it, the second one waits. An interval with a
 * second pass to come stays counted in running until that has returned, so it
 * is neither removed nor, with its driver, unloaded in between. set_seq belongs
 * to the first pass, which is R2 in the drawing: what is faulted in after it
 * collides, or waits for R7. The page tables change after both.
 */

#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>

#include "mmun_internal.h"
#include "mmun_itree.h"
#include "mmun_trace.h"

#ifdef CONFIG_LOCKDEP
struct lockdep_map mmun_range_start_map = {
	.name = "mmun_notifier_invalidate_range_start",
	.key = (void *)&mmun_range_start_map,
};
#endif

/* In running: the interval is being removed; and one invalidation not done. */
#define REMOVING	1U
#define RUNNING		2U

/*
 * The first interval from @node on that is not being removed. It is running from
 * now on, and so stays in the tree.
 */
static struct mmun_interval_notifier *
run_first_live(struct interval_tree_node *node,
	       const struct mmun_notifier_range *range)
{
	struct mmun_interval_notifier *sub;

	for (; node; node = interval_tree_iter_next(node, range->start,
						    mmun_range_last(range))) {
		sub = container_of(node, struct mmun_interval_notifier,
				   interval_tree);
		if (!(sub->priv.running & REMOVING)) {
			sub->priv.running += RUNNING;
			return sub;
		}
	}
	return NULL;
}

/* The second passes of one range that are to come, in the order of the first. */
struct finishes {
	struct llist_node *first;
	struct llist_node **end;
};

/* The first pass, for messages. */
static void *start_of(const struct mmun_interval_notifier_ops *ops)
{
	return ops->invalidate_start ? (void *)ops->invalidate_start :
				       (void *)ops->invalidate;
}

static bool call_start(struct mmun_interval_notifier *sub,
		       const struct mmun_notifier_range *range,
		       unsigned long cur_seq,
		       struct mmun_interval_notifier_finish **finish)
{
	if (sub->ops->invalidate_start)
		return sub->ops->invalidate_start(sub, range, cur_seq, finish);
	return sub->ops->invalidate(sub, range, cur_seq);
}

/* Return: 0, or -EAGAIN. A second pass to come is put at the end of @finishes. */
static int first_pass(struct mmun_interval_notifier *sub,
		      const struct mmun_notifier_range *range,
		      unsigned long cur_seq, struct finishes *finishes)
{
	struct mmun_interval_notifier_finish *finish = NULL;
	bool blockable = mmun_notifier_range_blockable(range);
	bool agreed;

	if (!blockable)
		non_block_start();
	if (trace_mmun_callback_enabled())
		agreed = mmun_traced_invalidate(sub, range, cur_seq, &finish);
	else
		agreed = call_start(sub, range, cur_seq, &finish);
	if (!blockable)
		non_block_end();

	if (!agreed) {
		mmun_trace_refusal(sub->priv.subs, cur_seq, range, sub, start_of(sub->ops),
				   -EAGAIN);
		if (!blockable)
			return -EAGAIN;
		mmun_warn_once(MMUN_WARNED_REFUSAL, "%ps refused a blockable range, ignored\n",
			       start_of(sub->ops));
		return 0;
	}
	if (finish) {
		finish->notifier = sub;
		finish->link.next = NULL;
		*finishes->end = &finish->link;
		finishes->end = &finish->link.next;
	}
	return 0;
}

/* One invalidation of @sub is done: it may be removed if that was the last. */
static void done(struct mmun_subscriptions *subs,
		 struct mmun_interval_notifier *sub)
	__must_hold(&subs->lock)
{
	sub->priv.running -= RUNNING;
	if (sub->priv.running == REMOVING)
		mmun_wake(subs);
}

static void second_passes(struct mmun_subscriptions *subs,
			  const struct mmun_notifier_range *range,
			  unsigned long cur_seq, struct llist_node *node)
{
	bool blockable = mmun_notifier_range_blockable(range);
	struct mmun_interval_notifier_finish *finish;
	struct mmun_interval_notifier *sub;

	while (node) {
		finish = llist_entry(node, struct mmun_interval_notifier_finish,
				     link);
		/* Both before the call, which may free what they are in. */
		node = node->next;
		sub = finish->notifier;

		if (!blockable)
			non_block_start();
		if (trace_mmun_callback_enabled())
			mmun_traced_finish(sub, range, cur_seq, finish);
		else
			sub->ops->invalidate_finish(finish);
		if (!blockable)
			non_block_end();

		mmun_lock(subs);
		done(subs, sub);
		mmun_unlock(subs);
	}
}

/**
 * mmun_itree_first - the first interval that a range overlaps
 * @subs: the mm
 * @range: the range
 *
 * Return: for mmun_itree_start(), which must follow; NULL if there is none.
 */
struct mmun_interval_notifier *
mmun_itree_first(struct mmun_subscriptions *subs,
		 const struct mmun_notifier_range *range)
{
	/* An empty range would match an interval that spans its start. */
	if (range->start >= range->end)
		return NULL;
	return run_first_live(interval_tree_iter_first(&subs->itree,
						       range->start,
						       mmun_range_last(range)),
			      range);
}

/**
 * mmun_itree_start - call the intervals that a range overlaps
 * @subs: the mm
 * @sub: what mmun_itree_first() returned
 * @range: the range; in the table of ranges already, unless it is the release
 * @cur_seq: its number
 *
 * Both passes are over when this returns, also if an interval has refused.
 *
 * Context: sleeps if the range is blockable and a callback does.
 *
 * Return: 0 or -EAGAIN.
 */
int mmun_itree_start(struct mmun_subscriptions *subs,
		     struct mmun_interval_notifier *sub,
		     const struct mmun_notifier_range *range,
		     unsigned long cur_seq)
{
	struct finishes finishes = { .end = &finishes.first };
	struct mmun_interval_notifier *next;
	struct llist_node **end;
	int ret;

	do {
		end = finishes.end;
		ret = first_pass(sub, range, cur_seq, &finishes);

		mmun_lock(subs);
		next = NULL;
		if (!ret)
			next = run_first_live(interval_tree_iter_next(&sub->interval_tree,
								      range->start,
								      mmun_range_last(range)),
					      range);
		/* Else it goes on running, until its second pass is over. */
		if (finishes.end == end)
			done(subs, sub);
		mmun_unlock(subs);
		sub = next;
	} while (sub);

	second_passes(subs, range, cur_seq, finishes.first);
	return ret;
}

/*
 * Where to sleep until [@first, @last] is not being invalidated by a range that will
 * end for sure; NULL if it is not.
 */
static struct list_head *must_wait(struct mmun_subscriptions *subs,
				   unsigned long first, unsigned long last)
	__must_hold(&subs->lock)
{
	struct mmun_ranges *ranges = &subs->ranges;
	struct mmun_slot *slot;

	/* A range without slot and record could be anywhere. */
	if (ranges->overflow)
		return &subs->waiters;
	slot = mmun_ranges_overlap(ranges, ranges->active & ~ranges->provisional,
				   first, last);
	return slot ? &slot->sleepers : NULL;
}

/* noinline: keep the slow path's frame out of mmun_interval_read_begin(). */
static noinline unsigned long
read_begin_locked(struct mmun_interval_notifier *interval_sub)
{
	const unsigned long first = interval_sub->interval_tree.start;
	const unsigned long last = interval_sub->interval_tree.last;
	struct mmun_subscriptions *subs = interval_sub->priv.subs;
	struct list_head *sleepers;
	bool waited = false;
	unsigned long seq;
	u64 began = mmun_trace_wait_begins();
	bool slept = false;

	mmun_lock(subs);
	for (;;) {
		while ((sleepers = must_wait(subs, first, last))) {
			slept = true;
			mmun_sleep(subs, sleepers, TASK_UNINTERRUPTIBLE,
				   MAX_SCHEDULE_TIMEOUT);
		}
		/* [R3] pairs with [R2] in mmun_interval_set_seq(): the lock orders the rest. */
		seq = READ_ONCE(interval_sub->invalidate_seq);
		if (!mmun_ranges_overlap(&subs->ranges, subs->ranges.provisional,
					 first, last))
			break;
		/*
		 * A tick is usually enough for a confirmation and an end, and
		 * keeps a driver that retries from spinning.
		 */
		if (waited) {
			seq &= ~1UL;
			break;
		}
		mmun_sleep(subs, &subs->waiters, TASK_UNINTERRUPTIBLE, 1);
		waited = true;
	}
	mmun_unlock(subs);
	if (slept || waited)
		mmun_trace_waited(interval_sub, began, !(seq & 1));
	return seq;
}

/**
 * mmun_interval_read_begin - begin a read section against an interval
 * @interval_sub: the interval
 *
 * Sleeps while a range that overlaps the interval is in flight, and no longer.
 * Then page tables may be read; mmun_interval_read_retry() decides, under the
 * driver's lock, whether the result may be used.
 *
 * A range that may still be refused by another notifier of the process is not
 * waited for, because its end may never come. The section collides with it for
 * sure: the even number returned is never given to mmun_interval_set_seq().
 *
 * Context: process context, may sleep; no signal ends that. Not from a callback, and no
 * lock may be held that a callback of any subscription of the mm takes; lockdep reports
 * it. Drop the mmap lock between
 * retries: mmun needs it for writing to detect that a refused range is over. Not
 * against a concurrent mmun_interval_notifier_remove() of the same interval.
 *
 * Return: the number for mmun_interval_read_retry().
 */
unsigned long
mmun_interval_read_begin(struct mmun_interval_notifier *interval_sub)
{
	unsigned long seq;

	mmun_might_wait();

	/* [R3] pairs with [R2] in mmun_interval_set_seq(). */
	seq = smp_load_acquire(&interval_sub->invalidate_seq);
	/* [R4] pairs with [R7] in mmun_ranges_uncount(). */
	if (likely(!smp_load_acquire(&interval_sub->priv.subs->ranges.invalidating)))
		return seq;
	return read_begin_locked(interval_sub);
}
EXPORT_SYMBOL_GPL(mmun_interval_read_begin);

/* invalidate, or both passes; with all three, invalidate is not used. */
static bool ops_complete(const struct mmun_interval_notifier_ops *ops)
{
	if (ops->invalidate_start)
		return ops->invalidate_finish;
	return ops->invalidate;
}

static __always_inline void link_interval(struct mmun_interval_notifier *sub,
					  struct mm_struct *mm,
					  struct mmun_subscriptions *subs)
	__must_hold(&subs->lock)
{
	mmgrab(mm);
	sub->priv.subs = subs;
	/* Given out before, so no later range will have this number. */
	sub->invalidate_seq = subs->invalidate_seq;
	interval_tree_insert(&sub->interval_tree, &subs->itree);
	mmun_trace_insert(sub);
}

/*
 * Into a mm that has its state already. If mm_users is zero and the mm is not closed
 * yet, the pending exit would still find this interval; but late callers must get
 * -ESRCH, so check mm_users.
 */
static __always_inline bool insert_quickly(struct mmun_interval_notifier *sub,
					   struct mm_struct *mm)
{
	struct mmun_subscriptions *subs;

	preempt_disable();
	subs = mmun_subscriptions_peek(mm);
	if (likely(subs)) {
		mmun_lock(subs);
		if (likely(atomic_read(&mm->mm_users) &&
			   mmun_subscriptions_add_user(subs))) {
			link_interval(sub, mm, subs);
			mmun_unlock(subs);
			preempt_enable();
			return true;
		}
		mmun_unlock(subs);
	}
	preempt_enable();
	return false;
}

static noinline int insert_slowly(struct mmun_interval_notifier *sub, bool mmap_locked)
{
	struct mmun_subscriptions *subs;
	bool closed, left = false;

	subs = mmun_subscriptions_join(sub->mm, 0, mmap_locked);
	if (IS_ERR(subs))
		return PTR_ERR(subs);

	mmun_lock(subs);
	/* Only if the caller let mm_users go to zero in the middle. */
	closed = subs->closed;
	if (closed)
		left = mmun_subscriptions_leave(subs, 0);
	else
		link_interval(sub, sub->mm, subs);
	mmun_unlock(subs);

	if (left)
		mmun_subscriptions_put(subs);
	mmun_subscriptions_put(subs);
	return closed ? -ESRCH : 0;
}

static __always_inline int insert(struct mmun_interval_notifier *sub,
				  struct mm_struct *mm, unsigned long start,
				  unsigned long length,
				  const struct mmun_interval_notifier_ops *ops,
				  bool mmap_locked)
{
	unsigned long last;

	if (IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP))
		might_sleep();
	if (!length || check_add_overflow(start, length - 1, &last))
		return -EOVERFLOW;
	if (!ops_complete(ops))
		return -EINVAL;

	sub->interval_tree.start = start;
	sub->interval_tree.last = last;
	sub->ops = ops;
	sub->mm = mm;
	sub->priv.subs = NULL;
	sub->priv.running = 0;

	return insert_quickly(sub, mm) ? 0 : insert_slowly(sub, mmap_locked);
}

/**
 * mmun_interval_notifier_insert - subscribe to a part of an address space
 * @interval_sub: the subscription; the driver's memory, all fields are set here
 * @mm: the address space
 * @start: first byte
 * @length: bytes, not zero; start + length - 1 is the last byte, inclusive
 * @ops: the operations
 *
 * The interval is called for every range that begins after the return and overlaps
 * it. For one that is in flight now it may be called or not;
 * mmun_interval_read_begin() waits for it.
 *
 * The first subscription of a mm takes the mmap lock for writing. Once one has
 * succeeded (or __mmun_notifier_register(NULL, mm) has), this never takes the mmap
 * lock until the mm's exit, also when all subscribers have left: a driver may then
 * insert with the mmap lock held for reading, as with the kernel's own notifier.
 *
 * Context: process context, may sleep; a fatal signal ends that. The caller holds
 * mm_users (it is current->mm, or got by get_task_mm()), and not the mmap lock
 * unless the mm has been subscribed to. Pairs with mmun_interval_notifier_remove().
 *
 * Return:
 * * 0
 * * -EOVERFLOW: @length is zero, or the end is beyond ULONG_MAX
 * * -EINVAL: @ops has neither invalidate nor both invalidate_start and
 *   invalidate_finish
 * * -ESRCH: nobody uses the address space any more; or the first subscription of
 *   the mm, and its pages are being reaped (it was killed)
 * * -ENOMEM: no memory for the first subscription of the mm
 * * -EINTR: as mmun_notifier_register()
 * * -EBUSY: as mmun_notifier_register(), after ten seconds
 */
int mmun_interval_notifier_insert(struct mmun_interval_notifier *interval_sub,
				  struct mm_struct *mm, unsigned long start,
				  unsigned long length,
				  const struct mmun_interval_notifier_ops *ops)
{
	/* No might_lock(): only the first subscription of a mm takes the mmap lock. */
	return insert(interval_sub, mm, start, length, ops, false);
}
EXPORT_SYMBOL_GPL(mmun_interval_notifier_insert);

/**
 * mmun_interval_notifier_insert_locked - the same under the mmap lock
 * @interval_sub: the subscription
 * @mm: the address space
 * @start: first byte
 * @length: bytes, not zero
 * @ops: the operations
 *
 * Context: as mmun_interval_notifier_insert(), but the caller holds the mmap
 * lock for writing.
 *
 * Return: as mmun_interval_notifier_insert().
 */
int
mmun_interval_notifier_insert_locked(struct mmun_interval_notifier *interval_sub,
				     struct mm_struct *mm, unsigned long start,
				     unsigned long length,
				     const struct mmun_interval_notifier_ops *ops)
{
	lockdep_assert_held_write(&mm->mmap_lock);
	return insert(interval_sub, mm, start, length, ops, true);
}
EXPORT_SYMBOL_GPL(mmun_interval_notifier_insert_locked);

/**
 * mmun_interval_notifier_remove - end an interval subscription
 * @interval_sub: what mmun_interval_notifier_insert() was given
 *
 * When this returns no callback runs on the interval and none ever will. It
 * waits for the callbacks of this interval, not for the end of ranges; if one has
 * a second pass to come, that comes after the first passes of the other intervals
 * of its range, which are waited for with it. It works before, during and after
 * the mm's exit, from any task. The remove of an interval
 * that is not inserted (it was removed, or its memory is zeroed) is reported and does
 * nothing. The interval is not called for ranges that begin after this call, though
 * the call may still wait: before it, the driver
 * drops its mirror entries, waits until its device has done so, and lets none
 * come.
 *
 * Context: process context, may sleep; no signal ends that. Not from a callback of any
 * interval of the mm, and no lock may be held that one of them takes; lockdep reports
 * it.
 */
void mmun_interval_notifier_remove(struct mmun_interval_notifier *interval_sub)
{
	struct mmun_subscriptions *subs = interval_sub->priv.subs;
	struct mm_struct *mm = interval_sub->mm;
	bool left;

	mmun_might_wait();
	if (!subs) {
		mmun_warn("remove of an interval that is not inserted, ignored (%ps)\n",
			  interval_sub->ops);
		return;
	}

	mmun_lock(subs);
	/* No invalidation calls it from now on; those that do are waited for. */
	interval_sub->priv.running |= REMOVING;
	mmun_wait(subs, interval_sub->priv.running == REMOVING);
	interval_tree_remove(&interval_sub->interval_tree, &subs->itree);
	/* A second remove finds this. */
	interval_sub->priv.subs = NULL;
	left = mmun_subscriptions_leave(subs, 0);
	mmun_trace_remove(interval_sub, subs);
	mmun_unlock(subs);

	if (left)
		mmun_subscriptions_put(subs);
	mmdrop(mm);
}
EXPORT_SYMBOL_GPL(mmun_interval_notifier_remove);
