// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ranges in flight.
 *
 * A mm has many ranges in flight at once: nested in one task, and in parallel
 * in several. Each takes a slot of a small table from its start to its end,
 * found again by its key (the address of the kernel's range object, which is
 * the same at both). The table answers every question about the present:
 *
 * - Who is owed an end? A list subscriber has one word, heard, with the bit of
 *   each slot whose start it heard and accepted. It hears the end if the bit is
 *   set. So it can be linked at any moment, with ranges in flight.
 * - When may a new subscriber use what it reads? When no range that is older
 *   than its joining is in flight: those it will not be told of. Ranges have
 *   numbers, so registration waits for these, and not for younger ones, which
 *   it hears: it cannot starve. The ranges waited for do not need the mmap lock
 *   if the caller holds it, because then they would not have begun.
 * - Is an interval being invalidated? If a slot overlaps it. No interval is
 *   marked and none must be unmarked: a range that ends or is refused leaves
 *   the table, and with that its mark is gone.
 *
 * A range that may not block is provisional from its start until
 * mmun_range_confirm(): somebody behind us may still refuse it, and then neither
 * a confirmation nor an end comes. Readers of an interval collide with a
 * provisional range but do not wait for it. One that turns out to be an orphan
 * is settled: its slot is freed, and those who heard its start get their end.
 *
 * Overflow. With all slots taken, a range that may not block is refused; one
 * that may is only counted. While overflow is not zero every interval counts as
 * being invalidated, and no list subscriber joins (it waits, uninterruptibly),
 * so that all of those present heard the starts of all counted ranges: a plain
 * count, heard_overflow, is then enough to pair them. For the same reason a
 * start that fails in a counted range, which is a mistake, gets its end.
 *
 * Slots. busy is a slot that is taken, active one whose range is in flight. It
 * stays busy after that while its ends are being told (ending), and while a
 * subscriber that left is still to be told of it (pins).
 */

#include <linux/bitops.h>

#include "mmun_internal.h"

void mmun_subscriptions_init(struct mmun_subscriptions *subs,
			     struct mm_struct *mm, unsigned int nr_slots)
{
	subs->mm = mm;
	refcount_set(&subs->refs, 1);
	raw_spin_lock_init(&subs->lock);
	INIT_HLIST_HEAD(&subs->list);
	INIT_HLIST_HEAD(&subs->got);
	INIT_LIST_HEAD(&subs->walks);
	INIT_LIST_HEAD(&subs->leaving);
	INIT_LIST_HEAD(&subs->waiters);
	subs->itree = RB_ROOT_CACHED;
	subs->invalidate_seq = 1;
	subs->nr_slots = nr_slots;
	/* What is not there is taken. */
	if (nr_slots < BITS_PER_LONG)
		subs->busy = ~0UL << nr_slots;
}

/* Sleep with subs->lock dropped until woken. Returns what is left. */
long mmun_sleep(struct mmun_subscriptions *subs, long timeout)
{
	struct mmun_waiter waiter = { .task = current };

	list_add_tail(&waiter.node, &subs->waiters);
	/* Before the unlock, so that a waker who then gets the lock sees it. */
	set_current_state(TASK_UNINTERRUPTIBLE);
	mmun_unlock(subs);
	timeout = schedule_timeout(timeout);
	mmun_lock(subs);
	list_del(&waiter.node);
	return timeout;
}

void __mmun_wake(struct mmun_subscriptions *subs)
{
	struct mmun_waiter *waiter;

	/* A waiter lives on its task's stack while it is in the list. */
	list_for_each_entry(waiter, &subs->waiters, node)
		wake_up_process(waiter->task);
}

/* Which of the slots in @mask has this key? */
static __always_inline unsigned int
find_slot(struct mmun_subscriptions *subs, unsigned long mask, const void *key)
	__must_hold(&subs->lock)
{
	unsigned int slot;

	mmun_for_each_slot(slot, mask)
		if (subs->slots[slot].key == key)
			return slot;
	return MMUN_NO_SLOT;
}

/* One more range counts as invalidating: [A] in mmun_itree.c. */
static void begin_invalidating(struct mmun_subscriptions *subs)
	__must_hold(&subs->lock)
{
	/* The stores of mmun_interval_set_seq() are later, and releases. */
	WRITE_ONCE(subs->invalidating, subs->invalidating + 1);
}

static void end_invalidating(struct mmun_subscriptions *subs, unsigned int n)
	__must_hold(&subs->lock)
{
	/* [G] in mmun_itree.c */
	smp_store_release(&subs->invalidating, subs->invalidating - n);
}

