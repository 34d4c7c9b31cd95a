// SPDX-License-Identifier: GPL-2.0-only
/*
 * List subscriptions: who is called, and when it may be freed.
 *
 * Walks. Callbacks may sleep, so the list cannot be walked under a lock. A task
 * that walks it announces itself. For the start or the end of a range that has a
 * slot (mmun_range.c) it sets the slot's bit in subs->walking; for all else it puts a
 * struct mmun_walk, on its stack, into subs->walks, with a number one higher than
 * that of the one before. Entering and leaving take subs->lock; in between the list
 * is read as under RCU: a subscriber that is unlinked keeps its next pointer.
 *
 *   walker                               leaver
 *   ------                               ------
 *   [A] sets its bit, or is put into     [D] unlinks mn, notes the bits of the
 *       subs->walks                          walks not past mn, and the newest
 *   [B] finds mn, calls its ops              number
 *   [C] clears its bit, and takes it     [E] until the bits noted are gone,
 *       back from what leavers noted;        and no walk up to that number that
 *       or is taken out                      is not past mn is in subs->walks:
 *                                            waits
 *                                        [F] mn may be freed
 *
 * A, C, D and E are critical sections of subs->lock. A walk that begins after D
 * does not find mn; one that began before is waited for. Another that begins in the
 * same slot is not: C has taken the bit back. So the leaver waits for callbacks of
 * this mm only, and if nobody is inside it does not wait: this is what keeps one mm's
 * slow callback from delaying anybody else, and what a grace period of an SRCU
 * domain cannot give.
 *
 * In subs->walks the walker is known, so a subscriber may unregister from inside
 * ->release: it does not wait for itself. Its own walk is mended instead: next steps
 * over what is unlinked (also by others, whose next pointers lead to what we unlink
 * and free), and cur says that what is being called is gone. Only the mm's exit
 * calls ->release in a walk, so it waits for nobody who waits for it. In the
 * other callbacks two tasks could wait for each other's walk; there, put works.
 *
 * (A start or an end walks without next: no subscriber that the walk may still reach
 * is freed before the walk is over or past it, so the next pointer of one that is
 * unlinked meanwhile still leads on.)
 *
 * Progress. New subscribers are linked at the head, and each has a number (linked)
 * one higher than that of the one before. So a walk goes from higher numbers to lower
 * ones, and says in at (of its slot, or of its struct mmun_walk) which one it calls. A
 * leaver that finds a lower number than mn's does not wait for that walk: it is past mn
 * or began before mn was linked. The store of at is a release, after the walker has
 * read mn's next pointer, and the leaver's load an acquire, before mn is freed. The
 * walk's first at is ULONG_MAX, stored under subs->lock before the list is read. So a
 * leaver, also one that a fatal signal drives out of a registration, is not held up by
 * the slow callback of an older subscriber.
 *
 * Put does not wait. Its notifier becomes a zombie, which the last walk that
 * could see it hands to a worker (free_ready()). The worker also waits for the tasks
 * that get a notifier without a lock (get_quickly()).
 *
 * call_srcu takes no mm, and waits for every callback anywhere. For it alone
 * there is one SRCU domain that every walk enters. Nothing else waits for it.
 *
 * Owed ends. The bitmap in mn has a bit for each slot (mmun_range.c) of which mn accepted
 * the start. A leaver gets the ends that are due. With a start callback of
 * mn still running in another task, that start may yet succeed:
 *
 *   walker                               leaver
 *   [A] start returns 0                  [D] mn->left = true
 *   [B] sets the bit                     [E] full barrier
 *       (full barrier)                   [F] notes the bits, pins their slots
 *   [C] mn->left? takes the bit back,    [G] takes the bits noted, delivers
 *       delivers the end                     the ends, unpins the slots
 *
 * B orders the bit before C and E orders D before F, so that either C sees left
 * or F sees the bit; if both do, the one that takes the bit delivers the end. G
 * leaves other bits alone: their slots are not pinned, and C is sure to come.
 */

#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rculist.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "mmun_core.h"
#include "mmun_internal.h"

static void withdraw(struct mmun_subscriptions *subs, struct mmun_notifier *mn);

DEFINE_SRCU(mmun_srcu);
unsigned long mmun_said;

/* Odd: this processor is inside get_quickly(), which see. */
static DEFINE_PER_CPU(unsigned int, getters);

/* Separate from the bridge's, whose workers may sleep until a range ends. */
static struct workqueue_struct *free_wq;

/* Notifiers that were put and that no walk sees any more. */
static LIST_HEAD(free_list);
static DEFINE_RAW_SPINLOCK(free_lock);
/*
 * Puts that are not freed yet, counted in two phases, under free_lock.
 * Synchronize makes new puts count in the other phase and waits for the old
 * one to run empty, so that it cannot be held up by puts that come after it.
 */
static unsigned long frees_pending[2];
static unsigned int free_phase;
static DECLARE_WAIT_QUEUE_HEAD(free_wait);
static DEFINE_MUTEX(sync_mutex);

static void free_worker(struct work_struct *work);
static DECLARE_WORK(free_work, free_worker);

/* --- walks --- */

static struct hlist_node *first_of(struct mmun_subscriptions *subs)
{
	return rcu_dereference_raw(hlist_first_rcu(&subs->list));
}

static struct hlist_node *next_of(struct hlist_node *node)
{
	return rcu_dereference_raw(hlist_next_rcu(node));
}

void mmun_walk_begin(struct mmun_subscriptions *subs, struct mmun_walk *walk)
{
	walk->task = current;
	walk->cur = NULL;
	walk->at = ULONG_MAX;
	walk->next = first_of(subs);
	walk->gen = ++subs->walk_gen;
	list_add_tail(&walk->node, &subs->walks);
}

/* Hand the zombies that no walk can see any more to the worker. */
static void free_ready(struct mmun_subscriptions *subs)
	__must_hold(&subs->lock)
{
	struct mmun_notifier *mn, *tmp;
	u64 oldest = U64_MAX;

	if (!list_empty(&subs->walks))
		oldest = list_first_entry(&subs->walks, struct mmun_walk,
					  node)->gen;

	raw_spin_lock(&free_lock);
	list_for_each_entry_safe(mn, tmp, &subs->leaving, leaving) {
		if (!mn->zombie || mn->seen_by || mn->walks_until >= oldest)
			continue;
		list_move_tail(&mn->leaving, &free_list);
		queue_work(free_wq, &free_work);
	}
	raw_spin_unlock(&free_lock);
}

/* [C] */
void mmun_walk_end(struct mmun_subscriptions *subs, struct mmun_walk *walk)
{
	list_del(&walk->node);
	if (!list_empty(&subs->leaving))
		free_ready(subs);
	mmun_wake(subs);
}

