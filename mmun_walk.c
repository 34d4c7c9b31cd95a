// SPDX-License-Identifier: GPL-2.0-only
/*
 * Walks: which list subscriber is called, and when it may be freed.
 *
 * Walks. Callbacks may sleep, so the list cannot be walked under a lock. A task
 * that walks it announces itself. For the start or the end of a range that has a
 * slot (mmun_range.c) it sets the slot's bit in subs->walking; for all else it puts a
 * struct mmun_walk, on its stack, into subs->walks, with a number one higher than
 * that of the one before. Entering and leaving take subs->lock; in between the list
 * is read as under RCU: a subscriber that is unlinked keeps its next pointer.
 *
 *   walker                                leaver
 *   ------                                ------
 *   [W1] sets its bit, or is put into     [W4] unlinks mn, notes the bits of the
 *        subs->walks                           walks not past mn, and the newest
 *   [W2] finds mn, calls its ops               number
 *   [W3] clears its bit, and takes it     [W5] until the bits noted are gone,
 *        back from what leavers noted;         and no walk up to that number that
 *        or is taken out                       is not past mn is in subs->walks:
 *                                              waits
 *                                         [W6] mn may be freed
 *
 * W1, W3, W4 and W5 are critical sections of subs->lock. A walk that begins after W4
 * does not find mn; one that began before is waited for. Another that begins in the
 * same slot is not: W3 has taken the bit back. So the leaver waits for callbacks of
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
 * could see it hands to a worker (mmun_walks_hand_over()). The worker also waits for the tasks
 * that get a notifier without a lock (get_quickly()).
 *
 * call_srcu takes no mm, and waits for every callback anywhere. For it alone
 * there is one SRCU domain that every walk enters. Nothing else waits for it.
 *
 * Owed ends. The bitmap in mn has a bit for each slot (mmun_range.c) of which mn accepted
 * the start. A leaver gets the ends that are due. With a start callback of
 * mn still running in another task, that start may yet succeed:
 *
 *   walker                                leaver
 *   [O1] start returns 0                  [O4] mn has left
 *   [O2] sets the bit                     [O5] full barrier
 *        (full barrier)                   [O6] notes the bits, pins their slots
 *   [O3] left? takes the bit back,        [O7] takes the bits noted, delivers
 *        and delivers the end                  the ends, unpins the slots
 *
 * O2 orders the bit before O3 and O5 orders O4 before O6, so that either O3 sees left
 * or O6 sees the bit; if both do, the one that takes the bit delivers the end. O7
 * leaves other bits alone: their slots are not pinned, and O3 is sure to come.
 *
 * Without a slot O2 is a count under subs->lock, in place of the bit. O4 and O5 are under
 * subs->lock, too. So the order of these two sections alone would do; O2 has the barrier
 * all the same, as the rule is then one for all ranges.
 */

#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/rculist.h>
#include <linux/slab.h>

#include "mmun_internal.h"
#include "mmun_trace.h"
#include "mmun_walk.h"

DEFINE_SRCU(mmun_srcu);
unsigned long mmun_warned;

/* Takes a zombie that no walk sees any more; mmun_get.c gives it. */
static void (*unseen)(struct mmun_notifier *mn);

void mmun_walks_setup(void (*zombie_unseen)(struct mmun_notifier *mn))
{
	unseen = zombie_unseen;
}

static struct hlist_node *first_of(struct mmun_subscriptions *subs)
{
	/* [L2] pairs with [L1] in link_into_list(). */
	return rcu_dereference_raw(hlist_first_rcu(&subs->list));
}

static struct hlist_node *next_of(struct hlist_node *node)
{
	/* [L2] pairs with [L1] in link_into_list(). */
	return rcu_dereference_raw(hlist_next_rcu(node));
}

void mmun_walk_begin(struct mmun_subscriptions *subs, struct mmun_walk *walk)
{
	walk->task = current;
	walk->cur = NULL;
	walk->at = ULONG_MAX;
	walk->next = NULL;
	walk->gen = ++subs->walk_gen;
	list_add_tail(&walk->node, &subs->walks);	/* [W1] */
}

/* Hand over the zombies that no walk can see any more. */
void mmun_walks_hand_over(struct mmun_subscriptions *subs)
{
	struct mmun_notifier *mn, *tmp;
	u64 oldest = U64_MAX;

	if (!list_empty(&subs->walks))
		oldest = list_first_entry(&subs->walks, struct mmun_walk,
					  node)->gen;

	list_for_each_entry_safe(mn, tmp, &subs->leaving, priv.leaving) {
		if (mn->priv.life != MMUN_ZOMBIE || mn->priv.seen_by ||
		    mn->priv.walks_until >= oldest)
			continue;
		list_del(&mn->priv.leaving);
		unseen(mn);
	}
}