/* The range is over for the intervals; list subscribers may still be told. */
static __always_inline void end_slot(struct mmun_subscriptions *subs, unsigned int slot)
	__must_hold(&subs->lock)
{
	subs->slots[slot].key = NULL;
	subs->active &= ~BIT(slot);
	subs->provisional &= ~BIT(slot);
	end_invalidating(subs, 1);
	mmun_wake(subs);
}

/* As end_slot(), for all in @mask, but the list subscribers are still to be told. */
static void retire_slots(struct mmun_subscriptions *subs, unsigned long mask)
	__must_hold(&subs->lock)
{
	unsigned int slot;

	subs->ending |= mask;
	mmun_for_each_slot(slot, mask)
		end_slot(subs, slot);
}

/* Its range is over and all are told; a leaver who still reads it frees it then. */
static void free_slot(struct mmun_subscriptions *subs, unsigned int slot)
	__must_hold(&subs->lock)
{
	if (!subs->slots[slot].pins)
		subs->busy &= ~BIT(slot);
}

void mmun_range_pin(struct mmun_subscriptions *subs, unsigned long mask)
{
	unsigned int slot;

	mmun_for_each_slot(slot, mask)
		subs->slots[slot].pins++;
}

void mmun_range_unpin(struct mmun_subscriptions *subs, unsigned long mask)
{
	unsigned int slot;

	mmun_for_each_slot(slot, mask) {
		subs->slots[slot].pins--;
		if (!((subs->active | subs->ending) & BIT(slot)))
			free_slot(subs, slot);
	}
}

/* Is a range in one of the slots in @mask not younger than number @seq? */
bool mmun_range_before(struct mmun_subscriptions *subs, unsigned long mask,
		       unsigned long seq)
{
	unsigned int slot;

	mmun_for_each_slot(slot, mask)
		if ((long)(subs->slots[slot].seq - seq) <= 0)
			return true;
	return false;
}

/*
 * Does any of the slots in @mask overlap [@first, @last]? Bounds inclusive.
 * Counted ranges (overflow) are not in the table: the caller looks after them.
 */
bool mmun_range_overlaps(struct mmun_subscriptions *subs, unsigned long mask,
			 unsigned long first, unsigned long last)
{
	unsigned int slot;

	mmun_for_each_slot(slot, mask) {
		const struct mmun_notifier_range *range =
			&subs->slots[slot].range;

		if (range->start < range->end && range->start <= last &&
		    mmun_range_last(range) >= first)
			return true;
	}
	return false;
}

/*
 * A key that is still here: its range was refused behind our back, the task went
 * on, and the object's place on its stack is used again.
 */
static noinline void settle_stale(struct mmun_subscriptions *subs,
				  const void *key)
	__must_hold(&subs->lock)
{
	unsigned int slot = find_slot(subs, subs->active, key);

	if (slot == MMUN_NO_SLOT)
		return;
	retire_slots(subs, BIT(slot));
	mmun_unlock(subs);
	mmun_range_settle(subs, BIT(slot));
	mmun_lock(subs);
}

/* The intervals that a range overlaps; NULL if there are none, as is often so. */
static struct mmun_interval_notifier *
first_interval(struct mmun_subscriptions *subs,
	       const struct mmun_notifier_range *range)
	__must_hold(&subs->lock)
{
	if (RB_EMPTY_ROOT(&subs->itree.rb_root))
		return NULL;
	return mmun_itree_first(subs, range);
}

/* What mmun_range_start() does if there is no slot, for one that may block. */
static noinline void start_counted(struct mmun_subscriptions *subs,
				   unsigned long start, unsigned long end,
				   enum mmun_notifier_event event, void *owner)
	__releases(&subs->lock)
{
	const struct mmun_notifier_range range = {
		.mm = subs->mm,
		.start = start,
		.end = end,
		.flags = MMUN_NOTIFIER_RANGE_BLOCKABLE,
		.event = event,
		.owner = owner,
	};
	unsigned long cur_seq = subs->invalidate_seq;
	struct mmun_interval_notifier *first;
	struct mmun_walk walk;
	int idx;

	subs->overflow++;
	begin_invalidating(subs);
	first = first_interval(subs, &range);
	mmun_walk_begin(subs, &walk);
	idx = mmun_callbacks_enter();
	mmun_unlock(subs);

	lock_map_acquire(&mmun_range_start_map);
	if (first)
		mmun_itree_start(subs, first, &range, cur_seq);
	mmun_list_start_counted(subs, &range);
	lock_map_release(&mmun_range_start_map);

	mmun_lock(subs);
	mmun_walk_end(subs, &walk);
	mmun_unlock(subs);
	mmun_callbacks_leave(idx);
}