/* [C], if there are leavers. */
void __mmun_slot_walk_end(struct mmun_subscriptions *subs, unsigned int slot)
{
	struct mmun_notifier *mn;

	list_for_each_entry(mn, &subs->leaving, leaving)
		mn->seen_by &= ~BIT(slot);
	free_ready(subs);
}

/* A walk goes on to @mn: see "Progress". */
static __always_inline void walk_reaches(unsigned long *at, struct mmun_notifier *mn)
{
	smp_store_release(at, mn->linked);
}

/* Is the walk that is @at past @mn? */
static bool is_past(unsigned long *at, struct mmun_notifier *mn)
{
	/* Pairs with walk_reaches(). */
	return smp_load_acquire(at) < mn->linked;
}

/* The walks of ranges, by slot, that may still call @mn. */
static unsigned long walks_to(struct mmun_subscriptions *subs, struct mmun_notifier *mn)
	__must_hold(&subs->lock)
{
	unsigned long walking = subs->walking, seen_by = 0;
	unsigned int slot;

	mmun_for_each_slot(slot, walking)
		if (!is_past(&subs->ranges.slots[slot].at, mn))
			seen_by |= BIT(slot);
	return seen_by;
}

/* May a walk of another task, up to number @mn->walks_until, still call @mn? */
static bool walked_by_others(struct mmun_subscriptions *subs, struct mmun_notifier *mn)
	__must_hold(&subs->lock)
{
	struct mmun_walk *walk;

	list_for_each_entry(walk, &subs->walks, node) {
		if (walk->gen > mn->walks_until)
			break;
		if (walk->task != current && !is_past(&walk->at, mn))
			return true;
	}
	return false;
}

static struct mmun_notifier *walk_next(struct mmun_walk *walk)
{
	struct hlist_node *node = walk->next;

	if (!node)
		return NULL;
	walk->cur = hlist_entry(node, struct mmun_notifier, hlist);
	walk_reaches(&walk->at, walk->cur);
	/* Taken before the callback, after which cur may be freed memory. */
	walk->next = next_of(node);
	return walk->cur;
}

/* --- dispatch --- */

static bool take_heard(struct mmun_notifier *mn, unsigned int slot)
{
	return test_and_clear_bit(slot, &mn->heard);
}

/* @mn accepted the start of a range without a slot: with @record, or only counted. */
static void owe_unslotted(struct mmun_subscriptions *subs,
			  struct mmun_notifier *mn, struct mmun_record *record)
{
	mmun_lock(subs);
	if (record)
		mmun_record_owe(record, mn);
	else
		WRITE_ONCE(mn->heard_overflow, mn->heard_overflow + 1);
	mmun_unlock(subs);
	smp_mb();	/* [B] */
}

static bool take_unslotted(struct mmun_subscriptions *subs,
			   struct mmun_notifier *mn, struct mmun_record *record)
{
	bool owed;

	mmun_lock(subs);
	if (record) {
		owed = mmun_record_take(record, mn);
	} else {
		owed = mn->heard_overflow;
		if (owed)
			WRITE_ONCE(mn->heard_overflow, mn->heard_overflow - 1);
	}
	mmun_unlock(subs);
	return owed;
}

static void call_end(struct mmun_notifier *mn,
		     const struct mmun_notifier_range *range)
{
	bool blockable = mmun_notifier_range_blockable(range);

	if (!blockable)
		non_block_start();
	mn->ops->invalidate_range_end(mn, range);
	if (!blockable)
		non_block_end();
}

/* [C] @mn left while its start was running. */
static noinline void take_back(struct mmun_subscriptions *subs,
			       struct mmun_notifier *mn,
			       const struct mmun_notifier_range *range, unsigned int slot,
			       struct mmun_record *record)
{
	bool owed = slot == MMUN_NO_SLOT ? take_unslotted(subs, mn, record) :
					   take_heard(mn, slot);

	/*
	 * No end for a notifier put by its own start callback. Reading ->leaver
	 * unlocked is safe: it equals current only if this task wrote it.
	 */
	if (owed && READ_ONCE(mn->leaver) != current)
		call_end(mn, range);
}

static noinline void warn_refusal(struct mmun_notifier *mn,
				  const struct mmun_notifier_range *range,
				  int ret)
{
	if (mmun_notifier_range_blockable(range))
		mmun_warn_once(MMUN_SAID_ERROR, "%ps returned %d in a blockable range, ignored\n",
			       mn->ops->invalidate_range_start, ret);
	else if (ret != -EAGAIN)
		mmun_warn_once(MMUN_SAID_CODE, "%ps returned %d instead of -EAGAIN\n",
			       mn->ops->invalidate_range_start, ret);
}

/*
 * @slot (MMUN_NO_SLOT or not) and @blockable are known at compile time at each caller,
 * so their tests leave the loop. A range without a slot has a @record, or is only
 * counted.
 *
 * A subscriber that is unlinked keeps its next pointer, and is not freed during the
 * walk: in its start it may be put, but not unregistered.
 *
 * Returns whether a subscriber refused.
 */
static __always_inline bool
tell_starts(struct mmun_subscriptions *subs,
	    const struct mmun_notifier_range *range, unsigned int slot,
	    struct mmun_record *record, unsigned long *at, bool unslotted, bool blockable)
{
	const struct mmun_notifier_ops *ops;
	struct mmun_notifier *mn;
	struct hlist_node *node;
	bool refused = false;
	int ret;

	for (node = first_of(subs); node; node = next_of(node)) {
		mn = hlist_entry(node, struct mmun_notifier, hlist);
		walk_reaches(at, mn);
		if (READ_ONCE(mn->left))
			continue;
		/* It joined after this range, waits for it, and has no room in owed. */
		if (unslotted && record &&
		    (long)(mn->joined_seq - record->slot.seq) >= 0)
			continue;
		ops = mn->ops;
		if (ops->invalidate_range_start) {
			if (!blockable)
				non_block_start();
			ret = ops->invalidate_range_start(mn, range);
			if (!blockable)
				non_block_end();
			if (unlikely(ret)) {
				warn_refusal(mn, range, ret);
				refused = true;
				if (!unslotted || record)
					continue;
			}
		}
		if (!ops->invalidate_range_end)
			continue;
		if (unslotted) {
			owe_unslotted(subs, mn, record);
		} else {
			set_bit(slot, &mn->heard);	/* [B] */
			smp_mb__after_atomic();
		}
		if (unlikely(READ_ONCE(mn->left)))
			take_back(subs, mn, range, slot, record);
	}
	return refused;
}

static unsigned long *slot_at(struct mmun_subscriptions *subs, unsigned int slot)
{
	return &subs->ranges.slots[slot].at;
}