void mmun_walk_end(struct mmun_subscriptions *subs, struct mmun_walk *walk)
{
	list_del(&walk->node);	/* [W3] */
	if (!list_empty(&subs->leaving))
		mmun_walks_hand_over(subs);
	mmun_wake(subs);
}

/* The end of a slot's walk, if there are leavers. */
void __mmun_slot_walk_end(struct mmun_subscriptions *subs, unsigned int slot)
{
	struct mmun_notifier *mn;

	list_for_each_entry(mn, &subs->leaving, priv.leaving)
		mn->priv.seen_by &= ~BIT(slot);	/* [W3] */
	mmun_walks_hand_over(subs);
}

/* A walk goes on to @mn: see "Progress". */
static __always_inline void walk_reaches(unsigned long *at, struct mmun_notifier *mn)
{
	/* [P1] pairs with [P2] in is_past(). */
	smp_store_release(at, mn->priv.linked);
}

/* Is the walk that is @at past @mn? */
static bool is_past(unsigned long *at, struct mmun_notifier *mn)
{
	/* [P2] pairs with [P1] in walk_reaches(). */
	return smp_load_acquire(at) < mn->priv.linked;
}

/* The walks of ranges, by slot, that may still call @mn. */
unsigned long mmun_walks_to(struct mmun_subscriptions *subs, struct mmun_notifier *mn)
{
	unsigned long walking = subs->walking, seen_by = 0;
	unsigned int slot;

	mmun_for_each_slot(slot, walking)
		if (!is_past(&subs->ranges.slots[slot].at, mn))
			seen_by |= BIT(slot);
	return seen_by;
}