/**
 * mmun_range_start - a range begins
 * @subs: the mm
 * @key: the same at the range's end, unique while it is in flight
 * @start: of the range that subscribers are told, as the others are
 * @end: exclusive
 * @flags: MMUN_NOTIFIER_RANGE_BLOCKABLE or 0
 * @event: why
 * @owner: who
 *
 * (One by one, and not in a struct that would be filled only to be copied.)
 *
 * Context: subs->lock is held, and not any more at the return; the mm is not closed.
 * Sleeps if, and only if, the range is blockable.
 *
 * Return: 0, and a confirmation (if not blockable) and an end will follow, or
 * nothing if somebody else refuses; -EAGAIN if a subscriber refused, or if it may
 * not block and there is no slot: everybody who agreed has had his end, and the range
 * is not in the table.
 */
int mmun_range_start(struct mmun_subscriptions *subs, const void *key,
		     unsigned long start, unsigned long end, unsigned int flags,
		     enum mmun_notifier_event event, void *owner)
	__releases(&subs->lock)
{
	const bool blockable = flags & MMUN_NOTIFIER_RANGE_BLOCKABLE;
	struct mmun_interval_notifier *first;
	struct mmun_notifier_range *range;
	unsigned long cur_seq;
	unsigned int slot;
	int idx, ret = 0;
	bool listed;

	if (unlikely(subs->active)) {
		settle_stale(subs, key);
		if (subs->closed) {
			mmun_unlock(subs);
			return 0;
		}
	}

	/* Even numbers are never given out: see mmun_interval_read_begin(). */
	subs->invalidate_seq += 2;
	cur_seq = subs->invalidate_seq;
	if (unlikely(subs->busy == ULONG_MAX)) {
		if (blockable) {
			start_counted(subs, start, end, event, owner);
			return 0;
		}
		mmun_unlock(subs);
		return -EAGAIN;
	}
	slot = ffz(subs->busy);
	subs->busy |= BIT(slot);
	subs->active |= BIT(slot);
	if (!blockable)
		subs->provisional |= BIT(slot);
	subs->slots[slot].key = key;
	subs->slots[slot].seq = cur_seq;
	range = &subs->slots[slot].range;
	range->mm = subs->mm;
	range->start = start;
	range->end = end;
	range->flags = flags;
	range->event = event;
	range->owner = owner;
	begin_invalidating(subs);

	first = first_interval(subs, range);
	/* If it is empty, who joins from here on is younger, and not told. */
	listed = !hlist_empty(&subs->list);
	if (!first && !listed) {
		mmun_unlock(subs);
		return 0;
	}
	if (listed)
		mmun_slot_walk_begin(subs, slot);
	/* Before the list is read: who unlinks a subscriber that we find waits for us. */
	idx = mmun_callbacks_enter();
	mmun_unlock(subs);

	lock_map_acquire(&mmun_range_start_map);
	if (first)
		ret = mmun_itree_start(subs, first, range, cur_seq);
	if (!ret && listed)
		ret = mmun_list_start(subs, range, slot);
	lock_map_release(&mmun_range_start_map);

	if (ret || listed) {
		mmun_lock(subs);
		if (listed)
			mmun_slot_walk_end(subs, slot);
		/* One that is refused after the mm was closed is over already. */
		if (ret && (subs->active & BIT(slot)))
			end_slot(subs, slot);
		if (ret)
			free_slot(subs, slot);
		mmun_unlock(subs);
	}
	mmun_callbacks_leave(idx);
	return ret;
}

/**
 * mmun_range_confirm - nobody can refuse this range any more
 * @subs: the mm
 * @key: what was given to mmun_range_start()
 *
 * Context: any, does not sleep.
 */
void mmun_range_confirm(struct mmun_subscriptions *subs, const void *key)
{
	unsigned int slot;

	mmun_lock(subs);
	slot = find_slot(subs, subs->provisional, key);
	if (slot != MMUN_NO_SLOT)
		subs->provisional &= ~BIT(slot);
	mmun_unlock(subs);
}

/* Tell the list subscribers that the range in @slot, which is ending, is over; free it. */
static __always_inline void tell_slot_end(struct mmun_subscriptions *subs, unsigned int slot)
	__must_hold(&subs->lock)
{
	int idx;

	mmun_slot_walk_begin(subs, slot);
	idx = mmun_callbacks_enter();
	mmun_unlock(subs);
	mmun_list_end(subs, &subs->slots[slot].range, slot);
	mmun_lock(subs);
	mmun_callbacks_leave(idx);
	mmun_slot_walk_end(subs, slot);
	subs->ending &= ~BIT(slot);
	free_slot(subs, slot);
}

/**
 * mmun_range_end - a range is over
 * @subs: the mm
 * @key: what was given to mmun_range_start()
 *
 * Context: calls ends; does not sleep itself.
 *
 * Return: false if the range is not in the table: mmun_range_end_counted() is to
 * be called.
 */