/* noinline, as other rare paths here: keep its frame out of the common path. */
static noinline int start_nonblockable(struct mmun_subscriptions *subs,
				       const struct mmun_notifier_range *range,
				       unsigned int slot)
{
	if (!tell_starts(subs, range, slot, NULL, slot_at(subs, slot), false, false))
		return 0;
	mmun_list_end(subs, range, slot);
	return -EAGAIN;
}

/**
 * mmun_list_start - call the starts of the list subscribers
 * @subs: the mm
 * @range: the range
 * @slot: its slot
 *
 * Every subscriber is called, also after a refusal. A subscriber whose start fails gets
 * no end, in a blockable range too.
 *
 * Context: inside a walk.
 *
 * Return: 0; -EAGAIN if the range may not block and one refused: then every
 * subscriber that accepted the start has received the end.
 */
int mmun_list_start(struct mmun_subscriptions *subs,
		    const struct mmun_notifier_range *range, unsigned int slot)
{
	if (unlikely(!mmun_notifier_range_blockable(range)))
		return start_nonblockable(subs, range, slot);
	tell_starts(subs, range, slot, NULL, slot_at(subs, slot), false, true);
	return 0;
}

/* mmun_list_start() of a range that has no slot; @record: NULL if it is only counted. */
void mmun_list_start_unslotted(struct mmun_subscriptions *subs,
			       const struct mmun_notifier_range *range,
			       struct mmun_record *record, struct mmun_walk *walk)
{
	tell_starts(subs, range, MMUN_NO_SLOT, record, &walk->at, true, true);
}

static __always_inline void
tell_ends(struct mmun_subscriptions *subs,
	  const struct mmun_notifier_range *range, unsigned int slot,
	  struct mmun_record *record, unsigned long *at, bool unslotted, bool blockable)
{
	struct mmun_notifier *mn;
	struct hlist_node *node;

	for (node = first_of(subs); node; node = next_of(node)) {
		mn = hlist_entry(node, struct mmun_notifier, hlist);
		walk_reaches(at, mn);
		if (!(unslotted ? take_unslotted(subs, mn, record) : take_heard(mn, slot)))
			continue;
		if (!blockable)
			non_block_start();
		mn->ops->invalidate_range_end(mn, range);
		if (!blockable)
			non_block_end();
	}
}

static noinline void end_nonblockable(struct mmun_subscriptions *subs,
				      const struct mmun_notifier_range *range,
				      unsigned int slot)
{
	tell_ends(subs, range, slot, NULL, slot_at(subs, slot), false, false);
}

/**
 * mmun_list_end - call the ends of the list subscribers that are owed it
 * @subs: the mm
 * @range: the range
 * @slot: its slot
 *
 * Context: inside a walk.
 */
void mmun_list_end(struct mmun_subscriptions *subs,
		   const struct mmun_notifier_range *range, unsigned int slot)
{
	if (unlikely(!mmun_notifier_range_blockable(range)))
		end_nonblockable(subs, range, slot);
	else
		tell_ends(subs, range, slot, NULL, slot_at(subs, slot), false, true);
}

/* mmun_list_end() of a range that has no slot; @record: NULL if it is only counted. */
void mmun_list_end_unslotted(struct mmun_subscriptions *subs,
			     const struct mmun_notifier_range *range,
			     struct mmun_record *record, struct mmun_walk *walk)
{
	tell_ends(subs, range, MMUN_NO_SLOT, record, &walk->at, true, true);
}

/*
 * No start of @mn succeeds unseen from now on. Returns the slots whose ends are
 * due, pinned; tell_owed_ends() is to follow.
 */
static unsigned long stop_hearing(struct mmun_subscriptions *subs,
				  struct mmun_notifier *mn)
	__must_hold(&subs->lock)
{
	unsigned long owed;

	WRITE_ONCE(mn->leaver, current);
	WRITE_ONCE(mn->left, true);	/* [D] */
	smp_mb();			/* [E] */
	owed = READ_ONCE(mn->heard);	/* [F] */
	mmun_ranges_pin(&subs->ranges, owed);
	return owed;
}

/* Deliver one end that a record owes to @mn, which has left. False: there is none. */
static bool tell_owed_by_record(struct mmun_subscriptions *subs,
				struct mmun_notifier *mn)
{
	struct mmun_record *record;

	mmun_lock(subs);
	record = mmun_record_owing(&subs->ranges, mn);
	if (record)
		record->slot.pins++;
	mmun_unlock(subs);
	if (!record)
		return false;

	call_end(mn, &record->slot.range);

	mmun_lock(subs);
	if (!mmun_record_unpin(record))
		record = NULL;
	mmun_unlock(subs);
	kfree(record);
	return true;
}

/* [G] Deliver to a subscriber that has left the ends that were due then. */
static void tell_owed_ends(struct mmun_subscriptions *subs,
			   struct mmun_notifier *mn, unsigned long owed)
{
	const struct mmun_notifier_range everything = {
		.mm = subs->mm,
		.start = 0,
		.end = ULONG_MAX,
		.flags = MMUN_NOTIFIER_RANGE_BLOCKABLE,
		.event = MMUN_NOTIFY_CLEAR,
	};
	unsigned long left = owed;
	unsigned int slot;
	int idx;

	/* Ends counted after this point are delivered by the walker that counts them: [C] */
	if (!owed && !READ_ONCE(mn->heard_overflow) &&
	    list_empty(&subs->ranges.records))
		return;

	idx = mmun_callbacks_enter();
	mmun_for_each_slot(slot, left)
		if (take_heard(mn, slot))
			call_end(mn, &subs->ranges.slots[slot].range);
	while (tell_owed_by_record(subs, mn))
		;
	/* The bounds of a range that was only counted are not known here. */
	while (take_unslotted(subs, mn, NULL))
		call_end(mn, &everything);
	mmun_callbacks_leave(idx);

	mmun_lock(subs);
	mmun_ranges_unpin(&subs->ranges, owed);
	mmun_unlock(subs);
}

static bool claim_release(struct mmun_notifier *mn)
{
	if (mn->released)
		return false;
	mn->released = true;
	return true;
}

static int quick_walk_begin(struct mmun_subscriptions *subs,
			    struct mmun_walk *walk)
	__acquires(&mmun_srcu)
{
	int idx = mmun_callbacks_enter();

	mmun_lock(subs);
	mmun_walk_begin(subs, walk);
	mmun_unlock(subs);
	return idx;
}

static void quick_walk_end(struct mmun_subscriptions *subs,
			   struct mmun_walk *walk, int idx)
	__releases(&mmun_srcu)
{
	mmun_lock(subs);
	mmun_walk_end(subs, walk);
	mmun_unlock(subs);
	mmun_callbacks_leave(idx);
}