/* May a walk of another task, up to number @mn->priv.walks_until, still call @mn? */
bool mmun_walked_by_others(struct mmun_subscriptions *subs, struct mmun_notifier *mn)
{
	struct mmun_walk *walk;

	list_for_each_entry(walk, &subs->walks, node) {
		if (walk->gen > mn->priv.walks_until)
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

static bool take_accepted(struct mmun_notifier *mn, unsigned int slot)
{
	return test_and_clear_bit(slot, &mn->priv.accepted);
}

/* @mn accepted the start of a range without a slot: with @record, or in overflow. */
static void owe_unslotted(struct mmun_subscriptions *subs,
			  struct mmun_notifier *mn, struct mmun_record *record)
{
	mmun_lock(subs);
	if (record)
		mmun_record_owe(record, mn);
	else
		WRITE_ONCE(mn->priv.accepted_overflow, mn->priv.accepted_overflow + 1);
	mmun_unlock(subs);
	smp_mb();	/* [O2] pairs with [O5] in mmun_list_leave() */
}

static bool take_unslotted(struct mmun_subscriptions *subs,
			   struct mmun_notifier *mn, struct mmun_record *record)
{
	bool owed;

	mmun_lock(subs);
	if (record) {
		owed = mmun_record_take(record, mn);
	} else {
		owed = mn->priv.accepted_overflow;
		if (owed)
			WRITE_ONCE(mn->priv.accepted_overflow, mn->priv.accepted_overflow - 1);
	}
	mmun_unlock(subs);
	return owed;
}

/*
 * The number of a range, for its trace events; 0: it is in overflow. Of the arguments of a
 * start or an end, so that no other must be kept for it: @range is in its slot.
 */
static __always_inline unsigned long
number_of(const struct mmun_notifier_range *range, bool unslotted,
	  struct mmun_record *record)
{
	if (!unslotted)
		return container_of(range, struct mmun_slot, range)->seq;
	return record ? record->slot.seq : 0;
}

static __always_inline int
call_one_start(struct mmun_notifier *mn, const struct mmun_notifier_range *range,
	       bool unslotted, struct mmun_record *record)
{
	if (trace_mmun_callback_enabled())
		return mmun_traced_start(mn, range, number_of(range, unslotted, record));
	return mn->ops->invalidate_range_start(mn, range);
}

static __always_inline void
call_one_end(struct mmun_notifier *mn, const struct mmun_notifier_range *range,
	     bool unslotted, struct mmun_record *record)
{
	if (trace_mmun_callback_enabled())
		mmun_traced_end(mn, range, number_of(range, unslotted, record));
	else
		mn->ops->invalidate_range_end(mn, range);
}

static void call_end(struct mmun_notifier *mn, const struct mmun_notifier_range *range,
		     bool unslotted, struct mmun_record *record)
{
	bool blockable = mmun_notifier_range_blockable(range);

	if (!blockable)
		non_block_start();
	call_one_end(mn, range, unslotted, record);
	if (!blockable)
		non_block_end();
}

/* @mn left while its start was running. */
static noinline void take_back(struct mmun_subscriptions *subs,
			       struct mmun_notifier *mn,
			       const struct mmun_notifier_range *range, unsigned int slot,
			       struct mmun_record *record)
{
	bool owed = slot == MMUN_NO_SLOT ? take_unslotted(subs, mn, record) :
					   take_accepted(mn, slot);

	/*
	 * No end for a notifier put by its own start callback. Reading ->leaver
	 * unlocked is safe: it equals current only if this task wrote it.
	 */
	if (owed && READ_ONCE(mn->priv.leaver) != current)
		call_end(mn, range, slot == MMUN_NO_SLOT, record);
}

static noinline void warn_refusal(struct mmun_notifier *mn,
				  const struct mmun_notifier_range *range,
				  int ret)
{
	if (mmun_notifier_range_blockable(range))
		mmun_warn_once(MMUN_WARNED_ERROR, "%ps returned %d in a blockable range, ignored\n",
			       mn->ops->invalidate_range_start, ret);
	else if (ret != -EAGAIN)
		mmun_warn_once(MMUN_WARNED_CODE, "%ps returned %d instead of -EAGAIN\n",
			       mn->ops->invalidate_range_start, ret);
}

/*
 * @slot (MMUN_NO_SLOT or not) and @blockable are known at compile time at each caller,
 * so their tests leave the loop. A range without a slot has a @record, or is in
 * overflow.
 *
 * A subscriber that is unlinked keeps its next pointer, and is not freed during the
 * walk: in its start it may be put, but not unregistered.
 *
 * Returns whether a subscriber refused.
 */
static __always_inline bool
call_starts(struct mmun_subscriptions *subs,
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
		if (mmun_has_left(mn))
			continue;
		/* It joined after this range, waits for it, and has no room in owed. */
		if (unslotted && record &&
		    (long)(mn->priv.joined_seq - record->slot.seq) >= 0)
			continue;
		ops = mn->ops;
		if (ops->invalidate_range_start) {
			if (!blockable)
				non_block_start();
			ret = call_one_start(mn, range, unslotted, record);
			if (!blockable)
				non_block_end();
			if (unlikely(ret)) {
				warn_refusal(mn, range, ret);
				mmun_trace_refusal(subs, number_of(range, unslotted, record),
						   range, mn, ops->invalidate_range_start, ret);
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
			set_bit(slot, &mn->priv.accepted);
			/* [O2] pairs with [O5] in mmun_list_leave() */
			smp_mb__after_atomic();
		}
		if (unlikely(mmun_has_left(mn)))	/* [O3] */
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
	if (!call_starts(subs, range, slot, NULL, slot_at(subs, slot), false, false))
		return 0;
	/*
	 * A second walk, from the head. Under the lock: a leaver that unlinks after this
	 * finds it, and one that unlinked before is not met.
	 */
	mmun_lock(subs);
	*slot_at(subs, slot) = ULONG_MAX;
	mmun_unlock(subs);
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
	call_starts(subs, range, slot, NULL, slot_at(subs, slot), false, true);
	return 0;
}

/* mmun_list_start() of a range that has no slot; @record: NULL if it is in overflow. */
void mmun_list_start_unslotted(struct mmun_subscriptions *subs,
			       const struct mmun_notifier_range *range,
			       struct mmun_record *record, struct mmun_walk *walk)
{
	call_starts(subs, range, MMUN_NO_SLOT, record, &walk->at, true, true);
}

static __always_inline void
call_ends(struct mmun_subscriptions *subs,
	  const struct mmun_notifier_range *range, unsigned int slot,
	  struct mmun_record *record, unsigned long *at, bool unslotted, bool blockable)
{
	struct mmun_notifier *mn;
	struct hlist_node *node;

	for (node = first_of(subs); node; node = next_of(node)) {
		mn = hlist_entry(node, struct mmun_notifier, hlist);
		walk_reaches(at, mn);
		if (!(unslotted ? take_unslotted(subs, mn, record) : take_accepted(mn, slot)))
			continue;
		if (!blockable)
			non_block_start();
		call_one_end(mn, range, unslotted, record);
		if (!blockable)
			non_block_end();
	}
}

static noinline void end_nonblockable(struct mmun_subscriptions *subs,
				      const struct mmun_notifier_range *range,
				      unsigned int slot)
{
	call_ends(subs, range, slot, NULL, slot_at(subs, slot), false, false);
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
		call_ends(subs, range, slot, NULL, slot_at(subs, slot), false, true);
}

/* mmun_list_end() of a range that has no slot; @record: NULL if it is in overflow. */
void mmun_list_end_unslotted(struct mmun_subscriptions *subs,
			     const struct mmun_notifier_range *range,
			     struct mmun_record *record, struct mmun_walk *walk)
{
	call_ends(subs, range, MMUN_NO_SLOT, record, &walk->at, true, true);
}

/*
 * No start of @mn succeeds unseen from now on. Returns the slots whose ends are
 * due, pinned; mmun_list_deliver_owed() is to follow.
 */
unsigned long mmun_list_leave(struct mmun_subscriptions *subs,
			      struct mmun_notifier *mn)
{
	unsigned long owed;

	WRITE_ONCE(mn->priv.leaver, current);
	/* [O4] For one that is unlinked, mmun_unlink() has stored it. */
	mmun_life_reaches(mn, MMUN_LEFT);
	/* [O5] pairs with [O2] in call_starts() and owe_unslotted() */
	smp_mb();
	owed = READ_ONCE(mn->priv.accepted);	/* [O6] */
	mmun_ranges_pin(&subs->ranges, owed);
	return owed;
}

/* Deliver one end that a record owes to @mn, which has left. False: there is none. */
static bool deliver_owed_by_record(struct mmun_subscriptions *subs,
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

	call_end(mn, &record->slot.range, true, record);

	mmun_lock(subs);
	if (!mmun_record_unpin(record))
		record = NULL;
	mmun_unlock(subs);
	kfree(record);
	return true;
}

/* Deliver to a subscriber that has left the ends that were due then. */
void mmun_list_deliver_owed(struct mmun_subscriptions *subs,
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

	/* An end that is accepted after this point is delivered by its walker, see O3. */
	if (!owed && !READ_ONCE(mn->priv.accepted_overflow) &&
	    list_empty(&subs->ranges.records))
		return;

	idx = mmun_callbacks_enter();
	mmun_for_each_slot(slot, left)
		if (take_accepted(mn, slot))	/* [O7] */
			call_end(mn, &subs->ranges.slots[slot].range, false, NULL);
	while (deliver_owed_by_record(subs, mn))
		;
	/* The bounds of a range in overflow are not known here. */
	while (take_unslotted(subs, mn, NULL))
		call_end(mn, &everything, true, NULL);
	mmun_callbacks_leave(idx);

	mmun_lock(subs);
	mmun_ranges_unpin(&subs->ranges, owed);
	mmun_unlock(subs);
}

static int quick_walk_begin(struct mmun_subscriptions *subs,
			    struct mmun_walk *walk)
	__acquires(&mmun_srcu)
{
	int idx = mmun_callbacks_enter();

	mmun_lock(subs);
	mmun_walk_begin(subs, walk);
	walk->next = first_of(subs);
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
		claimed = mmun_claim_release(mn);
		mmun_unlock(subs);
		if (claimed && mn->ops->release)
			mmun_call_release(subs, mn, subs->mm);
		mmun_lock(subs);
		/* It may have unregistered in its release, or been put. */
		if (!claimed || !walk.cur || mn->priv.life >= MMUN_UNLINKED)
			continue;
		owed = mmun_list_leave(subs, mn);
		mmun_unlock(subs);
		mmun_list_deliver_owed(subs, mn, owed);
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
		if (!mmun_has_left(mn) && mn->ops->clear_flush_young)
			young |= mmun_call_clear_flush_young(subs, mn, start, end);
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
		if (!mmun_has_left(mn) && mn->ops->clear_young)
			young |= mmun_call_clear_young(subs, mn, start, end);
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
		if (mmun_has_left(mn) || !mn->ops->test_young)
			continue;
		young = mmun_call_test_young(subs, mn, address);
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
		if (!mmun_has_left(mn) &&
		    mn->ops->arch_invalidate_secondary_tlbs)
			mmun_call_flush_tlb(subs, mn, start, end);
	quick_walk_end(subs, &walk, idx);
}