bool mmun_range_end(struct mmun_subscriptions *subs, const void *key)
{
	unsigned int slot;

	mmun_lock(subs);
	slot = find_slot(subs, subs->active, key);
	if (unlikely(slot == MMUN_NO_SLOT)) {
		mmun_unlock(subs);
		return false;
	}
	end_slot(subs, slot);
	if (hlist_empty(&subs->list)) {
		free_slot(subs, slot);
	} else {
		subs->ending |= BIT(slot);
		tell_slot_end(subs, slot);
	}
	mmun_unlock(subs);
	return true;
}

/**
 * mmun_range_end_counted - a range that had found no slot is over
 * @subs: the mm
 * @range: the range
 *
 * An end whose start was never heard is ignored: some kernels raised starts
 * without a lock that attaching excludes.
 *
 * Context: as mmun_range_end().
 */
void mmun_range_end_counted(struct mmun_subscriptions *subs,
			    const struct mmun_notifier_range *range)
{
	struct mmun_walk walk;
	int idx;

	idx = mmun_callbacks_enter();
	mmun_lock(subs);
	if (subs->overflow) {
		mmun_walk_begin(subs, &walk);
		mmun_unlock(subs);
		mmun_list_end_counted(subs, range);
		mmun_lock(subs);
		mmun_walk_end(subs, &walk);
		/*
		 * After the ends: until then no subscriber may join. It was
		 * closed meanwhile if there is none left. Whoever waits for it was
		 * woken by mmun_walk_end(), and looks when we unlock.
		 */
		if (subs->overflow) {
			subs->overflow--;
			end_invalidating(subs, 1);
		}
	}
	mmun_unlock(subs);
	mmun_callbacks_leave(idx);
}

/**
 * mmun_range_orphan - give up all provisional ranges
 * @subs: the mm
 *
 * Context: the caller knows that no provisional range is really in flight.
 *
 * Return: their slots, for mmun_range_settle(); 0 if there are none.
 */
unsigned long mmun_range_orphan(struct mmun_subscriptions *subs)
{
	unsigned long orphans;

	mmun_lock(subs);
	orphans = subs->provisional;
	if (orphans)
		retire_slots(subs, orphans);
	mmun_unlock(subs);
	return orphans;
}

/**
 * mmun_range_settle - tell the owed ends of orphans
 * @subs: the mm
 * @orphans: their slots, retired by mmun_range_orphan()
 *
 * Context: calls ends; does not sleep itself.
 */
void mmun_range_settle(struct mmun_subscriptions *subs, unsigned long orphans)
{
	unsigned int slot;

	mmun_for_each_slot(slot, orphans) {
		mmun_lock(subs);
		tell_slot_end(subs, slot);
		mmun_unlock(subs);
	}
}

/**
 * mmun_range_release - the mm's exit releases it
 * @subs: the mm
 *
 * Tells every interval and every list subscriber, with the ends they are owed,
 * and then closes the mm: ranges in flight in other tasks lose their ends here.
 * That is safe, because mm_users is zero and nobody can fault pages in again.
 * Until then the pages are there, other tasks may unmap them, and a subscriber
 * whose turn has not come is told so.
 *
 * Context: sleeps.
 */
void mmun_range_release(struct mmun_subscriptions *subs)
{
	const struct mmun_notifier_range range = {
		.mm = subs->mm,
		.start = 0,
		.end = ULONG_MAX,
		.flags = MMUN_NOTIFIER_RANGE_BLOCKABLE,
		.event = MMUN_NOTIFY_RELEASE,
	};
	struct mmun_interval_notifier *first;
	unsigned long cur_seq, left;
	unsigned int slot;
	int idx;

	idx = mmun_callbacks_enter();
	mmun_lock(subs);
	subs->invalidate_seq += 2;
	cur_seq = subs->invalidate_seq;
	first = mmun_itree_first(subs, &range);
	mmun_unlock(subs);

	lock_map_acquire(&mmun_range_start_map);
	if (first)
		mmun_itree_start(subs, first, &range, cur_seq);
	lock_map_release(&mmun_range_start_map);
	/* Not under it: a release may unregister, which waits for callbacks. */
	mmun_list_release(subs);

	mmun_lock(subs);
	/*
	 * An unregister that took it upon itself to call ->release must have
	 * returned from it before exit_mmap() frees the pages.
	 */
	mmun_wait(subs, !subs->releasing);
	WRITE_ONCE(subs->closed, true);
	end_invalidating(subs, subs->overflow);
	subs->overflow = 0;
	left = subs->active;
	mmun_for_each_slot(slot, left)
		end_slot(subs, slot);
	/* Also those who wait for overflow. */
	mmun_wake(subs);
	mmun_unlock(subs);
	mmun_callbacks_leave(idx);
}