/**
 * mmun_list_release - the address space goes away
 * @subs: the mm
 *
 * Calls the release of each subscriber and then delivers the ends that it is owed. Its
 * starts are called until its release has returned: until then it has a mirror.
 * A subscriber whose unregister was faster is left to that.
 */
void mmun_list_release(struct mmun_subscriptions *subs)
{
	struct mmun_notifier *mn;
	struct mmun_walk walk;
	unsigned long owed;
	bool claimed;
	int idx;

	idx = quick_walk_begin(subs, &walk);
	mmun_lock(subs);
	while ((mn = walk_next(&walk))) {
		claimed = claim_release(mn);
		mmun_unlock(subs);
		if (claimed && mn->ops->release)
			mn->ops->release(mn, subs->mm);
		mmun_lock(subs);
		/* It may have unregistered in its release, or been put. */
		if (!claimed || !walk.cur || mn->unlinked)
			continue;
		owed = stop_hearing(subs, mn);
		mmun_unlock(subs);
		tell_owed_ends(subs, mn, owed);
		mmun_lock(subs);
	}
	mmun_unlock(subs);
	quick_walk_end(subs, &walk, idx);
}

bool mmun_list_clear_flush_young(struct mmun_subscriptions *subs,
				 unsigned long start, unsigned long end)
{
	struct mmun_notifier *mn;
	struct mmun_walk walk;
	bool young = false;
	int idx;

	idx = quick_walk_begin(subs, &walk);
	while ((mn = walk_next(&walk)))
		if (!READ_ONCE(mn->left) && mn->ops->clear_flush_young)
			young |= mn->ops->clear_flush_young(mn, subs->mm,
							    start, end);
	quick_walk_end(subs, &walk, idx);
	return young;
}

bool mmun_list_clear_young(struct mmun_subscriptions *subs,
			   unsigned long start, unsigned long end)
{
	struct mmun_notifier *mn;
	struct mmun_walk walk;
	bool young = false;
	int idx;

	idx = quick_walk_begin(subs, &walk);
	while ((mn = walk_next(&walk)))
		if (!READ_ONCE(mn->left) && mn->ops->clear_young)
			young |= mn->ops->clear_young(mn, subs->mm, start, end);
	quick_walk_end(subs, &walk, idx);
	return young;
}

bool mmun_list_test_young(struct mmun_subscriptions *subs,
			  unsigned long address)
{
	struct mmun_notifier *mn;
	struct mmun_walk walk;
	bool young = false;
	int idx;

	idx = quick_walk_begin(subs, &walk);
	while ((mn = walk_next(&walk))) {
		if (READ_ONCE(mn->left) || !mn->ops->test_young)
			continue;
		young = mn->ops->test_young(mn, subs->mm, address);
		if (young)
			break;
	}
	quick_walk_end(subs, &walk, idx);
	return young;
}

void mmun_list_flush_tlb(struct mmun_subscriptions *subs, unsigned long start,
			 unsigned long end)
{
	struct mmun_notifier *mn;
	struct mmun_walk walk;
	int idx;

	idx = quick_walk_begin(subs, &walk);
	while ((mn = walk_next(&walk)))
		if (!READ_ONCE(mn->left) &&
		    mn->ops->arch_invalidate_secondary_tlbs)
			mn->ops->arch_invalidate_secondary_tlbs(mn, subs->mm,
								start, end);
	quick_walk_end(subs, &walk, idx);
}

/* --- joining --- */

static unsigned int needs_of(const struct mmun_notifier_ops *ops)
{
	unsigned int needs = 0;

	if (ops->clear_flush_young || ops->clear_young || ops->test_young)
		needs |= MMUN_NEED_YOUNG;
	if (ops->arch_invalidate_secondary_tlbs)
		needs |= MMUN_NEED_TLB;
	return needs;
}

/*
 * A range in flight that is older than the joining of @mn, which is not called for
 * it; NULL if there is none. Under the mmap lock a provisional range is an orphan,
 * and nobody can find that out before the lock is dropped.
 */
static struct mmun_slot *range_before(struct mmun_subscriptions *subs,
				      struct mmun_notifier *mn, bool mmap_locked)
	__must_hold(&subs->lock)
{
	unsigned long mask = subs->ranges.active;

	if (mmap_locked)
		mask &= ~subs->ranges.provisional;
	return mmun_ranges_before(&subs->ranges, mask, mn->joined_seq);
}

/* Sleep in a registration. Return: 0, or -EINTR after a fatal signal. */
static int sleep_killable(struct mmun_subscriptions *subs, struct list_head *sleepers)
	__must_hold(&subs->lock)
{
	mmun_sleep(subs, sleepers, TASK_KILLABLE, MAX_SCHEDULE_TIMEOUT);
	return fatal_signal_pending(current) ? -EINTR : 0;
}

/*
 * Wait for the ranges that are older than the joining of @mn. It cannot starve: each
 * of them ends, and younger ones are not waited for. A getter of a notifier that
 * is still joining waits here too, so the maker of it may be killed.
 *
 * Return: 0, or -EINTR after a fatal signal.
 */
static int finish_joining(struct mmun_subscriptions *subs, struct mmun_notifier *mn,
			  bool mmap_locked)
	__must_hold(&subs->lock)
{
	struct mmun_slot *slot;

	while (mn->joining && (slot = range_before(subs, mn, mmap_locked)))
		if (sleep_killable(subs, &slot->sleepers))
			return -EINTR;
	if (mn->joining) {
		mn->joining = false;
		/* After all that was waited for: see get_quickly(). */
		if (mn->got)
			hlist_add_head_rcu(&mn->got_node, &subs->got);
	}
	return 0;
}

/*
 * The users of a notifier that get made are counted by processor, so that gets on
 * several of them do not meet in one cache line. A user may be dropped on another
 * processor than that on which it was added; what counts is the sum. users_cpus says
 * how many of the counts are not zero, so it is zero if, and only if, there is no user.
 *
 * From 1 to 0 and back a count changes only under subs->lock, with users_cpus; between
 * other values anywhere, by cmpxchg, which leaves 0 alone. So if users_cpus is zero
 * under the lock, all counts are, and they stay zero.
 */

/* One more, unless there are none, or as many as can be counted. */
static __always_inline bool add_to(unsigned int *count)
{
	unsigned int users = READ_ONCE(*count), seen;

	for (;; users = seen) {
		/* 0 or UINT_MAX */
		if (users - 1 >= UINT_MAX - 1)
			return false;
		seen = cmpxchg(count, users, users + 1);
		if (seen == users)
			return true;
	}
}

/* One less, unless fewer than @least would be left. Returns how many there were, or 0. */
static unsigned int drop_from(unsigned int *count, unsigned int least)
{
	unsigned int users = READ_ONCE(*count), seen;

	for (; users > least; users = seen) {
		seen = cmpxchg(count, users, users - 1);
		if (seen == users)
			return users;
	}
	return 0;
}

/* False if there are UINT_MAX on this processor. */
static bool add_user(struct mmun_subscriptions *subs, struct mmun_notifier *mn)
	__must_hold(&subs->lock)
{
	unsigned int *count = raw_cpu_ptr(mn->users);

	/* A zero count changes only under subs->lock, so a plain store suffices. */
	if (READ_ONCE(*count))
		return add_to(count);
	WRITE_ONCE(*count, 1);
	mn->users_cpus++;
	return true;
}

/* Returns false if there was none. */
static bool drop_user(struct mmun_subscriptions *subs, struct mmun_notifier *mn)
	__must_hold(&subs->lock)
{
	unsigned int had = 0;
	int cpu;

	if (!mn->users_cpus)
		return false;
	/* A registered notifier has exactly one user and no per-CPU counters. */
	if (mn->users) {
		had = drop_from(raw_cpu_ptr(mn->users), 0);
		for_each_possible_cpu(cpu) {
			if (had)
				break;
			had = drop_from(per_cpu_ptr(mn->users, cpu), 0);
		}
	}
	if (had <= 1)
		mn->users_cpus--;
	return true;
}

/*
 * The notifier that get made for @ops, with one more user; or NULL. The caller may
 * rely on it only after finish_joining(), as the maker of it.
 */
static struct mmun_notifier *find_got(struct mmun_subscriptions *subs,
				      const struct mmun_notifier_ops *ops)
	__must_hold(&subs->lock)
{
	struct mmun_notifier *mn;

	if (subs->closed)
		return NULL;
	hlist_for_each_entry(mn, &subs->list, hlist) {
		if (!mn->got || mn->ops != ops)
			continue;
		if (!add_user(subs, mn))
			return ERR_PTR(-EOVERFLOW);
		return mn;
	}
	return NULL;
}

static void init_notifier(struct mmun_notifier *mn, struct mm_struct *mm,
			  struct mmun_subscriptions *subs)
{
	mn->mm = mm;
	mn->subs = subs;
	mn->heard = 0;
	mn->heard_overflow = 0;
	mn->left = false;
	mn->leaver = NULL;
	mn->unlinked = false;
	mn->zombie = false;
	mn->released = false;
	mn->joining = true;
	INIT_HLIST_NODE(&mn->got_node);
}

static void link_into_list(struct mmun_subscriptions *subs, struct mmun_notifier *mn)
	__must_hold(&subs->lock)
{
	mmgrab(mn->mm);
	mn->users_cpus = 1;
	if (mn->got)
		*raw_cpu_ptr(mn->users) = 1;
	/*
	 * It is called for younger ranges from here on. It may also be called for an
	 * older one that has not reached the list yet; harmless.
	 */
	mn->joined_seq = subs->invalidate_seq;
	mn->linked = ++subs->link_gen;
	hlist_add_head_rcu(&mn->hlist, &subs->list);
	subs->listed++;
}

/*
 * Link @mn, or find the notifier of the same operations that another get was faster
 * to link. *linked: the one of them that is linked, or NULL. Return: 0, or an errno.
 * If @mn is linked and a fatal signal has come, it has left again: one of get by a
 * put, another one by an unregister.
 */
static int link_notifier(struct mmun_notifier *mn, struct mm_struct *mm,
			 bool mmap_locked, struct mmun_notifier **linked)
{
	unsigned int needs = needs_of(mn->ops);
	struct mmun_subscriptions *subs;
	struct mmun_notifier *other = NULL;
	bool left = false;
	int ret = 0;

	*linked = NULL;
	subs = mmun_subscriptions_join(mm, needs, mmap_locked);
	if (IS_ERR(subs))
		return PTR_ERR(subs);
	init_notifier(mn, mm, subs);

	mmun_lock(subs);
	/* The count of owed ends pairs only if all starts of an overflow were called. */
	while (!ret && subs->ranges.overflow && !subs->closed)
		ret = sleep_killable(subs, &subs->waiters);
	if (!ret && mn->got)
		other = find_got(subs, mn->ops);
	if (IS_ERR(other)) {
		ret = PTR_ERR(other);
		other = NULL;
	}
	if (!ret && !other && subs->closed)
		ret = -ESRCH;
	if (ret || other) {
		left = mmun_subscriptions_leave(subs, needs);
	} else {
		link_into_list(subs, mn);
		*linked = mn;
	}
	if (other)
		*linked = other;
	if (!ret)
		ret = finish_joining(subs, *linked, mmap_locked);
	mmun_unlock(subs);

	if (left)
		mmun_subscriptions_put(subs);
	if (*linked != mn) {
		mn->subs = NULL;
		mmun_subscriptions_put(subs);
	}
	if (!ret || !*linked)
		return ret;
	if ((*linked)->got)
		mmun_notifier_put(*linked);
	else
		withdraw(subs, mn);
	return ret;
}

static int register_notifier(struct mmun_notifier *mn, struct mm_struct *mm,
			     bool mmap_locked)
{
	struct mmun_notifier *linked;

	mmun_might_wait();
	if (!mn)
		return mmun_subscriptions_prepare(mm, mmap_locked);
	mn->got = false;
	mn->users = NULL;
	mn->subs = NULL;
	return link_notifier(mn, mm, mmap_locked, &linked);
}

/**
 * mmun_notifier_register - subscribe to an address space
 * @mn: the subscription: zeroed driver memory with ops set; or NULL
 * @mm: the address space
 *
 * With @mn NULL nothing is subscribed: the mm is only made ready, so that later
 * subscriptions and intervals never take the mmap lock.
 *
 * @mn is called for every range that begins after the return. No range for which it
 * was not called is in flight then: this waits for the older ones.
 *
 * The first subscription of a mm attaches an interval and a list notifier of the
 * kernel's, each under all locks of the mm. They stay until the mm's exit. The other
 * subscriptions do not depend on the number of VMAs (but the first with young
 * operations, and the first with arch_invalidate_secondary_tlbs, attach one more each).
 *
 * Context: process context, may sleep; a fatal signal ends that (if a callback of @mn
 * runs, or a younger subscription's, once that has returned). The caller holds mm_users (it is
 * current->mm, or got by get_task_mm()), not the mmap lock, and no lock that a
 * callback takes. Takes a reference on the mm_struct (mm_count). Pairs with
 * mmun_notifier_unregister() or mmun_notifier_unregister_no_release().
 *
 * Return:
 * * 0
 * * -ESRCH: nobody uses the address space any more; or the first subscription of
 *   the mm, and its pages are being reaped (it was killed)
 * * -ENOMEM: no memory
 * * -EINTR: a fatal signal is pending, or the task is being stopped or frozen or
 *   has task work (io_uring) to do; other signals do not interrupt
 * * -EBUSY: the first subscription of the mm, and a range of the kernel's did
 *   not end within ten seconds
 */
int mmun_notifier_register(struct mmun_notifier *mn, struct mm_struct *mm)
{
	might_lock(&mm->mmap_lock);
	return register_notifier(mn, mm, false);
}
EXPORT_SYMBOL_GPL(mmun_notifier_register);

/**
 * __mmun_notifier_register - mmun_notifier_register() under the mmap lock
 * @mn: the subscription
 * @mm: the address space
 *
 * Context: as mmun_notifier_register(), but the caller holds the mmap lock for
 * writing.
 *
 * Return: as mmun_notifier_register().
 */
int __mmun_notifier_register(struct mmun_notifier *mn, struct mm_struct *mm)
{
	lockdep_assert_held_write(&mm->mmap_lock);
	return register_notifier(mn, mm, true);
}
EXPORT_SYMBOL_GPL(__mmun_notifier_register);

/*
 * find_got() without a lock, if there is nothing to wait for, so that gets on several
 * processors do not wait for each other.
 *
 *   getter                              putter, and its free_worker()
 *   ------                              -----------------------------
 *   [A] getters of this processor: odd  [F] this processor's users become 0
 *       full barrier                    [G] unlinks mn
 *   [B] finds mn in subs->got               full barrier
 *   [C] this processor's users, if      [H] until no processor is in the odd
 *       not 0, become one more              section in which it was found: waits
 *   [D] getters: even (release)         [I] frees mn
 *
 * subs->got has those that may be relied on: what they waited for is over, and the
 * store that links them is a release; what the getter reads after C, which is a full
 * barrier, is not older. C and F are atomic operations on one word:
 * either C finds 0, or F finds the user that C has added, and the put is not the last.
 * With 0 on this processor there may be users on others: that is for find_got().
 *
 * If A comes before H, H waits for D. If H comes before A, then G comes before B, by
 * the two barriers, and B does not find mn. A to D runs with preemption off, for as
 * many steps as there are subscriptions of get: H spins. The section is also an RCU
 * reader, for subs.
 */
static __always_inline struct mmun_notifier *
get_quickly(const struct mmun_notifier_ops *ops, struct mm_struct *mm)
{
	struct mmun_notifier *mn, *found = NULL;
	struct mmun_subscriptions *subs;
	unsigned int *getting, odd;

	/* The exit may have begun. Before that the mm is not closed. */
	if (!atomic_read(&mm->mm_users))
		return NULL;
	preempt_disable();
	getting = this_cpu_ptr(&getters);
	odd = *getting + 1;
	WRITE_ONCE(*getting, odd);		/* [A] */
	smp_mb();
	subs = mmun_subscriptions_peek(mm);
	if (!subs)
		goto out;
	hlist_for_each_entry_rcu(mn, &subs->got, got_node) {
		if (mn->ops != ops)
			continue;
		if (add_to(this_cpu_ptr(mn->users)))
			found = mn;
		break;
	}
out:
	smp_store_release(getting, odd + 1);	/* [D] */
	preempt_enable();
	return found;
}

/* [H] */
static void wait_for_getters(void)
{
	unsigned int *getting, seen;
	int cpu;

	/* Between G and H; pairs with the one between A and B. */
	smp_mb();
	for_each_possible_cpu(cpu) {
		getting = per_cpu_ptr(&getters, cpu);
		/* Pairs with D. */
		seen = smp_load_acquire(getting);
		/* Pairs with D. */
		while ((seen & 1) && smp_load_acquire(getting) == seen)
			cpu_relax();
	}
}

static struct mmun_notifier *get_slowly(const struct mmun_notifier_ops *ops,
					struct mm_struct *mm, bool mmap_locked)
{
	struct mmun_notifier *mn, *killed = NULL;
	struct mmun_subscriptions *subs;

	if (!atomic_read(&mm->mm_users))
		return NULL;
	subs = mmun_subscriptions_find(mm);
	if (!subs)
		return NULL;
	mmun_lock(subs);
	mn = find_got(subs, ops);
	if (!IS_ERR_OR_NULL(mn) && finish_joining(subs, mn, mmap_locked))
		killed = mn;
	mmun_unlock(subs);
	mmun_subscriptions_put(subs);
	if (!killed)
		return mn;
	mmun_notifier_put(killed);
	return ERR_PTR(-EINTR);
}

#ifdef MMUN_KUNIT
/* The kernel's fault injection does not reach what is allocated for each processor. */
bool mmun_kunit_no_counts;
EXPORT_SYMBOL_GPL(mmun_kunit_no_counts);
#endif

static unsigned int __percpu *alloc_counts(void)
{
	return mmun_kunit_no_counts ? NULL : alloc_percpu(unsigned int);
}

static noinline struct mmun_notifier *
get_or_make(const struct mmun_notifier_ops *ops, struct mm_struct *mm)
{
	struct mmun_notifier *mn, *linked = NULL;
	int ret = -ENOMEM;

	mn = get_slowly(ops, mm, true);
	if (mn)
		return mn;

	mn = ops->alloc_notifier(mm);
	if (!mn)
		return ERR_PTR(-ENOMEM);
	if (IS_ERR(mn))
		return mn;
	mn->ops = ops;
	mn->got = true;
	mn->users = alloc_counts();
	if (mn->users)
		ret = link_notifier(mn, mm, true, &linked);
	if (linked != mn) {
		free_percpu(mn->users);
		ops->free_notifier(mn);
	}
	return ret ? ERR_PTR(ret) : linked;
}

static noinline struct mmun_notifier *
get_unlocked(const struct mmun_notifier_ops *ops, struct mm_struct *mm)
{
	struct mmun_notifier *mn;

	mn = get_slowly(ops, mm, false);
	if (mn)
		return mn;

	if (mmap_write_lock_killable(mm))
		return ERR_PTR(-EINTR);
	mn = get_or_make(ops, mm);
	mmap_write_unlock(mm);
	return mn;
}

/**
 * mmun_notifier_get_locked - the one subscription of an (ops, mm) pair
 * @ops: the operations; their address is the key
 * @mm: the address space
 *
 * Returns the subscription that an earlier get made, with one more user, or
 * makes one with ops->alloc_notifier(). While the caller has it, its mm field
 * is valid and may be tried with mmget_not_zero().
 *
 * Context: process context, may sleep. The caller holds mm_users, the mmap lock
 * for writing, and no lock that a callback takes. Pairs with
 * mmun_notifier_put().
 *
 * Return:
 * * the subscription, or ERR_PTR() of one of these
 * * what ops->alloc_notifier() returned (-ENOMEM if that is NULL)
 * * -EOVERFLOW: UINT_MAX users were added on this processor
 * * as mmun_notifier_register(); ops->free_notifier() has the object back then
 */
struct mmun_notifier *
mmun_notifier_get_locked(const struct mmun_notifier_ops *ops,
			 struct mm_struct *mm)
{
	struct mmun_notifier *mn;

	lockdep_assert_held_write(&mm->mmap_lock);
	mmun_might_wait();

	mn = get_quickly(ops, mm);
	if (likely(mn))
		return mn;
	return get_or_make(ops, mm);
}
EXPORT_SYMBOL_GPL(mmun_notifier_get_locked);

/**
 * mmun_notifier_get - the one subscription of an (ops, mm) pair
 * @ops: the operations; their address is the key
 * @mm: the address space
 *
 * One that exists is found without the mmap lock.
 *
 * Context: as mmun_notifier_get_locked(), but the mmap lock is not held.
 *
 * Return: as mmun_notifier_get_locked().
 */
struct mmun_notifier *mmun_notifier_get(const struct mmun_notifier_ops *ops,
					struct mm_struct *mm)
{
	struct mmun_notifier *mn;

	might_lock(&mm->mmap_lock);
	mmun_might_wait();

	mn = get_quickly(ops, mm);
	if (likely(mn))
		return mn;
	return get_unlocked(ops, mm);
}
EXPORT_SYMBOL_GPL(mmun_notifier_get);

/* --- leaving --- */

/* [D] */
static void unlink_notifier(struct mmun_subscriptions *subs,
			    struct mmun_notifier *mn)
	__must_hold(&subs->lock)
{
	struct mmun_walk *walk;

	hlist_del_rcu(&mn->hlist);
	subs->listed--;
	if (mn->got)
		hlist_del_init_rcu(&mn->got_node);
	mn->unlinked = true;
	mn->seen_by = walks_to(subs, mn);
	mn->walks_until = subs->walk_gen;

	list_for_each_entry(walk, &subs->walks, node) {
		if (walk->task != current)
			continue;
		/* We are inside a callback of this walk, and mend it. */
		if (walk->cur == mn)
			walk->cur = NULL;
		while (walk->next && hlist_entry(walk->next,
						 struct mmun_notifier,
						 hlist)->unlinked)
			walk->next = walk->next->next;
	}
	/* Not the last reference: mn has its own. */
	if (mmun_subscriptions_leave(subs, needs_of(mn->ops)))
		refcount_dec(&subs->refs);
}

/*
 * The mm that @mn references. Do not trust @passed: an inherited file may be closed by
 * another process.
 */
static struct mm_struct *held_mm(struct mmun_notifier *mn, struct mm_struct *passed)
{
	if (passed != mn->mm)
		mmun_warn_once(MMUN_SAID_MM, "%ps unregisters from another mm than it registered with\n",
			       mn->ops);
	return mn->mm;
}

/* A second unregister is a driver's mistake: report it, and do nothing. */
static bool is_registered(struct mmun_notifier *mn)
{
	if (mn->subs && !mn->unlinked)
		return true;
	mmun_warn("unregister of a notifier that is not registered, ignored (%ps)\n",
		  mn->ops);
	return false;
}

/* Unlink @mn for a leaver that waits. Returns what stop_hearing() does. */
static unsigned long unlink_and_note(struct mmun_subscriptions *subs,
				     struct mmun_notifier *mn)
	__must_hold(&subs->lock)
{
	unlink_notifier(subs, mn);
	/* The walkers that end take their bits back from the notifiers in this list. */
	if (mn->seen_by)
		list_add_tail(&mn->leaving, &subs->leaving);
	else
		INIT_LIST_HEAD(&mn->leaving);
	return stop_hearing(subs, mn);
}

/* The rest of leaving, without the lock: when this returns, nothing refers to @mn. */
static void wait_until_unseen(struct mmun_subscriptions *subs,
			      struct mmun_notifier *mn, unsigned long owed)
{
	struct mm_struct *mm = mn->mm;

	tell_owed_ends(subs, mn, owed);

	mmun_lock(subs);
	mmun_wait(subs, !mn->seen_by &&
		  !walked_by_others(subs, mn));	/* [E] */
	list_del_init(&mn->leaving);
	mmun_unlock(subs);

	mmun_subscriptions_put(subs);
	mmdrop(mm);
}

/* A fatal signal ended the registration of @mn, which is linked. No release. */
static void withdraw(struct mmun_subscriptions *subs, struct mmun_notifier *mn)
{
	unsigned long owed;

	mmun_lock(subs);
	claim_release(mn);
	owed = unlink_and_note(subs, mn);
	mmun_unlock(subs);
	wait_until_unseen(subs, mn, owed);
}

/**
 * mmun_notifier_unregister - end a subscription
 * @mn: the subscription
 * @mm: the address space it was registered with; another one is reported, and not
 *	touched
 *
 * Calls ops->release, unless the mm's exit has done so, and then the ends that
 * are still due. When it returns no callback runs and none ever will, and the
 * reference on the mm_struct is dropped. It waits for callbacks of this mm
 * only, and not at all if there are none.
 *
 * Works before, during and after the mm's exit, from any task, and from inside
 * ops->release (where it does not wait for its own caller). The unregister of a
 * notifier that is not registered is reported and does nothing.
 *
 * Context: process context, may sleep. No lock may be held that a callback
 * takes. Of the callbacks, only from ops->release. Pairs with
 * mmun_notifier_register().
 */
void mmun_notifier_unregister(struct mmun_notifier *mn, struct mm_struct *mm)
{
	struct mmun_subscriptions *subs = mn->subs;
	unsigned long owed;
	int idx;

	might_sleep();
	if (!is_registered(mn))
		return;
	mm = held_mm(mn, mm);

	idx = mmun_callbacks_enter();
	mmun_lock(subs);
	if (claim_release(mn) && mn->ops->release) {
		/*
		 * The mm's exit waits for this: mmun_event_release(). It is not
		 * a walk: two tasks here whose releases unregister others would
		 * wait for each other.
		 */
		subs->releasing++;
		mmun_unlock(subs);
		mn->ops->release(mn, mm);
		mmun_lock(subs);
		subs->releasing--;
		mmun_wake(subs);
	}
	owed = unlink_and_note(subs, mn);
	mmun_unlock(subs);
	mmun_callbacks_leave(idx);

	wait_until_unseen(subs, mn, owed);
}
EXPORT_SYMBOL_GPL(mmun_notifier_unregister);

/**
 * mmun_notifier_unregister_no_release - end a subscription without waiting
 * @mn: the subscription
 * @mm: the address space it was registered with; another one is reported, and not
 *	touched
 *
 * Tasks that walk the list at this moment may still call it, later ones do not:
 * free @mn by mmun_notifier_call_srcu(). ops->release is not called. The ends
 * that are due are delivered before the return, or by the task whose start is still
 * running.
 *
 * Context: any in which ops->invalidate_range_end may be called; does not wait.
 * Pairs with mmun_notifier_register().
 */
void mmun_notifier_unregister_no_release(struct mmun_notifier *mn,
					 struct mm_struct *mm)
{
	struct mmun_subscriptions *subs = mn->subs;
	unsigned long owed;

	if (!is_registered(mn))
		return;
	mm = held_mm(mn, mm);
	mmun_lock(subs);
	claim_release(mn);
	unlink_notifier(subs, mn);
	owed = stop_hearing(subs, mn);
	mmun_unlock(subs);

	tell_owed_ends(subs, mn, owed);
	mmun_subscriptions_put(subs);
	mmdrop(mm);
}
EXPORT_SYMBOL_GPL(mmun_notifier_unregister_no_release);

static void free_worker(struct work_struct *work)
{
	struct mmun_subscriptions *subs;
	struct mmun_notifier *mn;
	struct mm_struct *mm;
	unsigned int phase;

	raw_spin_lock(&free_lock);
	while ((mn = list_first_entry_or_null(&free_list, struct mmun_notifier,
					      leaving))) {
		list_del(&mn->leaving);
		raw_spin_unlock(&free_lock);

		subs = mn->subs;
		mm = mn->mm;
		phase = mn->phase;
		tell_owed_ends(subs, mn, mn->owed);
		wait_for_getters();
		free_percpu(mn->users);
		/* Lets an excess put be detected if the driver has not freed mn. */
		mn->users = NULL;

		/* As in the kernel's core: a softirq-like context. */
		local_bh_disable();
		if (mn->ops->free_notifier)
			mn->ops->free_notifier(mn);
		local_bh_enable();
		mmun_subscriptions_put(subs);
		mmdrop(mm);

		raw_spin_lock(&free_lock);
		frees_pending[phase]--;
		raw_spin_unlock(&free_lock);
		wake_up_all(&free_wait);
		cond_resched();

		raw_spin_lock(&free_lock);
	}
	raw_spin_unlock(&free_lock);
}

/**
 * mmun_notifier_put - give back what get returned
 * @mn: the subscription
 *
 * With the last user it is unlinked; ops->free_notifier() is called later, once
 * every callback on it has returned, and then the reference on the mm_struct is
 * dropped. ops->release is not called for it; the driver has dropped all its
 * mirror entries, and lets none come, before it puts. Ends that are still due
 * are delivered before ops->free_notifier().
 *
 * A put without a user is reported and does nothing.
 *
 * Context: any but interrupts; does not sleep. Works in ops->release. A module
 * calls mmun_notifier_synchronize() before it is unloaded. Pairs with
 * mmun_notifier_get().
 */
void mmun_notifier_put(struct mmun_notifier *mn)
{
	struct mmun_subscriptions *subs = mn->subs;
	const struct mmun_notifier_ops *ops = mn->ops;
	bool dropped;

	/* One remains, so it is not the last, and mn is not gone meanwhile. */
	if (mn->users && drop_from(raw_cpu_ptr(mn->users), 1))
		return;

	mmun_lock(subs);
	dropped = drop_user(subs, mn);
	if (!dropped || mn->users_cpus) {
		mmun_unlock(subs);
		if (!dropped)
			mmun_warn("put of a notifier without a user, ignored (%ps)\n", ops);
		return;
	}

	claim_release(mn);
	unlink_notifier(subs, mn);
	mn->owed = stop_hearing(subs, mn);
	mn->zombie = true;
	list_add_tail(&mn->leaving, &subs->leaving);
	raw_spin_lock(&free_lock);
	mn->phase = free_phase;
	frees_pending[free_phase]++;
	raw_spin_unlock(&free_lock);
	/*
	 * The worker may drop the last reference before we unlock: subs is
	 * freed after an RCU grace period, and a raw lock held is a read
	 * section.
	 */
	free_ready(subs);
	mmun_unlock(subs);
}
EXPORT_SYMBOL_GPL(mmun_notifier_put);

/**
 * mmun_notifier_call_srcu - call a function after all callbacks that run now
 * @rcu: the head, in the object to free; the driver's until @func is called
 * @func: called once, in a context that may not sleep, when every callback that
 *	is running now, on whatever mm, has returned
 *
 * Context: any; does not sleep. A module calls mmun_notifier_synchronize()
 * before it is unloaded. Pairs with mmun_notifier_unregister_no_release().
 */
void mmun_notifier_call_srcu(struct rcu_head *rcu,
			     void (*func)(struct rcu_head *rcu))
{
	call_srcu(&mmun_srcu, rcu, func);
}
EXPORT_SYMBOL_GPL(mmun_notifier_call_srcu);

static bool frees_done(unsigned int phase)
{
	bool done;

	raw_spin_lock(&free_lock);
	done = !frees_pending[phase];
	raw_spin_unlock(&free_lock);
	return done;
}

/**
 * mmun_notifier_synchronize - wait for everything that is queued
 *
 * When it returns every function given to mmun_notifier_call_srcu() and every
 * ops->free_notifier due to a mmun_notifier_put(), before the call, has
 * *finished*. This and mmun_notifier_call_srcu() wait for all callbacks of all
 * mms; nothing else in the API does.
 *
 * Context: process context, sleeps. Not from a callback. Call it in the exit
 * function of a module that uses put or call_srcu.
 */
void mmun_notifier_synchronize(void)
{
	unsigned int phase;

	might_sleep();

	mutex_lock(&sync_mutex);
	raw_spin_lock(&free_lock);
	phase = free_phase;
	free_phase ^= 1;
	raw_spin_unlock(&free_lock);
	wait_event(free_wait, frees_done(phase));
	mutex_unlock(&sync_mutex);

	srcu_barrier(&mmun_srcu);
}
EXPORT_SYMBOL_GPL(mmun_notifier_synchronize);

int mmun_core_init(void)
{
	free_wq = alloc_workqueue("mmun_free", WQ_UNBOUND, 0);
	return free_wq ? 0 : -ENOMEM;
}

void mmun_core_exit(void)
{
	srcu_barrier(&mmun_srcu);
	destroy_workqueue(free_wq);
}
